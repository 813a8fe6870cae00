"""Numbers, dates and names as reports and messages write them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from python_ml.durations import duration_text, fixed_hours
from python_ml.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

MISSING = "–"
NO_BREAK = "\u00a0"

MODEL_TITLES = {
    "logistic_regression": "Logistic regression",
    "random_forest": "Random forest",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "ensemble": "Ensemble",
    "champion": "Champion",
    "plain_lightgbm": "LightGBM's defaults",
    "recency": "Recency alone",
    "entity_rate": "Own past labels",
    "bg_nbd": "BG/NBD",
    "oracle": "Oracle",
}
METRIC_TITLES = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "brier": "Brier score",
    "ece": "calibration error",
    "lift_at_10pct": "lift at 10 %",
}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def number(value: Any) -> float | None:
    """Read a finite number, or None: JSON may hold null, NaN or text where a figure was expected."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    return float(value) if math.isfinite(value) else None


def integer(value: Any) -> str:
    """Write a count: ``4,210``."""
    count = number(value)
    return MISSING if count is None else f"{round(count):,}"


def decimal(value: Any, places: int = 3) -> str:
    """Write a figure with fixed places, so that columns of figures align."""
    figure = number(value)
    if figure is None:
        return MISSING
    text = f"{figure:.{places}f}"
    return text.replace("-", "\u2212") if float(text) else text.lstrip("-")


def percent(value: Any, places: int | None = None) -> str:
    """Write a share as a percentage: one decimal place below 10 %, none above, never a false 0 or 100."""
    share = number(value)
    if share is None:
        return MISSING
    scaled = 100 * share
    if places is None:
        places = 1 if scaled < 10 else 0
        if 0 < scaled < 0.05:
            return f"<{NO_BREAK}0.1{NO_BREAK}%"
        if 99.5 <= scaled < 100:
            places = 1
        if 99.95 <= scaled < 100:
            return f">{NO_BREAK}99.9{NO_BREAK}%"
        if scaled == 0:
            places = 0
    return f"{scaled:.{places}f}{NO_BREAK}%"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines of text with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def counted(count: Any, noun: str, plural: str | None = None) -> str:
    """Write a count with its noun: ``1 customer``, ``4,210 customers``."""
    form = noun if number(count) == 1 else plural or f"{noun}s"
    return f"{integer(count)} {form}"


def moment(value: Any) -> pd.Timestamp | None:
    """Read a time as naive UTC, or None when there is none."""
    import pandas as pd

    if value is None or value == "":
        return None
    try:
        time = pd.Timestamp(value)
    except (ValueError, TypeError):
        return None
    if time is pd.NaT:
        return None
    return time.tz_convert(None) if time.tzinfo else time


def date(value: Any) -> str:
    """Write a time as ``1 March 2025``, with the time of day when it is not midnight."""
    time = moment(value)
    if time is None:
        return MISSING
    day = f"{time.day}{NO_BREAK}{LONG_MONTHS[time.month - 1]}{NO_BREAK}{time.year}"
    return day if time == time.normalize() else f"{day}, {time:%H:%M}{NO_BREAK}UTC"


def duration(text: Any) -> str:
    """Write a duration of the configuration in full: ``30d`` is ``30 days``; any other text as it is."""
    try:
        return duration_text(str(text or "").strip()).replace(" ", NO_BREAK)
    except UserError:
        return str(text) if text else MISSING


def span(text: Any) -> timedelta | None:
    """Read a fixed duration (hours, days, weeks), or None when it is none."""
    hours = fixed_hours(str(text or "").strip())
    return None if hours is None else timedelta(hours=hours)


def model_title(name: Any) -> str:
    """Write a model's name as a title."""
    return MODEL_TITLES.get(str(name), str(name))


def key_text(value: Any) -> str:
    """Write a customer's key; a whole number that pandas holds as a float loses its ``.0``."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval, any part of which may be missing."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    places: int = 3
    unit: str = ""

    @classmethod
    def read(cls, figure: Any, places: int = 3, unit: str = "") -> Estimate:
        """Read ``{"value", "low", "high"}`` or a plain number of ``metrics.json``."""
        if isinstance(figure, dict):
            bounds = {key: number(figure.get(key)) for key in ("value", "low", "high")}
            return cls(**bounds, places=places, unit=unit)
        return cls(value=number(figure), places=places, unit=unit)

    def __bool__(self) -> bool:
        return self.value is not None

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return self.low is not None and self.high is not None

    @property
    def text(self) -> str:
        """The value."""
        return decimal(self.value, self.places) + (self.unit if self else "")

    @property
    def interval(self) -> str:
        """The interval, empty when there is none."""
        if not self.has_interval:
            return ""
        return f"{decimal(self.low, self.places)} to {decimal(self.high, self.places)}"

    @property
    def text_with_interval(self) -> str:
        """The value, and its interval in parentheses where there is one."""
        return f"{self.text} ({self.interval})" if self.has_interval else self.text

    @property
    def exact(self) -> str:
        """The value with every digit, for machines."""
        return "" if self.value is None else repr(self.value)
