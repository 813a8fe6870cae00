"""How much each feature moves each customer's log-odds: SHAP values, summed back to source features.

For every kind of model: ``base + contributions.sum(axis=1)`` is the log-odds of the calibrated probability.
Trees use TreeSHAP (Lundberg et al. 2020, "From local explanations to global understanding with explainable AI
for trees"), path-dependent: as built into LightGBM and XGBoost; forests by LightGBM
(:mod:`python_ml.model.forest_booster`), or for many rows by :mod:`python_ml.model.forest_shap`. Linear models use the
closed form for independent features, ``coefficient x (value - mean)``.

A forest averages probabilities, so its SHAP values add up to a probability. They are brought to log-odds row by
row with the slope of the secant between the base and the prediction: order, signs and additivity are kept. So are
the margins of boosted trees, where the calibration clips the probability that they stand for.

The log-odds of an ensemble are the average of its members'; so are its contributions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.special
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from python_ml.model.calibration import THREADS, sigmoid_of
from python_ml.model.ensemble import members_of
from python_ml.model.pipelines import PROBABILITY_FLOOR, log_odds, output_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sklearn.ensemble import StackingClassifier

    # Of prepared rows: contributions, shape (n_rows, n_columns), and the base, shape (n_rows,).
    Explainer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

CHUNK_ROWS = 50_000
MANY_ROWS = 2_000  # of a forest, from which on tables per leaf pay off


def contributions(
    model: StackingClassifier, inputs: pd.DataFrame, background: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Explain calibrated log-odds.

    Parameters
    ----------
    model : sklearn.ensemble.StackingClassifier
        Of :func:`python_ml.model.calibration.fit_calibrated`.
    inputs : pandas.DataFrame, shape (n_rows, any)
        Result of :func:`python_ml.input_columns.model_input`; holds the model's features.
    background : sequence of float, optional
        Mean of each prepared column, for linear models; see :func:`linear_background`.

    Returns
    -------
    values : numpy.ndarray, shape (n_rows, n_features)
        In log-odds, in the order of ``model.feature_names_in_``.
    base : numpy.ndarray, shape (n_rows,)
        The log-odds where every contribution is zero; the same in every row.
    """
    if members := members_of(model):
        explained = [(weight, contributions(member, inputs, background)) for weight, member in members]
        return sum(weight * values for weight, (values, _) in explained), sum(
            weight * base for weight, (_, base) in explained
        )
    names = list(model.feature_names_in_)
    pipeline = model.estimators_[0]
    sources = output_sources(pipeline[0])
    gather = np.zeros((len(sources), len(names)))
    gather[np.arange(len(sources)), sources] = 1.0
    slope, intercept = sigmoid_of(model)
    explain = _EXPLAINERS[type(pipeline[-1]).__name__](pipeline[-1], background)
    values, bases = np.zeros((len(inputs), len(names))), np.zeros(len(inputs))
    with threadpool_limits(limits=1, user_api="blas"):
        for first in range(0, len(inputs), CHUNK_ROWS):
            rows = slice(first, first + CHUNK_ROWS)
            prepared = np.asarray(pipeline[0].transform(inputs[names].iloc[rows]), dtype=float)
            part, base = explain(prepared)
            if isinstance(model.final_estimator_, Pipeline):
                odds = model.final_estimator_[0].transform(pipeline[-1].predict_proba(prepared)[:, [1]])[:, 0]
                part = rest_shared(part, odds - base)
            values[rows] = slope * (part @ gather)
            bases[rows] = slope * base + intercept
    return values, bases


def linear_background(model: StackingClassifier, inputs: pd.DataFrame) -> tuple[float, ...] | None:
    """Mean of each prepared column over ``inputs`` for a linear model, or that of an ensemble; None for others."""
    if members := members_of(model):
        return next((means for _, member in members if (means := linear_background(member, inputs))), None)
    pipeline = model.estimators_[0]
    if type(pipeline[-1]).__name__ != "LogisticRegression":
        return None
    prepared = np.asarray(pipeline[0].transform(inputs[list(model.feature_names_in_)]), dtype=float)
    return tuple(float(mean) for mean in prepared.mean(axis=0))


def direction(values: pd.Series, contribution: np.ndarray) -> float:
    """Whether more of a feature means more risk: the correlation of a number with its contribution.

    Parameters
    ----------
    values : pandas.Series, shape (n_rows,)
        Of the feature.
    contribution : numpy.ndarray, shape (n_rows,)

    Returns
    -------
    float
        -1 to 1; 0 where there is no correlation, and for categories.
    """
    if values.dtype == object:
        return 0.0
    present = values.notna().to_numpy()
    x, y = values.to_numpy()[present], contribution[present]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))


def _linear(estimator: Any, background: Sequence[float] | None) -> Explainer:
    coefficients = estimator.coef_[0]
    mean = np.zeros(len(coefficients)) if background is None else np.asarray(background)
    base = estimator.intercept_[0] + coefficients @ mean
    return lambda prepared: ((prepared - mean) * coefficients, np.full(len(prepared), base))


def _lightgbm(estimator: Any, _: object) -> Explainer:
    def explain(prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = estimator.booster_.predict(prepared, pred_contrib=True, num_threads=THREADS)
        return margin_on_log_odds(values[:, :-1], values[:, -1])

    return explain


def _xgboost(estimator: Any, _: object) -> Explainer:
    def explain(prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import xgboost

        matrix = xgboost.DMatrix(prepared, nthread=THREADS)
        values = estimator.get_booster().predict(matrix, pred_contribs=True).astype(float)
        return margin_on_log_odds(values[:, :-1], values[:, -1])

    return explain


def _forest(estimator: Any, _: object) -> Explainer:
    from python_ml.model.forest_booster import as_booster
    from python_ml.model.forest_shap import forest_contributions

    def explain(prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = prepared.astype(np.float32)  # as the forest rounds them
        explained = forest_contributions(estimator, rows, THREADS) if len(rows) >= MANY_ROWS else None
        if explained is None:
            values = as_booster(estimator).predict(rows, pred_contrib=True, num_threads=THREADS)
            explained = values[:, :-1], values[:, -1]
        return forest_on_log_odds(*explained)

    return explain


def margin_on_log_odds(values: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Contributions to the margin of boosted trees as contributions to the log-odds that the calibration sees.

    Parameters
    ----------
    values : numpy.ndarray, shape (n_rows, n_columns)
    base : numpy.ndarray, shape (n_rows,)
    """
    return _rescaled(values, base, _clipped, _inside)


def forest_on_log_odds(values: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Contributions to the probability of a forest as contributions to its log-odds; as :func:`margin_on_log_odds`."""
    return _rescaled(values, base, log_odds, _odds_slope)


def _rescaled(
    values: np.ndarray,
    base: np.ndarray,
    scale: Callable[[np.ndarray], np.ndarray],
    tangent: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Bring contributions to another scale: those of a row by the slope of the secant from its base to its sum.

    Parameters
    ----------
    values : numpy.ndarray, shape (n_rows, n_columns)
    base : numpy.ndarray, shape (n_rows,)
    scale, tangent : callable
        The scale and its derivative, for arrays of shape (n_rows,).
    """
    moved = values.sum(axis=1)
    flat = np.abs(moved) < 1e-9  # the secant becomes the tangent
    secant = (scale(base + moved) - scale(base)) / np.where(flat, 1.0, moved)
    return values * np.where(flat, tangent(base), secant)[:, None], scale(base)


def _odds_slope(share: np.ndarray) -> np.ndarray:
    inside = (share > PROBABILITY_FLOOR) & (share < 1 - PROBABILITY_FLOOR)
    return np.where(inside, 1 / np.where(inside, share * (1 - share), 1.0), 0.0)


def _clipped(margin: np.ndarray) -> np.ndarray:
    """What the calibration makes of a margin: the log-odds of the clipped probability."""
    return np.clip(margin, *scipy.special.logit([PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR]))


def _inside(margin: np.ndarray) -> np.ndarray:
    return (_clipped(margin) == margin).astype(float)


def rest_shared(values: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Contributions that add up to ``moved``: what rounding left over (XGBoost has 32 bits) is shared by size."""
    size = np.abs(values)
    total = size.sum(axis=1)
    rest = np.divide(moved - values.sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    return values + size * rest[:, None]


_EXPLAINERS = {
    "LogisticRegression": _linear,
    "LGBMClassifier": _lightgbm,
    "XGBClassifier": _xgboost,
    "RandomForestClassifier": _forest,
}
