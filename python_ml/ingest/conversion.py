"""Turning files that DuckDB cannot read in place into parquet, and doing so again when the user's file changes."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.files import replacing
from python_ml.ingest.connection import flat_columns, scan_sql
from python_ml.ingest.dialect import distinct_names, months_of, table_start
from python_ml.ingest.json_rows import write_json_rows
from python_ml.ingest.schema import LINE_NUMBER, LINE_PROBLEM, LINE_TEXT, Conversion
from python_ml.ingest.text_rows import DESCRIPTION, Rejected, open_bytes, write_text_rows
from python_ml.ingest.workbook import as_column, as_text, sheet_rows
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

_LINES = (LINE_NUMBER, LINE_TEXT, LINE_PROBLEM)


def convert(path: Path, conversion: Conversion, target: Path) -> tuple[Conversion, dict[str, int]]:
    """Write a file as parquet.

    Parameters
    ----------
    path : Path
        The user's file.
    conversion : Conversion
    target : Path
        The parquet file.

    Returns
    -------
    (Conversion, dict of str to int)
        The conversion with the hash of the file, and whether the parquet file has the columns of rejected lines; lines
        that are no rows by reason.

    Raises
    ------
    UserError
        When the file cannot be read in this way, or has more broken lines than allowed.
    """
    import duckdb

    options = dict(conversion.options)
    rows = target.with_suffix(f".{os.getpid()}.rows")
    with replacing(target) as part, _removed(rows), duckdb.connect() as connection:
        if conversion.format == "parquet":
            _copy_parquet(connection, path, options, rows, part)
            return replace(conversion, sha256=file_hash(path)), {}
        if conversion.format == "json":
            rejected = write_json_rows(connection, path, options, rows)
        elif conversion.format == "excel":
            rejected = _write_sheet(path, options, rows)
        else:
            rejected = write_text_rows(path, options | {"whitespace": conversion.format == "whitespace"}, rows)
        has_lines = bool(rejected.reasons)
        if has_lines and options.get("lines") is False:
            raise UserError(
                rejected.first or "The file now has a row that describes its columns.",
                where=str(path),
                hint="correct it, or run `retention init` again, so that such lines are quarantined",
            )
        options["lines"] = options.get("lines", has_lines)
        query = _final_query(connection, rows, options)
        connection.execute(f"copy ({query}) to {literal(str(part))} (format parquet, compression zstd)")
    return replace(conversion, options=options, sha256=file_hash(path)), dict(rejected.reasons)


def _copy_parquet(
    connection: duckdb.DuckDBPyConnection, path: Path, options: dict[str, Any], rows: Path, target: Path
) -> None:
    """Unpack a parquet file, and make columns of the fields of its structures where ``nested`` is set."""
    with open_bytes(path, options) as source, rows.open("wb") as copy:
        shutil.copyfileobj(source, copy)
    if not options.get("nested"):
        shutil.copy(rows, target)
        return
    relation = f"({scan_sql(rows, 'parquet', {})})"
    columns = flat_columns(connection, relation)
    selected = ", ".join(f"{expression} as {quote(name)}" for name, expression in columns.items()) or "*"
    connection.execute(
        f"copy (select {selected} from {relation}) to {literal(str(target))} (format parquet, compression zstd)"
    )


def refresh_converted(
    sources: Iterable[tuple[Path, Conversion, Path]],
) -> list[tuple[Path, Conversion]]:
    """Convert the files again that are not what they were when they were converted.

    Parameters
    ----------
    sources : iterable of (Path, Conversion, Path)
        The user's file, how it was converted, and the parquet file.

    Returns
    -------
    list of (Path, Conversion)
        Files that were converted again, with the conversion to store.
    """
    refreshed = []
    for path, conversion, target in sources:
        if not path.is_file():
            if target.is_file():
                continue
            raise UserError("There is no such file.", where=str(path), hint="put it back, or change the source's path")
        if not target.is_file() or file_hash(path) != conversion.sha256:
            refreshed.append((path, convert(path, conversion, target)[0]))
    return refreshed


@contextmanager
def _removed(path: Path) -> Iterator[None]:
    """Delete an intermediate file in the end."""
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def header_of(cells: list[str], options: dict[str, Any]) -> list[str]:
    """Names of the columns of a row of header cells."""
    return distinct_names(cells) if options.get("header", True) else [f"column_{n + 1}" for n in range(len(cells))]


def _write_sheet(path: Path, options: dict[str, Any], target: Path) -> Rejected:
    """Write a sheet's rows to parquet, with the types that Excel has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = sheet_rows(path, options["sheet"])
    start = table_start([[as_text(cell) for cell in row] for row in rows[:100]])
    header = [as_text(cell) for cell in rows[start]] if options.get("header", True) else []
    body = rows[start + bool(header) :]
    width = max(map(len, rows[start:]))
    names = header_of(header + [""] * (width - len(header)), options)
    if options.get("names") and not options.get("months") and names != options["names"]:
        raise UserError(
            f"The columns of the sheet changed: they are now {', '.join(names)}.",
            where=str(path),
            hint=f"bring the old ones back ({', '.join(options['names'])}), or run `retention init` again",
        )
    rejected = Rejected(rows=len(body))
    lines: list[tuple[Any, Any, Any]] = [(None, None, None)] * len(body)
    if options.get("description_row") and body:
        rejected.add(start + 2, DESCRIPTION, "{line} describes the columns.")
        rejected.rows -= 1
        lines[0] = (start + 2, ", ".join(map(as_text, body[0])), DESCRIPTION)
        body = [[""] * width, *body[1:]]
    columns = [as_column([row[place] if place < len(row) else "" for row in body]) for place in range(width)]
    types = (pa.int64(), pa.string(), pa.string())
    columns += [pa.array([line[place] for line in lines], types[place]) for place in range(3)]
    pq.write_table(pa.Table.from_arrays(columns, names=[*names, *_LINES]), target)
    return rejected


def _final_query(connection: Any, rows: Path, options: dict[str, Any]) -> str:
    """The rows as the project reads them: months turned into rows, columns of rejected lines where there are any."""
    source = f"read_parquet({literal(str(rows))})"
    names = [row[0] for row in connection.execute(f"describe select * from {source}").fetchall()]
    lines = f", {', '.join(_LINES)}" if options["lines"] else ""
    names = [name for name in names if name not in _LINES]
    if not options.get("months"):
        return f"select {', '.join(map(quote, names))}{lines} from {source}"
    months = months_of(names)
    if not months:
        raise UserError("The columns of the file are no longer months.", hint="run `retention init` again")
    kept = ", ".join(quote(name) for name in names if name not in months)
    cast = ", ".join(
        f"nullif(trim(cast({quote(name)} as varchar)), '') as {quote(month)}" for name, month in months.items()
    )
    month, value = distinct_names([*(n for n in names if n not in months), "month", "value"])[-2:]
    turned = f"""
        select {kept}, {quote(month)}, {quote(value)}{lines} from (
            unpivot (select {kept}, {cast}, {", ".join(_LINES)} from {source} where {LINE_PROBLEM} is null)
            on {", ".join(quote(m) for m in months.values())} into name {quote(month)} value {quote(value)}
        )"""
    if not options["lines"]:
        return turned
    return f"{turned} union all by name select {', '.join(_LINES)} from {source} where {LINE_PROBLEM} is not null"
