"""`retention retrain`: what fires and what does not, decisions as rows, and a challenger from evidence to gate."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
import yaml

from python_ml.cli.retrain import iteration_trigger
from python_ml.iterations import IterationLog
from python_ml.model import store
from python_ml.model.registry import ModelRegistry
from python_ml.monitor.drift_table import drift_table
from python_ml.monitor.performance_table import store_performance
from python_ml.monitor.retraining import (
    NOTHING,
    RETRAIN,
    WAIT,
    DriftedColumn,
    Growth,
    MeasuredPerformance,
    RetrainingEvidence,
    decide_retraining,
)
from python_ml.monitor.retraining_table import COLUMNS
from python_ml.project import Project
from python_ml.settings.retraining import Retraining
from python_ml.warehouse import write_table
from tests.python.churn_world import ChurnWorld, quick_settings, small_world, write_project
from tests.python.command_line import command_here, rows

MODEL = "logistic_regression"
THEN = datetime(2024, 1, 1)
QUIET = RetrainingEvidence(
    champion=2,
    data_time=THEN,
    trained_rows=1_000,
    since_champion=Growth(100, 1),
    since_newest=Growth(100, 1),
    expected=0.80,
    expected_low=0.77,
    expected_high=0.83,
)


def drifted(name: str = "orders", kind: str = "feature", periods: int = 1) -> DriftedColumn:
    return DriftedColumn(kind, name, periods, THEN)


def measured(value: float, low: float | None = None, high: float | None = None) -> MeasuredPerformance:
    return MeasuredPerformance("roc_auc", THEN, value, low, high)


CASES = {
    "quiet": ({}, {}, NOTHING, None),
    "no champion": ({"champion": None}, {}, RETRAIN, "first training"),
    "drift": ({"drifted": (drifted(),)}, {}, RETRAIN, "drift"),
    "too few features": ({"drifted": (drifted(),)}, {"drifted_features": 2}, NOTHING, None),
    "drift of how features depend": (
        {"drifted": (drifted("all", "multivariate"),)}, {"drifted_features": 2}, RETRAIN, "drift"
    ),
    "drift that is too young": ({"drifted": (drifted(),)}, {"drifted_periods": 2}, NOTHING, None),
    "drift that lasts": ({"drifted": (drifted(periods=2),)}, {"drifted_periods": 2}, RETRAIN, "drift"),
    "drift off": ({"drifted": (drifted(),)}, {"drifted_features": None}, NOTHING, None),
    "performance": ({"realised": measured(0.7)}, {}, RETRAIN, "performance"),
    "a small drop": ({"realised": measured(0.78)}, {}, NOTHING, None),
    "a drop within the interval of the test": ({"realised": measured(0.77)}, {}, NOTHING, None),
    "a drop within its own interval": ({"realised": measured(0.7, 0.6, 0.81)}, {}, NOTHING, None),
    "a drop beyond its own interval": ({"realised": measured(0.7, 0.65, 0.79)}, {}, RETRAIN, "performance"),
    "performance off": ({"realised": measured(0.7)}, {"performance_drop": None}, NOTHING, None),
    "better": ({"realised": measured(0.95)}, {}, NOTHING, None),
    "estimate": ({"estimated": measured(0.7, 0.65, 0.75)}, {}, RETRAIN, "estimated performance"),
    "performance weighs more than drift": (
        {"estimated": measured(0.7), "drifted": (drifted(),)}, {}, RETRAIN, "estimated performance"
    ),
    "age": ({"since_champion": Growth(10, 6)}, {"age_periods": 6}, RETRAIN, "schedule"),
    "too young": ({"since_champion": Growth(10, 5)}, {"age_periods": 6}, NOTHING, None),
    "volume": ({"since_champion": Growth(500, 2)}, {}, RETRAIN, "volume"),
    "little volume": ({"since_champion": Growth(499, 2)}, {}, NOTHING, None),
    "nothing to learn from": ({"drifted": (drifted(),), "since_newest": Growth(0, 0)}, {}, WAIT, "drift"),
    "too few periods to learn from": ({"drifted": (drifted(),)}, {"least_new_periods": 2}, WAIT, "drift"),
    "an older version says nothing of its rows": (
        {"drifted": (drifted(),), "since_newest": None, "since_champion": None}, {"age_periods": 1}, RETRAIN, "drift"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_fires_and_what_does_not(case: str) -> None:
    changes, settings, decision, trigger = CASES[case]
    found = decide_retraining(replace(QUIET, **changes), Retraining(**settings))
    assert (found.decision, found.trigger) == (decision, trigger), found.reason
    assert any(one.fired for one in found.triggers) == (decision != NOTHING)


def test_a_person_need_not_wait() -> None:
    found = decide_retraining(replace(QUIET, since_newest=Growth(0, 0)), Retraining(), "a new price list")
    assert (found.decision, found.trigger, found.reason) == (RETRAIN, "manual", "a new price list")


def test_a_loss_gets_worse_by_rising() -> None:
    brier = replace(measured(0.2), metric="brier")
    evidence = replace(QUIET, expected=0.1, expected_low=0.09, expected_high=0.11, realised=brier)
    assert decide_retraining(evidence, Retraining(metric="brier")).trigger == "performance"
    evidence = replace(evidence, realised=replace(brier, value=0.05))
    assert decide_retraining(evidence, Retraining(metric="brier")).decision == NOTHING


def test_triggers_of_iterations() -> None:
    names = ("first training", "manual", "performance", "estimated performance", "drift", "schedule", "volume")
    assert [str(iteration_trigger(name)) for name in names] == [
        "INITIAL", "MANUAL", "PERFORMANCE_DROP", "PERFORMANCE_DROP", "DRIFT_DETECTED", "SCHEDULED", "SCHEDULED",
    ]  # fmt: skip


# The command ---------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def run(folder: Path, *words: str, code: int = 0) -> dict:
    outcome = command_here(folder, "retrain", *words, "--json")
    assert outcome.returncode == code, outcome.stderr
    return json.loads(outcome.stdout)


def months(count: int) -> pd.DataFrame:
    frame = small_world().frame
    times = sorted(frame["feature_timestamp"].unique())
    return frame[frame["feature_timestamp"] <= times[count - 1]]


def store_drift(folder: Path, version: int, **changes: object) -> None:
    row = {
        "kind": "feature", "feature": "orders_count_30d", "model_version": version, "is_model_input": True,
        "current_period": datetime(2023, 12, 1), "status": "drift", "since": datetime(2023, 12, 1),
    }  # fmt: skip
    earlier = {**row, "current_period": datetime(2023, 11, 1), "status": "ok"}
    write_table(Project.open(folder), "gold.gld_feature_drift", drift_table([earlier, {**row, **changes}]))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has seen nine of twelve months."""
    world = small_world()
    folder = tmp_path_factory.mktemp("retraining") / "shop"
    write_project(folder, ChurnWorld(months(9), world.features, world.oracle))
    settings = quick_settings((MODEL,), bootstrap_replicates=20).training.model_dump(mode="json")
    document = {"training": settings, "survival": {"enabled": False}, "retraining": {"new_rows": None}}
    (folder / "retention.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / "first.json").write_text(json.dumps(run(folder)), encoding="utf-8")
    return folder


def test_from_evidence_to_the_gate(shop: Path) -> None:
    # No champion: the first training.
    first = json.loads((shop / "first.json").read_text(encoding="utf-8"))
    assert (first["decision"], first["trigger"], first["registration"]["decision"]) == (
        RETRAIN,
        "first training",
        "promoted",
    )
    assert first["iteration"] == 1
    # Nothing has happened, and nothing was measured.
    quiet = run(shop)
    assert (quiet["decision"], quiet["evidence"]["since_newest"]) == (NOTHING, {"rows": 0, "periods": 0})
    assert "retention monitor" in " ".join(quiet["evidence"]["missing"])
    # Drift, but no labels of the time after it.
    store_drift(shop, 1)
    assert run(shop)["decision"] == WAIT
    # An accepted drift, that of a column the model does not use, and that of another version are none.
    for changes in ({"accepted_because": "known"}, {"is_model_input": False}, {"model_version": 9}):
        store_drift(shop, 1, **changes)
        assert run(shop, "--check")["decision"] == NOTHING
    store_drift(shop, 1)
    write_table(Project.open(shop), "gold.gld_training_set", small_world().frame)
    check = run(shop, "--check")
    assert (check["decision"], check["evidence"]["since_newest"]["periods"]) == (RETRAIN, 3)
    assert "registration" not in check
    assert len(ModelRegistry.of(Project.open(shop)).versions()) == 1
    # More rows of the same world: no better beyond chance, so the champion stays.
    second = run(shop, code=3)
    assert second["registration"]["decision"] == "refused"
    assert (second["registration"]["version"], second["registration"]["champion"]) == (2, 1)
    # The same evidence again: the newest version has seen all labelled rows.
    assert run(shop)["decision"] == WAIT
    log = IterationLog.of(Project.open(shop))
    found = [(one.number, str(one.trigger), one.parent, one.status) for one in log.iterations()]
    assert found == [(1, "INITIAL", None, "finished"), (2, "DRIFT_DETECTED", 1, "finished")]
    assert [one.version for one in log.trainings(log.find(2))] == [2]
    query = (
        "select decision, trigger_name, is_check, iteration, challenger_version, outcome "
        "from gold.gld_retraining_decisions order by decision_number"
    )
    assert rows(shop, query) == [
        (RETRAIN, "first training", False, 1, 1, "promoted"),
        (NOTHING, None, False, None, None, None),
        (WAIT, "drift", False, None, None, None),
        *[(NOTHING, None, True, None, None, None)] * 3,
        (RETRAIN, "drift", True, None, None, None),
        (RETRAIN, "drift", False, 2, 2, "refused"),
        (WAIT, "drift", False, None, None, None),
    ]
    (evidence,) = rows(shop, "select evidence from gold.gld_retraining_decisions where decision_number = 8")[0]
    assert json.loads(evidence)["drifted"][0]["name"] == "orders_count_30d"


def test_performance_is_read_where_it_is_there(shop: Path) -> None:
    test_auc = run(shop, "--check")["evidence"]["expected"]
    cohorts = [
        {"period": datetime(2023, 10, 1), "judged_by": "realised", "realised_roc_auc": 0.9, "estimated_roc_auc": 0.7},
        {
            "period": datetime(2023, 11, 1),
            "judged_by": "estimated",
            "estimated_roc_auc": test_auc - 0.2,
            "estimated_roc_auc_low": 0.3,
            "estimated_roc_auc_high": test_auc - 0.1,
        },
        {"period": datetime(2023, 12, 1), "judged_by": "estimated", "estimated_roc_auc": 0.1, "model_version": 2},
    ]
    store_performance(Project.open(shop), [{"model_version": 1, **cohort} for cohort in cohorts])
    store_drift(shop, 1, status="ok")
    found = run(shop, "--check")
    assert found["evidence"]["realised"]["value"] == 0.9
    assert (found["trigger"], found["evidence"]["estimated"]["value"]) == ("estimated performance", test_auc - 0.2)
    later = {"period": datetime(2023, 12, 1), "judged_by": "realised", "realised_roc_auc": test_auc}
    store_performance(Project.open(shop), [{"model_version": 1, **cohort} for cohort in (*cohorts[:2], later)])
    assert run(shop, "--check")["evidence"]["estimated"] is None


def stubbed(monkeypatch: pytest.MonkeyPatch, action: object) -> None:
    monkeypatch.setattr("python_ml.cli.train.train", action)


def test_force_needs_a_reason_and_a_failed_training_is_recorded(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command_here(shop, "retrain", "--force").returncode == 2

    def fails(*arguments: object, **named: object) -> dict:
        from python_ml.errors import GateError

        raise GateError("A column knows the outcome.", where="here")

    stubbed(monkeypatch, fails)
    outcome = command_here(shop, "retrain", "--force", "--reason", "a drill")
    assert outcome.returncode == 3 and "A column knows the outcome" in outcome.stderr
    last = "select trigger_name, outcome, outcome_reason, challenger_version from gold.gld_retraining_decisions "
    assert rows(shop, f"{last} order by decision_number desc limit 1") == [
        ("manual", "failed", "A column knows the outcome.", None)
    ]
    newest = IterationLog.of(Project.open(shop)).iterations()[-1]
    assert (str(newest.trigger), newest.status, newest.reason) == ("MANUAL", "failed", "a drill")


def test_an_iteration_of_a_person_stays_open_and_gets_no_foreign_training(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command_here(shop, "iterate", "start", "--reason", "by hand").returncode == 0
    log = IterationLog.of(Project.open(shop))
    mine, seen = log.open_one(), []

    def trained(project: Project, console: object, *, iteration: str) -> dict:
        seen.append((log.open_one(), iteration))
        return {"registration": {"version": 2, "champion": 2, "decision": "promoted", "reason": "better"}}

    stubbed(monkeypatch, trained)
    made = run(shop, "--force", "--reason", "a drill")
    assert made["iteration"] == mine.number + 1
    ((current, iteration),) = seen
    assert current == mine and iteration == log.find(made["iteration"]).run_id
    assert log.open_one() == mine


def test_a_version_that_did_not_record_its_rows_is_no_obstacle(shop: Path) -> None:
    registry = ModelRegistry.of(Project.open(shop))
    kept = registry.find(1).tags[store.ROWS_TAG]
    registry.client.delete_model_version_tag(registry.name, "1", store.ROWS_TAG)
    try:
        evidence = run(shop, "--check")["evidence"]
    finally:
        registry.tag(1, {store.ROWS_TAG: kept})
    assert evidence["since_champion"] is None
    assert any("age and new rows are unknown" in text for text in evidence["missing"])


def test_the_table_is_described_in_every_project(repository: Path) -> None:
    own = (repository / "models/gold/_gold__retraining.yml").read_text(encoding="utf-8")
    templates = repository / "python_ml" / "generate" / "templates" / "gold"
    assert own == (templates / "_gold__retraining.yml").read_text(encoding="utf-8")
    [table] = yaml.safe_load(own)["sources"][0]["tables"]
    types = {"varchar": "string", "integer": "int"}
    described = {column["name"]: column["data_type"] for column in table["columns"]}
    assert described == {name: types.get(kind, kind) for name, kind in COLUMNS.items()}
