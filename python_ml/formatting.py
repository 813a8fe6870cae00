"""Figures, dates and names as a reader of the report sees them."""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

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
    "recency": "Recency alone",
    "oracle": "Oracle",
}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
UNITS = {"h": "hour", "d": "day", "w": "week"}


def number(value: Any) -> float | None:
    """Read a finite number, or None: JSON may hold null, NaN or text where a figure was expected."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    return float(value) if math.isfinite(value) else None


def integer(value: Any) -> str:
    """Write a count: ``4,210``."""
    found = number(value)
    return MISSING if found is None else f"{round(found):,}"


def decimal(value: Any, places: int = 3) -> str:
    """Write a figure with fixed places, so that columns of figures align."""
    found = number(value)
    if found is None:
        return MISSING
    text = f"{found:.{places}f}"
    return text.replace("-", "\u2212") if float(text) else text.lstrip("-")


def percent(value: Any, places: int | None = None) -> str:
    """Write a share as a percentage: one decimal place below 10 %, none above, never a false 0 or 100."""
    found = number(value)
    if found is None:
        return MISSING
    scaled = 100 * found
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
        found = pd.Timestamp(value)
    except (ValueError, TypeError):
        return None
    if found is pd.NaT:
        return None
    return found.tz_convert(None) if found.tzinfo else found


def date(value: Any) -> str:
    """Write a time as ``1 March 2025``, with the time of day when it is not midnight."""
    found = moment(value)
    if found is None:
        return MISSING
    day = f"{found.day}{NO_BREAK}{LONG_MONTHS[found.month - 1]}{NO_BREAK}{found.year}"
    return day if found == found.normalize() else f"{day}, {found:%H:%M}{NO_BREAK}UTC"


def duration(text: Any) -> str:
    """Write a duration of the configuration in words: ``30d`` is ``30 days``."""
    match = re.fullmatch(r"(\d+)\s*(h|d|w|months?)", str(text or "").strip())
    if match is None:
        return str(text) if text else MISSING
    unit = UNITS.get(match[2], "month")
    return f"{match[1]}{NO_BREAK}{unit}{'' if match[1] == '1' else 's'}"


def span(text: Any) -> timedelta | None:
    """Read a fixed duration (hours, days, weeks), or None when it is none."""
    match = re.fullmatch(r"(\d+)\s*(h|d|w)", str(text or "").strip())
    return timedelta(hours=int(match[1]) * {"h": 1, "d": 24, "w": 168}[match[2]]) if match else None


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
    def read(cls, found: Any, places: int = 3, unit: str = "") -> Estimate:
        """Read ``{"value", "low", "high"}`` or a plain number of ``metrics.json``."""
        if isinstance(found, dict):
            bounds = {key: number(found.get(key)) for key in ("value", "low", "high")}
            return cls(**bounds, places=places, unit=unit)
        return cls(value=number(found), places=places, unit=unit)

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
    def exact(self) -> str:
        """The value with every digit, for machines."""
        return "" if self.value is None else repr(self.value)
