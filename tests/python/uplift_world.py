"""A randomised experiment whose effects are known, as rows for the learners and as a project."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from python_ml.decisions.uplift.experiment_rows import Experiment
from python_ml.input_columns import CATEGORY, FLAG, NUMBER, InputColumn

COLUMNS = [
    InputColumn("silence", NUMBER),
    InputColumn("orders", NUMBER),
    InputColumn("plan", CATEGORY),
    InputColumn("opt_in", FLAG),
]


def columns_of(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "silence": rng.gamma(2, 10, n),
            "orders": rng.poisson(3, n).astype(float),
            "plan": rng.choice(["basic", "standard", "annual"], n),
            "opt_in": (rng.random(n) < 0.5).astype(float),
        }
    )


def chances(frame: pd.DataFrame, effect: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """P(retained) without and with an offer: offers keep basic customers, and wake annual ones."""
    log_odds = 1.2 - 0.05 * (frame["silence"] - 20) + 0.1 * (frame["orders"] - 3)
    moved = effect * frame["plan"].map({"basic": 1.2, "standard": 0.3, "annual": -0.9})
    without, with_offer = (1 / (1 + np.exp(-odds.to_numpy(float))) for odds in (log_odds, log_odds + moved))
    return without, with_offer


def world(
    n: int = 4_000, seed: int = 0, effect: float = 1.0, share: float = 0.5, draws: int = 1
) -> tuple[Experiment, np.ndarray]:
    """Draws, and the true uplift of each."""
    rng = np.random.default_rng(seed)
    frame = columns_of(rng, n)
    without, with_offer = chances(frame, effect)
    treated = (rng.random(n) < share).astype(int)
    retained = (rng.random(n) < np.where(treated == 1, with_offer, without)).astype(float)
    customers = np.array([f"c{i // draws:05d}" for i in range(n)])
    return Experiment(frame, treated, retained, customers, np.full(n, share)), with_offer - without


SETTINGS = {
    "table": "bronze.offers",
    "time": "drawn at",
    "arm": 'the "arm"',
    "control": "no'thing",
    "learners": ["s_lasso", "t_logistic"],
    "folds": 3,
}
LABELS = """{{ customer_retention.churn_labels(
    definition=var('churn_definition'), entity='customer_id', spine=ref('slv_spine'),
    outcome={'relation': ref('subscriptions'), 'started_at': 'started_at', 'ended_at': 'ended_at'},
    observation=ref('slv_observation_period'),
) }}"""
INACTIVITY = """{{ customer_retention.churn_labels(
    definition=var('churn_definition'), entity='customer_id', spine=ref('slv_spine'),
    outcome={'relation': ref('subscriptions'), 'event_at': 'started_at'},
    observation=ref('slv_observation_period'),
) }}"""
END = pd.Timestamp("2025-01-01")


def write_project(
    folder: Path,
    offers: pd.DataFrame,
    subscriptions: pd.DataFrame,
    features: pd.DataFrame,
    settings: dict | None = None,
    churn: str = "end_date",
    **variables: str,
) -> Path:
    """A project as dbt leaves it, with a table of offers whose names are hostile."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    given = {"entity": "customer_id", "churn_definition": churn, "horizon": "30d", "gap": "0d", **variables}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump({"name": "shop", "vars": given}))
    section = SETTINGS | (settings or {})
    (folder / "retention.yml").write_text(
        yaml.safe_dump({"uplift": section, "training": {"bootstrap_replicates": 40}}), encoding="utf-8"
    )
    roles = {"customer_id": ("key", "varchar"), "feature_timestamp": ("time", "timestamp")}
    kinds = {NUMBER: "double", CATEGORY: "varchar", FLAG: "boolean"}
    roles |= {column.name: ("feature", kinds[column.kind]) for column in COLUMNS}
    described = {
        name: {"name": name, "data_type": kind, "config": {"meta": {"role": role}}}
        for name, (role, kind) in roles.items()
    }
    nodes = {
        "gld_customer_features": {"schema": "gold", "columns": described},
        "gld_churn_labels": {"schema": "gold", "raw_code": LABELS if churn != "inactivity" else INACTIVITY},
        "slv_spine": {"schema": "silver"},
        "slv_observation_period": {"schema": "silver"},
        "subscriptions": {"schema": "bronze"},
    }
    nodes = {
        f"model.shop.{name}": {
            "resource_type": "model",
            "name": name,
            "original_file_path": f"{name}.sql",
            "columns": {},
            **node,
        }
        for name, node in nodes.items()
    }
    (folder / "target").mkdir(exist_ok=True)
    (folder / "target" / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    newest = features[features["feature_timestamp"] == features["feature_timestamp"].max()]
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create schema gold; create schema bronze; create schema silver")
        for name, table in (
            ("bronze.offers", offers),
            ("bronze.subscriptions", subscriptions),
            ("gold.gld_customer_features", features),
            ("gold.gld_scoring_set", newest),
            ("silver.slv_observation_period", pd.DataFrame({"observation_end": [END]})),
        ):
            connection.register("incoming", table)
            connection.execute(f"create table {name} as select * from incoming")
            connection.unregister("incoming")
    return folder


def experiment_project(folder: Path, n: int = 1_600, by_risk: bool = False, seed: int = 0, **settings: object) -> Path:
    """One draw for each of ``n`` customers over ten months; ``by_risk`` offers to those at risk, not at random."""
    rng = np.random.default_rng(seed)
    times = pd.date_range("2024-02-01", periods=10, freq="MS")
    keys = np.array([f"c{i:05d}" for i in range(n)])
    month = rng.integers(0, 10, n)
    frame = columns_of(rng, n)
    frame["opt_in"] = frame["opt_in"] == 1
    without, with_offer = chances(frame)
    treated = rng.random(n) < (np.where(without < np.median(without), 0.85, 0.15) if by_risk else 0.5)
    churned = rng.random(n) >= np.where(treated, with_offer, without)
    at = times[month] + pd.to_timedelta(rng.uniform(0, 20, n), unit="D").floor("s")
    ended = at + pd.to_timedelta(rng.uniform(0.1, 29, n), unit="D").floor("s")
    features = frame.assign(customer_id=keys, feature_timestamp=times[month])
    scoring = features.head(200).assign(feature_timestamp=times[-1] + pd.DateOffset(months=1))
    offers = pd.DataFrame({"customer_id": keys, "drawn at": at, 'the "arm"': np.where(treated, "10 %", "no'thing")})
    subscriptions = pd.DataFrame(
        {"customer_id": keys, "started_at": pd.Timestamp("2023-01-01"), "ended_at": ended.where(churned)}
    )
    return write_project(folder, offers, subscriptions, pd.concat([features, scoring]), settings)
