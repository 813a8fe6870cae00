"""Snapshots as parquet files in the project's folder ``training_snapshots``.

::

    training_snapshots/
      .numbers/1, .numbers/2     numbers that were given away; they stay when a snapshot goes
      .making-2/                 a snapshot that is being made
      1-5f0c…/data.parquet       its rows
      1-5f0c…/snapshot.json      its record

A number is taken by creating its file, which only one process can. Rows and record are written and flushed in
``.making-N``; renaming that folder is the one step by which a snapshot comes to be.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.snapshots.content import Columns, ContentError, content
from python_ml.snapshots.record import SEAL_IN_ID, RecordError, Snapshot
from python_ml.snapshots.source import check_types, unfit
from python_ml.snapshots.store import Available, Draft, Entry, Inventory, SnapshotStore
from python_ml.snapshots.summary import summarise
from python_ml.warehouse import connect, literal, observation_end, relation, table_exists

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from python_ml.project import Project

FOLDER = "training_snapshots"
ROWS, RECORD = "data.parquet", "snapshot.json"
_ID = re.compile(rf"(\d+)-[0-9a-f]{{{SEAL_IN_ID}}}")
_MAKING = re.compile(r"\.making-(\d+)")


class LocalStore(SnapshotStore):
    """Parquet files beside a project.

    Parameters
    ----------
    project : Project
        On DuckDB.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.root = project.root / FOLDER
        self.place = str(self.root)

    def available(self, cutoff: datetime | None) -> Available:
        with self._warehouse() as connection:
            end = observation_end(connection)
            [found] = connection.execute(
                f"select count(*), count(*) filter ({_known(cutoff)}), min(label_timestamp)::timestamp, "
                f"max(label_timestamp)::timestamp from {relation(TRAINING_SET)}"
            ).fetchall()
        return Available(*found, observation_end=end)

    def write(self, draft: Draft) -> Snapshot:
        with self._warehouse() as connection:  # before a number is spent
            described = connection.execute(f"describe {relation(TRAINING_SET)}").fetchall()
        check_types({row[0]: row[1] for row in described}, draft.key)
        self._sweep()
        parent = next((entry.id for entry in reversed(self.inventory().entries) if entry.snapshot), None)
        with self._number() as number:
            making = self.root / f".making-{number}"
            making.mkdir()
            try:
                self._copy(draft, making / ROWS)
                columns = Columns.of_parquet(making / ROWS)
                try:
                    found = content(columns, draft.key)
                except ContentError as error:
                    raise unfit(str(error)) from error
                snapshot = draft.snapshot(number, parent, found, summarise(columns, draft.key))
                (making / RECORD).write_text(snapshot.to_json(), encoding="utf-8", newline="\n")
                for name in (ROWS, RECORD):
                    _flush(making / name)
                    (making / name).chmod(0o444)
                _flush(making)
                making.rename(self.root / snapshot.id)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
            _flush(self.root)
        return snapshot

    def inventory(self) -> Inventory:
        if not self.root.is_dir():
            return Inventory([])
        ids = sorted(
            (path.name for path in self.root.iterdir() if path.is_dir() and _ID.fullmatch(path.name)),
            key=lambda name: (int(name.split("-")[0]), name),
        )
        held = {int(name.split("-")[0]) for name in ids}
        return Inventory([self._entry(name) for name in ids], sorted(set(self._numbers()) - held))

    def columns(self, snapshot: Snapshot) -> Columns:
        return Columns.of_parquet(self.root / snapshot.id / ROWS)

    def table(self, snapshot: Snapshot) -> pa.Table:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.root / snapshot.id / ROWS) as file:
            return file.read()

    def _entry(self, snapshot_id: str) -> Entry:
        folder = self.root / snapshot_id
        try:
            snapshot = Snapshot.read((folder / RECORD).read_text(encoding="utf-8"), snapshot_id)
        except (OSError, UnicodeDecodeError):
            return Entry(snapshot_id, None, "its record cannot be read")
        except RecordError as error:
            return Entry(snapshot_id, None, str(error))
        if not (folder / ROWS).is_file():
            return Entry(snapshot_id, None, f"its rows are gone: there is no {ROWS}")
        return Entry(snapshot_id, snapshot)

    def _numbers(self) -> list[int]:
        taken = [int(path.name) for path in (self.root / ".numbers").glob("*") if path.name.isdecimal()]
        found = [_ID.fullmatch(path.name) or _MAKING.fullmatch(path.name) for path in self.root.glob("*")]
        return [*taken, *(int(match[1]) for match in found if match)]

    @contextmanager
    def _number(self) -> Iterator[int]:
        """Take a number for good, and hold its lock while the snapshot is made: who finds it free knows of a crash."""
        folder = self.root / ".numbers"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while True:
                number = max(self._numbers(), default=0) + 1
                try:
                    handle = os.open(folder / str(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
                    break
                except FileExistsError:
                    continue
        except OSError as error:
            raise UserError(
                f"Snapshots cannot be written: {error.strerror}.", where=self.place, hint="make the folder writable"
            ) from error
        try:
            _lock(handle)
            _flush(folder)
            yield number
        finally:
            os.close(handle)

    def _sweep(self) -> None:
        """Remove what crashed processes have left: folders in the making whose number nobody holds."""
        for making in self.root.glob(".making-*"):
            match = _MAKING.fullmatch(making.name)
            lock = self.root / ".numbers" / (match[1] if match else "")
            if match and lock.is_file():
                handle = os.open(lock, os.O_RDWR)
                try:
                    if _lock(handle):
                        shutil.rmtree(making, ignore_errors=True)
                finally:
                    os.close(handle)

    @contextmanager
    def _warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with connect(self.project) as connection:
            if not table_exists(connection, TRAINING_SET):
                raise UserError(
                    f"The table {TRAINING_SET} does not exist.",
                    where=str(self.project.warehouse_path),
                    hint="run `retention build`",
                )
            yield connection

    def _copy(self, draft: Draft, path: Path) -> None:
        with self._warehouse() as connection:
            connection.execute(
                f"copy (select * from {relation(TRAINING_SET)} where {_known(draft.cutoff)}) "
                f"to {literal(str(path))} (format parquet)"
            )


def _known(cutoff: datetime | None) -> str:
    return "true" if cutoff is None else f"label_timestamp::timestamp <= timestamp '{cutoff}'"


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name != "posix":
        return  # folders cannot be opened there
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock a file until it is closed or the process ends; False when another holds it, or nobody can say."""
    try:
        import fcntl
    except ImportError:  # Windows: what a crash leaves behind is left to people
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
