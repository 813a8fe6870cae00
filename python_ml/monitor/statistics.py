"""Measures of drift between two samples, given as rows per bin: pure functions.

Both samples share their bins, the last of which has the nulls. Rows of one customer are not independent: tests take
each sample for as many rows as it has customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.stats import cramers_v, psi

if TYPE_CHECKING:
    from numpy.typing import NDArray


HALF_A_ROW = 0.5  # for which an empty bin counts in PSI: the best guess between none and one


@dataclass(frozen=True)
class Divergence:
    """How far two distributions over the same bins are apart.

    Attributes
    ----------
    psi : float
        Population stability index; see :func:`python_ml.stats.psi`.
    psi_expected : float
        Its expectation where nothing has changed, for as many customers.
    ks : float or None
        Greatest distance of the distribution functions at the edges of the bins, nulls left out; None for categories,
        and where one sample has no values.
    jensen_shannon : float
        Distance, 0 to 1 (base 2).
    cramers_v : float or None
        Corrected for chance; None where all rows are in one bin.
    chi_square, p_value : float
        Of the test that both samples are of one distribution, each taken for as many rows as it has customers.
    """

    psi: float
    psi_expected: float
    ks: float | None
    jensen_shannon: float
    cramers_v: float | None
    chi_square: float
    p_value: float

    @property
    def psi_excess(self) -> float:
        """What is left of the index without what noise adds."""
        return self.psi - self.psi_expected


def divergence(before: NDArray, after: NDArray, customers: tuple[int, int], *, ordered: bool) -> Divergence:
    """Measure how far two samples are apart.

    Parameters
    ----------
    before, after : numpy.ndarray of int, shape (n_bins,)
        Rows of each bin, nulls last; neither sample is empty.
    customers : tuple of int
        Customers behind the rows of each sample.
    ordered : bool
        Whether the bins are those of a number.

    Notes
    -----
    Under no drift, PSI is about (1 / n + 1 / m) times a chi-squared variable with B - 1 degrees of freedom, so its
    expectation is (B - 1)(1 / n + 1 / m). Yurdakul, B. and Naranjo, J. (2020), "Statistical properties of the
    population stability index", Journal of Risk Model Validation 14. Customers take the place of rows in n and m: rows
    of one customer are worth one at the least.
    """
    used = (before + after) > 0
    table = np.column_stack([before[used], after[used]])
    sizes = [max(min(count, int(sample.sum())), 1) for count, sample in zip(customers, (before, after), strict=True)]
    statistic, p_value = chi_square(table * (np.array(sizes) / table.sum(axis=0)))
    return Divergence(
        psi=psi(before, after, HALF_A_ROW)[0],
        psi_expected=float((len(table) - 1) * (1 / sizes[0] + 1 / sizes[1])),
        ks=binned_ks(before[:-1], after[:-1]) if ordered else None,
        jensen_shannon=jensen_shannon(before, after),
        cramers_v=cramers_v(table),
        chi_square=statistic,
        p_value=p_value,
    )


def chi_square(table: NDArray) -> tuple[float, float]:
    """Pearson's test of homogeneity.

    Parameters
    ----------
    table : numpy.ndarray, shape (n_bins, 2)
        Rows of each bin in both samples; no bin is empty in both.

    Returns
    -------
    tuple of float
        The statistic and its p-value; 0 and 1 for a single bin.
    """
    from scipy.special import chdtrc

    if len(table) < 2:
        return 0.0, 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, float(chdtrc(len(table) - 1, statistic))


def jensen_shannon(before: NDArray, after: NDArray) -> float:
    """Jensen-Shannon distance in base 2: 0 for equal distributions, 1 where they share no bin.

    Notes
    -----
    Endres, D. M. and Schindelin, J. E. (2003), "A new metric for probability distributions", IEEE Transactions on
    Information Theory 49.
    """
    from scipy.special import rel_entr

    p, q = before / before.sum(), after / after.sum()
    middle = (p + q) / 2
    return float(np.sqrt(max((rel_entr(p, middle) + rel_entr(q, middle)).sum() / (2 * np.log(2)), 0.0)))


def binned_ks(before: NDArray, after: NDArray) -> float | None:
    """Kolmogorov-Smirnov distance at the edges of bins: exact where each bin has one value, else a lower bound."""
    if not before.sum() or not after.sum():
        return None
    return float(np.abs(np.cumsum(before) / before.sum() - np.cumsum(after) / after.sum()).max())


def binned_quantiles(
    edges: Sequence[float], counts: NDArray, ends: tuple[float, float], levels: Sequence[float], *, exact: bool
) -> NDArray:
    """Quantiles of binned values.

    Parameters
    ----------
    edges : sequence of float, length n_bins - 1
        Upper ends of the bins but the last, inclusive.
    counts : numpy.ndarray of int, shape (n_bins,)
        Rows of each bin; at least one.
    ends : tuple of float
        Least and greatest value of the reference, which bound the first and the last bin.
    levels : sequence of float
    exact : bool
        Whether each bin has one value, its upper end; otherwise values lie evenly between the ends of their bin.

    Returns
    -------
    numpy.ndarray, shape (n_levels,)
    """
    share = np.cumsum(counts) / counts.sum()
    tops = np.array([*edges, ends[1]], dtype=float)
    bottoms = np.array([ends[0], *edges], dtype=float)
    at = np.minimum(np.searchsorted(share, np.asarray(levels) - 1e-12), len(tops) - 1)
    if exact:
        return tops[at]
    inside = counts[at] / counts.sum()
    below = share[at] - inside
    return bottoms[at] + (tops[at] - bottoms[at]) * (np.asarray(levels) - below) / np.where(inside > 0, inside, 1)
