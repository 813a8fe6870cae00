"""A small training set whose truth is known: customers whose orders fade before they leave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import yaml

from python_ml.dbt import Feature
from python_ml.settings import Models, Settings

if TYPE_CHECKING:
    from python_ml.model.train import TrainingResult

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
    times = pd.DatetimeIndex([start + pd.DateOffset(months=int(m)) for m in range(months)]).as_unit("us")[month]
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


FEW_TREES = {"n_estimators": 25}


def quick_settings(models: tuple[str, ...] = (), **training: object) -> Settings:
    """Settings that train in a second or two; ``models`` names those that take part (default: all)."""
    parameters = {"lightgbm": FEW_TREES, "xgboost": FEW_TREES, "random_forest": FEW_TREES}
    section = {
        name: {"enabled": not models or name in models, "parameters": parameters.get(name, {})}
        for name in Models.model_fields
    }
    training = {"bootstrap_replicates": 60, "calibration_folds": 3, **training}
    return Settings.model_validate({"training": {"models": section, **training}})


@cache
def small_world() -> ChurnWorld:
    """The world that most tests share."""
    return churn_world(customers=220, months=12, noise=3, seed=3)


@cache
def trained(model: str | None = None) -> TrainingResult:
    """The small world, trained with one kind of model (default: all)."""
    from python_ml.model.train import train_models

    world = small_world()
    settings = quick_settings(() if model is None else (model,))
    return train_models(world.frame, world.features, "customer_id", settings, truth=world.oracle)


def write_project(folder: Path, world: ChurnWorld) -> Path:
    """Write a project as dbt leaves it: configuration, manifest, and a warehouse with the gold sets."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    config = {"name": "shop", "vars": {"entity": "customer_id", "horizon": "30d", "gap": "0d"}}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    columns = {
        f.name: {
            "name": f.name,
            "data_type": f.data_type,
            "description": f.description,
            "config": {
                "meta": {
                    "role": f.role,
                    "source": f.source,
                    "measure": f.measure,
                    "aggregate": f.aggregate,
                    "window": f.window,
                }
            },
        }
        for f in world.features
    }
    node = {
        "resource_type": "model",
        "name": "gld_customer_features",
        "package_name": "shop",
        "original_file_path": "models/gold/gld_customer_features.sql",
        "columns": columns,
    }
    (folder / "target").mkdir(exist_ok=True)
    (folder / "target" / "manifest.json").write_text(
        json.dumps({"nodes": {"model.shop.gld_customer_features": node}}), encoding="utf-8"
    )
    frame, newest = world.frame, world.frame["feature_timestamp"].max()
    scoring = frame[frame["feature_timestamp"] == newest].drop(columns=["churned", "label_timestamp"])
    truth = world.oracle.rename(columns={"feature_timestamp": "as_of", "probability": "churn_probability_30d"})
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create schema gold; create schema raw")
        for name, table in (
            ("gold.gld_training_set", frame),
            ("gold.gld_scoring_set", scoring),
            ("raw.raw_sim__true_hazard", truth),
        ):
            connection.register("incoming", table)
            connection.execute(f"create table {name} as select * from incoming")
            connection.unregister("incoming")
    return folder
