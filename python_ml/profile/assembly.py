"""From raw tables to a profile: every fact of a table is measured once, on the same typed relation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from python_ml.ingest.personal import PERSONAL
from python_ml.ingest.schema import Column, RawTable
from python_ml.ingest.tables import unknown_column
from python_ml.ingest.typing import typed_sql
from python_ml.profile import keys, order, rows, times
from python_ml.profile.activity import measure_activity
from python_ml.profile.agreement import compare_outcomes
from python_ml.profile.associations import RECURRING, associate, label
from python_ml.profile.free_texts import measure_free_text
from python_ml.profile.numbers import measure_early, measure_numbers
from python_ml.profile.outcomes import find_outcomes
from python_ml.profile.relations import find_relations
from python_ml.profile.row_times import computed_times
from python_ml.profile.schema import (
    Activity,
    ColumnProfile,
    Distribution,
    EarlyFacts,
    Profile,
    Sentinel,
    Span,
    TableProfile,
    ValueCount,
)
from python_ml.profile.segments import find_segments
from python_ml.profile.tables import Table, prepare
from python_ml.profile.texts import CUT, MISSING_TEXTS, MeasuredText, measure_texts, shown
from python_ml.profile.timeline import measure_timeline
from python_ml.profile.values import KeyValues
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

EARLY_SHARE = 0.4  # of the plausible span: certainly before the validation period


def profile_tables(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[RawTable],
    *,
    relate: Iterable[str] = (),
    exclude: Iterable[str] = (),
    entity: str | None = None,
    time: str | None = None,
    outcome: str | None = None,
    positive: str | None = None,
    probe: Callable | None = None,
    activity: bool = False,
    progress: Callable[[str | None], None] = lambda message: None,
) -> Profile:
    """Measure everything about raw tables that does not depend on who the customer is.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the relations of the tables.
    tables : sequence of RawTable
        As :func:`python_ml.ingest.open_tables` gives them.
    relate : iterable of str
        Relations that the user names, as ``child.column=parent.column``; composite as ``child.a+b=parent.c+d``.
    exclude : iterable of str
        ``source`` or ``source.column`` by which nothing is related.
    entity, time : str, optional
        Columns with the customer and the event time, in the tables that have them, where the user names them.
    outcome, positive : str, optional
        Column with the outcome, and its value that means churn, where the user names them.
    probe : callable, optional
        ``probe(names, values_of, churned)`` gives columns that know the outcome, each with ``column``, ``severity``
        and ``reasons``; without it, no column is checked for leaks.
    activity : bool
        Whether the activity of the likeliest customers is measured, for the page; of large tables, for a part of them.
    progress : callable
        Receives what is being measured; None at the end.

    Returns
    -------
    Profile
        Depends on the files' contents and the arguments alone.

    Raises
    ------
    UserError
        When a named column, relation or outcome does not exist or cannot be used.
    """
    for flag, wanted in (("--entity", entity), ("--time", time)):
        for name in (wanted or "").split(",") if wanted and not any(t.column(wanted) for t in tables) else ():
            if not any(t.column(name.strip()) for t in tables):
                raise unknown_column(name, tables, flag)
    prepared = []
    for place, raw in enumerate(tables):
        progress(f"{raw.name}: typing")
        prepared.append(prepare(connection, raw, place))
    values = KeyValues(connection, prepared)
    profiles = [_profile(table, values, (entity, time), progress) for table in prepared]
    progress("relations")
    related = find_relations(prepared, {p.name: p.keys for p in profiles}, values, relate, exclude)
    progress("outcomes")
    outcomes = find_outcomes(connection, list(tables), outcome, positive)
    segments = []
    for table, profile in zip(prepared, profiles, strict=True):
        own = next((o for o in outcomes if o.table == table.name), None)
        labelled = None
        if own is not None:
            progress(f"{table.name}: associations")
            labelled = label(table, profile, own)
            outcomes[outcomes.index(own)] = own = associate(profile, own, labelled, probe)
        progress(f"{table.name}: segments")
        segments.append(find_segments(table, profile, own, labelled))
    violations = [v for t, p in zip(prepared, profiles, strict=True) for v in order.within_rows(t, p.time_pairs)]
    violations += order.across_tables(prepared, profiles, related.relations)
    agreements = compare_outcomes(prepared, profiles, related.relations, outcomes)
    activities = {p.name: _activity(t, p) for t, p in zip(prepared, profiles, strict=True) if activity}
    progress(None)
    return Profile(
        tables=tuple(profiles),
        relations=related.relations,
        refused_relations=related.refused,
        outcomes=tuple(outcomes),
        order_violations=tuple(violations),
        agreements=tuple(agreements),
        segments=tuple(s for s in segments if s is not None),
        activities={name: measured for name, measured in activities.items() if measured is not None},
    )


def _profile(
    table: Table, values: KeyValues, wanted: tuple[str | None, str | None], progress: Callable[[str | None], None]
) -> TableProfile:
    progress(f"{table.name}: times")
    spans, pairs = times.measure_times(table), times.pair_times(table)
    time = times.choose_time(table, spans, pairs, wanted[1])
    progress(f"{table.name}: columns")
    columns = _columns(table, spans, time.column if time else "")
    progress(f"{table.name}: keys and copies")
    different = keys.count_different(table, values)
    table_keys = keys.find_keys(table, values, different, time)
    facts = keys.identifier_facts(table, values, time, wanted[0])
    progress(f"{table.name}: rows")
    versions = keys.find_versions(table, values, table_keys, time, different)
    span = spans[time.column].span if time else None
    customer = next((f.column for f in facts if f.person >= 2), "")
    return TableProfile(
        table=table.raw,
        columns=tuple(columns),
        different_rows=different,
        keys=table_keys,
        identifiers=facts,
        time=time,
        time_pairs=pairs,
        versions=versions,
        reversal=rows.find_reversal(table),
        totals=rows.find_totals(table, facts, time),
        fixed=rows.measure_fixed(table, facts),
        correlated=rows.find_correlated(table),
        odd_codes=rows.find_odd_codes(table, values),
        timeline=measure_timeline(table, time.column, span, customer) if time and span else None,
        shifted_copies=rows.find_shifted(table),
        sampled_rows=table.sampled_rows,
        computed_times=computed_times(table.connection, table.raw),
    )


def _activity(table: Table, profile: TableProfile) -> Activity | None:
    """The activity of the likeliest customers of a table of events, as far as one table tells."""
    person = next((f for f in profile.identifiers if f.person >= 2), None)
    if person is None or profile.time is None or person.rows_per_value < RECURRING:
        return None
    span = profile.profile_of(profile.time.column).span
    relation = (
        f"(select cast({quote(person.column)} as varchar) as entity, {quote(profile.time.column)} as event_at "
        f"from {table.followed(person.column, person.distinct)} where {quote(profile.time.column)} >= '{span.first}')"
    )
    return measure_activity(table.connection, table.name, relation, span.end)


def _columns(table: Table, spans: dict[str, times.TimeFinding], time: str) -> list[ColumnProfile]:
    numbers, texts = measure_numbers(table), measure_texts(table)
    early: dict[str, EarlyFacts] = {}
    if time:
        early = measure_early(table, time, _early_end(spans[time].span))
    profiles = []
    for column in table.columns:
        distribution, sentinels = numbers.get(column.name, (None, ()))
        text, finding = texts.get(column.name), spans.get(column.name)
        unreadable = (
            _unreadable(table, column) if column.readable < column.filled and column.reading.type != "text" else ()
        )
        if distribution is not None:
            distribution = replace(distribution, unreadable=unreadable)
        profiles.append(
            ColumnProfile(
                column=_exact(column, text),
                top=_top(column, text),
                sentinels=(
                    *sentinels,
                    *(finding.sentinels if finding else ()),
                    *_unreadable_sentinels(column, unreadable),
                    *(text.sentinels if text and column.semantic not in PERSONAL else ()),
                ),
                distribution=_named_only(column, distribution),
                early=early.get(column.name),
                span=finding.span if finding else None,
                texts=_without_examples(column, text),
                free_text=measure_free_text(table, column) if column.semantic == "text" else None,
            )
        )
    return profiles


def _early_end(span: Span):
    return (span.first + EARLY_SHARE * (span.end - span.first)).date() + timedelta(days=1)


def _exact(column: Column, text: MeasuredText | None) -> Column:
    exact = text.distinct if text and text.distinct is not None else column.distinct
    return replace(column, distinct=exact) if exact != column.distinct else column


def _top(column: Column, text: MeasuredText | None) -> tuple[ValueCount, ...]:
    """Most frequent values, where they may be shown and say anything."""
    if text is None or not text.top or column.semantic in PERSONAL or column.personal:
        return ()
    hardly_repeats = text.top[0].rows <= max(2, column.filled // 1000)
    is_list = column.semantic in ("identifier", "text") or column.distinct > 100
    return () if hardly_repeats and is_list else text.top


def _named_only(column: Column, distribution: Distribution | None) -> Distribution | None:
    """Numbers that name something have no distribution."""
    if distribution is None or column.semantic != "identifier":
        return distribution
    return Distribution(unreadable=distribution.unreadable)


def _without_examples(column: Column, text: MeasuredText | None):
    if text is None or text.facts is None or column.semantic not in PERSONAL:
        return text.facts if text else None
    return replace(text.facts, shapes=(), case_examples=())


def _unreadable(table: Table, column: Column) -> tuple[ValueCount, ...]:
    """Values that cannot be read as what their column is, the most frequent first."""
    raw = quote(column.raw_name)
    rows_of = table.rows_of(f"""
        select left(trim(cast({raw} as varchar)), {CUT}) as value, count(*) as n from {table.good_rows}
        where {raw} is not null and trim(cast({raw} as varchar)) not in ('', '\\N')
            and ({typed_sql(column.reading, raw)}) is null
        group by 1 order by n desc, 1 limit 5
    """)
    return tuple(ValueCount(shown(value, 60), n) for value, n in rows_of)


def _unreadable_sentinels(column: Column, unreadable: tuple[ValueCount, ...]) -> list[Sentinel]:
    """Texts among numbers or times that stand for a missing value; reading them so loses nothing."""
    kind = "time" if column.kind == "time" else "number"
    return [
        Sentinel(v.value, v.rows, f"no {kind}, among {kind}s", True)
        for v in unreadable
        if v.value.lower() in MISSING_TEXTS or v.rows > 1 or len(unreadable) == 1
    ]
