"""Shift of a column between two samples: PSI and Kolmogorov-Smirnov, with levels that allow for chance.

The bins of the population stability index are tenths of the first sample, or categories, with one of their own for
nulls. Levels follow the usual limits of 0.1 and 0.25 (Siddiqi, Credit Risk Scorecards, 2006); below what chance alone
reaches, the level is "within chance".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from python_ml.stats import ks, ks_by_chance, psi

SHIFTED, STRONGLY_SHIFTED = 0.1, 0.25
BINS = 10
MOST_CATEGORIES = 20


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
    known = [sample[~np.isnan(sample)] for sample in (before, after)]
    # Lower edges of the bins; many equal values make one bin of their own.
    edges = np.unique(np.quantile(known[0], np.arange(1, BINS) / BINS)) if len(known[0]) else np.array([])
    counts = []
    for sample, values in zip((before, after), known, strict=True):
        inside = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        counts.append(np.append(inside, len(sample) - len(values)))
    distance = mean = None
    if len(known[0]) and len(known[1]):
        distance = ks(*map(np.sort, known))
        mean = (float(known[0].mean()), float(known[1].mean()))
    return _shift(column, counts[0], counts[1], distance, mean, same=(distance or 0.0) == 0.0)


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
    distance: float | None,
    mean: tuple[float, float] | None,
    same: bool,
) -> Shift:
    """The shift by counts per bin, the last of which is that of the nulls."""
    n, m = int(before.sum()), int(after.sum())
    index, by_chance = psi(before, after)
    nulls = (float(before[-1] / n), float(after[-1] / m))
    if same and nulls[0] == nulls[1]:
        level = "unchanged"
    elif index <= by_chance and (distance is None or distance <= ks_by_chance(n, m)):
        level = "within chance"
    else:
        level = "stable" if index < SHIFTED else "shifted" if index < STRONGLY_SHIFTED else "strongly shifted"
    return Shift(column, index, by_chance, distance, nulls, mean, level)
