"""How entities live: tenure and intensity, cohorts, pauses, and the windows that their rhythm supports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.feature_columns import window_hours
from python_ml.onboarding.rhythm import WINDOW_LADDER, Activity, measure_activity
from python_ml.profiling.schema import Cohort, Lifecycle, Quadrant, Window
from python_ml.profiling.tables import Table, batches
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.profiling.schema import Column

RECENT_DAYS = 90
MOST_ROWS = 500_000  # of larger tables, every n-th entity is followed
OCCUPIED = 0.05  # share of windows with an event from which a window says more than nothing
MOST_COHORTS = 60


def measure(connection: duckdb.DuckDBPyConnection, table: Table, low: str, high: str) -> Lifecycle | None:
    """Follow entities through time.

    Parameters
    ----------
    low, high : str
        First and last plausible time.

    Returns
    -------
    Lifecycle or None
        None for tables without an entity or a time, and for those with one row per entity.
    """
    if table.entity is None or table.time is None or table.is_entity_level:
        return None
    days = _active_days(connection, table, low, high)
    activity = measure_activity(connection, days)
    if activity.customers == 0:
        return None
    # One row each: first and last day, events, active days.
    entities = entities_of(table)
    connection.execute(f"""
        create or replace temp table {entities} as
        select
            entity, min(event_at) as first_day, max(event_at) as last_day, sum(n) as events,
            date_diff('day', min(event_at), date '{activity.anchor}') + 1 as tenure,
            sum(n) * 30.0 / (date_diff('day', min(event_at), date '{activity.anchor}') + 1) as intensity,
            max(event_at) > date '{activity.anchor}' - {RECENT_DAYS} as recent
        from {days} group by entity
    """)
    total, single, tenure, intensity = connection.execute(f"""
        select count(*), count(*) filter (where events = 1), median(tenure), median(intensity) from {entities}
    """).fetchall()[0]
    every = _every(table)
    return Lifecycle(
        sampled_entities=f"every {_ordinal(every)} one, by a hash of its key" if every > 1 else None,
        entities=total,
        single_event=single,
        median_tenure_days=float(tenure),
        median_events_per_month=float(intensity),
        median_pause_days=activity.usual_gap,
        long_pause_days=activity.long_gap,
        quadrants=_quadrants(connection, entities, float(tenure), float(intensity)),
        cohorts=_cohorts(connection, entities),
        windows=_windows(connection, days, activity),
    )


def entities_of(table: Table) -> str:
    """Quoted name of the table that :func:`measure` makes of the entities: one row each."""
    return quote(f"entities_{table.profile.view}")


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0, "th")
    return f"{number}{ending}"


def _every(table: Table) -> int:
    return max(1, round(table.rows / MOST_ROWS))


def follow(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    """Quoted relation of the rows of the entities that are followed; of large tables they are copied once."""
    every = _every(table)
    if every == 1:
        return f"(select * from {table.typed} where {table.entity} is not null)"
    rows = quote(f"followed_{table.profile.view}")
    connection.execute(f"""
        create temp table if not exists {rows} as
        select * from {table.typed} where {table.entity} is not null and hash({table.entity}) % {every} = 0
    """)
    return rows


def _active_days(connection: duckdb.DuckDBPyConnection, table: Table, low: str, high: str) -> str:
    """Table of entity, active day (``event_at``) and rows on it."""
    days = quote(f"days_{table.profile.view}")
    connection.execute(f"""
        create or replace temp table {days} as
        select {table.entity} as entity, date_trunc('day', {table.time}) as event_at, count(*) as n
        from {follow(connection, table)}
        where {table.time} >= timestamp '{low}' and {table.time} <= timestamp '{high}'
        group by 1, 2
    """)
    return days


def _quadrants(connection: duckdb.DuckDBPyConnection, entities: str, tenure: float, intensity: float) -> list[Quadrant]:
    rows = connection.execute(f"""
        select tenure >= {tenure!r} as long, intensity >= {intensity!r} as high,
            count(*), sum(events), avg(cast(recent as integer))
        from {entities} group by 1, 2 order by 1 desc, 2 desc
    """).fetchall()
    return [
        Quadrant(
            tenure="long" if is_long else "short",
            intensity="high" if is_high else "low",
            entities=count,
            events=int(events),
            recently_active=float(recent),
        )
        for is_long, is_high, count, events, recent in rows
    ]


def _cohorts(connection: duckdb.DuckDBPyConnection, entities: str) -> list[Cohort]:
    for unit in ("month", "quarter", "year"):
        rows = connection.execute(f"""
            select cast(date_trunc('{unit}', first_day) as date) as start, count(*), avg(cast(recent as integer))
            from {entities} group by 1 order by 1
        """).fetchall()
        if len(rows) <= MOST_COHORTS:
            break
    return [Cohort(start=start, entities=count, recently_active=float(recent)) for start, count, recent in rows]


def _windows(connection: duckdb.DuckDBPyConnection, days: str, activity: Activity) -> list[Window]:
    """For each length: in what share of windows, laid end to end from an entity's first day on, it did something."""
    lengths = {window: max(window_hours(window) // 24, 1) for window in WINDOW_LADDER}
    fits = {window: length for window, length in lengths.items() if length <= activity.span}
    if not fits:
        return []
    # Windows are laid back from the newest day, so that none is cut at the end.
    active = ", ".join(
        f"count(distinct (entity, date_diff('day', event_at, date '{activity.anchor}') // {n}))" for n in fits.values()
    )
    possible = ", ".join(
        f"sum(date_diff('day', first_day, date '{activity.anchor}') // {n} + 1)" for n in fits.values()
    )
    occupied = connection.execute(f"select {active} from {days}").fetchall()[0]
    slots = connection.execute(
        f"select {possible} from (select entity, min(event_at) as first_day from {days} group by 1)"
    ).fetchall()[0]
    found = []
    for window, seen, number in zip(fits, occupied, slots, strict=True):
        share = seen / number if number else 0.0
        if fits[window] > activity.span / 2:
            supported, why = False, f"longer than half of the history ({activity.span:,} days)"
        elif share < OCCUPIED:
            supported, why = False, f"only {share:.1%} of such windows hold an event"
        else:
            supported, why = True, f"{share:.0%} of such windows hold an event"
        found.append(Window(window=window, occupied=share, supported=supported, why=why))
    return found


def changing(connection: duckdb.DuckDBPyConnection, table: Table, columns: list[Column]) -> dict[str, float]:
    """Share of entities with more than one value, among those with several rows, by safe name.

    Columns of codes, times and free text are left out: they change with every row.
    """
    if table.entity is None or table.is_entity_level or table.profile.facts is None:
        return {}
    kinds = ("nominal", "ordinal", "binary", "target_candidate", "cyclic", "discrete", "money", "continuous")
    meanings = {column.name: column.semantic for column in columns}
    names = [c for c in table.columns if meanings[c.raw_name] in kinds and quote(c.name) != table.entity]
    found: dict[str, float] = {}
    for batch in batches(names):
        values = ", ".join(f"min({quote(c.name)}) <> max({quote(c.name)}) as {quote(c.name)}" for c in batch)
        shares = ", ".join(f"avg(cast({quote(c.name)} as integer))" for c in batch)
        row = connection.execute(f"""
            select {shares}
            from (select {values} from {follow(connection, table)}
                  group by {table.entity} having count(*) > 1)
        """).fetchall()[0]
        found |= {c.name: float(share) for c, share in zip(batch, row, strict=True) if share is not None}
    return found
