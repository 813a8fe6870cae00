"""AUC and odds ratios with intervals by customer, also within strata; out-of-fold rates; binomial tails."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from python_ml.stats import Auc, auc, cramers_v

BINS, CATEGORIES = 50, 200
REPEATED = 5  # rows per distinct value from which the values of a number are also grouped one by one
PRIOR_ROWS = 10  # rows of the base rate that are added to each group


def random_halves(clusters: np.ndarray | None, rows: int) -> np.ndarray:
    """Split rows into two random halves, 0 and 1, with all rows of a customer in the same one."""
    rng = np.random.default_rng(0)
    if clusters is None:
        return rng.permutation(rows) % 2
    return (rng.permutation(int(clusters.max()) + 1) % 2)[clusters]


def is_missing(values: np.ndarray) -> np.ndarray:
    """Where a column is missing, shape (n_rows,)."""
    if values.dtype.kind == "f":
        return ~np.isfinite(values)
    import pandas as pd

    return pd.isna(values) | (values == "")


def as_text(values: np.ndarray) -> np.ndarray:
    """Values of a column as text, missing ones as the empty text."""
    return np.where(is_missing(values), "", values).astype(str)


def bins(values: np.ndarray, number: int) -> np.ndarray:
    """Bins of about equally many rows, from 1; 0 for missing values."""
    present = values[np.isfinite(values)]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, number + 1)[1:-1])) if len(present) else present
    return np.where(np.isfinite(values), 1 + np.searchsorted(edges, values, side="left"), 0)


def groupings(values: np.ndarray) -> list[np.ndarray]:
    """Group rows by a column: by bins of a number, and by its values where they repeat; by categories."""
    missing = is_missing(values)
    present = values[~missing]
    if values.dtype.kind != "f":
        return [_by_frequency(missing, present.astype(str), CATEGORIES)]
    if not len(present):
        return []
    distinct = len(np.unique(present))
    by_value = [_by_frequency(missing, present, distinct)] if BINS < distinct <= len(present) / REPEATED else []
    return [bins(values, BINS), *by_value]


def _by_frequency(missing: np.ndarray, present: np.ndarray, most: int) -> np.ndarray:
    """Rank of each value by frequency, from 1; 0 for missing values. Values beyond ``most`` share the last one."""
    group = np.zeros(len(missing), dtype=int)
    _, codes, counts = np.unique(present, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    group[~missing] = 1 + np.minimum(rank[codes], most)
    return group


def out_of_fold_rates(group: np.ndarray, churned: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Churn rate of each row's group in the other half of the rows, shrunk towards the base rate."""
    scores = np.empty(len(group))
    width = int(group.max()) + 1
    for part in (0, 1):
        fit, predict = half != part, half == part
        rows = np.bincount(group[fit], minlength=width)
        churners = np.bincount(group[fit], weights=churned[fit], minlength=width)
        base = churned[fit].mean() if fit.any() else churned.mean()
        scores[predict] = ((churners + PRIOR_ROWS * base) / (rows + PRIOR_ROWS))[group[predict]]
    return scores


def column_auc(
    values: np.ndarray, churned: np.ndarray, clusters: np.ndarray | None, half: np.ndarray
) -> tuple[Auc, np.ndarray]:
    """How well one column alone ranks churned above retained customers, and the scores by which it does.

    The best of its rank (in either direction) and the churn rates of its bins, values or categories. The rates are
    computed on one ``half`` of the customers and applied to the other, so that a column of noise with many values stays
    near 0.5.
    """
    candidates = [out_of_fold_rates(group, churned, half) for group in groupings(values)]
    numeric = values.dtype.kind == "f"
    if numeric:
        candidates.insert(0, fill_median(values))
    best, scores = Auc(0.5, 0.0), np.zeros(len(values))
    for number, candidate in enumerate(candidates):
        result = auc(candidate, churned, clusters)
        if numeric and number == 0 and result.value < 0.5:  # a rank counts in either direction, a rate does not
            result, candidate = result.reversed, -candidate
        if result.value > best.value:
            best, scores = result, candidate
    return best, scores


def fill_median(values: np.ndarray) -> np.ndarray:
    """A number with missing values replaced by its median."""
    present = np.isfinite(values)
    return np.where(present, values, np.median(values[present]) if present.any() else 0.0)


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation of the rows where ``one`` is present; 0 where it is constant."""
    from scipy.stats import rankdata

    kept = np.isfinite(one)
    if kept.sum() < 3 or np.ptp(one[kept]) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(one[kept]), rankdata(other[kept]))[0, 1])


def association(values: np.ndarray, churned: np.ndarray) -> tuple[str, float]:
    """Strength of the association with the outcome: rank correlation of numbers, Cramér's V of categories."""
    if values.dtype.kind == "f":
        return "rank correlation", rank_correlation(fill_median(values), churned)
    group = groupings(values)[0]
    rows, churners = np.bincount(group), np.bincount(group, churned)
    counts = np.stack([churners, rows - churners], axis=1)[rows > 0]
    return "Cramér's V", cramers_v(counts, corrected=False) or 0.0


@dataclass(frozen=True)
class Odds:
    """How many times greater the odds of churn are in some rows than in the others.

    Attributes
    ----------
    ratio : float
    error : float
        Standard error of its logarithm, by customer.
    cells : tuple of float
        Marked and churned, marked and retained, churned only, neither; fewer where rows of a customer repeat.
    """

    ratio: float
    error: float
    cells: tuple[float, float, float, float]

    def low(self, chance: float) -> float:
        """Lower bound that a ratio which is truly smaller exceeds with that ``chance`` only.

        The better of two bounds, each of which takes half of the chance: that of the normal distribution, and one with
        the exact limits of a Poisson count (Garwood, 1936) for the rarest cells, where few rows make the first useless.
        """
        from scipy.special import gammaincinv

        normal = NormalDist().inv_cdf(1 - chance / 2)
        wald = self.ratio * float(np.exp(-normal * self.error))
        both, mark, churn, neither = self.cells
        few_for, few_against = min(both, neither), min(mark, churn)
        rest = 1 / (max(both, neither) + 1) + 1 / (max(mark, churn) + 1)
        least = float(gammaincinv(few_for, chance / 8)) if few_for else 0.0
        most = float(gammaincinv(few_against + 1, 1 - chance / 8))
        width = NormalDist().inv_cdf(1 - chance / 4) * np.sqrt(rest)
        exact = self.ratio * (least / (few_for + 1)) * ((few_against + 1) / most) * float(np.exp(-width))
        return max(wald, exact)


def odds(
    marked: np.ndarray, churned: np.ndarray, clusters: np.ndarray | None = None, strata: np.ndarray | None = None
) -> Odds:
    """Odds ratio of churn in marked rows against the others of the same stratum.

    Mantel and Haenszel's estimate ("Statistical aspects of the analysis of data from retrospective studies", JNCI
    1959), one row added to each cell of the largest stratum; its variance is that of the estimating equation with
    its parts added up within clusters, as customers have several rows.

    Parameters
    ----------
    marked : numpy.ndarray of bool, shape (n_rows,)
    churned : numpy.ndarray of float, shape (n_rows,)
        0 or 1.
    clusters : numpy.ndarray of int, shape (n_rows,), optional
        Number of the customer of each row, from 0.
    strata : numpy.ndarray of int, shape (n_rows,), optional
    """
    group = np.zeros(len(churned), dtype=int) if strata is None else strata
    cell = 2 * marked.astype(int) + (churned == 1)
    table = np.bincount(4 * group + cell, minlength=4 * (int(group.max()) + 1)).reshape(-1, 4).astype(float)
    largest = int(table.sum(axis=1).argmax())
    raw = table.sum(axis=0)
    table[largest] += 1.0
    total = np.maximum(table.sum(axis=1), 1.0)
    with_it, against = table[:, 3] * table[:, 0] / total, table[:, 2] * table[:, 1] / total
    ratio = float(with_it.sum() / against.sum())
    slope = float(ratio * against.sum())
    # Derivative of the estimating equation by one more row in each cell (retained, churned, marked retained, both).
    common = (with_it - ratio * against) / total
    parts = np.stack([table[:, 3], -ratio * table[:, 2], -ratio * table[:, 1], table[:, 0]], axis=1) / total[:, None]
    parts -= common[:, None]
    influence = parts[group, cell]
    independent = float((influence**2).sum())
    if clusters is not None:
        influence = np.bincount(clusters, influence)
    variance = float((influence**2).sum())
    repeated = max(variance / independent, 1.0) if independent else 1.0
    error = float(np.sqrt(variance + (parts[largest] ** 2).sum()) / slope)
    neither, churn, mark, both = (raw / repeated).tolist()
    return Odds(ratio, error, (both, mark, churn, neither))


def binomial_tail(hits: float, trials: float, rate: float) -> float:
    """Probability of at least ``hits`` in ``trials``, each of which hits with the given ``rate``."""
    from scipy.special import bdtrc

    fewer = np.floor(hits + 1e-9) - 1
    return 1.0 if fewer < 0 else float(bdtrc(fewer, int(np.ceil(trials)), min(max(rate, 1e-9), 1 - 1e-9)))
