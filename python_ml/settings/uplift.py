"""Where offers with a randomised control are logged, and how their effect is estimated."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from python_ml.settings.section import EMPTY_LIST, TABLE_NAME, Section

LearnerName = Literal[
    "s_lasso", "t_logistic", "x_lightgbm", "t_lightgbm", "dr_econml", "r_econml", "causal_forest_econml"
]


class Uplift(Section):
    """An experiment with offers; without a ``table`` nothing is estimated. See docs/guides/uplift.md."""

    table: Annotated[str, TABLE_NAME] | None = None
    time: str | None = Field(None, min_length=1)
    arm: str | None = Field(None, min_length=1)
    control: str | None = Field(None, min_length=1)
    treated: str | None = Field(None, min_length=1)
    probability: float | str | None = None
    learners: Annotated[tuple[LearnerName, ...], EMPTY_LIST] = ("s_lasso", "t_logistic", "x_lightgbm", "t_lightgbm")
    folds: int = Field(5, ge=2, le=20)
    test_share: float = Field(0.3, gt=0, lt=0.9)
    test_from: datetime | None = None
    contact_share: float = Field(0.3, gt=0, lt=1)

    @field_validator("test_from", mode="before")
    @classmethod
    def _midnight(cls, value: Any) -> Any:
        # YAML reads 2024-05-01 as a date; the test starts at its midnight.
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day)
        return value

    @field_validator("probability")
    @classmethod
    def _is_a_chance(cls, value: float | str | None) -> float | str | None:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("the probability of an offer lies between 0 and 1; else it is the name of a column")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Uplift:
        missing = [name for name in ("time", "arm", "control") if self.table and getattr(self, name) is None]
        if missing:
            raise ValueError(f"an experiment needs table, time, arm and control; missing: {', '.join(missing)}")
        if self.table and not self.learners:
            raise ValueError("at least one learner must take part")
        if self.treated is not None and self.treated == self.control:
            raise ValueError("the treated arm and the control are the same")
        return self

    @property
    def is_configured(self) -> bool:
        """Whether an experiment is named."""
        return self.table is not None
