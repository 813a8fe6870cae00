"""The charts of monitoring: how a distribution moved, and figures by period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from python_ml.formatting import MONTHS, NO_BREAK, date, decimal, percent
from python_ml.monitor.drift import DRIFT, WARNING
from python_ml.report.charts import CURVE_SIZE, GUIDE, POINT
from python_ml.report.svg import COLOURS, draw

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from python_ml.monitor.drift_table import Panel

WIDTH = CURVE_SIZE[0]
BARS = (112.0, 130.0)  # where the bars of a distribution begin, and how wide they may be
SERIES = (292.0, 104.0, 92.0)  # where the series beside it begins, its width and its height
TOP, BIN = 24.0, 17.0
MOST_CATEGORIES = 10
LONGEST_LABEL = 15
MOST_TICKS = 6
STATUS_COLOURS = {DRIFT: "high", WARNING: "medium"}


@dataclass(frozen=True)
class Series:
    """Figures by period, with their intervals where both ends are known.

    Attributes
    ----------
    name : str
    colour : str
        Of :data:`python_ml.report.svg.COLOURS`.
    points : sequence of tuple
        Period, value, low end and high end.
    banded : bool
        Whether intervals are a band around the line, or whiskers.
    """

    name: str
    colour: str
    points: Sequence[tuple[datetime, float, float | None, float | None]]
    banded: bool = False


def bins_of(panel: Panel) -> list[tuple[str, float, float]]:
    """Label and shares of each bin that has rows; of many categories, the largest."""
    *bins, rest, missing = zip(panel.labels, panel.reference, panel.current, strict=True)
    if rest[0] == "others" and len(bins) > MOST_CATEGORIES:
        kept = sorted(bins, key=lambda one: -max(one[1:]))[:MOST_CATEGORIES]
        dropped = [one for one in bins if one not in kept]
        bins = [one for one in bins if one in kept]
        rest = (rest[0], *(rest[side] + sum(one[side] for one in dropped) for side in (1, 2)))
    return [one for one in (*bins, rest, missing) if max(one[1:]) > 0]


def drift_chart(name: str, panel: Panel) -> Markup:
    """Draw the reference and the newest period as bars, beside the effect in each period."""
    bins = bins_of(panel)
    size = (WIDTH, TOP + max(BIN * len(bins), SERIES[2]) + 44)

    def paint(figure: Figure) -> None:
        bars = _axes(figure, size, (BARS[0], TOP, BARS[1], BIN * len(bins)))
        bars.grid(visible=False)
        places = range(len(bins))
        for side, colour, shift in ((1, "quiet", -0.2), (2, "subject", 0.2)):
            bars.hlines([y + shift for y in places], 0, [one[side] for one in bins], COLOURS[colour], linewidth=5)
        bars.set(xlim=(0, max(max(one[1:]) for one in bins)), ylim=(len(bins) - 0.5, -0.5), title="share of rows")
        bars.set_yticks(list(places), [_label(one[0]) for one in bins], fontsize=11)
        bars.set_xticks([0, bars.get_xlim()[1]], ["0", percent(bars.get_xlim()[1])], fontsize=11)
        series = _axes(figure, size, (SERIES[0], TOP, SERIES[1], SERIES[2]))
        levels = [panel.warning_from, panel.drift_from]
        high = 1.12 * max(*panel.effects, *levels)
        series.set(ylim=(min(0, *panel.effects), high), title="effect by period")
        for level in levels:
            series.axhline(level, **GUIDE)
        series.plot(range(len(panel.periods)), panel.effects, color=COLOURS["random"], linewidth=1.25)
        for x, (effect, status) in enumerate(zip(panel.effects, panel.statuses, strict=True)):
            series.plot(x, effect, **{**POINT, "color": COLOURS[STATUS_COLOURS.get(status, "subject")]}, markersize=6)
        series.set_xlim(-0.5, max(len(panel.periods) - 0.5, 0.5))
        apart = levels[1] - levels[0] > 0.15 * high  # or their labels would overlap
        ticks = levels if apart else levels[1:]
        series.set_yticks(ticks, [f"{level:g}" for level in ticks], fontsize=11)
        ends = sorted({0, len(panel.periods) - 1})
        series.set_xticks(ends, [f"{_tick(panel.periods[x])}\n{panel.periods[x].year}" for x in ends], fontsize=11)

    parts = "; ".join(f"{label}: {percent(before)}, now {percent(now)}" for label, before, now in bins)
    effects = ", ".join(decimal(effect, 2) for effect in panel.effects)
    return draw(name, f"{panel.feature}: reference and newest period", f"{parts}. Effects: {effects}.", size, paint,
                (0, 0, 0, 0))  # fmt: skip


def _axes(figure: Figure, size: tuple[float, float], box: tuple[float, float, float, float]) -> Axes:
    """Axes in pixels from the left and from the top."""
    left, top, width, height = box
    return figure.add_axes((left / size[0], 1 - (top + height) / size[1], width / size[0], height / size[1]))


def _label(text: str) -> str:
    text = " ".join(text.split()) or "(empty)"
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _tick(moment: datetime) -> str:
    """A period; months begin with their first day."""
    month = MONTHS[moment.month - 1]
    return month if moment.day == 1 else f"{moment.day}{NO_BREAK}{month}"


def series_chart(
    name: str,
    title: str,
    series: Sequence[Series],
    *,
    levels: Sequence[float] = (),
    as_share: bool = False,
    floor: float | None = None,
) -> Markup:
    """Draw figures by period.

    Parameters
    ----------
    name, title : str
    series : sequence of Series
        The first lies on top; one of them has points.
    levels : sequence of float
        Where dotted lines are drawn.
    as_share : bool
        Whether figures are written as percentages.
    floor : float, optional
        Where the axis begins at the latest.
    """
    times = sorted({time for one in series for time, *_ in one.points})
    margin = (times[-1] - times[0]) / 40 or timedelta(days=1)
    ticks = times[:: -(-len(times) // MOST_TICKS)]
    years = [None, *(tick.year for tick in ticks)]
    labels = [f"{_tick(tick)}\n{tick.year if tick.year != before else ''}"
              for before, tick in zip(years, ticks, strict=False)]  # fmt: skip

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(title=title, xlim=(times[0] - margin, times[-1] + margin))
        for level in levels:
            axes.axhline(level, **GUIDE)
        for one in reversed(series):
            _paint_series(axes, one)
        if floor is not None:
            axes.set_ylim(bottom=min(floor, axes.get_ylim()[0]))
        axes.yaxis.get_major_locator().set_params(nbins=4)
        span = axes.get_ylim()[1] - axes.get_ylim()[0]
        if as_share:
            axes.yaxis.set_major_formatter(lambda value, _: percent(value, 0 if span > 0.04 else 1))
        else:
            places = 0 if span > 8 else 1 if span > 0.8 else 2 if span > 0.08 else 3
            axes.yaxis.set_major_formatter(lambda value, _: decimal(value, places))
        axes.set_xticks(ticks, labels)

    write = percent if as_share else decimal
    parts = [f"{one.name}: " + ", ".join(f"{date(time)} {write(value)}" for time, value, *_ in one.points)
             for one in series]  # fmt: skip
    return draw(name, title, f"{'; '.join(parts)}.", (WIDTH, 216), paint, (60, 14, 28, 42))


def _paint_series(axes: Axes, series: Series) -> None:
    colour = COLOURS[series.colour]
    times = [time for time, *_ in series.points]
    known = [(time, low, high) for time, _, low, high in series.points if low is not None and high is not None]
    if known:
        columns = list(zip(*known, strict=True))
        if series.banded and len(known) > 1:
            axes.fill_between(*columns, color=colour, alpha=0.16, linewidth=0)
        else:
            axes.vlines(*columns, colour, linewidth=1.5)
    style = {"linestyle": (0, (4, 1.7))} if series.banded else {}
    axes.plot(times, [point[1] for point in series.points], linewidth=1.75, **{**POINT, "color": colour}, markersize=6,
              **style)  # fmt: skip
