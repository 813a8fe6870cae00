"""How much more often a later period has rows like those of the reference: density ratio by a domain classifier."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.monitor.domain import FOLDS, LEAST_CUSTOMERS, REPLICATES, TREES

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHIFT_FROM = 0.55  # AUC from which on a shift is worth allowing for
EFFECTIVE_SHARE = 0.2  # of the rows of the reference that weights must leave
LEAST_EFFECTIVE = 100


@dataclass(frozen=True)
class DensityRatio:
    """Weights that make a reference look like a later period.

    Attributes
    ----------
    weights : numpy.ndarray, shape (n_reference,)
        With a mean of 1.
    auc, low : float
        Of the classifier, on customers that it was not fitted on, and the lower end of its 95 % interval.
    effective_rows : float
        Equally weighted rows that would be as precise (Kish 1965, "Survey Sampling").
    """

    weights: NDArray[np.float64]
    auc: float
    low: float
    effective_rows: float

    @property
    def shifted(self) -> bool:
        """Whether the period differs by more than noise, and by enough to allow for."""
        return self.low >= SHIFT_FROM


def density_ratio(
    before: NDArray, after: NDArray, customers: tuple[NDArray, NDArray], *, seed: int = 0
) -> DensityRatio | None:
    """Estimate the ratio of the densities of two samples at the rows of the first.

    Parameters
    ----------
    before, after : numpy.ndarray, shapes (n, n_columns) and (m, n_columns)
        Reference and later period; missing values are NaN.
    customers : tuple of numpy.ndarray
        Key of the customer of each row, in both samples.
    seed : int

    Returns
    -------
    DensityRatio or None
        None where either sample has fewer than 50 customers.

    Notes
    -----
    Odds of a classifier, cross-fitted by customer: Sugiyama, M., Suzuki, T. and Kanamori, T. (2012), "Density Ratio
    Estimation in Machine Learning", chapter 4. Where the samples hardly overlap, a few rows would get all the weight:
    the weights are then flattened by an exponent until a fifth of the rows is left (Shimodaira 2000, "Improving
    predictive inference under covariate shift by weighting the log-likelihood function").
    """
    if min(len(set(keys.tolist())) for keys in customers) < LEAST_CUSTOMERS:
        return None
    from lightgbm import LGBMClassifier
    from sklearn.model_selection import GroupKFold

    from python_ml.model.evaluate import evaluate

    values = np.vstack([before, after])
    is_later = np.repeat([0, 1], [len(before), len(after)])
    groups = np.unique(np.concatenate(customers).astype(str), return_inverse=True)[1]
    raw = np.zeros(len(values))
    for fitted, held_out in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(values, is_later, groups):
        model = LGBMClassifier(**TREES, random_state=seed, class_weight="balanced")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that arrays have no names
            model.fit(values[fitted], is_later[fitted])
            raw[held_out] = model.predict(values[held_out], raw_score=True)
    area = evaluate(is_later, raw, groups, metrics=["roc_auc"], replicates=REPLICATES, seed=seed)["roc_auc"]
    weights = _flattened(raw[: len(before)])
    return DensityRatio(weights, area["value"], area["low"], _effective(weights))


def _flattened(log_ratio: NDArray) -> NDArray[np.float64]:
    """Weights with the largest exponent, at most 1, that leaves enough effective rows."""
    needed = min(max(EFFECTIVE_SHARE * len(log_ratio), LEAST_EFFECTIVE), len(log_ratio))

    def weighted(exponent: float) -> NDArray[np.float64]:
        weights = np.exp(exponent * (log_ratio - log_ratio.max()))
        return weights / weights.mean()

    low, high = 0.0, 1.0
    if _effective(weighted(high)) >= needed:
        return weighted(high)
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _effective(weighted(middle)) >= needed else (low, middle)
    return weighted(low)


def _effective(weights: NDArray) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())
