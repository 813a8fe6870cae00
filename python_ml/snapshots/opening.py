"""Opens the snapshot store of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.snapshots.delta import DeltaStore
from python_ml.snapshots.local import LocalStore
from python_ml.warehouse import engine

if TYPE_CHECKING:
    from python_ml.project import Project
    from python_ml.snapshots.store import SnapshotStore


def open_store(project: Project) -> SnapshotStore:
    """Open the store of a project's snapshots: parquet files, or Delta versions on a target on Databricks.

    Raises
    ------
    UserError
        When there are no snapshots on the target's engine.
    """
    kind = engine(project)
    if kind == "databricks":
        return DeltaStore.of(project)
    if kind == "duckdb":
        return LocalStore(project)
    raise UserError(
        f"There are no training snapshots on {kind}.",
        where="--target",
        hint="use a target on DuckDB, which keeps parquet files, or on Databricks, which keeps Delta versions",
    )
