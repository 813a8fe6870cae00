"""The same on Spark, in one process with a session of its own: the macro as Spark gets it, against the textbook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import data
from .case import Case, measure
from .declaration import arguments
from .floor import FLOOR
from .textbook import textbook

if TYPE_CHECKING:
    from .bench import Bench, Row
    from .runner import World

LEAST_LIMIT = 900.0  # seconds


def measure_spark(bench: Bench, world: World, dates: int, with_textbook: bool = True) -> list[Row]:
    """Rows of `window_features` on DuckDB and on Spark, and of the textbook query on Spark.

    Ratios are to DuckDB's `window_features`, and all must equal what it makes.
    """
    # Late, for it needs what dbt and pyspark bring.
    from tests.python.spark.compiler import SparkMacroCompiler

    ours, expected = bench.ours(world, dates)
    calendar = [date.isoformat(sep=" ") for date in data.dates_of(dates)]
    queries = {"ours on Spark": SparkMacroCompiler(bench.runner.folder / "dbt_spark").sql(
        "window_features", arguments("spine")
    )}  # fmt: skip
    if with_textbook:
        queries["textbook on Spark"] = textbook("spine", engine="spark")
    rows: list[Row] = [bench.row("ours", world, dates, ours, ours)]
    for who, query in queries.items():
        output = bench.runner.output("spark")
        measured = bench.runner.run(
            world,
            "spark",
            events=str(world.exact_parquet.resolve()),
            spine=world.spine(data.dates_of(dates)),
            dates=calendar,
            statements=[query],
            # Spark's first run is mostly the start of Java and the compiling of its code.
            limit=max(bench.runner.options.limit, LEAST_LIMIT),
            output=str(output.resolve()),
        )
        equal = None
        if not measured.failure:
            equal = bench.compare(who, expected, output / "*.parquet", bench.every(world, dates))
        bench.say(f"{who}: {world.events:,} events, {dates} dates: {measured.failure or f'{measured.seconds:,.1f} s'}")
        rows.append(bench.row(who, world, dates, measured, ours, equal))
    return rows


def run_spark(case: Case, scratch: Path) -> dict[str, Any]:
    """Run a case on a local Spark session that has as many threads as the others."""
    import duckdb
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{case.threads}]").appName("bench")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "4g",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(2 * case.threads),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.local.dir": str(scratch),
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    spine = scratch / "spine.parquet"
    with duckdb.connect(case.database, read_only=True) as connection:
        connection.execute(f"copy {case.spine} to '{spine}' (format parquet)")
    for name, file in (("events", str(case.events)), ("spine", str(spine))):
        frame = session.read.parquet(file)
        # DuckDB's times have no zone, which Spark would keep apart from its own.
        for column in [column for column, kind in frame.dtypes if kind == "timestamp_ntz"]:
            frame = frame.withColumn(column, frame[column].cast("timestamp"))
        frame.createOrReplaceTempView(name)
    [query] = case.statements

    def run(statement: str) -> None:
        session.sql(statement).write.format("noop").mode("overwrite").save()

    report = measure(lambda: run(query), case, floor=lambda: run(FLOOR))
    if case.output:
        features = session.sql(query)
        features = features.withColumn("feature_timestamp", features["feature_timestamp"].cast("timestamp_ntz"))
        features.write.parquet(case.output)
    session.stop()
    # What was seen is the Python process; the memory lies in the one of Java.
    return report | {"peak_mib": None}
