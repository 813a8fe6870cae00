"""What one column tells of the outcome: its area under the ROC curve, its association, odds, and rare shares."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from python_ml.stats import Auc, auc, cramers_v

BINS, CATEGORIES = 50, 200
REPEATED = 5  # rows per distinct value from which on the values of a number may be looked at one by one
DRAWN = 10  # rows of the base rate that the rate of each group is drawn towards


def halves(clusters: np.ndarray | None, rows: int) -> np.ndarray:
    """Deal rows into two halves by chance, all rows of a customer into the same one."""
    rng = np.random.default_rng(0)
    if clusters is None:
        return rng.permutation(rows) % 2
    return (rng.permutation(int(clusters.max()) + 1) % 2)[clusters]


def blank(values: np.ndarray) -> np.ndarray:
    """Where a column is empty, shape (n_rows,)."""
    if values.dtype.kind == "f":
        return ~np.isfinite(values)
    return np.fromiter((v is None or v != v or v == "" for v in values), dtype=bool, count=len(values))


def groups(values: np.ndarray) -> list[np.ndarray]:
    """Ways of putting rows into groups by a column: bins of a number, and its values where they repeat; categories."""
    empty = blank(values)
    present = values[~empty]
    if values.dtype.kind != "f":
        return [_ranked(empty, present.astype(str), CATEGORIES)]
    if not len(present):
        return []
    edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1]))
    binned = np.zeros(len(values), dtype=int)
    binned[~empty] = 1 + np.searchsorted(edges, present, side="left")
    found = [binned]
    distinct = len(np.unique(present))
    if BINS < distinct <= len(present) / REPEATED:
        found.append(_ranked(empty, present, distinct))
    return found


def _ranked(empty: np.ndarray, present: np.ndarray, most: int) -> np.ndarray:
    """Number of each value by how common it is, 0 for none; beyond ``most``, they share the last."""
    found = np.zeros(len(empty), dtype=int)
    _, codes, counts = np.unique(present, return_inverse=True, return_counts=True)
    place = np.empty(len(counts), dtype=int)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    found[~empty] = 1 + np.minimum(place[codes], most)
    return found


def rates(group: np.ndarray, churned: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Rate of each row's group, learnt on the other half of the rows and drawn towards the base rate."""
    scores = np.empty(len(group))
    width = int(group.max()) + 1
    for part in (0, 1):
        learn, apply = half != part, half == part
        n = np.bincount(group[learn], minlength=width)
        left = np.bincount(group[learn], weights=churned[learn], minlength=width)
        base = churned[learn].mean() if learn.any() else churned.mean()
        scores[apply] = ((left + DRAWN * base) / (n + DRAWN))[group[apply]]
    return scores


def power(
    values: np.ndarray,
    churned: np.ndarray,
    clusters: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    half: np.ndarray | None = None,
) -> tuple[Auc, np.ndarray]:
    """How well one column alone ranks churned above retained customers, and the scores by which it does.

    By its rank (either way), or by the churn rate of its bins, values or categories, whichever is more. These rates
    are learnt on one half of the customers and used on the other, so that a column of noise with many values stays
    near 0.5.
    """
    half = halves(clusters, len(values)) if half is None else half
    candidates = [rates(group, churned, half) for group in groups(values)]
    if values.dtype.kind == "f":
        candidates.insert(0, filled(values))
    best, scores = Auc(0.5, 0.0), np.zeros(len(values))
    for candidate in candidates:
        found = auc(candidate, churned, clusters, strata)
        if found.value != found.value:
            continue
        # The rates of groups have one direction only: that of the rates.
        if candidate is candidates[0] and values.dtype.kind == "f" and found.value < 0.5:
            found, candidate = found.reversed, -candidate
        if found.value > best.value:
            best, scores = found, candidate
    return best, scores


def filled(values: np.ndarray) -> np.ndarray:
    """A number with its median where it is empty."""
    present = np.isfinite(values)
    return np.where(present, values, np.median(values[present]) if present.any() else 0.0)


def ranked(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, the mean of those that are tied."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[codes]


def association(values: np.ndarray, churned: np.ndarray) -> tuple[str, float]:
    """Strength of the association with the outcome: correlation of ranks for numbers, Cramér's V for categories."""
    if values.dtype.kind == "f":
        ranks = ranked(filled(values))
        if np.ptp(ranks) == 0:
            return "rank correlation", 0.0
        return "rank correlation", float(np.corrcoef(ranks, churned)[0, 1])
    group = groups(values)[0]
    rows, gone = np.bincount(group), np.bincount(group, churned)
    counts = np.stack([gone, rows - gone], axis=1)[rows > 0]
    return "Cramér's V", cramers_v(counts, corrected=False) or 0.0


@dataclass(frozen=True)
class Odds:
    """How many times the odds of churn are greater in some rows than in the others.

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
    alone = float((influence**2).sum())
    if clusters is not None:
        influence = np.bincount(clusters, influence)
    variance = float((influence**2).sum())
    repeated = max(variance / alone, 1.0) if alone else 1.0
    error = float(np.sqrt(variance + (parts[largest] ** 2).sum()) / slope)
    stay, churn, mark, both = (raw / repeated).tolist()
    return Odds(ratio, error, (both, mark, churn, stay))


def surprise(hits: float, of: float, expected: float) -> float:
    """Probability of at least so many ``hits`` of so many rows, where each has the ``expected`` one."""
    from scipy.special import bdtrc

    least = np.floor(hits + 1e-9) - 1
    return 1.0 if least < 0 else float(bdtrc(least, int(np.ceil(of)), min(max(expected, 1e-9), 1 - 1e-9)))
