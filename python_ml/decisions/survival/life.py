"""From hazards to risks within some days, and to the life that remains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SURE = 1e-9  # hazards keep away from 0 and 1, where logarithms end


@dataclass(frozen=True)
class Curves:
    """Survival curves of customers; within a period the hazard is constant.

    Attributes
    ----------
    days : numpy.ndarray, shape (n_knots,)
        From 0 (the beginning of the label window) to the end of the last period.
    cumulative : numpy.ndarray, shape (n_customers, n_knots)
        Cumulative hazard; survival is ``exp(-cumulative)``.
    silence : float
        Days that a customer must be inactive to count as churned: no risk is defined before, and they do not count
        as life. 0 where churn is an end.
    """

    days: np.ndarray
    cumulative: np.ndarray
    silence: float = 0.0

    @classmethod
    def of_hazards(cls, hazards: np.ndarray, edges: np.ndarray, silence: float = 0.0) -> Curves:
        """Curves of hazards per period, shape (n_customers, n_periods), with ``edges`` of shape (n_periods + 1,)."""
        rates = -np.log1p(-np.clip(hazards, SURE, 1 - SURE))
        return cls(edges, np.column_stack([np.zeros(len(rates)), np.cumsum(rates, axis=1)]), silence)

    def through(self, day: float, probability: np.ndarray) -> Curves:
        """The same curves, rescaled so that the risk within ``day`` is the given one; hazards after it stay.

        Parameters
        ----------
        day : float
            Within the range of the curves.
        probability : numpy.ndarray, shape (n_customers,)
        """
        near = np.abs(self.days - day) < 1e-6 * day
        knots = self.days if near.any() else np.sort(np.append(self.days, day))
        cumulative = self._at(knots)
        place = int(np.argmin(np.abs(knots - day)))
        before = cumulative[:, [place]]
        wanted = -np.log1p(-np.clip(probability, SURE, 1 - SURE))[:, None]
        scaled = np.where(np.arange(len(knots)) <= place, cumulative * (wanted / before), cumulative + wanted - before)
        return Curves(knots, scaled, self.silence)

    def risk(self, day: float) -> np.ndarray:
        """Probability of churn within so many days, shape (n_customers,); NaN outside of what the curves cover."""
        if day > self.days[-1] * (1 + 1e-9) or day < self.silence * (1 - 1e-9):
            return np.full(len(self.cumulative), np.nan)
        return -np.expm1(-self._at(np.array([day]))[:, 0])

    def expected_remaining(self, cap: float) -> np.ndarray:
        """Restricted mean of the remaining life, in days: the area under each curve up to ``cap``.

        Beyond the last period, its hazard goes on. Days of silence are not life: where churn is inactivity, a customer
        leaves when the silence begins.

        Notes
        -----
        Royston, P. and Parmar, M. K. B. (2013), "Restricted mean survival time", BMC Medical Research Methodology 13.
        """
        days, cumulative = self._of_life(cap)
        rates, widths = np.diff(cumulative, axis=1), np.diff(days)
        constant = rates < 1e-12
        # The mean of exp(-x) over x from 0 to the period's hazard.
        mean = np.where(constant, 1.0, -np.expm1(-rates) / np.where(constant, 1.0, rates))
        return (np.exp(-cumulative[:, :-1]) * mean * widths).sum(axis=1)

    def median_remaining(self, cap: float) -> np.ndarray:
        """Days after which half of such customers have left, counted as above; NaN where that is beyond ``cap``."""
        days, cumulative = self._of_life(cap)
        half, last = np.log(2.0), len(days) - 1
        after = np.clip((cumulative < half).sum(axis=1), 1, last)
        row = np.arange(len(cumulative))
        low, high = cumulative[row, after - 1], cumulative[row, after]
        share = np.divide(half - low, high - low, out=np.zeros_like(low), where=high > low)
        median = days[after - 1] + np.clip(share, 0, 1) * (days[after] - days[after - 1])
        return np.where(cumulative[:, -1] < half, np.nan, median)

    def _of_life(self, cap: float) -> tuple[np.ndarray, np.ndarray]:
        """Knots of the remaining life up to ``cap``, and the cumulative hazard there."""
        knots = np.append(self.days[(self.days > self.silence) & (self.days < self.silence + cap)], self.silence + cap)
        knots = np.append(self.silence, knots)
        return knots - self.silence, self._at(knots)

    def _at(self, days: np.ndarray) -> np.ndarray:
        """Cumulative hazard at some days, shape (n_customers, n_days); beyond the last knot, its slope goes on."""
        place = np.clip(np.searchsorted(self.days, days, side="left"), 1, len(self.days) - 1)
        share = (days - self.days[place - 1]) / (self.days[place] - self.days[place - 1])
        low, high = self.cumulative[:, place - 1], self.cumulative[:, place]
        return low + share * (high - low)
