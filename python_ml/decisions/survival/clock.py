"""How time is counted after a feature time: where each period ends, and what labels can say about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.durations import days
from python_ml.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

DAY = np.timedelta64(1, "D")
CLOSE = 0.1  # a step and a horizon that differ by less than this share are taken for the same


class SurvivalError(UserError):
    """These data have no survival model; the message says what is missing."""


@dataclass(frozen=True)
class Clock:
    """Periods after a feature time, in days from the beginning of its label window (T + gap).

    Attributes
    ----------
    definition : str
        Of churn: ``end_date``, ``inactivity`` or ``supplied``.
    horizon, step : float
        Days that a label looks at, and days between two feature times of a customer.
    first, length : float
        Days of the first period, and of each later one.
    periods : int
        How many there are.
    """

    definition: str
    horizon: float
    step: float
    first: float
    length: float
    periods: int

    @property
    def edges(self) -> np.ndarray:
        """Ends of the periods, from 0; shape (periods + 1,)."""
        return np.r_[0.0, self.first + self.length * np.arange(self.periods)]

    @property
    def by_end(self) -> bool:
        """Whether churn is the end of a coverage, so that a customer who is no longer seen has churned."""
        return self.definition == "end_date"

    @property
    def tolerance(self) -> float:
        """Days by which a period may be observed too briefly and still counts as observed (months differ)."""
        return CLOSE * min(self.first, self.length)

    @property
    def unresolved(self) -> float:
        """Days before the end of the data within which labels do not yet say in which period a customer churned."""
        finer = self.horizon - self.first
        return finer - self.tolerance if self.by_end and finer > self.tolerance else 0.0

    def completed(self, observed: np.ndarray) -> np.ndarray:
        """Number of periods that so many days cover, at most all."""
        return np.searchsorted(self.edges, np.asarray(observed) + self.tolerance, side="right") - 1

    def lasting(self, periods: int) -> Clock:
        """The same clock with another number of periods."""
        return replace(self, periods=periods)


def measure_clock(frame: pd.DataFrame, entity: str, definitions: Mapping[str, Any], periods: int) -> Clock:
    """Read horizon and step off the rows.

    Where churn is the end of a coverage, labels of overlapping windows together say in which step it came: a label
    of 90 days at feature times 30 days apart resolves periods of 30 days. Elsewhere churn is what one label says, so
    the first period is one horizon long and each later one adds a step.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The entity, ``feature_timestamp`` and ``label_timestamp`` of labelled rows.
    entity : str
    definitions : mapping
        dbt's variables: ``churn_definition``, ``gap``, ``grace``.
    periods : int

    Raises
    ------
    SurvivalError
        When the length of the label window is not known.
    """
    definition = str(definitions.get("churn_definition") or "supplied")
    times = frame["feature_timestamp"].to_numpy()
    span = float(np.median((frame["label_timestamp"].to_numpy() - times) / DAY))
    grace = days(str(definitions.get("grace") or "0d")) if definition == "end_date" else 0.0
    horizon = span - days(str(definitions.get("gap") or "0d")) - grace
    if horizon <= 0:
        raise SurvivalError(
            "The length of the label window is not known (label_timestamp is the feature time).",
            where="gold.gld_training_set, label_timestamp",
            hint="set the horizon in dbt_project.yml, or set `survival: {enabled: false}` in retention.yml",
        )
    customers, day = frame[entity].factorize()[0], (times - times.min()) / DAY
    order = np.lexsort((day, customers))
    steps = np.diff(day[order])[np.diff(customers[order]) == 0]
    step = float(np.median(steps)) if len(steps) else horizon
    first, length = horizon, step
    if definition == "end_date":
        same = abs(step - horizon) <= CLOSE * horizon
        fine = horizon if same else step
        if np.ptp(day) >= horizon - fine:
            first = length = fine
    return Clock(definition, horizon, step, first, length, periods)
