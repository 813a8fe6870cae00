"""Opening one file: what it is is decided by its bytes, not by its name."""

from __future__ import annotations

import mmap
import re
import zipfile
import zlib
from codecs import BOM_UTF8
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.files import encodable
from python_ml.ingest.connection import count_rows, create_raw, flat_columns, scratch_folder
from python_ml.ingest.conversion import convert, header_of
from python_ml.ingest.dialect import Dialect, describes_columns, detect, looks_like_names, months_of, table_start
from python_ml.ingest.encoding import MARK_NOTE, Encoding, encoding_of
from python_ml.ingest.schema import Conversion, RawTable
from python_ml.ingest.text_rows import LONGEST_LINE, open_bytes
from python_ml.ingest.workbook import as_text, sheet_of, sheet_rows

if TYPE_CHECKING:
    import duckdb

SAMPLE_BYTES = 262_144
_PARQUET, _OLE, _ZIP = b"PAR1", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
_LONG_LINE = 1 << 20  # bytes in a line that DuckDB's buffer may not hold


@dataclass(frozen=True)
class _Source:
    """A file to open: its path, how its bytes are reached, and what has been noticed so far."""

    connection: duckdb.DuckDBPyConnection
    path: Path
    table: str
    bytes_options: dict[str, Any]
    sample: bytes
    is_whole: bool
    notes: tuple[str, ...] = field(default=())

    def opened(self) -> Any:
        return open_bytes(self.path, self.bytes_options)

    def with_first_line(self) -> _Source:
        """The same with a sample that reaches beyond the first line, however long that is within reason."""
        if self.is_whole or re.search(rb"[\r\n]", self.sample):
            return self
        with self.opened() as contents:
            sample = contents.read(LONGEST_LINE + SAMPLE_BYTES)
        end = re.search(rb"[\r\n]", sample)
        first = len(sample) if end is None else end.start()
        if first > LONGEST_LINE:
            raise UserError(
                f"The first line of the file is longer than {LONGEST_LINE >> 20} MiB.",
                where=str(self.path),
                hint="check that this is a table of text whose rows end with line breaks",
            )
        cut = sample[: end.start() + SAMPLE_BYTES] if end else sample
        return replace(self, sample=cut, is_whole=len(sample) < LONGEST_LINE + SAMPLE_BYTES and cut == sample)


def open_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    table: str,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
) -> RawTable:
    """Determine how a file is to be read, and make it a relation.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    path : Path
    table : str
        Name for the relation.
    encoding, sheet : str, optional
        What the user names; see :func:`python_ml.ingest.open_tables`.

    Returns
    -------
    RawTable
        Without name, columns and view.

    Raises
    ------
    UserError
        When the file is missing, a folder, empty, has no rows, is not text, breaks off, or has too many broken lines.
    """
    if path.is_dir():
        raise UserError(
            "This is a folder, not a file.",
            where=str(path),
            hint="name its files one by one, for instance --data orders.csv --data tickets.csv",
        )
    if not path.is_file():
        raise UserError("There is no such file.", where=str(path), hint="check its path and its name")
    source = _source(connection, encodable(path.resolve()), table)
    head = source.sample[:8]
    if head.startswith(_PARQUET) and not source.bytes_options.get("compression"):
        conversion = Conversion("parquet", source.bytes_options)
        table = _converted(source, conversion) if source.bytes_options else _in_place(source, "parquet", {})
        if flat_columns(source.connection, table.relation):
            return _converted(source, replace(conversion, options={**conversion.options, "nested": True}))
        return table
    if head.startswith(_OLE) or source.bytes_options.get("member") == "":
        return _open_workbook(source, sheet)
    return _open_text(source, encoding)


def _source(connection: duckdb.DuckDBPyConnection, path: Path, table: str) -> _Source:
    """The beginning of a file's contents, within whatever compresses it; a workbook has the member ``""``."""
    options: dict[str, Any] = {}
    try:
        with path.open("rb") as file:
            head = file.read(8)
        if head.startswith(_ZIP):
            options["member"] = _member(path)
        compression = next((c for magic, c in _COMPRESSIONS.items() if head.startswith(magic)), None)
        if compression:
            options["compression"] = compression
        with open_bytes(path, options) as contents:
            sample = contents.read(SAMPLE_BYTES)
            if options and compression:
                # A file that breaks off is noticed before anything is made of it.
                while contents.read(1 << 22):
                    pass
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        kind = "zip archive" if options.get("member") is not None or head.startswith(_ZIP) else "file"
        raise UserError(
            f"The {kind} cannot be read: {error}.", where=str(path), hint="check its permissions, or copy it again"
        ) from error
    return _Source(connection, path, table, options, sample, is_whole=len(sample) < SAMPLE_BYTES)


def _member(path: Path) -> str:
    """The one file of a zip archive; empty for a workbook, which is an archive as well."""
    with zipfile.ZipFile(path) as archive:
        names = [i.filename for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX/")]
    if any(re.match(r"xl/workbook\.|content\.xml$", name) for name in names):
        return ""
    if len(names) != 1:
        raise UserError(
            f"The zip archive holds {len(names)} files" + (f": {', '.join(sorted(names)[:10])}." if names else "."),
            where=str(path),
            hint="extract it, and name the files one by one",
        )
    return names[0]


def _open_workbook(source: _Source, sheet: str | None) -> RawTable:
    name = sheet_of(source.path, sheet)
    rows = [[as_text(cell) for cell in row] for row in sheet_rows(source.path, name)]
    if len(rows) < 2:
        raise _no_rows(source.path)
    start = table_start(rows[:100])
    header = looks_like_names(rows[start]) or bool(months_of(rows[start]))
    options: dict[str, Any] = {"sheet": name, "header": header}
    width = max(map(len, rows[start:]))
    names = header_of([*rows[start], *[""] * (width - len(rows[start]))], options)
    notes = [f"sheet {name}"]
    if start:
        notes.append(f"rows before the header are left out: {start}")
    if header and describes_columns(rows[start + 1 : start + 200]):
        options["description_row"] = True
    options["names"] = names
    return _converted(replace(source, notes=tuple(notes)), _with_months(Conversion("excel", options)))


def _open_text(source: _Source, given: str | None) -> RawTable:
    path, sample = source.path, source.sample
    if not sample.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        if b"\x00" in sample:
            raise _binary(path)
        raise UserError("The file is empty.", where=str(path), hint="export it again, with a header and rows")
    is_utf8 = given is None and _is_utf8(source)
    utf8 = Encoding("utf-8", MARK_NOTE if sample.startswith(BOM_UTF8) else "")
    encoding = utf8 if is_utf8 else encoding_of(path, sample, source.opened, given)
    if not encoding.name.startswith("utf-16") and sample.count(0) > max(1, len(sample) // 1000):
        raise _binary(path)
    if not encoding.name.startswith("utf-16") and len(sample) < 200 and b"\x00" in sample:
        raise _binary(path)
    codec = {"utf-8": "utf-8-sig"}.get(encoding.name, encoding.name)
    text = sample.decode(codec, errors="replace")
    controls = len(re.findall(r"[\x01-\x08\x0e-\x1f\x7f]", text))
    if controls > 0.02 * len(text) + 1 and "\x01" not in text[:200]:
        raise _binary(path)
    if not text.strip():
        raise UserError("The file is empty.", where=str(path), hint="export it again, with a header and rows")
    notes = (*source.notes, encoding.note) if encoding.note else source.notes
    source = replace(source, notes=notes)
    options = source.bytes_options | ({"encoding": encoding.name} if encoding.name != "utf-8" else {})
    if re.match(r"\s*(\{\s*[\"}]|\[\s*\{)", text):
        return _converted(source, Conversion("json", options))
    if re.match(r"\s*<(!doctype|html|table|\?xml)", text, re.IGNORECASE):
        raise UserError("The file is HTML or XML, not a table of text.", where=str(path), hint="export it as CSV")
    longer = source.with_first_line()
    if longer is not source:
        source, text = longer, longer.sample.decode(codec, errors="replace")
    dialect = detect(text, source.is_whole, str(path))
    return _open_dialect(source, dialect, encoding, options)


def _open_dialect(source: _Source, dialect: Dialect, encoding: Encoding, options: dict[str, Any]) -> RawTable:
    """Read in place where DuckDB reads exactly what stands in the file, else through a conversion."""
    import duckdb

    notes = list(source.notes)
    if dialect.skip:
        notes.append(f"lines before the header are left out: {dialect.skip}")
    if not dialect.header and not dialect.names[0].startswith("row"):
        notes.append("no header: columns are numbered")
    if dialect.format == "whitespace":
        notes.append("columns are separated by blanks")
    source = replace(source, notes=tuple(notes))
    read = {"header": dialect.header, "delim": dialect.delim, "quote": dialect.quote, "escape": dialect.escape}
    read |= {"skip": dialect.skip} if dialect.skip else {}
    read["names"] = list(dialect.names)
    description = dialect.header and describes_columns(dialect.rows)
    must_convert = (
        dialect.format == "whitespace"
        or not encoding.is_in_place
        or description
        or not dialect.new_line
        or options.get("member")
        or options.get("compression") not in (None, "gzip")
        or bool(dialect.header and months_of(dialect.names))
        or _has_zero_byte(source, encoding)
    )
    failure = ""
    if not must_convert:
        for attempt in _attempts(options | read | {"new_line": dialect.new_line}, dialect, source):
            try:
                table = _in_place(source, "csv", attempt)
            except duckdb.Error as error:
                failure = failure or str(error)
                continue
            if _first_row_is(source.connection, table, dialect):
                is_literal = attempt["quote"] == "" and dialect.quote
                note = ("quotes are read as ordinary characters: they do not come in pairs",) if is_literal else ()
                return replace(table, notes=(*table.notes, *note))
    if failure and encoding.name == "utf-8" and not (encoding.mixed or encoding.is_given):
        # The first letter of another encoding may stand behind the sample.
        encoding = encoding_of(source.path, source.sample, source.opened)
        if encoding.name != "utf-8":
            options = {**options, "encoding": encoding.name}
            return _open_dialect(replace(source, notes=(*source.notes, encoding.note)), dialect, encoding, options)
    converted = {**options, **read, "encoding": encoding.name}
    converted |= {"mixed": encoding.mixed} if encoding.mixed else {}
    converted |= {"description_row": True} if description else {}
    kind = "whitespace" if dialect.format == "whitespace" else "csv"
    return _converted(source, _with_months(Conversion(kind, converted)))


def _attempts(options: dict[str, Any], dialect: Dialect, source: _Source) -> list[dict[str, Any]]:
    """Ways to read a CSV file in place, the strictest first."""
    longest = max(map(len, re.split(rb"[\r\n]", source.sample)))
    if longest >= SAMPLE_BYTES // 2:
        options = {**options, "max_line_size": min(max(source.path.stat().st_size, _LONG_LINE * 4), LONGEST_LINE)}
    attempts = [options]
    is_quoted = any(len(c) > 1 and c[0] == c[-1] == '"' for row in dialect.rows for c in row) or (
        source.sample.count(b'"') > 20 and b'","' in source.sample
    )
    if dialect.quote and not is_quoted:
        # A lone quote in free text is a character there, not a beginning.
        attempts.append({**options, "quote": "", "escape": ""})
    return attempts


def _first_row_is(connection: duckdb.DuckDBPyConnection, table: RawTable, dialect: Dialect) -> bool:
    """Whether DuckDB's first row is the one below the header, however many lines were skipped."""
    if not dialect.skip or not dialect.rows:
        return True
    row = connection.execute(f"select * from {table.relation} limit 1").fetchall()[0]
    return [value or "" for value in row] == list(dialect.rows[0])


def _with_months(conversion: Conversion) -> Conversion:
    months = conversion.options.get("header", True) and months_of(conversion.options["names"])
    return replace(conversion, options={**conversion.options, "months": True}) if months else conversion


def _is_utf8(source: _Source) -> bool:
    """Whether the sample is UTF-8; a letter may be cut at its end."""
    sample = source.sample
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")) or sample[:2000].count(0) > 100:
        return False
    try:
        sample[: None if source.is_whole else -4].decode("utf-8")
    except UnicodeDecodeError as error:
        return not source.is_whole and error.start > len(sample) - 8
    return True


def _has_zero_byte(source: _Source, encoding: Encoding) -> bool:
    """Whether a NUL byte stands anywhere in the file."""
    if encoding.name.startswith("utf-16"):
        return False
    if source.bytes_options:
        return b"\x00" in source.sample
    with source.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents:
        return contents.find(b"\x00") >= 0


def _in_place(source: _Source, file_format: str, options: dict[str, Any]) -> RawTable:
    import duckdb

    try:
        relation = create_raw(source.connection, source.table, source.path, file_format, options)
        rows = count_rows(source.connection, relation)
    except duckdb.Error as error:
        if file_format == "csv":
            raise
        lines = (line.strip() for line in str(error).splitlines())
        reason = re.sub(r"^[A-Z][\w -]* Error: ", "", next(filter(None, lines), "unknown reason"))
        raise UserError(
            f"The parquet file cannot be read: {reason}", where=str(source.path), hint="copy or export it again"
        ) from error
    if not rows:
        raise _no_rows(source.path)
    return RawTable("", source.path, file_format, options, relation, "", (), rows, notes=source.notes)  # type: ignore[arg-type]


def _converted(source: _Source, conversion: Conversion) -> RawTable:
    target = scratch_folder(source.connection) / f"{source.table}.parquet"
    conversion, rejected = convert(source.path, conversion, target)
    table = _in_place(replace(source, path=target), "parquet", {})
    if table.rows == sum(rejected.values()):
        raise _no_rows(source.path)
    notes = [*source.notes]
    if conversion.options.get("months"):
        notes.append("columns of months are turned into rows; an empty cell is no row")
    if conversion.options.get("description_row"):
        notes.append("the line under the header describes the columns, and is no row")
    return replace(
        table,
        path=source.path,
        rejected=rejected,
        conversion=conversion,
        converted=target,
        notes=tuple(notes),
    )


def _no_rows(path: Path) -> UserError:
    return UserError(
        "The file has a header but no rows.",
        where=str(path),
        hint="export it again, with at least a few months of rows",
    )


def _binary(path: Path) -> UserError:
    return UserError(
        "The file is not readable text: it looks like a binary file.",
        where=str(path),
        hint="export it as CSV (UTF-8), Excel or parquet",
    )
