"""The targets of ``profiles.yml``: on which engine a command works, and where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.project import SPARK_WAREHOUSE_VARIABLE, WAREHOUSE_VARIABLE

if TYPE_CHECKING:
    from python_ml.project import Project

DUCKDB, SPARK, DATABRICKS = "duckdb", "spark", "databricks"
PRODUCTION = "databricks_prod"  # the target whose schemas have no prefix


def profiles_path(project: Project) -> Path:
    """Where dbt reads the project's targets: its own profiles.yml when it has one, else that of dbt's usual place."""
    own = project.root / "profiles.yml"
    return own if own.exists() else Path(os.environ.get("DBT_PROFILES_DIR") or Path.home() / ".dbt") / "profiles.yml"


def target_settings(project: Project) -> dict[str, Any]:
    """What ``profiles.yml`` says of the project's target, with environment variables filled in.

    Returns
    -------
    dict
        ``type`` and the rest; empty where no profile is found.

    Raises
    ------
    UserError
        When the file is no YAML, or the profile has no such target or asks for a variable that is not set.
    """
    return _target(project)[1]


def schema_prefix(project: Project) -> str:
    """What stands before the names of schemas on the project's target, as in the macro ``generate_schema_name``.

    On Databricks, targets other than ``databricks_prod`` have schemas of their own, so that they can share a catalog.

    Raises
    ------
    UserError
        When such a target has no schema; as :func:`target_settings` otherwise.
    """
    name, settings = _target(project)
    if settings.get("type") != DATABRICKS or name == PRODUCTION:
        return ""
    if not settings.get("schema"):
        raise UserError(
            f"The target {name} has no schema.", where=str(profiles_path(project)), hint="add `schema:` to it"
        )
    return f"{settings['schema']}_"


def _target(project: Project) -> tuple[str | None, dict[str, Any]]:
    """Name and settings of the project's target; as :func:`target_settings`."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    path = profiles_path(project)
    if not path.exists():
        if project.target is not None:
            raise UserError(
                f"There is no profiles.yml that could say what the target {project.target} is.",
                where=str(path),
                hint="leave --target out, or write the file",
            )
        return None, {}
    state = path.stat()
    profile = _mapping(_profiles(path, state.st_mtime_ns, state.st_size).get(str(project.config.get("profile"))))
    # Sandboxed: a project that somebody sent must not run code because one looks into it.
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)  # YAML, no HTML

    def env_var(name: str, default: str | None = None) -> str:
        # The project's own places, which every run of dbt gets as variables.
        if name == WAREHOUSE_VARIABLE:
            return str(project.warehouse_path)
        if name == SPARK_WAREHOUSE_VARIABLE:
            return str(project.spark_warehouse)
        value = os.environ.get(name, default)
        if value is None:
            raise UserError(f"The environment variable {name} is not set.", where=str(path), hint="set it")
        return value

    def var(name: str, default: Any = None) -> Any:
        return default  # what a job passes to dbt as --vars, it passes to the other commands as variables

    environment.globals |= {"env_var": env_var, "var": var}
    environment.filters |= {"as_number": int, "as_bool": bool, "as_native": str, "as_text": str}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(part) for name, part in value.items()}
        try:
            return environment.from_string(value).render() if isinstance(value, str) else value
        except (jinja2.TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise UserError(
                f"The expression `{value}` cannot be evaluated: {error}.",
                where=str(path),
                hint="use env_var('NAME', 'default') and the filters as_number, as_bool, as_native and as_text",
            ) from error

    outputs = _mapping(profile.get("outputs"))
    target = project.target or filled(profile.get("target", "default"))
    if target not in outputs:
        raise UserError(
            f"There is no target {target}.", where=str(path), hint=f"choose one of {', '.join(outputs) or 'none'}"
        )
    return target, {name: filled(value) for name, value in _mapping(outputs[target]).items()}


@lru_cache(maxsize=8)
def _profiles(path: Path, changed: int, size: int) -> dict[Any, Any]:
    """Contents of a profiles.yml, read anew when the file has changed."""
    from python_ml.yaml_io import parsed

    with parsed(path, "profiles") as (loader, node):
        return _mapping(loader.construct_document(node) if node is not None else None)


def _mapping(value: Any) -> dict[Any, Any]:
    """The value, or nothing where a person wrote something else than names and values."""
    return value if isinstance(value, dict) else {}


def engine(project: Project) -> str:
    """The engine of the project's target: ``duckdb``, ``spark`` or ``databricks``."""
    return str(target_settings(project).get("type", DUCKDB))


def require_engine(project: Project, engines: Sequence[str], reads: bool = True) -> None:
    """Refuse a target that a command cannot serve, rather than read another warehouse in its place.

    Parameters
    ----------
    project : Project
    engines : sequence of str
        Those that the command works on.
    reads : bool
        Whether the command reads the DuckDB file itself.

    Raises
    ------
    UserError
        When the target is unknown, runs on another engine, or keeps its tables in another DuckDB file than the one that
        is read here.
    """
    settings = target_settings(project)
    kind = str(settings.get("type", DUCKDB))
    name = f"target {project.target}" if project.target else "default target"
    where = "--target" if project.target else str(profiles_path(project))
    if kind not in engines:
        raise UserError(
            f"The {name} runs on {kind}; this command works on {' and '.join(engines)} only.",
            where=where,
            hint=f"choose a target on {' or '.join(engines)}, such as --target dev",
        )
    path = settings.get("path")
    if kind != DUCKDB or not reads or not path:
        return
    if (project.root / str(path)).resolve() != project.warehouse_path:
        raise UserError(
            f"The {name} keeps its tables in {path}, but this command reads {project.warehouse_path.name}.",
            where=where,
            hint=f"set {WAREHOUSE_VARIABLE} to {path}, or write the path in profiles.yml as "
            f"{{{{ env_var('{WAREHOUSE_VARIABLE}', 'warehouse.duckdb') }}}}",
        )
