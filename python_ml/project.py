"""A retention project on disk: where its parts are and what its two configuration files say."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from python_ml.errors import UserError

if TYPE_CHECKING:
    from python_ml.settings import Settings

PROJECT_DIR_VARIABLE = "RETENTION_PROJECT_DIR"
WAREHOUSE_VARIABLE = "RETENTION_DUCKDB_PATH"

# Scenarios of `retention init` in which a row has no date of its own: its feature time is a constant.
# See docs/guides/tables_without_dates.md.
DATELESS = ("static", "partial")


def is_dateless(variables: Mapping[str, Any]) -> bool:
    """Whether the rows of a project with these dbt variables have no dates of their own."""
    return variables.get("scenario") in DATELESS


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
        root = Path(folder or os.environ.get(PROJECT_DIR_VARIABLE) or ".").resolve()
        path = root / "dbt_project.yml"
        if not path.is_file():
            raise UserError(
                "This folder is not a dbt project.",
                where=str(path),
                hint="run the command in a project's folder, name it with --project-dir, "
                "or create one with `retention init`",
            )
        try:
            config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # dates that are none, bytes that are no text
            raise UserError(f"dbt_project.yml is not valid YAML: {error}", where=str(path)) from error
        if not isinstance(config, dict):
            raise UserError(
                "dbt_project.yml holds no settings.",
                where=str(path),
                hint="write `name: value` in its lines, as `retention init` does",
            )
        return cls(root=root, target=target, config=config)

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
        """The DuckDB file: ``RETENTION_DUCKDB_PATH``, else ``warehouse.duckdb`` in the project."""
        return Path(os.environ.get(WAREHOUSE_VARIABLE) or self.root / "warehouse.duckdb").resolve()

    @property
    def reports_dir(self) -> Path:
        """Folder of everything that a run reports."""
        return self.root / "reports"

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI: ``MLFLOW_TRACKING_URI``, else a SQLite file in the project."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def manifest(self) -> dict[str, Any]:
        """dbt's manifest of the last build.

        Raises
        ------
        UserError
            When dbt has not run yet.
        """
        path = self.root / "target" / "manifest.json"
        if not path.is_file():
            raise UserError(
                "There is no dbt manifest yet.",
                where=str(path),
                hint="run `retention build` (or `dbt build`)",
            )
        return json.loads(path.read_text(encoding="utf-8"))
