"""All columns of one call of the macro, in its order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from python_ml.durations import ALL_TIME, sorted_windows, window_text
from python_ml.errors import UserError
from python_ml.feature_columns.comparisons import Comparison, describe
from python_ml.feature_columns.measures import Measure, Result, results

_RECENCY = {
    "days_since_last": "Days from the latest of the {events} to the feature time",
    "days_since_first": "Days from the first of the {events} to the feature time",
    "mean_gap_days": "Mean number of days from one of the {events} to the next, before the feature time",
}

_GAPS = "the numbers of days from one day with {events} to the next"

_RHYTHM = {
    "active_days": ("bigint", "Number of different days with {events}"),
    "gap_stddev_days": (
        "double",
        "Standard deviation of the days from one of the {events} to the next, before the feature time",
    ),
    "longest_streak_days": ("bigint", "Most days in a row with {events}, before the feature time"),
    "current_streak_days": (
        "bigint",
        "Number of days in a row with {events}, up to the day of the feature time or the day before it",
    ),
    "last_gap_days": ("double", "Days between the last two days with {events}, before the feature time"),
    "median_gap_days": ("double", f"Median of {_GAPS}, before the feature time"),
    "longest_gap_days": ("double", f"Greatest of {_GAPS}, before the feature time"),
    "recency_per_mean_gap": ("double", f"Days since the latest of the {{events}}, divided by the mean of {_GAPS}"),
    "recency_per_longest_gap": (
        "double",
        f"Days since the latest of the {{events}}, divided by the greatest of {_GAPS}",
    ),
    "recency_per_tenure": ("double", "Days since the latest of the {events}, divided by the days since the first"),
    "recency_zscore": (
        "double",
        f"Days since the latest of the {{events}}, less the mean of {_GAPS}, in standard deviations of these",
    ),
}

RHYTHM = tuple(_RHYTHM)


@dataclass(frozen=True)
class FeatureColumn:
    """One column that the macro will make.

    Attributes
    ----------
    name : str
    data_type : str
        ``bigint``, ``double``, ``string`` or ``boolean``.
    description : str
        One plain sentence without a full stop inside.
    meta : dict
        role, source, measure, aggregate, window, leakage_risk: the feature registry's metadata. For a comparison,
        ``measure`` is what is compared (``amount_sum``), ``aggregate`` its kind and ``window`` such as ``7d/30d``.
    """

    name: str
    data_type: str
    description: str
    meta: dict[str, Any] = field(default_factory=dict)


def window_feature_columns(
    source: str,
    measures: Sequence[Measure],
    windows: Sequence[str],
    *,
    events: str | None = None,
    recency: bool = True,
    rhythm: Sequence[str] = (),
    comparisons: Sequence[Comparison] = (),
    leakage_risk: str = "low",
) -> list[FeatureColumn]:
    """List the columns that ``window_features`` makes, without the entity and the time.

    Parameters
    ----------
    source : str
        Prefix of every column, such as ``orders``.
    measures : sequence of Measure
    windows : sequence of str
        In any order.
    events : str, optional
        What the rows are, in the plural; by default the source's name.
    recency : bool
        Whether days since first and last event and the mean gap are made.
    rhythm : sequence of str
        Some of :data:`RHYTHM`.
    comparisons : sequence of Comparison
    leakage_risk : str
        low, medium or high.

    Returns
    -------
    list of FeatureColumn
        In the macro's order: counts, measures by aggregate by window, recency, rhythm, comparisons.

    Raises
    ------
    UserError
        When a wanted aggregate or comparison is not known or has no meaning, or a column would be made twice.
    """
    events = events or source.replace("_", " ")
    ordered = sorted_windows(windows)
    made: list[FeatureColumn] = []

    def add(name: str, data_type: str, description: str, measure: str, aggregate: str, window: str) -> None:
        meta = {"role": "feature", "source": source}
        meta |= {"measure": measure} if measure else {}
        meta |= {"aggregate": aggregate, "window": window, "leakage_risk": leakage_risk}
        made.append(FeatureColumn(f"{source}_{name}", data_type, description, meta))

    def add_windows(result: Result) -> None:
        stem = f"{result.measure}_{result.aggregate}" if result.measure else result.aggregate
        for window in result.windows:
            description = f"{result.text} {window_text(window)} the feature time"
            add(f"{stem}_{window}", result.data_type, description, result.measure, result.aggregate, window)

    compared = [Result("", "count", tuple(ordered), "bigint", f"Number of {events}")]
    for measure in measures:
        compared.extend(results(source, measure, ordered, events))
    for result in compared:
        add_windows(result)
    if recency:
        for aggregate, text in _RECENCY.items():
            add(aggregate, "double", text.format(events=events), "", aggregate, ALL_TIME)
    for aggregate in rhythm:
        if aggregate not in _RHYTHM:
            raise UserError(
                f"The rhythm `{aggregate}` is not known.",
                where=f"rhythm of {source}",
                hint="choose from " + ", ".join(RHYTHM),
            )
        data_type, text = _RHYTHM[aggregate]
        if aggregate == "active_days":
            add_windows(Result("", aggregate, tuple(ordered), data_type, text.format(events=events)))
        else:
            add(aggregate, data_type, text.format(events=events), "", aggregate, ALL_TIME)
    for comparison in comparisons:
        description = describe(source, comparison, compared)
        add(comparison.name, "double", description, comparison.of, comparison.kind, "/".join(comparison.windows))
    twice = sorted(name for name, times in Counter(column.name for column in made).items() if times > 1)
    if twice:
        raise UserError(
            f"The column {twice[0]} would be made twice.",
            where=f"measures of {source}",
            hint="rename a measure, or leave one of the two out",
        )
    return made
