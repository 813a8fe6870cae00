"""Making a snapshot of a project's training set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.project import is_dateless
from python_ml.snapshots.definitions import code_of, definitions_of, features_of
from python_ml.snapshots.store import Available, Draft

if TYPE_CHECKING:
    from python_ml.project import Project
    from python_ml.snapshots.record import Snapshot
    from python_ml.snapshots.store import SnapshotStore


def create(project: Project, store: SnapshotStore, cutoff: datetime | None) -> tuple[Snapshot, list[str]]:
    """Freeze what was known at the cutoff; see :func:`python_ml.snapshots.create_snapshot`."""
    key = [project.entity, "feature_timestamp"]
    dateless = is_dateless(project.vars)
    if cutoff is None and not dateless:
        raise UserError(
            "A snapshot needs a cutoff: up to when a label must have been known.",
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
    offered = store.available(cutoff)
    _check(offered, cutoff)
    notes += _notes(offered, cutoff)
    draft = Draft(
        cutoff=cutoff,
        key=key,
        facts={
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "definitions": definitions_of(project),
            "features": features_of(project),
            "code": code_of(project),
        },
    )
    return store.write(draft), notes


def _check(offered: Available, cutoff: datetime | None) -> None:
    if offered.rows:
        return
    if not offered.total:
        raise UserError(
            "There are no labelled rows to freeze.",
            where=TRAINING_SET,
            hint="labels need history: at least a horizon of data after the first feature time",
        )
    raise UserError(
        f"No label was known at {cutoff}: the first one was at {offered.first}, the last one at {offered.last}.",
        where="--cutoff",
        hint=f"choose a time from {offered.first} on",
    )


def _notes(offered: Available, cutoff: datetime | None) -> list[str]:
    notes = []
    if offered.total > offered.rows:
        notes.append(f"{offered.total - offered.rows:,} rows whose label was known only later are left out.")
    end = offered.observation_end or offered.last
    if cutoff is not None and end is not None and cutoff > end:
        notes.append(
            f"The data is complete only up to {end}: the same cutoff may give more rows once the warehouse knows more."
        )
    return notes
