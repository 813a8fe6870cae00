"""Columns of times: how they are written, which values are none, and which lie where no others do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from python_ml.names import words
from python_ml.onboarding.detection import Finding, event_time_sql
from python_ml.onboarding.examination import DEFAULT_FROM, DEFAULT_TO, plausible_bounds
from python_ml.profiling.schema import Sentinel, Times, ValueCount
from python_ml.profiling.tables import Table
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile

# Times that may lie ahead of the data.
_PLANS = frozenset(
    words("expiry expires expire expiration due scheduled planned renewal renews next effective valid until end ends")
)


def measure(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, tuple[Times, list[Sentinel]]]:
    """Measure every column of times, one scan for each; future times are counted later, by :func:`count_future`."""
    return {column.name: _of_column(connection, table, column) for column in table.of_kind("time") if column.time}


def _of_column(
    connection: duckdb.DuckDBPyConnection, table: Table, column: ColumnProfile
) -> tuple[Times, list[Sentinel]]:
    time, name = column.time, quote(column.name)
    unreadable: list[ValueCount] = []
    if time.readable < column.filled:
        rows = connection.execute(f"""
            select left(cast({name} as varchar), 40), count(*) as n
            from {quote(table.profile.view)}
            where {name} is not null and coalesce(not {_possible(f"({event_time_sql(column)})")}, true)
            group by 1 order by n desc, 1 limit 5
        """).fetchall()
        unreadable = [ValueCount(value=value, rows=count) for value, count in rows]
    first, last, low, high = time.first, time.last, DEFAULT_FROM, DEFAULT_TO
    sentinels = [
        Sentinel(value=found.value, rows=found.rows, why="no time, among times")
        for found in unreadable
        if found.rows > 1 or len(unreadable) == 1
    ]
    implausible = 0
    if time.readable and first is not None:
        with_time = replace(table.profile, time=Finding(column, ()))
        low, high = plausible_bounds(connection, with_time)
        beyond = f"({name} < timestamp '{low}' or {name} >= timestamp '{high}') and {_possible(name)}"
        if (low, high) != (DEFAULT_FROM, DEFAULT_TO):
            rows = connection.execute(f"""
                select cast({name} as date), count(*) from {table.typed} where {beyond} group by 1 order by 2 desc, 1
            """).fetchall()
            implausible = sum(count for _, count in rows)
            sentinels += [
                Sentinel(value=str(day), rows=count, why="years away from all other times") for day, count in rows[:3]
            ]
            first, last = connection.execute(
                f"select min({name}), max({name}) from {table.typed} where {_possible(name)} and not ({beyond})"
            ).fetchall()[0]
    times = Times(
        readable=time.readable,
        unreadable=unreadable,
        formats=list(time.formats),
        order=time.evidence,
        undecided=time.undecided,
        has_clock=time.has_clock,
        first=time.first,
        last=time.last,
        days=time.days,
        plausible_first=first,
        plausible_last=last,
        implausible=implausible,
    )
    return times, sentinels


def _possible(value: str) -> str:
    return f"({value} >= timestamp '{DEFAULT_FROM}' and {value} < timestamp '{DEFAULT_TO}')"


def newest_event(found: list[tuple[Table, dict[str, tuple[Times, list[Sentinel]]]]]) -> datetime | None:
    """The newest plausible time of all files that does not say what is planned: up to when the data speaks."""
    newest = [
        datetime.fromisoformat(times[column.name][0].plausible_last)
        for table, times in found
        for column in table.columns
        if column.name in times and times[column.name][0].plausible_last and not set(words(column.raw_name)) & _PLANS
    ]
    return max(newest, default=None)


def count_future(
    connection: duckdb.DuckDBPyConnection, table: Table, times: dict[str, tuple[Times, list[Sentinel]]], now: datetime
) -> dict[str, tuple[Times, list[Sentinel]]]:
    """Count times after the newest event, in one scan; no clock is asked."""
    late = [name for name, (found, _) in times.items() if found.last and datetime.fromisoformat(found.last) > now]
    if not late:
        return times
    measures = ", ".join(
        f"count(*) filter (where {quote(name)} > timestamp '{now}' and {quote(name)} < timestamp '{DEFAULT_TO}')"
        for name in late
    )
    counts = connection.execute(f"select {measures} from {table.typed}").fetchall()[0]
    changed = {
        name: (times[name][0].model_copy(update={"future": count}), times[name][1])
        for name, count in zip(late, counts, strict=True)
    }
    return times | changed
