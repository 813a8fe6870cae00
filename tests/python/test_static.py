"""Tables with a target and no events: scenario, columns, leaks, and the whole way to the report."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from python_ml.errors import UserError
from python_ml.leakage import find_leaks
from python_ml.leakage._statistics import power
from python_ml.onboarding.examination import DataArgument, examine
from python_ml.onboarding.reading import scratch_connection
from python_ml.onboarding.static import StaticSpec, assemble_static
from tests.python.command_line import command_here, rows
from tests.python.undated import customers

SEEN = date(2024, 6, 30)


def assembled(path: Path, target: str = "Churn", **options: object) -> StaticSpec:
    """Decide what becomes of a file."""
    with scratch_connection() as connection:
        profiles = examine(connection, [DataArgument(path)])
        return assemble_static(connection, profiles, path.parent / "project", target, **options)


# Scenarios


def test_a_table_without_dates_is_static(tmp_path):
    found = assembled(customers(tmp_path / "people.csv")).scenario
    assert found.kind == "static"
    assert found.is_snapshot
    assert "no column holds dates" in found.reason
    assert "`tenure` is a duration without a date to count from" in found.reason


def test_dates_that_do_not_say_when_columns_were_seen_make_it_partial(tmp_path):
    def day(base: int, number: int) -> str:
        return f"{SEEN - timedelta(days=base + number % 200):%m/%d/%y}"

    path = customers(
        tmp_path / "people.csv",
        created=lambda n, left, draw: day(600, n),
        firstorder=lambda n, left, draw: "1/0/00" if n < 12 else day(200, n),
        lastorder=lambda n, left, draw: day(0, n),
    )
    static = assembled(path)
    assert static.scenario.kind == "partial"
    assert static.scenario.began == "created"
    assert static.scenario.is_snapshot
    names = {feature.name for feature in static.features}
    assert "firstorder_days_after_created" in names
    assert not any("lastorder" in name for name in names)
    unused = {column.raw_name: column.unused for column in static.table.columns}
    assert unused["lastorder"] == "it may lie in the time in which the outcome was decided"
    assert any("'1/0/00' 12 times" in trap and "`firstorder`" in trap for trap in static.project.traps)


def test_both_times_make_it_production(tmp_path):
    path = customers(
        tmp_path / "people.csv",
        snapshot_date=lambda n, left, draw: SEEN - timedelta(days=30 * (n % 12)),
        label_date=lambda n, left, draw: SEEN - timedelta(days=30 * (n % 12) - 30),
        signup_date=lambda n, left, draw: SEEN - timedelta(days=700 + n % 90),
    )
    static = assembled(path)
    assert static.scenario.kind == "production"
    assert (static.scenario.seen.column, static.scenario.decided) == ("snapshot_date", "label_date")
    assert "days_since_signup_date" in {feature.name for feature in static.features}


def test_a_start_and_a_tenure_that_agree_give_the_time_of_the_snapshot(tmp_path):
    tenures = {}

    def tenure(number: int, left: bool, draw: random.Random) -> int:
        tenures[number] = draw.randrange(1, 60)
        return tenures[number]

    path = customers(
        tmp_path / "people.csv",
        tenure=tenure,
        signup_date=lambda n, left, draw: SEEN - timedelta(days=round(30.44 * tenures[n])),
    )
    computed = assembled(path, horizon="30d").scenario
    assert computed.kind == "derived"
    assert computed.seen.words == "`signup_date` + `tenure` months"
    # Without a horizon nothing says when the outcome was known, and no date is made up for it.
    alone = assembled(path).scenario
    assert alone.kind == "partial"
    assert alone.is_snapshot
    assert "--horizon" in alone.reason


def test_a_tenure_that_agrees_with_no_start_gives_no_time(tmp_path):
    path = customers(
        tmp_path / "people.csv", signup_date=lambda n, left, draw: SEEN - timedelta(days=draw.randrange(2000))
    )
    assert assembled(path, horizon="30d").scenario.kind == "partial"


# What becomes of columns, and what is refused


def test_columns_become_features_or_say_why_not(tmp_path):
    path = customers(
        tmp_path / "people.csv",
        ChurnReason=lambda n, left, draw: "price" if left else "",
        Comment=lambda n, left, draw: f"customer number {n} wrote something long to us {draw.random()}",
        Country=lambda n, left, draw: "NL",
        Phone=lambda n, left, draw: 600000000 + n,
    )
    static = assembled(path)
    types = {feature.name: feature.column.data_type for feature in static.features}
    assert types == {"tenure": "double", "monthly_price": "double", "plan": "string", "paperless": "boolean"}
    unused = {column.raw_name: column.unused for column in static.table.columns}
    assert unused["ChurnReason"] == "its name says the outcome"
    assert unused["Country"] == "it is constant"
    assert unused["Phone"] == "personal data: its name says phone"
    assert unused["Comment"]
    # It is told although no feature is made of it.
    assert "ChurnReason" in {leak.column for leak in static.critical}
    assert static.excluded == {}


def test_events_and_tables_without_a_key_are_refused(tmp_path):
    repeated = customers(tmp_path / "repeated.csv", customerID=lambda n, left, draw: f"K{n % 100}")
    with pytest.raises(UserError, match=r"9\.0 rows for each of its values"):
        assembled(repeated)
    nameless = customers(tmp_path / "nameless.csv", customerID=lambda n, left, draw: n % 5)
    with pytest.raises(UserError, match=r"rows for each|No column identifies"):
        assembled(nameless)
    with pytest.raises(UserError, match="no column `Chrn`"):
        assembled(customers(tmp_path / "people.csv"), target="Chrn")


# Leaks


def leaky(seed: int = 0, size: int = 2000) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Honest columns, a mailing that stops once a customer has left, and what is computed from it."""
    rng = np.random.default_rng(seed)
    churned = (rng.random(size) < 0.25).astype(float)
    sent = np.where((churned == 1) & (rng.random(size) < 0.6), 0.0, rng.integers(5, 60, size).astype(float))
    sent = np.where((churned == 1) & (sent > 0), rng.integers(1, 6, size), sent)
    return {
        "honest": churned + rng.normal(0, 2, size),
        "noise": rng.normal(size=size),
        "codes": np.array([f"c{n}" for n in rng.integers(0, 900, size)], dtype=object),
        "sent": sent,
        "open_rate": np.where(sent == 0, 0.0, rng.random(size).round(2)),
        "cancelled_at": np.where(churned == 1, rng.random(size), np.nan),
    }, churned


def test_leaks_are_named_with_figures_and_honest_columns_are_not():
    columns, churned = leaky()
    found = {leak.column: leak for leak in find_leaks(columns, columns.__getitem__, churned)}
    assert set(found) == {"sent", "open_rate", "cancelled_at"}
    assert all(leak.severity == "critical" for leak in found.values())
    assert found["sent"].auc > 0.9
    assert found["sent"].figures["zero_churn_rate"] == 1.0
    assert found["open_rate"].related_to == "sent"
    assert found["cancelled_at"].figures["missing_rows"] > 0


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_outcomes_raise_no_alarm(seed):
    columns, churned = leaky(seed)
    shuffled = np.random.default_rng(seed).permutation(churned)
    assert find_leaks(columns, columns.__getitem__, shuffled) == []
    assert all(power(values, shuffled)[0].value < 0.56 for values in columns.values())


def test_too_few_rows_say_nothing():
    columns, churned = leaky(size=60)
    assert find_leaks(columns, columns.__getitem__, churned) == []


# The whole way


FAST = """
training:
  bootstrap_replicates: 50
  models: {xgboost: {enabled: false}, random_forest: {enabled: false}}
"""


def faster(folder: Path, **sections: object) -> None:
    """Keep what `init` wrote of features and leaks, and train only what is quick."""
    settings = yaml.safe_load((folder / "retention.yml").read_text())
    kept = {name: settings[name] for name in ("features", "leakage")} | sections
    (folder / "retention.yml").write_text(yaml.safe_dump(kept) + FAST)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project of a table with a leak, ids that are missing or repeated, and outcomes that are not known."""
    folder = tmp_path_factory.mktemp("static")
    path = customers(
        folder / "people.csv",
        customerID=lambda n, left, draw: "" if n < 7 else f"K{n - 3:05d}" if 20 <= n < 23 else f"K{n:05d}",
        mails=lambda n, left, draw: 0 if left and draw.random() < 0.9 else draw.randrange(1, 30),
        Churn=lambda n, left, draw: "" if n % 30 == 29 else "Yes" if left else "No",
    )
    made = command_here(folder, "init", str(folder / "shop"), "--data", str(path), "--target", "Churn", "--json")
    assert made.returncode == 0, made.stderr
    (folder / "findings.json").write_text(made.stdout)
    faster(folder / "shop")
    run = command_here(folder / "shop", "run")
    assert run.returncode == 0, run.stderr[-3000:]
    return folder / "shop"


def test_init_leaves_the_leak_out_and_says_so_loudly(project):
    findings = json.loads((project.parent / "findings.json").read_text())["findings"]
    assert findings["scenario"]["kind"] == "static"
    assert [leak["column"] for leak in findings["leakage"]] == ["mails"]
    assert findings["leakage"][0]["severity"] == "critical"
    assert set(findings["excluded_features"]) == {"mails"}
    assert yaml.safe_load((project / "findings.yaml").read_text())["leakage"] == findings["leakage"]
    readme = (project / "README.md").read_text()
    assert "Columns that may know the outcome" in readme
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
    ((unknown, stayed),) = rows(
        project,
        "select count(*) filter (where churned is null), count(*) filter (where churned = 0) "
        "from gold.gld_churn_labels",
    )
    assert unknown > 20
    assert labelled == 890 - unknown
    assert scored == unknown + stayed
    assert rows(project, "select distinct cast(feature_timestamp as varchar) from gold.gld_churn_labels") == [
        ("1970-01-01 00:00:00",)
    ]


def test_metrics_come_from_cross_validation_and_warn(project):
    metrics = json.loads((project / "reports" / "metrics.json").read_text())
    split = metrics["split"]
    assert split["kind"] == "cross_validation"
    assert split["folds"] == 5
    assert split["test_from"] is None
    assert metrics["warnings"][0].startswith("one snapshot without dates:")
    area = metrics["test"]["roc_auc"]
    assert 0.7 < area["low"] < area["value"] < area["high"] < 0.95
    assert metrics["test"]["n"] == metrics["data"]["rows"]
    assert len(split["fold_roc_auc"][metrics["champion"]["name"]]) == 5
    assert metrics["leakage"]["left_out"] == ["mails"]
    assert metrics["not_trusted_because"] == []
    page = (project / "reports" / "index.html").read_text()
    assert "one snapshot without dates" in page
    assert "1970" not in page
    assert "later period that took no part" not in page
    assert "<code><bdi>mails</bdi></code>, which most likely knows the outcome" in page


def test_a_leak_that_nobody_left_out_stops_the_training(project):
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


def test_an_accepted_leak_is_never_presented_as_quality(project, tmp_path):
    before = (project / "retention.yml").read_text()
    kept = {path: path.read_bytes() for path in (project / "reports").iterdir()}
    try:
        faster(project, features={"exclude": []}, leakage={"accept": {"mails": "we were told so"}})
        run = command_here(project, "train")
        assert run.returncode == 0, run.stderr
        assert "NOT TO BE TRUSTED" in run.stdout
        assert command_here(project, "report").returncode == 0
        metrics = json.loads((project / "reports" / "metrics.json").read_text())
        assert any("`mails`" in reason for reason in metrics["not_trusted_because"])
        assert any("we were told so" in warning for warning in metrics["warnings"])
        page = (project / "reports" / "index.html").read_text()
        assert page.count("not to be trusted") >= 3
    finally:
        (project / "retention.yml").write_text(before)
        for path, content in kept.items():
            path.write_bytes(content)


def test_hostile_names_and_values_build(tmp_path):
    evil = 'Ünit "price" {{ 1/0 }}; drop table x --'
    path = customers(
        tmp_path / "ev'il {{ 1 }}.csv",
        rows=400,
        **{
            "Churn": lambda n, left, draw: "it's {{ 1 }} \\" if left else "no'--",
            evil: lambda n, left, draw: draw.choice(["{{x}}", "'", '"', "{% raw %}"]),
            "select": lambda n, left, draw: draw.randrange(9),
            "churned": lambda n, left, draw: draw.randrange(9),
            "feature_timestamp": lambda n, left, draw: draw.randrange(9),
            "Plan.": lambda n, left, draw: draw.choice("ab"),
        },
    )
    made = command_here(
        tmp_path, "init", str(tmp_path / "p"), "--data", str(path), "--target", "Churn", "--positive", "it's {{ 1 }} \\"
    )
    assert made.returncode == 0, made.stderr
    built = command_here(tmp_path / "p", "build")
    assert built.returncode == 0, built.stderr[-3000:]
    ((left, known),) = rows(tmp_path / "p", "select sum(churned), count(churned) from gold.gld_churn_labels")
    assert known == 400
    assert left == path.read_text().count("it's {{ 1 }} \\")


def test_times_of_rows_are_split_in_time(tmp_path):
    path = customers(
        tmp_path / "people.csv",
        rows=1500,
        snapshot_date=lambda n, left, draw: SEEN - timedelta(days=30 * (n % 12)),
        label_date=lambda n, left, draw: SEEN - timedelta(days=30 * (n % 12) - 30),
        signup_date=lambda n, left, draw: SEEN - timedelta(days=700 + n % 90),
    )
    made = command_here(tmp_path, "init", str(tmp_path / "p"), "--data", str(path), "--target", "Churn")
    assert made.returncode == 0, made.stderr
    faster(tmp_path / "p")
    run = command_here(tmp_path / "p", "run")
    assert run.returncode == 0, run.stderr[-3000:]
    split = json.loads((tmp_path / "p" / "reports" / "metrics.json").read_text())["split"]
    assert split["kind"] == "temporal"
    assert split["purge"] == "30d"
    ((tenure,),) = rows(tmp_path / "p", "select min(days_since_signup_date) from gold.gld_customer_features")
    assert tenure >= 370


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--positive", "1"], "--positive says nothing without --target or --labels"),
        (["--exclude-columns", "a"], "--exclude-columns says nothing without --target"),
        (["--target", "Churn", "--exclude-columns", "nothing"], "no column `nothing`"),
        (["--target", "Churn", "--exclude-columns", "tenure,MonthlyPrice,Plan,Paperless"], "Every column"),
        (["--target", "Plan"], "is not binary"),
    ],
)
def test_mistakes_are_explained(tmp_path, options, message):
    path = customers(tmp_path / "people.csv", rows=300)
    refused = command_here(tmp_path, "init", str(tmp_path / "p"), "--data", str(path), *options)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "p").exists()
