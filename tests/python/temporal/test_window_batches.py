"""`window_features` over a thousand random worlds at once, for every call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from . import batches, calls
from .compare import DifferentError, assert_identical, assert_same_rows, of_entity
from .declarations import Measure, WindowFeatures
from .engine import MacroCompiler, Warehouse, World
from .window_oracle import window_features

# More worlds, and other ones, where there is more time.
WORLDS = {"ci": 3_000, "thorough": 20_000}.get(os.environ.get("HYPOTHESIS_PROFILE") or "default", 1_000)
SEED = int(os.environ.get("BATCH_SEED", "20240701"))


@pytest.mark.parametrize("name", calls.CALLS)
def test_a_thousand_worlds(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """Against the oracle; then against itself: other order of rows, other futures, fewer dates, two threads.

    A customer's dates share work, because totals are carried from one to the next: that a row is the same with half
    the dates gone says that nothing is lost or counted twice on the way.
    """
    call = calls.CALLS[name]
    sql = macros.sql("window_features", call.arguments())
    world = batches.batched_worlds(SEED, WORLDS, call.windows)
    rows = _agreed(warehouse, sql, call, world)
    of_key = {(row["customer_id"], row["feature_timestamp"]): row for row in rows}

    fewer = batches.thinned(SEED, world)
    warehouse.fill(fewer)
    thinned = [of_key[row["customer_id"], row["feature_timestamp"]] for row in fewer["spine"]]
    assert_identical(thinned, warehouse.rows(sql), world, why="other rows of the spine changed the answer")

    other_order = batches.shuffled(SEED, world)
    two_threads = Warehouse(threads=2)
    two_threads.fill(other_order)
    assert_identical(rows, two_threads.rows(sql), world, why="the order of rows or a second thread changed the answer")

    if call.available_at is not None:
        later, told = batches.another_future(SEED, world)
        warehouse.fill(later)
        kept = {(row["customer_id"], row["feature_timestamp"]) for row in told}
        after = [row for row in warehouse.rows(sql) if (row["customer_id"], row["feature_timestamp"]) in kept]
        before = [of_key[key] for key in kept]
        assert_identical(before, after, world, why="a row changed with what was known later")


_BOUNDED, _CARRIED = ("7d", "30d"), ("24h", "all_time")


def _alone() -> Iterator[Any]:
    """Each aggregate of each type in a measure by itself: it can lean on nothing that another one needs."""
    for measure in (calls.AMOUNT, calls.CHANNEL_TEXT, calls.REFUNDED, calls.BY_CHANNEL, calls.CATEGORY_SHARES):
        name = measure.name if measure.by is None else f"{measure.name} by {measure.by}"
        aggregates = ("count", "share") if measure is calls.CATEGORY_SHARES else measure.aggregates
        for aggregate in aggregates:
            alone = replace(measure, aggregates=(aggregate,), windows=None)
            for windows in (_BOUNDED, _CARRIED) if measure is calls.AMOUNT else (_CARRIED,):
                yield pytest.param(alone, windows, id=f"{name}-{aggregate}-{windows[-1]}")


@pytest.mark.parametrize(("measure", "windows"), _alone())
def test_each_aggregate_alone(
    measure: Measure, windows: tuple[str, ...], macros: MacroCompiler, warehouse: Warehouse
) -> None:
    call = WindowFeatures("orders", windows, (measure,), recency=False)
    world = batches.batched_worlds(SEED + 1, 100, windows)
    _agreed(warehouse, macros.sql("window_features", call.arguments()), call, world)


def _agreed(warehouse: Warehouse, sql: str, call: WindowFeatures, world: World) -> list[dict[str, Any]]:
    """The rows of the SQL, once the oracle agrees; else the fewest rows of one customer with which it does not."""

    def compare(given: World) -> list[dict[str, Any]]:
        warehouse.fill(given)
        rows = warehouse.rows(sql)
        assert_same_rows(rows, window_features(call, given["spine"], given["events"]), given)
        return rows

    try:
        return compare(world)
    except DifferentError as error:
        wrong = error
    compare(_smallest(of_entity(world, wrong.entity), compare))
    raise wrong  # it takes other customers to go wrong


def _smallest(world: World, compare: Callable[[World], Any]) -> World:
    """The world without each row that the two need not to differ."""
    for name in ("events", "spine"):
        for row in list(world[name]):
            without = world | {name: [kept for kept in world[name] if kept is not row]}
            try:
                compare(without)
            except DifferentError:
                world = without
    return world
