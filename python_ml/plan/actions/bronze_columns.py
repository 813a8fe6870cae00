"""Actions on the columns of bronze: types, codes for missing values, spellings, bounds, imputation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from python_ml.ingest.schema import EPOCHS, EXCEL_SERIAL, PERIODS, Reading
from python_ml.plan.actions.base import Action, ColumnAction, NotApplicable, Text
from python_ml.plan.base import PlanFacts, reads_as
from python_ml.plan.schema import NUMBER_TYPES, ColumnPlan, Imputation, SourcePlan
from python_ml.profile.schema import ColumnProfile

# How a type reads in a sentence, and the role of a column that is read as it.
_TYPES = {
    "integer": ("whole numbers", "number"),
    "decimal": ("exact numbers", "number"),
    "double": ("numbers", "number"),
    "boolean": ("yes or no", "boolean"),
    "timestamp": ("times", "further_time"),
    "duration": ("durations in seconds", "number"),
}
_NOT_CLEANED = ("entity", "key", "time", "available", "changed", "empty", "constant", "label")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?")
_TAILS = {0.001: ("p001", "p999"), 0.01: ("p01", "p99"), 0.05: ("p05", "p95")}
FEW_MISSING = 0.01  # share of missing values from which imputing them is worth a proposal


def _cleanable(facts: PlanFacts) -> Iterator[tuple[SourcePlan, ColumnPlan, ColumnProfile]]:
    """Columns whose values may be cleaned, with their profile."""
    for source in facts.data_sources:
        for column in source.columns:
            profile = facts.measured(source.name, column.name)
            if column.role not in _NOT_CLEANED and not column.unused and profile is not None:
                yield source, column, profile


class ReadAs(ColumnAction):
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

    layer, action, initial_status = "bronze", "read_as", "accepted"
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
        for source in facts.data_sources:
            for column in filter(reads_as, source.columns):
                measured, reading = facts.measured(source.name, column.name).column, column.reading
                formats = f", written {' or '.join(column.formats)}" if column.formats else ""
                yield cls.proposal(
                    source.name,
                    column.name,
                    f"{measured.readable:,} of {measured.filled:,} values can be read as "
                    f"{_TYPES[reading.type][0]}{formats}.",
                    evidence={"filled": measured.filled, "readable": measured.readable, "missing": column.missing},
                    type=reading.type,
                    scale=reading.scale if reading.type in ("decimal", "duration") else None,
                    written=reading.style if reading.style != "plain" else None,
                    formats=list(reading.formats),
                    language=reading.language or None,
                    utc_offset=reading.utc_offset or None,
                    clock_column=reading.clock_column or None,
                )

    def changes(self, source: SourcePlan, column: ColumnPlan) -> dict[str, Any]:
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
            return {"reading": reading}
        must_be_readable = self.unreadable == "quarantine"
        return {"reading": reading, "role": _TYPES[self.type][1], "must_be_readable": must_be_readable}


class NullValues(ColumnAction):
    """Values that stand for a missing one, as bronze would write them."""

    layer, action = "bronze", "null_values"
    values: list[Text] = Field(min_length=1)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source, column, profile in _cleanable(facts):
            codes = [s for s in profile.sentinels if _fits(column, s.value)]
            if not codes:
                continue
            text = "; ".join(f"{s.value!r} in {s.rows:,} rows ({s.why})" for s in codes)
            rows, is_certain = sum(s.rows for s in codes), all(s.is_safe for s in codes)
            yield cls.proposal(
                source.name,
                column.name,
                f"Some values look like codes for a missing one: {text}.",
                evidence={"filled": profile.column.filled, "rows": rows, "certain": is_certain},
                values=[s.value for s in codes],
            )

    @property
    def may_be_accepted(self) -> bool:
        return bool(self.evidence.get("certain"))

    def changes(self, source: SourcePlan, column: ColumnPlan) -> dict[str, Any]:
        if column.role in _NOT_CLEANED or not all(_fits(column, v) for v in self.values):
            raise NotApplicable(f"{column.name} is a {column.type}, in which not all of these values can stand")
        return {"null_values": tuple(self.values)}


def _fits(column: ColumnPlan, value: str) -> bool:
    """Whether a code can stand for a value of the column's type; what cannot is null already."""
    if column.type in NUMBER_TYPES:
        return bool(re.fullmatch(r"-?\d+(\.\d+)?", value))
    if column.type == "timestamp":
        return bool(_ISO.fullmatch(value))
    return column.type == "text" and value.isprintable()


class FoldCase(ColumnAction):
    """How texts that differ only in case become one."""

    layer, action = "bronze", "fold_case"
    case: Literal["lower", "upper"] = "lower"

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source, column, profile in _cleanable(facts):
            texts = profile.texts
            if texts is None or not texts.case_groups or column.type != "text":
                continue
            examples = list(texts.case_examples)
            yield cls.proposal(
                source.name,
                column.name,
                f"{texts.case_groups:,} values are written in several ways that differ only in case, in "
                f"{texts.case_rows:,} rows.",
                evidence={"groups": texts.case_groups, "rows": texts.case_rows, "examples": examples},
            )

    def changes(self, source: SourcePlan, column: ColumnPlan) -> dict[str, Any]:
        if column.type != "text" or column.role in _NOT_CLEANED:
            raise NotApplicable(f"{column.name} is no ordinary text")
        return {"fold_case": self.case}


class Impute(ColumnAction):
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
        for source, column, profile in _cleanable(facts):
            if column.role != "number" or not source.has_events or column.early is None:
                continue
            if column.missing < FEW_MISSING * profile.column.rows or not profile.column.filled:
                continue
            yield cls.proposal(
                source.name,
                column.name,
                f"{column.missing:,} of {profile.column.rows:,} values are missing; aggregates leave them out "
                "unless something takes their place.",
                evidence={"missing": column.missing, "median": column.early.quantiles.get("p50")},
                how="none",
            )

    def changes(self, source: SourcePlan, column: ColumnPlan) -> dict[str, Any]:
        if self.how == "none":
            return {}
        if column.role in _NOT_CLEANED or (column.type == "text" and self.how in ("zero", "median")):
            raise NotApplicable(f"{column.name} is a {column.type}: it cannot be imputed by {self.how}")
        if self.how == "forward_fill" and not source.entity:
            raise NotApplicable(f"{source.name} has no column of customers of its own")
        value, fitted = "0" if self.how == "zero" else self.value or "", ""
        if self.how in ("median", "mode") and self.value is None:
            early = column.early
            known = None if early is None else early.mode if self.how == "mode" else early.quantiles.get("p50")
            if known in (None, ""):
                raise NotApplicable(f"nothing is known of {column.name} before the training cutoff")
            value, fitted = str(known), early.before.isoformat()
        return {"imputation": Imputation(self.how, value, fitted)}


class Outliers(ColumnAction):
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
        for source, column, profile in _cleanable(facts):
            early = column.early
            if column.role != "number" or not source.has_events or early is None or not early.beyond:
                continue
            numbers = profile.column.numbers
            yield cls.proposal(
                source.name,
                column.name,
                f"{early.beyond:,} values are far beyond 99.8 % of those before {early.before}, from "
                f"{numbers.minimum:g} to {numbers.maximum:g}.",
                evidence={"beyond": early.beyond, "minimum": numbers.minimum, "maximum": numbers.maximum},
                method="winsorize",
                tails=0.001,
            )

    def changes(self, source: SourcePlan, column: ColumnPlan) -> dict[str, Any]:
        if self.method == "none":
            return {}
        if column.type not in NUMBER_TYPES:
            raise NotApplicable(f"{column.name} is not read as a number")
        low, high = (self.low, self.high) if self.method == "bounds" else self._fitted(column)
        return {"low": low, "high": high, "is_bounded": self.then == "quarantine"}

    def _fitted(self, column: ColumnPlan) -> tuple[float, float]:
        early = column.early
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
            low, high = (quantiles[end] for end in _TAILS[self.tails or 0.001])
        if low >= high:
            raise NotApplicable(f"the bounds of {column.name} would leave a single value")
        digits = {"integer": 0, "double": 15}.get(column.type, column.reading.scale)
        return round(low, digits), round(high, digits)


class DropColumn(ColumnAction):
    """A column that nothing after the checked rows has."""

    layer, action = "bronze", "drop_column"

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in facts.data_sources:
            for column in source.columns:
                if column.role in ("empty", "constant"):
                    yield cls.proposal(
                        source.name,
                        column.name,
                        f"It is {column.role} and carries no information.",
                        evidence={"missing": column.missing, "of": source.counts.rows},
                    )

    def changes(self, source: SourcePlan, column: ColumnPlan) -> dict[str, Any]:
        if column.name in {source.entity, source.time, source.available, source.ended, *source.key}:
            raise NotApplicable(f"{column.name} is used")
        return {"is_dropped": True, "unused": column.unused or "it is dropped"}
