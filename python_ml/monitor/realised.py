"""Performance of a scoring cohort whose outcomes are known: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.decisions.economics import Interval, gains_at, profit_curve, realised_profit, resampled_profit
from python_ml.model.evaluate import evaluate
from python_ml.monitor.estimation import calibration_line, confusion
from python_ml.stats import estimate, resampled_weights, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from python_ml.customer_value import Terms

METRICS = ("roc_auc", "pr_auc", "brier", "ece")
LEAST_IN_ARM = 10


def realised_performance(
    churned: NDArray, probability: NDArray, customers: NDArray, threshold: float, *, replicates: int, seed: int = 0
) -> dict[str, Any]:
    """Measure the scores of a cohort.

    Parameters
    ----------
    churned, probability, customers : numpy.ndarray, shape (n,)
        One row per customer; none of them is missing.
    threshold : float
        From which on a customer counts as predicted to churn.
    replicates, seed : int
        Of the bootstrap by customer.

    Returns
    -------
    dict
        Per metric (:data:`METRICS`, ``churn_rate``, ``calibration_slope``, ``calibration_intercept``)
        ``{"value", "low", "high"}``, and ``confusion``.
    """
    churned = np.asarray(churned, dtype=float)
    figures = evaluate(churned, probability, customers, metrics=METRICS, replicates=replicates, seed=seed)
    low, high = wilson(churned.sum(), len(churned))
    rate = {"value": figures["base_rate"], "low": float(low), "high": float(high)}
    line = calibration_line(churned, probability)
    drawn = np.array(
        [
            calibration_line(churned, probability, weights, start=line)
            for chunk in resampled_weights(customers, replicates if np.isfinite(line[0]) else 0, seed)
            for weights in chunk
        ]
    ).reshape(-1, 2)
    return {
        **{name: figures[name] for name in METRICS},
        "churn_rate": rate,
        "calibration_intercept": estimate(line[0], drawn[:, 0]),
        "calibration_slope": estimate(line[1], drawn[:, 1]),
        "confusion": confusion(churned, np.asarray(probability) >= threshold),
    }


def realised_gain(
    churned: NDArray,
    probability: NDArray,
    customers: NDArray,
    value: NDArray,
    terms: Terms,
    capacity: int | None,
    *,
    replicates: int,
    seed: int = 0,
) -> dict[str, Any]:
    """Lift and profit of contacting as many customers as can be contacted, those at the highest risk first.

    Parameters
    ----------
    churned, probability, customers, value : numpy.ndarray, shape (n,)
    terms : Terms
        The success rate is an assumption; :func:`realised_uplift` measures it.
    capacity : int or None
        Customers who can be contacted; None for all.

    Returns
    -------
    dict
        ``share``, ``lift``, and ``profit`` as ``{"value", "low", "high"}``.
    """
    count = min(len(churned) if capacity is None else capacity, len(churned))
    share = count / max(len(churned), 1)
    lift = gains_at(profit_curve(churned, probability, value, terms), share)["lift"]
    contacted = np.zeros(len(churned), dtype=bool)
    contacted[np.argsort(-np.asarray(probability), kind="stable")[:count]] = True
    profit = np.where(contacted, realised_profit(churned, value, terms), 0.0)
    total = resampled_profit(profit, customers, replicates=replicates, seed=seed).to_dict()
    return {"share": share, "lift": lift, "profit": total}


def realised_uplift(churned: NDArray, contacted: NDArray, held_out: NDArray) -> dict[str, float | None]:
    """How much less the contacted customers churned than those who were held out at random.

    Parameters
    ----------
    churned : numpy.ndarray, shape (n,)
    contacted, held_out : numpy.ndarray of bool, shape (n,)

    Returns
    -------
    dict
        ``value``, ``low``, ``high``; None where either arm has fewer than 10 customers.

    Notes
    -----
    Newcombe, R. G. (1998), "Interval estimation for the difference between independent proportions: comparison of
    eleven methods", Statistics in Medicine 17, method 10.
    """
    sizes = np.array([held_out.sum(), contacted.sum()])
    if sizes.min() < LEAST_IN_ARM:
        return Interval(None).to_dict()
    hits = np.array([churned[held_out].sum(), churned[contacted].sum()])
    rates, (low, high) = hits / sizes, wilson(hits, sizes)
    difference = float(rates[0] - rates[1])
    return {
        "value": difference,
        "low": difference - float(np.hypot(rates[0] - low[0], high[1] - rates[1])),
        "high": difference + float(np.hypot(high[0] - rates[0], rates[1] - low[1])),
    }
