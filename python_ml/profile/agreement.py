"""Whether an outcome of customers agrees with a table of their departures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from python_ml.ingest import vocabulary
from python_ml.names import name_parts
from python_ml.profile.outcomes import churned_sql
from python_ml.profile.schema import OutcomeAgreement, OutcomeColumn, Relation, TableProfile
from python_ml.profile.tables import Table
from python_ml.profile.values import SPELLINGS, canonical

ONE_ROW = 1.05  # rows per customer up to which a table holds one row of each
# What a departure may be named after: an order or a ticket that is cancelled ends nobody's coverage.
_ENDED = vocabulary.COVERING | vocabulary.PERSONS | {"event", "reason"}


def compare_outcomes(
    tables: Iterable[Table],
    profiles: Iterable[TableProfile],
    relations: Iterable[Relation],
    outcomes: Iterable[OutcomeColumn],
) -> list[OutcomeAgreement]:
    """Compare each outcome of a table of customers with the tables that record departures of the same customers.

    A departure at any time counts: a flag without a date says no more than whether a customer has ever left.
    """
    named, profiled = {table.name: table for table in tables}, {p.name: p for p in profiles}
    listed, related = list(outcomes), [r for r in relations if r.cardinality != "n:m" and len(r.child_columns) == 1]
    with_outcome = {outcome.table for outcome in listed}
    departures = [p.name for p in profiled.values() if p.name not in with_outcome and _records_departures(p)]
    compared = []
    for outcome in listed:
        for name in departures:
            link = next(_links(related, outcome.table, name), None)
            if link is not None and _is_customer(profiled[outcome.table], link[0]):
                compared.append(_compare(named[outcome.table], named[name], outcome, link))
    return [agreement for agreement in compared if agreement.compared]


def _compare(
    customers: Table, departures: Table, outcome: OutcomeColumn, link: tuple[str, str, str]
) -> OutcomeAgreement:
    own, other, spelling = link
    key, recorded = (
        SPELLINGS[spelling].format(canonical(table.column(name)))
        for table, name in ((customers, own), (departures, other))
    )
    column = customers.column(outcome.column)
    counts = customers.rows_of(f"""
        select
            count(*) filter (where churned and departed),
            count(*) filter (where churned and not departed),
            count(*) filter (where not churned and departed),
            count(*) filter (where not churned and not departed)
        from (
            select churned, departures.key is not null as departed
            from (
                select {key} as key, bool_or({churned_sql(column, outcome)}) as churned
                from {customers.typed} group by 1
            ) as customers
            left join (select distinct {recorded} as key from {departures.typed}) as departures using (key)
            where customers.key is not null and churned is not null
        )
    """)[0]
    return OutcomeAgreement(customers.name, column.name, column.raw_name, departures.name, *counts)


def _links(relations: list[Relation], customers: str, departures: str) -> Iterator[tuple[str, str, str]]:
    """Columns of both tables with the same customers, and how they are spelt: related to each other or to a third."""
    for relation in relations:
        ends = {relation.child: relation.child_columns[0], relation.parent: relation.parent_columns[0]}
        if ends.keys() == {customers, departures}:
            yield ends[customers], ends[departures], relation.spelling
    for one in (r for r in relations if r.child == customers):
        for other in (r for r in relations if r.child == departures):
            if (one.parent, one.parent_columns, one.spelling) == (other.parent, other.parent_columns, other.spelling):
                yield one.child_columns[0], other.child_columns[0], one.spelling


def _is_customer(table: TableProfile, column: str) -> bool:
    """Whether a column has the customers of a table, and each of them (nearly) one row."""
    facts, about = table.identifier(column), vocabulary.subject(table.name)
    is_person = vocabulary.person_score(table.column(column).raw_name) >= 2 or (
        about and about[-1] in vocabulary.PERSONS
    )
    return bool(is_person) and facts is not None and facts.rows_per_value < ONE_ROW


def _records_departures(table: TableProfile) -> bool:
    """Whether the rows of a table are dated departures, by its name and that of its time or its kind of rows."""
    if table.time is None or not vocabulary.has_word(table.name, vocabulary.DEPARTURES):
        return False
    kind = set(name_parts(table.name)[-1:])
    dated = vocabulary.has_word(table.column(table.time.column).raw_name, vocabulary.DEPARTURES | vocabulary.CHURNED)
    if not dated and not kind & (vocabulary.DEPARTURES | vocabulary.RECORDS):
        return False
    about = {part for name in (table.name, *(f.column for f in table.identifiers)) for part in vocabulary.subject(name)}
    return not about & (vocabulary.OTHER_THINGS - _ENDED)
