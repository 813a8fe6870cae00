"""Running commands in a project's folder, as a person would, and asking its warehouse afterwards."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import duckdb
import pytest
import yaml

from python_ml import dbt
from python_ml.cli import main

# What would lead a project away from its own folder.
ELSEWHERE = ("RETENTION_DUCKDB_PATH", "MLFLOW_TRACKING_URI")


def command(folder: Path, *words: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """Run `retention` (or, with `dbt` as the first word, dbt) in a folder, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    # A locale, say, is read when Python starts.
    program = [*([sys.executable] if variables else dbt.PYTHON), "-m", "python_ml"]
    if words[0] == "dbt":
        program, words = [*dbt.PYTHON, "-c", "from dbt.cli.main import cli; cli()"], words[1:]
    return subprocess.run(
        [*program, *words],
        cwd=folder,
        env=environment | (variables or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def command_here(folder: Path, *words: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    """The same for `retention` in this process, which has imported everything; an error of ours is raised."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in ELSEWHERE:
            patch.delenv(name, raising=False)
        for name, value in (variables or {}).items():
            patch.setenv(name, value)
        patch.chdir(folder)
        code = _exit_code(patch, words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def retention(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *words: object) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, stdout, stderr."""
    code = _exit_code(monkeypatch, words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def _exit_code(patch: pytest.MonkeyPatch, words: Iterable[object]) -> int:
    patch.setattr(sys, "argv", ["retention", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def train_only(folder: Path, *models: str, survival: bool = False) -> None:
    """Let a project train some models, without backtests; unless named, a quick one, enough to walk the whole way.

    With few folds and resamples, two periods of drift, and without a survival model unless wanted. Defaults are the
    demo's.
    """
    path = folder / "retention.yml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    training = settings["training"]
    for name, entry in training["models"].items():
        entry["enabled"] = name in (models or ("logistic_regression",))
    training |= {"bootstrap_replicates": 100, "calibration_folds": 3, "cross_validation": {"folds": 3}}
    if "survival" in settings:  # tables without dates have none
        settings["survival"]["enabled"] = survival
    settings.setdefault("monitor", {}).setdefault("drift", {})["periods"] = 2
    settings["backtest"]["enabled"] = False  # tests of its own do that
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")


def rows(folder: Path, query: str) -> list[tuple]:
    """Rows of a query on the warehouse of the project in a folder."""
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()
