"""What a test asks of `window_features`: each declaration as SQL for the macro and as Python for the oracle."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from .oracle import duration

Row = Mapping[str, Any]
Condition = Callable[[Row], "bool | None"]

CADENCE = (
    "last_gap_days", "median_gap_days", "longest_gap_days",
    "recency_per_mean_gap", "recency_per_longest_gap", "recency_per_tenure", "recency_zscore",
)  # fmt: skip
RHYTHM = ("active_days", "gap_stddev_days", "longest_streak_days", "current_streak_days", *CADENCE)
COMPARISONS = ("ratio", "difference", "velocity", "momentum", "acceleration")


def length(window: str) -> timedelta:
    """Of a window, to sort by: `all_time` is the longest."""
    return timedelta.max if window == "all_time" else duration(window)


@dataclass(frozen=True)
class Measure:
    """One measure.

    `value` and `condition` say in Python what `expression` and `where` say in SQL, and `category` what `by` says.
    `exponent` is the scale of the decimal type that values are cast to, 0 for doubles; `count`, `nunique`, `mode` and
    `entropy` look at the value before that cast. `values` is a tuple of categories, or a mapping from name to category.
    """

    name: str
    expression: str
    value: Callable[[Row], Any]
    aggregates: tuple[str, ...]
    windows: tuple[str, ...] | None = None
    where: str | None = None
    condition: Condition | None = None
    type: str | None = None
    exponent: int = 4
    by: str | None = None
    category: Callable[[Row], Any] | None = None
    values: tuple[str, ...] | Mapping[str, str] | None = field(default=None, hash=False)

    def arguments(self) -> dict[str, Any]:
        """The measure in the shape that the macro takes."""
        given = {"name": self.name, "expression": self.expression, "aggregates": list(self.aggregates)}
        if self.windows is not None:
            given["windows"] = list(self.windows)
        for key in ("where", "type", "by"):
            if getattr(self, key) is not None:
                given[key] = getattr(self, key)
        if self.values is not None:
            given["values"] = dict(self.values) if isinstance(self.values, Mapping) else list(self.values)
        return given

    def named_values(self) -> dict[str, str]:
        """Each category under what its columns are called after."""
        if self.values is None:
            return {}
        if isinstance(self.values, Mapping):
            return dict(self.values)
        return {re.sub("[^a-z0-9]+", "_", value.lower()).strip("_"): value for value in self.values}


@dataclass(frozen=True)
class Comparison:
    """One comparison of a feature over windows, short to long."""

    of: str
    kind: str
    windows: tuple[str, ...]

    def arguments(self) -> dict[str, Any]:
        """The comparison in the shape that the macro takes."""
        return {"of": self.of, "kind": self.kind, "windows": list(self.windows)}


@dataclass(frozen=True)
class WindowFeatures:
    """One call of `window_features`."""

    source: str
    windows: tuple[str, ...]
    measures: tuple[Measure, ...] = ()
    where: str | None = None
    condition: Condition | None = None
    recency: bool = True
    rhythm: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    available_at: str | None = "available_at"
    superseded_at: str | None = None
    entity: str = "customer_id"
    tables: tuple[str, str] = ("spine", "events")

    def arguments(self) -> dict[str, Any]:
        """The call in the shape that the macro takes."""
        spine, events = self.tables
        given = {
            "spine": spine,
            "events": events,
            "source": self.source,
            "entity": self.entity,
            "event_at": "event_at",
            "available_at": self.available_at,
            "measures": [measure.arguments() for measure in self.measures],
            "windows": list(self.windows),
            "where": self.where,
            "recency": self.recency,
        }
        if self.superseded_at:
            given["superseded_at"] = self.superseded_at
        if self.rhythm:
            given["rhythm"] = list(self.rhythm)
        if self.comparisons:
            given["comparisons"] = [comparison.arguments() for comparison in self.comparisons]
        return given

    def sorted_windows(self) -> tuple[str, ...]:
        """Short to long."""
        return tuple(sorted(self.windows, key=length))

    def narrowed(self, windows: tuple[str, ...]) -> WindowFeatures:
        """The same call over other windows, without the comparisons and the measures' own windows."""
        measures = tuple(replace(measure, windows=None) for measure in self.measures)
        return replace(self, windows=windows, measures=measures, comparisons=())
