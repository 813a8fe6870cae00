"""Calibrated models: a pipeline, and Platt's sigmoid learnt from predictions on customers it has not seen.

The sigmoid (Platt 1999, "Probabilistic outputs for support vector machines") works on log-odds, so that a
model which is calibrated already passes through unchanged (slope 1, intercept 0). It is learnt from
out-of-fold predictions on the training rows. The result is scikit-learn's stacking of one model, and stores as
plain scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
import scipy.special
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from python_ml.input_columns import InputColumn
from python_ml.model.ensemble import members_of, stacked
from python_ml.model.imbalance import Balance
from python_ml.model.pipelines import fit_pipeline, log_odds_stage, model_pipeline
from python_ml.model.tree_size import Trial, choose_size
from python_ml.stats import some_rows

THREADS = 2

PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
ROWS_FOR_PENALTY = 20_000  # more rows would not change the choice, only its price

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


class Fitted(NamedTuple):
    """A model, and what it makes of its own training rows without having seen them.

    Attributes
    ----------
    model : sklearn.ensemble.StackingClassifier
        ``predict_proba`` gives calibrated probabilities. ``estimators_[0]`` is the pipeline fitted on all rows,
        ``final_estimator_`` the sigmoid.
    held_out : numpy.ndarray, shape (n_rows,)
        Calibrated probabilities of the training rows, each from a fit that has not seen its customer (or, for rows of
        a later period, the row). NaN where there is no such fit.
    raw : numpy.ndarray, shape (n_rows, 1), or None
        The same before the calibration; None for an ensemble.
    parameters : dict
        Of the estimator, those included that were chosen on the training rows.
    """

    model: StackingClassifier
    held_out: np.ndarray
    raw: np.ndarray | None = None
    parameters: Mapping[str, Any] = MappingProxyType({})


def fit_calibrated(
    name: str,
    inputs: pd.DataFrame,
    churned: np.ndarray,
    columns: Sequence[InputColumn],
    folds: Folds,
    seed: int,
    parameters: dict[str, Any] | None = None,
    trial: Trial | None = None,
    balance: Balance = Balance(),  # noqa: B008 - immutable
) -> Fitted:
    """Fit one kind of model with its calibration.

    Parameters
    ----------
    name : str
        Kind of model.
    inputs : pandas.DataFrame, shape (n_rows, n_columns)
        Result of :func:`python_ml.input_columns.model_input`; training rows only.
    churned : numpy.ndarray of int, shape (n_rows,)
    columns : sequence of InputColumn
        The columns to use.
    folds : sequence of (train, held_out)
        By customer; see :func:`python_ml.model.folds.customer_folds`.
    seed : int
    parameters : dict, optional
        Parameters of the estimator that replace the defaults.
    trial : Trial, optional
        Where the size of boosted trees is tried; on ``folds`` unless given.
    balance : Balance
        Weights of classes or resampling of the rows that are fitted; never of those that are predicted.
    """
    parameters = dict(parameters or {})
    inputs = inputs[[column.name for column in columns]]
    linear = name == "logistic_regression"
    trial = trial or Trial.of_customers(folds, np.arange(len(inputs)))
    with one_thread_each():
        if linear and "C" not in parameters:
            parameters["C"] = _choose_penalty(inputs, churned, columns, folds, seed, parameters)
        parameters |= choose_size(name, inputs, churned, columns, trial, seed, parameters)
        raw = held_out_predictions(name, inputs, churned, columns, folds, seed, parameters, balance)
        return _calibrated(name, columns, inputs, churned, seed, raw, parameters, balance)


def held_out_predictions(
    name: str,
    inputs: pd.DataFrame,
    churned: np.ndarray,
    columns: Sequence[InputColumn],
    folds: Folds,
    seed: int,
    parameters: Mapping[str, Any],
    balance: Balance,
) -> np.ndarray:
    """Predictions before calibration for held-out rows, shape (n_rows, 1); NaN for rows that no fold holds out.

    Parameters
    ----------
    name, inputs, churned, columns, folds, seed, parameters, balance
        As for :func:`fit_calibrated`.
    """

    def predicted(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        train = balance.rows(train, churned, seed)
        weighted = {**parameters, **balance.parameters(name, churned[train])}
        pipeline = model_pipeline(name, columns, len(inputs), seed, weighted)
        fit_pipeline(pipeline, columns, inputs.iloc[train], churned[train])
        return _raw(name, pipeline, inputs.iloc[held_out])

    raw = np.full((len(inputs), 1), np.nan)
    done = joblib.Parallel(n_jobs=THREADS)(joblib.delayed(predicted)(*fold) for fold in folds)
    for (_, held_out), values in zip(folds, done, strict=True):
        raw[held_out] = values
    return raw


def fit_again(
    name: str,
    inputs: pd.DataFrame,
    churned: np.ndarray,
    columns: Sequence[InputColumn],
    seed: int,
    earlier: Fitted,
    raw: np.ndarray,
    balance: Balance = Balance(),  # noqa: B008 - immutable
) -> Fitted:
    """Fit a model on more rows than before, with what was chosen and seen before.

    Where rows are many, choosing and calibrating anew would cost three fits more and give nearly the same.

    Parameters
    ----------
    name, inputs, churned, columns, seed
        As for :func:`fit_calibrated`.
    earlier : Fitted
        The fit on fewer rows, whose parameters serve.
    raw : numpy.ndarray, shape (n_rows, 1)
        Predictions of earlier fits, uncalibrated, for rows that they have not seen; NaN for the others. The sigmoid is
        learnt from them.
    balance : Balance
        As for :func:`fit_calibrated`.
    """
    inputs = inputs[[column.name for column in columns]]
    with one_thread_each():
        return _calibrated(name, columns, inputs, churned, seed, raw, earlier.parameters, balance)


def _calibrated(
    name: str,
    columns: Sequence[InputColumn],
    inputs: pd.DataFrame,
    churned: np.ndarray,
    seed: int,
    raw: np.ndarray,
    parameters: Mapping[str, Any],
    balance: Balance,
) -> Fitted:
    """Fit a pipeline on all rows, and its sigmoid on raw predictions of those that were held out."""
    rows = balance.rows(np.arange(len(inputs)), churned, seed)
    weighted = {**parameters, **balance.parameters(name, churned[rows])}
    pipeline = model_pipeline(name, columns, len(inputs), seed, weighted)
    fit_pipeline(pipeline, columns, inputs.iloc[rows], churned[rows])
    sigmoid = LogisticRegression(C=1e4, max_iter=1_000)
    is_linear = name == "logistic_regression"
    final = sigmoid if is_linear else Pipeline([("log_odds", log_odds_stage()), ("sigmoid", sigmoid)])
    stack = stacked({"model": pipeline}, final, _method(name), inputs, churned)
    known = ~np.isnan(raw[:, 0])
    stack.final_estimator_ = clone(final).fit(raw[known], churned[known])
    held_out = np.full(len(raw), np.nan)
    held_out[known] = stack.final_estimator_.predict_proba(raw[known])[:, 1]
    return Fitted(stack, held_out, raw, parameters)


def raw_predictions(name: str, model: StackingClassifier, inputs: pd.DataFrame) -> np.ndarray:
    """What a model says before its calibration, shape (n_rows, 1)."""
    with one_thread_each():
        return _raw(name, model.estimators_[0], inputs[list(model.feature_names_in_)])


def _raw(name: str, pipeline: Pipeline, inputs: pd.DataFrame) -> np.ndarray:
    return getattr(pipeline, _method(name))(inputs).reshape(len(inputs), -1)[:, [-1]]


def uncalibrated(name: str, raw: np.ndarray) -> np.ndarray:
    """The probabilities that a single model would give without its sigmoid, shape (n_rows,).

    Parameters
    ----------
    name : str
        Kind of model.
    raw : numpy.ndarray, shape (n_rows, 1)
        Of :func:`raw_predictions`, or of :class:`Fitted`.
    """
    return scipy.special.expit(raw[:, 0]) if _method(name) == "decision_function" else raw[:, 0]


def _method(name: str) -> str:
    return "decision_function" if name == "logistic_regression" else "predict_proba"


@contextmanager
def one_thread_each() -> Iterator[None]:
    """BLAS on one thread, whose sums depend on their number; parallel work is done by threads of joblib.

    Whoever calls functions of this module in parallel enters this before: leaving it restores the number for all.
    """
    with threadpool_limits(limits=1, user_api="blas"), joblib.parallel_config(backend="threading"):
        yield


def probabilities(model: StackingClassifier, inputs: pd.DataFrame) -> np.ndarray:
    """Calibrated probability of churn per row, shape (n_rows,)."""
    with one_thread_each():
        return model.predict_proba(inputs[list(model.feature_names_in_)])[:, 1]


def sigmoid_of(model: StackingClassifier) -> tuple[float, float]:
    """Slope and intercept of the calibration: calibrated log-odds = slope x raw log-odds + intercept.

    Of an ensemble, the average of its members'.
    """
    if members := members_of(model):
        slope, intercept = np.sum([np.multiply(weight, sigmoid_of(member)) for weight, member in members], axis=0)
        return float(slope), float(intercept)
    final = model.final_estimator_
    sigmoid = final[-1] if isinstance(final, Pipeline) else final
    return float(sigmoid.coef_[0, 0]), float(sigmoid.intercept_[0])


def _choose_penalty(
    inputs: pd.DataFrame,
    churned: np.ndarray,
    columns: Sequence[InputColumn],
    folds: Folds,
    seed: int,
    parameters: dict[str, Any],
) -> float:
    """The strength of L2 with the lowest log-loss on held-out customers of the training rows."""
    chosen = some_rows(np.arange(len(inputs)), ROWS_FOR_PENALTY, seed)
    share = len(inputs) / len(chosen)
    member = np.zeros(len(inputs), dtype=bool)
    member[chosen] = True

    def losses(train: np.ndarray, held_out: np.ndarray) -> list[float]:
        train, held_out = train[member[train]], held_out[member[held_out]]
        pipeline = model_pipeline("logistic_regression", columns, len(train), seed, parameters)
        prepared = pipeline[0].fit_transform(inputs.iloc[train], churned[train])
        prepared_out = pipeline[0].transform(inputs.iloc[held_out])
        per_penalty = []
        for penalty in PENALTIES:
            # C weighs the sum over rows: on a part of the rows the same C would be a stronger penalty.
            model = pipeline[1].set_params(C=penalty * share).fit(prepared, churned[train])
            per_penalty.append(_log_loss(churned[held_out], model.decision_function(prepared_out)))
        return per_penalty

    per_fold = joblib.Parallel(n_jobs=THREADS)(joblib.delayed(losses)(*fold) for fold in folds)
    return PENALTIES[int(np.argmin(np.sum(per_fold, axis=0)))]


def _log_loss(churned: np.ndarray, log_odds: np.ndarray) -> float:
    """The sum over rows; without the checks of scikit-learn's, which cost more than the fit of a small model."""
    return float(np.logaddexp(0.0, np.where(churned == 1, -log_odds, log_odds)).sum())
