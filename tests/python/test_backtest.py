"""Backtests: nothing of the future at any origin, honest intervals, and what the command writes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from python_ml.errors import UserError
from python_ml.model import training_run
from python_ml.model.backtest import CHAMPION, PLAIN, backtest
from python_ml.model.backtest_table import COLUMNS, TABLE, backtest_table
from python_ml.model.evaluate import METRICS, compared
from python_ml.model.origins import rolling_origins
from python_ml.settings import Backtest, Features, Settings
from tests.python.churn_world import ChurnWorld, churn_world, quick_settings, small_world, write_project
from tests.python.command_line import command_here
from tests.python.test_static_training import FEATURES, snapshot

LABEL = {"churn_definition": "end_date", "horizon": "30d", "gap": "0d"}


def settings_for(**section: object) -> Settings:
    return quick_settings().model_copy(update={"backtest": Backtest.model_validate(section)})


def measured(world: ChurnWorld, champion: tuple[str, ...] = ("logistic_regression",), **section: object) -> dict:
    return backtest(world.frame, world.features, "customer_id", settings_for(**section), champion, label=LABEL).report


@cache
def small_backtest() -> dict:
    return measured(small_world(), ("logistic_regression", "lightgbm"))


def test_origins_are_spread_over_the_history_and_all_is_measured() -> None:
    found = json.loads(json.dumps(small_backtest(), allow_nan=False))
    assert (found["kind"], found["purge"], found["embargo"]) == ("rolling_origin", "30d", "0s")
    assert found["models"] == [CHAMPION, PLAIN]
    assert found["baselines"] == ["recency", "entity_rate"]
    assert found["warnings"] == []
    times = [origin["feature_timestamp"] for origin in found["origins"]]
    assert len(times) == 5
    assert times == sorted(times)
    assert times[-1] == small_world().frame["feature_timestamp"].max().isoformat()
    fitted = [origin["fitted_rows"] for origin in found["origins"]]
    assert fitted == sorted(fitted)
    for part in (*found["origins"], found["pooled"]):
        assert set(part["figures"][CHAMPION]) == {*METRICS, "n", "base_rate"}
        assert set(part["figures"]["recency"]) == {"roc_auc", "pr_auc", "lift_at_10pct", "n", "base_rate"}
        assert set(part["differences"]) == {PLAIN, "recency", "entity_rate"}
    pooled = found["pooled"]
    assert pooled["figures"][CHAMPION]["n"] == sum(origin["rows"] for origin in found["origins"])
    ahead = pooled["differences"]["recency"]["roc_auc"]
    assert 0 < ahead["low"] < ahead["value"] < ahead["high"]
    area = {name: pooled["figures"][name]["roc_auc"]["value"] for name in (CHAMPION, "recency")}
    assert ahead["value"] == pytest.approx(area[CHAMPION] - area["recency"])


def test_what_happens_later_changes_nothing_at_an_origin() -> None:
    world = small_world()
    origin = pd.Timestamp(small_backtest()["origins"][2]["feature_timestamp"])
    changed, rng = world.frame.copy(), np.random.default_rng(0)
    unknown = changed["label_timestamp"] > origin
    changed.loc[unknown & (changed["feature_timestamp"] != origin), "churned"] = rng.integers(
        0, 2, int((unknown & (changed["feature_timestamp"] != origin)).sum())
    )
    later = changed["feature_timestamp"] > origin
    for name in ("orders_count_30d", "orders_days_since_last"):
        changed.loc[later, name] = rng.permutation(changed.loc[later, name].to_numpy())
    found = backtest(
        changed, world.features, "customer_id", settings_for(), ("logistic_regression", "lightgbm"), label=LABEL
    ).report
    assert found["origins"][2] == small_backtest()["origins"][2]
    assert found["origins"][4] != small_backtest()["origins"][4]


def test_fits_see_only_labels_known_at_their_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world()
    frame = world.frame.sort_values(["feature_timestamp", "customer_id"]).reset_index(drop=True)
    seen, kept = [], {name: getattr(training_run, name) for name in ("fit_calibrated", "fit_again")}
    for kind, real in kept.items():
        monkeypatch.setattr(
            training_run,
            kind,
            lambda name, inputs, *rest, kind=kind, real=real: (
                seen.append((kind, frame.loc[inputs.index, "label_timestamp"].max())) or real(name, inputs, *rest)
            ),
        )
    found = measured(world, embargo="20d")
    origins = [pd.Timestamp(origin["feature_timestamp"]) for origin in found["origins"]]
    assert found["embargo"] == "20d"
    assert len(seen) == len(origins)
    assert all(end + pd.Timedelta(days=20) <= origin for (_, end), origin in zip(seen, origins, strict=True))
    assert seen[0][0] == "fit_calibrated"
    assert [kind for kind, _ in seen].count("fit_calibrated") < len(origins)  # choices are not made anew every time


def test_the_maturity_lag_is_the_embargo_where_none_is_set() -> None:
    world = small_world()
    found = backtest(
        world.frame, world.features, "customer_id", settings_for(models=["champion"], origins=1),
        ("logistic_regression",), label={**LABEL, "maturity_lag": "4d"},
    ).report  # fmt: skip
    assert found["embargo"] == "4d"
    assert found["models"] == [CHAMPION]


def test_shuffled_labels_are_worth_nothing() -> None:
    world = churn_world(customers=300, months=9, noise=3, seed=8)
    frame = world.frame.assign(churned=np.random.default_rng(2).permutation(world.frame["churned"]))
    found = backtest(frame, world.features, "customer_id", settings_for(), ("lightgbm",), label=LABEL).report
    area = found["pooled"]["figures"][CHAMPION]["roc_auc"]
    assert area["low"] < 0.5 < area["high"]
    ahead = found["pooled"]["differences"]["recency"]["roc_auc"]
    assert ahead["low"] < 0 < ahead["high"]


def test_a_snapshot_is_cross_validated_again_and_again() -> None:
    frame = snapshot()
    settings = settings_for(repeats=2, folds=4, models=["champion", "plain_lightgbm", "lightgbm"])
    found = backtest(frame, FEATURES, "customer_id", settings, ("logistic_regression",), scenario="static").report
    again = backtest(
        frame.sample(frac=1, random_state=1),
        FEATURES,
        "customer_id",
        settings,
        ("logistic_regression",),
        scenario="static",
    ).report
    assert found == again
    assert (found["kind"], found["repeats"], found["folds"]) == ("repeated_cross_validation", 2, 4)
    assert found["models"] == [CHAMPION, "lightgbm", PLAIN]
    assert [origin["name"] for origin in found["origins"]] == ["repetition 1", "repetition 2"]
    assert all(origin["rows"] == 600 for origin in found["origins"])
    assert {name: len(areas) for name, areas in found["fold_roc_auc"].items()} == dict.fromkeys(found["models"], 8)
    assert 0.75 < found["pooled"]["figures"][CHAMPION]["roc_auc"]["value"] < 0.9


def test_paired_intervals_cover_the_true_difference() -> None:
    """Two noisy views of one risk: the paired interval is narrow, and covers the difference in a large sample."""

    def drawn(customers: int, seed: int) -> tuple:
        rng = np.random.default_rng(seed)
        risk = np.repeat(rng.normal(size=customers), 3)
        churned = (rng.random(len(risk)) < 1 / (1 + np.exp(1 - risk))).astype(int)
        shared = risk + rng.normal(0, 0.7, len(risk))
        return churned, shared, shared + rng.normal(0, 0.5, len(risk)), np.repeat(np.arange(customers), 3)

    churned, better, worse, _ = drawn(100_000, 0)
    truth = roc_auc_score(churned, better) - roc_auc_score(churned, worse)
    covered = 0
    for seed in range(1, 41):
        churned, better, worse, customers = drawn(150, seed)
        figures, ahead = compared(
            churned, {"a": better, "b": worse}, customers, metrics={"a": ["roc_auc"], "b": ["roc_auc"]}, replicates=200
        )
        entry, alone = ahead["b"]["roc_auc"], figures["a"]["roc_auc"]
        assert entry["high"] - entry["low"] < alone["high"] - alone["low"]
        covered += entry["low"] <= truth <= entry["high"]
    assert covered >= 34


def short(months: int, every: int = 30, customers: int = 60) -> pd.DataFrame:
    world = churn_world(customers=customers, months=months, noise=0, seed=1)
    return world.frame.assign(label_timestamp=world.frame["feature_timestamp"] + pd.Timedelta(days=every))


def test_short_histories_give_fewer_origins_or_a_message() -> None:
    origins = rolling_origins(short(4), "customer_id", Backtest(), pd.Timedelta(0))
    assert [len(np.unique(origin.known)) for origin in origins] == [2] * len(origins)
    assert 1 <= len(origins) < 4
    found = backtest(short(4), small_world_features(), "customer_id", settings_for(), ("logistic_regression",)).report
    assert "The history allows" in found["warnings"][0]
    with pytest.raises(UserError, match="too short for a backtest"):
        rolling_origins(short(2, every=90), "customer_id", Backtest(), pd.Timedelta(0))
    with pytest.raises(UserError, match="There can be no backtest at 2023-01-01"):
        rolling_origins(short(6), "customer_id", Backtest.model_validate({"times": ["2023-01-01"]}), pd.Timedelta(0))
    (only,) = rolling_origins(
        short(6), "customer_id", Backtest.model_validate({"times": ["2023-05-01"]}), pd.Timedelta(0)
    )
    assert only.time == pd.Timestamp("2023-05-01")


def test_what_cannot_be_backtested_is_a_message() -> None:
    frame = short(6)
    with pytest.raises(UserError, match="nothing to tell apart"):
        backtest(frame.assign(churned=1), small_world_features(), "customer_id", settings_for(), ("lightgbm",))
    blind = frame.assign(label_timestamp=frame["feature_timestamp"])
    found = backtest(blind, small_world_features(), "customer_id", settings_for(origins=2), ("logistic_regression",))
    assert "Nothing says how far the labels look ahead" in found.report["warnings"][0]
    directed = settings_for().model_copy(update={"features": Features(monotone={"orders_count_*": "decreasing"})})
    with pytest.raises(UserError, match="logistic_regression cannot be held to"):
        backtest(frame, small_world_features(), "customer_id", directed, ("logistic_regression", "lightgbm"))
    with pytest.raises(ValueError, match="or null for the maturity lag"):
        Backtest(embargo="soon")


def small_world_features() -> list:
    return churn_world(customers=60, months=2, noise=0, seed=1).features


def test_irregular_times_are_predicted_in_groups() -> None:
    frame, rng = short(8, customers=200), np.random.default_rng(0)
    shift = pd.to_timedelta(rng.integers(0, 25 * 24, len(frame)), "h")
    frame = frame.assign(
        feature_timestamp=frame["feature_timestamp"] + shift, label_timestamp=frame["label_timestamp"] + shift
    )
    origins = rolling_origins(frame, "customer_id", Backtest(), pd.Timedelta(0))
    assert len(origins) == 5
    for origin in origins:
        churned = frame.loc[origin.predicted, "churned"]
        assert min(churned.sum(), (1 - churned).sum()) >= 20
        assert frame.loc[origin.known, "label_timestamp"].max() <= origin.time
        assert frame.loc[origin.predicted, "feature_timestamp"].min() == origin.time


def test_the_command_writes_the_table_and_the_file(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "shop", small_world())
    settings = quick_settings(("logistic_regression",)).model_dump(mode="json", include={"training": {"models"}})
    settings["training"]["bootstrap_replicates"] = 50
    (folder / "retention.yml").write_text(json.dumps(settings), encoding="utf-8")
    outcome = command_here(folder, "backtest")
    assert outcome.returncode == 2
    assert "There is no champion yet" in outcome.stderr
    assert command_here(folder, "train").returncode == 0
    outcome = command_here(folder, "backtest", "--origins", "3")
    assert outcome.returncode == 0, outcome.stderr
    assert "Champion minus Recency alone: ROC AUC +0." in outcome.stdout
    assert "ahead at 3 of 3 origins" in outcome.stdout
    found = json.loads((folder / "reports" / "backtest.json").read_text(encoding="utf-8"))
    assert len(found["origins"]) == 3
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute(f"select origin, model, metric, value, champion_ahead from {TABLE}").df()
    assert not rows.duplicated(["origin", "model", "metric"]).any()
    assert set(rows["origin"]) == {origin["name"] for origin in found["origins"]} | {"pooled"}
    champion = rows[rows["model"] == CHAMPION]
    assert champion["champion_ahead"].isna().all()
    assert set(champion["metric"]) == set(METRICS)


def test_the_table_is_described_in_every_project(repository: Path) -> None:
    own = (repository / "models" / "gold" / "_gold__backtests.yml").read_text()
    assert own == (repository / "python_ml" / "generate" / "templates" / "gold" / "_gold__backtests.yml").read_text()
    ((table,),) = [source["tables"] for source in yaml.safe_load(own)["sources"]]
    assert {column["name"]: column["data_type"] for column in table["columns"]} == COLUMNS
    assert backtest_table(small_backtest()).column_names == list(COLUMNS)


def test_the_report_shows_origins_and_differences() -> None:
    from python_ml.report import render_report
    from tests.python.report_world import HOSTILE, synthetic_inputs

    inputs = synthetic_inputs()
    inputs.backtest = small_backtest()
    page = render_report(inputs)
    assert "Champion minus Recency alone" in page.replace("<bdi>", "").replace("</bdi>", "")
    assert page.count('id="backtests"') == 1
    assert "All metrics, feature times pooled" in page
    inputs.backtest = {"origins": [{"name": HOSTILE, "figures": {}}], "models": [HOSTILE], "champion": [HOSTILE]}
    assert "<script>alert" not in render_report(inputs)
    inputs.backtest = None
    assert "which retention backtest writes" in render_report(inputs)
