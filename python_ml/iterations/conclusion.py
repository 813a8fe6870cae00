"""The end of an iteration: its best training, what came of its recommendations, and what its model says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from python_ml.iterations.feedback import Feedback, feature_feedback, importance_shares
from python_ml.iterations.log import FEEDBACK_FILE, RECOMMENDATIONS_FILE
from python_ml.iterations.recommended import APPLIED, Recommended, recommended, with_outcomes
from python_ml.iterations.schema import Iteration, LoggedTraining, best

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.iterations.log import IterationLog
    from python_ml.project import Project


@dataclass(frozen=True)
class Conclusion:
    """What an iteration ended with; ``best`` is None where nothing was trained."""

    best: LoggedTraining | None
    recommendations: list[Recommended]


def conclude(
    project: Project,
    log: IterationLog,
    iteration: Iteration,
    feedback: Feedback | None = None,
    status: str = "FINISHED",
) -> Conclusion:
    """End an iteration, and keep with it what came of it.

    Parameters
    ----------
    project : Project
    log : IterationLog
    iteration : Iteration
    feedback : Feedback, optional
        Of its best model.
    status : str
        ``FINISHED`` or ``FAILED``.
    """
    metric = project.settings.training.selection.metric
    winner = best(log.trainings(iteration), metric)
    parent = None if iteration.parent is None else log.find(iteration.parent)
    before = None if parent is None else best(log.trainings(parent), metric)
    said = (log.read(parent.run_id, FEEDBACK_FILE) or {}) if parent is not None else {}
    entries = with_outcomes(
        recommended(project, said.get("low_value")),
        _applied(log, parent),
        _importance(log, winner, feedback),
        metric,
        before,
        winner,
    )
    files: dict[str, Any] = {RECOMMENDATIONS_FILE: {"recommendations": [one.to_dict() for one in entries]}}
    if feedback is not None:
        files[FEEDBACK_FILE] = feedback.to_dict()
    log.finish(iteration, files, status)
    return Conclusion(winner, entries)


def _applied(log: IterationLog, parent: Iteration | None) -> set[str]:
    """Ids of what an iteration had applied when it ended, or when it began."""
    if parent is None:
        return set()
    names = (RECOMMENDATIONS_FILE, f"start/{RECOMMENDATIONS_FILE}")
    kept = next((content for name in names if (content := log.read(parent.run_id, name)) is not None), {})
    return {one["id"] for one in kept.get("recommendations", []) if one["status"] == APPLIED}


def _importance(log: IterationLog, winner: LoggedTraining | None, feedback: Feedback | None) -> dict[str, float]:
    """Share of the importance by feature."""
    if feedback is not None:
        return importance_shares(feedback.to_dict())
    path = None if winner is None else log.artifact(winner.run_id, "drivers.csv")
    if path is None:
        return {}
    import pandas as pd

    drivers = pd.read_csv(path, keep_default_na=False)
    total = drivers["importance"].astype(float).sum()
    return dict(zip(drivers["feature"], drivers["importance"].astype(float) / total, strict=True)) if total else {}


def model_feedback(
    project: Project, log: IterationLog, version: int, progress: Callable[[str], None] = lambda message: None
) -> Feedback:
    """What a version says about its features; diagnosed anew unless the last diagnosis was of that version.

    Raises
    ------
    UserError
        When the version cannot be opened, or cannot score the current columns.
    """
    # Who says in which direction a feature may move the risk wants it in the model.
    return feature_feedback(_diagnostics(project, log, version, progress), project.settings.features.monotone)


def _diagnostics(project: Project, log: IterationLog, version: int, progress: Callable[[str], None]) -> pd.DataFrame:
    from python_ml.dbt import TRAINING_SET
    from python_ml.diagnostics.diagnosis import DIAGNOSTICS_TABLE, diagnose
    from python_ml.model.registry import open_files
    from python_ml.warehouse import connect, read_table, table_exists

    with connect(project) as connection:
        is_stored = table_exists(connection, DIAGNOSTICS_TABLE)
    stored = read_table(project, DIAGNOSTICS_TABLE) if is_stored else None
    if stored is not None and set(stored["model_version"]) == {version}:
        return stored
    opened = open_files(log.registry.files(log.registry.find(version)))
    rows = read_table(project, TRAINING_SET)
    return diagnose(opened, rows, project.settings, project.vars.get("scenario"), progress).diagnostics
