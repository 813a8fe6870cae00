"""A pipeline that `retention generate --standalone` wrote, run on Spark without this package.

One file, so that one worker starts Spark.
"""

from __future__ import annotations

import csv
import importlib.abc
import json
import random
import runpy
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

from python_ml.model.registry import require_champion
from python_ml.model.score import reasons, score
from python_ml.project import Project
from python_ml.standalone.feature_sql import FeatureSql
from python_ml.warehouse import read_table
from tests.python.command_line import command_here, train_only

from . import rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

START = datetime(2023, 1, 2)
NOTEBOOKS = ("01_features", "02_train", "03_score")
FEATURES = ("gld_customer_features", "gld_churn_labels", "gld_training_set", "gld_scoring_set")
SCORES = ("gld_churn_scores", "gld_churn_reasons")
RAW = {
    "customers": ("customer_id", "country", "signed_up_at"),
    "orders": ("order_id", "customer_id", "ordered_at", "category", "amount"),
}
# Fewer columns: each costs Spark's planner more than the rows do.
LEFT_OUT = ("silver.orders.window.7d", "silver.orders.window.180d", "silver.orders.window.all_time",
            "silver.orders.cadence.visits")  # fmt: skip
NOT_THERE = ("python_ml", "dbt", "mlflow", "tests")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built and trained project from two files."""
    folder = tmp_path_factory.mktemp("standalone")
    for name, table in _raw_rows().items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([RAW[name], *table])
    retention(folder, "init", "shop", "--data", "orders.csv", "customers.csv", "--horizon", "60d", "--step", "14d")
    project = folder / "shop"
    retention(project, "recommend", *(word for name in LEFT_OUT for word in ("--reject", name)))
    retention(project, "generate")
    train_only(project, "lightgbm")
    for word in ("build", "train"):
        retention(project, word)
    return project


@pytest.fixture(scope="module")
def pipeline(shop: Path) -> Path:
    """The folder of the pipeline."""
    retention(shop, "generate", "--standalone", "../pipeline")
    return shop.parent / "pipeline"


@pytest.fixture(scope="module")
def on_spark(pipeline: Path, shop: Path, spark: SparkSession) -> Iterator[SparkSession]:
    """The session after all notebooks, which found raw tables of text and neither this package nor dbt."""
    schemas = ("raw", "bronze", "silver", "gold")
    spark.sql("create schema raw")
    try:
        for name, columns in RAW.items():
            frame = spark.read.csv(str(shop.parent / f"{name}.csv"), header=True)
            frame.select(*columns).write.saveAsTable(f"raw.{name}")
        for notebook in NOTEBOOKS:
            run(pipeline, notebook)
        yield spark
    finally:
        for schema in schemas:
            spark.sql(f"drop schema if exists {schema} cascade")


@pytest.fixture(scope="module")
def expected(shop: Path) -> dict[str, pa.Table]:
    """The tables of the project: features from its warehouse, and what its champion makes of them."""
    with duckdb.connect(str(shop / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        tables = {name: connection.sql(f"select * from gold.{name}").to_arrow_table() for name in FEATURES}
    project = Project.open(shop)
    champion, customers = require_champion(project), read_table(project, "gold.gld_scoring_set")
    scored = score(customers, champion, project.entity), reasons(customers, champion, project.entity)
    return tables | {
        name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in zip(SCORES, scored, strict=True)
    }


@pytest.mark.parametrize("table", [*FEATURES, *SCORES])
def test_tables_are_those_of_the_project(table: str, on_spark: SparkSession, expected: dict[str, pa.Table]) -> None:
    # A fingerprint is an engine's own.
    columns = sorted(name for name in expected[table].column_names if name != "row_fingerprint")
    found = rows.of_spark(on_spark, f"select * from gold.{table}")
    assert expected[table].num_rows > 0
    assert set(columns) == set(found.column_names) - {"row_fingerprint"}
    wrong = list(rows.differences(expected[table].select(columns), found.select(columns)))
    assert not wrong, f"{table}, project and pipeline:\n" + "\n".join(wrong[:20])


def test_a_model_trained_there_is_the_champion_again(
    on_spark: SparkSession, pipeline: Path, expected: dict[str, pa.Table]
) -> None:
    """The same rows, split and parameters: the same model, and the same scores when it is chosen."""
    settings = pipeline / "pipeline_settings.py"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace('MODEL_FOLDER = "champion"', 'MODEL_FOLDER = "trained"'), encoding="utf-8")
    try:
        run(pipeline, "03_score")
    finally:
        settings.write_text(text, encoding="utf-8")
    columns = ["customer_id", "churn_probability", "risk_band"]
    found = rows.of_spark(on_spark, f"select {', '.join(columns)} from gold.gld_churn_scores")
    assert list(rows.differences(expected["gld_churn_scores"].select(columns), found)) == []
    model = json.loads((pipeline / "trained" / "model.json").read_text(encoding="utf-8"))
    assert model["version"] is None


def test_a_missing_raw_column_is_named(on_spark: SparkSession, pipeline: Path) -> None:
    text = (pipeline / "pipeline.json").read_text(encoding="utf-8")
    described = json.loads(text)
    next(table for table in described["raw"] if table["table"] == "customers")["columns"].append("birth_year")
    (pipeline / "pipeline.json").write_text(json.dumps(described), encoding="utf-8")
    try:
        with pytest.raises(Exception, match=r"`raw`\.`customers` has no column birth_year"):
            run(pipeline, "01_features")
    finally:
        (pipeline / "pipeline.json").write_text(text, encoding="utf-8")


def test_nothing_of_this_machine_or_package_is_in_the_files(pipeline: Path, shop: Path) -> None:
    for path in pipeline.rglob("*"):
        if path.is_file() and path.parent.name not in ("__pycache__", "trained", ".retention"):
            text = path.read_text(encoding="utf-8")
            assert "python_ml" not in text, path
            assert str(shop.parent) not in text, path


def test_the_code_reads_like_code_of_this_project(pipeline: Path, repository: Path) -> None:
    folders = [str(pipeline / name) for name in ("churn", "pipeline_settings.py", *(f"{n}.py" for n in NOTEBOOKS))]
    rules = ["--config", str(repository / "pyproject.toml"), "--no-cache"]
    # Notebooks print, and their names begin with numbers.
    ignored = ["--ignore", "T201,N999,INP001,I001"]
    for words in (["check", *rules, *ignored], ["format", "--check", *rules]):
        done = subprocess.run([sys.executable, "-m", "ruff", *words, *folders], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_edits_are_kept_and_the_champion_can_be_left_out(
    pipeline: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = json.loads((pipeline / "pipeline.json").read_text(encoding="utf-8"))
    queries = {path.relative_to(pipeline).as_posix(): path.read_text() for path in pipeline.glob("sql/*.sql")}
    compiled = FeatureSql(queries, described["models"], described["raw"], [])
    # dbt would compile the same again
    monkeypatch.setattr("python_ml.standalone.pipeline.feature_sql", lambda *_: compiled)
    path = pipeline / "pipeline_settings.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("CATALOG = None", 'CATALOG = "main"'), encoding="utf-8")
    done = json.loads(retention(shop, "generate", "--standalone", "../pipeline", "--no-champion", "--json"))
    assert done["champion_version"] is None
    assert done["conflicts"] == ["pipeline_settings.py"]
    assert 'CATALOG = "main"' in path.read_text(encoding="utf-8")
    assert 'MODEL_FOLDER = "trained"' in (pipeline / "pipeline_settings.py.new").read_text(encoding="utf-8")
    assert {"champion/manifest.json", "champion/model.json"} <= set(done["removed"])


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Nothing of these packages can be imported, and what was imported before is out of the way."""

    class Refusing(importlib.abc.MetaPathFinder):
        def find_spec(
            self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
        ) -> ModuleSpec | None:
            if name.split(".")[0] in packages:
                raise ModuleNotFoundError(f"{name} is not there", name=name)
            return None

    before = dict(sys.modules)
    for name in before:
        if name.split(".")[0] in packages:
            del sys.modules[name]
    refusing = Refusing()
    sys.meta_path.insert(0, refusing)
    try:
        yield
    finally:
        sys.meta_path.remove(refusing)
        for name in [name for name in sys.modules if name.split(".")[0] in ("churn", "pipeline_settings")]:
            del sys.modules[name]
        sys.modules.update(before)


def run(folder: Path, notebook: str) -> None:
    """Run a notebook as Spark would, with its folder on the path."""
    with without(*NOT_THERE), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "dont_write_bytecode", True)
        runpy.run_path(str(folder / f"{notebook}.py"), run_name="__main__")


def retention(folder: Path, *words: str) -> str:
    """Run a command; what it prints."""
    done = command_here(folder, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _raw_rows() -> dict[str, list[tuple]]:
    """Orders of customers who come at a pace of their own and stop some day."""
    draw = random.Random(11)
    customers, orders = [], []
    for number in range(90):
        key = f"C{number:03d}"
        signed_up = START - timedelta(days=draw.randrange(300))
        customers.append((key, draw.choice(["DE", "FR", "IT"]), f"{signed_up:%Y-%m-%d}"))
        at, pace, until = draw.uniform(0, 60), draw.uniform(4, 20), draw.uniform(60, 560)
        while at < min(until, 420):
            when = START + timedelta(days=at)
            amount = f"{draw.randrange(100, 9000) / 100:.2f}"
            orders.append((f"O{len(orders):05d}", key, f"{when:%Y-%m-%d %H:%M:%S}", draw.choice("abc"), amount))
            at += draw.expovariate(1 / pace) + 0.5
    return {"customers": customers, "orders": orders}
