"""Text read as a time: the same in bronze and in a replay, whatever the session's time zone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from python_ml.replay import _timestamp
from tests.python.temporal.engine import MacroCompiler

NOON = dt.datetime(2024, 1, 31, 12, 0)
TEXTS = {
    "2024-01-31 12:00:00": NOON,
    " 2024-01-31T12:00:00Z ": NOON,
    "2024-01-31T14:00:00+02:00": NOON,
    "2024-01-31 06:30:00-0530": NOON,
    "2024-01-31T13:00:00.000+01": NOON,
    "2024-01-31 12:00:00.000001": NOON.replace(microsecond=1),
    "2024-01-05": dt.datetime(2024, 1, 5),
    "2024-02-30 10:00:00": None,
    "31/12/2024": None,
    "unknown": None,
    "": None,
    None: None,
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    return MacroCompiler(Path(tmp_path_factory.mktemp("dbt"))).sql("to_timestamp", {"column": "raw_text"})


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_an_offset_counts_and_the_session_does_not(compiled, zone):
    with duckdb.connect() as connection:
        connection.execute(f"set timezone = '{zone}'")
        for text, expected in TEXTS.items():
            query = f"select {compiled}, {_timestamp('raw_text', {})} from (select cast(? as varchar) as raw_text)"
            assert connection.execute(query, [text]).fetchall() == [(expected, expected)], text
