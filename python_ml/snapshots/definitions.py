"""The meaning of a snapshot's rows: the definitions in force, and the code that made them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import python_ml
from python_ml.files import source_hashes

if TYPE_CHECKING:
    from python_ml.project import Project

MODEL = "gld_training_set"

# Differs between two parses of the same project: times, places, and compiled code.
_VOLATILE = frozenset(
    {
        "build_path", "index", "compiled", "compiled_code", "compiled_path", "created_at", "deferred", "extra_ctes",
        "extra_ctes_injected", "generated_at", "invocation_id", "metadata", "relation_name", "root_path",
        "run_started_at",
    }
)  # fmt: skip
# Macros of dbt itself, for which its version stands.
_DBT = frozenset({"dbt", "dbt_duckdb", "dbt_spark", "dbt_databricks"})


def definitions_of(project: Project) -> dict[str, Any]:
    """dbt's variables: churn definition, horizon, gap, windows and whatever else models read."""
    return {name: value for name, value in project.vars.items() if name != project.name}


def features_of(project: Project) -> list[dict[str, Any]]:
    """The feature registry as plain data."""
    from python_ml.dbt import feature_registry

    return [asdict(feature) for feature in feature_registry(project)]


def code_of(project: Project) -> dict[str, Any]:
    """Hashes of what made the rows.

    Returns
    -------
    dict
        ``sql_sha256`` (the training set's model, what it is built from, and all macros but dbt's own),
        ``manifest_sha256`` (dbt's manifest without times and places), ``dbt_version``, ``package_version`` and
        ``package_sha256`` (this package), ``git_commit`` and ``git_dirty`` (None without git).
    """
    manifest = project.manifest
    commit = _git(project.root, "rev-parse", "HEAD")
    changes = _git(project.root, "status", "--porcelain", "--untracked-files=no")
    return {
        "sql_sha256": _sha256(_sql(manifest)),
        "manifest_sha256": _sha256(_stable(manifest)),
        "dbt_version": manifest.get("metadata", {}).get("dbt_version"),
        "package_version": python_ml.__version__,
        "package_sha256": _sha256(source_hashes(Path(python_ml.__file__).parent)),
        "git_commit": commit.strip() if commit else None,
        "git_dirty": None if changes is None else bool(changes.strip()),
    }


def _sql(manifest: dict[str, Any]) -> dict[str, str]:
    """Text of the training set's model, of all that it is built from, and of the macros at hand, by unique id."""
    nodes = {**manifest.get("sources", {}), **manifest["nodes"]}
    pending = [i for i, n in manifest["nodes"].items() if n["resource_type"] == "model" and n["name"] == MODEL]
    # Which macros a model calls is known only once it has been compiled, so all of them count.
    texts = {
        unique_id: macro["macro_sql"]
        for unique_id, macro in manifest.get("macros", {}).items()
        if macro["package_name"] not in _DBT
    }
    while pending:
        unique_id = pending.pop()
        if unique_id in texts or unique_id not in nodes:
            continue
        node = nodes[unique_id]
        texts[unique_id] = node.get("raw_code") or (node.get("checksum") or {}).get("checksum", "")
        pending += (node.get("depends_on") or {}).get("nodes", [])
    return texts


def _stable(value: Any, under: str = "") -> Any:
    if isinstance(value, dict):
        left_out = _VOLATILE | ({"macros"} if under == "depends_on" else set())  # those that were compiled so far
        return {name: _stable(inner, name) for name, inner in value.items() if name not in left_out}
    return [_stable(inner) for inner in value] if isinstance(value, list) else value


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of git; None where the folder is in no repository, or there is no git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
