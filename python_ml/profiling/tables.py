"""A profiled file as relations of typed columns: all of its rows, and a fixed sample of them where there are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.onboarding import detection
from python_ml.onboarding.profiling import INTEGER_TYPES, number_sql, select_sql
from python_ml.onboarding.reading import scan_sql
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.profiling import ColumnProfile

SAMPLE_ROWS = 500_000  # quantiles, histograms, shapes and associations of larger files come from about as many rows
SAMPLE_CELLS = 40_000_000
BATCH = 40  # columns per query


@dataclass(frozen=True)
class Table:
    """A file, ready to be measured.

    Attributes
    ----------
    profile : FileProfile
    typed : str
        Quoted relation of all rows under safe names: numbers as numbers, times as timestamps, the rest as text.
    sample : str
        Quoted relation of the sampled rows; ``typed`` itself for small files.
    sampled_rows : int or None
        None when the sample is everything.
    """

    profile: FileProfile
    typed: str
    sample: str
    sampled_rows: int | None

    @property
    def name(self) -> str:
        """Source name."""
        return self.profile.name

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return self.profile.file.rows

    @property
    def columns(self) -> tuple[ColumnProfile, ...]:
        """Its columns, in the file's order."""
        return self.profile.columns

    @property
    def entity(self) -> str | None:
        """Quoted column of the entity."""
        return quote(self.profile.entity.column.name) if self.profile.entity else None

    @property
    def time(self) -> str | None:
        """Quoted column of the event time."""
        return quote(self.profile.time.column.name) if self.profile.time else None

    @property
    def is_entity_level(self) -> bool:
        """Whether a row is an entity rather than an event."""
        return self.profile.is_one_row_per_entity

    def of_kind(self, *kinds: str) -> list[ColumnProfile]:
        """Columns of some of the measured kinds."""
        return [column for column in self.columns if column.kind in kinds]


def typed_sql(column: ColumnProfile) -> str:
    """SQL of a column over its safe view, as what it holds."""
    name = quote(column.name)
    if column.kind == "time":
        return detection.event_time_sql(column)
    if column.kind == "number" and column.number is not None:
        if column.physical_type == "VARCHAR":
            return f"try_cast({number_sql(name, column.number.style)} as double)"
        if column.physical_type in ("FLOAT", "DOUBLE"):
            return f"case when isfinite({name}) then {name} end"
        return name if column.physical_type in INTEGER_TYPES else f"cast({name} as double)"
    return name if column.physical_type == "VARCHAR" else f"cast({name} as varchar)"


def prepare(connection: duckdb.DuckDBPyConnection, profile: FileProfile, place: int) -> Table:
    """Make the relations of a file.

    Text is parsed once, into a table; parquet stays where it is, under a view. Which rows are sampled follows from
    their place in the file alone, so that two runs see the same ones.

    Parameters
    ----------
    place : int
        Number of the file, for names.
    """
    expressions = ", ".join(f"{typed_sql(column)} as {quote(column.name)}" for column in profile.columns)
    typed, sample = quote(f"typed_{place}"), quote(f"sample_{place}")
    kind = "table" if profile.file.is_text else "view"
    connection.execute(f"create or replace {kind} {typed} as select {expressions} from {quote(profile.view)}")
    wanted = max(min(SAMPLE_ROWS, SAMPLE_CELLS // len(profile.columns)), 10_000)
    if profile.file.rows <= 2 * wanted:
        return Table(profile, typed, typed, None)
    every = profile.file.rows // wanted
    if profile.file.is_text:
        rows = f"select * from {typed} where hash(rowid) % {every} = 0"
    else:
        rows = f"select {expressions} from ({_every_nth(profile, every)})"
    connection.execute(f"create or replace table {sample} as {rows}")
    found = connection.execute(f"select count(*) from {sample}").fetchall()[0][0]
    return Table(profile, typed, sample, found)


def _every_nth(profile: FileProfile, every: int) -> str:
    """Rows of a parquet file under safe names, chosen by their number in the file."""
    names = {column.raw_name: column.name for column in profile.columns}
    number = "file_row_number"
    if number in {name.lower() for name in names}:
        # It has such a column of its own; then the contents of a row decide.
        number = ", ".join(quote(name) for name in names)
    source = scan_sql(profile.file.path, profile.file.format, profile.file.options).removeprefix("select * from ")
    return f"{select_sql(profile.file, names, source)} where hash({number}) % {every} = 0"


def batches(columns: list[ColumnProfile]) -> list[list[ColumnProfile]]:
    """Columns in groups that one query can measure."""
    return [columns[start : start + BATCH] for start in range(0, len(columns), BATCH)]
