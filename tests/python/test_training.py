"""Training: honest in time, reproducible, calibrated, and clear about mistakes."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from python_ml.dbt import Feature
from python_ml.errors import GateError, UserError
from python_ml.input_columns import InputColumn, informative, model_input, typed_columns
from python_ml.model import calibration, training_run
from python_ml.model.calibration import probabilities, sigmoid_of
from python_ml.model.ensemble import ENSEMBLE, averaged
from python_ml.model.evaluate import METRICS
from python_ml.model.folds import customer_folds, later_fold
from python_ml.model.pipelines import (
    MISSING,
    model_pipeline,
    output_sources,
)
from python_ml.model.train import TrainingResult, train_models
from python_ml.model.tree_size import Trial, choose_size
from python_ml.settings import Models, Settings, load_settings
from tests.bench.champions import tangled
from tests.python.churn_world import (
    ChurnWorld,
    churn_world,
    quick_settings,
    small_world,
    trained,
    write_project,
)
from tests.python.command_line import command_here

MODELS = tuple(Models.model_fields)


def train(world: ChurnWorld, frame: pd.DataFrame | None = None, **settings: object) -> TrainingResult:
    models = settings.pop("models", ("logistic_regression", "lightgbm"))
    return train_models(
        world.frame if frame is None else frame, world.features, "customer_id", quick_settings(models, **settings)
    )


# What a run finds -----------------------------------------------------------------------------------------


def test_models_find_the_signal_and_stay_below_the_oracle() -> None:
    metrics = trained().metrics
    oracle = metrics["baselines"]["oracle"]["test"]["roc_auc"]["value"]
    for model in MODELS:
        assert 0.62 < metrics["models"][model]["test"]["roc_auc"]["value"] < oracle + 0.02
    assert 0.7 < metrics["baselines"]["oracle"]["share"] < 1.1
    assert metrics["baselines"]["recency"]["feature"] == "orders_days_since_last"
    assert metrics["test"]["roc_auc"]["value"] > metrics["baselines"]["recency"]["test"]["roc_auc"]["value"]
    assert metrics["test"]["ece"]["value"] < 0.08
    assert metrics["warnings"] == []


def test_metrics_have_the_promised_shape() -> None:
    result = trained()
    metrics = json.loads(json.dumps(result.metrics, allow_nan=False))
    assert metrics["test"] == metrics["models"][result.champion]["test"]
    assert set(metrics["models"]) - {ENSEMBLE} == set(MODELS)
    for parts in metrics["models"].values():
        for part in ("validation", "test"):
            assert set(parts[part]) == {*METRICS, "n", "base_rate"}
            assert all(set(parts[part][m]) == {"value", "low", "high"} for m in METRICS)
    split = metrics["split"]
    assert split["kind"] == "temporal"
    assert split["train_to"] < split["validation_from"] < split["validation_to"] < split["test_from"]
    assert sum(split["rows"].values()) == metrics["data"]["rows"] == len(small_world().frame)
    assert metrics["data"]["customers"] == 220


def test_predictions_and_drivers_have_the_promised_shape() -> None:
    result = trained()
    predictions, drivers = result.predictions, result.drivers
    assert list(predictions) == ["model", "split", "customer_id", "feature_timestamp", "churned", "probability"]
    assert set(predictions["model"]) - {ENSEMBLE} == {*MODELS, "recency", "oracle"}
    assert not predictions.duplicated(["model", "split", "customer_id", "feature_timestamp"]).any()
    for part in ("validation", "test"):
        own = predictions[(predictions["model"] == result.champion) & (predictions["split"] == part)]
        value = result.metrics["models"][result.champion][part]["roc_auc"]["value"]
        assert roc_auc_score(own["churned"], own["probability"]) == pytest.approx(value)
        assert own["probability"].between(0, 1).all()
    assert list(drivers) == ["model", "feature", "importance", "direction"]
    assert drivers["importance"].is_monotonic_decreasing
    assert drivers["direction"].between(-1, 1).all()
    assert drivers["feature"].head(3).isin(["customer_plan"]).any()
    orders = drivers[drivers["feature"].str.startswith("orders_count")]
    assert orders.sort_values("importance")["direction"].iloc[-1] < 0


def test_the_same_seed_gives_the_same_bits_and_order_does_not_matter() -> None:
    world = small_world()
    shuffled = world.frame.sample(frac=1, random_state=1)
    for models in (("logistic_regression", "lightgbm"), ("xgboost", "random_forest")):
        first, second = train(world, models=models), train(world, shuffled, models=models)
        assert first.metrics == second.metrics
        pd.testing.assert_frame_equal(first.predictions, second.predictions, check_exact=True)
        assert first.card == second.card
    assert train(world, seed=1).metrics != train(world, seed=2).metrics


@pytest.mark.parametrize("model", MODELS)
def test_the_number_of_threads_does_not_matter(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fitted() -> np.ndarray:
        world = small_world()
        columns = typed_columns(world.frame, world.features)
        inputs = model_input(world.frame, columns)
        churned = world.frame["churned"].to_numpy()
        folds = customer_folds(world.frame["customer_id"].to_numpy(), churned, 3, 0)
        parameters = {} if model == "logistic_regression" else {"n_estimators": 10}
        return probabilities(
            calibration.fit_calibrated(model, inputs, churned, columns, folds, 0, parameters).model, inputs
        )

    two = fitted()
    monkeypatch.setattr(calibration, "THREADS", 1)
    np.testing.assert_array_equal(fitted(), two)


def test_without_resamples_figures_have_no_interval() -> None:
    from python_ml.cli.run import summary_line

    metrics = train(small_world(), models=("logistic_regression",), bootstrap_replicates=0).metrics
    line = summary_line(metrics, "index.html")
    assert f"test ROC AUC {metrics['test']['roc_auc']['value']:.3f};" in line
    assert "[" not in line


def test_shuffled_labels_give_chance() -> None:
    world = churn_world(customers=400, months=12, noise=3, seed=11)
    shuffled = world.frame.assign(churned=world.frame["churned"].sample(frac=1, random_state=0).to_numpy())
    result = train(world, shuffled, models=())
    for model in MODELS:
        area = result.metrics["models"][model]["test"]["roc_auc"]
        assert 0.43 < area["value"] < 0.57
    assert result.metrics["test"]["roc_auc"]["low"] < 0.5 < result.metrics["test"]["roc_auc"]["high"]


def test_a_leak_is_called_too_good() -> None:
    world = small_world()
    leaky = world.frame.assign(closing_days=np.where(world.frame["churned"] == 1, 1.0, 0.0))
    features = [*world.features, Feature("closing_days", "feature", "double", leakage_risk="high")]
    settings = quick_settings(("logistic_regression", "lightgbm"))
    with pytest.raises(GateError, match="`closing_days`"):
        train_models(leaky, features, "customer_id", settings)
    given = settings.model_dump() | {"leakage": {"accept": {"closing_days": "we were told so"}}}
    result = train_models(leaky, features, "customer_id", Settings.model_validate(given))
    warnings = " ".join(result.metrics["warnings"])
    assert "accepted because: we were told so" in warnings
    assert "too good to be true" in warnings
    assert "first at closing_days" in warnings
    assert "leakage risk is registered as high: closing_days" in warnings


# Nothing of the future ------------------------------------------------------------------------------------


def test_changing_the_test_period_changes_nothing_that_was_learnt() -> None:
    world = small_world()
    features = [*world.features, Feature("only_later", "feature")]
    frame = world.frame.assign(only_later=0.0)  # says nothing, until the test period of the changed world
    result = train_models(frame, features, "customer_id", quick_settings())
    later = frame["feature_timestamp"] >= pd.Timestamp(result.metrics["split"]["test_from"])
    changed = frame.copy()
    rng = np.random.default_rng(0)
    for feature in features:
        if feature.role == "feature" and changed[feature.name].dtype.kind == "f":
            changed.loc[later, feature.name] = np.abs(rng.normal(1e3, 1e3, later.sum()))
    changed.loc[later, "customer_plan"] = "unheard of"
    changed.loc[later, "churned"] = rng.integers(0, 2, later.sum())
    other = train_models(changed, features, "customer_id", quick_settings())
    assert other.champion == result.champion
    assert other.card == result.card
    for model in MODELS:
        assert other.metrics["models"][model]["validation"] == result.metrics["models"][model]["validation"]
    probe = model_input(world.frame, [column.column for column in result.card.columns])
    np.testing.assert_array_equal(probabilities(other.model, probe), probabilities(result.model, probe))
    pd.testing.assert_frame_equal(other.drivers, result.drivers)


def test_fits_see_only_rows_whose_labels_were_known(monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world()
    frame = world.frame.sort_values(["feature_timestamp", "customer_id"]).reset_index(drop=True)
    seen, real = [], training_run.fit_calibrated

    def spy(name: str, inputs: pd.DataFrame, *arguments: object) -> object:
        seen.append(inputs.index)
        return real(name, inputs, *arguments)

    monkeypatch.setattr(training_run, "fit_calibrated", spy)
    split = train(world, models=("logistic_regression",)).metrics["split"]
    ends = [frame.loc[rows, "label_timestamp"].max() for rows in seen]
    assert ends[0] <= pd.Timestamp(split["validation_from"])
    assert ends[1] <= pd.Timestamp(split["test_from"])
    assert len(seen) == 2


def test_out_of_fold_models_have_not_seen_the_customer() -> None:
    """A column that names the customer is useless out of fold: the calibration must find that out."""
    world = churn_world(customers=150, months=10, noise=0, seed=5, signal=0.0)
    rng = np.random.default_rng(0)
    frame = world.frame.copy()
    doomed = pd.Series(rng.random(150) < 0.3, index=sorted(frame["customer_id"].unique()))
    frame["churned"] = (frame["customer_id"].map(doomed) & (rng.random(len(frame)) < 0.9)).astype("int32")
    number = pd.Series(rng.permutation(150).astype(float), index=doomed.index)
    frame["customer_number"] = frame["customer_id"].map(number)
    columns = [InputColumn("customer_number", "number")]
    inputs, churned = model_input(frame, columns), frame["churned"].to_numpy()
    folds = customer_folds(frame["customer_id"].to_numpy(), churned, 5, 0)
    parameters = {"min_child_samples": 2, "reg_lambda": 0.0, "num_leaves": 63}
    model = calibration.fit_calibrated("lightgbm", inputs, churned, columns, folds, 0, parameters).model
    raw = model.estimators_[0].predict_proba(inputs)[:, 1]
    assert roc_auc_score(churned, raw) > 0.9
    assert abs(sigmoid_of(model)[0]) < 0.25
    assert probabilities(model, inputs).std() < 0.15


# Size and choice ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain_and_ours() -> dict[str, float]:
    """ROC AUC in a tangled world: LightGBM's defaults with early stopping, and our boosters with theirs."""
    from lightgbm import LGBMClassifier, early_stopping

    (inputs, churned), (later, outcome) = tangled(4_000, 0), tangled(8_000, 1)
    fixed = {"n_jobs": 1, "verbose": -1}
    cut = 3_000
    trial = LGBMClassifier(n_estimators=500, **fixed).fit(
        inputs[:cut],
        churned[:cut],
        eval_X=inputs[cut:],
        eval_y=churned[cut:],
        callbacks=[early_stopping(30, verbose=False)],
    )
    plain = LGBMClassifier(n_estimators=trial.best_iteration_, **fixed).fit(inputs, churned)
    found = {"plain": roc_auc_score(outcome, plain.predict_proba(later)[:, 1])}
    columns, folds = [InputColumn(name, "number") for name in inputs], customer_folds(np.arange(4_000), churned, 3, 0)
    for name in ("lightgbm", "xgboost"):
        model = calibration.fit_calibrated(name, inputs, churned, columns, folds, 0).model
        found[name] = roc_auc_score(outcome, probabilities(model, later))
    return found


def test_boosters_do_not_underfit_where_columns_act_together(plain_and_ours: dict[str, float]) -> None:
    assert plain_and_ours["plain"] > 0.6
    assert max(plain_and_ours["lightgbm"], plain_and_ours["xgboost"]) > plain_and_ours["plain"] - 0.01
    assert min(plain_and_ours.values()) > 0.6


def test_trees_stay_small_where_large_ones_are_no_better() -> None:
    world = small_world()
    columns = typed_columns(world.frame, world.features)
    inputs, churned = model_input(world.frame, columns), world.frame["churned"].to_numpy()
    times, known = (world.frame[name].to_numpy() for name in ("feature_timestamp", "label_timestamp"))
    trial = Trial([later_fold(times, known, churned)], world.frame["customer_id"].to_numpy())
    for name in ("lightgbm", "xgboost"):
        assert choose_size(name, inputs, churned, columns, trial, 0, {}) == {}
    assert choose_size("random_forest", inputs, churned, columns, trial, 0, {}) == {}
    tangle, outcome = tangled(8_000, 0)
    columns, trial = (
        [InputColumn(name, "number") for name in tangle],
        Trial([np.split(np.arange(8_000), [6_000])], np.arange(8_000)),
    )
    assert choose_size("lightgbm", tangle, outcome, columns, trial, 0, {})["num_leaves"] == 31
    assert choose_size("lightgbm", tangle, outcome, columns, trial, 0, {"num_leaves": 5}) == {}  # the user has decided


def test_sizes_are_tried_on_later_rows_of_the_training_part(monkeypatch: pytest.MonkeyPatch) -> None:
    world = small_world()
    frame = world.frame.sort_values(["feature_timestamp", "customer_id"]).reset_index(drop=True)
    tried, real = [], calibration.choose_size

    def spy(name: str, inputs: pd.DataFrame, churned: object, columns: object, trial: Trial, *rest: object) -> dict:
        ((fitted, held_out),) = trial.folds
        tried.append((frame.loc[inputs.index[fitted]], frame.loc[inputs.index[held_out]]))
        return real(name, inputs, churned, columns, trial, *rest)

    monkeypatch.setattr(calibration, "choose_size", spy)
    split = train(world, models=("lightgbm",)).metrics["split"]
    for (fitted, held_out), edge in zip(tried, (split["validation_from"], split["test_from"]), strict=True):
        assert fitted["label_timestamp"].max() <= held_out["feature_timestamp"].min()
        assert held_out["label_timestamp"].max() <= pd.Timestamp(edge)


def test_many_rows_are_chosen_and_calibrated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world, models = small_world(), ("logistic_regression", "lightgbm")
    anew = train(world, models=models).metrics
    seen, real = [], training_run.fit_calibrated
    monkeypatch.setattr(training_run, "MANY_ROWS", 0)
    monkeypatch.setattr(
        training_run, "fit_calibrated", lambda *arguments: seen.append(arguments[0]) or real(*arguments)
    )
    result = train(world, models=models)
    again = result.metrics
    assert sorted(seen) == sorted(models)
    assert 0 < result.card.risk_bands["medium"] < result.card.risk_bands["high"] < 1
    for name in models:
        assert again["models"][name]["validation"] == anew["models"][name]["validation"]
        for metric, most in (("roc_auc", 0.03), ("brier", 0.01)):
            values = [found["models"][name]["test"][metric]["value"] for found in (again, anew)]
            assert values[0] == pytest.approx(values[1], abs=most)


# Short histories ------------------------------------------------------------------------------------------


def test_without_room_for_validation_customers_are_held_out() -> None:
    world = small_world()
    times = sorted(world.frame["feature_timestamp"].unique())
    short = world.frame[world.frame["feature_timestamp"] < times[2]]
    short = short.assign(
        label_timestamp=short["feature_timestamp"] + pd.Timedelta(days=20),
    )
    result = train_models(short, world.features, "customer_id", quick_settings(("logistic_regression",)))
    metrics = result.metrics
    assert metrics["split"]["kind"] == "temporal_cross_validated"
    assert metrics["split"]["validation_from"] is None
    assert any("cross-validation" in warning for warning in metrics["warnings"])
    held_out = result.predictions[result.predictions["split"] == "validation"]
    assert len(held_out[held_out["model"] == "logistic_regression"]) == metrics["split"]["rows"]["train"]
    assert metrics["models"]["logistic_regression"]["validation"]["roc_auc"]["value"] > 0.55


def test_forests_see_bins_where_rows_are_many() -> None:
    rng = np.random.default_rng(0)
    inputs = pd.DataFrame({"a": rng.lognormal(size=12_000), "b": rng.integers(0, 3, 12_000) * 1.0})
    inputs.loc[::10, "a"] = np.nan
    columns = [InputColumn("a", "number"), InputColumn("b", "number")]
    prepare = model_pipeline("random_forest", columns, len(inputs), 0)[0].fit(inputs)
    found = prepare.transform(inputs)
    assert len(np.unique(found[~np.isnan(found[:, 0]), 0])) <= 101
    assert len(np.unique(found[:, 1])) == 3
    np.testing.assert_array_equal(np.isnan(found[:, 0]), inputs["a"].isna())
    assert output_sources(prepare).tolist() == [0, 1]
    few = model_pipeline("random_forest", columns, 500, 0)[0].fit(inputs[:500])
    np.testing.assert_array_equal(few.transform(inputs[:500]), inputs[:500])


# Pipelines and columns ------------------------------------------------------------------------------------


def test_columns_get_their_kind_from_the_registered_type() -> None:
    types = {
        "number": ["double", "BIGINT", "integer", "decimal(18,2)", "float", "hugeint"],
        "flag": ["boolean"],
        "category": ["varchar", "string", "text"],
    }
    features = [Feature(t, "feature", t) for group in types.values() for t in group]
    frame = pd.DataFrame(columns=[f.name for f in features])
    found = {column.name: column.kind for column in typed_columns(frame, features)}
    assert found == {t: kind for kind, group in types.items() for t in group}


def test_keys_times_and_labels_are_no_features() -> None:
    frame = pd.DataFrame(columns=["id", "at", "x", "churned"])
    roles = {"id": "key", "at": "time", "x": "feature", "churned": "label"}
    features = [Feature(name, role) for name, role in roles.items()]
    assert [column.name for column in typed_columns(frame, features)] == ["x"]
    with pytest.raises(UserError, match="no features"):
        typed_columns(frame, features[:1])
    with pytest.raises(UserError, match="timestamp, which no model takes"):
        typed_columns(frame, [Feature("x", "feature", "timestamp")])
    with pytest.raises(UserError, match="registered but not in the training set"):
        typed_columns(frame, [Feature("y", "feature")])


def test_inputs_keep_nulls_and_lose_infinities() -> None:
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None, 3], dtype="Int64"),
            "f": [1.0, np.inf, -np.inf],
            "b": pd.array([True, None, False], dtype="boolean"),
            "o": np.array([True, None, False], dtype=object),
            "c": ["x", None, "y"],
        },
        index=[5, 6, 7],
    )
    kinds = {"i": "number", "f": "number", "b": "flag", "o": "flag", "c": "category"}
    typed = model_input(frame, [InputColumn(*item) for item in kinds.items()])
    assert typed.index.tolist() == [0, 1, 2]
    assert typed["i"].tolist()[::2] == [1.0, 3.0]
    assert typed.isna().sum().to_dict() == {"i": 1, "f": 2, "b": 1, "o": 1, "c": 1}
    assert typed["b"].tolist()[::2] == typed["o"].tolist()[::2] == [1.0, 0.0]
    with pytest.raises(UserError, match="is not a number"):
        model_input(frame, [InputColumn("c", "number")])
    with pytest.raises(UserError, match=r"1 feature\(s\) that the model needs are missing: nope"):
        model_input(frame, [InputColumn("nope", "number")], where="gold.gld_scoring_set")


def test_constant_and_copied_columns_are_left_out() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=1_000)
    frame = pd.DataFrame(
        {
            "fine": values,
            "copy": values,
            "constant": 1.0,
            "absent": np.nan,
            "almost": np.r_[np.ones(3), np.zeros(997)],
            "rare": np.r_[np.ones(20), np.zeros(980)],
            "word": np.array(["a", "b"] * 500, dtype=object),
            "copied_word": np.array(["a", "b"] * 500, dtype=object),
        }
    )
    columns = [InputColumn(name, "category" if "word" in name else "number") for name in frame]
    assert [column.name for column in informative(frame, columns)] == ["fine", "rare", "word"]


@pytest.mark.parametrize("model", MODELS)
def test_pipelines_take_gaps_and_categories_they_have_not_seen(model: str) -> None:
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "never": np.full(n, np.nan),
            "late": np.r_[np.full(n - 5, np.nan), np.ones(5)],
            'odd [name] <"x">': rng.normal(size=n),
            "plan": rng.choice(np.array(["a", "b", 'c{"[,]:', np.nan], dtype=object), n),
            "rare": np.where(np.arange(n) < 2, "only twice", "often").astype(object),
        }
    )
    kinds = ["number", "number", "number", "number", "category", "category"]
    columns = [InputColumn(name, kind) for name, kind in zip(frame, kinds, strict=True)]
    churned = (rng.random(n) < 0.3).astype(int)
    pipeline = model_pipeline(model, columns, n, 0).fit(frame, churned)
    strange = frame.head(3).assign(plan=["new", np.nan, "a"], never=[1.0, 2.0, 3.0], x=np.nan)
    assert pipeline.predict_proba(strange).shape == (3, 2)
    sources = output_sources(pipeline[0])
    prepared = np.asarray(pipeline[0].transform(frame), dtype=float)
    assert len(sources) == prepared.shape[1]
    assert set(sources) == set(range(len(columns)))
    names = pipeline[0].get_feature_names_out() if model == "logistic_regression" else None
    if names is not None:
        gaps = [i for i, name in enumerate(names) if "missingindicator" in name]
        assert {columns[sources[i]].name for i in gaps} == {"x", "never", "late"}
        assert any(name.endswith(f"plan_{MISSING}") for name in names)


def test_stored_models_open_without_this_package(tmp_path: Path) -> None:
    inputs = model_input(small_world().frame, typed_columns(small_world().frame, small_world().features)).head(20)
    inputs.to_pickle(tmp_path / "inputs.pkl")
    models = {name: trained(name).model for name in MODELS}
    models[ENSEMBLE] = averaged(models, inputs, np.arange(len(inputs)) % 2)
    for name, model in models.items():
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(model))
        assert model.cv == "prefit", "the row positions of the folds are not stored"
    script = (
        "import sys, json, pickle, pandas\n"
        "sys.modules['python_ml'] = None\n"
        "inputs, found = pandas.read_pickle('inputs.pkl'), {}\n"
        "for name in sys.argv[1:]:\n"
        "    model = pickle.load(open(name + '.pkl', 'rb'))\n"
        "    found[name] = model.predict_proba(inputs[list(model.feature_names_in_)])[:, 1].tolist()\n"
        "print(json.dumps(found))\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *models],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    for name, found in json.loads(run.stdout).items():
        np.testing.assert_array_equal(found, probabilities(models[name], inputs))


# Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "said"),
    [("num_leavs: 9", "did you mean `num_leaves`"), ("n_jobs: 8", "kept fixed"), ("qqq: 1", "no parameter `qqq`")],
)
def test_parameters_of_models_are_checked(tmp_path: Path, parameter: str, said: str) -> None:
    path = tmp_path / "retention.yml"
    path.write_text(f"training:\n  models:\n    lightgbm:\n      parameters:\n        {parameter}\n")
    world = small_world()
    with pytest.raises(UserError) as caught:
        train_models(world.frame, world.features, "customer_id", load_settings(path))
    assert said in str(caught.value)
    assert "line 5, training.models.lightgbm.parameters" in caught.value.where


def test_a_given_penalty_is_used() -> None:
    world = small_world()
    settings = quick_settings(("logistic_regression",)).model_dump()
    settings["training"]["models"]["logistic_regression"]["parameters"] = {"C": 0.5}
    result = train_models(world.frame, world.features, "customer_id", type(quick_settings()).model_validate(settings))
    assert result.parameters["logistic_regression"]["C"] == 0.5
    assert trained("logistic_regression").parameters["logistic_regression"]["C"] in calibration.PENALTIES


# Mistakes -------------------------------------------------------------------------------------------------


def spoiled(how: str) -> pd.DataFrame:
    frame = small_world().frame.copy()
    if how == "no rows":
        return frame.iloc[:0]
    if how == "one class":
        return frame.assign(churned=0)
    if how == "not binary":
        return frame.assign(churned=np.arange(len(frame)) % 3)
    if how == "text target":
        return frame.assign(churned="yes")
    if how == "unknown label":
        return frame.assign(churned=frame["churned"].astype("Int64").mask(frame.index == 3))
    if how == "no key":
        return frame.drop(columns="customer_id")
    if how == "twice":
        return pd.concat([frame, frame.head(1)])
    if how == "one leaver":
        keep = (frame["churned"] == 0) | (
            frame["customer_id"] == frame.loc[frame["churned"] == 1, "customer_id"].iloc[0]
        )
        return frame[keep]
    if how == "nothing to learn":
        return frame.assign(**{f.name: frame[f.name].iloc[0] for f in small_world().features if f.role == "feature"})
    return frame[frame["feature_timestamp"] == frame["feature_timestamp"].max()]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no rows", "no labelled rows"),
        ("one class", "Every labelled customer was retained"),
        ("not binary", "not binary: churned holds 0, 1, 2"),
        ("text target", "not binary: churned holds yes"),
        ("unknown label", "churned has 1 empty value"),
        ("no key", "no column customer_id"),
        ("twice", "appear twice"),
        ("one leaver", "too few customers|too short"),
        ("nothing to learn", "No feature differs"),
        ("one feature time", "too short to train and test in time"),
    ],
)
def test_data_that_cannot_be_learnt_from(how: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        train(small_world(), spoiled(how))
    assert caught.value.where
    assert caught.value.hint


# The command ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("train") / "my shop", small_world())
    settings = {"training": quick_settings(("logistic_regression", "lightgbm")).training.model_dump(mode="json")}
    (folder / "retention.yml").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def invoke(folder: Path, *arguments: str):
    from python_ml.cli.train import command

    return CliRunner().invoke(command, ["--project-dir", str(folder), *arguments])


def test_the_command_writes_reports_and_prints_the_comparison(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = invoke(project)
    assert run.exit_code == 0, run.output
    assert "* logistic_regression" in run.stdout or "* lightgbm" in run.stdout
    assert "recency" in run.stdout
    assert "of the way from 0.5" in run.stdout
    assert "champion: " in run.stdout
    assert "mlflow" not in run.stdout.lower()
    metrics = json.loads((project / "reports" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["champion"]["version"] == 1
    assert metrics["champion"]["run_id"]
    predictions = pd.read_parquet(project / "reports" / "predictions.parquet")
    assert set(predictions["split"]) == {"validation", "test"}
    assert len(pd.read_parquet(project / "reports" / "drivers.parquet")) == metrics["data"]["features"]
    assert not list((project / "reports").glob(".*")), "no drafts are left"
    assert (project / "mlartifacts").is_dir()

    # Again: the same version and metrics, and clean JSON on stdout.
    again = invoke(project, "--json")
    assert again.exit_code == 0, again.output
    assert "Nothing changed since version 1" in again.stderr
    second = json.loads(again.stdout)
    assert second["registration"]["decision"] == "reused"
    assert {**second, "registration": None} == {**metrics, "registration": None}


def test_the_run_is_recorded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    from python_ml.model.store import DIGEST_TAG, open_store

    if not (project / "reports" / "metrics.json").is_file():
        assert invoke(project).exit_code == 0
    metrics = json.loads((project / "reports" / "metrics.json").read_text(encoding="utf-8"))
    client = open_store(f"sqlite:///{project / 'mlflow.db'}")
    run = client.get_run(metrics["champion"]["run_id"])
    assert run.data.metrics["test.roc_auc"] == pytest.approx(metrics["test"]["roc_auc"]["value"])
    dataset = run.inputs.dataset_inputs[0].dataset
    assert run.data.tags["dataset_sha256"].startswith(dataset.digest)
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id, "plots")}
    names = ("roc", "precision_recall", "gains", "calibration", "drivers")
    assert artifacts == {f"plots/{name}.png" for name in names}
    children = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    assert {child.info.run_name for child in children} == set(metrics["models"])
    best = next(child for child in children if child.info.run_name == metrics["champion"]["name"])
    assert best.data.metrics["validation.roc_auc"] > 0.5
    assert best.data.params

    version = client.get_model_version_by_alias("shop_churn", "champion")
    assert int(version.version) == metrics["champion"]["version"]
    assert len(version.tags[DIGEST_TAG]) == 64
    folder = Path(client.get_model_version_download_uri("shop_churn", version.version).removeprefix("file://"))
    folder = Path(str(folder).replace("%20", " "))
    names = {path.name for path in folder.rglob("*")}
    assert {"model.pkl", "model_card.json", "input_example.json", "requirements.txt", "MLmodel"} <= names
    requirements = (folder / "requirements.txt").read_text()
    assert "scikit-learn==" in requirements
    assert "python_ml" not in requirements


def test_the_command_explains_a_user_mistake(tmp_path: Path) -> None:
    world = small_world()
    folder = write_project(tmp_path, ChurnWorld(world.frame.assign(churned=0), world.features, world.oracle))
    run = command_here(folder, "train")
    assert run.returncode == 2
    assert "Every labelled customer was retained" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (folder / "mlflow.db").exists()
