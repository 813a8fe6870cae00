"""The project in `tests/integration_project`, built on DuckDB and on Spark: every table has the same rows.

One file, so that one worker starts Spark.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from dbt.cli.main import dbtRunner

from tests.python.command_line import command

from . import rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REPOSITORY = Path(__file__).resolve().parents[3]
PROJECT = REPOSITORY / "tests" / "integration_project"
MODELS = sorted(path.stem for path in PROJECT.glob("models/**/*.sql"))
SEEDS = sorted(path.stem for path in PROJECT.glob("seeds/*.csv"))
# The second is the next daily run of what is made run by run.
BUILDS = (("build", "--vars", "day_of_the_run: 2024-06-01"), ("build", "--select", "spine_to_date+"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project outside of the repository, with the package installed."""
    folder = tmp_path_factory.mktemp("integration") / "corner_shop"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs", "dbt_packages", "*.duckdb"))
    packages = folder / "packages.yml"
    packages.write_text(packages.read_text().replace("local: ../..", f"local: {json.dumps(str(REPOSITORY))}"))
    _dbt(folder, "deps")
    return folder


@pytest.fixture(scope="module")
def on_duckdb(project: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The database of the project, built and tested by dbt."""
    for build in BUILDS:
        _dbt(project, *build, "--target", "duckdb")
    with duckdb.connect(str(project / "target" / "corner_shop.duckdb"), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def on_spark(project: Path, spark: SparkSession) -> SparkSession:
    """The session, in which dbt has built and tested the project."""
    folder = str(project)
    options = ["--target", "spark", "--quiet", "--project-dir", folder, "--profiles-dir", folder]
    options += ["--target-path", "target/spark", "--log-path", f"{folder}/logs/spark"]
    parsed = dbtRunner().invoke(["parse", *options])
    assert parsed.success, parsed.exception
    # What dbt itself tests need not be shown to hold a second time; the package's own tests are SQL of ours.
    options += ["--exclude", "test_name:unique", "test_name:not_null", "test_name:accepted_values"]
    for number, build in enumerate(BUILDS):
        # The tests' SQL has run in the first build; of the second, DuckDB has tested the same rows.
        build += ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test") if number else ()
        # In this process, where the session is; parsed once, for what --vars says is read by each run.
        result = dbtRunner(manifest=parsed.result).invoke([*build, *options])
        failed = [f"{run.node.name}: {run.message}" for run in result.result or [] if run.status in ("error", "fail")]
        assert result.success, f"dbt {' '.join(build)} on Spark: {result.exception or ''}\n" + "\n".join(failed)
    return spark


@pytest.mark.parametrize("table", SEEDS + MODELS)
def test_both_engines_have_the_same_rows(
    table: str, on_duckdb: duckdb.DuckDBPyConnection, on_spark: SparkSession
) -> None:
    expected: pa.Table = on_duckdb.sql(f"select * from shop.{table}").to_arrow_table()
    found = rows.of_spark(on_spark, f"select * from shop.{table}")
    assert expected.num_rows > 0
    # Hashes are an engine's own; all that can agree is which rows share one.
    prints = [name for name in expected.column_names if name.endswith("_fingerprint")]
    assert [len(expected[name].unique()) for name in prints] == [len(found[name].unique()) for name in prints]
    wrong = list(rows.differences(expected.drop_columns(prints), found.drop_columns(prints)))
    assert not wrong, f"{table}, DuckDB and Spark:\n" + "\n".join(wrong[:20])


def test_the_sql_compiles_for_databricks(project: Path) -> None:
    """Without a connection: what was run on Spark is what Databricks gets."""
    # Whether an incremental model is there already, only a connection knows.
    offline = ("--no-introspect", "--no-populate-cache", "--exclude", "config.materialized:incremental")
    _dbt(project, "compile", "--target", "databricks", "--target-path", "target/databricks", *offline)
    compiled = project / "target" / "databricks" / "compiled" / "corner_shop"
    models = {path.stem for path in compiled.glob("models/**/*.sql") if path.parent.suffix != ".yml"}
    assert models == set(MODELS) - {"orders_daily"}
    assert "unix_micros(" in (compiled / "models" / "features" / "orders_windows.sql").read_text()


def _dbt(folder: Path, *words: str) -> None:
    """Run dbt in the project's folder."""
    run = command(folder, "dbt", "--quiet", *words)
    assert run.returncode == 0, f"dbt {' '.join(words)}:\n{run.stdout}{run.stderr}"
