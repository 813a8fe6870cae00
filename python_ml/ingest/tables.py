"""From paths to raw tables: opened, measured, each with a typed view."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.ingest import vocabulary
from python_ml.ingest.columns import measure_columns
from python_ml.ingest.connection import RawRelation, describe
from python_ml.ingest.opening import open_file
from python_ml.ingest.schema import LINE_NUMBER, LINE_PROBLEM, LINE_TEXT, ROW_NUMBER, Column, RawTable
from python_ml.ingest.typing import typed_sql
from python_ml.names import identifier, unique_identifiers
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

# What file names hold besides their subject.
_NOISE = vocabulary.terms("file_names")
# CTE names of generated models
_TAKEN = ("spine", "final", "features", "labels", "linked", "copies", "ambiguous_keys", "link_counts")


@dataclass(frozen=True)
class DataArgument:
    """One file that the user names.

    Attributes
    ----------
    path : Path
    name : str or None
        Source name, where the user gives one (``orders=orders_2020.csv``).
    sheet : str or None
        Sheet of a workbook (``report.xlsx#Orders``).
    """

    path: Path
    name: str | None = None
    sheet: str | None = None

    @classmethod
    def parse(cls, text: str) -> DataArgument:
        """Read ``PATH``, ``NAME=PATH`` or either with ``#SHEET`` behind."""
        name, mark, path = text.partition("=")
        is_named = mark and path and re.fullmatch(r"[A-Za-z][A-Za-z0-9_ -]*", name) and not Path(text).exists()
        path = path if is_named else text
        sheet = None
        if "#" in path and not Path(path).expanduser().exists():
            path, _, sheet = path.rpartition("#")
        return cls(Path(path), identifier(name, "source") if is_named else None, sheet or None)


def open_tables(
    connection: duckdb.DuckDBPyConnection,
    arguments: Sequence[DataArgument],
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    day_first: bool | None = None,
    times: Collection[str] = (),
    taken: Collection[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> list[RawTable]:
    """Open files, choose how each column is read, and make a typed view of each.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        As :func:`python_ml.ingest.scratch_connection` gives it.
    arguments : sequence of DataArgument
    encoding : str, optional
        Of text files; by default the bytes decide.
    sheet : str, optional
        Sheet of workbooks whose argument names none; by default their only sheet with rows.
    day_first : bool, optional
        Order of day and month; by default the values decide.
    times : collection of str
        Raw names of columns that the user named as times.
    taken : collection of str
        Source names that are in use.
    progress : callable
        Takes a short text.

    Returns
    -------
    list of RawTable
        In the order of the arguments.

    Raises
    ------
    UserError
        For whatever can be wrong with a file: missing, a folder, empty, no text, cut off, too many broken lines.
    """
    seen: set[tuple[Path, str | None]] = set()
    opened: list[RawTable] = []
    for argument in arguments:
        path = argument.path.expanduser()
        key = (path.resolve(), argument.sheet or sheet)
        if key in seen:
            raise UserError("The file is given twice.", where=str(path), hint="name each file once")
        seen.add(key)
        progress(f"reading {path.name}")
        place = len(opened)
        opened.append(
            open_file(connection, path, f"raw_file_{place}", encoding=encoding, sheet=argument.sheet or sheet)
        )
    _check_sheets(arguments, opened, sheet)
    measured = []
    for table in opened:
        progress(f"measuring {table.path.name}")
        columns = measure_columns(
            RawRelation(connection, _rows_of(table)),
            _data_columns(connection, table),
            table.rows - sum(table.rejected.values()),
            day_first=day_first,
            times=times,
            progress=progress,
        )
        measured.append(replace(table, columns=columns))
    wanted = [argument.name or source_name(table) for argument, table in zip(arguments, measured, strict=True)]
    names = unique_identifiers(wanted, "source", taken=(*_TAKEN, *taken))
    return [_with_view(connection, replace(t, name=name)) for t, name in zip(measured, names, strict=True)]


def unknown_column(name: str, tables: Sequence[RawTable], flag: str) -> UserError:
    """The error for a column that none of the tables has."""
    known = "; ".join(f"{table.path.name}: {table.column_names}" for table in tables)
    return UserError(f"There is no column `{name}`.", where=flag, hint=f"choose one of {known}")


def _check_sheets(arguments: Sequence[DataArgument], opened: list[RawTable], sheet: str | None) -> None:
    is_workbook = [bool(t.conversion and t.conversion.format == "excel") for t in opened]
    hint = "leave the sheet out, or name an Excel file"
    for argument, table, has_sheets in zip(arguments, opened, is_workbook, strict=True):
        if argument.sheet and not has_sheets:
            raise UserError("Only an Excel file has sheets.", where=f"{table.path}#{argument.sheet}", hint=hint)
    if sheet and not any(is_workbook):
        raise UserError("None of the files is an Excel file.", where=f"--sheet {sheet}", hint=hint)


def with_row_number(connection: duckdb.DuckDBPyConnection, table: RawTable) -> RawTable:
    """Give a table without a key the number of each row as one.

    Returns
    -------
    RawTable
        Its raw relation has the column :data:`python_ml.ingest.schema.ROW_NUMBER`, counted from 1 in the file's order.
    """
    if table.has_row_number:
        return table
    numbered = quote(f"{table.name}__numbered")
    connection.execute(
        f"create or replace view {numbered} as select row_number() over () as {ROW_NUMBER}, * from {table.relation}"
    )
    return _with_view(connection, replace(table, relation=numbered, has_row_number=True))


def source_name(table: RawTable) -> str:
    """Name a source after its file, or after what it holds where the file's name has no subject."""
    stem = table.path.name.split(".")[0]
    kept = [
        part
        for part in identifier(stem, "source").split("_")
        if part not in _NOISE and not re.fullmatch(r"\d+|[a-z]|source", part)
    ]
    if kept:
        return "_".join(kept)
    has_money = any(c.kind == "number" and vocabulary.has_word(c.raw_name, vocabulary.MONEY) for c in table.columns)
    return "purchases" if has_money else "events"


def align_clocks(connection: duckdb.DuckDBPyConnection, table: RawTable, others: Sequence[RawTable]) -> RawTable:
    """Read the times of a table that carry no offset in the clock of other tables whose times all carry the same one.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    table : RawTable
        Such as a file of labels, written by hand by the local calendar.
    others : sequence of RawTable
        The tables that it is used with.
    """
    clocks = {o for t in others for c in t.columns if c.times is not None for o in c.times.offsets}
    naive = [c for c in table.columns if c.kind in ("time", "constant") and not c.reading.has_offset]
    naive = [c for c in naive if c.reading.type == "timestamp" and not c.reading.is_period]
    if len(clocks) != 1 or not naive:
        return table
    offset = clocks.pop()
    hours = re.fullmatch(r"([+-]\d{2}):?(\d{2})?", offset)
    if hours is None or int(hours[1]) == 0:
        return table
    offset = f"{hours[1]}:{hours[2] or '00'}"
    columns = tuple(
        replace(c, reading=replace(c.reading, utc_offset=offset)) if c in naive else c for c in table.columns
    )
    names = ", ".join(c.raw_name for c in naive)
    note = f"times without an offset ({names}) are read in the clock of the other files ({offset})"
    return _with_view(connection, replace(table, columns=columns, notes=(*table.notes, note)))


def _rows_of(table: RawTable) -> str:
    """The raw rows that are rows."""
    return f"(select * from {table.relation} where {LINE_PROBLEM} is null)" if table.rejected else table.relation


def _data_columns(connection: duckdb.DuckDBPyConnection, table: RawTable) -> list[tuple[str, str]]:
    own = (LINE_NUMBER, LINE_TEXT, LINE_PROBLEM, ROW_NUMBER)
    return [(name, kind) for name, kind in describe(connection, table.relation) if name not in own]


def _with_view(connection: duckdb.DuckDBPyConnection, table: RawTable) -> RawTable:
    """Make the typed view of a table."""
    view = quote(table.name)

    def selected(column: Column) -> str:
        return f"{typed_sql(column.reading, quote(column.raw_name))} as {quote(column.name)}"

    number = [ROW_NUMBER] if table.has_row_number else []
    columns = ", ".join([*map(selected, table.columns), *number])
    connection.execute(f"create or replace view {view} as select {columns} from {_rows_of(table)}")
    return replace(table, view=view)
