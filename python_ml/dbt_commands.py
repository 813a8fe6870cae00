"""What every way to run dbt shares: its command line, its environment, and what its events mean to a person."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from python_ml.masking import masked
from python_ml.project import PORTABLE_VARIABLE, PROJECT_DIR_VARIABLE, SPARK_WAREHOUSE_VARIABLE, WAREHOUSE_VARIABLE
from python_ml.warehouse import DATABRICKS, engine, profiles_path

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.cli.options import Console
    from python_ml.project import Project

# Not as the option `--target-path`, which `dbt deps` does not know.
TARGET_VARIABLE = "DBT_TARGET_PATH"


def command_line_of(project: Project, arguments: list[str], target_path: Path) -> list[str]:
    command_line = ["--log-format", "json", "--no-use-colors", "--no-version-check", arguments[0]]
    command_line += ["--project-dir", str(project.root), "--profiles-dir", str(profiles_path(project).parent)]
    command_line += ["--log-path", str(target_path.parent / "logs")]
    command_line += ["--target", project.target] if project.target else []
    return [*command_line, *arguments[1:]]


def environment_of(project: Project, target_path: Path) -> dict[str, str]:
    # On Databricks, Python models run on another machine, where the project's files are not.
    portable = {PORTABLE_VARIABLE: project.portable()} if engine(project) == DATABRICKS else {}
    return {
        **os.environ,
        **portable,
        PROJECT_DIR_VARIABLE: str(project.root),
        WAREHOUSE_VARIABLE: str(project.warehouse_path),
        SPARK_WAREHOUSE_VARIABLE: str(project.spark_warehouse),
        TARGET_VARIABLE: str(target_path),
    }


def forget_compiled(manifest: Any) -> None:
    """Let dbt compile every node anew: it keeps what an ephemeral model was with the variables of the run before."""
    for node in manifest.nodes.values():
        if getattr(node, "extra_ctes_injected", False):
            node.compiled, node.compiled_code, node.extra_ctes_injected, node.extra_ctes = False, None, False, []


def show_event(event: dict[str, Any], console: Console, errors: list[str]) -> None:
    info, data = event["info"], event.get("data", {})
    if info["level"] == "error":
        errors.append(masked(info["msg"].strip()))
    elif info["level"] == "warn":
        console.warn(masked(info["msg"].strip()))
    elif info["name"].startswith("Log") and "total" in data and "index" in data:
        console.progress(f"  {data['index']} of {data['total']}: {data.get('node_info', {}).get('node_name', '')}")
