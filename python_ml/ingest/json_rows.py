"""JSON lines, arrays and objects, flattened one level into parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.ingest.dialect import distinct_names
from python_ml.ingest.schema import LINE_NUMBER, LINE_PROBLEM, LINE_TEXT
from python_ml.ingest.text_rows import Rejected, open_bytes
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

_TYPES = {"UBIGINT": "bigint", "BIGINT": "bigint", "HUGEINT": "hugeint", "DOUBLE": "double", "BOOLEAN": "boolean"}


def write_json_rows(
    connection: duckdb.DuckDBPyConnection, path: Path, options: dict[str, Any], target: Path
) -> Rejected:
    """Read a JSON file, and write its objects as rows to parquet.

    Numbers and truth values keep their types, all else is text; objects within objects become columns
    ``outer_inner``, whatever lies deeper is JSON text.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    path : Path
    options : dict
        ``compression``, ``member``; ``encoding``, where it is not UTF-8.
    target : Path

    Raises
    ------
    UserError
        When the file holds no objects, or too many lines are no JSON.
    """
    import duckdb

    rejected, bad = Rejected(), []
    plain = target.with_suffix(".json")
    with open_bytes(path, options) as file, plain.open("wb") as copy:
        encoding = options.get("encoding", "utf-8")
        if encoding == "utf-8":
            while block := file.read(1 << 22):
                copy.write(block.removeprefix(b"\xef\xbb\xbf") if not copy.tell() else block)
        else:
            copy.write(file.read().decode(encoding, errors="replace").encode())
    try:
        _objects(connection, plain)
    except duckdb.Error as error:
        bad = _checked_lines(path, plain, rejected, str(error).splitlines()[0])
        _objects(connection, plain)
    structure = _structure(connection)
    lists = [key for key, kind in structure.items() if isinstance(kind, list) and isinstance(kind[0], dict)]
    if len(lists) == 1 and connection.execute("select count(*) = 1 from json_objects").fetchall()[0][0]:
        # One object around the rows.
        connection.execute(
            "create or replace table json_objects as select unnest(cast(json_extract(json, "
            f"{literal(_pointer(lists[0]))}) as json[])) as json from json_objects"
        )
        structure = _structure(connection)
    if not structure:
        raise UserError(
            "The JSON file holds no objects.", where=str(path), hint="write one object per row: {...} lines or [{...}]"
        )
    fields: list[tuple[str, str, Any]] = []
    for key, kind in structure.items():
        if isinstance(kind, dict):
            fields += [(f"{key}_{inner}", _pointer(key, inner), k) for inner, k in kind.items()]
        else:
            fields.append((key, _pointer(key), kind))
    pointers = ", ".join(literal(pointer) for _, pointer, _ in fields)
    columns = ", ".join(
        f"try_cast(v[{place}] as {_TYPES.get(kind if isinstance(kind, str) else '', 'varchar')}) as {quote(name)}"
        for place, (name, (_, _, kind)) in enumerate(
            zip(distinct_names([name for name, _, _ in fields]), fields, strict=True), start=1
        )
    )
    lines = f"null::bigint as {LINE_NUMBER}, null::varchar as {LINE_TEXT}, null::varchar as {LINE_PROBLEM}"
    connection.execute(f"""
        create or replace table json_rows as
        select {columns}, {lines}
        from (select json_extract_string(json, [{pointers}]) as v from json_objects where json_type(json) = 'OBJECT')
    """)
    if bad:
        connection.executemany(
            f"insert into json_rows ({LINE_NUMBER}, {LINE_TEXT}, {LINE_PROBLEM}) values (?, ?, ?)", bad
        )
    rejected.rows = connection.execute(f"copy json_rows to {literal(str(target))} (format parquet)").fetchall()[0][0]
    rejected.rows -= len(bad)
    connection.execute("drop table json_rows; drop table json_objects")
    plain.unlink()
    return rejected


def _objects(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    size = max(path.stat().st_size, 1 << 24)
    connection.execute(
        "create or replace table json_objects as select json from "
        f"read_json_objects({literal(str(path))}, maximum_object_size = {min(size, 1 << 28)})"
    )


def _structure(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    result = connection.execute("select json_group_structure(json) from json_objects").fetchall()[0][0]
    structure = json.loads(result) if result else None
    return structure if isinstance(structure, dict) else {}


def _pointer(*keys: str) -> str:
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def _checked_lines(path: Path, plain: Path, rejected: Rejected, problem: str) -> list[tuple[int, str, str]]:
    """Keep the lines that are JSON, and give the others."""
    bad, good = [], []
    with plain.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                is_object = not line.strip() or isinstance(json.loads(line), dict)
            except ValueError:
                is_object = False
            if is_object:
                good.append(line)
                rejected.rows += bool(line.strip())
            else:
                bad.append((number, line.rstrip("\r\n")[:1000], "not JSON"))
                rejected.add(number, "not JSON", "{line} is no JSON object.")
    if not rejected.allowed() or not rejected.rows:
        raise UserError(
            rejected.first if rejected.rows else f"The JSON cannot be read: {problem}",
            where=str(path),
            hint="export it again, as one object per line, as an array of objects, or as CSV",
        )
    plain.write_text("".join(good), encoding="utf-8")
    return bad
