"""The model store (MLflow): opened quietly, with files that are checked before they are trusted."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "champion"
DIGEST_TAG = "retention.files_sha256"
CARD_FILE = "model_card.json"
QUALITY_FILE = "training_facts.json"  # what the rows that the model was fitted on showed
ARTIFACT_FOLDER = "mlartifacts"
SQLITE = "sqlite:///"

# MLflow adds this file to a model's folder when somebody downloads it by its registered name.
ADDED_BY_MLFLOW = "registered_model_meta"

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def absolute_uri(tracking_uri: str, root: Path) -> str:
    """Read a relative SQLite path from the project's folder, wherever the command was started.

    dbt works in that folder while other commands need not: they must all find the same store.
    """
    if not tracking_uri.startswith(SQLITE):
        return tracking_uri
    path = Path(tracking_uri.removeprefix(SQLITE))
    return tracking_uri if path.is_absolute() else f"{SQLITE}{(root / path).as_posix()}"


def open_store(tracking_uri: str) -> MlflowClient:
    """Connect to the model store, with telemetry off and only errors logged.

    Also sets the tracking URI of this process, which MLflow's own functions read.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri)
    return mlflow.MlflowClient(tracking_uri=tracking_uri)


def registered_name(project_name: str) -> str:
    """Name of a project's registered model."""
    return f"{project_name}_churn"


def store_exists(tracking_uri: str) -> bool:
    """Whether there can be a model: a SQLite store that has never been written holds none."""
    return not tracking_uri.startswith(SQLITE) or Path(tracking_uri.removeprefix(SQLITE)).is_file()


def files_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's files.

    Parameters
    ----------
    folder : Path
        The model's folder; what MLflow adds on download is left out.
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == ADDED_BY_MLFLOW:
            continue
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def model_folder(client: MlflowClient, name: str, version: str, root: Path) -> Path:
    """Bring the files of a model version to this machine.

    Files below the project's own ``mlartifacts`` are read where they lie, also when the project's folder has
    been moved since they were written.

    Raises
    ------
    FileNotFoundError
        When a local store has lost them.
    """
    import mlflow

    uri = client.get_model_version_download_uri(name, version)
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    folder = Path(unquote(parts.path))
    if not folder.is_dir() and ARTIFACT_FOLDER in folder.parts:
        last = len(folder.parts) - 1 - folder.parts[::-1].index(ARTIFACT_FOLDER)
        folder = root.joinpath(*folder.parts[last:])
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    return folder
