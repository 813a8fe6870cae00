"""Measuring on one snapshot: every customer is judged by models that have seen neither them nor their outcome.

Where nothing says when a row was seen, no later period can be set apart. Customers are dealt into folds with equal
churn rates, and whatever is learnt (which columns to use, imputation, encoding, penalty, calibration) is learnt
anew without each fold. So is the choice between models (nested cross-validation: Varma & Simon 2006, "Bias in error
estimation when using cross-validation for model selection"): the champion's figures are those of the whole procedure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.input_columns import informative
from python_ml.model.calibration import Fitted, fit_calibrated, probabilities
from python_ml.model.ensemble import ENSEMBLE, average
from python_ml.model.evaluate import evaluate
from python_ml.model.folds import affordable_folds, customer_folds
from python_ml.model.selection import choose
from python_ml.model.tree_size import Trial

if TYPE_CHECKING:
    from python_ml.model.training_run import TrainingRun

KIND = "cross_validation"
MOST_INNER_FOLDS = 3  # calibration and choice within each fold

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

    Has the parts of :class:`python_ml.model.split.TemporalSplit` that a training run reads.

    Attributes
    ----------
    train, validation, test, fit : numpy.ndarray of bool, shape (n_rows,)
        All True.
    folds : int
    scenario : str
    warnings : list of str
    fold_roc_auc : dict of str to list of float
        ROC AUC of each fold, by model; filled by :func:`cross_validate`.
    chosen : list of str
        The model that each fold chose without its own customers; filled by :func:`cross_validate`.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    fit: np.ndarray
    folds: int
    scenario: str
    warnings: list[str] = field(default_factory=list)
    fold_roc_auc: dict[str, list[float]] = field(default_factory=dict)
    chosen: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, frame: pd.DataFrame, scenario: str, folds: int) -> SnapshotSplit:
        """All rows of a snapshot."""
        every = np.ones(len(frame), dtype=bool)
        first = _FIRST.get(scenario, "all rows have the same feature time")
        return cls(every, every, every, every, folds, scenario, [f"{first}: {_CONSEQUENCE}"])

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
            **dates,
            "purge": None,
            "rows": {**rows, "purged": 0},
            "fold_roc_auc": self.fold_roc_auc,
            "chosen": self.chosen,
        }


class Measured(NamedTuple):
    """Probabilities of every row from models that have not seen its customer.

    Attributes
    ----------
    models : dict of str to numpy.ndarray, shape (n_rows,)
        By kind of model, and of their ensemble.
    chosen : numpy.ndarray, shape (n_rows,)
        From the model that was chosen without the row's fold.
    """

    models: dict[str, np.ndarray]
    chosen: np.ndarray


def cross_validate(run: TrainingRun, names: list[str]) -> Measured:
    """Fit and choose on all folds but one, and judge the held-out one.

    Parameters
    ----------
    run : TrainingRun
        Of a :class:`SnapshotSplit`.
    names : list of str
        Kinds of model.

    Raises
    ------
    UserError
        When there are too few customers for two folds.
    """
    split, training = run.split, run.settings.training
    # Other folds than those of the calibration, which shares the seed of the settings.
    folds = customer_folds(run.customers, run.churned, split.folds, training.seed + 1)
    if not folds:
        raise UserError(
            "There are too few customers to train on: at least two must have churned and two been retained.",
            where=TRAINING_SET,
            hint="bring more customers",
        )
    models: dict[str, np.ndarray] = {}
    chosen = np.empty(len(run.churned))
    for number, (train, held_out) in enumerate(folds):
        run.progress(f"cross-validation: fold {number + 1} of {len(folds)}")
        fold_scores, choice = _without(run, names, train, held_out)
        for name, scores in fold_scores.items():
            models.setdefault(name, np.empty(len(run.churned)))[held_out] = scores
        chosen[held_out] = fold_scores[choice]
        split.chosen.append(choice)
    for name, scores in models.items():
        split.fold_roc_auc[name] = _areas(run, folds, scores)
    return Measured(models, chosen)


def _without(
    run: TrainingRun, names: list[str], train: np.ndarray, held_out: np.ndarray
) -> tuple[dict[str, np.ndarray], str]:
    """Probabilities of a fold by models that were fitted without it, and which of them was chosen without it."""
    training = run.settings.training
    fits = fit_without(run, names, train)
    held_out_scores = {name: probabilities(fit.model, run.inputs.iloc[held_out]) for name, fit in fits.items()}
    seen = {name: fit.held_out for name, fit in fits.items()}
    choice = choose(seen, run.churned[train], run.customers[train], training.selection, training.seed)
    if choice.members:
        # Where no average is better than the best model, this is the best model.
        held_out_scores[ENSEMBLE] = average([held_out_scores[name] for name in choice.members])
    return held_out_scores, choice.champion


def fit_without(
    run: TrainingRun, names: list[str], train: np.ndarray, most: int = MOST_INNER_FOLDS
) -> dict[str, Fitted]:
    """Fit on some rows alone, with everything that is learnt and chosen learnt and chosen there.

    Parameters
    ----------
    run : TrainingRun
    names : list of str
        Kinds of model.
    train : numpy.ndarray of int
        Row positions.
    most : int
        Inner folds for calibration and choices.

    Raises
    ------
    UserError
        When the rows have too few customers of either outcome, or no column that differs between them.
    """
    training = run.settings.training
    inputs, churned, customers = run.inputs.iloc[train].reset_index(drop=True), run.churned[train], run.customers[train]
    wanted = min(most, affordable_folds(len(train), training.calibration_folds))
    inner = customer_folds(customers, churned, wanted, training.seed)
    columns = informative(inputs, run.columns)
    if not inner or not columns:
        raise UserError(
            "A fold has too few customers, or no column that differs between them.",
            where=TRAINING_SET,
            hint="bring more customers, or lower training.cross_validation.folds in retention.yml",
        )
    trial, fits = Trial.of_customers(inner, customers), {}
    for name in names:
        parameters = run.parameters(name)
        if run.tuner and name in run.tuner.kinds([name]):
            default = run.default_parameters(name, inputs, churned, columns, trial)
            parameters = run.tuner.parameters(
                name, inputs, churned, customers, columns, inner, parameters, default, run.balance
            )
        fits[name] = fit_calibrated(
            name, inputs, churned, columns, inner, training.seed, parameters, trial, run.balance
        )
    return fits


def _areas(run: TrainingRun, folds: list[tuple[np.ndarray, np.ndarray]], scores: np.ndarray) -> list[float]:
    aucs = [
        evaluate(run.churned[held], scores[held], run.customers[held], metrics=["roc_auc"], replicates=0)["roc_auc"]
        for _, held in folds
    ]
    return [auc["value"] for auc in aucs if auc["value"] is not None]
