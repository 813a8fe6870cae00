"""Actions on sources: use, links, measures, windows, attributes and settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field, field_validator

from python_ml.durations import ALL_TIME, sorted_windows, window_words
from python_ml.feature_columns import AGGREGATES, FeatureColumn, Measure
from python_ml.ingest import vocabulary
from python_ml.plan.actions.base import Action, NotApplicable, Text, evidence
from python_ml.plan.actions.bronze import data_sources
from python_ml.plan.base import PlanFacts
from python_ml.plan.calendar import days_of
from python_ml.plan.measures import (
    CADENCE,
    MOST_MEASURES,
    MOST_SHARES,
    amount_measure,
    is_running_total,
    measure_of,
)
from python_ml.plan.roles import Step
from python_ml.plan.schema import AttributePlan, Brought, LabelTable, Link, ProjectPlan, Setting, SourcePlan

# What a project takes when a setting was not accepted.
DEFAULTS = {"horizon": "30d", "gap": "0d", "active_window": "60d", "step": "7d"}
_MEANINGS = {
    "horizon": "Length of the label window",
    "gap": "From the feature time to the label window",
    "active_window": "At risk is who was active within it",
    "step": "From one feature time to the next",
}
_STATES = vocabulary.word_set("status state active stage phase")  # of a span: what ends it may overwrite them
RETURNING = 0.1  # share of customers with several active days from which cadence says something


def _chosen(values: list[str], choices: Collection[str], what: str) -> list[str]:
    """The values once each, when all are among the choices."""
    for value in values:
        if value not in choices:
            raise ValueError(f"`{value}` is {what}; choose from {', '.join(choices)}")
    return list(dict.fromkeys(values))


class ChooseSetting(Action):
    """A variable of the project."""

    layer, action = "silver", "setting"
    value: Text

    @field_validator("value")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.strip() or not value.isprintable():
            raise ValueError("write one line")
        return value.strip()

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for setting in facts.calendar.settings if facts.calendar else ():
            if setting.name in DEFAULTS:
                yield cls(
                    table="spine",
                    subject=setting.name,
                    reason=f"{_MEANINGS[setting.name]}: {setting.reason}.",
                    evidence={"given": True} if setting.is_given else {},
                    value=setting.value,
                    status="accepted",
                )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        if self.subject not in DEFAULTS:
            raise NotApplicable(f"there is no setting {self.subject}; known: {', '.join(DEFAULTS)}")
        days_of(self.value, self.subject)
        reason = self.reason.partition(": ")[2].rstrip(".") or "given"
        flag = f"--{self.subject.replace('_', '-')}"
        setting = Setting(self.subject, self.value, reason, flag, bool(self.evidence.get("given")))
        kept = [s for s in plan.settings if s.name != self.subject]
        return replace(plan, settings=(*kept, setting))


class MakeLink(Action):
    """What the rows of a table get from the rows that they point at: their customer, their time, or both."""

    layer, action = "silver", "link"
    parent: str
    keys: dict[str, str] = Field(min_length=1)
    spelling: Literal["exact", "case", "zeros", "point_zero"] = "exact"
    brings: dict[Literal["entity", "time"], str] = Field(min_length=1)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for name in facts.roles.steps_first():
            source = facts.planned[name]
            if source.use == "labels":
                continue
            for step in facts.roles.tables[name].steps:
                if step.parts:
                    yield cls._of(facts, source, step)

    @classmethod
    def _of(cls, facts: PlanFacts, source: SourcePlan, step: Step) -> Action:
        relation = step.relation
        own, theirs = facts.names[source.name], facts.names[relation.parent]
        keys = {own[c]: theirs[p] for c, p in zip(relation.child_columns, relation.parent_columns, strict=True)}
        brings = {part: _part_name(facts, source.name, part) for part in step.parts}
        what = " and ".join(brings.values())
        lost = sum(n for reason, n in source.counts.unlinked.items() if reason.split(" ", 1)[1] in keys)
        on = ", ".join(f"{a} is its {b}" for a, b in keys.items())
        return cls(
            table=source.name,
            subject="_".join(keys),
            columns=list(keys),
            reason=f"Rows of {source.name} get {what} from {relation.parent}, where {on}.",
            evidence=evidence(rows=source.counts.rows, without_partner=lost),
            parent=relation.parent,
            keys=keys,
            spelling=relation.spelling,
            brings=brings,
            status="accepted",
        )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source, parent = self.source(plan), _parent(plan, self.parent)
        brought = []
        for part, name in self.brings.items():
            column = getattr(parent, part)
            if not column:
                what = "customer" if part == "entity" else "time"
                raise NotApplicable(f"{parent.name} itself has no {what}")
            brought.append(Brought(column, name, part))
        source = with_link(source, self.parent, self.keys, self.spelling, tuple(brought))
        source = replace(source, **dict(self.brings))
        return plan.with_source(source)


def _part_name(facts: PlanFacts, source: str, part: str) -> str:
    """Name that an inherited customer or time has in a source."""
    from python_ml.plan.columns import entity_name

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


def _parent(plan: ProjectPlan, name: str) -> SourcePlan:
    parent = next((s for s in plan.sources if s.name == name), None)
    if parent is None:
        raise NotApplicable(f"there is no source {name}")
    return parent


def with_link(
    source: SourcePlan, parent: str, keys: dict[str, str], spelling: str, brought: tuple[Brought, ...]
) -> SourcePlan:
    """A source with columns brought by a link; a second action on the same keys joins the first."""
    if absent := [name for name in keys if source.column(name) is None]:
        raise NotApplicable(f"{source.name} has no column {absent[0]}")
    columns, parents = tuple(keys), tuple(keys.values())
    same = next((k for k in source.links if (k.parent, k.columns) == (parent, columns)), None)
    if same is None:
        link = Link(parent, columns, parents, spelling, brought)
        return replace(source, links=(*source.links, link))
    joined = replace(same, brings=(*same.brings, *brought))
    return replace(source, links=tuple(joined if k is same else k for k in source.links))


class Enrich(Action):
    """Values of a lookup that describe the rows that point at it: names here by column there."""

    layer, action = "silver", "enrich"
    parent: str
    keys: dict[str, str] = Field(min_length=1)
    spelling: Literal["exact", "case", "zeros", "point_zero"] = "exact"
    brings: dict[str, str] = Field(min_length=1)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for name in facts.roles.steps_first():
            source = facts.planned[name]
            for step in facts.roles.tables[name].steps:
                if not step.values or source.use == "labels":
                    continue
                relation = step.relation
                own, theirs = facts.names[name], facts.names[relation.parent]
                keys = {own[c]: theirs[p] for c, p in zip(relation.child_columns, relation.parent_columns, strict=True)}
                taken = {c.name for c in source.columns} | {source.entity, source.time}
                brings: dict[str, str] = {}
                for table, column in step.values:
                    here = _value_name(facts, table, column, taken)
                    there = facts.names[table][column]
                    brings[here] = (
                        there
                        if table == relation.parent
                        else _value_name(facts, table, column, {c.name for c in facts.planned[relation.parent].columns})
                    )
                    taken.add(here)
                yield cls(
                    table=name,
                    subject=f"{relation.parent}_{'_'.join(keys)}"[:60],
                    columns=list(keys),
                    reason=f"Rows of {name} point at {relation.parent}: {', '.join(brings)} describe them.",
                    evidence=evidence(rows=relation.rows, matched=relation.rows_matched),
                    parent=relation.parent,
                    keys=keys,
                    spelling=relation.spelling,
                    brings=brings,
                    status="accepted",
                )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source, parent = self.source(plan), _parent(plan, self.parent)
        there = {c.name: c for c in parent.values}
        if absent := [name for name in self.brings.values() if name not in there]:
            raise NotApplicable(f"{parent.name} has no column {absent[0]}")
        brought = tuple(
            Brought(column, name, "value", replace(there[column], name=name, unused=""))
            for name, column in self.brings.items()
        )
        return plan.with_source(with_link(source, self.parent, self.keys, self.spelling, brought))


def _value_name(facts: PlanFacts, table: str, column: str, taken: set[str]) -> str:
    """``team_country`` for the column ``country`` of ``teams``; ``status`` for that of ``status``."""
    thing = vocabulary.singular(table)
    name = facts.names[table][column]
    name = name if name.startswith(thing) else f"{thing}_{name}"
    return name if name not in taken else f"{table}_{name}"


class UseSource(Action):
    """Features are made of a file; rejected, it stays in bronze only."""

    layer, action = "silver", "use"
    use: Literal["events", "attributes", "history", "spans"]

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in data_sources(facts):
            if source.use in ("events", "attributes", "history", "spans"):
                yield cls(
                    table=source.name,
                    subject=source.use,
                    reason=f"{source.reason[:1].upper()}{source.reason[1:]}.",
                    evidence=evidence(rows=source.counts.rows),
                    use=source.use,
                    status="accepted",
                )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        if not source.entity:
            raise NotApplicable(f"{source.name} has no customer")
        if self.use in ("events", "history", "spans") and not source.time:
            raise NotApplicable(f"{source.name} has no time")
        return plan.with_source(replace(source, use=self.use))


class MakeMeasure(Action):
    """How a value of events is aggregated.

    Attributes
    ----------
    aggregates : list of str
        Some of those that ``window_features`` knows.
    windows : list of str, optional
        Fewer windows than the table has.
    values : list of str, optional
        Values of a category that get a count and a share of their own.
    """

    layer, action = "silver", "measure"
    aggregates: list[str] = Field(min_length=1)
    windows: list[str] | None = Field(None, min_length=1)
    values: list[Text] | None = Field(None, min_length=1)

    @field_validator("aggregates")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        return _chosen(value, AGGREGATES, "no aggregate")

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        from python_ml.plan.measures import derived_amount

        for source in data_sources(facts):
            if source.use not in ("events", "spans"):
                continue
            derived = derived_amount(source.columns)
            measures = [] if derived is None else [amount_measure(derived)]
            for column in source.columns:
                measure = measure_of(column, derived is not None, (), is_running_total(source.name, column))
                if measure is not None:
                    measures.append(measure)
            for column, values in _brought(facts, source.name):
                measure = measure_of(column, derived is not None, values)
                if measure is not None:
                    measures.append(measure)
            for measure in measures[:MOST_MEASURES]:
                yield cls._of(source, measure)

    @classmethod
    def _of(cls, source: SourcePlan, measure: Measure) -> Action:
        column = source.column(measure.name)
        figures = {"rows": source.counts.rows}
        figures |= {"missing": column.missing, "distinct": column.distinct} if column else {}
        text = measure.words
        reason = f"{text[:1].upper()}{text[1:]} of {source.events}, per window: {', '.join(measure.aggregates)}."
        is_state = source.use == "spans" and column is not None and vocabulary.has_word(column.raw_name, _STATES)
        if is_state:
            figures["may_be_overwritten"] = True
            reason += " It may be overwritten when coverage ends, and then it tells the outcome: check it first."
        return cls(
            table=source.name,
            subject=measure.name,
            columns=[measure.name],
            reason=reason,
            evidence=figures,
            aggregates=list(measure.aggregates),
            values=list(measure.values.values()) if measure.values else None,
            status="proposed" if is_state else "accepted",
        )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        if source.use not in ("events", "spans"):
            raise NotApplicable(f"no window features are made of {source.name}")
        derived = next((d for d in source.derived if d.name == self.subject), None)
        column = next((c for c in source.values if c.name == self.subject), None)
        if derived is None and column is None:
            raise NotApplicable(f"{source.name} has no value {self.subject}")
        if derived is not None:
            measure = amount_measure(derived)
        else:
            if column.role == "number" and column.type == "text":
                raise NotApplicable(f"{self.subject} is not read as a number")
            has_amount = any(d.type == "decimal" for d in source.derived)
            measure = measure_of(replace(column, unused=""), has_amount, tuple(self.values or ()))
        if measure is None:
            raise NotApplicable(f"nothing can be aggregated of {self.subject}")
        windows = None if self.windows is None else tuple(self.windows)
        measure = replace(measure, aggregates=tuple(self.aggregates), windows=windows)
        return plan.with_source(replace(source, measures=(*source.measures, measure)))


def _brought(facts: PlanFacts, name: str) -> Iterator[tuple]:
    """Values that lookups bring to a source, as columns with the values that get a share of their own."""
    for action in Enrich.propose(facts):
        if action.table != name:
            continue
        step = next(s for s in facts.roles.tables[name].steps if s.values and s.relation.parent == action.parent)
        for (table, column), here in zip(step.values, action.brings, strict=True):
            plan = facts.planned[table].column(facts.names[table][column])
            measured = facts.table(table).column(column)
            values = (
                tuple(v for v, _ in measured.values[:MOST_SHARES]) if plan.role in ("nominal", "identifier") else ()
            )
            role = "nominal" if values else plan.role
            yield replace(plan, name=here, unused="", role=role), values


class UseWindow(Action):
    """How far the features of a table look back."""

    layer, action = "silver", "window"
    window: str

    @field_validator("window")
    @classmethod
    def _known(cls, value: str) -> str:
        from python_ml.errors import UserError

        try:
            sorted_windows([value])
        except UserError as error:
            raise ValueError(f"{error.what} Write 24h, 7d, 2w or all_time") from error
        return value

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        setting = next((s for s in (facts.calendar.settings if facts.calendar else ()) if s.name == "windows"), None)
        if setting is None:
            return
        for source in data_sources(facts):
            if source.use not in ("events", "spans"):
                continue
            activity = facts.profile.activities.get(source.name)
            for window in (w.strip() for w in setting.value.split(",")):
                occupied = activity.occupied.get(window) if activity else None
                text = f"What happened {window_words(window)} the feature time"
                if occupied is not None:
                    text += f"; {occupied:.0%} of such windows in customers' lives hold an event"
                elif window == ALL_TIME:
                    text += "; the whole history"
                yield cls(
                    table=source.name,
                    subject=window,
                    reason=f"{text}.",
                    evidence={} if occupied is None else {"occupied": round(occupied, 3)},
                    window=window,
                    status="accepted",
                )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        if source.use not in ("events", "spans"):
            raise NotApplicable(f"no window features are made of {source.name}")
        windows = tuple(sorted_windows(dict.fromkeys((*source.windows, self.window))))
        return plan.with_source(replace(source, windows=windows))


class UseCadence(Action):
    """Features of the customer's own rhythm: gaps between active days, and recency in relation to them."""

    layer, action = "silver", "cadence"
    features: list[str] = Field(min_length=1)

    @field_validator("features")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        return _chosen(value, CADENCE, "no cadence feature")

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in data_sources(facts):
            activity = facts.profile.activities.get(source.name)
            if source.use != "events" or activity is None or activity.returning < RETURNING:
                continue
            yield cls(
                table=source.name,
                subject="visits",
                columns=[c for c in (source.time,) if c],
                reason=f"{activity.returning:.0%} of the customers have {source.events} on several days: their gaps "
                "tell who is late.",
                evidence=evidence(returning=round(activity.returning, 3), median_gap_days=activity.gap_median),
                features=list(CADENCE),
                status="accepted",
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        if source.use not in ("events", "spans"):
            raise NotApplicable(f"no window features are made of {source.name}")
        return plan.with_source(replace(source, rhythm=tuple(self.features)))


class UseAttribute(Action):
    """An attribute of the customer as a feature."""

    layer, action = "silver", "attribute"

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        outcome = facts.choice.outcome
        known_over_time = {c.name for s in facts.planned.values() if s.use == "history" for c in s.columns}
        for source in facts.planned.values():
            if not facts.brings_attributes(source.name):
                continue
            possible, _ = facts.attributes(source.name)
            is_own = isinstance(outcome, LabelTable) and outcome.source == source.name
            for attribute in possible:
                if source.use == "attributes" and attribute.plan.origin in known_over_time:
                    continue
                safe = attribute.is_constant or is_own
                why = "" if safe else "; it may have been overwritten after the feature time"
                column = attribute.plan.column
                yield cls(
                    table=source.name,
                    subject=column.name,
                    columns=[attribute.plan.origin],
                    reason=f"{column.description}{why}.",
                    evidence=evidence(
                        missing=attribute.missing,
                        distinct=attribute.distinct,
                        may_be_overwritten=None if safe else True,
                    ),
                    status="accepted" if safe else "proposed",
                )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        if source.use not in ("attributes", "history", "labels", "spans"):
            raise NotApplicable(f"{source.name} has no attributes of customers")
        attribute = next((a for a in source.offered if a.column.name == self.subject), None)
        if attribute is None:
            raise NotApplicable(f"there is no attribute {self.subject} of {source.name}")
        column = source.column(attribute.origin)
        if column is not None and column.type == "text" and attribute.column.data_type != "string":
            if attribute.column.name != column.name:
                raise NotApplicable(f"{column.name} is not read as a time")
            feature = FeatureColumn(
                attribute.column.name, "string", attribute.column.description, attribute.column.meta
            )
            attribute = AttributePlan(feature, column.name, attribute.origin)
        return plan.with_source(replace(source, attributes=(*source.attributes, attribute)))
