"""The oracle of `window_features` against values worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from . import batches
from .declarations import CADENCE, Comparison, Measure, WindowFeatures
from .window_oracle import Near, Value, aggregated, compared, expanded, window_features

T = datetime(2024, 7, 10, 12)


def _column(name: str) -> Any:
    return lambda event: event[name]


def _row(call: WindowFeatures, events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    [row] = window_features(call, [{"customer_id": "ada", "feature_timestamp": T}], events)
    return {column.removeprefix(f"{call.source}_"): value for column, value in row.items()}


def _event(days: float, known: float | None = None, **columns: Any) -> dict[str, Any]:
    """An event so many days before T, known so many days before T."""
    available_at = None if known is None else T - timedelta(days=known)
    return {"customer_id": "ada", "event_at": T - timedelta(days=days), "available_at": available_at, **columns}


def _values(raw: Sequence[Any], typed: Sequence[Any] | None = None) -> list[Value]:
    return [
        Value(T - timedelta(days=day), T - timedelta(days=day), r, t)
        for day, (r, t) in enumerate(zip(raw, typed or raw, strict=True), 1)
    ]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        ("count", 4),
        ("sum", Fraction(20)),
        ("mean", Fraction(5)),
        ("min", Fraction(2)),
        ("max", Fraction(9)),
        ("variance", Fraction(26, 3)),  # 9 + 1 + 0 + 16 over 3
        ("first", Fraction(9)),
        ("last", Fraction(2)),
        ("last_per_mean", Fraction(2, 5)),
        ("nunique", 4),
        # days from their mean: 1.5, 0.5, -0.5, -1.5; values from theirs: -3, -1, 0, 4
        ("slope", Fraction(-11, 5)),
    ],
)
def test_numbers(aggregate: str, expected: Any) -> None:
    assert aggregated(aggregate, _values([2, 4, 5, 9], [200, 400, 500, 900]), exponent=2) == expected


def test_a_deviation_is_the_root_of_the_variance() -> None:
    assert float(aggregated("stddev", _values([2, 4, 5, 9]), 0)) == math.sqrt(26 / 3)


def test_nothing_there() -> None:
    zeros = {"count": 0, "sum": 0, "nunique": 0, "any": False}
    for aggregate in ("mean", "min", "max", "variance", "stddev", "slope", "first", "last", "mode", "entropy", "all"):
        assert aggregated(aggregate, [], 4) is None, aggregate
    for aggregate, zero in zeros.items():
        assert aggregated(aggregate, [], 4) == zero
    for aggregate in ("variance", "stddev", "slope"):
        assert aggregated(aggregate, _values([5]), 0) is None


def test_a_slope_needs_two_different_seconds() -> None:
    second = datetime(1969, 12, 31, 23, 59, 59)
    times = [second, second + timedelta(microseconds=999_999), second + timedelta(seconds=1)]
    values = [Value(time, time, ticks, ticks) for ticks, time in enumerate(times)]
    assert aggregated("slope", values[:2], 0) is None
    # 0 and 1 in second -1, 2 in second 0: 1.5 ticks a second
    assert aggregated("slope", values, 0) == Fraction(3, 2) * 86_400


def test_mode_entropy_and_nunique() -> None:
    values = _values(["b", "a", "B", "a", "b", "é"])
    assert aggregated("mode", values, 0) == "a"
    assert aggregated("mode", _values(["é", "z"]), 0) == "z"
    assert aggregated("nunique", values, 0) == 4
    expected = -(2 * (1 / 3) * math.log(1 / 3) + 2 * (1 / 6) * math.log(1 / 6))
    assert float(aggregated("entropy", values, 0)) == pytest.approx(expected, rel=1e-14)
    assert aggregated("entropy", _values(["a", "a"]), 0) == 0
    assert aggregated("mode", _values([True, False]), 0) == "false"
    assert aggregated("mode", _values([Decimal("19.9"), Decimal("19.9000"), Decimal(3)]), 4) == "19.9000"


def test_flags() -> None:
    for raw, expected in {
        (True, False, True): (True, False, Fraction(2, 3)),
        (False,): (False, False, 0),
        (True,): (True, True, 1),
    }.items():
        assert tuple(aggregated(aggregate, _values(raw), 0) for aggregate in ("any", "all", "share")) == expected


def test_first_and_last_break_ties_by_arrival_and_then_by_value() -> None:
    later, latest = T + timedelta(days=1), T + timedelta(days=2)
    values = [Value(T, latest, 1, 1), Value(T, later, 5, 5), Value(T, later, 3, 3), Value(T, latest, 2, 2)]
    assert aggregated("first", values, 0) == 3
    assert aggregated("last", values, 0) == 2


def test_windows_visibility_and_conditions() -> None:
    events = [
        _event(1, amount=Decimal(1), channel="web"),
        _event(7, amount=Decimal(10), channel="web"),  # on the edge
        _event(8, amount=Decimal(100), channel=None),
        _event(2, 0, amount=Decimal(1000), channel="web"),  # known at T
        _event(9, 1, amount=Decimal(10_000), channel="web"),  # known late
        _event(3, amount=None, channel="app"),
    ]
    amount = Measure(
        "amount", "", _column("amount"), ("sum",), where="", condition=lambda event: event["channel"] == "web"
    )
    row = _row(WindowFeatures("o", ("7d", "all_time"), (amount,), recency=False), events)
    assert list(row.items())[2:] == [
        ("count_7d", 3), ("count_all_time", 5), ("amount_sum_7d", 11), ("amount_sum_all_time", 10_011),
    ]  # fmt: skip


def test_values_make_measures() -> None:
    events = [
        _event(1, amount=Decimal(1), channel="web"),
        _event(2, amount=Decimal(2), channel="Call centre"),
        _event(3, amount=Decimal(4), channel=None),
        _event(4, amount=None, channel="web"),
    ]
    values = ("web", "Call centre")
    by = Measure("amount", "", _column("amount"), ("sum", "count"), by="", category=_column("channel"), values=values)
    of = Measure("channel", "", _column("channel"), ("share", "nunique", "count"), type="text", values=values)
    row = _row(WindowFeatures("o", ("7d",), (by, of), recency=False), events)
    assert list(row.items())[3:] == [
        ("amount_web_sum_7d", 1), ("amount_web_count_7d", 1),
        ("amount_call_centre_sum_7d", 2), ("amount_call_centre_count_7d", 1),
        ("channel_nunique_7d", 2),
        ("channel_web_share_7d", Fraction(2, 3)), ("channel_web_count_7d", 2),
        ("channel_call_centre_share_7d", Fraction(1, 3)), ("channel_call_centre_count_7d", 1),
    ]  # fmt: skip


def test_a_measure_of_counts_and_shares_alone_vanishes() -> None:
    measure = Measure("channel", "", _column("channel"), ("count",), values={"web": "web"})
    assert [part.name for part in expanded(measure)] == ["channel_web"]


def test_rhythm() -> None:
    # T is at noon: on its own day, the day before, two that day, a gap, three days on end.
    days = [0.25, 1, 1.25, 4, 5, 6]
    rhythm = ("active_days", "gap_stddev_days", "longest_streak_days", "current_streak_days")
    call = WindowFeatures("o", ("24h", "7d"), recency=False, rhythm=rhythm)
    row = _row(call, [_event(day) for day in days])
    assert row["active_days_24h"] == 2
    assert row["active_days_7d"] == 5
    assert row["longest_streak_days"] == 3
    assert row["current_streak_days"] == 2
    gaps = [0.75, 0.25, 2.75, 1, 1]
    mean = sum(gaps) / 5
    expected = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / 4)
    assert float(row["gap_stddev_days"]) == pytest.approx(expected, rel=1e-14)


def test_cadence() -> None:
    # T is at noon: visits 0, 1, 4, 6 and 16 days before, of which one has two events.
    row = _row(
        WindowFeatures("o", ("24h",), recency=False, rhythm=CADENCE), [_event(day) for day in (0.25, 1, 1.25, 4, 6, 16)]
    )
    assert [row[kind] for kind in CADENCE[:3]] == [1, Fraction(5, 2), 10]
    assert row["recency_per_mean_gap"] == Fraction(1, 16)
    assert row["recency_per_longest_gap"] == Fraction(1, 40)
    assert row["recency_per_tenure"] == Fraction(1, 64)
    # gaps 1, 3, 2, 10 less their mean of 4: 9 + 1 + 4 + 36 over 3
    assert float(row["recency_zscore"].value) == pytest.approx((0.25 - 4) / math.sqrt(50 / 3), rel=1e-14)


@pytest.mark.parametrize(
    ("days", "missing"),
    [([], CADENCE), ([1, 1.25], (*CADENCE[:5], "recency_zscore")), ([1, 3], CADENCE[6:]), ([1, 3, 5], CADENCE[6:])],
)
def test_cadence_without_what_is_compared(days: list[float], missing: tuple[str, ...]) -> None:
    row = _row(WindowFeatures("o", ("24h",), recency=False, rhythm=CADENCE), [_event(day) for day in days])
    assert tuple(kind for kind in CADENCE if row[kind] is None) == missing


@pytest.mark.parametrize(
    ("days", "current"), [([0.25], 1), ([1, 2], 2), ([2, 3], 0), ([0.25, 2], 1), ([1, 2, 4], 2), ([], 0)]
)
def test_a_current_streak_ends_today_or_yesterday(days: list[float], current: int) -> None:
    call = WindowFeatures("o", ("24h",), recency=False, rhythm=("current_streak_days", "gap_stddev_days"))
    row = _row(call, [_event(day) for day in days])
    assert row["current_streak_days"] == current
    assert (row["gap_stddev_days"] is None) == (len(days) < 3)


def test_recency() -> None:
    row = _row(WindowFeatures("o", ("24h",)), [_event(day) for day in (1.5, 2, 10.5)])
    assert (row["days_since_last"], row["days_since_first"], row["mean_gap_days"]) == (1.5, 10.5, 4.5)


@pytest.mark.parametrize(
    ("kind", "windows", "features", "expected"),
    [
        ("ratio", ("7d", "all_time"), (3, 4), Fraction(3, 4)),
        ("ratio", ("7d", "30d"), (3, 0), None),
        ("ratio", ("7d", "30d"), (None, 3), None),
        ("difference", ("7d", "30d"), (3, 4), Near(Fraction(-1), Fraction(7))),
        ("velocity", ("12h", "30d"), (3, 60), Near(Fraction(4), Fraction(8))),
        ("momentum", ("24h", "30d"), (3, 60), Fraction(3, 2)),
        ("momentum", ("24h", "30d"), (3, 0), None),
        ("acceleration", ("24h", "1w", "10d"), (5, 14, 10), Near(Fraction(2), Fraction(10))),
    ],
)
def test_comparisons(kind: str, windows: tuple[str, ...], features: tuple[Any, ...], expected: Any) -> None:
    assert compared(Comparison("count", kind, windows), features) == expected


# -- random worlds ---------------------------------------------------------------------------------------------


def test_batches_hold_what_they_promise() -> None:
    windows = ("24h", "7d")
    world = batches.batched_worlds(3, 400, windows)
    assert batches.batched_worlds(3, 400, windows) == world
    dates: dict[str, list[datetime]] = {}
    for row in world["spine"]:
        dates.setdefault(row["customer_id"], []).append(row["feature_timestamp"])
    assert len({customer.split(":")[0] for customer in dates}) == 400
    assert {len(times) for times in dates.values()} == {1, 2, 3, 4, 6, 8}
    gaps = [b - a for times in dates.values() for a, b in pairwise(sorted(times))]
    assert min(gaps) < timedelta(hours=24) < timedelta(days=7) < max(gaps)
    late = old = 0
    for event in world["events"]:
        if event["event_at"] is None or event["available_at"] is None:
            continue
        happened, known = event["event_at"], event["available_at"]
        passed = [time for time in dates.get(event["customer_id"], ()) if happened < time <= known]
        late += len(passed) > 1
        old += len(passed) > 1 and known - happened > timedelta(days=7)
    assert late > 50
    assert old > 20


def test_another_future_leaves_what_was_known_alone() -> None:
    world = batches.batched_worlds(4, 100, ("24h", "7d"))
    later, told = batches.another_future(4, world)
    call = WindowFeatures("o", ("24h", "7d", "all_time"))
    assert window_features(call, told, world["events"]) == window_features(call, told, later["events"])
    assert window_features(call, world["spine"], world["events"]) != window_features(
        call, world["spine"], later["events"]
    )
