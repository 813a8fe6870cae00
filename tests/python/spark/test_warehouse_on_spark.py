"""Tables of a Spark session, as the Python half reads and writes them.

One file, so that one worker starts Spark.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from python_ml.cli.build import build
from python_ml.cli.options import Console
from python_ml.dbt import run_dbt
from python_ml.errors import RetentionError, UserError
from python_ml.project import Project
from python_ml.python_models import run_python_models
from python_ml.warehouse import connect_to, declare_table, drop_tables, read_table, table_exists
from python_ml.warehouse.spark import SparkBackend

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REPOSITORY = Path(__file__).resolve().parents[3]
TABLE = pa.table(
    {
        "customer's": ["b", "a", None],
        "at": pa.array([datetime(2024, 1, 2, 3, 4, 5, 678), None, datetime(1999, 12, 31)], pa.timestamp("us")),
        "day": pa.array([date(2024, 1, 2), None, date(2024, 1, 1)]),
        "amount": pa.array([Decimal("1.50"), None, Decimal("0.01")], pa.decimal128(9, 2)),
        "value": [0.1, None, -1e-300],
        "count": pa.array([1, 2, None], pa.int32()),
        "flag": [True, None, False],
        "vector": [[0.5, 1.0], None, []],
    }
)


@pytest.fixture(scope="module")
def backend(spark: SparkSession) -> SparkBackend:
    return SparkBackend(spark, "a session")


def test_tables_come_back_as_they_were(backend: SparkBackend) -> None:
    backend.write("gold.scores", TABLE)
    assert backend.read("gold.scores").to_pylist() == TABLE.to_pylist(), "the order of rows included"
    assert backend.read("gold.scores").schema.field("at").type == pa.timestamp("us")
    assert backend.columns("gold.scores") == TABLE.column_names
    assert backend.read("gold.scores", ["at"]).column_names == ["at"]
    backend.write("gold.scores", TABLE.slice(0, 1).select(["count"]))
    assert backend.read("gold.scores").to_pydict() == {"count": [1]}
    assert backend.tables(["gold", "nowhere"]) == ["gold.scores"]


def test_columns_that_spark_has_no_type_for(backend: SparkBackend) -> None:
    table = pa.table(
        {
            "nothing": pa.nulls(2),
            "small": pa.array([1, 255], pa.uint8()),
            "large": pa.array([1, 2**64 - 1], pa.uint64()),
            "word": pa.array(["x", "y"]).dictionary_encode(),
            "long": pa.array(["x", None], pa.large_string()),
        }
    )
    backend.write("gold.odd", table)
    found = backend.read("gold.odd")
    assert found.to_pydict() == {
        "nothing": [None, None],
        "small": [1, 255],
        "large": [Decimal(1), Decimal(2**64 - 1)],
        "word": ["x", "y"],
        "long": ["x", None],
    }
    assert found.schema.types[:2] == [pa.int32(), pa.int16()]


def test_views_and_tables_are_dropped(backend: SparkBackend, spark: SparkSession) -> None:
    backend.write("gold.base", TABLE)
    spark.sql("create or replace view gold.seen as select * from gold.base")
    assert backend.exists("gold.seen")
    backend.write("gold.seen", TABLE.select(["at"]))
    assert backend.columns("gold.seen") == ["at"]
    for name in ("gold.seen", "gold.base", "gold.never", "nowhere.at_all"):
        backend.drop(name)
        assert not backend.exists(name)


def test_questions_are_asked_in_the_sql_of_duckdb(backend: SparkBackend) -> None:
    backend.write("gold.asked", TABLE)
    with connect_to(backend, read_only=False) as connection:
        rows = connection.execute(
            'select count(*) filter (flag), max("at")::timestamp, list(vector order by "count") from gold.asked'
        ).fetchall()
        assert rows == [(1, datetime(2024, 1, 2, 3, 4, 5, 678), [[0.5, 1.0], None, []])]
        declare_table(connection, "gold.kept", {"number": "integer primary key", "at": "timestamp"})
        connection.execute(
            'insert or ignore into gold.kept select "count", "at" from gold.asked where "count" is not null'
        )
    with pytest.raises(ZeroDivisionError), connect_to(backend, read_only=False) as connection:
        connection.execute("delete from gold.kept")
        raise ZeroDivisionError
    with connect_to(backend, read_only=False) as connection:
        declare_table(connection, "gold.kept", {"number": "integer primary key", "at": "timestamp"})
        connection.execute("insert or ignore into gold.kept values (1, null), (3, null)")
        assert not table_exists(connection, "gold.never")
    kept = backend.read("gold.kept").sort_by("number").to_pydict()
    assert kept == {"number": [1, 2, 3], "at": [datetime(2024, 1, 2, 3, 4, 5, 678), None, None]}


FILES = {
    "dbt_project.yml": """
name: words
profile: words
flags: {send_anonymous_usage_stats: false}
on-run-start: ["{{ customer_retention.require_ansi() }}"]
seeds: {+schema: raw, +file_format: parquet}
models: {+schema: silver, +file_format: parquet, +materialized: table, words: {counted: {+enabled: false}}}
dispatch: [{macro_namespace: dbt, search_order: [words, customer_retention, dbt]}]
""",
    "profiles.yml": "words: {target: spark, outputs: {spark: {type: spark, method: session, host: NA, schema: main}}}",
    "macros/names.sql": "{% macro generate_schema_name(name, node) %}{{ name }}{% endmacro %}",
    "seeds/texts.csv": "word\none\nthree\n",
    "models/base.sql": "select word from {{ ref('texts') }}",
    "models/counted.py": """
def model(dbt, session):
    print("counting")
    frame = dbt.ref("base").toPandas()
    return frame.assign(letters=frame["word"].str.len())
""",
    "models/stand_in/counted.sql": """
{{ config(materialized='written_by_python', enabled=true) }}
-- depends_on: {{ ref('base') }}
{{ customer_retention.empty_rows({'word': 'string', 'letters': 'bigint'}) }}
""",
    "models/total.sql": "select sum(letters) as letters from {{ ref('counted') }}",
    "models/total.yml": """
models:
  - name: total
    columns: [{name: letters, data_tests: [not_null, {accepted_values: {arguments: {values: [8]}}}]}]
  - name: base
    columns: [{name: word, data_tests: [unique]}]
""",
}


@pytest.fixture(scope="module")
def words(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("words")
    package = tmp_path_factory.mktemp("package")  # the macros alone: its models would be parsed with the project's
    shutil.copytree(REPOSITORY / "macros", package / "macros")
    (package / "dbt_project.yml").write_text("name: customer_retention\n", encoding="utf-8")
    files = FILES | {"packages.yml": f"packages: [{{local: {json.dumps(str(package))}}}]\n"}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Project.open(folder)


def test_python_models_run_between_what_they_need_and_what_needs_them(
    words: Project, capfd: pytest.CaptureFixture
) -> None:
    before = dict(os.environ), Path.cwd()
    counts = build(words, Console())
    assert (dict(os.environ), Path.cwd()) == before
    assert read_table(words, "silver.counted").to_dict("list") == {"word": ["one", "three"], "letters": [3, 5]}
    assert read_table(words, "silver.total").to_dict("list") == {"letters": [8]}
    assert counts["pass"] == 3
    said = capfd.readouterr()
    assert "counting" in said.err
    assert said.out == "", "the result alone belongs there"


def test_failures_are_those_of_a_process_of_its_own(words: Project) -> None:
    with pytest.raises(RetentionError, match="TABLE_OR_VIEW_NOT_FOUND"):
        drop_tables(words, "silver.counted")
        run_dbt(words, ["run", "--select", "total"], Console())
    with pytest.raises(UserError, match="nonsense"):
        run_dbt(words, ["run", "--nonsense"], Console())
    with pytest.raises(UserError, match="no Python model base"):
        run_python_models(words, ["base"], Console())
