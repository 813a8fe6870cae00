"""The charts of the action list: profit by share contacted and by budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from python_ml.formatting import integer, percent
from python_ml.report.charts import CURVE_SIZE, GUIDE, LINES, POINT
from python_ml.report.svg import draw

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

MARGINS = (62.0, 20.0, 28.0, 46.0)


def money_chart(
    name: str,
    title: str,
    description: str,
    curve: Sequence[Sequence[float]],
    axis_names: tuple[str, str],
    marked: tuple[float, float, str] | None = None,
    is_share: bool = False,
) -> Markup:
    """Draw an amount against a share of customers or another amount.

    Parameters
    ----------
    curve : sequence of pairs
        x and y, from left to right.
    axis_names : tuple of str
        Of the x and the y axis.
    marked : tuple, optional
        x and y of a point, and its label.
    is_share : bool
        Whether x is a share.
    """
    x, y = np.asarray(curve, dtype=float).reshape(-1, 2).T
    top = max(float(y.max()), marked[1] if marked else 0.0, 0.0)
    # Where contacting everyone loses far more than the best choice earns, the curve ends at a loss as large as that.
    deep = np.flatnonzero((y < -top) & (np.arange(len(y)) > y.argmax())) if top else np.empty(0, dtype=int)
    if len(deep):
        x, y = x[: deep[0] + 1], y[: deep[0] + 1]
    bottom = min(float(y.min()), marked[1] if marked else 0.0, 0.0)
    room = 0.06 * ((top - bottom) or 1.0)
    right = max(float(x.max()), marked[0] if marked else 0.0) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(xlim=(0, right), xlabel=axis_names[0], title=axis_names[1])
        axes.set_ylim(bottom - room, top + room)
        axes.plot([0, right], [0, 0], **LINES["random"])
        axes.plot(x, y, **LINES["subject"])
        axes.yaxis.set_major_formatter(lambda amount, _: integer(amount).replace("-", "\u2212"))
        axes.xaxis.set_major_formatter(lambda value, _: percent(value, 0) if is_share else integer(value))
        axes.locator_params(axis="x", nbins=5)
        if marked:
            at, height, text = marked
            axes.plot([at, at], [bottom - room, height], **GUIDE)
            axes.plot(at, height, markersize=8, **POINT)
            axes.text(1, 0.97, text, ha="right", va="top", transform=axes.transAxes)

    return draw(name, title, description, CURVE_SIZE, paint, MARGINS)
