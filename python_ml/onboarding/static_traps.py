"""What a table with a target hides: values that are no dates or numbers, later dates before the first, whole files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.onboarding import detection
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.profiling import ColumnProfile
    from python_ml.onboarding.scenario import Scenario
    from python_ml.onboarding.specification import ColumnSpec, SourceSpec


def find(
    connection: duckdb.DuckDBPyConnection,
    table: FileProfile,
    source: SourceSpec,
    specs: list[ColumnSpec],
    scenario: Scenario,
    sources: list[SourceSpec],
) -> list[str]:
    """Tell what the files hide, one sentence each, with what becomes of it; the table comes first among the sources."""
    told = list(table.file.notes)
    for reason, count in source.quarantined.items():
        told.append(f"{count:,} of {source.rows:,} rows are quarantined: {reason}")
    by_raw = {c.raw_name: c for c in table.columns}
    for spec in specs:
        column = by_raw[spec.raw_name]
        if spec.type == "timestamp" and column.time is not None and column.time.readable < column.time.filled:
            told.append(
                f"`{spec.name}`: {column.time.filled - column.time.readable:,} values are no dates "
                f"({_counted(connection, table, column)}) and are taken as missing"
            )
        if spec.role == "number" and column.number is not None and column.number.readable < column.filled:
            told.append(
                f"`{spec.name}`: {column.filled - column.number.readable:,} values are no numbers and become null"
            )
        if spec.unused == "its name says the outcome":
            told.append(f"`{spec.name}` is named like an outcome; no feature is made of it")
    told += _disorder(connection, table, scenario)
    told = [f"{source.name}: {trap}" for trap in told]
    for other in sources[1:]:
        told += [f"{other.name}: {note}" for note in other.file.notes]
        told.append(f"{other.name}: no features are made of it: {other.use_reason}")
    return told


def time_doubt(table: FileProfile, scenario: Scenario) -> str | None:
    """What a person should look at in the dates; None when nothing."""
    for column in table.columns:
        if column.raw_name in scenario.dates and column.time is not None and column.time.undecided:
            return (
                f"no value of `{column.raw_name}` tells whether the day or the month comes first; "
                "say --day-first or --month-first"
            )
    return None


def _disorder(connection: duckdb.DuckDBPyConnection, table: FileProfile, scenario: Scenario) -> list[str]:
    """Rows in which a later date lies before the customer's first one."""
    if scenario.began is None:
        return []
    told = []
    start = next(c for c in table.columns if c.raw_name == scenario.began)
    for column in table.columns:
        if column.raw_name not in scenario.dates or column is start or column.time is None:
            continue
        a, b = detection.event_time_sql(start), detection.event_time_sql(column)
        count = connection.execute(f"select count(*) from {quote(table.view)} where {b} < {a}").fetchall()[0][0]
        if count:
            told.append(f"{count:,} rows have a `{column.raw_name}` before their `{start.raw_name}`; they are kept")
    return told


def _counted(connection: duckdb.DuckDBPyConnection, table: FileProfile, column: ColumnProfile) -> str:
    """The commonest values that are no dates, with their rows: ``'1/0/00' 12 times``."""
    values = ", ".join(literal(value) for value in column.time.unreadable)
    text = f"cast({quote(column.name)} as varchar)"
    found = connection.execute(
        f"select {text} as value, count(*) as n from {quote(table.view)} "
        f"where {text} in ({values}) group by 1 order by n desc, value"
    ).fetchall()
    return ", ".join(f"{value!r} {n:,} times" for value, n in found)
