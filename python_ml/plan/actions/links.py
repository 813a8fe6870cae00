"""Actions on links: what the rows of a source get from the rows of another that they point at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from python_ml.ingest import vocabulary
from python_ml.plan.actions.base import Action, NotApplicable, SourceAction, require_columns
from python_ml.plan.base import PlanFacts
from python_ml.plan.columns import entity_name
from python_ml.plan.roles import Step
from python_ml.plan.schema import Brought, Link, ProjectPlan, SourcePlan


class _LinkAction(SourceAction):
    """A link: the source pointed at, the columns that must be equal (names here by keys there), and their spelling."""

    parent: str
    keys: dict[str, str] = Field(min_length=1)
    spelling: Literal["exact", "case", "zeros", "point_zero"] = "exact"

    def parent_of(self, plan: ProjectPlan) -> SourcePlan:
        """The source that rows point at."""
        parent = next((s for s in plan.sources if s.name == self.parent), None)
        if parent is None:
            raise NotApplicable(f"there is no source {self.parent}")
        return parent

    def links(self, source: SourcePlan, brought: tuple[Brought, ...]) -> tuple[Link, ...]:
        """The links of the source with this one; a second action on the same keys joins the first."""
        require_columns(source, self.keys)
        columns = tuple(self.keys)
        same = next((k for k in source.links if (k.parent, k.columns) == (self.parent, columns)), None)
        if same is None:
            return (*source.links, Link(self.parent, columns, tuple(self.keys.values()), self.spelling, brought))
        joined = replace(same, brings=(*same.brings, *brought))
        return tuple(joined if k is same else k for k in source.links)


def _steps(facts: PlanFacts) -> Iterator[tuple[SourcePlan, Step, dict[str, Any]]]:
    """Sources and what they get from others, parents first, with the fields that all actions on links share."""
    for name in facts.roles.steps_first():
        source = facts.planned[name]
        for step in facts.roles.tables[name].steps if source.use != "labels" else ():
            relation = step.relation
            own, theirs = facts.names[name], facts.names[relation.parent]
            keys = {own[c]: theirs[p] for c, p in zip(relation.child_columns, relation.parent_columns, strict=True)}
            yield source, step, {"parent": relation.parent, "keys": keys, "spelling": relation.spelling}


class MakeLink(_LinkAction):
    """What the rows of a table get from the rows that they point at: their customer, their time, or both."""

    layer, action, initial_status = "silver", "link", "accepted"
    brings: dict[Literal["entity", "time"], str] = Field(min_length=1)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source, step, link in _steps(facts):
            if not step.parts:
                continue
            keys, brings = link["keys"], {part: _part_name(facts, source.name, part) for part in step.parts}
            lost = sum(n for reason, n in source.counts.unlinked.items() if reason.split(" ", 1)[1] in keys)
            yield cls.proposal(
                source.name,
                "_".join(keys),
                f"Rows of {source.name} get {' and '.join(brings.values())} from {link['parent']}, where "
                f"{', '.join(f'{a} is its {b}' for a, b in keys.items())}.",
                columns=list(keys),
                evidence={"rows": source.counts.rows, "without_partner": lost},
                brings=brings,
                **link,
            )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        parent, brought = self.parent_of(plan), []
        for part, name in self.brings.items():
            column = getattr(parent, part)
            if not column:
                raise NotApplicable(f"{parent.name} itself has no {'customer' if part == 'entity' else 'time'}")
            brought.append(Brought(column, name, part))
        return {"links": self.links(source, tuple(brought)), **self.brings}


def _part_name(facts: PlanFacts, source: str, part: str) -> str:
    """Name that an inherited customer or time has in a source."""
    if part == "entity":
        return entity_name(facts.roles.customer.raw_name)
    seen, current = set(), source
    while current not in seen:
        seen.add(current)
        step = next((s for s in facts.roles.tables[current].steps if "time" in s.parts), None)
        if step is None:
            break
        current = step.relation.parent
    name = facts.planned[current].time
    taken = {c.name for c in facts.planned[source].columns}
    return name if name not in taken else f"{current}_{name}"


class Enrich(_LinkAction):
    """Values of a lookup that describe the rows that point at it: names here by column there."""

    layer, action, initial_status = "silver", "enrich", "accepted"
    brings: dict[str, str] = Field(min_length=1)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source, step, link in _steps(facts):
            if not step.values:
                continue
            keys, parent = link["keys"], link["parent"]
            taken = {c.name for c in source.columns} | {source.entity, source.time}
            taken_there = {c.name for c in facts.planned[parent].columns}
            brings: dict[str, str] = {}
            for table, column in step.values:
                here = _value_name(facts, table, column, taken)
                own = facts.names[table][column]
                brings[here] = own if table == parent else _value_name(facts, table, column, taken_there)
                taken.add(here)
            yield cls.proposal(
                source.name,
                f"{parent}_{'_'.join(keys)}"[:60],
                f"Rows of {source.name} point at {parent}: {', '.join(brings)} describe them.",
                columns=list(keys),
                evidence={"rows": step.relation.rows, "matched": step.relation.rows_matched},
                brings=brings,
                **link,
            )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        parent = self.parent_of(plan)
        there = {c.name: c for c in parent.values}
        if absent := [name for name in self.brings.values() if name not in there]:
            raise NotApplicable(f"{parent.name} has no column {absent[0]}")
        brought = tuple(
            Brought(column, name, "value", replace(there[column], name=name, unused=""))
            for name, column in self.brings.items()
        )
        return {"links": self.links(source, brought)}


def _value_name(facts: PlanFacts, table: str, column: str, taken: set[str]) -> str:
    """``team_country`` for the column ``country`` of ``teams``; ``status`` for that of ``status``."""
    thing = vocabulary.singular(table)
    name = facts.names[table][column]
    name = name if name.startswith(thing) else f"{thing}_{name}"
    return name if name not in taken else f"{table}_{name}"
