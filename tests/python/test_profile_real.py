"""Golden findings of the real data sets: what a careful person finds by hand, found by `retention profile`."""

from __future__ import annotations

from pathlib import Path

import pytest

from python_ml.profiling import render_page, write_findings
from tests.python.test_profile import column_of, profiled

RAVENSTACK = ("accounts", "churn_events", "feature_usage", "subscriptions", "support_tickets")


def present(shared_data: Path, *files: str) -> list[Path]:
    """Paths of real files, or a skip that names the first that is absent."""
    for file in files:
        if not (shared_data / file).is_file():
            pytest.skip(f"{file} is not among the real data sets")
    return [shared_data / file for file in files]


def told(findings, topic: str, column: str | None = None) -> list[str]:
    """What was told on a topic."""
    return [a.what for a in findings.attention if a.topic == topic and column in (None, a.column)]


@pytest.fixture(scope="module")
def telco(shared_data):
    return profiled(*present(shared_data, "telco/Telco-Customer-Churn.csv"), target="Churn")


@pytest.fixture(scope="module")
def retail(shared_data):
    return profiled(*present(shared_data, "retail_retention/customer_retention_retail.csv.gz"), target="retained")


@pytest.fixture(scope="module")
def ravenstack(shared_data):
    return profiled(*present(shared_data, *(f"ravenstack/{name}.csv.gz" for name in RAVENSTACK)))


@pytest.fixture(scope="module")
def online(shared_data):
    return profiled(*present(shared_data, "online_retail/year_2009_2010.parquet"))


class TestTelco:
    def test_a_snapshot_of_customers(self, telco):
        (file,) = telco.files
        assert (file.rows, file.granularity.level, file.granularity.entity) == (7043, "entity", "customerID")
        assert (file.granularity.time, file.coverage, file.lifecycle) == (None, None, None)
        assert file.keys[0].columns == ["customerID"]
        assert file.keys[0].unique

    def test_columns(self, telco):
        kinds = {c.name: c.semantic for c in telco.files[0].columns}
        assert kinds["tenure"] == "duration"
        assert kinds["Contract"] == "ordinal"
        assert kinds["MonthlyCharges"] == kinds["TotalCharges"] == "money"
        assert kinds["Churn"] == "target_candidate"
        assert column_of(telco.files[0], "TotalCharges").blank == 11

    def test_target(self, telco):
        (target,) = telco.files[0].targets
        assert (target.left_rows, target.labelled_rows, target.flag) == (1869, 7043, None)
        strongest = target.associations[0]
        assert (strongest.column, round(strongest.auc.value, 3)) == ("tenure", 0.26)
        contract = next(a for a in target.associations if a.column == "Contract")
        assert contract.cramers_v == pytest.approx(0.41, abs=0.005)
        assert {rate.value: round(rate.rate, 3) for rate in contract.rates}["Month-to-month"] == 0.427
        assert told(telco, "leak") == []


class TestRetail:
    def test_identifier_and_its_flaws(self, retail):
        (file,) = retail.files
        assert file.granularity.entity == "custid"
        key = next(key for key in file.keys if key.columns == ["custid"])
        assert (key.unique, key.repeated_rows, key.missing) == (False, 12, 20)
        assert any("byte-order mark" in note for note in file.notes)

    def test_sentinel_dates(self, retail):
        for name, rows in (("firstorder", 12), ("lastorder", 23)):
            marks = {mark.value: mark.rows for mark in column_of(retail.files[0], name).sentinels}
            assert marks["1/0/00"] == rows
            assert marks["#N/A"] == 20
            assert "2004-01-01" in marks
        assert column_of(retail.files[0], "created").times.order.startswith("month first")

    def test_the_leak_is_named_with_evidence(self, retail):
        (what,) = told(retail, "leak", "esent")
        assert "AUC of 0.967" in what
        assert "zero (3,404 rows)" in what
        esent = retail.files[0].targets[0].associations[0]
        assert (esent.column, esent.leak, round(esent.auc.value, 2)) == ("esent", "critical", 0.03)
        assert all(period.auc.value < 0.2 for period in esent.by_time)

    def test_the_positive_class_is_questioned(self, retail):
        (target,) = retail.files[0].targets
        assert target.meaning == "churned = retained is 0"
        assert told(retail, "positive class is not churn", "retained")

    def test_order_of_times(self, retail):
        found = {(v.time, v.other_time): v.violated for v in retail.order_violations}
        assert found == {("firstorder", "created"): 659, ("lastorder", "created"): 334, ("lastorder", "firstorder"): 6}


class TestRavenstack:
    def test_order_violations(self, ravenstack):
        found = {(v.file, v.other_file): v for v in ravenstack.order_violations if v.kind == "across_files"}
        usage = found["feature_usage", "subscriptions"]
        assert (usage.violated, usage.compared) == (19_142, 25_000)
        assert found["support_tickets", "accounts"].violated == 1_077
        assert {a.level for a in ravenstack.attention if a.topic == "order of times"} == {"critical"}

    def test_no_signal(self, ravenstack):
        assert len(told(ravenstack, "no signal", "churn_flag")) == 2
        (target,) = next(file.targets for file in ravenstack.files if file.name == "subscriptions")
        assert target.clustered_by == "account_id"
        assert all(a.auc.low < 0.5 < a.auc.high for a in target.associations if a.auc)

    def test_repeated_usage(self, ravenstack):
        usage = next(file for file in ravenstack.files if file.name == "feature_usage")
        key = next(key for key in usage.keys if key.columns == ["usage_id"])
        assert (key.unique, key.repeated_rows) == (False, 21)
        assert usage.granularity.entity is None

    def test_links(self, ravenstack):
        links = {(link.child, link.parent): link for link in ravenstack.links}
        assert links["feature_usage", "subscriptions"].child_column == "subscription_id"
        assert {parent for _, parent in links} == {"accounts", "subscriptions"}
        assert "feature_usage" in render_page(ravenstack)


class TestPurchases:
    def test_online_retail(self, online):
        (file,) = online.files
        assert (file.granularity.entity, file.granularity.time) == ("customer_id", "invoice_ts")
        assert column_of(file, "customer_id").missing == 107_927
        assert file.duplicate_rows == 6_865
        assert (file.coverage.weekdays[5], file.coverage.gaps[0].first) == (402, "2009-12-24")
        assert column_of(file, "stock_code").variants.case_groups == 151
        assert column_of(file, "description").variants.blank_rows == 99_583
        assert column_of(file, "unit_price").numbers.negatives == 3
        assert [w.window for w in file.lifecycle.windows if w.supported] == ["7d", "30d", "90d", "180d"]

    def test_the_same_twice(self, online, shared_data):
        again = profiled(*present(shared_data, "online_retail/year_2009_2010.parquet"))
        assert write_findings(again) == write_findings(online)

    def test_cdnow(self, shared_data):
        (file,) = profiled(*present(shared_data, "cdnow/CDNOW_master.txt.gz")).files
        assert (file.rows, file.granularity.entities, file.duplicate_rows) == (69_659, 23_570, 255)
        assert (file.coverage.first, file.coverage.last) == ("1997-01-01", "1998-06-30")
        # Everybody of this cohort bought first in the first quarter.
        assert [cohort.start for cohort in file.lifecycle.cohorts] == ["1997-01-01", "1997-02-01", "1997-03-01"]
        assert file.lifecycle.single_event == 11_908

    def test_a_file_without_names(self, shared_data):
        (file,) = profiled(*present(shared_data, "cdnow/CDNOW_sample.txt")).files
        assert (file.granularity.time, file.granularity.entities) == ("column_3", 2357)
