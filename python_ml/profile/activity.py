"""Measures of activity and previews of churn, over relations of the rows that a project keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from python_ml.durations import window_hours
from python_ml.profile.schema import DELAY_QUANTILE, Activity, Cohort, Delays, Preview, Quadrant

if TYPE_CHECKING:
    import duckdb

WINDOWS = ("24h", "7d", "30d", "90d", "180d", "365d")
ACTIVE = ("30d", "60d", "90d", "180d", "365d")  # windows within which customers at risk are counted
RECENT_DAYS = 90
FOLLOWED_ROWS = 500_000  # of larger tables, quadrants and cohorts come from every n-th customer
MOST_COHORTS = 60
PROBES = 9


def measure_activity(
    connection: duckdb.DuckDBPyConnection, source: str, relation: str, end: datetime | None = None
) -> Activity | None:
    """Measure the activity of all customers.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    source : str
        Name of the table of events.
    relation : str
        Relation with the columns ``entity`` (text) and ``event_at`` (timestamp), such as a query in brackets.
    end : datetime, optional
        End of the data: later rows, such as planned orders, are left out.

    Returns
    -------
    Activity or None
        None without a row.
    """
    days = "activity_days"
    until = f"and event_at <= timestamp '{end}'" if end is not None else ""
    connection.execute(f"""
        create or replace temp table {days} as
        select entity, cast(event_at as date) as day, count(*) as n, min(event_at) as first, max(event_at) as last
        from {relation} as r where entity is not null and event_at is not null {until} group by 1, 2
    """)
    first, last, customers, customer_days, rows = connection.execute(f"""
        select min(first), max(last), count(distinct entity), count(*), sum(n) from {days}
    """).fetchall()[0]
    if not customers:
        return None
    median, p75 = connection.execute(f"""
        select quantile_disc(gap, 0.5), quantile_disc(gap, 0.75)
        from (select date_diff('day', lag(day) over (partition by entity order by day), day) as gap from {days})
        where gap is not null
    """).fetchall()[0]
    (returning,) = connection.execute(f"""
        select avg(cast(n > 1 as integer)) from (select entity, count(*) as n from {days} group by 1)
    """).fetchall()[0]
    every = max(round(rows / FOLLOWED_ROWS), 1)
    return Activity(
        source=source,
        first=first,
        last=last,
        customers=customers,
        customer_days=customer_days,
        gap_median=None if median is None else float(median),
        gap_p75=None if p75 is None else float(p75),
        returning=round(float(returning), 6),
        occupied=_occupied(connection, days, last.date()),
        at_risk=_at_risk(connection, days, first.date(), last.date()),
        quadrants=_quadrants(connection, days, last.date(), every),
        cohorts=_cohorts(connection, days, last.date(), every),
    )


def measure_delays(connection: duckdb.DuckDBPyConnection, relations: Sequence[str]) -> Delays | None:
    """Measure how late rows arrive.

    A row that was loaded when the warehouse began is not late: it counts only when it happened after the first arrival.
    Of several versions of a row, the first is the one that arrived.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    relations : sequence of str
        Each with the columns ``entity``, ``event_at`` and ``known_at``, null where nothing says when it was known.

    Returns
    -------
    Delays or None
        Of the relation with the longest ones; None where none says when its rows were known.
    """
    measured = []
    for relation in relations:
        high, longest, rows = connection.execute(f"""
            with arrivals as (
                select event_at, min(known_at) as known_at from {relation} as r
                where event_at is not null and known_at is not null group by entity, event_at
            )
            select quantile_disc(delay, {DELAY_QUANTILE}), max(delay), count(*)
            from (select epoch(known_at - event_at) / 86400 as delay, event_at from arrivals)
            where event_at >= (select min(known_at) from arrivals)
        """).fetchall()[0]
        if rows:
            measured.append(Delays(round(high, 6), round(longest, 6), rows))
    return max(measured, key=lambda d: d.high, default=None)


def _occupied(connection: duckdb.DuckDBPyConnection, days: str, newest: date) -> dict[str, float]:
    """For each length: the share of windows, laid back from the newest day to a customer's first, with an event."""
    lengths = {window: max(int(window_hours(window) // 24), 1) for window in WINDOWS}
    age = f"date_diff('day', day, date '{newest}')"
    used = [f"(select count(*) from (select distinct entity, {age} // {n} from {days}))" for n in lengths.values()]
    slots = [f"sum({age} // {n} + 1)" for n in lengths.values()]
    used = connection.execute(f"select {', '.join(used)}").fetchall()[0]
    slots = connection.execute(f"""
        select {", ".join(slots)} from (select min(day) as day from {days} group by entity)
    """).fetchall()[0]
    return {w: round(n / float(of), 4) for w, n, of in zip(lengths, used, slots, strict=True) if of}


def _at_risk(connection: duckdb.DuckDBPyConnection, days: str, first: date, last: date) -> dict[str, float]:
    """Mean number of customers active within each window, at times between a tenth of the history and its end."""
    start = first + (last - first) / 10
    relation = f"(select entity, cast(day as timestamp) as event_at from {days})"
    means = count_at_risk(connection, relation, start, last, [window_hours(w) / 24 for w in ACTIVE])
    return {w: round(mean, 4) for w, mean in zip(ACTIVE, means, strict=True)}


def _quadrants(connection: duckdb.DuckDBPyConnection, days: str, newest: date, every: int) -> tuple[Quadrant, ...]:
    """Customers by tenure and intensity, each split at its median."""
    rows = connection.execute(f"""
        with lives as (
            select
                date_diff('day', min(day), date '{newest}') + 1 as tenure, sum(n) as events,
                sum(n) / (date_diff('day', min(day), date '{newest}') + 1) as intensity,
                max(day) > date '{newest}' - {RECENT_DAYS} as recent
            from {days} where hash(entity) % {every} = 0 group by entity
        ),
        middle as (select median(tenure) as tenure, median(intensity) as intensity from lives)
        select lives.tenure >= middle.tenure as long, lives.intensity >= middle.intensity as high,
            count(*), sum(events), avg(cast(recent as integer))
        from lives cross join middle group by 1, 2 order by 1 desc, 2 desc
    """).fetchall()
    return tuple(
        Quadrant("long" if is_long else "short", "high" if is_high else "low", n, int(events), round(float(recent), 4))
        for is_long, is_high, n, events, recent in rows
    )


def _cohorts(connection: duckdb.DuckDBPyConnection, days: str, newest: date, every: int) -> tuple[Cohort, ...]:
    rows: list[tuple[Any, ...]] = []
    for unit in ("month", "quarter", "year"):
        rows = connection.execute(f"""
            select cast(date_trunc('{unit}', first) as date), count(*), avg(cast(recent as integer))
            from (
                select min(day) as first, max(day) > date '{newest}' - {RECENT_DAYS} as recent
                from {days} where hash(entity) % {every} = 0 group by entity
            )
            group by 1 order by 1
        """).fetchall()
        if len(rows) <= MOST_COHORTS:
            break
    return tuple(Cohort(start, n, round(float(recent), 4)) for start, n, recent in rows)


def count_at_risk(
    connection: duckdb.DuckDBPyConnection, relation: str, start: date, end: date, active_days: Sequence[float]
) -> list[float]:
    """Mean number of customers active within so many days before a time, at nine times from ``start`` to ``end``.

    Parameters
    ----------
    relation : str
        With the columns ``entity`` and ``event_at``.
    active_days : sequence of float

    Returns
    -------
    list of float
        One mean for each of ``active_days``.
    """
    begin, length = datetime.combine(start, datetime.min.time()), end - start
    moments = [begin + k * length / (PROBES - 1) for k in range(PROBES)]
    latest = ", ".join(f"max(day) filter (where day < timestamp '{m}') as day_{k}" for k, m in enumerate(moments))
    counts = ", ".join(
        " + ".join(
            f"count(*) filter (where day_{k} >= timestamp '{m - timedelta(hours=round(days * 24))}')"
            for k, m in enumerate(moments)
        )
        for days in active_days
    )
    sums = connection.execute(f"""
        select {counts}
        from (
            select {latest}
            from (select entity, cast(event_at as date) as day from {relation} as r where entity is not null)
            group by entity
        )
    """).fetchall()[0]
    return [n / PROBES for n in sums]


def preview_inactivity(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    anchor: date | datetime,
    horizon_days: float,
    gap_days: float,
    active_days: float,
) -> Preview | None:
    """Preview churn by inactivity at the last feature time with a known outcome.

    Parameters
    ----------
    relation : str
        With the columns ``entity`` and ``event_at``.
    anchor : date or datetime
        Newest feature time; the last one with a known outcome lies a gap and a horizon before it.

    Returns
    -------
    Preview or None
        None when nobody is at risk.
    """
    moment = _moment(anchor) - timedelta(days=horizon_days + gap_days)
    customers, churned = connection.execute(
        f"""
        select count(*), count(*) filter (where not is_active)
        from (
            select entity, bool_or(event_at >= $low and event_at < $high) as is_active
            from {relation} as r group by entity
            having bool_or(event_at >= $since and event_at < $moment)
        )
        """,
        {
            "low": moment + timedelta(days=gap_days),
            "high": moment + timedelta(days=gap_days + horizon_days),
            "since": moment - timedelta(days=active_days),
            "moment": moment,
        },
    ).fetchall()[0]
    return Preview(moment, customers, churned / customers) if customers else None


def preview_spans(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    feature_timestamp: date | datetime,
    horizon_days: float,
    gap_days: float = 0.0,
    grace_days: float = 0.0,
) -> Preview | None:
    """Preview churn by end date: coverage ends in the label window and is not continued.

    Parameters
    ----------
    relation : str
        With the columns ``entity``, ``started_at`` and ``ended_at`` (null while it lasts).
    feature_timestamp : date or datetime
        A customer is at risk who is covered then.
    grace_days : float
        A span that begins within so many days after another ended continues it.

    Returns
    -------
    Preview or None
        None when nobody is covered then.
    """
    moment = _moment(feature_timestamp)
    low, high = moment + timedelta(days=gap_days), moment + timedelta(days=gap_days + horizon_days)
    customers, churned = connection.execute(
        f"""
        with
        spans as (
            select entity, started_at as low, greatest(started_at, coalesce(ended_at, timestamp '9999-01-01')) as high
            from {relation} as r where started_at is not null
        ),
        -- a span begins an island of coverage when none before it reaches it
        numbered as (
            select *, case when low <= reach + $grace then 0 else 1 end as is_start
            from (
                select *, max(high) over (
                    partition by entity order by low rows between unbounded preceding and 1 preceding
                ) as reach
                from spans
            )
        ),
        islands as (
            select entity, min(low) as low, max(high) as high
            from (
                select *, sum(is_start) over (
                    partition by entity order by low range between unbounded preceding and current row
                ) as island
                from numbered
            )
            group by entity, island
        )
        select count(*), count(*) filter (where high >= $low and high < $high)
        from islands where low < $moment and high >= $moment
        """,
        {"grace": timedelta(days=grace_days), "low": low, "high": high, "moment": moment},
    ).fetchall()[0]
    return Preview(moment, customers, churned / customers) if customers else None


def _moment(day: date | datetime) -> datetime:
    return day if isinstance(day, datetime) else datetime.combine(day, datetime.min.time())
