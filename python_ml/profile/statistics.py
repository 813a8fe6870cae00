"""Rates and areas under the ROC curve, with intervals, as parts of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.profile.schema import ChurnRate, IntervalEstimate

if TYPE_CHECKING:
    import numpy as np

FEWEST = 10  # rows of each class, for an AUC


def rate(group: str, churned: int, rows: int) -> ChurnRate:
    """Share of churned rows with Wilson's 95 % interval, which treats rows as independent."""
    from python_ml.stats import wilson

    low, high = wilson(churned, rows)
    return ChurnRate(group, rows, churned, IntervalEstimate(churned / max(rows, 1), float(low), float(high)))


def auc(values: np.ndarray, churned: np.ndarray, clusters: np.ndarray | None = None) -> IntervalEstimate | None:
    """Area under the ROC curve with its 95 % interval, taken on the logit scale.

    Parameters
    ----------
    values, churned, clusters
        As for :func:`python_ml.stats.auc`; above 0.5, higher values churn more often.

    Returns
    -------
    IntervalEstimate or None
        None with fewer than ten rows, or fewer than two customers, of a class.
    """
    import numpy as np

    from python_ml import stats

    for is_class in (np.asarray(churned) == 1, np.asarray(churned) != 1):
        if is_class.sum() < FEWEST or (clusters is not None and len(np.unique(clusters[is_class])) < 2):
            return None
    result = stats.auc(values, churned, clusters)
    return IntervalEstimate(result.value, *result.logit_bounds)
