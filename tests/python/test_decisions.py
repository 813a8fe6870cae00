"""Money, value and allocation: closed forms, independent oracles, and edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_ml.customer_value import (
    Terms,
    break_even_probability,
    expected_cost,
    expected_life,
    expected_profit,
    period_days,
    revenue_by_name,
    terms_of,
    typical_value,
)
from python_ml.decisions.allocation import allocate, budget_curve, draws
from python_ml.decisions.economics import (
    campaign_return,
    empc_by_empulse,
    expected_maximum_profit,
    gains_at,
    profit_curve,
    realised_profit,
    resampled_profit,
)
from python_ml.decisions.value import check_value, customer_value
from python_ml.errors import UserError
from python_ml.model.risk_bands import band_thresholds, typical_break_even
from python_ml.settings import Decisions, RiskBands, Settings

TERMS = Terms(contact_cost=1.0, offer_cost=10.0, success_rate=0.3)


def scores(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probability = rng.beta(1.2, 6, n).round(2)  # with ties
    return (rng.random(n) < probability).astype(int), probability


# Money ----------------------------------------------------------------------------------------------------


def test_expected_profit_is_the_mean_of_what_can_happen() -> None:
    p, s, value = 0.4, 0.3, 200.0
    kept, gone, stays = value - 10 - 1, -1, -10 - 1
    expected = p * s * kept + p * (1 - s) * gone + (1 - p) * stays
    assert expected_profit(p, p * s, value, 1, 10) == pytest.approx(expected)
    assert expected_cost(p, p * s, 1, 10) == pytest.approx(1 + 10 * (1 - p + p * s))
    assert expected_profit(p, -0.1, value, 1, 10) < 0, "an offer that drives customers away never pays"


def test_break_even_is_where_the_expected_profit_is_zero() -> None:
    for value in (20.0, 200.0, 5_000.0):
        p = break_even_probability(value, TERMS)
        assert expected_profit(p, 0.3 * p, value, 1, 10) == pytest.approx(0, abs=1e-9)
    assert break_even_probability(1.0, TERMS) == 1.0
    assert break_even_probability(0.0, Terms(1, 0, 0.0)) == 1.0


def test_realised_profits_average_to_the_expected_one() -> None:
    churned, p, value = np.array([0, 1]), 0.25, 300.0
    realised = realised_profit(churned, value, TERMS)
    assert realised @ [1 - p, p] == pytest.approx(expected_profit(p, 0.3 * p, value, 1, 10))


def test_the_curve_agrees_with_counting_at_every_threshold() -> None:
    churned, probability = scores()
    value = np.random.default_rng(1).gamma(2, 200, len(churned))
    curve = profit_curve(churned, probability, value, TERMS)
    for threshold in (0.0, 0.05, 0.1, 0.1234, 0.5, 0.99, np.inf):
        chosen = probability >= threshold
        row = curve.at(threshold)
        tp, fp = int(churned[chosen].sum()), int((1 - churned)[chosen].sum())
        fn, tn = int(churned[~chosen].sum()), int((1 - churned)[~chosen].sum())
        assert [row[k] for k in ("true_positives", "false_positives", "false_negatives", "true_negatives")] == [
            tp,
            fp,
            fn,
            tn,
        ]
        assert row["profit"] == pytest.approx(realised_profit(churned, value, TERMS)[chosen].sum())
        assert row["precision"] == (pytest.approx(tp / (tp + fp)) if chosen.any() else None)
        assert row["recall"] == pytest.approx(tp / (tp + fn))
        assert row["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    best = max([*np.unique(probability), np.inf], key=lambda t: curve.at(t)["profit"])
    assert curve.at(curve.best)["profit"] == curve.at(best)["profit"]


def test_precision_recall_and_f1_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

    churned, probability = scores()
    row = profit_curve(churned, probability, 200.0, TERMS).at(0.2)
    guess = probability >= 0.2
    assert row["precision"] == pytest.approx(precision_score(churned, guess))
    assert row["recall"] == pytest.approx(recall_score(churned, guess))
    assert row["f1"] == pytest.approx(f1_score(churned, guess))
    assert [row["true_negatives"], row["false_positives"]] == confusion_matrix(churned, guess)[0].tolist()


def test_contacting_nobody_is_best_where_every_contact_loses() -> None:
    churned, probability = scores()
    curve = profit_curve(churned, probability, 5.0, TERMS)
    assert curve.best == np.inf
    assert curve.at(curve.best)["contacted"] == 0


@pytest.mark.parametrize("churned", [[], [0, 0], [1, 1]])
def test_curves_of_one_class_or_nobody(churned: list[int]) -> None:
    curve = profit_curve(churned, [0.5] * len(churned), 200.0, TERMS)
    assert curve.at(0.0)["contacted"] == len(churned)
    assert gains_at(curve, 0.5)["reached"] == (0.5 if any(churned) else None)
    with pytest.raises(ValueError, match="same outcome"):
        expected_maximum_profit(churned, [0.5] * len(churned))


def test_gains_count_ties_as_drawn_at_random() -> None:
    curve = profit_curve([1, 0, 1, 0], [0.9, 0.9, 0.9, 0.1], 200.0, TERMS)
    assert gains_at(curve, 0.25)["reached"] == pytest.approx((2 / 3) / 2)
    assert gains_at(curve, 1.0) == {"share": 1.0, "reached": 1.0, "lift": 1.0}


def test_the_interval_is_by_customer() -> None:
    rng = np.random.default_rng(0)
    per_customer = rng.normal(1, 5, 200)
    once = resampled_profit(per_customer, np.arange(200), replicates=400)
    thrice = resampled_profit(np.repeat(per_customer / 3, 3), np.repeat(np.arange(200), 3), replicates=400)
    assert thrice.value == pytest.approx(once.value)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high)), "rows of a customer are one observation"
    spread = (once.high - once.low) / (2 * 1.96)
    assert spread == pytest.approx(per_customer.std() * np.sqrt(200), rel=0.15)


# EMPC -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"value": 100.0, "offer_cost": 20.0, "contact_cost": 2.0},
        {"value": 500.0, "alpha": 2.0, "beta": 3.0},
        {"value": 1_000.0, "offer_cost": 5.0, "contact_cost": 0.0, "alpha": 30.0, "beta": 10.0},
    ],
)
def test_empc_is_that_of_empulse(terms: dict[str, float]) -> None:
    pytest.importorskip("empulse")
    for seed in range(3):
        churned, probability = scores(150, seed)
        ours = expected_maximum_profit(churned, probability, **terms)
        assert ours.value == pytest.approx(empc_by_empulse(churned, probability, **terms), rel=1e-9, abs=1e-12)


def test_empc_is_the_mean_over_success_rates_of_the_best_profit() -> None:
    churned, probability = scores(200, 5)
    rates = np.random.default_rng(0).beta(6, 14, 4_000)
    best = [profit_curve(churned, probability, 200.0, Terms(1, 10, rate)) for rate in rates]
    means = np.array([curve.profit.max() / curve.rows for curve in best])
    shares = np.array([curve.contacted[curve.profit.argmax()] / curve.rows for curve in best])
    found = expected_maximum_profit(churned, probability)
    assert found.value == pytest.approx(means.mean(), abs=4 * means.std() / np.sqrt(len(means)))
    assert found.share == pytest.approx(shares.mean(), abs=0.02)


def test_empc_without_empulse_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "empulse", None)
    monkeypatch.setitem(sys.modules, "empulse.metrics", None)
    with pytest.raises(UserError, match=r"customer-retention\[profit\]"):
        empc_by_empulse([0, 1], [0.1, 0.2])


# The return of a campaign ---------------------------------------------------------------------------------


def test_the_interval_of_a_return_holds_what_comes_out() -> None:
    rng = np.random.default_rng(3)
    n = 300
    p, value = rng.beta(2, 6, n), rng.gamma(3, 150, n)
    effect, offer = 0.3 * p, np.full(n, 10.0)
    expected = campaign_return(p, effect, value, 1.0, offer, replicates=400)
    assert expected.profit.value == pytest.approx(expected_profit(p, effect, value, 1.0, offer).sum())
    outcomes = []
    for _ in range(400):
        churning = rng.random(n) < p
        saved = churning & (rng.random(n) < 0.3)
        cost = n + 10.0 * (~churning | saved).sum()
        outcomes.append((value[saved].sum() - cost) / cost)
    inside = np.mean((np.array(outcomes) >= expected.roi.low) & (np.array(outcomes) <= expected.roi.high))
    assert inside >= 0.95
    unsure = campaign_return(
        p, effect, value, 1.0, offer, sampler=lambda g: effect * g.beta(6, 14) / 0.3, replicates=400
    )
    assert unsure.roi.high - unsure.roi.low > expected.roi.high - expected.roi.low


def test_a_campaign_of_nobody_has_no_return() -> None:
    none = np.empty(0)
    result = campaign_return(none, none, none, 1.0, none)
    assert result.roi.value is None
    assert result.profit.value == 0


# Value ----------------------------------------------------------------------------------------------------


def test_life_is_the_restricted_mean_of_a_constant_hazard() -> None:
    grid = np.linspace(0, 730, 730_001)
    for p in (0.02, 0.3, 0.9):
        survival = (1 - p) ** (grid / 30)
        assert expected_life(p, 30, 730) == pytest.approx(np.trapezoid(survival, grid), rel=1e-4)
    assert expected_life(0.0, 30, 730) == pytest.approx(730)
    assert expected_life(1.0, 30, 730) < 2
    own, base = expected_life([0.5], 30, 730, 0.05, 1.0), expected_life([0.5], 30, 730, 0.05, 0.0)
    assert own < expected_life([0.5], 30, 730, 0.05, 0.5) < base
    assert base == pytest.approx(expected_life(0.05, 30, 730))


def test_revenue_is_recognised_by_its_name() -> None:
    assert revenue_by_name(["subscription_price", "orders_amount_sum_90d"]) == ("subscription_price", 30.0)
    assert revenue_by_name(["monthly_charges", "total_charges"]) == ("monthly_charges", 30.0)
    windows = [
        "orders_amount_sum_30d",
        "orders_amount_sum_180d",
        "orders_amount_sum_all_time",
        "orders_amount_mean_365d",
    ]
    assert revenue_by_name(windows) == ("orders_amount_sum_180d", 180.0)
    others = [
        "price_changes_count_30d",
        "price_changes_increase_percent_sum_30d",
        "total_price",
        "orders_amount_sum_730d",
    ]
    assert revenue_by_name(others) is None
    assert [period_days(text) for text in ("90d", "2w", "1 month", None)] == [90, 14, 30, 30]


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"plan": ["a", "b", "c"], **columns})


def value_of(table: pd.DataFrame, remaining: np.ndarray | None = None, **settings: object):
    section = Decisions.model_validate({"value": settings}).value
    risk = np.array([0.1, 0.5, 0.9])
    return customer_value(table, risk, section, period=30, base_rate=0.1, remaining_days=remaining)


def test_value_is_margin_times_life() -> None:
    table = frame(subscription_price=[10.0, 20.0, None])
    made = value_of(table, margin_rate=0.5, persistence=1.0)
    assert made.value == pytest.approx(np.array([10, 20, 15]) / 30 * 0.5 * expected_life([0.1, 0.5, 0.9], 30, 365))
    assert made.filled == 1
    assert not made.is_placeholder
    assert "chosen by its name" in made.origin
    assert "a constant risk per 30 days" in made.origin, "what the probability is taken to be of"
    survival = value_of(table, np.array([100.0, 9_999.0, np.nan]), margin_rate=0.5, persistence=1.0)
    assert survival.value[:2] == pytest.approx(np.array([10 * 100, 20 * 365]) / 30 * 0.5)
    assert survival.value[2] == made.value[2], "where the survival model is silent, the probability speaks"
    assert "survival model" in survival.origin


def test_value_from_a_column_and_without_any() -> None:
    assert value_of(frame(clv=[5.0, -1.0, 7.0]), column="clv").value.tolist() == [5, 0, 7]
    sums = value_of(frame(orders_amount_sum_90d=[90.0, None, 0.0]), margin_rate=1.0, persistence=0.0)
    assert sums.value[0] > 0
    assert sums.value[1:].tolist() == [0, 0], "no order in the window is no revenue"
    unknown = value_of(frame())
    assert unknown.is_placeholder
    assert set(unknown.value) == {200.0}
    assert value_of(frame(subscription_price=[1.0, 2, 3]), revenue_column=None).is_placeholder


def test_a_wrong_column_of_value_is_a_users_mistake() -> None:
    table = frame(subscription_price=[1.0, 2.0, 3.0], empty=[np.nan] * 3)
    with pytest.raises(UserError, match="did you mean subscription_price"):
        value_of(table, revenue_column="subscription_prise")
    with pytest.raises(UserError, match="not a number"):
        value_of(table, column="plan")
    with pytest.raises(UserError, match="is empty"):
        value_of(table, column="empty")


@pytest.mark.parametrize("key", ["column", "revenue_column"])
def test_a_wrong_column_of_value_is_refused_before_anything_is_fitted(key: str) -> None:
    table = frame(subscription_price=[1.0, 2.0, 3.0])
    check_value(table, Settings.model_validate({"decisions": {"value": {key: "subscription_price"}}}))
    check_value(table, Settings())
    with pytest.raises(UserError, match="no column nope") as raised:
        check_value(table, Settings.model_validate({"decisions": {"value": {key: "nope"}}}))
    assert f"decisions.value.{key}" in raised.value.where


# Allocation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_the_allocation_is_as_good_as_the_optimum(seed: int) -> None:
    """Against the exact integer programme, which no allocation can beat."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    rng = np.random.default_rng(seed)
    n = 60
    profit, cost = rng.normal(5, 15, n), rng.uniform(1, 20, n)
    for budget, cap in ((None, 12), (150.0, None), (80.0, 15), (40.0, 3), (1e9, None)):
        made = allocate(profit, cost, budget=budget, max_contacts=cap)
        limits = [LinearConstraint(np.ones(n), ub=cap if cap else n)]
        limits += [LinearConstraint(cost, ub=budget)] if budget else []
        best = milp(-profit, integrality=np.ones(n), bounds=Bounds(0, 1), constraints=limits)
        assert cost[made.contacted].sum() <= (budget or np.inf) + 1e-9
        assert made.contacted.sum() <= (cap or n)
        assert (profit[made.contacted] > 0).all()
        missed = -best.fun - profit[made.contacted].sum()
        assert -1e-9 <= missed <= profit.max()
        if budget is None or budget > 1e6:
            assert missed == pytest.approx(0, abs=1e-6)


def test_ties_edges_and_holdouts() -> None:
    same = np.full(10, 5.0)
    made = allocate(same, np.ones(10), budget=4.0, ties=np.arange(10)[::-1].astype(float))
    assert made.order.tolist() == [9, 8, 7, 6]
    assert made.stopped_by == "budget"
    assert made.price == pytest.approx(5.0)
    held = np.zeros(10, dtype=bool)
    held[[0, 3, 9]] = True
    made = allocate(np.arange(10, 0, -1.0), np.ones(10), max_contacts=4, holdout=held)
    assert made.order.tolist() == [0, 1, 2, 3, 4, 5]
    assert made.contacted.sum() == 4
    assert made.holdout.nonzero()[0].tolist() == [0, 3], "who stands behind the last contact is not held out"
    assert made.stopped_by == "contacts"
    assert allocate(-same, np.ones(10)).order.size == 0
    assert allocate(np.full(3, np.nan), np.ones(3)).order.size == 0
    assert allocate(same, np.ones(10), budget=0.0).order.size == 0
    assert allocate(same, np.zeros(10), budget=0.0).contacted.all()
    assert allocate(np.empty(0), np.empty(0), budget=5.0, max_contacts=2).order.size == 0


def test_the_budget_curve_rises_to_the_best_and_falls_behind_it() -> None:
    rng = np.random.default_rng(0)
    profit, cost = rng.normal(1, 10, 500), rng.uniform(1, 5, 500)
    profit[:5] = np.nan
    spent, earned = budget_curve(profit, cost, points=50)
    assert len(spent) <= 50
    assert (spent[0], earned[0]) == (0, 0)
    assert earned.max() == pytest.approx(profit[profit > 0].sum())
    assert earned[-1] == pytest.approx(np.nansum(profit))
    slopes = np.diff(earned) / np.diff(spent)
    assert (np.diff(slopes) <= 1e-9).all(), "every further unit of budget earns less"


@given(st.text(max_size=8), st.integers(0, 10**9))
def test_draws_depend_on_the_customer_alone(key: str, number: int) -> None:
    moments = ["2025-01-01 00:00:00"] * 2
    one, other = draws([key, number], moments, "holdout")
    assert draws([number], moments[:1], "holdout")[0] == other
    assert 0 <= one < 1


def test_draws_are_uniform_and_differ_by_time_and_purpose() -> None:
    keys = [f"C{k}" for k in range(4_000)]
    first = draws(keys, ["2025-01-01"] * 4_000, "holdout")
    assert np.histogram(first, 10, (0, 1))[0] == pytest.approx(400, abs=90)
    for moment, purpose in (("2025-02-01", "holdout"), ("2025-01-01", "order")):
        assert abs(np.corrcoef(first, draws(keys, [moment] * 4_000, purpose))[0, 1]) < 0.06
    assert draws([7], ["t"], "p") == draws([7.0], ["t"], "p"), "a key that pandas holds as a float is the same"


# Risk bands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base_rate", [0.01, 0.075, 0.2, 0.3, 0.54, 0.8])
@pytest.mark.parametrize("break_even", [0.001, 0.16, 0.7, 1.0])
def test_nobody_with_an_even_chance_is_at_low_risk(base_rate: float, break_even: float) -> None:
    bands = band_thresholds(RiskBands(), np.array([0.9, 0.95]), base_rate, break_even)
    assert 0 < bands.medium <= bands.high <= 0.5
    assert bands.medium <= min(base_rate, 0.25)
    assert bands.high >= min(2 * base_rate, 0.5)


def test_bands_by_rank_and_by_hand() -> None:
    probability = np.linspace(0, 1, 101)
    ranked = band_thresholds(RiskBands(kind="rank"), probability, 0.5, 0.1)
    assert ranked.kind == "rank"
    assert ranked.least == pytest.approx({"high": 0.9, "medium": 0.7})
    assert band_thresholds(RiskBands(high=0.2), probability, 0.5, 0.1).least == pytest.approx(
        {"high": 0.8, "medium": 0.6}
    )
    own = RiskBands(kind="absolute", high=0.4, medium=0.1)
    assert band_thresholds(own, probability, 0.5, 0.1).least == {"high": 0.4, "medium": 0.1}
    with pytest.raises(ValueError, match="kind: rank"):
        RiskBands(kind="absolute", high=0.1, medium=0.2)


def test_the_break_even_of_the_bands_is_that_of_a_typical_customer() -> None:
    rows = pd.DataFrame({"subscription_price": [20.0, 30.0, 40.0, None, 0.0], "clv": [100.0, 100, 1_000, 0, 0]})
    costs = {"contact_cost": 1, "offer_cost": 10, "success_rate": 0.3}
    worth = 30 / 30 * 0.3 * expected_life(0.08, 30, 365)
    own = Decisions.model_validate(costs)
    assert typical_break_even(rows, own, 0.08, "30d") == pytest.approx(break_even_probability(worth, TERMS))
    by_column = Decisions.model_validate(costs | {"value": {"column": "clv"}})
    assert typical_break_even(rows, by_column, 0.08, None) == pytest.approx(break_even_probability(100, TERMS))
    assert typical_break_even(rows[[]], own, 0.08, None) == pytest.approx(break_even_probability(200, TERMS))
    # Placeholders are shares of the value: the same in every currency.
    for table in (rows, rows * 1_000, rows[[]]):
        assert typical_break_even(table, Decisions(), 0.08, "30d") == pytest.approx(0.055 / (0.3 * 0.95 + 0.05))


def test_settings_of_decisions_answer_to_mistakes() -> None:
    assert Decisions().placeholders == ["contact_cost", "offer_cost", "success_rate"]
    assert terms_of(Decisions(), 200.0) == TERMS
    assert typical_value([0, np.nan, 4, 6, 8], 200.0) == 6
    assert typical_value([], 200.0) == 200
    assert Decisions(contact_cost=0.0).placeholders == ["offer_cost", "success_rate"]
    assert [Decisions(max_contacts=m).capacity(200) for m in (0.1, 1, 50, None)] == [20, 200, 50, None]
    for wrong, says in (
        ({"max_contacts": 2.5}, "whole number"),
        ({"suppression": {"source": "a.b"}}, "event_at"),
        ({"suppression": {"window": "1 month"}}, "fixed length"),
        ({"value": {"column": "a", "revenue_column": "b"}}, "not by both"),
        ({"interventions": {"call": {"cost": -1}}}, "greater than or equal to 0"),
    ):
        with pytest.raises(ValueError, match=says):
            Decisions.model_validate(wrong)
