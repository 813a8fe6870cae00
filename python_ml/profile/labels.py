"""Measures of supplied labels, against the activity of their customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.profile.schema import LabelFacts

if TYPE_CHECKING:
    import duckdb


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
    rows, labelled, churned, customers, first, last, newest_unlabelled = connection.execute("""
        select count(*), count(churned), coalesce(sum(churned), 0), count(distinct entity), min(as_of), max(as_of),
            max(as_of) filter (where churned is null)
        from label_rows
    """).fetchall()[0]
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
        **(_against_activity(connection, activity) if activity else {"without_events": 0}),
    )


def _refuse_disagreement(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    count, entity, as_of = connection.execute("""
        select count(*), min_by(entity, (entity, as_of)), min_by(as_of, (entity, as_of)) from label_rows where disagrees
    """).fetchall()[0]
    if count:
        raise UserError(
            f"{count:,} customers have rows of the same time that disagree, such as {entity} at {as_of}.",
            where=source,
            hint="leave one row for each customer and time",
        )
    without, parts = connection.execute("""
        select count(*) filter (where churned is not null and part is null), count(part) from label_rows
    """).fetchall()[0]
    if without and parts:
        raise UserError(
            f"{without:,} labelled rows have no part of the split.",
            where=source,
            hint="fill the column with train, validation or test, or leave the label of such a row empty",
        )


def _against_activity(connection: duckdb.DuckDBPyConnection, activity: str) -> dict[str, Any]:
    """Facts of labels that depend on the events of their customers."""
    connection.execute(f"""
        create or replace temp table label_events as
        select distinct entity, event_at from {activity} as r where entity is not null and event_at is not null
    """)
    early, late, beyond = connection.execute("""
        select count(*) filter (where as_of < first), count(*) filter (where as_of > last + interval 1 day),
            count(*) filter (where churned is not null and known_at > last)
        from label_rows cross join (select min(event_at) as first, max(event_at) as last from label_events)
    """).fetchall()[0]
    (without,) = connection.execute("""
        select count(distinct entity) from label_rows where entity not in (select entity from label_events)
    """).fetchall()[0]
    (recency,) = connection.execute("""
        select quantile_cont((epoch(l.as_of) - epoch(e.event_at)) / 86400, 0.99)
        from label_rows as l asof join label_events as e on l.entity = e.entity and l.as_of > e.event_at
        where l.churned is not null
    """).fetchall()[0]
    recency = None if recency is None else float(recency)
    return {"without_events": without, "early": early, "late": late, "beyond": beyond, "recency_p99": recency}
