"""`window_features` on Spark over many random worlds at once, against the oracle.

One file, so that one worker starts Spark.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from tests.python.temporal import batches, calls
from tests.python.temporal.compare import assert_identical, assert_same_rows
from tests.python.temporal.engine import SCHEMAS, World
from tests.python.temporal.window_oracle import window_features
from tests.python.times_as_text import AT_TWO, ISO, WITH_FORMATS

from . import rows
from .compiler import SparkMacroCompiler

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# More worlds, and other ones, where there is more time.
WORLDS = {"ci": 500, "thorough": 5_000}.get(os.environ.get("HYPOTHESIS_PROFILE") or "default", 100)
# Each measure in fewer windows than elsewhere: a column more costs Spark's planner most of all.
CALLS = calls.CALLS | {"everything": calls.MIXED}
# Whose every part is in another call; that a part does not need its neighbours, DuckDB shows of the same SQL.
PARTS = ("counts_only", "forgetful", "ratio_only", "cadence_only", "late_rhythm")
SEED = int(os.environ.get("BATCH_SEED", "20240701"))


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> SparkMacroCompiler:
    """Compiler of the package's macros, for Spark."""
    return SparkMacroCompiler(tmp_path_factory.mktemp("temporal_project"))


@pytest.mark.parametrize("name", [name for name in CALLS if name not in PARTS])
def test_a_hundred_worlds(name: str, macros: SparkMacroCompiler, spark: SparkSession) -> None:
    call = CALLS[name]
    world = batches.batched_worlds(SEED, WORLDS, call.windows)
    fill(spark, world)
    found = rows.of_spark(spark, macros.sql("window_features", call.arguments()))
    assert_same_rows(found.to_pylist(), window_features(call, world["spine"], world["events"]), world)


# Between them they carry everything that can be carried.
@pytest.mark.parametrize(
    "name", ["everything", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("flags", "rhythm_only"))]
)
def test_runs_with_carried_state(name: str, macros: SparkMacroCompiler, spark: SparkSession) -> None:
    """Half of the dates, then the other half with the state of the first: as all at once, the state included."""
    call = CALLS[name]
    call = replace(call, rhythm=tuple(feature for feature in call.rhythm if feature != "gap_stddev_days"))
    arguments = call.arguments() | {"incremental": "new_rows", "carry_state": True}
    at_once = macros.sql("window_features", arguments)
    daily = macros.sql("window_features", arguments, {"table_to_add_to": "made"})
    world = batches.batched_worlds(SEED, WORLDS // 2, call.windows)
    fill(spark, world)
    # away from its sources, which change
    spark.sql(at_once).localCheckpoint().createOrReplaceTempView("all_rows")
    expected = rows.of_spark(spark, "select * from all_rows").to_pylist()
    features = macros.sql("columns_except", {"columns": [f"{call.source}_carried"]})
    found = rows.of_spark(spark, f"select {features} from all_rows").to_pylist()
    assert_same_rows(found, window_features(call, world["spine"], world["events"]), world)

    now = sorted(row["feature_timestamp"] for row in world["spine"])[len(world["spine"]) // 2]
    known = [row for row in world["events"] if batches.known_before(row, now)]
    fill(spark, {"events": known, "spine": [row for row in world["spine"] if row["feature_timestamp"] <= now]})
    spark.sql(at_once).localCheckpoint().createOrReplaceTempView("made")
    fill(spark, world)
    spark.sql(daily).localCheckpoint().createOrReplaceTempView("added")
    found = rows.of_spark(spark, "select * from made union all select * from added").to_pylist()
    assert_identical(expected, found, world, why="a run with state made something else")


def fill(spark: SparkSession, world: World) -> None:
    """Make the tables of a world known to the session, and forget those before."""
    spark.catalog.clearCache()
    for table, contents in world.items():
        rows.to_spark(spark, table, pa.Table.from_pylist(contents, schema=SCHEMAS[table]))


def test_texts_are_read_as_times_in_the_same_way(macros: SparkMacroCompiler, spark: SparkSession) -> None:
    """With every zone that DuckDB honours, and no other."""
    wrong = []
    asked = [(ISO, {}, list(ISO))]
    for table, more in ((WITH_FORMATS, {}), (AT_TWO, {"utc_offset": "+02:00"})):
        for form in dict.fromkeys(form for form, _ in table):
            texts = {text: expected for (f, text), expected in table.items() if f == form}
            asked.append((texts, {"formats": [form] if form else None} | more, list(texts)))
    for expected, arguments, texts in asked:
        sql = macros.sql("to_timestamp", {"column": "raw_text"} | arguments)
        rows.to_spark(spark, "texts", pa.table({"raw_text": pa.array(texts, pa.string())}))
        found = rows.of_spark(spark, f"select raw_text, {sql} as read from texts").to_pylist()
        wrong += [(arguments, row) for row in found if row["read"] != expected[row["raw_text"]]]
    assert not wrong
