"""Class weights, resampling, monotone constraints and tuning: what they do, and what they must not do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from python_ml.errors import UserError
from python_ml.input_columns import InputColumn, model_input, typed_columns
from python_ml.model.calibration import fit_calibrated, probabilities
from python_ml.model.folds import customer_folds
from python_ml.model.imbalance import Balance
from python_ml.model.train import train_models
from python_ml.model.tuning import Tuner
from python_ml.settings import Features, Settings, Tuning
from tests.python.churn_world import churn_world, quick_settings, small_world

KINDS = ("logistic_regression", "lightgbm", "xgboost", "random_forest")


def rare(rows: int = 3_000, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, list[InputColumn]]:
    """One row per customer, of whom few churn."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, 4)), columns=list("abcd"))
    frame["plan"] = rng.choice(["x", "y", "z"], rows)
    odds = -3.2 + frame["a"] + 0.5 * (frame["plan"] == "x")
    churned = (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(int).to_numpy()
    return frame, churned, [*(InputColumn(name, "number") for name in "abcd"), InputColumn("plan", "category")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("balance", [Balance("balanced"), Balance(resampling="over"), Balance(resampling="under")])
def test_balanced_classes_lift_what_is_predicted_and_the_calibration_brings_it_back(
    kind: str, balance: Balance
) -> None:
    inputs, churned, columns = rare()
    folds = customer_folds(np.arange(len(churned)), churned, 3, 0)
    parameters = {} if kind == "logistic_regression" else {"n_estimators": 30}
    fitted = fit_calibrated(kind, inputs, churned, columns, folds, 0, parameters, None, balance)
    raw = fitted.raw[:, 0] if kind != "logistic_regression" else 1 / (1 + np.exp(-fitted.raw[:, 0]))
    base = churned.mean()
    assert raw.mean() > 3 * base
    assert probabilities(fitted.model, inputs).mean() == pytest.approx(base, rel=0.25)
    assert fitted.held_out.mean() == pytest.approx(base, rel=0.02)


def test_resampling_leaves_held_out_rows_alone() -> None:
    churned = np.r_[np.ones(10, int), np.zeros(90, int)]
    rows = np.arange(5, 95)
    over, under = (Balance(resampling=how).rows(rows, churned, 0) for how in ("over", "under"))
    assert set(over) == set(rows)
    assert (churned[over] == 1).sum() == (churned[over] == 0).sum() == 85
    assert set(under) <= set(rows)
    assert (churned[under] == 1).sum() == (churned[under] == 0).sum() == 5
    np.testing.assert_array_equal(Balance().rows(rows, churned, 0), rows)


def test_the_cost_of_resampling_is_in_the_metrics_and_the_report() -> None:
    from python_ml.report import render_report
    from tests.python.report_world import synthetic_inputs

    world = churn_world(customers=400, months=10, noise=2, seed=6, signal=1.5)
    result = train_models(
        world.frame, world.features, "customer_id", quick_settings(("logistic_regression",), resampling="over")
    )
    found = result.metrics["calibration"]
    assert (found["class_weight"], found["resampling"]) == ("none", "over")
    errors = found["ece"]["logistic_regression"]
    assert errors["before"]["low"] > errors["after"]["high"]
    assert result.metrics["models"]["logistic_regression"]["test"]["ece"] == errors["after"]
    inputs = synthetic_inputs()
    assert "before recalibration" not in render_report(inputs)
    inputs.metrics["calibration"] = found
    page = render_report(inputs)
    assert "resampling: over" in page
    assert "before recalibration" in page


def test_weights_and_resampling_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="choose one"):
        Settings.model_validate({"training": {"class_weight": "balanced", "resampling": "under"}})


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_monotone_columns_move_the_risk_in_one_direction(kind: str) -> None:
    rng = np.random.default_rng(1)
    inputs = pd.DataFrame({"plan": rng.choice(["x", "y", "z"], 2_000), "wave": rng.uniform(-3, 3, 2_000)})
    inputs["noise"] = rng.normal(size=2_000)
    churned = (rng.random(2_000) < 0.5 + 0.45 * np.sin(2 * inputs["wave"])).astype(int).to_numpy()
    folds = customer_folds(np.arange(2_000), churned, 2, 0)
    grid = pd.DataFrame({"plan": "y", "wave": np.linspace(-3, 3, 60), "noise": 0.0})
    for direction, sign in (("none", 0), ("increasing", 1), ("decreasing", -1)):
        columns = [
            InputColumn("plan", "category"),
            InputColumn("wave", "number", monotone=direction),
            InputColumn("noise", "number"),
        ]
        fitted = fit_calibrated(kind, inputs, churned, columns, folds, 0, {"n_estimators": 60})
        pipeline = fitted.model.estimators_[0]
        steps = np.diff(pipeline.predict_proba(grid)[:, 1])
        if sign:
            assert (sign * steps >= -1e-9).all()
        else:
            assert steps.min() < -0.01 < 0.01 < steps.max()


def test_models_without_directions_do_not_take_part() -> None:
    world = small_world()
    settings = quick_settings(("logistic_regression", "lightgbm")).model_copy(
        update={"features": Features(monotone={"orders_count_*": "decreasing"})}
    )
    result = train_models(world.frame, world.features, "customer_id", settings)
    assert result.champion == "lightgbm"
    assert set(result.metrics["models"]) == {"lightgbm"}
    (warning,) = [text for text in result.metrics["warnings"] if "monotone" in text]
    assert warning.startswith("logistic_regression cannot be held to the directions")
    inputs = model_input(world.frame, typed_columns(world.frame, world.features)).iloc[:50]
    lower = probabilities(result.model, inputs.assign(orders_count_30d=0.0))
    higher = probabilities(result.model, inputs.assign(orders_count_30d=40.0))
    assert (higher <= lower + 1e-12).all()
    with pytest.raises(UserError, match="No enabled model can be held to a direction"):
        train_models(
            world.frame, world.features, "customer_id",
            quick_settings(("random_forest",)).model_copy(update={"features": settings.features}),
        )  # fmt: skip
    with pytest.raises(UserError, match="no way to make monotone"):
        train_models(
            world.frame, world.features, "customer_id",
            quick_settings(("lightgbm",)).model_copy(
                update={"features": Features(monotone={"customer_plan": "increasing"})}
            ),
        )  # fmt: skip


def tuned(trials: int, store: str | None = None, frame: pd.DataFrame | None = None) -> dict:
    world = small_world()
    settings = quick_settings(("lightgbm",), tuning={"enabled": True, "trials": trials, "minutes": 1})
    models = settings.training.models.model_copy(
        update={"lightgbm": settings.training.models.lightgbm.model_copy(update={"parameters": {}})}
    )
    settings = settings.model_copy(
        update={"training": settings.training.model_copy(update={"models": models, "bootstrap_replicates": 0})}
    )
    return train_models(
        world.frame if frame is None else frame, world.features, "customer_id", settings, tuning_store=store
    ).metrics


def test_tuning_is_seeded_resumed_and_used_only_where_it_is_better(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'tuning.db'}"
    first = tuned(3, store)
    (found,) = first["tuning"]["lightgbm"]
    assert (found["trials"], found["of_them_earlier"], found["measure"]) == (3, 0, "roc_auc")
    assert found["used"] == (found["best"] > found["default"])
    value = first["models"]["lightgbm"]["validation"]["roc_auc"]["value"]
    assert value == pytest.approx(max(found["best"], found["default"]), abs=1e-9)
    assert tuned(3) == tuned(3)  # without a store, anew each time
    (longer,) = tuned(5, store)["tuning"]["lightgbm"]
    assert (longer["trials"], longer["of_them_earlier"]) == (5, 3)
    assert longer["best"] >= found["best"]
    (same,) = tuned(5, store)["tuning"]["lightgbm"]
    assert (same["trials"], same["best"]) == (5, longer["best"])


def test_tuning_never_sees_the_test() -> None:
    world, plain = small_world(), tuned(2)
    changed = world.frame.copy()
    later = changed["feature_timestamp"] >= pd.Timestamp(plain["split"]["test_from"])
    rng = np.random.default_rng(0)
    changed.loc[later, "churned"] = rng.integers(0, 2, int(later.sum()))
    changed.loc[later, "orders_count_30d"] = rng.integers(0, 9, int(later.sum()))
    assert tuned(2, frame=changed)["tuning"] == plain["tuning"]


def test_what_is_no_better_than_the_defaults_is_not_used() -> None:
    inputs, churned, columns = rare(400)
    folds = customer_folds(np.arange(400), churned, 2, 0)
    tuner = Tuner(Tuning(enabled=True, trials=1), "roc_auc", 0, None, 1, lambda message: None)
    fixed = {"num_leaves": 3}
    default = {**fixed, "n_estimators": 20}
    found = tuner.parameters("lightgbm", inputs, churned, np.arange(400), columns, folds, fixed, default, Balance())
    (facts,) = tuner.found["lightgbm"]
    assert found == ({**facts["parameters"], **fixed} if facts["used"] else fixed)
    assert "num_leaves" not in facts["parameters"]  # the user has decided
