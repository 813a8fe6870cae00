"""Performance before labels mature, estimated from calibrated probabilities: pure functions.

A score says how likely its customer churns. If that is true, the scores of a cohort determine how often a threshold
will be right, and how well churned customers will be ranked above the others, before anybody has churned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit

from python_ml.model.evaluate import weighted_metrics
from python_ml.stats import CHUNK_CELLS, estimate, resampled_weights, some_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

METRICS = ("roc_auc", "pr_auc", "brier")
CERTAIN = 1e-6  # probabilities stay so far from 0 and 1
PRIOR = 1.0  # standard deviation of intercept and slope about those of a calibrated model
MOST_REFERENCE_ROWS, MOST_COHORT_ROWS = 20_000, 50_000  # for intervals
STEPS = 25


@dataclass(frozen=True)
class Reference:
    """Rows that a model was not fitted on and whose outcomes were known when it was trained.

    Attributes
    ----------
    churned : numpy.ndarray, shape (n,)
        0 or 1.
    probability : numpy.ndarray, shape (n,)
        What the model said.
    customers : numpy.ndarray, shape (n,)
    """

    churned: NDArray[np.float64]
    probability: NDArray[np.float64]
    customers: NDArray

    def __len__(self) -> int:
        return len(self.churned)


def calibration_line(
    churned: NDArray,
    probability: NDArray,
    weights: NDArray | None = None,
    *,
    prior: float | None = None,
    start: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Intercept and slope of the outcome's log-odds as a line of the predicted log-odds; 0 and 1 where calibrated.

    Parameters
    ----------
    churned, probability : numpy.ndarray, shape (n,)
    weights : numpy.ndarray, shape (n,), optional
    prior : float, optional
        Standard deviation of a normal prior about 0 and 1; by default none.
    start : tuple of float
        Where the search begins.

    Returns
    -------
    tuple of float
        NaN where the line is not determined: one class, or one score.

    Notes
    -----
    Cox, D. R. (1958), "Two further applications of a model for binary regression", Biometrika 45. Newton's method.
    """
    x = np.column_stack([np.ones(len(probability)), log_odds(probability)])
    weights = np.ones(len(x)) if weights is None else weights
    penalty = np.zeros(2) if prior is None else np.full(2, 1 / prior**2)
    theta = np.array(start, dtype=float)
    for _ in range(STEPS):
        fitted = expit(x @ theta)
        gradient = x.T @ (weights * (churned - fitted)) - penalty * (theta - [0.0, 1.0])
        curvature = (x * (weights * fitted * (1 - fitted))[:, None]).T @ x + np.diag(penalty)
        if not np.isfinite(curvature).all() or np.linalg.cond(curvature) > 1e12:
            return float("nan"), float("nan")
        step = np.clip(np.linalg.solve(curvature, gradient), -2.0, 2.0)
        theta += step
        if np.abs(step).max() < 1e-8:
            return float(theta[0]), float(theta[1])
    return float("nan"), float("nan")


def log_odds(probability: NDArray) -> NDArray[np.float64]:
    """Log-odds, finite for every probability."""
    return logit(np.clip(np.asarray(probability, dtype=float), CERTAIN, 1 - CERTAIN))


def resampled_lines(
    reference: Reference, weights: NDArray | None = None, *, replicates: int, seed: int = 0
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """The calibration line of a reference, and those of resampled customers.

    Parameters
    ----------
    reference : Reference
    weights : numpy.ndarray, shape (n,), optional
        Density ratio of each row: how much more often a later period has such rows.
    replicates, seed : int

    Returns
    -------
    tuple of float
        See :func:`calibration_line`.
    numpy.ndarray, shape (replicates, 2)
    """
    rows = some_rows(np.arange(len(reference)), MOST_REFERENCE_ROWS, seed)
    weights = np.ones(len(reference)) if weights is None else weights
    y, p = reference.churned, reference.probability
    line = calibration_line(y, p, weights, prior=PRIOR)
    drawn = [
        calibration_line(y[rows], p[rows], counts * weights[rows], prior=PRIOR, start=line)
        for chunk in resampled_weights(reference.customers[rows], replicates, seed)
        for counts in chunk
    ]
    return line, np.array(drawn, dtype=float).reshape(-1, 2)


@dataclass(frozen=True)
class Estimates:
    """Performance that is expected of a cohort.

    Attributes
    ----------
    metrics : dict
        ``roc_auc``, ``pr_auc``, ``brier`` and ``churn_rate``, each ``{"value", "low", "high"}``: the interval in which
        the figure will lie, with a probability of 95 %.
    confusion : dict of str to float
        Expected ``true_positives``, ``false_positives``, ``false_negatives`` and ``true_negatives`` at a threshold.
    """

    metrics: dict[str, dict[str, float | None]]
    confusion: dict[str, float]


def estimated_performance(
    probability: NDArray,
    line: tuple[float, float],
    lines: NDArray,
    threshold: float,
    *,
    seed: int = 0,
) -> Estimates:
    """Estimate how a model performs on a cohort whose outcomes are not known.

    Parameters
    ----------
    probability : numpy.ndarray, shape (n,)
        What the model says, one row per customer.
    line : tuple of float
        Calibration line; see :func:`resampled_lines`.
    lines : numpy.ndarray, shape (replicates, 2)
        Lines of resampled customers.
    threshold : float
        From which on a customer counts as predicted to churn.
    seed : int

    Notes
    -----
    Confidence-based performance estimation (CBPE): the mean over outcomes that are drawn with the probabilities that
    the line has calibrated. With lines fitted to rows that are weighted as the cohort demands, it is the
    importance-weighted form (PAPE): Białek, J., Kuberski, W., Perrakis, N. and Bifet, A. (2024), "Estimating model
    performance under covariate shift without labels", arXiv:2401.08348.

    The interval is that of the figure that will be seen, not of its expectation: a line is drawn from those of
    resampled customers, and outcomes are drawn with its probabilities.
    """
    scores = np.asarray(probability, dtype=float)
    churns = expit(line[0] + line[1] * log_odds(scores))
    drawn = _drawn(scores, lines, seed)
    values = {name: np.nanmean(figures) if np.isfinite(figures).any() else None for name, figures in drawn.items()}
    # The two that do not depend on an order are known exactly.
    values |= {"churn_rate": churns.mean(), "brier": (churns * (1 - scores) ** 2 + (1 - churns) * scores**2).mean()}
    return Estimates(
        {name: estimate(values[name], drawn[name]) for name in (*METRICS, "churn_rate")},
        confusion(churns, scores >= threshold),
    )


def _drawn(scores: NDArray, lines: NDArray, seed: int) -> dict[str, NDArray]:
    """Metrics under drawn outcomes; of many customers some are taken, which makes intervals wider, never narrower."""
    rng = np.random.default_rng(seed)
    lines = lines[np.isfinite(lines).all(axis=1)]
    scores = scores[some_rows(np.arange(len(scores)), MOST_COHORT_ROWS, rng)]
    odds, size = log_odds(scores), max(1, CHUNK_CELLS // (2 * max(len(scores), 1)))
    parts: list[dict[str, NDArray]] = []
    for first in range(0, max(len(lines), 1), size):
        chosen = lines[first : first + size]
        outcomes = (rng.random((len(chosen), len(scores))) < expit(chosen[:, :1] + chosen[:, 1:] * odds)).astype(float)
        parts.append({**weighted_metrics(scores, outcomes, METRICS), "churn_rate": outcomes.mean(axis=1)})
    return {name: np.concatenate([part[name] for part in parts]) for name in (*METRICS, "churn_rate")}


def confusion(churned: NDArray, called: NDArray) -> dict[str, float]:
    """Customers by prediction and outcome.

    Parameters
    ----------
    churned : numpy.ndarray, shape (n,)
        Outcomes, or their probabilities: then the numbers are expected.
    called : numpy.ndarray of bool, shape (n,)
        Whether the customer is predicted to churn.
    """
    return {
        "true_positives": float(churned[called].sum()),
        "false_positives": float((1 - churned[called]).sum()),
        "false_negatives": float(churned[~called].sum()),
        "true_negatives": float((1 - churned[~called]).sum()),
    }
