"""Cross-validation on one snapshot: nobody is judged by a model that has seen them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from python_ml.dbt import Feature
from python_ml.errors import GateError, UserError
from python_ml.model import cross_validation, selection
from python_ml.model.calibration import Fitted
from python_ml.model.cross_validation import cross_validate
from python_ml.model.preparation import prepare
from python_ml.model.selection import distrust
from python_ml.model.train import TrainingResult, train_models
from python_ml.model.training_run import TrainingRun
from python_ml.settings import ModelSettings, Settings, Training

FEATURES = [
    Feature("customer_id", "key", "string"),
    Feature("feature_timestamp", "time", "timestamp"),
    *(Feature(name, "feature", "double") for name in ("signal", "noise")),
    Feature("plan", "feature", "string"),
]


def snapshot(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Labelled customers of one snapshot, whose outcome hangs on one number."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=rows)
    return pd.DataFrame(
        {
            "customer_id": [f"K{n:04d}" for n in range(rows)],
            "feature_timestamp": pd.Timestamp("1970-01-01"),
            "label_timestamp": pd.Timestamp("1970-01-01"),
            "signal": signal,
            "noise": rng.normal(size=rows),
            "plan": rng.choice(["a", "b", "c"], rows),
            "churned": (rng.random(rows) < 1 / (1 + np.exp(1 - 1.5 * signal))).astype(int),
        }
    )


def train(frame: pd.DataFrame, registry: list[Feature] = FEATURES, **sections: object) -> TrainingResult:
    models = {name: {"enabled": False} for name in ("xgboost", "random_forest")}
    training = {"bootstrap_replicates": 100, "models": models}
    settings = Settings.model_validate({"training": training, **sections})
    return train_models(frame, registry, "customer_id", settings, scenario="static")


def test_metrics_are_out_of_fold_and_the_champion_is_fitted_on_everybody():
    frame = snapshot()
    result = train(frame)
    metrics = result.metrics
    assert metrics["split"]["kind"] == "cross_validation"
    assert metrics["test"]["n"] == 600
    assert 0.75 < metrics["test"]["roc_auc"]["value"] < 0.9
    assert result.card.fitted_on == {"rows": 600, "customers": 600, "from": None, "to": None, "before": None}
    assert result.card.label["span"] is None
    assert metrics["warnings"][0].startswith("one snapshot without dates:")
    chosen = result.predictions[result.predictions["model"] == result.champion]
    parts = [chosen[chosen["split"] == part] for part in ("validation", "test")]
    assert all(sorted(part["customer_id"]) == sorted(frame["customer_id"]) for part in parts)
    first, second = (part["probability"].to_numpy() for part in parts)
    assert not np.array_equal(first, second)
    assert np.corrcoef(first, second)[0, 1] > 0.95


def test_weights_are_repaired_by_the_calibration():
    frame = snapshot()
    frame = frame[(frame["churned"] == 0) | (frame.index % 4 == 0)]
    models = {name: {"enabled": name == "logistic_regression"} for name in ("logistic_regression", "lightgbm")}
    models |= {name: {"enabled": False} for name in ("xgboost", "random_forest")}
    training = {"models": models, "class_weight": "balanced", "bootstrap_replicates": 50}
    settings = Settings.model_validate({"training": training})
    metrics = train_models(frame, FEATURES, "customer_id", settings, scenario="static").metrics
    errors = metrics["calibration"]["ece"]["logistic_regression"]
    assert errors["before"]["low"] > 0.1 > 0.05 > errors["after"]["value"]
    assert metrics["test"]["ece"]["value"] < 0.08


def test_shuffled_outcomes_are_worth_nothing():
    frame = snapshot(seed=4)
    frame["churned"] = np.random.default_rng(1).permutation(frame["churned"])
    area = train(frame).metrics["test"]["roc_auc"]
    assert area["low"] < 0.5 < area["high"] + 0.03


def test_no_model_is_fitted_on_those_whom_it_judges(monkeypatch):
    frame = snapshot().sort_values("customer_id", ignore_index=True)
    frame["noise"] = np.arange(len(frame), dtype=float)  # tells rows apart
    judged, fitted = [], []
    real_fit, real_judge = cross_validation.fit_calibrated, cross_validation.probabilities

    def fit(name, inputs, *arguments):
        fitted.append(set(inputs["noise"]))
        return real_fit(name, inputs, *arguments)

    def judge(model, inputs):
        judged.append(set(inputs["noise"]))
        return real_judge(model, inputs)

    monkeypatch.setattr(cross_validation, "fit_calibrated", fit)
    monkeypatch.setattr(cross_validation, "probabilities", judge)
    train(frame)
    assert len(fitted) == len(judged) == 2 * 5  # models, folds
    assert all(not seen & held for seen, held in zip(fitted, judged, strict=True))
    assert all(len(seen | held) == len(frame) for seen, held in zip(fitted, judged, strict=True))


def test_the_champion_is_chosen_without_those_whom_it_is_judged_by(monkeypatch):
    """The outcomes of a fold have no part in the choice of the model that predicts it."""
    frame = snapshot().sort_values("customer_id", ignore_index=True)
    chosen_by, real = [], cross_validation.choose

    def spy(scores, churned, customers, *arguments):
        chosen_by.append(set(customers))
        return real(scores, churned, customers, *arguments)

    monkeypatch.setattr(cross_validation, "choose", spy)
    metrics = train(frame).metrics
    assert [len(seen) for seen in chosen_by] == [480] * 5
    assert set.intersection(*chosen_by) == set()
    assert len(metrics["split"]["chosen"]) == 5
    assert metrics["test"] == metrics["models"][metrics["champion"]["name"]]["test"]


def test_a_choice_between_many_models_of_noise_is_worth_nothing(monkeypatch):
    """The best of many guesses looks good on the rows it was chosen by, and is judged on others."""
    frame = snapshot(rows=400, seed=2)
    rng = np.random.default_rng(0)
    frame["churned"] = rng.permutation(np.arange(400) % 2)
    names = [f"guess_{number}" for number in range(40)]
    guesses = dict(zip(names, rng.uniform(0.2, 0.8, (40, 400)), strict=True))
    frame["noise"] = np.arange(400, dtype=float)  # tells rows apart

    def guess(name, inputs):
        return guesses[name][inputs["noise"].to_numpy(int)]

    def fit(name, inputs, *rest):
        return Fitted(name, guess(name, inputs))

    monkeypatch.setattr(cross_validation, "fit_calibrated", fit)
    monkeypatch.setattr(cross_validation, "probabilities", guess)
    monkeypatch.setattr(selection, "SIMPLICITY", tuple(names))
    models = {name: ModelSettings() for name in names}
    settings = Settings().model_copy(
        update={"training": Training().model_copy(update={"models": SimpleNamespace(**models)})}
    )
    prepared = prepare(frame, FEATURES, "customer_id", Settings(), scenario="static")
    run = TrainingRun(
        prepared.frame, FEATURES, "customer_id", settings, prepared.split, prepared.churned, lambda told: None
    )
    measured = cross_validate(run, names)
    areas = {name: roc_auc_score(run.churned, scores) for name, scores in measured.models.items()}
    assert max(areas.values()) > 0.56
    assert 0.42 < roc_auc_score(run.churned, measured.chosen) < 0.54


def test_folds_and_results_do_not_depend_on_the_order_of_rows():
    frame = snapshot()
    shuffled = frame.sample(frac=1, random_state=1)
    assert train(frame).metrics == train(shuffled).metrics


def test_a_leak_stops_the_training_unless_left_out_or_accepted():
    frame = snapshot()
    stopped = (frame["churned"] == 1) & (np.arange(len(frame)) % 4 > 0)
    frame["mails"] = np.where(stopped, 0.0, 5.0 + np.arange(len(frame)) % 7)
    frame["opened"] = np.where(stopped, 0.0, np.maximum(frame["noise"], 0))
    features = [*FEATURES, Feature("mails", "feature", "double"), Feature("opened", "feature", "double")]
    with pytest.raises(GateError, match="`mails`") as refused:
        train(frame, features)
    assert refused.value.exit_code == 3
    assert "AUC of 0.9" in refused.value.what or "zero" in refused.value.what
    assert "`opened`" in refused.value.what
    assert "exclude: [mails, opened]" in refused.value.hint

    left_out = train(frame, features, features={"exclude": ["mail*", "opened"]}).metrics
    assert left_out["data"]["features_offered"] == 3
    assert left_out["leakage"]["excluded"] == ["mails", "opened"]
    assert left_out["not_trusted_because"] == []
    assert left_out["test"]["roc_auc"]["value"] < 0.9

    accepted = train(frame, features, leakage={"accept": {"mails": "seen before"}}).metrics
    assert accepted["leakage"]["accepted"] == {"mails": "seen before", "opened": "seen before"}
    assert "`mails`" in accepted["not_trusted_because"][0]
    assert any(warning.startswith("LEAK:") and "seen before" in warning for warning in accepted["warnings"])


def test_settings_that_name_no_feature_are_mistakes():
    frame = snapshot()
    with pytest.raises(UserError, match="no feature `nois` to leave out") as refused:
        train(frame, features={"exclude": ["nois"]})
    assert "did you mean `noise`" in refused.value.hint
    with pytest.raises(UserError, match=r"no feature `mail\*` to leave out"):
        train(frame, features={"exclude": ["mail*"]})
    with pytest.raises(UserError, match="no feature `x` to accept"):
        train(frame, leakage={"accept": {"x": "why"}})


def test_a_single_feature_time_is_cross_validated_too():
    models = {name: {"enabled": False} for name in ("lightgbm", "xgboost", "random_forest")}
    settings = Settings.model_validate({"training": {"bootstrap_replicates": 0, "models": models}})
    frame = snapshot()
    frame["label_timestamp"] += pd.Timedelta(days=30)
    result = train_models(frame, FEATURES, "customer_id", settings, scenario="derived")
    assert result.metrics["split"]["kind"] == "cross_validation"
    assert result.metrics["warnings"][0].startswith("all rows have the same feature time:")


@pytest.mark.parametrize(("area", "accepted", "count"), [(0.85, [], 0), (0.99, [], 1), (0.99, ["x"], 2), (None, [], 0)])
def test_what_must_not_be_trusted(area, accepted, count):
    assert len(distrust({"roc_auc": {"value": area}}, accepted)) == count
