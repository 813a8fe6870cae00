"""Runs dbt's Python models outside of dbt: where its adapter cannot, as on a Spark session.

On such targets the Python file of a model is disabled, and a SQL model of the same name (materialized as
``written_by_python``) takes its place in the graph. It makes an empty table where there is none, and leaves the rows
alone that are written here.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from python_ml.environment import environment_variables
from python_ml.errors import UserError
from python_ml.project import PROJECT_DIR_VARIABLE
from python_ml.warehouse import (
    SPARK,
    connect,
    connect_to,
    engine,
    is_spark,
    open_backend,
    quoted_by,
    relation,
    replace_rows,
    table_exists,
)

if TYPE_CHECKING:
    from python_ml.cli.options import Console
    from python_ml.project import Project


_REFERRED = ("model", "seed", "snapshot")


def dbt_runs_python(project: Project) -> bool:
    """Tell whether dbt runs Python models on the project's target."""
    return engine(project) != SPARK


def python_models(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The Python models of a project, enabled or not.

    Parameters
    ----------
    manifest : mapping
        dbt's.

    Returns
    -------
    dict of str to dict
        Nodes by name, each after those that it depends on.
    """
    found = _python_nodes(manifest)
    depth = {name: len(ancestors(manifest, name) & found.keys()) for name in found}
    return {name: found[name] for name in sorted(found, key=lambda name: (depth[name], name))}


def ancestors(manifest: Mapping[str, Any], name: str) -> set[str]:
    """Names of the models, seeds and snapshots that a Python model is made from, however far up.

    A SQL model in its place refers to nothing, so what counts is the Python file.
    """
    python, nodes = _python_nodes(manifest), manifest["nodes"]
    keys = {node["name"]: key for key, node in nodes.items() if node["resource_type"] in _REFERRED}
    waiting, seen = [name], set()
    while waiting:
        current = waiting.pop()
        if current in python:
            parents = [ref["name"] for ref in python[current].get("refs", [])]
        else:
            above = manifest["parent_map"].get(keys.get(current, ""), [])
            parents = [nodes[key]["name"] for key in above if key in nodes]
        waiting += [parent for parent in parents if parent not in seen]
        seen.update(parents)
    return seen


def _python_nodes(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    disabled = [node for nodes in manifest.get("disabled", {}).values() for node in nodes]
    enabled = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    return {node["name"]: node for node in (*disabled, *enabled) if node.get("language") == "python"}


def run_python_models(
    project: Project,
    names: Collection[str],
    console: Console,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run Python models of the project, and write their tables.

    Parameters
    ----------
    project : Project
        A project that dbt has parsed on this target; what the models refer to is built.
    names : collection of str
        Of models; they run in the order of the graph.
    console : Console
        Shows what they print, and their warnings.
    environment : mapping, optional
        Environment variables of these models alone, such as those of :func:`python_ml.handover.handed_over`.

    Raises
    ------
    UserError
        When there is no such Python model, or what it refers to does not exist.
    """
    manifest = project.manifest
    models = python_models(manifest)
    if missing := [name for name in names if name not in models]:
        raise UserError(
            f"The project has no Python model {missing[0]}.",
            where=str(project.manifest_path),
            hint="run `retention build`, which reads the models again",
        )
    with environment_variables({PROJECT_DIR_VARIABLE: str(project.root), **(environment or {})}):
        for name in models:
            if name in names:
                _run(project, manifest, models[name], console)


def _run(project: Project, manifest: Mapping[str, Any], node: Mapping[str, Any], console: Console) -> None:
    backend = open_backend(project)
    if backend is not None and backend.session is not None:
        backend.write(table_of(node), _arrow(_made(_Dbt(manifest, node, backend.session), node, console)))
        return
    opened = connect(project, read_only=False) if backend is None else connect_to(backend, read_only=False)
    with opened as connection:
        made = _made(_Dbt(manifest, node, connection), node, console)
        replace_rows(connection, table_of(node), _arrow(made))


def _made(dbt: _Dbt, node: Mapping[str, Any], console: Console) -> Any:
    """What the function ``model`` of a node returns."""
    scope: dict[str, Any] = {"__name__": node["name"]}
    # The project's own code, which dbt would run in the same way.
    exec(compile(node["raw_code"], node["original_file_path"], "exec"), scope)  # noqa: S102
    with _shown(console):
        return scope["model"](dbt, dbt.session)


@contextlib.contextmanager
def _shown(console: Console) -> Iterator[None]:
    """Show what is printed as notes, and warnings as warnings."""
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always", UserWarning)
        yield
    for line in printed.getvalue().splitlines():
        console.note(f"  {line}")
    for one in warned:
        if issubclass(one.category, UserWarning):
            console.warn(str(one.message))


def table_of(node: Mapping[str, Any]) -> str:
    """The ``schema.table`` of a node, with the schema as the project calls it."""
    schema = node.get("config", {}).get("schema") or node["schema"]
    return f"{schema}.{node.get('alias') or node['name']}"


def _arrow(made: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if isinstance(made, pd.DataFrame):
        return pa.Table.from_pandas(made, preserve_index=False)
    if hasattr(made, "toArrow"):
        return made.toArrow()
    return made if isinstance(made, pa.Table) else made.to_arrow_table()


@dataclass(frozen=True)
class _Config:
    """What a Python model calls ``dbt.config``."""

    values: Mapping[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """A configuration that dbt knows."""
        return self.values.get(name, default)

    def meta_get(self, name: str, default: Any = None) -> Any:
        """A configuration under ``config.meta``."""
        return self.values.get("meta", {}).get(name, default)


@dataclass(frozen=True)
class _Dbt:
    """What a Python model calls ``dbt``.

    Attributes
    ----------
    manifest, node : mapping
        dbt's manifest, and the model's part of it.
    session
        A connection to DuckDB or to a remote warehouse, or a session of Spark.
    """

    manifest: Mapping[str, Any]
    node: Mapping[str, Any]
    session: Any
    is_incremental = False

    @property
    def config(self) -> _Config:
        """Configuration of the model."""
        return _Config(self.node.get("config", {}))

    def ref(self, *names: str, **_: Any) -> Any:
        """Rows of a model, seed or snapshot: a relation of the session."""
        nodes = (n for n in self.manifest["nodes"].values() if n["resource_type"] in _REFERRED)
        return self._rows(next((n for n in nodes if n["name"] == names[-1]), None), names[-1])

    def source(self, source: str, table: str) -> Any:
        """Rows of a source's table."""
        nodes = (n for n in self.manifest["sources"].values() if (n["source_name"], n["name"]) == (source, table))
        return self._rows(next(nodes, None), f"{source}.{table}")

    def _rows(self, node: Mapping[str, Any] | None, name: str) -> Any:
        if node is None:
            raise UserError(
                f"There is no {name}, which the model {self.node['name']} refers to.",
                where=self.node["original_file_path"],
                hint="check the name, and run `retention build`",
            )
        if is_spark(self.session):
            return self.session.table(quoted_by(self.session, node["schema"], node.get("alias") or node["name"]))
        if not table_exists(self.session, table_of(node)):
            raise UserError(
                f"The table {table_of(node)} does not exist, which the model {self.node['name']} reads.",
                where=self.node["original_file_path"],
                hint="run `retention build`",
            )
        return self.session.sql(f"select * from {relation(table_of(node))}")
