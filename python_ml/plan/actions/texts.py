"""Actions on columns of free text: what customers write, as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import Field, field_validator

from python_ml.durations import ALL_TIME, days, sorted_windows
from python_ml.feature_columns import FeatureColumn
from python_ml.ingest import vocabulary
from python_ml.names import free_name
from python_ml.plan.actions.base import Action, NotApplicable, SourceAction
from python_ml.plan.actions.silver import chosen
from python_ml.plan.base import PlanFacts
from python_ml.plan.columns import FREE_TEXT
from python_ml.plan.schema import AttributePlan, ColumnPlan, LabelTable, ProjectPlan, SourcePlan, TextPlan
from python_ml.profile.free_texts import named_languages
from python_ml.profile.schema import TextMeasures

ENOUGH = 50  # different texts from which components say something
COMPONENTS, MOST_COMPONENTS = 8, 64
SHORT_DAYS = 30  # of the short window: fewer texts than that say little
AGGREGATES = ("mean", "stddev", "slope", "last", "first", "min", "max", "variance")
DEFAULTS = ["mean", "stddev", "slope", "last"]


class TextFeatures(SourceAction):
    """Components of what a column of free text says: over windows of events, or as attributes of customers.

    Attributes
    ----------
    components : int
        Principal components of the embeddings.
    aggregates : list of str, optional
        Of the components of events, over windows.
    windows : list of str, optional
        Windows of means; the other aggregates are made over the longest of them.
    """

    layer, action, initial_status = "silver", "text_features", "accepted"
    components: int = Field(COMPONENTS, ge=1, le=MOST_COMPONENTS)
    aggregates: list[str] | None = Field(None, min_length=1)
    windows: list[str] | None = Field(None, min_length=1)

    @field_validator("aggregates")
    @classmethod
    def _known(cls, value: list[str] | None) -> list[str] | None:
        return value and chosen(value, AGGREGATES, "no aggregate of texts")

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        setting = next((s for s in (facts.calendar.settings if facts.calendar else ()) if s.name == "windows"), None)
        windows = default_windows([w.strip() for w in setting.value.split(",")]) if setting else ()
        for source in facts.data_sources:
            if not (source.has_events and windows) and not facts.brings_attributes(source.name):
                continue
            for column in source.columns:
                measured = facts.measured(source.name, column.name)
                if measured is None or measured.free_text is None or column.role != "text" or not _may_be_used(column):
                    continue
                yield cls._of(facts, source, column, measured.free_text, windows)

    @classmethod
    def _of(
        cls, facts: PlanFacts, source: SourcePlan, column: ColumnPlan, text: TextMeasures, windows: tuple[str, ...]
    ) -> Action:
        is_late, caveat = _may_be_late(facts, source, column)
        is_thin = text.distinct < ENOUGH
        if is_thin:
            caveat += f" Only {text.distinct:,} different texts: components may say little."
        what = f"{source.events}, per window" if source.has_events else "each customer"
        return cls.proposal(
            source.name,
            column.name,
            f"Free text ({', '.join(named_languages(text))}), {text.median_length:,.0f} characters at the median, "
            f"{text.distinct:,} different texts in {text.filled:,} rows: components of them, of {what}.{caveat}",
            evidence={
                "rows": text.filled,
                "distinct": text.distinct,
                "distinct_share": round(text.distinct_share, 4),
                "blank_share": text.blank_share,
                "median_length": text.median_length,
                "p95_length": text.p95_length,
                "html_share": text.html_share or None,
                "languages": named_languages(text),
                "may_be_overwritten": is_late or None,
            },
            components=COMPONENTS,
            aggregates=DEFAULTS if source.has_events else None,
            windows=list(windows) if source.has_events else None,
            status="proposed" if is_late or is_thin else "accepted",
        )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        column = source.column(self.subject)
        if column is None or column.role != "text" or not _may_be_used(column):
            raise NotApplicable(f"{source.name} has no column of free text {self.subject}")
        if column.is_dropped:
            raise NotApplicable(f"{self.subject} is dropped in bronze")
        text = TextPlan(column.name, self.components)
        if source.has_events:
            text = replace(text, aggregates=tuple(self.aggregates or DEFAULTS), windows=self._windows(source))
        elif source.use not in ("attributes", "history", "labels"):
            raise NotApplicable(f"no features are made of {source.name}")
        taken = {c.name for c in source.values} | {d.name for d in source.derived}
        if both := taken & set(text.names):
            raise NotApplicable(f"{source.name} has a column {min(both)} of its own")
        used = replace(source.with_column(column.name, unused=""), texts=(*source.texts, text))
        attributes = () if source.has_events else _attributes(plan, source, text)
        return {
            "columns": used.columns,
            "texts": used.texts,
            "attributes": (*source.attributes, *attributes),
        }

    def _windows(self, source: SourcePlan) -> tuple[str, ...]:
        if not source.windows:
            raise NotApplicable(f"{source.name} has no windows")
        if self.windows is None:
            return default_windows(source.windows)
        kept = tuple(w for w in sorted_windows(dict.fromkeys(self.windows)) if w in source.windows)
        if not kept:
            raise NotApplicable(f"none of its windows is a window of {source.name}")
        return kept


def default_windows(windows: Any) -> tuple[str, ...]:
    """A short window, of at least a month where there is one, and the longest."""
    ordered = sorted_windows(windows)
    short = next((w for w in ordered if w != ALL_TIME and days(w) >= SHORT_DAYS), ordered[0])
    return tuple(dict.fromkeys((short, ordered[-1])))


def _may_be_used(column: ColumnPlan) -> bool:
    return column.unused in ("", FREE_TEXT)


def _may_be_late(facts: PlanFacts, source: SourcePlan, column: ColumnPlan) -> tuple[bool, str]:
    """Whether a text may have been written once the outcome was known, and a sentence that says so."""
    if vocabulary.has_word(column.raw_name, vocabulary.OUTCOMES):
        return True, " Its name suggests the outcome: check first when it is written."
    if source.use == "spans":
        return True, " It may be written when coverage ends, and then it tells the outcome: check it first."
    outcome = facts.choice.outcome
    is_own = isinstance(outcome, LabelTable) and outcome.source == source.name
    if source.use == "attributes" and not source.time and not is_own:
        return True, " It may have been overwritten after the feature time."
    return False, ""


def _attributes(plan: ProjectPlan, source: SourcePlan, text: TextPlan) -> Iterator[AttributePlan]:
    """Length and components of a customer's own text, as attributes."""
    is_labels = isinstance(plan.outcome, LabelTable) and plan.outcome.source == source.name
    prefix = "" if is_labels else f"{vocabulary.singular(source.name)}_"
    taken = {a.column.name for a in source.offered} | {a.column.name for a in source.attributes}
    title = text.column.replace("_", " ")
    for number, column in enumerate(text.names):
        name = column if column.startswith(prefix) else prefix + column
        name = free_name(name, taken)
        meta = {
            "role": "feature",
            "source": source.name,
            "measure": name,
            "aggregate": "attribute",
            "window": "snapshot" if is_labels else "as_of",
            "leakage_risk": source.leakage_risk,
        }
        what = f"Component {number} of {title}" if number else f"Length of {title} in characters"
        meta |= {"fitted": f"{source.name}.{text.column}"} if number else {}
        yield AttributePlan(FeatureColumn(name, "double", what, meta), f"cast({column} as double)", text.column)
