"""Training snapshots: the rows that a model may learn from, frozen, numbered and hashed.

:func:`open_store` finds the store of a project: parquet files beside it, or Delta versions on Databricks. The module
imports nothing heavy until something is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from python_ml.project import Project
    from python_ml.snapshots.comparison import SnapshotComparison
    from python_ml.snapshots.record import Snapshot
    from python_ml.snapshots.store import SnapshotStore

__all__ = ["compare_snapshots", "create_snapshot", "open_store"]


def open_store(project: Project) -> SnapshotStore:
    """Open the store of a project's snapshots; the target of ``profiles.yml`` decides which kind it is.

    Raises
    ------
    UserError
        When the target's engine keeps no snapshots.
    """
    from python_ml.errors import UserError
    from python_ml.warehouse import engine

    kind = engine(project)
    if kind == "databricks":
        from python_ml.snapshots.delta import DeltaStore

        return DeltaStore.of(project)
    if kind != "duckdb":
        raise UserError(
            f"There are no training snapshots on {kind}.",
            where="--target",
            hint="use a target on DuckDB, which keeps parquet files, or on Databricks, which keeps Delta versions",
        )
    from python_ml.snapshots.local import LocalStore

    return LocalStore(project)


def create_snapshot(project: Project, cutoff: datetime | None) -> tuple[Snapshot, list[str]]:
    """Freeze the rows of ``gold.gld_training_set`` whose label was known at the cutoff.

    Parameters
    ----------
    project : Project
        A built project.
    cutoff : datetime or None
        Naive UTC. A project without dates has none.

    Returns
    -------
    Snapshot
        What was made.
    list of str
        What the user should know about it.

    Raises
    ------
    UserError
        When there is no cutoff where one is needed, or no row is left.
    """
    from python_ml.snapshots.creation import create

    return create(project, open_store(project), cutoff)


def compare_snapshots(project: Project, before: str, after: str) -> SnapshotComparison:
    """Compare two verified snapshots: rows, columns, definitions, distributions, labels.

    Raises
    ------
    UserError
        When one does not exist.
    GateError
        When one is not what it was when it was made.
    """
    from python_ml.snapshots.comparison import compare

    store = open_store(project)
    return compare(store.load(before), store.load(after))
