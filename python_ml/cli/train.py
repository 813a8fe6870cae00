"""``retention train``: train, compare and register churn models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from python_ml.decisions.survival.training import SurvivalStudy
    from python_ml.leakage import StoredReplay
    from python_ml.model.dataset import TrainingSet
    from python_ml.model.leakage_gate import LeakageCheck
    from python_ml.model.registry import Version
    from python_ml.model.tracking import Registration
    from python_ml.model.train import TrainingResult
    from python_ml.project import Project
    from python_ml.settings import Settings

TRUTH_TABLE = "raw.raw_sim__true_hazard"
TUNING_FILE = "tuning.db"  # beside mlflow.db


@click.command("train")
@click.option("--snapshot", metavar="ID", help="Train on a snapshot (see `retention snapshot`), not the warehouse.")
@click.option("--tune", is_flag=True, help="Look for better parameters first (`training.tuning` says how long).")
@project_options(*ENGINES)
def command(project: Project, console: Console, snapshot: str | None, tune: bool) -> None:
    """Train, compare and register churn models.

    Splits the training set by time, fits every model that retention.yml enables, and registers the best one on the
    validation part as a version. The first version is champion; a later one replaces the champion if it is better on
    rows that neither was fitted on, and no worse calibrated, else it is the challenger (`retention models`). Rows
    without feature times are evaluated by cross-validation instead. With --snapshot, rows, features and definitions are
    those of the snapshot, so that a training can be repeated exactly. A training that would repeat an earlier one (the
    same rows, settings, code and libraries) registers nothing and reuses its version.

    Reads gold.gld_training_set (or a snapshot) and retention.yml. Writes a run and a model to MLflow (with the SHA-256
    of the rows), gold.gld_leakage_findings, gold.gld_model_promotions, gold.gld_survival_evaluation,
    gold.gld_survival_curves, and in reports/ metrics.json, predictions.parquet, drivers.parquet,
    survival_predictions.parquet, model_card.html and model_card.md; with --tune the studies in tuning.db, where the
    same search goes on next time.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 a critical leakage finding (see `retention
    leakage`) or quality check (see `retention quality`), or the snapshot was changed after it was created.

    \b
    Examples:
      retention train --project-dir my_shop
      retention train --snapshot 3
      retention train --tune
    """
    from python_ml.model.results import summary

    metrics = train(project, console, snapshot, tune=tune)
    console.result(summary(metrics), metrics)


def train(
    project: Project,
    console: Console,
    snapshot: str | None = None,
    *,
    tune: bool = False,
    iteration: str | None = None,
) -> dict[str, Any]:
    """Train on the project's warehouse, or on a snapshot, and register the champion.

    Parameters
    ----------
    project : Project
    console : Console
    snapshot : str, optional
        Number or id.
    tune : bool
        Whether to look for better parameters first.
    iteration : str, optional
        Run of the iteration that it belongs to.  [default: the one that is open]

    Returns
    -------
    dict
        What ``metrics.json`` holds.

    Raises
    ------
    UserError
        When the data or the settings cannot give a model.
    GateError
        When a column most likely knows the outcome, a critical quality check fails, or the snapshot was changed.
    """
    settings, _ = project.settings, project.entity  # a mistake in either file shows before the heavy work
    if tune:
        tuning = settings.training.tuning.model_copy(update={"enabled": True})
        settings = settings.model_copy(update={"training": settings.training.model_copy(update={"tuning": tuning})})

    from python_ml.snapshots.training_rows import read_snapshot, read_training_set
    from python_ml.warehouse import has_warehouse

    with console.step(f"Reading snapshot {snapshot}" if snapshot else "Reading the training set"):
        training_set = read_snapshot(project, snapshot) if snapshot else read_training_set(project)
        truth = read_truth(project, training_set.entity) if has_warehouse(project) else None

    from python_ml.cli.quality import gate
    from python_ml.decisions.value import check_value
    from python_ml.model.sensitive import check_sensitive
    from python_ml.quality import judge_training_set

    check_value(training_set.frame, settings)
    check_sensitive(training_set.frame, settings)

    with console.step("Checking the quality of the training set"):
        quality = gate(project, judge_training_set(project, training_set))

    from python_ml.decisions.survival.training import check_segment, forget_study, with_survival, write_study
    from python_ml.iterations import IterationLog
    from python_ml.model.identity import training_identity
    from python_ml.model.leakage_table import has_findings
    from python_ml.model.replay_evidence import stored_replays
    from python_ml.model.results import read_reports, write_metrics, write_reports
    from python_ml.monitor.reference import with_reference

    replays = [] if snapshot else stored_replays(project)
    identity = training_identity(training_set, settings, truth, replays)
    iteration = iteration or _open_iteration(project)
    same, metrics = _same_training(project, identity), None
    if same is not None:
        console.note(f"Nothing changed since version {same.number} was trained: it is reused.")
        if iteration and (log := IterationLog.of(project)):
            log.note_reuse(iteration, same.run_id)
        if has_findings(project, training_set.sha256):  # a warehouse made anew lacks what a training writes to it
            metrics = read_reports(project.reports_dir, same.number, same.run_id)
    if metrics is None:
        check_segment(training_set.frame, settings)
        result = _fit(project, settings, console, training_set, truth, replays)
        result.metrics["warnings"] += quality.warnings()
        with console.step("Measuring the reference of later drift"):
            result = with_reference(result, training_set, settings.features)
        survival = study_survival(result, training_set.definitions, settings, truth, console)
        if survival is not None:
            result = with_survival(result, survival)
        registration = (
            same.registration
            if same
            else _record(project, settings, console, result, training_set, identity, iteration)
        )
        metrics = write_reports(result, training_set, registration, project.reports_dir)
        if survival is None:
            forget_study(project, project.reports_dir)
        else:
            write_study(project, survival, project.reports_dir)
    metrics["registration"] = _settle(project, console, training_set, metrics["champion"]["version"], same is not None)
    write_metrics(metrics, project.reports_dir)
    _describe(project, console, metrics)
    for warning in metrics["warnings"]:
        console.warn(warning)
    return metrics


def _same_training(project: Project, identity: str | None) -> Version | None:
    """The version that the same training made before, if its files are intact."""
    from python_ml.model.registry import ChampionError, ModelRegistry
    from python_ml.model.store import IDENTITY_TAG

    registry = ModelRegistry.of(project) if identity else None
    for version in reversed(registry.versions() if registry else []):
        if version.tags.get(IDENTITY_TAG) == identity:
            try:
                registry.files(version)
            except ChampionError:  # gone or changed: it is made anew
                continue
            return version
    return None


def _fit(
    project: Project,
    settings: Settings,
    console: Console,
    training_set: TrainingSet,
    truth: pd.DataFrame | None,
    replays: list[StoredReplay],
) -> TrainingResult:
    from python_ml.model.leakage_table import store_findings
    from python_ml.model.train import train_models
    from python_ml.project import sqlite_uri
    from python_ml.warehouse import has_warehouse

    def keep(check: LeakageCheck) -> None:
        if has_warehouse(project):  # a snapshot may outlive it
            store_findings(project, check, training_set.sha256)

    with console.step("Training"):
        return train_models(
            training_set.frame,
            training_set.features,
            training_set.entity,
            settings,
            truth=truth,
            label=training_set.label,
            scenario=training_set.scenario,
            replays=replays,
            tuning_store=sqlite_uri(project.root / TUNING_FILE),
            on_leakage=keep,
            progress=lambda message: console.note(f"  {message}"),
        )


def _record(
    project: Project,
    settings: Settings,
    console: Console,
    result: TrainingResult,
    training_set: TrainingSet,
    identity: str | None,
    iteration: str | None,
) -> Registration:
    from python_ml.model.tracking import experiment_name, record
    from python_ml.quality import model_facts

    with console.step("Recording the run in MLflow"):
        return record(
            result,
            training_set,
            settings,
            tracking_uri=project.tracking_uri,
            root=project.root,
            project_name=project.name,
            experiment=experiment_name(project),
            training_facts=model_facts(result.dataset, result.card, training_set.features).to_json(),
            identity=identity,
            iteration=iteration,
            registered_model=project.registered_model,
        )


def _open_iteration(project: Project) -> str | None:
    """Run of the iteration that trainings by hand belong to; None where none is open."""
    from python_ml.iterations import IterationLog

    log = IterationLog.of(project)
    current = log.open_one() if log else None
    return current.run_id if current else None


def _settle(project: Project, console: Console, training_set: TrainingSet, number: int, reused: bool) -> dict[str, Any]:
    """Decide who is champion, unless that was decided for this version before."""
    from python_ml.files import locked
    from python_ml.model import store
    from python_ml.model.promotions import PROMOTED, REFUSED, is_settled, judge, settle
    from python_ml.model.registry import ModelRegistry

    registry = ModelRegistry.of(project)
    with console.step("Comparing with the champion"), locked(project.root / store.ARTIFACT_FOLDER / store.LOCK):
        if reused and is_settled(registry, number):
            before = registry.find(number).tags.get(store.REASON_TAG, "no reason was given")
            verdict, reason, figures = "reused", f"as before: {before}", {}
        else:
            decision, previous = judge(registry, number, training_set, project.settings)
            settle(project, registry, number, previous, decision)
            verdict = PROMOTED if decision.promoted else REFUSED
            reason, figures = decision.reason, decision.figures
    champion = registry.aliases().get(store.ALIAS)
    if champion == number:
        console.note(f"Version {number} is champion: {reason}.")
    else:
        console.note(f"Version {champion} stays champion, version {number} does not replace it: {reason}.")
    return {"version": number, "champion": champion, "decision": verdict, "reason": reason, "comparison": figures}


def _describe(project: Project, console: Console, metrics: dict[str, Any]) -> None:
    """Write the model card, here and as description of the version."""
    from python_ml.report import write_model_card

    with console.step("Writing the model card"):
        write_model_card(project, metrics)


def study_survival(
    result: TrainingResult,
    definitions: Mapping[str, Any],
    settings: Settings,
    truth: pd.DataFrame | None,
    console: Console,
) -> SurvivalStudy | None:
    """The survival model beside the champion; None, with a note, where it is switched off or the data have none."""
    from python_ml.decisions.survival.clock import SurvivalError
    from python_ml.decisions.survival.training import study_of

    if not settings.survival.enabled:
        return None
    with console.step("Fitting the survival model"):
        try:
            return study_of(result, definitions, settings, truth)
        except SurvivalError as error:
            console.note(f"  no survival model: {error.what}")
            result.metrics["survival"] = {"missing": error.what}
            return None


def read_truth(project: Project, entity: str) -> pd.DataFrame | None:
    """True churn probabilities of a simulated world, or None in a real one.

    Returns
    -------
    pandas.DataFrame or None
        The entity, ``feature_timestamp``, ``probability``.
    """
    from python_ml.warehouse import connect, quote, relation, table_exists

    with connect(project) as connection:
        if not table_exists(connection, TRUTH_TABLE):
            return None
        key = quote(entity)
        return connection.execute(
            f"select {key}, cast(as_of as timestamp) as feature_timestamp, "
            f"cast(churn_probability_30d as double) as probability from {relation(TRUTH_TABLE)}"
        ).df()
