"""Actions on features: left out, how models see them, features made of two others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from python_ml.durations import ALL_TIME
from python_ml.feature_columns import FeatureColumn
from python_ml.names import RESERVED
from python_ml.plan.actions.base import Action, NotApplicable
from python_ml.plan.base import PlanFacts
from python_ml.plan.schema import Interaction, LabelTable, ProjectPlan
from python_ml.profile.schema import ColumnProfile

TABLE = "customer_features"
BY_REQUEST = "excluded with --exclude-columns"
SKEWED = 2.0
HEAVY = 0.05  # share of outliers from which a few values set the scale of a column
MANY = 30  # categories; more are not worth a column each
_AS_LARGE = ("sum", "mean", "max", "min", "first", "last")  # aggregates that are as skewed as what they are made of
# Of two features: the expression, and how it reads in the registry and in a description.
_JOINED = {
    "product": ("cast({a} as double) * {b}", "times", "times"),
    "ratio": ("cast({a} as double) / nullif({b}, 0)", "per", "divided by"),
    "difference": ("cast({a} as double) - {b}", "minus", "minus"),
}


def features_of(plan: ProjectPlan) -> dict[tuple[str, str], list[str]]:
    """Numeric features of gold that are as large as a column of bronze, by source and column."""
    made: dict[tuple[str, str], list[str]] = defaultdict(list)
    for source in plan.sources:
        for column in (column for part in source.feature_sets for column in part.columns):
            meta = column.meta
            if meta.get("aggregate") in _AS_LARGE and meta.get("source") == source.name:
                made[source.name, meta.get("measure", "")].append(column.name)
        for attribute in source.attributes:
            if attribute.column.data_type == "double" and attribute.expression.startswith("cast("):
                made[source.name, attribute.origin].append(attribute.column.name)
    return made


class FeatureAction(Action):
    """An action on named features: how models see them."""

    part: ClassVar[str]  # of ModelInput
    types: ClassVar[tuple[str, ...]] = ()  # of the features that it fits; empty for any
    features: list[str] = Field(min_length=1)

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        types = {c.name: c.data_type for c in plan.features}
        fitting = [f for f in self.features if f in types and (not self.types or types[f] in self.types)]
        if not fitting:
            raise NotApplicable("none of its features is made")
        changed = getattr(plan.model_input, self.part) | dict.fromkeys(fitting, self.choice)
        return replace(plan, model_input=replace(plan.model_input, **{self.part: changed}))

    @property
    def choice(self) -> str:
        """What is written for each of its features."""
        return self.how


class Exclude(FeatureAction):
    """Features that models leave out."""

    layer, action, part = "gold", "exclude", "exclude"

    @classmethod
    def propose_for(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        yield from cls._leaks(facts, plan)
        made = features_of(plan)
        for table in facts.profile.tables:
            names = facts.names[table.name]
            for first, second, correlation in table.correlated:
                features = made.get((table.name, names[second]))
                if features and made.get((table.name, names[first])):
                    like, raw = table.column(first).raw_name, table.column(second).raw_name
                    yield cls.proposal(
                        TABLE,
                        _subject(plan, table.name, names[second]),
                        f"`{raw}` is (nearly) the same as `{like}`: their correlation is {correlation:.3f}.",
                        columns=[raw],
                        evidence={"correlation": correlation, "like": like},
                        features=features,
                    )

    @classmethod
    def _leaks(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        outcome = facts.choice.outcome
        if not isinstance(outcome, LabelTable):
            return
        source = plan.source(outcome.source)
        table = facts.table(source.name)
        leaks = {
            a.column: a for o in facts.profile.outcomes if o.table == source.name and o.is_given for a in o.associations
        }
        wanted = {c.name for name in facts.options.exclude_columns if (c := table.table.column(name)) is not None}
        for attribute in source.attributes:
            column = facts.measured(source.name, attribute.origin).column.name
            leak, name = leaks.get(column), attribute.column.name
            figures = {"auc": round(leak.value, 4)} if leak is not None and leak.measure == "auc" else {}
            if column in wanted:
                reason, figures = "It is named with --exclude-columns.", {"given": True} | figures
            elif leak is not None and leak.leak == "critical":
                reason = f"It may know the outcome: {'; '.join(leak.leak_reasons)}."
            else:
                continue
            yield cls.proposal(TABLE, name, reason, evidence=figures, features=[name], status="accepted")

    @property
    def choice(self) -> str:
        return BY_REQUEST if self.evidence.get("given") else self.reason


def _subject(plan: ProjectPlan, source: str, column: str) -> str:
    attribute = next((a for a in plan.source(source).attributes if a.origin == column), None)
    return attribute.column.name if attribute else f"{source}_{column}"


class Transform(FeatureAction):
    """How models that are linear in their input see numbers; fitted on training rows."""

    layer, action, part, types = "gold", "transform", "transform", ("bigint", "double")
    how: Literal["none", "asinh", "log", "power", "rank"]

    @classmethod
    def propose_for(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        for subject, profile, features in _numbers(facts, plan):
            skew, raw = profile.distribution.skew, profile.column.raw_name
            if skew is None or abs(skew) < SKEWED:
                continue
            how = _how(profile)
            yield cls.proposal(
                TABLE,
                subject,
                f"`{raw}` is skewed ({skew:.1f}): linear models should see its "
                f"{'logarithm' if how == 'log' else 'rank'}.",
                columns=[raw],
                evidence={"skew": round(skew, 2)},
                features=features,
                how=how,
            )


def _how(profile: ColumnProfile) -> str:
    return "log" if (profile.column.numbers.minimum or 0) >= 0 and (profile.distribution.skew or 0) > 0 else "rank"


def _numbers(facts: PlanFacts, plan: ProjectPlan) -> Iterator[tuple[str, ColumnProfile, list[str]]]:
    """Columns of numbers of which features are made: subject, profile, features."""
    made = features_of(plan)
    for table in facts.profile.tables:
        for profile in table.columns:
            column = facts.names[table.name].get(profile.column.name, "")
            features = made.get((table.name, column))
            if features and profile.column.numbers is not None and profile.distribution is not None:
                yield _subject(plan, table.name, column), profile, features


class Scale(FeatureAction):
    """How such models bring numbers to one size; fitted on training rows."""

    layer, action, part, types = "gold", "scale", "scale", ("bigint", "double")
    how: Literal["standard", "robust", "none"]

    @classmethod
    def propose_for(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        for subject, profile, features in _numbers(facts, plan):
            outliers, skew = profile.distribution.outliers_iqr, profile.distribution.skew
            readable, raw = profile.column.readable, profile.column.raw_name
            has_no_outliers = skew is not None and abs(skew) >= SKEWED and _how(profile) == "rank"
            if not readable or outliers < HEAVY * readable or has_no_outliers:
                continue
            yield cls.proposal(
                TABLE,
                subject,
                f"{outliers / readable:.0%} of the values of `{raw}` are outliers: the middle nine tenths should set "
                "its scale.",
                columns=[raw],
                evidence={"outliers": outliers, "of": readable},
                features=features,
                how="robust",
            )


class Encode(FeatureAction):
    """How models see categories; fitted on training rows."""

    layer, action, part, types = "gold", "encode", "encode", ("string",)
    how: Literal["one_hot", "target"]

    @classmethod
    def propose_for(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        for source in plan.sources:
            for attribute in source.attributes:
                column, name = source.column(attribute.origin), attribute.column.name
                if attribute.column.data_type != "string" or column is None or column.distinct <= MANY:
                    continue
                yield cls.proposal(
                    TABLE,
                    name,
                    f"`{column.raw_name}` has {column.distinct:,} values, too many for a column each: models "
                    "should see the churn rate per value, cross-fitted on training rows.",
                    evidence={"distinct": column.distinct},
                    features=[name],
                    how="target",
                )


class Interact(Action):
    """A feature made of two others of the same row."""

    layer, action = "gold", "interaction"
    of: list[str] = Field(min_length=2, max_length=2)
    how: Literal["product", "ratio", "difference"]

    @classmethod
    def propose_for(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        """Recent activity against that of a longer time, where both windows are seldom empty."""
        activity = facts.profile.activities.get(facts.roles.activity)
        if activity is None:
            return
        source = plan.source(facts.roles.activity)
        lengths = [w for w in source.windows if w != ALL_TIME and activity.occupied.get(w, 0) >= 0.2]
        if len(lengths) < 2:
            return
        of = [f"{source.name}_count_{lengths[0]}", f"{source.name}_count_{lengths[-1]}"]
        if set(of) <= {c.name for c in plan.features}:
            yield cls.proposal(
                TABLE,
                f"{source.name}_count_{lengths[0]}_per_{lengths[-1]}",
                f"Change in activity: {source.events} of the last {lengths[0]} against those of the last "
                f"{lengths[-1]}.",
                columns=of,
                evidence={f"occupied_{w}": round(activity.occupied[w], 3) for w in (lengths[0], lengths[-1])},
                of=of,
                how="ratio",
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        known = {c.name: c for c in plan.features}
        if absent := [name for name in self.of if name not in known]:
            raise NotApplicable(f"there is no feature {absent[0]}")
        a, b = (known[name] for name in self.of)
        if not {a.data_type, b.data_type} <= {"bigint", "double"}:
            raise NotApplicable("both must be numbers")
        if self.subject in known or self.subject in RESERVED or not self.subject[0].isalpha():
            raise NotApplicable(f"a column cannot be named {self.subject}")
        sql, name, text = _JOINED[self.how]
        risks = ("low", "medium", "high")
        meta = {
            "role": "feature",
            "source": a.meta.get("source", TABLE),
            "measure": f"{a.name} {name} {b.name}",
            "aggregate": self.how,
            "window": "/".join(dict.fromkeys(str(c.meta.get("window", "")) for c in (a, b))),
            "leakage_risk": max((c.meta.get("leakage_risk", "low") for c in (a, b)), key=risks.index),
        }
        description = f"{a.description}, {text}: {b.description[:1].lower()}{b.description[1:]}"
        made = Interaction(FeatureColumn(self.subject, "double", description, meta), sql.format(a=a.name, b=b.name))
        return replace(plan, interactions=(*plan.interactions, made))
