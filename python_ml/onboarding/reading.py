"""Opening raw files on DuckDB: what they are is decided by their bytes, not by their names."""

from __future__ import annotations

import csv
import gzip
import os
import re
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.onboarding.dialect import Dialect, detect
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

SAMPLE_BYTES = 262_144
_GZIP, _PARQUET, _ZIP = b"\x1f\x8b", b"PAR1", b"PK\x03\x04"
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")  # of UTF-8 and UTF-16
_UTF8_LETTER = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@dataclass(frozen=True)
class RawFile:
    """One raw file, open as a relation of a DuckDB connection.

    Attributes
    ----------
    path : Path
        Absolute path.
    format : str
        ``csv`` (any single-character delimiter), ``whitespace`` (columns apart by runs of blanks) or ``parquet``.
    options : dict
        How to read it: header, names, delim, quote, escape, new_line, strict_mode, encoding, compression.
    relation : str
        Quoted name of the table or view that holds its rows.
    columns : tuple of (str, str)
        Name as it stands in the file, and DuckDB type; everything in a text file is VARCHAR.
    rows : int
    notes : tuple of str
        What a reader should know, such as an encoding that had to be guessed.
    has_mark : bool
        Whether it begins with a byte-order mark.
    """

    path: Path
    format: str
    options: dict[str, Any]
    relation: str
    columns: tuple[tuple[str, str], ...]
    rows: int
    notes: tuple[str, ...] = field(default=())
    has_mark: bool = False

    @property
    def is_text(self) -> bool:
        """Whether all its values are text, to be typed in bronze."""
        return self.format != "parquet"


@contextmanager
def scratch_connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a temporary DuckDB database on disk, so that large files spill rather than fill memory."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="retention_") as folder:
        connection = duckdb.connect(str(Path(folder) / "scratch.duckdb"))
        try:
            connection.execute("set timezone = 'UTC'")
            # Without these a misspelt option would try to download an extension.
            connection.execute("set autoinstall_known_extensions = false")
            connection.execute("set autoload_known_extensions = false")
            connection.execute("set enable_progress_bar = false")
            connection.execute(f"set threads = {min(4, os.cpu_count() or 1)}")
            yield connection
        finally:
            connection.close()


def open_file(connection: duckdb.DuckDBPyConnection, path: Path, table: str) -> RawFile:
    """Find out how a file is to be read, and make it readable as ``table``.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    path : Path
        A CSV file (comma, semicolon, tab, pipe or blanks between columns; plain or gzip) or a parquet file.
    table : str
        Name for the relation: a view for parquet, a table of text for the rest (parsed once).

    Raises
    ------
    UserError
        When the file is missing, a folder, empty, has no rows, is not text, or breaks off in the middle.
    """
    path = path.expanduser()
    if path.is_dir():
        raise UserError(
            "This is a folder, not a file.",
            where=str(path),
            hint="name its files one by one, for instance --data orders.csv --data tickets.csv",
        )
    if not path.is_file():
        raise UserError("There is no such file.", where=str(path), hint="check the path given to --data")
    path = path.resolve()
    sample, is_gzip = _sample(path)
    if sample.startswith(_PARQUET) and not is_gzip:
        return _open_parquet(connection, path, table)
    encoding, notes = _encoding(path, sample)
    text = sample.decode({"utf-8": "utf-8-sig"}.get(encoding, encoding), errors="replace")
    if not text.strip():
        raise UserError("The file is empty.", where=str(path), hint="export it again, with a header and rows")
    options: dict[str, Any] = {"encoding": encoding} if encoding != "utf-8" else {}
    if is_gzip:
        options["compression"] = "gzip"
    file = _open_text(connection, path, table, options, detect(text, len(sample) < SAMPLE_BYTES), notes)
    return replace(file, has_mark=sample.startswith(_MARKS))


def scan_sql(path: Path | str, file_format: str, options: dict[str, Any]) -> str:
    """Write the query that reads a raw file; the macro ``attach_raw_files`` writes the same one.

    Parameters
    ----------
    path : Path or str
    file_format : str
        ``csv``, ``whitespace`` or ``parquet``.
    options : dict
        See :class:`RawFile`.
    """
    file = _path_literal(path)
    if file_format == "parquet":
        return f"select * from read_parquet({file})"
    if file_format == "csv":
        return f"select * from {_read_csv(file, options, options['names'])}"
    columns = ", ".join(f"parts[{place}] as {quote(name)}" for place, name in enumerate(options["names"], start=1))
    line = "trim(line, ' ' || chr(9) || chr(13))"
    return (
        f"select {columns} from (select regexp_split_to_array({line}, '\\s+') as parts "
        f"from {_read_csv(file, options, ['line'])} where {line} <> '')"
    )


def _read_csv(file: str, options: dict[str, Any], names: list[str]) -> str:
    """DuckDB's reader with every choice made, so that it neither guesses nor skips."""
    settings = ["auto_detect = false", f"header = {str(bool(options.get('header', True))).lower()}"]
    if "delim" not in options:
        settings.append("delim = chr(1), quote = '', escape = ''")
    settings += [
        f"{key} = {literal(options[key])}"
        for key in ("delim", "quote", "escape", "new_line", "encoding", "compression")
        if key in options
    ]
    if "strict_mode" in options:
        settings.append(f"strict_mode = {str(options['strict_mode']).lower()}")
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return f"read_csv({file}, {', '.join(settings)}, columns = {{{columns}}})"


def _path_literal(path: Path | str) -> str:
    """A path for DuckDB, which reads it as a pattern: a bracket or star stands for itself only in brackets."""
    return literal(re.sub(r"([*?\[])", r"[\1]", str(path)))


def _sample(path: Path) -> tuple[bytes, bool]:
    """The first bytes of the contents, and whether the file is gzip."""
    try:
        with path.open("rb") as file:
            head = file.read(SAMPLE_BYTES)
        if head.startswith(_GZIP):
            with gzip.open(path) as file:
                return file.read(SAMPLE_BYTES), True
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"The file cannot be read: {error}.", where=str(path), hint="check its permissions, or copy it again"
        ) from error
    return head, False


def _encoding(path: Path, sample: bytes) -> tuple[str, tuple[str, ...]]:
    """Name the encoding that DuckDB should read with, and a note where it is a guess."""
    if sample.startswith(_MARKS[1:]):
        return "utf-16", ("encoding utf-16, by its byte-order mark",)
    if sample.startswith(_ZIP) or b"\x00" in sample:
        kind = "a zip archive or a spreadsheet" if sample.startswith(_ZIP) else "a binary file"
        raise UserError(
            f"The file is not readable text: it looks like {kind}.",
            where=str(path),
            hint="export it as CSV (UTF-8) or parquet",
        )
    try:
        # A multi-byte letter may be cut at the sample's end.
        sample[: max(len(sample) - 4, 0) if len(sample) == SAMPLE_BYTES else None].decode("utf-8")
    except UnicodeDecodeError as error:
        line = sample[: error.start].count(b"\n") + 1
        if _UTF8_LETTER.search(sample):
            raise UserError(
                f"The file mixes encodings: line {line} is not UTF-8, other lines are.",
                where=str(path),
                hint="save it as UTF-8",
            ) from error
        return "latin-1", (f"line {line} is not UTF-8; read as latin-1: check letters with accents",)
    return "utf-8", ("starts with a UTF-8 byte-order mark",) if sample.startswith(_MARKS[0]) else ()


def _open_text(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    table: str,
    options: dict[str, Any],
    dialect: Dialect,
    notes: tuple[str, ...],
) -> RawFile:
    import duckdb

    if dialect.format == "whitespace":
        attempts = [{**options, "header": dialect.header, "names": dialect.names}]
        notes = (*notes, "columns are separated by blanks")
    else:
        attempts = _attempts(options, dialect)
    if not dialect.header:
        notes = (*notes, "no header: columns are numbered")
    relation = quote(table)
    failure: Exception | None = None
    for attempt in attempts:
        if attempt.get("strict_mode") is False and failure is not None and "invalid state" not in str(failure):
            break
        try:
            connection.execute(f"create or replace table {relation} as {scan_sql(path, dialect.format, attempt)}")
        except duckdb.Error as error:
            failure = failure or error
            continue
        rows = _count(connection, relation)
        if rows == 0:
            raise _no_rows(path)
        if attempt.get("strict_mode") is False:
            _refuse_lost_cells(path, attempt, rows)
            notes = (*notes, "line ends differ within the file")
        if attempt.get("encoding") != options.get("encoding"):
            notes = (*notes, "not UTF-8 throughout; read as latin-1: check letters with accents")
        if attempt.get("quote") == "" and dialect.quote:
            notes = (*notes, "quotes are read as ordinary characters: they do not come in pairs")
        if dialect.format == "whitespace":
            _refuse_lost_words(connection, path, attempt)
        return RawFile(path, dialect.format, attempt, relation, _columns(connection, relation), rows, notes)
    raise _broken(path, failure, dialect) from failure


def _attempts(options: dict[str, Any], dialect: Dialect) -> list[dict[str, Any]]:
    """Ways to read a CSV file, the strictest first."""
    first = {
        **options,
        "header": dialect.header,
        "delim": dialect.delim,
        "quote": dialect.quote,
        "escape": dialect.escape,
        **({"new_line": dialect.new_line} if dialect.new_line else {"strict_mode": False}),
        "names": dialect.names,
    }
    attempts = [first]
    if "encoding" not in options:
        # The first accent may stand behind the sample.
        attempts.append({"encoding": "latin-1", **first})
    if dialect.quote:
        # A lone quote in free text is a character there, not a beginning.
        attempts.append({**first, "quote": "", "escape": ""})
    if dialect.new_line:
        # Line ends may begin to differ behind the sample; only this way reads them, but it also cuts long rows short.
        loose = {key: value for key, value in first.items() if key != "new_line"}
        attempts.append({**loose, "strict_mode": False})
    return attempts


def _refuse_lost_cells(path: Path, options: dict[str, Any], rows: int) -> None:
    """Hold that a lenient reading lost nothing, by reading the file once more with Python."""
    opened = gzip.open if options.get("compression") == "gzip" else open
    settings = {"quotechar": options["quote"]} if options["quote"] else {"quoting": csv.QUOTE_NONE}
    if options["escape"] == "\\":
        settings |= {"escapechar": "\\", "doublequote": False}
    encoding = {"utf-8": "utf-8-sig"}.get(options.get("encoding", "utf-8"), options.get("encoding"))
    width, seen = len(options["names"]), -int(options["header"])
    with opened(path, "rt", encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=options["delim"], **settings)
        for row in reader:
            if row and len(row) != width:
                raise _misfit(path, reader.line_num, len(row), width)
            seen += bool(row)
    if seen != rows:
        raise UserError(
            f"The file cannot be read safely: {seen:,} rows in it, {rows:,} arrive.",
            where=str(path),
            hint="save it anew with the same line ends throughout, or as parquet",
        )


def _refuse_lost_words(connection: duckdb.DuckDBPyConnection, path: Path, options: dict[str, Any]) -> None:
    """Hold that no line has more words than there are columns."""
    width = len(options["names"])
    lines = scan_sql(path, "whitespace", options).split(" from (", 1)[1]
    found = connection.execute(
        f"select array_to_string(parts, ' ') from ({lines} where len(parts) <> {width} limit 1"
    ).fetchall()
    if found:
        raise UserError(
            f"A line has {len(found[0][0].split())} values where the others have {width}: {found[0][0][:60]!r}.",
            where=str(path),
            hint="correct the line, or export the file as CSV",
        )


def _misfit(path: Path, line: int, found: int, width: int) -> UserError:
    return UserError(
        f"Line {line} has {found} columns where the first line has {width}.",
        where=str(path),
        hint="correct that line, or export the file again (texts that hold a delimiter need quotes)",
    )


def _open_parquet(connection: duckdb.DuckDBPyConnection, path: Path, table: str) -> RawFile:
    import duckdb

    relation = quote(table)
    try:
        connection.execute(f"create or replace view {relation} as {scan_sql(path, 'parquet', {})}")
        rows = _count(connection, relation)
    except duckdb.Error as error:
        raise _broken(path, error) from error
    if rows == 0:
        raise _no_rows(path)
    return RawFile(path, "parquet", {}, relation, _columns(connection, relation), rows)


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[tuple[str, str], ...]:
    return tuple((row[0], row[1]) for row in connection.execute(f"describe {relation}").fetchall())


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    return connection.execute(f"select count(*) from {relation}").fetchall()[0][0]


def _no_rows(path: Path) -> UserError:
    return UserError(
        "The file has a header but no rows.",
        where=str(path),
        hint="export it again, with at least a few months of rows",
    )


def _broken(path: Path, error: Exception | None, dialect: Dialect | None = None) -> UserError:
    """Say what DuckDB found, without its advice on options that this command does not have."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = "\n".join(lines)
    if "unicode" in told.lower() or "encoded" in told.lower():
        return UserError(
            "The file mixes encodings or is not text.", where=str(path), hint="save it as UTF-8, or as parquet"
        )
    if dialect is not None and dialect.misfits:
        return _misfit(path, *dialect.misfits[0], len(dialect.names))
    line = re.search(r"CSV Error on Line: (\d+)", told)
    columns = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", told)
    if line and columns:
        return _misfit(path, int(line[1]), int(columns[2]), int(columns[1]))
    kept = [x for x in lines if re.match(r"(CSV Error on Line|Original Line|Value with)", x)]
    reason = "; ".join(kept[:3]) or (lines[0] if lines else "unknown reason")
    reason = re.sub(r"^[A-Z][A-Za-z ]* Error: ", "", reason)
    return UserError(
        f"The file cannot be read as a table: {reason}",
        where=str(path),
        hint="copy or export it again" if dialect is None else "correct the line, or export the file again as parquet",
    )
