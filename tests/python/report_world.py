"""Synthetic inputs of a report, hostile ones, a project folder, and a parser of pages."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from python_ml import formatting
from python_ml.report import ReportInputs, curves

SECTIONS = (
    "customers", "actions", "drivers", "performance", "models", "backtests", "reliability", "monitored", "data",
    "method", "links",
)  # fmt: skip
MODELS = {"logistic_regression": 0.78, "random_forest": 0.93, "xgboost": 0.97, "lightgbm": 1.0}
HOSTILE = "<script>alert(1)</script> \"q\" 'a' {{ 7 * 7 }} {% raw %} & é 日本 \u202e \x00\x08 ]]> </style>"


def estimate(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + 0.93 * half}


def average_precision(outcome: np.ndarray, score: np.ndarray) -> float:
    curve = curves.precision_recall_curve(outcome, score)
    return float(np.sum(np.diff(curve.x, prepend=0) * curve.y))


def figures(outcome: np.ndarray, score: np.ndarray, half: float) -> dict:
    roc, gains = curves.roc_curve(outcome, score), curves.gains_curve(outcome, score)
    bins = curves.calibration_bins(outcome, score)
    gap = sum(b.rows * abs(b.predicted - b.observed) for b in bins) / len(outcome)
    return {
        "roc_auc": estimate(float(np.trapezoid(roc.y, roc.x)), half),
        "pr_auc": estimate(average_precision(outcome, score), 1.7 * half),
        "brier": estimate(float(np.mean((score - outcome) ** 2)), 0.15 * half),
        "ece": estimate(gap, 0.2 * half),
        "lift_at_10pct": estimate(10 * curves.reached(gains, 0.1), 12 * half),
        "n": len(outcome),
        "base_rate": float(outcome.mean()),
    }


def synthetic_actions(scores: pd.DataFrame, reasons: tuple[str, ...]) -> pd.DataFrame:
    """The first customers of an action list."""
    first = scores.head(25).reset_index(drop=True)
    return first[["customer_id", "risk_band", "churn_probability"]].assign(
        priority=range(1, len(first) + 1),
        suggested_action="retention offer",
        reason_1=reasons[0],
        reason_2=reasons[1],
        reason_3=None,
        value_at_risk=250 * first["churn_probability"],
        uplift=np.nan,
        expected_profit=75 * first["churn_probability"] - 11,
        holdout_flag=first.index % 10 == 3,
    )


def synthetic_campaign(scores: pd.DataFrame) -> dict:
    """What ``retention act`` says of it."""
    interval = {"value": 310.0, "low": -40.0, "high": 720.5}
    row = {
        "threshold": 0.18, "contacted": 40, "true_positives": 14, "false_positives": 26, "false_negatives": 30,
        "true_negatives": 930, "precision": 0.35, "recall": 0.318, "f1": 0.333, "profit": 310.0,
    }  # fmt: skip
    return {
        "feature_timestamp": scores["feature_timestamp"].max().isoformat(),
        "model_version": 3,
        "customers": len(scores),
        "ranked_by": "risk x value",
        "placeholders": ["contact_cost", "offer_cost"],
        "notes": [],
        "terms": {"contact_cost": 1.0, "offer_cost": 10.0, "success_rate": 0.3, "budget": None, "max_contacts": 150},
        "value": {"origin": "value from clv", "typical": 250.0, "filled": 2},
        "without_action": {"churned": 96.4, "loss": 24100.0},
        "campaign": {
            "contacts": 135, "holdout": 15, "stopped_by": "contacts", "price_of_budget": 0.4,
            "cost": interval, "profit": interval, "roi": {"value": 0.42, "low": -0.05, "high": 0.97}, "kept": interval,
        },
        "not_listed": {"recently contacted": 12, "not profitable": 1338},
        "budget_curve": [[0.0, 0.0], [400.0, 300.0], [1400.0, 340.0], [9000.0, -4000.0]],
        "thresholds": {
            "chosen": 0.18, "chosen_on": "validation", "break_even": 0.164, "typical_value": 250.0,
            "rows": {"Most profit": row, "50 %": row, "Everyone": row | {"threshold": None, "precision": None}},
            "profit": interval, "per": 1000, "capacity": {"share": 0.1, "reached": 0.45, "lift": 4.5},
            "empc": {"value": 0.31, "share": 0.08}, "curve": [[0.0, 0.0], [0.04, 310.0], [1.0, -9000.0]],
        },
    }  # fmt: skip


def synthetic_inputs(customers: int = 1500, seed: int = 7) -> ReportInputs:
    """A subscription business of two years, as the other parts of the project would leave it."""
    rng = np.random.default_rng(seed)
    times = pd.date_range("2023-01-01", "2025-03-01", freq="MS")
    split = {"train": times[3:19], "validation": times[19:22], "test": times[22:26]}
    frames, metrics_of = [], {name: {} for name in MODELS}
    baselines = {"recency": {"feature": "orders_days_since_last"}}
    for name in ("validation", "test"):
        keys = np.repeat([f"C{k:05d}" for k in range(customers)], len(split[name]))
        stamps = np.tile(split[name], customers)
        hazard = rng.normal(-3.3, 1.25, len(keys))
        truth = 1 / (1 + np.exp(-hazard))
        outcome = (rng.random(len(keys)) < truth).astype(int)
        half = 0.016 if name == "test" else 0.019
        for model, skill in MODELS.items():
            noisy = -3.3 + skill * (hazard + 3.3) * 0.85 + rng.normal(0, 1.15 - 0.6 * skill, len(keys))
            probability = 1 / (1 + np.exp(-noisy))
            metrics_of[model][name] = figures(outcome, probability, half)
            frames.append(
                pd.DataFrame(
                    {
                        "model": model,
                        "split": name,
                        "customer_id": keys,
                        "feature_timestamp": stamps,
                        "churned": outcome,
                        "probability": probability,
                    }
                )
            )
        days = np.round(np.exp(2.4 + 0.42 * (hazard + 3.3) + rng.normal(0, 0.8, len(keys))))
        ranked = figures(outcome, days, 0.02)
        baselines["recency"][name] = {k: ranked[k] for k in ("roc_auc", "pr_auc", "lift_at_10pct")}
        frames.append(frames[-1].assign(model="recency", probability=days))
        if name == "test":
            baselines["oracle"] = {"test": figures(outcome, truth, 0.015)}
            frames.append(frames[-1].assign(model="oracle", probability=truth))
    at_risk = (np.linspace(0.55, 1, len(times)) * customers + rng.normal(0, 12, len(times))).astype(int)
    rate = 0.052 + 0.012 * np.sin(np.arange(len(times)) / 2) + np.where(np.arange(len(times)) > 22, 0.014, 0)
    known = np.where(times < times[-1], at_risk, 0)
    probability = np.sort(1 / (1 + np.exp(-rng.normal(-3.2, 1.35, customers))))[::-1]
    keys_by_risk = [f"C{k:05d}" for k in rng.permutation(customers)]
    reasons = (
        "No order in the last 62 days; the usual gap is 14 days.",
        "Orders in the last 30 days fell to 1 from a usual 6.",
        "2 support tickets about billing in the last 30 days, satisfaction 1 of 5.",
        "The price rose by 12 % in the last 90 days.",
        "Joined 48 days ago: newer customers churn more often.",
    )
    features = {
        "orders_count_30d": (0.61, -0.82, "Number of orders in the 30 days before the feature time."),
        "orders_days_since_last": (0.44, 0.9, "Days from the last order to the feature time."),
        "tickets_satisfaction_mean_90d": (0.31, -0.7, "Mean satisfaction (1 to 5) of tickets in 90 days."),
        "price_changes_percent_max_90d": (0.27, 0.66, "Largest price rise in 90 days, in percent."),
        "tickets_count_30d": (0.2, 0.6, "Number of support tickets in 30 days."),
        "subscription_days_since_first": (0.19, -0.5, "Days since the subscription began."),
        "customer_segment": (0.12, 0.03, "Segment at the feature time, from the customer history."),
        "orders_amount_sum_90d": (0.1, -0.4, "Order value in the 90 days before the feature time."),
        "orders_mean_gap_days": (0.08, 0.3, "Mean days between orders."),
        "customer_country": (0.05, np.nan, "Country at the feature time."),
    }
    counts = {
        "raw_app__customers": (1620, {"duplicate key": 14, "sign-up date unreadable": 6}),
        "raw_app__orders": (
            18342,
            {"duplicate key": 171, "amount out of range": 38, "order date unreadable": 25, "customer unknown": 12},
        ),
        "raw_support__tickets": (2210, {"duplicate key": 20, "satisfaction out of range": 9}),
        "raw_app__price_changes": (904, {}),
    }  # fmt: skip
    metrics = {
        "champion": {"name": "lightgbm", "version": 3, "run_id": "8f1c2d3e4a5b"},
        "test": metrics_of["lightgbm"]["test"],
        "models": metrics_of,
        "baselines": baselines,
        "split": {
            "kind": "temporal",
            "train_to": split["train"][-1].isoformat(),
            "validation_from": split["validation"][0].isoformat(),
            "validation_to": split["validation"][-1].isoformat(),
            "test_from": split["test"][0].isoformat(),
            "test_to": split["test"][-1].isoformat(),
            "purge": "30d",
            "rows": {"train": 18931, "purged": 812, "validation": 3 * customers, "test": 4 * customers},
        },
        "warnings": ["account_closed_reason was left out: it is filled in only when an account closes."],
        "data": {"customers": customers, "rows": 29431, "features": 164, "features_offered": 171, "base_rate": 0.0573},
    }
    scores = pd.DataFrame(
        {
            "customer_id": keys_by_risk,
            "feature_timestamp": times[-1],
            "churn_probability": probability,
            "risk_band": np.select([probability >= 0.3, probability >= 0.12], ["high", "medium"], "low"),
            "model_name": "lightgbm",
            "model_version": 3,
        }
    )
    return ReportInputs(
        metrics=metrics,
        actions=synthetic_actions(scores, reasons),
        campaign=synthetic_campaign(scores),
        definition={
            "churn_definition": "end_date", "horizon": "30d", "gap": "0d", "step": "1 month",
            "active_window": "180d", "windows": ["24h", "7d", "30d", "90d", "180d", "365d", "all_time"],
        },
        predictions=pd.concat(frames, ignore_index=True),
        drivers=pd.DataFrame(
            [("lightgbm", name, weight, direction) for name, (weight, direction, _) in features.items()],
            columns=["model", "feature", "importance", "direction"],
        ),
        scores=scores,
        reasons=pd.DataFrame(
            [
                (key, rank, "orders_count_30d", reasons[(index + rank) % len(reasons)])
                for index, key in enumerate(keys_by_risk[:25])
                for rank in (1, 2, 3)
            ],
            columns=["customer_id", "reason_rank", "feature", "reason"],
        ),
        outcomes=pd.DataFrame(
            {
                "feature_timestamp": times,
                "customers": at_risk,
                "labelled": known,
                "churned": np.round(known * rate).astype(int),
            }
        ),
        row_counts=pd.DataFrame(
            [
                (table, outcome, count)
                for table, (kept, quarantined) in counts.items()
                for outcome, count in {"kept": kept - 3, "kept: refund of an unknown order": 3, **quarantined}.items()
            ],
            columns=["source_table", "outcome", "row_count"],
        ),
        scoring=pd.DataFrame({"feature_timestamp": [times[-1]], "customers": [customers]}),
        feature_descriptions={name: text for name, (_, _, text) in features.items()},
        docs_link="../target/index.html",
        selection={"metric": "roc_auc", "tolerance": 0.002},
    )  # fmt: skip


def hostile_inputs() -> ReportInputs:
    inputs = synthetic_inputs(customers=200)
    metrics = copy.deepcopy(inputs.metrics)
    metrics["warnings"] = [HOSTILE, "half a surrogate \ud800"]
    metrics["champion"] |= {"name": HOSTILE, "run_id": HOSTILE, "version": "<b>3</b>"}
    metrics["models"][HOSTILE] = metrics["models"].pop("lightgbm")
    predictions = inputs.predictions.replace({"model": {"lightgbm": HOSTILE}})
    return replace(
        inputs,
        metrics=metrics,
        project_name=HOSTILE,
        entity=HOSTILE,
        definition={"churn_definition": HOSTILE, "horizon": HOSTILE, "step": HOSTILE, "windows": [HOSTILE]},
        predictions=predictions,
        drivers=inputs.drivers.assign(feature=HOSTILE),
        scores=inputs.scores.assign(
            risk_band=HOSTILE, **{HOSTILE: [f"{HOSTILE} {k}" for k in range(len(inputs.scores))]}
        ),
        reasons=inputs.reasons.assign(reason=HOSTILE, **{HOSTILE: f"{HOSTILE} 0"}),
        actions=inputs.actions.assign(
            suggested_action=HOSTILE, reason_1=HOSTILE, risk_band=HOSTILE, **{HOSTILE: HOSTILE}
        ),
        campaign=inputs.campaign | {"placeholders": [HOSTILE], "notes": [HOSTILE], "not_listed": {HOSTILE: 3}},
        row_counts=inputs.row_counts.assign(source_table=HOSTILE),
        feature_descriptions={HOSTILE: HOSTILE},
        tracking_uri=HOSTILE,
    )


def make_project(folder: Path, inputs: ReportInputs) -> Path:
    """A project's folder with what a run leaves in it."""
    import duckdb

    (folder / "reports").mkdir(parents=True)
    (folder / "target").mkdir()
    (folder / "target" / "index.html").write_text("docs")
    variables = {"entity": inputs.entity, **inputs.definition}
    (folder / "dbt_project.yml").write_text(json.dumps({"name": "shop", "vars": variables}))
    column = {"name": "orders_count_30d", "description": "Orders in 30 days.", "meta": {"role": "feature"}}
    node = {"resource_type": "model", "name": "gld_customer_features", "columns": {"orders_count_30d": column},
            "original_file_path": "models/gold.yml"}  # fmt: skip
    (folder / "target" / "manifest.json").write_text(json.dumps({"nodes": {"model": node}}))
    (folder / "reports" / "metrics.json").write_text(json.dumps(inputs.metrics))
    inputs.predictions.to_parquet(folder / "reports" / "predictions.parquet")
    inputs.drivers.to_parquet(folder / "reports" / "drivers.parquet")
    (folder / "reports" / "actions.json").write_text(json.dumps(inputs.campaign))
    labels = inputs.outcomes.loc[inputs.outcomes.index.repeat(3), ["feature_timestamp", "labelled"]]
    labels["churned"] = np.where(labels["labelled"] > 0, np.tile([0, 0, 1], len(inputs.outcomes)), None)
    tables = {
        "gold.gld_churn_scores": pd.concat(
            [inputs.scores, inputs.scores.assign(feature_timestamp=pd.Timestamp("2024-01-01"))]
        ),
        "gold.gld_churn_reasons": inputs.reasons.assign(feature_timestamp=pd.Timestamp("2025-03-01")),
        "gold.gld_churn_labels": labels.astype({"churned": "Int64"}),
        "gold.gld_retention_actions": inputs.actions,
        "gold.gld_scoring_set": inputs.scores[[inputs.entity, "feature_timestamp"]],
        "bronze.brz_row_counts": inputs.row_counts,
    }
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        for name, frame in tables.items():
            connection.execute(f"create schema if not exists {name.partition('.')[0]}")
            connection.register("frame", frame)
            connection.execute(f"create table {name} as select * from frame")
    return folder


class Page(HTMLParser):
    """The parts of a page that the tests ask for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.figures: dict[str, list[tuple[str, str]]] = {}
        self._section, self._value = "head", None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "section":
            self._section = attributes["id"]
        if tag == "data":
            self._value = attributes["value"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._value is not None:
            self.figures.setdefault(self._section, []).append((self._value, data))
            self._value = None

    @property
    def text(self) -> str:
        return re.sub(r"[ \n]+", " ", "".join(self.texts).replace(formatting.NO_BREAK, " "))

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if attributes.get(name) is not None]
