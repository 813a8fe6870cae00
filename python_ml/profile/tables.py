"""A raw table as relations of typed columns: all of its rows, and a fixed sample of them where there are many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from python_ml.ingest.schema import LINE_PROBLEM, Column, RawTable
from python_ml.ingest.typing import typed_sql
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

SAMPLE_ROWS = 500_000  # quantiles, histograms, shapes and associations of larger tables come from about as many rows
SAMPLE_CELLS = 40_000_000
FOLLOWED_ROWS = 300_000  # of larger tables, the lives of every n-th customer are followed
BATCH = 40  # columns per query: a single one over thousands takes more memory than the data
WIDE, MOST_COPIED = 100, 500_000_000  # columns of a wide table; cells up to which one is copied
FROM, TO = "timestamp '1900-01-01'", "timestamp '2200-01-01'"  # times outside are never plausible


@dataclass(frozen=True)
class Table:
    """A raw table, ready to be measured.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
    raw : RawTable
    typed, sample : str
        Quoted relations of all rows and of the sampled ones, under safe names.
    rows : int
        Rows of ``typed``.
    sampled_rows : int or None
        None when the sample is everything.
    """

    connection: duckdb.DuckDBPyConnection
    raw: RawTable
    typed: str
    sample: str
    rows: int
    sampled_rows: int | None = None

    @property
    def name(self) -> str:
        """Source name."""
        return self.raw.name

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns in the file's order."""
        return self.raw.columns

    @property
    def good_rows(self) -> str:
        """Query of the raw rows that are no rejected lines."""
        where = f" where {quote(LINE_PROBLEM)} is null" if self.raw.rejected else ""
        return f"(select * from {self.raw.relation}{where})"

    def column(self, name: str) -> Column:
        """A column by its safe name."""
        return next(c for c in self.columns if c.name == name)

    def of_kind(self, *kinds: str) -> list[Column]:
        """Columns of some of the kinds (see :func:`kind_of`) that have any readable value."""
        return [c for c in self.columns if kind_of(c) in kinds and c.readable]

    def followed(self, identifier: str, distinct: int) -> str:
        """Relation of all rows of every n-th value of an identifier; everything in tables that are not large.

        Parameters
        ----------
        identifier : str
            Safe name.
        distinct : int
            Its different values.
        """
        every = self.rows // FOLLOWED_ROWS
        if every < 2 or distinct < 100 * every:
            return self.typed
        relation, name = quote(f"followed_{self.name}_{identifier}"), quote(identifier)
        self.connection.execute(f"""
            create temp table if not exists {relation} as
            select * from {self.typed} where {name} is not null and hash({name}) % {every} = 0
        """)
        return relation

    def row(self, measures: Sequence[str], relation: str | None = None) -> tuple[Any, ...]:
        """One row of aggregates over all rows, or over another relation."""
        if not measures:
            return ()
        return self.rows_of(f"select {', '.join(measures)} from {relation or self.typed}")[0]

    def rows_of(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query).fetchall()


def prepare(connection: duckdb.DuckDBPyConnection, raw: RawTable, place: int) -> Table:
    """Make the relations of a raw table.

    Text is parsed once, into a table; parquet stays where it is, under the view. The contents of a row decide whether
    it is sampled, so that two runs see the same ones.

    Parameters
    ----------
    place : int
        Number of the table, for names.
    """
    typed, sample = raw.view, quote(f"sample_{place}")
    rows = raw.rows - sum(raw.rejected.values())
    # Binding a view of thousands of expressions takes longer than reading it.
    is_wide = len(raw.columns) > WIDE and rows * len(raw.columns) <= MOST_COPIED
    if raw.format == "csv" or raw.conversion is not None or is_wide:
        typed = quote(f"typed_{place}")
        _copy(connection, raw, typed)
    wanted = max(min(SAMPLE_ROWS, SAMPLE_CELLS // max(len(raw.columns), 1)), 10_000)
    if rows <= 2 * wanted:
        return Table(connection, raw, typed, typed, rows)
    selective = sorted(raw.columns, key=lambda c: -c.distinct)
    selective = selective[: 1 if selective[0].distinct > 0.1 * rows else 3]
    number = "rowid" if typed != raw.view else ", ".join(quote(c.name) for c in selective)
    every = rows // wanted
    connection.execute(
        f"create or replace temp table {sample} as select * from {typed} where hash({number}) % {every} = 0"
    )
    ((seen,),) = connection.execute(f"select count(*) from {sample}").fetchall()
    return Table(connection, raw, typed, sample, rows, seen)


def _copy(connection: duckdb.DuckDBPyConnection, raw: RawTable, typed: str) -> None:
    """Make a table of typed columns: by batches, since planning takes a time that grows with their square."""
    if len(raw.columns) <= WIDE:
        connection.execute(f"create or replace temp table {typed} as select * from {raw.view}")
        return
    parts = []
    for number, batch in enumerate(batches(raw.columns)):
        parts.append(quote(f"typed_part_{number}"))
        columns = ", ".join(f"{typed_sql(c.reading, quote(c.raw_name))} as {quote(c.name)}" for c in batch)
        where = f"where {quote(LINE_PROBLEM)} is null" if raw.rejected else ""
        connection.execute(f"create or replace temp table {parts[-1]} as select {columns} from {raw.relation} {where}")
    connection.execute(f"create or replace temp table {typed} as select * from {' positional join '.join(parts)}")
    for part in parts:
        connection.execute(f"drop table {part}")


def batches(columns: Iterable[Column]) -> Iterator[list[Column]]:
    """Columns in groups that one query can measure."""
    listed = list(columns)
    return (listed[start : start + BATCH] for start in range(0, len(listed), BATCH))


def kind_of(column: Column) -> str:
    """The kind of a column's typed values: identifiers may be digits and yet be kept as text."""
    return "text" if column.kind in ("number", "duration") and column.reading.type == "text" else column.kind


def number(column: Column) -> str:
    """SQL of a numeric column as a finite double."""
    value = f"cast({quote(column.name)} as double)"
    return f"case when isfinite({value}) then {value} end" if column.reading.physical_type in _FLOATS else value


def scale_of(column: Column) -> float:
    """Greatest absolute value: squares of great numbers overflow, those of shares of the greatest one cannot."""
    return max(abs(column.numbers.minimum or 0.0), abs(column.numbers.maximum or 0.0)) or 1.0


_FLOATS = ("DOUBLE", "FLOAT", "REAL")


def plausible(name: str) -> str:
    """SQL: whether a time lies between 1900 and 2200."""
    return f"({name} >= {FROM} and {name} < {TO})"


def plain(value: Any) -> str:
    """A number as text: no ``.0``, at most six significant digits."""
    as_float = float(value)
    return f"{as_float:.0f}" if as_float.is_integer() and abs(as_float) < 1e15 else f"{as_float:.6g}"
