"""Reasons: contributions that add up, and sentences that are true for any names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import StackingClassifier

from python_ml.input_columns import InputColumn, model_input
from python_ml.model.calibration import fit_calibrated, probabilities, sigmoid_of
from python_ml.model.card import CardColumn, ModelCard, describe_columns
from python_ml.model.ensemble import averaged
from python_ml.model.explain import contributions, linear_background
from python_ml.model.folds import customer_folds
from python_ml.model.near_duplicates import near_duplicates
from python_ml.model.pipelines import PROBABILITY_FLOOR, output_sources
from python_ml.model.reason_choice import LEAST_CONTRIBUTION, choose_reasons
from python_ml.model.reasons import _COMPARISONS, _PHRASES, as_text, number_text, reason, subject, value_text
from python_ml.model.registry import Champion
from python_ml.model.score import empty_reasons, reasons, score
from python_ml.settings import Models
from tests.python.churn_world import small_world, trained

MODELS = tuple(Models.model_fields)


def champion_of(model: str) -> Champion:
    result = trained(model)
    return Champion(result.model, result.card, 1, "run")


def newest() -> pd.DataFrame:
    frame = small_world().frame
    return frame[frame["feature_timestamp"] == frame["feature_timestamp"].max()]


def inputs_of(model: str, frame: pd.DataFrame) -> pd.DataFrame:
    return model_input(frame, [column.column for column in trained(model).card.columns])


# Contributions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_base_and_contributions_add_up_to_the_log_odds(model: str) -> None:
    result = trained(model)
    inputs = inputs_of(model, newest())
    values, base = contributions(result.model, inputs, result.card.background)
    assert values.shape == (len(inputs), len(result.card.columns))
    assert np.ptp(base) < 1e-9
    log_odds = scipy.special.logit(probabilities(result.model, inputs))
    np.testing.assert_allclose(base + values.sum(axis=1), log_odds, atol=1e-6)


EXTREME = {
    "lightgbm": [
        {"n_estimators": 100, "learning_rate": 1.0, "num_leaves": 63, "min_child_samples": 1, "reg_lambda": 0},
        {"n_estimators": 20, "learning_rate": 1e6, "min_child_samples": 5},
        {"n_estimators": 1, "max_depth": 1},
        {"n_estimators": 3, "num_leaves": 10_000, "min_child_samples": 1, "min_child_weight": 0, "max_bin": 5_000},
        {"n_estimators": 5, "min_child_samples": 1_000_000},  # says the same of everybody
    ],
    "xgboost": [
        {"n_estimators": 150, "learning_rate": 1.0, "max_depth": 8, "min_child_weight": 0, "reg_lambda": 0},
        {"n_estimators": 20, "learning_rate": 1e6},
        {"n_estimators": 1, "max_depth": 1},
        {"n_estimators": 3, "max_leaves": 10_000, "max_depth": 0, "min_child_weight": 0, "grow_policy": "lossguide"},
        {"n_estimators": 5, "min_child_weight": 1e9},
    ],
    "random_forest": [
        {"n_estimators": 20, "min_samples_leaf": 1, "max_depth": None},
        {"n_estimators": 1, "min_samples_leaf": 1, "max_depth": None, "max_samples": None},
        {"n_estimators": 1, "max_depth": 1},
        {"n_estimators": 2, "min_samples_leaf": 1_000_000},
    ],
    "logistic_regression": [{"C": 1e12}, {"C": 1e-12}],
}


@pytest.mark.parametrize(("model", "number"), [(m, k) for m, sets in EXTREME.items() for k in range(len(sets))])
def test_contributions_add_up_for_extreme_parameters(model: str, number: int) -> None:
    """Huge steps, one tree, one split, as many leaves as rows, no split at all, probabilities of 0 and 1."""
    world = small_world()
    columns = [column.column for column in trained(model).card.columns]
    inputs, churned = model_input(world.frame, columns), world.frame["churned"].to_numpy()
    folds = customer_folds(world.frame["customer_id"].to_numpy(), churned, 2, 0)
    fitted = fit_calibrated(model, inputs, churned, columns, folds, 0, EXTREME[model][number]).model
    if number == 0 and model != "logistic_regression":
        raw = fitted.estimators_[0].predict_proba(inputs)[:, 1]
        assert np.mean((raw < PROBABILITY_FLOOR) | (raw > 1 - PROBABILITY_FLOOR)) > 0.1
    some = inputs.iloc[::7]
    values, base = contributions(fitted, some, linear_background(fitted, inputs))
    assert np.isfinite(values).all()
    assert np.ptp(base) < 1e-9
    np.testing.assert_allclose(base + values.sum(axis=1), fitted.decision_function(some), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("weights", [None, {0: 1.0, 1: np.pi}])
def test_a_forest_is_the_same_as_a_booster(weights: dict[int, float] | None) -> None:
    from sklearn.ensemble import RandomForestClassifier

    from python_ml.model.forest_booster import as_booster
    from python_ml.model.forest_shap import forest_contributions

    shap = pytest.importorskip("shap")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 5))
    x[rng.random(x.shape) < 0.1] = np.nan
    churned = (np.nan_to_num(x[:, 0]) + np.isnan(x[:, 1]) + rng.normal(size=600) > 0.5).astype(int)
    forest = RandomForestClassifier(15, max_features=None, random_state=0, class_weight=weights).fit(x, churned)
    # On the thresholds themselves, where a comparison of another kind would go the other way.
    tree = forest.estimators_[0].tree_
    assert np.isinf(tree.threshold).any(), "a split that sends only missing values to one side"
    x[:200, 0] = np.resize(tree.threshold[(tree.feature == 0) & np.isfinite(tree.threshold)], 200)
    booster = as_booster(forest)
    np.testing.assert_allclose(booster.predict(x.astype(np.float32)), forest.predict_proba(x)[:, 1], atol=1e-12)
    explained = booster.predict(x.astype(np.float32), pred_contrib=True)
    reference = shap.TreeExplainer(forest)
    np.testing.assert_allclose(explained[:, :-1], reference.shap_values(x, check_additivity=False)[:, :, 1], atol=1e-6)
    np.testing.assert_allclose(explained[:, -1], reference.expected_value[1], atol=1e-6)
    values, base = forest_contributions(forest, x.astype(np.float32), 2)
    np.testing.assert_allclose(values, explained[:, :-1], atol=1e-10)
    np.testing.assert_allclose(base, explained[:, -1], atol=1e-10)


def ensemble() -> tuple[StackingClassifier, tuple[float, ...]]:
    """All kinds of model joined, with the background of the linear one."""
    world = small_world()
    members = {name: trained(name).model for name in MODELS}
    columns = [column.column for column in trained(MODELS[0]).card.columns]
    model = averaged(members, model_input(world.frame, columns), world.frame["churned"].to_numpy())
    return model, linear_background(model, model_input(world.frame, columns))


def test_contributions_of_an_ensemble_are_the_average_of_its_members() -> None:
    model, background = ensemble()
    inputs = inputs_of(MODELS[0], newest())
    values, base = contributions(model, inputs, background)
    log_odds = scipy.special.logit(probabilities(model, inputs))
    np.testing.assert_allclose(base + values.sum(axis=1), log_odds, atol=2e-5)
    explained = [contributions(trained(name).model, inputs, background)[0] for name in MODELS]
    np.testing.assert_allclose(values, np.mean(explained, axis=0), atol=1e-12)
    singles = [scipy.special.logit(probabilities(trained(name).model, inputs)) for name in MODELS]
    np.testing.assert_allclose(log_odds, np.mean(singles, axis=0), atol=1e-9)
    np.testing.assert_allclose(np.mean([sigmoid_of(trained(name).model) for name in MODELS], axis=0), sigmoid_of(model))


@pytest.mark.parametrize("model", ["lightgbm", "xgboost", "random_forest"])
def test_tree_contributions_are_those_of_shap(model: str) -> None:
    shap = pytest.importorskip("shap")
    result = trained(model)
    inputs = inputs_of(model, newest()).head(30)
    pipeline = result.model.estimators_[0]
    prepared = np.asarray(pipeline[0].transform(inputs), dtype=float)
    raw = np.asarray(shap.TreeExplainer(pipeline[-1]).shap_values(prepared))
    raw = raw[:, :, 1] if raw.ndim == 3 else raw
    sources = output_sources(pipeline[0])
    by_feature = np.stack([raw[:, sources == i].sum(axis=1) for i in range(inputs.shape[1])], axis=1)
    values, _ = contributions(result.model, inputs, None)
    if model == "random_forest":
        # Probabilities there, log-odds here: the same up to one factor per row.
        by_feature *= (values.sum(axis=1) / by_feature.sum(axis=1))[:, None]
    else:
        by_feature *= result.card.calibration["slope"]
    np.testing.assert_allclose(values, by_feature, atol=1e-5)


def test_linear_contributions_are_those_of_shap() -> None:
    shap = pytest.importorskip("shap")
    result = trained("logistic_regression")
    inputs = inputs_of("logistic_regression", newest()).head(30)
    pipeline = result.model.estimators_[0]
    background = np.asarray(result.card.background)
    explainer = shap.LinearExplainer(pipeline[-1], (background, np.eye(len(background))))
    prepared = np.asarray(pipeline[0].transform(inputs), dtype=float)
    raw = explainer.shap_values(prepared)
    sources = output_sources(pipeline[0])
    by_feature = np.stack([raw[:, sources == i].sum(axis=1) for i in range(inputs.shape[1])], axis=1)
    values, _ = contributions(result.model, inputs, result.card.background)
    np.testing.assert_allclose(values, result.card.calibration["slope"] * by_feature, atol=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_a_feature_that_is_the_only_change_gets_the_credit(model: str) -> None:
    """Signals and their sources are not mixed up: the plan's contributions differ by plan, as in the truth."""
    result = trained(model)
    frame = newest().reset_index(drop=True)
    values, _ = contributions(result.model, inputs_of(model, frame), result.card.background)
    names = [column.name for column in result.card.columns]
    plan = values[:, names.index("customer_plan")]
    by_plan = pd.Series(plan).groupby(frame["customer_plan"]).mean()
    assert by_plan["basic"] > by_plan["standard"]
    assert by_plan["basic"] > by_plan["premium"]
    orders = values[:, names.index("orders_count_90d")]
    assert np.corrcoef(orders, np.arcsinh(frame["orders_count_90d"].to_numpy(float)))[0, 1] < -0.3


# The table of reasons -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_reasons_are_ranked_and_raise_the_risk(model: str) -> None:
    champion = champion_of(model)
    table = reasons(newest(), champion, "customer_id", top=3)
    assert list(table.columns) == list(empty_reasons("customer_id").columns)
    assert table.dtypes.astype(str).to_dict() == empty_reasons("customer_id").dtypes.astype(str).to_dict()
    assert set(table["customer_id"]) == set(newest()["customer_id"])
    for _, own in table.groupby("customer_id"):
        assert own["reason_rank"].tolist() == list(range(1, len(own) + 1))
        assert len(own) <= 3
        if own["contribution"].max() >= LEAST_CONTRIBUTION:
            assert own["contribution"].is_monotonic_decreasing
            assert (own["contribution"] >= LEAST_CONTRIBUTION).all()
        families = [c.family for f in own["feature"] for c in champion.card.columns if c.name == f]
        assert len(set(families)) == len(families)
    lowers = table["contribution"] < 0
    assert (table["reason"].str.endswith(" - lowers the risk.") == lowers).all()
    alike = table["reason"].str.contains(", like the typical customer|, like most customers")
    alone = table.groupby("customer_id")["reason_rank"].transform("size") == 1
    assert alone[alike].all(), "what most have is a reason of nobody but those who are like them in everything"


def chosen(values: list[list[float]], cells: list[list[float]], columns: list[CardColumn], top: int = 3) -> list[tuple]:
    inputs = pd.DataFrame(cells, columns=[column.name for column in columns], dtype=float)
    picked = choose_reasons(np.array(values), inputs, columns, top)
    return [
        (int(row), columns[j].name, round(float(push), 6), bool(nothing))
        for row, _, j, push, nothing in zip(*picked, strict=True)
    ]


def test_the_windows_of_one_measurement_are_one_reason() -> None:
    columns = [window("a", None, "count", "7d"), feature("b"), window("a", None, "count", "30d"), feature("c")]
    values = [
        [0.9, 0.3, -0.7, 0.1],  # a: its windows cancel out to 0.2
        [0.2, 0.1, 0.3, 0.4],
        [-0.1, 0.001, -0.3, -0.2],  # nothing raises the risk
    ]
    picked = chosen(values, [[9.0] * 4] * 3, columns, top=2)
    assert picked == [
        (0, "b", 0.3, False), (0, "a_count_7d", 0.2, False),
        (1, "a_count_30d", 0.5, False), (1, "c", 0.4, False),
        (2, "a_count_30d", -0.4, False), (2, "c", -0.2, False),
    ]  # fmt: skip


def test_what_most_customers_have_is_no_reason() -> None:
    columns = [
        feature("usual", middle=(2.0, 4.0)),
        feature("rare", middle=(2.0, 4.0)),
        feature("plan", "flag", 1.0, typical_share=0.8),
        feature("gap", missing_share=0.7),
    ]
    cells = [[3.0, 5.0, 1.0, np.nan], [3.0, 3.0, 1.0, np.nan], [3.0, 3.0, 0.0, 1.0]]
    picked = chosen([[2.0, 0.1, 0.5, 0.4]] * 3, cells, columns)
    assert picked == [
        (0, "rare", 0.1, False),
        (1, "usual", 2.0, False),  # like all others in everything: the strongest contribution, so that there is one
        (2, "plan", 0.5, False), (2, "gap", 0.4, False),
    ]  # fmt: skip


def test_columns_that_rank_customers_alike_are_one_reason() -> None:
    columns = [feature("a", alike="a"), feature("b"), feature("c", alike="a")]
    assert chosen([[0.3, 0.5, 0.4]], [[9.0] * 3], columns) == [(0, "c", 0.7, False), (0, "b", 0.5, False)]


def test_no_events_are_one_reason_whatever_they_leave_empty() -> None:
    """No order, no amount, a total of 0 and a long time since the last order are one fact."""
    columns = [
        window("orders", None, "count"),
        window("orders", "amount", "sum"),
        window("orders", "amount", "mean"),
        window("orders", None, "days_since_last", "all_time"),
        window("orders", None, "count", "90d"),
        window("tickets", None, "count", typical=5.0),
    ]
    cells = [[0, 0, np.nan, 45, 2, 9], [1, 0, np.nan, 45, 2, 9]]
    first, second = [0.2, 0.3, 0.1, 0.2, 0.05, 0.6], [0.2, 0.3, 0.1, 0.2, 0.05, 0.4]
    picked = chosen([first, second], cells, columns, top=5)
    # Few orders in 90 days go with it.
    assert picked[:2] == [(0, "orders_amount_sum_30d", 0.85, True), (0, "tickets_count_30d", 0.6, False)]
    # One order without an amount is another matter: each measurement speaks for itself.
    assert {row for row, *_ in picked[2:]} == {1}
    assert {name for row, name, *_ in picked if row == 1} == {
        "tickets_count_30d", "orders_amount_sum_30d", "orders_count_30d", "orders_days_since_last_all_time",
        "orders_amount_mean_30d",
    }  # fmt: skip
    assert reason(columns[1], 0.0, 0.8, True) == "No orders in the last 30 days, unlike most customers."
    assert reason(columns[0], 0.0, 0.8, True) == "No orders in the last 30 days, where the typical customer has 3."


def test_a_rare_event_is_one_reason_whatever_it_shows_in() -> None:
    columns = [
        window("rises", None, "count", typical=0.0),
        window("rises", "percent", "sum", typical=0.0),
        window("rises", None, "days_since_last", "all_time", missing_share=0.7),
        feature("other"),
    ]
    picked = chosen([[0.2, 0.3, 0.1, 0.05]], [[1.0, 12.0, 4.0, 9.0]], columns)
    assert picked == [(0, "rises_percent_sum_30d", 0.6, False), (0, "other", 0.05, False)]


def test_near_duplicates_are_those_of_spearman() -> None:
    rng = np.random.default_rng(0)
    a, other = rng.normal(size=400), rng.normal(size=400)
    frame = pd.DataFrame(
        {"a": a, "other": other, "same": np.exp(a), "opposite": -a + 0.01 * other, "none": np.nan, "near": a + other}
    )
    columns = [InputColumn(name, "number") for name in frame]
    assert near_duplicates(frame, columns) == {"a": "a", "same": "a", "opposite": "a"}
    correlated = frame.drop(columns="none").corr("spearman").abs()
    assert correlated.loc["a", "near"] < 0.9 < correlated.loc["a", "opposite"]


def test_riskier_customers_have_stronger_reasons() -> None:
    champion = champion_of("logistic_regression")
    scored = score(newest(), champion, "customer_id").set_index("customer_id")["churn_probability"]
    table = reasons(newest(), champion, "customer_id")
    strongest = table[table["reason_rank"] == 1].set_index("customer_id")["contribution"]
    assert strongest[scored.nlargest(20).index].mean() > strongest[scored.nsmallest(20).index].mean()


def test_no_rows_no_reasons() -> None:
    table = reasons(newest().iloc[:0], champion_of("lightgbm"), "customer_id")
    assert table.empty
    assert table.dtypes.equals(empty_reasons("customer_id", newest()).dtypes)


# Sentences ------------------------------------------------------------------------------------------------


def feature(name: str, kind: str = "number", typical: object = 3.0, **more: object) -> CardColumn:
    return CardColumn(name, kind, typical=typical, **more)


def window(source: str, measure: str | None, aggregate: str, w: str = "30d", **more: Any) -> CardColumn:
    name = "_".join(part for part in (source, measure, aggregate, w) if part)
    return feature(name, source=source, measure=measure, aggregate=aggregate, window=w, **more)


SENTENCES = [
    (
        window("orders", None, "count"), 0.0, 0.4,
        "Orders in the last 30 days: 0, where the typical customer has 3.",
    ),
    (
        window("orders", None, "count"), 3.0, -0.4,
        "Orders in the last 30 days: 3, like the typical customer - lowers the risk.",
    ),
    (
        window("order_lines", "amount", "sum", "all_time", typical=12345.678), 54.2499, 0.1,
        "Total amount of order lines so far: 54.2, where the typical customer has 12,346.",
    ),
    (
        window("purchases", "unit_price", "mean", "24h", typical=9.99), 1.5, 0.1,
        "Average unit price per purchase in the last 24 hours: 1.5, where 9.99 is typical.",
    ),
    (
        window("tickets", "satisfaction", "min", "2w", missing_share=0.7), 1.0, 0.1,
        "Lowest satisfaction of tickets in the last 2 weeks: 1, where most customers have none.",
    ),
    (
        window("tickets", "satisfaction", "mean", "90d", missing_share=0.2, typical=4.0), np.nan, 0.1,
        "Average satisfaction per ticket in the last 90 days: nothing recorded, where 4 is typical.",
    ),
    (
        window("tickets", "satisfaction", "mean", "90d", missing_share=0.8), np.nan, -0.1,
        "Average satisfaction per ticket in the last 90 days: nothing recorded, like most customers - lowers "
        "the risk.",
    ),
    (
        window("orders", "category", "nunique", "1d"), 1.0, 0.1,
        "Different categories among orders in the last day: 1, where the typical customer has 3.",
    ),
    (
        window("purchases", "invoice_no", "nunique", "90d",
               description="Number of different values of invoice no of purchases in the 90 days before the "
               "feature time"),
        0.0, 0.1,
        "Different invoice numbers among purchases in the last 90 days: 0, where the typical customer has 3.",
    ),
    (
        window("addresses", None, "days_since_last", "all_time", typical=12.0), 45.0, 0.1,
        "Days since the last address: 45, where 12 is typical.",
    ),
    (
        window("entries", None, "days_since_last", "all_time"), np.nan, 0.1,
        "No entry so far, unlike most customers.",
    ),
    (
        window("usage", None, "count"), 2.0, 0.1,
        "Events (usage) in the last 30 days: 2, where the typical customer has 3.",
    ),
    (
        window("usage", None, "mean_gap_days", "all_time"), np.nan, 0.1,
        "Fewer than two events (usage) so far, unlike most customers.",
    ),
    (
        window("CDNOW_master", "quantity", "stddev", "1 month"), 0.01234, -0.1,
        "Standard deviation of quantity over events (cdnow master) (1 month): 0.012, where 3 is typical - lowers "
        "the risk.",
    ),
    (
        window("year_2009_2010", None, "days_since_first", "all_time", typical=100.4), 7.25, 0.1,
        "Days since the first event (year 2009 2010): 7.25, where 100 is typical.",
    ),
    (
        feature("customer_plan", "category", "standard", typical_share=0.7, aggregate="attribute"), "basic", 0.1,
        "Customer plan is basic, where most customers have standard.",
    ),
    (
        feature("customer_plan", "category", "basic", typical_share=0.4, aggregate="attribute"), "basic", 0.1,
        "Customer plan is basic, the most common value.",
    ),
    (
        feature("customer_plan", "category", "basic", typical_share=0.4, aggregate="attribute"), np.nan, 0.1,
        "Customer plan: unknown.",
    ),
    (
        feature("marketingOptIn", "flag", 1.0, typical_share=0.9, aggregate="attribute"), 0.0, 0.1,
        "Marketing opt in: no, where most customers have yes.",
    ),
    (
        feature("birth_year", typical=1985.0, aggregate="attribute"), 1990.0, 0.1,
        "Birth year: 1990, where 1985 is typical.",
    ),
    (
        window("tickets", "urgent", "sum", "90d", typical=0.0,
               description="Number of urgent support tickets in the 90 days before the feature time"),
        2.0, 0.1,
        "Urgent support tickets in the last 90 days: 2, where the typical customer has 0.",
    ),
    (
        feature("orders_trend", description="Orders of this month over those of last month."), 0.5, 0.0,
        "Orders of this month over those of last month: 0.5, where 3 is typical.",
    ),
    (
        window("tickets", None, "count", "all_time",
               description="Number of support tickets at any time before the feature time"),
        2.0, 0.1,
        "Support tickets so far: 2, where the typical customer has 3.",
    ),
    (
        window("orders", "amount", "count", "7d"), 2.0, 0.1,
        "Orders with amount in the last 7 days: 2, where the typical customer has 3.",
    ),
    (
        window("orders", "channel_web", "share", "30d", typical=0.105), 0.0, 0.1,
        "Share of orders with channel web in the last 30 days: 0 %, where 10.5 % is typical.",
    ),
    (
        window("orders", "channel_web", "share", "30d", typical=0.4, missing_share=0.1), np.nan, 0.1,
        "Share of orders with channel web in the last 30 days: nothing recorded, where 40 % is typical.",
    ),
    (
        window("orders", "channel_web", "count", "30d",
               description="Number of orders with channel web in the 30 days before the feature time"),
        5.0, 0.1,
        "Orders with channel web in the last 30 days: 5, where the typical customer has 3.",
    ),
    (
        window("orders", "amount_web", "sum", "30d",
               description="Sum of amount of orders with channel web in the 30 days before the feature time"),
        5.0, 0.1,
        "Sum of amount of orders with channel web in the last 30 days: 5, where the typical customer has 3.",
    ),
    (
        window("offers", "discount_percent", "max", "all_time",
               description="Largest discount in percent of retention offers at any time before the feature time"),
        5.0, 0.1,
        "Largest discount in percent of retention offers so far: 5, where 3 is typical.",
    ),
    (
        window("orders", "amount", "slope", "90d", typical=0.1,
               description="Trend per day (least squares) of amount of orders in the 90 days before the feature time"),
        -0.25, 0.1,
        "Trend per day of amount over orders in the last 90 days: -0.25, where 0.1 is typical.",
    ),
    (
        window("orders", "amount", "slope", "90d", typical=0.1, missing_share=0.3), np.nan, 0.1,
        "Trend per day of amount over orders in the last 90 days: too little recorded, where 0.1 is typical.",
    ),
    (
        window("orders", "amount", "variance", "90d", missing_share=0.6), np.nan, 0.1,
        "Variance of amount over orders in the last 90 days: too little recorded, like most customers.",
    ),
    (
        window("orders", "amount", "last", "all_time"), 1.5, 0.1,
        "Latest amount of orders so far: 1.5, where 3 is typical.",
    ),
    (
        window("orders", "channel", "first", "90d", kind="category", typical="web", typical_share=0.7), "app", 0.1,
        "First channel of orders in the last 90 days is app, where most customers have web.",
    ),
    (
        window("orders", "category", "mode", "90d", kind="category", typical="toys", typical_share=0.4), "toys", -0.1,
        "Most common category of orders in the last 90 days is toys, the most common value - lowers the risk.",
    ),
    (
        window("orders", "category", "mode", "90d", kind="category", typical="toys", missing_share=0.2), np.nan, 0.1,
        "Most common category of orders in the last 90 days: nothing recorded.",
    ),
    (
        window("orders", "category", "entropy", "90d", typical=1.0986), 0.0, 0.1,
        "Variety (entropy) of categories among orders in the last 90 days: 0, where 1.1 is typical.",
    ),
    (
        window("tickets", "is_urgent", "any", "30d", kind="flag", typical=0.0, typical_share=0.9), 1.0, 0.1,
        "Urgent for any of the tickets in the last 30 days: yes, where most customers have no.",
    ),
    (
        window("tickets", "urgent", "all", "24h", kind="flag", typical=0.0, missing_share=0.9), np.nan, -0.1,
        "Urgent for all of the tickets in the last 24 hours: nothing recorded, like most customers - lowers the risk.",
    ),
    (
        window("tickets", "urgent", "share", "30d", typical=0.0), 1 / 3, 0.1,
        "Share of tickets with urgent in the last 30 days: 33.3 %, where 0 % is typical.",
    ),
    (
        window("logins", None, "active_days", "30d", typical=12.0), 2.0, 0.1,
        "Days with logins in the last 30 days: 2, where the typical customer has 12.",
    ),
    (
        window("logins", None, "gap_stddev_days", "all_time", missing_share=0.1), np.nan, 0.1,
        "Fewer than three logins so far, unlike most customers.",
    ),
    (
        window("logins", None, "gap_stddev_days", "all_time"), 8.0, 0.1,
        "Standard deviation of the days between logins: 8, where 3 is typical.",
    ),
    (
        window("logins", None, "longest_streak_days", "all_time"), 8.0, -0.1,
        "Longest run of days with logins so far: 8, where the typical customer has 3 - lowers the risk.",
    ),
    (
        window("logins", None, "current_streak_days", "all_time"), 0.0, 0.1,
        "Days in a row with logins, up to now: 0, where the typical customer has 3.",
    ),
    (
        window("orders", "count", "velocity", "7d/30d", typical=0.0,
               description="Number of orders per day in the 7 days before the feature time, less that in the 30 days "
               "before it"),
        -0.125, 0.1,
        "Change in orders per day, the last 7 days against the last 30 days: -0.12, where 0 is typical.",
    ),
    (
        window("orders", "amount_sum", "ratio", "30d/all_time", typical=0.2), 0.05, 0.1,
        "Ratio of total amount of orders in the last 30 days to all time: 0.05, where 0.2 is typical.",
    ),
    (
        window("orders", "amount_sum", "ratio", "7d/30d", typical=0.2, missing_share=0.3), np.nan, 0.1,
        "Ratio of total amount of orders in the last 7 days to the last 30 days: nothing to compare with, where 0.2 "
        "is typical.",
    ),
    (
        window("orders", "channel_web_share", "difference", "24h/7d", typical=0.0), -0.5, 0.1,
        "Difference in share of orders with channel web between the last 24 hours and the last 7 days: -0.5, where 0 "
        "is typical.",
    ),
    (
        window("orders", "channel_web_count", "momentum", "7d/30d", typical=1.0), 0.5, 0.1,
        "Ratio of orders with channel web per day, the last 7 days against the last 30 days: 0.5, where 1 is typical.",
    ),
    (
        window("logins", "count", "acceleration", "1d/1w/4w", typical=0.0), 0.5, -0.1,
        "Acceleration of logins per day over the last day, the last week and the last 4 weeks: 0.5, where 0 is "
        "typical - lowers the risk.",
    ),
    (feature("x"), -0.000001, 0.1, "X: -0.000001, where 3 is typical."),
    (
        window("tickets", "body_pc1", "mean", "30d", typical=0.1, ends=("merci, bonjour", "app, crashes")), 0.3, 0.1,
        "Texts of tickets in the last 30 days read more like “app, crashes” than usual.",
    ),
    (
        window("tickets", "body_pc1", "last", "all_time", typical=None, ends=("merci, bonjour", "app, crashes")), -0.3,
        -0.1, "Texts of tickets so far read more like “merci, bonjour” than usual - lowers the risk.",
    ),
    (
        window("tickets", "body_pc1", "stddev", "30d", typical=0.1, ends=("merci", "app")), 0.3, 0.1,
        "Spread of texts of tickets, from “merci” to “app” in the last 30 days: 0.3, where 0.1 is typical.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value", "push", "said"), SENTENCES, ids=[s[3][:40] for s in SENTENCES])
def test_sentences(column: CardColumn, value: object, push: float, said: str) -> None:
    assert reason(column, value, push) == said


@settings(max_examples=300, deadline=None)
@given(
    name=st.text(min_size=1, max_size=30),
    source=st.none() | st.text(max_size=20),
    measure=st.none() | st.text(max_size=20),
    aggregate=st.none() | st.sampled_from([*_PHRASES, *_COMPARISONS, "attribute", "trend"]),
    over=st.none() | st.sampled_from(["7d", "24h", "2w", "all_time", "odd", "7d/30d", "1d/odd/all_time"]),
    description=st.text(max_size=90),
    kind=st.sampled_from(["number", "flag", "category"]),
    share=st.floats(0, 1),
    data=st.data(),
)
def test_any_metadata_makes_one_sentence(
    name: str,
    source: str | None,
    measure: str | None,
    aggregate: str | None,
    over: str | None,
    description: str,
    kind: str,
    share: float,
    data: st.DataObject,
) -> None:
    some = st.text(min_size=1, max_size=100) if kind == "category" else st.sampled_from([0.0, 1.0])
    some = st.floats(-1e12, 1e12) if kind == "number" else some
    value, typical = data.draw(some | st.none()), data.draw(some | st.none())
    column = CardColumn(name, kind, description, source, measure, aggregate, over, typical, share, 1 - share)
    sentence = reason(column, value, data.draw(st.floats(-3, 3)))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "nan" not in sentence.lower() or "nan" in f"{name}{source}{measure}{description}{value}{typical}".lower()


def test_a_feature_that_nobody_has() -> None:
    column = feature("points", typical=None, missing_share=1.0)
    assert reason(column, 4.0, 0.1) == "Points: 4."
    assert reason(column, None, 0.1) == "Points: nothing recorded, like most customers."


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (-0.0, "0"), (3, "3"), (54.25, "54.2"), (100.4, "100"), (999.6, "1000"), (12345.6, "12,346"),
     (0.012345, "0.012"), (1.005, "1"), (-2.5, "-2.5"), (1e-9, "0.000000001"), (1e12, "1,000,000,000,000")],
)  # fmt: skip
def test_number_words(number: float, text: str) -> None:
    assert number_text(number) == text


def test_value_text_is_exact() -> None:
    assert value_text(feature("n"), 12345.678) == "12345.678"
    assert value_text(feature("n"), 3.0) == "3"
    assert value_text(feature("n"), np.nan) is None
    assert value_text(feature("f", "flag"), 1.0) == "true"
    assert value_text(feature("c", "category"), "a b") == "a b"


def test_words() -> None:
    assert as_text("unitPrice") == as_text("unit_price") == as_text("Unit-Price") == "unit price"


@pytest.mark.parametrize("source", ["status", "sms", "analysis", "Évènements", "2024", "s", "événements 2", "news"])
def test_any_source_name_makes_a_subject(source: str) -> None:
    assert subject(window(source, None, "count")) == f"events ({as_text(source)}) in the last 30 days"


# The card -------------------------------------------------------------------------------------------------


def test_the_card_survives_json() -> None:
    for model in MODELS:
        card = trained(model).card
        assert ModelCard.from_json(card.to_json()) == card
    with pytest.raises(ValueError, match="model card"):
        ModelCard.from_json('{"format": 99}')


def test_typical_values_are_of_the_fitted_rows() -> None:
    result, world = trained("lightgbm"), small_world()
    before = pd.Timestamp(result.card.fitted_on["before"])
    fitted = world.frame[world.frame["label_timestamp"] <= before]
    typical = {column.name: column for column in result.card.columns}
    assert typical["orders_count_90d"].typical == fitted["orders_count_90d"].median()
    assert typical["customer_plan"].typical == fitted["customer_plan"].mode()[0]
    share = fitted["tickets_satisfaction_mean_90d"].isna().mean()
    assert typical["tickets_satisfaction_mean_90d"].missing_share == pytest.approx(share)
    assert typical["orders_count_90d"].aggregate == "count"


def test_the_commonest_of_equals_does_not_depend_on_the_order_of_rows() -> None:
    frame = pd.DataFrame({"plan": ["b", "a", "a", "b"]}, dtype=object)
    features = [f for f in small_world().features if f.name == "customer_plan"]
    features = [type(features[0])("plan", "feature", "varchar")]
    one = describe_columns(frame, [InputColumn("plan", "category")], features)
    other = describe_columns(frame.iloc[::-1], [InputColumn("plan", "category")], features)
    assert one == other
