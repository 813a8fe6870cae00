"""Values of measures that are many, or hard to write down."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from . import calls, worlds
from .batches import shuffled
from .compare import assert_identical, assert_same_rows
from .declarations import Measure, WindowFeatures
from .engine import MacroCompiler, Warehouse, World
from .window_oracle import window_features

T = datetime(2024, 7, 1, 9, 30)
DAY = timedelta(days=1)


def _event(days: float, **columns: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("available_at", "amount", "items", "score", "category", "refunded", "channel"))
    return {"customer_id": "ada", "event_at": T - timedelta(days=days), **blank, **columns}


def _check(macros: MacroCompiler, warehouse: Warehouse, call: WindowFeatures, world: World) -> list[dict[str, Any]]:
    warehouse.fill(world)
    rows = warehouse.rows(macros.sql("window_features", call.arguments()))
    assert_same_rows(rows, window_features(call, world["spine"], world["events"]), world)
    return rows


# -- many different values -------------------------------------------------------------------------------------

_DIFFERENT = WindowFeatures(
    "orders",
    ("7d", "30d", "all_time"),
    (
        replace(calls.CHANNEL_TEXT, aggregates=("nunique", "mode", "entropy")),
        replace(calls.AMOUNT, aggregates=("nunique",)),
        replace(calls.SCORE, aggregates=("nunique", "sum")),
    ),
)


@pytest.mark.parametrize("different", [1, 2, 31, 32, 33, 61, 62, 63, 64, 65, 66, 128, 300])
def test_so_many_different_values(different: int, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """One customer has them all, and another half of them, some within each window; the first are the commonest."""
    times = [T, T + 3 * DAY, T + 40 * DAY]
    spine = [{"customer_id": who, "feature_timestamp": time} for who in ("ada", "bob") for time in times]
    events = []
    for number in range(different):
        for copy in range(1 + (number < 40) + (number < 5)):
            columns = {"channel": f"way {number}", "amount": Decimal(number), "score": number / 4}
            events.append(_event(1 + (number * 7 + copy * 3) % 45, **columns))
            if number % 2:
                events.append(_event(1 + (number * 5) % 45, **columns) | {"customer_id": "bob"})
    _check(macros, warehouse, _DIFFERENT, {"spine": spine, "events": events})


def _big_world() -> World:
    """Customers of whom each has more different values than an integer has bits, seen from eight dates."""
    draw = random.Random(11)
    times = [T + days * DAY for days in (0, 0.25, 1, 9, 10, 45, 200, 201)]
    spine = [{"customer_id": who, "feature_timestamp": time} for who in ("ada", "bob", "cyd") for time in times]
    channels = [f"way {number} {'äé日'[number % 3]}" for number in range(120)] + list(worlds.CHANNELS)
    events = []
    for _ in range(1_500):
        event = _event(
            draw.randint(-200 * 24, 120 * 24) / 24,
            channel=channels[min(draw.randrange(len(channels)), draw.randrange(len(channels)))],
            amount=draw.choice((None, Decimal(draw.randint(0, 200)) / 4)),
            category=draw.choice(worlds.CATEGORIES),
            items=draw.choice((None, *range(-2, 6))),
            score=draw.randint(0, 800) / 16,
            refunded=draw.choice((None, False, True)),
        )
        event["customer_id"] = draw.choice(("ada", "ada", "bob", "cyd", worlds.STRANGER))
        event["available_at"] = draw.choice((None, event["event_at"] + draw.randint(0, 90) * DAY))
        events.append(event)
    return {"spine": spine, "events": events}


@pytest.mark.parametrize("name", calls.CALLS)
def test_many_values_of_every_customer(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    call, world = calls.CALLS[name], _big_world()
    rows = _check(macros, warehouse, call, world)
    two_threads = Warehouse(threads=2)
    two_threads.fill(shuffled(1, world))
    again = two_threads.rows(macros.sql("window_features", call.arguments()))
    assert_identical(rows, again, world, why="the order of rows or a second thread changed the answer")


def test_values_of_strangers_take_no_room(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """Of customers outside the spine there may be any number of values, each commoner than the customer's own."""
    events = [_event(1, channel=f"theirs {n % 90}") | {"customer_id": worlds.STRANGER} for n in range(900)]
    events += [_event(2, channel=f"own {n}", amount=Decimal(n), score=1.5) for n in range(70)]
    world = {"spine": [{"customer_id": "ada", "feature_timestamp": T}], "events": events}
    [row] = _check(macros, warehouse, _DIFFERENT, world)
    assert row["orders_way_nunique_7d"] == 70


# -- hostile values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [value for value in worlds.CHANNELS if value and value.isascii()])
def test_a_declared_value_is_taken_literally(value: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    call = WindowFeatures(
        "orders",
        ("7d",),
        (
            replace(calls.CHANNEL, aggregates=("count", "share"), values={"it": value}),
            replace(calls.BY_CHANNEL, aggregates=("sum",), windows=None, values={"it": value}),
        ),
        recency=False,
    )
    events = [_event(1, channel=other, amount=Decimal(1)) for other in worlds.CHANNELS]
    world = {"spine": [{"customer_id": "ada", "feature_timestamp": T}], "events": events}
    [row] = _check(macros, warehouse, call, world)
    assert row["orders_channel_it_count_7d"] == row["orders_amount_it_sum_7d"] == 1


def test_expressions_and_conditions_with_quotes(macros: MacroCompiler, warehouse: Warehouse) -> None:
    measure = Measure(
        "quoted",
        "case when channel = 'o''clock' then 'it''s' else channel end",
        lambda event: "it's" if event["channel"] == "o'clock" else event["channel"],
        ("mode", "first", "last"),
        where="channel not in ('{{ this }}', 'a\"b', '%s')",
        condition=lambda event: None if event["channel"] is None else event["channel"] not in ("{{ this }}", "%s"),
        type="text",
    )
    events = [_event(day, channel=value) for day, value in enumerate(worlds.CHANNELS, 1)]
    world = {"spine": [{"customer_id": "ada", "feature_timestamp": T}], "events": events}
    _check(macros, warehouse, WindowFeatures("orders", ("7d", "all_time"), (measure,)), world)
