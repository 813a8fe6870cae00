"""Opens the snapshot store of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.snapshots.delta import DeltaStore
from python_ml.snapshots.local import LocalStore
from python_ml.warehouse import DATABRICKS, DUCKDB, SPARK, engine

if TYPE_CHECKING:
    from python_ml.project import Project
    from python_ml.snapshots.store import SnapshotStore


def open_store(project: Project) -> SnapshotStore:
    """Open the store of a project's snapshots: parquet files, or Delta versions on Databricks.

    Raises
    ------
    UserError
        When there are no snapshots on the target's engine.
    """
    kind = engine(project)
    if kind == DATABRICKS:
        return DeltaStore.of(project)
    if kind in (DUCKDB, SPARK):
        return LocalStore(project)
    raise UserError(
        f"There are no training snapshots on {kind}.",
        where="--target",
        hint="use a target on DuckDB or Spark, which keep parquet files, or on Databricks, which keeps Delta versions",
    )
