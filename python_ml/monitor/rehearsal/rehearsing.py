"""A rehearsal from the stored features of a project to its results; resumed where an earlier one was killed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import python_ml
from python_ml.dbt import TRAINING_SET, dbt_process, feature_registry
from python_ml.errors import UserError
from python_ml.files import locked, read_json, source_hashes, write_json
from python_ml.monitor.rehearsal.results import rehearsal_results
from python_ml.monitor.rehearsal.tables import store_rehearsal
from python_ml.monitor.rehearsal.versions import VersionFolder
from python_ml.monitor.rehearsal.visible import BuiltWarehouse, content_of_inputs
from python_ml.monitor.rehearsal.walk import FinishedStep, Walk
from python_ml.project import is_dateless
from python_ml.replay import FEATURES, feature_times
from python_ml.warehouse import connect, quote, relation

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.cli.options import Console
    from python_ml.project import Project

IDENTITY = "identity.json"
MOST_BY_DEFAULT = 12


def folder_of(project: Project) -> Path:
    """Where a rehearsal keeps models and finished steps."""
    return project.root / "target" / "rehearsal"


def versions_of(project: Project) -> VersionFolder:
    """The models of the last rehearsal."""
    return VersionFolder(folder_of(project) / "versions")


def steps_between(project: Project, start: datetime | None, end: datetime | None) -> list[datetime]:
    """Stored feature times from ``start`` to ``end``; the last 12 of them where there is no start.

    Raises
    ------
    UserError
        When there are fewer than two, or the rows have no dates of their own.
    """
    if is_dateless(project.vars):
        raise UserError(
            "Rows without dates have no history to walk through.",
            where=str(project.root / "dbt_project.yml"),
            hint="docs/guides/tables_without_dates.md says what a snapshot allows",
        )
    stored = feature_times(project)
    chosen = [time for time in stored if (start is None or time >= start) and (end is None or time <= end)]
    chosen = chosen if start is not None else chosen[-MOST_BY_DEFAULT:]
    if len(chosen) < 2:
        span = f"{stored[0]} to {stored[-1]}, {len(stored)} times" if stored else "none"
        raise UserError(
            "A rehearsal needs at least two stored feature times.",
            where=f"gold.{FEATURES} (stored: {span})",
            hint="choose --from and --to among them",
        )
    return chosen


def rehearse(
    project: Project, times: Sequence[datetime], console: Console, *, restart: bool = False
) -> tuple[dict[str, Any], list[FinishedStep]]:
    """Walk through times, and measure what would have happened.

    Returns
    -------
    dict
        See :func:`python_ml.monitor.rehearsal.results.rehearsal_results`.
    list of FinishedStep

    Raises
    ------
    UserError
        When the first step has too few labelled rows, or another process rehearses in this project.
    """
    folder = folder_of(project)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")) as alone:
        if not alone:
            raise UserError("Another process rehearses in this project.", where=str(folder), hint="wait for its end")
        features = feature_registry(project)
        identity = _identity(project, times, [asdict(feature) for feature in features])
        if restart or not _same(folder / IDENTITY, identity):
            shutil.rmtree(folder)
            write_json(folder / IDENTITY, identity)
        with dbt_process(project):
            source = BuiltWarehouse(project, feature_times(project), folder / "build", console)
            walk = Walk(project, times, source, features, folder, console.note)
            try:
                steps = walk.run()
            finally:
                shutil.rmtree(source.folder, ignore_errors=True)
        found = rehearsal_results(steps, _outcomes(project), project.entity, walk.settings, walk.versions)
    store_rehearsal(project, found, steps)
    return found, steps


def _same(path: Path, identity: dict[str, str]) -> bool:
    return path.is_file() and read_json(path, "rehearsal", "delete the folder") == identity


def _identity(project: Project, times: Sequence[datetime], features: list[dict[str, Any]]) -> dict[str, str]:
    """All that finished steps depend on, part by part."""
    parts = {
        "times": [time.isoformat() for time in times],
        "definitions": project.vars,
        "features": features,
        "settings": project.settings.model_dump(mode="json", exclude={"mlflow": True, "explain": True}),
        "rows": content_of_inputs(project),
        "sql": {name: node.get("checksum") for name, node in sorted(project.manifest["nodes"].items())},
        "code": source_hashes(Path(python_ml.__file__).parent),
    }
    return {
        name: hashlib.sha256(json.dumps(part, sort_keys=True, default=str).encode()).hexdigest()
        for name, part in parts.items()
    }


def _outcomes(project: Project) -> pd.DataFrame:
    """What became of the customers, as known by now."""
    with connect(project) as connection:
        return connection.execute(
            f"select {quote(project.entity)}, cast(feature_timestamp as timestamp) as feature_timestamp, "
            f"cast(churned as integer) as churned from {relation(TRAINING_SET)}"
        ).df()
