"""`window_features` against the oracle, and against itself under changes that must not matter."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from . import batches, calls, oracle, worlds
from .compare import assert_identical, assert_same_rows
from .declarations import COMPARISONS, RHYTHM, Comparison, Measure, WindowFeatures, length
from .engine import MacroCompiler, Warehouse, World
from .window_oracle import Near, expanded, window_features

T = datetime(2024, 7, 1, 9, 30)


def _check(macros: MacroCompiler, warehouse: Warehouse, call: WindowFeatures, world: World) -> None:
    sql = macros.sql("window_features", call.arguments())
    warehouse.fill(world)
    expected = window_features(call, world["spine"], world["events"])
    assert_same_rows(warehouse.rows(sql), expected, world)


def _event(event_at: datetime | None, available_at: datetime | None = None, **values: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("amount", "items", "score", "category", "refunded", "channel"))
    return {"customer_id": "ada", "event_at": event_at, "available_at": available_at, **blank, **values}


def _at(*times: datetime) -> list[dict[str, Any]]:
    return [{"customer_id": "ada", "feature_timestamp": time} for time in times]


# -- against the oracle ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", calls.CALLS)
def test_agrees_with_the_oracle(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    call = calls.CALLS[name]

    # A few small worlds, which hypothesis makes smaller still: test_window_batches looks at a thousand.
    @worlds.property_test_of(0.08)
    @given(world=worlds.event_worlds(call.windows))
    def agree(world: World) -> None:
        _check(macros, warehouse, call, world)

    agree()


_WINDOWS = st.lists(
    st.one_of(
        st.integers(1, 800).map("{}h".format),
        st.integers(1, 800).map("{}d".format),
        st.integers(1, 60).map("{}w".format),
        st.just("all_time"),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda window: None if window == "all_time" else oracle.duration(window),
)


_MEASURES = (
    calls.AMOUNT, calls.CATEGORY, calls.SCORE, calls.WHOLE_ITEMS, calls.CHANNEL_TEXT, calls.REFUNDED, calls.CHANNEL,
    calls.MANY_ITEMS, replace(calls.BY_CHANNEL, name="by_channel"), replace(calls.BY_ITEMS, name="by_items"),
)  # fmt: skip


@st.composite
def _any_comparisons(draw: st.DrawFn, windows: tuple[str, ...], measures: list[Measure]) -> tuple[Comparison, ...]:
    """Up to three different ones of what there is to compare."""
    comparable = {"count": windows}
    for measure in (part for declared in measures for part in expanded(declared)):
        for aggregate in measure.aggregates:
            text = measure.type == "text" and aggregate in ("first", "last")
            if aggregate not in ("any", "all", "mode") and not text:
                shown = "count" if aggregate == "trues" else aggregate
                comparable[f"{measure.name}_{shown}"] = measure.windows or windows
    comparisons = {}
    for of, kind in draw(
        st.lists(st.tuples(st.sampled_from(sorted(comparable)), st.sampled_from(COMPARISONS)), max_size=3)
    ):
        by_rate = kind in COMPARISONS[2:]
        usable = [w for w in comparable[of] if w != "all_time" or not by_rate]
        needed = 3 if kind == "acceleration" else 2
        if len(usable) < needed or (by_rate and of.rpartition("_")[2] not in ("count", "sum")):
            continue
        chosen = draw(st.lists(st.sampled_from(usable), min_size=needed, max_size=needed, unique=True))
        comparisons[of, kind] = Comparison(of, kind, tuple(sorted(chosen, key=length)))
    return tuple(comparisons.values())


@st.composite
def _any_call(draw: st.DrawFn) -> WindowFeatures:
    windows = tuple(draw(_WINDOWS))
    measures = []
    for base in draw(st.lists(st.sampled_from(_MEASURES), max_size=4, unique_by=lambda measure: measure.name)):
        aggregates = draw(st.lists(st.sampled_from(base.aggregates), min_size=1, max_size=4, unique=True))
        if base.values and not base.by and not {"count", "share"} & set(aggregates):
            aggregates.append("share")
        own = draw(st.none() | st.lists(st.sampled_from(windows), min_size=1, unique=True))
        measures.append(replace(base, aggregates=tuple(aggregates), windows=tuple(own) if own else None))
    return WindowFeatures(
        "any",
        windows,
        tuple(measures),
        recency=draw(st.booleans()),
        rhythm=tuple(draw(st.lists(st.sampled_from(RHYTHM), unique=True))),
        comparisons=draw(_any_comparisons(windows, measures)),
        available_at=draw(st.sampled_from((None, "available_at"))),
    )


@worlds.property_test_of(0.5)
@given(data=st.data(), call=_any_call())
def test_any_windows_and_aggregates(
    macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject, call: WindowFeatures
) -> None:
    world = data.draw(worlds.event_worlds(call.windows))
    note(str(call.arguments()))
    _check(macros, warehouse, call, world)


def test_many_rows_on_two_threads(macros: MacroCompiler) -> None:
    """More rows than one of DuckDB's vectors holds, and customers enough for both threads."""
    draw = random.Random(7)
    times = [T + timedelta(days=31 * month) for month in range(4)]
    spine = [{"customer_id": f"c{n}", "feature_timestamp": time} for n in range(40) for time in times]
    events = []
    for _ in range(6_000):
        event_at = T + timedelta(seconds=draw.randint(-200 * 86_400, 100 * 86_400))
        event = _event(event_at, event_at + timedelta(hours=draw.choice((0, 0, 0, 50))))
        event |= {"customer_id": f"c{draw.randrange(45)}", "amount": Decimal(draw.randint(-9_999, 9_999)) / 100}
        event |= {"category": draw.choice(("toys", "books", None)), "refunded": draw.choice((True, False))}
        event |= {"score": draw.randint(0, 160) / 16, "items": draw.randint(0, 3)}
        event |= {"channel": f"way {draw.randrange(12) * draw.randrange(12)}"}
        events.append(event)
    call = calls.MIXED
    world = {"spine": spine, "events": events}
    two_threads = Warehouse(threads=2)
    two_threads.fill(world)
    sql = macros.sql("window_features", call.arguments())
    rows = two_threads.rows(sql)
    assert_same_rows(rows, window_features(call, spine, events), {})

    draw.shuffle(events)
    draw.shuffle(spine)
    two_threads.fill(world)
    assert_identical(rows, two_threads.rows(sql), {}, why="the order of 6,000 rows changed the answer")


# -- numbers that are hard to add ------------------------------------------------------------------------------

_SPREAD = WindowFeatures("orders", ("30d", "all_time"), (calls.AMOUNT,))
_HARD = {
    "a spread of a tenth around 1e9": [Decimal(1_000_000_000) + k * Decimal("0.05") for k in range(5)],
    "a spread of a ten-thousandth around 1e14": [Decimal("99999999999999.9998"), Decimal("99999999999999.9999")],
    "all the same": [Decimal("0.1")] * 7,
    "all the same and huge": [Decimal("-99999999999999.9999")] * 10,
    "huge of both signs": [Decimal("99999999999999.9999"), Decimal("-99999999999999.9999"), Decimal("0.0001")],
    "the smallest": [Decimal("0.0001"), Decimal("-0.0001"), Decimal(0)],
    "small beside huge": [Decimal("99999999999999.9999"), Decimal("0.0001"), Decimal("0.0001")],
    "many huge": [Decimal("99999999999999.9999"), Decimal("-99999999999999.9999")] * 45,
    "a thousand around 1e9": [Decimal(1_000_000_000) + k % 7 * Decimal("0.05") for k in range(1_000)],
    "a thousand around 1e13": [Decimal("9999999999999.9999") - k % 7 * Decimal("0.0001") for k in range(1_000)],
    "three thousand of both signs": [k % 5 * Decimal("-2499999999999.9999") for k in range(3_000)],
    "one": [Decimal("12.3456")],
    "none but nulls": [None, None],
}


@pytest.mark.parametrize("name", _HARD)
def test_sums_and_deviations_are_exact(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    for apart in (timedelta(0), timedelta(seconds=37), timedelta(minutes=3, microseconds=1)):
        events = [_event(T - timedelta(days=1) - n * apart, amount=amount) for n, amount in enumerate(_HARD[name])]
        _check(macros, warehouse, _SPREAD, {"spine": _at(T), "events": events})


@worlds.property_test
@given(
    amounts=st.lists(worlds.amounts(), min_size=1, max_size=40),
    centre=st.sampled_from((0, 1, 10**5, 10**9, 10**13)),
)
def test_deviation_of_any_amounts(
    macros: MacroCompiler, warehouse: Warehouse, amounts: list[Decimal | None], centre: int
) -> None:
    shifted = [a if a is None or abs(a) >= 10**13 else a + centre for a in amounts]
    events = [_event(T - timedelta(days=day), amount=amount) for day, amount in enumerate(shifted, 1)]
    _check(macros, warehouse, _SPREAD, {"spine": _at(T), "events": events})


# -- one edge at a time ----------------------------------------------------------------------------------------

_COUNTS = WindowFeatures("orders", ("24h", "7d", "all_time"))
_US = worlds.MICROSECOND
_EDGES = {
    "at T": (T, None, (0, 0, 0)),
    "a microsecond before T": (T - _US, None, (1, 1, 1)),
    "at T - 24h": (T - timedelta(hours=24), None, (1, 1, 1)),
    "a microsecond before T - 24h": (T - timedelta(hours=24) - _US, None, (0, 1, 1)),
    "at T - 7d": (T - timedelta(days=7), None, (0, 1, 1)),
    "a microsecond before T - 7d": (T - timedelta(days=7) - _US, None, (0, 0, 1)),
    "arrives at T": (T - timedelta(hours=1), T, (0, 0, 0)),
    "arrives a microsecond before T": (T - timedelta(hours=1), T - _US, (1, 1, 1)),
    "happens at T, said to have arrived before": (T, T - timedelta(days=1), (0, 0, 0)),
    "no event time, though it arrived": (None, T - timedelta(days=1), (0, 0, 0)),
}


@pytest.mark.parametrize("name", _EDGES)
def test_edges(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    event_at, available_at, counts = _EDGES[name]
    warehouse.fill({"spine": _at(T), "events": [_event(event_at, available_at)]})
    [row] = warehouse.rows(macros.sql("window_features", _COUNTS.arguments()))
    assert tuple(row[f"orders_count_{window}"] for window in _COUNTS.windows) == counts


def test_without_events_there_is_still_a_row(macros: MacroCompiler, warehouse: Warehouse) -> None:
    call = calls.MIXED
    warehouse.fill({"spine": _at(T), "events": []})
    [row] = warehouse.rows(macros.sql("window_features", call.arguments()))
    for column, value in row.items():
        if any(f"_{zero}_" in column for zero in ("count", "sum", "nunique", "active_days", "streak")):
            assert value == 0, column
        elif column.startswith("orders_"):
            assert value is None, column


def test_an_empty_spine_has_no_rows(macros: MacroCompiler, warehouse: Warehouse) -> None:
    warehouse.fill({"spine": [], "events": [_event(T)]})
    assert warehouse.rows(macros.sql("window_features", calls.EVERYTHING.arguments())) == []


_TYPES = {str: "VARCHAR", bool: "BOOLEAN", int: "BIGINT", Fraction: "DOUBLE", Decimal: "DOUBLE", Near: "DOUBLE"}


@pytest.mark.parametrize("name", calls.CALLS)
def test_columns_and_their_types(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """In the promised order, and each of the type that its values have in the oracle."""
    call = calls.CALLS[name]
    warehouse.fill({})
    types = warehouse.types(macros.sql("window_features", call.arguments()))
    world = batches.batched_worlds(1, 100, call.windows)
    rows = window_features(call, world["spine"], world["events"])
    assert list(types) == list(rows[0])
    assert types["feature_timestamp"] == "TIMESTAMP"
    for column in types.keys() - {"feature_timestamp"}:
        # A column without a value is one of numbers for a category that no row has.
        shown = {_TYPES[type(row[column])] for row in rows if row[column] is not None} or {"DOUBLE"}
        assert shown == {types[column]}, column


def test_defaults_come_from_the_variables(macros: MacroCompiler, warehouse: Warehouse) -> None:
    arguments = {"spine": "spine", "events": "events", "source": "orders", "entity": "customer_id"}
    arguments["event_at"] = "event_at"
    warehouse.fill({})
    columns = set(warehouse.types(macros.sql("window_features", arguments)))
    assert {f"orders_count_{window}" for window in calls.DEFAULT_WINDOWS} <= columns
    assert "orders_days_since_last" in columns


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/New_York", "Asia/Kolkata"])
def test_the_time_zone_of_the_session_changes_nothing(zone: str, macros: MacroCompiler) -> None:
    hours = [datetime(2024, 3, 31, hour) for hour in range(6)] + [datetime(2024, 11, 3, hour) for hour in range(8)]
    world = {"spine": _at(*hours), "events": [_event(hour, items=hour.hour**2) for hour in hours]}
    local = Warehouse()
    local.execute(f"set TimeZone = '{zone}'")
    slope = replace(calls.WHOLE_ITEMS, name="slope", aggregates=("slope", "first"))
    call = WindowFeatures("orders", ("1h", "3h", "24h", "all_time"), (calls.WHOLE_ITEMS, slope), rhythm=RHYTHM)
    _check(macros, local, call, world)


def test_other_columns_may_be_called_anything(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """Both tables have a column more for every word of the SQL: none takes the place of what the SQL means."""
    call = replace(calls.COMPARED, recency=True, rhythm=RHYTHM)
    world = batches.batched_worlds(3, 50, call.windows)
    warehouse.fill(world)
    expected = window_features(call, world["spine"], world["events"])
    words = set(re.findall("[a-z_][a-z0-9_]*", macros.sql("window_features", call.arguments())))
    for table in call.tables:
        more = sorted(words - world[table][0].keys())
        columns = ", ".join(f'-77 as "{word}"' for word in more)
        warehouse.execute(f"create or replace table wide_{table} as select *, {columns} from {table}")
    wide = replace(call, tables=("wide_spine", "wide_events"))
    assert_same_rows(warehouse.rows(macros.sql("window_features", wide.arguments())), expected, {})


@pytest.mark.parametrize("name", ["count", "value", "bucket", "row_id", "known_us", "days", "all", "ticks", "select"])
def test_measures_may_be_called_anything(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    measures = (replace(calls.AMOUNT, name=name), replace(calls.CHANNEL, name=f"{name}_of"))
    call = WindowFeatures("first", ("7d", "30d", "all_time"), measures, rhythm=RHYTHM)
    _check(macros, warehouse, call, batches.batched_worlds(3, 10, call.windows))


def test_entities_may_be_numbers_under_another_name(macros: MacroCompiler, warehouse: Warehouse) -> None:
    call = replace(_COUNTS, entity="account", tables=("number_spine", "number_events"))
    warehouse.execute(
        "create or replace table number_spine as select 7::bigint as account, "
        "timestamp '2024-07-01 09:30:00' as feature_timestamp"
    )
    warehouse.execute(
        "create or replace table number_events as select account::bigint as account, event_at, "
        "null::timestamp as available_at from (values (7, timestamp '2024-06-30'), (8, timestamp '2024-06-30')) "
        "as given(account, event_at)"
    )
    [row] = warehouse.rows(macros.sql("window_features", call.arguments()))
    assert row["account"] == 7
    assert row["orders_count_all_time"] == 1


# -- changes that must not matter ------------------------------------------------------------------------------


@worlds.property_test_of(0.15)
@given(data=st.data(), world=worlds.event_worlds(calls.MIXED.windows))
def test_row_order_does_not_matter(
    macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject, world: World
) -> None:
    sql = macros.sql("window_features", calls.MIXED.arguments())
    warehouse.fill(world)
    before = warehouse.rows(sql)
    shuffled = {name: data.draw(st.permutations(rows)) for name, rows in world.items()}
    warehouse.fill(shuffled)
    assert_identical(before, warehouse.rows(sql), world, why="the order of rows changed the answer")


@worlds.property_test_of(0.3)
@given(data=st.data(), call=_any_call())
def test_another_window_leaves_the_others_alone(
    macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject, call: WindowFeatures
) -> None:
    used = {w if w == "all_time" else oracle.duration(w) for w in call.windows}
    free = [w for w in ("2h", "5d", "33d", "900d", "all_time") if w == "all_time" or oracle.duration(w) not in used]
    extra = data.draw(st.sampled_from([w for w in free if w not in used]))
    world = data.draw(worlds.event_worlds((*call.windows, extra)))
    warehouse.fill(world)
    before = warehouse.rows(macros.sql("window_features", call.arguments()))
    place = data.draw(st.integers(0, len(call.windows)))
    wider = replace(call, windows=(*call.windows[:place], extra, *call.windows[place:]))
    after = warehouse.rows(macros.sql("window_features", wider.arguments()))
    assert_identical(before, after, world, why=f"adding the window {extra} changed another column")


@worlds.property_test_of(0.2)
@given(world=worlds.event_worlds(calls.MIXED.windows))
def test_a_measure_does_not_change_its_neighbours(macros: MacroCompiler, warehouse: Warehouse, world: World) -> None:
    warehouse.fill(world)
    together = warehouse.rows(macros.sql("window_features", calls.MIXED.arguments()))
    for measure in calls.MIXED.measures:
        alone = replace(calls.MIXED, measures=(measure,))
        rows = warehouse.rows(macros.sql("window_features", alone.arguments()))
        assert_identical(rows, together, world, why=f"{measure.name} alone differs from {measure.name} in company")


@worlds.property_test_of(0.2)
@given(world=worlds.event_worlds(calls.BOUNDED.windows))
def test_strangers_and_other_customers_do_not_matter(macros: MacroCompiler, warehouse: Warehouse, world: World) -> None:
    sql = macros.sql("window_features", calls.BOUNDED.arguments())
    warehouse.fill(world)
    before = warehouse.rows(sql)
    for row in before:
        own = [event for event in world["events"] if event["customer_id"] == row["customer_id"]]
        at = [s for s in world["spine"] if all(s[key] == row[key] for key in s)]
        warehouse.fill({"spine": at, "events": own})
        assert_identical(warehouse.rows(sql), [row], world, why="rows of other customers or times changed the answer")


def test_a_measure_of_an_expression_rounds_as_a_cast_does(macros: MacroCompiler, warehouse: Warehouse) -> None:
    halves = Measure(
        "halves", "amount / 2", lambda event: event["amount"] / 2, ("sum",), type="decimal(10, 2)", exponent=2
    )
    call = WindowFeatures("orders", ("7d",), (halves,))
    amounts = [Decimal("0.25"), Decimal("-0.25"), Decimal("0.75")]
    events = [_event(T - timedelta(days=1), amount=amount) for amount in amounts]
    _check(macros, warehouse, call, {"spine": _at(T), "events": events})
