"""What a replay leaves of tables whose rows close one another: no late extract, and none of the ends that it wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb
import pytest

from python_ml.errors import UserError
from python_ml.replay import _cut_query

from .engine import MacroCompiler

JANUARY, FEBRUARY, MARCH = (datetime(2024, month, 1) for month in (1, 2, 3))
T = datetime(2024, 2, 15)
GONE = datetime(2024, 2, 3)
# customer, plan, start, end, loaded: ada's second version came a month after it began; bob's row is gone since 3
# February; cyd's two versions were both there in time; dan's came only in March.
VERSIONS = [
    ("ada", "basic", JANUARY, FEBRUARY, JANUARY),
    ("ada", "pro", FEBRUARY, None, MARCH),
    ("bob", "basic", JANUARY, GONE, JANUARY),
    ("cyd", "basic", JANUARY, FEBRUARY, JANUARY),
    ("cyd", "pro", FEBRUARY, datetime(2024, 2, 20), FEBRUARY),
    ("cyd", "max", datetime(2024, 2, 20), None, datetime(2024, 2, 20)),
    ("dan", "pro", JANUARY, None, MARCH),
]
# What was in the warehouse on 15 February.
KNOWN = [
    ("ada", "basic", JANUARY, None, JANUARY),
    ("bob", "basic", JANUARY, GONE, JANUARY),
    ("cyd", "basic", JANUARY, FEBRUARY, JANUARY),
    ("cyd", "pro", FEBRUARY, None, FEBRUARY),
]
AT_T = {"ada": "basic", "bob": None, "cyd": "pro", "dan": None}


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    """A database with the snapshot and the raw table, in the schema `snapshots` of the attached `stored`."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; attach ':memory:' as stored; create schema stored.snapshots")
    for name, start, end in (("snp", "dbt_valid_from", "dbt_valid_to"), ("raw", "valid_from", "valid_to")):
        connection.execute(
            f"create table stored.snapshots.{name} "
            f"(customer_id varchar, plan varchar, {start} timestamp, {end} timestamp, loaded_at timestamp)"
        )
        connection.executemany(f"insert into stored.snapshots.{name} values (?, ?, ?, ?, ?)", VERSIONS)
    return connection


def _snapshot(**config: Any) -> dict[str, Any]:
    return {
        "resource_type": "snapshot",
        "original_file_path": "snapshots/snp.sql",
        "config": {"unique_key": "customer_id", "updated_at": "updated_at", **config},
    }


RAW = {
    "resource_type": "source",
    "original_file_path": "models/sources.yml",
    "config": {
        "meta": {
            "time": {
                "event_at": "valid_from",
                "available_at": "loaded_at",
                "later": [{"columns": ["valid_to"], "known_at": "valid_to", "versions_of": ["customer_id"]}],
            }
        }
    },
}
SNAPSHOT = _snapshot(meta={"time": {"available_at": "loaded_at"}})


@pytest.mark.parametrize(("table", "node"), [("snp", SNAPSHOT), ("raw", RAW)])
def test_a_late_extract_is_cut_with_the_ends_that_it_wrote(table, node, connection, macros: MacroCompiler):
    query, is_cut = _cut_query(connection, node, f"snapshots.{table}", T)
    assert is_cut
    assert sorted(connection.execute(query).fetchall()) == KNOWN
    # features made of what is left are those of the whole
    connection.execute(f"create table cut as {query}; create table whole as from stored.snapshots.{table}")
    connection.execute("create table spine as select unnest(['ada', 'bob', 'cyd', 'dan']) as customer_id, ? as t", [T])
    connection.execute("alter table spine rename t to feature_timestamp")
    for relation in ("cut", "whole"):
        history, ends = relation, "valid_to"
        if table == "snp":
            made = macros.sql("snapshot_history", {
                "snapshot": relation, "entity": "customer_id", "columns": ["plan"], "loaded_at": "loaded_at",
            })  # fmt: skip
            history, ends = f"({made}) as history", "deleted_at"
        sql = macros.sql("as_of_join", {
            "spine": "spine", "history": history, "entity": "customer_id", "valid_from": "valid_from",
            "valid_to": ends, "available_at": "available_at" if table == "snp" else "loaded_at", "columns": ["plan"],
        })  # fmt: skip
        plans = connection.execute(f"select customer_id, plan from ({sql})").fetchall()
        assert dict(plans) == AT_T, relation


def test_a_key_of_two_columns(connection):
    node = _snapshot(unique_key=["customer_id", "plan"], meta={"time": {"available_at": "loaded_at"}})
    query, _ = _cut_query(connection, node, "snapshots.snp", T)
    # no other plan of ada is a version of the same row
    assert [row[3] for row in connection.execute(query).fetchall() if row[0] == "ada"] == [FEBRUARY]


def test_a_snapshot_by_a_time_of_the_source_must_say_when_it_was_loaded(connection):
    with pytest.raises(UserError, match="when its versions were known") as error:
        _cut_query(connection, _snapshot(), "snapshots.snp", T)
    assert "available_at" in error.value.hint


def test_a_snapshot_by_the_time_of_its_run_was_known_then(connection):
    query, _ = _cut_query(connection, _snapshot(updated_at=None), "snapshots.snp", T)
    assert len(connection.execute(query).fetchall()) == 6
