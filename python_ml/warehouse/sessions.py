"""What works on every connection and session: DuckDB's, one to a remote warehouse, and Spark's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from python_ml.warehouse.arrow_types import without_zones
from python_ml.warehouse.naming import quote, quote_for_spark, relation
from python_ml.warehouse.remote import RemoteConnection

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb
    import pandas as pd
    import pyarrow as pa

OBSERVATION = "silver.slv_observation_period"


def as_frame(relation: Any) -> pd.DataFrame:
    """Turn what ``dbt.ref`` gives a Python model into a pandas frame, on DuckDB and on Spark."""
    return relation.toPandas() if hasattr(relation, "toPandas") else relation.df()


def is_spark(session: Any) -> bool:
    """Tell what dbt gives a Python model: a session of Spark, or else a connection to DuckDB."""
    return hasattr(session, "catalog")


def is_duckdb(session: Any) -> bool:
    """Tell whether a session is DuckDB's own, with its catalogue, and not one to a remote warehouse or of Spark."""
    return not is_spark(session) and not isinstance(session, RemoteConnection)


def has_table(session: Any, name: str) -> bool:
    """Tell whether ``schema.table`` exists; ``session`` is what dbt gives a Python model, on DuckDB and on Spark."""
    return session.catalog.tableExists(name) if is_spark(session) else table_exists(session, name)


def selected_by(session: Any, sql: str) -> list[tuple]:
    """The rows of a query on the engine of a session; see :func:`has_table`."""
    if is_spark(session):
        return [tuple(row) for row in session.sql(sql).collect()]
    return session.execute(sql).fetchall()


def quoted_by(session: Any, *parts: str) -> str:
    """Quote a column, or the parts of a table's name, for the engine of a session; see :func:`has_table`."""
    return ".".join(map(quote_for_spark if is_spark(session) else quote, parts))


def table_exists(connection: duckdb.DuckDBPyConnection | RemoteConnection, name: str) -> bool:
    """Tell whether ``schema.table`` exists."""
    if isinstance(connection, RemoteConnection):
        return connection.exists(name)
    schema, table = name.split(".")
    found = connection.execute(
        "select 1 from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    ).fetchall()
    return bool(found)


def observation_end(connection: duckdb.DuckDBPyConnection | RemoteConnection) -> datetime | None:
    """Up to when the data is complete, in naive UTC; None where the project has no table that says so."""
    if not table_exists(connection, OBSERVATION):
        return None
    query = f"select cast(max(observation_end) as timestamp) from {relation(OBSERVATION)}"
    return connection.execute(query).fetchall()[0][0]


def declare_table(
    connection: duckdb.DuckDBPyConnection | RemoteConnection, name: str, columns: Mapping[str, str]
) -> None:
    """Make a table to which rows are added, and its schema, where they are missing.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    name : str
        ``schema.table``.
    columns : mapping of str to str
        Name and SQL type (with constraints) of each.
    """
    if isinstance(connection, RemoteConnection):
        connection.declare(name, columns)
        return
    declared = ", ".join(f"{quote(column)} {kind}" for column, kind in columns.items())
    connection.execute(f"create schema if not exists {quote(name.split('.')[0])}")
    connection.execute(f"create table if not exists {relation(name)} ({declared})")


def arrow_table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.Table:
    """Rows as a table of columns by name and type (one of those below); what a row does not have is null."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "timestamp": pa.timestamp("us"),
        "double": pa.float64(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "boolean": pa.bool_(),
    }
    return pa.Table.from_pylist(list(rows), schema=pa.schema({name: kinds[kind] for name, kind in columns.items()}))


def query_session(session: Any, query: str, **views: Any) -> pa.Table:
    """Run a query in the session that dbt gives a Python model, on DuckDB and on Spark.

    Parameters
    ----------
    session : duckdb.DuckDBPyConnection or pyspark.sql.SparkSession
    query : str
    **views
        What the query calls by these names: results of ``dbt.ref``, or Arrow tables.

    Returns
    -------
    pyarrow.Table
        Times are naive UTC.
    """
    if is_spark(session):
        for name, rows in views.items():
            frame = rows if hasattr(rows, "toPandas") else session.createDataFrame(rows)
            frame.createOrReplaceTempView(name)
        return without_zones(session.sql(query).toArrow())
    for name, rows in views.items():
        # seen by this session alone: dbt runs several Python models at a time
        session.register(name, rows)
    return session.sql(query).to_arrow_table()


def append_rows(session: Any, name: str, rows: Any) -> None:
    """Add rows to ``schema.table`` in such a session; the table is made when it is missing.

    Parameters
    ----------
    session : duckdb.DuckDBPyConnection or pyspark.sql.SparkSession
    name : str
        ``schema.table``.
    rows : pyarrow.Table, or a frame of that session of Spark
    """
    if is_spark(session):
        _save_on_spark(session, name, rows, "append")
        return
    with _registered(session, name, rows) as found:
        session.execute(f"create table if not exists {relation(name)} as select * from {found} limit 0")
        session.execute(f"insert into {relation(name)} by name select * from {found}")


def replace_rows(session: Any, name: str, rows: Any) -> None:
    """Replace ``schema.table`` as a whole; parameters as for :func:`append_rows`."""
    if is_spark(session):
        _save_on_spark(session, name, rows, "overwrite")
        return
    with _registered(session, name, rows) as found:
        session.execute(f"create or replace table {relation(name)} as select * from {found}")


def _save_on_spark(session: Any, name: str, rows: Any, mode: str) -> None:
    session.sql(f"create schema if not exists {quoted_by(session, name.split('.')[0])}")
    frame = rows if hasattr(rows, "toPandas") else session.createDataFrame(rows)
    frame.write.mode(mode).saveAsTable(name)


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection | RemoteConnection, name: str, rows: pa.Table) -> Iterator[str]:
    """Let a query read rows for ``schema.table``, whose schema is made where it is missing."""
    connection.execute(f"create schema if not exists {quote(name.split('.')[0])}")
    connection.register("rows_to_write", rows)
    try:
        yield "rows_to_write"
    finally:
        connection.unregister("rows_to_write")
