"""What became of a customer after a feature time, from the labels of the same and of later rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from python_ml.decisions.survival.clock import DAY

if TYPE_CHECKING:
    from python_ml.decisions.survival.clock import Clock


class FollowUp(NamedTuple):
    """What is known of each row; all of shape (n_rows,).

    Attributes
    ----------
    period : numpy.ndarray of int
        The period in which the customer churned (from 1), or the number of periods that they are known to have stayed.
    event : numpy.ndarray of bool
        Whether they churned in it; else they are right-censored at its end.
    limit : numpy.ndarray of int
        Periods that the data could have shown.
    usable : numpy.ndarray of bool
        Whether anything is known.
    """

    period: np.ndarray
    event: np.ndarray
    limit: np.ndarray
    usable: np.ndarray

    def until(self, period: int) -> tuple[np.ndarray, np.ndarray]:
        """Period and event, with everybody censored at the end of a period."""
        return np.minimum(self.period, period), self.event & (self.period <= period)


def follow_up(customers: np.ndarray, times: np.ndarray, churned: np.ndarray, clock: Clock) -> FollowUp:
    """Follow the customer of each row through the rows that come after it.

    A label of 0 says that the customer stayed to the end of its window; the first label of 1 says that they churned in
    it. Where churn is the end of a coverage, later rows of the same customer say that it had not come yet, and a
    customer who is no longer at risk at a feature time after the window has churned in between. An interval that
    reaches over the end of a period counts where its middle lies.

    Rows of a feature time near the end of the data can show churn, but not that somebody stayed. So no row is followed
    further than the last label of all rows reaches, whatever became of its customer.

    Parameters
    ----------
    customers : numpy.ndarray, shape (n_rows,)
    times : numpy.ndarray of datetime64, shape (n_rows,)
        Feature times; a customer has one row at each.
    churned : numpy.ndarray of int, shape (n_rows,)
        0 or 1. Nothing but these rows is looked at: rows of a later time must not be among them.
    clock : Clock
    """
    n = len(customers)
    if n == 0:
        return FollowUp(np.zeros(0, int), np.zeros(0, bool), np.zeros(0, int), np.zeros(0, bool))
    days = (times - times.min()) / DAY
    codes = pd.factorize(customers)[0]
    order = np.lexsort((days, codes))
    who, day, left = codes[order], days[order], churned[order] == 1
    horizon, step = clock.horizon, clock.step

    ahead = np.full(n, np.inf)
    ahead[:-1] = np.where(who[1:] == who[:-1], np.diff(day), np.inf)
    seen_again = ahead <= 1.5 * step
    grid = np.append(np.unique(day), np.inf)
    expected = grid[np.searchsorted(grid, day + step / 2)]  # the feature time at which a customer would be seen again
    gone = clock.by_end & ~left & ~seen_again & np.isfinite(expected) & (expected > day + horizon)

    row = np.arange(n)
    last = _next_where(left | ~seen_again)  # the row that ends what is known of each row's customer
    # The end of a coverage lies after the last of the rows in succession that foresee it, and before they are missed.
    foreseen = _next_where(~(left & seen_again & np.append(left[1:], False))) if clock.by_end else row
    still_there = np.minimum(day[foreseen], day + horizon)
    missed = np.where(clock.by_end & ~seen_again[foreseen], expected[foreseen], np.inf)
    known_before = np.append(-np.inf, day[:-1]) + horizon  # to where the label of the row before reaches
    start = np.where(gone[last], day[last] + horizon, still_there[last])
    start = np.where(left[last] & (last > row), np.maximum(start, known_before[last]), start)
    end = np.where(gone[last], expected[last], np.minimum(day + horizon, missed)[last])
    event = left[last] | gone[last]
    middle = np.where(event, (start + end) / 2 - day, 0.0)

    limit = clock.completed(day.max() + horizon - day)
    churned_in = np.clip(np.searchsorted(clock.edges, middle, side="right"), 1, None)
    stayed = clock.completed(np.where(event, np.inf, day[last] + horizon - day))
    event = event & (churned_in <= limit)
    period = np.where(event, churned_in, np.minimum(stayed, limit))
    usable = (period > 0) & (day <= day.max() - clock.unresolved)

    given = np.empty(n, dtype=int)
    given[order] = row
    return FollowUp(period[given], event[given], limit[given], usable[given])


def _next_where(condition: np.ndarray) -> np.ndarray:
    """For each position, the first one from there on where the condition holds; it must hold at the last."""
    position = np.where(condition, np.arange(len(condition)), len(condition))
    return np.minimum.accumulate(position[::-1])[::-1]
