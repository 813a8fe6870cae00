"""Windows: their lengths, their order, and how they read in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable

from python_ml.errors import UserError

ALL_TIME = "all_time"
_HOURS = {"h": 1, "d": 24, "w": 168}
_UNITS = {"h": "hour", "d": "day", "w": "week"}


def sorted_windows(windows: Iterable[str]) -> list[str]:
    """Windows from short to long, ``all_time`` last: the order of the macro's columns.

    Raises
    ------
    UserError
        When a window is not ``<n>h``, ``<n>d``, ``<n>w`` or ``all_time``.
    """
    return sorted(windows, key=window_hours)


def window_hours(window: str) -> float:
    """Length of a window in hours (infinite for ``all_time``)."""
    if window == ALL_TIME:
        return float("inf")
    match = re.fullmatch(r"(\d+)([hdw])", window)
    if not match:
        raise UserError(
            f"`{window}` is not a window.",
            where="windows",
            hint="write 24h, 7d, 2w or all_time, for instance",
        )
    return int(match[1]) * _HOURS[match[2]]


def days(duration: str) -> float:
    """Length of a duration such as ``36h``, ``30d`` or ``2w`` in days (infinite for ``all_time``).

    Raises
    ------
    UserError
        When it is none of these.

    Examples
    --------
    >>> days("36h"), days("2w")
    (1.5, 14.0)
    """
    return window_hours(duration) / 24


def window_text(window: str) -> str:
    """A window in a sentence: ``in the 30 days before``."""
    if window == ALL_TIME:
        return "at any time before"
    return f"in the {duration_text(window)} before"


def duration_text(duration: str) -> str:
    """A duration in a sentence: ``30 days``."""
    number, unit = int(duration[:-1]), _UNITS[duration[-1]]
    return f"{number} {unit}{'' if number == 1 else 's'}"
