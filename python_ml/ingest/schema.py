"""What reading a file gives: a raw table, its columns, and how each raw value becomes a typed one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from python_ml.names import identifier

Type = Literal["text", "integer", "decimal", "double", "boolean", "timestamp", "duration"]
Kind = Literal["empty", "constant", "boolean", "time", "number", "duration", "text"]
Semantic = Literal[
    "empty", "constant", "identifier", "target_candidate", "binary", "nominal", "ordinal", "continuous", "discrete",
    "money", "duration", "cyclic", "datetime", "text", "email", "phone", "personal",
]  # fmt: skip

# Entries of `Reading.formats` that are no strftime pattern.
EPOCHS = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns")
PERIODS = ("month", "quarter", "iso_week", "year")  # 202301, 2023-Q1, 2023-W01, 2023: known at their end
EXCEL_SERIAL = "excel_serial"  # days since 1899-12-30

LINE_NUMBER, LINE_TEXT, LINE_PROBLEM = "line_number_", "line_text_", "line_problem_"
ROW_NUMBER = "row_number_"
MOST_NAMED = 30  # columns in a message


@dataclass(frozen=True)
class Reading:
    """How the raw values of a column become typed values.

    :func:`python_ml.ingest.typing.typed_expression` turns it into the one SQL expression that the profile measures
    and bronze runs.

    Attributes
    ----------
    type : str
        What it becomes; a ``duration`` is a number of seconds, a ``double`` one that no decimal of 18 digits
        holds.
    physical_type : str
        DuckDB type of the raw column; VARCHAR for everything in a text file.
    scale : int
        Digits after the decimal point.
    style : str
        How numbers are written: ``plain``; ``grouped`` (decimal point, with grouping, currency, brackets or a
        trailing minus); ``decimal_comma`` (the same with a decimal comma).
    formats : tuple of str
        strftime patterns, or names of :data:`EPOCHS`, :data:`PERIODS` and :data:`EXCEL_SERIAL`, tried in order;
        empty for ISO 8601.
    language : str
        Language of month names (``de``, ``es``, ``fr``, ``it``, ``pt``, ``nl``); empty for English.
    utc_offset : str
        Clock of times that carry none, such as ``+02:00``; empty for UTC.
    has_offset : bool
        Whether values carry an offset or a zone themselves.
    clock_column : str
        Raw name of the column with the time of day that belongs to a date; empty when the value is complete.
    strip_point_zero, strip_zeros : bool
        Whether ``500.0`` or ``0500`` is another spelling of the identifier ``500`` in this file.
    """

    type: Type
    physical_type: str = "VARCHAR"
    scale: int = 2
    style: Literal["plain", "grouped", "decimal_comma"] = "plain"
    formats: tuple[str, ...] = ()
    language: str = ""
    utc_offset: str = ""
    has_offset: bool = False
    clock_column: str = ""
    strip_point_zero: bool = False
    strip_zeros: bool = False

    @property
    def is_period(self) -> bool:
        """Whether a value covers a period, and so is known at its end."""
        return any(f in PERIODS for f in self.formats)


@dataclass(frozen=True)
class NumberFacts:
    """A column read as numbers.

    Attributes
    ----------
    readable : int
        Values that can be read.
    is_integer : bool
        Whether all of them are whole.
    minimum, maximum, mean : float or None
    negatives, zeros : int
    """

    readable: int
    is_integer: bool
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    negatives: int = 0
    zeros: int = 0


@dataclass(frozen=True)
class TimeFacts:
    """A column read as times between 1900 and 2200.

    Attributes
    ----------
    readable : int
    first, last : datetime or None
    days : int
        Different days.
    has_clock : bool
        Whether any value has a time of day other than midnight.
    order : str
        Why the day or the month comes first; empty where that was no question.
    is_ambiguous : bool
        Whether no value tells if the day or the month comes first.
    unreadable : tuple of (str, int)
        Up to three values that are no time and the rows of each, the most frequent first.
    offsets : tuple of str
        Up to four different offsets from UTC of times that carry one, the most frequent first; empty text for times
        without one among them.
    """

    readable: int
    first: datetime | None = None
    last: datetime | None = None
    days: int = 0
    has_clock: bool = False
    order: str = ""
    is_ambiguous: bool = False
    unreadable: tuple[tuple[str, int], ...] = ()
    offsets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One column of a raw table.

    Attributes
    ----------
    raw_name, name : str
        As in the file, and as a safe identifier.
    kind : str
        What its values are; decides :attr:`reading`.
    reading : Reading
    rows, filled, distinct : int
        Rows of the table; rows with a value; different values (approximate above a few thousand).
    mean_length : float
        Characters, on average.
    spaced : float
        Share of values with a blank inside.
    padded : bool
        Whether values are digits that begin with a zero: identifiers, not numbers.
    values : tuple of (str, int)
        All values with their rows, the most frequent first, where there are at most 50; values of personal columns
        are left out.
    numbers, times : NumberFacts, TimeFacts or None
    semantic : str
        What it means; ``because`` says why.
    personal : str
        What personal data its values or its name suggest; empty for none.
    """

    raw_name: str
    name: str
    kind: Kind
    reading: Reading
    rows: int
    filled: int
    distinct: int
    mean_length: float = 0.0
    spaced: float = 0.0
    padded: bool = False
    values: tuple[tuple[str, int], ...] = ()
    numbers: NumberFacts | None = None
    times: TimeFacts | None = None
    semantic: Semantic = "nominal"
    because: str = ""
    personal: str = ""

    @property
    def fill_share(self) -> float:
        """Share of rows with a value."""
        return self.filled / self.rows if self.rows else 0.0

    @property
    def readable(self) -> int:
        """Values that can be read as what the column is."""
        facts = self.numbers or self.times
        return facts.readable if facts else self.filled

    @property
    def readable_share(self) -> float:
        """Share of the values that can be read."""
        return self.readable / self.filled if self.filled else 0.0


@dataclass(frozen=True)
class Conversion:
    """How a file that DuckDB cannot read in place was turned into parquet.

    Attributes
    ----------
    format : str
        ``csv``, ``whitespace``, ``json``, ``excel``, or ``parquet`` (compressed, or with structures).
    options : dict
        Everything that reading it needs, so that a newer file is read in the same way: encoding, member of a zip
        archive, sheet, delimiter, header lines, columns to unpivot, …
    sha256 : str
        Of the file that was converted.
    """

    format: str
    options: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True)
class RawTable:
    """One raw file (or sheet), open as relations of a DuckDB connection.

    Attributes
    ----------
    name : str
        Source name: a safe identifier, unique in the project.
    path : Path
        Absolute path of the user's file.
    format : str
        What DuckDB reads: ``csv`` or ``parquet``.
    options : dict
        Options of DuckDB's CSV reader, as ``meta.file.options`` of a source holds them; empty for parquet.
    relation : str
        Quoted relation with the raw rows, under raw names.
    view : str
        Quoted relation with one typed column per :class:`Column` under its safe name, in the file's order; rejected
        lines are left out. ``<name>__raw`` is no part of it.
    columns : tuple of Column
    rows : int
        Rows of the file, rejected lines included.
    rejected : dict of str to int
        Lines that are no rows, by reason; the raw relation then has the columns :data:`LINE_NUMBER`,
        :data:`LINE_TEXT` and :data:`LINE_PROBLEM`, null for good rows.
    conversion : Conversion or None
        How the parquet file was made, where the user's file is read through one.
    converted : Path or None
        That parquet file, in the scratch folder; the project keeps a copy.
    has_row_number : bool
        Whether the raw relation has the column :data:`ROW_NUMBER`, since the file has no key of its own.
    notes : tuple of str
        What a reader should know: a guessed encoding, lines before the header, months turned into rows.
    """

    name: str
    path: Path
    format: Literal["csv", "parquet"]
    options: dict[str, Any]
    relation: str
    view: str
    columns: tuple[Column, ...]
    rows: int
    rejected: dict[str, int] = field(default_factory=dict)
    conversion: Conversion | None = None
    converted: Path | None = None
    has_row_number: bool = False
    notes: tuple[str, ...] = ()

    @property
    def column_names(self) -> str:
        """Raw names for messages: the first of very many."""
        return ", ".join(column.raw_name for column in self.columns[:MOST_NAMED])

    def column(self, wanted: str) -> Column | None:
        """Look up a column by its raw or safe name, ignoring case."""
        for column in self.columns:
            if wanted == column.raw_name:
                return column
        for column in self.columns:
            if wanted.lower() == column.raw_name.lower() or identifier(wanted) == column.name:
                return column
        return None
