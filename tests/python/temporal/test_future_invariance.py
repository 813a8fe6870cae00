"""What is known at T or later never changes a row at T, in any macro, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import event, given, note
from hypothesis import strategies as st

from . import calls, oracle, worlds
from .compare import assert_identical, describe
from .declarations import WindowFeatures
from .engine import MacroCompiler, Warehouse, World, text

US = worlds.MICROSECOND
Rows = list[dict[str, Any]]
# Of two new times, which bears the row's being known late.
_LATE = ("both", "event", "arrival")


@st.composite
def _from_now_on(draw: st.DrawFn, now: datetime, known: tuple[str, str], row: dict[str, Any]) -> dict[str, Any]:
    """The row moved so that it is known at `now` or later: it happened then, or arrived then, or both."""
    event_column, arrival_column = known
    later = now + draw(st.sampled_from((timedelta(0), US, timedelta(days=3), timedelta(days=400))))
    earlier = now - draw(st.sampled_from((US, timedelta(hours=24), timedelta(days=30), timedelta(days=200))))
    kind = draw(st.sampled_from(_LATE))
    moved = {
        "both": (later, later),
        "event": (later, draw(st.sampled_from((None, earlier)))),
        "arrival": (earlier, later),
    }[kind]
    return row | {event_column: moved[0], arrival_column: moved[1]}


@st.composite
def _another_future(
    draw: st.DrawFn, now: datetime, known: tuple[str, str], rows: Rows, fresh: st.SearchStrategy[Rows]
) -> Rows:
    """The rows as known before `now`, with all that is known later dropped, kept, changed or invented."""
    event_column, arrival_column = known
    changed = []
    for row in rows:
        if oracle.visible(row[event_column], now, row[arrival_column]):
            changed.append(row)
            continue
        fate = draw(st.sampled_from(("keep", "drop", "move")))
        if fate == "keep":
            changed.append(row)
        elif fate == "move":
            changed.append(draw(_from_now_on(now, known, row)))
    changed += [draw(_from_now_on(now, known, row)) for row in draw(fresh)]
    return draw(st.permutations(changed))


def _check(warehouse: Warehouse, query: Callable[[], Rows], now: datetime, before: World, after: World) -> None:
    """Rows at `now` are the same in both worlds."""
    answers = []
    for world in (before, after):
        warehouse.fill(world)
        answers.append([row for row in query() if row["feature_timestamp"] == now])
    event("rows at T" if answers[0] else "no row at T")
    note(f"T = {now}\nthe other future:\n{describe(after)}")
    assert_identical(answers[0], answers[1], before, why=f"a row at {now} changed with what was known later")


_EVENT = ("event_at", "available_at")


# test_window_batches looks at another future of a thousand worlds.
@worlds.property_test_of(0.25)
@given(data=st.data(), call=st.sampled_from((calls.MIXED, calls.BOUNDED, calls.BY_VALUE, calls.FLAGS, calls.COMPARED)))
def test_window_features(
    macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject, call: WindowFeatures
) -> None:
    sql = macros.sql("window_features", call.arguments())
    times = data.draw(worlds.irregular_times())
    now = data.draw(st.sampled_from(times))
    spine = [{"customer_id": who, "feature_timestamp": time} for who in worlds.CUSTOMERS for time in times]
    rows = worlds.event_rows(times, call.windows, most=8)
    events = data.draw(rows)
    later = data.draw(_another_future(now, _EVENT, events, rows))
    before, after = {"spine": spine, "events": events}, {"spine": spine, "events": later}
    _check(warehouse, lambda: warehouse.rows(sql), now, before, after)


@pytest.mark.parametrize("ends", ["derived", "recorded"])
def test_as_of_join(ends: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """Later states close earlier ones, as a table of validity does; or ends say when they were recorded."""
    arguments = {
        "spine": "spine",
        "history": "history",
        "entity": "customer_id",
        "valid_from": "valid_from",
        "columns": ["plan", "price", "opted_in"],
        "valid_to": "valid_to",
        "available_at": "available_at",
        "tie_breaker": "change_id",
    }
    if ends == "recorded":
        arguments["ended_available_at"] = "ended_available_at"
    sql = macros.sql("as_of_join", arguments)

    @worlds.property_test
    @given(data=st.data())
    def hold(data: st.DataObject) -> None:
        times = data.draw(worlds.as_of_times())
        now = data.draw(st.sampled_from(times))
        spine = [{"customer_id": who, "feature_timestamp": time} for who in worlds.CUSTOMERS for time in times]
        history = data.draw(worlds.history_rows(times))
        fresh = worlds.history_rows(times, most=4)
        later = data.draw(_another_future(now, ("valid_from", "available_at"), history, fresh))
        if ends == "derived":
            history, later = _closed(history), _closed(later)
        else:
            known = [oracle.visible(row["valid_to"], now, row["ended_available_at"]) for row in later]
            later = [row if is_known else row | {"valid_to": None} for row, is_known in zip(later, known, strict=True)]
        before, after = {"spine": spine, "history": history}, {"spine": spine, "history": later}
        _check(warehouse, lambda: warehouse.rows(sql), now, before, after)

    hold()


def _closed(history: Rows) -> Rows:
    """Each state with the start of the customer's next one as its end."""
    closed = []
    for row in history:
        starts = [state["valid_from"] for state in history if state["customer_id"] == row["customer_id"]]
        later = [start for start in starts if start and row["valid_from"] and start > row["valid_from"]]
        closed.append(row | {"valid_to": min(later, default=None)})
    return closed


def _spine_sql(macros: MacroCompiler, now: datetime, definition: str, population: dict[str, str]) -> str:
    arguments = {
        "definition": definition,
        "entity": "customer_id",
        "population": population,
        "observation": "observation",
        "step": "30d",
        "anchor": text(now),
        "start": None,
        "active_window": "30d",
    }
    return macros.sql("spine", arguments)


def _observed(now: datetime, rows: Rows, column: str, draw: Any) -> Rows:
    """The period from the first row known before T to T or later."""
    start = min((row[column] for row in rows if row[column] is not None and row[column] < now), default=None)
    end = now + draw(st.sampled_from((timedelta(0), US, timedelta(days=90))))
    return [{"observation_start": start and min(start, now - US), "observation_end": end}]


@worlds.property_test
@given(data=st.data())
def test_spine_by_inactivity(macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject) -> None:
    now = data.draw(st.sampled_from(worlds.ANCHORS))
    population = {"relation": "events", "event_at": "event_at", "available_at": "available_at"}
    sql = _spine_sql(macros, now, "inactivity", population)
    times = [now - timedelta(days=30), now, now + timedelta(days=30)]
    rows = worlds.event_rows(times, ("30d",), most=8)
    events = data.draw(rows)
    later = data.draw(_another_future(now, _EVENT, events, rows))
    seen = [row for row in events if oracle.visible(row["event_at"], now, row["available_at"])]
    before = {"events": events, "observation": _observed(now, seen, "event_at", data.draw)}
    after = {"events": later, "observation": _observed(now, seen, "event_at", data.draw)}
    _check(warehouse, lambda: warehouse.rows(sql), now, before, after)


_END = ("ended_at", "ended_available_at")


@worlds.property_test
@given(data=st.data())
def test_spine_by_end_date(macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject) -> None:
    """Subscriptions not yet known come and go; ends not yet known are set, moved or taken back."""
    now = data.draw(st.sampled_from(worlds.ANCHORS))
    population = {column: column for column in ("started_at", "started_available_at", *_END)}
    sql = _spine_sql(macros, now, "end_date", population | {"relation": "subscriptions"})
    times = [now - timedelta(days=30), now, now + timedelta(days=30)]
    rows = worlds.subscription_rows(times, ("30d",))
    subscriptions = data.draw(rows)
    later = data.draw(_another_future(now, ("started_at", "started_available_at"), subscriptions, rows))
    changed = []
    for row in later:
        if not oracle.visible(row["ended_at"], now, row["ended_available_at"]):
            fate = data.draw(st.sampled_from(("keep", "open", "move")))
            if fate == "open":
                row = row | dict.fromkeys(_END)
            elif fate == "move":
                row = data.draw(_from_now_on(now, _END, row))
        changed.append(row)
    started = [r for r in subscriptions if oracle.visible(r["started_at"], now, r["started_available_at"])]
    before = {"subscriptions": subscriptions, "observation": _observed(now, started, "started_at", data.draw)}
    after = {"subscriptions": changed, "observation": _observed(now, started, "started_at", data.draw)}
    _check(warehouse, lambda: warehouse.rows(sql), now, before, after)
