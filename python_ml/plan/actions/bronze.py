"""Actions on raw columns and rows: types, codes for missing values, spellings, bounds, imputation, copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from pydantic import Field, field_validator, model_validator

from python_ml.ingest import vocabulary
from python_ml.ingest.schema import EPOCHS, EXCEL_SERIAL, PERIODS, Reading
from python_ml.plan.actions.base import Action, NotApplicable, Text, evidence, names_in
from python_ml.plan.base import PlanFacts, reads_as
from python_ml.plan.measures import amount_measure, derived_amount, reversal_of
from python_ml.plan.schema import (
    NUMBER_TYPES,
    ColumnPlan,
    DerivedColumn,
    Imputation,
    LabelTable,
    ProjectPlan,
    SourcePlan,
)
from python_ml.profile.schema import EarlyFacts

_TYPES = {
    "integer": "whole numbers", "decimal": "exact numbers", "double": "numbers", "boolean": "yes or no",
    "timestamp": "times", "duration": "durations in seconds",
}  # fmt: skip
_ROLES = {
    "integer": "number", "decimal": "number", "double": "number", "duration": "number", "boolean": "boolean",
    "timestamp": "further_time",
}  # fmt: skip
_NOT_CLEANED = ("entity", "key", "time", "available", "changed", "empty", "constant", "label")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?")
COPY_REASON = "exact copy"
FEW_MISSING = 0.01  # share of missing values from which imputing them is worth a proposal


def data_sources(facts: PlanFacts) -> Iterator[SourcePlan]:
    """Sources that actions are about: all but a file of supplied labels."""
    for source in facts.planned.values():
        if source.name != facts.options.labels:
            yield source


def cleanable(facts: PlanFacts) -> Iterator[tuple[SourcePlan, ColumnPlan, object]]:
    """Columns whose values may be cleaned, with their profile."""
    for source in data_sources(facts):
        safe = {made: name for name, made in facts.names[source.name].items()}
        for column in source.columns:
            if column.role not in _NOT_CLEANED and not column.unused and safe[column.name] in facts.names[source.name]:
                profiles = [c for c in facts.table(source.name).columns if c.column.name == safe[column.name]]
                if profiles:
                    yield source, column, profiles[0]


class ReadAs(Action):
    """The type that a column of text is read as.

    Attributes
    ----------
    type : str
        integer, decimal, boolean, timestamp or duration (seconds).
    scale : int, optional
        Digits after the decimal point.
    written : str, optional
        How numbers are written: plain, grouped or decimal_comma.
    formats : list of str
        strftime patterns, or ``epoch_s``, ``month`` and the like; empty for ISO 8601.
    language, utc_offset, clock_column : str, optional
        Language of month names; clock of times without an offset; column with the time of day.
    unreadable : str
        A value that cannot be read is null, or its row is quarantined.
    """

    layer, action = "bronze", "read_as"
    type: Literal["integer", "decimal", "double", "boolean", "timestamp", "duration"]
    scale: int | None = Field(None, ge=0, le=18)
    written: Literal["plain", "decimal_comma", "grouped"] | None = None
    formats: list[str] = Field(default_factory=list)
    language: str | None = None
    utc_offset: str | None = Field(None, pattern=r"[+-]\d{2}:\d{2}")
    clock_column: str | None = None
    unreadable: Literal["null", "quarantine"] = "null"

    @field_validator("formats")
    @classmethod
    def _plain(cls, value: list[str]) -> list[str]:
        for pattern in value:
            is_named = pattern in (*EPOCHS, *PERIODS, EXCEL_SERIAL)
            # They become part of generated code.
            if not is_named and (not re.fullmatch(r"[%A-Za-z0-9 :/.,+_-]+", pattern) or "%" not in pattern):
                raise ValueError(f"`{pattern}` is no pattern of strftime such as %d/%m/%Y")
        return value

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in data_sources(facts):
            safe = {made: name for name, made in facts.names[source.name].items()}
            for column in source.columns:
                if reads_as(column):
                    measured = facts.table(source.name).column(safe[column.name])
                    yield cls._of(source, column, measured)

    @classmethod
    def _of(cls, source: SourcePlan, column: ColumnPlan, measured) -> Action:
        reading = column.reading
        formats = f", written {' or '.join(column.formats)}" if column.formats else ""
        text = f"{measured.readable:,} of {measured.filled:,} values can be read as {_TYPES[reading.type]}{formats}."
        return cls(
            table=source.name,
            subject=column.name,
            columns=[column.name],
            reason=text,
            evidence=evidence(filled=measured.filled, readable=measured.readable, missing=column.missing),
            status="accepted",
            type=reading.type,
            scale=reading.scale if reading.type in ("decimal", "duration") else None,
            written=reading.style if reading.style != "plain" else None,
            formats=list(reading.formats),
            language=reading.language or None,
            utc_offset=reading.utc_offset or None,
            clock_column=reading.clock_column or None,
        )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source, column = self.column(plan)
        reading = Reading(
            self.type,
            column.reading.physical_type,
            scale=column.reading.scale if self.scale is None else self.scale,
            style=self.written or "plain",
            formats=tuple(self.formats),
            language=self.language or "",
            utc_offset=self.utc_offset or "",
            has_offset=column.reading.has_offset,
            clock_column=self.clock_column or "",
        )
        if column.role in ("time", "available", "changed"):
            return plan.with_source(source.with_column(column.name, reading=reading))
        kinds = ("number", "boolean", "further_time")
        role = column.role if column.role in kinds and _ROLES[self.type] == column.role else _ROLES[self.type]
        bounded = self.unreadable == "quarantine"
        return plan.with_source(source.with_column(column.name, reading=reading, role=role, must_be_readable=bounded))


class NullValues(Action):
    """Values that stand for a missing one, as bronze would write them."""

    layer, action = "bronze", "null_values"
    values: list[Text] = Field(min_length=1)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source, column, profile in cleanable(facts):
            codes = [s for s in profile.sentinels if _fits(column, s.value)]
            if not codes:
                continue
            text = "; ".join(f"{s.value!r} in {s.rows:,} rows ({s.why})" for s in codes)
            yield cls(
                table=source.name,
                subject=column.name,
                columns=[column.name],
                reason=f"Some values look like codes for a missing one: {text}.",
                evidence=evidence(
                    filled=profile.column.filled,
                    rows=sum(s.rows for s in codes),
                    certain=all(s.is_safe for s in codes),
                ),
                values=[s.value for s in codes],
            )

    @property
    def may_be_accepted(self) -> bool:
        return bool(self.evidence.get("certain"))

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source, column = self.column(plan)
        if column.role in _NOT_CLEANED or not all(_fits(column, v) for v in self.values):
            raise NotApplicable(f"{column.name} is a {column.type}, in which not all of these values can stand")
        return plan.with_source(source.with_column(column.name, null_values=tuple(self.values)))


def _fits(column: ColumnPlan, value: str) -> bool:
    """Whether a code can stand for a value of the column's type; what cannot is null already."""
    if column.type in NUMBER_TYPES:
        return bool(re.fullmatch(r"-?\d+(\.\d+)?", value))
    if column.type == "timestamp":
        return bool(_ISO.fullmatch(value))
    return column.type == "text" and value.isprintable()


class Nobody(Action):
    """Codes of the customer's column that stand for nobody: their rows are quarantined."""

    layer, action = "bronze", "nobody"
    values: list[Text] = Field(min_length=1)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for name, codes in facts.roles.customer.nobody.items():
            source = facts.planned[name]
            if name == facts.options.labels or not source.entity:
                continue
            text = ", ".join(f"{value!r} in {rows:,} of {source.counts.rows:,} rows" for value, rows in codes)
            yield cls(
                table=name,
                subject=source.entity,
                columns=[source.entity],
                reason=f"A code for no customer holds an outsized share of the rows: {text}.",
                evidence=evidence(rows=sum(rows for _, rows in codes)),
                values=[value for value, _ in codes],
                status="accepted",
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        return plan.with_source(replace(self.source(plan), nobody=tuple(self.values)))


class FoldCase(Action):
    """How texts that differ only in case become one."""

    layer, action = "bronze", "fold_case"
    case: Literal["lower", "upper"] = "lower"

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source, column, profile in cleanable(facts):
            texts = profile.texts
            if texts is None or not texts.case_groups or column.type != "text":
                continue
            yield cls(
                table=source.name,
                subject=column.name,
                columns=[column.name],
                reason=f"{texts.case_groups:,} values are written in several ways that differ only in case, in "
                f"{texts.case_rows:,} rows.",
                evidence=evidence(groups=texts.case_groups, rows=texts.case_rows, examples=list(texts.case_examples)),
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source, column = self.column(plan)
        if column.type != "text" or column.role in _NOT_CLEANED:
            raise NotApplicable(f"{column.name} is no ordinary text")
        return plan.with_source(source.with_column(column.name, fold_case=self.case))


class Impute(Action):
    """What takes the place of missing values.

    Attributes
    ----------
    how : str
        none, zero, median, mode, constant (with ``value``) or forward_fill (the customer's last known value).
    value : str, optional
        For constant; for median and mode, the fitted value (computed again when absent).
    """

    layer, action, is_safe = "bronze", "impute", False
    how: Literal["none", "zero", "median", "mode", "constant", "forward_fill"]
    value: Text | None = None

    @model_validator(mode="after")
    def _complete(self) -> Impute:
        if self.how == "constant" and self.value is None:
            raise ValueError("constant needs a value")
        return self

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source, column, profile in cleanable(facts):
            if column.role != "number" or source.use not in ("events", "spans") or column.early is None:
                continue
            if column.missing < FEW_MISSING * profile.column.rows or not profile.column.filled:
                continue
            yield cls(
                table=source.name,
                subject=column.name,
                columns=[column.name],
                reason=f"{column.missing:,} of {profile.column.rows:,} values are missing; aggregates leave them out "
                "unless something takes their place.",
                evidence=evidence(missing=column.missing, median=column.early.quantiles.get("p50")),
                how="none",
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source, column = self.column(plan)
        if self.how == "none":
            return plan
        if column.role in _NOT_CLEANED or (column.type == "text" and self.how in ("zero", "median")):
            raise NotApplicable(f"{column.name} is a {column.type}: it cannot be imputed by {self.how}")
        value, fitted = self.value or "", ""
        if self.how == "zero":
            value = "0"
        elif self.how in ("median", "mode") and self.value is None:
            early = column.early
            known = None if early is None else early.mode if self.how == "mode" else early.quantiles.get("p50")
            if known in (None, ""):
                raise NotApplicable(f"nothing is known of {column.name} before the training cutoff")
            value, fitted = str(known), early.before.isoformat()
        if self.how == "forward_fill" and not source.entity:
            raise NotApplicable(f"{source.name} has no column of customers of its own")
        return plan.with_source(source.with_column(column.name, imputation=Imputation(self.how, value, fitted)))


class Outliers(Action):
    """What becomes of values far from all others; bounds are fitted on the first part of the history.

    Attributes
    ----------
    method : str
        none, iqr (quartiles -/+ ``factor`` times their distance, 1.5), zscore (mean -/+ ``factor`` standard
        deviations, 3), winsorize (the quantiles of ``tails``, 0.001), or bounds (``low``, ``high`` as given).
    then : str
        Set such values to the bound (cap), or quarantine their rows.
    """

    layer, action, is_safe = "bronze", "outliers", False
    method: Literal["none", "iqr", "zscore", "winsorize", "bounds"] = "winsorize"
    factor: float | None = Field(None, gt=0)
    tails: Literal[0.001, 0.01, 0.05] | None = None
    low: float | None = None
    high: float | None = None
    then: Literal["cap", "quarantine"] = "cap"

    @model_validator(mode="after")
    def _in_order(self) -> Outliers:
        if self.method == "bounds" and self.low is None and self.high is None:
            raise ValueError("bounds needs low, high or both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be less than high")
        return self

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source, column, profile in cleanable(facts):
            early = column.early
            if column.role != "number" or source.use not in ("events", "spans") or early is None or not early.beyond:
                continue
            numbers = profile.column.numbers
            yield cls(
                table=source.name,
                subject=column.name,
                columns=[column.name],
                reason=f"{early.beyond:,} values are far beyond 99.8 % of those before {early.before}, from "
                f"{numbers.minimum:g} to {numbers.maximum:g}.",
                evidence=evidence(beyond=early.beyond, minimum=numbers.minimum, maximum=numbers.maximum),
                method="winsorize",
                tails=0.001,
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source, column = self.column(plan)
        if self.method == "none":
            return plan
        if column.type not in NUMBER_TYPES:
            raise NotApplicable(f"{column.name} is not read as a number")
        low, high = self._bounds(column)
        changed = source.with_column(column.name, low=low, high=high, is_bounded=self.then == "quarantine")
        return plan.with_source(changed)

    def _bounds(self, column: ColumnPlan) -> tuple[float | None, float | None]:
        if self.method == "bounds":
            return self.low, self.high
        early: EarlyFacts | None = column.early
        if early is None or not early.quantiles:
            raise NotApplicable(f"nothing is known of {column.name} before the training cutoff")
        quantiles = early.quantiles
        if self.method == "iqr":
            width = (self.factor or 1.5) * (quantiles["p75"] - quantiles["p25"])
            low, high = quantiles["p25"] - width, quantiles["p75"] + width
        elif self.method == "zscore":
            if early.mean is None or not early.deviation:
                raise NotApplicable(f"{column.name} did not vary before the training cutoff")
            width = (self.factor or 3.0) * early.deviation
            low, high = early.mean - width, early.mean + width
        else:
            ends = {0.001: ("p001", "p999"), 0.01: ("p01", "p99"), 0.05: ("p05", "p95")}[self.tails or 0.001]
            low, high = quantiles[ends[0]], quantiles[ends[1]]
        if low >= high:
            raise NotApplicable(f"the bounds of {column.name} would leave a single value")
        digits = {"integer": 0, "double": 15}.get(column.type, column.reading.scale)
        return round(low, digits), round(high, digits)


class Deduplicate(Action):
    """Of rows with the same key, the first-known stays.

    ``key`` names one column, or several joined by ``+``.
    """

    layer, action = "bronze", "deduplicate"
    key: str

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        from python_ml.plan.columns import key_of

        for source in data_sources(facts):
            table = facts.table(source.name)
            if table.versions is not None:
                continue
            key = [facts.names[source.name][c] for c in key_of(table, facts.roles)]
            if not key:
                continue
            joined = "+".join(key)
            copies = source.counts.quarantined.get(f"duplicate {joined}", 0)
            text = f"{copies:,} rows are copies of another" if copies else "no row is a copy so far"
            yield cls(
                table=source.name,
                subject="_".join(key)[:60],
                columns=key,
                reason=f"`{joined}` identifies rows; {text}. The copy that was known first stays.",
                evidence=evidence(rows=source.counts.rows, copies=copies),
                key=joined,
                status="accepted",
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        key = tuple(part.strip() for part in self.key.split("+"))
        if absent := [name for name in key if source.column(name) is None]:
            raise NotApplicable(f"{source.name} has no column {absent[0]}")
        return plan.with_source(replace(source, key=key))


class Versions(Action):
    """Rows that are versions of one another: at T, the newest version known before T counts."""

    layer, action = "bronze", "versions"
    key: str
    changed_at: str

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in data_sources(facts):
            versions = facts.table(source.name).versions
            if versions is None:
                continue
            names = facts.names[source.name]
            yield cls(
                table=source.name,
                subject=names[versions.key],
                columns=[names[versions.key], names[versions.changed_at]],
                reason=f"{versions.several:,} of {versions.keys:,} values of `{names[versions.key]}` have several rows "
                f"that differ in `{names[versions.changed_at]}`: versions of one row.",
                evidence=evidence(keys=versions.keys, several=versions.several),
                key=names[versions.key],
                changed_at=names[versions.changed_at],
                status="accepted",
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        if source.column(self.key) is None or source.column(self.changed_at) is None:
            raise NotApplicable(f"{source.name} has no column {self.key} or {self.changed_at}")
        return plan.with_source(replace(source, key=(self.key,), available=self.changed_at, superseded="superseded_at"))


class DropCopies(Action):
    """Exact copies of a row are quarantined although the table has no key."""

    layer, action, is_safe = "bronze", "drop_copies", False

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        from python_ml.plan.columns import key_of

        for source in data_sources(facts):
            table = facts.table(source.name)
            copies = table.rows - table.different_rows
            if not copies or key_of(table, facts.roles):
                continue
            yield cls(
                table=source.name,
                subject="rows",
                reason=f"{copies:,} rows equal another row in every column; without a key, only you know whether a "
                "line was really entered twice.",
                evidence=evidence(rows=source.counts.rows, copies=copies),
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        if source.key:
            raise NotApplicable(f"{source.name} has a key: copies of it are quarantined already")
        quarantined = {**source.counts.quarantined, COPY_REASON: int(self.evidence.get("copies", 0))}
        counts = replace(source.counts, quarantined=quarantined)
        return plan.with_source(replace(source, drops_copies=True, counts=counts))


class Derive(Action):
    """A column that bronze computes from others of the same row."""

    layer, action = "bronze", "derive"
    expression: str = Field(pattern=r"^[a-z_][a-z0-9_]* \* [a-z_][a-z0-9_]*$")
    scale: int = Field(4, ge=0, le=10)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in data_sources(facts):
            if source.use not in ("events", "spans") or (derived := derived_amount(source.columns)) is None:
                continue
            yield cls(
                table=source.name,
                subject=derived.name,
                columns=sorted(names_in(derived.expression)),
                reason=f"{derived.description.rstrip('.')}: the file has no total.",
                expression=derived.expression,
                scale=derived.scale,
                status="accepted",
            )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        numbers = {c.name for c in source.columns if c.role == "number" and c.type != "text"}
        if not names_in(self.expression) <= numbers:
            raise NotApplicable(f"{self.expression} needs numbers that are not read as such")
        text = self.expression.replace("_", " ").replace(" * ", " times ").capitalize()
        derived = DerivedColumn(self.subject, self.expression, f"{text}.", self.scale)
        return plan.with_source(replace(source, derived=(*source.derived, derived)))


class FlagReversals(Action):
    """Rows that take something back are no activity, and have features of their own."""

    layer, action = "bronze", "flag_reversals"
    condition: str

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        taken = set(facts.planned)
        for source in data_sources(facts):
            if source.use not in ("events", "spans"):
                continue
            derived = derived_amount(source.columns)
            reversal = reversal_of(facts.table(source.name), source.columns, facts.names[source.name], derived, taken)
            if reversal is None:
                continue
            taken.add(reversal.name)
            known = {c.name for c in source.columns}
            yield cls(
                table=source.name,
                subject=reversal.name,
                columns=sorted(names_in(reversal.condition) & known),
                reason=f"{reversal.rows:,} rows take something back ({reversal.text}): no activity, and features of "
                "their own.",
                evidence=evidence(rows=reversal.rows, of=source.counts.rows),
                condition=reversal.condition,
                status="accepted",
            )

    @field_validator("condition")
    @classmethod
    def _plain(cls, value: str) -> str:
        part = r"[a-z_][a-z0-9_]* (< 0|like '[A-Za-z]%')"
        if not re.fullmatch(rf"{part}( or {part})*", value):
            raise ValueError("write conditions such as quantity < 0 or invoice_no like 'C%', joined by or")
        return value

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        from python_ml.plan.measures import reversal_plan

        source = self.source(plan)
        known = {c.name: c for c in source.columns}
        for name in re.findall(r"([a-z_][a-z0-9_]*) < 0", self.condition):
            if name not in known or known[name].type == "text":
                raise NotApplicable(f"{name} is not read as a number")
        rows = int(self.evidence.get("rows", 0))
        return plan.with_source(
            replace(source, reversal=reversal_plan(self.subject, self.condition, rows, source.columns, source.derived))
        )


class DropColumn(Action):
    """A column that nothing after the checked rows has."""

    layer, action = "bronze", "drop_column"

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in data_sources(facts):
            for column in source.columns:
                if column.role in ("empty", "constant"):
                    yield cls(
                        table=source.name,
                        subject=column.name,
                        columns=[column.name],
                        reason=f"It is {column.role} and carries no information.",
                        evidence=evidence(missing=column.missing, of=source.counts.rows),
                    )

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source, column = self.column(plan)
        parts = {source.entity, source.time, source.available, source.ended, *source.key}
        if column.name in parts:
            raise NotApplicable(f"{column.name} is used")
        return plan.with_source(
            source.with_column(column.name, is_dropped=True, unused=column.unused or "it is dropped")
        )


def is_label_source(plan: ProjectPlan, name: str) -> bool:
    """Whether a source holds the outcome."""
    return isinstance(plan.outcome, LabelTable) and plan.outcome.source == name


__all__ = [
    "Deduplicate", "Derive", "DropColumn", "DropCopies", "FlagReversals", "FoldCase", "Impute", "Nobody", "NullValues",
    "Outliers", "ReadAs", "Versions", "amount_measure", "vocabulary",
]  # fmt: skip
