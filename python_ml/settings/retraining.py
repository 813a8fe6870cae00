"""When ``retention retrain`` trains again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from python_ml.settings.section import Section


class Retraining(Section):
    """Triggers of a retraining; see docs/guides/iterations.md. None switches a trigger off."""

    drifted_features: int | None = Field(1, ge=1)
    drifted_periods: int = Field(1, ge=1)
    metric: Literal["roc_auc", "pr_auc", "brier"] = "roc_auc"
    performance_drop: float | None = Field(0.03, gt=0)
    estimated_drop: float | None = Field(0.03, gt=0)
    age_periods: int | None = Field(None, ge=1)
    new_rows: float | None = Field(0.5, gt=0)
    least_new_periods: int = Field(1, ge=1)
