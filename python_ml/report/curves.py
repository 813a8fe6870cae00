"""The statistics behind the report's curves, from probabilities and outcomes.

The curves are those of :mod:`sklearn.metrics`, whose import alone takes longer than a whole report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from python_ml.stats import wilson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Curve(NamedTuple):
    """A line: its points from left to right."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


class Bin(NamedTuple):
    """One bin of a calibration curve: mean prediction, observed rate with its interval, number of rows."""

    predicted: float
    observed: float
    low: float
    high: float
    rows: int


def _ranked(outcome: ArrayLike, score: ArrayLike) -> tuple[NDArray, NDArray]:
    """Count churned rows and all rows at or above each distinct score, from the highest score down.

    Rows that share a score enter a curve together: any order among them would favour or penalise the model by chance.
    """
    outcome, score = np.asarray(outcome, dtype=float), np.asarray(score, dtype=float)
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    return np.cumsum(outcome[order])[last_of_tie], last_of_tie + 1.0


def roc_curve(outcome: ArrayLike, score: ArrayLike) -> Curve:
    """False positive rate (x) against true positive rate (y) at or above each score."""
    churned, rows = _ranked(outcome, score)
    retained = rows - churned
    return Curve(np.append(0, retained / retained[-1]), np.append(0, churned / churned[-1]))


def precision_recall_curve(outcome: ArrayLike, score: ArrayLike) -> Curve:
    """Recall (x) against precision (y), from the first churned row on."""
    churned, rows = _ranked(outcome, score)
    any_churned = churned > 0
    return Curve((churned / churned[-1])[any_churned], (churned / rows)[any_churned])


def gains_curve(outcome: ArrayLike, score: ArrayLike) -> Curve:
    """Share of customers contacted, highest score first (x), against share of churned customers reached (y)."""
    churned, rows = _ranked(outcome, score)
    return Curve(np.append(0, rows / rows[-1]), np.append(0, churned / churned[-1]))


def reached(curve: Curve, share: float) -> float:
    """Read a gains curve at a share of customers."""
    return float(np.interp(share, curve.x, curve.y))


def calibration_bins(outcome: ArrayLike, probability: ArrayLike, bins: int = 10) -> list[Bin]:
    """Cut rows into bins of about equal size by probability and compare prediction with outcome.

    The bins are those of :func:`sklearn.calibration.calibration_curve` with ``strategy="quantile"``, which does not
    return the rows of each bin that an interval needs.

    Parameters
    ----------
    outcome : array_like of shape (n,)
        0 or 1.
    probability : array_like of shape (n,)
        Predicted probabilities; rows that tie share a bin.
    bins : int
        Greatest number of bins; ties make fewer.

    Returns
    -------
    list of Bin
        From the lowest to the highest prediction.
    """
    outcome, probability = np.asarray(outcome, dtype=float), np.asarray(probability, dtype=float)
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1]))
    member = np.searchsorted(edges, probability, side="left")
    rows = np.bincount(member)
    churned, total = np.bincount(member, outcome), np.bincount(member, probability)
    columns = (total / np.maximum(rows, 1), churned / np.maximum(rows, 1), *wilson(churned, rows), rows)
    return [Bin(*map(float, values[:4]), int(values[4])) for values in zip(*columns, strict=True) if values[4]]
