"""How models are fitted, measured and compared, and with which features."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from python_ml.settings.section import EMPTY_LIST, EMPTY_MAPPING, Section


class ModelSettings(Section):
    """One kind of model: whether it takes part, and parameters that replace our defaults."""

    enabled: bool = True
    parameters: Annotated[dict[str, Any], EMPTY_MAPPING] = Field(default_factory=dict)


class Models(Section):
    """The kinds of model, from the simplest to explain to the hardest."""

    logistic_regression: ModelSettings = ModelSettings()
    lightgbm: ModelSettings = ModelSettings()
    xgboost: ModelSettings = ModelSettings()
    random_forest: ModelSettings = ModelSettings()

    @model_validator(mode="after")
    def _one_enabled(self) -> Models:
        if not self.enabled:
            raise ValueError("at least one model must be enabled")
        return self

    @property
    def enabled(self) -> list[str]:
        """Names of the models that take part."""
        return [name for name in type(self).model_fields if getattr(self, name).enabled]


class Split(Section):
    """How the labelled feature times are divided; see docs/guides/training.md."""

    validation_share: float = Field(0.2, gt=0, lt=0.9)
    test_share: float = Field(0.2, gt=0, lt=0.9)
    validation_from: datetime | None = None
    test_from: datetime | None = None
    column: str | None = None

    @field_validator("validation_from", "test_from", mode="before")
    @classmethod
    def _midnight(cls, value: Any) -> Any:
        # YAML reads 2024-05-01 as a date; a split starts at its midnight.
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day)
        return value

    @field_validator("validation_from", "test_from")
    @classmethod
    def _naive_utc(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is not None:
            return value.astimezone(UTC).replace(tzinfo=None)
        return value

    @model_validator(mode="after")
    def _room_for_training(self) -> Split:
        if self.validation_share + self.test_share >= 0.95:
            raise ValueError("validation_share and test_share must leave some history to train on")
        if self.validation_from and self.test_from and self.validation_from >= self.test_from:
            raise ValueError("validation_from must lie before test_from")
        if self.column and (self.validation_from or self.test_from):
            raise ValueError("a split is given by column or by dates, not by both")
        return self


class Selection(Section):
    """Which model becomes champion."""

    metric: Literal["roc_auc", "pr_auc", "brier", "ece", "lift_at_10pct"] = "roc_auc"
    tolerance: float = Field(0.002, ge=0, lt=0.5)
    ensemble: bool = True


class CrossValidation(Section):
    """How rows without dates are divided; see docs/guides/tables_without_dates.md."""

    folds: int = Field(5, ge=2, le=20)


class Tuning(Section):
    """The search for better parameters, on validation folds only; see docs/guides/training.md."""

    enabled: bool = False
    minutes: float = Field(10, gt=0, le=10_000)
    trials: int | None = Field(None, ge=1)


class Training(Section):
    """How models are fitted, measured and compared."""

    seed: int = Field(20240229, ge=0, lt=2**31)
    calibration_folds: int = Field(5, ge=2, le=20)
    bootstrap_replicates: int = Field(500, ge=0, le=10_000)
    class_weight: Literal["none", "balanced"] = "none"
    resampling: Literal["none", "over", "under"] = "none"
    models: Models = Models()
    selection: Selection = Selection()
    split: Split = Split()
    cross_validation: CrossValidation = CrossValidation()
    tuning: Tuning = Tuning()

    @model_validator(mode="after")
    def _one_remedy(self) -> Training:
        if self.class_weight != "none" and self.resampling != "none":
            raise ValueError("class_weight and resampling do the same: choose one")
        return self


class Features(Section):
    """Which columns of the training set models may use, and how they see them.

    Everything fitted (power, rank, scales, target means) is fitted on training rows, inside the models' pipelines.
    """

    exclude: Annotated[tuple[str, ...], EMPTY_LIST] = ()
    transform: Annotated[dict[str, Literal["none", "asinh", "log", "power", "rank"]], EMPTY_MAPPING] = Field(
        default_factory=dict
    )
    scale: Annotated[dict[str, Literal["standard", "robust", "none"]], EMPTY_MAPPING] = Field(default_factory=dict)
    encode: Annotated[dict[str, Literal["one_hot", "target"]], EMPTY_MAPPING] = Field(default_factory=dict)
    monotone: Annotated[dict[str, Literal["increasing", "decreasing"]], EMPTY_MAPPING] = Field(default_factory=dict)

    def excluded(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of some features that ``exclude`` names, by their name or by a pattern such as ``tickets_body_*``."""
        return tuple(name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in self.exclude))
