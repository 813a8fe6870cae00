"""Baselines against independent oracles: published parameters, lifetimes, simulation, and a plain loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from python_ml.dbt import Feature
from python_ml.model.baselines import baselines, entity_rate_score
from python_ml.model.bg_nbd import BgNbd, Histories, bg_nbd_score, histories_of
from tests.bench.cdnow import panel

CDNOW = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}


def cdnow(file: Path) -> tuple[Histories, np.ndarray]:
    """Histories in weeks at the end of the 39 weeks of calibration, and who buys in the 39 weeks after them."""
    table = panel(file, weeks=())
    frequency, recency, age = (table[name].to_numpy(float) for name in ("frequency", "recency", "age"))
    return Histories(frequency, recency / 7, (age - 1) / 7), table["churned"].to_numpy() == 0


def simulated(customers: int, seed: int, days: float = 365.0, ahead: float = 90.0, gap: float = 0.0):
    """Customers who follow the model, their histories, and whether they buy nothing in the window ahead."""
    rng = np.random.default_rng(seed)
    rate, dropout = rng.gamma(0.8, 1 / 20, customers), rng.beta(0.9, 3.0, customers)
    frequency, recency = np.zeros(customers), np.zeros(customers)
    age, silent = rng.uniform(60, days, customers), np.ones(customers, dtype=bool)
    for n in range(customers):
        now = 0.0
        while True:
            now += rng.exponential(1 / rate[n])
            if now > age[n] + gap + ahead:
                break
            if now <= age[n]:
                frequency[n], recency[n] = frequency[n] + 1, now
            elif now >= age[n] + gap:
                silent[n] = False
            if rng.random() < dropout[n]:
                break
    return Histories(frequency, recency, age), silent


def test_bg_nbd_finds_the_published_parameters_of_cdnow(shared_data: Path) -> None:
    file = shared_data / "cdnow" / "CDNOW_sample.txt"
    if not file.is_file():
        pytest.skip("cdnow/CDNOW_sample.txt is not among the real data sets")
    histories, returns = cdnow(file)
    model = BgNbd.fit(histories)
    assert len(returns) == 2_357
    assert {name: round(getattr(model, name), 3) for name in CDNOW} == CDNOW
    assert model.log_likelihood == pytest.approx(-9582.4, abs=0.05)
    # By expected purchases; by the probability of any, 0.757.
    assert roc_auc_score(returns, model.expected_purchases(histories, 39)) == pytest.approx(0.7725, abs=0.0001)


def test_bg_nbd_agrees_with_lifetimes() -> None:
    from lifetimes import BetaGeoFitter

    histories, _ = simulated(600, 1)
    model, other = BgNbd.fit(histories), BetaGeoFitter()
    other.fit(histories.frequency, histories.recency, histories.age)
    for name in CDNOW:
        assert getattr(model, name) == pytest.approx(other.params_[name], rel=0.02)
    np.testing.assert_allclose(
        model.probability_active(histories),
        other.conditional_probability_alive(histories.frequency, histories.recency, histories.age),
        atol=0.01,
    )
    same = BgNbd(*(float(other.params_[name]) for name in CDNOW), 0.0)
    np.testing.assert_allclose(
        same.expected_purchases(histories, 90),
        other.conditional_expected_number_of_purchases_up_to_time(
            90, histories.frequency, histories.recency, histories.age
        ),
        rtol=1e-8,
    )


@pytest.mark.parametrize("gap", [0.0, 30.0])
def test_the_probability_of_no_purchase_is_the_share_who_buy_nothing(gap: float) -> None:
    histories, silent = simulated(6_000, 2, gap=gap)
    model = BgNbd(0.8, 20.0, 0.9, 3.0, 0.0)
    probability = model.probability_of_none(histories, 90.0, gap)
    for part in np.array_split(np.argsort(probability), 5):
        error = 4 * np.sqrt(probability[part].mean() * (1 - probability[part].mean()) / len(part))
        assert silent[part].mean() == pytest.approx(probability[part].mean(), abs=error)


def test_histories_come_from_the_features_of_one_source() -> None:
    frame = pd.DataFrame(
        {
            "orders_count_all_time": [3, 1, 0, 2],
            "orders_active_days_all_time": [2, 1, 0, 1],
            "orders_days_since_first": [50.0, 10.0, np.nan, 8.0],
            "orders_days_since_last": [20.0, 10.0, np.nan, 7.5],
            "visits_days_since_last": [1.0, 2.0, 3.0, 4.0],
        }
    )
    registry = [
        Feature(name, "feature", "double", source=name.split("_")[0], window="all_time",
                aggregate=name.split("_", 1)[1].removesuffix("_all_time"))
        for name in frame
    ]  # fmt: skip
    source, histories = histories_of(frame, registry)
    assert source == "orders"
    np.testing.assert_array_equal(histories.frequency, [1, 0, np.nan, 0])
    np.testing.assert_array_equal(histories.recency, [30, 0, np.nan, 0])
    np.testing.assert_array_equal(histories.age, [50, 10, np.nan, 8])
    assert histories_of(frame, registry[4:]) is None
    assert bg_nbd_score(
        Histories(*np.full((3, 4), np.nan)), np.arange(4), np.arange(4), np.zeros(4, int), np.ones(4, bool),
        np.ones(4, bool), horizon=30, gap=0, seed=0,
    ) is None  # fmt: skip


def labelled(seed: int = 0, customers: int = 30) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    times = pd.date_range("2024-01-01", periods=8, freq="MS")
    frame = pd.DataFrame(
        [(f"c{n}", time) for n in range(customers) for time in times if rng.random() < 0.8],
        columns=["customer_id", "feature_timestamp"],
    )
    frame["label_timestamp"] = frame["feature_timestamp"] + pd.to_timedelta(rng.integers(10, 70, len(frame)), "D")
    return frame, (rng.random(len(frame)) < 0.4).astype(int)


@pytest.mark.parametrize("lag", [0, 12])
def test_the_own_rate_counts_labels_known_by_then_and_no_other(lag: int) -> None:
    frame, churned = labelled()
    wait = pd.Timedelta(days=lag)
    found = entity_rate_score(frame, "customer_id", churned, wait)
    for place, row in enumerate(frame.itertuples()):
        known = (frame["label_timestamp"] + wait <= row.feature_timestamp).to_numpy()
        own = known & (frame["customer_id"] == row.customer_id).to_numpy()
        rate = churned[known].mean() if known.any() else 0.5
        assert found[place] == pytest.approx((churned[own].sum() + rate) / (own.sum() + 1))


def test_the_own_rate_never_sees_its_own_label() -> None:
    frame, churned = labelled()
    frame["label_timestamp"] = frame["feature_timestamp"]  # a table that does not say how far labels look ahead
    found = entity_rate_score(frame, "customer_id", churned)
    for place in range(len(frame)):
        other = churned.copy()
        other[place] = 1 - other[place]
        assert entity_rate_score(frame, "customer_id", other)[place] == found[place]
    one_time = frame.assign(feature_timestamp=pd.Timestamp("2024-01-01"), label_timestamp=pd.Timestamp("2024-02-01"))
    assert entity_rate_score(one_time.drop_duplicates("customer_id"), "customer_id", churned) is None


def test_baselines_are_those_that_the_definition_allows() -> None:
    histories, silent = simulated(400, 3)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{n % 200}" for n in range(400)],
            "feature_timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(400) // 200 * 100, "D"),
            "orders_count_all_time": histories.frequency + 1,
            "orders_days_since_first": histories.age,
            "orders_days_since_last": histories.age - histories.recency,
        }
    )
    frame["label_timestamp"] = frame["feature_timestamp"] + pd.Timedelta(days=90)
    registry = [
        Feature(name, "feature", "double", source="orders", window="all_time",
                aggregate=name.removeprefix("orders_").removesuffix("_all_time"))
        for name in frame if name.startswith("orders")
    ]  # fmt: skip
    first = np.arange(400) < 200
    parts = {"test": (first, ~first)}
    churned = silent.astype(int)
    label = {"churn_definition": "inactivity", "horizon": "90d", "gap": "0d", "maturity_lag": "4d"}
    found = baselines(frame, registry, "customer_id", churned, parts, first, label, 0)
    assert list(found) == ["recency", "entity_rate", "bg_nbd"]
    assert roc_auc_score(churned[~first], found["bg_nbd"].scores["test"]) > 0.6
    assert set(found["bg_nbd"].facts["parameters"]) == set(CDNOW)
    changed = churned.copy()
    changed[~first] = 1 - changed[~first]
    again = baselines(frame, registry, "customer_id", changed, parts, first, label, 0)
    for name in found:  # what is scored has no part in the scores
        np.testing.assert_array_equal(found[name].scores["test"], again[name].scores["test"])
    by_end = baselines(
        frame, registry, "customer_id", churned, parts, first, {**label, "churn_definition": "end_date"}, 0
    )
    assert list(by_end) == ["recency", "entity_rate"]
