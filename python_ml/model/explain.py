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

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import scipy.special
from threadpoolctl import threadpool_limits

from python_ml.model.calibration import THREADS, sigmoid_of
from python_ml.model.ensemble import members_of
from python_ml.model.pipelines import PROBABILITY_FLOOR, log_odds, output_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightgbm import Booster
    from sklearn.ensemble import StackingClassifier

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
    prepared_model = PreparedModel(model, background)
    names, prepare = list(model.feature_names_in_), model.estimators_[0][0]
    values, bases = np.zeros((len(inputs), len(names))), np.zeros(len(inputs))
    with threadpool_limits(limits=1, user_api="blas"):
        for first in range(0, len(inputs), CHUNK_ROWS):
            rows = slice(first, first + CHUNK_ROWS)
            prepared = np.asarray(prepare.transform(inputs[names].iloc[rows]), dtype=float)
            _, values[rows], bases[rows] = prepared_model.explained(prepared)
    return values, bases


class PreparedModel:
    """A calibrated pipeline, from the rows that its preparation gives: their log-odds, and what makes them.

    Parameters
    ----------
    model : sklearn.ensemble.StackingClassifier
        A single one, not an ensemble.
    background : sequence of float, optional
        See :func:`contributions`.
    threads : int
        Of the libraries of trees. The result does not depend on it.

    Raises
    ------
    KeyError
        When there is no explanation for the kind of the estimator.
    """

    def __init__(
        self, model: StackingClassifier, background: Sequence[float] | None = None, threads: int = THREADS
    ) -> None:
        pipeline = model.estimators_[0]
        sources = output_sources(pipeline[0])
        self._gather = np.zeros((len(sources), len(model.feature_names_in_)))
        self._gather[np.arange(len(sources)), sources] = 1.0
        self._slope, self._intercept = sigmoid_of(model)
        self._raw: _Raw = _RAW[type(pipeline[-1]).__name__](pipeline[-1], background, threads)

    def explained(self, prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Explain calibrated log-odds.

        Parameters
        ----------
        prepared : numpy.ndarray of float, shape (n_rows, n_prepared)

        Returns
        -------
        log_odds : numpy.ndarray, shape (n_rows,)
            Of the calibrated probability.
        values : numpy.ndarray, shape (n_rows, n_features)
        base : numpy.ndarray, shape (n_rows,)
            See :func:`contributions`.
        """
        odds, values, base = self._raw.explained(prepared)
        return (
            self._slope * odds + self._intercept,
            self._slope * (values @ self._gather),
            self._slope * base + self._intercept,
        )


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


class _Raw(Protocol):
    """An estimator before the calibration."""

    def explained(self, prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of prepared rows: log-odds, contributions of shape (n_rows, n_prepared), and the base, shape (n_rows,)."""


class _Linear:
    def __init__(self, estimator: Any, background: Sequence[float] | None, _: int) -> None:
        self._coefficients, self._intercept = estimator.coef_[0], estimator.intercept_[0]
        self._mean = np.zeros(len(self._coefficients)) if background is None else np.asarray(background)

    def explained(self, prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        base = self._intercept + self._coefficients @ self._mean
        odds = prepared @ self._coefficients + self._intercept
        return odds, (prepared - self._mean) * self._coefficients, np.full(len(prepared), base)


class _LightGBM:
    def __init__(self, estimator: Any, _: object, threads: int) -> None:
        self._booster, self._threads = estimator.booster_, threads

    def explained(self, prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        odds = log_odds(self._booster.predict(prepared, num_threads=self._threads))
        values = self._booster.predict(prepared, pred_contrib=True, num_threads=self._threads)
        return _adding_up(odds, *margin_on_log_odds(values[:, :-1], values[:, -1]))


class _XGBoost:
    def __init__(self, estimator: Any, _: object, threads: int) -> None:
        self._booster, self._threads = estimator.get_booster(), threads

    def explained(self, prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        import xgboost

        matrix = xgboost.DMatrix(prepared, nthread=self._threads)
        odds = log_odds(self._booster.predict(matrix)).astype(float)  # with 32 bits, as the calibration saw them
        values = self._booster.predict(matrix, pred_contribs=True).astype(float)
        return _adding_up(odds, *margin_on_log_odds(values[:, :-1], values[:, -1]))


class _Forest:
    def __init__(self, estimator: Any, _: object, threads: int) -> None:
        self._estimator, self._threads = estimator, threads

    @cached_property
    def _booster(self) -> Booster:
        from python_ml.model.forest_booster import as_booster

        return as_booster(self._estimator)

    def explained(self, prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from python_ml.model.forest_shap import forest_contributions

        rows = prepared.astype(np.float32)  # as the forest rounds them
        if len(rows) < MANY_ROWS:
            probability = self._booster.predict(rows, num_threads=self._threads)
            explained = None
        else:
            probability = self._estimator.predict_proba(prepared)[:, 1]
            explained = forest_contributions(self._estimator, rows, self._threads)
        if explained is None:
            values = self._booster.predict(rows, pred_contrib=True, num_threads=self._threads)
            explained = values[:, :-1], values[:, -1]
        return _adding_up(log_odds(probability), *forest_on_log_odds(*explained))


def _adding_up(odds: np.ndarray, values: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same three; contributions add up to the log-odds."""
    return odds, rest_shared(values, odds - base), base


def rest_shared(values: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Contributions that add up to ``moved``: what rounding left over (XGBoost has 32 bits) is shared by size."""
    size = np.abs(values)
    total = size.sum(axis=1)
    rest = np.divide(moved - values.sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
    return values + size * rest[:, None]


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


_RAW = {
    "LogisticRegression": _Linear,
    "LGBMClassifier": _LightGBM,
    "XGBClassifier": _XGBoost,
    "RandomForestClassifier": _Forest,
}
