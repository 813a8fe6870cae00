"""A table with an outcome and no events: leaks, cross-validation, hostile names, and the whole way to the report."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from tests.python.command_line import command_here, rows
from tests.python.generate.building import built
from tests.python.undated import customers

SEEN = date(2024, 6, 30)
FAST = """
training:
  bootstrap_replicates: 50
  models: {lightgbm: {enabled: false}, xgboost: {enabled: false}, random_forest: {enabled: false}}
backtest: {repeats: 2, folds: 3}
"""
EVIL = 'Ünit "price" {{ 1/0 }}; drop table x --'


def faster(folder: Path, **sections: object) -> None:
    """Keep what `init` wrote of features and leaks, and train only what is quick."""
    settings = yaml.safe_load((folder / "retention.yml").read_text())
    kept = {name: settings[name] for name in ("features", "leakage")} | sections
    (folder / "retention.yml").write_text(yaml.safe_dump(kept) + FAST)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project of a table with a leak, ids that are missing or repeated, unknown outcomes, and hostile names."""
    folder = tmp_path_factory.mktemp("static")
    path = customers(
        folder / "ev'il {{ 1 }}.csv",
        **{
            "customerID": lambda n, left, draw: "" if n < 7 else f"K{n - 3:05d}" if 20 <= n < 23 else f"K{n:05d}",
            "mails": lambda n, left, draw: 0 if left and draw.random() < 0.9 else draw.randrange(1, 30),
            "Churn": lambda n, left, draw: "" if n % 30 == 29 else "it's {{ 1 }} \\" if left else "no'--",
            EVIL: lambda n, left, draw: draw.choice(["{{x}}", "'", '"', "{% raw %}"]),
            "select": lambda n, left, draw: draw.randrange(9),
            "churned": lambda n, left, draw: draw.randrange(9),
            "feature_timestamp": lambda n, left, draw: draw.randrange(9),
        },
    )
    arguments = ("--data", str(path), "--outcome", "Churn", "--positive", "it's {{ 1 }} \\", "--json")
    made = command_here(folder, "init", str(folder / "shop"), *arguments)
    assert made.returncode == 0, made.stderr
    faster(folder / "shop")
    run = command_here(folder / "shop", "run")
    assert run.returncode == 0, run.stderr[-3000:]
    return folder / "shop"


def test_the_backtest_is_a_repeated_cross_validation(project):
    found = json.loads((project / "reports" / "backtest.json").read_text(encoding="utf-8"))
    assert (found["kind"], len(found["origins"])) == ("repeated_cross_validation", 2)
    assert found["baselines"] == []
    assert rows(project, "select count(distinct origin) from gold.gld_backtests") == [(3,)]


def test_init_excludes_the_leak_and_reports_it(project):
    findings = yaml.safe_load((project / "findings.yaml").read_text())
    assert findings["outcome"]["scenario"] == "static"
    assert [leak["column"] for leak in findings["leakage"]] == ["mails"]
    assert findings["leakage"][0]["severity"] == "critical"
    assert set(findings["excluded_features"]) == {"mails"}
    readme = (project / "README.md").read_text()
    assert "`mails`" in readme
    assert yaml.safe_load((project / "retention.yml").read_text())["features"]["exclude"] == ["mails"]


def test_gold_has_the_same_tables_as_everywhere_and_no_row_is_lost(project):
    tables = {name for (name,) in rows(project, "select table_name from information_schema.tables")}
    assert {
        *("gld_customer_features", "gld_churn_labels", "gld_training_set", "gld_scoring_set"),
        *("gld_churn_scores_raw", "gld_churn_reasons_raw", "gld_churn_scores", "gld_churn_reasons"),
    } <= tables
    counts = dict(rows(project, "select outcome, row_count from bronze.brz_row_counts"))
    assert counts == {"kept": 890, "missing customer_id": 7, "duplicate customer_id": 3}
    ((features,),) = rows(project, "select count(*) from gold.gld_customer_features")
    assert features == 890
    ((labelled, scored),) = rows(
        project,
        "select (select count(*) from gold.gld_training_set), (select count(*) from gold.gld_churn_scores)",
    )
    ((unknown, retained, churned),) = rows(
        project,
        "select count(*) filter (where churned is null), count(*) filter (where churned = 0), sum(churned) "
        "from gold.gld_churn_labels",
    )
    assert unknown > 20
    assert labelled == 890 - unknown == retained + churned
    assert scored == unknown + retained
    assert rows(project, "select distinct cast(feature_timestamp as varchar) from gold.gld_churn_labels") == [
        ("1970-01-01 00:00:00",)
    ]


def test_metrics_come_from_cross_validation_and_warn(project):
    metrics = json.loads((project / "reports" / "metrics.json").read_text())
    split = metrics["split"]
    assert (split["kind"], split["folds"], split["test_from"]) == ("cross_validation", 5, None)
    assert metrics["warnings"][0].startswith("one snapshot without dates:")
    auc = metrics["test"]["roc_auc"]
    assert 0.7 < auc["low"] < auc["value"] < auc["high"] < 0.95
    assert metrics["test"]["n"] == metrics["data"]["rows"]
    assert len(split["fold_roc_auc"][metrics["champion"]["name"]]) == 5
    assert metrics["leakage"]["excluded"] == ["mails"]
    assert metrics["not_trusted_because"] == []
    page = (project / "reports" / "index.html").read_text()
    assert "one snapshot without dates" in page
    assert "1970" not in page
    assert "later period that took no part" not in page
    assert "<code><bdi>mails</bdi></code>, which most likely contains the outcome" in page


def test_a_leak_that_is_not_excluded_stops_the_training(project):
    before = (project / "retention.yml").read_text()
    try:
        faster(project, features={"exclude": []})
        refused = command_here(project, "train")
        assert refused.returncode == 3
        assert "`mails`" in refused.stderr
        assert "AUC of 0.9" in refused.stderr
        assert "exclude: [mails]" in refused.stderr
        assert "Traceback" not in refused.stderr
        faster(project, features={"exclude": ["mials"]})
        refused = command_here(project, "train")
        assert refused.returncode == 2
        assert "did you mean `mails`" in refused.stderr
    finally:
        (project / "retention.yml").write_text(before)


def test_an_accepted_leak_is_never_presented_as_quality(project):
    before = (project / "retention.yml").read_text()
    kept = {path: path.read_bytes() for path in (project / "reports").iterdir() if path.is_file()}
    try:
        faster(project, features={"exclude": []}, leakage={"accept": {"mails": "the data owner confirms it"}})
        run = command_here(project, "train")
        assert run.returncode == 0, run.stderr
        assert "NOT TO BE TRUSTED" in run.stdout
        assert command_here(project, "report").returncode == 0
        metrics = json.loads((project / "reports" / "metrics.json").read_text())
        assert any("`mails`" in reason for reason in metrics["not_trusted_because"])
        assert any("the data owner confirms it" in warning for warning in metrics["warnings"])
        assert (project / "reports" / "index.html").read_text().count("not to be trusted") >= 3
    finally:
        (project / "retention.yml").write_text(before)
        for path, content in kept.items():
            path.write_bytes(content)


def test_rows_with_times_of_their_own_are_as_of_them(tmp_path):
    """That they are split by time and purged is tested with supplied labels."""
    path = customers(
        tmp_path / "data.csv",
        rows=600,
        snapshot_date=lambda n, left, draw: SEEN - timedelta(days=30 * (n % 12)),
        label_date=lambda n, left, draw: SEEN - timedelta(days=30 * (n % 12) - 30),
        signup_date=lambda n, left, draw: SEEN - timedelta(days=700 + n % 90),
    )
    project = built(tmp_path / "p", path, outcome="Churn")
    made = rows(
        project,
        "select customer_id, feature_timestamp, label_timestamp, days_since_signup_date from gold.gld_training_set",
    )
    assert len(made) == 600
    for who, at, known, tenure in made:
        n = int(who[1:])
        assert at.date() == SEEN - timedelta(days=30 * (n % 12))
        assert (known - at).days == 30
        assert tenure == 700 + n % 90 - 30 * (n % 12)
