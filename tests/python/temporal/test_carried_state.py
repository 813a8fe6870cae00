"""State carried from run to run: any sequence of daily runs equals all rows made at once, the state included."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import batches, calls, oracle, worlds
from .compare import assert_identical, assert_same_rows
from .declarations import WindowFeatures
from .engine import MacroCompiler, Warehouse, World
from .window_oracle import window_features

WORLDS = 300
RUNS = 5
Rows = list[dict[str, Any]]
# Nothing in these looks back beyond the longest window.
FORGETFUL = ("forgetful", "bare")
CARRIED = {
    name: replace(call, rhythm=tuple(feature for feature in call.rhythm if feature != "gap_stddev_days"))
    for name, call in (calls.CALLS | {"everything": calls.MIXED}).items()
    if name not in FORGETFUL
}
# Without any window that ends, everything is in the state.
ENDLESS = replace(calls.MIXED, windows=("all_time",), measures=(calls.CATEGORY, calls.SCORE, calls.CHANNEL_TEXT))
CARRIED["endless"] = replace(ENDLESS, rhythm=("active_days", "longest_streak_days"))


class Runs:
    """The query that makes all rows, and the one that adds to the table `made`."""

    def __init__(self, macros: MacroCompiler, warehouse: Warehouse, call: WindowFeatures) -> None:
        arguments = call.arguments() | {"incremental": "new_rows", "carry_state": True}
        self.at_once = macros.sql("window_features", arguments)
        self._daily = macros.sql("window_features", arguments, {"table_to_add_to": "made"})
        self._warehouse = warehouse
        self.begun = False

    def run(self, world: World) -> None:
        """The first run makes the table, the others add to it."""
        self._warehouse.fill(world)
        self._warehouse.execute(
            f"insert into made {self._daily}" if self.begun else f"create or replace table made as {self.at_once}"
        )
        self.begun = True

    def made(self) -> Rows:
        return self._warehouse.rows("from made")

    def all_at_once(self, world: World) -> Rows:
        self._warehouse.fill(world)
        return self._warehouse.rows(self.at_once)


def without_state(rows: Rows) -> Rows:
    return [{name: value for name, value in row.items() if not name.endswith("_carried")} for row in rows]


@pytest.mark.parametrize("name", CARRIED)
def test_any_sequence_of_runs_equals_one(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """Rows of the spine come late too, between others and before all of them."""
    call = CARRIED[name]
    runs = Runs(macros, warehouse, call)
    world = batches.batched_worlds(21, WORLDS, call.windows)
    draw = random.Random(21)
    for watermark in batches.watermarks(draw, world, RUNS - 1):
        runs.run(batches.arrived(world, draw, watermark, due=0.8))
    runs.run(world)
    runs.run(world)
    expected = runs.all_at_once(world)
    assert_same_rows(without_state(expected), window_features(call, world["spine"], world["events"]), world)
    assert_identical(expected, runs.made(), world, why="a sequence of runs made something else")


@worlds.property_test_of(0.1)
@given(data=st.data())
def test_runs_of_a_small_world(data: st.DataObject, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """A world at a time, so that whatever goes wrong is told in its smallest form."""
    call = CARRIED["everything"].narrowed(("24h", "7d", "all_time"))
    runs = Runs(macros, warehouse, call)
    world = data.draw(worlds.event_worlds(call.windows))
    times = sorted({row["feature_timestamp"] for row in world["spine"]})
    for watermark in sorted(data.draw(st.lists(st.sampled_from(times), max_size=3, unique=True))):
        runs.run(batches.arrived(world, random.Random(data.draw(st.integers(0, 9))), watermark, due=0.8))
    runs.run(world)
    assert_identical(runs.all_at_once(world), runs.made(), world, why="a sequence of runs made something else")


@pytest.fixture(params=("everything", "bounded", "rhythm_only", "endless"))
def begun(request: pytest.FixtureRequest, macros: MacroCompiler, warehouse: Warehouse) -> Begun:
    """For calls that between them carry everything that can be carried."""
    return Begun(macros, warehouse, CARRIED[request.param])


class Begun:
    """A world whose rows are made up to the earlier half of each customer's dates."""

    def __init__(self, macros: MacroCompiler, warehouse: Warehouse, call: WindowFeatures) -> None:
        self.call = call
        self.runs = Runs(macros, warehouse, call)
        self.world = batches.batched_worlds(22, WORLDS, call.windows)
        dates: dict[str, list[datetime]] = {}
        for row in self.world["spine"]:
            dates.setdefault(row["customer_id"], []).append(row["feature_timestamp"])
        # The newest date with a state; customers of one date have none.
        self.since = {who: sorted(times)[len(times) // 2 - 1] for who, times in dates.items() if len(times) > 1}
        self.expected = self.runs.all_at_once(self.world)
        self.runs.run(self.world | {"spine": [row for row in self.world["spine"] if self.is_made(row)]})

    def is_made(self, row: dict[str, Any]) -> bool:
        """Whether a row of the spine was made by the first run."""
        since = self.since.get(row["customer_id"])
        return since is not None and row["feature_timestamp"] <= since

    def is_in_the_state(self, event: dict[str, Any]) -> bool:
        """Whether it was known before the state's time, and had left every window."""
        since = self.since.get(event["customer_id"])
        if since is None or event["event_at"] is None or not batches.known_before(event, since):
            return False
        lengths = [oracle.duration(window) for window in self.call.windows if window != "all_time"]
        # As a difference, since what says "never" is at the end of all time.
        return since - event["event_at"] > max(lengths, default=timedelta.min)


def test_what_is_in_the_state_is_not_read_again(begun: Begun) -> None:
    """Every event of the state is gone; it takes the state to know of it."""
    kept = [event for event in begun.world["events"] if not begun.is_in_the_state(event)]
    assert len(begun.world["events"]) - len(kept) > WORLDS / 4, "hardly an event was in the state"
    begun.runs.run(begun.world | {"events": kept})
    assert_identical(begun.expected, begun.runs.made(), begun.world, why="the state was not all that it should be")


def test_the_state_holds_no_more_than_it_should(begun: Begun) -> None:
    """Every event outside of the state is gone: later rows would still count them, were they in the state."""
    kept = [event for event in begun.world["events"] if begun.is_in_the_state(event)]
    begun.runs.run(begun.world | {"events": kept})
    fresh = [row for row in begun.runs.made() if not begun.is_made(row) and row["customer_id"] in begun.since]
    by_hand = window_features(begun.call, [row for row in begun.world["spine"] if not begun.is_made(row)], kept)
    assert len(fresh) > WORLDS / 2, "hardly a row was made with state"
    assert_same_rows(without_state(fresh), [row for row in by_hand if row["customer_id"] in begun.since], begun.world)


def test_a_state_holds_nothing_that_was_known_later(begun: Begun) -> None:
    later, told = batches.another_future(22, begun.world)
    keys = {(row["customer_id"], row["feature_timestamp"]) for row in told}

    def of_the_told(rows: Rows) -> Rows:
        return [row for row in rows if (row["customer_id"], row["feature_timestamp"]) in keys]

    before, after = of_the_told(begun.expected), of_the_told(begun.runs.all_at_once(later))
    assert_identical(before, after, begun.world, why="the state changed with what was known later")
    carried = next(name for name in before[0] if name.endswith("_carried"))
    assert len({repr(row[carried]) for row in before}) > 10, "there was hardly a state that could have changed"
