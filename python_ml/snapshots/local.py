"""Snapshots as parquet files in the project's folder ``training_snapshots``.

::

    training_snapshots/
      .numbers/1, .numbers/2     used numbers; they remain when a snapshot is deleted
      .making-2/                 a snapshot that is being written
      1-5f0c…/data.parquet       its rows
      1-5f0c…/snapshot.json      its record

A number is taken by creating its file, which only one process can. Rows and record are written and flushed in
``.making-N``; renaming that folder creates the snapshot.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.snapshots.content import Columns
from python_ml.snapshots.record import SEAL_IN_ID, RecordError, Snapshot
from python_ml.snapshots.store import Available, Entry, Inventory, SnapshotRequest, SnapshotStore
from python_ml.warehouse import connect, literal, observation_end, relation, table_exists, warehouse_place

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from python_ml.project import Project

FOLDER = "training_snapshots"
ROWS, RECORD = "data.parquet", "snapshot.json"
_ID = re.compile(rf"(\d+)-[0-9a-f]{{{SEAL_IN_ID}}}")
_MAKING = re.compile(r"\.making-(\d+)")
# Types that parquet keeps exactly and that have canonical bytes.
_KEPT = re.compile(
    r"(BOOLEAN|U?(TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\s?\d+\)|DATE|VARCHAR|ENUM\(.*\)"
    r"|TIMESTAMP(_S|_MS|_NS)?( WITH TIME ZONE)?)",
    re.DOTALL,
)
_REQUIRED = ("churned", "label_timestamp")


class LocalStore(SnapshotStore):
    """Parquet files in the folder of a project.

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
            [counted] = connection.execute(
                f"select count(*), count(*) filter ({_known(cutoff)}), min(label_timestamp)::timestamp, "
                f"max(label_timestamp)::timestamp from {relation(TRAINING_SET)}"
            ).fetchall()
        return Available(*counted, observation_end=end)

    def write(self, request: SnapshotRequest) -> Snapshot:
        with self._warehouse() as connection:  # before a number is used
            described = connection.execute(f"describe {relation(TRAINING_SET)}").fetchall()
        _check_types({row[0]: row[1] for row in described}, request.key)
        self._sweep()
        parent = self.inventory().latest
        with self._number() as number:
            making = self.root / f".making-{number}"
            making.mkdir()
            try:
                with self._warehouse() as connection:
                    connection.execute(
                        f"copy (select * from {relation(TRAINING_SET)} where {_known(request.cutoff)}) "
                        f"to {literal(str(making / ROWS))} (format parquet)"
                    )
                snapshot = request.snapshot(number, parent, Columns.of_parquet(making / ROWS))
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
        used = {int(name.split("-")[0]) for name in ids}
        return Inventory([self._entry(name) for name in ids], sorted(set(self._numbers()) - used))

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
            return Entry(snapshot_id, None, f"its rows are missing: there is no {ROWS}")
        return Entry(snapshot_id, snapshot)

    def _numbers(self) -> list[int]:
        taken = [int(path.name) for path in (self.root / ".numbers").glob("*") if path.name.isdecimal()]
        matches = [_ID.fullmatch(path.name) or _MAKING.fullmatch(path.name) for path in self.root.glob("*")]
        return [*taken, *(int(match[1]) for match in matches if match)]

    @contextmanager
    def _number(self) -> Iterator[int]:
        """Use up a number, and hold its lock while the snapshot is written: if it is free, the process has crashed."""
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
        """Remove unfinished folders of crashed processes: nobody holds the lock of their number."""
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
                    where=warehouse_place(self.project),
                    hint="run `retention build`",
                )
            yield connection


def _check_types(types: Mapping[str, str], key: Sequence[str]) -> None:
    """Refuse a training set with types that parquet does not keep exactly, or without a required column.

    Parameters
    ----------
    types : mapping of str to str
        DuckDB's type of each column.
    key : sequence of str

    Raises
    ------
    UserError
    """
    missing = [name for name in (*key, *_REQUIRED) if name not in types]
    if missing:
        raise UserError(
            f"The training set has no column {' and no column '.join(missing)}.",
            where=TRAINING_SET,
            hint="check the variable `entity` in dbt_project.yml, then run `retention build`",
        )
    unsupported = [f"{name} ({kind})" for name, kind in types.items() if not _KEPT.fullmatch(kind)]
    if unsupported:
        raise UserError(
            f"A snapshot cannot keep {', '.join(unsupported[:5])} exactly.",
            where=TRAINING_SET,
            hint="cast to bigint, double, decimal(p, s), string, boolean, date or timestamp in gld_customer_features",
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
    """Lock a file until it is closed or the process ends; False if another process holds it, or there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows: unfinished folders are removed by hand
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
