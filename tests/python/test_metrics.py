"""Metrics against scikit-learn, and bootstrap intervals by customer."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from python_ml.dbt import Feature
from python_ml.errors import UserError
from python_ml.model.baselines import oracle_score, recency_score
from python_ml.model.ensemble import average, choose_members
from python_ml.model.evaluate import (
    METRICS,
    RANKING_METRICS,
    _Sorted,
    evaluate,
    standard_error_of_difference,
)
from python_ml.model.selection import choose_champion, result_warnings
from python_ml.stats import estimate


def values(found: dict) -> dict:
    return {name: found[name]["value"] for name in METRICS}


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both classes, scores with many ties, whole weights."""
    n = draw(st.integers(2, 60))
    churned = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    churned[:2] = [0, 1]
    levels = draw(st.integers(1, 12))
    scores = np.array(draw(st.lists(st.integers(0, levels), min_size=n, max_size=n))) / 12
    weights = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    weights[:2] = 1
    return churned, scores, weights


@settings(max_examples=200, deadline=None)
@given(scored())
def test_metrics_equal_scikit_learn_with_ties_and_weights(data: tuple) -> None:
    churned, scores, weights = data
    table = _Sorted(churned.astype(float), scores)
    found = table.measure(METRICS, weights[table.order][None, :].astype(float))
    expected = {
        "roc_auc": roc_auc_score(churned, scores, sample_weight=weights),
        "pr_auc": average_precision_score(churned, scores, sample_weight=weights),
        "brier": brier_score_loss(churned, scores, sample_weight=weights),
    }
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(scored())
def test_a_weight_is_a_number_of_copies(data: tuple) -> None:
    churned, scores, weights = data
    table = _Sorted(churned.astype(float), scores)
    weighted = table.measure(RANKING_METRICS, weights[table.order][None, :].astype(float))
    copied = evaluate(churned.repeat(weights), scores.repeat(weights), np.arange(weights.sum()), replicates=0)
    for name in RANKING_METRICS:
        assert weighted[name][0] == pytest.approx(copied[name]["value"], abs=1e-12)


def test_calibration_error_and_lift_by_hand() -> None:
    churned = np.r_[np.ones(10), np.zeros(90)]
    scores = np.r_[np.full(10, 0.7), np.full(90, 0.1)]
    found = values(evaluate(churned, scores, np.arange(100), replicates=0))
    assert found["ece"] == pytest.approx(0.1 * 0.3 + 0.9 * 0.1)
    assert found["lift_at_10pct"] == pytest.approx(10.0)
    tied = values(evaluate(churned, np.zeros(100), np.arange(100), replicates=0))
    assert tied["lift_at_10pct"] == pytest.approx(1.0)
    assert tied["roc_auc"] == 0.5


# Log-odds of the truth = slope x log-odds of the score + shift.
MISCALIBRATED = {"perfect": (1.0, 0.0), "slightly off": (0.8, 0.1), "far off": (0.4, 0.5)}


@pytest.mark.parametrize("name", MISCALIBRATED)
@pytest.mark.parametrize("rows_per_customer", [1, 4])
def test_the_interval_of_the_calibration_error_covers_the_truth(name: str, rows_per_customer: int) -> None:
    slope, shift = MISCALIBRATED[name]
    covered, errors, plain_errors = [], [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        odds = rng.normal(-1, 1, 400).repeat(rows_per_customer)
        truth = expit(slope * odds + shift)
        # Rows of a customer have one outcome: four of them say no more than one.
        churned = (rng.random(400).repeat(rows_per_customer) < truth).astype(int)
        scores, customers = expit(odds), np.arange(400).repeat(rows_per_customer)
        found = evaluate(churned, scores, customers, metrics=["ece"], replicates=200, seed=seed)["ece"]
        everyone = np.ones((1, len(scores)))
        actual = np.abs(_Sorted(truth, scores).gaps(everyone)).sum()
        covered.append(found["low"] <= actual <= found["high"])
        errors.append(found["value"] - actual)
        plain_errors.append(np.abs(_Sorted(churned.astype(float), scores).gaps(everyone)).sum() - actual)
    assert np.mean(covered) >= 0.9  # 0.95 but for chance in 150 worlds
    assert abs(np.mean(errors)) < 0.02
    if name == "perfect":
        # All of the plain sum is noise here.
        assert np.mean(errors) < 0.4 * np.mean(plain_errors)


def test_calibration_bins_do_not_cut_ties() -> None:
    rng = np.random.default_rng(0)
    scores = rng.choice([0.1, 0.2, 0.4], 500)
    churned = (rng.random(500) < scores).astype(int)
    a = evaluate(churned, scores, np.arange(500), replicates=0)
    order = rng.permutation(500)
    b = evaluate(churned[order], scores[order], np.arange(500), replicates=0)
    assert a["ece"]["value"] == pytest.approx(b["ece"]["value"], abs=1e-15)


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_class_gives_null_never_a_half(outcome: int) -> None:
    found = evaluate(np.full(20, outcome), np.linspace(0, 1, 20), np.arange(20), replicates=10)
    for name in RANKING_METRICS:
        assert found[name] == {"value": None, "low": None, "high": None}
    assert found["brier"]["value"] > 0
    assert found["base_rate"] == outcome


def test_no_rows() -> None:
    found = evaluate(np.array([]), np.array([]), np.array([]))
    assert found["n"] == 0
    assert all(found[name]["value"] is None for name in METRICS)


def test_too_few_defined_resamples_leave_out_the_interval() -> None:
    mostly_undefined = np.r_[np.full(60, np.nan), np.full(40, 0.7)]
    assert estimate(0.8, mostly_undefined) == {"value": 0.8, "low": None, "high": None}
    assert estimate(0.7, mostly_undefined[::-1][:79])["low"] == 0.7


def test_intervals_hold_the_estimate_and_repeat() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(2_000) ** 2
    churned = (rng.random(2_000) < scores).astype(int)
    customers = rng.integers(0, 300, 2_000)
    first = evaluate(churned, scores, customers, replicates=200, seed=5)
    assert first == evaluate(churned, scores, customers, replicates=200, seed=5)
    assert first != evaluate(churned, scores, customers, replicates=200, seed=6)
    for name in METRICS:
        assert first[name]["low"] <= first[name]["value"] <= first[name]["high"]
    without = evaluate(churned, scores, customers, replicates=0)
    assert without["roc_auc"]["low"] is None
    assert without["roc_auc"]["value"] == first["roc_auc"]["value"]


def test_rows_of_one_customer_do_not_narrow_the_interval() -> None:
    """Ten copies of every row say nothing new: by customer the interval stays, by row it would shrink."""
    rng = np.random.default_rng(2)
    scores = rng.random(300)
    churned = (rng.random(300) < scores).astype(int)
    customer = np.arange(300)

    def width(repeat: int, by_row: bool) -> float:
        rows = np.repeat(customer, repeat)
        clusters = np.arange(len(rows)) if by_row else rows
        found = evaluate(churned[rows], scores[rows], clusters, metrics=["roc_auc"], replicates=400)["roc_auc"]
        return found["high"] - found["low"]

    once = width(1, by_row=False)
    assert width(10, by_row=False) == pytest.approx(once, rel=1e-9)
    assert width(10, by_row=True) < 0.6 * once


def test_intervals_cover_the_truth() -> None:
    """Over many draws from a known world, 95 % intervals hold the true AUC about as often."""
    rng = np.random.default_rng(3)
    big = rng.normal(size=200_000)
    left = rng.random(len(big)) < 1 / (1 + np.exp(1.0 - big))
    truth = roc_auc_score(left, big)
    hits = 0
    for draw in range(120):
        chosen = rng.integers(0, len(big), 400)
        found = evaluate(
            left[chosen].astype(int), big[chosen], np.arange(400), metrics=["roc_auc"], replicates=150, seed=draw
        )["roc_auc"]
        hits += found["low"] <= truth <= found["high"]
    assert 0.88 <= hits / 120 <= 0.995


def test_speed() -> None:
    rng = np.random.default_rng(4)
    scores = rng.random(50_000)
    churned = (rng.random(50_000) < scores).astype(int)
    start = time.process_time()
    evaluate(churned, scores, rng.integers(0, 6_000, 50_000), replicates=100)
    assert time.process_time() - start < 6  # 500 replicates take some 2.5 s on an idle core


# Choosing a champion --------------------------------------------------------------------------------------


def judged(**areas: float | None) -> dict:
    return {name: {"roc_auc": {"value": v}, "brier": {"value": v}} for name, v in areas.items()}


def test_a_simpler_model_wins_only_within_noise_and_tolerance() -> None:
    found = judged(logistic_regression=0.70, lightgbm=0.709, ensemble=0.71)
    noise = {"logistic_regression": 0.02, "lightgbm": 0.0005}
    assert choose_champion(found, "roc_auc", 0.002, lambda best, other: noise[other]) == "ensemble"
    assert choose_champion(found, "roc_auc", 0.02, lambda best, other: noise[other]) == "logistic_regression"
    noise["lightgbm"] = 0.0015
    assert choose_champion(found, "roc_auc", 0.002, lambda best, other: noise[other]) == "lightgbm"
    assert choose_champion(found, "roc_auc", 0.0, lambda best, other: noise[other]) == "ensemble"


def test_the_noise_of_a_difference_is_that_between_customers() -> None:
    rng = np.random.default_rng(0)
    customers, churned = np.repeat(np.arange(300), 4), np.repeat(rng.integers(0, 2, 300), 4)
    one = churned + np.repeat(rng.normal(0, 1, 300), 4)
    other = churned + np.repeat(rng.normal(0, 1, 300), 4)
    by_customer = standard_error_of_difference(churned, (one, other), customers, "roc_auc")
    by_row = standard_error_of_difference(churned, (one, other), np.arange(1_200), "roc_auc")
    assert 1.6 < by_customer / by_row < 2.4  # four copies of a row are no more than one
    assert standard_error_of_difference(churned, (one, one), customers, "roc_auc") == 0
    assert standard_error_of_difference(np.ones(1_200), (one, other), customers, "roc_auc") == float("inf")


def test_members_are_added_while_the_average_gets_better() -> None:
    rng = np.random.default_rng(1)
    signal = rng.normal(0, 1, 4_000)
    churned = (rng.random(4_000) < expit(signal)).astype(int)
    scores = {name: expit(signal + rng.normal(0, spread, 4_000)) for name, spread in (("a", 1), ("b", 1), ("c", 8))}
    goodness = partial(roc_auc_score, churned)
    assert sorted(choose_members(scores, goodness)) == ["a", "b"]
    assert choose_members({"a": scores["a"], "c": 1 - scores["a"]}, goodness) == ("a",)
    assert goodness(average([scores["a"], scores["b"]])) > goodness(scores["a"])


def test_the_best_wins_and_within_the_tolerance_the_simplest() -> None:
    found = judged(xgboost=0.801, lightgbm=0.8005, logistic_regression=0.79)
    assert choose_champion(found, "roc_auc", 0.0) == "xgboost"
    assert choose_champion(found, "roc_auc", 0.002) == "lightgbm"
    assert choose_champion(found, "roc_auc", 0.02) == "logistic_regression"
    assert choose_champion(found, "brier", 0.0) == "logistic_regression"
    assert choose_champion(judged(xgboost=None, random_forest=0.6), "roc_auc", 0) == "random_forest"


def test_no_defined_metric_is_an_error_not_a_half() -> None:
    with pytest.raises(UserError, match="not defined"):
        choose_champion(judged(xgboost=None), "roc_auc", 0)


def test_warnings_of_what_should_not_be_believed() -> None:
    fine = {"roc_auc": {"value": 0.8}, "n": 1_000, "base_rate": 0.2}
    fitted = {"n": 5_000, "base_rate": 0.2}
    assert result_warnings(fine, fitted, "orders", 1.0) == []
    leak = result_warnings({**fine, "roc_auc": {"value": 0.995}}, fitted, "esent", 1.0)
    assert "too good to be true" in leak[0]
    assert "esent" in leak[0]
    assert "base rate moved" in result_warnings({**fine, "base_rate": 0.4}, fitted, None, 1.0)[0]
    assert "Few events" in result_warnings({**fine, "n": 50}, fitted, None, 1.0)[0]
    assert "no better than chance" in result_warnings(fine, fitted, None, -0.1)[0]
    assert "one class" in result_warnings({**fine, "roc_auc": {"value": None}}, fitted, None, 1.0)[0]


# Baselines ------------------------------------------------------------------------------------------------


def test_recency_takes_the_best_source_and_no_event_as_longest_ago() -> None:
    frame = pd.DataFrame(
        {
            "orders_days_since_last": pd.array([1, 5, None, 2], dtype="Int64"),
            "tickets_days_since_last": [9.0, 1.0, 2.0, 3.0],
        }
    )
    features = [
        Feature("tickets_days_since_last", "feature", aggregate="days_since_last"),
        Feature("orders_days_since_last", "feature", aggregate="days_since_last"),
        Feature("orders_count_7d", "feature", aggregate="count"),
    ]
    churned = np.array([0, 1, 1, 0])
    name, scores = recency_score(frame, features, churned, np.ones(4, dtype=bool))
    assert name == "orders_days_since_last"
    assert scores.tolist() == [1, 5, 6, 2]
    assert recency_score(frame, features[2:], churned, np.ones(4, dtype=bool)) is None


def test_the_oracle_is_matched_by_customer_and_time() -> None:
    times = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"])
    frame = pd.DataFrame({"shop_id": [7, 7, 8], "feature_timestamp": times.as_unit("us")})
    truth = pd.DataFrame(
        {"shop_id": ["7", "8", "7"], "feature_timestamp": times[[1, 2, 2]], "probability": [0.2, 0.3, 0.9]}
    )
    np.testing.assert_array_equal(oracle_score(frame, truth, "shop_id"), [np.nan, 0.2, 0.3])
