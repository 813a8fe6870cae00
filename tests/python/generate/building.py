"""Projects from raw files, built with dbt without models of scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from python_ml.generate.project import create_project
from python_ml.plan import Recommendations
from tests.python.command_line import command
from tests.python.plan.planning import examined, proposed

NO_SCORES = ("--exclude", "gld_churn_scores_raw+", "gld_churn_reasons_raw+")


def build(folder: Path) -> Path:
    """Build a project's models and run their tests."""
    done = command(folder, "dbt", "build", *NO_SCORES, variables={"RETENTION_THREADS": "2"})
    assert done.returncode == 0, done.stdout[-4000:]
    return folder


def built(
    folder: Path,
    *paths: Path,
    decide: Callable[[Recommendations], Recommendations] = lambda recommendations: recommendations,
    **options: object,
) -> Path:
    """Write a project with the recommendations as they are decided, and build it."""
    examination = examined(*paths, folder=folder, **options)
    decided = decide(proposed(examination))
    _, planned, _ = create_project(folder, examination, decided)
    assert planned.not_applied == {}
    return build(folder)
