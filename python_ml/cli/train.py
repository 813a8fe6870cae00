"""``retention train``: train, compare and register churn models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import Console, project_options

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.project import Project

TRUTH_TABLE = "raw.raw_sim__true_hazard"


@click.command("train")
@project_options
def command(project: Project, console: Console) -> None:
    """Train, compare and register churn models.

    Reads gold.gld_training_set, splits it by time, fits every model that retention.yml enables, registers the
    best by validation as `champion`, and writes reports/metrics.json, predictions.parquet and drivers.parquet.
    A snapshot without feature times is measured by cross-validation instead.

    Exit code 3 when a table with a target has a column that most likely knows the outcome; it is named.

    \b
    Example: retention train --project-dir my_shop
    """
    from python_ml.training.reports import summary

    metrics = train(project, console)
    console.result(summary(metrics), metrics)


def train(project: Project, console: Console) -> dict[str, Any]:
    """Train on the project's warehouse and register the champion; return what ``metrics.json`` holds.

    Raises
    ------
    UserError
        When the data or the settings cannot give a model.
    GateError
        When a column most likely knows the outcome.
    """
    settings, entity = project.settings, project.entity  # a mistake in either file shows before the heavy work

    from python_ml.registry import feature_registry
    from python_ml.warehouse import read_table

    features = feature_registry(project)
    with console.step("Reading the training set"):
        frame = read_table(project, "gold.gld_training_set")
        truth = read_truth(project)

    from python_ml.training.reports import write_reports
    from python_ml.training.tracking import record
    from python_ml.training.trainer import train_models

    with console.step("Training"):
        result = train_models(
            frame,
            features,
            entity,
            settings,
            truth=truth,
            label={name: _text(project.vars.get(name)) for name in ("horizon", "gap")},
            scenario=_text(project.vars.get("scenario")),
            progress=lambda message: console.note(f"  {message}"),
        )
    with console.step("Recording the run in MLflow"):
        registration = record(
            result,
            tracking_uri=project.tracking_uri,
            root=project.root,
            project_name=project.name,
            experiment=settings.mlflow.experiment or project.name,
            source=str(project.warehouse_path),
        )
    metrics = write_reports(result, registration, project.reports_dir)
    for warning in metrics["warnings"]:
        console.warn(warning)
    return metrics


def read_truth(project: Project) -> pd.DataFrame | None:
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
        key = quote(project.entity)
        return connection.execute(
            f"select {key}, cast(as_of as timestamp) as feature_timestamp, "
            f"cast(churn_probability_30d as double) as probability from {relation(TRUTH_TABLE)}"
        ).df()


def _text(value: object) -> str | None:
    return None if value is None else str(value)
