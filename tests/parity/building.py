"""Projects on both engines: DuckDB in a process of its own, Spark in the session of this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml import dbt
from python_ml.cli.options import Console
from python_ml.cli.run import run
from python_ml.environment import environment_variables
from python_ml.project import WAREHOUSE_VARIABLE, Project
from tests.python.command_line import train_only

from .shop import write_shop

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REPOSITORY = Path(__file__).resolve().parents[2]
INTEGRATION = REPOSITORY / "tests" / "integration_project"
# The second is the next daily run of what is made run by run.
DAILY_RUNS = (("build", "--vars", "day_of_the_run: 2024-06-01"), ("build", "--select", "spine_to_date+"))
UNTESTED = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
# What a copy of a project has no use for, and what would lead it away from its own folder.
_LEFT_OUT = (
    *("tests", "docs", "target", "logs", "dbt_packages", "reports", "spark_warehouse", "__pycache__"),
    *("python_ml", ".*", "*.db", "*.duckdb*"),
)
_ELSEWHERE = (WAREHOUSE_VARIABLE, "RETENTION_PROJECT_DIR", "RETENTION_TARGET", "MLFLOW_TRACKING_URI")


class BuildFailedError(Exception):
    """A project that did not build."""


def demo(folder: Path) -> Path:
    """The project of this repository, as a clone has it, without its Python package."""
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    tests = folder / "tests"
    for part in ("generic", "singular"):
        shutil.copytree(REPOSITORY / "tests" / part, tests / part)
    return folder


def shop(folder: Path) -> Path:
    """A project that `retention init` writes for the files of the invented shop."""
    files = write_shop(folder.parent / f"{folder.name}_files")
    words = [word for path in files for word in ("--data", str(path))]
    _run([*dbt.PYTHON, "-m", "python_ml", "init", str(folder), *words], folder.parent)
    train_only(folder)
    return folder


def corner_shop(folder: Path) -> Path:
    """The project that uses the macros of this repository as a package."""
    shutil.copytree(INTEGRATION, folder, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages", "*.duckdb"))
    packages = folder / "packages.yml"
    packages.write_text(packages.read_text().replace("local: ../..", f"local: {json.dumps(str(REPOSITORY))}"))
    _run(_dbt("deps"), folder)
    return folder


@contextmanager
def on_duckdb(folder: Path) -> Iterator[Path]:
    """Build a project on DuckDB while the body runs; the database is complete afterwards."""
    own = folder / "profiles.yml"
    is_corner_shop = "corner_shop:" in own.read_text()
    commands = [_dbt(*words, "--target", "duckdb") for words in DAILY_RUNS] if is_corner_shop else []
    commands = commands or [[*dbt.PYTHON, "-m", "python_ml", "run", "--target", "dev"]]
    running = [_started(commands[0], folder)]
    try:
        yield folder / ("target/corner_shop.duckdb" if is_corner_shop else "warehouse.duckdb")
        _finish(running[0])
        for command in commands[1:]:
            _run(command, folder)
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
                process.wait()


def run_on_spark(folder: Path) -> None:
    """Build, train, score and act on the session of this process, as `retention run --target spark` does."""
    with environment_variables(dict.fromkeys(_ELSEWHERE, "")):
        run(Project.open(folder, "spark"), Console())


def build_daily_runs_on_spark(folder: Path, *, is_tested: bool = True) -> None:
    """Build, and unless said otherwise test, the corner shop on the session of this process, run by run."""
    from dbt.cli.main import dbtRunner

    options = ["--target", "spark", "--quiet", "--project-dir", str(folder), "--profiles-dir", str(folder)]
    options += ["--target-path", "target/spark", "--log-path", f"{folder}/logs/spark"]
    parsed = dbtRunner().invoke(["parse", *options])
    if not parsed.success:
        raise BuildFailedError(f"{folder.name} does not parse: {parsed.exception}")
    # What dbt itself tests need not be shown to hold a second time; the package's own tests are SQL of ours.
    options += ["--exclude", "test_name:unique", "test_name:not_null", "test_name:accepted_values"]
    for number, words in enumerate(DAILY_RUNS):
        # The tests' SQL has run in the first build; of the second, DuckDB has tested the same rows.
        untested = [] if is_tested and not number else UNTESTED
        # Parsed once, for what --vars says is read by each run.
        done = dbtRunner(manifest=parsed.result).invoke([*words, *untested, *options])
        failed = [f"{run.node.name}: {run.message}" for run in done.result or [] if run.status in ("error", "fail")]
        if not done.success:
            raise BuildFailedError(f"dbt {' '.join(words)} on Spark: {done.exception or ''}\n" + "\n".join(failed))


def drop_schemas(spark: SparkSession) -> None:
    """Take a project's tables out of the session, for the next one has schemas of the same names."""
    for schema in spark.catalog.listDatabases():
        if schema.name != "default":
            spark.sql(f"drop schema `{schema.name}` cascade")


def _dbt(*words: str) -> list[str]:
    return [*dbt.PYTHON, "-c", "from dbt.cli.main import cli; cli()", "--quiet", *words]


def _started(command: list[str], folder: Path) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    environment["PYTHONPATH"] = str(REPOSITORY)
    said = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT, text=True)


def _finish(process: subprocess.Popen) -> None:
    said, _ = process.communicate()
    if process.returncode:
        raise BuildFailedError(f"{' '.join(map(str, process.args))}:\n{said[-4000:]}")


def _run(command: list[str], folder: Path) -> None:
    _finish(_started(command, folder))
