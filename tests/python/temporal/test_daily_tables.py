"""Tables that a build keeps up to date equal the same tables made at once, whatever happens to their inputs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from . import batches
from .test_daily_runs import WINDOWS, Daily, _edit

RUNS = 3
WITHOUT_FINGERPRINTS = "(select columns(lambda c: not ends_with(c, '_fingerprint')) from {})"
MARK = -1.0


@pytest.fixture
def daily(tmp_path: Path) -> Daily:
    return Daily(tmp_path)


def build(daily: Daily, select: str = "+kept_features +kept_features_at_once", **variables: object) -> None:
    flags = ["--full-refresh"] if variables.pop("full_refresh", False) else []
    given = ", ".join(f"{name}: {value}" for name, value in variables.items())
    daily.dbt("build", "--vars", f"{{{given}}}", "--select", *select.split(), *flags)


def assert_equal_to_one_build(daily: Daily) -> None:
    made, at_once = (WITHOUT_FINGERPRINTS.format(name) for name in ("kept_features", "kept_features_at_once"))
    assert daily.difference(made, at_once) == []


def mark(daily: Daily) -> None:
    """Give all rows a value that only a row made again loses."""
    daily.query(f"update kept_features set orders_mean_gap_days = {MARK}")


def marked(daily: Daily) -> int:
    return daily.query(f"select count(*) from kept_features where orders_mean_gap_days = {MARK}")[0][0]


def unmark(daily: Daily) -> None:
    daily.query(f"""
        update kept_features set orders_mean_gap_days = whole.orders_mean_gap_days
        from kept_features_at_once as whole
        where kept_features.orders_mean_gap_days = {MARK}
            and whole.customer_id = kept_features.customer_id
            and whole.feature_timestamp = kept_features.feature_timestamp
    """)


def test_any_days_equal_one_build(daily: Daily) -> None:
    """Late rows, corrections, deletions, duplicates, another population, and builds that ended halfway."""
    world = batches.batched_worlds(21, 200, WINDOWS)
    draw = random.Random(21)
    marks = batches.watermarks(draw, world, RUNS - 1)
    events = world["events"]
    for run in range(RUNS):
        spine = [row for row in world["spine"] if run == RUNS - 1 or row["feature_timestamp"] <= marks[run]]
        spine = draw.sample(spine, len(spine) * 95 // 100)
        daily.arrive(
            events=[], spine=[], edited_events=events + draw.sample(events, len(events) // 50), edited_spine=spine
        )
        if run:
            mark(daily)
            # a build that ended before gold, or within it, on data that nobody saw again
            build(daily, "kept_windows")
            if run % 2:
                events = _edit(draw, events)
                daily.arrive(edited_events=events)
            with pytest.raises(AssertionError, match="killed"):
                build(daily, "kept_windows kept_attributes kept_features", hook="fails")
        build(daily)
        if run:
            assert 0 < marked(daily) < len(spine), "all rows were made again, or none"
            unmark(daily)
        assert_equal_to_one_build(daily)
        events = _edit(draw, events)
    before = daily.query("from kept_features order by all")
    mark(daily)
    build(daily)
    assert marked(daily) == len(spine), "a build without news made rows"
    unmark(daily)
    build(daily, full_refresh=True)
    assert daily.query("from kept_features order by all") == before, "the fingerprints themselves are another"


def test_a_build_that_fails_or_is_killed_leaves_the_table(daily: Daily) -> None:
    world = batches.batched_worlds(23, 30, WINDOWS)
    daily.arrive(events=[], spine=[], edited_events=world["events"], edited_spine=world["spine"])
    build(daily)
    before = daily.query("from kept_features order by all")
    daily.arrive(edited_events=_edit(random.Random(23), world["events"]), edited_spine=world["spine"][5:])
    with pytest.raises(AssertionError, match="killed"):
        build(daily, hook="fails")
    assert daily.query("from kept_features order by all") == before

    # rows have been deleted and inserted by then, in a transaction that nobody ends
    daily.kill("count(*) from range", "build", "--vars", "hook: never ends", "--select", "+kept_features")
    assert daily.query("from kept_features order by all") == before
    build(daily)
    assert_equal_to_one_build(daily)


def test_no_row_of_another_definition_stays(daily: Daily) -> None:
    world = batches.batched_worlds(24, 40, WINDOWS)
    daily.arrive(events=[], spine=[], edited_events=world["events"], edited_spine=world["spine"])
    build(daily)
    mark(daily)
    build(daily, least_items=2)
    assert marked(daily) == 0
    assert_equal_to_one_build(daily)

    refusal = (
        r"(?s)daily_table: .*kept_features.* other columns .*retention build --full-refresh --select kept_features"
    )
    with pytest.raises(AssertionError, match=refusal):
        build(daily, least_items=2, more_attributes="[items]")
    build(daily, least_items=2, more_attributes="[items]", full_refresh=True)
    assert_equal_to_one_build(daily)


def test_a_table_of_other_origin_is_made_anew(daily: Daily) -> None:
    """One that an earlier version built without fingerprints, or somebody emptied of them."""
    world = batches.batched_worlds(25, 20, WINDOWS)
    daily.arrive(events=[], spine=[], edited_events=world["events"], edited_spine=world["spine"])
    build(daily)
    daily.query("alter table kept_features drop column row_fingerprint")
    daily.query("update kept_windows set orders_fingerprint = null where orders_count_30d > 0")
    build(daily)
    assert_equal_to_one_build(daily)
