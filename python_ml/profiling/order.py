"""Times that contradict each other: within a row, and between a row and what it belongs to in another file."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.names import words
from python_ml.onboarding.detection import event_time_sql
from python_ml.onboarding.key_values import SPELLINGS, canonical
from python_ml.profiling.schema import Attention, OrderViolation
from python_ml.profiling.tables import Table
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile
    from python_ml.onboarding.relations import Relation, Relations

ORDERED = 0.9  # share of rows in which one time follows another, from which it is meant to
MOST_TIMES = 8
_STARTS = frozenset(
    words(
        "start started begin began signup sign signed created creation registered registration joined join opened "
        "first onboarded since activated birth born"
    )
)


def within_rows(connection: duckdb.DuckDBPyConnection, table: Table) -> list[OrderViolation]:
    """Pairs of times of a file of which one nearly always follows the other, and the rows in which it does not."""
    times = [c for c in table.of_kind("time") if c.time and c.time.share > 0.5][:MOST_TIMES]
    pairs = list(combinations(times, 2))
    if not pairs:
        return []
    measures = []
    for first, second in pairs:
        a, b = _plausible(quote(first.name)), _plausible(quote(second.name))
        measures += [f"count(*) filter (where {a} {sign} {b})" for sign in ("<", ">", "=")]
    row = connection.execute(f"select {', '.join(measures)} from {table.typed}").fetchall()[0]
    found = []
    for place, (first, second) in enumerate(pairs):
        before, after, equal = row[3 * place : 3 * place + 3]
        early, late, violated = (first, second, after) if before >= after else (second, first, before)
        ordered, total = max(before, after), before + after + equal
        if violated and ordered >= ORDERED * (ordered + violated) and ordered > 0.05 * total:
            what = f"`{late.raw_name}` lies before `{early.raw_name}` in {violated:,} of {total:,} rows"
            found.append(_violation(table, late, table, early, None, total, violated, "within_row", what))
    return found


def across_files(
    connection: duckdb.DuckDBPyConnection, tables: list[Table], relations: Relations
) -> list[OrderViolation]:
    """Rows dated before what they belong to had begun: the beginning is the time of the parent that is named like one.

    A day is the finest that all files know.

    Parameters
    ----------
    relations : Relations
        See :func:`python_ml.onboarding.relations.discover`.
    """
    named = {table.name: table for table in tables}
    found = []
    for relation in relations.found:
        parent, child = named[relation.parent], named[relation.child]
        start = _beginning(parent)
        if relation.cardinality != "n:m" and start is not None and child.profile.time is not None:
            found += _compare(connection, parent, start, child, relation)
    return found


def _beginning(table: Table) -> ColumnProfile | None:
    """The time at which a row's subject began: named so, else the file's time where it has one row per entity."""
    times = [c for c in table.of_kind("time") if c.time and c.time.share > 0.5]
    named = [c for c in times if set(words(c.raw_name)) & _STARTS]
    if named:
        return max(named, key=lambda c: vocabulary.time_score(c.raw_name))
    if table.is_entity_level and table.profile.time is not None:
        return table.profile.time.column
    return None


def _compare(
    connection: duckdb.DuckDBPyConnection, parent: Table, start: ColumnProfile, child: Table, relation: Relation
) -> list[OrderViolation]:
    time = child.profile.time.column
    key, link = (
        SPELLINGS[relation.spelling].format(canonical(next(c for c in side.columns if c.name == name)))
        for side, name in ((parent, relation.parent_column), (child, relation.child_column))
    )
    happened, began = _plausible(event_time_sql(time)), _plausible(event_time_sql(start))
    compared, violated = connection.execute(f"""
        select count(*), count(*) filter (where cast(event_at as date) < cast(started as date))
        from (select {link} as key, {happened} as event_at from {quote(child.profile.view)}) as child
        join (select {key} as key, min({began}) as started from {quote(parent.profile.view)} group by 1) as parent
        using (key)
        where event_at is not null and started is not null
    """).fetchall()[0]
    if not violated:
        return []
    what = (
        f"{violated:,} of {compared:,} rows of {child.name} ({violated / compared:.0%}) are dated before the "
        f"`{start.raw_name}` of their {parent.name} row"
    )
    return [_violation(child, time, parent, start, relation.child_column, compared, violated, "across_files", what)]


def _plausible(time: str) -> str:
    """SQL of a time that is none where it is only a mark, such as 1900-01-01."""
    return f"case when {time} >= timestamp '1900-01-02' and {time} < timestamp '2200-01-01' then {time} end"


def _violation(
    table: Table,
    time: ColumnProfile,
    other: Table,
    other_time: ColumnProfile,
    key: str | None,
    compared: int,
    violated: int,
    kind: str,
    told: str,
) -> OrderViolation:
    return OrderViolation(
        kind=kind,
        file=table.name,
        time=time.raw_name,
        other_file=other.name,
        other_time=other_time.raw_name,
        key=key,
        compared=compared,
        violated=violated,
        share=violated / compared,
        words=told,
    )


def attention(violations: list[OrderViolation]) -> list[Attention]:
    """Each violation as something to look at; critical where it concerns a tenth of the rows."""
    return [
        Attention(
            level="critical" if found.share >= 0.1 else "warning",
            topic="order of times",
            file=found.file,
            column=found.time,
            what=found.words,
        )
        for found in violations
    ]
