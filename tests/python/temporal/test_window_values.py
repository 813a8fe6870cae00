"""Values of measures that are many, or hard to write down."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
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


# -- numbers that do not fit -----------------------------------------------------------------------------------


def _number(values: list[float], **measure: Any) -> tuple[WindowFeatures, World]:
    """A call over values of `score`, a column of doubles, one event a day."""
    declared = {"aggregates": ("sum", "mean", "min", "max", "variance", "stddev"), **measure}
    call = WindowFeatures(
        "x", ("all_time",), (Measure("n", "score", lambda event: event["score"], **declared),), recency=False
    )
    events = [_event(1 + number, score=value) for number, value in enumerate(values)]
    return call, {"spine": [{"customer_id": "ada", "feature_timestamp": T}], "events": events}


@pytest.mark.parametrize(
    ("value", "declared", "message"),
    [
        (0.00004, {}, "more than 4 decimals, and would be rounded"),
        (1 / 3, {}, "more than 4 decimals, and would be rounded"),
        (float("nan"), {}, r"NaN, infinite or too large for decimal\(18, 4\)"),
        (float("inf"), {}, r"NaN, infinite or too large for decimal\(18, 4\)"),
        (1e15, {}, r"NaN, infinite or too large for decimal\(18, 4\)"),
        (1e8, {"type": "decimal(9, 2)"}, r"NaN, infinite or too large for decimal\(9, 2\)"),
        (float("nan"), {"type": "double"}, "NaN, infinite or beyond 1e30"),
        (float("-inf"), {"type": "double"}, "NaN, infinite or beyond 1e30"),
        (-1e30, {"type": "double"}, "NaN, infinite or beyond 1e30"),
    ],
)
def test_what_cannot_be_added_exactly_is_refused(
    value: float, declared: dict[str, str], message: str, macros: MacroCompiler, warehouse: Warehouse
) -> None:
    call, world = _number([1.5, value], **declared)
    warehouse.fill(world)
    with pytest.raises(duckdb.Error, match=rf"measures\[n\]: a value .*{message}"):
        warehouse.rows(macros.sql("window_features", call.arguments()))


def test_noise_of_a_double_is_no_rounding(macros: MacroCompiler, warehouse: Warehouse) -> None:
    call, world = _number([0.1 + 0.2, 19.99, 1e13 + 0.25])
    warehouse.fill(world)
    [row] = warehouse.rows(macros.sql("window_features", call.arguments()))
    assert row["x_n_min_all_time"] == 0.3


def test_a_declared_decimal_rounds(macros: MacroCompiler, warehouse: Warehouse) -> None:
    call, world = _number([0.125, 0.00004], type="decimal(18, 2)")
    warehouse.fill(world)
    [row] = warehouse.rows(macros.sql("window_features", call.arguments()))
    assert (row["x_n_sum_all_time"], row["x_n_min_all_time"]) == (0.13, 0)


@pytest.mark.parametrize(
    "values",
    [
        [0.00004, 0.00002, 1e-9],
        [1e15, 1.0, -1e15, 2.5],
        [1e29, -1e29, 1e-12, 3.0],
        [1e20] * 50 + [0.1] * 3,
        [0.1, 0.2, 0.3, 1 / 3, -0.1, -0.2],
        [-0.0, 0.0],
    ],
)
def test_sums_of_doubles_are_exact_in_any_order(
    values: list[float], macros: MacroCompiler, warehouse: Warehouse
) -> None:
    call, world = _number(values, type="double", aggregates=("sum", "mean", "min", "max", "first", "last"))
    call = replace(call, measures=tuple(replace(measure, exponent=0) for measure in call.measures))
    rows = _check(macros, warehouse, call, world)
    for seed in range(3):
        warehouse.fill(shuffled(seed, world))
        again = warehouse.rows(macros.sql("window_features", call.arguments()))
        assert_identical(rows, again, world, why="the order of rows changed the answer")


@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ([1e15, 3e15], 2**0.5 * 1e15),
        ([1e29, -1e29], 2**0.5 * 1e29),
        ([9.99] * 7, 0.0),
        # so little of so much is not told by the squares of doubles
        ([1e9, 1e9 + 0.1], None),
        ([1e9], None),
    ],
)
def test_spread_of_doubles(
    values: list[float], spread: float | None, macros: MacroCompiler, warehouse: Warehouse
) -> None:
    call, world = _number(values, type="double")
    warehouse.fill(world)
    [row] = warehouse.rows(macros.sql("window_features", call.arguments()))
    assert row["x_n_stddev_all_time"] == (spread if spread is None else pytest.approx(spread, rel=1e-9))


def test_spread_of_many_large_decimals(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """The sum of their squares has more digits than any type; with fewer of them it is exact."""
    large = [Decimal(90_000_000_000_000) + n for n in range(2000)]
    for count in (2, 3, 2000):
        events = [_event(1 + n / 100, amount=value * (-1) ** n) for n, value in enumerate(large[:count])]
        world = {"spine": [{"customer_id": "ada", "feature_timestamp": T}], "events": events}
        amount = replace(calls.AMOUNT, aggregates=("variance", "stddev", "sum"))
        _check(macros, warehouse, WindowFeatures("x", ("all_time",), (amount,), recency=False), world)


def test_a_slope_of_doubles_is_refused(macros: MacroCompiler) -> None:
    call, _ = _number([], type="double", aggregates=("slope",))
    assert "not for type double" in macros.error("window_features", call.arguments())
