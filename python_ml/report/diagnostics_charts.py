"""The charts of diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.formatting import decimal, integer
from python_ml.report.charts import GUIDE, POINT
from python_ml.report.svg import COLOURS, draw

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

MARGINS = (52, 90, 26, 44)


def learning_chart(curve: pd.DataFrame, width: float) -> Markup:
    """Draw ROC AUC on training and test rows against the number of customers fitted on.

    Parameters
    ----------
    curve : pandas.DataFrame
        Rows of ``learning_curve``.
    width : float
        Width in pixels.
    """
    parts = dict(iter(curve.groupby("part")))
    customers = parts["test"]["subject"].astype(int).to_numpy()

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(title="ROC AUC", xlabel="customers fitted on")
        for part, colour in (("train", "recency"), ("test", "subject")):
            rows = parts[part]
            _line(axes, rows["subject"].astype(int).to_numpy(), rows, colour, f"{part} rows")
        axes.xaxis.set_major_formatter(lambda count, _: integer(count))
        axes.set_xlim(0, customers.max() * 1.03)

    shown = zip(customers, parts["test"]["value"], strict=True)
    description = "; ".join(f"{integer(int(count))} customers: {decimal(value)}" for count, value in shown)
    title = "ROC AUC by number of customers"
    return draw(f"learning-{width:.0f}", title, f"On test rows: {description}.", (width, 270), paint, MARGINS)


def noise_chart(noise: pd.DataFrame, width: float) -> Markup:
    """Draw ROC AUC on test rows against the noise added to their features.

    Parameters
    ----------
    noise : pandas.DataFrame
        Rows of ``noise_sensitivity``.
    width : float
        Width in pixels.
    """

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(title="ROC AUC", xlabel="noise in standard deviations, or share of values deleted")
        for kind, colour, label in (("noise", "subject", "noise"), ("missing", "recency", "deleted")):
            rows = noise[noise["subject"] == kind]
            _line(axes, rows["part"].astype(float).to_numpy(), rows, colour, label)
        axes.axhline(float(noise["value"].iloc[0]), **GUIDE)

    shown = zip(noise["subject"], noise["part"], noise["value"], strict=True)
    description = "; ".join(f"{kind} {level}: {decimal(value)}" for kind, level, value in shown)
    return draw(f"noise-{width:.0f}", "ROC AUC under noise", f"{description}.", (width, 270), paint, MARGINS)


def _line(axes: Axes, x: NDArray, rows: pd.DataFrame, colour: str, label: str) -> None:
    """A line with its interval, named at its right end."""
    paint = COLOURS[colour]
    value = rows["value"].to_numpy(float)
    axes.fill_between(
        x, rows["low"].to_numpy(float), rows["high"].to_numpy(float), color=paint, alpha=0.14, linewidth=0
    )
    axes.plot(x, value, linewidth=2.5, **{**POINT, "color": paint}, markersize=6)
    inside = x[-1] < 0.9 * axes.get_xlim()[1]
    aside = {"xytext": (0, 14), "ha": "right"} if inside else {"xytext": (8, -4)}
    axes.annotate(label, (x[-1], value[-1]), textcoords="offset points", color=paint, annotation_clip=False, **aside)
