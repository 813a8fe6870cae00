"""How models are measured at several times of the past."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from python_ml.durations import fixed_hours
from python_ml.settings.section import EMPTY_LIST, Section

BacktestModel = Literal[
    "champion", "plain_lightgbm", "logistic_regression", "lightgbm", "xgboost", "random_forest"
]  # fmt: skip


class Backtest(Section):
    """Rolling origin over feature times, or repeated cross-validation; see docs/guides/backtesting.md."""

    enabled: bool = True
    origins: int = Field(5, ge=1, le=200)
    times: Annotated[tuple[datetime, ...], EMPTY_LIST] = ()
    models: tuple[BacktestModel, ...] = Field(("champion", "plain_lightgbm"), min_length=1)
    embargo: str | None = None
    repeats: int = Field(5, ge=1, le=100)
    folds: int = Field(5, ge=2, le=20)

    @field_validator("times", mode="before")
    @classmethod
    def _midnight(cls, values: Any) -> Any:
        # YAML reads 2024-05-01 as a date.
        if not isinstance(values, list | tuple):
            return values
        return [
            datetime(value.year, value.month, value.day)
            if isinstance(value, date) and not isinstance(value, datetime)
            else value
            for value in values
        ]

    @field_validator("times")
    @classmethod
    def _naive_utc(cls, values: tuple[datetime, ...]) -> tuple[datetime, ...]:
        naive = {value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value for value in values}
        return tuple(sorted(naive))

    @field_validator("embargo")
    @classmethod
    def _duration(cls, value: str | None) -> str | None:
        if value is not None and fixed_hours(value) is None:
            raise ValueError("write 0d, 36h or 2w, for instance, or null for the maturity lag")
        return value
