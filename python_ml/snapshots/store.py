"""The interface of snapshot stores, whatever they keep the rows in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from python_ml.dbt import TRAINING_SET
from python_ml.errors import GateError, UserError
from python_ml.snapshots.content import Columns, Content, ContentError, content
from python_ml.snapshots.record import Snapshot
from python_ml.snapshots.summary import summarise

if TYPE_CHECKING:
    import pyarrow as pa

Rows = TypeVar("Rows")


@dataclass(frozen=True)
class SnapshotRequest:
    """A snapshot that is to be written.

    Attributes
    ----------
    cutoff : datetime or None
        Rows with ``label_timestamp <= cutoff`` are taken (naive UTC); None takes every row.
    key : list of str
        The entity and ``feature_timestamp``.
    facts : dict
        ``created_at``, ``definitions``, ``features``, ``code``.
    """

    cutoff: datetime | None
    key: list[str]
    facts: dict[str, Any]

    def snapshot(self, number: int, parent: str | None, columns: Columns) -> Snapshot:
        """The record of the snapshot, by its written rows.

        Raises
        ------
        UserError
            When the rows have no canonical order.
        """
        try:
            hashed = content(columns, self.key)
        except ContentError as error:
            raise UserError(
                f"The training set has no canonical content: {error}.",
                where=TRAINING_SET,
                hint="run `retention build` with its tests: customer and feature_timestamp must be unique and never "
                "empty, and times have whole microseconds",
            ) from error
        return Snapshot.of(
            number=number,
            parent=parent,
            cutoff=None if self.cutoff is None else self.cutoff.isoformat(),
            source=TRAINING_SET,
            key=self.key,
            rows=hashed.rows,
            types=list(hashed.types.items()),
            content_sha256=hashed.sha256,
            summary=summarise(columns, self.key),
            **self.facts,
        )


@dataclass(frozen=True)
class Available:
    """Rows of the training set at a cutoff: ``rows`` of ``total``, with labels known from ``first`` to ``last``."""

    total: int
    rows: int
    first: datetime | None
    last: datetime | None
    observation_end: datetime | None


@dataclass(frozen=True)
class Entry:
    """An entry of the store: a snapshot, or the problem with its record."""

    id: str
    snapshot: Snapshot | None
    problem: str | None = None


@dataclass(frozen=True)
class Inventory:
    """The contents of a store.

    Attributes
    ----------
    entries : list of Entry
        By number.
    numbers_without_snapshot : list of int
        Numbers that were used and have no snapshot: it was deleted, or never finished.
    """

    entries: list[Entry]
    numbers_without_snapshot: list[int] = field(default_factory=list)

    @property
    def latest(self) -> str | None:
        """Id of the latest snapshot."""
        return next((entry.id for entry in reversed(self.entries) if entry.snapshot), None)


class SnapshotStore(ABC):
    """Keeps snapshots: numbered, immutable, verified when they are read."""

    place: str

    @abstractmethod
    def available(self, cutoff: datetime | None) -> Available:
        """Count the rows that a snapshot would hold."""

    @abstractmethod
    def write(self, request: SnapshotRequest) -> Snapshot:
        """Write a snapshot under a new number, atomically."""

    @abstractmethod
    def inventory(self) -> Inventory:
        """List the snapshots; seals of the records are checked, rows are not read."""

    @abstractmethod
    def columns(self, snapshot: Snapshot) -> Columns:
        """The stored rows, column by column, unverified."""

    @abstractmethod
    def table(self, snapshot: Snapshot) -> pa.Table:
        """The stored rows in memory, unverified."""

    def find(self, name: str) -> Entry:
        """Find a snapshot by its id or its number.

        Raises
        ------
        UserError
            When there is none, or more than one.
        """
        inventory = self.inventory()
        matches = [entry for entry in inventory.entries if name in (entry.id, entry.id.split("-")[0])]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UserError(
                f"Several snapshots have the number {name}: {', '.join(entry.id for entry in matches)}.",
                where=self.place,
                hint="name one by its whole id",
            )
        if name.split("-")[0] in map(str, inventory.numbers_without_snapshot):
            what = f"Snapshot {name} was deleted, or was never finished; its number is not used again."
        else:
            what = f"There is no snapshot {name}."
        ids = ", ".join(entry.id for entry in inventory.entries[-5:])
        raise UserError(
            what,
            where=self.place,
            hint=f"choose one of {ids}" if ids else "make one with `retention snapshot create`",
        )

    def verify(self, entry: Entry) -> list[str]:
        """Changes since the snapshot was created, as phrases; empty if there are none."""
        return _checked(entry, self.columns, lambda columns: columns)[1]

    def load(self, name: str) -> tuple[Snapshot, pa.Table]:
        """Read a snapshot into memory and verify what was read.

        Raises
        ------
        UserError
            When there is no such snapshot.
        GateError
            When it was changed after it was created.
        """
        entry = self.find(name)
        table, problems = _checked(entry, self.table, Columns.of_table)
        if entry.snapshot is None or table is None or problems:
            raise GateError(
                f"Snapshot {entry.id} was changed after it was created: {'; '.join(problems)}.",
                where=self.place,
                hint="restore it from a backup, or create a new one with `retention snapshot create`",
            )
        return entry.snapshot, table


def _checked(
    entry: Entry, read: Callable[[Snapshot], Rows], columns: Callable[[Rows], Columns]
) -> tuple[Rows | None, list[str]]:
    """The rows of an entry, and how they differ from its record."""
    if entry.snapshot is None:
        return None, [str(entry.problem)]
    try:
        rows = read(entry.snapshot)
        return rows, _differences(entry.snapshot, content(columns(rows), entry.snapshot.key))
    except ContentError as error:
        return None, [f"its rows are not those that were written: {error}"]
    except (OSError, ValueError) as error:  # Arrow's errors are both
        return None, [f"its rows cannot be read: {str(error).splitlines()[0]}"]


def _differences(snapshot: Snapshot, stored: Content) -> list[str]:
    """How content differs from that of the snapshot: columns, types, number of rows, or else values."""
    if stored.sha256 == snapshot.content_sha256:
        return []
    expected = snapshot.types
    differences = [f"column {name} is missing" for name in expected if name not in stored.types]
    differences += [f"column {name} is new" for name in stored.types if name not in expected]
    differences += [
        f"column {name} is {stored.types[name]} and was {kind}"
        for name, kind in expected.items()
        if name in stored.types and stored.types[name] != kind
    ]
    if not differences and list(stored.types) != list(expected):
        differences.append("the columns have another order")
    if stored.rows != snapshot.rows:
        differences.append(f"there are {stored.rows:,} rows, and were {snapshot.rows:,}")
    return differences or ["values differ"]
