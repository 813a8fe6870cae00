"""What the probes look at: the columns of a table, the outcome, and where rows have them, customers and times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from python_ml.leakage._statistics import halves, power, rates
from python_ml.leakage._vocabulary import LOOKING_BACK
from python_ml.stats import Auc, auc

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.dbt import Feature

MOST_ROWS = 200_000
FEWEST_ROWS = 50  # of either class, and of a pattern, below which nothing is said
RECENCY = "days_since_last"
RECENCY_BINS = 20
TICK = 1e-4  # days; finer than any two feature times, coarser than the rounding of the keys


@dataclass(frozen=True, eq=False)
class Subject:
    """A table whose columns are suspects.

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
        Registered features that are times, in days, NaN where empty.
    registry : mapping of str to Feature
        What is known of the columns.
    rows : int
        Rows of the whole table, of which these may be a sample of customers.
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
        """Whether there are enough rows of either class to say anything."""
        return min(self.churned.sum(), (1 - self.churned).sum()) >= FEWEST_ROWS

    @cached_property
    def half(self) -> np.ndarray:
        """Two halves of the customers."""
        return halves(self.entities, len(self.churned))

    @cached_property
    def powers(self) -> dict[str, tuple[Auc, np.ndarray]]:
        """How well each column alone ranks, and the scores by which it does."""
        return {name: power(self.values_of(name), self.churned, self.entities, half=self.half) for name in self.names}

    @cached_property
    def recency(self) -> str | None:
        """The strongest of the registered days since the last event, which are what an honest column may know.

        Only where rows have times, and the days are none of the future.
        """
        found = [
            name
            for name in self.names
            if self.is_dated
            and (feature := self.registry.get(name)) is not None
            and feature.aggregate == RECENCY
            and not (self.values_of(name) < 0).any()
        ]
        return max(found, key=lambda name: self.powers[name][0].value, default=None)

    @cached_property
    def strata(self) -> np.ndarray | None:
        """Rows of similar recency, shape (n_rows,); None without a recency."""
        if self.recency is None:
            return None
        days = self.values_of(self.recency)
        present = days[np.isfinite(days)]
        if not len(present):
            return None
        edges = np.unique(np.quantile(present, np.linspace(0, 1, RECENCY_BINS + 1)[1:-1]))
        return np.where(np.isfinite(days), 1 + np.searchsorted(edges, days, side="left"), 0)

    @cached_property
    def expected(self) -> np.ndarray:
        """Churn rate that is no surprise for each row: that of its recency, else that of everybody."""
        if self.strata is None:
            return np.full(len(self.churned), self.churned.mean())
        return rates(self.strata, self.churned, self.half)

    def looks_back(self, name: str) -> bool:
        """Whether a column is registered as an aggregate of what lies before the feature time."""
        feature = self.registry.get(name)
        return feature is not None and is_window(feature)

    def beyond_recency(self, name: str) -> Auc:
        """Power of a column among rows of the same recency; its plain power where there is no recency."""
        found, scores = self.powers[name]
        return found if self.strata is None else auc(scores, self.churned, self.entities, self.strata)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.lexsort((self.times, self.entities))

    @cached_property
    def previous(self) -> np.ndarray:
        """Row of the same customer at the feature time before, -1 where there is none; shape (n_rows,)."""
        order, found = self._order, np.full(len(self.churned), -1)
        same = self.entities[order[1:]] == self.entities[order[:-1]]
        found[order[1:][same]] = order[:-1][same]
        return found

    @cached_property
    def next_outcome(self) -> np.ndarray:
        """First row of the same customer whose label begins when this one's is over, -1 where there is none."""
        # Labels may name no time of their own: then the next feature time is the next outcome.
        return self.first_from(np.maximum(self.ends - TICK, self.times + TICK))

    def first_from(self, wanted: np.ndarray) -> np.ndarray:
        """First row of the same customer at or after a time, -1 where there is none; shape (n_rows,)."""
        order = self._order
        origin, width = self.times.min(), np.ptp(np.concatenate([self.times, wanted])) + 1.0
        keys = self.entities[order] * width + (self.times[order] - origin)
        place = np.searchsorted(keys, self.entities * width + np.minimum(wanted - origin, width - 0.5))
        inside = place < len(order)
        found = np.full(len(order), -1)
        found[inside] = order[place[inside]]
        return np.where((found >= 0) & (self.entities[found] == self.entities), found, -1)

    @cached_property
    def last_departure(self) -> np.ndarray:
        """Latest feature time at which each row's customer was about to churn, -inf for those who never were."""
        latest = np.full(int(self.entities.max()) + 1, -np.inf)
        leaving = self.churned == 1
        np.maximum.at(latest, self.entities[leaving], self.times[leaving])
        return latest[self.entities]

    @classmethod
    def of(
        cls, frame: pd.DataFrame, features: Sequence[Feature], entity: str, *, dated: bool, seed: int = 0
    ) -> Subject:
        """The features of a training set; of a large one, all rows of customers who are drawn by chance.

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
    return bool(feature.window or feature.aggregate == RECENCY) and feature.aggregate in LOOKING_BACK


def _days(times: pd.Series) -> np.ndarray:
    """Times as days since 1970, NaN where empty."""
    import pandas as pd

    stamps = pd.to_datetime(times, errors="coerce", utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("int64") / 86_400e6)
