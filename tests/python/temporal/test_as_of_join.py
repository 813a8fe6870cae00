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
    blank = {"valid_to": None, "available_at": None, "plan": f"plan {change_id}", "price": None, "opted_in": None}
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
    "a null in the newest state stays null": ([_state(1, T - 2 * _DAY), _state(2, T - _DAY, plan=None)], None),
}


@pytest.mark.parametrize("name", _EDGES)
def test_edges(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    states, plan = _EDGES[name]
    spine = [{"customer_id": "ada", "feature_timestamp": T}]
    warehouse.fill({"spine": spine, "history": states})
    [row] = warehouse.rows(macros.sql("as_of_join", BASE | OPTIONS["all"]))
    assert row["was_plan"] == plan


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
