"""What `window_features` costs, in multiples of L: one scan of the events and one hash group-by per customer."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from tests.python.temporal.engine import MacroCompiler

WINDOWS = ["24h", "7d", "30d", "90d", "180d", "365d", "all_time"]
MEASURES = [
    {"name": "amount", "expression": "amount", "aggregates": ["sum", "mean", "min", "max", "stddev"]},
    {"name": "items", "expression": "items", "aggregates": ["sum", "mean", "max"]},
    {"name": "category", "expression": "category", "aggregates": ["nunique"]},
]
EVENTS_PER_CUSTOMER = 105
REPEATS = 3

FLOOR = """
    select customer_id, count(*), sum(amount), min(amount), max(amount), sum(items), max(event_at)
    from events group by customer_id
"""


def textbook() -> str:
    """The query that people write: a range join, and one FILTER per window."""
    columns = []
    for window in WINDOWS:
        inside = "true"
        if window != "all_time":
            hours = int(window[:-1]) * (1 if window.endswith("h") else 24)
            inside = f"event_at >= feature_timestamp - interval '{hours} hours'"
        columns += [f"count(event_at) filter (where {inside})"]
        columns += [f"{f}(amount) filter (where {inside})" for f in ("sum", "avg", "min", "max", "stddev_samp")]
        columns += [f"{f}(items) filter (where {inside})" for f in ("sum", "avg", "max")]
        columns += [f"count(distinct category) filter (where {inside})"]
    return f"""
        select spine.customer_id, feature_timestamp, {", ".join(columns)}
        from spine
        left join events on events.customer_id = spine.customer_id
            and greatest(event_at, coalesce(available_at, event_at)) < feature_timestamp
        group by 1, 2
    """


def make_events(connection: duckdb.DuckDBPyConnection, count: int) -> None:
    """Fill `events` with three years of orders; some arrive days late."""
    customers = max(1, count // EVENTS_PER_CUSTOMER)
    connection.execute("select setseed(0.42)")
    connection.execute(f"""
        create or replace table events as
        select
            'c' || cast(floor(random() * {customers}) as bigint) as customer_id,
            event_at,
            case when random() < 0.08 then event_at + to_seconds(cast(random() * 400000 as bigint)) end as available_at,
            cast(random() * 200 as decimal(18, 4)) as amount,
            cast(1 + floor(random() * 9) as integer) as items,
            'k' || cast(floor(random() * 20) as integer) as category
        from (
            select timestamp '2022-01-01' + to_seconds(cast(random() * 94608000 as bigint)) as event_at
            from range({count})
        )
    """)


def make_spine(connection: duckdb.DuckDBPyConnection, dates: int) -> None:
    """Every customer at the first of each of the last `dates` months."""
    connection.execute(f"""
        create or replace table spine as
        select customer_id, timestamp '2024-12-01' - to_months(cast(n as integer)) as feature_timestamp
        from (select distinct customer_id from events), range({dates}) as months(n)
    """)


def median_seconds(work: Callable[[], Any]) -> float:
    """Median of the repeats, after one to warm up."""
    work()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure(events: int, dates: tuple[int, ...], with_textbook: bool) -> list[dict[str, Any]]:
    """Measure one size; a row per number of feature times."""
    measured = []
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "bench.duckdb")) as connection:
        compiled = MacroCompiler(Path(folder)).sql(
            "window_features",
            {
                "spine": "spine",
                "events": "events",
                "source": "orders",
                "entity": "customer_id",
                "event_at": "event_at",
                "available_at": "available_at",
                "measures": MEASURES,
                "windows": WINDOWS,
            },
        )
        make_events(connection, events)
        floor = median_seconds(lambda: connection.execute(f"create or replace table floor as {FLOOR}"))
        for count in dates:
            make_spine(connection, count)
            ours = median_seconds(lambda: connection.execute(f"create or replace table ours as {compiled}"))
            row = {"events": events, "dates": count, "floor_seconds": floor, "ours_in_floors": ours / floor}
            if with_textbook:
                theirs = median_seconds(lambda: connection.execute(f"create or replace table theirs as {textbook()}"))
                row["textbook_in_floors"] = theirs / floor
                row["textbook_in_ours"] = theirs / ours
            measured.append(row)
    return measured
