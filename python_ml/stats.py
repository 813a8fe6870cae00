"""Statistics that several packages need: areas under the ROC curve, association, distances of samples, intervals.

Bootstrap intervals resample customers, since the rows of a customer belong together.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
Z_95 = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
CHUNK_CELLS = 1_000_000  # weights held at once: replicates x rows
_LEAST_SHARE = 1e-4  # share of a bin that one of two samples leaves empty


def wilson(successes: ArrayLike, trials: ArrayLike) -> tuple[NDArray, NDArray]:
    """95 % interval of a rate.

    Parameters
    ----------
    successes, trials : array_like
        Counts of the same shape.

    Returns
    -------
    tuple of ndarray
        Lower and upper end, within 0 and 1; from 0 to 1 where nothing was tried, null where either count is null.

    Notes
    -----
    Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22. It treats rows as independent.
    """
    hits, rows = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    n = np.maximum(rows, 1)
    rate = hits / n
    centre = (rate + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * np.sqrt(rate * (1 - rate) / n + Z_95**2 / (4 * n**2))
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    # A rate of 0 or 1 bounds its interval; rounding would leave 1e-18.
    low, high = np.where(hits == 0, 0 * low, low), np.where(hits == n, np.ceil(high), high)
    return np.where(rows == 0, 0.0, low), np.where(rows == 0, 1.0, high)


@dataclass(frozen=True)
class Auc:
    """Area under a ROC curve.

    Attributes
    ----------
    value : float
        NaN where no two rows can be compared.
    error : float
        Standard error; 0 where there are too few rows for one.
    """

    value: float
    error: float

    def bounds(self, tests: int = 1) -> tuple[float, float]:
        """The 95 % interval; with several ``tests``, one that holds for all of them together (Bonferroni)."""
        width = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * max(tests, 1))) * self.error
        return max(self.value - width, 0.0), min(self.value + width, 1.0)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.bounds()[0]

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.bounds()[1]

    @property
    def logit_bounds(self) -> tuple[float, float]:
        """The 95 % interval taken on the logit scale, which keeps it within 0 and 1 without cutting it."""
        if not 1e-9 < self.value < 1 - 1e-9:
            return self.value, self.value
        odds = self.value * (1 - self.value)
        middle, reach = np.log(self.value / (1 - self.value)), Z_95 * self.error / odds
        low, high = 1 / (1 + np.exp(-np.clip([middle - reach, middle + reach], -700, 700)))
        return float(low), float(high)

    @property
    def reversed(self) -> Auc:
        """The area when the order of the scores is reversed."""
        return Auc(1 - self.value, self.error)

    def __str__(self) -> str:
        """``0.912 [0.900, 0.924]``."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def auc(scores: NDArray, churned: NDArray, clusters: NDArray | None = None, strata: NDArray | None = None) -> Auc:
    """Probability that a churned customer has a higher score than a retained one, ties counting half.

    Parameters
    ----------
    scores : numpy.ndarray, shape (n_rows,)
        Without NaN.
    churned : numpy.ndarray, shape (n_rows,)
        0 or 1.
    clusters : numpy.ndarray of int, shape (n_rows,), optional
        Number of the customer of each row, from 0; default: each row is a customer.
    strata : numpy.ndarray of int, shape (n_rows,), optional
        Only churned and retained rows of the same stratum are compared.

    Notes
    -----
    DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988), "Comparing the areas under two or more correlated
    receiver operating characteristic curves", Biometrics 44; with clusters, Obuchowski, N. A. (1997), "Nonparametric
    analysis of clustered ROC curve data", Biometrics 53.
    """
    order = np.argsort(scores, kind="stable") if strata is None else np.lexsort((scores, strata))
    ordered, is_churned = scores[order], churned[order] == 1
    new_stratum = np.zeros(len(ordered), dtype=bool)
    new_stratum[:1] = True
    if strata is not None:
        new_stratum[1:] = np.diff(strata[order]) != 0
    new_value = new_stratum.copy()
    new_value[1:] |= ordered[1:] != ordered[:-1]
    tie, stratum = np.cumsum(new_value) - 1, np.cumsum(new_stratum) - 1
    # Churned and retained rows of each stratum, and those of the same stratum below each row, ties counting half.
    totals, below = {}, {}
    for outcome in (True, False):
        counted = (is_churned == outcome).astype(float)
        totals[outcome] = np.bincount(stratum, counted)
        of_tie = np.bincount(tie, counted)
        earlier = np.cumsum(totals[outcome]) - totals[outcome]
        below[outcome] = (np.cumsum(of_tie) - of_tie / 2)[tie] - earlier[stratum]
    pairs = float(totals[True] @ totals[False])
    if not pairs:
        return Auc(float("nan"), 0.0)
    opposite = np.where(is_churned, totals[False][stratum], totals[True][stratum])
    won = np.where(is_churned, below[False], opposite - below[True])
    value = float(won[is_churned].sum() / pairs)
    influence = won - value * opposite
    parts = [np.where(is_churned == outcome, influence, 0.0) for outcome in (True, False)]
    compared = [(is_churned == outcome) & (opposite > 0) for outcome in (True, False)]
    if clusters is not None:
        parts = [np.bincount(clusters[order], part) for part in parts]
        compared = [np.bincount(clusters[order], rows) > 0 for rows in compared]
    variance = sum(_small_sample(rows) * float(part @ part) for part, rows in zip(parts, compared, strict=True))
    variance += 2 * _small_sample(compared[0] | compared[1]) * float(parts[0] @ parts[1])
    return Auc(value, float(np.sqrt(max(variance, 0.0)) / pairs))


def _small_sample(counted: NDArray) -> float:
    """Factor that makes the variance of so many independent parts unbiased."""
    count = max(int(counted.sum()), 2)
    return count / (count - 1)


def resampled_weights(customers: ArrayLike, replicates: int, seed: int) -> Iterator[NDArray]:
    """Resample customers with replacement, for bootstrap intervals that keep the rows of a customer together.

    Parameters
    ----------
    customers : array_like, shape (n_rows,)
        Key of the customer of each row.
    replicates, seed : int

    Yields
    ------
    numpy.ndarray, shape (some replicates, n_rows)
        How often each row's customer is drawn.
    """
    keys, row_of = np.unique(np.asarray(customers), return_inverse=True)
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK_CELLS // max(1, len(row_of)))
    for first in range(0, replicates, chunk):
        counts = [
            np.bincount(rng.integers(0, len(keys), len(keys)), minlength=len(keys))
            for _ in range(min(chunk, replicates - first))
        ]
        yield np.asarray(counts, dtype=float)[:, row_of]


def some_rows(rows: NDArray, most: int, seed: int | np.random.Generator = 0) -> NDArray:
    """At most so many rows: drawn without replacement and sorted, or all as they are where they are no more.

    Parameters
    ----------
    rows : numpy.ndarray of int, shape (n_rows,)
        Positions.
    most : int
    seed : int or numpy.random.Generator
    """
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def percentile_interval(drawn: ArrayLike) -> tuple[float, float]:
    """95 % percentile interval of resampled values; NaN where fewer than half of them are defined.

    Parameters
    ----------
    drawn : array_like, shape (n_replicates,)
        NaN where a resample does not define the figure.

    Notes
    -----
    Efron, B. and Tibshirani, R. J. (1993), "An Introduction to the Bootstrap", chapter 13.
    """
    drawn = np.asarray(drawn, dtype=float)
    defined = drawn[np.isfinite(drawn)]
    if not len(defined) or 2 * len(defined) < len(drawn):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def estimate(value: float | None, drawn: ArrayLike = ()) -> dict[str, float | None]:
    """A figure with its percentile interval, as ``metrics.json`` and the tables hold it.

    Parameters
    ----------
    value : float or None
        None or NaN where it is not defined; then there is no interval either.
    drawn : array_like, shape (n_replicates,)
        See :func:`percentile_interval`.

    Returns
    -------
    dict
        ``value``, ``low``, ``high``: floats, or None where they are not defined.
    """
    if value is None or not np.isfinite(value):
        return {"value": None, "low": None, "high": None}
    low, high = (None if np.isnan(end) else end for end in percentile_interval(drawn))
    return {"value": float(value), "low": low, "high": high}


def cramers_v(counts: ArrayLike, corrected: bool = True) -> float | None:
    """Association of categories with an outcome.

    Parameters
    ----------
    counts : array_like, shape (n_categories, 2)
        Churned and retained rows of each category; no category is empty.
    corrected : bool
        Whether to correct it for what chance adds.

    Returns
    -------
    float or None
        0 to 1; None for a single category or a single outcome.

    Notes
    -----
    Bergsma, W. (2013), "A bias-correction for Cramér's V and Tschuprow's T", Journal of the Korean Statistical
    Society 42.
    """
    table = np.asarray(counts, dtype=float).reshape(-1, 2)
    total, levels = table.sum(), len(table)
    if levels < 2 or (table.sum(axis=0) == 0).any():
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    phi = ((table - expected) ** 2 / expected).sum() / total
    if not corrected:
        return float(np.sqrt(min(phi, 1.0)))
    phi = max(0.0, phi - (levels - 1) / (total - 1))
    columns = min(levels - (levels - 1) ** 2 / (total - 1), 2 - 1 / (total - 1)) - 1
    return float(min(np.sqrt(phi / columns), 1.0)) if columns > 0 else 0.0


def psi(before: NDArray, after: NDArray, least_rows: float = 0.0) -> tuple[float, float]:
    """Population stability index of two samples.

    Parameters
    ----------
    before, after : numpy.ndarray, shape (n_bins,)
        Rows of each bin.
    least_rows : float
        For how many rows a bin counts that one sample leaves empty; it counts for no less than a ten-thousandth of the
        sample, so that the same shift does not weigh more the more rows there are.

    Returns
    -------
    tuple of float
        The sum of (q - p) ln(q / p) over bins, and what it stays below in 99 of 100 cases by chance alone.

    Notes
    -----
    Where both samples come from one distribution, PSI is about (1 / n + 1 / m) times a chi-squared variable with one
    degree of freedom less than there are bins. Yurdakul, B. and Naranjo, J. (2020), "Statistical properties of the
    population stability index", Journal of Risk Model Validation 14.
    """
    from scipy.special import chdtri

    n, m = int(before.sum()), int(after.sum())
    used = (before + after) > 0
    p, q = (
        np.maximum(np.maximum(counts[used], least_rows) / rows, _LEAST_SHARE)
        for counts, rows in ((before, n), (after, m))
    )
    by_chance = chdtri(max(int(used.sum()) - 1, 1), 0.01) * (1 / n + 1 / m)
    return float(((q - p) * np.log(q / p)).sum()), float(by_chance)


def ks(before: NDArray, after: NDArray) -> float:
    """Kolmogorov-Smirnov distance: the greatest of two samples' distribution functions, each sorted and not empty."""
    points = np.concatenate([before, after])
    below = [np.searchsorted(sample, points, side="right") / len(sample) for sample in (before, after)]
    return float(np.abs(below[0] - below[1]).max())


def ks_by_chance(n: int, m: int) -> float:
    """What the KS distance of two samples of one distribution stays below in 99 of 100 cases, for many rows."""
    return float(1.63 * np.sqrt(1 / n + 1 / m))
