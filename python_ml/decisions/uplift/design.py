"""The experiment that would allow to speak of an effect: how large, with which power, and who gets which arm."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from python_ml.errors import UserError

LARGEST = 10**9


@dataclass(frozen=True)
class Design:
    """Two arms, their test, and what customers share.

    Parameters
    ----------
    baseline : float
        Churn rate without an offer, between 0 and 1.
    share : float
        Share of customers who get the offer.
    alpha : float
        Chance of a false alarm of the two-sided test.
    cluster_size : float
        Mean customers per cluster that is assigned as a whole (households, shops); 1 for customers one by one.
    icc : float
        Intraclass correlation of the outcome within clusters.
    explained : float
        Share of the outcome's variance that the strata explain; assignment within strata takes it out of the noise.

    Raises
    ------
    UserError
        When a figure is out of range.

    Notes
    -----
    The test of two proportions by the normal limit, pooled variance under the hypothesis and separate ones under the
    alternative (Fleiss, Levin and Paik 2003, "Statistical methods for rates and proportions", chapter 4). Clusters
    multiply the variance by 1 + (cluster_size - 1) icc (Kish 1965), strata by 1 - explained.
    """

    baseline: float
    share: float = 0.5
    alpha: float = 0.05
    cluster_size: float = 1.0
    icc: float = 0.0
    explained: float = 0.0

    def __post_init__(self) -> None:
        _check(0 < self.baseline < 1, "baseline", self.baseline, "a share between 0 and 1")
        _check(0 < self.share < 1, "share", self.share, "a share between 0 and 1")
        _check(0 < self.alpha < 1, "alpha", self.alpha, "a probability, such as 0.05")
        _check(1 <= self.cluster_size < float("inf"), "cluster-size", self.cluster_size, "1 or more")
        _check(0 <= self.icc <= 1, "icc", self.icc, "a correlation from 0 to 1")
        _check(0 <= self.explained < 1, "explained", self.explained, "a share from 0 to below 1")

    @property
    def variance_factor(self) -> float:
        """By which clusters and strata multiply the variance of independent customers."""
        return (1 + (self.cluster_size - 1) * self.icc) * (1 - self.explained)

    def power(self, effect: float, customers: float) -> float:
        """Chance that the test notices an effect.

        Parameters
        ----------
        effect : float
            Churn rate without an offer less that with one, in shares (0.02 for two points).
        customers : float
            In both arms together.
        """
        with_offer = self.baseline - effect
        _check(0 <= with_offer <= 1, "effect", effect, f"less than the baseline of {self.baseline:g}")
        treated, control = self.share * customers, (1 - self.share) * customers
        if min(treated, control) <= 0:
            return 0.0
        pooled = self.share * with_offer + (1 - self.share) * self.baseline
        under_null = np.sqrt(self.variance_factor * pooled * (1 - pooled) * (1 / treated + 1 / control))
        spread = with_offer * (1 - with_offer) / treated + self.baseline * (1 - self.baseline) / control
        normal, error = NormalDist(), np.sqrt(self.variance_factor * spread)
        limit = normal.inv_cdf(1 - self.alpha / 2) * under_null
        return float(normal.cdf((abs(effect) - limit) / error) + normal.cdf((-abs(effect) - limit) / error))

    def sample_size(self, effect: float, power: float = 0.8) -> int:
        """Customers, in both arms together, with which an effect is noticed with this power.

        Raises
        ------
        UserError
            When the effect is 0, or too small for any number of customers.
        """
        _check(effect != 0, "effect", effect, "a difference other than 0")
        _check(self.alpha < power < 1, "power", power, "a probability above alpha, such as 0.8")
        low, high = 2, 4
        while self.power(effect, high) < power:
            low, high = high, 2 * high
            _check(high < LARGEST, "effect", effect, "a larger effect: no sample size detects this one")
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.power(effect, middle) >= power else (middle, high)
        return high

    def detectable_effect(self, customers: int, power: float = 0.8) -> float | None:
        """The smallest reduction of churn that is detected with this power; None where no reduction is."""
        _check(self.alpha < power < 1, "power", power, "a probability above alpha, such as 0.8")
        if self.power(self.baseline, customers) < power:
            return None
        low, high = 0.0, self.baseline
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if self.power(middle, customers) >= power else (middle, high)
        return high


def _check(holds: bool, name: str, value: float, expected: str) -> None:
    if not holds:
        raise UserError(f"{name} cannot be {value:g}.", where=f"--{name}", hint=f"choose {expected}")


def assign(
    keys: Sequence[object] | np.ndarray,
    share: float,
    name: str,
    strata: Sequence[object] | np.ndarray | None = None,
    clusters: Sequence[object] | np.ndarray | None = None,
) -> np.ndarray:
    """Assign customers to arms at random, the same share in every stratum.

    Within a stratum, customers come in the order of a hash of the experiment's name and their key; offers are dealt
    evenly along it. So the arms depend on the name and the keys alone, not on the order of rows, a clock or a
    generator.

    Parameters
    ----------
    keys : array_like, shape (n_customers,)
        Unique.
    share : float
        Share of customers with an offer.
    name : str
        Of the experiment; another name gives another assignment.
    strata : array_like, shape (n_customers,), optional
        Groups in which the share is to hold, to within one customer (or cluster).
    clusters : array_like, shape (n_customers,), optional
        Customers of one cluster get the same arm. A cluster belongs to the stratum of its first customer by key.

    Returns
    -------
    numpy.ndarray of bool, shape (n_customers,)
        Whether the customer gets an offer.
    """
    units = [str(key) for key in (keys if clusters is None else clusters)]
    groups = [str(stratum) for stratum in strata] if strata is not None else [""] * len(units)
    by_key = sorted(range(len(units)), key=lambda row: str(keys[row]))
    stratum_of: dict[str, str] = {}
    for row in by_key:
        stratum_of.setdefault(units[row], groups[row])
    ordered = sorted(stratum_of, key=lambda unit: (stratum_of[unit], _hash(name, unit)))
    # A random start, so that rounding favours nobody.
    start = int(_hash(name, "start")[:12], 16) / 16**12
    dealt = np.floor(start + share * np.arange(len(ordered) + 1) + 1e-9)
    offered = dict(zip(ordered, np.diff(dealt) > 0, strict=True))
    return np.array([offered[unit] for unit in units], dtype=bool)


def _hash(name: str, unit: str) -> str:
    return hashlib.sha256(f"{len(name)}:{name}|{unit}".encode("utf-8", "surrogatepass")).hexdigest()
