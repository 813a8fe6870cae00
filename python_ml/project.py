"""A retention project on disk: where its parts are and what its two configuration files say."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.files import encodable, read_json

if TYPE_CHECKING:
    from python_ml.settings import Settings

PROJECT_DIR_VARIABLE = "RETENTION_PROJECT_DIR"
WAREHOUSE_VARIABLE = "RETENTION_DUCKDB_PATH"
# Tables and metastore of a Spark session in this process.
SPARK_WAREHOUSE_VARIABLE = "RETENTION_SPARK_WAREHOUSE"
# What the Python models of dbt need of the project, as JSON, where its files are not; see Project.portable.
PORTABLE_VARIABLE = "RETENTION_PROJECT"
# Name of the registered model, for deployments that share a retention.yml; before `mlflow.registered_model` there.
REGISTERED_MODEL_VARIABLE = "RETENTION_REGISTERED_MODEL"
# A DuckDB file whose embeddings and reductions count as well: the project's own, while copies of it are built.
TEXT_STORE_VARIABLE = "RETENTION_TEXT_STORE"

# Scenarios of `retention init` in which a row has no date of its own: its feature time is a constant.
# See docs/guides/tables_without_dates.md.
DATELESS = ("static", "partial")


def is_dateless(variables: Mapping[str, Any]) -> bool:
    """Whether the rows of a project with these dbt variables have no dates of their own."""
    return variables.get("scenario") in DATELESS


def nearest_root() -> Path:
    """The working directory, or its nearest parent with a ``dbt_project.yml``; itself where there is none."""
    here = Path()
    if (here / "dbt_project.yml").is_file():
        return here
    return next((folder for folder in here.absolute().parents if (folder / "dbt_project.yml").is_file()), here)


def warehouse_of(root: Path) -> Path:
    """The DuckDB file of a project that is, or will be, in a folder.

    Raises
    ------
    UserError
        When its path has a question mark: DuckDB takes what follows for something else, and cannot write its log.
    """
    path = Path(os.environ.get(WAREHOUSE_VARIABLE) or root / "warehouse.duckdb").resolve()
    if "?" in str(path):
        raise UserError(
            "DuckDB cannot keep a database in a place whose name has a question mark.",
            where=str(path),
            hint=f"rename the folder, or set {WAREHOUSE_VARIABLE} to a file elsewhere",
        )
    return path


SQLITE = "sqlite:///"


def sqlite_uri(path: Path) -> str:
    """The address of a SQLite file, in which SQLAlchemy escapes what an address would not be read with.

    Raises
    ------
    UserError
        When the path holds a question mark, which SQLAlchemy before 2.1 cannot escape.
    """
    if not {"?", "%"} & set(str(path)):
        return f"{SQLITE}{path.as_posix()}"
    from sqlalchemy import URL, make_url

    # By the name of its driver, MLflow takes it for what it is, and makes no folder of the escaped name.
    address = URL.create("sqlite+pysqlite", database=path.as_posix()).render_as_string()
    if make_url(address).database != path.as_posix():
        raise UserError(
            "MLflow cannot keep its database below a folder whose name holds a question mark.",
            where=str(path),
            hint="rename the folder, or set MLFLOW_TRACKING_URI to another place",
        )
    return address


def sqlite_path(uri: str) -> Path | None:
    """The file behind an address that :func:`sqlite_uri` or a person wrote; None for other kinds of store."""
    if not uri.startswith((SQLITE, "sqlite+pysqlite:///")):
        return None
    if not {"?", "%", "+"} & set(uri):
        return Path(uri.removeprefix(SQLITE))
    from sqlalchemy import make_url

    return Path(make_url(uri).database or "")


def registered_name(project_name: str) -> str:
    """Name of a project's registered model, where nothing else is configured; see :attr:`Project.registered_model`."""
    return f"{project_name}_churn"


@dataclass(frozen=True)
class Project:
    """A dbt project with the tables that this package reads.

    Use :meth:`open` rather than the constructor.

    Attributes
    ----------
    root : Path
        Absolute folder that holds ``dbt_project.yml``.
    target : str or None
        Target of ``profiles.yml``; None leaves the choice to the profile.
    config : dict
        Contents of ``dbt_project.yml``.
    """

    root: Path
    target: str | None
    config: dict[str, Any]

    @classmethod
    def open(cls, folder: Path | str | None = None, target: str | None = None) -> Project:
        """Open the project in ``folder`` (default: ``RETENTION_PROJECT_DIR``, else the working directory).

        Raises
        ------
        UserError
            When the folder has no ``dbt_project.yml`` or the file cannot be read.
        """
        root = encodable(Path(folder or os.environ.get(PROJECT_DIR_VARIABLE) or ".").resolve())
        path = root / "dbt_project.yml"
        if not path.is_file():
            raise UserError(
                "This folder is not a dbt project.",
                where=str(path),
                hint="run the command inside a project, name its folder with --project-dir, "
                "or create one with `retention init`",
            )
        return cls(root=root, target=target, config=_read_config(path))

    @classmethod
    def described_by(cls, document: str | None) -> Project:
        """The project of a Python model of dbt, which may run on a machine that has none of its files.

        Parameters
        ----------
        document : str or None
            What :meth:`portable` wrote, by way of the model's configuration; empty where the project is at hand, which
            is then opened as by :meth:`open`.

        Raises
        ------
        UserError
            When the document is none of this package's, or when there is neither a document nor a project.
        """
        if not document:
            return cls.open()
        from python_ml.settings.schema import Settings

        try:
            facts = json.loads(document)
            config = {"name": facts["name"], "vars": facts["vars"]}
            settings = Settings.model_validate(facts["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"The description of the project in a model's configuration cannot be read: {error}.",
                where=f"config.meta.project, from the variable {PORTABLE_VARIABLE}",
                hint="leave the variable to the commands of retention",
            ) from error
        project = cls(root=Path.cwd(), target=None, config=config)
        project.__dict__["settings"] = settings  # in place of what is read from retention.yml
        return project

    def portable(self) -> str:
        """What the Python models of dbt need of this project, as JSON: its name, variables and settings.

        Secrets are not in it: they come from the environment alone.
        """
        settings = self.settings.model_dump(mode="json", exclude_unset=True)
        settings.setdefault("mlflow", {})["registered_model"] = self.registered_model
        return json.dumps({"name": self.name, "vars": self.vars, "settings": settings}, default=str, sort_keys=True)

    @property
    def name(self) -> str:
        """Name of the dbt project."""
        return str(self.config.get("name", self.root.name))

    @property
    def vars(self) -> dict[str, Any]:
        """The dbt variables: global ones, overlaid with those scoped to this project."""
        declared = self.config.get("vars") or {}
        scoped = declared.get(self.name)
        return {**declared, **scoped} if isinstance(scoped, dict) else dict(declared)

    @property
    def entity(self) -> str:
        """Name of the entity's key column, such as ``customer_id``.

        Raises
        ------
        UserError
            When the variable ``entity`` is not set.
        """
        entity = self.vars.get("entity")
        if not entity:
            raise UserError(
                "The variable `entity` is not set.",
                where=str(self.root / "dbt_project.yml"),
                hint="name the key column of your customers under vars, for instance `entity: customer_id`",
            )
        return str(entity)

    @cached_property
    def settings(self) -> Settings:
        """What ``retention.yml`` says (defaults where it says nothing)."""
        from python_ml.settings import load_settings

        return load_settings(self.root / "retention.yml")

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file: ``RETENTION_DUCKDB_PATH``, else ``warehouse.duckdb`` in the project.

        Raises
        ------
        UserError
            When DuckDB cannot write a file there; see :func:`warehouse_of`.
        """
        return warehouse_of(self.root)

    @property
    def spark_warehouse(self) -> Path:
        """Folder of Spark's tables: ``RETENTION_SPARK_WAREHOUSE``, else ``spark_warehouse`` in the project."""
        return Path(os.environ.get(SPARK_WAREHOUSE_VARIABLE) or self.root / "spark_warehouse").resolve()

    @property
    def reports_dir(self) -> Path:
        """Folder of everything that a run reports."""
        return self.root / "reports"

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI: ``MLFLOW_TRACKING_URI``, else a SQLite file in the project."""
        return os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(self.root / "mlflow.db")

    @property
    def registered_model(self) -> str:
        """Name of the registered model, in Unity Catalog ``catalog.schema.name``.

        It is ``RETENTION_REGISTERED_MODEL``, else what retention.yml says, else ``<name>_churn``.
        """
        named = os.environ.get(REGISTERED_MODEL_VARIABLE) or self.settings.mlflow.registered_model
        return named or registered_name(self.name)

    @property
    def manifest_path(self) -> Path:
        """Where dbt keeps the manifest of the last build."""
        return self.root / "target" / "manifest.json"

    @property
    def manifest(self) -> dict[str, Any]:
        """dbt's manifest of the last build.

        Raises
        ------
        UserError
            When dbt has not run yet.
        """
        path = self.manifest_path
        hint = "run `retention build` (or `dbt build`)"
        if not path.is_file():
            raise UserError("There is no dbt manifest yet.", where=str(path), hint=hint)
        manifest = read_json(path, "dbt manifest", hint)
        if not _is_manifest(manifest):
            raise UserError("The dbt manifest does not hold what dbt writes.", where=str(path), hint=hint)
        return manifest


def _read_config(path: Path) -> dict[str, Any]:
    """Read ``dbt_project.yml``, as far as this package depends on it."""
    from python_ml.yaml_io import parsed

    with parsed(path, "settings of dbt_project.yml") as (loader, node):
        config = {} if node is None else loader.construct_document(node)
    config = {} if config is None else config
    if not isinstance(config, dict):
        raise UserError(
            "dbt_project.yml holds no settings.",
            where=str(path),
            hint="write `name: value` in its lines, as `retention init` does",
        )
    for name, kinds, wanted in (
        ("name", str, "a name"),
        ("profile", str, "a name"),
        ("vars", dict, "a mapping of names to values"),
    ):
        if config.get(name) is not None and not isinstance(config[name], kinds):
            raise UserError(
                f"`{name}` in dbt_project.yml must be {wanted}.",
                where=f"{path}, {name}",
                hint="undo the last change of the file",
            )
    return config


def _is_manifest(value: Any) -> bool:
    """Whether a document has the parts of a manifest that are read here."""
    if not isinstance(value, dict) or not isinstance(value.get("nodes"), dict):
        return False
    parts = [value["nodes"], value.get("sources", {}), value.get("parent_map", {})]
    nodes = [*value["nodes"].values()]
    return all(isinstance(part, dict) for part in parts) and all(
        isinstance(node, dict) and {"resource_type", "name"} <= node.keys() for node in nodes
    )
