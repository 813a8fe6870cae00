"""Customers whose true end is known, as rows of a training set: a constant hazard that depends on two features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from python_ml.dbt import Feature
from python_ml.input_columns import InputColumn

COLUMNS = [InputColumn("usage", "number"), InputColumn("noise", "number"), InputColumn("plan", "category")]
FEATURES = [
    Feature("customer_id", "key", "varchar"),
    Feature("feature_timestamp", "time", "timestamp"),
    Feature("usage", "feature", "double"),
    Feature("noise", "feature", "double"),
    Feature("plan", "feature", "varchar"),
]
START = pd.Timestamp("2023-01-01")


@dataclass(frozen=True)
class Lifetimes:
    """``frame`` as gold.gld_training_set; of each row, ``remaining`` days and the daily ``rate`` of churn."""

    frame: pd.DataFrame
    remaining: np.ndarray
    rate: np.ndarray
    definitions: dict[str, str]


def lifetimes(
    customers: int = 1500,
    times: int | pd.DatetimeIndex = 14,
    step: int = 30,
    horizon: int = 30,
    gap: int = 0,
    effect: float = 1.2,
    seed: int = 0,
) -> Lifetimes:
    """Rows of every customer at the feature times at which they are covered, labelled as far as the data reach.

    Parameters
    ----------
    times : int or DatetimeIndex
        Number of feature times, ``step`` days apart, or the times themselves.
    effect : float
        Of the features on the logarithm of the rate; 0 leaves nothing to learn.
    """
    rng = np.random.default_rng(seed)
    grid = pd.date_range(START, periods=times, freq=f"{step}D") if isinstance(times, int) else times
    days = ((grid - grid[0]) / pd.Timedelta(days=1)).to_numpy()
    usage, basic = rng.normal(size=customers), rng.random(customers) < 0.5
    rate = np.exp(-5.6 + effect * (-0.9 * usage + 0.5 * basic))
    joined = np.where(rng.random(customers) < 0.6, -1.0, rng.uniform(0, 0.7 * days[-1], customers))
    end = joined + rng.exponential(1 / rate)
    who, at = np.nonzero((joined[:, None] < days) & (end[:, None] >= days + gap))
    at = days[at]
    order = np.lexsort((who, at))
    who, at = who[order], at[order]
    moments = grid[0] + pd.to_timedelta(at, unit="D")
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in who],
            "feature_timestamp": moments.as_unit("us"),
            "usage": usage[who],
            "noise": rng.normal(size=len(who)),
            "plan": np.where(basic, "basic", "premium")[who],
            "churned": (end[who] < at + gap + horizon).astype("int32"),
            "label_timestamp": (moments + pd.Timedelta(days=gap + horizon)).as_unit("us"),
        }
    )
    definitions = {"churn_definition": "end_date", "gap": f"{gap}d", "horizon": f"{horizon}d"}
    return Lifetimes(frame, end[who] - at - gap, rate[who], definitions)
