"""`retention rehearse`: nothing is known too early, killed walks resume, retraining helps if the world turns."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import brier_score_loss, roc_auc_score

from python_ml.cli.options import Console
from python_ml.customer_value import Terms
from python_ml.decisions.economics import realised_profit
from python_ml.errors import UserError
from python_ml.monitor.rehearsal import tables
from python_ml.monitor.rehearsal.proof import differing_scores, rehearsed_times
from python_ml.monitor.rehearsal.rehearsing import folder_of, steps_between
from python_ml.monitor.rehearsal.results import rehearsal_results
from python_ml.monitor.rehearsal.visible import BuiltWarehouse
from python_ml.monitor.rehearsal.walk import ALWAYS, NEVER, POLICIES, PROMOTED, TRIGGERED, FinishedStep, Walk
from python_ml.monitor.retraining import PERFORMANCE, RETRAIN
from python_ml.project import Project
from python_ml.report.rehearsal_page import render_rehearsal
from python_ml.warehouse import read_table, write_table
from tests.python.churn_world import ChurnWorld
from tests.python.command_line import command_here
from tests.python.rehearsed_world import CHANGE, FITTED, page_of, shop, turning_world, walk_of

FIRST, EVERY = 4, 2  # month of the first step, months between steps


@dataclass(frozen=True)
class Rehearsed:
    world: ChurnWorld
    project: Project
    walk: Walk
    steps: list[FinishedStep]
    found: dict
    times: list[datetime]


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """The whole walk, without interruption."""
    world = turning_world()
    project = shop(tmp_path_factory.mktemp("rehearsal") / "shop", world)
    months = sorted(world.frame["feature_timestamp"].unique())
    times = [pd.Timestamp(time).to_pydatetime() for time in months[FIRST::EVERY]]
    walk = walk_of(project, world, folder_of(project), times)
    steps = walk.run()
    found = rehearsal_results(steps, world.frame, "customer_id", walk.settings, walk.versions)
    return Rehearsed(world, project, walk, steps, found, times)


def test_what_becomes_known_later_changes_nothing_before(rehearsed: Rehearsed, tmp_path: Path) -> None:
    """Another future: outcomes that are known after the second step, and features after it, are all different."""
    then = rehearsed.times[1]
    frame = rehearsed.world.frame.copy()
    late = frame["label_timestamp"] > then
    frame.loc[late, "churned"] = 1 - frame.loc[late, "churned"]
    frame.loc[frame["feature_timestamp"] > then, "orders_count_30d"] = 0
    other = walk_of(rehearsed.project, rehearsed.world, tmp_path, rehearsed.times[:3], frame=frame).run()
    for ours, theirs in zip(rehearsed.steps[:2], other[:2], strict=True):
        assert ours.record == theirs.record
        pd.testing.assert_frame_equal(ours.scores, theirs.scores, check_exact=True)
    assert not rehearsed.steps[2].scores.equals(other[2].scores)  # and the test can tell


def test_a_step_learns_only_from_labels_that_were_known(rehearsed: Rehearsed) -> None:
    for step in rehearsed.steps:
        for policy in step.record["policies"].values():
            version = rehearsed.walk.versions[policy["version"]]
            assert version.trained_at <= datetime.fromisoformat(step.record["time"])
            known = rehearsed.world.frame["label_timestamp"] <= version.trained_at
            assert version.rows == known.sum()
            assert version.newest_row == rehearsed.world.frame.loc[known, "feature_timestamp"].max()


def test_components_are_not_used_before_they_were_fitted(rehearsed: Rehearsed) -> None:
    left_out = [step.record["left_out"] for step in rehearsed.steps]
    assert left_out[0] == [FITTED]
    assert left_out[-1] == []
    for number in {policy["version"] for step in rehearsed.steps for policy in step.record["policies"].values()}:
        version = rehearsed.walk.versions[number]
        used = FITTED in {column.name for column in version.opened().card.columns}
        assert not used or FITTED not in rehearsed.steps[number - 1].record["left_out"]


def test_a_killed_walk_comes_to_the_same_page(rehearsed: Rehearsed, tmp_path: Path) -> None:
    """Killed at the start of a step, with a finished step's training done, and once more in the middle of a write."""
    whole = page_of(rehearsed.walk, rehearsed.steps, rehearsed.world)
    folder = tmp_path / "rehearsal"
    killed = walk_of(rehearsed.project, rehearsed.world, folder, rehearsed.times, killed_at=rehearsed.times[2])
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    assert len(list((folder / "steps").glob("*.json"))) == 2
    # Further steps were done elsewhere; the last of them has trained and written its scores, but not its record.
    for path in sorted((rehearsed.walk.folder / "steps").iterdir()):
        if path.stem != "0001" and path.stem != f"{len(rehearsed.times):04d}":
            shutil.copy(path, folder / "steps")
    shutil.copytree(rehearsed.walk.folder / "versions", folder / "versions", dirs_exist_ok=True)
    last = sorted((folder / "steps").glob("*.json"))[-1]
    last.unlink()
    (folder / "steps" / f"{last.stem}.parquet").write_bytes(b"half")
    resumed = walk_of(rehearsed.project, rehearsed.world, folder, rehearsed.times)
    assert page_of(resumed, resumed.run(), rehearsed.world) == whole
    assert resumed.source.opened == rehearsed.times[int(last.stem) - 1 :]


def test_retraining_helps_where_the_world_turned(rehearsed: Rehearsed) -> None:
    steps, policies = rehearsed.found["steps"], rehearsed.found["policies"]
    fired = [step for step in steps if step["policies"][TRIGGERED]["decision"] == RETRAIN]
    turned = datetime.fromisoformat(steps[(CHANGE - FIRST) // EVERY]["time"])
    by_performance = [step for step in fired if step["policies"][TRIGGERED]["trigger"] == PERFORMANCE]
    assert by_performance
    assert all(datetime.fromisoformat(step["time"]) > turned for step in by_performance)
    assert policies[TRIGGERED]["promotions"] >= 1
    assert policies[NEVER] == {**policies[NEVER], "trainings": 0, "promotions": 0}
    assert policies[ALWAYS]["trainings"] > policies[TRIGGERED]["trainings"]
    ahead = rehearsed.found["differences"][NEVER]
    assert ahead["roc_auc"]["low"] > 0
    assert ahead["brier"]["high"] < 0


def test_versions_follow_from_the_decisions(rehearsed: Rehearsed) -> None:
    for before, after in zip(rehearsed.found["steps"], rehearsed.found["steps"][1:], strict=False):
        for name in POLICIES:
            policy = before["policies"][name]
            assert after["policies"][name]["version"] == policy["next"]
            assert policy["next"] == (policy["trained"] if policy["outcome"] == PROMOTED else policy["version"])
    assert {step["policies"][NEVER]["version"] for step in rehearsed.found["steps"]} == {1}
    last = rehearsed.found["steps"][-1]["policies"]
    assert not any(policy["trained"] for policy in last.values())


def test_figures_are_those_of_the_outcomes(rehearsed: Rehearsed) -> None:
    """By scikit-learn, and by hand for the money."""
    step, place = rehearsed.steps[2], 2
    scores = step.scores[step.scores["policy"] == NEVER].merge(
        rehearsed.world.frame[["customer_id", "feature_timestamp", "churned"]]
    )
    realised = rehearsed.found["steps"][place]["policies"][NEVER]["realised"]
    churned, probability = scores["churned"], scores["churn_probability"]
    assert realised["roc_auc"]["value"] == pytest.approx(roc_auc_score(churned, probability))
    assert realised["brier"]["value"] == pytest.approx(brier_score_loss(churned, probability))
    top = probability.sort_values(ascending=False, kind="stable").index[: round(0.1 * len(scores))]
    assert realised["lift_at_capacity"]["value"] == pytest.approx(churned[top].mean() / churned.mean())
    contacted = scores["campaign_arm"] == "contacted"
    earned = realised_profit(churned, scores["customer_value"], Terms(**step.record["terms"]))
    assert realised["profit"]["value"] == pytest.approx(earned[contacted.fillna(False).to_numpy(dtype=bool)].sum())
    assert step.record["policies"][NEVER]["contacted"] == contacted.sum()


def test_every_policy_is_worth_the_same_to_a_customer(rehearsed: Rehearsed) -> None:
    for step in rehearsed.steps:
        by_policy = step.scores.pivot(index="customer_id", columns="policy", values="customer_value")
        assert (by_policy.nunique(axis=1) == 1).all()


def test_without_outcomes_there_is_a_page_all_the_same(rehearsed: Rehearsed) -> None:
    nothing = rehearsed.world.frame.iloc[:0]
    found = rehearsal_results(rehearsed.steps, nothing, "customer_id", rehearsed.walk.settings, rehearsed.walk.versions)
    assert found["outcomes"] == 0
    assert "No outcomes are known yet" in render_rehearsal(found, "shop")
    assert tables.summary(found)
    everybody = rehearsed.world.frame.assign(churned=1)
    found = rehearsal_results(
        rehearsed.steps, everybody, "customer_id", rehearsed.walk.settings, rehearsed.walk.versions
    )
    assert found["policies"][NEVER]["realised"]["roc_auc"]["value"] is None
    assert render_rehearsal(found, "shop")


def test_scores_are_made_again(rehearsed: Rehearsed, tmp_path: Path) -> None:
    tables.store_rehearsal(rehearsed.project, rehearsed.found, rehearsed.steps)
    rows = read_table(rehearsed.project, tables.TABLE)
    assert len(rows) == len(POLICIES) * len(rehearsed.times)
    assert not rows.duplicated(["policy", "feature_timestamp"]).any()
    database, then = tmp_path / "rebuilt.duckdb", rehearsed.times[4]
    frame = rehearsed.world.frame
    with duckdb.connect(str(database)) as connection:
        connection.register("incoming", frame.sample(frac=1, random_state=1))
        connection.execute("create schema gold; create table gold.gld_customer_features as select * from incoming")
    customers = int((frame["feature_timestamp"] == then).sum())
    again = differing_scores(rehearsed.project, database, then)
    assert again == {"scores": len(POLICIES) * customers, "differing": 0}
    scores = read_table(rehearsed.project, tables.SCORES)
    place = scores.index[scores["feature_timestamp"] == then][3]
    scores.loc[place, "churn_probability"] = np.nextafter(scores.loc[place, "churn_probability"], 1)
    write_table(rehearsed.project, tables.SCORES, scores)
    assert differing_scores(rehearsed.project, database, then)["differing"] == 1


def test_only_what_was_rehearsed_is_made_again(rehearsed: Rehearsed, tmp_path: Path) -> None:
    tables.store_rehearsal(rehearsed.project, rehearsed.found, rehearsed.steps)
    assert rehearsed_times(rehearsed.project) == rehearsed.times
    other = command_here(rehearsed.project.root, "replay", "--rehearsal", "--as-of", "2019-01-01")
    assert (other.returncode, "The rehearsal did not score at 2019-01-01" in other.stderr) == (2, True)
    shutil.copytree(rehearsed.project.root, tmp_path / "shop", ignore=shutil.ignore_patterns("mlartifacts"))
    with duckdb.connect(str(tmp_path / "shop" / "warehouse.duckdb")) as connection:
        connection.execute(f"drop table {tables.SCORES}")
    without = command_here(tmp_path / "shop", "replay", "--rehearsal")
    assert (without.returncode, "run `retention rehearse`" in without.stderr) == (2, True)


def test_a_changed_model_is_not_opened(rehearsed: Rehearsed, tmp_path: Path) -> None:
    folder = tmp_path / "versions"
    shutil.copytree(rehearsed.walk.folder / "versions" / "1", folder / "1")
    with (folder / "1" / "model" / "model.pkl").open("ab") as file:
        file.write(b"x")
    walk = walk_of(rehearsed.project, rehearsed.world, tmp_path, rehearsed.times)
    with pytest.raises(UserError, match="were changed"):
        walk.versions[1]


def test_names_are_escaped(rehearsed: Rehearsed) -> None:
    hostile = "<script>alert(1)</script>"
    step = rehearsed.found["steps"][0]
    policy = {**step["policies"][TRIGGERED], "reason": hostile}
    first = {**step, "left_out": [hostile], "policies": {**step["policies"], TRIGGERED: policy}}
    found = {**rehearsed.found, "steps": [first, *rehearsed.found["steps"][1:]]}
    page = render_rehearsal(found, hostile)
    assert hostile not in page
    assert "&lt;script&gt;" in page


def test_the_first_training_needs_a_history(rehearsed: Rehearsed, tmp_path: Path) -> None:
    times = [pd.Timestamp(time).to_pydatetime() for time in sorted(rehearsed.world.frame["feature_timestamp"].unique())]
    with pytest.raises(UserError, match=r"no labelled rows|too short"):
        walk_of(rehearsed.project, rehearsed.world, tmp_path, times[:2]).run()


@pytest.mark.parametrize(
    "words, said",
    [
        (("--from", "2030-01-01"), "at least two stored feature times"),
        (("--from", "2023-09-01", "--to", "2023-03-01"), "at least two stored feature times"),
        (("--from", "soon"), "is not a time"),
    ],
)
def test_mistakes_are_one_message(rehearsed: Rehearsed, words: tuple[str, ...], said: str) -> None:
    features = rehearsed.world.frame.drop(columns=["churned", "label_timestamp"])
    write_table(rehearsed.project, "gold.gld_customer_features", features)
    outcome = command_here(rehearsed.project.root, "rehearse", *words)
    assert outcome.returncode == 2
    assert said in outcome.stderr


def test_the_steps_are_stored_feature_times(rehearsed: Rehearsed) -> None:
    features = rehearsed.world.frame.drop(columns=["churned", "label_timestamp"])
    write_table(rehearsed.project, "gold.gld_customer_features", features)
    assert len(steps_between(rehearsed.project, None, None)) == 12
    assert steps_between(rehearsed.project, rehearsed.times[0], None)[::EVERY] == rehearsed.times


def test_the_tables_are_described_in_every_project(repository: Path) -> None:
    own = (repository / "models" / "gold" / "_gold__rehearsal.yml").read_text(encoding="utf-8")
    folder = repository / "python_ml" / "generate" / "templates" / "gold"
    theirs = (folder / "_gold__rehearsal.yml").read_text(encoding="utf-8")
    assert own == theirs.replace("[[ entity | yaml ]]", "customer_id")
    described = {
        table["name"]: {column["name"]: column["data_type"] for column in table["columns"]}
        for table in yaml.safe_load(own)["sources"][0]["tables"]
    }
    assert described["gld_rehearsal"] == tables.COLUMNS
    assert [*described["gld_rehearsal_scores"]] == ["customer_id", *tables.SCORE_COLUMNS]


def test_supplied_labels_are_known_after_their_time_and_the_lag(rehearsed: Rehearsed, tmp_path: Path) -> None:
    """A replay hides supplied outcomes; the stored ones whose time had come take their place, with rebuilt features."""
    project = shop(tmp_path / "shop", rehearsed.world)
    lagged = Project(project.root, None, {**project.config, "vars": {**project.vars, "maturity_lag": "2d"}})
    labels = rehearsed.world.frame[["customer_id", "feature_timestamp", "churned", "label_timestamp"]]
    write_table(lagged, "gold.gld_churn_labels", labels)
    then = datetime(2023, 8, 1)
    with duckdb.connect() as connection:
        rebuilt = rehearsed.world.frame.assign(noise_1=1.5, row_fingerprint="x")
        connection.register("incoming", rebuilt[rebuilt["feature_timestamp"] <= then])
        connection.execute("create schema gold")
        connection.execute(
            "create table gold.gld_customer_features as select * exclude (churned, label_timestamp) from incoming"
        )
        BuiltWarehouse(lagged, [then], tmp_path, Console()).take_supplied_labels(connection, then)
        found = connection.sql("select * from gold.gld_training_set").df()
    # July's windows end on 31 July, and wait two days; June's are over.
    assert found["feature_timestamp"].max() == datetime(2023, 6, 1)
    assert len(found) == (labels["label_timestamp"] <= datetime(2023, 7, 30)).sum()
    assert set(found["noise_1"]) == {1.5}
    assert "row_fingerprint" not in found
