"""Which features move the predictions, of all customers and of each segment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.model.explain import direction
from python_ml.stats import Z_95

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL = "all customers"
DRIVERS = (
    "segment_by", "segment", "feature", "driver_rank", "customers", "importance", "importance_low", "importance_high",
    "mean_contribution", "direction",
)  # fmt: skip


def driver_importance(
    values: np.ndarray, inputs: pd.DataFrame, features: Sequence[str], segments: pd.DataFrame
) -> pd.DataFrame:
    """Sum contributions up, over all customers and over each segment.

    Parameters
    ----------
    values : numpy.ndarray, shape (n_customers, n_features)
        Contributions in log-odds; see :func:`python_ml.model.explain.contributions`.
    inputs : pandas.DataFrame, shape (n_customers, any)
        The values of the features.
    features : sequence of str
        Names, in the order of ``values``.
    segments : pandas.DataFrame, shape (n_customers, n_ways)
        One column per way to divide customers; null where a customer belongs to no segment of it.

    Returns
    -------
    pandas.DataFrame
        One row per segment and feature, the strongest first: ``segment_by``, ``segment``, ``feature``,
        ``driver_rank``, ``customers``, ``importance`` (mean absolute contribution) with its 95 % interval between
        customers (null for one customer), ``mean_contribution`` (positive: more risk than the model's base) and
        ``direction`` (-1 to 1: whether a higher value means more risk; 0 for categories).
    """
    whole = pd.Series(ALL, index=range(len(values)))
    parts = []
    for way, labels in {ALL: whole, **{name: segments[name].reset_index(drop=True) for name in segments}}.items():
        for segment, rows in labels.groupby(labels.astype("string"), sort=True).groups.items():
            where = np.asarray(rows)
            inside, size = values[where], np.abs(values[where])
            half = Z_95 * size.std(axis=0, ddof=1) / np.sqrt(len(where)) if len(where) > 1 else np.nan
            part = pd.DataFrame(
                {
                    "segment_by": way,
                    "segment": str(segment),
                    "feature": list(features),
                    "customers": len(where),
                    "importance": size.mean(axis=0),
                    "importance_low": np.maximum(size.mean(axis=0) - half, 0),
                    "importance_high": size.mean(axis=0) + half,
                    "mean_contribution": inside.mean(axis=0),
                    "direction": [direction(inputs[name].iloc[where], inside[:, i]) for i, name in enumerate(features)],
                }
            ).sort_values(["importance", "feature"], ascending=[False, True], ignore_index=True)
            parts.append(part.assign(driver_rank=np.arange(1, len(part) + 1, dtype="int32")))
    return pd.concat(parts, ignore_index=True)[list(DRIVERS)]
