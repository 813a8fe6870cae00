"""Names of columns as identifiers, whatever the file calls them."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_ml.names import RESERVED, identifier, unique_identifiers


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("customerID", "customer_id"),
        ("InvoiceNo", "invoice_no"),
        ("Ünit Straße (EUR)", "unit_strasse_eur"),
        ("select", "select_value"),
        ("2020 sales", "column_2020_sales"),
        ("\n; drop table x --", "drop_table_x"),
        ("€", "unnamed_column"),
        ("churned", "churned_value"),
        ("a__b", "a_b"),
    ],
)
def test_examples_of_identifiers(raw, safe):
    assert identifier(raw) == safe


def test_no_keyword_of_the_engine_is_left():
    keywords = duckdb.sql("select keyword_name from duckdb_keywords() where keyword_category != 'unreserved'")
    assert {name for (name,) in keywords.fetchall()} <= RESERVED


@given(st.lists(st.text(max_size=60), max_size=20))
def test_any_names_become_different_plain_identifiers(raw):
    made = unique_identifiers(raw)
    assert len(set(made)) == len(raw)
    for name in made:
        assert name.isidentifier()
        assert name == name.lower()
        assert "__" not in name
        assert name not in RESERVED


@given(st.text(max_size=80))
def test_identifiers_are_plain(name):
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,55}", identifier(name))
