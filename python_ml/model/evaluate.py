"""What models are judged by, with intervals that respect that rows of one customer belong together.

Intervals are percentile bootstrap intervals (Efron & Tibshirani 1993, chapter 13) over resampled *customers*:
a resample gives each row the weight that its customer was drawn with, and every metric is computed with
weights, for many resamples at once, on rows sorted only once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.special

from python_ml.stats import CONFIDENCE, estimate, resampled_weights

METRICS = ("roc_auc", "pr_auc", "brier", "ece", "lift_at_10pct")
RANKING_METRICS = ("roc_auc", "pr_auc", "lift_at_10pct")  # those that need an order, not probabilities
LOWER_IS_BETTER = ("brier", "ece")

CALIBRATION_BINS = 10
LIFT_SHARE = 0.10


def evaluate(
    churned: np.ndarray,
    scores: np.ndarray,
    customers: np.ndarray,
    *,
    metrics: Sequence[str] = METRICS,
    replicates: int = 500,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure scores, each metric with a 95 % bootstrap interval by customer.

    The same seed and customers give the same resamples, so that intervals of several models on the same rows
    are comparable.

    Parameters
    ----------
    churned : numpy.ndarray, shape (n_rows,)
        0 or 1.
    scores : numpy.ndarray, shape (n_rows,)
        Probabilities; any finite scores for :data:`RANKING_METRICS`.
    customers : numpy.ndarray, shape (n_rows,)
        Key of the customer of each row.
    metrics : sequence of str
        Among :data:`METRICS`: ``roc_auc`` (area under the ROC curve), ``pr_auc`` (average precision),
        ``brier`` (mean squared error of the probability), ``ece`` (expected calibration error over 10 bins of
        equal mass, without the part that noise adds), ``lift_at_10pct`` (share of churned rows among the tenth
        with the highest scores, over the base rate). Tied scores count as drawn in random order.
    replicates : int
        Resamples; 0 leaves out the intervals.
    seed : int

    Returns
    -------
    dict
        Per metric ``{"value", "low", "high"}``, plus ``n`` and ``base_rate``. A metric that is not defined
        (only one class, no rows) is None, never a made-up number; an interval is None where fewer than half
        of the resamples define the metric.
    """
    return _evaluated(churned, scores, customers, metrics, replicates, seed)[0]


def _evaluated(
    churned: np.ndarray,
    scores: np.ndarray,
    customers: np.ndarray,
    metrics: Sequence[str],
    replicates: int,
    seed: int,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What :func:`evaluate` returns, and each metric but ``ece`` in every resample."""
    churned, scores = np.asarray(churned, dtype=float), np.asarray(scores, dtype=float)
    n = len(churned)
    summary: dict[str, Any] = {"n": n, "base_rate": _number(churned.mean()) if n else None}
    if n == 0:
        return {**{name: estimate(None) for name in metrics}, **summary}, {}
    table = _Sorted(churned, scores)
    customers = np.asarray(customers)[table.order]
    everyone = np.ones((1, n))
    plain = [name for name in metrics if name != "ece"]
    values = {name: _number(value[0]) for name, value in table.measure(plain, everyone).items()}
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in plain}
    gaps = []
    for weights in resampled_weights(customers, replicates, seed):
        for name, draws in table.measure(plain, weights).items():
            drawn[name].append(draws)
        if "ece" in metrics:
            gaps.append(table.gaps(weights))

    def entry(name: str) -> dict[str, float | None]:
        if name == "ece":
            all_gaps = np.concatenate(gaps) if gaps else None
            return _calibration_error(table.gaps(everyone)[0], table.noise_of_gaps(customers), all_gaps)
        return estimate(values[name], resampled[name])

    resampled = {name: np.concatenate(draws) if draws else np.empty(0) for name, draws in drawn.items()}
    return {**{name: entry(name) for name in metrics}, **summary}, resampled


def weighted_metrics(scores: np.ndarray, churned: np.ndarray, metrics: Sequence[str]) -> dict[str, np.ndarray]:
    """Metrics of the same scores under several outcomes.

    Parameters
    ----------
    scores : numpy.ndarray, shape (n_rows,)
    churned : numpy.ndarray, shape (n_outcomes, n_rows)
        0 to 1: a row counts as churned with this weight, and as retained with the rest.
    metrics : sequence of str
        Among :data:`METRICS`, but ``ece``.

    Returns
    -------
    dict of str to numpy.ndarray, shape (n_outcomes,)
        NaN where a metric is not defined.
    """
    both = _Sorted(np.repeat([1.0, 0.0], len(scores)), np.tile(scores, 2))
    return both.measure(metrics, np.hstack([churned, 1 - churned])[:, both.order])


def better(metric: str, a: float, b: float) -> float:
    """How much better ``a`` is than ``b``, positive when better."""
    return b - a if metric in LOWER_IS_BETTER else a - b


def standard_error_of_difference(
    churned: np.ndarray,
    scores: tuple[np.ndarray, np.ndarray],
    customers: np.ndarray,
    metric: str,
    *,
    replicates: int = 200,
    seed: int = 0,
) -> float:
    """How much the difference of two models in a metric moves between samples of customers (paired bootstrap).

    Parameters
    ----------
    churned, customers
        As for :func:`evaluate`.
    scores : pair of numpy.ndarray, shape (n_rows,)
        Of either model for the same rows.
    metric : str
        Among :data:`METRICS`.
    replicates, seed : int

    Returns
    -------
    float
        Infinite where too few resamples define the metric.
    """
    drawn = [_evaluated(churned, one, customers, [metric], replicates, seed)[1][metric] for one in scores]
    difference = drawn[0] - drawn[1]
    defined = difference[np.isfinite(difference)]
    return float(defined.std(ddof=1)) if 2 * len(defined) > replicates else float("inf")


def compared(
    churned: np.ndarray,
    scores: Mapping[str, np.ndarray],
    customers: np.ndarray,
    *,
    metrics: Mapping[str, Sequence[str]] | None = None,
    replicates: int = 500,
    seed: int = 0,
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, dict[str, float | None]]]]:
    """Measure several models on the same rows, and how far the first is ahead of each other one.

    All are measured on the same resampled customers (paired percentile bootstrap), so that what makes a sample easy or
    hard for every model cancels out in the differences.

    Parameters
    ----------
    churned, customers
        As for :func:`evaluate`.
    scores : mapping of model to numpy.ndarray, shape (n_rows,)
    metrics : mapping of model to sequence of str, optional
        By default all of :data:`METRICS`.
    replicates, seed : int

    Returns
    -------
    figures : dict
        Per model, as from :func:`evaluate`.
    differences : dict
        Per other model and metric ``{"value", "low", "high"}`` of the first model's figure less the other's; without
        ``ece``, whose interval is not one of percentiles.
    """
    figures, drawn = {}, {}
    for name, one in scores.items():
        wanted = (metrics or {}).get(name, METRICS)
        figures[name], drawn[name] = _evaluated(churned, one, customers, wanted, replicates, seed)
    first = next(iter(scores))
    ahead: dict[str, dict[str, dict[str, float | None]]] = {}
    for name in list(scores)[1:]:
        ahead[name] = {}
        for metric in drawn[name]:
            ours, theirs = (figures[one][metric]["value"] for one in (first, name))
            value = None if ours is None or theirs is None else ours - theirs
            ahead[name][metric] = estimate(value, drawn[first][metric] - drawn[name][metric])
    return figures, ahead


class _Sorted:
    """Rows by descending score, with the groups of tied scores."""

    def __init__(self, churned: np.ndarray, scores: np.ndarray) -> None:
        self.order = np.argsort(-scores, kind="stable")
        self.churned, self.scores = churned[self.order], scores[self.order]
        n = len(scores)
        self.starts = np.flatnonzero(np.r_[True, np.diff(self.scores) != 0])
        self.ties = len(self.starts) < n
        # A bin never cuts through tied scores: it begins where their group begins.
        wanted = np.arange(CALIBRATION_BINS) * n // CALIBRATION_BINS
        self.bins = np.unique(self.starts[np.searchsorted(self.starts, wanted, side="right") - 1])

    def measure(self, metrics: Sequence[str], weights: np.ndarray) -> dict[str, np.ndarray]:
        """The metrics under each row of ``weights``, shape (n_replicates, n_rows) in sorted order.

        Returns one array of shape (n_replicates,) per metric, NaN where it is not defined.
        """
        measured = {}
        with np.errstate(divide="ignore", invalid="ignore"):
            if set(metrics) & set(RANKING_METRICS):
                measured = self._rankings(weights)
            if "brier" in metrics:
                measured["brier"] = weights @ (self.scores - self.churned) ** 2 / weights.sum(axis=1)
            if "ece" in metrics:
                measured["ece"] = np.abs(self.gaps(weights)).sum(axis=1)
        return {name: measured[name] for name in metrics}

    def gaps(self, weights: np.ndarray) -> np.ndarray:
        """Predicted less observed share in each bin, times the share of rows in it, shape (n_replicates, n_bins).

        Bins hold equal numbers of the original rows; resampling changes their weights only.
        """
        gaps = np.add.reduceat(weights * (self.scores - self.churned), self.bins, axis=1)
        return gaps / weights.sum(axis=1, keepdims=True)

    def noise_of_gaps(self, customers: np.ndarray) -> np.ndarray:
        """Standard error of each gap between customers, shape (n_bins,); ``customers`` in sorted order."""
        n = len(self.scores)
        residual = self.scores - self.churned
        sizes = np.diff(np.r_[self.bins, n])
        inside = residual - np.repeat(np.add.reduceat(residual, self.bins) / sizes, sizes)
        # A customer's rows of a bin move its gap together.
        codes = np.unique(customers, return_inverse=True)[1]
        pairs, pair = np.unique(codes * len(sizes) + np.repeat(np.arange(len(sizes)), sizes), return_inverse=True)
        sums = np.bincount(pair, weights=inside)
        return np.sqrt(np.bincount(pairs % len(sizes), weights=sums**2, minlength=len(sizes))) / n

    def _rankings(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        churners = weights * self.churned
        if self.ties:
            weights = np.add.reduceat(weights, self.starts, axis=1)
            churners = np.add.reduceat(churners, self.starts, axis=1)
        # Best score first: churned customers and all customers at or above each score.
        captured, called = np.cumsum(churners, axis=1), np.cumsum(weights, axis=1)
        n_churned, everyone = captured[:, -1], called[:, -1]
        defined = (n_churned > 0) & (n_churned < everyone)
        # A retained customer is beaten by the churned ones above, and half by those tied with it.
        beaten = np.einsum("ij,ij->i", weights - churners, captured - 0.5 * churners)
        precision = np.divide(captured, called, out=np.zeros_like(captured), where=called > 0)
        reached = [
            np.interp(LIFT_SHARE * total, np.r_[0.0, c], np.r_[0.0, f])
            for c, f, total in zip(called, captured, everyone, strict=True)
        ]
        values = {
            "roc_auc": beaten / (n_churned * (everyone - n_churned)),
            "pr_auc": np.einsum("ij,ij->i", churners, precision) / n_churned,
            "lift_at_10pct": np.asarray(reached) / (LIFT_SHARE * n_churned),
        }
        return {name: np.where(defined, value, np.nan) for name, value in values.items()}


def paired_differences(
    churned: np.ndarray,
    scores: tuple[np.ndarray, np.ndarray],
    customers: np.ndarray,
    metrics: Sequence[str],
    *,
    replicates: int,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """How much better the first of two models is, in samples of customers that both share (paired bootstrap).

    Parameters
    ----------
    churned, scores, customers, replicates, seed
        As for :func:`standard_error_of_difference`.
    metrics : sequence of str
        Among :data:`METRICS`; ``ece`` with the part that noise adds.

    Returns
    -------
    dict of str to numpy.ndarray, shape (replicates,)
        Positive where the first is better; NaN where the metric is not defined.
    """
    drawn: list[dict[str, np.ndarray]] = []
    for one in scores:
        table = _Sorted(np.asarray(churned, dtype=float), np.asarray(one, dtype=float))
        resampled = resampled_weights(np.asarray(customers)[table.order], replicates, seed)
        parts = [table.measure(metrics, weights) for weights in resampled]
        drawn.append({name: np.concatenate([part[name] for part in parts]) for name in metrics})
    return {name: better(name, drawn[0][name], drawn[1][name]) for name in metrics}


def _calibration_error(gaps: np.ndarray, noise: np.ndarray, resampled: np.ndarray | None) -> dict[str, float | None]:
    """The calibration error without the part that noise adds, with its interval.

    Noise moves the gap of every bin, and its absolute value only upwards: of perfect probabilities, the sum of
    absolute gaps is still positive (Roelofs et al. 2022, "Mitigating bias in calibration error estimation"). So the
    gaps are shrunk by the factor with which such a sum is expected to be what it is. The interval has the factors
    that chance alone would explain, in the resamples of the gaps around their mean.

    Parameters
    ----------
    gaps : numpy.ndarray, shape (n_bins,)
        Of :meth:`_Sorted.gaps`, on the rows as they are.
    noise : numpy.ndarray, shape (n_bins,)
        Their standard errors.
    resampled : numpy.ndarray, shape (n_replicates, n_bins), optional
        Gaps of resampled customers.
    """
    seen = float(np.abs(gaps).sum())
    value = seen * _factor(lambda factor: _mean_of_absolute(factor * gaps, noise).sum(), seen)
    if resampled is None:
        return estimate(value)
    moved = resampled - resampled.mean(axis=0)
    tail = (1 - CONFIDENCE) / 2

    def sums(quantile: float) -> Callable[[float], float]:
        return lambda factor: float(np.quantile(np.abs(factor * gaps + moved).sum(axis=1), quantile))

    low, high = seen * _factor(sums(1 - tail), seen), seen * _factor(sums(tail), seen)
    if seen == 0:
        high = sums(1 - tail)(0.0)
    return {"value": value, "low": min(low, value), "high": max(high, value)}


def _factor(expected: Callable[[float], float], seen: float) -> float:
    """The factor at which an increasing function is ``seen``; 0 where it is above from the start."""
    import scipy.optimize

    if expected(0.0) >= seen:
        return 0.0
    end = 1.0
    while expected(end) < seen:
        end *= 2
    return float(scipy.optimize.brentq(lambda factor: expected(factor) - seen, 0.0, end, xtol=1e-12))


def _mean_of_absolute(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Mean of the absolute value of normal variables (the folded normal distribution)."""
    ratio = np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 0)
    noisy = deviation * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + mean * scipy.special.erf(ratio / np.sqrt(2))
    return np.where(deviation > 0, noisy, np.abs(mean))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
