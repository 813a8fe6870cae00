"""The charts of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.formatting import MONTHS, NO_BREAK, counted, date, integer, percent
from python_ml.report.curves import Bin, Curve
from python_ml.report.svg import COLOURS, NARROW, WIDE, draw

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

CURVE_SIZE, CURVE_MARGINS = (404.0, 368.0), (46.0, 20.0, 28.0, 46.0)
LINES = {
    "subject": {"color": COLOURS["subject"], "linewidth": 2.5},
    "recency": {"color": COLOURS["recency"], "linestyle": (0, (4, 1.7))},
    "oracle": {"color": COLOURS["oracle"], "linestyle": (0, (5, 1.7, 1.2, 1.7))},
    "random": {"color": COLOURS["random"], "linewidth": 1.25},
    "perfect": {"color": COLOURS["random"], "linewidth": 1.25, "linestyle": (0, (1.6, 2.4))},
}
GUIDE = {"color": COLOURS["muted"], "linewidth": 1, "linestyle": (0, (2, 3))}
POINT = {"color": COLOURS["subject"], "marker": "o", "markeredgecolor": COLOURS["paper"], "markeredgewidth": 1}
PERIODS = {"train": "muted", "validation": "recency", "test": "subject", "scoring": "high"}


@dataclass(frozen=True)
class Line:
    """A curve with its name, its kind (a key of :data:`LINES`) and a figure that sums it up."""

    name: str
    kind: str
    curve: Curve
    figure: str = ""


@dataclass(frozen=True)
class Band:
    """A risk band: its kind, number and share of customers, and the range of their probabilities."""

    kind: str
    count: int
    share: float
    low: float
    high: float


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


def both_widths(chart: Callable[..., Markup], *arguments: Any) -> tuple[Markup, Markup]:
    """Draw a chart for a wide and for a narrow window, so that its text keeps its size."""
    return chart(*arguments, WIDE), chart(*arguments, NARROW)


def _shares(axis: Any, high: float) -> None:
    """Write the ticks of an axis of shares as percentages."""
    places = 0 if high > 0.05 else 1
    axis.set_major_formatter(lambda share, _: f"{100 * share:.{places}f}{NO_BREAK}%")


def _counts(axes: Axes, ticks: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    axes.yaxis.set_major_formatter(lambda count, _: integer(count))


def curve_chart(
    name: str,
    title: str,
    description: str,
    lines: Sequence[Line],
    axis_names: tuple[str, str],
    y_high: float = 1.0,
    marked: tuple[float, float, str] | None = None,
) -> Markup:
    """Draw lines of shares against shares; the first line is the subject and lies on top.

    Parameters
    ----------
    axis_names : tuple of str
        Names of the x and the y axis.
    y_high : float
        Lines are cut at this share.
    marked : tuple, optional
        x and y of a point of the subject, and its label.
    """

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(xlim=(0, 1), xlabel=axis_names[0], title=axis_names[1])
        for line in reversed(lines):
            axes.plot(line.curve.x, np.minimum(line.curve.y, y_high), **LINES[line.kind])
        axes.set_ylim(0, y_high)
        _shares(axes.xaxis, 1.0)
        _shares(axes.yaxis, y_high)
        if marked:
            x, y, text = marked
            axes.plot([x, x], [0, y], **GUIDE)
            axes.plot(x, y, markersize=8, **POINT)
            # The corner below the diagonal is the one place that no line crosses.
            axes.text(1, 0.03, text, ha="right", transform=axes.transAxes)

    return draw(name, title, description, CURVE_SIZE, paint, CURVE_MARGINS)


def calibration_chart(
    title: str, description: str, bins: Sequence[Bin], probabilities: NDArray, name: str = "calibration-plot"
) -> Markup:
    """Draw observed against predicted rates with intervals, over a histogram of the predictions."""
    highest = max(max(b.predicted, b.high) for b in bins)
    high = min(1.04 * highest, 1.0)

    def paint(figure: Figure) -> None:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(6, 1), gridspec_kw={"hspace": 0.22})
        axes.set(xlim=(0, high), ylim=(0, high), title="share that churned")
        axes.plot([0, high], [0, high], **LINES["random"])
        axes.plot([b.predicted for b in bins], [b.observed for b in bins], color=COLOURS["subject"], linewidth=1.25)
        axes.vlines([b.predicted for b in bins], [b.low for b in bins], [b.high for b in bins], COLOURS["subject"])
        axes.plot([b.predicted for b in bins], [b.observed for b in bins], "none", markersize=7, **POINT)
        axes.tick_params(bottom=False)
        _shares(axes.yaxis, high)
        counts, edges = np.histogram(probabilities, bins=40, range=(0, high))
        _bars(below, edges, 0, _visible(counts, 30), COLOURS["quiet"], CURVE_SIZE[0] - 66)
        below.set(yticks=[], xlabel="predicted probability")
        _shares(below.xaxis, high)
        beyond = int((probabilities > high).sum())
        text = "rows by prediction" + (f" ({counted(beyond, 'row')} further right)" if beyond else "")
        below.text(1, 0.8, text, ha="right", transform=below.transAxes)

    return draw(name, title, description, CURVE_SIZE, paint, CURVE_MARGINS)


def _bars(axes: Axes, edges: NDArray, bottom: Any, top: Any, colour: str, pixels: float) -> None:
    """Draw the bars of a histogram as thick lines, one collection of which is faster than many patches."""
    shown = np.broadcast_to(top, len(edges) - 1) > bottom
    bottom, top = (np.broadcast_to(ends, len(shown))[shown] for ends in (bottom, top))
    thickness = 0.85 * pixels / len(shown)
    axes.vlines(((edges[:-1] + edges[1:]) / 2)[shown], bottom, top, colour, linewidth=thickness)


def _visible(counts: NDArray, pixels: float) -> NDArray:
    """Heights of bars on a plot of so many pixels, none of which is too low to be seen."""
    return np.where(counts > 0, np.maximum(counts, 1.2 * counts.max() / pixels), 0)


def score_chart(probabilities: NDArray, bands: Sequence[Band], kinds: NDArray, width: float) -> Markup:
    """Draw how many customers have which probability, coloured by risk band.

    Parameters
    ----------
    probabilities : ndarray of shape (n,)
        Probability per customer.
    bands : sequence of Band
        From the riskiest down; each but the last gets a line where it begins.
    kinds : ndarray of shape (n,)
        Kind of the band of each customer.
    width : float
        Width in pixels.
    """
    high = min(max(1.02 * float(probabilities.max()), 0.001), 1.0)
    edges = np.linspace(0, high, 51 if width == WIDE else 27)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(xlim=(0, high), xlabel="churn probability", title="customers")
        floor = np.zeros(len(edges) - 1)
        for band in reversed(bands):
            counts = _visible(np.histogram(probabilities[kinds == band.kind], edges)[0], 170)
            colour = COLOURS["random" if band.kind == "other" else band.kind]
            _bars(axes, edges, floor, floor + counts, colour, width - 66)
            floor = floor + counts
        axes.set_ylim(bottom=0)
        _counts(axes, 4)
        _shares(axes.xaxis, high)
        for place, band in enumerate(bands[:-1]):
            # The labels take turns in height, as two bands may begin close together.
            top = 1.03 + 0.09 * bool(place)
            axes.plot([band.low] * 2, [0, top + 0.05], transform=axes.get_xaxis_transform(), clip_on=False, **GUIDE)
            text = f"{band.kind} from {percent(band.low)}"
            fits = band.low / high * (width - 66) + 6.6 * len(text) < width - 70
            axes.annotate(
                text, (band.low, top), (6 if fits else -6, 0), axes.get_xaxis_transform(), "offset points",
                ha="left" if fits else "right",
            )  # fmt: skip

    parts = "; ".join(f"{band.kind}: {counted(band.count, 'customer')}" for band in bands)
    title = "Customers by churn probability"
    return draw(f"scores-{width:.0f}", title, f"Histogram. {parts}.", (width, 266), paint, (46, 20, 50, 46))


def base_rate_chart(outcomes: pd.DataFrame, periods: Sequence[Period], width: float) -> Markup:
    """Draw the share of customers who churned at each feature time, above the number of customers at risk.

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
    known, times = outcomes[outcomes["labelled"] > 0], outcomes["feature_timestamp"]
    start, end = times.iloc[0], times.iloc[-1]
    half = (end - start) / max(len(outcomes) - 1, 1) / 2
    # Single times with few customers have wide intervals, which do not decide the height of the axis.
    top = min(1.05 * max(float(known["high"].quantile(0.98)), float(known["rate"].max())), 1.0)

    def paint(figure: Figure) -> None:
        rates, counts = figure.subplots(2, 1, sharex=True, height_ratios=(165, 56), gridspec_kw={"hspace": 0.34})
        rates.set(xlim=(start - half, end + half), ylim=(0, top))
        rates.set_title("share that churned in the label window", pad=24)
        counts.set_title("customers at risk")
        for period in periods:
            left, right = max(period.start - half, start - half), min(period.end + half, end + half)
            if left >= right:
                continue
            for axes in (rates, counts):
                axes.axvspan(left, right, color=COLOURS[PERIODS[period.kind]], alpha=0.09, linewidth=0)
            if (right - left) / (end - start + 2 * half) * (width - 66) > 6.2 * len(period.name) + 5:
                rates.text(left, 1.03, f"{NO_BREAK}{period.name}", transform=rates.get_xaxis_transform())
        shown = known["feature_timestamp"].to_numpy()
        band = known["low"].to_numpy(), known["high"].clip(upper=top).to_numpy()
        rates.fill_between(shown, *band, color=COLOURS["subject"], alpha=0.16, linewidth=0)
        dots = {**POINT, "markersize": 6} if len(shown) <= 60 else {"color": COLOURS["subject"]}
        rates.plot(shown, known["rate"].to_numpy(), linewidth=2.5, **dots)
        rates.tick_params(bottom=False)
        _shares(rates.yaxis, top)
        thickness = max(min(0.6 * (width - 66) / len(outcomes), 14), 1)
        colours = [COLOURS["quiet" if labelled else "rule"] for labelled in outcomes["labelled"]]
        counts.vlines(times.to_numpy(), 0, outcomes["customers"].to_numpy(), colours, linewidth=thickness)
        counts.set_ylim(bottom=0)
        _counts(counts, 2)
        calendar(counts, start, end, width - 66)

    first, last = known.iloc[0], known.iloc[-1]
    description = (
        f"From {percent(first['rate'], 1)} at {date(first['feature_timestamp'])} to {percent(last['rate'], 1)} at "
        f"{date(last['feature_timestamp'])}; between {percent(known['rate'].min(), 1)} and "
        f"{percent(known['rate'].max(), 1)}."
    )
    title = "Share of customers who churned, over time"
    return draw(f"base-rate-{width:.0f}", title, description, (width, 336), paint, (52, 14, 40, 42))


def timeline_chart(periods: Sequence[Period], purge: str, width: float) -> Markup:
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
    wide = width == WIDE
    start, end = min(p.start for p in periods), max(p.label_end or p.end for p in periods)
    end = max(end, start + timedelta(days=1))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(xlim=(start - (end - start) / 80, end), ylim=(len(periods) - 0.5, -0.5), yticks=[])
        for row, period in enumerate(periods):
            colour = COLOURS[PERIODS[period.kind]]
            if row and period.kind != "scoring":
                axes.axvline(period.start, **GUIDE)
            if period.label_end is not None:
                axes.hlines(row, period.end, period.label_end, colour, linewidth=10, alpha=0.3)
            axes.hlines(row, period.start, period.end, colour, linewidth=4)
            axes.plot(period.times, [row] * len(period.times), "none", **{**POINT, "color": colour, "markersize": 7})
            label = partial(axes.annotate, xycoords=axes.get_yaxis_transform(), textcoords="offset points")
            bold = {"fontweight": "bold", "color": COLOURS["ink"]}
            if wide:
                label(period.name, (0, row), xytext=(-118, 2), **bold)
                label(period.note, (0, row), xytext=(-118, -13))
            else:
                label(f"{period.name}, {period.note}" if period.note else period.name, (0, row), xytext=(0, 14), **bold)
        calendar(axes, start, end, width - 140)

    spans = "; ".join(f"{p.name}: {date(p.start)} to {date(p.end)}" for p in periods)
    size = (width, 50 + (44 if wide else 62) * len(periods))
    margins = (120, 14, 8, 42) if wide else (8, 12, 8, 42)
    return draw(f"split-{width:.0f}", "Split by time", f"{spans}. Purge: {purge or 'none'}.", size, paint, margins)


def calendar(axes: Axes, start: pd.Timestamp, end: pd.Timestamp, pixels: float) -> None:
    """Label a time axis: months, or days where it is short, and the year wherever it changes."""
    from matplotlib.dates import AutoDateLocator, date2num, num2date

    locator = AutoDateLocator(minticks=4, maxticks=max(int(pixels / 52), 4))
    times = [num2date(tick).replace(tzinfo=None) for tick in locator.tick_values(start, end)]
    times = [time for time in times if start <= time <= end and time.hour == time.minute == 0]
    form = f"{{0.day}}{NO_BREAK}{{1}}" if end - start < timedelta(days=75) else "{1}"
    axes.set_xticks(times, [form.format(time, MONTHS[time.month - 1]) for time in times])
    for before, time in zip([None, *times], times, strict=False):
        if before is None or before.year != time.year:
            below = axes.get_xaxis_transform()
            axes.annotate(str(time.year), (date2num(time), 0), (0, -31), below, "offset points", ha="center")
