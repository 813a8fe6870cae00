"""The benchmark's competitors compute what `window_features` computes; nothing here is about time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.bench import data, frames, report, steps
from tests.bench.check import differences
from tests.bench.declaration import WINDOWS, arguments, feature_columns
from tests.bench.plot import draw
from tests.bench.textbook import textbook
from tests.python.temporal.engine import MacroCompiler

EVENTS = 5_000
# At the first date nothing is visible.
DATES = [datetime(2022, 1, 1), *data.dates_of(3)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Events, a spine, and `ours`: the features of `window_features`."""
    folder = tmp_path_factory.mktemp("bench")
    query = MacroCompiler(folder).sql("window_features", arguments("spine"))
    with duckdb.connect(config={"threads": 1}) as connection:
        data.make_events(connection, EVENTS, data.EVENTS_PER_CUSTOMER)
        data.make_spine(connection, "spine", DATES, EVENTS, data.EVENTS_PER_CUSTOMER)
        connection.execute(f"create table ours as {query}")
        yield connection


@pytest.fixture(scope="module")
def events_file(world: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events with amounts as doubles."""
    file = tmp_path_factory.mktemp("events") / "events.parquet"
    world.execute(f"copy (select * replace (cast(amount as double) as amount) from events) to '{file}'")
    return file


def test_the_declaration_has_101_features_in_the_order_of_the_macro(world: duckdb.DuckDBPyConnection) -> None:
    names = [row[0] for row in world.execute("describe ours").fetchall()]

    assert names == ["customer_id", "feature_timestamp", *feature_columns(list(WINDOWS))]
    assert len(names) == 2 + 101


def test_textbook_query_equals_ours(world: duckdb.DuckDBPyConnection) -> None:
    assert differences(world, "ours", f"({textbook('spine')})") == []


@pytest.mark.parametrize(
    ("read", "loop"),
    [(frames.read_pandas, frames.with_pandas), (frames.read_polars, frames.with_polars)],
    ids=["pandas", "polars"],
)
def test_loop_over_dates_equals_ours(
    world: duckdb.DuckDBPyConnection, events_file: Path, read: Callable[[Path], Any], loop: Callable[..., Any]
) -> None:
    customers = [row[0] for row in world.execute("select distinct customer_id from spine order by 1").fetchall()]

    features = loop(read(events_file), customers, DATES)

    with world.cursor() as connection:
        connection.register("features", features.to_arrow() if loop is frames.with_polars else features)
        assert differences(connection, "ours", "features") == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("select * replace (orders_count_7d + 1 as orders_count_7d) from ours", "orders_count_7d"),
        ("select * replace (orders_amount_sum_7d * (1 + 1e-8) as orders_amount_sum_7d) from ours", "amount_sum_7d"),
        ("select * replace (nullif(orders_items_min_30d, 1.0) as orders_items_min_30d) from ours", "items_min_30d"),
        ("select * replace (not orders_online_any_90d as orders_online_any_90d) from ours", "online_any_90d"),
        ("select * exclude (orders_count_7d) from ours", "orders_count_7d"),
        ("select * from ours where feature_timestamp > timestamp '2024-09-01'", "rows"),
    ],
)
def test_comparison_sees_every_kind_of_difference(world: duckdb.DuckDBPyConnection, change: str, said: str) -> None:
    [found] = differences(world, "ours", f"({change})")

    assert said in found


def test_data_is_the_same_however_many_threads_make_it() -> None:
    made = []
    for threads in (1, 2):
        with duckdb.connect(config={"threads": threads}) as connection:
            data.make_events(connection, 50_000, data.EVENTS_PER_CUSTOMER)
            made.append(connection.execute("select sum(hash(events)), count(available_at) from events").fetchall())

    assert made[0] == made[1]
    assert made[0][0][1] / 50_000 == pytest.approx(data.LATE_SHARE, rel=0.05)


def test_pairs_per_event_counts_what_is_visible(world: duckdb.DuckDBPyConnection) -> None:
    [(pairs,)] = world.execute("""
        select count(*) from events, (select distinct feature_timestamp from spine) as dates
        where greatest(event_at, available_at) < feature_timestamp
    """).fetchall()

    assert data.pairs_per_event(world, DATES) == pytest.approx(pairs / EVENTS)


def test_dates_are_first_days_of_months_up_to_december_2024() -> None:
    assert data.dates_of(1) == [datetime(2024, 12, 1)]
    assert data.dates_of(36)[0] == datetime(2022, 1, 1)
    assert data.dates_of(12)[0] == datetime(2024, 1, 1)


def test_command_measures_writes_and_draws(repository: Path, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    command = ["-m", "tests.bench", "--events", "2000", "--dates", "2", "--repeats", "1", "--threads", "1"]
    command += ["--only", "windows,memory,incremental,large", "--large-events", "5000", "--large-customers", "50"]

    ended = subprocess.run(
        [sys.executable, *command, "--chunks", "2", "--folder", str(tmp_path), "--json", str(file)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    measured = json.loads(file.read_text(encoding="utf-8"))
    parts = measured["parts"]
    assert {row["who"] for row in parts["windows"]} == {"ours", "textbook"}
    assert {row["equal"] for row in parts["windows"]} == {None, "all 38 rows"}
    assert parts["incremental"][1]["equal"] == "all 38 rows"
    assert parts["large"][0]["equal"] == "all 100 rows"
    assert all(row["in_floors"] > 0 and row["peak_mib"] > 0 for row in parts["windows"])
    assert "duckdb" in measured["machine"]

    parts["curve"] = [row for row in parts["windows"] if row["who"] == "ours"]
    first, again = (draw(parts, tmp_path / name).read_bytes() for name in ("one.svg", "two.svg"))
    assert first == again
    docs = tmp_path / "docs.md"
    docs.write_text("<!-- table: speed -->\nnot measured yet\n<!-- end -->\n", encoding="utf-8")
    report.write_docs(docs, parts, measured["machine"])
    assert "| 2,000 | 105 | 2 |" in docs.read_text(encoding="utf-8")


def test_rows_measured_again_take_the_place_of_the_old_ones() -> None:
    row = {"who": "ours", "events": 10, "events_per_customer": 1, "dates": 1, "windows": 7, "memory_limit": None}

    kept = report.merged([row | {"seconds": 1.0}, row | {"dates": 2}], [row | {"seconds": 2.0}])

    assert [(r["dates"], r.get("seconds")) for r in kept] == [(1, 2.0), (2, None)]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_steps_are_measured_with_the_processes_below(capsys: pytest.CaptureFixture) -> None:
    console = steps.Steps()
    work = "x = bytearray(60_000_000); sum(i * i for i in range(2_000_000))"
    with console.step("Working"):
        subprocess.run([sys.executable, "-c", work], check=True)
    (row,) = console.rows
    assert row["step"] == "Working" and row["seconds"] > 0 and row["cpu"] > 0.02 and row["mib"] > 60
