"""The scratch database in which raw files are opened and measured."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.ingest.dialect import distinct_names
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

_TEXT_OPTIONS = ("delim", "quote", "escape", "new_line", "encoding", "compression")


@dataclass(frozen=True)
class RawRelation:
    """Rows of a DuckDB connection, by a quoted name or a query in brackets; in SQL it stands for itself."""

    connection: duckdb.DuckDBPyConnection
    name: str

    def __str__(self) -> str:
        return self.name

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(query).fetchall()

    def row(self, query: str) -> tuple[Any, ...]:
        """The first row of a query."""
        return self.rows(query)[0]


@contextmanager
def scratch_connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a temporary DuckDB database on disk, so that large files spill rather than fill memory.

    Its folder (see :func:`scratch_folder`) also holds converted files, and is deleted with it.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="retention_") as folder:
        connection = duckdb.connect(str(Path(folder) / "scratch.duckdb"))
        try:
            connection.execute("set timezone = 'UTC'")
            # Without these a misspelt option would try to download an extension.
            connection.execute("set autoinstall_known_extensions = false")
            connection.execute("set autoload_known_extensions = false")
            connection.execute("set enable_progress_bar = false")
            connection.execute("pragma disable_checkpoint_on_shutdown")  # the database is deleted
            connection.execute(f"set threads = {min(4, os.cpu_count() or 1)}")
            yield connection
        finally:
            connection.close()


def scratch_folder(connection: duckdb.DuckDBPyConnection) -> Path:
    """The folder of a scratch database."""
    return Path(connection.execute("select path from duckdb_databases() where not internal").fetchall()[0][0]).parent


def scan_sql(path: Path, file_format: str, options: dict[str, Any]) -> str:
    """Write the query that reads a file in place; the macro ``attach_raw_files`` writes the same one.

    Parameters
    ----------
    path : Path
    file_format : str
        ``csv`` or ``parquet``.
    options : dict
        See :attr:`python_ml.ingest.schema.RawTable.options`.
    """
    # DuckDB reads a path as a pattern: a bracket or star stands for itself only in brackets.
    file = literal(re.sub(r"([*?\[])", r"[\1]", str(path)))
    if file_format == "parquet":
        return f"select * from read_parquet({file})"
    settings = ["auto_detect = false", f"header = {str(bool(options.get('header', True))).lower()}"]
    settings += [f"{key} = {literal(options[key])}" for key in _TEXT_OPTIONS if key in options]
    settings += [f"skip = {int(options['skip'])}"] if options.get("skip") else []
    # Nothing is cut off at a limit: a single value may be as long as the file.
    settings += [f"max_line_size = {int(options['max_line_size'])}"] if "max_line_size" in options else []
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in options["names"])
    return f"select * from read_csv({file}, {', '.join(settings)}, columns = {{{columns}}})"


def flat_columns(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Names and expressions of a relation's columns, with the fields of structures as columns ``outer_inner``.

    One level deep, as for JSON: what lies deeper stays as it is. Empty where there are no structures.
    """
    columns: list[tuple[str, str]] = []
    table = connection.sql(f"from {relation}")
    for name, kind in zip(table.columns, table.types, strict=True):
        if kind.id == "struct":
            fields = (inner for inner, _ in kind.children)
            columns += [(f"{name}_{inner}", f"struct_extract({quote(name)}, {literal(inner)})") for inner in fields]
        else:
            columns.append((name, quote(name)))
    if all(kind.id != "struct" for kind in table.types):
        return {}
    names = distinct_names([name for name, _ in columns])
    return dict(zip(names, (expression for _, expression in columns), strict=True))


def describe(connection: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    """Names and types of a relation's columns."""
    return [(row[0], row[1]) for row in connection.execute(f"describe {relation}").fetchall()]


def count_rows(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Rows of a relation."""
    return connection.execute(f"select count(*) from {relation}").fetchall()[0][0]


def create_raw(connection: duckdb.DuckDBPyConnection, table: str, path: Path, file_format: str, options: dict) -> str:
    """Make a file a relation: a view of parquet, a table of text (parsed once).

    Returns
    -------
    str
        The quoted relation.
    """
    kind = "view" if file_format == "parquet" else "table"
    connection.execute(f"create or replace {kind} {quote(table)} as {scan_sql(path, file_format, options)}")
    return quote(table)
