"""The survival model of a training: fitted on what was known before the test period, measured on the test rows."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.decisions.survival.clock import SurvivalError, measure_clock
from python_ml.decisions.survival.evaluation import REFERENCE, SURVIVAL, TRUTH, HeldOut, evaluate_survival
from python_ml.decisions.survival.follow_up import follow_up
from python_ml.decisions.survival.hazard import HazardModel, fit_hazard
from python_ml.decisions.survival.kaplan_meier import survival_curves
from python_ml.errors import UserError
from python_ml.files import replacing
from python_ml.model.baselines import oracle_score
from python_ml.model.split import TemporalSplit
from python_ml.model.supplied_split import SuppliedSplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from python_ml.decisions.survival.follow_up import FollowUp
    from python_ml.input_columns import InputColumn
    from python_ml.model.cross_validation import SnapshotSplit
    from python_ml.model.train import TrainingResult
    from python_ml.project import Project
    from python_ml.settings import Settings

PREDICTIONS_FILE = "survival_predictions.parquet"
SUMMARY = ("concordance", "concordance_ipcw", "integrated_brier")
_FIGURE = ("value", "low", "high")


@dataclass(frozen=True)
class SurvivalStudy:
    """A fitted survival model with what it is worth.

    Attributes
    ----------
    model : HazardModel
    evaluation, predictions : pandas.DataFrame
        See :func:`python_ml.decisions.survival.evaluation.evaluate_survival`.
    curves : pandas.DataFrame
        See :func:`python_ml.decisions.survival.kaplan_meier.survival_curves`.
    """

    model: HazardModel
    evaluation: pd.DataFrame
    predictions: pd.DataFrame
    curves: pd.DataFrame

    def figure(self, model: str, metric: str) -> dict[str, float | None] | None:
        """``value``, ``low`` and ``high`` of a figure that is about all horizons; None where it was not measured."""
        rows = self.evaluation[(self.evaluation["model"] == model) & (self.evaluation["metric"] == metric)]
        if rows.empty:
            return None
        return {name: None if np.isnan(rows.iloc[0][name]) else float(rows.iloc[0][name]) for name in _FIGURE}


def fit_before_test(
    frame: pd.DataFrame,
    split: TemporalSplit | SnapshotSplit,
    columns: Sequence[InputColumn],
    entity: str,
    definitions: Mapping[str, Any],
    settings: Settings,
) -> HazardModel:
    """Fit the hazard on the rows whose labels were known before the test period, and on nothing else.

    What became of a customer is read from these rows alone, too: everybody is right-censored at the cutoff.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        Labelled rows in their canonical order.
    split : TemporalSplit or SnapshotSplit
    columns : sequence of InputColumn
        Features to use: those of the champion.
    entity : str
    definitions : mapping
        dbt's variables when the rows were made.
    settings : python_ml.settings.Settings

    Raises
    ------
    SurvivalError
        When the rows have no times, there is no cutoff between training and test, or too few customers churned.
    """
    if not isinstance(split, TemporalSplit):
        raise SurvivalError(
            "Rows without feature times contain no survival times.",
            where="gold.gld_training_set, feature_timestamp",
            hint="survival needs several feature times; set `survival: {enabled: false}` in retention.yml",
        )
    if isinstance(split, SuppliedSplit):
        raise SurvivalError(
            "The parts of the supplied split overlap in time: there is no cutoff for a survival model.",
            where=settings.where("training", "split", "column"),
            hint="leave `column` out to split by time, or set `survival: {enabled: false}`",
        )
    rows = frame[split.fit]
    clock = measure_clock(rows, entity, definitions, settings.survival.periods)
    return fit_hazard(rows, _followed(rows, entity, clock), columns, entity, clock, settings.training.seed)


def study_survival(
    frame: pd.DataFrame,
    split: TemporalSplit | SnapshotSplit,
    columns: Sequence[InputColumn],
    entity: str,
    definitions: Mapping[str, Any],
    settings: Settings,
    probability: np.ndarray,
    truth: pd.DataFrame | None = None,
) -> SurvivalStudy:
    """Fit the survival model and measure it on the test rows.

    Parameters
    ----------
    frame, split, columns, entity, definitions, settings
        As for :func:`fit_before_test`.
    probability : numpy.ndarray, shape (n_test_rows,)
        The champion's for the test rows, in the order of the frame.
    truth : pandas.DataFrame, optional
        The entity, ``feature_timestamp``, ``probability``: true probabilities of a simulated world.

    Raises
    ------
    SurvivalError
        As :func:`fit_before_test`.
    """
    model = fit_before_test(frame, split, columns, entity, definitions, settings)
    test = frame[split.test]
    known = None if truth is None else oracle_score(test, truth, entity)
    tested = HeldOut(test, _followed(test, entity, model.clock), probability, known)
    replicates, seed = settings.training.bootstrap_replicates, settings.training.seed
    evaluation, predictions = evaluate_survival(model, tested, entity, replicates, seed)
    return SurvivalStudy(
        model, evaluation, predictions, survival_curves(frame, entity, model.clock, settings.survival.segment)
    )


def check_segment(frame: pd.DataFrame, settings: Settings) -> None:
    """Refuse a ``survival.segment`` that is no column, before anything is fitted.

    Raises
    ------
    UserError
        Naming the line.
    """
    segment = settings.survival.segment
    if settings.survival.enabled and segment is not None and segment not in frame.columns:
        close = difflib.get_close_matches(segment, list(frame.columns), n=1)
        raise UserError(
            f"There is no column `{segment}` in the training set.",
            where=settings.where("survival", "segment"),
            hint=f"did you mean `{close[0]}`?" if close else "name a feature of gold.gld_customer_features",
        )


def study_of(
    result: TrainingResult, definitions: Mapping[str, Any], settings: Settings, truth: pd.DataFrame | None
) -> SurvivalStudy:
    """The survival model that belongs to the champion of a training, on the same rows and features."""
    tested = result.predictions
    tested = tested[(tested["model"] == result.champion) & (tested["split"] == "test")]
    columns = result.card.inputs
    probability = tested["probability"].to_numpy()
    frame, entity = result.dataset, result.card.entity
    return study_survival(frame, result.split, columns, entity, definitions, settings, probability, truth)


def with_survival(result: TrainingResult, study: SurvivalStudy) -> TrainingResult:
    """The result with the survival model among the files of the champion, and its figures in ``metrics.json``."""
    from python_ml.decisions.survival.store import SURVIVAL_FILE, to_bytes

    clock = study.model.clock
    figures = {
        model: {metric: figure for metric in SUMMARY if (figure := study.figure(model, metric))}
        for model in (SURVIVAL, REFERENCE, TRUTH)
    }
    result.metrics["survival"] = {
        **{model: measured for model, measured in figures.items() if measured},
        "periods": clock.periods,
        "first_period_days": clock.first,
        "period_days": clock.length,
    }
    return replace(result, attachments={**result.attachments, SURVIVAL_FILE: to_bytes(study.model)})


def write_study(project: Project, study: SurvivalStudy, folder: Path) -> None:
    """Write the tables of gold (where there is a warehouse) and the predictions behind the calibration."""
    from python_ml.decisions.survival import tables
    from python_ml.warehouse import has_warehouse

    if has_warehouse(project):
        tables.write(project, tables.EVALUATION, study.evaluation, tables.EVALUATION_COLUMNS)
        tables.write(project, tables.CURVES, study.curves, tables.CURVE_COLUMNS)
    with replacing(folder / PREDICTIONS_FILE) as path:
        study.predictions.to_parquet(path, index=False)


def forget_study(project: Project, folder: Path) -> None:
    """Remove what an earlier training wrote, where the present one has no survival model."""
    from python_ml.decisions.survival import tables
    from python_ml.warehouse import drop_tables, has_warehouse

    if has_warehouse(project):
        drop_tables(project, tables.EVALUATION, tables.CURVES)
    (folder / PREDICTIONS_FILE).unlink(missing_ok=True)


def _followed(rows: pd.DataFrame, entity: str, clock: Any) -> FollowUp:
    names = (entity, "feature_timestamp", "churned")
    return follow_up(*(rows[name].to_numpy() for name in names), clock)
