"""BG/NBD: how often customers buy, and whether they still do, from three numbers of each (Fader, Hardie & Lee 2005).

While active, a customer buys at random with a rate of their own (gamma distributed), and after every purchase drops out
with a probability of their own (beta distributed). "'Counting Your Customers' the Easy Way: An Alternative to the
Pareto/NBD Model", Marketing Science 24(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.optimize
import scipy.special

from python_ml.stats import some_rows

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.dbt import Feature

LARGEST_LOG = 12.0  # of the parameters, on the scale of the longest history
MOST_CUSTOMERS = 50_000  # more would hardly change four parameters
NODES = 64  # of the integral over a gap


@dataclass(frozen=True)
class Histories:
    """What the model knows of customers, all of shape (n_rows,); times in days.

    Attributes
    ----------
    frequency : numpy.ndarray
        Purchases after the first.
    recency : numpy.ndarray
        From the first to the last purchase.
    age : numpy.ndarray
        From the first purchase to now.
    """

    frequency: np.ndarray
    recency: np.ndarray
    age: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Histories:
        return Histories(self.frequency[rows], self.recency[rows], self.age[rows])

    @property
    def known(self) -> np.ndarray:
        """Rows of customers who have bought at all, of bool."""
        return np.isfinite(self.frequency) & np.isfinite(self.recency) & np.isfinite(self.age)


@dataclass(frozen=True)
class BgNbd:
    """The fitted model.

    Attributes
    ----------
    r, alpha : float
        Shape and rate (in days) of the purchase rates.
    a, b : float
        Of the beta distribution of the dropout probabilities.
    log_likelihood : float
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    @classmethod
    def fit(cls, histories: Histories) -> BgNbd:
        """Fit by maximum likelihood.

        Parameters
        ----------
        histories : Histories
            One row per customer.

        Raises
        ------
        ValueError
            When nobody has bought.
        """
        if not len(histories.age) or histories.age.max() <= 0:
            raise ValueError("nobody has bought before the feature time")
        # Units in which the longest history is 10: parameters are then of similar size, whatever the unit of time.
        scale = 10 / histories.age.max()
        scaled = Histories(histories.frequency, histories.recency * scale, histories.age * scale)

        def loss(logs: np.ndarray) -> float:
            return -float(np.mean(_log_likelihoods(np.exp(logs), scaled)))

        bounds = [(-LARGEST_LOG, LARGEST_LOG)] * 4
        starts = [np.zeros(4), np.log([0.3, 1.0, 0.5, 2.0])]
        best = min((scipy.optimize.minimize(loss, start, bounds=bounds) for start in starts), key=lambda run: run.fun)
        options = {"xatol": 1e-7, "fatol": 1e-11, "maxiter": 2_000, "maxfev": 2_000}
        best = scipy.optimize.minimize(loss, best.x, method="Nelder-Mead", bounds=bounds, options=options)
        r, alpha, a, b = np.exp(best.x)
        found = np.array([r, alpha / scale, a, b])
        return cls(*map(float, found), float(_log_likelihoods(found, histories).sum()))

    def probability_active(self, histories: Histories) -> np.ndarray:
        """Probability that each customer has not dropped out, shape (n_rows,)."""
        x, odds = histories.frequency, np.zeros(len(histories.frequency))
        bought = x > 0
        log_odds = (
            np.log(self.a / (self.b + x[bought] - 1))
            + (self.r + x[bought])
            * np.log((self.alpha + histories.age[bought]) / (self.alpha + histories.recency[bought]))
        )  # fmt: skip
        odds[bought] = np.exp(np.minimum(log_odds, 700.0))
        return 1 / (1 + odds)

    def probability_of_none(self, histories: Histories, horizon: float, gap: float = 0.0) -> np.ndarray:
        """Probability that each customer buys nothing in the ``horizon`` days that begin ``gap`` days from now.

        Of an active customer, the rate is gamma distributed with shape r + x and rate alpha + T, and the dropout
        probability p beta distributed with a and b + x. Purchases of the gap may end in dropout, at the rate p times
        that of purchases; the integral over p is one of midpoints in its quantiles.

        Returns
        -------
        numpy.ndarray, shape (n_rows,)
        """
        shape, rate = self.r + histories.frequency, self.alpha + histories.age
        if gap:
            quantiles = (np.arange(NODES) + 0.5) / NODES
            dropout = scipy.special.betaincinv(self.a, self.b + histories.frequency[:, None], quantiles)
            waited = rate[:, None] + dropout * gap
            power = shape[:, None]
            some = ((rate[:, None] / waited) ** power - (rate[:, None] / (waited + horizon)) ** power).mean(axis=1)
        else:
            some = 1 - (rate / (rate + horizon)) ** shape
        return 1 - self.probability_active(histories) * some

    def expected_purchases(self, histories: Histories, horizon: float) -> np.ndarray:
        """Purchases to expect of each customer in the next ``horizon`` days (equation 10), shape (n_rows,)."""
        x, age = histories.frequency, histories.age
        rate = self.alpha + age
        r, a, b = self.r + x, self.a, self.b + x
        hypergeometric = scipy.special.hyp2f1(r, b, a + b - 1, horizon / (rate + horizon))
        if_active = (a + b - 1) / (a - 1) * (1 - (rate / (rate + horizon)) ** r * hypergeometric)
        return if_active * self.probability_active(histories)


def _log_likelihoods(parameters: np.ndarray, histories: Histories) -> np.ndarray:
    """Log-likelihood of each customer (equation 6 of the paper, in the stable form of its appendix)."""
    r, alpha, a, b = parameters
    x, recency, age = histories.frequency, histories.recency, histories.age
    gammaln = scipy.special.gammaln
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    common = common + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    active = -(r + x) * np.log(alpha + age)
    dropped = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + recency)
    return common + np.where(x > 0, np.logaddexp(active, dropped), active)


def histories_of(
    frame: pd.DataFrame, features: Sequence[Feature], source: str | None = None
) -> tuple[str, Histories] | None:
    """Read histories from gold features: days with events (or events), days since the first and since the last.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The training set.
    features : sequence of Feature
        The registry.
    source : str, optional
        The event source to prefer.

    Returns
    -------
    (str, Histories) or None
        The source, and one history per row, NaN without events. None where no source has all three.
    """
    found: dict[str, dict[str, str]] = {}
    for feature in features:
        if feature.source and not feature.measure and feature.window == "all_time" and feature.name in frame.columns:
            found.setdefault(feature.source, {})[feature.aggregate or ""] = feature.name
    complete = [
        name for name, of in found.items()
        if {"days_since_first", "days_since_last"} <= of.keys() and of.keys() & {"active_days", "count"}
    ]  # fmt: skip
    if not complete:
        return None
    chosen = source if source in complete else complete[0]
    of = found[chosen]

    def read(name: str) -> np.ndarray:
        return frame[name].astype("Float64").to_numpy(float, na_value=np.nan)

    events = read(of.get("active_days") or of["count"])
    age = read(of["days_since_first"])
    recency = np.clip(age - read(of["days_since_last"]), 0, None)
    events = np.where(events > 0, events, np.nan)
    # Whoever bought on one day has no repeat purchase, whatever the times of day say.
    return chosen, Histories(events - 1, np.where(events > 1, recency, 0.0 * events), age)


def bg_nbd_score(
    histories: Histories,
    customers: np.ndarray,
    times: np.ndarray,
    churned: np.ndarray,
    fitted: np.ndarray,
    judged: np.ndarray,
    *,
    horizon: float,
    gap: float,
    seed: int,
) -> tuple[BgNbd, np.ndarray] | None:
    """Fit on the newest known row of each customer, and score others.

    A customer whose label says that they bought nothing is known to have been silent for the horizon as well, which
    counts into the history where the label begins at the feature time. Otherwise the fit would never see a long
    silence: who is silent is soon no longer at risk.

    Parameters
    ----------
    histories : Histories
        Of all rows.
    customers, times : numpy.ndarray, shape (n_rows,)
    churned : numpy.ndarray of int, shape (n_rows,)
    fitted, judged : numpy.ndarray of bool, shape (n_rows,)
        Rows whose labels may be known, and rows to score.
    horizon, gap : float
        In days.
    seed : int

    Returns
    -------
    (BgNbd, numpy.ndarray of shape (n_judged,)) or None
        The model and the probability of no purchase in the label window (1 for customers who never bought). None where
        nobody has bought.
    """
    rows = np.flatnonzero(fitted & histories.known)
    newest_first = rows[np.lexsort((times[rows], customers[rows]))][::-1]
    _, first = np.unique(customers[newest_first], return_index=True)
    rows = some_rows(newest_first[first], MOST_CUSTOMERS, seed)
    seen = histories[rows]
    silent = horizon * (churned[rows] == 1) if gap == 0 else 0.0
    seen = Histories(seen.frequency, seen.recency, seen.age + silent)
    if not len(rows) or seen.age.max() <= 0:
        return None
    model = BgNbd.fit(seen)
    asked = histories[judged]
    scores = np.ones(len(asked.age))
    known = asked.known
    scores[known] = model.probability_of_none(asked[known], horizon, gap)
    return model, scores
