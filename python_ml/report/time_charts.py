"""The charts with a calendar on their axis: the base rate over time, and how time was split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.formatting import counted, date, percent
from python_ml.report.svg import Drawing, LinearScale, nice_ceiling, ticks, time_ticks

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Period:
    """A period of a split: its feature times, and where the label window of the last one ends."""

    name: str
    kind: str
    start: pd.Timestamp
    end: pd.Timestamp
    times: tuple[pd.Timestamp, ...] = ()
    label_end: pd.Timestamp | None = None
    note: str = ""


def _calendar(drawing: Drawing, x: LinearScale, start: pd.Timestamp, end: pd.Timestamp, y: float) -> None:
    most = max(int((x.end - x.start) / 52), 3)
    for time, label, year in time_ticks(start, end, most):
        at = x(time.value)
        drawing.line("axis", at, y, at, y + 4)
        drawing.label("tick", at, y + 18, label, "middle")
        if year:
            drawing.label("tick strong", at, y + 33, year, "middle")


def base_rate_chart(outcomes: pd.DataFrame, periods: Sequence[Period], width: float) -> Drawing:
    """Draw the share of customers who left at each feature time, above the number of customers at risk.

    Parameters
    ----------
    outcomes : pandas.DataFrame
        Sorted by ``feature_timestamp``: ``customers``, ``labelled``, ``rate``, ``low``, ``high`` (null where
        no outcome is known yet).
    periods : sequence of Period
        Shaded behind the line.
    width : float
        Width in pixels.
    """
    known = outcomes[outcomes["labelled"] > 0]
    start, end = outcomes["feature_timestamp"].iloc[[0, -1]]
    drawing = Drawing(
        width, 336, "Share of customers who left, over time",
        f"From {percent(known['rate'].iloc[0], 1)} at {date(known['feature_timestamp'].iloc[0])} to "
        f"{percent(known['rate'].iloc[-1], 1)} at {date(known['feature_timestamp'].iloc[-1])}; between "
        f"{percent(known['rate'].min(), 1)} and {percent(known['rate'].max(), 1)}.",
    )  # fmt: skip
    left, right, top, middle, bottom = 52.0, width - 14, 38.0, 204.0, 294.0
    x = LinearScale(start.value, end.value, left + 8, right - 8)
    y = LinearScale(0, min(nice_ceiling(float(known["high"].quantile(0.98))), 1.0), middle, top)
    # Shading reaches half a step to either side, so that it holds the dots of its first and last time.
    half = (x.end - x.start) / max(len(outcomes) - 1, 1) / 2
    for period in periods:
        a, b = max(x(period.start.value) - half, left), min(x(period.end.value) + half, right)
        if b > a:
            drawing.rect(f"period {period.kind}", a, top - 17, b - a, bottom - top + 17)
            if b - a > 6.2 * len(period.name) + 5:
                drawing.label("note-text", a + 5, top - 4, period.name)
    for value in ticks(0, y.high, 5):
        drawing.line("grid", left, y(value), right, y(value))
        drawing.label("tick", left - 7, y(value) + 4, percent(value, 0 if y.high > 0.05 else 1), "end")
    times = [x(time.value) for time in known["feature_timestamp"]]
    upper = [(a, max(y(b), top)) for a, b in zip(times, known["high"], strict=True)]
    lower = [(a, y(b)) for a, b in zip(times, known["low"], strict=True)]
    if len(times) > 1:
        drawing.path("area", [*upper, *reversed(lower)], closed=True)
        drawing.path("line subject", zip(times, [y(rate) for rate in known["rate"]], strict=True))
    if len(times) <= 60:
        for at, row in zip(times, known.itertuples(), strict=True):
            tip = (
                f"{date(row.feature_timestamp)}: {percent(row.rate, 1)} of "
                f"{counted(row.labelled, 'customer')} left ({percent(row.low, 1)} to {percent(row.high, 1)})"
            )
            drawing.dot("point subject", at, y(row.rate), 3, tip)
    drawing.line("axis", left, middle, right, middle)
    drawing.label("axis-name", 0, 11, "share that left in the label window")
    _counts(drawing, outcomes, x, middle + 34, bottom, left, right)
    _calendar(drawing, x, start, end, bottom)
    return drawing


def _counts(
    drawing: Drawing, outcomes: pd.DataFrame, x: LinearScale, top: float, bottom: float, left: float, right: float
) -> None:
    """Draw the number of customers at risk as bars; hollow where the outcome is not known yet."""
    y = LinearScale(0, nice_ceiling(float(outcomes["customers"].max())), bottom, top)
    thick = min(max(0.6 * (x.end - x.start) / max(len(outcomes), 1), 1), 14)
    for row in outcomes.itertuples():
        kind = "bar quiet" if row.labelled else "bar hollow"
        tip = f"{date(row.feature_timestamp)}: {counted(row.customers, 'customer')} at risk"
        tip += "" if row.labelled else ", outcome not known yet"
        drawing.rect(
            kind,
            x(row.feature_timestamp.value) - thick / 2,
            y(row.customers),
            thick,
            bottom - y(row.customers),
            tip,
        )
    for value in (0, y.high):
        drawing.label("tick", left - 7, y(value) + 4, f"{value:,.0f}", "end")
    drawing.line("axis", left, bottom, right, bottom)
    drawing.label("axis-name", 0, top - 14, "customers at risk")


def timeline_chart(periods: Sequence[Period], purge: str, width: float) -> Drawing:
    """Draw the feature times of each period and the label windows that follow them.

    Parameters
    ----------
    periods : sequence of Period
        In the order of time.
    purge : str
        The purge in words, empty when there is none.
    width : float
        Width in pixels.
    """
    wide = width > 600
    left, right = (118.0, width - 14) if wide else (8.0, width - 12)
    row, top = (44.0, 14.0) if wide else (62.0, 6.0)
    bottom = top + row * len(periods)
    start = min(period.start for period in periods)
    end = max(period.label_end or period.end for period in periods)
    said = "; ".join(f"{p.name}: {date(p.start)} to {date(p.end)}" for p in periods)
    drawing = Drawing(width, bottom + 42, "How time was split", f"{said}. Purge: {purge or 'none'}.")
    x = LinearScale(start.value, end.value, left + 6, right)
    for period in [period for period in periods[1:] if period.kind != "scoring"]:
        drawing.line("guide", x(period.start.value), top, x(period.start.value), bottom)
    for index, period in enumerate(periods):
        y = top + row * index + (row / 2 if wide else row - 18)
        a, b = x(period.start.value), x(period.end.value)
        if wide:
            drawing.label("row-name", 0, y - 2, period.name)
            drawing.label("note-text", 0, y + 13, period.note)
        else:
            drawing.label("row-name", left, y - 24, f"{period.name}, {period.note}" if period.note else period.name)
        if period.label_end is not None:
            drawing.rect(f"window {period.kind}", b, y - 5, x(period.label_end.value) - b, 10,
                         f"label window of the last feature time, to {date(period.label_end)}")  # fmt: skip
        drawing.rect(f"bar {period.kind}", a, y - 2, max(b - a, 2), 4)
        for time in period.times if len(period.times) <= 120 else ():
            drawing.dot(f"point {period.kind}", x(time.value), y, 3.5, date(time))
    drawing.line("axis", left, bottom, right, bottom)
    _calendar(drawing, x, start, end, bottom)
    return drawing
