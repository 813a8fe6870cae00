"""Text read as a time: the same in bronze and in a replay, whatever the session's time zone."""

from __future__ import annotations

import duckdb
import pytest

from python_ml.ingest.macros import rendered
from python_ml.replay import _timestamp
from tests.python.times_as_text import AT_TWO, ISO, WITH_FORMATS


def read(connection: duckdb.DuckDBPyConnection, text: str | None, arguments: str = "") -> object:
    """What `to_timestamp` makes of a text."""
    sql = rendered(f"{{{{ customer_retention.to_timestamp('raw_text'{arguments}) }}}}")
    return connection.execute(f"select {sql} from (select cast(? as varchar) as raw_text)", [text]).fetchall()[0][0]


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/New_York"])
def connection(request):
    with duckdb.connect() as opened:
        opened.execute(f"set timezone = '{request.param}'")
        yield opened


def test_a_zone_counts_and_the_session_does_not(connection):
    found = {text: read(connection, text) for text in ISO}
    assert found == ISO


def test_a_replay_reads_as_bronze(connection):
    for text, expected in ISO.items():
        query = f"select {_timestamp('raw_text', {})} from (select cast(? as varchar) as raw_text)"
        assert connection.execute(query, [text]).fetchall() == [(expected,)], text


def test_zones_in_patterns(connection):
    found = {(form, text): read(connection, text, f", ['{form}']") for form, text in WITH_FORMATS}
    assert found == WITH_FORMATS


def test_a_given_clock_is_for_texts_without_a_zone(connection):
    found = {
        (form, text): read(connection, text, f", {[form] if form else None}, utc_offset='+02:00'")
        for form, text in AT_TWO
    }
    assert found == AT_TWO
