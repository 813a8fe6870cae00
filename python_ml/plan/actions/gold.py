"""Actions on features: left out, how models see them, features made of two others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field

from python_ml.durations import ALL_TIME
from python_ml.feature_columns import FeatureColumn
from python_ml.plan.actions.base import Action, NotApplicable, evidence
from python_ml.plan.base import PlanFacts
from python_ml.plan.schema import Interaction, LabelTable, ProjectPlan

TABLE = "customer_features"
BY_REQUEST = "excluded with --exclude-columns"
SKEWED = 2.0
HEAVY = 0.05  # share of outliers from which a few values set the scale of a column
MANY = 30  # categories; more are not worth a column each
_AS_LARGE = ("sum", "mean", "max", "min", "first", "last")  # aggregates that are as skewed as what they are made of
_JOINED = {"product": "times", "ratio": "per", "difference": "minus"}


def features_of(facts: PlanFacts, plan: ProjectPlan) -> dict[tuple[str, str], list[str]]:
    """Numeric features of gold that are as large as a column of bronze, by source and column."""
    made: dict[tuple[str, str], list[str]] = {}
    for source in plan.sources:
        for part in source.feature_sets:
            for column in part.columns:
                meta = column.meta
                if meta.get("aggregate") in _AS_LARGE and meta.get("source") == source.name:
                    made.setdefault((source.name, meta.get("measure", "")), []).append(column.name)
        for attribute in source.attributes:
            if attribute.column.data_type == "double" and attribute.expression.startswith("cast("):
                made.setdefault((source.name, attribute.origin), []).append(attribute.column.name)
    return made


class OfFeatures(Action):
    """An action on named features."""

    features: list[str] = Field(min_length=1)

    def fitting(self, plan: ProjectPlan, types: tuple[str, ...] = ()) -> list[str]:
        """Its features that exist and have one of some types."""
        known = {c.name: c.data_type for c in plan.features}
        fitting = [name for name in self.features if name in known and (not types or known[name] in types)]
        if not fitting:
            raise NotApplicable("none of its features is made")
        return fitting


class Exclude(OfFeatures):
    """Features that models leave out."""

    layer, action = "gold", "exclude"

    @classmethod
    def propose_for(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        yield from cls._leaks(facts, plan)
        made = features_of(facts, plan)
        for table in facts.profile.tables:
            names = facts.names[table.name]
            for first, second, correlation in table.correlated:
                features = made.get((table.name, names[second]))
                if features and made.get((table.name, names[first])):
                    like = table.column(first).raw_name
                    yield cls(
                        table=TABLE,
                        subject=_subject(plan, table.name, names[second]),
                        columns=[table.column(second).raw_name],
                        reason=f"`{table.column(second).raw_name}` is (nearly) the same as `{like}`: their "
                        f"correlation is {correlation:.3f}.",
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
        safe = {made: name for name, made in facts.names[source.name].items()}
        leaks = {
            a.column: a for o in facts.profile.outcomes if o.table == source.name and o.is_given for a in o.associations
        }
        wanted = {c.name for name in facts.options.exclude_columns if (c := table.table.column(name)) is not None}
        for attribute in source.attributes:
            column, name = safe[attribute.origin], attribute.column.name
            leak = leaks.get(column)
            if column in wanted:
                figures = {"given": True}
                if leak is not None and leak.measure == "auc":
                    figures["auc"] = round(leak.value, 4)
                reason = "It is named with --exclude-columns."
            elif leak is not None and leak.leak == "critical":
                figures = {"auc": round(leak.value, 4)} if leak.measure == "auc" else {}
                reason = f"It may know the outcome: {'; '.join(leak.leak_reasons)}."
            else:
                continue
            yield cls(
                table=TABLE, subject=name, columns=[name], reason=reason, evidence=figures, features=[name],
                status="accepted",
            )  # fmt: skip

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        reason = BY_REQUEST if self.evidence.get("given") else self.reason
        exclude = plan.model_input.exclude | dict.fromkeys(self.fitting(plan), reason)
        return replace(plan, model_input=replace(plan.model_input, exclude=exclude))


def _subject(plan: ProjectPlan, source: str, column: str) -> str:
    attribute = next((a for a in plan.source(source).attributes if a.origin == column), None)
    return attribute.column.name if attribute else f"{source}_{column}"


class Transform(OfFeatures):
    """How models that are linear in their input see numbers; fitted on training rows."""

    layer, action = "gold", "transform"
    how: Literal["none", "asinh", "log", "power", "rank"]

    @classmethod
    def propose_for(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        for source, column, profile, features in _numbers(facts, plan):
            spread = profile.distribution
            if spread is None or spread.skew is None or abs(spread.skew) < SKEWED:
                continue
            how = _how(profile)
            raw = profile.column.raw_name
            yield cls(
                table=TABLE,
                subject=_subject(plan, source, column),
                columns=[raw],
                reason=f"`{raw}` is skewed ({spread.skew:.1f}): linear models should see its "
                f"{'logarithm' if how == 'log' else 'rank'}.",
                evidence=evidence(skew=round(spread.skew, 2)),
                features=features,
                how=how,
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        changed = plan.model_input.transform | dict.fromkeys(self.fitting(plan, ("bigint", "double")), self.how)
        return replace(plan, model_input=replace(plan.model_input, transform=changed))


def _how(profile) -> str:
    numbers, spread = profile.column.numbers, profile.distribution
    return "log" if (numbers.minimum or 0) >= 0 and (spread.skew or 0) > 0 else "rank"


def _numbers(facts: PlanFacts, plan: ProjectPlan) -> Iterator[tuple]:
    made = features_of(facts, plan)
    for table in facts.profile.tables:
        for profile in table.columns:
            column = facts.names[table.name].get(profile.column.name, "")
            features = made.get((table.name, column))
            if features and profile.column.numbers is not None:
                yield table.name, column, profile, features


class Scale(OfFeatures):
    """How such models bring numbers to one size; fitted on training rows."""

    layer, action = "gold", "scale"
    how: Literal["standard", "robust", "none"]

    @classmethod
    def propose_for(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        for source, column, profile, features in _numbers(facts, plan):
            spread, readable = profile.distribution, profile.column.readable
            if spread is None or not readable or spread.outliers_iqr < HEAVY * readable:
                continue
            if spread.skew is not None and abs(spread.skew) >= SKEWED and _how(profile) == "rank":
                continue  # ranks have no outliers
            yield cls(
                table=TABLE,
                subject=_subject(plan, source, column),
                columns=[profile.column.raw_name],
                reason=f"{spread.outliers_iqr / readable:.0%} of the values of `{profile.column.raw_name}` are "
                "outliers: the middle nine tenths should set its scale.",
                evidence=evidence(outliers=spread.outliers_iqr, of=readable),
                features=features,
                how="robust",
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        changed = plan.model_input.scale | dict.fromkeys(self.fitting(plan, ("bigint", "double")), self.how)
        return replace(plan, model_input=replace(plan.model_input, scale=changed))


class Encode(OfFeatures):
    """How models see categories; fitted on training rows."""

    layer, action = "gold", "encode"
    how: Literal["one_hot", "target"]

    @classmethod
    def propose_for(cls, facts: PlanFacts, plan: ProjectPlan) -> Iterator[Action]:
        for source in plan.sources:
            for attribute in source.attributes:
                column = source.column(attribute.origin)
                if attribute.column.data_type != "string" or column is None or column.distinct <= MANY:
                    continue
                name = attribute.column.name
                yield cls(
                    table=TABLE,
                    subject=name,
                    columns=[name],
                    reason=f"`{column.raw_name}` has {column.distinct:,} values, too many for a column each: models "
                    "should see the churn rate per value, cross-fitted on training rows.",
                    evidence={"distinct": column.distinct},
                    features=[name],
                    how="target",
                )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        changed = plan.model_input.encode | dict.fromkeys(self.fitting(plan, ("string",)), self.how)
        return replace(plan, model_input=replace(plan.model_input, encode=changed))


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
            yield cls(
                table=TABLE,
                subject=f"{source.name}_count_{lengths[0]}_per_{lengths[-1]}",
                columns=of,
                reason=f"Change in activity: {source.events} of the last {lengths[0]} against those of the last "
                f"{lengths[-1]}.",
                evidence={f"occupied_{w}": round(activity.occupied[w], 3) for w in (lengths[0], lengths[-1])},
                of=of,
                how="ratio",
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        from python_ml.names import RESERVED

        known = {c.name: c for c in plan.features}
        if absent := [name for name in self.of if name not in known]:
            raise NotApplicable(f"there is no feature {absent[0]}")
        a, b = (known[name] for name in self.of)
        if not {a.data_type, b.data_type} <= {"bigint", "double"}:
            raise NotApplicable("both must be numbers")
        if self.subject in known or self.subject in RESERVED or not self.subject[0].isalpha():
            raise NotApplicable(f"a column cannot be named {self.subject}")
        sql = {
            "ratio": f"cast({a.name} as double) / nullif({b.name}, 0)",
            "product": f"cast({a.name} as double) * {b.name}",
            "difference": f"cast({a.name} as double) - {b.name}",
        }[self.how]
        risks = ("low", "medium", "high")
        meta = {
            "role": "feature",
            "source": a.meta.get("source", TABLE),
            "measure": f"{a.name} {_JOINED[self.how]} {b.name}",
            "aggregate": self.how,
            "window": "/".join(dict.fromkeys(str(c.meta.get("window", "")) for c in (a, b))),
            "leakage_risk": max((c.meta.get("leakage_risk", "low") for c in (a, b)), key=risks.index),
        }
        text = {"ratio": "divided by", "product": "times", "difference": "minus"}[self.how]
        description = f"{a.description}, {text}: {b.description[:1].lower()}{b.description[1:]}"
        made = Interaction(FeatureColumn(self.subject, "double", description, meta), sql)
        return replace(plan, interactions=(*plan.interactions, made))
