"""Recording a training run in MLflow, and registering its best model as a version."""

from __future__ import annotations

import contextlib
import json
import platform
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.files import locked
from python_ml.model import store
from python_ml.model.comparison import outcome_definitions
from python_ml.model.held_out import held_out_scores
from python_ml.model.registry import Registration
from python_ml.project import registered_name

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from python_ml.model.dataset import TrainingSet
    from python_ml.model.train import TrainingResult
    from python_ml.project import Project
    from python_ml.settings import Settings

# MLflow keeps digests of up to 36 characters; the whole one is a tag.
SHORT_DIGEST = 32

FOLDER_TAG = "retention.folder"  # machine and folder that began a run

_ALWAYS = ("scikit-learn", "numpy", "scipy", "pandas")
_BOOSTERS = {"lightgbm": "lightgbm", "xgboost": "xgboost"}


def record(
    result: TrainingResult,
    training_set: TrainingSet,
    settings: Settings,
    *,
    tracking_uri: str,
    root: Path,
    project_name: str,
    experiment: str,
    training_facts: str,
    identity: str | None = None,
    iteration: str | None = None,
    registered_model: str | None = None,
) -> Registration:
    """Log a training run with a child run per model, and register its best model as a version.

    Aliases stay where they are: who is champion is decided by :mod:`python_ml.model.promotions`. A run that was killed
    cannot say so itself, and is closed here by the next one.

    Parameters
    ----------
    result : TrainingResult
    training_set : TrainingSet
        What it was trained on.
    settings : Settings
        How.
    tracking_uri : str
        The store; with SQLite, artifacts go to ``<root>/mlartifacts``.
    root : Path
        The project's folder.
    project_name, experiment : str
    training_facts : str
        What the fitted rows showed, as JSON; see :func:`python_ml.quality.model_facts`. Kept with the model.
    identity : str, optional
        Of :func:`python_ml.model.identity.training_identity`.
    iteration : str, optional
        Run of the iteration that it belongs to.
    registered_model : str, optional
        Name of the registered model; by default that of the project, see :func:`python_ml.project.registered_name`.

    Raises
    ------
    UserError
        When the store does not answer, or cannot register a model of that name.
    """
    tracking_uri = store.absolute_uri(tracking_uri, root)
    model_name = registered_model or registered_name(project_name)
    store.require_full_name(model_name, tracking_uri)
    client = store.open_store(tracking_uri)
    import mlflow

    # stdout belongs to the command's result; some servers make MLflow print links there.
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(sys.stderr),
        locked(root / store.ARTIFACT_FOLDER / store.LOCK) as alone,
    ):
        warnings.simplefilter("ignore")
        within = experiment_id(client, experiment, root, local=store.is_local(tracking_uri))
        tags = {FOLDER_TAG: f"{platform.node()}:{root}"}
        if alone:
            _close_killed_runs(client, within, tags[FOLDER_TAG], iteration)
        name = f"train {result.champion}"
        with mlflow.start_run(experiment_id=within, run_name=name, tags=tags, parent_run_id=iteration) as run:
            _log_split(result, training_set)
            for name in result.parameters:
                with mlflow.start_run(experiment_id=within, run_name=name, tags=tags, nested=True):
                    mlflow.log_params(result.parameters[name])
                    mlflow.log_metrics(flat(result.metrics["models"][name]))
            logged = _log_model(result, training_set, training_facts)
            _log_data(result, training_set, logged.model_id)
            _log_files(result, settings)
        _ensure_registered(client, model_name, in_unity_catalog=store.is_unity_catalog(tracking_uri))
        registered = _register(client, result, training_set, model_name, logged, run.info.run_id, root, identity)
    return Registration(version=registered, run_id=run.info.run_id)


def _close_killed_runs(client: MlflowClient, within: str, folder: str, current: str | None) -> None:
    """End the runs that this project's folder began and no process works on, since this one holds the lock.

    The ``current`` iteration goes on. One that a person started has no folder: it is open until it is finished.
    """
    killed, page = [], None
    while page is None or page.token:
        page = client.search_runs(
            [within], "attributes.status = 'RUNNING'", page_token=page.token if page is not None else None
        )
        # The folder is compared here: MLflow's filters cannot quote every name.
        killed += [run.info.run_id for run in page if run.data.tags.get(FOLDER_TAG) == folder]
    for run_id in set(killed) - {current}:
        client.set_terminated(run_id, status="KILLED")


def experiment_name(project: Project) -> str:
    """Name of the experiment that a project's runs belong to; in a Databricks workspace, its absolute path."""
    name = project.settings.mlflow.experiment or project.name
    return f"/Shared/{name}" if store.is_databricks(project.tracking_uri) and not name.startswith("/") else name


def experiment_id(client: MlflowClient, name: str, root: Path, *, local: bool) -> str:
    """Find or create the experiment; local artifacts stay in the project, also after it has been moved."""
    location = (root / store.ARTIFACT_FOLDER).as_uri() if local else None
    existing = client.get_experiment_by_name(name)
    if existing is not None and local and existing.artifact_location != location:
        name = f"{name} ({root})"
        existing = client.get_experiment_by_name(name)
    if existing is None:
        return client.create_experiment(name, artifact_location=location)
    if existing.lifecycle_stage == "deleted":
        client.restore_experiment(existing.experiment_id)
    return existing.experiment_id


def _log_split(result: TrainingResult, training_set: TrainingSet) -> None:
    import mlflow

    split = result.metrics["split"]
    mlflow.set_tags({"champion": result.champion, "split": split["kind"], **_dataset_tags(training_set)})
    mlflow.log_params(
        {
            "champion": result.champion,
            "purge": split["purge"],
            "validation_from": split["validation_from"],
            "test_from": split["test_from"],
            **{f"rows_{part}": n for part, n in split["rows"].items()},
            **{name: result.metrics["data"][name] for name in ("customers", "features", "rows")},
        }
    )
    mlflow.log_metrics(flat({"validation": result.metrics["models"][result.champion]["validation"]}))


def _log_data(result: TrainingResult, training_set: TrainingSet, model_id: str) -> None:
    """Tie the rows to the run and to the model, and the test metrics to all three."""
    import mlflow
    from mlflow.entities import LoggedModelInput

    dataset = mlflow.data.from_pandas(
        result.dataset,
        source=training_set.source,
        targets="churned",
        # MLflow takes datasets of one name and digest for one, and would keep the source of the first
        name=f"training_snapshot_{training_set.snapshot}" if training_set.snapshot else "gld_training_set",
        digest=training_set.sha256[:SHORT_DIGEST] if training_set.sha256 else None,
    )
    tags = _dataset_tags(training_set)
    mlflow.log_input(dataset, context="training", tags=tags, model=LoggedModelInput(model_id))
    run_id = mlflow.active_run().info.run_id
    (stored,) = mlflow.get_run(run_id).inputs.dataset_inputs  # MLflow would describe the frame anew for each metric
    mlflow.log_metrics(flat({"test": result.metrics["test"]}), model_id=model_id, dataset=stored.dataset)


def _log_files(result: TrainingResult, settings: Settings) -> None:
    import mlflow

    from python_ml.model.plots import driver_figure, test_figures

    mlflow.log_dict(settings.model_dump(mode="json"), "settings.json")
    mlflow.log_dict(result.metrics, "metrics.json")
    mlflow.log_text(result.drivers.to_csv(index=False), "drivers.csv")
    figures = test_figures(result.predictions, result.champion)
    for name, figure in {**figures, "drivers": driver_figure(result.drivers)}.items():
        mlflow.log_figure(figure, f"plots/{name}.png")


def _dataset_tags(training_set: TrainingSet) -> dict[str, str]:
    """``dataset_sha256``, and ``snapshot`` and ``snapshot_cutoff`` of rows that come from a snapshot."""
    facts = training_set.describe()
    named = {
        "dataset_sha256": facts["sha256"] or "not defined",
        "snapshot": facts["snapshot"],
        "snapshot_cutoff": facts["cutoff"],
    }
    return {tag: value for tag, value in named.items() if value}


def _log_model(result: TrainingResult, training_set: TrainingSet, training_facts: str) -> Any:
    from mlflow.models import Model

    from python_ml.model import flavour

    kinds = result.metrics["champion"]["members"] or [result.champion]
    packages = [*_ALWAYS, *(_BOOSTERS[kind] for kind in kinds if kind in _BOOSTERS)]
    with tempfile.TemporaryDirectory() as folder:
        files = write_extra_files(result, training_set.entity, training_facts, Path(folder))
        return Model.log(
            None,
            flavour,
            name="model",
            sk_model=result.model,
            serialization_format="pickle",
            signature=flavour.signature(result.card, training_set.features),
            input_example=result.example,
            pip_requirements=[f"{name}=={version(name)}" for name in packages],
            pyfunc_predict_fn="predict_proba",
            extra_files=[str(path) for path in files],
            validate_serving_input=False,
        )


def write_extra_files(result: TrainingResult, entity: str, training_facts: str, folder: Path) -> list[Path]:
    """Write what is kept beside a model: its card, facts of its rows, scores of its test rows, attachments."""
    card = folder / store.CARD_FILE
    card.write_text(result.card.to_json(), encoding="utf-8")
    facts = folder / store.QUALITY_FILE
    facts.write_text(training_facts, encoding="utf-8")
    attached = [folder / name for name in result.attachments]
    for path in attached:
        path.write_bytes(result.attachments[path.name])
    held_out = folder / store.HELD_OUT_FILE
    held_out_scores(result.predictions, result.champion, entity).to_parquet(held_out, index=False)
    return [card, facts, held_out, *attached]


def _ensure_registered(client: MlflowClient, name: str, *, in_unity_catalog: bool) -> None:
    """Make the registered model where there is none."""
    if in_unity_catalog:  # has no search by name
        from mlflow.exceptions import MlflowException

        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"):
                raise
    elif not [m for m in client.search_registered_models(filter_string=f"name = '{name}'") if m.name == name]:
        client.create_registered_model(name)


def _register(
    client: MlflowClient,
    result: TrainingResult,
    training_set: TrainingSet,
    name: str,
    logged: Any,
    run_id: str,
    root: Path,
    identity: str | None,
) -> int:
    auc = result.metrics["test"]["roc_auc"]["value"]
    tags = {
        "retention.model": result.champion,
        **{f"retention.{tag}": value for tag, value in _dataset_tags(training_set).items()},
        "retention.entity": result.card.entity,
        "retention.label_span": result.card.label["span"] or "unknown",
        "retention.test_roc_auc": "not defined" if auc is None else f"{auc:.4f}",
        store.ROWS_TAG: str(len(result.dataset)),
        store.NEWEST_ROW_TAG: result.dataset["feature_timestamp"].max().isoformat(),
        store.DEFINITION_TAG: json.dumps(outcome_definitions(training_set.definitions), default=str),
        **({store.IDENTITY_TAG: identity} if identity else {}),
    }
    created = client.create_model_version(name, logged.model_uri, run_id=run_id, tags=tags, model_id=logged.model_id)
    number = str(created.version)
    digest = store.files_digest(store.model_folder(client, name, number, root))
    client.set_model_version_tag(name, number, store.DIGEST_TAG, digest)
    return int(number)


def flat(parts: dict[str, dict[str, Any]]) -> dict[str, float]:
    """``{"test": {"roc_auc": {"value", "low", "high"}}}`` as ``{"test.roc_auc": …, "test.roc_auc.low": …}``."""
    flat = {}
    for part, metrics in parts.items():
        for metric, entry in metrics.items():
            values = entry if isinstance(entry, dict) else {"value": entry}
            for kind, value in values.items():
                if value is not None:
                    flat[f"{part}.{metric}" + ("" if kind == "value" else f".{kind}")] = float(value)
    return flat
