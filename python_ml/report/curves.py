"""The statistics behind the report's curves, from probabilities and outcomes."""

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
    """Count leavers and rows at or above each distinct score, from the highest score down.

    Rows that share a score cannot be told apart by it, so they enter a curve together: any order among
    them would flatter or punish the model by chance.
    """
    outcome, score = np.asarray(outcome, dtype=float), np.asarray(score, dtype=float)
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    return np.cumsum(outcome[order])[last_of_tie], last_of_tie + 1.0


def roc_curve(outcome: ArrayLike, score: ArrayLike) -> Curve:
    """Share of stayers (x) against share of leavers (y) at or above each score."""
    leavers, rows = _ranked(outcome, score)
    stayers = rows - leavers
    return Curve(np.append(0, stayers / stayers[-1]), np.append(0, leavers / leavers[-1]))


def precision_recall_curve(outcome: ArrayLike, score: ArrayLike) -> Curve:
    """Share of leavers found (x) against share of leavers among those named (y)."""
    leavers, rows = _ranked(outcome, score)
    named = leavers > 0
    return Curve((leavers / leavers[-1])[named], (leavers / rows)[named])


def gains_curve(outcome: ArrayLike, score: ArrayLike) -> Curve:
    """Share of customers contacted, riskiest first (x), against share of leavers reached (y)."""
    leavers, rows = _ranked(outcome, score)
    return Curve(np.append(0, rows / rows[-1]), np.append(0, leavers / leavers[-1]))


def reached(curve: Curve, share: float) -> float:
    """Read a gains curve at a share of customers."""
    return float(np.interp(share, curve.x, curve.y))


def calibration_bins(outcome: ArrayLike, probability: ArrayLike, bins: int = 10) -> list[Bin]:
    """Cut rows into bins of about equal size by probability and compare prediction with outcome.

    Parameters
    ----------
    outcome : array_like of shape (n,)
        0 or 1.
    probability : array_like of shape (n,)
        Predicted probabilities, which tie within a bin and never across two.
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
    found = []
    for index in np.unique(member):
        inside = member == index
        rows, leavers = int(inside.sum()), float(outcome[inside].sum())
        low, high = wilson(leavers, rows)
        found.append(Bin(float(probability[inside].mean()), leavers / rows, float(low), float(high), rows))
    return found


def thin(curve: Curve, limit: int = 160) -> Curve:
    """Keep at most ``limit`` points, evenly spaced along the line, so that a drawing stays small."""
    if len(curve.x) <= limit:
        return curve
    length = np.append(0, np.cumsum(np.hypot(np.diff(curve.x), np.diff(curve.y))))
    wanted = np.linspace(0, length[-1], limit)
    kept = np.unique(np.append(np.searchsorted(length, wanted), [0, len(length) - 1]))
    return Curve(curve.x[kept], curve.y[kept])
