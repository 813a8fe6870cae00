"""How large boosted trees should be: small ones, unless large ones do better on held-out rows beyond noise.

Small, slow trees are hard to beat where columns are many and noisy and rows of one customer repeat each other. Where
columns act together they underfit, and no number of rounds makes up for it. So large trees compete with them on rows
held out of the training rows: the latest ones, where rows have times, else folds of customers. Models are calibrated
afterwards, so what counts is the log-loss after calibration: unbounded confidence alone stops nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from python_ml.model.pipelines import model_pipeline
from python_ml.stats import some_rows

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.input_columns import InputColumn

ROUNDS = (25, 50, 75, 100, 150, 200, 300, 400)  # among which the number of large trees is chosen
PATIENCE = 100
ROWS_FOR_SIZE = 50_000  # more rows would hardly change the choice, only its price
FEW_ROWS = 50_000  # of which one fold alone would be too few to tell sizes apart
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


class Trial:
    """Rows on which sizes compete, once for all boosters: how columns act together is a property of the data.

    Parameters
    ----------
    folds : sequence of (train, held_out)
        Positions among the training rows.
    customers : numpy.ndarray, shape (n_rows,)
        Key of the customer of each training row: noise is measured between customers.
    """

    def __init__(self, folds: Sequence[tuple[np.ndarray, np.ndarray]], customers: np.ndarray) -> None:
        self.folds, self.customers = folds, customers
        self._lock, self._rounds = Lock(), -1

    @classmethod
    def of_customers(cls, folds: Sequence[tuple[np.ndarray, np.ndarray]], customers: np.ndarray) -> Trial:
        """Folds of customers: one of them is enough where rows are many."""
        return cls(folds if len(customers) <= FEW_ROWS else folds[:1], customers)

    def rounds(self, inputs: pd.DataFrame, churned: np.ndarray, columns: Sequence[InputColumn], seed: int) -> int:
        """Number of large trees that beat small ones beyond noise, 0 where none do; measured by the first caller."""
        with self._lock:
            if self._rounds < 0:
                self._rounds = self._compete(inputs, churned, columns, seed)
        return self._rounds

    def _compete(self, inputs: pd.DataFrame, churned: np.ndarray, columns: Sequence[InputColumn], seed: int) -> int:
        rng, n_rows = np.random.default_rng(seed), len(inputs)
        small_margins, large_margins, held_out_rows = [], [], []
        for fold in self.folds:
            train, held_out = (some_rows(rows, ROWS_FOR_SIZE, rng) for rows in fold)
            prepare, small = model_pipeline("lightgbm", columns, n_rows, seed)
            large = model_pipeline("lightgbm", columns, n_rows, seed, _LARGE["lightgbm"](n_rows))[1]
            x, y = prepare.fit_transform(inputs.iloc[train], churned[train]), churned[train]
            x_out, y_out = prepare.transform(inputs.iloc[held_out]), churned[held_out]
            small.fit(x, y)
            fitted = _early_stopped(large.set_params(n_estimators=ROUNDS[-1]), x, y, x_out, y_out)
            small_margins.append(small.predict(x_out, raw_score=True))
            large_margins.append(
                [large.predict(x_out, raw_score=True, num_iteration=min(rounds, fitted)) for rounds in ROUNDS]
            )
            held_out_rows.append(held_out)
        rows = np.concatenate(held_out_rows)
        losses = [calibrated_losses(margins, churned[rows]) for margins in np.concatenate(large_margins, axis=1)]
        best = int(np.argmin([loss.sum() for loss in losses]))
        gain = calibrated_losses(np.concatenate(small_margins), churned[rows]) - losses[best]
        return ROUNDS[best] if _is_beyond_noise(gain, self.customers[rows]) else 0


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
    rounds = trial.rounds(inputs, churned, columns, seed)
    return {**_LARGE[name](len(inputs)), **parameters, "n_estimators": rounds} if rounds else {}


def _early_stopped(model: Any, x: np.ndarray, y: np.ndarray, x_out: np.ndarray, y_out: np.ndarray) -> int:
    """Fit until held-out rows are no longer predicted better (Prechelt 1998, "Early stopping - but when?")."""
    import lightgbm

    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    model.fit(x, y, eval_X=x_out, eval_y=y_out, eval_metric="binary_logloss", callbacks=[stop])
    return int(model.booster_.current_iteration())


def calibrated_losses(margins: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """Log-loss of each row after calibration."""
    margins = np.asarray(margins, dtype=float)[:, None]
    calibrated = LogisticRegression(C=1e4, max_iter=1_000).fit(margins, churned).decision_function(margins)
    return np.logaddexp(0, np.where(churned == 1, -calibrated, calibrated))


def _is_beyond_noise(gain: np.ndarray, customers: np.ndarray) -> bool:
    """Whether the sum over customers is more than two standard errors above zero."""
    _, of = np.unique(customers, return_inverse=True)
    per_customer = np.bincount(of, weights=gain)
    if len(per_customer) < 2:
        return False
    error = np.sqrt(len(per_customer)) * per_customer.std(ddof=1)
    return bool(per_customer.sum() > STANDARD_ERRORS * error)
