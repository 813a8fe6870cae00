"""The risk that the whole history suggests, as one more column of the draws.

Draws are few, labelled rows are many. A model of churn learnt from all of them says in one number what learners of
uplift would have to learn anew from the draws alone (a prognostic score: Hansen 2008, "The prognostic analogue of the
propensity score", Biometrika 95).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.decisions.uplift.draws import AGE
from python_ml.input_columns import InputColumn, informative, model_input
from python_ml.model.pipelines import log_odds, model_pipeline

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from python_ml.project import Project

PROGNOSIS = "log_odds_of_churn_by_history"
COLUMN = InputColumn(PROGNOSIS, "number", transform="none")
FOLDS = 2
MOST_ROWS = 200_000
LEAST_CHURNED = 50


@dataclass(frozen=True)
class History:
    """Labelled rows of all customers.

    Attributes
    ----------
    inputs : pandas.DataFrame, shape (n_rows, n_columns)
    churned : numpy.ndarray of int, shape (n_rows,)
    customers : numpy.ndarray, shape (n_rows,)
    known_at : numpy.ndarray of datetime64, shape (n_rows,)
        When the outcome was known.
    columns : list of InputColumn
    """

    inputs: pd.DataFrame
    churned: np.ndarray
    customers: np.ndarray
    known_at: np.ndarray
    columns: list[InputColumn]

    def take(self, rows: np.ndarray) -> History:
        """Some of the rows; ``rows`` is a mask."""
        return History(
            self.inputs[rows].reset_index(drop=True),
            self.churned[rows],
            self.customers[rows],
            self.known_at[rows],
            self.columns,
        )


def read_history(project: Project, columns: Sequence[InputColumn]) -> History | None:
    """Read ``gold.gld_training_set``; None where there is no such table.

    Parameters
    ----------
    project : Project
    columns : sequence of InputColumn
        Those of the draws.
    """
    from python_ml.dbt import TRAINING_SET
    from python_ml.warehouse import connect, read_table, table_exists

    with connect(project) as connection:
        if not table_exists(connection, TRAINING_SET):
            return None
    own = [column for column in columns if column.name != AGE]
    frame = read_table(project, TRAINING_SET).sort_values(["feature_timestamp", project.entity], ignore_index=True)
    return History(
        model_input(frame, own, where=TRAINING_SET),
        frame["churned"].to_numpy(int),
        frame[project.entity].to_numpy(),
        frame["label_timestamp"].to_numpy("datetime64[us]"),
        own,
    )


@dataclass(frozen=True)
class Prognosis:
    """A model of churn, and its twins that each lack a part of the customers.

    Attributes
    ----------
    model : sklearn estimator
    twins : list of (set of customers, estimator)
        Customers who took no part in the fit, and the fit.
    """

    model: BaseEstimator
    twins: list[tuple[set, BaseEstimator]]

    def of(self, inputs: pd.DataFrame) -> np.ndarray:
        """Log-odds of churn, shape (n_rows,)."""
        return _log_odds(self.model, inputs)

    def unseen(self, inputs: pd.DataFrame, customers: np.ndarray) -> np.ndarray:
        """Log-odds of churn by a fit that lacks the customer; shape (n_rows,). Those without history may have any."""
        values = self.of(inputs)
        for absent, model in self.twins:
            rows = np.fromiter((customer in absent for customer in customers), dtype=bool, count=len(customers))
            if rows.any():
                values[rows] = _log_odds(model, inputs[rows])
        return values


def learn_prognosis(history: History, seed: int) -> Prognosis | None:
    """Fit the models; None where the history has too few churned (or retained) rows to teach anything.

    Parameters
    ----------
    history : History
        Only rows whose outcome may be known.
    seed : int
    """
    if len(history.churned) > MOST_ROWS:
        chosen = np.random.default_rng(seed).permutation(len(history.churned)) < MOST_ROWS
        history = history.take(chosen)
    keys, code = np.unique(history.customers, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(len(keys)) % FOLDS)[code]

    def fit(rows: np.ndarray) -> BaseEstimator:
        columns = informative(history.inputs[rows], history.columns)
        return model_pipeline("lightgbm", columns, int(rows.sum()), seed).fit(
            history.inputs[rows], history.churned[rows]
        )

    parts = [fold != number for number in range(FOLDS)]
    if any(min(history.churned[part].sum(), (1 - history.churned[part]).sum()) < LEAST_CHURNED for part in parts):
        return None
    twins = [(set(history.customers[~part].tolist()), fit(part)) for part in parts]
    return Prognosis(fit(np.ones(len(fold), dtype=bool)), twins)


def _log_odds(model: BaseEstimator, inputs: pd.DataFrame) -> np.ndarray:
    return log_odds(model.predict_proba(inputs)[:, 1])
