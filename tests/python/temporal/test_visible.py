"""`known_at` and `visible` against the oracle, over every pair of times around an as-of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import pytest

from . import oracle
from .engine import MacroCompiler, Warehouse
from .worlds import MICROSECOND

T = datetime(2024, 7, 1, 9, 30)
_TIMES = [None, T - timedelta(days=3), T - MICROSECOND, T, T + MICROSECOND, T + timedelta(days=3)]


@pytest.fixture(scope="module")
def pairs(warehouse: Warehouse) -> list[tuple[datetime | None, datetime | None]]:
    """Every (event_at, available_at), in the table `pairs` too."""
    combined = list(product(_TIMES, _TIMES))
    cells = [
        ", ".join("null::timestamp" if time is None else f"timestamp '{time}'" for time in pair) for pair in combined
    ]
    values = ", ".join(f"({number}, {cell})" for number, cell in enumerate(cells))
    warehouse.execute(
        f"create or replace table pairs as from (values {values}) as given(number, event_at, available_at)"
    )
    return combined


def test_known_at(macros: MacroCompiler, warehouse: Warehouse, pairs: list) -> None:
    late = macros.sql("known_at", {"event_at": "event_at", "available_at": "available_at"})
    at_once = macros.sql("known_at", {"event_at": "event_at"})
    rows = warehouse.rows(f"select {late} as late, {at_once} as at_once from pairs order by number")
    for (event_at, available_at), row in zip(pairs, rows, strict=True):
        assert row["late"] == oracle.known_at(event_at, available_at), (event_at, available_at)
        assert row["at_once"] == event_at


def test_visible(macros: MacroCompiler, warehouse: Warehouse, pairs: list) -> None:
    as_of = f"timestamp '{T}'"
    late = macros.sql("visible", {"event_at": "event_at", "as_of": as_of, "available_at": "available_at"})
    at_once = macros.sql("visible", {"event_at": "event_at", "as_of": as_of})
    # Inside brackets and negated: the expression must hold together, and null must not pass for seen.
    query = f"""
        select coalesce(({late}), false) as late, not coalesce(({late}), false) as hidden,
            coalesce(({at_once}), false) as at_once
        from pairs order by number
    """
    for (event_at, available_at), row in zip(pairs, warehouse.rows(query), strict=True):
        seen = oracle.visible(event_at, T, available_at)
        assert row["late"] is seen, (event_at, available_at)
        assert row["hidden"] is not seen
        assert row["at_once"] is oracle.visible(event_at, T)
