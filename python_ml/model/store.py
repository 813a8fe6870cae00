"""The model store (MLflow): opened quietly, with files that are checked before they are trusted."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from python_ml.errors import UserError, model_store_error, without_credentials
from python_ml.project import REGISTERED_MODEL_VARIABLE, sqlite_path, sqlite_uri

if TYPE_CHECKING:
    from types import ModuleType

    from mlflow import MlflowClient

ALIAS, CHALLENGER = "champion", "challenger"
DIGEST_TAG = "retention.files_sha256"
IDENTITY_TAG = "retention.identity"  # of the data, settings, code and libraries behind a version
DEFINITION_TAG = "retention.definition"  # what churn meant, as JSON
ROWS_TAG, NEWEST_ROW_TAG = "retention.rows", "retention.newest_row"  # labelled rows then, and their last feature time
PREVIOUS_TAG = "retention.previous_champion"
DECISION_TAG, REASON_TAG = "retention.decision", "retention.decision_reason"
TAG_LENGTH = 5_000  # that MLflow keeps of a tag or description of a version
CARD_FILE = "model_card.json"
HELD_OUT_FILE = "held_out_scores.parquet"
QUALITY_FILE = "training_facts.json"  # what the rows that the model was fitted on showed
ARTIFACT_FOLDER = "mlartifacts"
LOCK = ".recording"  # in that folder
ANSWER_SECONDS = 5  # for a server to take a connection; MLflow itself would try for minutes
URI_VARIABLE, REGISTRY_VARIABLE = "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"
DATABRICKS, UNITY_CATALOG = "databricks", "databricks-uc"
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

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
    path = sqlite_path(tracking_uri)
    return tracking_uri if path is None or path.is_absolute() else sqlite_uri(root / path)


def open_store(tracking_uri: str) -> MlflowClient:
    """Connect to the model store, with telemetry off and only errors logged.

    Also sets the tracking URI of this process, which MLflow's own functions read; but not the environment variable, by
    which a user says where the store of *every* project is.

    Raises
    ------
    UserError
        When nothing answers there; MLflow would find out after a hundred silent seconds.
    """
    _reach(tracking_uri)
    mlflow = library()
    given = os.environ.get(URI_VARIABLE)
    mlflow.set_tracking_uri(tracking_uri)
    os.environ.pop(URI_VARIABLE, None)
    if given is not None:
        os.environ[URI_VARIABLE] = given
    models = registry_uri(tracking_uri)
    if models is not None:
        mlflow.set_registry_uri(models)
    return mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=models)


def library() -> ModuleType:
    """MLflow, imported (which takes seconds) with telemetry off, and with only errors logged."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # What this one logs, with a stack trace, is also raised.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return mlflow


def _reach(tracking_uri: str) -> None:
    """Ask a store for a sign of life, once and quickly."""
    path, parts = sqlite_path(tracking_uri), _parts(tracking_uri)
    shown, kind = without_credentials(tracking_uri), parts.scheme.partition("+")[0]
    if path is not None:
        _open_database(path)
    elif parts.scheme in ("http", "https"):
        import requests

        try:  # any answer will do: what it means is MLflow's business
            requests.get(tracking_uri, timeout=(ANSWER_SECONDS, 4 * ANSWER_SECONDS), stream=True).close()
        except requests.RequestException as error:
            raise model_store_error("The model store (MLflow) does not answer.", shown) from error
    elif kind in _PORTS and parts.hostname:
        try:
            socket.create_connection((parts.hostname, parts.port or _PORTS[kind]), timeout=ANSWER_SECONDS).close()
        except OSError as error:
            raise model_store_error("The model store (MLflow) does not answer.", shown) from error
    elif kind == "sqlite":
        raise model_store_error("The address of a SQLite file begins with sqlite:/// and has a path.", shown)


def _parts(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - asking is what raises
    except ValueError as error:
        raise model_store_error(f"This is not an address: {error}.", uri) from error
    return parts


def _open_database(path: Path) -> None:
    """Open a SQLite file, or see that one can be made."""
    import sqlite3

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=ANSWER_SECONDS)
        try:
            connection.execute("select count(*) from sqlite_master").fetchall()
        finally:
            connection.close()
    except (OSError, sqlite3.DatabaseError) as error:
        raise model_store_error(
            f"The database of the model store (MLflow) cannot be opened: {error}.", str(path)
        ) from error


def is_databricks(tracking_uri: str) -> bool:
    """Whether runs are tracked in a Databricks workspace: ``databricks``, or ``databricks://<profile>``."""
    return tracking_uri.partition(":")[0] == DATABRICKS


def registry_uri(tracking_uri: str) -> str | None:
    """Where models are registered: ``MLFLOW_REGISTRY_URI``, else Unity Catalog for a Databricks workspace.

    Returns
    -------
    str or None
        None where the tracking server is the registry as well.
    """
    given = os.environ.get(REGISTRY_VARIABLE)
    if given or not is_databricks(tracking_uri):
        return given or None
    return UNITY_CATALOG + tracking_uri.removeprefix(DATABRICKS)


def is_unity_catalog(tracking_uri: str) -> bool:
    """Whether models are registered in Unity Catalog, whose registry has no search by name or alias."""
    return (registry_uri(tracking_uri) or "").partition(":")[0] == UNITY_CATALOG


def require_full_name(name: str, tracking_uri: str) -> None:
    """Refuse a name that Unity Catalog cannot register.

    Raises
    ------
    UserError
        When models are registered in Unity Catalog, and the name has not three parts.
    """
    if is_unity_catalog(tracking_uri) and name.count(".") != 2:
        raise UserError(
            f"Unity Catalog registers models as catalog.schema.name, and this one is named {name}.",
            where="retention.yml, mlflow.registered_model",
            hint=f"write the full name there, or set {REGISTERED_MODEL_VARIABLE}",
        )


def is_local(tracking_uri: str) -> bool:
    """Whether the store is a SQLite file, whose artifacts are in the same folder."""
    return sqlite_path(tracking_uri) is not None


def store_exists(tracking_uri: str) -> bool:
    """Whether there can be a model: a SQLite store that has never been written holds none."""
    path = sqlite_path(tracking_uri)
    return path is None or path.exists()


def files_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's files.

    Parameters
    ----------
    folder : Path
        The model's folder; what MLflow adds on download does not count.
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
    folder = local_folder(uri, root)
    if folder is None:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    return folder


def local_folder(uri: str, root: Path) -> Path | None:
    """Where artifacts are on this machine, also after the project's folder was moved; None for a remote store.

    Parameters
    ----------
    uri : str
        Of a run's or model's artifacts.
    root : Path
        The project's folder.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return None
    folder = Path(unquote(parts.path))
    if not folder.is_dir() and ARTIFACT_FOLDER in folder.parts:
        last = len(folder.parts) - 1 - folder.parts[::-1].index(ARTIFACT_FOLDER)
        folder = root.joinpath(*folder.parts[last:])
    return folder
