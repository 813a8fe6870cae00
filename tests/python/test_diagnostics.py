"""Diagnostics: refits that are the champion, planted errors that are found, fairness as fairlearn has it."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from python_ml.diagnostics import Diagnosis, diagnose
from python_ml.diagnostics.diagnosis import DIAGNOSTICS, FAIRNESS, store_diagnosis
from python_ml.diagnostics.fairness import fairness
from python_ml.diagnostics.refitting import Rows, refit
from python_ml.diagnostics.segments import holm, promised_area, segment_errors
from python_ml.errors import UserError
from python_ml.explanation.drivers import DRIVERS
from python_ml.model.calibration import probabilities
from python_ml.model.registry import Champion
from python_ml.model.sensitive import check_sensitive
from python_ml.project import Project
from python_ml.report import render_report
from python_ml.report.diagnostics_page import remarks, render_diagnostics
from python_ml.settings import Settings
from python_ml.stats import auc
from tests.python.churn_world import churn_world, quick_settings, small_world, trained, write_project
from tests.python.report_world import HOSTILE, Page, synthetic_inputs

MODEL = "logistic_regression"


@cache
def champion() -> Champion:
    result = trained(MODEL)
    return Champion(result.model, result.card, 4, "run")


@cache
def rows() -> Rows:
    return Rows.of(champion(), small_world().frame, quick_settings((MODEL,)), None)


@cache
def diagnosis() -> Diagnosis:
    settings = quick_settings((MODEL,)).model_copy(
        update={"fairness": Settings.model_validate({"fairness": {"sensitive": ["customer_plan"]}}).fairness}
    )
    return diagnose(champion(), small_world().frame, settings)


def part(kind: str) -> pd.DataFrame:
    return diagnosis().diagnostics[diagnosis().diagnostics["diagnostic"] == kind]


def test_a_refit_on_the_same_rows_is_the_champion() -> None:
    fit = rows().fit
    again = refit(champion().model, rows().inputs[fit], rows().churned[fit])
    np.testing.assert_allclose(
        probabilities(again, rows().inputs), probabilities(champion().model, rows().inputs), atol=1e-6
    )


def test_learning_curve_and_overfitting() -> None:
    curve = part("learning_curve")
    test = curve[curve["part"] == "test"]
    sizes = test["subject"].astype(int).tolist()
    assert sizes == sorted(sizes)
    assert sizes[-1] == len(np.unique(rows().customers[rows().fit]))
    assert test["low"].le(test["value"]).all()
    assert test["value"].le(test["high"]).all()
    judged = trained(MODEL).metrics["test"]["roc_auc"]["value"]
    assert test["value"].iloc[-1] == pytest.approx(judged, abs=1e-6), (
        "the whole curve ends at the champion's own figure"
    )
    fits = part("overfitting")
    assert set(fits["part"]) == {"train", "validation", "test"}
    assert fits["customers"].gt(0).all()


def test_noise_harms_and_nothing_else_does() -> None:
    noise = part("noise_sensitivity")
    for kind in ("noise", "missing"):
        values = noise[noise["subject"] == kind]["value"].tolist()
        assert values[0] == max(values)
        assert values[-1] < values[0] - 0.03


def test_the_drivers_of_a_clear_world_are_stable() -> None:
    stability = part("driver_stability")
    same = stability[stability["metric"] == "rank_correlation"]
    assert same["value"].min() > 0.5
    assert {"folds", "feature times"} == set(same["subject"])


def test_a_model_without_signal_looks_like_one() -> None:
    world = churn_world(customers=150, months=10, noise=3, seed=5, signal=0.0)
    shuffled = world.frame.assign(churned=np.random.default_rng(1).permutation(world.frame["churned"].to_numpy()))
    found = diagnose(champion(), shuffled, quick_settings((MODEL,))).diagnostics
    last = found[(found["diagnostic"] == "learning_curve") & (found["part"] == "test")].iloc[-1]
    assert last["low"] < 0.5 < last["high"]


def test_the_segment_that_is_wrong_is_found_and_no_other() -> None:
    one = rows()
    plan = one.inputs.loc[one.test, "customer_plan"].to_numpy()
    truth = small_world().oracle.merge(one.frame[one.test], on=["customer_id", "feature_timestamp"], how="right")
    scores = truth["probability"].to_numpy()
    columns = champion().card.columns
    sound = segment_errors(scores, one, columns, ["orders_count_90d"])
    assert not [e for e in sound if e.get("p_adjusted", 1) < 0.05]
    wrong = segment_errors(np.where(plan == "basic", 0.5 * scores, scores), one, columns, [])
    found = {(e["subject"], e["part"]): e["remark"] for e in wrong if e.get("p_adjusted", 1) < 0.05}
    assert found[("customer_plan", "basic")] == "predicts too little"
    assert ("customer_plan", "standard") not in found
    shuffled = scores.copy()
    shuffled[plan == "basic"] = np.random.default_rng(0).permutation(scores[plan == "basic"])
    unranked = segment_errors(shuffled, one, columns, [])
    found = {(e["subject"], e["part"]): e["remark"] for e in unranked if e.get("p_adjusted", 1) < 0.05}
    assert found[("customer_plan", "basic")] == "ranks worse than its probabilities imply"
    assert ("customer_plan", "standard") not in found
    small = [e for e in wrong if "not judged" in e.get("remark", "")]
    assert all(e["customers"] < 30 and "value" not in e for e in small)


def test_the_promised_area_is_what_the_truth_reaches_on_average() -> None:
    rng = np.random.default_rng(2)
    scores = np.round(rng.beta(2, 5, 400), 2)  # with ties
    drawn = [auc(scores, (rng.random(400) < scores).astype(int)).value for _ in range(300)]
    assert promised_area(scores) == pytest.approx(np.mean(drawn), abs=0.004)


def test_holm_is_that_of_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = [0.001, 0.4, 0.02, 0.02, 0.9, 0.013]
    np.testing.assert_allclose(holm(p_values), multitest.multipletests(p_values, method="holm")[1])
    assert holm([]) == []


def test_a_snapshot_is_judged_on_customers_that_were_set_apart() -> None:
    frame = small_world().frame
    frame = frame[frame["feature_timestamp"] == frame["feature_timestamp"].min()]
    one = Rows.of(champion(), frame, quick_settings((MODEL,)), "static")
    assert one.validation is None
    assert not set(one.customers[one.fit]) & set(one.customers[one.test])
    assert one.test.mean() == pytest.approx(0.2, abs=0.02)


def test_few_customers_have_no_curve_and_are_diagnosed_all_the_same() -> None:
    frame = small_world().frame
    frame = frame[frame["customer_id"].isin(sorted(frame["customer_id"].unique())[:12])]
    found = diagnose(champion(), frame, quick_settings((MODEL,)))
    kinds = set(found.diagnostics["diagnostic"])
    assert {"overfitting", "noise_sensitivity", "segment_error"} <= kinds
    assert "learning_curve" not in kinds
    assert found.diagnostics.loc[found.diagnostics["diagnostic"] == "segment_error", "value"].isna().all()
    assert "too few customers" in render_diagnostics(found, "shop")


# Fairness -------------------------------------------------------------------------------------------------


def fair(**options: object) -> list[dict]:
    settings = Settings.model_validate({"fairness": options})
    return fairness(probabilities(champion().model, rows().inputs[rows().test]), 0.5, rows(), settings)


def test_fairness_is_that_of_fairlearn() -> None:
    metrics = pytest.importorskip("fairlearn.metrics")
    one, found = rows(), pd.DataFrame(fair(sensitive=["customer_plan"], least_customers=20))
    churned, plan = one.churned[one.test], one.frame.loc[one.test, "customer_plan"].to_numpy()
    scores = probabilities(champion().model, one.inputs[one.test])
    selected = (scores >= 0.5).astype(int)
    frame = metrics.MetricFrame(
        metrics={
            "selection_rate": metrics.selection_rate,
            "true_positive_rate": metrics.true_positive_rate,
            "false_positive_rate": metrics.false_positive_rate,
        },
        y_true=churned,
        y_pred=selected,
        sensitive_features=plan,
    )
    values = found.set_index(["group", "measure"])["value"]
    for group in ("basic", "standard", "premium"):
        for measure, value in frame.by_group.loc[group].items():
            assert values[(group, measure)] == pytest.approx(value)
        inside = plan == group
        gap = scores[inside].mean() - churned[inside].mean()
        assert values[(group, "calibration_gap")] == pytest.approx(gap)
    # Our own differences, from which the intervals come, are those of the library.
    rates = frame.by_group
    assert values[("all groups", "demographic_parity_difference")] == pytest.approx(np.ptp(rates["selection_rate"]))
    odds = max(np.ptp(rates["true_positive_rate"]), np.ptp(rates["false_positive_rate"]))
    assert values[("all groups", "equalized_odds_difference")] == pytest.approx(odds)
    assert found["low"].le(found["value"]).all()
    assert found["value"].le(found["high"]).all()


def test_groups_that_are_too_small_are_named_and_not_judged() -> None:
    found = pd.DataFrame(fair(sensitive=["customer_plan"], least_customers=60))
    small = found[found["note"].notna()]
    assert small["group"].tolist() == ["premium"]
    assert small["value"].isna().all()
    assert "fewer than 60" in small["note"].iloc[0]


def test_sensitive_columns_need_not_be_features() -> None:
    """A constant is no feature of the model: one group has nothing to be compared with."""
    found = pd.DataFrame(fair(sensitive=["customer_country"]))
    assert "customer_country" not in {column.name for column in champion().card.columns}
    assert set(found["group"]) == {"nowhere"}
    with pytest.raises(UserError, match="no column `gender`"):
        fair(sensitive=["gender"])
    with pytest.raises(UserError, match="too many for groups"):
        fair(sensitive=["customer_id"])


def test_a_wrong_sensitive_column_is_refused_before_anything_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promotion compares the columns that are there, so that a misspelt one would go without saying."""
    wrong = Settings.model_validate({"fairness": {"sensitive": ["customer_plam"]}})
    with pytest.raises(UserError, match="no column `customer_plam`"):
        check_sensitive(rows().frame, wrong)
    monkeypatch.setattr(Rows, "of", lambda *_: pytest.fail("fitted before the settings were read"))
    with pytest.raises(UserError, match="no column `customer_plam`"):
        diagnose(champion(), rows().frame, wrong)


def test_without_fairlearn_one_message_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fairlearn.metrics", None)
    assert fair(sensitive=[]) == []
    with pytest.raises(UserError, match="fairlearn") as raised:
        fair(sensitive=["customer_plan"])
    assert "customer-retention[fairness]" in raised.value.hint


# Tables and pages -----------------------------------------------------------------------------------------


def test_the_tables_are_described_in_every_project(repository: Path) -> None:
    file = Path("gold") / "_gold__explanations.yml"
    own = (repository / "models" / file).read_text()
    assert own == (repository / "python_ml" / "generate" / "templates" / file).read_text()
    tables = {table["name"]: table["columns"] for table in yaml.safe_load(own)["sources"][0]["tables"]}
    described = {name: [column["name"] for column in columns] for name, columns in tables.items()}
    assert described == {
        "gld_driver_importance": [*DRIVERS, "model_version", "feature_timestamp"],
        "gld_model_diagnostics": list(DIAGNOSTICS),
        "gld_fairness": list(FAIRNESS),
    }


def test_tables_keep_their_types_when_they_are_empty(tmp_path: Path) -> None:
    import duckdb

    folder = write_project(tmp_path / "shop", small_world())
    empty = Diagnosis("lightgbm", 1, diagnosis().diagnostics.iloc[:0], diagnosis().fairness.iloc[:0])
    store_diagnosis(Project.open(folder), empty)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        for table, types in (("gld_model_diagnostics", DIAGNOSTICS), ("gld_fairness", FAIRNESS)):
            kinds = {name: kind for name, kind, *_ in connection.execute(f"describe gold.{table}").fetchall()}
            names = {"string": "VARCHAR", "float64": "DOUBLE", "Int64": "BIGINT", "int32": "INTEGER"}
            assert kinds == {name: names[kind] for name, kind in types.items()}


def test_the_page_and_the_report_say_what_was_found() -> None:
    html = render_diagnostics(diagnosis(), "shop")
    page = Page(html)
    assert {"learning", "overfitting", "noise", "segments", "stability", "fairness"} <= set(page.attributes("id"))
    assert "demographic parity" in page.text
    texts = [remark.text for remark in remarks(diagnosis().diagnostics, diagnosis().fairness)]
    assert [text.partition(":")[0] for text in texts] == [
        "Over-fitting", "Learning curve", "Noise", "Drivers", "Segments", "Fairness of customer_plan",
    ]  # fmt: skip
    inputs = synthetic_inputs(customers=200)
    inputs.diagnostics, inputs.fairness = diagnosis().diagnostics, diagnosis().fairness
    report = Page(render_report(inputs)).text
    assert texts[0] in report
    assert "These diagnostics are of model version 4" in report  # the report's champion is version 3


def test_hostile_names_stay_text() -> None:
    found = diagnosis()
    hostile = Diagnosis(
        HOSTILE,
        1,
        found.diagnostics.replace({"customer_plan": HOSTILE, "basic": HOSTILE}),
        found.fairness.replace({"customer_plan": HOSTILE, "basic": HOSTILE}),
    )
    html = render_diagnostics(hostile, HOSTILE)
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_the_command_diagnoses_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from python_ml.cli import diagnose as module
    from python_ml.model import registry

    folder = write_project(tmp_path / "shop", small_world())
    monkeypatch.setattr(registry, "require_champion", lambda project: champion())
    monkeypatch.setattr("python_ml.diagnostics.diagnosis.diagnose", lambda *_, **__: diagnosis())
    result = CliRunner().invoke(module.command, ["--project-dir", str(folder), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["remarks"][0].startswith("Over-fitting")
    assert (folder / "reports" / "diagnostics.html").is_file()
