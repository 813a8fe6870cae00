"""What notebooks import: lazy, explained, and with examples that run."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import python_ml
from python_ml import GateError, UserError
from tests.python.churn_world import quick_settings, small_world, write_project
from tests.python.command_line import command_here

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = {"training": {"bootstrap_replicates": 20, "calibration_folds": 2, "cross_validation": {"folds": 2}}}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("api") / "shop", small_world())
    settings = {"training": quick_settings(("logistic_regression",)).training.model_dump(mode="json")}
    (folder / "retention.yml").write_text(json.dumps(settings), encoding="utf-8")
    run = command_here(folder, "train")
    assert run.returncode == 0, run.stderr
    return folder


def frame(customers: int = 200, months: int = 1, **columns: object) -> pd.DataFrame:
    return python_ml.example_frame(customers, months).assign(**columns)


def static(**columns: object) -> pd.DataFrame:
    return frame(**columns).drop(columns="as_of")


# Imports --------------------------------------------------------------------------------------------------------


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = {"pandas", "numpy", "sklearn", "mlflow", "duckdb", "click", "pydantic", "scipy"}
    code = f"import sys, python_ml; dir(python_ml); print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_name_can_be_imported_and_is_listed() -> None:
    for name, module in python_ml._EXPORTS.items():
        if importlib.util.find_spec(module) is not None:
            assert getattr(python_ml, name) is getattr(importlib.import_module(module), name)
            assert getattr(python_ml, name).__doc__
        assert name in dir(python_ml)
    with pytest.raises(AttributeError, match="nonsense"):
        python_ml.nonsense  # noqa: B018


# Examples -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["python_ml.api.backtest", "python_ml.api.functions", "python_ml.simulate.frame"])
def test_examples_of_functions_run(module: str) -> None:
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted and not outcome.failed


def test_the_guide_runs(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    guide = REPOSITORY / "docs" / "guides" / "python.md"
    outcome = doctest.testfile(str(guide), module_relative=False, encoding="utf-8")
    assert outcome.attempted > 20 and not outcome.failed


# Frames of one's own --------------------------------------------------------------------------------------------

MISTAKES = {
    "no frame": (lambda: [1, 2], {}, "takes a pandas.DataFrame"),
    "no rows": (lambda: static().head(0), {}, "no rows"),
    "no target": (static, {"target": "gone"}, "no column gone"),
    "no entity": (lambda: static().drop(columns="customer_id"), {}, "no column customer_id"),
    "text target": (lambda: static(churned="no"), {}, "not binary"),
    "one outcome": (lambda: static(churned=0), {}, "Every customer was retained"),
    "positive nowhere": (static, {"positive": "Yes"}, "Every customer was retained"),
    "empty outcome": (lambda: static(churned=np.nan), {}, "empty value"),
    "a date": (frame, {}, "holds datetime64 values"),
    "several rows": (lambda: frame(50, 3).drop(columns="as_of"), {}, "several rows"),
    "taken name": (lambda: static(feature_timestamp=1), {}, "feature_timestamp is needed"),
    "twice": (lambda: pd.concat([static(), static()[["plan"]]], axis=1), {}, "appear twice: plan"),
    "numbers as times": (lambda: static(day=1), {"time": "day"}, "holds numbers, not times"),
    "text as times": (lambda: static(day="soon"), {"time": "day"}, "does not hold times"),
    "a month": (frame, {"time": "as_of", "horizon": "1 month"}, "not a fixed duration"),
    "a number of something": (frame, {"time": "as_of", "horizon": 30}, "not a fixed duration"),
    "into the past": (frame, {"time": "as_of", "horizon": pd.Timedelta("-30d")}, "not a fixed duration"),
    "no such model": (static, {"models": "svm"}, "no model svm"),
    "no such setting": (static, {"settings": {"trainning": {}}}, "trainning"),
    "too few": (lambda: static().head(6), {"models": "logistic_regression"}, "too few"),
    "nothing to learn": (lambda: static()[["customer_id", "churned"]], {}, "no feature columns"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_explained(case: str) -> None:
    make, options, said = MISTAKES[case]
    with pytest.raises(UserError, match=said) as caught:
        python_ml.train(make(), **options)
    assert caught.value.hint and caught.value.where
    assert "gold." not in str(caught.value)


def test_a_column_that_knows_the_outcome_stops_the_training() -> None:
    rows = static()
    with pytest.raises(GateError, match="leak") as caught:
        python_ml.train(rows.assign(leak=rows["churned"] * 2.0), models="logistic_regression")
    assert "settings=" in caught.value.hint
    model = python_ml.train(
        rows.assign(leak=rows["churned"] * 2.0),
        models="logistic_regression",
        settings={**QUICK, "features": {"exclude": ["leak"]}},
    )
    assert "leak" not in model.feature_names_in_


def test_a_frame_needs_no_key_and_any_target_will_do() -> None:
    rows = static().drop(columns="customer_id").rename(columns={"churned": "Left?", "price": "a price, in €"})
    rows["Left?"] = rows["Left?"].map({0: "no", 1: "yes"})
    rows["vip"] = pd.array([True, None] * 100, dtype="boolean")
    rows["never"] = None
    model = python_ml.train(
        rows, target="Left?", entity=None, positive="yes", models="logistic_regression", settings=QUICK
    )
    assert set(model.feature_names_in_) <= set(rows.columns)
    shares = model.predict_proba(rows)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert python_ml.score(model, rows).columns.tolist() == ["churn_probability", "risk_band"]
    assert (model.predict(rows, threshold=0.3) >= model.predict(rows)).all()
    strange = rows.assign(plan="unknown").drop(columns="never")
    assert model.predict_proba(strange).shape == (200, 2)
    with pytest.raises(UserError, match="orders_30d"):
        model.predict_proba(rows.drop(columns="orders_30d"))
    assert model.predict_proba(rows.head(0)).shape == (0, 2)


def test_columns_that_are_numbered_are_known_again() -> None:
    numbered = static()[["customer_id", "price", "orders_30d", "churned"]].set_axis(range(4), axis="columns")
    quick = {"training": {"bootstrap_replicates": 20}}
    model = python_ml.train(numbered, target=3, entity=0, models="logistic_regression", settings=quick)
    assert len(python_ml.score(model, numbered)) == len(numbered) == len(model.predict_proba(numbered))
    assert python_ml.evaluate(model, numbered, target=3, replicates=0)["n"] == len(numbered)
    explanation = python_ml.explain(model, numbered.head(3))
    assert explanation.contributions.shape == (3, 2)
    for use in (python_ml.score, python_ml.explain, python_ml.evaluate, lambda m, frame: m.predict_proba(frame)):
        for rows, said in ((numbered.to_numpy(), "takes a pandas.DataFrame"), (numbered.drop(columns=1), "missing: 1")):
            options = {"target": "3"} if use is python_ml.evaluate else {}
            with pytest.raises(UserError, match=said) as caught:
                use(model, rows, **options)
            assert caught.value.hint and "gold." not in str(caught.value) and "`retention" not in str(caught.value)
    with pytest.raises(UserError, match="no rows"):
        python_ml.evaluate(model, numbered.head(0), target="3")


def test_times_with_zones_are_utc() -> None:
    zoned = frame(60, 8)
    zoned["as_of"] = pd.to_datetime(zoned["as_of"]).dt.tz_localize("UTC")
    quick = {"training": {"bootstrap_replicates": 20}}
    given = {"time": "as_of", "horizon": "30d", "models": "logistic_regression", "settings": quick}
    model, naive = python_ml.train(zoned, **given), python_ml.train(frame(60, 8), **given)
    assert model.metrics["test"] == naive.metrics["test"]
    assert "may have been fitted on" in python_ml.evaluate(model, zoned, time="as_of", replicates=0).note


def test_the_own_frame_is_not_changed() -> None:
    rows = static()
    before = rows.copy()
    python_ml.train(rows, models="logistic_regression", settings=QUICK)
    pd.testing.assert_frame_equal(rows, before)


# Results --------------------------------------------------------------------------------------------------------


def test_results_show_themselves(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    rows = python_ml.load_training_set(shop)
    champion = python_ml.load_champion(shop)
    model = python_ml.train(rows)
    customers = python_ml.load_scoring_set(shop)
    evaluation = python_ml.evaluate(champion, rows, replicates=20)
    explanation = python_ml.explain(champion, customers.head(3))
    quick = {"backtest": {"origins": 2, "models": ["champion"]}, "training": {"bootstrap_replicates": 20}}
    found = python_ml.backtest(rows, models=champion, settings=quick)
    assert found.report["champion"] == [champion.card.model]
    for result in (rows, champion, model, evaluation, explanation, found):
        text, page = repr(result), result._repr_html_()
        assert type(result).__name__ in text and "\n" in text
        assert len(text) < 5_000, "a result is no dump of its frames"
        assert page.startswith("<div>") and "<table>" in page
    assert "may have been fitted on" in evaluation.note
    # The training of the project, without registering anything.
    metrics = json.loads((shop / "reports" / "metrics.json").read_text())
    assert model.metrics["test"] == metrics["test"]
    np.testing.assert_array_equal(model.predict_proba(customers), champion.predict_proba(customers))
    assert python_ml.load_champion(shop).version == 1


def test_hostile_names_are_escaped_in_notebooks() -> None:
    rows = static().rename(columns={"orders_30d": "<script>alert(1)</script>"})
    model = python_ml.train(rows, models="logistic_regression", settings=QUICK)
    assert "<script>" in repr(model)
    assert "<script>" not in model._repr_html_()


def test_two_projects_of_one_process_keep_their_own_stores(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert python_ml.load_champion(shop).version == 1
    with pytest.raises(UserError, match="no champion yet"):
        python_ml.load_champion(write_project(tmp_path / "other", small_world()))


def test_without_a_champion_there_is_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="not a dbt project"):
        python_ml.load_champion(tmp_path)
    with pytest.raises(UserError, match="no champion yet") as caught:
        python_ml.load_champion(write_project(tmp_path / "shop", small_world()))
    assert "retention train" in caught.value.hint


def test_shuffled_outcomes_are_not_learnt() -> None:
    rows = frame(150, 8)
    rows["churned"] = np.random.default_rng(3).permutation(rows["churned"])
    model = python_ml.train(rows, time="as_of", horizon="30d", models="logistic_regression", settings=QUICK)
    auc = model.metrics["test"]["roc_auc"]
    assert auc["low"] < 0.5 < auc["high"]
