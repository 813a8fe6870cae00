"""What the data hides: rows that cannot be used, copies, reversals, prices of zero, columns that know the future."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.names import words
from python_ml.onboarding import detection
from python_ml.onboarding.examination import DEFAULT_FROM, DEFAULT_TO
from python_ml.onboarding.key_values import SPELLINGS, canonical
from python_ml.onboarding.linked_views import LINK_REASON
from python_ml.onboarding.links import is_outcome
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.linking import Related
    from python_ml.onboarding.profiling import ColumnProfile
    from python_ml.onboarding.relations import Relation
    from python_ml.onboarding.specification import SourceSpec


AGREEING = 0.95  # share of customers for whom a flag and a record of the same outcome must agree
# Times at which what a row describes was over.
_ENDS = {"end", "ended", "ends", "closed", "cancelled", "canceled", "expired", "until"}


def reasons(source: SourceSpec) -> dict[str, str]:
    """The reasons for which bronze puts a row aside, in the order in which they are tried.

    Returns
    -------
    dict of str to str
        Reason by check: entity, time, available, implausible, duplicate.
    """
    found = {}
    if source.own_entity is not None:
        found["entity"] = f"missing {source.own_entity.name}"
    if source.own_time is not None:
        found["time"] = f"missing or unreadable {source.own_time.name}"
        found["implausible"] = f"implausible {source.own_time.name}"
    if source.available is not None:
        found["available"] = f"unreadable {source.available.name}"
    if source.key is not None:
        found["duplicate"] = f"duplicate {source.key.name}"
    return found


def count_rows(connection: duckdb.DuckDBPyConnection, profile: FileProfile, source: SourceSpec) -> SourceSpec:
    """Count what bronze will put aside, what cannot be linked, exact copies, and the span of what is kept."""
    names = reasons(source)
    when = known = detection.event_time_sql(profile.time.column) if source.time is not None else "null::timestamp"
    cases = []
    if "entity" in names:
        cases.append(f"when {quote(profile.entity.column.name)} is null then {literal(names['entity'])}")
    if "time" in names:
        cases.append(f"when {when} is null then {literal(names['time'])}")
    if source.available is not None:
        column = profile.available.column
        available = detection.event_time_sql(column)
        known = f"greatest({when}, {available})"
        cases.append(
            f"when {quote(column.name)} is not null and {available} is null then {literal(names['available'])}"
        )
    if "implausible" in names:
        low, high = source.plausible_from or DEFAULT_FROM, source.plausible_to or DEFAULT_TO
        implausible = f"{when} < timestamp '{low}' or {when} >= timestamp '{high}'"
        cases.append(f"when {implausible} then {literal(names['implausible'])}")
    row_key, rank = "null", "1"
    if source.key is not None:
        row_key = quote(next(c.name for c in profile.columns if c.raw_name == source.key.raw_name))
        # As in bronze, the copy that was known first stays.
        rank = "row_number() over (partition by row_key, reason is null order by known nulls last)"
    counted = connection.execute(f"""
        select reason, link_reason, row_key is not null and reason is null and copy > 1 as is_copy,
            count(*), min(event_at), max(event_at)
        from (
            select *, {rank} as copy
            from (
                select
                    {f"case {' '.join(cases)} end" if cases else "null::varchar"} as reason,
                    {quote(LINK_REASON) if LINK_REASON in profile.notes else "null::varchar"} as link_reason,
                    {row_key} as row_key, {when} as event_at, {known} as known
                from {quote(profile.view)}
            )
        )
        group by all order by count(*) desc, reason, link_reason, is_copy
    """).fetchall()
    quarantined: dict[str, int] = {}
    unlinked: dict[str, int] = {}
    first = last = None
    for reason, link_reason, is_copy, count, low, high in counted:
        put_aside = reason or (names["duplicate"] if is_copy else None)
        if put_aside:
            quarantined[put_aside] = quarantined.get(put_aside, 0) + count
        elif link_reason:
            unlinked[link_reason] = unlinked.get(link_reason, 0) + count
        else:
            first, last = low, high
    columns = ", ".join(quote(c.name) for c in profile.columns)
    distinct = connection.execute(
        f"select count(*) from (select distinct {columns} from {quote(profile.view)})"
    ).fetchall()[0][0]
    return replace(
        source,
        quarantined=quarantined,
        unlinked=unlinked,
        duplicates=source.rows - distinct,
        first=first,
        last=last,
    )


def find(
    connection: duckdb.DuckDBPyConnection, profiles: list[FileProfile], sources: list[SourceSpec], related: Related
) -> list[str]:
    """Tell the traps of all files, one sentence each, with what was done about it."""
    by_name = {p.name: p for p in profiles}
    told = []
    for source in sources:
        profile = by_name[source.name]
        told += [f"{source.name}: {trap}" for trap in _of_source(connection, profile, source, sources)]
        told += [f"{source.name}: {trap}" for trap in _of_relations(connection, profile, source, by_name, related)]
    return [*told, *related.relations.refused, *_disagreeing_outcomes(connection, profiles, related)]


def _disagreeing_outcomes(
    connection: duckdb.DuckDBPyConnection, profiles: list[FileProfile], related: Related
) -> list[str]:
    """Flags of customers that say who left, held against the tables that record it."""
    told = []
    records = [p for p in related.profiles if vocabulary.has_word(p.name, vocabulary.OUTCOMES) and p.entity]
    for profile in (p for p in profiles if p.is_one_row_per_entity):
        flags = [
            c for c in profile.columns if c.kind == "boolean" and vocabulary.has_word(c.raw_name, vocabulary.OUTCOMES)
        ]
        for record in (r for r in records if r.name != profile.name):
            for flag in flags:
                total, agreeing = connection.execute(f"""
                    select count(*), count(*) filter (where said = (r.v is not null))
                    from (
                        select {canonical(profile.entity.column)} as v,
                            lower(cast({quote(flag.name)} as varchar)) in ('true', 't', 'yes', 'y', '1') as said
                        from {quote(profile.view)}
                        where {quote(flag.name)} is not null
                    ) as f
                    left join (select distinct {canonical(record.entity.column)} as v from {quote(record.view)}) as r
                        on f.v = r.v
                """).fetchall()[0]
                if total and agreeing < AGREEING * total:
                    told.append(
                        f"{profile.name}: `{flag.raw_name}` agrees with {record.name} for only {agreeing:,} of "
                        f"{total:,} customers ({agreeing / total:.0%}): one of them is not what it seems"
                    )
    return told


def _of_relations(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    source: SourceSpec,
    by_name: dict[str, FileProfile],
    related: Related,
) -> list[str]:
    """What the links cost, and rows that happened before what they belong to existed, or after it ended."""
    told = [
        f"{count:,} of {source.rows:,} rows cannot be linked and are quarantined: {reason}"
        for reason, count in source.unlinked.items()
    ]
    used = {hop.relation for hop in related.hops.get(profile.name, ())}
    dated = {hop.relation for hop in related.hops.get(profile.name, ()) if hop.brings_time}
    told += [
        f"it has no time of its own: its rows happened when their row of {relation.parent} did, and are taken to "
        "have been known then"
        for relation in dated
    ]
    for relation in related.relations.parents(profile.name):
        parent = by_name[relation.parent]
        has_time = profile.time is not None and source.own_time is not None
        is_dated = parent.time is not None and not any(h.brings_time for h in related.hops.get(parent.name, ()))
        if not (has_time and is_dated):
            continue
        ends = [
            c
            for c in parent.columns
            if c.kind == "time" and c is not parent.time.column and set(words(c.raw_name)) & _ENDS
        ]
        counts = _count_disorder(connection, profile, parent, relation, ends)
        total, before, *after = counts
        own, start = profile.time.column.raw_name, parent.time.column.raw_name
        if before:
            what = "they are used only from then on" if relation in used else "it is for you to judge if that can be"
            told.append(
                f"{before:,} of {total:,} rows ({before / total:.0%}) have a `{own}` before the `{start}` of their row "
                f"of {parent.name}; {what}"
            )
        told += [
            f"{count:,} of {total:,} rows ({count / total:.0%}) have a `{own}` after the `{end.raw_name}` of their row "
            f"of {parent.name}; they are kept"
            for end, count in zip(ends, after, strict=True)
            if count
        ]
    return told


def _count_disorder(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    parent: FileProfile,
    relation: Relation,
    ends: list[ColumnProfile],
) -> tuple[int, ...]:
    """Rows whose parent has a time, those before it, and those after each end; a day is the finest that all know."""

    def key(of: FileProfile, name: str) -> str:
        return SPELLINGS[relation.spelling].format(canonical(next(c for c in of.columns if c.name == name)))

    times = [parent.time.column, *ends]
    wanted = ", ".join(f"min({detection.event_time_sql(c)}) as t{place}" for place, c in enumerate(times))
    after = "".join(
        f", count(*) filter (where cast(happened as date) > cast(t{place} as date))" for place in range(1, len(times))
    )
    return connection.execute(f"""
        select count(t0), count(*) filter (where cast(happened as date) < cast(t0 as date)){after}
        from (
            select
                {key(profile, relation.child_column)} as k,
                {detection.event_time_sql(profile.time.column)} as happened
            from {quote(profile.view)}
        ) as child
        left join (
            select {key(parent, relation.parent_column)} as k, {wanted} from {quote(parent.view)} group by 1
        ) as parent on child.k = parent.k
    """).fetchall()[0]


def _of_source(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, source: SourceSpec, sources: list[SourceSpec]
) -> list[str]:
    told = list(source.file.notes)
    for reason, count in source.quarantined.items():
        told.append(f"{count:,} of {source.rows:,} rows are quarantined: {reason}")
    if source.use == "stored":
        told.append(f"no features are made of it: {source.use_reason}")
    if source.use == "tenure":
        told.append(source.use_reason)
    if is_outcome(source) and source.dated:
        told.append(
            "its rows record who left, so it is an outcome: features of it use only what was known before their time, "
            "but have a raised leakage risk"
        )
    if source.duplicates and source.key is None:
        told.append(
            f"{source.duplicates:,} rows are exact copies of another; they are kept, since without a key a "
            "copy cannot be "
            "told from a line that was really entered twice"
        )
    if source.reversal is not None:
        told.append(
            f"{source.reversal.rows:,} rows take something back ({source.reversal.words}); they are kept "
            "with is_reversal, do "
            f"not count as activity, and have features of their own ({source.reversal.name}_...)"
        )
    told += _of_columns(connection, profile, source)
    activity = sources[0]
    if source.dated and source is not activity and source.last and activity.last:
        behind = (activity.last - source.last).days
        if behind > 14:
            told.append(
                f"its newest row is {behind} days older than that of {activity.name}: its newest windows look emptier"
            )
    return told


def _of_columns(connection: duckdb.DuckDBPyConnection, profile: FileProfile, source: SourceSpec) -> list[str]:
    told = []
    later = []
    for spec in source.columns:
        column = next(c for c in profile.columns if c.raw_name == spec.raw_name)
        if spec.role == "number" and column.number is not None:
            if column.number.readable < column.filled:
                told.append(
                    f"{column.filled - column.number.readable:,} values of `{spec.name}` are no numbers and become null"
                )
            is_price = vocabulary.is_unit_price(spec.raw_name) or vocabulary.has_word(spec.raw_name, vocabulary.TOTALS)
            if is_price and column.number.zeros:
                told.append(f"{column.number.zeros:,} rows have a `{spec.name}` of zero; they are kept")
        if spec.role == "identifier" and source.use == "events" and spec.name not in {k.column for k in source.links}:
            told += _odd_codes(connection, profile, spec.name, column.name)
        if spec.role == "time_other" and source.use == "events":
            later.append(spec.name)
        if spec.unused == "its name says the outcome":
            told.append(f"`{spec.name}` is named like an outcome; no feature is made of it")
    if later:
        times = ", ".join(f"`{name}`" for name in later)
        told.append(
            f"it has further times ({times}); columns that are filled in only by then are known later than "
            f"`{source.time.name}` says: look at them before you trust them"
        )
    return told


def _odd_codes(connection: duckdb.DuckDBPyConnection, profile: FileProfile, name: str, column: str) -> list[str]:
    """Codes without a digit where (nearly) all others have one: postage, fees, manual corrections."""
    value = f"cast({quote(column)} as varchar)"
    filled, odd = connection.execute(f"""
        select count({value}), count(*) filter (where not regexp_matches({value}, '[0-9]')) from {quote(profile.view)}
    """).fetchall()[0]
    if not odd or odd > 0.05 * filled:
        return []
    examples = connection.execute(f"""
        select {value} as value, count(*) as n from {quote(profile.view)}
        where not regexp_matches({value}, '[0-9]') group by 1 order by n desc, 1 limit 3
    """).fetchall()
    return [
        f"{odd:,} rows have a `{name}` without a digit, unlike the others "
        f"({', '.join(repr(v) for v, _ in examples)}): perhaps "
        "postage or fees rather than products; they are kept"
    ]
