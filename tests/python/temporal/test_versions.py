"""Versions of a row: at every feature time the newest that is known counts, once."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from . import batches, calls, oracle
from .compare import assert_identical, assert_same_rows
from .declarations import WindowFeatures
from .engine import MacroCompiler, Warehouse, World, text
from .window_oracle import window_features

Rows = list[dict[str, Any]]
SEED = 20240702
RUNS = 4
CALLS = {
    name: replace(call, superseded_at="superseded_at")
    for name, call in (calls.CALLS | {"everything": calls.MIXED}).items()
    if name not in ("late_rhythm", "both_wheres", "ratio_only")
}
ENDLESS = replace(
    CALLS["everything"], windows=("all_time",), measures=(calls.CATEGORY, calls.SCORE, calls.CHANNEL_TEXT)
)
CALLS["endless"] = replace(ENDLESS, rhythm=("active_days", "recency_zscore"))


@pytest.mark.parametrize("name", CALLS)
def test_versions_agree_with_the_oracle(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """Whatever supersedes a row at whatever time; with half the dates gone, the other half stays as it is."""
    call = CALLS[name]
    sql = macros.sql("window_features", call.arguments())
    world = batches.versioned(SEED, batches.batched_worlds(SEED, 400, call.windows), call.windows)
    warehouse.fill(world)
    rows = warehouse.rows(sql)
    assert_same_rows(rows, window_features(call, world["spine"], world["events"]), world)

    fewer = batches.shuffled(SEED, batches.thinned(SEED, world))
    warehouse.fill(fewer)
    kept = {(row["customer_id"], row["feature_timestamp"]) for row in fewer["spine"]}
    expected = [row for row in rows if (row["customer_id"], row["feature_timestamp"]) in kept]
    assert_identical(expected, warehouse.rows(sql), world, why="other rows of the spine changed the answer")


def _numbered(world: World) -> World:
    """Several versions of a row have a number of items; each version has one of its own that breaks ties."""
    draw = random.Random(SEED)
    events = [
        event | {"items": draw.randint(0, 3), "version": version}
        for version, event in enumerate(draw.sample(world["events"], len(world["events"])))
    ]
    return world | {"events": events}


VERSIONS = "customer_id, items", ["version"]


def _with_versions(macros: MacroCompiler, call: WindowFeatures) -> dict[str, Any]:
    """The arguments of a call over events whose `superseded_at` the macro of that name computes."""
    key, tie_breakers = VERSIONS
    known_at = macros.sql("known_at", {"event_at": "event_at", "available_at": "available_at"})
    superseded = macros.sql("superseded_at", {"key": key, "known_at": known_at, "tie_breakers": tie_breakers})
    events = f"(select * replace ({superseded} as superseded_at) from events) as versions"
    return call.arguments() | {"events": events}


def _newest_at(at: dict[str, Any], events: Rows) -> Rows:
    """Of each row the version that was known last before a feature time."""
    newest: dict[tuple, tuple] = {}
    for event in events:
        known = oracle.known_at(event["event_at"], event["available_at"])
        if event["customer_id"] != at["customer_id"] or known is None or known >= at["feature_timestamp"]:
            continue
        rank = (known, event["version"])
        if rank >= newest.get(event["items"], (rank,))[0]:
            newest[event["items"]] = rank, event
    return [event for _, event in newest.values()]


@pytest.mark.parametrize("name", ["everything", "forgetful", "cadence_only"])
def test_the_newest_version_counts_once(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """As if all other versions did not exist."""
    call = CALLS[name]
    world = _numbered(batches.batched_worlds(SEED + 1, 300, call.windows))
    warehouse.fill(world)
    rows = warehouse.rows(macros.sql("window_features", _with_versions(macros, call)))
    plain = replace(call, superseded_at=None)
    expected = [row for at in world["spine"] for row in window_features(plain, [at], _newest_at(at, world["events"]))]
    assert_same_rows(rows, expected, world)


@pytest.mark.parametrize("mode", ["new_rows", "changed_rows"])
def test_daily_runs_over_versions_equal_one(mode: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """A version is superseded only once the newer one has arrived."""
    call = replace(CALLS["everything"], measures=(calls.AMOUNT, calls.CHANNEL_TEXT))
    arguments = _with_versions(macros, call) | {"incremental": mode}
    at_once = macros.sql("window_features", arguments)
    daily = macros.sql("window_features", arguments, {"table_to_add_to": "made"})
    world = _numbered(batches.batched_worlds(SEED + 2, 150, call.windows))
    draw = random.Random(SEED)
    steps = [batches.arrived(world, draw, time, due=0.8) for time in batches.watermarks(draw, world, RUNS)]
    for run, step in enumerate((*steps, world, world)):
        warehouse.fill(step)
        if run == 0:
            warehouse.execute(f"create or replace table made as {at_once}")
            continue
        warehouse.execute(f"create or replace table fresh as {daily}")
        warehouse.execute("delete from made using fresh where made.customer_id = fresh.customer_id "
                          "and made.feature_timestamp = fresh.feature_timestamp")  # fmt: skip
        warehouse.execute("insert into made from fresh")
    assert warehouse.rows("from fresh") == [], "a second run over the same events made rows anew"
    assert_identical(warehouse.rows(at_once), warehouse.rows("from made"), world, why="runs made something else")


AMOUNTS = {
    datetime(2023, 1, 2, 10, 27, 25): Decimal("37.37"),
    datetime(2023, 1, 22, 10, 27, 25): Decimal("1037.37"),
    datetime(2023, 2, 11, 10, 27, 25): Decimal("2037.37"),
}


@pytest.mark.parametrize("windows", [("30d", "all_time"), ("24h", "7d"), ("90d",)])
def test_an_order_with_three_amounts(windows: tuple[str, ...], macros: MacroCompiler, warehouse: Warehouse) -> None:
    known = list(AMOUNTS)
    second = timedelta(seconds=1)
    times = [
        known[0],
        known[0] + second,
        known[1],
        known[1] + second,
        known[2],
        known[2] + second,
        datetime(2024, 1, 1),
    ]
    events = [
        {
            "customer_id": "ada",
            "event_at": known[0],
            "available_at": time,
            "amount": amount,
            "items": 1,
            "version": time.day,
        }
        for time, amount in AMOUNTS.items()
    ]
    warehouse.fill({"spine": [{"customer_id": "ada", "feature_timestamp": time} for time in times], "events": events})
    call = WindowFeatures("o", windows, (replace(calls.AMOUNT, aggregates=("sum", "max", "last")),))
    arguments = _with_versions(macros, replace(call, superseded_at="superseded_at"))
    rows = sorted(warehouse.rows(macros.sql("window_features", arguments)), key=lambda row: row["feature_timestamp"])
    expected = [None, 37.37, 37.37, 1037.37, 1037.37, 2037.37, 2037.37]
    for row, time, amount in zip(rows, times, expected, strict=True):
        assert row["o_days_since_last"] == (None if amount is None else (time - known[0]) / timedelta(days=1))
        assert row["o_mean_gap_days"] is None
        for window in windows:
            is_in = amount is not None and (window == "all_time" or time - known[0] <= oracle.duration(window))
            assert row[f"o_count_{window}"] == int(is_in)
            assert row[f"o_amount_sum_{window}"] == (amount if is_in else 0)
            assert row[f"o_amount_max_{window}"] == row[f"o_amount_last_{window}"] == (amount if is_in else None)


def test_a_spine_of_versions(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """A cancellation, and an activity that is corrected, count from the first time after they are known."""
    known, changed = datetime(2024, 1, 1), datetime(2024, 3, 1)
    subscription = {"customer_id": "ada", "started_at": known, "started_available_at": known}
    versions = [subscription, subscription | {"ended_at": datetime(2024, 2, 10), "started_available_at": changed}]
    observation = {"observation_start": known, "observation_end": datetime(2024, 5, 1)}
    events = [
        {"customer_id": "ada", "event_at": datetime(2024, 2, 20), "superseded_at": changed},
        {"customer_id": "ada", "event_at": datetime(2023, 2, 20), "available_at": changed},
    ]
    warehouse.fill({"subscriptions": versions, "events": events, "observation": [observation]})
    superseded = f"case when ended_at is null then timestamp '{text(changed)}' end"
    subscriptions = f"(select *, {superseded} as superseded_at from subscriptions)"
    common = {"entity": "customer_id", "observation": "observation", "step": "1 month", "anchor": "2024-01-01"}
    end_date = {
        "relation": subscriptions, "started_at": "started_at", "started_available_at": "started_available_at",
        "ended_at": "ended_at", "superseded_at": "superseded_at",
    }  # fmt: skip
    activity = {"relation": "events", "event_at": "event_at", "superseded_at": "superseded_at"}
    activity["available_at"] = "available_at"

    def months(arguments: dict[str, Any]) -> list[int]:
        return sorted(row["feature_timestamp"].month for row in warehouse.rows(macros.sql("spine", common | arguments)))

    assert months({"definition": "end_date", "population": end_date}) == [2, 3]
    kept = end_date | {"where": "ended_at is not null"}
    assert months({"definition": "end_date", "population": kept}) == []
    inactivity = {"definition": "inactivity", "population": activity, "active_window": "180d"}
    assert months(inactivity) == [3]
