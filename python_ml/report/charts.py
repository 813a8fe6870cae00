"""The charts of the report, composed by hand so that they stay small, sharp and readable on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.formatting import Estimate, counted, decimal, integer, percent
from python_ml.report.curves import Bin, Curve, thin
from python_ml.report.svg import Drawing, LinearScale, nice_ceiling, ticks

if TYPE_CHECKING:
    from numpy.typing import NDArray

CURVE_WIDTH, CURVE_HEIGHT = 404.0, 368.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 20.0, 28.0, 44.0


@dataclass(frozen=True)
class Line:
    """A curve with its name, its CSS class and a figure that sums it up."""

    name: str
    kind: str
    curve: Curve
    figure: str = ""


def _frame(
    drawing: Drawing, x_name: str, y_name: str, x_high: float = 1.0, y_high: float = 1.0, floor: float = 0.0
) -> tuple[LinearScale, LinearScale]:
    """Draw the axes for shares up to ``x_high`` and ``y_high``; ``floor`` pixels stay free below."""
    right, bottom = drawing.width - RIGHT, drawing.height - BOTTOM - floor
    x, y = LinearScale(0, x_high, LEFT, right), LinearScale(0, y_high, bottom, TOP)
    for value in ticks(0, y_high, 6):
        drawing.line("grid", LEFT, y(value), right, y(value))
        drawing.label("tick", LEFT - 7, y(value) + 4, _tick(value, y_high), "end")
    foot = drawing.height - BOTTOM
    for value in ticks(0, x_high, 6):
        drawing.line("axis", x(value), bottom, x(value), bottom + 4)
        drawing.label("tick", x(value), foot + 18, _tick(value, x_high), "middle")
    drawing.line("axis", LEFT, bottom, right, bottom)
    drawing.label("axis-name", right, foot + 36, x_name, "end")
    drawing.label("axis-name", 0, 11, y_name)
    return x, y


def _tick(value: float, high: float) -> str:
    scaled = round(100 * value, 6)
    places = 0 if high > 0.05 or scaled == int(scaled) else 1
    return f"{scaled:.{places}f}\u00a0%"


def curve_chart(
    lines: Sequence[Line], title: str, description: str, x_name: str, y_name: str, y_high: float = 1.0
) -> Drawing:
    """Draw lines of shares against shares; the first line is the subject and lies on top."""
    drawing = Drawing(CURVE_WIDTH, CURVE_HEIGHT, title, description)
    x, y = _frame(drawing, x_name, y_name, y_high=y_high)
    for line in reversed(lines):
        kept = thin(line.curve)
        # A precision of a few rows can exceed the axis; it is cut there rather than drawn over the title.
        points = [(x(a), max(y(b), TOP)) for a, b in zip(kept.x, kept.y, strict=True)]
        drawing.path(f"line {line.kind}", points)
    return drawing


def mark_share(drawing: Drawing, share: float, reached: float) -> None:
    """Mark on a gains chart how many leavers the first ``share`` of customers holds."""
    x = LinearScale(0, 1, LEFT, drawing.width - RIGHT)(share)
    y = LinearScale(0, 1, drawing.height - BOTTOM, TOP)(reached)
    drawing.line("guide", x, drawing.height - BOTTOM, x, y)
    drawing.dot("point subject", x, y, 4)
    # The corner below the diagonal is the one place that no line crosses.
    text = f"first {percent(share)} of customers: {percent(reached)} of leavers"
    drawing.label("note-text", drawing.width - RIGHT, drawing.height - BOTTOM - 10, text, "end")


def calibration_chart(bins: Sequence[Bin], probabilities: NDArray, title: str, description: str) -> Drawing:
    """Draw observed against predicted rates with intervals, over a histogram of the predictions."""
    drawing = Drawing(CURVE_WIDTH, CURVE_HEIGHT, title, description)
    floor = 46.0
    high = min(nice_ceiling(max(max(b.predicted, b.observed, min(b.high, 1.0)) for b in bins)), 1.0)
    x, y = _frame(drawing, "predicted probability", "share that left", high, high, floor=floor)
    drawing.path("line random", [(x(0), y(0)), (x(high), y(high))])
    foot = drawing.height - BOTTOM
    counts, edges = np.histogram(probabilities, bins=40, range=(0, high))
    tall = LinearScale(0, max(counts.max(), 1), 0, floor - 16)
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            height = max(tall(count), 1)
            tip = f"{percent(left, 1)} to {percent(right, 1)}: {counted(count, 'row')}"
            drawing.rect("bar quiet", x(left) + 0.5, foot - height, x(right) - x(left) - 1, height, tip)
    drawing.line("axis", LEFT, foot, drawing.width - RIGHT, foot)
    beyond = int((probabilities > high).sum())
    note = "rows by prediction" + (f" ({counted(beyond, 'row')} further right)" if beyond else "")
    drawing.label("note-text", drawing.width - RIGHT, foot - floor + 18, note, "end")
    drawing.path("line subject thin", [(x(b.predicted), y(b.observed)) for b in bins])
    for b in bins:
        tip = (
            f"predicted {percent(b.predicted, 1)}, left {percent(b.observed, 1)} "
            f"({percent(b.low, 1)} to {percent(b.high, 1)}), {counted(b.rows, 'row')}"
        )
        drawing.line("whisker subject", x(b.predicted), y(b.low), x(b.predicted), max(y(b.high), TOP))
        drawing.dot("point subject", x(b.predicted), y(b.observed), 3.5, tip)
    return drawing


WHISKER_WIDTH, WHISKER_HEIGHT = 104.0, 16.0


def whisker(estimate: Estimate, low: float, high: float, kind: str, title: str) -> Drawing:
    """Draw an estimate as a dot with its interval, on the scale that its column shares."""
    description = f"{title}: {estimate.text}" + (f" ({estimate.interval})" if estimate.has_interval else "")
    drawing = Drawing(WHISKER_WIDTH, WHISKER_HEIGHT, title, description)
    x, middle = LinearScale(low, high, 6, WHISKER_WIDTH - 6), WHISKER_HEIGHT / 2
    drawing.line("grid", 0, middle, WHISKER_WIDTH, middle)
    if estimate.has_interval:
        drawing.line(f"whisker {kind}", x(estimate.low), middle, x(estimate.high), middle)
    drawing.dot(f"point {kind}", x(estimate.value), middle, 4)
    return drawing


@dataclass(frozen=True)
class Band:
    """A risk band: name, number of customers, and the range of its probabilities."""

    name: str
    kind: str
    count: int
    share: float
    low: float
    high: float


def score_chart(probabilities: NDArray, bands: Sequence[Band], kinds: NDArray, width: float) -> Drawing:
    """Draw how many customers have which probability, coloured by risk band.

    Parameters
    ----------
    probabilities : ndarray of shape (n,)
        Probability per customer.
    bands : sequence of Band
        From the riskiest down; each gets a line where it begins.
    kinds : ndarray of shape (n,)
        CSS class of the band of each customer.
    width : float
        Width in pixels.
    """
    wide = width > 600
    parts = "; ".join(f"{band.name}: {counted(band.count, 'customer')}" for band in bands)
    drawing = Drawing(width, 266, "Customers by churn probability", f"Histogram. {parts}.")
    left, right, top, bottom = 46.0, width - 20, 50.0, 222.0
    high = min(nice_ceiling(float(probabilities.max())), 1.0)
    edges = np.linspace(0, high, (50 if wide else 26) + 1)
    x = LinearScale(0, high, left, right)
    counts = {kind: np.histogram(probabilities[kinds == kind], bins=edges)[0] for kind in dict.fromkeys(kinds)}
    total = sum(counts.values())
    y = LinearScale(0, nice_ceiling(float(total.max())), bottom, top)
    for value in ticks(0, y.high, 4):
        if value == int(value):
            drawing.line("grid", left, y(value), right, y(value))
            drawing.label("tick", left - 7, y(value) + 4, integer(value), "end")
    for index in range(len(edges) - 1):
        base = bottom
        for band in reversed(bands):
            count = int(counts.get(band.kind, np.zeros(len(edges)))[index])
            if count:
                height = max(bottom - y(count), 1.2)
                base -= height
                tip = (
                    f"{percent(edges[index], 1)} to {percent(edges[index + 1], 1)}, {band.name}: "
                    f"{counted(count, 'customer')}"
                )
                drawing.rect(
                    f"bar {band.kind}",
                    x(edges[index]) + 0.5,
                    base,
                    x(edges[index + 1]) - x(edges[index]) - 1,
                    height,
                    tip,
                )
    for band in bands[:-1]:
        drawing.line("guide", x(band.low), top - 20 - 15 * (band is not bands[0]), x(band.low), bottom)
        text = f"{band.name} from {percent(band.low)}"
        fits = x(band.low) + 7 + 6.6 * len(text) < right
        # The labels take turns in height, as two bands may begin close together.
        at, height = x(band.low) + (6 if fits else -6), top - 10 - 15 * (band is not bands[0])
        drawing.label("note-text", at, height, text, "start" if fits else "end")
    drawing.line("axis", left, bottom, right, bottom)
    for value in ticks(0, high, 11 if wide else 6):
        drawing.line("axis", x(value), bottom, x(value), bottom + 4)
        drawing.label("tick", x(value), bottom + 18, _tick(value, high), "middle")
    drawing.label("axis-name", right, bottom + 37, "churn probability", "end")
    drawing.label("axis-name", 0, 11, "customers")
    return drawing


def bar(value: float, longest: float, kind: str, title: str, width: float = 220.0) -> Drawing:
    """Draw one horizontal bar on a scale that ends at ``longest``."""
    drawing = Drawing(width, 14, title, f"{title}: {decimal(value)}")
    drawing.rect(f"bar {kind}", 0, 1, max(LinearScale(0, longest or 1, 0, width)(value), 1), 12)
    return drawing


def strip(bands: Sequence[Band]) -> Drawing:
    """Draw the bands as parts of one bar; the page stretches it to the width of the text."""
    parts = ", ".join(f"{band.name} {percent(band.share)}" for band in bands)
    drawing = Drawing(1000, 10, "Customers by risk band", parts)
    at = 0.0
    for band in bands:
        length = 1000 * band.share
        drawing.rect(f"bar {band.kind}", at, 0, max(length - (3 if band is not bands[-1] else 0), 1), 10)
        at += length
    return drawing
