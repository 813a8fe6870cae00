"""Recording a training run in MLflow, and registering its champion."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.scoring import store

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from python_ml.training.trainer import TrainingResult

# MLflow keeps digests of up to 36 characters; the whole one is a tag.
SHORT_DIGEST = 32

_ALWAYS = ("scikit-learn", "numpy", "scipy", "pandas")
_BOOSTERS = {"lightgbm": "lightgbm", "xgboost": "xgboost"}


@dataclass(frozen=True)
class Registration:
    """Where the champion is: ``version`` in the registry and the ``run_id`` that made it."""

    version: int
    run_id: str


def record(
    result: TrainingResult, *, tracking_uri: str, root: Path, project_name: str, experiment: str, source: str
) -> Registration:
    """Log a training run with a child run per model, and give the champion its alias.

    The alias is moved last: a run that is interrupted leaves the previous champion in place.

    Parameters
    ----------
    result : TrainingResult
    tracking_uri : str
        The store; with SQLite, artifacts go to ``<root>/mlartifacts``.
    root : Path
        The project's folder.
    project_name, experiment : str
    source : str
        Where the training rows come from, in words or as a path.
    """
    tracking_uri = store.absolute_uri(tracking_uri, root)
    client = store.open_store(tracking_uri)
    import mlflow

    # stdout belongs to the command's result; some servers make MLflow print links there.
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        experiment_id = _experiment(client, experiment, root, local=tracking_uri.startswith(store.SQLITE))
        with mlflow.start_run(experiment_id=experiment_id, run_name=f"train {result.champion}") as run:
            _log_summary(result, source)
            for name in result.parameters:
                with mlflow.start_run(experiment_id=experiment_id, run_name=name, nested=True):
                    mlflow.log_params(result.parameters[name])
                    mlflow.log_metrics(_flat(result.metrics["models"][name]))
            logged = _log_model(result)
        registered = _register(client, result, store.registered_name(project_name), logged, run.info.run_id, root)
    return Registration(version=registered, run_id=run.info.run_id)


def _experiment(client: MlflowClient, name: str, root: Path, *, local: bool) -> str:
    """Find or create the experiment; local artifacts stay in the project, also after it has been moved."""
    location = (root / store.ARTIFACT_FOLDER).as_uri() if local else None
    found = client.get_experiment_by_name(name)
    if found is not None and local and found.artifact_location != location:
        name = f"{name} ({root})"
        found = client.get_experiment_by_name(name)
    if found is None:
        return client.create_experiment(name, artifact_location=location)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _log_summary(result: TrainingResult, source: str) -> None:
    import mlflow

    from python_ml.training.plots import test_figures

    split = result.metrics["split"]
    mlflow.set_tags({"champion": result.champion, "dataset_sha256": result.digest, "split": split["kind"]})
    mlflow.log_params(
        {
            "champion": result.champion,
            "purge": split["purge"],
            "validation_from": split["validation_from"],
            "test_from": split["test_from"],
            **{f"rows_{part}": n for part, n in split["rows"].items()},
            **{name: result.metrics["data"][name] for name in ("customers", "features")},
        }
    )
    mlflow.log_metrics(_flat({"test": result.metrics["test"]}))
    dataset = mlflow.data.from_pandas(
        result.dataset,
        source=source,
        targets="churned",
        name="gld_training_set",
        digest=result.digest[:SHORT_DIGEST],
    )
    mlflow.log_input(dataset, context="training")
    mlflow.log_dict(result.metrics, "metrics.json")
    mlflow.log_text(result.drivers.to_csv(index=False), "drivers.csv")
    for name, figure in test_figures(result.predictions, result.champion).items():
        mlflow.log_figure(figure, f"plots/{name}.png")


def _log_model(result: TrainingResult) -> Any:
    import mlflow
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    # Every input may be missing: the model imputes, or its trees choose a side.
    inputs = Schema(
        [
            ColSpec(DataType.string if values.dtype == object else DataType.double, name, required=False)
            for name, values in result.example.items()
        ]
    )
    outputs = Schema([TensorSpec(np.dtype("float64"), (-1, 2))])
    packages = [*_ALWAYS, *([_BOOSTERS[result.champion]] if result.champion in _BOOSTERS else [])]
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder) / store.CARD_FILE
        card.write_text(result.card.to_json(), encoding="utf-8")
        return mlflow.sklearn.log_model(
            result.model,
            name="model",
            serialization_format="pickle",
            signature=ModelSignature(inputs=inputs, outputs=outputs),
            input_example=result.example,
            pip_requirements=[f"{name}=={version(name)}" for name in packages],
            pyfunc_predict_fn="predict_proba",
            extra_files=[str(card)],
        )


def _register(client: MlflowClient, result: TrainingResult, name: str, logged: Any, run_id: str, root: Path) -> int:
    if not [m for m in client.search_registered_models(filter_string=f"name = '{name}'") if m.name == name]:
        client.create_registered_model(name)
    created = client.create_model_version(name, logged.model_uri, run_id=run_id, model_id=logged.model_id)
    number = str(created.version)
    area = result.metrics["test"]["roc_auc"]["value"]
    tags = {
        store.DIGEST_TAG: store.files_digest(store.model_folder(client, name, number, root)),
        "retention.model": result.champion,
        "retention.dataset_sha256": result.digest,
        "retention.entity": result.card.entity,
        "retention.label_span": result.card.label["span"] or "unknown",
        "retention.test_roc_auc": "not defined" if area is None else f"{area:.4f}",
    }
    for tag, value in tags.items():
        client.set_model_version_tag(name, number, tag, value)
    client.set_registered_model_alias(name, store.ALIAS, number)
    return int(number)


def _flat(parts: dict[str, dict[str, Any]]) -> dict[str, float]:
    """``{"test": {"roc_auc": {"value", "low", "high"}}}`` as ``{"test.roc_auc": …, "test.roc_auc.low": …}``."""
    flat = {}
    for part, metrics in parts.items():
        for metric, entry in metrics.items():
            values = entry if isinstance(entry, dict) else {"value": entry}
            for kind, value in values.items():
                if value is not None:
                    flat[f"{part}.{metric}" + ("" if kind == "value" else f".{kind}")] = float(value)
    return flat
