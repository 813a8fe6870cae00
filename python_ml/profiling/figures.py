"""What findings are made of: rounded figures, times as text, estimates with their intervals."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _significant(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    rounded = float(f"{value:.6g}")
    return int(rounded) if isinstance(value, int) and rounded == value else rounded


def _time_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(" ") if value.time() != datetime.min.time() else value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else value


Figure = Annotated[float, BeforeValidator(_significant)]
MaybeFigure = Annotated[float | None, BeforeValidator(_significant)]
Moment = Annotated[str, BeforeValidator(_time_text)]


class Part(BaseModel):
    """A part of the findings: unknown fields are refused, and nothing changes once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Estimate(Part):
    """A figure with its 95 % interval."""

    value: Figure
    low: MaybeFigure = None
    high: MaybeFigure = None


class RateOf(Part):
    """Share of those who left among the rows with a value."""

    value: str
    rows: int
    rate: Figure
    low: Figure
    high: Figure
