"""The parts of the benchmark; each gives rows for one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import duckdb

from . import data
from .bench import Bench, Row
from .declaration import SOURCE, WINDOWS
from .textbook import textbook

CURVE_DATES = (1, 3, 6, 12, 24, 36)
FULL_DATES = 12
MEMORY_LIMITS = (None, "4GB", "1GB")


@dataclass(frozen=True)
class Sizes:
    """What to measure.

    Parameters
    ----------
    events, dates : tuple of int
        Sizes of the worlds and of the calendars.
    skip : frozenset of str
        Competitors to leave out.
    large_events, large_customers, chunks, memory_limit
        The part `large`.
    """

    events: tuple[int, ...] = (1_000_000,)
    dates: tuple[int, ...] = (1, 12, 36)
    skip: frozenset[str] = frozenset()
    large_events: int = 100_000_000
    large_customers: int = 1_000_000
    chunks: int = 16
    memory_limit: str = "4GB"


def windows(bench: Bench, sizes: Sizes) -> list[Row]:
    """`window_features` and the textbook query."""
    return _against(bench, sizes, data.EVENTS_PER_CUSTOMER, ("textbook",))


def frames(bench: Bench, sizes: Sizes) -> list[Row]:
    """`window_features`, polars and pandas."""
    return _against(bench, sizes, data.EVENTS_PER_CUSTOMER, ("polars", "pandas"))


def dense(bench: Bench, sizes: Sizes) -> list[Row]:
    """The largest world again, with 1,000 events for a customer."""
    largest = replace(sizes, events=(max(sizes.events),), dates=(min(FULL_DATES, max(sizes.dates)),))
    return _against(bench, largest, data.DENSE_EVENTS_PER_CUSTOMER, ("textbook", "polars", "pandas"))


def _against(bench: Bench, sizes: Sizes, events_per_customer: int, competitors: tuple[str, ...]) -> list[Row]:
    rows = []
    for events in sizes.events:
        world = bench.world(events, events_per_customer)
        for dates in sizes.dates:
            ours, _ = bench.ours(world, dates)
            rows.append(bench.row("ours", world, dates, ours, ours))
            rows += [bench.against(who, world, dates) for who in competitors if who not in sizes.skip]
    return rows


def memory(bench: Bench, sizes: Sizes) -> list[Row]:
    """`window_features` with less and less memory allowed."""
    rows = []
    for events in sizes.events:
        world = bench.world(events, data.EVENTS_PER_CUSTOMER)
        dates = min(FULL_DATES, max(sizes.dates))
        free, _ = bench.ours(world, dates)
        for limit in MEMORY_LIMITS:
            ours, _ = bench.ours(world, dates, memory_limit=limit)
            rows.append(bench.row("ours", world, dates, ours, free, memory_limit=limit))
    return rows


def curve(bench: Bench, sizes: Sizes) -> list[Row]:
    """Cost against the number of dates, and against the number of windows, on the first world.

    Fewer windows are the longest ones, so that every visible event counts in all of them.
    """
    world = bench.world(sizes.events[0], data.EVENTS_PER_CUSTOMER)
    rows = []
    most = max(sizes.dates)
    for dates in (count for count in CURVE_DATES if count <= most):
        ours, _ = bench.ours(world, dates)
        rows.append(bench.row("ours", world, dates, ours, ours))
    full = min(FULL_DATES, most)
    for count in range(1, len(WINDOWS)):
        ours, _ = bench.ours(world, full, windows=list(WINDOWS)[-count:])
        rows.append(bench.row("ours", world, full, ours, ours, windows=count))
    return rows


def incremental(bench: Bench, sizes: Sizes) -> list[Row]:
    """A daily run with one new date, with and without carried state, against all dates made anew."""
    rows = []
    for events in sizes.events:
        world = bench.world(events, data.EVENTS_PER_CUSTOMER)
        dates = min(FULL_DATES, max(sizes.dates))
        ours, all_output = bench.ours(world, dates)
        rows.append(bench.row("all dates anew", world, dates, ours, ours))
        calendar = data.dates_of(dates)
        all_dates, earlier = world.spine(calendar), world.spine(calendar[:-1], "earlier_dates")
        every = bench.every(world, dates)
        for who, carry_state in (("one date added", False), ("one date added, with state", True)):
            output = bench.runner.output("incremental")
            measured = bench.runner.run(
                world,
                "sql",
                setup=[f"create or replace temp table features as {bench.runner.daily(earlier, carry_state)}"],
                before=[f"delete from features where feature_timestamp = timestamp '{calendar[-1]}'"],
                statements=[f"insert into features {bench.runner.daily(all_dates, carry_state, add_to='features')}"],
                result=f"(select * exclude ({SOURCE}_carried) from features)" if carry_state else "features",
                output=str(output),
                every=every,
            )
            equal = bench.compare(who, all_output, output, every)
            rows.append(bench.row(who, world, dates, measured, ours, equal))
    return rows


def large(bench: Bench, sizes: Sizes) -> list[Row]:
    """Many events with little memory, a share of the customers at a time; compared with the textbook on a sample."""
    per_customer = sizes.large_events // sizes.large_customers
    world = bench.world(sizes.large_events, per_customer)
    dates = min(FULL_DATES, max(sizes.dates))
    spine = world.spine(data.dates_of(dates))
    every = bench.every(world, dates)
    output = bench.runner.output("large")
    columns = f"select * from ({bench.runner.ours(spine)}) limit 0"
    measured = bench.runner.run(
        world,
        "sql",
        read_only=False,
        before=[f"create or replace table features as {columns}", "checkpoint"],
        statements=[f"insert into features {part}" for part in bench.runner.chunked(spine, sizes.chunks)],
        memory_limit=sizes.memory_limit,
        output=str(output),
        every=every,
    )
    equal = None
    if not measured.failure:
        expected = bench.runner.output("large_textbook")
        bench.say("comparing a sample with the textbook query")
        _sampled_textbook(bench, str(world.database), spine, every, str(expected))
        equal = bench.compare("the textbook query", output, expected, every)
    row = bench.row("ours", world, dates, measured, measured, equal, memory_limit=sizes.memory_limit)
    return [row | {"chunks": sizes.chunks}]


def _sampled_textbook(bench: Bench, database: str, spine: str, every: int, output: str) -> None:
    mine = f"hash(customer_id) % {every} = 0"
    with duckdb.connect(config={"threads": bench.runner.options.threads}) as connection:
        connection.execute(f"attach '{database}' as world (read_only)")
        connection.execute(f"create temp table events as select * from world.events where {mine}")
        connection.execute(f"create temp table {spine} as select * from world.{spine} where {mine}")
        connection.execute(f"copy ({textbook(spine)}) to '{output}' (format parquet)")


def featuretools(bench: Bench, sizes: Sizes) -> list[Row]:
    """Featuretools, on events that are known when they happen."""
    rows = []
    for events in sizes.events:
        world = bench.world(events, data.EVENTS_PER_CUSTOMER, late=False)
        for dates in sizes.dates:
            ours, _ = bench.ours(world, dates, late=False)
            rows.append(bench.row("ours", world, dates, ours, ours))
            rows.append(bench.against("featuretools", world, dates, late=False))
    return rows


def spark(bench: Bench, sizes: Sizes) -> list[Row]:
    """`window_features` on DuckDB and on Spark, and the textbook query on Spark: by size, where Spark catches up."""
    from .spark import measure_spark

    rows = []
    for events in sizes.events:
        world = bench.world(events, data.EVENTS_PER_CUSTOMER)
        for dates in sizes.dates:
            rows += measure_spark(bench, world, dates, with_textbook="textbook" not in sizes.skip)
    return rows


PARTS: dict[str, Callable[[Bench, Sizes], list[Row]]] = {
    "windows": windows,
    "frames": frames,
    "dense": dense,
    "memory": memory,
    "incremental": incremental,
    "curve": curve,
    "large": large,
    "featuretools": featuretools,
    "spark": spark,
}
# Those that end in a quarter of an hour, all together, on 2 cores.
USUAL = ("windows", "frames", "dense", "memory", "incremental", "curve")
