"""Views of linked tables: every row with the customer and the time that it inherits, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from python_ml.onboarding import dates, detection
from python_ml.onboarding.detection import FileProfile, Finding
from python_ml.onboarding.examination import plausible_bounds
from python_ml.onboarding.key_values import SPELLINGS, canonical
from python_ml.onboarding.relations import Relation
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile

LINK_REASON, LINK_KNOWN = "link_reason", "link_known_at"


@dataclass(frozen=True)
class Hop:
    """One step from a table to a parent, and what it brings."""

    relation: Relation
    brings_entity: bool
    brings_time: bool


def column_of(profile: FileProfile, name: str) -> ColumnProfile:
    """A column by its safe name."""
    return next(c for c in profile.columns if c.name == name)


def linked_profile(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    hops: dict[str, tuple[Hop, ...]],
    by_name: dict[str, FileProfile],
) -> FileProfile:
    """Make a view of a table with the columns that it inherits, and find customer and time in it."""
    view = f"linked_{profile.view}"
    taken = {c.name for c in profile.columns} | {LINK_REASON, LINK_KNOWN}
    selected, joins, reasons, known = ["c.*"], [], [], []
    inherited: dict[str, str] = {}
    for place, hop in enumerate(hops[profile.name]):
        relation, parent = hop.relation, by_name[hop.relation.parent]
        spelt = SPELLINGS[relation.spelling]
        own = canonical(column_of(profile, relation.child_column))
        joins.append(
            f"left join ({_parent_rows(connection, parent, hop, hops)}) as p{place} "
            f"on {spelt.format(own.replace(quote(relation.child_column), 'c.' + quote(relation.child_column)))} "
            f"= p{place}.link_key"
        )
        for part, brings in (("entity", hop.brings_entity), ("time", hop.brings_time)):
            if brings:
                wanted = getattr(parent, part).column.name
                name = next(n for n in (wanted, *(f"{wanted}_{i}" for i in range(2, 9999))) if n not in taken)
                taken.add(name)
                inherited[part] = name
                selected.append(f"p{place}.{part} as {quote(name)}")
        known.append(f"p{place}.row_known")
        for reason, condition in link_reasons(
            column_of(profile, relation.child_column).name,
            f"c.{quote(relation.child_column)} is null",
            f"p{place}.is_ambiguous",
            f"p{place}.link_key is null",
        ).items():
            reasons.append(f"when {condition} then {literal(reason)}")
    connection.execute(
        f"create or replace table {quote(view)} as select {', '.join(selected)}, greatest({', '.join(known)}) "
        f"as {LINK_KNOWN}, case {' '.join(reasons)} end as {LINK_REASON} "
        f"from {quote(profile.view)} as c {' '.join(joins)}"
    )
    linked = replace(profile, view=view, notes=(*profile.notes, LINK_REASON))
    return _find_inherited(connection, linked, hops, by_name, inherited)


def link_reasons(column: str, missing: str, ambiguous: str, unknown: str) -> dict[str, str]:
    """The reasons for which a row cannot be linked, in the order in which they are tried, with their conditions."""
    return {
        f"missing {column}": missing,
        f"ambiguous {column}": ambiguous,
        f"unknown {column}": unknown,
    }


def agreeing_column(parent: FileProfile, brings_entity: bool, hops: dict[str, tuple[Hop, ...]]) -> str | None:
    """Column of a parent in which copies of its key must agree, or the link would be ambiguous."""
    steps = hops.get(parent.name, ())
    for hop in steps:
        if hop.brings_entity if brings_entity else hop.brings_time:
            return hop.relation.child_column
    return parent.entity.column.name if brings_entity and parent.entity else None


def _parent_rows(
    connection: duckdb.DuckDBPyConnection, parent: FileProfile, hop: Hop, hops: dict[str, tuple[Hop, ...]]
) -> str:
    """One row per key of a parent: the customer and the time, as its first-known copy has them."""
    relation = hop.relation
    key = SPELLINGS[relation.spelling].format(canonical(column_of(parent, relation.parent_column)))
    agreeing = agreeing_column(parent, hop.brings_entity, hops)
    time = detection.event_time_sql(parent.time.column) if parent.time else "cast(null as timestamp)"
    known = "cast(null as timestamp)"
    good = ["link_key is not null"]
    if parent.time is not None and not any(h.brings_time for h in hops.get(parent.name, ())):
        low, high = plausible_bounds(connection, parent)
        good.append(f"time >= timestamp '{low}' and time < timestamp '{high}'")
        known = f"greatest({time}, {detection.event_time_sql(parent.available.column)})" if parent.available else time
    if parent.entity is not None:
        good.append("entity is not null")
    if parent.name in hops:
        good.append("link_reason is null")
    return f"""
        select
            link_key, any_value(entity) as entity, any_value(time) as time, min(row_known) as row_known,
            count(distinct agreeing) > 1 as is_ambiguous
        from (
            select *, min(known) over (partition by link_key) as first_known
            from (
                select
                    {key} as link_key,
                    {canonical(parent.entity.column) if parent.entity else "null"} as entity,
                    {time} as time,
                    {known} as known,
                    {f"greatest({known}, {LINK_KNOWN})" if parent.name in hops else known} as row_known,
                    {quote(agreeing) if agreeing else "null"} as agreeing,
                    {quote(LINK_REASON) if parent.name in hops else "null"} as link_reason
                from {quote(parent.view)}
            )
            where {" and ".join(good)}
        )
        where known is not distinct from first_known
        group by link_key
    """


def late_share(connection: duckdb.DuckDBPyConnection, profile: FileProfile) -> float:
    """Share of linked rows that happened on an earlier day than that on which their link was known."""
    if profile.time is None:
        return 0.0
    happened = detection.event_time_sql(profile.time.column)
    return (
        connection.execute(
            f"select avg(case when cast({LINK_KNOWN} as date) > cast({happened} as date) then 1.0 else 0.0 end) "
            f"from {quote(profile.view)} where {LINK_REASON} is null"
        ).fetchall()[0][0]
        or 0.0
    )


def _find_inherited(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    hops: dict[str, tuple[Hop, ...]],
    by_name: dict[str, FileProfile],
    inherited: dict[str, str],
) -> FileProfile:
    """Measure the columns that came with the link, as those of the file were measured."""
    steps = hops[profile.name]
    counted = ", ".join(f"count({quote(name)}), count(distinct {quote(name)})" for name in inherited.values())
    counts = connection.execute(f"select {counted} from {quote(profile.view)}").fetchall()[0]
    columns, evidence = {}, {}
    for place, (part, name) in enumerate(inherited.items()):
        hop = next(h for h in steps if getattr(h, f"brings_{part}"))
        column = getattr(by_name[hop.relation.parent], part).column
        columns[part] = replace(
            column,
            name=name,
            raw_name=name if profile.column(column.raw_name) else column.raw_name,
            rows=profile.file.rows,
            filled=counts[2 * place],
            distinct=counts[2 * place + 1],
            physical_type="VARCHAR" if part == "entity" else "TIMESTAMP",
            kind="text" if part == "entity" else "time",
            number=None,
        )
        target = by_name[hop.relation.parent]
        evidence[part] = (
            f"from {target.name}: `{column_of(profile, hop.relation.child_column).raw_name}` points at its "
            f"`{column_of(target, hop.relation.parent_column).raw_name}`"
        )
    if "time" in columns:
        measured = dates.profile_typed(connection, quote(profile.view), quote(columns["time"].name))
        columns["time"] = replace(columns["time"], time=measured)
        profile = replace(profile, time=Finding(columns["time"], (evidence["time"],)))
    profile = replace(profile, columns=(*profile.columns, *columns.values()))
    if "entity" in columns:
        profile = replace(profile, entity=Finding(columns["entity"], (evidence["entity"],)))
    if profile.entity is None:
        return profile
    when = detection.event_time_sql(profile.time.column) if profile.time else None
    facts = detection.entity_facts(connection, profile.view, profile.entity.column, when)
    told = f"{facts.distinct:,} different values, {facts.rows_per_value:.1f} rows each"
    if "entity" in columns:
        profile = replace(profile, entity=replace(profile.entity, evidence=(*profile.entity.evidence, told)))
    available = None
    if profile.time and "time" not in columns:
        available = detection.find_available(connection, profile.view, list(profile.columns), profile.time.column)
    return replace(profile, facts=facts, available=available)
