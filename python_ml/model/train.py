"""Training from a frame to a champion: nothing here reads or writes a file, a database or the clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.model.calibration import probabilities
from python_ml.model.cross_validation import cross_validate
from python_ml.model.ensemble import ENSEMBLE, average
from python_ml.model.leakage_gate import LeakageCheck, registered_risks, usable
from python_ml.model.pipelines import check_parameters, monotone_kinds
from python_ml.model.preparation import prepare
from python_ml.model.selection import Choice, choose, distrust, no_signal, result_warnings
from python_ml.model.training_run import TrainingRun
from python_ml.model.tuning import Tuner

if TYPE_CHECKING:
    import numpy as np
    from sklearn.ensemble import StackingClassifier

    from python_ml.dbt import Feature
    from python_ml.model.calibration import Fitted
    from python_ml.model.card import ModelCard
    from python_ml.model.cross_validation import SnapshotSplit
    from python_ml.model.replay_evidence import StoredReplay
    from python_ml.model.split import TemporalSplit
    from python_ml.settings import Settings


@dataclass(frozen=True)
class TrainingResult:
    """Results of a training run.

    Attributes
    ----------
    champion : str
        Kind of the chosen model.
    model : sklearn.ensemble.StackingClassifier
        The champion, fitted on every row whose label was known before the test period.
    card : ModelCard
    metrics : dict
        As ``reports/metrics.json``, without the champion's version and run.
    predictions : pandas.DataFrame
        ``model``, ``split`` (validation, test), the entity, ``feature_timestamp``, ``churned``,
        ``probability``. The baselines' scores are under ``recency`` and ``oracle``.
    drivers : pandas.DataFrame
        ``model``, ``feature``, ``importance`` (mean absolute contribution, log-odds), ``direction``.
    parameters : dict of str to dict
        Parameters of each fitted estimator.
    example : pandas.DataFrame
        Some inputs of the champion, and what MLflow's signature is made from.
    dataset : pandas.DataFrame
        The labelled rows in their canonical order.
    split : TemporalSplit or SnapshotSplit
        Of these rows.
    attachments : dict of str to bytes
        Files that are stored with the champion, under its checksum, by name.
    """

    champion: str
    model: StackingClassifier
    card: ModelCard
    metrics: dict[str, Any]
    predictions: pd.DataFrame
    drivers: pd.DataFrame
    parameters: dict[str, dict[str, Any]]
    example: pd.DataFrame
    dataset: pd.DataFrame
    split: TemporalSplit | SnapshotSplit
    attachments: dict[str, bytes] = field(default_factory=dict)


def train_models(
    training_set: pd.DataFrame,
    features: Sequence[Feature],
    entity: str,
    settings: Settings,
    *,
    truth: pd.DataFrame | None = None,
    label: dict[str, str | None] | None = None,
    scenario: str | None = None,
    replays: Sequence[StoredReplay] = (),
    tuning_store: str | None = None,
    on_leakage: Callable[[LeakageCheck], object] = lambda check: None,
    progress: Callable[[str], None] = lambda message: None,
) -> TrainingResult:
    """Split by time, fit and calibrate every enabled model, measure, and choose a champion.

    Each model is fitted twice: on the training rows, for the validation metrics that decide; and on all rows
    whose labels were known before the test period, for the test metrics. The champion is the second fit.

    Models that are better together than each alone form an ensemble, which takes part in the choice.

    A snapshot without feature times is not split: its metrics come from nested cross-validation, and the champion is
    fitted on all rows. A column that is likely to know the outcome stops the training (:mod:`python_ml.leakage`).

    Parameters
    ----------
    training_set : pandas.DataFrame, n_rows rows
        The entity, ``feature_timestamp``, ``label_timestamp``, ``churned`` (0 or 1) and the features, in any
        order of rows.
    features : sequence of Feature
        The registry.
    entity : str
        Key column.
    settings : python_ml.settings.Settings
    truth : pandas.DataFrame, optional
        The entity, ``feature_timestamp``, ``probability``: true probabilities of a simulated world.
    label : dict, optional
        ``horizon`` and ``gap``, for the model card; with them ``churn_definition`` and ``maturity_lag``, for baselines.
    scenario : str, optional
        ``static`` or ``partial`` for a snapshot; ``production`` or ``derived`` for a table whose rows have times.
    replays : sequence of StoredReplay
        What replays have shown of these features.
    tuning_store : str, optional
        Address of a SQLite file for the studies of ``training.tuning``; without it, none can be resumed.
    on_leakage : callable, optional
        Called with the findings of the leakage probes, before they can stop the training.
    progress : callable, optional
        Told what is being done.

    Raises
    ------
    UserError
        When the data or the settings cannot give a model; says what to do about it.
    GateError
        When a column is likely to know the outcome, and nobody excluded or accepted it.
    """
    check_parameters(settings)
    settings, left_out = monotone_kinds(settings)
    label = label or {}
    prepared = prepare(training_set, features, entity, settings, scenario=scenario, replays=replays)
    on_leakage(prepared.leakage)
    prepared.leakage.enforce()
    frame, churned, split, crossed = prepared.frame, prepared.churned, prepared.split, prepared.crossed
    tuner = _tuner(settings, tuning_store, split, crossed, progress)
    run = TrainingRun(frame, usable(features, settings), entity, settings, split, churned, progress, tuner)

    fits, probability, choice = _measured_by_folds(run) if crossed else _measured_in_time(run)
    judged = {
        part: {name: run.measure(part, p) for name, p in per_model.items()} for part, per_model in probability.items()
    }
    champion = choice.champion
    model = fits[champion].model
    progress(f"champion: {champion}; explaining it")

    card = run.card(champion, fits[champion], {name: label.get(name) for name in ("horizon", "gap") if name in label})
    drivers = run.drivers(champion, model, card)
    baselines, baseline_scores = run.baselines(truth, judged["test"][champion], label)
    fitted = {"n": int(split.fit.sum()), "base_rate": float(churned[split.fit].mean())}
    is_proven = {column.name for column in card.columns} <= prepared.leakage.proven
    chance = run.chance(probability, list(fits))
    nothing = no_signal(chance)
    warnings = [
        *([nothing] if nothing else []),
        *split.warnings,
        *left_out,
        *prepared.leakage.warnings,
        *registered_risks(features, [column.name for column in card.columns]),
        *result_warnings(
            judged["test"][champion],
            fitted,
            drivers["feature"].iloc[0] if len(drivers) else None,
            card.calibration["slope"],
            is_proven,
        ),
    ]
    metrics = {
        "champion": {"name": champion, "members": [*choice.members] if champion == ENSEMBLE else []},
        "test": judged["test"][champion],
        "models": {name: {"validation": judged["validation"][name], "test": judged["test"][name]} for name in fits},
        "baselines": baselines,
        "split": split.describe(frame),
        "risk_bands": card.band_origin,
        "warnings": warnings,
        "no_signal": nothing,
        "chance_of_ranking": chance,
        "not_trusted_because": distrust(judged["test"][champion], prepared.leakage.accepted, is_proven),
        "data": {
            "customers": int(frame[entity].nunique()),
            "rows": len(frame),
            "features": len(card.columns),
            "features_offered": len(run.columns),
            "base_rate": float(churned.mean()),
        },
        "leakage": prepared.leakage.to_dict(),
        "calibration": {
            **dict(zip(("class_weight", "resampling"), run.balance, strict=True)),
            "ece": run.calibration_errors(fits, None if crossed else probability["test"]),
        },
        **({"tuning": tuner.found} if tuner else {}),
    }
    for name, parts in baseline_scores.items():
        for part, scores in parts.items():
            probability[part][name] = scores
    return TrainingResult(
        champion=champion,
        model=model,
        card=card,
        metrics=metrics,
        predictions=run.predictions(probability),
        drivers=drivers,
        parameters={
            name: {"members": ", ".join(choice.members)}
            if name == ENSEMBLE
            else dict(fit.model.estimators_[0][-1].get_params())
            for name, fit in fits.items()
        },
        example=run.inputs.loc[split.fit, [column.name for column in card.columns]].head(5),
        dataset=frame,
        split=split,
    )


def _tuner(
    settings: Settings,
    store: str | None,
    split: TemporalSplit | SnapshotSplit,
    crossed: bool,
    progress: Callable[[str], None],
) -> Tuner | None:
    """What searches for parameters; None unless wanted."""
    training = settings.training
    if not training.tuning.enabled:
        return None
    # Each fold of a cross-validation tunes without its own customers, and the fit on all rows once more.
    studies = len(Tuner.kinds(training.models.enabled)) * (split.folds + 1 if crossed else 1)
    return Tuner(training.tuning, training.selection.metric, training.seed, store, studies, progress)


def _measured_in_time(run: TrainingRun) -> tuple[dict[str, Fitted], dict[str, dict[str, np.ndarray]], Choice]:
    """Final fits, probabilities per part and model, and the choice: made on the validation, measured on the test."""
    training = run.settings.training
    run.tune()
    validation = run.each(run.validation_probability)
    choice = choose(
        validation, run.churned[run.deciding], run.customers[run.deciding], training.selection, training.seed
    )
    tested = run.each(run.test_fit)
    fits = {name: fit for name, (fit, _) in tested.items()}
    test = {name: scores for name, (_, scores) in tested.items()}
    if choice.has_ensemble:
        validation[ENSEMBLE] = average([validation[name] for name in choice.members])
        fits[ENSEMBLE] = run.join({name: fits[name] for name in choice.members})
        test[ENSEMBLE] = probabilities(fits[ENSEMBLE].model, run.inputs[run.split.test])
    return fits, {"validation": validation, "test": test}, choice


def _measured_by_folds(run: TrainingRun) -> tuple[dict[str, Fitted], dict[str, dict[str, np.ndarray]], Choice]:
    """The same of a snapshot: chosen out of fold, and measured, choice included, by folds around it."""
    training = run.settings.training
    measured = cross_validate(run, training.models.enabled)
    run.tune()  # only now: the folds must not know what was chosen on all rows
    fits = run.each(run.fit_on_everything)
    validation = {name: fit.held_out for name, fit in fits.items()}
    choice = choose(validation, run.churned, run.customers, training.selection, training.seed)
    if choice.has_ensemble:
        fits[ENSEMBLE] = run.join({name: fits[name] for name in choice.members})
        validation[ENSEMBLE] = fits[ENSEMBLE].held_out
    # What to expect of the champion is what the procedure reached that chose it.
    test = {name: measured.models[name] for name in fits} | {choice.champion: measured.chosen}
    return fits, {"validation": validation, "test": test}, choice
