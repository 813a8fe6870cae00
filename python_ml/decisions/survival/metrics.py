"""How well survival is predicted, where some customers were not followed to the end.

All functions take weights, one row per resample, so that intervals come from one pass over sorted rows. Periods are
whole numbers: who churned in period k was there in all before it; who is censored at k was seen to stay in it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from python_ml.stats import estimate, resampled_weights


def concordance(
    period: np.ndarray, event: np.ndarray, score: np.ndarray, weights: np.ndarray | None = None, *, ipcw: bool = False
) -> np.ndarray:
    """Share of comparable pairs in which the one who churned earlier has the higher score.

    A pair is comparable when one is known to have stayed longer than the other; equal scores count half.

    Parameters
    ----------
    period : numpy.ndarray of int, shape (n,)
    event : numpy.ndarray of bool, shape (n,)
    score : numpy.ndarray, shape (n,)
        Higher means earlier.
    weights : numpy.ndarray, shape (n_replicates, n), optional
    ipcw : bool
        Weigh pairs by the inverse squared probability of not being censored before the earlier churn. Without, the
        result depends on who is censored when.

    Returns
    -------
    numpy.ndarray, shape (n_replicates,)
        NaN where no pair is comparable.

    Notes
    -----
    Harrell, F. E. et al. (1996), Statistics in Medicine 15; with weights, Uno, H. et al. (2011), Statistics in
    Medicine 30.
    """
    weights = np.ones((1, len(period))) if weights is None else weights
    order = np.argsort(score, kind="stable")
    period, event, score, weights = period[order], event[order], score[order], weights[:, order]
    first = np.searchsorted(score, score, side="left")
    behind = np.searchsorted(score, score, side="right")
    uncensored = uncensored_share(period, event, weights) if ipcw else None
    won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for k in np.unique(period[event]):
        churned = np.flatnonzero(event & (period == k))
        stayed = weights * ((period > k) | ((period == k) & ~event))
        below = np.column_stack([np.zeros(len(weights)), np.cumsum(stayed, axis=1)])
        lower = (below[:, first[churned]] + below[:, behind[churned]]) / 2
        drawn = weights[:, churned]
        factor = 1.0 if uncensored is None else _inverse(uncensored[:, k]) ** 2
        won += factor * (drawn * lower).sum(axis=1)
        pairs += factor * drawn.sum(axis=1) * below[:, -1]
    return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def brier(
    period: np.ndarray,
    event: np.ndarray,
    survival: np.ndarray,
    at: np.ndarray,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Mean squared error of the predicted survival, with inverse-probability-of-censoring weights.

    Parameters
    ----------
    period, event
        As for :func:`concordance`.
    survival : numpy.ndarray, shape (n, n_at)
        Predicted probability to stay to the end of each of the periods ``at``.
    at : numpy.ndarray of int, shape (n_at,)
    weights : numpy.ndarray, shape (n_replicates, n), optional

    Returns
    -------
    numpy.ndarray, shape (n_replicates, n_at)

    Notes
    -----
    Graf, E. et al. (1999), "Assessment and comparison of prognostic classification schemes for survival data",
    Statistics in Medicine 18.
    """
    weights = np.ones((1, len(period))) if weights is None else weights
    uncensored = uncensored_share(period, event, weights, int(np.max(at)))
    scores = []
    for k, predicted in zip(at, survival.T, strict=True):
        stayed = (period > k) | ((period == k) & ~event)
        total = (weights @ (stayed * (1 - predicted) ** 2)) * _inverse(uncensored[:, k])
        for earlier in np.unique(period[event & (period <= k)]):
            churned = event & (period == earlier)
            total += (weights @ (churned * predicted**2)) * _inverse(uncensored[:, earlier])
        scores.append(total / weights.sum(axis=1))
    return np.column_stack(scores)


def integrated_brier(scores: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Mean of Brier scores, shape (n_replicates, n_at), over time; by the trapezoidal rule, shape (n_replicates,)."""
    return np.trapezoid(scores, days, axis=1) / (days[-1] - days[0])


def uncensored_share(
    period: np.ndarray, event: np.ndarray, weights: np.ndarray, periods: int | None = None
) -> np.ndarray:
    """Kaplan-Meier estimate of the share that is not censored before the end of each period.

    Returns
    -------
    numpy.ndarray, shape (n_replicates, periods + 1)
        Column k is what weighs those who churned in period k or were seen to stay in it.
    """
    periods = int(period.max()) if periods is None else max(int(period.max()), periods)
    at = np.arange(periods)  # censored at the end of an earlier period
    censored = weights @ ((period[:, None] == at) & ~event[:, None])
    at_risk = weights @ ((period[:, None] > at) | ((period[:, None] == at) & ~event[:, None]))
    share = 1 - np.divide(censored, at_risk, out=np.zeros_like(censored), where=at_risk > 0)
    return np.cumprod(np.column_stack([np.ones(len(weights)), share]), axis=1)


def _inverse(share: np.ndarray) -> np.ndarray:
    return np.divide(1.0, share, out=np.zeros_like(share), where=share > 0)


def with_intervals(
    measure: Callable[[np.ndarray], np.ndarray], customers: np.ndarray, replicates: int, seed: int
) -> list[dict[str, float | None]]:
    """Figures with their 95 % percentile bootstrap intervals over resampled customers.

    Parameters
    ----------
    measure : callable
        Weights of shape (n_replicates, n) to figures of shape (n_replicates, n_figures).
    customers : numpy.ndarray, shape (n,)
    replicates, seed : int

    Returns
    -------
    list of dict, n_figures long
        ``value``, ``low``, ``high``; None where it is not defined.
    """
    values = measure(np.ones((1, len(customers))))
    drawn = np.concatenate([values[:0], *map(measure, resampled_weights(customers, replicates, seed))])
    return [estimate(float(value), column) for value, column in zip(values[0], drawn.T, strict=True)]
