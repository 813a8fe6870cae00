"""Running dbt: the same for every command, in a process of its own, with failures told in one message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import RetentionError, UserError, database_refusal
from python_ml.files import read_json
from python_ml.project import PROJECT_DIR_VARIABLE, WAREHOUSE_VARIABLE

if TYPE_CHECKING:
    from python_ml.cli.options import Console
    from python_ml.project import Project

FAILED = ("error", "fail", "runtime error")


def run_dbt(
    project: Project,
    arguments: list[str],
    console: Console,
    *,
    warehouse: Path | None = None,
    target_path: Path | None = None,
) -> dict[str, int]:
    """Run a dbt command in the project's folder.

    dbt gets a process of its own: DuckDB locks its file per process, and what a build leaves in memory ends
    with it.

    Parameters
    ----------
    project : Project
    arguments : list of str
        The command and its options, for instance ``["build", "--select", "gld_churn_scores+"]``.
    console : Console
        Shows progress, warnings and errors.
    warehouse : Path, optional
        Another DuckDB file than the project's own.
    target_path : Path, optional
        Another folder for dbt's artefacts, so that the project's own manifest stays.

    Returns
    -------
    dict
        Number of nodes by status, for instance ``{"success": 30, "pass": 120}``.

    Raises
    ------
    UserError
        When the project does not parse or compile, or DuckDB finds no space, no memory or no raw file.
    RetentionError
        When a model or test fails.
    """
    target_path = target_path or project.root / "target"
    results_path = target_path / "run_results.json"
    for folder in (target_path, target_path.parent / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    results_path.unlink(missing_ok=True)
    if warehouse is None:
        _check_warehouse(project)
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()"]
    command += ["--log-format", "json", "--no-use-colors", "--no-version-check", arguments[0]]
    command += ["--project-dir", str(project.root), "--profiles-dir", str(profiles_dir(project))]
    command += ["--target-path", str(target_path), "--log-path", str(target_path.parent / "logs")]
    command += ["--target", project.target] if project.target else []
    environment = {
        **os.environ,
        "PYTHONUTF8": "1",  # what dbt and Python models print is read as UTF-8 below
        PROJECT_DIR_VARIABLE: str(project.root),
        WAREHOUSE_VARIABLE: str(warehouse or project.warehouse_path),
    }
    messages = _follow([*command, *arguments[1:]], project.root, environment, console)

    results = _results(results_path) if results_path.is_file() else []
    counts: dict[str, int] = {}
    for node in results:
        counts[node["status"]] = counts.get(node["status"], 0) + 1
    failed = [
        f"{node['unique_id'].split('.')[2]}: {' '.join((node['message'] or '').split())}"
        for node in results
        if node["status"] in FAILED
    ]
    refusal = database_refusal("\n".join([*failed, *(messages or ())]), str(warehouse or project.warehouse_path))
    if refusal is not None:
        raise refusal
    if failed:
        raise RetentionError(
            f"dbt {arguments[0]} failed in {len(failed)} place(s).\n    " + "\n    ".join(failed[:5]),
            where=str(project.root),
            hint=f"see {target_path.parent / 'logs' / 'dbt.log'}; run `dbt {arguments[0]}` for the details",
        )
    if messages is not None:
        raise UserError(
            f"dbt could not {arguments[0]} the project.\n    " + "\n    ".join(messages[-3:]),
            where=str(project.root),
            hint="check the file that the message names, dbt_project.yml and profiles.yml",
        )
    return counts


def _check_warehouse(project: Project) -> None:
    """See that dbt can open the warehouse for writing: it would begin, and end in a stack trace of its own."""
    from python_ml.warehouse import DUCKDB, connect, engine

    if project.warehouse_path.exists() and engine(project) == DUCKDB:
        with connect(project, read_only=False):
            pass


def _results(path: Path) -> list[dict[str, Any]]:
    """The nodes of dbt's last run."""
    return read_json(path, "results of dbt", "run the command again")["results"]


def _follow(command: list[str], folder: Path, environment: dict[str, str], console: Console) -> list[str] | None:
    """Run dbt, show what it says; return its error messages when it failed, else None."""
    errors: list[str] = []
    plain: list[str] = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                # Python models print plain lines.
                if line.strip():
                    console.note(f"  {line.rstrip()}")
                    plain = [*plain[-2:], line.strip()]
                continue
            _show(event, console, errors)
        console.progress(None)
    return None if process.returncode == 0 else errors or [*plain, f"dbt ended with code {process.returncode}."]


def _show(event: dict[str, Any], console: Console, errors: list[str]) -> None:
    info, data = event["info"], event.get("data", {})
    if info["level"] == "error":
        errors.append(info["msg"].strip())
    elif info["level"] == "warn":
        console.warn(info["msg"].strip())
    elif info["name"].startswith("Log") and "total" in data and "index" in data:
        console.progress(f"  {data['index']} of {data['total']}: {data.get('node_info', {}).get('node_name', '')}")


def profiles_dir(project: Project) -> Path:
    """The project's own folder when it has a profiles.yml, else dbt's usual place."""
    if (project.root / "profiles.yml").exists():
        return project.root
    return Path(os.environ.get("DBT_PROFILES_DIR") or Path.home() / ".dbt")
