"""How the model treats the groups of columns that are declared sensitive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.errors import UserError
from python_ml.model.sensitive import sensitive_groups, why_not_judged
from python_ml.stats import auc, percentile_interval, resampled_weights

if TYPE_CHECKING:
    from python_ml.diagnostics.refitting import Rows
    from python_ml.settings import Settings

ALL_GROUPS = "all groups"
REPLICATES = 500
# Of a group, from the weights of its rows; what is contacted has at least the threshold.
RATES = (
    "churn_rate",
    "mean_probability",
    "calibration_gap",
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
)
DIFFERENCES = {
    "demographic_parity_difference": ("selection_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
    "calibration_difference": ("calibration_gap",),
}


def fairness(scores: np.ndarray, threshold: float, rows: Rows, settings: Settings) -> list[dict[str, Any]]:
    """Compare the groups of each sensitive column on the test rows.

    Parameters
    ----------
    scores : numpy.ndarray, shape (n_test,)
        Probabilities.
    threshold : float
        Who is at or above it counts as selected for contact.
    rows : Rows
    settings : Settings
        ``fairness.sensitive`` and ``fairness.least_customers``.

    Returns
    -------
    list of dict
        Per column, group and measure ``value``, ``low`` and ``high`` (95 % bootstrap interval by customer), ``rows``,
        ``customers`` and a ``note`` where a group is too small. Differences between the judged groups carry the group
        ``all groups``: demographic parity (largest difference in selection rate), equalised odds (in true or false
        positive rate: Hardt, Price & Srebro 2016, "Equality of opportunity in supervised learning") and calibration.

    Raises
    ------
    UserError
        When a column is not there or has too many values, or fairlearn is not installed.
    """
    sensitive = settings.fairness.sensitive
    if not sensitive:
        return []
    try:
        from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
    except ImportError as error:
        raise UserError(
            "Fairness needs the package fairlearn, which is not installed.",
            where=settings.where("fairness", "sensitive"),
            hint="pip install 'customer-retention[fairness]', or write `sensitive: []`",
        ) from error
    peers = {
        "demographic_parity_difference": demographic_parity_difference,
        "equalized_odds_difference": equalized_odds_difference,
    }
    churned, customers = rows.churned[rows.test], rows.customers[rows.test]
    found = []
    for name in sensitive:
        groups = sensitive_groups(rows.frame, name, settings)[rows.test]
        judged, small = [], {}
        for group in sorted(set(groups)):
            inside = groups == group
            note = why_not_judged(churned[inside], customers[inside], settings.fairness.least_customers)
            judged, small = ([*judged, group], small) if note is None else (judged, {**small, group: note})
        kept = np.isin(groups, judged)
        measured = _measured(scores[kept], churned[kept], customers[kept], groups[kept], judged, threshold, rows.seed)
        selected = (scores[kept] >= threshold).astype(int)
        for group, measures in measured.items():
            inside = kept if group == ALL_GROUPS else groups == group
            counts = {"rows": int(inside.sum()), "customers": len(np.unique(customers[inside]))}
            for measure, (value, low, high) in measures.items():
                if measure in peers:
                    value = float(peers[measure](churned[kept], selected, sensitive_features=groups[kept]))
                entry = {"value": value, "low": min(low, value), "high": max(high, value), **counts, "note": None}
                found.append({"sensitive_column": name, "group": group, "measure": measure, **entry})
        for group, note in small.items():
            inside = groups == group
            counts = {"rows": int(inside.sum()), "customers": len(np.unique(customers[inside]))}
            empty = {"value": None, "low": None, "high": None}
            found.append(
                {"sensitive_column": name, "group": group, "measure": "churn_rate", **empty, **counts, "note": note}
            )
    return found


def _measured(
    scores: np.ndarray,
    churned: np.ndarray,
    customers: np.ndarray,
    groups: np.ndarray,
    judged: list[str],
    threshold: float,
    seed: int,
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Value, low and high of each measure of each group, and of the differences between groups."""
    if not judged:
        return {}
    member = (groups[:, None] == np.asarray(judged)).astype(float)
    rates = _rates(np.ones((1, len(scores))), scores, churned, member, threshold)
    parts = [
        _rates(weights, scores, churned, member, threshold)
        for weights in resampled_weights(customers, REPLICATES, seed)
    ]
    draws = {name: np.concatenate([part[name] for part in parts]) for name in rates}

    def interval(value: np.ndarray | float, resampled: np.ndarray) -> tuple[float, float, float]:
        return np.asarray(value).item(), *percentile_interval(resampled)

    measured = {
        group: {name: interval(rates[name][0, k], draws[name][:, k]) for name in RATES}
        for k, group in enumerate(judged)
    }
    for group in judged:
        inside = groups == group
        area = auc(scores[inside], churned[inside], np.unique(customers[inside], return_inverse=True)[1])
        measured[group]["roc_auc"] = (area.value, area.low, area.high)
    if len(judged) > 1:
        measured[ALL_GROUPS] = {
            name: interval(*(np.max([np.ptp(part[rate], axis=1) for rate in of], axis=0) for part in (rates, draws)))
            for name, of in DIFFERENCES.items()
        }
    return measured


def _rates(
    weights: np.ndarray, scores: np.ndarray, churned: np.ndarray, member: np.ndarray, threshold: float
) -> dict[str, np.ndarray]:
    """Rates of each group under each row of ``weights``, shape (n_replicates, n_groups)."""
    selected = scores >= threshold

    def mean(values: np.ndarray, of: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (weights @ (member * (of * values)[:, None])) / (weights @ (member * of[:, None]))

    everyone = np.ones(len(scores))
    rate, probability = mean(churned.astype(float), everyone), mean(scores, everyone)
    return {
        "churn_rate": rate,
        "mean_probability": probability,
        "calibration_gap": probability - rate,
        "selection_rate": mean(selected.astype(float), everyone),
        "true_positive_rate": mean(selected.astype(float), churned.astype(float)),
        "false_positive_rate": mean(selected.astype(float), 1.0 - churned),
    }
