"""Where a project keeps what quality is judged by, and the verdicts of its last run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from python_ml.durations import days
from python_ml.errors import UserError
from python_ml.files import read_json
from python_ml.project import is_dateless
from python_ml.quality.checks import SCORING, TRAINING, Verdict
from python_ml.quality.suites import Calendar, step_of

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.model.registry import Champion, ChampionFiles
    from python_ml.project import Project
    from python_ml.quality.facts import Facts

FILE = "quality.json"


def calendar_of(project: Project) -> Calendar:
    """The end of the observation as the warehouse has it (else the variable), and the step between feature times."""
    from python_ml.warehouse import connect, observation_end

    if is_dateless(project.vars):
        return Calendar()
    with connect(project) as connection:
        end = observation_end(connection)
    return Calendar(
        end or _moment(project.vars.get("observation_end")),
        step_of(project.vars.get("step")),
        timedelta(days=days(str(project.vars.get("maturity_lag") or "0d"))),
    )


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


def facts_of(champion: Champion | ChampionFiles) -> Facts | None:
    """What the rows that a champion was fitted on showed; None for a model of an older version."""
    from python_ml.quality.facts import Facts

    return None if champion.training_facts is None else Facts.from_json(champion.training_facts)


def facts_before(project: Project) -> tuple[Facts | None, list[str]]:
    """Those of the present champion, for a training that will replace it, and what is to be said where there are none.

    A champion whose files are gone or were changed is a reason to train, so it does not keep anybody from it.
    """
    from python_ml.model.registry import ChampionError, champion_files

    try:
        files = champion_files(project)
    except ChampionError as error:
        return None, [f"Not compared with the champion's training set: {error.what}"]
    return (None if files is None else facts_of(files)), []


def read(folder: Path) -> dict[str, Verdict]:
    """The verdicts of the last run, by suite.

    Raises
    ------
    UserError
        When the file was written by something else.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    hint = "delete it; `retention quality` writes it anew"
    data = read_json(path, FILE, hint)
    if not isinstance(data, dict):
        raise UserError(f"{FILE} does not hold an object.", where=str(path), hint=hint)
    try:
        return {suite: Verdict.from_dict(data[suite]) for suite in (TRAINING, SCORING) if suite in data}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{FILE} cannot be read: {error}", where=str(path), hint=hint) from error
