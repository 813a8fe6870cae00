"""Iterations: trainings as child runs, what came of recommendations, what the next iteration starts from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from python_ml.diagnostics.diagnosis import DIAGNOSTICS, DIAGNOSTICS_TABLE
from python_ml.errors import UserError
from python_ml.iterations import IterationLog, LoggedTraining, Recommended, best, feature_feedback
from python_ml.iterations.recommended import APPLIED, SKIPPED, recommended, source_file, with_outcomes
from python_ml.iterations.refinement import exclude_features, refine
from python_ml.iterations.stages import stages
from python_ml.plan.actions.gold import TABLE, Exclude
from python_ml.plan.recommendations import Recommendations
from python_ml.project import Project
from python_ml.warehouse import write_table
from tests.python.churn_world import quick_settings, small_world, write_project
from tests.python.command_line import command_here

MODEL = "logistic_regression"


# Feedback of a model -------------------------------------------------------------------------------------------


def diagnostics(importance: dict[str, list[float]], *segments: dict, version: int = 7) -> pd.DataFrame:
    """Rows as of `retention diagnose`: importance in all rows, in three folds, and at one feature time."""
    parts = ("all", "fold 1", "fold 2", "fold 3", "2024-01-01")
    found = [
        {"diagnostic": "driver_importance", "subject": name, "part": part, "metric": "importance", "value": value}
        for name, values in importance.items()
        for part, value in zip(parts, values, strict=True)
    ]
    frame = pd.DataFrame([*found, *segments], columns=list(DIAGNOSTICS)).assign(model_version=version)
    return frame.astype(DIAGNOSTICS)


def flat(value: float) -> list[float]:
    return [value] * 5


def test_features_that_never_matter_are_proposed_the_weakest_first() -> None:
    feedback = feature_feedback(
        diagnostics(
            {
                "strong": [5.0, 6.0, 1.0, 5.0, 5.0],
                "steady": flat(4.0),
                "weak": flat(0.03),
                "nothing": flat(0.0),
                "once": [0.0, 0.0, 3.0, 0.0, 0.0],  # in one fold it matters
            }
        )
    )
    assert feedback.version == 7
    assert [value.feature for value in feedback.features] == ["strong", "steady", "weak", "nothing", "once"]
    assert list(feedback.low_value) == ["nothing", "weak"]
    assert feedback.unstable == ["strong", "once"]
    assert sum(value.importance for value in feedback.features) == pytest.approx(1)
    folds = np.array([6 / 10.03, 1 / 8.03, 5 / 9.03])
    assert feedback.features[0].variation == pytest.approx(folds.std(ddof=1) / folds.mean())


def test_many_weak_features_are_not_dropped_all_at_once() -> None:
    many = {f"w{i:02d}": flat(0.02) for i in range(40)}
    feedback = feature_feedback(diagnostics({"strong": flat(10.0), **many}))
    assert len(feedback.low_value) == 10, "each has 0.185 % of the importance, all of those proposed less than 2 %"


def test_a_model_without_any_importance_proposes_nothing() -> None:
    feedback = feature_feedback(diagnostics({"a": flat(0.0), "b": flat(0.0)}))
    assert feedback.low_value == {}
    assert feature_feedback(diagnostics({"only": flat(1.0)})).low_value == {}
    with pytest.raises(ValueError, match="no importance"):
        feature_feedback(diagnostics({}))


def test_a_protected_feature_is_never_proposed() -> None:
    frame = diagnostics({"strong": flat(9.0), "x": flat(0.01), "y": flat(0.01)})
    assert list(feature_feedback(frame, protected=["x"]).low_value) == ["y"]


def test_segments_that_are_significantly_worse_give_ideas() -> None:
    common = {"diagnostic": "segment_error", "customers": 90, "rows": 300}
    plan = {**common, "subject": "plan", "part": "basic"}
    feedback = feature_feedback(
        diagnostics(
            {"plan": flat(2.0), "orders": flat(1.0)},
            {**plan, "metric": "roc_auc", "value": 0.55, "p_adjusted": 0.01, "remark": "ranks worse"},
            {**plan, "metric": "calibration_gap", "value": -0.1, "p_adjusted": 0.001, "remark": "predicts too little"},
            {**plan, "part": "premium", "metric": "roc_auc", "value": 0.6, "p_adjusted": 0.4},
        )
    )
    assert len(feedback.ideas) == 2
    assert "predicts too little, by 10.0%" in feedback.ideas[0]
    assert "interaction of plan with orders" in feedback.ideas[1]


# Best, and what came of recommendations ------------------------------------------------------------------------


def training(version: int, validation: float | None, metric: str = "roc_auc", **changes: object) -> LoggedTraining:
    metrics = {} if validation is None else {f"validation.{metric}": validation, f"test.{metric}": 1 - validation}
    return replace(LoggedTraining(f"run{version}", version, MODEL, metrics, ("a", "b")), **changes)


def test_the_best_training_is_found_on_validation_in_the_direction_of_the_metric() -> None:
    tried = [training(1, 0.7), training(2, None), training(3, 0.8), training(4, 0.8)]
    assert best(tried, "roc_auc").version == 3, "of equals the earliest"
    losses = [training(1, 0.2, "brier"), training(2, 0.1, "brier")]
    assert best(losses, "brier").version == 2
    assert best([training(1, None)], "roc_auc") is None
    assert best([], "roc_auc") is None


def test_outcomes_say_what_is_new_and_that_effects_cannot_be_told_apart() -> None:
    now = [
        Recommended("a", APPLIED, "", ("x", "y")),
        Recommended("b", APPLIED, ""),
        Recommended("c", APPLIED, "", ("z",)),
        Recommended("d", SKIPPED, "rejected"),
    ]
    importance = {"x": 0.5, "y": 0.25, "z": 0.25}
    before, after = training(1, 0.7), training(2, 0.72, rows=("other",))
    a, b, c, d = (one.outcome for one in with_outcomes(now, {"c"}, importance, "roc_auc", before, after))
    assert (a["importance_share"], a["is_new"], a["changed_together"], a["same_rows"]) == (0.75, True, 2, False)
    assert a["better_by"] == pytest.approx(0.02)
    assert "importance_share" not in b
    assert c == {"is_new": False, "importance_share": 0.25}
    assert d == {}
    first = with_outcomes(now, (), {}, "roc_auc", None, after)
    assert first[0].outcome == {"is_new": True}, "without a parent there is nothing to compare with"


# retention.yml and recommendations.yaml ------------------------------------------------------------------------

EDITS = {
    "no file": (None, ["a"], ["a"]),
    "empty": ("", ["a"], ["a"]),
    "no section": ("# mine\ntraining: {seed: 1}\n", ["a"], ["a"]),
    "empty list": ("features:\n  exclude: []   # columns\n  scale: {}\n", ["a", "b"], ["a", "b"]),
    "on one line": ("features: {exclude: [x], scale: {}}\n", ["a"], ["x", "a"]),
    "block": ("features:\n  exclude:\n    # why\n    - x   # this\n  # next\n  scale: {}\n", ["a"], ["x", "a"]),
    "block at the end": ("features:\n  exclude:\n  - x", ["a"], ["x", "a"]),
    "nothing behind the key": ("features:\n  exclude:\n  scale: {}\n", ["a"], ["a"]),
    "no exclude": ("features:\n  scale: {}  # s\n", ["a"], ["a"]),
    "no exclude on one line": ("features: {scale: {}}\n", ["a"], ["a"]),
    "hostile names": ("features:\n  exclude: []\n", ["a, b", "x: [", "# no", "it's", "null"], None),
}


@pytest.mark.parametrize("name", EDITS)
def test_names_are_added_to_retention_yml_and_all_else_stays(name: str, tmp_path: Path) -> None:
    text, names, expected = EDITS[name]
    path = tmp_path / "retention.yml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    exclude_features(path, names)
    written = path.read_text(encoding="utf-8")
    document = yaml.safe_load(written)
    assert document["features"]["exclude"] == (expected or names)
    before = yaml.safe_load(text or "") or {}
    others = {**before, "features": {k: v for k, v in (before.get("features") or {}).items() if k != "exclude"}}
    assert {**document, "features": {k: v for k, v in document["features"].items() if k != "exclude"}} == others
    for line in (text or "").splitlines():
        assert "#" not in line or line.partition("#")[2] in written, "comments stay"


@pytest.mark.parametrize("text", ["features: 3\n", "features:\n  exclude: x\n", "features: {}\n"])
def test_what_cannot_be_added_to_is_explained(text: str, tmp_path: Path) -> None:
    path = tmp_path / "retention.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="cannot be added"):
        exclude_features(path, ["a"])
    assert path.read_text(encoding="utf-8") == text


def generated(folder: Path, *actions: Exclude) -> Project:
    project = Project.open(write_project(folder, small_world()))
    Recommendations(actions).write(project.root / "recommendations.yaml")
    return project


def excluded(name: str, status: str) -> Exclude:
    return Exclude(table=TABLE, subject=name, features=[name], reason="alike", status=status, note="mine")


def test_recommendations_of_a_model_are_proposed_and_decisions_stay(tmp_path: Path) -> None:
    project = generated(tmp_path / "shop", excluded("noise_0", "rejected"), excluded("noise_1", "applied"))
    values = {"orders_count_7d": flat(9.0)} | {f"noise_{i}": flat(0.0) for i in range(3)}
    feedback = feature_feedback(diagnostics(values))
    made = refine(project, feedback, 4, accept=False)
    assert (made.proposed, made.decided) == (["noise_2"], ["noise_0", "noise_1"])
    assert "retention recommend --accept" in made.step
    path = project.root / "recommendations.yaml"
    now = Recommendations.read(path)
    one = now["gold.customer_features.exclude.noise_2"]
    assert (one.status, one.evidence["iteration"], one.features) == ("proposed", 4, ["noise_2"])
    assert now["gold.customer_features.exclude.noise_0"].status == "rejected"
    # Profiling again does not propose it, and yet it stays, so that it can be accepted.
    assert one.id in Recommendations().merge(now, {})
    assert refine(project, feedback, 5, accept=True).proposed == ["noise_2"]
    assert Recommendations.read(path)[one.id].status == "accepted"
    assert refine(project, feedback, 6, accept=True).proposed == []


def test_recommendations_are_applied_or_skipped_with_the_reason(tmp_path: Path) -> None:
    statuses = {"noise_0": "rejected", "noise_1": "applied", "noise_2": "accepted"}
    project = generated(tmp_path / "shop", *(excluded(name, status) for name, status in statuses.items()))
    found = {one.id.rpartition(".")[2]: (one.status, one.why, one.features) for one in recommended(project)}
    assert found == {
        "noise_0": (SKIPPED, "rejected: mine", ("noise_0",)),
        "noise_1": (APPLIED, "mine", ("noise_1",)),
        "noise_2": (SKIPPED, "accepted, but not generated", ("noise_2",)),
    }


def test_stages_of_a_project_without_a_profile_are_those_of_the_warehouse(tmp_path: Path) -> None:
    explored = stages(Project.open(write_project(tmp_path / "shop", small_world())))
    assert list(explored) == ["profile", "relations", "features"]
    table = explored["profile"]["tables"]["raw.raw_sim__true_hazard"]
    assert table == {"rows": len(small_world().oracle), "columns": 3}
    registered = [feature for feature in small_world().features if feature.role == "feature"]
    assert explored["features"]["figures"] == {"count": len(registered), "excluded": 0}
    assert explored["features"]["by_window"]["30d"] == 2


def test_an_iteration_of_a_generated_project_starts_from_its_recommendations(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    days = rng.integers(0, 700, 900)
    orders = pd.DataFrame(
        {
            "order_id": np.arange(900),
            "customer_id": rng.integers(0, 60, 900),
            "ordered_at": pd.Timestamp("2022-01-01") + pd.to_timedelta(days, unit="D"),
            "amount": rng.gamma(2, 20, 900).round(2),
        }
    )
    orders.to_csv(tmp_path / "orders.csv", index=False)
    made = command_here(tmp_path, "init", "shop", "--data", "orders.csv", "--horizon", "90d", "--yes")
    assert made.returncode == 0, made.stderr
    project = Project.open(tmp_path / "shop")
    kept = recommended(project)
    known = Recommendations.read(source_file(project))
    assert [one.id for one in kept] == [action.id for action in known]
    assert "silver.orders.window.all_time" in {one.id for one in kept if one.status == APPLIED}
    explored = stages(project)
    assert explored["profile"]["figures"] == {"tables": 1, "rows": 900, "columns": 4}
    assert explored["profile"]["tables"]["orders"]["time"] == "ordered_at"
    assert explored["relations"]["links"] == []


# The commands, one after the other -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one finished iteration, and a second one that is open and has a training, too."""
    folder = write_project(tmp_path_factory.mktemp("iterations") / "shop", small_world())
    settings = quick_settings((MODEL,), bootstrap_replicates=20).training.model_dump(mode="json")
    text = f"# mine\ntraining: {json.dumps(settings)}\nsurvival: {{enabled: false}}\n"
    (folder / "retention.yml").write_text(text, encoding="utf-8")
    assert command_here(folder, "iterate", "list").returncode == 2
    assert command_here(folder, "train").returncode == 0, "a training need not belong to an iteration"
    run(folder, "iterate", "start", "--reason", "first features")
    assert "no two iterations" in command_here(folder, "iterate", "compare").stderr
    run(folder, "train")  # is that of before
    judged = diagnostics({"orders_count_30d": flat(9.0)} | {f"noise_{i}": flat(0.0) for i in range(3)}, version=1)
    write_table(Project.open(folder), DIAGNOSTICS_TABLE, judged)
    (folder / "started.json").write_text(json.dumps(run(folder, "iterate", "next", "--accept", "--reason", "fewer")))
    run(folder, "train")
    return folder


def run(folder: Path, *words: str) -> dict:
    outcome = command_here(folder, *words, "--json")
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(outcome.stdout)


def test_trainings_are_child_runs_and_a_reused_one_counts(shop: Path) -> None:
    first, second = run(shop, "iterate", "list")["iterations"]
    assert (first["number"], first["trigger"], first["parent"], first["status"]) == (1, "INITIAL", None, "finished")
    assert (second["number"], second["trigger"], second["parent"], second["status"]) == (2, "MANUAL", 1, "open")
    assert [one["version"] for one in first["trainings"]] == [1], "the earlier training took its place"
    assert [one["version"] for one in second["trainings"]] == [2]
    assert second["best"]["validation"] > 0.6
    log = IterationLog.of(Project.open(shop))
    tags = log.client.get_run(second["best"]["run_id"]).data.tags
    assert tags["mlflow.parentRunId"] == second["id"]
    assert second["reason"] == "fewer"
    listed = command_here(shop, "iterate", "list").stdout
    assert "first features" in listed and "version 2" in listed
    assert log.artifact(first["id"], "stages/relations.json").is_file()
    assert log.artifact(first["id"], "start/retention.yml").read_text().startswith("# mine")


def test_the_next_iteration_starts_from_the_refined_settings(shop: Path) -> None:
    made = json.loads((shop / "started.json").read_text())
    excluded = yaml.safe_load((shop / "retention.yml").read_text())["features"]["exclude"]
    assert made["proposed"] == excluded == list(made["feedback"]["low_value"])
    assert excluded == ["noise_0", "noise_1", "noise_2"]
    log = IterationLog.of(Project.open(shop))
    at_start = log.read(log.find(2).run_id, "start/recommendations.json")["recommendations"]
    assert [one["id"] for one in at_start] == [f"features.exclude.{name}" for name in excluded]
    compared = run(shop, "iterate", "compare")
    assert (compared["before"]["number"], compared["after"]["number"]) == (1, 2)
    assert [one["id"] for one in compared["newly_applied"]] == [one["id"] for one in at_start]
    assert compared["same_rows"] is True
    assert compared["figures"]["features.excluded"] == [0, len(excluded)]
    assert abs(compared["better_by"]["validation"]) < 0.02, "what does not matter was left out"
    text = command_here(shop, "iterate", "compare", "2", "1").stdout
    assert "No longer applied" in text and "validation ROC AUC" in text


def test_mistakes_are_explained(shop: Path) -> None:
    for words, said in {
        ("iterate", "start"): "Iteration 2 is open",
        ("iterate", "compare", "1"): "Two iterations",
        ("iterate", "compare", "1", "9"): "no iteration 9",
        ("iterate", "list", "--metric", "auc"): "no metric `auc`",
    }.items():
        outcome = command_here(shop, *words)
        assert outcome.returncode == 2, words
        assert said in outcome.stderr


def test_iterations_move_with_the_folder(shop: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shop, tmp_path / "moved"))
    made = run(folder, "iterate", "next")
    assert (made["ended"], made["started"]["number"], made["started"]["parent"]) == (2, 3, 2)
    outcome = {one["id"]: one["outcome"] for one in made["recommendations"]}
    assert all(one["is_new"] and one["metric"] == "roc_auc" for one in outcome.values())
    assert len(outcome) >= next(iter(outcome.values()))["changed_together"] > 0
    assert len(run(shop, "iterate", "list")["iterations"]) == 2, "the original has not moved"
    refused = command_here(folder, "iterate", "next")
    assert refused.returncode == 2 and "Nothing was trained in iteration 3" in refused.stderr
