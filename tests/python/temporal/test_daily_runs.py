"""Windows kept up to date run by run equal the same windows made at once, whatever arrives in which order."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from . import batches
from .engine import SCHEMAS
from .fixture_project import FixtureProject

WINDOWS = ("24h", "30d", "all_time")
RUNS = 5
Rows = list[dict[str, Any]]


class Daily(FixtureProject):
    """The fixture project in a folder of its own, with a DuckDB file whose raw tables a test fills."""

    def __init__(self, folder: Path) -> None:
        super().__init__("daily_project", "DAILY_DUCKDB_PATH", folder)

    def arrive(self, **tables: Rows) -> None:
        for name, rows in tables.items():
            self.fill(name, rows, SCHEMAS["spine" if name.endswith("spine") else "events"])

    def build(self, *arguments: str, least_items: int = -99) -> None:
        self.dbt("build", "--vars", f"{{least_items: {least_items}, window_chunks: 4}}", *arguments)

    def difference(self, left: str, right: str) -> list[tuple]:
        """Rows of one table that the other lacks, and the other way round."""
        return self.query(f"(from {left} except all from {right}) union all (from {right} except all from {left})")

    def count(self, table: str) -> int:
        return self.query(f"select count(*) from {table}")[0][0]

    def assert_settled(self, model: str) -> None:
        """A second build changes nothing, and a full refresh makes what was made at once."""
        before = self.query(f"from {model} order by all")
        self.build("--select", model)
        assert self.query(f"from {model} order by all") == before, "a second build changed something"
        self.build("--select", model, "--full-refresh")
        assert self.difference(model, f"{model}_at_once") == []


@pytest.fixture
def daily(tmp_path: Path) -> Daily:
    return Daily(tmp_path)


def test_runs_in_any_order_of_arrival_equal_one(daily: Daily) -> None:
    """What is known arrives bit by bit; rows are only ever appended, and none of them would be another today."""
    world = batches.batched_worlds(11, 400, WINDOWS)
    draw = random.Random(11)
    last = max(row["feature_timestamp"] for row in world["spine"])
    counts = [0]
    for watermark in (*batches.watermarks(draw, world, RUNS - 1), last):
        daily.arrive(**batches.arrived(world, draw, watermark), edited_events=[], edited_spine=[])
        daily.build("--select", "appended", "appended_at_once")
        assert daily.difference("appended", "appended_at_once") == [], watermark
        counts.append(daily.count("appended"))
    assert counts == sorted(set(counts)), "a run had nothing to do"

    daily.arrive(**world)
    daily.build("--select", "appended", "appended_at_once", "in_chunks")
    assert daily.count("appended") == len(world["spine"]) == counts[-1]
    assert daily.difference("appended", "appended_at_once") == []
    assert daily.difference("in_chunks", "appended_at_once") == []

    daily.assert_settled("appended")


def test_runs_with_carried_state_equal_one(daily: Daily) -> None:
    """The state itself is the same, too, after any runs."""
    world = batches.batched_worlds(15, 200, WINDOWS)
    draw = random.Random(15)
    for watermark in batches.watermarks(draw, world, RUNS - 2):
        daily.arrive(**batches.arrived(world, draw, watermark), edited_events=[], edited_spine=[])
        daily.build("--select", "carried")
    daily.arrive(**world)
    daily.build("--select", "+carried_features", "carried_at_once", "appended_at_once")
    assert daily.count("carried") == len(world["spine"])
    assert daily.difference("carried", "carried_at_once") == []
    shared = "(select columns(lambda c: c not like '%gap_stddev%') from {})"
    assert daily.difference("carried_features", shared.format("appended_at_once")) == []

    daily.assert_settled("carried")


def test_a_state_of_another_declaration_is_refused(daily: Daily) -> None:
    world = batches.batched_worlds(16, 20, WINDOWS)
    daily.arrive(**world, edited_events=[], edited_spine=[])
    daily.build("--select", "carried")
    before = daily.query("from carried order by all")
    refusal = r"(?s)carry_state: .*carried.*orders_carried.*--full-refresh --select carried"
    with pytest.raises(AssertionError, match=refusal):
        daily.build("--select", "carried", least_items=2)
    assert daily.query("from carried order by all") == before
    daily.build("--select", "carried", "--full-refresh", least_items=2)
    daily.build("--select", "carried", least_items=2)

    with duckdb.connect(str(daily.path)) as connection:
        connection.execute("alter table carried drop column orders_carried")
    with pytest.raises(AssertionError, match="made by another one, or without state"):
        daily.build("--select", "carried", least_items=2)


def _edit(draw: random.Random, rows: Rows) -> Rows:
    """Some rows deleted, some changed in one place, some of another customer's invented."""
    changes: list[Callable[[dict[str, Any]], dict[str, Any] | None]] = [
        lambda row: None,
        lambda row: row | {"amount": None if row["amount"] else 7},
        lambda row: row | {"category": "changed"},
        lambda row: row | {"customer_id": draw.choice(rows)["customer_id"]},
        lambda row: row | {"event_at": draw.choice(rows)["event_at"]},
    ]
    edited = [draw.choice(changes)(row) if draw.random() < 0.05 else row for row in rows]
    kept = [row for row in edited if row is not None]
    return draw.sample(kept, len(kept))


def test_corrections_reach_the_rows_that_they_concern_and_no_others(daily: Daily) -> None:
    """A source that rewrites its past, without saying when: rows are made anew, or go, where something changed."""
    world = batches.batched_worlds(12, 300, WINDOWS)
    draw = random.Random(12)
    events = world["events"]
    for run in range(RUNS):
        spine = draw.sample(world["spine"], len(world["spine"]) * 9 // 10)
        daily.arrive(events=[], spine=[], edited_events=events, edited_spine=spine)
        if run:
            # a mark that only a row made anew loses
            with duckdb.connect(str(daily.path)) as connection:
                connection.execute("update corrected set orders_days_since_first = -1")
        daily.build("--select", "corrected", "corrected_at_once")
        if run:
            [[kept, made]] = daily.query(
                "select count(*) filter (orders_days_since_first = -1), count(*) from corrected"
            )
            assert 0 < kept < made, "all rows were made anew, or none"
            with duckdb.connect(str(daily.path)) as connection:
                connection.execute("""
                    update corrected set orders_days_since_first = whole.orders_days_since_first
                    from corrected_at_once as whole
                    where corrected.orders_days_since_first = -1
                        and whole.customer_id = corrected.customer_id
                        and whole.feature_timestamp = corrected.feature_timestamp
                """)
        assert daily.difference("corrected", "corrected_at_once") == [], run
        events = _edit(draw, events)


def test_another_declaration_makes_every_row_anew(daily: Daily) -> None:
    world = batches.batched_worlds(13, 40, WINDOWS)
    daily.arrive(events=[], spine=[], edited_events=world["events"], edited_spine=world["spine"])
    daily.build("--select", "corrected", "corrected_at_once")
    daily.build("--select", "corrected", "corrected_at_once", least_items=2)
    assert daily.difference("corrected", "corrected_at_once") == []
    assert daily.count("corrected") == len(world["spine"])


def test_a_crash_between_chunks_leaves_the_old_table(daily: Daily) -> None:
    world = batches.batched_worlds(14, 40, WINDOWS)
    daily.arrive(**world, edited_events=[], edited_spine=[])
    daily.build("--select", "in_chunks")
    before = daily.query("from in_chunks order by all")
    with duckdb.connect(str(daily.path)) as connection:
        # an amount that no decimal(18, 4) holds, in the last chunk alone
        connection.execute("alter table raw.events alter amount type double")
        connection.execute("""
            update raw.events set amount = 1e15
            where cast(hash(customer_id) >> 1 as bigint) % 4 = 3
        """)
    with pytest.raises(AssertionError, match=r"a value is NaN, infinite or too large for decimal\(18, 4\)"):
        daily.build("--select", "in_chunks")
    assert daily.query("from in_chunks order by all") == before
