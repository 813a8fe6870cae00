"""What `retention init` must find in the real data sets: grain, keys, customer, time, relations, scenario, traps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from python_ml.cli import main

FILES = {
    "online_retail": (["online_retail/year_2009_2010.parquet"], []),
    "cdnow": (["cdnow/CDNOW_master.txt.gz"], []),
    "cdnow_sample": (["cdnow/CDNOW_sample.txt"], []),
    "telco": (["telco/Telco-Customer-Churn.csv"], ["--target", "Churn"]),
    "retail": (["retail_retention/customer_retention_retail.csv.gz"], ["--target", "retained"]),
    "ravenstack": (
        [
            f"ravenstack/{name}.csv.gz"
            for name in ("accounts", "subscriptions", "feature_usage", "support_tickets", "churn_events")
        ],
        [],
    ),
}


@pytest.fixture(scope="module")
def found(shared_data, tmp_path_factory):
    """Findings of a data set by its name, made once."""
    made: dict[str, dict] = {}

    def look(name: str) -> dict:
        if name not in made:
            files, flags = FILES[name]
            paths = [shared_data / file for file in files]
            if not all(path.is_file() for path in paths):
                pytest.skip(f"{name} is not among the real data sets")
            folder = tmp_path_factory.mktemp("golden") / name
            made[name] = init(folder, paths, flags)
        return made[name]

    return look


def init(folder: Path, paths: list[Path], flags: list[str]) -> dict:
    words = ["retention", "init", str(folder), *(w for path in paths for w in ("--data", str(path))), *flags, "--yes"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        try:
            main()
        except SystemExit as end:
            assert not end.code, words
    return yaml.safe_load((folder / "findings.yaml").read_text(encoding="utf-8"))


def files(findings: dict) -> dict[str, dict]:
    return {file["source"]: file for file in findings["files"]}


def parts(file: dict) -> tuple:
    """Grain, use, and the raw names of customer, time and key."""
    customer, time = (file.get(part, {}).get("column") for part in ("entity", "time"))
    return file.get("granularity"), file["use"], customer, time, file.get("key")


def traps(findings: dict) -> str:
    return "\n".join(findings["traps"])


def test_online_retail(found):
    findings = found("online_retail")
    (invoices,) = findings["files"]
    assert parts(invoices) == ("event", "events", "customer_id", "invoice_ts", None)
    assert (invoices["rows"], invoices["rows_quarantined"]) == (525_461, {"missing customer_id": 107_927})
    assert findings["scenario"]["kind"] == "derived"
    assert findings["relations"] == []
    reversals = invoices["reversals"]
    assert "'C%'" in reversals["condition"] or "C" in reversals["condition"]
    assert reversals["rows"] > 10_000
    assert "`stock_code` without a digit" in traps(findings)
    assert "have a `unit_price` of zero" in traps(findings)


def test_cdnow(found):
    findings = found("cdnow")
    (purchases,) = findings["files"]
    assert parts(purchases) == ("event", "events", "customer_id", "date", None)
    assert purchases["rows"] == 69_659
    assert purchases["format"] == "whitespace"
    assert findings["scenario"]["kind"] == "derived"
    assert next(c for c in purchases["columns"] if c["name"] == "date")["formats"] == ["%Y%m%d"]
    assert "have a `dollar_value` of zero" in traps(findings)


def test_cdnow_sample_without_a_header(found):
    findings = found("cdnow_sample")
    (purchases,) = findings["files"]
    assert purchases["rows"] == 6_919
    assert purchases["options"]["header"] is False
    grain, use, customer, time, _ = parts(purchases)
    assert (grain, use) == ("event", "events")
    columns = [column["name"] for column in purchases["columns"]]
    assert columns.index(time) == 2
    # The file has two identifiers of the same customers: one of the full set, one of the sample.
    assert columns.index(customer) in (0, 1)
    assert any("without a header" in trap or "no header" in trap for trap in findings["traps"])


def test_telco(found):
    findings = found("telco")
    (customers,) = findings["files"]
    assert parts(customers) == ("entity", "snapshot", "customerID", None, "customerID")
    assert findings["scenario"]["kind"] == "static"
    assert findings["target"]["churned_when"] == ["yes"]
    charges = next(c for c in customers["columns"] if c["name"] == "TotalCharges")
    assert (charges["type"], charges["missing"]) == ("decimal", 11)
    assert findings["leakage"] == []


def test_retail_retention(found):
    findings = found("retail")
    (customers,) = findings["files"]
    assert parts(customers) == ("entity", "snapshot", "custid", None, "custid")
    assert customers["rows_quarantined"] == {"duplicate custid": 12, "missing custid": 20}
    assert findings["scenario"]["kind"] == "partial"
    assert findings["target"]["flag"] == "positive class is not churn"
    leaks = {leak["column"]: leak for leak in findings["leakage"]}
    assert leaks["esent"]["severity"] == "critical"
    assert 0.96 < leaks["esent"]["auc_alone"] < 0.975
    assert "'1/0/00' 12 times" in traps(findings)
    assert "byte-order mark" in traps(findings)
    assert any("positive class is not churn" in doubt for doubt in findings["doubts"])


def test_ravenstack(found):
    findings = found("ravenstack")
    sources = files(findings)
    assert {name: parts(file) for name, file in sources.items()} == {
        "accounts": ("entity", "tenure", "account_id", "signup_date", "account_id"),
        "subscriptions": ("event", "events", "account_id", "start_date", "subscription_id"),
        "feature_usage": ("event", "events", "account_id", "usage_date", "usage_id"),
        "support_tickets": ("event", "events", "account_id", "submitted_at", "ticket_id"),
        "churn_events": ("event", "events", "account_id", "churn_date", "churn_event_id"),
    }
    assert findings["scenario"]["kind"] == "derived"
    assert {(r["from"], r["to"], r["kind"], r["used_for"]) for r in findings["relations"]} == {
        ("feature_usage.subscription_id", "subscriptions.subscription_id", "n:1", "account_id"),
        *(
            (f"{table}.account_id", "accounts.account_id", "n:1", "")
            for table in ("subscriptions", "support_tickets", "churn_events")
        ),
    }
    told = traps(findings)
    assert "19,142 of 25,000 rows (77%) have a `usage_date` before the `start_date`" in told
    assert "1,077 of 2,000 rows (54%) have a `submitted_at` before the `signup_date`" in told
    assert "21 of 25,000 rows are quarantined: duplicate usage_id" in told
    assert "`churn_flag` agrees with churn_events for only" in told
    assert "(38%)" in told
