"""Cohorts of scored customers whose churn probabilities are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from python_ml.monitor.density import density_ratio
from python_ml.monitor.estimation import Estimates, Reference, estimated_performance, resampled_lines
from python_ml.monitor.realised import realised_performance

METRICS = ("roc_auc", "pr_auc", "brier", "churn_rate")


@dataclass(frozen=True)
class Cohort:
    """``inputs`` has shape (n, 4); ``customers`` are those of this cohort alone, unless rows say otherwise."""

    inputs: np.ndarray
    churned: np.ndarray
    probability: np.ndarray
    customers: np.ndarray


def cohort(
    n: int, rng: np.random.Generator, *, shift: float = 0.0, rows_each: int = 1, optimism: float = 0.0
) -> Cohort:
    """Customers who churn by two inputs, of which the model knows the first only.

    ``shift`` moves the second input, and with it what a score means; ``optimism`` makes the model's log-odds too small.
    """
    x = rng.normal(size=(n, 4))
    x[:, 1] += shift
    truth = expit(-1.6 + 1.2 * x[:, 0] + 1.2 * x[:, 1])
    # Without the second input, log-odds shrink by about sqrt(1 + 0.35 * 1.2 ** 2).
    probability = expit((-1.6 + 1.2 * x[:, 0]) / np.sqrt(1 + 0.346 * 1.2**2) - optimism)
    return Cohort(x, (rng.random(n) < truth).astype(float), probability, np.arange(n) // rows_each)


def estimated(reference: Cohort, later: Cohort, *, reweighted: bool, replicates: int = 200) -> Estimates:
    """The estimate for a later cohort, by CBPE or PAPE."""
    rows = Reference(reference.churned, reference.probability, reference.customers)
    weights = None
    if reweighted:
        keys = reference.customers, later.customers + len(reference.customers)
        ratio = density_ratio(reference.inputs, later.inputs, keys)
        weights = ratio.weights if ratio.shifted else None
    line, lines = resampled_lines(rows, weights, replicates=replicates)
    return estimated_performance(later.probability, line, lines, threshold=0.3)


def realised(later: Cohort) -> dict[str, float]:
    """What came true."""
    found = realised_performance(later.churned, later.probability, later.customers, 0.3, replicates=0)
    return {name: found[name]["value"] for name in METRICS}


def coverage(
    periods: int,
    *,
    shift: float = 0.0,
    reweighted: bool = False,
    reference: int = 1_500,
    customers: int = 800,
    replicates: int = 200,
    **world: float,
) -> tuple[dict[str, float], dict[str, float]]:
    """Share of periods whose realised figure lies in the interval of its estimate, and mean error of the estimates."""
    inside = dict.fromkeys(METRICS, 0)
    errors: dict[str, list[float]] = {name: [] for name in METRICS}
    for seed in range(periods):
        rng = np.random.default_rng(seed)
        before = cohort(reference, rng, rows_each=3, **world)
        later = cohort(customers, rng, shift=shift, **world)
        found, truth = estimated(before, later, reweighted=reweighted, replicates=replicates).metrics, realised(later)
        for name in METRICS:
            inside[name] += found[name]["low"] <= truth[name] <= found[name]["high"]
            errors[name].append(found[name]["value"] - truth[name])
    return (
        {name: count / periods for name, count in inside.items()},
        {name: float(np.mean(values)) for name, values in errors.items()},
    )
