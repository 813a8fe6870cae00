"""The charts of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from python_ml.formatting import integer
from python_ml.report.svg import COLOURS, WIDE, draw

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

    from python_ml.profile.schema import Activity, Association, ChurnRate, Cohort, Timeline

MARK, QUIET, ALERT = COLOURS["subject"], COLOURS["quiet"], COLOURS["high"]
LABEL = 40  # characters of the name of a column or group


def timeline_chart(name: str, course: Timeline) -> Markup:
    """Rows by period, with gaps shaded."""
    days = {"month": 28, "year": 350}[course.unit]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(title=f"rows by {course.unit}")
        starts = [period.start for period in course.periods]
        axes.bar(starts, [period.rows for period in course.periods], days, align="edge", color=MARK)
        for gap in course.gaps:
            axes.axvspan(gap.first, gap.last + timedelta(days=1), color=ALERT, alpha=0.3, linewidth=0)
        axes.yaxis.set_major_formatter(lambda count, _: integer(count))

    description = f"{course.first} to {course.last}, gaps shaded: {len(course.gaps)}"
    return draw(name, f"Rows by {course.unit}", description, (WIDE, 190), paint)


def cohort_chart(name: str, cohorts: Sequence[Cohort]) -> Markup:
    """Customers by when they were first seen; the dark part was seen in the last 90 days."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(title="customers")
        places, total = range(len(cohorts)), [c.customers for c in cohorts]
        axes.bar(places, total, 0.85, color=QUIET, label="all")
        axes.bar(places, [c.customers * c.recently_active for c in cohorts], 0.85, color=MARK, label="recently active")
        every = -(-len(cohorts) // 12)  # more labels would overlap
        axes.set_xticks(list(places)[::every], [f"{c.start:%Y-%m}" for c in cohorts][::every])
        axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
        axes.yaxis.set_major_formatter(lambda count, _: integer(count))

    title = "Customers by month of their first event"
    return draw(name, title, f"{len(cohorts)} cohorts, with the share that is recently active", (WIDE, 190), paint)


def window_chart(name: str, activity: Activity) -> Markup:
    """Share of windows of each length that hold an event."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(title="windows with an event", ylim=(0, 1))
        axes.bar(list(activity.occupied), list(activity.occupied.values()), 0.6, color=MARK)
        axes.yaxis.set_major_formatter("{x:.0%}")

    description = "; ".join(f"{window}: {share:.0%}" for window, share in activity.occupied.items())
    return draw(name, "Share of windows with an event", description, (WIDE / 2, 180), paint)


def association_chart(name: str, associations: Sequence[Association]) -> Markup:
    """AUC of numbers with intervals, about the line of chance, and Cramér's V of categories."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(xlim=(0, 1), xlabel="circle: AUC with 95 % interval; square: Cramér's V")
        axes.axvline(0.5, color=COLOURS["muted"], linewidth=0.8, linestyle=(0, (3, 3)))
        for place, association in enumerate(associations):
            colour = ALERT if association.leak else MARK
            if association.interval:
                axes.hlines(place, association.interval.low, association.interval.high, colour)
            axes.plot(association.value, place, "o" if association.measure == "auc" else "s", color=colour)
        _rows(axes, [association.column for association in associations])

    described = "; ".join(f"{a.column}: {a.value:.3f}" for a in associations)
    size = WIDE, 50 + 21 * len(associations)
    return draw(name, "Association of each column with the outcome", described, size, paint)


def rate_chart(name: str, rates: Sequence[ChurnRate]) -> Markup:
    """Churn rate of groups, with intervals."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="churn rate")
        axes.hlines(range(len(rates)), [r.rate.low for r in rates], [r.rate.high for r in rates], MARK)
        axes.plot([r.rate.value for r in rates], range(len(rates)), "o", color=MARK)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter("{x:.0%}")
        _rows(axes, [r.group for r in rates])

    described = "; ".join(f"{r.group}: {r.rate.value:.1%}" for r in rates)
    return draw(name, "Churn rate by group", described, (WIDE * 0.7, 50 + 21 * len(rates)), paint)


def _rows(axes, names: Sequence[str]) -> None:
    """One row per name, the first at the top."""
    axes.set_yticks(range(len(names)), [name if len(name) <= LABEL else f"{name[: LABEL - 1]}…" for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x")
