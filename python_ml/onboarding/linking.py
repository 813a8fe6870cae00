"""Whose rows are they, and when: the entity that most tables reach, and the ways on which tables reach it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.names import words
from python_ml.onboarding import detection
from python_ml.onboarding.detection import FileProfile
from python_ml.onboarding.key_names import subject
from python_ml.onboarding.linked_views import Hop, column_of, late_share, linked_profile
from python_ml.onboarding.relations import Relation, Relations, discover

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

# Undated lines of these kinds come later than what they belong to, so they must not get its time.
_LATER_WORDS = """
    return returns refund refunds review reviews rating ratings delivery deliveries shipment shipments feedback
    cancellation cancellations complaint complaints
"""
_LATER = frozenset(_LATER_WORDS.split())
Node = tuple[str, str]  # source name, safe column name


@dataclass(frozen=True)
class Related:
    """Profiles that all speak of the same customer.

    Attributes
    ----------
    profiles : list of FileProfile
        In the order given; a linked one has a view with the columns that it inherits.
    relations : Relations
    hops : dict of str to tuple of Hop
        Where a source gets its customer and its time from, when it has none of its own.
    late : dict of str to float
        Share of a linked source's rows that happened before what they were linked through was known.
    evidence : tuple of str
        Why the entity was chosen.
    doubts : tuple of str
    """

    profiles: list[FileProfile]
    relations: Relations
    hops: dict[str, tuple[Hop, ...]] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def relate(
    connection: duckdb.DuckDBPyConnection,
    profiles: list[FileProfile],
    entity: str | None = None,
    given: Iterable[str] = (),
    excluded: Iterable[str] = (),
) -> Related:
    """Find how files hang together, choose the entity that most of them reach, and let the others inherit it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    profiles : list of FileProfile
        As examined, each on its own.
    entity : str, optional
        Column that the user named: stays, whatever else could be reached.
    given : iterable of str
        Relations that the user named; see :func:`python_ml.onboarding.relations.discover`.
    excluded : iterable of str
        Columns, as ``source.column``, by which nothing is to be related.
    """
    relations = discover(connection, profiles, given, excluded)
    if len(profiles) == 1:
        return Related(profiles, relations)
    groups = _groups(profiles, relations)
    evidence: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    if entity is None:
        chosen, evidence, doubts = _primary(profiles, relations, groups)
        if chosen is not None:
            profiles = [_with_entity(connection, p, chosen, profiles) for p in profiles]
    hops = _hops(profiles, relations)
    linked: dict[str, FileProfile] = {p.name: p for p in profiles}
    for name in parents_first(hops):
        linked[name] = linked_profile(connection, linked[name], hops, linked)
    doubts += tuple(doubt for relation in relations.found if (doubt := relation.doubt))
    late = {name: late_share(connection, linked[name]) for name in hops}
    return Related([linked[p.name] for p in profiles], relations, hops, late, evidence, doubts)


def _groups(profiles: list[FileProfile], relations: Relations) -> list[frozenset[Node]]:
    """Columns that hold the same identifiers, by relations, or by the same name where it says a customer."""
    groups: dict[Node, set[Node]] = {}

    def join(a: Node, b: Node) -> None:
        merged = groups.setdefault(a, {a}) | groups.setdefault(b, {b})
        for node in merged:
            groups[node] = merged

    for relation in relations.found:
        join((relation.child, relation.child_column), (relation.parent, relation.parent_column))
    named: dict[str, Node] = {}
    for profile in profiles:
        for column in profile.columns:
            is_entity = profile.entity is not None and column is profile.entity.column
            if is_entity or vocabulary.person_score(column.raw_name) >= 2:
                node = (profile.name, column.name)
                join(node, named.setdefault(column.name, node))
    return list(dict.fromkeys(frozenset(group) for group in groups.values()))


def _primary(
    profiles: list[FileProfile], relations: Relations, groups: list[frozenset[Node]]
) -> tuple[frozenset[Node] | None, tuple[str, ...], tuple[str, ...]]:
    """The identifiers of customers that most tables reach, with the reason and doubts."""
    by_name = {p.name: p for p in profiles}
    parents = {r.parent for r in relations.found if r.cardinality == "n:1"}
    leaves = {p.name for p in profiles if p.name not in parents}
    found = []
    for group in groups:
        detected = {p.name for p in profiles if p.entity and p.time and (p.name, p.entity.column.name) in group}
        if not detected and not any(_says_customer(by_name[table], column) for table, column in group):
            continue
        reached = _reaching({table for table, _ in group}, relations)
        values = max(column_of(by_name[table], column).distinct for table, column in group)
        score = (len(reached & leaves), len(detected & leaves), len(detected), values)
        found.append((score, reached, group))
    if not found:
        return None, (), ()
    # sorted by what stands in them as well, so that equal scores do not depend on the order of a set
    found.sort(key=lambda entry: (entry[0], sorted(entry[2])), reverse=True)
    score, reached, group = found[0]
    evidence = f"{len(reached)} of {len(profiles)} files reach it"
    through = [p.name for p in profiles if p.name in reached and p.name not in {table for table, _ in group}]
    if through:
        evidence += f" ({', '.join(through)} through other files)"
    doubts = []
    for other_score, _, other in found[1:]:
        if other_score[0] == score[0] and relations.found and _is_other_level(other, group, relations):
            table, column = sorted(other)[0]
            raw = column_of(by_name[table], column).raw_name
            doubts.append(f"as many files reach `{raw}`: say --entity {raw} if those are the customers")
    return group, (evidence,), tuple(doubts)


def _says_customer(profile: FileProfile, column: str) -> bool:
    raw = column_of(profile, column).raw_name
    about_itself = not subject(raw) and bool(subject(profile.name)) and subject(profile.name)[-1] in vocabulary.PERSONS
    return vocabulary.person_score(raw) >= 2 or about_itself


def _is_other_level(group: frozenset[Node], chosen: frozenset[Node], relations: Relations) -> bool:
    """Whether the tables of one group lead to those of the other."""
    return bool(_reaching({t for t, _ in chosen}, relations) & {t for t, _ in group})


def _reaching(tables: set[str], relations: Relations) -> set[str]:
    """Tables that have something, or lead to a table that has it."""
    reached = set(tables)
    while True:
        more = {r.child for r in relations.found if r.parent in reached and r.cardinality != "n:m"} - reached
        if not more:
            return reached
        reached |= more


def _with_entity(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, group: frozenset[Node], profiles: list[FileProfile]
) -> FileProfile:
    """Let a file speak of the customers of a group, where it has a column of them."""
    own = [column for table, column in sorted(group) if table == profile.name]
    if profile.entity and profile.entity.column.name in own:
        return profile
    if not own:
        return replace(profile, entity=None, facts=None, available=None)
    usual = Counter(column for _, column in group)
    detected = {p.entity.column.name for p in profiles if p.entity}
    column = max(own, key=lambda name: (name in detected, usual[name], name))
    when = detection.event_time_sql(profile.time.column) if profile.time else None
    found = detection.find_entity(connection, profile.view, list(profile.columns), when, column)
    if found is None:
        return replace(profile, entity=None, facts=None, available=None)
    evidence = ("its values are those of the other files", *found[0].evidence[1:])
    if usual[column] > 1:
        evidence = ("the same column as in the other files", *found[0].evidence[1:])
    available = None
    if profile.time:
        available = detection.find_available(connection, profile.view, list(profile.columns), profile.time.column)
    return replace(profile, entity=replace(found[0], evidence=evidence), facts=found[1], available=available)


def _hops(profiles: list[FileProfile], relations: Relations) -> dict[str, tuple[Hop, ...]]:
    """For every table that lacks the customer or a time, the steps that bring them."""
    by_name = {p.name: p for p in profiles}
    steps: dict[str, int] = {p.name: 0 for p in profiles if p.entity}
    entity_hop: dict[str, Relation] = {}
    while True:
        # the nearest table that knows the customer; among equals the best evidence
        reachable = [
            r for r in relations.found if r.cardinality != "n:m" and r.parent in steps and r.child not in steps
        ]
        if not reachable:
            break
        best = min(reachable, key=lambda r: (not r.given, steps[r.parent], -r.name_score, -r.inclusion, r.parent))
        entity_hop[best.child] = best
        steps[best.child] = steps[best.parent] + 1
    time_hop: dict[str, Relation] = {}
    while True:
        possible = [
            r
            for r in relations.found
            if by_name[r.child].time is None and r.child not in time_hop and r.child in steps
            and _gives_time(r, by_name, time_hop, entity_hop)
        ]  # fmt: skip
        if not possible:
            break
        best = min(
            possible, key=lambda r: (not r.given, entity_hop.get(r.child) != r, steps.get(r.parent, 99), r.parent)
        )
        time_hop[best.child] = best
    wanted = {n for n in {*entity_hop, *time_hop} if by_name[n].time or n in time_hop}
    waiting = list(wanted)
    while waiting:
        # A table on the way is needed even where it has no time.
        name = waiting.pop()
        for relation in (entity_hop.get(name), time_hop.get(name)):
            if relation and relation.parent in {*entity_hop, *time_hop} - wanted:
                wanted.add(relation.parent)
                waiting.append(relation.parent)
    return {
        p.name: tuple(
            Hop(relation, relation == entity_hop.get(p.name), relation == time_hop.get(p.name))
            for relation in dict.fromkeys(r for r in (entity_hop.get(p.name), time_hop.get(p.name)) if r)
        )
        for p in profiles
        if p.name in wanted
    }


def _gives_time(
    relation: Relation, by_name: dict[str, FileProfile], time_hop: dict[str, Relation], entity_hop: dict[str, Relation]
) -> bool:
    """Whether the rows of a table happened when those of its parent did: lines of an order, not people."""
    parent, child = by_name[relation.parent], by_name[relation.child]
    if relation.cardinality == "n:m" or (parent.time is None and relation.parent not in time_hop):
        return False
    if _leads_to(relation.parent, relation.child, entity_hop, time_hop):
        return False
    if relation.given:
        return True
    is_person = parent.entity is not None and parent.is_one_row_per_entity
    comes_later = bool(_LATER & set(words(child.name))) or vocabulary.has_word(child.name, vocabulary.OUTCOMES)
    knows_customer = parent.entity is not None or relation.parent in entity_hop
    return knows_customer and not is_person and not comes_later and relation.cardinality == "n:1"


def _leads_to(table: str, target: str, *steps: dict[str, Relation]) -> bool:
    """Whether a table gets something from another already, directly or not: it cannot give to it as well."""
    waiting, seen = [table], set()
    while waiting:
        name = waiting.pop()
        if name == target:
            return True
        if name not in seen:
            seen.add(name)
            waiting += [step[name].parent for step in steps if name in step]
    return False


def parents_first(hops: dict[str, tuple[Hop, ...]]) -> list[str]:
    """Linked tables in an order in which each comes after those that it is linked through."""
    done: list[str] = []
    while len(done) < len(hops):
        # Hops make no circle: entities come from nearer to the customer, times see `_leads_to`.
        done += [
            name
            for name, steps in hops.items()
            if name not in done and all(s.relation.parent in done or s.relation.parent not in hops for s in steps)
        ]
    return done


def way(name: str, hops: dict[str, tuple[Hop, ...]]) -> list[str]:
    """Tables from a linked one up to that which knows the customer."""
    found = [name]
    while found[-1] in hops:
        hop = next((h for h in hops[found[-1]] if h.brings_entity), hops[found[-1]][0])
        found.append(hop.relation.parent)
        if not hop.brings_entity:
            break
    return found
