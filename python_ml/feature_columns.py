"""What the macro ``window_features`` will call its columns, known before it runs.

The macro makes columns from a source, measures and windows; this module makes the same names, in the same order,
with their types, plain descriptions and registry metadata, so that YAML can be written (and checked) from one
declaration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from python_ml.errors import UserError

ALL_TIME = "all_time"
AGGREGATES = ("sum", "mean", "min", "max", "stddev", "nunique")
_HOURS = {"h": 1, "d": 24, "w": 168}
_UNITS = {"h": "hour", "d": "day", "w": "week"}

_WORDS = {
    "sum": "Sum of {what}",
    "mean": "Mean {what}",
    "min": "Smallest {what}",
    "max": "Largest {what}",
    "stddev": "Standard deviation of {what}",
    "nunique": "Number of different {what}",
}


@dataclass(frozen=True)
class Measure:
    """A value of an event that is aggregated over windows: one entry of ``measures`` of the macro.

    Attributes
    ----------
    name : str
        Part of the column names.
    expression : str
        SQL over the events' columns.
    aggregates : tuple of str
        Some of sum, mean, min, max, stddev, nunique.
    label : str
        The value in words, such as ``line amount``; for ``nunique`` in the plural.
    windows : tuple of str, optional
        Fewer windows than the source has.
    where : str, optional
        SQL condition on the rows that count.
    type : str, optional
        Exact type of the sums, such as ``decimal(18, 4)``.
    """

    name: str
    expression: str
    aggregates: tuple[str, ...]
    label: str = ""
    windows: tuple[str, ...] | None = None
    where: str | None = None
    type: str | None = None

    @property
    def words(self) -> str:
        """The label, else the name in words."""
        return self.label or self.name.replace("_", " ")


@dataclass(frozen=True)
class FeatureColumn:
    """One column that the macro will make.

    Attributes
    ----------
    name : str
    data_type : str
        ``bigint`` or ``double``.
    description : str
        One plain sentence without a full stop inside.
    meta : dict
        role, source, measure, aggregate, window, leakage_risk: the feature registry's metadata.
    """

    name: str
    data_type: str
    description: str
    meta: dict[str, Any] = field(default_factory=dict)


def sorted_windows(windows: Iterable[str]) -> list[str]:
    """Windows from short to long, ``all_time`` last: the order of the macro's columns.

    Raises
    ------
    UserError
        When a window is not ``<n>h``, ``<n>d``, ``<n>w`` or ``all_time``.
    """
    return sorted(windows, key=window_hours)


def window_hours(window: str) -> float:
    """Length of a window in hours (infinite for ``all_time``)."""
    if window == ALL_TIME:
        return float("inf")
    found = re.fullmatch(r"(\d+)([hdw])", window)
    if not found:
        raise UserError(
            f"`{window}` is not a window.",
            where="windows",
            mend="write 24h, 7d, 2w or all_time, for instance",
        )
    return int(found[1]) * _HOURS[found[2]]


def window_words(window: str) -> str:
    """A window in words: ``in the 30 days before``."""
    if window == ALL_TIME:
        return "at any time before"
    return f"in the {duration_words(window)} before"


def duration_words(duration: str) -> str:
    """A duration in words: ``30 days``."""
    number, unit = int(duration[:-1]), _UNITS[duration[-1]]
    return f"{number} {unit}{'' if number == 1 else 's'}"


def window_feature_columns(
    source: str,
    measures: Sequence[Measure],
    windows: Sequence[str],
    *,
    events: str | None = None,
    recency: bool = True,
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
        What the rows are, in the plural and in words; by default the source's name in words.
    recency : bool
        Whether days since first and last event and the mean gap are made.
    leakage_risk : str
        low, medium or high.

    Returns
    -------
    list of FeatureColumn
        In the macro's order: counts, measures by aggregate by window, recency.

    Raises
    ------
    UserError
        When an aggregate or a window is not known, or a column would be made twice.
    """
    events = events or source.replace("_", " ")
    ordered = sorted_windows(windows)

    def column(
        measure: str | None, aggregate: str, window: str, description: str, data_type: str = "double"
    ) -> FeatureColumn:
        parts = [source, measure, aggregate, window if aggregate in ("count", *AGGREGATES) else None]
        meta = {"role": "feature", "source": source}
        meta |= {"measure": measure} if measure else {}
        meta |= {"aggregate": aggregate, "window": window, "leakage_risk": leakage_risk}
        return FeatureColumn("_".join(p for p in parts if p), data_type, description, meta)

    columns = [
        column(None, "count", w, f"Number of {events} {window_words(w)} the feature time", "bigint") for w in ordered
    ]
    for measure in measures:
        for aggregate in measure.aggregates:
            if aggregate not in AGGREGATES:
                raise UserError(
                    f"The aggregate `{aggregate}` is not known.",
                    where=f"measure {measure.name} of {source}",
                    mend="choose from " + ", ".join(AGGREGATES),
                )
            what = f"{_WORDS[aggregate].format(what=measure.words)} of {events}"
            for w in ordered if measure.windows is None else sorted_windows(measure.windows):
                data_type = "bigint" if aggregate == "nunique" else "double"
                columns.append(
                    column(measure.name, aggregate, w, f"{what} {window_words(w)} the feature time", data_type)
                )
    if recency:
        for aggregate, description in (
            ("days_since_last", f"Days from the latest of the {events} to the feature time"),
            ("days_since_first", f"Days from the first of the {events} to the feature time"),
            (
                "mean_gap_days",
                f"Mean number of days from one of the {events} to the next, before the feature time",
            ),
        ):
            columns.append(column(None, aggregate, ALL_TIME, description))
    names = [c.name for c in columns]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise UserError(
            f"The column {twice[0]} would be made twice.",
            where=f"measures of {source}",
            mend="rename a measure",
        )
    return columns
