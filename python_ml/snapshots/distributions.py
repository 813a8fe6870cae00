"""Shift of a column between two samples: PSI and Kolmogorov-Smirnov, with levels that allow for chance.

The population stability index is the sum of (q - p) ln(q / p) over bins: tenths of the first sample, or categories,
with a bin of their own for nulls. Levels follow the usual limits of 0.1 and 0.25 (Siddiqi, Credit Risk Scorecards,
2006). Where both samples come from one distribution, PSI is about (1 / n + 1 / m) times a chi-squared variable with
one degree of freedom less than there are bins (Yurdakul and Naranjo, 2020): below its 99 % quantile, the level is
"within chance".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHIFTED, STRONGLY_SHIFTED = 0.1, 0.25
BINS = 10
MOST_CATEGORIES = 20
_LEAST = 1e-4  # share of a bin that one of the samples leaves empty


@dataclass(frozen=True)
class Shift:
    """A column in two samples.

    Attributes
    ----------
    column : str
    psi : float
    psi_by_chance : float
        99 % quantile of the PSI of two samples of one distribution, for independent rows.
    ks : float or None
        Greatest distance of the distribution functions; None for text.
    nulls : tuple of float
        Shares of nulls, before and after.
    mean : tuple of float or None
        Means of numbers.
    level : str
        ``unchanged``, ``within chance``, ``stable``, ``shifted``, ``strongly shifted``.
    """

    column: str
    psi: float
    psi_by_chance: float
    ks: float | None
    nulls: tuple[float, float]
    mean: tuple[float, float] | None
    level: str


def number_shift(column: str, before: np.ndarray, after: np.ndarray) -> Shift:
    """Compare two samples of a number.

    Parameters
    ----------
    column : str
    before, after : numpy.ndarray of float, shapes (n,) and (m,)
        NaN where there is no value; neither is empty.
    """
    from scipy.stats import ks_2samp

    known = [sample[~np.isnan(sample)] for sample in (before, after)]
    # Lower edges of the bins; many equal values make one bin of their own.
    edges = np.unique(np.quantile(known[0], np.arange(1, BINS) / BINS)) if len(known[0]) else np.array([])
    counts = []
    for sample, values in zip((before, after), known, strict=True):
        inside = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        counts.append(np.append(inside, len(sample) - len(values)))
    ks = mean = None
    if len(known[0]) and len(known[1]):
        ks = float(ks_2samp(*known, method="asymp").statistic)
        mean = (float(known[0].mean()), float(known[1].mean()))
    return _shift(column, counts[0], counts[1], ks, mean, same=(ks or 0.0) == 0.0)


def category_shift(column: str, before: dict[str | None, int], after: dict[str | None, int]) -> Shift:
    """Compare two samples of a category, as counts by value; None counts those without one."""
    kept = sorted((v for v in before if v is not None), key=lambda v: (-before[v], v))[:MOST_CATEGORIES]
    counts = []
    for sample in (before, after):
        inside = [sample.get(value, 0) for value in kept]
        nulls = sample.get(None, 0)
        counts.append(np.array([*inside, sum(sample.values()) - sum(inside) - nulls, nulls]))
    rows = [sum(sample.values()) for sample in (before, after)]
    same = all(before.get(v, 0) * rows[1] == after.get(v, 0) * rows[0] for v in {*before, *after})
    return _shift(column, counts[0], counts[1], None, None, same)


def _shift(
    column: str,
    before: np.ndarray,
    after: np.ndarray,
    ks: float | None,
    mean: tuple[float, float] | None,
    same: bool,
) -> Shift:
    """The shift by counts per bin, the last of which is that of the nulls."""
    from scipy.special import chdtri

    n, m = int(before.sum()), int(after.sum())
    used = (before + after) > 0
    p, q = before[used] / n, after[used] / m
    floor = [np.maximum(share, _LEAST) for share in (p, q)]
    psi = float(((floor[1] - floor[0]) * np.log(floor[1] / floor[0])).sum())
    chance = float(chdtri(max(int(used.sum()) - 1, 1), 0.01) * (1 / n + 1 / m))
    nulls = (float(before[-1] / n), float(after[-1] / m))
    if same and nulls[0] == nulls[1]:
        level = "unchanged"
    elif psi <= chance and (ks is None or ks <= _ks_by_chance(n, m)):
        level = "within chance"
    else:
        level = "stable" if psi < SHIFTED else "shifted" if psi < STRONGLY_SHIFTED else "strongly shifted"
    return Shift(column, psi, chance, ks, nulls, mean, level)


def _ks_by_chance(n: int, m: int) -> float:
    """99 % quantile of the KS distance of two large samples of one distribution."""
    return float(1.63 * np.sqrt(1 / n + 1 / m))
