"""What every store of snapshots can do, whatever it keeps them in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from python_ml.dbt import TRAINING_SET
from python_ml.errors import GateError, UserError
from python_ml.snapshots.content import Columns, Content, ContentError, content
from python_ml.snapshots.record import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

RECORD = "its record"


@dataclass(frozen=True)
class Draft:
    """What is known of a snapshot before its rows are.

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

    def snapshot(self, number: int, parent: str | None, found: Content, summary: dict[str, Any]) -> Snapshot:
        """The record of the snapshot, once its rows are written."""
        return Snapshot.of(
            number=number,
            parent=parent,
            cutoff=None if self.cutoff is None else self.cutoff.isoformat(),
            source=TRAINING_SET,
            key=self.key,
            rows=found.rows,
            types=list(found.types.items()),
            content_sha256=found.sha256,
            summary=summary,
            **self.facts,
        )


@dataclass(frozen=True)
class Available:
    """What the training set offers at a cutoff: ``rows`` of ``total``, labels known from ``first`` to ``last``."""

    total: int
    rows: int
    first: datetime | None
    last: datetime | None
    observation_end: datetime | None


@dataclass(frozen=True)
class Entry:
    """A place in the store: a snapshot, or the reason why what is there is none."""

    id: str
    snapshot: Snapshot | None
    problem: str | None = None


@dataclass(frozen=True)
class Inventory:
    """What a store holds.

    Attributes
    ----------
    entries : list of Entry
        By number.
    gone : list of int
        Numbers that were given away and have no snapshot: it was deleted, or never finished.
    """

    entries: list[Entry]
    gone: list[int] = field(default_factory=list)


class SnapshotStore(ABC):
    """Keeps snapshots: numbered, immutable, verified whenever they are read."""

    place: str

    @abstractmethod
    def available(self, cutoff: datetime | None) -> Available:
        """Count what a snapshot would take."""

    @abstractmethod
    def write(self, draft: Draft) -> Snapshot:
        """Write a snapshot under a number that nobody had before; it is there as a whole or not at all."""

    @abstractmethod
    def inventory(self) -> Inventory:
        """List what there is; records are held against their seals, rows are not read."""

    @abstractmethod
    def columns(self, snapshot: Snapshot) -> Columns:
        """The stored rows, column by column, not verified."""

    @abstractmethod
    def table(self, snapshot: Snapshot) -> pa.Table:
        """The stored rows in memory, not verified."""

    def find(self, wanted: str) -> Entry:
        """Find a snapshot by its id or its number.

        Raises
        ------
        UserError
            When there is none, or more than one.
        """
        held = self.inventory()
        found = [e for e in held.entries if wanted in (e.id, e.id.split("-")[0])]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(
                f"Several snapshots have the number {wanted}: {', '.join(entry.id for entry in found)}.",
                where=self.place,
                hint="name one by its whole id",
            )
        if wanted.split("-")[0] in map(str, held.gone):
            what = f"Snapshot {wanted} was deleted, or was never finished; its number is not given again."
        else:
            what = f"There is no snapshot {wanted}."
        ids = ", ".join(entry.id for entry in held.entries[-5:])
        raise UserError(
            what,
            where=self.place,
            hint=f"choose one of {ids}" if ids else "make one with `retention snapshot create`",
        )

    def verify(self, entry: Entry) -> list[str]:
        """Say what is not as it was when the snapshot was made; nothing when all is."""
        if entry.snapshot is None:
            return [entry.problem or RECORD]
        try:
            columns = self.columns(entry.snapshot)
            return _differences(entry.snapshot, content(columns, entry.snapshot.key))
        except ContentError as error:
            return [f"its rows are not those that were written: {error}"]
        except (OSError, ValueError) as error:  # Arrow's errors are both
            return [f"its rows cannot be read: {str(error).splitlines()[0]}"]

    def load(self, wanted: str) -> tuple[Snapshot, pa.Table]:
        """Read a snapshot into memory and verify what was read.

        Raises
        ------
        UserError
            When there is no such snapshot.
        GateError
            When it is not what it was when it was made.
        """
        entry = self.find(wanted)
        problems, table = [entry.problem or RECORD], None
        if entry.snapshot is not None:
            try:
                table = self.table(entry.snapshot)
                problems = _differences(entry.snapshot, content(Columns.of_table(table), entry.snapshot.key))
            except (OSError, ValueError) as error:
                problems = [f"its rows cannot be read: {str(error).splitlines()[0]}"]
        if entry.snapshot is None or table is None or problems:
            raise GateError(
                f"Snapshot {entry.id} is not what it was when it was made: {'; '.join(problems)}.",
                where=self.place,
                hint="bring it back from a backup, or make a new one with `retention snapshot create`",
            )
        return entry.snapshot, table


def _differences(snapshot: Snapshot, found: Content) -> list[str]:
    """Why content is not that of the snapshot: columns, types, number of rows, or else values."""
    if found.sha256 == snapshot.content_sha256:
        return []
    expected = snapshot.types
    said = [f"column {name} is missing" for name in expected if name not in found.types]
    said += [f"column {name} is new" for name in found.types if name not in expected]
    said += [
        f"column {name} is {found.types[name]} and was {kind}"
        for name, kind in expected.items()
        if name in found.types and found.types[name] != kind
    ]
    if not said and list(found.types) != list(expected):
        said.append("the columns stand in another order")
    if found.rows != snapshot.rows:
        said.append(f"there are {found.rows:,} rows and were {snapshot.rows:,}")
    return said or ["values differ"]
