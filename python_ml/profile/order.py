"""Times that contradict each other: within a row, and between a row and the one that it points at."""

from __future__ import annotations

from collections.abc import Iterable

from python_ml.ingest import vocabulary
from python_ml.ingest.schema import Column
from python_ml.profile.schema import OrderViolation, Relation, TableProfile, TimePair
from python_ml.profile.tables import Table
from python_ml.profile.values import SPELLINGS, canonical
from python_ml.warehouse import quote

ORDERED = 0.9  # share of rows in which one time follows another, from which it is meant to


def within_rows(table: Table, pairs: Iterable[TimePair]) -> list[OrderViolation]:
    """Pairs of times of which one nearly always follows the other, and the rows in which it does not."""
    violations = []
    for pair in pairs:
        violated, before = pair.both - pair.ordered, pair.ordered - pair.equal
        if violated and before >= ORDERED * (before + violated) and before > 0.05 * pair.both:
            early, late = table.column(pair.first).raw_name, table.column(pair.second).raw_name
            text = f"`{late}` is before `{early}` in {violated:,} of {pair.both:,} rows"
            where = (table.name, pair.second, table.name, pair.first)
            violations.append(OrderViolation("within_row", *where, pair.both, violated, text))
    return violations


def across_tables(
    tables: Iterable[Table], profiles: Iterable[TableProfile], relations: Iterable[Relation]
) -> list[OrderViolation]:
    """Rows dated before what they belong to began, by day: the finest that all files know."""
    named, profiled = {table.name: table for table in tables}, {p.name: p for p in profiles}
    violations = []
    for relation in (r for r in relations if r.cardinality != "n:m" and len(r.child_columns) == 1):
        parent, child = named[relation.parent], named[relation.child]
        start, time = _beginning(parent, profiled[relation.parent]), profiled[relation.child].time
        if start is None or time is None:
            continue
        link, key = (
            SPELLINGS[relation.spelling].format(canonical(table.column(names[0])))
            for table, names in ((child, relation.child_columns), (parent, relation.parent_columns))
        )
        happened, began = _real(time.column), _real(start.name)
        compared, violated = child.rows_of(f"""
            select count(*), count(*) filter (where cast(event_at as date) < cast(started as date))
            from (select {link} as key, {happened} as event_at from {child.typed}) as child
            join (select {key} as key, min({began}) as started from {parent.typed} group by 1) as parent using (key)
            where event_at is not null and started is not null
        """)[0]
        if violated:
            text = (
                f"{violated:,} of {compared:,} rows of {child.name} ({violated / compared:.0%}) are dated before the "
                f"`{start.raw_name}` of their {parent.name} row"
            )
            where = (child.name, time.column, parent.name, start.name)
            violations.append(OrderViolation("across_tables", *where, compared, violated, text))
    return violations


def _beginning(table: Table, profile: TableProfile) -> Column | None:
    """The time at which a row's subject began: named so, else the event time where a customer has one row."""
    times = [c for c in table.of_kind("time") if c.readable_share > 0.5]
    named = [c for c in times if vocabulary.has_word(c.raw_name, vocabulary.BEGINNINGS | vocabulary.BIRTH)]
    if named:
        return max(named, key=lambda c: vocabulary.time_score(c.raw_name))
    first = profile.identifiers[:1]
    if profile.time is not None and first and first[0].person >= 2 and first[0].rows_per_value < 1.05:
        return table.column(profile.time.column)
    return None


def _real(name: str) -> str:
    """SQL of a time that is null where it is only a marker, such as 1900-01-01."""
    value = quote(name)
    return f"case when {value} >= timestamp '1900-01-02' and {value} < timestamp '2200-01-01' then {value} end"
