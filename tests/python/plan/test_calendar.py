"""Horizon, windows, step and feature times fit the history, whatever it is."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_ml.errors import UserError
from python_ml.plan import Options
from python_ml.plan.calendar import active_window, choose_calendar, days_of, maturity_setting
from python_ml.plan.options import check_options
from python_ml.profile.schema import Activity, Delays

FIRST = datetime(2022, 1, 1, 9)


def choose(span: int, customers: int = 500, usual_gap: float = 20.0, at_risk: float = 300.0, **options: str) -> dict:
    """Settings by name, and the reviews."""
    chosen = Options(**options)
    activity = Activity(
        "orders", FIRST, FIRST + timedelta(days=span), customers, customers * 20, gap_median=usual_gap,
        gap_p75=usual_gap * 1.5,
    )  # fmt: skip
    window = active_window(chosen, activity)
    activity = Activity(**{**vars(activity), "at_risk": {window: at_risk}})
    made = choose_calendar(activity, chosen, "orders.csv")
    return {s.name: s.value for s in made.settings} | {"reviews": made.reviews}


@settings(max_examples=200)
@given(st.integers(40, 3000), st.integers(1, 365), st.integers(0, 30), st.floats(1, 100_000))
def test_whatever_is_chosen_fits_the_history(span, horizon, gap, at_risk):
    try:
        made = choose(span, at_risk=at_risk, horizon=f"{horizon}d", gap=f"{gap}d")
    except UserError as error:
        assert "too short" in error.what
        return
    label = horizon + gap
    start, anchor = (date.fromisoformat(made[name]) for name in ("spine_start", "spine_anchor"))
    assert (anchor - start).days - label >= label - 1, "a training and a test label fit"
    windows = made["windows"].split(", ")
    assert windows[-1] == "all_time"
    assert len(windows) >= 2
    assert days_of(made["step"], "step") >= 1
    assert start > date(2022, 1, 1)


def test_a_year_of_retail():
    made = choose(373, at_risk=2200, horizon="90d", active_window="180d")
    assert (made["step"], made["windows"]) == ("14d", "7d, 30d, 90d, 180d, all_time")
    assert made["spine_start"] == "2022-01-31"
    assert not made["reviews"]


@pytest.mark.parametrize(
    ("high", "lag"), [(0.0, "0d"), (0.007, "1h"), (0.5, "12h"), (0.99, "1d"), (1.0, "1d"), (3.24, "4d"), (60.0, "60d")]
)
def test_labels_wait_for_whole_hours_or_days(high, lag):
    setting = maturity_setting(Delays(high, max(high, 70.0 if high else 0.0), 1000), "orders")
    assert (setting.name, setting.value) == ("maturity_lag", lag)
    assert ("the last of them after 70" in setting.reason) == bool(high)
    assert maturity_setting(None, "orders").value == "0d"


def test_feature_times_leave_room_for_the_maturity_lag():
    activity = Activity("orders", FIRST, FIRST + timedelta(days=200), 500, 10_000, gap_median=20.0, gap_p75=30.0)
    for days, reviews in ((0.0, 0), (8.0, 0), (40.0, 1)):
        made = choose_calendar(
            activity, Options(horizon="30d"), "orders.csv",
            maturity=maturity_setting(Delays(days, days, 100), "orders"),
        )  # fmt: skip
        reason = next(s.reason for s in made.settings if s.name == "windows")
        assert f"the {170 - days:.0f} days before the last feature time with a known outcome" in reason
        assert len([r for r in made.reviews if "maturity_lag" in r]) == reviews


def test_no_window_is_longer_than_the_history():
    assert "365d" not in choose(400, horizon="90d")["windows"]
    assert "365d" in choose(800, horizon="90d")["windows"]


def test_the_default_horizon_follows_the_customers():
    assert choose(2000, usual_gap=5.0)["horizon"] == "30d"
    assert choose(2000, usual_gap=25.0)["horizon"] == "90d"
    assert choose(130, usual_gap=25.0)["horizon"] == "30d"


def test_a_short_history_is_refused_with_a_horizon_that_fits():
    with pytest.raises(UserError, match="too short") as error:
        choose(150, horizon="90d")
    choose(150, horizon=error.value.hint.split("--horizon ")[1])


def test_a_horizon_shorter_than_the_gaps_requires_review():
    assert any(
        "shorter than the usual gap" in review for review in choose(800, usual_gap=50.0, horizon="30d")["reviews"]
    )


@pytest.mark.parametrize("text", ["90", "ninety", "-5d", "1 month", "", "3y", "1.5d"])
def test_durations_are_checked(text):
    with pytest.raises(UserError, match="not a duration"):
        check_options(Options(horizon=text), None)


def test_lengths_of_zero_are_refused():
    with pytest.raises(UserError, match="has no length"):
        check_options(Options(step="0d"), None)
    check_options(Options(gap="0d", step="1 month"), None)
