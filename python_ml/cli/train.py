"""``retention train``: train, compare and register churn models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import Console, project_options

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.model.leakage_gate import LeakageCheck
    from python_ml.project import Project

TRUTH_TABLE = "raw.raw_sim__true_hazard"
TUNING_FILE = "tuning.db"  # beside mlflow.db
LABEL = ("churn_definition", "horizon", "gap", "maturity_lag")  # dbt's variables that say what the label is


@click.command("train")
@click.option("--snapshot", metavar="ID", help="Train on a snapshot (see `retention snapshot`), not the warehouse.")
@click.option("--tune", is_flag=True, help="Look for better parameters first (`training.tuning` says how long).")
@project_options("duckdb")
def command(project: Project, console: Console, snapshot: str | None, tune: bool) -> None:
    """Train, compare and register churn models.

    Splits the training set by time, fits every model that retention.yml enables, and registers the best one on the
    validation part as `champion`. Rows without feature times are evaluated by cross-validation instead. With
    --snapshot, rows, features and definitions are those of the snapshot, so that a training can be repeated exactly.

    Reads gold.gld_training_set (or a snapshot) and retention.yml. Writes a run and a model to MLflow (with the SHA-256
    of the rows), gold.gld_leakage_findings, and in reports/ metrics.json, predictions.parquet and drivers.parquet;
    with --tune the studies in tuning.db, where the same search goes on next time.

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


def train(project: Project, console: Console, snapshot: str | None = None, *, tune: bool = False) -> dict[str, Any]:
    """Train on the project's warehouse, or on a snapshot, and register the champion.

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

    with console.step(f"Reading snapshot {snapshot}" if snapshot else "Reading the training set"):
        training_set = read_snapshot(project, snapshot) if snapshot else read_training_set(project)
        truth = read_truth(project, training_set.entity) if project.warehouse_path.is_file() else None

    from python_ml.cli.quality import gate
    from python_ml.quality import judge_training_set, model_facts

    with console.step("Checking the quality of the training set"):
        quality = gate(project, judge_training_set(project, training_set))

    from python_ml.model.leakage_table import store_findings
    from python_ml.model.replay_evidence import stored_replays
    from python_ml.model.results import write_reports
    from python_ml.model.tracking import record
    from python_ml.model.train import train_models
    from python_ml.project import sqlite_uri

    def keep(check: LeakageCheck) -> None:
        if project.warehouse_path.is_file():  # a snapshot may outlive it
            store_findings(project, check, training_set.sha256)

    definitions = training_set.definitions
    with console.step("Training"):
        result = train_models(
            training_set.frame,
            training_set.features,
            training_set.entity,
            settings,
            truth=truth,
            label={name: text(definitions.get(name)) for name in LABEL},
            scenario=text(definitions.get("scenario")),
            replays=[] if snapshot else stored_replays(project),
            tuning_store=sqlite_uri(project.root / TUNING_FILE),
            on_leakage=keep,
            progress=lambda message: console.note(f"  {message}"),
        )
    result.metrics["warnings"] += quality.warnings()
    with console.step("Recording the run in MLflow"):
        registration = record(
            result,
            training_set,
            settings,
            tracking_uri=project.tracking_uri,
            root=project.root,
            project_name=project.name,
            experiment=settings.mlflow.experiment or project.name,
            training_facts=model_facts(result.dataset, result.card, training_set.features).to_json(),
        )
    metrics = write_reports(result, training_set, registration, project.reports_dir)
    for warning in metrics["warnings"]:
        console.warn(warning)
    return metrics


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


def text(value: object) -> str | None:
    """A variable of dbt as text; None where it is not set."""
    return None if value is None else str(value)
