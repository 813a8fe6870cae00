"""Reading the warehouse from Python: the one module that knows which engine it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError, explained
from python_ml.project import WAREHOUSE_VARIABLE

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb
    import pandas as pd
    import pyarrow as pa

    from python_ml.project import Project

DUCKDB = "duckdb"
OBSERVATION = "silver.slv_observation_period"


def quote(identifier: str) -> str:
    """Quote an identifier for SQL; a dotted name is quoted part by part by :func:`relation`."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text literal for SQL."""
    return "'" + text.replace("'", "''") + "'"


def relation(name: str) -> str:
    """Quote a ``schema.table`` name."""
    return ".".join(quote(part) for part in name.split("."))


def profiles_path(project: Project) -> Path:
    """Where dbt reads the project's targets: its own profiles.yml when it has one, else that of dbt's usual place."""
    own = project.root / "profiles.yml"
    return own if own.exists() else Path(os.environ.get("DBT_PROFILES_DIR") or Path.home() / ".dbt") / "profiles.yml"


def target_settings(project: Project) -> dict[str, Any]:
    """What ``profiles.yml`` says of the project's target, with environment variables filled in.

    Returns
    -------
    dict
        ``type`` and the rest; empty where no profile is found.

    Raises
    ------
    UserError
        When the file is no YAML, or the profile has no such target or asks for a variable that is not set.
    """
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from python_ml.yaml_io import parsed

    path = profiles_path(project)
    if not path.exists():
        if project.target is not None:
            raise UserError(
                f"There is no profiles.yml that could say what the target {project.target} is.",
                where=str(path),
                hint="leave --target out, or write the file",
            )
        return {}
    with parsed(path, "profiles") as (loader, node):
        profiles = _mapping(loader.construct_document(node) if node is not None else None)
    profile = _mapping(profiles.get(str(project.config.get("profile"))))
    # Sandboxed: a project that somebody sent must not run code because one looks into it.
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)  # YAML, no HTML

    def env_var(name: str, default: str | None = None) -> str:
        # The project's own file, which every run of dbt gets as a variable.
        value = str(project.warehouse_path) if name == WAREHOUSE_VARIABLE else os.environ.get(name, default)
        if value is None:
            raise UserError(f"The environment variable {name} is not set.", where=str(path), hint="set it")
        return value

    def var(name: str, default: Any = None) -> Any:
        return default  # what a job passes to dbt as --vars, it passes to the other commands as variables

    environment.globals |= {"env_var": env_var, "var": var}
    environment.filters |= {"as_number": int, "as_bool": bool, "as_native": str, "as_text": str}

    def filled(value: Any) -> Any:
        try:
            return environment.from_string(value).render() if isinstance(value, str) else value
        except (jinja2.TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise UserError(
                f"The expression `{value}` cannot be evaluated: {error}.",
                where=str(path),
                hint="use env_var('NAME', 'default') and the filters as_number, as_bool, as_native and as_text",
            ) from error

    outputs = _mapping(profile.get("outputs"))
    target = project.target or filled(profile.get("target", "default"))
    if target not in outputs:
        raise UserError(
            f"There is no target {target}.", where=str(path), hint=f"choose one of {', '.join(outputs) or 'none'}"
        )
    return {name: filled(value) for name, value in _mapping(outputs[target]).items()}


def _mapping(value: Any) -> dict[Any, Any]:
    """The value, or nothing where a person wrote something else than names and values."""
    return value if isinstance(value, dict) else {}


def engine(project: Project) -> str:
    """The engine of the project's target: ``duckdb``, ``spark`` or ``databricks``."""
    return str(target_settings(project).get("type", DUCKDB))


def require_engine(project: Project, engines: Sequence[str]) -> None:
    """Refuse a target that a command cannot serve, rather than read another warehouse in its place.

    Raises
    ------
    UserError
        When the target is unknown, runs on another engine, or keeps its tables in another DuckDB file than the one that
        is read here.
    """
    settings = target_settings(project)
    kind = str(settings.get("type", DUCKDB))
    name = f"target {project.target}" if project.target else "default target"
    where = "--target" if project.target else str(profiles_path(project))
    if kind not in engines:
        raise UserError(
            f"The {name} runs on {kind}; this command works on {' and '.join(engines)} only.",
            where=where,
            hint=f"choose a target on {' or '.join(engines)}, such as --target dev",
        )
    path = settings.get("path")
    if tuple(engines) != (DUCKDB,) or not path:
        return
    if (project.root / str(path)).resolve() != project.warehouse_path:
        raise UserError(
            f"The {name} keeps its tables in {path}, but this command reads {project.warehouse_path.name}.",
            where=where,
            hint=f"set {WAREHOUSE_VARIABLE} to {path}, or write the path in profiles.yml as "
            f"{{{{ env_var('{WAREHOUSE_VARIABLE}', 'warehouse.duckdb') }}}}",
        )


@contextmanager
def connect(project: Project, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the project's DuckDB file for a short while.

    DuckDB locks its file per process, so a connection must not outlive the work it is for.

    Raises
    ------
    UserError
        When there is no warehouse yet, when another process holds it, when it is damaged or lacks what is asked for.
    """
    import duckdb

    path = project.warehouse_path
    if not path.is_file():
        raise UserError("There is no warehouse yet.", where=str(path), hint="run `retention build`")
    try:
        with duckdb.connect(str(path), read_only=read_only) as connection:
            connection.execute("set timezone = 'UTC'")
            yield connection
    except duckdb.Error as error:
        known = explained(error, warehouse=str(path))
        if known is None:
            raise
        raise known from error


def as_frame(relation: Any) -> pd.DataFrame:
    """Turn what ``dbt.ref`` gives a Python model into a pandas frame, on DuckDB and on Spark."""
    return relation.toPandas() if hasattr(relation, "toPandas") else relation.df()


def is_spark(session: Any) -> bool:
    """Tell what dbt gives a Python model: a session of Spark, or else a connection to DuckDB."""
    return hasattr(session, "catalog")


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
    mark = "`" if is_spark(session) else '"'
    return ".".join(mark + part.replace(mark, 2 * mark) + mark for part in parts)


def table_exists(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Tell whether ``schema.table`` exists."""
    schema, table = name.split(".")
    found = connection.execute(
        "select 1 from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    ).fetchall()
    return bool(found)


def observation_end(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Up to when the data is complete, in naive UTC; None where the project has no table that says so."""
    if not table_exists(connection, OBSERVATION):
        return None
    query = f"select cast(max(observation_end) as timestamp) from {relation(OBSERVATION)}"
    return connection.execute(query).fetchall()[0][0]


def read_table(project: Project, name: str) -> pd.DataFrame:
    """Read a whole table, such as ``gold.gld_training_set``.

    Returns
    -------
    pandas.DataFrame
        One row per row of the table; decimals arrive as floats, times as naive UTC.

    Raises
    ------
    UserError
        When the warehouse or the table does not exist.
    """
    with _selected(project, name) as found:
        return found.df()


def read_arrow(project: Project, name: str) -> pa.Table:
    """Read a whole table with its own types; as :func:`read_table` otherwise."""
    with _selected(project, name) as found:
        return found.to_arrow_table()


def declare_table(connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str]) -> None:
    """Make a table to which rows are added, and its schema, where they are missing.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    name : str
        ``schema.table``.
    columns : mapping of str to str
        Name and SQL type (with constraints) of each.
    """
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


def write_table(project: Project, name: str, rows: pd.DataFrame | pa.Table) -> None:
    """Replace a whole table, such as ``gold.gld_backtests``: readers see the old rows or the new ones.

    Parameters
    ----------
    project : Project
    name : str
        ``schema.table``.
    rows : pandas.DataFrame or pyarrow.Table
        Give columns that may be empty an Arrow type: DuckDB cannot infer one from missing values.

    Raises
    ------
    UserError
        When there is no warehouse yet, or another process holds it.
    """
    import pyarrow as pa

    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
    with connect(project, read_only=False) as connection:
        replace_rows(connection, name, table)


def drop_tables(project: Project, *names: str) -> None:
    """Remove tables that would describe an earlier state, where they exist; ``names`` are ``schema.table``."""
    with connect(project, read_only=False) as connection:
        for name in names:
            connection.execute(f"drop table if exists {relation(name)}")


@contextmanager
def _selected(project: Project, name: str) -> Iterator[duckdb.DuckDBPyRelation]:
    with connect(project) as connection:
        if not table_exists(connection, name):
            raise UserError(
                f"The table {name} does not exist.",
                where=str(project.warehouse_path),
                hint="run `retention build`",
            )
        yield connection.sql(f"select * from {relation(name)}")


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
        return _naive(session.sql(query).toArrow())
    for name, rows in views.items():
        # seen by this session alone: dbt runs several Python models at a time
        session.register(name, rows)
    return session.sql(query).to_arrow_table()


def _naive(table: pa.Table) -> pa.Table:
    """Times of a session in UTC without their zone."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz:
            table = table.set_column(place, field.name, table.column(place).cast(pa.timestamp("us")))
    return table


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
def _registered(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> Iterator[str]:
    """Let a query read rows for ``schema.table``, whose schema is made where it is missing."""
    connection.execute(f"create schema if not exists {quote(name.split('.')[0])}")
    connection.register("rows_to_write", rows)
    try:
        yield "rows_to_write"
    finally:
        connection.unregister("rows_to_write")
