"""Looking up customers in the online store: one query, no library but SQLite."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from python_ml.errors import UserError
from python_ml.feature_store import online_table
from python_ml.feature_store.online_table import OnlineTable, decoder, from_microseconds, to_microseconds
from python_ml.feature_store.row_input import refuse_unknown
from python_ml.feature_store.schema import ABSENT, PRESENT, STALE, OnlineRow, StoreDefinition

_UNREADABLE = "delete the file and run `retention features publish`, which makes it again"


def utc_now() -> datetime:
    """The time, as naive UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


class OnlineFeatures:
    """The newest features of customers, for threads that ask at the same time.

    Each thread keeps a connection open, so a look-up of one customer takes well under a millisecond. What is published
    while it is in use is seen by the next call.

    Parameters
    ----------
    path : Path
        The SQLite file.
    ttl : timedelta, optional
        Rows whose feature time is longer ago are withheld as ``stale``; None serves rows of any age.
    clock : callable
        Gives the time in naive UTC, from which the age of a row is measured.
    """

    def __init__(self, path: Path, ttl: timedelta | None = None, clock: Callable[[], datetime] = utc_now) -> None:
        self.path, self.ttl, self.clock = path, ttl, clock
        self._local = threading.local()

    def rows(self, ids: Sequence[Any], features: Sequence[str] | None = None) -> list[OnlineRow]:
        """Look customers up.

        Parameters
        ----------
        ids : sequence
            Keys as text or whole numbers; a key may stand twice.
        features : sequence of str, optional
            By default all features. Status and time of a row are those of the views that they are in.

        Returns
        -------
        list of OnlineRow
            In the order of ``ids``, one for each.

        Raises
        ------
        UserError
            When nothing is published, the file cannot be read, or a feature does not exist.
        """
        try:
            connection, shape = self._opened()
            found = online_table.read_rows(connection, list(dict.fromkeys(map(str, ids))))
        except (sqlite3.Error, json.JSONDecodeError) as error:
            self.close()
            raise UserError(
                f"The online store cannot be read: {error}.", where=str(self.path), hint=_UNREADABLE
            ) from error
        if features is not None:
            refuse_unknown(features, list(shape.names), str(self.path))
        oldest = None if self.ttl is None else to_microseconds(self.clock() - self.ttl)
        wanted = shape.names if features is None else tuple(features)
        views = shape.views_of(wanted)
        return [shape.row(customer, found.get(str(customer), ()), wanted, views, oldest) for customer in ids]

    def newest(self) -> datetime | None:
        """The newest feature time that is served, as naive UTC; None where there are no rows.

        Raises
        ------
        UserError
            As :meth:`rows`.
        """
        try:
            connection, _ = self._opened()
            found = connection.execute("select max(feature_us) from online_rows").fetchone()[0]
        except sqlite3.Error as error:
            self.close()
            raise UserError(
                f"The online store cannot be read: {error}.", where=str(self.path), hint=_UNREADABLE
            ) from error
        return None if found is None else from_microseconds(found)

    @property
    def definition(self) -> StoreDefinition:
        """What is served."""
        return self._opened()[1].definition

    def close(self) -> None:
        """Close this thread's connection."""
        opened = self._local.__dict__.pop("opened", None)
        if opened is not None:
            opened[1].close()

    def _opened(self) -> tuple[sqlite3.Connection, _Shape]:
        """This thread's connection, and the shape of the rows: read again when the file has changed."""
        opened = self._local.__dict__.get("opened")
        place = _place(self.path)
        if opened is not None and opened[0] != place:
            self.close()
            opened = None
        if opened is None:
            connection = OnlineTable(self.path).open()
            opened = (place, connection, None, None)
        _, connection, version, shape = opened
        current = connection.execute("pragma data_version").fetchone()[0]
        if version != current:
            definition = OnlineTable(self.path).definition(connection)
            if definition is None:
                connection.close()
                raise UserError(
                    "Nothing has been published yet.", where=str(self.path), hint="run `retention features publish`"
                )
            shape = _Shape(definition)
        self._local.opened = (place, connection, current, shape)
        return connection, shape


class _Shape:
    """Which value stands where in the stored rows."""

    def __init__(self, definition: StoreDefinition) -> None:
        self.definition = definition
        self.names = tuple(definition.columns)
        self.views = {
            view.name: (view.names, [(i, d) for i, column in enumerate(view.columns) if (d := decoder(column))])
            for view in definition.views
        }

    def views_of(self, wanted: Sequence[str]) -> set[str]:
        """The views that features are in."""
        if wanted is self.names:
            return set(self.views)
        return {self.definition.view_of(name).name for name in wanted}

    def row(
        self, customer: Any, stored: Sequence[tuple], wanted: Sequence[str], views: set[str], oldest: int | None
    ) -> OnlineRow:
        """The answer for one customer."""
        values: dict[str, Any] = {}
        times, stale = [], []
        for view, feature, _, encoded in stored:
            if view not in views:
                continue
            times.append(feature)
            if oldest is not None and feature < oldest:
                stale.append(view)
                continue
            names, decoders = self.views[view]
            row = json.loads(encoded)
            for place, decode in decoders:
                if row[place] is not None:
                    row[place] = decode(row[place])
            values.update(zip(names, row, strict=True))
        status = ABSENT if not times else STALE if len(stale) == len(times) else PRESENT
        time = from_microseconds(max(times)) if times else None
        return OnlineRow(customer, status, time, {name: values.get(name) for name in wanted}, tuple(sorted(stale)))


def _place(path: Path) -> tuple[int, int] | None:
    """What tells a file from one that has taken its place."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
