"""Durations and windows: their lengths, their order, and how they read in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable

from python_ml.errors import UserError

ALL_TIME = "all_time"
_HOURS = {"h": 1, "d": 24, "w": 168}
_UNITS = {"h": "hour", "d": "day", "w": "week", "month": "month", "months": "month"}
_DURATION = re.compile(r"(\d+)\s*(h|d|w|months?)")


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
    if not re.fullmatch(r"\d+[hdw]", window):
        raise UserError(
            f"`{window}` is not a window.",
            where="windows",
            hint="write 24h, 7d, 2w or all_time, for instance",
        )
    return fixed_hours(window)


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


def fixed_hours(duration: str) -> int | None:
    """Length of a duration in hours; None where it is none, or has no fixed length, such as a month.

    Examples
    --------
    >>> fixed_hours("2 w"), fixed_hours("1 month")
    (336, None)
    """
    match = _DURATION.fullmatch(duration)
    return int(match[1]) * _HOURS[match[2]] if match and match[2] in _HOURS else None


def window_text(window: str) -> str:
    """A window in a sentence: ``in the 30 days before``."""
    if window == ALL_TIME:
        return "at any time before"
    return f"in the {duration_text(window)} before"


def duration_text(duration: str) -> str:
    """A duration in a sentence: ``30 days``.

    Raises
    ------
    UserError
        When it is no duration.
    """
    match = _DURATION.fullmatch(duration)
    if not match:
        raise UserError(f"`{duration}` is not a duration.", where="durations", hint="write 36h or 30d, for instance")
    number, unit = int(match[1]), _UNITS[match[2]]
    return f"{number} {unit}{'' if number == 1 else 's'}"
