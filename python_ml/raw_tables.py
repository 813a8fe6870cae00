"""Raw files as tables of an engine that does not read them in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from python_ml.errors import RetentionError, UserError, explained
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from python_ml.project import Project

# Types of parquet files that Spark lacks, and what holds their values there.
_STORED_AS = {
    "utinyint": "smallint",
    "usmallint": "integer",
    "uinteger": "bigint",
    "ubigint": "decimal(20, 0)",
    "hugeint": "decimal(38, 0)",
    "uhugeint": "decimal(38, 0)",
    "timestamp_s": "timestamp",
    "timestamp_ms": "timestamp",
    "timestamp_ns": "timestamp",
    "time": "varchar",
    "time with time zone": "varchar",
    "uuid": "varchar",
    "enum": "varchar",
    "interval": "varchar",
}


def load_raw_files(project: Project, write: Callable[[str, pa.Table], None]) -> list[str]:
    """Load the raw files that a project's sources name, as dbt reads them in place on DuckDB.

    Parameters
    ----------
    project : Project
        Parsed by dbt: its manifest says which sources have a file, and how it is read.
    write : callable
        Gets ``schema.table`` and its rows, and replaces that table. Text files stay text; times are naive UTC.

    Returns
    -------
    list of str
        The tables that were loaded; empty for a project whose raw rows are seeds.

    Raises
    ------
    UserError
        When dbt has not parsed the project, or a file is missing, has other columns than when the project was made, or
        cannot be read.
    """
    from python_ml.ingest.connection import scratch_connection
    from python_ml.ingest.macros import raw_file_rows

    loaded = []
    with scratch_connection() as connection:
        for name, file in _files(project.manifest):
            try:
                query = raw_file_rows(connection, file, project.root, project.vars)
                write(name, _readable_on_spark(connection, query).to_arrow_table())
            except Exception as error:
                known = explained(error, str(file.get("path")))
                if known is None:
                    raise
                raise _refused(known, name) from error
            loaded.append(name)
    return loaded


def _files(manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Table and ``meta.file`` of each source that has a file."""
    for node in manifest["sources"].values():
        file = node.get("config", {}).get("meta", {}).get("file") or node.get("meta", {}).get("file")
        if file:
            yield f"{node['schema']}.{node['identifier']}", file


def _readable_on_spark(connection: duckdb.DuckDBPyConnection, query: str) -> duckdb.DuckDBPyRelation:
    """The rows of a query in types that both engines have."""
    rows = connection.sql(query)
    columns = [
        f"cast({quote(name)} as {_STORED_AS[kind.id]}) as {quote(name)}" if kind.id in _STORED_AS else quote(name)
        for name, kind in zip(rows.columns, rows.types, strict=True)
    ]
    return rows.select(", ".join(columns))


def _refused(error: RetentionError, table: str) -> UserError:
    """What the macro says to dbt, as an error of the user's."""
    if isinstance(error, UserError):
        return error
    return UserError(error.what, where=table, hint=error.hint or "see `meta.file` of the source in models/bronze")
