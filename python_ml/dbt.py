"""dbt: running it in a process of its own, and the feature registry, which is the column metadata of its manifest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import RetentionError, UserError, database_refusal
from python_ml.files import read_json
from python_ml.project import PROJECT_DIR_VARIABLE, WAREHOUSE_VARIABLE
from python_ml.warehouse import DUCKDB, connect, engine, profiles_path

if TYPE_CHECKING:
    from python_ml.cli.options import Console
    from python_ml.project import Project

FAILED = ("error", "fail", "runtime error")
RESULTS = "run_results.json"
# Not as the option `--target-path`, which `dbt deps` does not know.
TARGET_VARIABLE = "DBT_TARGET_PATH"
PYTHON = [sys.executable]
DBT = ["-c", "from dbt.cli.main import cli; cli()"]
# Gold tables, which have these names in every project.
TRAINING_SET, SCORING_SET = "gold.gld_training_set", "gold.gld_scoring_set"
ROLES = ("key", "time", "feature", "label")


@dataclass(frozen=True)
class DatabaseCopy:
    """A database to run on in place of the project's own, and the variables of that run.

    Attributes
    ----------
    database : Path
        A DuckDB file.
    variables : dict
        What overrides ``vars`` of dbt_project.yml.
    """

    database: Path
    variables: dict[str, Any]


def run_dbt(project: Project, arguments: list[str], console: Console) -> dict[str, int]:
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
    target_path = project.root / "target"
    for folder in (target_path, project.root / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    (target_path / RESULTS).unlink(missing_ok=True)
    _check_warehouse(project)
    program = [*PYTHON, *DBT, *_words(project, arguments, target_path)]
    errors = _follow(program, project.root, _environment(project, target_path), console)
    nodes = _results(target_path)
    _refuse_failures(project, arguments[0], target_path, nodes, errors)
    return dict(Counter(node["status"] for node in nodes))


def run_dbt_on_copies(
    project: Project, arguments: list[str], copies: Sequence[DatabaseCopy], console: Console, scratch: Path
) -> None:
    """Run one dbt command on several databases, each with variables of its own.

    The project is parsed once: most of the time of a small run is dbt's parser. The project's own warehouse and
    artefacts stay as they are.

    Parameters
    ----------
    project : Project
    arguments : list of str
        The command and its options, as for :func:`run_dbt`.
    copies : sequence of DatabaseCopy
    console : Console
    scratch : Path
        A folder for dbt's artefacts.

    Raises
    ------
    UserError
        When the project does not parse or compile.
    RetentionError
        When a model fails.
    """
    target_path = scratch / "target"
    target_path.mkdir()
    parsed = project.root / "target" / "partial_parse.msgpack"
    if parsed.is_file():
        shutil.copy(parsed, target_path)
    runs = [
        {
            "environment": {WAREHOUSE_VARIABLE: str(copy.database), TARGET_VARIABLE: str(target_path / str(number))},
            "words": [*_words(project, arguments, target_path), "--vars", json.dumps(copy.variables)],
        }
        for number, copy in enumerate(copies)
    ]
    plan = {"parse": _words(project, ["parse"], target_path), "runs": runs}
    (scratch / "runs.json").write_text(json.dumps(plan), encoding="utf-8")
    program = [*PYTHON, "-m", "python_ml.dbt", str(scratch / "runs.json")]
    errors = _follow(program, project.root, _environment(project, target_path), console)
    nodes = [node for number in range(len(copies)) for node in _results(target_path / str(number))]
    _refuse_failures(project, arguments[0], target_path, nodes, errors)


def _run_on_copies(plan: dict[str, Any]) -> None:
    """Parse once, then run on one database after the other; what :func:`run_dbt_on_copies` does in its own process."""
    from dbt.cli.main import dbtRunner

    parsed = dbtRunner().invoke(plan["parse"])
    if not parsed.success:
        sys.exit(2)
    for run in plan["runs"]:
        os.environ.update(run["environment"])
        if not dbtRunner(manifest=parsed.result).invoke(run["words"]).success:
            sys.exit(1)


def _words(project: Project, arguments: list[str], target_path: Path) -> list[str]:
    words = ["--log-format", "json", "--no-use-colors", "--no-version-check", arguments[0]]
    words += ["--project-dir", str(project.root), "--profiles-dir", str(profiles_path(project).parent)]
    words += ["--log-path", str(target_path.parent / "logs")]
    words += ["--target", project.target] if project.target else []
    return [*words, *arguments[1:]]


def _environment(project: Project, target_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONUTF8": "1",  # what dbt and Python models print is read as UTF-8 below
        PROJECT_DIR_VARIABLE: str(project.root),
        WAREHOUSE_VARIABLE: str(project.warehouse_path),
        TARGET_VARIABLE: str(target_path),
    }


def _refuse_failures(
    project: Project, name: str, target_path: Path, nodes: list[dict[str, Any]], errors: list[str] | None
) -> None:
    """Raise what went wrong in a command that has ended."""
    failed = [
        f"{node['unique_id'].split('.')[2]}: {' '.join((node['message'] or '').split())}"
        for node in nodes
        if node["status"] in FAILED
    ]
    refusal = database_refusal("\n".join([*failed, *(errors or ())]), str(project.warehouse_path))
    if refusal is not None:
        raise refusal
    if failed:
        raise RetentionError(
            f"dbt {name} failed in {len(failed)} place(s).\n    " + "\n    ".join(failed[:5]),
            where=str(project.root),
            hint=f"see {target_path.parent / 'logs' / 'dbt.log'}; run `dbt {name}` for the details",
        )
    if errors is not None:
        raise UserError(
            f"dbt could not {name} the project.\n    " + "\n    ".join(errors[-3:]),
            where=str(project.root),
            hint="check the file that the message names, dbt_project.yml and profiles.yml",
        )


def _check_warehouse(project: Project) -> None:
    """See that dbt can open the warehouse for writing: it would begin, and end in a stack trace of its own."""
    if project.warehouse_path.exists() and engine(project) == DUCKDB:
        with connect(project, read_only=False):
            pass


def _results(target_path: Path) -> list[dict[str, Any]]:
    """The nodes of the command that ran last with this target path; none if it ran none."""
    path = target_path / RESULTS
    return read_json(path, "results of dbt", "run the command again")["results"] if path.is_file() else []


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


@dataclass(frozen=True)
class Feature:
    """One described column of a gold table.

    Attributes
    ----------
    name : str
        Column name.
    role : str
        ``key``, ``time``, ``feature`` or ``label``.
    data_type : str
        Type in the contract, lower case.
    description : str
        What the column holds, in words.
    source, measure, aggregate, window : str or None
        Where a feature comes from, such as ``orders``, ``amount``, ``sum``, ``30d``.
    leakage_risk : str or None
        ``low``, ``medium`` or ``high``.
    """

    name: str
    role: str
    data_type: str = "double"
    description: str = ""
    source: str | None = None
    measure: str | None = None
    aggregate: str | None = None
    window: str | None = None
    leakage_risk: str | None = None


def feature_registry(project: Project, model: str = "gld_customer_features") -> list[Feature]:
    """Read the described columns of a gold model, in their order.

    Raises
    ------
    UserError
        When the model is missing or a column has no valid role.
    """
    nodes = project.manifest["nodes"]
    node = next((n for n in nodes.values() if n["resource_type"] == "model" and n["name"] == model), None)
    if node is None:
        raise UserError(
            f"The project has no model {model}.",
            where=str(project.manifest_path),
            hint="run the command in a project that `retention init` wrote, and `retention build` first",
        )
    features = []
    for column in node["columns"].values():
        meta = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}
        if meta.get("role") not in ROLES:
            raise UserError(
                f"Column {column['name']} of {model} has no role.",
                where=node["original_file_path"],
                hint=f"set config.meta.role to one of {', '.join(ROLES)}",
            )
        features.append(
            Feature(
                name=column["name"],
                role=meta["role"],
                data_type=(column.get("data_type") or "double").lower(),
                description=column.get("description", ""),
                **{k: meta.get(k) for k in ("source", "measure", "aggregate", "window", "leakage_risk")},
            )
        )
    return features


if __name__ == "__main__":
    _run_on_copies(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
