"""Statistics of two classes: rates and areas under the ROC curve with intervals, association of categories."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from python_ml.profile.schema import ChurnRate, IntervalEstimate

if TYPE_CHECKING:
    import numpy as np

Z_95 = 1.959963984540054
FEWEST = 10  # rows of each class, for an AUC


def rate(group: str, churned: int, rows: int) -> ChurnRate:
    """Share of churned rows with Wilson's 95 % interval, which treats rows as independent."""
    from scipy.stats import binomtest

    if not rows:
        return ChurnRate(group, 0, 0, IntervalEstimate(0.0, 0.0, 1.0))
    interval = binomtest(churned, rows).proportion_ci(method="wilson")
    return ChurnRate(group, rows, churned, IntervalEstimate(churned / rows, float(interval.low), float(interval.high)))


def auc(values: np.ndarray, churned: np.ndarray, clusters: np.ndarray | None = None) -> IntervalEstimate | None:
    """Area under the ROC curve with its 95 % interval.

    Parameters
    ----------
    values : ndarray, shape (n_rows,)
        Numbers without missing values; above 0.5, higher ones churn more often.
    churned : ndarray, shape (n_rows,)
        0 or 1.
    clusters : ndarray, shape (n_rows,), optional
        Number of each row's customer, where rows of one customer repeat.

    Returns
    -------
    IntervalEstimate or None
        None with fewer than ten rows of a class.

    Notes
    -----
    DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988), Biometrics 44; with clusters, Obuchowski, N. A.
    (1997), Biometrics 53. The interval is taken on the logit scale, so that it stays within 0 and 1.
    """
    import numpy as np
    from scipy.stats import rankdata

    is_churned = np.asarray(churned) == 1
    m, n = int(is_churned.sum()), int((~is_churned).sum())
    if min(m, n) < FEWEST:
        return None
    # A placement is the share of the other class that a row lies above (or below), ties counting half.
    ranks = rankdata(values)
    above = (ranks[is_churned] - rankdata(values[is_churned])) / n
    below = 1 - (ranks[~is_churned] - rankdata(values[~is_churned])) / m
    value = float(above.mean())
    if clusters is None:
        variance = above.var(ddof=1) / m + below.var(ddof=1) / n
    else:
        count = int(clusters.max()) + 1
        a = np.bincount(clusters[is_churned], above - value, count)
        b = np.bincount(clusters[~is_churned], below - value, count)
        with_a = len(np.unique(clusters[is_churned]))
        with_b, all_clusters = len(np.unique(clusters[~is_churned])), len(np.unique(clusters))
        if min(with_a, with_b) < 2:
            return None
        s10 = with_a / ((with_a - 1) * m) * (a @ a)
        s01 = with_b / ((with_b - 1) * n) * (b @ b)
        variance = s10 / m + s01 / n + 2 * all_clusters / (all_clusters - 1) * (a @ b) / (m * n)
    if not 1e-9 < value < 1 - 1e-9:
        return IntervalEstimate(value, value, value)
    middle, reach = math.log(value / (1 - value)), Z_95 * math.sqrt(max(float(variance), 0.0)) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-min(max(x, -700.0), 700.0))) for x in (middle - reach, middle + reach))
    return IntervalEstimate(value, low, high)


def cramers_v(counts: list[tuple[int, int]]) -> float | None:
    """Association of categories with an outcome, corrected for chance.

    Parameters
    ----------
    counts : list of (int, int)
        Churned and retained rows of each category.

    Returns
    -------
    float or None
        0 to 1; None for a single category or a single outcome.

    Notes
    -----
    Bergsma, W. (2013), "A bias-correction for Cramér's V and Tschuprow's T", Journal of the Korean Statistical
    Society 42.
    """
    import numpy as np
    from scipy.stats import chi2_contingency

    table = np.array(counts, dtype=float).reshape(-1, 2)
    total, levels = table.sum(), len(table)
    if levels < 2 or (table.sum(axis=0) == 0).any():
        return None
    phi = max(0.0, chi2_contingency(table, correction=False).statistic / total - (levels - 1) / (total - 1))
    corrected = min(levels - (levels - 1) ** 2 / (total - 1), 2 - 1 / (total - 1)) - 1
    return float(min(math.sqrt(phi / corrected), 1.0)) if corrected > 0 else 0.0
