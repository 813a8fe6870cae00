"""A connection to a remote warehouse: DuckDB's SQL over tables that are brought, and written back when changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pytest

from python_ml.errors import UserError
from python_ml.warehouse import (
    append_rows,
    connect_to,
    declare_table,
    has_table,
    observation_end,
    quote,
    relation,
    replace_rows,
    table_exists,
)
from python_ml.warehouse.naming import named_in, written_by

ORDERS = pa.table({"customer": ["a", "b", "a"], "amount": pa.array([1.0, 2.0, None]), "share": [float("nan")] * 3})


class Stored:
    """A warehouse in memory that keeps what it was asked for."""

    place, session = "a test", None

    def __init__(self, **tables: pa.Table) -> None:
        self.held = {name.replace("__", "."): table for name, table in tables.items()}
        self.said: list[tuple[str, str]] = []

    def exists(self, name: str) -> bool:
        return name in self.held

    def columns(self, name: str) -> list[str]:
        return self.held[name].column_names

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        self.said.append(("read", name))
        return self.held[name] if columns is None else self.held[name].select(columns)

    def write(self, name: str, table: pa.Table) -> None:
        self.said.append(("write", name))
        self.held[name] = table

    def drop(self, name: str) -> None:
        self.said.append(("drop", name))
        self.held.pop(name, None)

    def schemas(self) -> set[str]:
        return {name.partition(".")[0] for name in self.held}

    def tables(self, schemas: Sequence[str]) -> list[str]:
        return sorted(name for name in self.held if name.partition(".")[0] in schemas)


@pytest.fixture
def stored() -> Stored:
    return Stored(raw__orders=ORDERS, gold__scores=pa.table({"customer": ["a"], "score": [0.5]}))


@pytest.mark.parametrize(
    ("query", "named", "written"),
    [
        ('select a.x from "raw"."or""ders" as a', ["a.x", 'raw.or"ders'], []),
        ("insert or replace into gold.a select * from gold.b", ["gold.a", "gold.b"], ["gold.a"]),
        ('create or replace table "gold"."a" as select 1', ["gold.a"], ["gold.a"]),
        ("create table if not exists gold.a (x int)", ["gold.a"], ["gold.a"]),
        ("delete from gold.a where x in (select x from raw.b)", ["gold.a", "raw.b"], ["gold.a"]),
        ("update gold.a as h set x = b.x from raw.b as b", ["gold.a", "b.x", "raw.b"], ["gold.a"]),
        ("drop table if exists gold.a", ["gold.a"], ["gold.a"]),
        ("describe gold.a", ["gold.a"], []),
    ],
)
def test_statements_say_what_they_read_and_write(query: str, named: list[str], written: list[str]) -> None:
    assert (named_in(query), written_by(query)) == (named, written)


def test_each_table_is_brought_once_and_only_when_it_is_named(stored: Stored) -> None:
    with connect_to(stored) as connection:
        query = "select o.customer, sum(o.amount) from raw.orders as o group by all order by 1"
        assert connection.execute(query).fetchall() == [("a", 1.0), ("b", 2.0)]
        assert connection.sql(f"select count(*) from {relation('raw.orders')}").fetchall() == [(3,)]
        with connection.cursor() as cursor:
            assert cursor.execute("select count(amount) from raw.orders where amount > ?", [1]).fetchall() == [(1,)]
    assert stored.said == [("read", "raw.orders")]


def test_the_catalogue_is_that_of_the_warehouse(stored: Stored) -> None:
    with connect_to(stored, read_only=False) as connection:
        assert table_exists(connection, "raw.orders")
        assert has_table(connection, "gold.scores")
        assert not table_exists(connection, "gold.orders")
        assert observation_end(connection) is None
        connection.execute("create table gold.orders as select * from raw.orders")
        connection.execute("drop table gold.scores")
        assert table_exists(connection, "gold.orders")
        assert not table_exists(connection, "gold.scores")
        with pytest.raises(RuntimeError, match="catalogue"):
            connection.execute("select * from information_schema.tables")


def test_only_changed_tables_are_written_back(stored: Stored) -> None:
    with connect_to(stored, read_only=False) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute("create or replace table marts.sums as select sum(amount) as total from raw.orders")
        connection.execute("update gold.scores set score = 0.5")  # which changes nothing
        connection.execute("delete from raw.orders where customer = 'nobody'")
    assert [said for said in stored.said if said[0] == "write"] == [("write", "marts.sums"), ("write", "raw.orders")]
    assert stored.held["marts.sums"].to_pylist() == [{"total": 3.0}]
    assert stored.held["raw.orders"].column("customer").to_pylist() == ["a", "b", "a"]


def test_dropped_tables_are_dropped_and_unknown_ones_are_no_mistake(stored: Stored) -> None:
    with connect_to(stored, read_only=False) as connection:
        connection.execute("drop table if exists gold.scores")
        connection.execute("drop table if exists gold.nothing")
    assert [said for said in stored.said if said[0] != "read"] == [("drop", "gold.scores")]


def test_a_failure_leaves_the_warehouse_as_it_was(stored: Stored) -> None:
    with pytest.raises(ZeroDivisionError), connect_to(stored, read_only=False) as connection:
        connection.execute("delete from gold.scores")
        raise ZeroDivisionError
    with pytest.raises(UserError, match="lacks what this command reads"), connect_to(stored) as connection:
        connection.execute("select * from gold.nothing")
    assert stored.held["gold.scores"].num_rows == 1


def test_a_read_only_connection_changes_nothing(stored: Stored) -> None:
    with connect_to(stored) as connection, pytest.raises(RuntimeError, match="read-only"):
        connection.execute("delete from gold.scores")


def test_declared_tables_keep_their_constraints(stored: Stored) -> None:
    columns = {"customer": "varchar primary key", "score": "double"}
    with connect_to(stored, read_only=False) as connection:
        declare_table(connection, "gold.scores", columns)
        connection.execute("insert or replace into gold.scores values ('a', 0.7), ('b', 0.1)")
        connection.register("found_now", pa.table({"customer": ["b", "c"], "score": [0.9, 0.2]}))
        connection.execute("insert or ignore into gold.scores select * from found_now")
        declare_table(connection, "gold.reasons", {"reason": "varchar"})
        connection.executemany("insert into gold.reasons values (?)", [["one"], ["two"]])
    rows = {row["customer"]: row["score"] for row in stored.held["gold.scores"].to_pylist()}
    assert rows == {"a": 0.7, "b": 0.1, "c": 0.2}
    assert stored.held["gold.reasons"].column("reason").to_pylist() == ["one", "two"]


def test_rows_are_added_and_replaced(stored: Stored) -> None:
    made = pa.table({"at": [datetime(2024, 1, 1)]})
    with connect_to(stored, read_only=False) as connection:
        append_rows(connection, "text.times", made)
        append_rows(connection, "text.times", made)
        replace_rows(connection, "gold.scores", made)
        assert connection.execute(f"select count(*) from {quote('text')}.times").fetchall() == [(2,)]
    assert stored.held["text.times"].num_rows == 2
    assert stored.held["gold.scores"].schema == made.schema
