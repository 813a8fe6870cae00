"""Real tables without dates, untouched by hand: `retention init --target`, then `retention run`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from tests.python.command_line import command_here, rows

TABLES = {
    "telco": ("telco/Telco-Customer-Churn.csv", "Churn"),
    "retail": ("retail_retention/customer_retention_retail.csv.gz", "retained"),
}


def made(shared_data: Path, folder: Path, name: str) -> Path:
    """A project from one real file, built, trained, scored and reported."""
    file, target = TABLES[name]
    if not (shared_data / file).is_file():
        pytest.skip(f"{file} is not among the real data sets")
    start = time.monotonic()
    started = command_here(folder, "init", str(folder / name), "--data", str(shared_data / file), "--target", target)
    assert started.returncode == 0, started.stderr
    (folder / "summary.txt").write_text(started.stdout)
    run = command_here(folder / name, "run")
    assert run.returncode == 0, run.stderr[-3000:]
    print(f"{name}: {time.monotonic() - start:.0f} s; {run.stdout}")
    return folder / name


@pytest.fixture(scope="module")
def telco(shared_data, tmp_path_factory) -> Path:
    return made(shared_data, tmp_path_factory.mktemp("telco"), "telco")


@pytest.fixture(scope="module")
def retail(shared_data, tmp_path_factory) -> Path:
    return made(shared_data, tmp_path_factory.mktemp("retail"), "retail")


def findings(project: Path) -> dict:
    return yaml.safe_load((project / "findings.yaml").read_text())


def metrics(project: Path) -> dict:
    return json.loads((project / "reports" / "metrics.json").read_text())


def test_telco_is_a_static_snapshot_without_suspicion(telco):
    found = findings(telco)
    assert found["scenario"]["kind"] == "static"
    assert "`tenure` is a duration without a date to count from" in found["scenario"]["reason"]
    assert found["target"]["values"] == {"no": 5174, "yes": 1869}
    assert found["target"]["churned_when"] == ["yes"]
    assert "flag" not in found["target"]
    assert found["leakage"] == []
    assert found["excluded_features"] == {}
    assert found["features"] == 19
    charges = next(column for column in found["files"][0]["columns"] if column["name"] == "TotalCharges")
    assert charges["missing"] == 11
    assert charges["type"] == "decimal"


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


def test_retail_names_the_leak_the_target_and_the_sentinels(retail):
    found = findings(retail)
    entity = next(d for name, d in found["decisions"].items() if name == "entity")
    assert entity["value"] == "custid"
    assert found["scenario"]["kind"] == "partial"
    assert found["target"]["flag"] == "positive class is not churn"
    assert found["target"]["churned_when"] == ["0"]
    leaks = {leak["column"]: leak for leak in found["leakage"]}
    assert list(leaks) == ["esent", "eopenrate", "eclickrate"]
    assert 0.96 < leaks["esent"]["auc_alone"] < 0.975
    assert leaks["esent"]["zero_rows"] == 3404
    assert leaks["esent"]["zero_churn_rate"] == 1.0
    assert leaks["eopenrate"]["related_to"] == "esent"
    assert set(found["excluded_features"]) == {"esent", "eopenrate", "eclickrate"}
    assert found["files"][0]["rows_quarantined"] == {"duplicate custid": 12, "missing custid": 20}
    traps = "\n".join(found["traps"])
    assert "`firstorder`: 32 values are no dates ('#N/A' 20 times, '1/0/00' 12 times)" in traps
    assert "`lastorder`: 43 values are no dates ('1/0/00' 23 times, '#N/A' 20 times)" in traps
    assert "byte-order mark" in traps
    said = (retail.parent / "summary.txt").read_text()
    assert "POSITIVE CLASS IS NOT CHURN" in said
    assert "LEAK: `esent`" in said


def test_retail_reports_no_quality_that_is_none(retail):
    measured = metrics(retail)
    area = measured["test"]["roc_auc"]
    assert 0.64 < area["value"] < 0.72
    assert all(models["test"]["roc_auc"]["value"] < 0.75 for models in measured["models"].values())
    assert any("`esent` was left out" in warning for warning in measured["warnings"])
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
