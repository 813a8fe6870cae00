"""From supplied labels to scores: features as of irregular times, the split as given, and what is scored."""

from __future__ import annotations

import json
import shutil
from bisect import bisect_left
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.python.command_line import command, command_here, rows
from tests.python.labelled_world import DAYS, HORIZON, START, World, moment, world, write

VALIDATION, TEST = datetime(2023, 8, 1), datetime(2023, 11, 1)


@pytest.fixture(scope="module")
def small() -> World:
    return world()


@pytest.fixture(scope="module")
def dated(small, tmp_path_factory) -> Path:
    """Labels with a horizon and split dates, all the way to the report."""
    folder = tmp_path_factory.mktemp("dated")
    visits, labels = small.write_visits(folder / "visits.csv"), small.write_labels(folder / "labels.csv")
    flags = ["--horizon", "30d", "--val-from", "2023-08-01", "--test-from", "2023-11-01"]
    return made(folder / "p", visits, labels, *flags)


@pytest.fixture(scope="module")
def split(small, tmp_path_factory) -> Path:
    """Labels with a split column, the time of each outcome, and rows of the newest time to score."""
    folder = tmp_path_factory.mktemp("split")
    visits = small.write_visits(folder / "visits.csv")
    parts = {"train": datetime(2023, 9, 1), "validation": TEST, "test": moment(DAYS)}
    table = [
        (
            label.customer_id,
            label.looked_at,
            "left" if label.churned else "stayed",
            label.looked_at + timedelta(days=20),
            next(part for part, end in parts.items() if label.looked_at < end),
        )
        for label in small.labels
    ]
    newest = moment(DAYS - 1)
    table += [(f"C{number:04d}", newest, "", "", "") for number in range(200, 240)]
    header = ["customer", "looked_at", "outcome", "outcome_known", "part"]
    labels = write(folder / "labels.csv", header, table)
    return made(folder / "p", visits, labels, command_words=("train",))


def made(project: Path, visits: Path, labels: Path, *flags: str, command_words: tuple[str, ...] = ("run",)) -> Path:
    """A project from events and labels, with the quickest model only."""
    outcome = command_here(
        project.parent, "init", str(project), "--data", str(visits), "--labels", str(labels), *flags, "--yes"
    )
    assert outcome.returncode == 0, outcome.stderr
    settings = yaml.safe_load((project / "retention.yml").read_text(encoding="utf-8"))
    for name in ("lightgbm", "xgboost", "random_forest"):
        settings["training"]["models"][name]["enabled"] = False
    settings["training"]["bootstrap_replicates"] = 50
    (project / "retention.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    for word in ("build", *command_words) if command_words != ("run",) else command_words:
        done = command_here(project, word)
        assert done.returncode == 0, done.stderr[-3000:]
    return project


def test_hostile_names_and_values_of_labels_stay_text(small, tmp_path):
    visits = small.write_visits(tmp_path / "visits.csv")
    who, when, what = 'who"}} {{ 1 / 0 }}', "as of -- ' {% raw %}", "order; drop table x"
    left, stayed = "churned {{ 1 / 0 }} 'now'", "stayed \\ %} ok"
    table = [(label.customer_id, label.looked_at, left if label.churned else stayed) for label in small.labels]
    labels = write(tmp_path / "la'bels {{ 2 }}.csv", [who, when, what], table)
    flags = [f"entity={who}", f"time={when}", f"label={what}"]
    flags = [word for flag in flags for word in ("--label-column", flag)]
    project = made(tmp_path / "p", visits, labels, "--horizon", "30d", *flags, command_words=())
    ((rows_built, leavers),) = rows(project, "select count(churned), sum(churned) from gold.gld_training_set")
    assert (rows_built, leavers) == (len(small.labels), sum(label.churned for label in small.labels))


def measured(project: Path) -> dict:
    return json.loads((project / "reports" / "metrics.json").read_text(encoding="utf-8"))


def test_features_see_exactly_what_came_before_each_irregular_time(dated, small):
    by_customer = defaultdict(list)
    for who, at, pages in small.visits:
        by_customer[who].append((at, pages))
    found = rows(
        dated,
        "select customer_id, feature_timestamp, visits_count_30d, visits_pages_sum_30d, visits_count_all_time, "
        "visits_days_since_last from gold.gld_customer_features",
    )
    asked = {(label.customer_id, label.looked_at) for label in small.labels}
    assert asked <= {(who, at) for who, at, *_ in found}
    edges = 0
    for who, at, count, pages, all_time, since in found:
        seen = by_customer[who][: bisect_left(by_customer[who], (at,))]
        recent = [p for t, p in seen if t >= at - HORIZON]
        edges += any(t == at for t, _ in by_customer[who]) and any(t == at - HORIZON for t, _ in seen)
        assert (count, all_time) == (len(recent), len(seen))
        assert (pages or 0) == sum(recent)
        assert since == pytest.approx((at - seen[-1][0]) / timedelta(days=1)) if seen else since is None
    assert edges >= 20


def test_labels_say_what_was_supplied_and_when_it_was_known(dated, small):
    stored = rows(
        dated,
        "select customer_id, feature_timestamp, churned, label_timestamp from gold.gld_churn_labels "
        "where churned is not null",
    )
    assert {(who, at): (churned, known) for who, at, churned, known in stored} == {
        (label.customer_id, label.looked_at): (label.churned, label.looked_at + HORIZON) for label in small.labels
    }


def test_the_split_uses_the_given_dates(dated, small):
    split = measured(dated)["split"]
    assert split["kind"] == "temporal"
    assert split["purge"] == "30d"
    times = [label.looked_at for label in small.labels]
    assert split["rows"]["test"] == sum(at >= TEST for at in times)
    assert split["rows"]["validation"] == sum(at >= VALIDATION and at + HORIZON <= TEST for at in times)
    assert split["rows"]["train"] == sum(at + HORIZON <= VALIDATION for at in times)
    assert measured(dated)["test"]["roc_auc"]["value"] > 0.6


def test_whoever_is_not_known_to_have_left_is_scored_at_the_end(dated, small):
    newest = moment(DAYS - 1)
    assert rows(dated, "select distinct feature_timestamp from gold.gld_churn_scores") == [(newest,)]
    scored = {who for (who,) in rows(dated, "select customer_id from gold.gld_churn_scores")}
    last = {label.customer_id: label for label in sorted(small.labels, key=lambda label: label.looked_at)}
    assert scored
    assert scored <= set(last)
    assert not any(last[who].churned for who in scored)


def test_replay_is_exact_at_irregular_times_and_at_the_scoring_time(dated):
    outcome = command_here(dated, "replay", "--json")
    assert outcome.returncode == 0, outcome.stderr
    replays = json.loads(outcome.stdout)["replays"]
    assert all(replay["identical"] and replay["rows"] for replay in replays)
    assert all(replay["hidden"]["raw.labels"] for replay in replays[:-1])
    assert not any(replay["uncut"] for replay in replays)


def test_replay_tells_a_feature_that_reads_outcomes(dated):
    leaking = dated.with_name("leaking")  # beside it, for its files are named from there
    shutil.copytree(dated, leaking, ignore=shutil.ignore_patterns("target", "logs", "mlartifacts"))
    model = leaking / "models/gold/gld_customer_features.sql"
    model.write_text(
        model.read_text(encoding="utf-8").replace(
            "    select * from {{ ref('slv_visits_windows') }}",
            "    select w.* exclude (visits_count_30d),\n"
            "        coalesce(l.churned, w.visits_count_30d) as visits_count_30d\n"
            "    from {{ ref('slv_visits_windows') }} as w\n"
            "    left join {{ ref('slv_labels') }} as l using (customer_id, feature_timestamp)",
        ),
        encoding="utf-8",
    )
    assert command(leaking, "dbt", "run", "--select", "gld_customer_features").returncode == 0
    outcome = command_here(leaking, "replay")
    assert outcome.returncode == 3
    assert "visits_count_30d" in outcome.stderr


def test_the_report_groups_irregular_times(dated):
    page = (dated / "reports" / "index.html").read_text(encoding="utf-8")
    assert "Feature times are irregular" in page
    assert "A customer has churned when the column churned says “1”." in page


def test_the_split_uses_the_given_column(split, small):
    found = measured(split)["split"]
    times = [label.looked_at for label in small.labels]
    ahead = timedelta(days=20)
    test_from = min(at for at in times if at >= TEST)
    validation_from = min(at for at in times if at >= datetime(2023, 9, 1))
    assert found["rows"]["test"] == sum(at >= TEST for at in times)
    assert found["rows"]["validation"] == sum(at >= validation_from and at + ahead <= test_from for at in times)
    assert found["rows"]["train"] == sum(at + ahead <= validation_from for at in times)
    assert found["test_from"] == test_from.isoformat()
    assert not any("overlap" in warning for warning in measured(split)["warnings"])


def test_rows_of_the_newest_time_without_an_outcome_are_scored(split):
    newest = moment(DAYS - 1)
    scored = rows(split, "select feature_timestamp, count(*) from gold.gld_scoring_set group by 1")
    ((at, count),) = scored
    assert at == newest
    assert 20 < count <= 40
    assert rows(split, "select count(*) from gold.gld_training_set where churned is null") == [(0,)]
    features = rows(split, "select min(feature_timestamp), max(feature_timestamp) from gold.gld_customer_features")
    assert START < features[0][0] < features[0][1] == newest
