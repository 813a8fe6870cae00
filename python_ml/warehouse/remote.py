"""A connection that answers DuckDB's SQL over the tables of another engine.

The Python half asks its questions in DuckDB's SQL. Here, a DuckDB in memory gets each table that a statement names,
once; what statements have changed goes back at the end, table by table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any

from python_ml.warehouse.naming import named_in, quote, relation, written_by

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from python_ml.warehouse.backend import Backend

_INCOMING = "rows_of_the_warehouse"


class _Brought:
    """What a connection and its cursors have in memory."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.schemas: set[str] | None = None
        # As it was brought, by name; None for a table that the warehouse does not have.
        self.tables: dict[str, pa.Table | None] = {}
        self.written: set[str] = set()


class RemoteConnection:
    """DuckDB in memory, over the tables of a remote warehouse; used like a connection of DuckDB.

    Statements name tables as ``schema.table``. The catalogue of DuckDB (``information_schema``) knows only the tables
    that are in memory: ask :func:`python_ml.warehouse.table_exists`.

    Parameters
    ----------
    backend : Backend
    database : duckdb.DuckDBPyConnection
        In memory, in UTC.
    read_only : bool
        Whether statements that change tables are refused.
    """

    def __init__(
        self,
        backend: Backend,
        database: duckdb.DuckDBPyConnection,
        read_only: bool = True,
        brought: _Brought | None = None,
    ) -> None:
        self.backend, self.read_only = backend, read_only
        self._database, self._brought = database, brought or _Brought()

    def __enter__(self) -> RemoteConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        """Run a statement; the result is DuckDB's."""
        self._prepare(query)
        return self._database.execute(query) if parameters is None else self._database.execute(query, parameters)

    def executemany(self, query: str, parameters: Iterable[Sequence[Any]]) -> Any:
        """Run a statement once for each set of parameters."""
        self._prepare(query)
        return self._database.executemany(query, parameters)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Make a relation of a query."""
        self._prepare(query)
        return self._database.sql(query)

    def register(self, name: str, rows: Any) -> None:
        """Let statements read rows by a name."""
        self._database.register(name, rows)

    def unregister(self, name: str) -> None:
        """Undo :meth:`register`."""
        self._database.unregister(name)

    def cursor(self) -> RemoteConnection:
        """Make a connection for another thread, over the same tables."""
        return RemoteConnection(self.backend, self._database.cursor(), self.read_only, self._brought)

    def close(self) -> None:
        """Close this connection; nothing is written back."""
        self._database.close()

    def exists(self, name: str) -> bool:
        """Tell whether ``schema.table`` exists, as far as this connection has changed anything, here."""
        with self._brought.lock:
            return self._is_here(name) if name in self._brought.tables else self.backend.exists(name)

    def declare(self, name: str, columns: Mapping[str, str]) -> None:
        """Make a table with types and constraints, or give them to the one that there is."""
        with self._brought.lock:
            self._bring(name)
            declared = ", ".join(f"{quote(column)} {kind}" for column, kind in columns.items())
            table = relation(name)
            self._database.execute(f"create schema if not exists {quote(name.split('.')[0])}")
            rows = self._rows(name)
            self._database.execute(f"create or replace table {table} ({declared})")
            if rows is not None:
                self._fill(f"insert into {table} by name", rows)
                self._brought.tables[name] = self._rows(name)
            self._brought.written.add(name)

    def write_back(self) -> None:
        """Give the warehouse the tables that were changed."""
        with self._brought.lock:
            for name in sorted(self._brought.written):
                before, after = self._brought.tables.get(name), self._rows(name)
                if after is None and before is not None:
                    self.backend.drop(name)
                elif after is not None and (before is None or not after.equals(before)):
                    self.backend.write(name, after)
            self._brought.written.clear()

    def _prepare(self, query: str) -> None:
        """Bring the tables that a statement names, and note those that it changes."""
        if "information_schema" in query.lower():
            raise RuntimeError("The catalogue of a remote warehouse is not in memory: use table_exists.")
        with self._brought.lock:
            written = written_by(query)
            if written and self.read_only:
                raise RuntimeError(f"This connection is read-only, and the statement changes {written[0]}.")
            for name in named_in(query):
                if self._begins_with_schema(name):
                    self._bring(name)
            for name in written:
                self._bring(name)
                self._database.execute(f"create schema if not exists {quote(name.split('.')[0])}")
            self._brought.written.update(written)

    def _begins_with_schema(self, name: str) -> bool:
        """Whether a dotted name is a table's, and not that of a column behind an alias."""
        if self._brought.schemas is None:
            self._brought.schemas = {schema.lower() for schema in self.backend.schemas()}
        return name.partition(".")[0].lower() in self._brought.schemas

    def _bring(self, name: str) -> None:
        if name in self._brought.tables:
            return
        if not self.backend.exists(name):
            self._brought.tables[name] = None
            return
        self._database.execute(f"create schema if not exists {quote(name.split('.')[0])}")
        self._fill(f"create table {relation(name)} as", self.backend.read(name))
        self._brought.tables[name] = self._rows(name)

    def _fill(self, into: str, rows: pa.Table) -> None:
        self._database.register(_INCOMING, rows)
        try:
            self._database.execute(f"{into} select * from {_INCOMING}")
        finally:
            self._database.unregister(_INCOMING)

    def _is_here(self, name: str) -> bool:
        schema, table = name.split(".")
        found = self._database.execute(
            "select 1 from duckdb_tables() where schema_name = ? and table_name = ? and not temporary", [schema, table]
        )
        return bool(found.fetchall())

    def _rows(self, name: str) -> pa.Table | None:
        """The rows that are in memory; None where there is no such table."""
        if not self._is_here(name):
            return None
        return self._database.sql(f"select * from {relation(name)}").to_arrow_table()
