"""The rows of a file of labels as they will be used: customer, as-of time, outcome, when it was known, part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.onboarding import detection
from python_ml.onboarding.key_values import canonical
from python_ml.onboarding.label_parts import SPLIT
from python_ml.onboarding.target import value_sql
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile, Finding
    from python_ml.onboarding.target import TargetSpec

TABLE = "label_rows"  # entity, as_of, churned, known_at, part


def store_rows(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    target: TargetSpec,
    parts: dict[str, Finding | None],
    split_values: dict[str, tuple[str, ...]],
) -> None:
    """Make the table ``label_rows`` of a file of labels.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    profile : FileProfile
        With its entity and its time.
    target : TargetSpec
    parts : dict of str to Finding or None
        Columns by what they say: label, known, split.
    split_values : dict of str to tuple of str
        Values of the split by part.

    Raises
    ------
    UserError
        When two rows of a customer and a time disagree, or only some labelled rows say their part of the split.
    """
    value = value_sql(parts["label"].column)
    leaving = ", ".join(literal(v) for v in target.leaving)
    known = detection.event_time_sql(parts["known"].column) if parts["known"] else "null::timestamp"
    part = "null::varchar"
    if parts["split"]:
        cases = " ".join(
            f"when {value_sql(parts['split'].column)} in ({', '.join(map(literal, values))}) then {literal(name)}"
            for name, values in split_values.items()
        )
        part = f"case {cases} end"
    connection.execute(f"""
        create or replace table {TABLE} as
        select
            {canonical(profile.entity.column)} as entity,
            {detection.event_time_sql(profile.time.column)} as as_of,
            case when {value} in ({leaving}) then 1 when coalesce({value}, '') <> '' then 0 end as churned,
            {known} as known_at,
            {part} as part
        from {quote(profile.view)}
        where {quote(profile.entity.column.name)} is not null
    """)
    connection.execute(f"delete from {TABLE} where as_of is null")
    _refuse_disagreement(connection, str(profile.file.path))


def _refuse_disagreement(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    pairs = connection.execute(f"""
        select any_value(entity), any_value(as_of), count(*) from (
            select entity, as_of from {TABLE} group by 1, 2
            having count(distinct churned) > 1 or count(distinct part) > 1
        )
    """).fetchall()[0]
    if pairs[2]:
        raise UserError(
            f"{pairs[2]:,} customer(s) have rows of the same time that disagree, such as {pairs[0]} at {pairs[1]}.",
            where=where,
            hint="leave one row for each customer and time",
        )
    without = connection.execute(
        f"select count(*) from {TABLE} where churned is not null and part is null "
        f"and exists (select 1 from {TABLE} where part is not null)"
    ).fetchall()[0][0]
    if without:
        raise UserError(
            f"{without:,} labelled rows say no part of the split.",
            where=where,
            hint=f"fill the column with {', '.join(SPLIT)}, or leave the label of such a row empty",
        )
