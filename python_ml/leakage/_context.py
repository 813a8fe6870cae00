"""The input of the probes: columns, outcome and, where rows have them, customers and times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from python_ml.leakage._statistics import bins, column_auc, out_of_fold_rates, random_halves
from python_ml.stats import Auc, auc

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.dbt import Feature

MOST_ROWS = 200_000
FEWEST_ROWS = 50  # of either class, and of a pattern, below which nothing is reported
RECENCY = "days_since_last"
# Aggregates of what lies before a feature time; a difference or a shifted window is none of them.
WINDOW_AGGREGATES = frozenset({
    "count", "sum", "mean", "min", "max", "variance", "stddev", "slope", "first", "last", "nunique", "mode",
    "entropy", "any", "all", "share", "days_since_last", "days_since_first", "mean_gap_days", "active_days",
    "gap_stddev_days", "last_gap_days", "median_gap_days", "longest_gap_days", "recency_per_mean_gap",
    "recency_per_longest_gap", "recency_per_tenure", "recency_zscore", "last_per_mean", "longest_streak_days",
    "current_streak_days",
})  # fmt: skip
RECENCY_BINS = 20
TICK = 1e-4  # days; finer than any two feature times, coarser than the rounding of the keys


@dataclass(frozen=True, eq=False)
class ProbeContext:
    """A table that is probed for leaks.

    Attributes
    ----------
    names : tuple of str
    values_of : callable
        Values of a column, shape (n_rows,): floats with NaN, or objects with None or NaN.
    churned : numpy.ndarray of float, shape (n_rows,)
        0 or 1.
    entities : numpy.ndarray of int or None
        Number of the customer of each row, from 0.
    times, ends : numpy.ndarray of float or None
        Feature time and end of the label in days; None where rows have no times.
    dates : mapping of str to numpy.ndarray
        Registered features that are times, in days, NaN where missing.
    registry : mapping of str to Feature
        The registry by column.
    rows : int
        Rows of the whole table, of which this may be a sample of customers.
    """

    names: tuple[str, ...]
    values_of: Callable[[str], np.ndarray]
    churned: np.ndarray
    entities: np.ndarray | None = None
    times: np.ndarray | None = None
    ends: np.ndarray | None = None
    dates: Mapping[str, np.ndarray] = field(default_factory=dict)
    registry: Mapping[str, Feature] = field(default_factory=dict)
    rows: int = 0

    @property
    def is_dated(self) -> bool:
        """Whether rows have feature times."""
        return self.times is not None

    @cached_property
    def has_enough(self) -> bool:
        """Whether there are enough rows of either class."""
        return min(self.churned.sum(), (1 - self.churned).sum()) >= FEWEST_ROWS

    @cached_property
    def half(self) -> np.ndarray:
        """Two random halves of the customers, 0 and 1; shape (n_rows,)."""
        return random_halves(self.entities, len(self.churned))

    @cached_property
    def aucs(self) -> dict[str, tuple[Auc, np.ndarray]]:
        """How well each column alone ranks churned customers, and the scores by which it does."""
        return {name: column_auc(self.values_of(name), self.churned, self.entities, self.half) for name in self.names}

    @cached_property
    def recency(self) -> str | None:
        """The strongest of the registered days since the last event, whose strength is no suspicion.

        Only where rows have times, and no day is negative.
        """
        candidates = [
            name
            for name in self.names
            if self.is_dated
            and (feature := self.registry.get(name)) is not None
            and feature.aggregate == RECENCY
            and not (self.values_of(name) < 0).any()
        ]
        return max(candidates, key=lambda name: self.aucs[name][0].value, default=None)

    @cached_property
    def strata(self) -> np.ndarray | None:
        """Rows of similar recency, shape (n_rows,); None without a recency."""
        days = None if self.recency is None else self.values_of(self.recency)
        return None if days is None or not np.isfinite(days).any() else bins(days, RECENCY_BINS)

    @cached_property
    def expected(self) -> np.ndarray:
        """Churn rate expected of each row: that of its recency, else the base rate; shape (n_rows,)."""
        if self.strata is None:
            return np.full(len(self.churned), self.churned.mean())
        return out_of_fold_rates(self.strata, self.churned, self.half)

    def looks_back(self, name: str) -> bool:
        """Whether a column is registered as an aggregate of what lies before the feature time."""
        feature = self.registry.get(name)
        return feature is not None and is_window(feature)

    def auc_beyond_recency(self, name: str) -> Auc:
        """AUC of a column among rows of the same recency; its plain AUC where there is no recency."""
        alone, scores = self.aucs[name]
        return alone if self.strata is None else auc(scores, self.churned, self.entities, self.strata)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.lexsort((self.times, self.entities))

    @cached_property
    def previous(self) -> np.ndarray:
        """Row of the same customer at the feature time before, -1 where there is none; shape (n_rows,)."""
        order, rows = self._order, np.full(len(self.churned), -1)
        same = self.entities[order[1:]] == self.entities[order[:-1]]
        rows[order[1:][same]] = order[:-1][same]
        return rows

    @cached_property
    def next_outcome(self) -> np.ndarray:
        """First row of the same customer whose label begins when this one has ended, -1 where there is none."""
        # Labels may have no time of their own: then the next feature time is the next outcome.
        return self.first_from(np.maximum(self.ends - TICK, self.times + TICK))

    def first_from(self, moments: np.ndarray) -> np.ndarray:
        """First row of the same customer at or after a time, -1 where there is none; shape (n_rows,)."""
        order = self._order
        origin, width = self.times.min(), np.ptp(np.concatenate([self.times, moments])) + 1.0
        keys = self.entities[order] * width + (self.times[order] - origin)
        place = np.searchsorted(keys, self.entities * width + np.minimum(moments - origin, width - 0.5))
        inside = place < len(order)
        rows = np.full(len(order), -1)
        rows[inside] = order[place[inside]]
        return np.where((rows >= 0) & (self.entities[rows] == self.entities), rows, -1)

    @cached_property
    def last_departure(self) -> np.ndarray:
        """Latest feature time whose label says that the customer of each row churned, -inf where there is none."""
        latest = np.full(int(self.entities.max()) + 1, -np.inf)
        leaving = self.churned == 1
        np.maximum.at(latest, self.entities[leaving], self.times[leaving])
        return latest[self.entities]

    @classmethod
    def of(
        cls, frame: pd.DataFrame, features: Sequence[Feature], entity: str, *, dated: bool, seed: int = 0
    ) -> ProbeContext:
        """The features of a training set; of a large one, all rows of a random sample of customers.

        Parameters
        ----------
        frame : pandas.DataFrame, n_rows rows
            The training set.
        features : sequence of Feature
            The registry.
        entity : str
        dated : bool
            Whether its feature times are times.
        seed : int
        """
        import pandas as pd

        from python_ml.dbt import TRAINING_SET
        from python_ml.input_columns import model_input, typed_columns

        total = len(frame)
        codes = pd.factorize(frame[entity], sort=True)[0]
        if total > MOST_ROWS:
            customers = np.random.default_rng(seed).permutation(int(codes.max()) + 1)
            counts = np.cumsum(np.bincount(codes)[customers])
            drawn = np.zeros(len(customers), dtype=bool)
            drawn[customers[: max(int(np.searchsorted(counts, MOST_ROWS, side="right")), 1)]] = True
            frame, codes = frame[drawn[codes]], codes[drawn[codes]]
        is_date = {f.name for f in features if f.role == "feature" and f.data_type.startswith(("timestamp", "date"))}
        columns = typed_columns(frame, [feature for feature in features if feature.name not in is_date])
        inputs = model_input(frame, columns, where=TRAINING_SET)
        return cls(
            names=tuple(column.name for column in columns),
            values_of=lambda name: inputs[name].to_numpy(),
            churned=frame["churned"].to_numpy(float),
            entities=pd.factorize(codes)[0],
            times=_days(frame["feature_timestamp"]) if dated else None,
            ends=_days(frame["label_timestamp"]) if dated else None,
            dates={name: _days(frame[name]) for name in is_date if name in frame.columns},
            registry={feature.name: feature for feature in features},
            rows=total,
        )


def is_window(feature: Feature) -> bool:
    """Whether a feature is an aggregate of what lies before the feature time."""
    return bool(feature.window or feature.aggregate == RECENCY) and feature.aggregate in WINDOW_AGGREGATES


def _days(times: pd.Series) -> np.ndarray:
    """Times as days since 1970, NaN where missing."""
    import pandas as pd

    stamps = pd.to_datetime(times, errors="coerce", utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("int64") / 86_400e6)
