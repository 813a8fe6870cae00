"""Measures of activity, labels and previews, over relations of the rows that a project keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from python_ml.durations import window_hours
from python_ml.errors import UserError
from python_ml.profile.schema import DELAY_QUANTILE, Activity, Cohort, Delays, LabelFacts, Preview, Quadrant

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
    first, last, customers, customer_days, rows = _row(
        connection, f"select min(first), max(last), count(distinct entity), count(*), sum(n) from {days}"
    )
    if not customers:
        return None
    median, p75 = _row(
        connection,
        f"""
        select quantile_disc(gap, 0.5), quantile_disc(gap, 0.75)
        from (select date_diff('day', lag(day) over (partition by entity order by day), day) as gap from {days})
        where gap is not null
    """,
    )
    (returning,) = _row(
        connection,
        f"select avg(cast(n > 1 as integer)) from (select entity, count(*) as n from {days} group by 1)",
    )
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
        high, longest, rows = _row(
            connection,
            f"""
            with arrivals as (
                select event_at, min(known_at) as known_at from {relation} as r
                where event_at is not null and known_at is not null group by entity, event_at
            )
            select quantile_disc(delay, {DELAY_QUANTILE}), max(delay), count(*)
            from (select epoch(known_at - event_at) / 86400 as delay, event_at from arrivals)
            where event_at >= (select min(known_at) from arrivals)
        """,
        )
        if rows:
            measured.append(Delays(round(high, 6), round(longest, 6), rows))
    return max(measured, key=lambda d: d.high, default=None)


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    return connection.execute(query).fetchall()[0]


def _occupied(connection: duckdb.DuckDBPyConnection, days: str, newest: date) -> dict[str, float]:
    """For each length: the share of windows, laid back from the newest day to a customer's first, with an event."""
    lengths = {window: max(int(window_hours(window) // 24), 1) for window in WINDOWS}
    age = f"date_diff('day', day, date '{newest}')"
    used = _row(
        connection,
        "select "
        + ", ".join(
            f"(select count(*) from (select distinct entity, {age} // {n} from {days}))" for n in lengths.values()
        ),
    )
    slots = _row(
        connection,
        "select " + ", ".join(f"sum({age} // {n} + 1)" for n in lengths.values())
        + f" from (select min(day) as day from {days} group by entity)",
    )  # fmt: skip
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
    sums = _row(
        connection,
        f"""
        select {counts}
        from (
            select {latest}
            from (select entity, cast(event_at as date) as day from {relation} as r where entity is not null)
            group by entity
        )
    """,
    )
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


def measure_labels(
    connection: duckdb.DuckDBPyConnection, source: str, labels: str, activity: str | None = None
) -> LabelFacts:
    """Measure supplied labels, against the activity of the customers where there is any.

    Parameters
    ----------
    source : str
        Name of the table of labels.
    labels : str
        Relation with the columns ``entity``, ``as_of``, ``churned`` (0, 1 or null), ``known_at`` and ``part``.
    activity : str, optional
        Relation with the columns ``entity`` and ``event_at``.

    Raises
    ------
    UserError
        When two rows of a customer and a time disagree, when only some labelled rows have a part of the split, or when
        there is no row.
    """
    connection.execute(f"""
        create or replace temp table label_rows as
        select entity, as_of, max(churned) as churned, max(known_at) as known_at, max(part) as part,
            count(distinct churned) > 1 or count(distinct part) > 1 as disagrees
        from {labels} as r where entity is not null and as_of is not null group by 1, 2
    """)
    _refuse_disagreement(connection, source)
    rows, labelled, churned, customers, first, last, newest_unlabelled = _row(
        connection,
        """
        select count(*), count(churned), coalesce(sum(churned), 0), count(distinct entity), min(as_of), max(as_of),
            max(as_of) filter (where churned is null)
        from label_rows
    """,
    )
    if not rows:
        hint = "check which columns hold the customer and the time"
        raise UserError("The labels have no row with a customer and a time.", where=source, hint=hint)
    parts = connection.execute("""
        select part, count(*) filter (where churned = 0), count(*) filter (where churned = 1)
        from label_rows where part is not null and churned is not null group by 1 order by 1
    """).fetchall()
    return LabelFacts(
        source=source,
        rows=rows,
        labelled=labelled,
        churned=int(churned),
        customers=customers,
        first=first,
        last=last,
        newest_unlabelled=newest_unlabelled,
        parts={part: (retained, churned) for part, retained, churned in parts},
        **(_beside_activity(connection, activity) if activity else {"without_events": 0}),
    )


def _refuse_disagreement(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    count, entity, as_of = _row(
        connection,
        "select count(*), min_by(entity, (entity, as_of)), min_by(as_of, (entity, as_of)) "
        "from label_rows where disagrees",
    )
    if count:
        raise UserError(
            f"{count:,} customers have rows of the same time that disagree, such as {entity} at {as_of}.",
            where=source,
            hint="leave one row for each customer and time",
        )
    without, parts = _row(
        connection,
        "select count(*) filter (where churned is not null and part is null), count(part) from label_rows",
    )
    if without and parts:
        raise UserError(
            f"{without:,} labelled rows have no part of the split.",
            where=source,
            hint="fill the column with train, validation or test, or leave the label of such a row empty",
        )


def _beside_activity(connection: duckdb.DuckDBPyConnection, activity: str) -> dict[str, Any]:
    """Facts of labels that depend on the events of their customers."""
    connection.execute(f"""
        create or replace temp table label_events as
        select distinct entity, event_at from {activity} as r where entity is not null and event_at is not null
    """)
    early, late, beyond = _row(
        connection,
        """
        select count(*) filter (where as_of < first), count(*) filter (where as_of > last + interval 1 day),
            count(*) filter (where churned is not null and known_at > last)
        from label_rows cross join (select min(event_at) as first, max(event_at) as last from label_events)
    """,
    )
    (without,) = _row(
        connection,
        "select count(distinct entity) from label_rows where entity not in (select entity from label_events)",
    )
    (recency,) = _row(
        connection,
        """
        select quantile_cont((epoch(l.as_of) - epoch(e.event_at)) / 86400, 0.99)
        from label_rows as l asof join label_events as e on l.entity = e.entity and l.as_of > e.event_at
        where l.churned is not null
    """,
    )
    recency = None if recency is None else float(recency)
    return {"without_events": without, "early": early, "late": late, "beyond": beyond, "recency_p99": recency}
