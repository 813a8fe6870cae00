"""The newest row of every customer in a SQLite file: written in one transaction, read without any library.

A row per customer and view holds the values as a JSON array, in the order of the view's columns. All views of a
customer lie next to each other, so that one look-up reads them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from python_ml.errors import UserError
from python_ml.feature_store.schema import DATE, DECIMAL, TIMESTAMP, StoredColumn, StoreDefinition

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_MOST_VARIABLES = 500  # of a query; SQLite allows 999 in old versions
_TABLES = """
create table if not exists online_rows (
    customer text not null, view text not null, feature_us integer not null, valid_us integer not null,
    feature_values text not null, primary key (customer, view)
) without rowid;
create index if not exists online_rows_by_time on online_rows (feature_us);
create table if not exists online_facts (name text primary key, content text not null) without rowid;
"""


@dataclass(frozen=True)
class StoredRow:
    """A row of a view: naive UTC times, and the values as the JSON array that is stored."""

    customer: str
    view: str
    feature_timestamp: datetime
    valid_from: datetime
    encoded: str


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970 of a time in naive UTC, or with a zone."""
    naive = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    return (naive - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """Undo :func:`to_microseconds`, as naive UTC."""
    return _EPOCH + value * _MICROSECOND


def encode(values: Iterable[Any]) -> str:
    """Values as a JSON array: decimals as text, dates and times in ISO format."""
    return json.dumps(list(values), default=_encoded, separators=(",", ":"), ensure_ascii=False)


def _encoded(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"no feature is of type {type(value).__name__}")


def decoder(column: StoredColumn) -> Any:
    """What turns a stored value into that of a column; None where it is stored as it is."""
    return {DECIMAL: Decimal, DATE: date.fromisoformat, TIMESTAMP: datetime.fromisoformat}.get(column.kind)


class OnlineTable:
    """The SQLite file of an online store. Each call opens it, unless it is inside :meth:`reading`.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: readers see all of it or nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
            # Readers go on while a transaction is written, and none waits for the disk.
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
            connection.execute("begin immediate")
            try:
                for statement in filter(str.strip, _TABLES.split(";")):
                    connection.execute(statement)
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    def open(self) -> sqlite3.Connection:
        """A connection that only reads.

        Raises
        ------
        UserError
            When nothing has been published.
        """
        if not self.path.is_file():
            raise UserError(
                "Nothing has been published yet.", where=str(self.path), hint="run `retention features publish`"
            )
        connection = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=5, check_same_thread=False
        )
        connection.execute("pragma query_only = on")
        return connection

    def definition(self, connection: sqlite3.Connection | None = None) -> StoreDefinition | None:
        """What the rows are rows of; None before the first publish."""
        if connection is None:
            if not self.path.is_file():
                return None
            with closing(self.open()) as opened:
                return self.definition(opened)
        try:
            found = connection.execute("select content from online_facts where name = 'definition'").fetchone()
        except sqlite3.OperationalError:  # killed before the first transaction
            return None
        return None if found is None else StoreDefinition.from_dict(json.loads(found[0]))


def write_definition(connection: sqlite3.Connection, definition: StoreDefinition) -> None:
    """Keep what the rows are rows of, within a transaction."""
    content = json.dumps(definition.to_dict())
    connection.execute("insert or replace into online_facts values ('definition', ?)", [content])


def versions(connection: sqlite3.Connection, view: str) -> dict[str, tuple[int, int]]:
    """Feature time and ``valid_from`` of every customer's row of a view, in microseconds."""
    query = "select customer, feature_us, valid_us from online_rows where view = ?"
    return {customer: (feature, valid) for customer, feature, valid in connection.execute(query, [view])}


def write_rows(connection: sqlite3.Connection, rows: Iterable[StoredRow]) -> None:
    """Replace the rows of customers, within a transaction."""
    connection.executemany(
        "insert or replace into online_rows values (?, ?, ?, ?, ?)",
        (
            (r.customer, r.view, to_microseconds(r.feature_timestamp), to_microseconds(r.valid_from), r.encoded)
            for r in rows
        ),
    )


def delete_rows(connection: sqlite3.Connection, view: str, customers: Iterable[str]) -> None:
    """Delete the rows of customers, within a transaction."""
    connection.executemany(
        "delete from online_rows where view = ? and customer = ?", ((view, customer) for customer in customers)
    )


def delete_other_views(connection: sqlite3.Connection, views: Sequence[str]) -> None:
    """Delete the rows of views that there are no more, within a transaction."""
    marks = ", ".join("?" * len(views))
    connection.execute(f"delete from online_rows where view not in ({marks})", list(views))


def read_rows(connection: sqlite3.Connection, customers: Sequence[str]) -> Mapping[str, list[tuple]]:
    """Rows of customers: ``(view, feature_us, valid_us, JSON array)`` by customer."""
    found: dict[str, list[tuple]] = {}
    for start in range(0, len(customers), _MOST_VARIABLES):
        part = customers[start : start + _MOST_VARIABLES]
        query = (
            "select customer, view, feature_us, valid_us, feature_values from online_rows "
            f"where customer in ({', '.join('?' * len(part))})"
        )
        for customer, *row in connection.execute(query, part):
            found.setdefault(customer, []).append(tuple(row))
    return found
