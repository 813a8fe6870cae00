"""The charts of the profile, drawn by hand like those of the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from python_ml.reporting.svg import Drawing, Scale, nice_ceiling, ticks, time_ticks
from python_ml.reporting.words import counted, decimal, integer, percent

if TYPE_CHECKING:
    from python_ml.profiling.figures import RateOf
    from python_ml.profiling.schema import Cohort, Coverage, Findings, Histogram
    from python_ml.profiling.target_schema import AssociationOf

SMALL_WIDTH, SMALL_HEIGHT = 250.0, 62.0
MONTH_NAMES = ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D")
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def histogram(found: Histogram, name: str) -> Drawing:
    """Draw the distribution of a column of numbers; values beyond the ends stand apart as hollow bars."""
    low, high = found.edges[0], found.edges[-1]
    drawing = Drawing(SMALL_WIDTH, SMALL_HEIGHT, f"Distribution of {name}", f"From {plain(low)} to {plain(high)}")
    bottom = SMALL_HEIGHT - 16
    inner_low, inner_high = (16.0 if found.below else 0.0), SMALL_WIDTH - (16.0 if found.above else 0.0)
    x = Scale(low, high, inner_low, inner_high)
    y = Scale(0, max([*found.counts, found.below, found.above]) or 1, 0, bottom - 4)
    for count, left, right in zip(found.counts, found.edges[:-1], found.edges[1:], strict=True):
        if count:
            height = max(y(count), 1)
            tip = f"{plain(left)} to {plain(right)}: {counted(count, 'row')}"
            drawing.rect("bar subject", x(left) + 0.5, bottom - height, x(right) - x(left) - 1, height, tip)
    for count, at, word in ((found.below, 0.0, "below"), (found.above, SMALL_WIDTH - 12, "above")):
        if count:
            height = max(y(count), 1)
            drawing.rect("bar beyond", at + 1, bottom - height, 10, height, f"{word}: {counted(count, 'row')}")
    drawing.line("axis", 0, bottom, SMALL_WIDTH, bottom)
    drawing.label("tick", inner_low, SMALL_HEIGHT - 2, plain(low))
    drawing.label("tick", inner_high, SMALL_HEIGHT - 2, plain(high), "end")
    return drawing


def plain(value: float) -> str:
    """A number in few letters: ``1,250``, ``0.035``, ``1.2e+09``."""
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1e3 or abs(value) >= 1e9 else f"{value:,.0f}"


def columns_of(counts: list[int], names: tuple[str, ...], title: str) -> Drawing:
    """Draw counts by weekday or calendar month."""
    told = ", ".join(f"{name} {integer(count)}" for name, count in zip(names, counts, strict=True))
    drawing = Drawing(SMALL_WIDTH, 84, title, told)
    y, width = Scale(0, max(counts) or 1, 0, 56), SMALL_WIDTH / len(counts)
    for place, (name, count) in enumerate(zip(names, counts, strict=True)):
        height = max(y(count), 1) if count else 0
        drawing.rect("bar subject", place * width + 1.5, 64 - height, width - 3, height, counted(count, "row"))
        drawing.label("tick", place * width + width / 2, 80, name, "middle")
    drawing.line("axis", 0, 64, SMALL_WIDTH, 64)
    return drawing


def coverage(course: Coverage, width: float) -> Drawing:
    """Draw rows by month (or year) over the calendar, with gaps shaded."""
    import pandas as pd

    drawing = Drawing(
        width, 216, f"Rows by {course.unit}", f"From {course.first} to {course.last}; {course.trend_words}"
    )
    left, right, top, bottom = 58.0, width - 14, 26.0, 166.0
    starts = [pd.Timestamp(period.start) for period in course.periods]
    step = pd.DateOffset(**{f"{course.unit}s": 1})
    begin, end = starts[0], starts[-1] + step
    x = Scale(begin.value, end.value, left, right)
    y = Scale(0, nice_ceiling(max(period.rows for period in course.periods)), bottom, top)
    for gap in course.gaps:
        low, high = pd.Timestamp(gap.first), pd.Timestamp(gap.last) + pd.Timedelta(days=1)
        tip = f"no rows from {gap.first} to {gap.last}"
        drawing.rect("gap", x(low.value), top, max(x(high.value) - x(low.value), 1.5), bottom - top, tip)
    for value in ticks(0, y.high, 4):
        drawing.line("grid", left, y(value), right, y(value))
        drawing.label("tick", left - 7, y(value) + 4, integer(value), "end")
    for start, period in zip(starts, course.periods, strict=True):
        tip = f"{period.start[:7]}: {counted(period.rows, 'row')}"
        tip += f" of about {integer(period.entities)} entities" if period.entities else ""
        wide = x((start + step).value) - x(start.value)
        drawing.rect(
            "bar subject", x(start.value) + 0.4, y(period.rows), max(wide - 0.8, 0.6), bottom - y(period.rows), tip
        )
    drawing.line("axis", left, bottom, right, bottom)
    for time, label, year in time_ticks(begin, end, max(int((right - left) / 56), 3)):
        if time <= end:
            drawing.line("axis", x(time.value), bottom, x(time.value), bottom + 4)
            drawing.label("tick", x(time.value), bottom + 18, label, "middle")
            if year:
                drawing.label("tick strong", x(time.value), bottom + 33, year, "middle")
    drawing.label("axis-name", 0, 11, f"rows by {course.unit}")
    return drawing


def cohorts(found: list[Cohort], width: float) -> Drawing:
    """Draw entities by when they were first seen; the dark part was seen in the last 90 days."""
    drawing = Drawing(width, 190, "Entities by when they were first seen", f"{len(found)} cohorts")
    left, right, top, bottom = 58.0, width - 14, 26.0, 152.0
    y = Scale(0, nice_ceiling(max(cohort.entities for cohort in found)), bottom, top)
    step = (right - left) / len(found)
    for value in ticks(0, y.high, 4):
        drawing.line("grid", left, y(value), right, y(value))
        drawing.label("tick", left - 7, y(value) + 4, integer(value), "end")
    every = max(math.ceil(len(found) * 58 / (right - left)), 1)
    for place, cohort in enumerate(found):
        at, active = left + place * step, cohort.entities * cohort.recently_active
        tip = f"{cohort.start[:7]}: {integer(cohort.entities)} entities, {percent(cohort.recently_active)} seen lately"
        drawing.rect("bar quiet", at + 0.5, y(cohort.entities), max(step - 1, 0.6), bottom - y(cohort.entities), tip)
        drawing.rect("bar subject", at + 0.5, y(active), max(step - 1, 0.6), bottom - y(active), tip)
        if place % every == 0:
            drawing.label("tick", at + step / 2, bottom + 18, cohort.start[:7], "middle")
    drawing.line("axis", left, bottom, right, bottom)
    drawing.label("axis-name", 0, 11, "entities")
    return drawing


def course_of_association(found: list[AssociationOf], name: str) -> Drawing:
    """Draw an association by period in a table's cell: an AUC about the line of chance, or Cramer's V from zero."""
    values = [(p.auc.value if p.auc else p.cramers_v) or 0.0 for p in found]
    told = ", ".join(f"{p.period}: {decimal(value)}" for p, value in zip(found, values, strict=True))
    drawing = Drawing(120, 26, f"{name} by time", told)
    x, y = Scale(0, max(len(found) - 1, 1), 4, 116), Scale(0, 1, 24, 2)
    chance = y(0.5 if found[0].auc else 0.0)
    drawing.line("guide", 0, chance, 120, chance)
    drawing.path("line subject thin", [(x(place), y(value)) for place, value in enumerate(values)])
    for place, (point, value) in enumerate(zip(found, values, strict=True)):
        drawing.dot(
            "point subject", x(place), y(value), 2.5, f"{point.period}: {decimal(value)}, {counted(point.rows, 'row')}"
        )
    return drawing


def course_of_rate(found: list[RateOf], width: float) -> Drawing:
    """Draw the share of those who left by period, with its interval."""
    drawing = Drawing(width, 190, "Share that left, by period", f"{len(found)} periods")
    left, right, top, bottom = 58.0, width - 14, 26.0, 152.0
    y = Scale(0, min(nice_ceiling(max(rate.high for rate in found)), 1.0), bottom, top)
    x = Scale(-0.5, len(found) - 0.5, left, right)
    for value in ticks(0, y.high, 5):
        drawing.line("grid", left, y(value), right, y(value))
        drawing.label("tick", left - 7, y(value) + 4, percent(value, 0), "end")
    every = max(math.ceil(len(found) * 58 / (right - left)), 1)
    for place, rate in enumerate(found):
        tip = f"{rate.value}: {percent(rate.rate, 1)} of {counted(rate.rows, 'row')}"
        drawing.line("whisker subject", x(place), y(rate.low), x(place), y(rate.high))
        drawing.dot("point subject", x(place), y(rate.rate), 3, tip)
        if place % every == 0:
            drawing.label("tick", x(place), bottom + 18, rate.value, "middle")
    drawing.line("axis", left, bottom, right, bottom)
    drawing.label("axis-name", 0, 11, "share that left")
    return drawing


def relations(findings: Findings, width: float) -> Drawing:
    """Draw files as boxes and their links as lines: parents above, children below, level by level."""
    levels = _levels(findings)
    names = [file.name for file in findings.files]
    rows = {file.name: file.rows for file in findings.files}
    told = "; ".join(f"{k.child}.{k.child_column} to {k.parent}.{k.parent_column}" for k in findings.links)
    by_level = [[name for name in names if levels[name] == level] for level in range(max(levels.values()) + 1)]
    most = max(len(row) for row in by_level)
    box_width = min(190.0, (width - 16 * (most - 1)) / most)
    drawing = Drawing(width, 118.0 * len(by_level) - 60, "Files and their links", told)
    at: dict[str, tuple[float, float]] = {}
    for level, row in enumerate(by_level):
        step = width / len(row)
        at |= {name: (step * (place + 0.5), 118.0 * level + 4) for place, name in enumerate(row)}
    for link in findings.links:
        (x1, y1), (x2, y2) = at[link.parent], at[link.child]
        if levels[link.parent] == levels[link.child]:
            y1, y2, middle = y1 + 50, y2 + 50, y1 + 62
            drawing.path("link", [(x1, y1), (x1, middle), (x2, middle), (x2, y2)])
        else:
            drawing.line("link", x1, y1 + 50, x2, y2)
            middle = (y1 + 50 + y2) / 2 + 4
        text = f"{link.child_column} {link.cardinality}"
        text += "" if link.inclusion > 0.999 else f", {percent(link.inclusion)}"
        drawing.label("note-text halo", (x1 + 2 * x2) / 3, middle + 6, _cut(text, 28), "middle")
    for name, (x, y) in at.items():
        drawing.rect("box", x - box_width / 2, y, box_width, 50, name)
        drawing.label("row-name", x, y + 21, _cut(name, int(box_width / 7.6)), "middle")
        drawing.label("note-text", x, y + 39, counted(rows[name], "row"), "middle")
    return drawing


def _levels(findings: Findings) -> dict[str, int]:
    """How many links each file lies below one that points at nothing; circles end where they close."""
    parents: dict[str, set[str]] = {file.name: set() for file in findings.files}
    for link in findings.links:
        if link.cardinality != "n:m":
            parents[link.child].add(link.parent)

    def level(name: str, seen: frozenset[str]) -> int:
        above = [level(parent, seen | {name}) for parent in sorted(parents[name]) if parent not in seen | {name}]
        return 1 + max(above) if above else 0

    return {name: level(name, frozenset()) for name in parents}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(most - 1, 1)] + "…"
