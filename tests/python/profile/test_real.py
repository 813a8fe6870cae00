"""Golden facts of the real data sets: what a careful person finds by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from python_ml.ingest import DataArgument, open_tables, scratch_connection
from python_ml.leakage import find_leaks
from python_ml.profile import Profile, profile_tables

FILES = {
    "online_retail": ["online_retail/year_2009_2010.parquet"],
    "cdnow": ["cdnow/CDNOW_master.txt.gz"],
    "telco": ["telco/Telco-Customer-Churn.csv"],
    "retail": ["retail_retention/customer_retention_retail.csv.gz"],
    "ravenstack": [
        f"ravenstack/{name}.csv.gz"
        for name in ("accounts", "churn_events", "feature_usage", "subscriptions", "support_tickets")
    ],
}


@pytest.fixture(scope="module")
def real(shared_data: Path):
    """The profile of a data set by its name, made once."""
    made: dict[str, Profile] = {}

    def profile(name: str) -> Profile:
        if name not in made:
            paths = [shared_data / file for file in FILES[name]]
            if not all(path.is_file() for path in paths):
                pytest.skip(f"{name} is not among the real data sets")
            with scratch_connection() as connection:
                tables = open_tables(connection, [DataArgument(path) for path in paths])
                made[name] = profile_tables(connection, tables, probe=find_leaks)
        return made[name]

    return profile


def test_online_retail(real):
    (invoices,) = real("online_retail").tables
    assert (invoices.rows, invoices.different_rows, invoices.keys) == (525_461, 518_596, ())
    customer = invoices.identifiers[0]
    assert (customer.column, customer.rows, customer.distinct) == ("customer_id", 525_461 - 107_927, 4_383)
    assert invoices.time.column == "invoice_ts"
    assert "quantity" in invoices.reversal.negative
    assert ("invoice_no", "C") in invoices.reversal.prefixes
    assert 10_206 <= invoices.reversal.rows < 13_000
    assert "POST" in invoices.odd_codes["stock_code"][1]
    assert invoices.fixed["customer_id"]["country"] > 0.99


def test_cdnow(real):
    (purchases,) = real("cdnow").tables
    assert (purchases.rows, purchases.identifiers[0].distinct) == (69_659, 23_570)
    span = purchases.profile_of(purchases.time.column).span
    assert (str(span.first.date()), str(span.end.date())) == ("1997-01-01", "1998-06-30")


def test_telco(real):
    profile = real("telco")
    (customers,) = profile.tables
    assert (customers.keys[0].columns, customers.time) == (("customer_id",), None)
    (outcome,) = profile.outcomes
    assert (outcome.churned, outcome.churned_rows, outcome.labelled_rows) == (("yes",), 1_869, 7_043)
    strongest = outcome.associations[0]
    assert (strongest.column, round(strongest.value, 3)) == ("tenure", 0.26)
    contract = next(a for a in outcome.associations if a.column == "contract")
    assert contract.value == pytest.approx(0.41, abs=0.005)
    assert {r.group: round(r.rate.value, 3) for r in contract.rates}["Month-to-month"] == 0.427
    assert not any(a.leak for a in outcome.associations)


def test_retail(real):
    profile = real("retail")
    (customers,) = profile.tables
    (key,) = customers.keys
    assert (key.columns, key.copies, customers.rows - key.rows) == (("custid",), 12, 20)
    (outcome,) = profile.outcomes
    assert (outcome.churned, outcome.positive_is_retained) == (("0",), True)
    leaks = {a.column: a.leak for a in outcome.associations if a.leak}
    assert leaks["esent"] == "critical"
    assert 0.96 < 1 - next(a.value for a in outcome.associations if a.column == "esent") < 0.975
    assert {s.value: s.rows for s in customers.profile_of("firstorder").sentinels}["1/0/00"] == 12


def test_ravenstack(real):
    profile = real("ravenstack")
    assert {(r.child, r.child_columns[0], r.parent, r.cardinality) for r in profile.relations} == {
        ("churn_events", "account_id", "accounts", "n:1"),
        ("subscriptions", "account_id", "accounts", "n:1"),
        ("support_tickets", "account_id", "accounts", "n:1"),
        ("feature_usage", "subscription_id", "subscriptions", "n:1"),
    }
    keys = {table.name: table.keys[0].columns[0] for table in profile.tables}
    assert keys["feature_usage"] == "usage_id"
    assert profile.table("feature_usage").keys[0].copies == 21
    assert profile.table("subscriptions").time.ended == "end_date"
    shares = {violation.table: round(violation.share, 2) for violation in profile.order_violations}
    assert (shares["feature_usage"], shares["support_tickets"]) == (0.77, 0.54)
    assert not any(a.leak for o in profile.outcomes for a in o.associations)
