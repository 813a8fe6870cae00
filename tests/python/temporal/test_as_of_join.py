"""`as_of_join` against the oracle."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import oracle, worlds
from .compare import assert_identical, assert_same_rows
from .engine import MacroCompiler, Warehouse, World

T = datetime(2024, 7, 1, 9, 30)
COLUMNS = ["plan", "price", "opted_in"]
BASE = {
    "spine": "spine",
    "history": "history",
    "entity": "customer_id",
    "valid_from": "valid_from",
    "columns": COLUMNS,
}
# change_id settles what valid_from and known_at leave open, so that the answer is one.
OPTIONS: dict[str, dict[str, Any]] = {
    "all": {"valid_to": "valid_to", "available_at": "available_at", "tie_breaker": "change_id", "prefix": "was_"},
    "no end": {"available_at": "available_at", "tie_breaker": "change_id"},
    "known at once": {"valid_to": "valid_to", "tie_breaker": "change_id"},
    "ends recorded late": {
        "valid_to": "valid_to",
        "ended_available_at": "ended_available_at",
        "available_at": "available_at",
        "tie_breaker": "change_id",
    },
}


def _check(macros: MacroCompiler, warehouse: Warehouse, options: dict[str, Any], world: World) -> None:
    warehouse.fill(world)
    rows = warehouse.rows(macros.sql("as_of_join", BASE | options))
    assert_same_rows(rows, oracle.as_of_join(world["spine"], world["history"], COLUMNS, **options), world)


@pytest.mark.parametrize("name", OPTIONS)
def test_agrees_with_the_oracle(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    @worlds.property_test
    @given(world=worlds.history_worlds())
    def agree(world: World) -> None:
        _check(macros, warehouse, OPTIONS[name], world)

    agree()


@worlds.property_test_of(0.5)
@given(data=st.data(), world=worlds.history_worlds(), tied_by_id=st.booleans())
def test_row_order_does_not_matter(
    macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject, world: World, tied_by_id: bool
) -> None:
    """Also without a tie-breaker, when the contract leaves open which of two tied states wins."""
    options = {"valid_to": "valid_to", "available_at": "available_at"}
    if tied_by_id:
        options["tie_breaker"] = "change_id"
    sql = macros.sql("as_of_join", BASE | options)
    warehouse.fill(world)
    before = warehouse.rows(sql)
    warehouse.fill({name: data.draw(st.permutations(rows)) for name, rows in world.items()})
    assert_identical(before, warehouse.rows(sql), world, why="the order of rows changed the answer")


def _state(change_id: int, valid_from: datetime | None, **values: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("valid_to", "ended_available_at", "available_at", "price", "opted_in"))
    blank |= {"plan": f"plan {change_id}"}
    return {"customer_id": "ada", "valid_from": valid_from, "change_id": change_id, **blank, **values}


_US = worlds.MICROSECOND
_DAY = timedelta(days=1)
# name -> states, and the plan that stands at T
_EDGES: dict[str, tuple[list[dict[str, Any]], str | None]] = {
    "no state": ([], None),
    "valid from T": ([_state(1, T)], None),
    "valid from a microsecond before T": ([_state(1, T - _US)], "plan 1"),
    "ends at T": ([_state(1, T - _DAY, valid_to=T)], "plan 1"),
    "ended a microsecond before T": ([_state(1, T - _DAY, valid_to=T - _US)], None),
    "the newest ended, an older one is open": (
        [_state(1, T - 3 * _DAY), _state(2, T - 2 * _DAY, valid_to=T - _DAY)],
        None,
    ),
    "arrives at T": ([_state(1, T - 3 * _DAY), _state(2, T - _DAY, available_at=T)], "plan 1"),
    "arrives just before T": ([_state(1, T - 3 * _DAY), _state(2, T - _DAY, available_at=T - _US)], "plan 2"),
    "an old state arrives last": (
        [_state(1, T - 2 * _DAY), _state(2, T - 3 * _DAY, available_at=T - _US)],
        "plan 1",
    ),
    "tie: the later known wins": (
        [_state(2, T - 2 * _DAY), _state(1, T - 2 * _DAY, available_at=T - _DAY)],
        "plan 1",
    ),
    "tie in both: the tie-breaker wins": ([_state(1, T - _DAY), _state(2, T - _DAY)], "plan 2"),
    "available before it was valid": ([_state(1, T, available_at=T - _DAY)], None),
    "no valid_from": ([_state(1, None, available_at=T - _DAY)], None),
    "closed by a state that is not known yet": (
        [_state(1, T - 30 * _DAY, valid_to=T - 14 * _DAY), _state(2, T - 14 * _DAY, available_at=T + 14 * _DAY)],
        "plan 1",
    ),
    "closed by a state that arrives at T": (
        [_state(1, T - 30 * _DAY, valid_to=T - 14 * _DAY), _state(2, T - 14 * _DAY, available_at=T)],
        "plan 1",
    ),
    "two states from one time, the first closed by the second": (
        [_state(1, T - 14 * _DAY, valid_to=T - 14 * _DAY), _state(2, T - 14 * _DAY, available_at=T + _DAY)],
        "plan 1",
    ),
    "ended when it began": ([_state(1, T - 14 * _DAY, valid_to=T - 14 * _DAY)], None),
    "ended before a state that is not known yet": (
        [_state(1, T - 30 * _DAY, valid_to=T - 20 * _DAY), _state(2, T - 14 * _DAY, available_at=T + _DAY)],
        None,
    ),
    "a null in the newest state stays null": ([_state(1, T - 2 * _DAY), _state(2, T - _DAY, plan=None)], None),
}


@pytest.mark.parametrize("name", _EDGES)
def test_edges(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    states, plan = _EDGES[name]
    spine = [{"customer_id": "ada", "feature_timestamp": T}]
    warehouse.fill({"spine": spine, "history": states})
    [row] = warehouse.rows(macros.sql("as_of_join", BASE | OPTIONS["all"]))
    assert row["was_plan"] == plan


@pytest.mark.parametrize("follows", [False, True])
def test_an_end_that_says_when_it_was_recorded(follows: bool, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """It counts from then on, whether or not another state starts there."""
    times = [T, T + _US]
    states = [_state(1, T - 30 * _DAY, valid_to=T - 20 * _DAY, ended_available_at=T)]
    states += [_state(2, T - 20 * _DAY, available_at=T + _DAY)] if follows else []
    spine = [{"customer_id": "ada", "feature_timestamp": time} for time in times]
    warehouse.fill({"spine": spine, "history": states})
    rows = warehouse.rows(macros.sql("as_of_join", BASE | OPTIONS["ends recorded late"]))
    assert {row["feature_timestamp"]: row["plan"] for row in rows} == dict(zip(times, ["plan 1", None], strict=True))


def test_a_stored_end_gives_what_the_table_gave_before_it_was_written(
    macros: MacroCompiler, warehouse: Warehouse
) -> None:
    """Version 1 was closed on 1 February by version 2, which was known on 1 March."""
    february, march = datetime(2024, 2, 1), datetime(2024, 3, 1)
    times = [datetime(2024, 2, 15), march, march + _US]
    spine = [{"customer_id": "ada", "feature_timestamp": time} for time in times]
    first = _state(1, datetime(2024, 1, 1))
    second = _state(2, february, available_at=march)
    sql = macros.sql("as_of_join", BASE | OPTIONS["all"])
    warehouse.fill({"spine": spine, "history": [first | {"valid_to": february}, second]})
    stored = {row["feature_timestamp"]: row["was_plan"] for row in warehouse.rows(sql)}
    warehouse.fill({"spine": spine[:1], "history": [first]})
    [cut] = warehouse.rows(sql)
    assert stored == dict(zip(times, ["plan 1", "plan 1", "plan 2"], strict=True))
    assert cut["was_plan"] == "plan 1"


def test_the_values_of_one_row_stay_together(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """The newest state's nulls are its own: none is filled from the state before."""
    states = [
        _state(1, T - 2 * _DAY, price=Decimal("9.9900"), opted_in=True),
        _state(2, T - _DAY, price=None, opted_in=None),
    ]
    warehouse.fill({"spine": [{"customer_id": "ada", "feature_timestamp": T}], "history": states})
    [row] = warehouse.rows(macros.sql("as_of_join", BASE | OPTIONS["no end"]))
    assert (row["plan"], row["price"], row["opted_in"]) == ("plan 2", None, None)


def test_types_are_those_of_the_history(macros: MacroCompiler, warehouse: Warehouse) -> None:
    warehouse.fill({})
    types = warehouse.types(macros.sql("as_of_join", BASE | OPTIONS["no end"]))
    assert list(types) == ["customer_id", "feature_timestamp", *COLUMNS]
    assert types["price"] == "DECIMAL(18,4)"
    assert types["opted_in"] == "BOOLEAN"


def test_a_chain_of_states_gives_each_time_its_own(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """A validity history as a dbt snapshot writes it, read at each change and on both sides of it."""
    starts = [T + n * 7 * _DAY for n in range(6)]
    states = [_state(n, start, valid_to=end) for n, (start, end) in enumerate(pairwise(starts))]
    states.append(_state(5, starts[-1]))
    times = [start + jitter for start in starts for jitter in (-_US, timedelta(0), _US)]
    spine = [{"customer_id": "ada", "feature_timestamp": time} for time in times]
    _check(macros, warehouse, OPTIONS["all"], {"spine": spine, "history": states})
