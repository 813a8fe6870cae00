"""Measuring on one snapshot: every customer is judged by models that have seen neither them nor their outcome.

Where nothing says when a row was seen, no later period can be set apart. Customers are dealt into folds with equal
shares of leavers, and whatever is learnt (which columns to use, imputation, encoding, penalty, calibration) is learnt
anew without each fold. A first round chooses between models, a second one with other folds measures them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.errors import UserError
from python_ml.training.calibration import fit_calibrated, probabilities
from python_ml.training.columns import informative
from python_ml.training.dataset import TRAINING_SET
from python_ml.training.folds import affordable_folds, customer_folds
from python_ml.training.metrics import evaluate

if TYPE_CHECKING:
    from python_ml.training.run import TrainingRun

KIND = "cross_validation"
ROWS_FOR_TWO_ROUNDS = 20_000
MOST_INNER_FOLDS = 3  # calibration within each fold

_FIRST = {
    "static": "one snapshot without dates",
    "partial": "one snapshot without feature times (its dates do not say when the other columns were seen)",
}
_CONSEQUENCE = (
    "the figures come from cross-validation within it, not from a later period. Nothing shows how the model does on "
    "customers of another time, or that every column was seen before the outcome; expect less in use."
)


@dataclass(frozen=True)
class SnapshotSplit:
    """Every row trains, validates and tests in turn.

    Has the parts of :class:`python_ml.training.split.TemporalSplit` that a training run reads.

    Attributes
    ----------
    train, validation, test, fit : numpy.ndarray of bool, shape (n_rows,)
        All True.
    folds, rounds : int
    scenario : str
    warnings : list of str
    fold_roc_auc : dict of str to list of float
        ROC AUC of each fold of the measuring round, by model; filled by :func:`cross_validate`.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    fit: np.ndarray
    folds: int
    rounds: int
    scenario: str
    warnings: list[str] = field(default_factory=list)
    fold_roc_auc: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: pd.DataFrame, scenario: str, folds: int) -> SnapshotSplit:
        """All rows of a snapshot."""
        every = np.ones(len(frame), dtype=bool)
        rounds = 2 if len(frame) <= ROWS_FOR_TWO_ROUNDS else 1
        first = _FIRST.get(scenario, "all rows have the same feature time")
        return cls(every, every, every, every, folds, rounds, scenario, [f"{first}: {_CONSEQUENCE}"])

    @property
    def has_validation(self) -> bool:
        """Every row validates."""
        return True

    @property
    def label_span(self) -> None:
        """Nothing says how far the outcome looks ahead."""
        return

    def fitted_times(self, times: pd.Series) -> dict[str, str | None]:
        """No times, for the model card."""
        return {"from": None, "to": None, "before": None}

    def describe(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Kind, folds and number of rows, for ``metrics.json``; all dates are None."""
        dates = {f"{part}_{end}": None for part in ("train", "validation", "test") for end in ("from", "to")}
        rows = {part: len(frame) for part in ("train", "validation", "test")}
        return {
            "kind": KIND,
            "scenario": self.scenario,
            "folds": self.folds,
            "rounds": self.rounds,
            **dates,
            "purge": None,
            "rows": {**rows, "purged": 0},
            "fold_roc_auc": self.fold_roc_auc,
        }


def cross_validate(run: TrainingRun, name: str) -> dict[str, np.ndarray]:
    """Probabilities of every row from models that have not seen its customer.

    Parameters
    ----------
    run : TrainingRun
        Of a :class:`SnapshotSplit`.
    name : str
        Kind of model.

    Returns
    -------
    dict of str to numpy.ndarray, shape (n_rows,)
        ``validation``: first round, by which models are compared. ``test``: second round; the same as the first
        where data are large.

    Raises
    ------
    UserError
        When there are too few customers for two folds.
    """
    split, seed = run.split, run.settings.training.seed
    found = {}
    for number in range(split.rounds):
        run.progress(f"{name}: cross-validation, round {number + 1} of {split.rounds}")
        folds = customer_folds(run.customers, run.churned, split.folds, seed + number)
        if not folds:
            raise UserError(
                "There are too few customers to train on: at least two must have churned and two been retained.",
                where=TRAINING_SET,
                hint="bring more customers",
            )
        found["validation" if number == 0 else "test"] = _out_of_fold(run, name, folds)
    found.setdefault("test", found["validation"])
    split.fold_roc_auc[name] = _areas(run, folds, found["test"])
    return found


def _out_of_fold(run: TrainingRun, name: str, folds: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    training = run.settings.training
    scores = np.empty(len(run.churned))
    for train, held_out in folds:
        inputs, churned = run.inputs.iloc[train].reset_index(drop=True), run.churned[train]
        wanted = min(MOST_INNER_FOLDS, affordable_folds(len(train), training.calibration_folds))
        inner = customer_folds(run.customers[train], churned, wanted, training.seed)
        columns = informative(inputs, run.columns)
        if not inner or not columns:
            raise UserError(
                "A fold has too few customers, or no column that differs between them.",
                where=TRAINING_SET,
                hint="bring more customers, or lower training.cross_validation.folds in retention.yml",
            )
        parameters = getattr(training.models, name).parameters
        model = fit_calibrated(name, inputs, churned, columns, inner, training.seed, parameters)
        scores[held_out] = probabilities(model, run.inputs.iloc[held_out])
    return scores


def _areas(run: TrainingRun, folds: list[tuple[np.ndarray, np.ndarray]], scores: np.ndarray) -> list[float]:
    areas = [
        evaluate(run.churned[held], scores[held], run.customers[held], metrics=["roc_auc"], replicates=0)["roc_auc"]
        for _, held in folds
    ]
    return [area["value"] for area in areas if area["value"] is not None]
