"""`observation_period`, `spine` and `churn_labels`, in their three definitions, against the oracle."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from . import oracle, worlds
from .compare import assert_same_rows, describe
from .engine import MacroCompiler, Warehouse, World, text

T = datetime(2024, 7, 1, 9, 30)
DAY = timedelta(days=1)
US = worlds.MICROSECOND

SUBSCRIPTIONS = {
    "relation": "subscriptions",
    "started_at": "started_at",
    "started_available_at": "started_available_at",
    "ended_at": "ended_at",
    "ended_available_at": "ended_available_at",
}
ACTIVITY = {"relation": "events", "event_at": "event_at", "available_at": "available_at"}
KEPT = "refunded is not true or category = 'toys'"


def _kept(event: oracle.Row) -> bool:
    return event["refunded"] is not True or event["category"] == "toys"


# -- observation period ----------------------------------------------------------------------------------------

_SOURCES = [
    {"relation": "events", "event_at": "event_at", "available_at": "available_at"},
    {"relation": "history", "event_at": "valid_from"},
]


@worlds.property_test
@given(data=st.data(), times=worlds.as_of_times())
def test_observation_period(
    macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject, times: list[datetime]
) -> None:
    world = {
        "events": data.draw(worlds.event_rows(times, ("7d",), most=5)),
        "history": data.draw(worlds.history_rows(times, most=3)),
    }
    warehouse.fill(world)
    [period] = warehouse.rows(macros.sql("observation_period", {"sources": _SOURCES}))
    tables = [
        (world["events"], "event_at", "available_at"),
        (world["history"], "valid_from", None),
    ]
    assert period["observation_end"] == oracle.observation_end(tables), describe(world)
    starts = [row[column] for rows, column, _ in tables for row in rows if row[column] is not None]
    assert period["observation_start"] == min(starts, default=None), describe(world)


def test_observation_end_from_the_variable(macros: MacroCompiler, warehouse: Warehouse) -> None:
    warehouse.fill({})
    variables = {"observation_end": "2024-06-30 12:00:00"}
    [period] = warehouse.rows(macros.sql("observation_period", {"sources": _SOURCES}, variables))
    assert period == {"observation_start": None, "observation_end": datetime(2024, 6, 30, 12)}


# -- spine -----------------------------------------------------------------------------------------------------

_GRIDS: list[tuple[str, datetime, datetime | None]] = [
    ("1 month", datetime(2024, 1, 1), None),
    ("1 month", datetime(2024, 1, 31), None),  # months without a 31st
    ("3 month", datetime(2023, 11, 30, 6, 15), None),
    ("30d", datetime(2024, 1, 1), None),
    ("7d", datetime(2030, 1, 1, 23, 59, 59, 999_999), None),  # an anchor after everything
    ("36h", datetime(2024, 7, 1), datetime(2024, 6, 1)),
    ("2w", datetime(2020, 2, 29), datetime(2024, 6, 30, 0, 0, 0, 1)),
    ("1 month", datetime(2024, 7, 1), datetime(2024, 7, 1)),  # starts on a grid time
    ("1 month", datetime(1970, 1, 1), None),
]


def _spine_rows(
    macros: MacroCompiler, warehouse: Warehouse, arguments: dict[str, Any], variables: dict | None = None
) -> set[tuple[Any, datetime]]:
    rows = warehouse.rows(macros.sql("spine", arguments, variables))
    pairs = [(row["customer_id"], row["feature_timestamp"]) for row in rows]
    assert len(pairs) == len(set(pairs)), "a customer stands twice at one feature time"
    return set(pairs)


def _observe(
    times: Sequence[datetime], firsts: Sequence[datetime | None], draw: Any
) -> tuple[datetime | None, datetime]:
    """An observation period that begins with the first row and ends at or around a feature time."""
    end = draw(st.sampled_from(times)) + draw(st.sampled_from((timedelta(0), US, -US, 40 * DAY)))
    return min((first for first in firsts if first is not None), default=None), end


def _grid_times(grid: tuple[str, datetime, datetime | None], start: datetime | None, end: datetime) -> list[datetime]:
    step, anchor, begin = grid
    if start is None:
        return []
    return [time for time in oracle.grid(anchor, step, begin or start, end) if begin or time > start]


def _spine_arguments(definition: str, population: dict, grid: tuple[str, datetime, datetime | None]) -> dict[str, Any]:
    step, anchor, start = grid
    return {
        "definition": definition,
        "entity": "customer_id",
        "population": population,
        "observation": "observation",
        "step": step,
        "anchor": text(anchor),
        "start": text(start) if start else None,
    }


@st.composite
def _times_on(draw: st.DrawFn, grid: tuple[str, datetime, datetime | None]) -> list[datetime]:
    """A few feature times of a grid, in the years where its worlds lie."""
    step, anchor, start = grid
    centre = start or datetime(draw(st.sampled_from((1969, 2024))), draw(st.integers(1, 12)), 15)
    # Fine grids over a short stretch, coarse ones over a long one.
    reach = 60 * DAY if "month" not in step and oracle.duration(step) < 8 * DAY else 250 * DAY
    return oracle.grid(anchor, step, centre - reach, centre + reach)


@worlds.property_test
@given(data=st.data(), grid=st.sampled_from(_GRIDS))
def test_spine_by_end_date(macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject, grid: tuple) -> None:
    times = data.draw(_times_on(grid))
    subscriptions = data.draw(worlds.subscription_rows(times, ("24h", "30d")))
    start, end = _observe(times, [row["started_at"] for row in subscriptions], data.draw)
    world = {"subscriptions": subscriptions, "observation": [{"observation_start": start, "observation_end": end}]}
    note(f"{grid}\n{describe(world)}")
    warehouse.fill(world)
    rows = _spine_rows(macros, warehouse, _spine_arguments("end_date", SUBSCRIPTIONS, grid))
    assert rows == oracle.spine_end_date(subscriptions, _grid_times(grid, start, end))


@worlds.property_test
@given(
    data=st.data(),
    grid=st.sampled_from(_GRIDS),
    active_window=st.sampled_from(("24h", "30d", "26w")),
    restricted=st.booleans(),
)
def test_spine_by_inactivity(
    macros: MacroCompiler,
    warehouse: Warehouse,
    data: st.DataObject,
    grid: tuple,
    active_window: str,
    restricted: bool,
) -> None:
    times = data.draw(_times_on(grid))
    rows = data.draw(worlds.event_rows(times, (active_window,), most=8))
    events = [row for row in rows if row["customer_id"] is not None]
    start, end = _observe(times, [row["event_at"] for row in events], data.draw)
    world = {"events": rows, "observation": [{"observation_start": start, "observation_end": end}]}
    note(f"{grid}\n{describe(world)}")
    warehouse.fill(world)
    population = ACTIVITY | ({"where": KEPT} if restricted else {})
    arguments = _spine_arguments("inactivity", population, grid) | {"active_window": active_window}
    expected = oracle.spine_inactivity(
        events, _grid_times(grid, start, end), active_window, _kept if restricted else None
    )
    assert _spine_rows(macros, warehouse, arguments) == expected


def test_spine_as_supplied(macros: MacroCompiler, warehouse: Warehouse) -> None:
    pairs = [("ada", T), ("ada", T + US), ("bob", T), ("bob", T)]
    warehouse.fill(
        {
            "supplied": [{"customer_id": who, "as_of": time, "label": 0} for who, time in pairs],
            "observation": [{"observation_start": T - DAY, "observation_end": T}],
        }
    )
    arguments = {
        "definition": "supplied",
        "entity": "customer_id",
        "population": {"relation": "supplied", "as_of": "as_of"},
        "observation": "observation",
    }
    assert _spine_rows(macros, warehouse, arguments) == set(pairs)
    rows = warehouse.rows(macros.sql("spine", arguments, {"feature_timestamps": [(T + US).isoformat(" ")]}))
    assert [(row["customer_id"], row["feature_timestamp"]) for row in rows] == [("ada", T + US)]


def test_named_feature_times_replace_the_grid(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """What replay asks for: times off the grid, after the observation's end."""
    asked = [datetime(2024, 7, 3, 1, 2, 3, 4), datetime(2024, 9, 9)]
    events = [
        {"customer_id": "ada", "event_at": asked[0] - DAY},
        {"customer_id": "bob", "event_at": asked[1] - US},
    ]
    end = asked[0] - DAY
    warehouse.fill({"events": events, "observation": [{"observation_start": end, "observation_end": end}]})
    arguments = _spine_arguments("inactivity", ACTIVITY, _GRIDS[0]) | {"active_window": "7d"}
    variables = {"feature_timestamps": [text(time) for time in asked]}
    assert _spine_rows(macros, warehouse, arguments, variables) == {("ada", asked[0]), ("bob", asked[1])}


def test_the_grid_comes_from_the_variables(macros: MacroCompiler, warehouse: Warehouse) -> None:
    events = [{"customer_id": "ada", "event_at": datetime(2024, 1, 15)}]
    observation = {"observation_start": datetime(2024, 1, 15), "observation_end": datetime(2024, 12, 1)}
    warehouse.fill({"events": events, "observation": [observation]})
    arguments = {"definition": "inactivity", "entity": "customer_id", "population": ACTIVITY}
    arguments["observation"] = "observation"
    variables = {"step": "10d", "spine_anchor": "2024-01-01", "spine_start": "2024-02-01", "active_window": "30d"}
    rows = _spine_rows(macros, warehouse, arguments, variables)
    assert rows == {("ada", datetime(2024, 2, 10))}


def test_an_end_recorded_late_keeps_the_customer_at_risk(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """The spine may not know of an end before it was recorded, nor forget it afterwards."""
    times = [datetime(2024, month, 1) for month in range(2, 7)]
    subscription = {
        "customer_id": "ada",
        "started_at": datetime(2024, 1, 31, 23),
        "started_available_at": datetime(2024, 2, 1),  # known at the first time, not before it
        "ended_at": datetime(2024, 3, 20),
        "ended_available_at": datetime(2024, 4, 1),
    }
    observation = {"observation_start": subscription["started_at"], "observation_end": times[-1]}
    warehouse.fill({"subscriptions": [subscription], "observation": [observation]})
    rows = _spine_rows(macros, warehouse, _spine_arguments("end_date", SUBSCRIPTIONS, _GRIDS[0]))
    assert sorted(time for _, time in rows) == times[1:3]


# -- labels ----------------------------------------------------------------------------------------------------

_LABEL_WINDOWS = (("30d", "0d"), ("90d", "7d"), ("24h", "12h"), ("2w", "1w"), ("36h", "0h"))


@st.composite
def _label_worlds(
    draw: st.DrawFn, horizon: str, gap: str, grace: str = "0d", maturity_lag: str = "0d"
) -> tuple[World, list[datetime], datetime | None]:
    """A spine, an observation end on or beside the time at which a label matures, and the times of that."""
    times = draw(worlds.as_of_times())
    spine = draw(worlds.spines(times))
    lengths = (gap, horizon, grace, maturity_lag)
    label_time = sum((oracle.duration(length) for length in lengths), draw(st.sampled_from(times)))
    end = label_time + draw(st.sampled_from((timedelta(0), -US, US, -DAY, 400 * DAY, 400 * DAY)))
    if draw(st.integers(0, 11)) == 0:
        end = None
    observation = {"observation_start": None, "observation_end": end}
    return {"spine": spine, "observation": [observation]}, times, end


def _label_moments(times: list[datetime], horizon: str, gap: str) -> st.SearchStrategy[datetime]:
    """Times on the edges of the label windows, and anywhere."""
    froms = [time + oracle.duration(gap) for time in times]
    tos = [time + oracle.duration(horizon) for time in froms]
    edges = st.builds(
        lambda time, jitter: time + jitter,
        st.sampled_from(times + froms + tos),
        st.sampled_from((timedelta(0), US, -US)),
    )
    return st.one_of(edges, edges, worlds.moments(times, (horizon,)))


def _check_labels(
    macros: MacroCompiler,
    warehouse: Warehouse,
    world: World,
    definition: str,
    outcome: dict[str, str],
    churned: Any,
    observed_to: datetime | None,
    window: tuple[str, str],
    grace: str = "0d",
    maturity_lag: str = "0d",
) -> None:
    horizon, gap = window
    arguments = {
        "definition": definition,
        "entity": "customer_id",
        "spine": "spine",
        "outcome": outcome,
        "observation": "observation",
        "horizon": horizon,
        "gap": gap,
    }
    if grace != "0d":
        arguments["grace"] = grace
    if maturity_lag != "0d":
        arguments["maturity_lag"] = maturity_lag
    warehouse.fill(world)
    rows = warehouse.rows(macros.sql("churn_labels", arguments))
    lengths = {"horizon": horizon, "gap": gap, "grace": grace, "maturity_lag": maturity_lag}
    expected = oracle.churn_labels(world["spine"], churned, observed_to=observed_to, **lengths)
    assert_same_rows(rows, expected, world, sql=f"{window} {grace} {maturity_lag}")


@worlds.property_test
@given(
    data=st.data(),
    window=st.sampled_from(_LABEL_WINDOWS),
    grace=st.sampled_from(("0d", "12h", "7d")),
    starts_known=st.booleans(),
)
def test_labels_by_end_date(
    macros: MacroCompiler,
    warehouse: Warehouse,
    data: st.DataObject,
    window: tuple[str, str],
    grace: str,
    starts_known: bool,
) -> None:
    world, times, observed_to = data.draw(_label_worlds(*window, grace=grace))
    graces = [time + sign * oracle.duration(grace) for time in times for sign in (1, -1)]
    moments = st.none() | _label_moments(times + graces, *window)
    blank = dict.fromkeys(("started_available_at", "ended_available_at"))
    subscriptions = [
        {"customer_id": who, **blank, "started_at": data.draw(moments), "ended_at": data.draw(moments)}
        for who in (*worlds.CUSTOMERS, worlds.STRANGER)
        for _ in range(data.draw(st.integers(0, 4)))
    ]
    world["subscriptions"] = subscriptions
    outcome = {"relation": "subscriptions", "ended_at": "ended_at"}
    if starts_known:
        outcome["started_at"] = "started_at"
    churned = oracle.churned_by_end_date(subscriptions, "started_at" if starts_known else None, grace)
    _check_labels(macros, warehouse, world, "end_date", outcome, churned, observed_to, window, grace)


@worlds.property_test
@given(
    data=st.data(),
    window=st.sampled_from(_LABEL_WINDOWS),
    restricted=st.booleans(),
    maturity_lag=st.sampled_from(("0d", "5h", "3d")),
)
def test_labels_by_inactivity(
    macros: MacroCompiler,
    warehouse: Warehouse,
    data: st.DataObject,
    window: tuple[str, str],
    restricted: bool,
    maturity_lag: str,
) -> None:
    world, times, observed_to = data.draw(_label_worlds(*window, maturity_lag=maturity_lag))
    moments = _label_moments(times, *window)
    events = data.draw(worlds.event_rows(times, window, most=8))
    for event in events:
        if event["event_at"] is not None and data.draw(st.booleans()):
            event["event_at"] = data.draw(moments)
    world["events"] = events
    outcome = {"relation": "events", "event_at": "event_at"} | ({"where": KEPT} if restricted else {})
    churned = oracle.churned_by_inactivity(events, _kept if restricted else None)
    _check_labels(
        macros, warehouse, world, "inactivity", outcome, churned, observed_to, window, maturity_lag=maturity_lag
    )


@worlds.property_test
@given(data=st.data(), window=st.sampled_from(_LABEL_WINDOWS))
def test_labels_as_supplied(
    macros: MacroCompiler, warehouse: Warehouse, data: st.DataObject, window: tuple[str, str]
) -> None:
    world, times, observed_to = data.draw(_label_worlds(*window))
    labels = [
        {"customer_id": who, "as_of": time + data.draw(st.sampled_from((timedelta(0), timedelta(0), US)))}
        for who in (*worlds.CUSTOMERS, worlds.STRANGER)
        for time in times
    ]
    labels = [dict(t) for t in {tuple(row.items()): None for row in labels}]
    for row in labels:
        row["label"] = data.draw(st.sampled_from((None, 0, 1)))
    world["supplied"] = labels
    outcome = {"relation": "supplied", "as_of": "as_of", "label": "label"}
    churned = oracle.churned_as_supplied(labels)
    _check_labels(macros, warehouse, world, "supplied", outcome, churned, observed_to, window)


def test_supplied_labels_that_say_when_they_were_known(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """A label counts from its own time on; a row without one looks ahead by the horizon."""
    known = T + 20 * DAY
    warehouse.fill(
        {
            "spine": [{"customer_id": who, "feature_timestamp": T} for who in ("ada", "bob", "cyd")],
            "supplied": [
                {"customer_id": "ada", "as_of": T, "label": 1},
                {"customer_id": "bob", "as_of": T, "label": 0},
                {"customer_id": "cyd", "as_of": T, "label": None},
                {"customer_id": "cyd", "as_of": T + US, "label": 1},
            ],
            "observation": [{"observation_start": T - DAY, "observation_end": known}],
        }
    )
    late = "case when customer_id = 'bob' then interval '1 microsecond' else interval '0 days' end"
    arguments = {
        "definition": "supplied",
        "entity": "customer_id",
        "spine": "spine",
        "outcome": {
            "relation": f"(select *, as_of + interval '20 days' + {late} as known_at from supplied) as supplied",
            "as_of": "as_of",
            "label": "label",
            "label_at": "known_at",
        },
        "observation": "observation",
        "horizon": "30d",
        "gap": "7d",
    }
    rows = {row["customer_id"]: row for row in warehouse.rows(macros.sql("churn_labels", arguments))}
    assert {
        who: (row["churned"], row["label_timestamp"], row["label_available_flag"]) for who, row in rows.items()
    } == {
        "ada": (1, known, True),
        "bob": (None, known + US, False),
        "cyd": (None, T + 37 * DAY, False),
    }


@pytest.mark.parametrize("grace", ["0d", "12h", "7d"])
def test_labels_of_many_subscriptions(grace: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    """Chains of subscriptions that touch, overlap, or just do not, around the edges of the label window."""
    draw = random.Random(grace)
    steps = [timedelta(0), -US, US, -3 * DAY, 3 * DAY, oracle.duration(grace), oracle.duration(grace) + US]
    edges = [T - 40 * DAY, T, T + 7 * DAY - US, T + 7 * DAY, T + 20 * DAY, T + 37 * DAY - US, T + 37 * DAY]
    subscriptions = []
    for number in range(1_500):
        end = draw.choice(edges)
        for _ in range(draw.randint(1, 4)):
            start, end = end + draw.choice(steps), draw.choice([None, *edges, *edges])
            subscriptions.append({"customer_id": str(number), "started_at": start, "ended_at": end})
            end = end or draw.choice(edges)
    world: World = {
        "spine": [{"customer_id": str(number), "feature_timestamp": T} for number in range(1_500)],
        "subscriptions": draw.sample(subscriptions, len(subscriptions)),
        "observation": [{"observation_end": T + 100 * DAY}],
    }
    outcome = {"relation": "subscriptions", "started_at": "started_at", "ended_at": "ended_at"}
    churned = oracle.churned_by_end_date(subscriptions, "started_at", grace)
    _check_labels(macros, warehouse, world, "end_date", outcome, churned, T + 100 * DAY, ("30d", "7d"), grace)


def test_a_label_waits_for_late_rows(macros: MacroCompiler, warehouse: Warehouse) -> None:
    """An event of 30 June that arrives on 3 July: without a lag the customer counts as churned on 1 July."""
    feature_time, event = datetime(2024, 6, 1), datetime(2024, 6, 30, 18)
    arguments = {
        "definition": "inactivity",
        "entity": "customer_id",
        "spine": "spine",
        "outcome": {"relation": "events", "event_at": "event_at"},
        "observation": "observation",
        "horizon": "30d",
        "gap": "0d",
    }
    answers = {}
    for lag in ("0d", "3d"):
        sql = macros.sql("churn_labels", arguments, {"maturity_lag": lag} if lag != "0d" else None)
        for end in (datetime(2024, 7, 1, 12), datetime(2024, 7, 3, 12), datetime(2024, 7, 4)):
            arrived = end > datetime(2024, 7, 3)
            warehouse.fill(
                {
                    "spine": [{"customer_id": "ada", "feature_timestamp": feature_time}],
                    "events": [{"customer_id": "ada", "event_at": event}] if arrived else [],
                    "observation": [{"observation_end": end}],
                }
            )
            [row] = warehouse.rows(sql)
            assert row["label_timestamp"] == datetime(2024, 7, 1)
            answers[lag, end.day] = (row["churned"], row["label_available_flag"])
    assert answers == {
        ("0d", 1): (1, True),
        ("0d", 3): (0, True),
        ("0d", 4): (0, True),
        ("3d", 1): (None, False),
        ("3d", 3): (None, False),
        ("3d", 4): (0, True),
    }


def test_supplied_labels_wait_for_the_maturity_lag_too(macros: MacroCompiler, warehouse: Warehouse) -> None:
    known = T + 20 * DAY
    arguments = {
        "definition": "supplied",
        "entity": "customer_id",
        "spine": "spine",
        "outcome": {
            "relation": "(select *, as_of + interval '20 days' as known_at from supplied) as supplied",
            "as_of": "as_of",
            "label": "label",
            "label_at": "known_at",
        },
        "observation": "observation",
        "maturity_lag": "12h",
    }
    world: World = {
        "spine": [{"customer_id": "ada", "feature_timestamp": T}],
        "supplied": [{"customer_id": "ada", "as_of": T, "label": 1}],
    }
    for shift, expected in ((-US, (None, False)), (timedelta(0), (1, True))):
        warehouse.fill(world | {"observation": [{"observation_end": known + DAY / 2 + shift}]})
        [row] = warehouse.rows(macros.sql("churn_labels", arguments))
        assert (row["churned"], row["label_available_flag"]) == expected
        assert row["label_timestamp"] == known


def _warehouse_at(time: datetime, rows: list[dict], starts: str) -> list[dict]:
    """What has arrived by a time; an end that has not is open."""
    arrived = [row for row in rows if oracle.known_at(row[starts], row["arrived_at"]) <= time]
    is_open = [row["end_arrived_at"] is None or row["end_arrived_at"] > time for row in arrived]
    return [row | {"ended_at": None} if opened else row for row, opened in zip(arrived, is_open, strict=True)]


@pytest.mark.parametrize(("definition", "grace"), [("inactivity", "0d"), ("end_date", "0d"), ("end_date", "12h")])
def test_an_available_label_is_not_changed_by_what_arrives_within_the_lag(
    macros: MacroCompiler, warehouse: Warehouse, definition: str, grace: str
) -> None:
    """From one state of the warehouse to the next, labels that were available stay; without a lag, many change."""
    draw = random.Random(f"{definition} {grace}")
    lag, to = 3 * DAY, T + 37 * DAY
    edges = [T - 40 * DAY, T + 7 * DAY, T + 20 * DAY, to - 2 * DAY, to - US, to, to + DAY / 2, to + 5 * DAY]
    rows = []
    for number in range(400):
        for _ in range(draw.randint(1, 3)):
            start, end = draw.choice(edges), draw.choice([None, *edges])
            arrived = start + draw.choice((0, 0.5, 1)) * lag
            row = {"customer_id": str(number), "started_at": start, "ended_at": end and max(start, end)}
            end_arrived = end and max(arrived, row["ended_at"] + draw.choice((0, 0.5, 1)) * lag)
            rows.append(row | {"arrived_at": arrived, "end_arrived_at": end_arrived})
    outcome = {"relation": "subscriptions", "event_at": "started_at"}
    if definition == "end_date":
        outcome = {"relation": "subscriptions", "started_at": "started_at", "ended_at": "ended_at"}
    arguments = {
        "definition": definition, "entity": "customer_id", "spine": "spine", "observation": "observation",
        "outcome": outcome, "horizon": "30d", "gap": "7d", "grace": grace,
    }  # fmt: skip
    spine = [{"customer_id": str(number), "feature_timestamp": T} for number in range(400)]
    changed = {}
    for maturity_lag in ("0d", "3d"):
        sql = macros.sql("churn_labels", arguments | {"maturity_lag": maturity_lag})
        labels: dict[str, int | None] = {}
        changed[maturity_lag] = 0
        for hours in (0, 12, 36, 72, 84, 200):
            now = to + timedelta(hours=hours)
            columns = ("customer_id", "started_at", "ended_at")
            known = [{column: row[column] for column in columns} for row in _warehouse_at(now, rows, "started_at")]
            warehouse.fill({"spine": spine, "subscriptions": known, "observation": [{"observation_end": now}]})
            for row in warehouse.rows(sql):
                if row["label_available_flag"]:
                    label = labels.setdefault(row["customer_id"], row["churned"])
                    changed[maturity_lag] += label != row["churned"]
        assert len(labels) == 400
    assert changed["0d"] > 10
    assert changed["3d"] == 0


# name -> time of the end, or of the activity, and the label by end_date and by inactivity; gap 7d, horizon 30d
_LABEL_EDGES: dict[str, tuple[datetime, int | None, int]] = {
    "at T": (T, None, 1),
    "before the window": (T + 7 * DAY - US, None, 1),
    "on its lower edge": (T + 7 * DAY, 1, 0),
    "inside": (T + 20 * DAY, 1, 0),
    "just before its upper edge": (T + 37 * DAY - US, 1, 0),
    "on its upper edge": (T + 37 * DAY, 0, 1),
}


@pytest.mark.parametrize("name", _LABEL_EDGES)
def test_label_edges(name: str, macros: MacroCompiler, warehouse: Warehouse) -> None:
    time, by_end_date, by_inactivity = _LABEL_EDGES[name]
    warehouse.fill(
        {
            "spine": [{"customer_id": "ada", "feature_timestamp": T}],
            "subscriptions": [{"customer_id": "ada", "ended_at": time}],
            "events": [{"customer_id": "ada", "event_at": time}],
            "observation": [{"observation_end": T + 37 * DAY}],
        }
    )
    common = {"entity": "customer_id", "spine": "spine", "observation": "observation", "horizon": "30d", "gap": "7d"}
    for definition, outcome, label in (
        ("end_date", {"relation": "subscriptions", "ended_at": "ended_at"}, by_end_date),
        ("inactivity", {"relation": "events", "event_at": "event_at"}, by_inactivity),
    ):
        sql = macros.sql("churn_labels", common | {"definition": definition, "outcome": outcome})
        [row] = warehouse.rows(sql)
        assert row["churned"] == label, definition
        assert row["label_timestamp"] == T + 37 * DAY
        assert row["label_available_flag"] is True


def test_horizon_and_gap_come_from_the_variables(macros: MacroCompiler, warehouse: Warehouse) -> None:
    warehouse.fill(
        {
            "spine": [{"customer_id": "ada", "feature_timestamp": T}],
            "observation": [{"observation_end": T + 16 * DAY - US}],
        }
    )
    arguments = {"definition": "inactivity", "entity": "customer_id", "spine": "spine", "observation": "observation"}
    arguments["outcome"] = {"relation": "events", "event_at": "event_at"}
    sql = macros.sql("churn_labels", arguments, {"horizon": "2w", "gap": "2d"})
    [row] = warehouse.rows(sql)
    assert row["label_timestamp"] == T + 16 * DAY
    assert row["label_available_flag"] is False
    assert row["churned"] is None
    assert warehouse.types(sql)["churned"] == "INTEGER"
