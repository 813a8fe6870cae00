"""The charts of explanations: beeswarm, dependence, waterfall and history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from python_ml.formatting import NO_BREAK, counted, date, percent
from python_ml.report.charts import GUIDE, POINT, calendar
from python_ml.report.svg import COLOURS, WIDE, draw

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

LEVELS = ("low", "middle", "high")
LEVEL_COLOURS = {"low": "subject", "middle": "random", "high": "high", "none": "quiet"}
LEFT = 250  # pixels that names of features take in a wide window
TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.99, 0.997, 0.999)


class Swarm(NamedTuple):
    """A feature: its name, its contributions, and the kind of each value (a key of :data:`LEVEL_COLOURS`)."""

    name: str
    contribution: NDArray
    level: NDArray


class Bar(NamedTuple):
    """A bar of a waterfall: what it stands for, and how much it moves the log-odds."""

    label: str
    contribution: float


def _dots(axes: Axes, x: NDArray, y: NDArray, colour: str, size: float) -> None:
    """Draw dots as one path of strokes without length, which takes a fifth of the bytes of as many markers."""
    gap = np.full(len(x), np.nan)
    (line,) = axes.plot(
        np.column_stack([x, x, gap]).ravel(), np.column_stack([y, y, gap]).ravel(),
        color=colour, linewidth=size, solid_capstyle="round",
    )  # fmt: skip
    line.get_path().should_simplify = False


def short(text: str, length: int) -> str:
    """A name, cut where it is long."""
    return text if len(text) <= length else text[: length - 1] + "…"


def beeswarm_chart(swarms: Sequence[Swarm], width: float) -> Markup:
    """Draw a dot per customer and feature at its contribution, coloured by the value of the feature.

    Parameters
    ----------
    swarms : sequence of Swarm
        The strongest feature first.
    width : float
        Width in pixels.
    """
    wide = width == WIDE
    step = 34 if wide else 58
    reach = max((float(np.abs(swarm.contribution).max(initial=0)) for swarm in swarms), default=0) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(
            xlim=(-1.05 * reach, 1.05 * reach), ylim=(len(swarms) - 0.5, -0.6), yticks=[],
            xlabel="contribution to the log-odds of churning",
        )  # fmt: skip
        axes.grid(visible=False)
        axes.axvline(0, **GUIDE)
        for row, swarm in enumerate(swarms):
            offset = _stacked(swarm.contribution, reach, 90 if wide else 45, 0.1, 0.4 if wide else 0.2)
            for level, colour in LEVEL_COLOURS.items():
                inside = swarm.level == level
                _dots(axes, swarm.contribution[inside], row + offset[inside], COLOURS[colour], 3.6)
            place = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
            if wide:
                axes.annotate(short(swarm.name, 38), (0, row), (-LEFT + 8, -4), **place)
            else:
                axes.annotate(short(swarm.name, 52), (0, row), (2, 17), **place)

    description = "; ".join(f"{s.name}: {s.contribution.min():.2f} to {s.contribution.max():.2f}" for s in swarms)
    size = (width, 54 + step * len(swarms))
    margins = (LEFT, 14, 6, 44) if wide else (8, 8, 6, 44)
    title = "Contributions of the strongest features, per customer"
    return draw(f"beeswarm-{width:.0f}", title, f"{description}.", size, paint, margins)


def _stacked(x: NDArray, reach: float, bins: int, step: float, most: float) -> NDArray:
    """How far each dot is moved aside, so that those at the same place lie next to each other."""
    cell = np.floor((x + reach) / (2 * reach) * bins).astype(int)
    order = np.argsort(cell, kind="stable")
    first = np.searchsorted(cell[order], cell[order])
    rank = np.empty(len(x), dtype=int)
    rank[order] = np.arange(len(x)) - first
    offset = np.where(rank % 2, 1, -1) * ((rank + 1) // 2) * step
    largest = np.abs(offset).max(initial=0)
    return offset * min(1.0, most / largest) if largest else offset.astype(float)


def dependence_chart(name: str, title: str, values: NDArray, contribution: NDArray, labels: Sequence[str]) -> Markup:
    """Draw the contribution of a feature against its value.

    Parameters
    ----------
    name : str
        Unique on the page.
    title : str
    values : ndarray of shape (n,)
        Numbers, missing ones left out; or positions in ``labels``.
    contribution : ndarray of shape (n,)
    labels : sequence of str
        Of the categories; empty for a number.
    """
    spread = np.random.default_rng(0).uniform(-0.22, 0.22, len(values)) if labels else np.zeros(len(values))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(title="contribution")
        axes.axhline(0, **GUIDE)
        _dots(axes, values + spread, contribution, COLOURS["quiet"], 3)
        if labels:
            places = np.arange(len(labels))
            means = [contribution[values == place].mean() if (values == place).any() else np.nan for place in places]
            axes.hlines(means, places - 0.32, places + 0.32, COLOURS["subject"], linewidth=2.5)
            axes.set_xticks(places, [short(label, 12) for label in labels])
            axes.set_xlim(-0.6, len(labels) - 0.4)
        elif len(values):
            edges = np.unique(np.quantile(values, np.linspace(0, 1, 11)))
            part = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
            some = np.unique(part)
            line = [[column[part == k].mean() for k in some] for column in (values, contribution)]
            axes.plot(*line, color=COLOURS["subject"], linewidth=2.5)
            # A few extreme values do not decide the width.
            low, high = np.quantile(values, [0.005, 0.995])
            if high > low:
                axes.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))

    return draw(name, title, f"{counted(len(values), 'customer')}.", (404, 230), paint, (46, 14, 24, 30))


def waterfall_chart(steps: Sequence[Bar], base: float, width: float) -> Markup:
    """Draw how contributions lead from the base to a customer's log-odds, on a scale of probabilities.

    Parameters
    ----------
    steps : sequence of Bar
        In the order in which they are drawn, from top to bottom.
    base : float
        Log-odds where every contribution is zero.
    width : float
        Width in pixels.
    """
    wide = width == WIDE
    ends = base + np.cumsum([0.0, *(step.contribution for step in steps)])
    low, high = ends.min(), ends.max()
    margin = max(0.08 * (high - low), 0.15)
    row_height = 30 if wide else 46

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(
            xlim=(low - margin, high + margin), ylim=(len(steps) - 0.4, -0.9), yticks=[],
            xlabel="probability of churning (log-odds scale)",
        )  # fmt: skip
        axes.grid(visible=False)
        axes.axvline(base, **GUIDE)
        for row, (step, start, end) in enumerate(zip(steps, ends, ends[1:], strict=False)):
            colour = COLOURS["high" if step.contribution > 0 else "subject"]
            axes.hlines(row, start, end, colour, linewidth=13)
            axes.plot([end, end], [row, min(row + 1, len(steps) - 1)], color=COLOURS["random"], linewidth=1)
            place = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
            if wide:
                axes.annotate(short(step.label, 62), (0, row), (-400, -4), color=COLOURS["ink"], **place)
                axes.annotate(_signed(step.contribution), (0, row), (-14, -4), ha="right", **place)
            else:
                text = f"{short(step.label, 48)}  {_signed(step.contribution)}"
                axes.annotate(text, (0, row), (0, 12), color=COLOURS["ink"], **place)
        axes.plot(ends[-1], len(steps) - 1, markersize=8, **POINT)
        shown = [p for p in TICKS if low - margin <= np.log(p / (1 - p)) <= high + margin]
        axes.set_xticks([np.log(p / (1 - p)) for p in shown], [percent(p) for p in shown])

    parts = "; ".join(f"{step.label}: {_signed(step.contribution)}" for step in steps)
    start, end = (percent(1 / (1 + np.exp(-odds))) for odds in (base, ends[-1]))
    size = (width, 62 + row_height * len(steps))
    margins = (410, 14, 4, 44) if wide else (8, 8, 4, 44)
    return draw(f"waterfall-{width:.0f}", f"From {start} to {end}", f"{parts}.", size, paint, margins)


def _signed(contribution: float) -> str:
    return f"{contribution:+.2f}".replace("-", "\u2212")


def history_chart(history: pd.DataFrame, threshold: float | None, names: dict[str, str], width: float) -> Markup:
    """Draw the probability of one customer over feature times, above the features that push most now.

    Parameters
    ----------
    history : pandas.DataFrame
        Sorted by ``feature_timestamp``: ``probability``, and one column per feature.
    threshold : float or None
        Of the customer's risk band.
    names : dict of str to str
        Feature to what it is called.
    width : float
        Width in pixels.
    """
    times = history["feature_timestamp"]
    start, end = times.iloc[0], times.iloc[-1]
    top = min(1.1 * max(float(history["probability"].max()), threshold or 0), 1.0)
    features = [column for column in history.columns if column not in ("feature_timestamp", "probability")]
    ratios = [150, *[58] * len(features)]

    def paint(figure: Figure) -> None:
        every = figure.subplots(
            len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios, gridspec_kw={"hspace": 0.62}
        )[:, 0]
        every[0].set(ylim=(0, top), title="probability of churning")
        every[0].plot(times.to_numpy(), history["probability"].to_numpy(), linewidth=2.5, **{**POINT, "markersize": 6})
        every[0].yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}{NO_BREAK}%")
        if threshold is not None:
            every[0].axhline(threshold, **GUIDE)
        for axes, feature in zip(every[1:], features, strict=True):
            axes.set_title(short(names.get(feature, feature), 90 if width == WIDE else 50))
            axes.plot(
                times.to_numpy(), history[feature].to_numpy(), **{**POINT, "color": COLOURS["random"]}, markersize=4
            )
            axes.locator_params(axis="y", nbins=3)
        if start < end:
            half = (end - start) / max(len(times) - 1, 1) / 2
            every[0].set_xlim(start - half, end + half)
            calendar(every[-1], start, end, width - 66)
        else:
            every[-1].set_xticks([times.to_numpy()[0]], [date(start)])

    first, last = history["probability"].iloc[0], history["probability"].iloc[-1]
    description = f"From {percent(first, 1)} at {date(start)} to {percent(last, 1)} at {date(end)}."
    size = (width, 76 + sum(ratios) + 34 * len(features))
    return draw(f"history-{width:.0f}", "Probability over time", description, size, paint, (52, 14, 24, 42))
