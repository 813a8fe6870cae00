"""Snapshots as versions of a Delta table, for Databricks.

``gold.gld_training_snapshots`` is replaced as a whole by every snapshot; Delta keeps its earlier versions, numbers
them, and never gives a number twice while the table stands. A replacement happens as a whole or not at all. Which
version is ours is identified by a token among the table's properties, since two processes may replace it at once. A
version becomes a snapshot by its row in ``gold.gld_training_snapshot_records``, written once the version has been read
back and hashed; a version without one was interrupted, and is no snapshot.

The statements are unit-tested with a stand-in; nothing here has run on a Databricks workspace.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from python_ml.dbt import TRAINING_SET
from python_ml.snapshots.content import Columns
from python_ml.snapshots.record import RecordError, Snapshot
from python_ml.snapshots.store import Available, Entry, Inventory, SnapshotRequest, SnapshotStore
from python_ml.warehouse import quote_for_spark, relation_for_spark

if TYPE_CHECKING:
    import pyarrow as pa

    from python_ml.project import Project

ROWS = "gold.gld_training_snapshots"
RECORDS = "gold.gld_training_snapshot_records"
# Delta deletes old versions after a week by default.
_KEPT = "interval 36500 days"


class DeltaStore(SnapshotStore):
    """Versions of a Delta table.

    Parameters
    ----------
    execute : callable
        Runs one SQL statement and gives its rows as a ``pyarrow.Table``.
    catalog : str
        Unity Catalog's name for what the project writes to.
    prefix : str
        What the target puts before the names of schemas.
    """

    def __init__(self, execute: Callable[[str], pa.Table], catalog: str, prefix: str = "") -> None:
        self.execute = execute
        self.catalog, self.prefix = catalog, prefix
        self.place = f"{catalog}.{prefix}{ROWS}"

    @classmethod
    def of(cls, project: Project) -> DeltaStore:
        """Connect as the project's target says.

        Raises
        ------
        UserError
            When the connector is not installed, or the target does not say where to connect.
        """
        from python_ml.warehouse import schema_prefix, statement_runner, target_settings

        settings = target_settings(project)
        return cls(statement_runner(settings), str(settings.get("catalog") or "main"), schema_prefix(project))

    def available(self, cutoff: datetime | None) -> Available:
        [counted] = self.execute(
            f"select count(*) as total, count_if({_known(cutoff)}) as offered, min(label_timestamp) as first_label, "
            f"max(label_timestamp) as last_label from {self._name(TRAINING_SET)}"
        ).to_pylist()
        ends = [counted[name] and counted[name].replace(tzinfo=None) for name in ("first_label", "last_label")]
        return Available(counted["total"], counted["offered"], *ends, observation_end=None)

    def write(self, request: SnapshotRequest) -> Snapshot:
        parent = self.inventory().latest
        token = uuid.uuid4().hex
        self.execute(
            f"create or replace table {self._name(ROWS)} using delta tblproperties ("
            f"'retention.token' = '{token}', 'delta.logRetentionDuration' = '{_KEPT}', "
            f"'delta.deletedFileRetentionDuration' = '{_KEPT}') "
            f"as select * from {self._name(TRAINING_SET)} where {_known(request.cutoff)}"
        )
        [number] = [version for version, made in self._versions().items() if token in made]
        snapshot = request.snapshot(number, parent, Columns.of_table(self._read(number)))
        self.execute(
            f"insert into {self._name(RECORDS)} (number, id, record) "
            f"values ({number}, {_text(snapshot.id)}, {_text(snapshot.to_json())})"
        )
        return snapshot

    def inventory(self) -> Inventory:
        self.execute(
            f"create table if not exists {self._name(RECORDS)} (number bigint, id string, record string) using delta"
        )
        rows = self.execute(f"select number, id, record from {self._name(RECORDS)} order by number, id").to_pylist()
        entries = []
        for row in rows:
            try:
                entries.append(Entry(row["id"], Snapshot.read(row["record"], row["id"])))
            except RecordError as error:
                entries.append(Entry(row["id"], None, str(error)))
        return Inventory(entries, sorted(set(self._versions()) - {row["number"] for row in rows}))

    def columns(self, snapshot: Snapshot) -> Columns:
        return Columns.of_table(self.table(snapshot))

    def table(self, snapshot: Snapshot) -> pa.Table:
        return self._read(snapshot.number)

    def _read(self, version: int) -> pa.Table:
        """The rows of a version; times, which Spark keeps with a zone, as naive UTC."""
        import pyarrow as pa

        table = self.execute(f"select * from {self._name(ROWS)} version as of {int(version)}")
        for position, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type) and field.type.tz:
                times = table.column(position).cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
                table = table.set_column(position, field.name, times)
        return table

    def _versions(self) -> dict[int, str]:
        """The operation of each version in Delta's history that replaced the table."""
        schema, name = ROWS.split(".")
        if not self.execute(f"show tables in {self._name(schema)} like '{name}'").num_rows:
            return {}
        history = self.execute(f"describe history {self._name(ROWS)}").to_pylist()
        made: dict[int, Any] = {row["version"]: row["operationParameters"] for row in history}
        return {version: str(how) for version, how in made.items() if "retention.token" in str(how)}

    def _name(self, name: str) -> str:
        return f"{quote_for_spark(self.catalog)}.{relation_for_spark(self.prefix + name)}"


def _known(cutoff: datetime | None) -> str:
    return "true" if cutoff is None else f"label_timestamp <= timestamp '{cutoff} UTC'"


def _text(text: str) -> str:
    """A literal as Spark reads it, in which a backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
