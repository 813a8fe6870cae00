"""From relations to generated columns: which columns bronze must keep as keys, and how linked models join them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml import names as naming
from python_ml import vocabulary
from python_ml.errors import UserError
from python_ml.onboarding import linking, roles
from python_ml.onboarding.key_names import is_named_after, subject
from python_ml.onboarding.linked_views import agreeing_column
from python_ml.onboarding.specification import ColumnSpec, Link, SourceSpec
from python_ml.warehouse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.linked_views import Hop
    from python_ml.onboarding.linking import Related
    from python_ml.onboarding.profiling import ColumnProfile

EXCLUDED = "it was left out with --exclude"


def excluded(profiles: list[FileProfile], names: Sequence[str]) -> set[str]:
    """Read what the user left out.

    Returns
    -------
    set of str
        Source names, and ``source.column`` with safe names.

    Raises
    ------
    UserError
        When a name is neither.
    """
    found = set()
    for name in names:
        source, dot, column = name.strip().partition(".")
        profile = next((p for p in profiles if name in (p.name, p.file.path.name)), None)
        if profile is not None:
            found.add(profile.name)
            continue
        profile = next((p for p in profiles if source == p.name), None)
        if profile is None:
            raise UserError(
                f"There is no source `{name}`.",
                where="--exclude",
                hint="choose one of " + ", ".join(p.name for p in profiles) + ", or a column as source.column",
            )
        measured = profile.column(column) if dot else None
        if measured is None:
            raise UserError(
                f"{source} has no column `{column}`.",
                where="--exclude",
                hint="choose one of: " + ", ".join(c.raw_name for c in profile.columns[:30]),
            )
        found.add(f"{source}.{measured.name}")
    return found


def column_specs(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, related: Related, left_out: set[str]
) -> list[ColumnSpec]:
    """Decide what becomes of every column; those that link tables are text, whatever they look like."""
    parents, children = _link_columns(profile.name, related)
    safe = {c.raw_name: c for c in profile.columns}
    specs = []
    for spec in roles.column_specs(connection, profile):
        column = safe[spec.raw_name]
        if f"{profile.name}.{column.name}" in left_out and spec.role not in ("entity", "time"):
            spec = replace(spec, unused=EXCLUDED)
        if column.name in parents | children and spec.role not in ("entity", "time", "available"):
            is_key = spec.role == "key" or column.name in parents
            label = column.name.replace("_", " ")
            spec = replace(
                spec,
                role="key" if is_key else "identifier",
                type="text",
                strip_point_zero=_has_point_zero(connection, profile, column),
                description=f"Key of the row: {label}." if is_key else f"{label.capitalize()}.",
                unused="it is different in every row" if is_key else spec.unused,
            )
        specs.append(spec)
    return specs


def _link_columns(source: str, related: Related) -> tuple[set[str], set[str]]:
    """Columns by which other tables reach this one, and by which it reaches others."""
    used = [hop.relation for hops in related.hops.values() for hop in hops]
    return {r.parent_column for r in used if r.parent == source}, {r.child_column for r in used if r.child == source}


def _has_point_zero(connection: duckdb.DuckDBPyConnection, profile: FileProfile, column: ColumnProfile) -> bool:
    if column.physical_type != "VARCHAR":
        return column.physical_type in ("DOUBLE", "FLOAT") or column.physical_type.startswith("DECIMAL")
    if column.kind != "number":
        return False
    name = quote(column.name)
    return connection.execute(
        f"select count(*) filter (where regexp_matches({name}, '[.]0$')) > 0 from {quote(profile.view)}"
    ).fetchall()[0][0]


def needed(related: Related) -> set[str]:
    """Sources that are linked, or that others are linked through."""
    return set(related.hops) | {hop.relation.parent for hops in related.hops.values() for hop in hops}


def key(specs: list[ColumnSpec], profile: FileProfile, related: Related) -> ColumnSpec | None:
    """The column by which bronze takes copies out.

    The one that others point at; else the table's own (``subscription_id`` of subscriptions: who has one today may
    have two tomorrow); else the customer, where each has one row; else any other.
    """
    parents, _ = _link_columns(profile.name, related)
    raw = {c.raw_name for c in profile.columns if c.name in parents}
    keys = [s for s in specs if s.role == "key"]
    if profile.facts is not None and profile.facts.rows_per_value == 1:
        own = [s for s in keys if _is_own_key(s.raw_name, profile.name)]
        keys = own + [s for s in specs if s.role == "entity"] + keys
    return next((s for s in keys if s.raw_name in raw), keys[0] if keys else None)


def _is_own_key(column: str, table: str) -> bool:
    is_identifier = any(part in vocabulary.IDENTIFIERS for part in naming.words(column))
    return is_identifier and (not subject(column) or is_named_after(column, table))


def inherited(profile: FileProfile, related: Related) -> set[str]:
    """Raw names of the columns that a linked profile has from others."""
    hops = related.hops.get(profile.name, ())
    found = set()
    if any(h.brings_entity for h in hops):
        found.add(profile.entity.column.raw_name)
    if any(h.brings_time for h in hops):
        found.add(profile.time.column.raw_name)
    return found


def attach(sources: list[SourceSpec], related: Related) -> list[SourceSpec]:
    """Tell every source that lacks its customer or its time how it gets them, in names of bronze."""
    profiles = {p.name: p for p in related.profiles}
    done = {s.name: s for s in sources}

    def spec(source: str, column: str) -> str:
        raw = next(c.raw_name for c in profiles[source].columns if c.name == column)
        return next(s.name for s in done[source].columns if s.raw_name == raw)

    def link(hop: Hop, source: SourceSpec) -> Link:
        relation, parent = hop.relation, done[hop.relation.parent]
        own = tuple(s.name for s in (parent.own_time, parent.available) if s is not None)
        brings = []
        if hop.brings_entity:
            brings.append((parent.entity.name, source.entity.name))
        if hop.brings_time:
            brings.append((parent.time.name, source.time.name))
        agreeing = agreeing_column(profiles[parent.name], hop.brings_entity, related.hops)
        return Link(
            parent.name,
            spec(source.name, relation.child_column),
            spec(parent.name, relation.parent_column),
            relation.spelling,
            tuple(brings),
            spec(parent.name, agreeing) if agreeing else None,
            own,
            (parent.known,) if parent.known else own if not parent.links else (),
            bool(parent.links),
        )

    for name in linking.parents_first(related.hops):
        source = done[name]
        links = tuple(link(hop, source) for hop in related.hops[name])
        taken = {s.name for s in source.columns} | {new for one in links for _, new in one.brings}
        known = None
        if source.own_time is not None or any(one.known for one in links):
            known = next(n for n in ("known_at", "link_known_at", "row_known_at", "all_known_at") if n not in taken)
        done[name] = replace(source, links=links, known=known)
    parents = {one.parent for s in done.values() for one in s.links}
    return [
        replace(s, is_always_known=s.own_time is None and bool(s.links or s.name in parents))
        for s in (done[source.name] for source in sources)
    ]


def column_names(profiles: list[FileProfile], sources: list[SourceSpec]) -> dict[tuple[str, str], tuple[str, str]]:
    """Name in the file and in bronze, by source and safe name."""
    raw_names = {(p.name, c.raw_name): c.name for p in profiles for c in p.columns}
    return {(s.name, raw_names[s.name, c.raw_name]): (c.raw_name, c.name) for s in sources for c in s.columns}


def doubts(sources: list[SourceSpec], related: Related) -> list[str]:
    """What a person should look at in the links."""
    told = [
        f"{share:.0%} of the rows of {name} happened before what links them to the customer was known; features use "
        "them only from then on"
        for name, share in related.late.items()
        if share > 0.05
    ]
    for source in sources:
        if source.is_always_known and not source.links:
            told.append(
                f"{source.name} leads others to their customer, but has no time: its rows are taken to have been "
                "known always"
            )
        lost = sum(source.unlinked.values())
        if lost > 0.05 * source.rows:
            told.append(
                f"{lost:,} of {source.rows:,} rows of {source.name} find nothing to belong to and cannot be used"
            )
    return told


def is_outcome(source: SourceSpec) -> bool:
    """Whether the rows of a source record that somebody left."""
    return vocabulary.has_word(source.name, vocabulary.OUTCOMES)
