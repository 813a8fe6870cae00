"""From supplied labels to scores: features as of irregular times, the split as given, and who is scored."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.python.command_line import command, command_here, rows
from tests.python.labelled_world import DAYS, HORIZON, World, moment, world, write
from tests.python.plan.planning import examined, proposed

VALIDATION, TEST = datetime(2023, 8, 1), datetime(2023, 11, 1)


@pytest.fixture(scope="module")
def small() -> World:
    return world()


@pytest.fixture(scope="module")
def dated(small, tmp_path_factory) -> Path:
    """Labels with a horizon and split dates, all the way to the report, with the quickest model only.

    Names and values of the labels are hostile: they stay text everywhere.
    """
    folder = tmp_path_factory.mktemp("dated")
    visits = small.write_visits(folder / "visits.csv")
    who, when, what = 'who"}} {{ 1 / 0 }}', "as of -- ' {% raw %}", "order; drop table x"
    gone, kept = "churned {{ 1 / 0 }} 'now'", "retained \\ %} ok"
    table = [(label.customer_id, label.looked_at, gone if label.churned else kept) for label in small.labels]
    labels = write(folder / "la'bels {{ 2 }}.csv", [who, when, what], table)
    parts = [f"entity={who}", f"time={when}", f"label={what}"]
    flags = ["--horizon", "30d", "--val-from", "2023-08-01", "--test-from", "2023-11-01", "--yes"]
    flags += [word for part in parts for word in ("--label-column", part)]
    project = folder / "p"
    made = command_here(folder, "init", str(project), "--data", str(visits), "--labels", str(labels), *flags)
    assert made.returncode == 0, made.stderr
    settings = yaml.safe_load((project / "retention.yml").read_text(encoding="utf-8"))
    for name in ("lightgbm", "xgboost", "random_forest"):
        settings["training"]["models"][name]["enabled"] = False
    settings["training"]["bootstrap_replicates"] = 50
    (project / "retention.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = command_here(project, "run")
    assert done.returncode == 0, done.stderr[-3000:]
    return project


def measured(project: Path) -> dict:
    return json.loads((project / "reports" / "metrics.json").read_text(encoding="utf-8"))


def test_irregular_times_are_backtested_in_groups(dated):
    found = json.loads((dated / "reports" / "backtest.json").read_text(encoding="utf-8"))
    assert found["kind"] == "rolling_origin"
    assert all(origin["feature_timestamp"] < origin["last_feature_timestamp"] for origin in found["origins"])


def test_features_see_exactly_what_came_before_each_irregular_time(dated, small):
    by_customer = defaultdict(list)
    for who, at, pages in small.visits:
        by_customer[who].append((at, pages))
    made = rows(
        dated,
        "select customer_id, feature_timestamp, visits_count_30d, visits_pages_sum_30d, visits_count_all_time, "
        "visits_days_since_last from gold.gld_customer_features",
    )
    wanted = {(label.customer_id, label.looked_at) for label in small.labels}
    assert wanted <= {(who, at) for who, at, *_ in made}
    edges = 0
    for who, at, count, pages, all_time, since in made:
        seen = by_customer[who][: bisect_left(by_customer[who], (at,))]
        recent = [p for t, p in seen if t >= at - HORIZON]
        edges += any(t == at for t, _ in by_customer[who]) and any(t == at - HORIZON for t, _ in seen)
        assert (count, all_time) == (len(recent), len(seen))
        assert (pages or 0) == sum(recent)
        assert since == pytest.approx((at - seen[-1][0]) / timedelta(days=1)) if seen else since is None
    assert edges >= 20


def test_labels_are_what_was_supplied_and_when_it_was_known(dated, small):
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
    assert (split["kind"], split["purge"]) == ("temporal", "30d")
    times = [label.looked_at for label in small.labels]
    assert split["rows"]["test"] == sum(at >= TEST for at in times)
    assert split["rows"]["validation"] == sum(at >= VALIDATION and at + HORIZON <= TEST for at in times)
    assert split["rows"]["train"] == sum(at + HORIZON <= VALIDATION for at in times)
    assert measured(dated)["test"]["roc_auc"]["value"] > 0.6


def test_whoever_is_not_known_to_have_churned_is_scored_at_the_end(dated, small):
    assert rows(dated, "select distinct feature_timestamp from gold.gld_churn_scores") == [(moment(DAYS - 1),)]
    scored = {who for (who,) in rows(dated, "select customer_id from gold.gld_churn_scores")}
    last = {label.customer_id: label for label in sorted(small.labels, key=lambda label: label.looked_at)}
    assert scored
    assert scored <= set(last)
    assert not any(last[who].churned for who in scored)


def test_replay_is_exact_at_the_scoring_time_and_detects_a_feature_that_reads_outcomes(dated):
    at = rows(dated, "select feature_timestamp from gold.gld_training_set order by 1 limit 1 offset 200")[0][0]
    exact = command_here(dated, "replay", "--as-of", str(at), "--json")
    assert exact.returncode == 0, exact.stderr
    (replay,) = json.loads(exact.stdout)["replays"]
    assert replay["identical"]
    assert replay["rows"]
    assert replay["hidden"]["raw.supplied_labels"]
    assert not replay["uncut"]
    model = dated / "models/gold/gld_customer_features.sql"
    honest = model.read_text(encoding="utf-8")
    leaking = honest.replace(
        "    select {{ customer_retention.columns_except(['visits_fingerprint']) }} "
        "from {{ ref('slv_visits_windows') }}",
        "    select w.* exclude (visits_fingerprint, visits_count_30d),\n"
        "        coalesce(l.churned, w.visits_count_30d) as visits_count_30d\n"
        "    from {{ ref('slv_visits_windows') }} as w\n"
        "    left join {{ ref('slv_labels') }} as l using (customer_id, feature_timestamp)",
    )
    assert leaking != honest
    try:
        model.write_text(leaking, encoding="utf-8")
        built = command(dated, "dbt", "run", "--select", "gld_customer_features")
        assert built.returncode == 0, built.stdout
        outcome = command_here(dated, "replay", "--as-of", str(at))
        assert outcome.returncode == 3
        assert "visits_count_30d" in outcome.stderr
    finally:
        model.write_text(honest, encoding="utf-8")


def test_the_report_groups_irregular_times(dated):
    page = (dated / "reports" / "index.html").read_text(encoding="utf-8")
    assert "Feature times are irregular" in page
    assert "{{ 1 / 0 }}" in page


def test_rows_of_the_newest_time_without_an_outcome_are_scored(small, tmp_path):
    visits = small.write_visits(tmp_path / "visits.csv")
    newest = moment(DAYS - 1)
    table = [(e.customer_id, e.looked_at, "left" if e.churned else "stayed", e.looked_at + timedelta(days=20))
             for e in small.labels]  # fmt: skip
    table += [(f"C{number:04d}", newest, "", "") for number in range(200, 240)]
    labels = write(tmp_path / "labels.csv", ["customer", "looked_at", "outcome", "outcome_known"], table)
    examination = examined(visits, labels=labels)
    plan = examination.planned(proposed(examination)).plan
    assert plan.outcome.scores == "unlabelled"
    assert plan.setting("score_at") == str(newest)
