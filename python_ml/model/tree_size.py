"""How large boosted trees should be: small ones, unless large ones do better on later rows beyond noise.

Small, slow trees are hard to beat where columns are many and noisy and rows of one customer repeat each other. Where
columns act together they underfit, and no number of rounds makes up for it. So large trees compete with them once, on
rows held out of the training rows (the latest ones, where rows have times), and stop growing in number when these are
predicted no better (early stopping: Prechelt 1998, "Early stopping - but when?").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.model.pipelines import model_pipeline

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.input_columns import InputColumn

MOST_ROUNDS = 500
PATIENCE = 30
ROWS_FOR_SIZE = 50_000  # more rows would hardly change the choice, only its price
STANDARD_ERRORS = 2.0  # by which large trees must do better

# Who sets one of these has decided on the size.
SIZES = ("n_estimators", "num_leaves", "max_depth", "max_leaves", "learning_rate")

_LARGE: dict[str, Callable[[int], dict[str, Any]]] = {
    "lightgbm": lambda n_rows: {
        "num_leaves": 31,
        "min_child_samples": max(20, min(1_000, n_rows // 1_000)),
        "subsample": 1.0,
        "colsample_bytree": 1.0,
        "reg_lambda": 1.0,
        "learning_rate": 0.08,
    },
    "xgboost": lambda n_rows: {
        "grow_policy": "lossguide",
        "max_leaves": 31,
        "max_depth": 0,
        "min_child_weight": max(3, min(100, n_rows // 5_000)),
        "subsample": 1.0,
        "colsample_bytree": 1.0,
        "reg_lambda": 1.0,
        "learning_rate": 0.08,
    },
}


@dataclass(frozen=True)
class Trial:
    """Rows on which sizes compete.

    Attributes
    ----------
    train, held_out : numpy.ndarray of int
        Positions among the training rows.
    customers : numpy.ndarray, shape (n_rows,)
        Key of the customer of each training row: noise is measured between customers.
    """

    train: np.ndarray
    held_out: np.ndarray
    customers: np.ndarray


def choose_size(
    name: str,
    inputs: pd.DataFrame,
    churned: np.ndarray,
    columns: Sequence[InputColumn],
    trial: Trial,
    seed: int,
    parameters: dict[str, Any],
) -> dict[str, Any]:
    """Parameters of large trees and their number, or none: the defaults are small trees.

    Parameters
    ----------
    name, inputs, churned, columns, seed, parameters
        As for :func:`python_ml.model.calibration.fit_calibrated`.
    trial : Trial

    Returns
    -------
    dict
        Empty for other models than boosters, and where the user has set the size.
    """
    if name not in _LARGE or set(parameters) & set(SIZES):
        return {}
    rng = np.random.default_rng(seed)
    train, held_out = (_some(rows, rng) for rows in (trial.train, trial.held_out))
    pipeline = model_pipeline(name, columns, len(inputs), seed, parameters)
    x, y = pipeline[0].fit_transform(inputs.iloc[train], churned[train]), churned[train]
    x_out, y_out = pipeline[0].transform(inputs.iloc[held_out]), churned[held_out]

    small = pipeline[1].fit(x, y)
    wanted = {**_LARGE[name](len(inputs)), **parameters}
    large = model_pipeline(name, columns, len(inputs), seed, wanted)[1]
    rounds = _EARLY_STOPPED[name](large.set_params(n_estimators=MOST_ROUNDS), x, y, x_out, y_out)
    gain = _losses(small, x_out, y_out) - _losses(large, x_out, y_out)
    if not _is_beyond_noise(gain, trial.customers[held_out]):
        return {}
    return {**wanted, "n_estimators": rounds}


def _some(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= ROWS_FOR_SIZE else np.sort(rng.choice(rows, ROWS_FOR_SIZE, replace=False))


def _lightgbm(model: Any, x: np.ndarray, y: np.ndarray, x_out: np.ndarray, y_out: np.ndarray) -> int:
    import lightgbm

    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    model.fit(x, y, eval_X=x_out, eval_y=y_out, eval_metric="binary_logloss", callbacks=[stop])
    return max(1, int(model.best_iteration_))


def _xgboost(model: Any, x: np.ndarray, y: np.ndarray, x_out: np.ndarray, y_out: np.ndarray) -> int:
    model.set_params(early_stopping_rounds=PATIENCE, eval_metric="logloss")
    model.fit(x, y, eval_set=[(x_out, y_out)], verbose=False)
    return int(model.best_iteration) + 1


_EARLY_STOPPED: dict[str, Callable[..., int]] = {"lightgbm": _lightgbm, "xgboost": _xgboost}


def _losses(model: Any, x: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """Log-loss of each row."""
    found = np.clip(model.predict_proba(x)[:, 1].astype(float), 1e-15, 1 - 1e-15)
    return -np.where(churned == 1, np.log(found), np.log1p(-found))


def _is_beyond_noise(gain: np.ndarray, customers: np.ndarray) -> bool:
    """Whether the sum over customers is more than two standard errors above zero."""
    _, of = np.unique(customers, return_inverse=True)
    per_customer = np.bincount(of, weights=gain)
    if len(per_customer) < 2:
        return False
    error = np.sqrt(len(per_customer)) * per_customer.std(ddof=1)
    return bool(per_customer.sum() > STANDARD_ERRORS * error)
