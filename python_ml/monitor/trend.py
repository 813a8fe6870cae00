"""What usually moves in a reference, and what of a change that leaves unexplained."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np

from python_ml.monitor.schema import ColumnCounts, PeriodCounts, ReferenceStatistics
from python_ml.monitor.statistics import divergence

# Usual changes from which on samples hardly overlap: bins no longer tell how far a column has moved.
SATURATED = 2.0
ONE_DIRECTION = 0.8  # rises less falls, as a share of both
LEAST_PERIODS = 4  # of a reference, for its columns to have a usual trend


def usual_change(reference: ReferenceStatistics, name: str, steps: int) -> float | None:
    """By how much a column usually changed within the reference, in so many steps: PSI without what noise adds.

    It is the upper quartile over pairs of feature times, so that a single break in the reference excuses no other; at
    least 0, and None where the reference is too short.
    """
    periods = [reference.periods[time] for time in sorted(reference.periods)]
    changes = [
        psi_between(name, before, after)
        for before, after in zip(periods, periods[steps:], strict=False)
        if before.rows and after.rows
    ]
    return max(float(np.quantile(changes, 0.75, method="higher")), 0.0) if changes else None


def unexpected_change(reference: ReferenceStatistics, name: str, period: datetime, after: ColumnCounts) -> float | None:
    """What is left of a change once a column has moved on from the end of the reference at its usual pace.

    Mean, spread and share of missing values may each move as far as their pace goes, if they moved in one direction
    nine times in ten within the reference, and otherwise not at all.

    Parameters
    ----------
    reference : ReferenceStatistics
    name : str
    period : datetime
    after : ColumnCounts
        The column in that period.

    Returns
    -------
    float or None
        In units of a PSI, without what noise adds: the Jeffreys divergence of normal distributions, and that of shares
        of missing values. None where these do not describe the column: it has few values, or most rows have the same.

    Notes
    -----
    Jeffreys, H. (1946), "An invariant form for the prior probability in estimation problems", Proceedings of the Royal
    Society A 186. A PSI is an estimate of this divergence from bins.
    """
    times, bins = sorted(reference.periods), reference.columns[name].bins
    last, whole = reference.periods[times[-1]].columns[name], reference.whole.columns[name]
    if not bins.ordered or bins.exact or max(whole.counts[:-1]) > whole.present / 2:
        return None
    centre = bins.centre
    series = [_moments(reference.periods[time].columns[name], centre) for time in times]
    seconds = [time.timestamp() for time in times]
    elapsed, now, before = period.timestamp() - seconds[-1], _moments(after, centre), series[-1]
    allowed = [_pace(seconds, [one[k] for one in series]) * elapsed for k in range(3)]
    left = [
        None if a is None or b is None else b - a - float(np.clip(b - a, min(may, 0.0), max(may, 0.0)))
        for a, b, may in zip(before, now, allowed, strict=True)
    ]
    sizes = [sum(counts.counts) for counts in (last, after)]
    shares = np.clip([now[2] - left[2], now[2]], *(np.array([0.5, max(*sizes) - 0.5]) / max(*sizes)))
    odds = np.log(shares / (1 - shares))
    missing = (shares[1] - shares[0]) * (odds[1] - odds[0]) - sum(1 / size for size in sizes)
    if left[0] is None:  # a side has no values at all
        return max(missing, 0.0)
    if left[1] is None:
        return None
    # The spread of the reference is that of the period, but for what is left of its change.
    variances = np.exp([now[1] - left[1], now[1]])
    apart = np.cosh(left[1]) - 1 + left[0] ** 2 * (1 / variances).sum() / 2
    noise = 2 * sum(1 / (size * (1 - share)) for size, share in zip(sizes, shares, strict=True))
    return float(max(missing, 0.0) + max(apart - noise, 0.0))


def _moments(counts: ColumnCounts, centre: float) -> tuple[float | None, float | None, float]:
    """Mean, logarithm of the variance, and share of missing values."""
    mean = counts.mean()
    variance = 0.0 if mean is None else counts.squares / counts.present - (mean - centre) ** 2
    return mean, float(np.log(variance)) if variance > 0 else None, counts.null_share


def _pace(seconds: Sequence[float], values: Sequence[float | None]) -> float:
    """By how much something moves in a second: the upper quartile, in its direction; 0 where it has none."""
    known = [(at, value) for at, value in zip(seconds, values, strict=True) if value is not None]
    paces = np.array([(b - a) / (later - earlier) for (earlier, a), (later, b) in pairwise(known)])
    if len(known) < LEAST_PERIODS or abs(np.sign(paces).mean()) < ONE_DIRECTION:
        return 0.0
    return float(np.quantile(paces, 0.75 if np.sign(paces).mean() > 0 else 0.25))


def psi_between(name: str, before: PeriodCounts, after: PeriodCounts) -> float:
    """PSI of a column between two parts of the reference, without what noise adds."""
    counts = (before.columns[name].array, after.columns[name].array)
    return divergence(*counts, (before.customers, after.customers), ordered=False).psi_excess
