"""What an iteration is, and a training within it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Trigger(StrEnum):
    """Why an iteration was started."""

    INITIAL = "INITIAL"
    MANUAL = "MANUAL"
    DRIFT_DETECTED = "DRIFT_DETECTED"
    PERFORMANCE_DROP = "PERFORMANCE_DROP"
    SCHEDULED = "SCHEDULED"


@dataclass(frozen=True)
class LoggedTraining:
    """A training run of an iteration.

    Attributes
    ----------
    run_id : str
    version : int or None
        That it registered.
    model : str
        Kind of the chosen model.
    metrics : mapping of str to float
        ``validation.roc_auc`` and so on, as the run logged them.
    rows : tuple of str
        Which rows were held out: first times and numbers of rows. Equal for trainings whose metrics are comparable.
    """

    run_id: str
    version: int | None
    model: str
    metrics: Mapping[str, float]
    rows: tuple[str, ...]

    def value(self, metric: str) -> float | None:
        """A metric on the rows that decide between models."""
        return self.metrics.get(f"validation.{metric}")

    def to_dict(self, metric: str) -> dict[str, Any]:
        """For ``--json``."""
        parts = {part: self.metrics.get(f"{part}.{metric}") for part in ("validation", "test")}
        return {"run_id": self.run_id, "version": self.version, "model": self.model, "metric": metric, **parts}


def best(trainings: Iterable[LoggedTraining], metric: str) -> LoggedTraining | None:
    """The training that is best on the rows that decide between models; of equals, the earliest.

    Test rows decide nothing, else their figures would no longer say what to expect.

    Parameters
    ----------
    trainings : iterable of LoggedTraining
        The earliest first.
    metric : str
        Such as ``roc_auc``.
    """
    from python_ml.model.evaluate import better

    winner: LoggedTraining | None = None
    for training in trainings:
        value = training.value(metric)
        if value is not None and (winner is None or better(metric, value, winner.value(metric) or 0.0) > 0):
            winner = training
    return winner


@dataclass(frozen=True)
class Iteration:
    """An iteration: a run of MLflow whose children are the trainings.

    Attributes
    ----------
    number : int
        From 1.
    run_id : str
    trigger : Trigger
    parent : int or None
        Number of the iteration that it continues.
    reason : str
    status : str
        ``open``, ``finished``, ``failed`` or ``killed``.
    started_at : datetime
        Naive UTC.
    is_automatic : bool
        Whether `retention retrain` started it; trainings by hand are not among its children.
    reused : tuple of str
        Runs of earlier trainings that were reused within it.
    figures : mapping of str to float
        Counts of its stages, such as ``features.count``.
    """

    number: int
    run_id: str
    trigger: Trigger
    parent: int | None
    reason: str
    status: str
    started_at: datetime
    is_automatic: bool
    reused: tuple[str, ...]
    figures: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "number": self.number,
            "id": self.run_id,
            "parent": self.parent,
            "trigger": str(self.trigger),
            "reason": self.reason,
            "status": self.status,
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "figures": dict(self.figures),
        }
