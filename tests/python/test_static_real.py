"""Real tables without dates, untouched by hand but for fewer models and folds: from files to the report."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from tests.python.command_line import command_here, rows, train_only

# File, outcome, and the kinds of model: of Telco those whose figures are known, of the other the more flexible one.
TABLES = {
    "telco": ("telco/Telco-Customer-Churn.csv", "Churn", ("logistic_regression", "lightgbm")),
    "retail": ("retail_retention/customer_retention_retail.csv.gz", "retained", ("lightgbm",)),
}


def made(shared_data: Path, folder: Path, name: str) -> Path:
    """A project from one real file, built, trained, scored and reported."""
    file, target, models = TABLES[name]
    if not (shared_data / file).is_file():
        pytest.skip(f"{file} is not among the real data sets")
    start = time.monotonic()
    started = command_here(folder, "init", str(folder / name), "--data", str(shared_data / file), "--outcome", target)
    assert started.returncode == 0, started.stderr
    (folder / "summary.txt").write_text(started.stdout)
    train_only(folder / name, *models)
    run = command_here(folder / name, "run")
    assert run.returncode == 0, run.stderr[-3000:]
    print(f"{name}: {time.monotonic() - start:.0f} s; {run.stdout}")
    return folder / name


@pytest.fixture(scope="module")
def telco(shared_data, tmp_path_factory) -> Path:
    return made(shared_data, tmp_path_factory.mktemp("telco"), "telco")


@pytest.fixture(scope="module")
def retail(all_data, tmp_path_factory) -> Path:
    return made(all_data, tmp_path_factory.mktemp("retail"), "retail")


def findings(project: Path) -> dict:
    return yaml.safe_load((project / "findings.yaml").read_text())


def metrics(project: Path) -> dict:
    return json.loads((project / "reports" / "metrics.json").read_text())


def test_telco_is_a_static_snapshot_without_suspicion(telco):
    made = findings(telco)
    outcome = made["outcome"]
    (file,) = made["files"]
    assert (made["customer"], file["key"], file["use"]) == ("customer_id", ["customer_id"], "labels")
    assert not any(column["role"] == "time" for column in file["columns"])
    assert outcome["scenario"] == "static"
    assert "`tenure` is a duration without a date to count from" in outcome["scenario_reason"]
    assert outcome["values"] == {"no": 5174, "yes": 1869}
    assert outcome["churned_values"] == ["yes"]
    assert "warning" not in outcome
    assert made["leakage"] == []
    assert made["excluded_features"] == {}
    assert made["features"] == 19
    charges = next(column for column in file["columns"] if column["name"] == "TotalCharges")
    assert (charges["missing"], charges["type"]) == (11, "decimal")


def test_telco_reaches_what_is_honest_and_no_more(telco):
    measured = metrics(telco)
    for model in ("logistic_regression", "lightgbm"):
        assert 0.840 <= measured["models"][model]["test"]["roc_auc"]["value"] <= 0.852
    area = measured["test"]["roc_auc"]
    assert area["low"] < area["value"] < area["high"]
    assert measured["test"]["ece"]["value"] < 0.03
    assert measured["split"]["kind"] == "cross_validation"
    assert any(warning.startswith("one snapshot without dates:") for warning in measured["warnings"])
    page = (telco / "reports" / "index.html").read_text()
    assert "one snapshot without dates" in page
    assert "1970" not in page
    assert rows(telco, "select count(*) from gold.gld_churn_scores") == [(5174,)]


def test_retail_names_the_leak_the_outcome_and_the_unreadable_dates(retail):
    made = findings(retail)
    outcome = made["outcome"]
    assert (made["customer"], outcome["scenario"], outcome["churned_values"]) == ("custid", "partial", ["0"])
    (file,) = made["files"]
    assert (file["use"], file["key"]) == ("labels", ["custid"])
    assert not any(column["role"] == "time" for column in file["columns"])
    assert outcome["warning"].startswith("positive class is not churn")
    assert outcome["warning"] in made["reviews"]
    leaks = {leak["column"]: leak for leak in made["leakage"]}
    assert set(leaks) == {"esent", "eopenrate", "eclickrate"}
    assert leaks["esent"]["severity"] == "critical"
    assert 0.96 < 1 - leaks["esent"]["auc"] < 0.975
    assert "where it is zero (3,404 rows), 100.0%" in " ".join(leaks["esent"]["reasons"])
    assert "`esent` is zero" in " ".join(leaks["eopenrate"]["reasons"])
    assert set(made["excluded_features"]) == {"esent", "eopenrate", "eclickrate"}
    assert file["rows_quarantined"] == {"duplicate custid": 12, "missing custid": 20}
    notices = "\n".join(made["notices"])
    assert "32 values of `firstorder` are not dates ('#N/A' 20 times, '1/0/00' 12 times)" in notices
    assert "43 values of `lastorder` are not dates ('1/0/00' 23 times, '#N/A' 20 times)" in notices
    assert "customer_retention_retail: starts with a UTF-8 byte-order mark" in notices
    assert "`firstorder` is before `created` in 659 of" in notices
    summary = (retail.parent / "summary.txt").read_text()
    assert "positive class is not churn" in summary
    assert "leak: `esent`" in summary


def test_retail_reports_no_quality_that_is_none(retail):
    measured = metrics(retail)
    area = measured["test"]["roc_auc"]
    assert 0.64 < area["value"] < 0.72
    assert all(models["test"]["roc_auc"]["value"] < 0.75 for models in measured["models"].values())
    assert any("`esent` was excluded" in warning for warning in measured["warnings"])
    page = (retail / "reports" / "index.html").read_text()
    assert "esent" in page
    assert "0.98" not in page
    assert rows(retail, "select sum(row_count) from bronze.brz_row_counts") == [(30801,)]


def test_retail_with_its_leak_is_refused(retail):
    before = (retail / "retention.yml").read_text()
    try:
        settings = yaml.safe_load(before)
        settings["features"]["exclude"] = []
        (retail / "retention.yml").write_text(yaml.safe_dump(settings))
        refused = command_here(retail, "train")
        assert refused.returncode == 3
        assert "`esent`" in refused.stderr
        assert "0.967" in refused.stderr
    finally:
        (retail / "retention.yml").write_text(before)
