"""Choose customers under a budget and a contact cap, with a randomised holdout."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.formatting import key_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_HALVINGS = 60


@dataclass(frozen=True)
class Allocation:
    """Who is contacted.

    Attributes
    ----------
    order : numpy.ndarray of int, shape (k,)
        Positions of contacted and held-out customers, by priority.
    contacted, holdout : numpy.ndarray of bool, shape (n,)
    price : float
        What one more unit of budget would earn; 0 where the budget does not bind.
    stopped_by : str
        ``profit`` (nobody else pays), ``budget`` or ``contacts``.
    """

    order: NDArray[np.int64]
    contacted: NDArray[np.bool_]
    holdout: NDArray[np.bool_]
    price: float
    stopped_by: str


def allocate(
    profit: NDArray[np.float64],
    cost: NDArray[np.float64],
    *,
    budget: float | None = None,
    max_contacts: int | None = None,
    holdout: NDArray[np.bool_] | None = None,
    ties: NDArray[np.float64] | None = None,
) -> Allocation:
    """Choose the customers whose contacts earn most in total.

    Every unit of budget has a price, so that customers are ranked by ``profit - price x cost``. The price is the least
    at which the best ones under the cap cost no more than the budget: the optimum of the linear relaxation, which
    the choice misses by less than one customer's profit.

    Held-out customers keep their place in the ranking, but cost nothing and count as nobody: those who stand before the
    last contacted customer are the comparison group.

    Parameters
    ----------
    profit, cost : numpy.ndarray, shape (n,)
        Expected, per customer; NaN excludes a customer. Only customers who pay are chosen.
    budget : float, optional
    max_contacts : int, optional
    holdout : numpy.ndarray of bool, shape (n,), optional
    ties : numpy.ndarray, shape (n,), optional
        Decides between equal customers, the smallest first (default: their order).
    """
    n = len(profit)
    cost = np.where(np.isfinite(cost), cost, 0.0)
    held = np.zeros(n, dtype=bool) if holdout is None else np.asarray(holdout, dtype=bool)
    ties = np.arange(n, dtype=float) if ties is None else ties
    pays = np.flatnonzero(np.nan_to_num(profit, nan=-1.0) > 0)
    price = 0.0 if budget is None else _price(profit[pays], cost[pays], held[pays], budget, max_contacts)
    ranked = pays[np.lexsort((ties[pays], -(profit - price * cost)[pays]))]
    spent = np.cumsum(np.where(held[ranked], 0.0, cost[ranked]))
    people = np.cumsum(~held[ranked])
    within_budget = spent <= (np.inf if budget is None else budget * (1 + 1e-12))
    within_cap = people <= (n if max_contacts is None else max_contacts)
    fits = within_budget & within_cap
    stop = len(ranked) if fits.all() else int(np.argmin(fits))
    stopped_by = "profit" if stop == len(ranked) else "budget" if not within_budget[stop] else "contacts"
    listed = ranked[:stop]
    # Held-out customers after the last contacted one would not have been contacted.
    contacts = np.flatnonzero(~held[listed])
    if stopped_by != "profit":
        listed = listed[: contacts[-1] + 1 if len(contacts) else 0]
    contacted, out = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    contacted[listed[~held[listed]]] = True
    out[listed[held[listed]]] = True
    return Allocation(listed, contacted, out, price, stopped_by)


def _price(
    profit: NDArray[np.float64],
    cost: NDArray[np.float64],
    held: NDArray[np.bool_],
    budget: float,
    max_contacts: int | None,
) -> float:
    """The least price of a unit of budget at which the best customers are affordable, by bisection."""
    profit, cost = profit[~held], cost[~held]

    def spent(price: float) -> float:
        score = profit - price * cost
        positive = score > 0
        if max_contacts is not None and positive.sum() > max_contacts:
            best = np.argpartition(-score, max_contacts - 1)[:max_contacts] if max_contacts else []
            return float(cost[best].sum())
        return float(cost[positive].sum())

    if spent(0.0) <= budget:
        return 0.0
    low, high = 0.0, float((profit[cost > 0] / cost[cost > 0]).max())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if spent(middle) > budget else (low, middle)
    return high


def budget_curve(
    profit: NDArray[np.float64], cost: NDArray[np.float64], points: int = 101
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected profit by budget, the best customers per unit of cost first; without a contact cap.

    Parameters
    ----------
    profit, cost : numpy.ndarray, shape (n,)
        NaN excludes a customer.
    points : int
        Greatest length of the curve.

    Returns
    -------
    budget, profit : numpy.ndarray, shape (up to ``points``,)
        From nothing to everyone, those who lose money included, so that the curve shows its top.
    """
    known = np.isfinite(profit) & np.isfinite(cost)
    profit, cost = profit[known], cost[known]
    order = np.argsort(-profit / np.maximum(cost, 1e-12), kind="stable")
    spent = np.concatenate([[0.0], np.cumsum(cost[order])])
    earned = np.concatenate([[0.0], np.cumsum(profit[order])])
    shown = np.unique(np.append(np.linspace(0, len(spent) - 1, points - 1).round().astype(int), earned.argmax()))
    return spent[shown], earned[shown]


def draws(keys: Iterable[object], moments: Iterable[str], purpose: str) -> NDArray[np.float64]:
    """A number from 0 to 1 for each customer and feature time, uniform and always the same.

    It is a hash of the key, the time and the ``purpose``: neither a clock nor the company of others changes it.
    """
    numbers = [
        int.from_bytes(
            hashlib.sha256(f"{purpose}|{moment}|{key_text(key)}".encode("utf-8", "surrogatepass")).digest()[:8]
        )
        for key, moment in zip(keys, moments, strict=True)
    ]
    return np.asarray(numbers, dtype=float) / 2.0**64
