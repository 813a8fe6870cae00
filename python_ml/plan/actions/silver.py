"""Actions on sources in silver: settings, use, measures, windows, cadence, attributes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from python_ml.durations import ALL_TIME, sorted_windows, window_text
from python_ml.errors import UserError
from python_ml.feature_columns import AGGREGATES, FeatureColumn, Measure
from python_ml.ingest import vocabulary
from python_ml.plan.actions.base import Action, NotApplicable, SourceAction, Text
from python_ml.plan.actions.links import Enrich
from python_ml.plan.base import PlanFacts
from python_ml.plan.calendar import days_of
from python_ml.plan.measures import (
    CADENCE,
    MOST_MEASURES,
    MOST_SHARES,
    amount_measure,
    derived_amount,
    is_running_total,
    measure_of,
)
from python_ml.plan.schema import AttributePlan, ColumnPlan, LabelTable, ProjectPlan, Setting, SourcePlan

FeatureUse = Literal["events", "attributes", "history", "spans"]
# What a project takes when a setting was not accepted, and what it means.
DEFAULTS = {"horizon": "30d", "gap": "0d", "active_window": "60d", "step": "7d"}
_MEANINGS = {
    "horizon": "Length of the label window",
    "gap": "From the feature time to the label window",
    "active_window": "Customers active within it are at risk",
    "step": "From one feature time to the next",
}
_STATES = vocabulary.terms("states")  # of a span: what ends it may overwrite them
RETURNING = 0.1  # share of customers with several active days from which cadence says something


def chosen(values: list[str], choices: Collection[str], what: str) -> list[str]:
    """The values once each, when all are among the choices."""
    for value in values:
        if value not in choices:
            raise ValueError(f"`{value}` is {what}; choose from {', '.join(choices)}")
    return list(dict.fromkeys(values))


class ChooseSetting(Action):
    """A variable of the project."""

    layer, action, initial_status = "silver", "setting", "accepted"
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
                yield cls.proposal(
                    "spine",
                    setting.name,
                    f"{_MEANINGS[setting.name]}: {setting.reason}.",
                    columns=[],
                    evidence={"given": setting.is_given or None},
                    value=setting.value,
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


class UseSource(SourceAction):
    """Features are made of a file; rejected, it stays in bronze only."""

    layer, action, initial_status = "silver", "use", "accepted"
    use: FeatureUse

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in facts.data_sources:
            if source.use in get_args(FeatureUse):
                yield cls.proposal(
                    source.name,
                    source.use,
                    f"{source.reason[:1].upper()}{source.reason[1:]}.",
                    columns=[],
                    evidence={"rows": source.counts.rows},
                    use=source.use,
                )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        if not source.entity:
            raise NotApplicable(f"{source.name} has no customer")
        if self.use in ("events", "history", "spans") and not source.time:
            raise NotApplicable(f"{source.name} has no time")
        return {"use": self.use}


class _EventAction(SourceAction):
    """An action on the window features of a source."""

    def source(self, plan: ProjectPlan) -> SourcePlan:
        source = super().source(plan)
        if not source.has_events:
            raise NotApplicable(f"no window features are made of {source.name}")
        return source


class MakeMeasure(_EventAction):
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

    layer, action, initial_status = "silver", "measure", "accepted"
    aggregates: list[str] = Field(min_length=1)
    windows: list[str] | None = Field(None, min_length=1)
    values: list[Text] | None = Field(None, min_length=1)

    @field_validator("aggregates")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        return chosen(value, AGGREGATES, "no aggregate")

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in facts.event_sources:
            derived = derived_amount(source.columns)
            has_amount = derived is not None
            measures = [amount_measure(derived)] if has_amount else []
            measures += [measure_of(c, has_amount, (), is_running_total(source.name, c)) for c in source.columns]
            measures += [measure_of(column, has_amount, values) for column, values in _brought(facts, source.name)]
            for measure in [m for m in measures if m is not None][:MOST_MEASURES]:
                yield cls._of(source, measure)

    @classmethod
    def _of(cls, source: SourcePlan, measure: Measure) -> Action:
        column, text = source.column(measure.name), measure.display_name
        figures = {"rows": source.counts.rows}
        figures |= {"missing": column.missing, "distinct": column.distinct} if column else {}
        reason = f"{text[:1].upper()}{text[1:]} of {source.events}, per window: {', '.join(measure.aggregates)}."
        is_state = source.use == "spans" and column is not None and vocabulary.has_word(column.raw_name, _STATES)
        if is_state:
            figures["may_be_overwritten"] = True
            reason += " It may be overwritten when coverage ends, and then it tells the outcome: check it first."
        return cls.proposal(
            source.name,
            measure.name,
            reason,
            evidence=figures,
            aggregates=list(measure.aggregates),
            values=list(measure.values.values()) if measure.values else None,
            status="proposed" if is_state else "accepted",
        )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        derived = next((d for d in source.derived if d.name == self.subject), None)
        column = next((c for c in source.values if c.name == self.subject), None)
        if derived is not None:
            measure = amount_measure(derived)
        elif column is None:
            raise NotApplicable(f"{source.name} has no value {self.subject}")
        elif column.role == "number" and column.type == "text":
            raise NotApplicable(f"{self.subject} is not read as a number")
        else:
            has_amount = any(d.type == "decimal" for d in source.derived)
            measure = measure_of(replace(column, unused=""), has_amount, tuple(self.values or ()))
        if measure is None:
            raise NotApplicable(f"nothing can be aggregated of {self.subject}")
        windows = None if self.windows is None else tuple(self.windows)
        measure = replace(measure, aggregates=tuple(self.aggregates), windows=windows)
        return {"measures": (*source.measures, measure)}


def _brought(facts: PlanFacts, name: str) -> Iterator[tuple[ColumnPlan, tuple[str, ...]]]:
    """Values that lookups bring to a source, as columns with the values that get a share of their own."""
    for action in Enrich.propose(facts):
        if action.table != name:
            continue
        step = next(s for s in facts.roles.tables[name].steps if s.values and s.relation.parent == action.parent)
        for (table, column), here in zip(step.values, action.brings, strict=True):
            plan = facts.planned[table].column(facts.names[table][column])
            values: tuple[str, ...] = ()
            if plan.role in ("nominal", "identifier"):
                values = tuple(v for v, _ in facts.table(table).column(column).values[:MOST_SHARES])
            yield replace(plan, name=here, unused="", role="nominal" if values else plan.role), values


class UseWindow(_EventAction):
    """How far the features of a table look back."""

    layer, action, initial_status = "silver", "window", "accepted"
    window: str

    @field_validator("window")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            sorted_windows([value])
        except UserError as error:
            raise ValueError(f"{error.what} Write 24h, 7d, 2w or all_time") from error
        return value

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        setting = next((s for s in (facts.calendar.settings if facts.calendar else ()) if s.name == "windows"), None)
        for source in facts.event_sources if setting else ():
            activity = facts.profile.activities.get(source.name)
            for window in (w.strip() for w in setting.value.split(",")):
                occupied = activity.occupied.get(window) if activity else None
                text = f"What happened {window_text(window)} the feature time"
                if occupied is not None:
                    text += f"; {occupied:.0%} of such windows in customers' lives hold an event"
                elif window == ALL_TIME:
                    text += "; the whole history"
                figures = {"occupied": None if occupied is None else round(occupied, 3)}
                yield cls.proposal(source.name, window, f"{text}.", columns=[], evidence=figures, window=window)

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        return {"windows": tuple(sorted_windows(dict.fromkeys((*source.windows, self.window))))}


class UseCadence(_EventAction):
    """Features of the customer's own rhythm: gaps between active days, and recency in relation to them."""

    layer, action, initial_status = "silver", "cadence", "accepted"
    features: list[str] = Field(min_length=1)

    @field_validator("features")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        return chosen(value, CADENCE, "no cadence feature")

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in facts.data_sources:
            activity = facts.profile.activities.get(source.name)
            if source.use != "events" or activity is None or activity.returning < RETURNING:
                continue
            yield cls.proposal(
                source.name,
                "visits",
                f"{activity.returning:.0%} of the customers have {source.events} on several days: their gaps "
                "tell who is late.",
                columns=[source.time] if source.time else [],
                evidence={"returning": round(activity.returning, 3), "median_gap_days": activity.gap_median},
                features=list(CADENCE),
            )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        return {"rhythm": tuple(self.features)}


class UseAttribute(SourceAction):
    """An attribute of the customer as a feature."""

    layer, action = "silver", "attribute"

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        outcome = facts.choice.outcome
        known_over_time = {c.name for s in facts.planned.values() if s.use == "history" for c in s.columns}
        for source in (s for s in facts.planned.values() if facts.brings_attributes(s.name)):
            is_own = isinstance(outcome, LabelTable) and outcome.source == source.name
            for attribute in facts.attributes(source.name)[0]:
                if source.use == "attributes" and attribute.plan.origin in known_over_time:
                    continue
                is_safe, column = attribute.is_constant or is_own, attribute.plan.column
                caveat = "" if is_safe else "; it may have been overwritten after the feature time"
                figures = {"missing": attribute.missing, "distinct": attribute.distinct}
                yield cls.proposal(
                    source.name,
                    column.name,
                    f"{column.description}{caveat}.",
                    columns=[attribute.plan.origin],
                    evidence=figures | {"may_be_overwritten": None if is_safe else True},
                    status="accepted" if is_safe else "proposed",
                )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        if source.use not in ("attributes", "history", "labels", "spans"):
            raise NotApplicable(f"{source.name} has no attributes of customers")
        attribute = next((a for a in source.offered if a.column.name == self.subject), None)
        if attribute is None:
            raise NotApplicable(f"there is no attribute {self.subject} of {source.name}")
        column, feature = source.column(attribute.origin), attribute.column
        if column is not None and column.type == "text" and feature.data_type != "string":
            if feature.name != column.name:
                raise NotApplicable(f"{column.name} is not read as a time")
            as_text = FeatureColumn(feature.name, "string", feature.description, feature.meta)
            attribute = AttributePlan(as_text, column.name, attribute.origin)
        return {"attributes": (*source.attributes, attribute)}
