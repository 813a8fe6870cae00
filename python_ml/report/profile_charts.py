"""Plots of a profile as SVG: matplotlib draws, and the page's own colours are put in."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from python_ml.profile.schema import Activity, Association, ChurnRate, Cohort, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that matplotlib draws with, and what stands for them in the page, so that they follow light and dark.
_COLOURS = {"#010101": "var(--ink)", "#020202": "var(--muted)", "#030303": "var(--mark)", "#040404": "var(--quiet)"}
_COLOURS |= {"#050505": "var(--rule)", "#060606": "var(--alert)"}
INK, MUTED, MARK, QUIET, RULE, ALERT = _COLOURS
_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "profile", "text.parse_math": False, "font.family": "sans-serif",
    "font.size": 9, "text.color": MUTED, "axes.labelcolor": MUTED, "axes.edgecolor": RULE, "xtick.color": MUTED,
    "ytick.color": MUTED, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "axes.grid.axis": "y", "grid.color": RULE, "grid.linewidth": 0.6, "axes.axisbelow": True,
}  # fmt: skip
WIDTH = 8.0  # inches


@contextmanager
def _quiet():
    """Without warnings of glyphs that matplotlib's font lacks: the browser has them."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _draw(height: float, draw: Callable[[Axes], None], name: str, label: str, width: float = WIDTH) -> str:
    """Draw one plot.

    Returns
    -------
    str
        An SVG element for the page, whose identifiers begin with ``name``.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE), _quiet():
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace("font: 9px 'sans-serif'", "font: 9px var(--sans)")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, variable)
    # Identifiers of several plots on a page must differ.
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'^<svg height="[^"]*"', "<svg", svg)
    svg = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def timeline(course: Timeline, name: str) -> str:
    """Rows by period, with gaps shaded."""
    from datetime import timedelta

    days = {"month": 28, "year": 350}[course.unit]

    def draw(axes: Axes) -> None:
        axes.bar([p.start for p in course.periods], [p.rows for p in course.periods], days, align="edge", color=MARK)
        for gap in course.gaps:
            axes.axvspan(gap.first, gap.last + timedelta(days=1), color=ALERT, alpha=0.3, linewidth=0)
        axes.set_ylabel(f"rows by {course.unit}")
        _thousands(axes)

    return _draw(2.2, draw, name, f"Rows by {course.unit}")


def cohorts(found: Sequence[Cohort], name: str) -> str:
    """Customers by when they were first seen; the dark part was seen in the last 90 days."""

    def draw(axes: Axes) -> None:
        places, total = range(len(found)), [c.customers for c in found]
        axes.bar(places, total, 0.85, color=QUIET, label="first seen then")
        axes.bar(places, [c.customers * c.recently_active for c in found], 0.85, color=MARK, label="active lately")
        every = -(-len(found) // 8)  # more than eight labels would overlap
        axes.set_xticks(list(places)[::every], [f"{c.start:%Y-%m}" for c in found][::every])
        axes.set_ylabel("customers")
        axes.legend(frameon=False, ncols=2, loc="upper right")
        _thousands(axes)

    return _draw(2.0, draw, name, "Customers by when they were first seen")


def occupied(activity: Activity, name: str) -> str:
    """Share of windows of each length that hold an event."""

    def draw(axes: Axes) -> None:
        axes.bar(list(activity.occupied), list(activity.occupied.values()), 0.6, color=MARK)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_ylabel("windows with an event")

    return _draw(1.8, draw, name, "Share of windows that hold an event", WIDTH / 2)


def associations(found: Sequence[Association], name: str) -> str:
    """AUC of numbers with intervals, about the line of chance, and Cramér's V of categories."""

    def draw(axes: Axes) -> None:
        for place, association in enumerate(found):
            colour = ALERT if association.leak else MARK
            if association.interval:
                axes.hlines(place, association.interval.low, association.interval.high, color=colour, linewidth=1.6)
            marker = "o" if association.measure == "auc" else "s"
            axes.plot(association.value, place, marker, color=colour, markersize=4.5)
        axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.set_yticks(range(len(found)), [a.column[:40] for a in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("circle: AUC with its 95 % interval (0.5 is chance); square: Cramér's V (0 is chance)")
        axes.grid(axis="x")

    return _draw(0.6 + 0.22 * len(found), draw, name, "Association of each column with the outcome")


def rates(found: Sequence[ChurnRate], name: str) -> str:
    """Churn rate of groups, with intervals."""

    def draw(axes: Axes) -> None:
        places = range(len(found))
        axes.hlines(places, [r.rate.low for r in found], [r.rate.high for r in found], color=MARK, linewidth=1.6)
        axes.plot([r.rate.value for r in found], places, "o", color=MARK, markersize=4.5)
        axes.set_yticks(places, [r.group[:40] for r in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.grid(axis="x")

    return _draw(0.5 + 0.22 * len(found), draw, name, "Churn rate by group", WIDTH * 0.7)


def _thousands(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
