"""Creates a snapshot of a project's training set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.project import is_dateless
from python_ml.snapshots.definitions import code_of, definitions_of, features_of
from python_ml.snapshots.opening import open_store
from python_ml.snapshots.store import Available, SnapshotRequest

if TYPE_CHECKING:
    from python_ml.project import Project
    from python_ml.snapshots.record import Snapshot


def create_snapshot(project: Project, cutoff: datetime | None) -> tuple[Snapshot, list[str]]:
    """Create a snapshot of the rows of ``gold.gld_training_set`` whose label was known at the cutoff.

    Parameters
    ----------
    project : Project
        A built project.
    cutoff : datetime or None
        Naive UTC. A project without dates has none.

    Returns
    -------
    Snapshot
    list of str
        Notes for the user.

    Raises
    ------
    UserError
        When there is no cutoff where one is required, or no row remains.
    """
    key, store = [project.entity, "feature_timestamp"], open_store(project)
    dateless = is_dateless(project.vars)
    if cutoff is None and not dateless:
        raise UserError(
            "A snapshot requires a cutoff: the time at which a label must have been known.",
            where="--cutoff",
            hint="for instance `retention snapshot create --cutoff 2025-01-31`",
        )
    notes = []
    if dateless:
        if cutoff is not None:
            notes.append(
                f"The rows have no dates of their own (scenario: {project.vars['scenario']}), so --cutoff selects "
                "nothing: every labelled row is taken, and no cutoff is recorded."
            )
        cutoff = None
    available = store.available(cutoff)
    _check(available, cutoff)
    notes += _notes(available, cutoff)
    request = SnapshotRequest(
        cutoff=cutoff,
        key=key,
        facts={
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "definitions": definitions_of(project),
            "features": features_of(project),
            "code": code_of(project),
        },
    )
    return store.write(request), notes


def _check(available: Available, cutoff: datetime | None) -> None:
    if available.rows:
        return
    if not available.total:
        raise UserError(
            "There are no labelled rows.",
            where=TRAINING_SET,
            hint="labels require history: at least a horizon of data after the first feature time",
        )
    raise UserError(
        f"No label was known at {cutoff}: the first one was at {available.first}, the last one at {available.last}.",
        where="--cutoff",
        hint=f"choose a time from {available.first} on",
    )


def _notes(available: Available, cutoff: datetime | None) -> list[str]:
    notes = []
    if available.total > available.rows:
        notes.append(f"{available.total - available.rows:,} rows whose label was known only later are not included.")
    end = available.observation_end or available.last
    if cutoff is not None and end is not None and cutoff > end:
        notes.append(
            f"The data is complete only up to {end}: the same cutoff may give more rows once the warehouse knows more."
        )
    return notes
