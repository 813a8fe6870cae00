"""Drawings as data: marks, scales and ticks. The template turns them into SVG, escaping every text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from python_ml.formatting import MONTHS

if TYPE_CHECKING:
    import pandas as pd

# Widths, in CSS pixels, of drawings that fill the column of a wide and of a narrow window.
WIDE, NARROW = 840.0, 380.0


@dataclass(frozen=True)
class Mark:
    """One SVG element: its tag, attributes, text and tooltip."""

    tag: str
    attributes: dict[str, Any]
    text: str = ""
    tip: str = ""


@dataclass
class Drawing:
    """A drawing of a fixed size in CSS pixels, with the words that stand for it where it is not seen."""

    width: float
    height: float
    title: str
    description: str
    marks: list[Mark] = field(default_factory=list)

    def add(self, tag: str, kind: str, text: str = "", tip: str = "", **attributes: Any) -> None:
        """Add an element of CSS class ``kind``; underscores in attribute names become hyphens."""
        cleaned = {
            name.replace("_", "-"): _short(value) if isinstance(value, float | int) else value
            for name, value in attributes.items()
        }
        self.marks.append(Mark(tag, {"class": kind, **cleaned}, text, tip))

    def line(self, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
        """Add a straight line."""
        self.add("line", kind, x1=x1, y1=y1, x2=x2, y2=y2)

    def rect(self, kind: str, x: float, y: float, width: float, height: float, tip: str = "") -> None:
        """Add a rectangle."""
        self.add("rect", kind, tip=tip, x=x, y=y, width=max(width, 0), height=max(height, 0))

    def dot(self, kind: str, x: float, y: float, radius: float, tip: str = "") -> None:
        """Add a circle."""
        self.add("circle", kind, tip=tip, cx=x, cy=y, r=radius)

    def label(self, kind: str, x: float, y: float, text: str, anchor: str = "start") -> None:
        """Add text with its baseline at ``y``."""
        self.add("text", kind, text=text, x=x, y=y, text_anchor=anchor)

    def path(self, kind: str, points: Iterable[tuple[float, float]], closed: bool = False) -> None:
        """Add a line through points, closed into an area on request."""
        steps = " ".join(f"{_short(x)},{_short(y)}" for x, y in points)
        if steps:
            self.add("path", kind, d=f"M{steps}" + ("Z" if closed else ""))


def _short(value: float) -> str:
    """Write a coordinate with one decimal place at most: finer is invisible and makes pages large."""
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 0.05 else "0"


@dataclass(frozen=True)
class LinearScale:
    """A linear map from data to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        extent = (self.high - self.low) or 1.0
        return self.start + (float(value) - self.low) / extent * (self.end - self.start)


def nice_ceiling(value: float) -> float:
    """Round up to a number that makes a good end of an axis."""
    if not value > 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    steps = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(round(step * unit, 12) for step in steps if step * unit >= value * (1 - 1e-9))


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values between ``low`` and ``high``, at most ``most`` of them and a step of 1, 2 or 5."""
    extent = high - low
    if not extent > 0:
        return [low]
    unit = 10.0 ** math.floor(math.log10(extent / most))
    step = next(s * unit for s in (1, 2, 5, 10, 20) if math.floor(extent / (s * unit) + 1e-9) + 1 <= most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def time_ticks(start: pd.Timestamp, end: pd.Timestamp, most: int) -> list[tuple[pd.Timestamp, str, str]]:
    """Calendar ticks between two times: each with a label and, where a year begins, the year.

    The first tick carries its year too.
    """
    import pandas as pd

    days = max((end - start).days, 1)
    if days > 75:
        steps = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600)
        step = next((s for s in steps if days / (30.44 * s) <= most), 1200)
        first, months = pd.Timestamp(start.year, 1, 1), 12 * (end.year - start.year) + end.month
        times = [first + pd.DateOffset(months=month) for month in range(0, months, step)]
        labels = [MONTHS[time.month - 1] for time in times]
    else:
        step = next((s for s in (1, 2, 5, 7, 14, 28) if days / s <= most), 56)
        times = list(pd.date_range(start.normalize(), end, freq=f"{step}D"))
        labels = [f"{time.day}\u00a0{MONTHS[time.month - 1]}" for time in times]
    found, seen = [], None
    for time, label in zip(times, labels, strict=True):
        if time >= start:
            found.append((time, label, str(time.year) if time.year != seen else ""))
            seen = time.year
    return found
