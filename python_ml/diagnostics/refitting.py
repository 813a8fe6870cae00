"""The champion's procedure on other rows, and the rows on which it is judged."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.input_columns import model_input
from python_ml.model.calibration import one_thread_each
from python_ml.model.cross_validation import SnapshotSplit
from python_ml.model.dataset import check_training_set
from python_ml.model.evaluate import evaluate
from python_ml.model.folds import customer_folds
from python_ml.model.preparation import split_rows

if TYPE_CHECKING:
    from python_ml.model.registry import Champion
    from python_ml.settings import Settings

REPLICATES = 200


@dataclass(frozen=True)
class Rows:
    """Labelled rows, and which of them are for what.

    Attributes
    ----------
    frame : pandas.DataFrame
        In canonical order.
    inputs : pandas.DataFrame, shape (n_rows, n_features)
        What the champion takes.
    churned, customers : numpy.ndarray, shape (n_rows,)
    train, fit, test : numpy.ndarray of bool, shape (n_rows,)
        Those of the split. A snapshot has no later period: a fifth of the customers is the test, the others train.
    validation : numpy.ndarray of bool, shape (n_rows,), or None
        None where there is no such period.
    seed : int
    """

    frame: pd.DataFrame
    inputs: pd.DataFrame
    churned: np.ndarray
    customers: np.ndarray
    train: np.ndarray
    fit: np.ndarray
    test: np.ndarray
    validation: np.ndarray | None
    seed: int

    @classmethod
    def of(cls, champion: Champion, training_set: pd.DataFrame, settings: Settings, scenario: str | None) -> Rows:
        """Split a training set as training does.

        Raises
        ------
        UserError
            When the rows cannot be split, or lack columns that the champion needs.
        """
        entity, seed = champion.card.entity, settings.training.seed
        check_training_set(training_set, entity)
        frame = training_set.sort_values(["feature_timestamp", entity], kind="stable").reset_index(drop=True)
        split = split_rows(frame, entity, settings, scenario)
        churned, customers = frame["churned"].astype(int).to_numpy(), frame[entity].to_numpy()
        train, fit, test, validation = split.train, split.fit, split.test, None
        if isinstance(split, SnapshotSplit):
            folds = customer_folds(customers, churned, 5, seed)
            if not folds:
                raise UserError(
                    "There are too few customers to diagnose.", where=TRAINING_SET, hint="bring more customers"
                )
            test = np.isin(np.arange(len(frame)), folds[0][1])
            train = fit = ~test
        elif split.has_validation:
            validation = split.validation
        inputs = model_input(frame, champion.card.inputs, where=TRAINING_SET)
        return cls(frame, inputs, churned, customers, train, fit, test, validation, seed)

    def measure(self, scores: np.ndarray, rows: np.ndarray, metric: str = "roc_auc") -> dict[str, Any]:
        """``value``, ``low``, ``high`` of a metric of scores for some rows, with their number and that of customers."""
        judged = evaluate(
            self.churned[rows], scores, self.customers[rows], metrics=[metric], replicates=REPLICATES, seed=self.seed
        )
        return {"metric": metric, **judged[metric], **self.counts(rows)}

    def counts(self, rows: np.ndarray) -> dict[str, int]:
        """How many rows and customers."""
        customers = self.customers[rows]
        return {"rows": len(customers), "customers": len(np.unique(customers))}


def refit(model: StackingClassifier, inputs: pd.DataFrame, churned: np.ndarray) -> StackingClassifier:
    """Fit a champion's pipelines on other rows, with their parameters; its calibration and weights stay.

    Parameters
    ----------
    model : sklearn.ensemble.StackingClassifier
        Of :func:`python_ml.model.calibration.fit_calibrated`, or an ensemble of such.
    inputs : pandas.DataFrame, shape (n_rows, any)
    churned : numpy.ndarray of int, shape (n_rows,)
    """
    again = copy.copy(model)
    used = inputs[list(model.feature_names_in_)]
    with one_thread_each():
        again.estimators_ = [
            refit(part, inputs, churned) if isinstance(part, StackingClassifier) else clone(part).fit(used, churned)
            for part in model.estimators_
        ]
    return again
