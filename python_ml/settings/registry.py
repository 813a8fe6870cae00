"""When a new version of the model replaces the champion."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from python_ml.settings.section import Section


class Promotion(Section):
    """What a challenger must show against the champion; see docs/guides/models.md."""

    metric: Literal["roc_auc", "pr_auc", "brier", "lift_at_10pct"] = "roc_auc"
    confidence: float = Field(0.95, gt=0.5, lt=1)
    margin: float = Field(0.0, ge=0)
    calibration_tolerance: float = Field(0.01, ge=0)
    fairness_tolerance: float = Field(0.05, ge=0)


class Registry(Section):
    """How versions of the model replace each other."""

    promotion: Promotion = Promotion()
