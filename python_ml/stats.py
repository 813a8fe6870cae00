"""Intervals of rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Z_95 = 1.959963984540054


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
    import numpy as np

    rows = np.asarray(trials, dtype=float)
    n = np.maximum(rows, 1)
    rate = np.asarray(successes, dtype=float) / n
    centre = (rate + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * np.sqrt(rate * (1 - rate) / n + Z_95**2 / (4 * n**2))
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return np.where(rows == 0, 0.0, low), np.where(rows == 0, 1.0, high)
