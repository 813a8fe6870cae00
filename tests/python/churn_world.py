"""A small training set whose truth is known: customers whose orders fade before they leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from python_ml.registry import Feature

WINDOWS = (7, 30, 90, 365)


@dataclass(frozen=True)
class ChurnWorld:
    """``frame`` as in gold.gld_training_set, ``features`` as in the registry, ``oracle`` the true odds."""

    frame: pd.DataFrame
    features: list[Feature]
    oracle: pd.DataFrame


def churn_world(
    customers: int = 400, months: int = 14, noise: int = 5, seed: int = 0, signal: float = 1.0
) -> ChurnWorld:
    """Draw customers by months; churn follows recent orders, price and plan with strength ``signal``."""
    rng = np.random.default_rng(seed)
    n = customers * months
    customer = np.repeat(np.arange(customers), months)
    month = np.tile(np.arange(months), customers)
    level = np.repeat(rng.gamma(2.0, 1.5, customers), months)
    mood = np.concatenate([np.cumsum(rng.normal(0, 0.5, months)) for _ in range(customers)])
    rate = level * np.exp(mood)
    plan = np.repeat(rng.choice(["basic", "standard", "premium"], customers, p=[0.5, 0.35, 0.15]), months)
    logit = -1.4 + signal * (-0.9 * np.arcsinh(rate) + 1.3 * (plan == "basic"))
    probability = 1 / (1 + np.exp(-logit))

    columns: dict[str, object] = {}
    features = []

    def add(name: str, values: object, kind: str = "double", **meta: str | None) -> None:
        columns[name] = values
        features.append(Feature(name, "feature", kind, **meta))

    orders = {w: rng.poisson(rate * w / 30) for w in WINDOWS}
    for w in WINDOWS:
        add(
            f"orders_count_{w}d",
            orders[w],
            "bigint",
            source="orders",
            aggregate="count",
            window=f"{w}d",
            measure=None,
        )
    for w in WINDOWS:
        add(
            f"orders_amount_sum_{w}d",
            np.round(orders[w] * rng.gamma(4, 6, n), 2),
            source="orders",
            measure="amount",
            aggregate="sum",
            window=f"{w}d",
        )
    recency = np.where(orders[365] > 0, np.minimum(rng.exponential(30 / (rate + 0.05)), 365), np.nan)
    add(
        "orders_days_since_last",
        np.round(recency, 1),
        source="orders",
        aggregate="days_since_last",
        window="all_time",
    )
    satisfaction = np.where(rng.random(n) < 0.6, np.nan, rng.integers(1, 6, n))
    add(
        "tickets_satisfaction_mean_90d",
        satisfaction,
        source="tickets",
        measure="satisfaction",
        aggregate="mean",
        window="90d",
    )
    add("customer_plan", plan, "varchar", source="customer", measure="plan", aggregate="attribute")
    opt_in = pd.array(np.where(rng.random(n) < 0.5, True, False), dtype="boolean")
    opt_in[rng.random(n) < 0.1] = pd.NA
    add("customer_opt_in", opt_in, "boolean", source="customer", measure="opt_in", aggregate="attribute")
    add("customer_country", np.array(["nowhere"] * n), "varchar", source="customer", aggregate="attribute")
    for i in range(noise):
        add(f"noise_{i}", rng.normal(size=n))

    start = pd.Timestamp("2023-01-01")
    times = pd.DatetimeIndex([start + pd.DateOffset(months=int(m)) for m in range(months)]).as_unit("us")[
        month
    ]
    keys = pd.DataFrame({"customer_id": [f"c{i:05d}" for i in customer], "feature_timestamp": times})
    frame = keys.assign(**columns)
    frame["churned"] = (rng.random(n) < probability).astype("int32")
    frame["label_timestamp"] = frame["feature_timestamp"] + pd.Timedelta(days=30)
    registry = [
        Feature("customer_id", "key", "varchar"),
        Feature("feature_timestamp", "time", "timestamp"),
        *features,
    ]
    return ChurnWorld(frame, registry, keys.assign(probability=probability))
