"""The tables of a project, on whichever engine its target runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from python_ml.errors import UserError, explained
from python_ml.warehouse.backend import Backend
from python_ml.warehouse.duckdb_file import open_file
from python_ml.warehouse.naming import literal, relation
from python_ml.warehouse.remote import RemoteConnection
from python_ml.warehouse.sessions import replace_rows, table_exists
from python_ml.warehouse.targets import DATABRICKS, DUCKDB, SPARK, target_settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from python_ml.project import Project


def open_backend(project: Project) -> Backend | None:
    """The remote warehouse of the project's target; None on DuckDB.

    Raises
    ------
    UserError
        When the target is unknown, or its engine is not installed or cannot be reached.
    """
    settings = target_settings(project)
    kind = str(settings.get("type", DUCKDB))
    if kind == DUCKDB:
        return None
    if kind == SPARK:
        from python_ml.warehouse.spark import open_spark

        return open_spark(project, settings)
    if kind == DATABRICKS:
        from python_ml.warehouse.databricks import open_databricks

        return open_databricks(project, settings)
    raise UserError(
        f"The target runs on {kind}, which this package does not read.",
        where="--target" if project.target else "profiles.yml",
        hint=f"choose a target on {DUCKDB}, {SPARK} or {DATABRICKS}",
    )


def warehouse_place(project: Project) -> str:
    """What messages call the project's warehouse: the DuckDB file, or the target."""
    kind = str(target_settings(project).get("type", DUCKDB))
    return str(project.warehouse_path) if kind == DUCKDB else f"target {project.target or kind}"


def has_warehouse(project: Project) -> bool:
    """Tell whether there is a warehouse that could be read: a DuckDB file, or any remote one."""
    return str(target_settings(project).get("type", DUCKDB)) != DUCKDB or project.warehouse_path.is_file()


@contextmanager
def connect(project: Project, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection | RemoteConnection]:
    """Open the project's warehouse for a short while, to ask it questions in DuckDB's SQL.

    On DuckDB this is the project's file, which is locked per process: a connection must not outlive the work it is for.
    On other engines it is a DuckDB in memory, which gets the tables that statements name. Tables that were changed are
    written back at the end, each as a whole; nothing is written when the work inside fails.

    Parameters
    ----------
    project : Project
    read_only : bool

    Raises
    ------
    UserError
        When there is no warehouse yet, when another process holds it, when it is damaged, cannot be reached or lacks
        what is asked for.
    """
    backend = open_backend(project)
    if backend is None:
        with open_file(project, read_only) as connection:
            yield connection
        return
    with connect_to(backend, read_only) as connection:
        yield connection


@contextmanager
def connect_to(backend: Backend, read_only: bool = True) -> Iterator[RemoteConnection]:
    """Open a remote warehouse; as :func:`connect`."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="retention_duckdb_", ignore_cleanup_errors=True) as scratch:
        try:
            with duckdb.connect(config={"temp_directory": scratch}) as database:
                database.execute("set timezone = 'UTC'")
                connection = RemoteConnection(backend, database, read_only)
                yield connection
                connection.write_back()
        except duckdb.Error as error:
            known = explained(error, warehouse=backend.place)
            if known is None:
                raise
            raise known from error


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
    import duckdb

    if (backend := open_backend(project)) is not None:
        with duckdb.connect() as memory:  # the types of a frame are DuckDB's, whatever the engine
            memory.execute("set timezone = 'UTC'")
            memory.register("found", _read(backend, name))
            return memory.execute("select * from found").df()
    with _selected(project, name) as found:
        return found.df()


def read_arrow(project: Project, name: str) -> pa.Table:
    """Read a whole table with its own types; as :func:`read_table` otherwise."""
    if (backend := open_backend(project)) is not None:
        return _read(backend, name)
    with _selected(project, name) as found:
        return found.to_arrow_table()


def _read(backend: Backend, name: str) -> pa.Table:
    if not backend.exists(name):
        raise UserError(f"The table {name} does not exist.", where=backend.place, hint="run `retention build`")
    return backend.read(name)


def count_columns(project: Project, schemas: Sequence[str]) -> dict[str, int]:
    """Number of columns of each table in some schemas, by ``schema.table`` in their order."""
    if (backend := open_backend(project)) is not None:
        return {name: len(backend.columns(name)) for name in backend.tables(schemas)}
    with connect(project) as connection:
        rows = connection.execute(
            "select table_schema || '.' || table_name, count(*) from information_schema.columns "
            f"where table_schema in ({', '.join(map(literal, schemas))}) group by all order by 1"
        ).fetchall()
    return dict(rows)


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
    if (backend := open_backend(project)) is not None:
        backend.write(name, table)
        return
    with connect(project, read_only=False) as connection:
        replace_rows(connection, name, table)


def drop_tables(project: Project, *names: str) -> None:
    """Remove tables that would describe an earlier state, where they exist; ``names`` are ``schema.table``."""
    if (backend := open_backend(project)) is not None:
        for name in names:
            backend.drop(name)
        return
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
