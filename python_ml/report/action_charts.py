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
    shown = np.append(y, marked[1]) if marked else y
    # Where contacting everyone loses far more than the best choice earns, the loss is cut off.
    top = max(float(shown.max()), 0.0)
    bottom = max(float(shown.min()), -1.5 * top) if top else float(shown.min())
    room = 0.06 * ((top - bottom) or 1.0)
    right = max(float(x.max()), marked[0] if marked else 0.0) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(xlim=(0, right), xlabel=axis_names[0], title=axis_names[1])
        axes.set_ylim(min(bottom, 0.0) - room, top + room)
        axes.plot([0, right], [0, 0], **LINES["random"])
        axes.plot(x, np.clip(y, bottom - 2 * room, None), **LINES["subject"])
        axes.yaxis.set_major_formatter(lambda amount, _: integer(amount).replace("-", "\u2212"))
        axes.xaxis.set_major_formatter(lambda value, _: percent(value, 0) if is_share else integer(value))
        axes.locator_params(axis="x", nbins=5)
        if marked:
            at, height, text = marked
            axes.plot([at, at], [min(bottom, 0.0) - room, height], **GUIDE)
            axes.plot(at, height, markersize=8, **POINT)
            axes.text(1, 0.03, text, ha="right", transform=axes.transAxes)

    return draw(name, title, description, CURVE_SIZE, paint, MARGINS)
