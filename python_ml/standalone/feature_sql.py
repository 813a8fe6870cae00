"""The models behind the gold tables as SQL files for Spark, in the order in which they have to run."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.dbt import DbtProcess
from python_ml.errors import UserError
from python_ml.files import read_json
from python_ml.warehouse import profiles_path, target_settings
from python_ml.yaml_io import parsed

if TYPE_CHECKING:
    from python_ml.cli.options import Console
    from python_ml.project import Project

# What training and scoring read; everything that they are made of comes along.
WANTED = ("gld_customer_features", "gld_churn_labels", "gld_training_set", "gld_scoring_set")
SPARK, DATABRICKS = "spark", "databricks"
WRITTEN_BY_PYTHON = "written_by_python"
LINE = 100  # characters of a comment


@dataclass(frozen=True)
class FeatureSql:
    """The SQL of the features.

    Attributes
    ----------
    files : dict of str to str
        Text by path.
    models : list of dict
        ``file``, ``schema`` (the layer), ``table`` and ``kind`` (``view`` or ``table``), in order.
    raw : list of dict
        ``schema``, ``table``, ``description`` and ``columns`` of the tables that must be there.
    texts : list of str
        Tables of texts' components that Python would fill and that stay empty here.
    """

    files: dict[str, str]
    models: list[dict[str, str]]
    raw: list[dict[str, Any]]
    texts: list[str]

    @property
    def layers(self) -> list[str]:
        """The schemas that the SQL reads and writes."""
        return list(dict.fromkeys(table["schema"] for table in [*self.raw, *self.models]))


def feature_sql(project: Project, console: Console, target: str | None = None) -> FeatureSql:
    """Compile the features for Spark; no session and no connection is needed.

    Parameters
    ----------
    project : Project
    console : Console
    target : str, optional
        See :func:`spark_target`.

    Raises
    ------
    UserError
        When the project has no target for Spark or Databricks, dbt cannot compile it, or a model that the features need
        is in Python.
    """
    target = spark_target(project, target)
    with tempfile.TemporaryDirectory(prefix="retention_standalone_") as scratch:
        target_path = Path(scratch) / "target"
        target_path.mkdir()
        (Path(scratch) / "logs").mkdir()
        with contextlib.closing(DbtProcess(replace(project, target=target), target_path)) as process:
            select = ["--select", *(f"+{name}" for name in WANTED), "--indirect-selection", "empty"]
            errors = process.run(["compile", "--no-introspect", "--no-populate-cache", "--quiet", *select], console)
        manifest_path = target_path / "manifest.json"
        if errors is not None:
            if manifest_path.is_file():
                _models(read_json(manifest_path, "manifest of dbt", "run the command again"))  # may know better why
            raise UserError(
                f"dbt could not compile the project for the target {target}.\n    " + "\n    ".join(errors[-3:]),
                where=str(project.root),
                hint="install the extra `spark` or `databricks`, or check the file that the message names",
            )
        manifest = read_json(manifest_path, "manifest of dbt", "run the command again")
    return written_sql(manifest)


def spark_target(project: Project, target: str | None = None) -> str:
    """The target to compile for: the one asked for if it is on Spark or Databricks, or else the first that is.

    Raises
    ------
    UserError
        When ``profiles.yml`` has none.
    """
    path = profiles_path(project)
    if target is not None and target_settings(replace(project, target=target)).get("type") in (SPARK, DATABRICKS):
        return target
    outputs: Mapping[str, Any] = {}
    if path.exists():
        with parsed(path, "profiles") as (loader, node):
            profiles = loader.construct_document(node) if node is not None else {}
        profile = profiles.get(str(project.config.get("profile"))) if isinstance(profiles, dict) else None
        outputs = profile.get("outputs") or {} if isinstance(profile, dict) else {}
    for engine in (SPARK, DATABRICKS):
        for name, settings in outputs.items():
            if isinstance(settings, dict) and settings.get("type") == engine:
                return str(name)
    raise UserError(
        "The project has no target for Spark or Databricks, for which its SQL could be compiled.",
        where=str(path),
        hint="add one, as in the profiles.yml that `retention init` writes",
    )


def _models(manifest: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """All nodes, and the keys of those that the gold tables are made of, in order; refuses what is no SQL."""
    nodes = {**manifest["nodes"], **manifest["sources"]}
    by_name = {node["name"]: key for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    missing = [name for name in WANTED if name not in by_name]
    if missing:
        raise UserError(
            f"The project has no model {' and no model '.join(missing)}.",
            where="models/gold",
            hint="run the command in a project that `retention init` wrote",
        )
    order = _ordered(nodes, [by_name[name] for name in WANTED])
    no_query = [
        nodes[key]
        for key in order
        if nodes[key]["resource_type"] == "snapshot"
        or (nodes[key]["resource_type"] == "model" and nodes[key]["language"] != "sql")
    ]
    if no_query:
        raise UserError(
            "The features need snapshots or models in Python, which are not SQL: "
            f"{', '.join(node['name'] for node in no_query)}.",
            where=", ".join(node["original_file_path"] for node in no_query),
            hint="compile for a target of the type spark (--target), where SQL takes their place",
        )
    return nodes, order


def written_sql(manifest: dict[str, Any]) -> FeatureSql:
    """The SQL files of a compiled project.

    Parameters
    ----------
    manifest : dict
        Of dbt, after ``dbt compile``.

    Raises
    ------
    UserError
        When a gold model is missing, or something that the features need is not SQL.
    """
    nodes, order = _models(manifest)
    relations = {nodes[key]["relation_name"]: nodes[key] for key in order if nodes[key].get("relation_name")}
    made = [nodes[key] for key in order if nodes[key]["resource_type"] == "model" and not _is_ephemeral(nodes[key])]
    files, models = {}, []
    for number, node in enumerate(made, start=1):
        path = f"sql/{number:02d}_{node['alias']}.sql"
        kind = "view" if node["config"]["materialized"] == "view" else "table"
        files[path] = _file(node, kind, relations, nodes)
        models.append({"file": path, "schema": _layer(node), "table": node["alias"], "kind": kind})
    raw = [_raw(nodes[key]) for key in order if nodes[key]["resource_type"] in ("source", "seed")]
    texts = [node["alias"] for node in made if node["config"]["materialized"] == WRITTEN_BY_PYTHON]
    return FeatureSql(files, models, raw, texts)


def _layer(node: Mapping[str, Any]) -> str:
    """The schema as the project names it, without what a target puts before it."""
    return node["config"].get("schema") or node["schema"]


def _is_ephemeral(node: Mapping[str, Any]) -> bool:
    return node["config"]["materialized"] == "ephemeral"


def _ordered(nodes: Mapping[str, dict[str, Any]], wanted: Iterable[str]) -> list[str]:
    """The nodes that others are made of, each behind those that it reads."""
    order: list[str] = []

    def visit(key: str) -> None:
        if key in order:
            return
        for parent in sorted(nodes[key].get("depends_on", {}).get("nodes", [])):
            if parent in nodes:
                visit(parent)
        order.append(key)

    for key in wanted:
        visit(key)
    return order


def _file(
    node: Mapping[str, Any], kind: str, relations: Mapping[str, Mapping[str, Any]], nodes: Mapping[str, Any]
) -> str:
    """A model's query with the names of schemas left open, below a comment that says what it makes."""
    query = re.sub(r"(?m)^\s*-- depends_on: .*\n", "", node["compiled_code"]).strip()  # a note for dbt
    # Longer names first: one may begin another.
    pattern = "|".join(re.escape(name) for name in sorted(relations, key=len, reverse=True))
    query = re.sub(
        rf"(?<![\w.`]){'(?:' + pattern + ')'}(?![\w`])",
        lambda found: _open_name(relations[found[0]]),
        query,
    )
    reads = sorted(
        f"{_layer(nodes[key])}.{nodes[key].get('alias') or nodes[key]['identifier']}"
        for key in node["depends_on"]["nodes"]
        if key in nodes and nodes[key].get("relation_name")
    )
    lines = [f"{kind.capitalize()} {_layer(node)}.{node['alias']}"]
    lines += _wrapped(" ".join(node["description"].split()))
    lines += _wrapped(f"Reads {', '.join(reads)}." if reads else "Reads no table.")
    if node["config"]["materialized"] == WRITTEN_BY_PYTHON:
        lines += _wrapped("Components of texts need Python: the table stays empty, and features of texts are null.")
    return "".join(f"-- {line}".rstrip() + "\n" for line in lines) + f"\n{query}\n"


def _open_name(node: Mapping[str, Any]) -> str:
    table = node.get("alias") or node["identifier"]
    return "${" + _layer(node) + "}." + (table if re.fullmatch(r"\w+", table) else f"`{table.replace('`', '``')}`")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, LINE, break_long_words=False, break_on_hyphens=False)


def _raw(node: Mapping[str, Any]) -> dict[str, Any]:
    """A table that must be there."""
    columns = list(node["columns"])
    meta = {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}
    file = meta.get("file") or {}
    return {
        "schema": _layer(node),
        "table": node.get("alias") or node["identifier"],
        "description": " ".join(node["description"].split()),
        "columns": [*columns, *(["row_number_"] if file.get("row_number") else [])],
    }


def as_json(value: Any) -> str:
    """A JSON document that people can read."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
