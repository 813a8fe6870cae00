"""Customer value, expected profit of an offer, and the break-even probability.

Pure functions of arrays, which training (risk bands) and decisions (the action list) share. Money is in the currency of
the configured columns and costs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.durations import days, fixed_hours
from python_ml.names import name_parts
from python_ml.settings.decisions import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from python_ml.settings import CustomerValueSettings, Decisions

MONTH_DAYS = 30.0
# Placeholders, the first two in shares of what a typical customer is worth: those of Verbraken et al. (2013).
CONTACT_SHARE, OFFER_SHARE, SUCCESS_RATE = 0.005, 0.05, 0.3
LONGEST_WINDOW = 365.0
_PRICES = {"price", "fee", "fees", "charge", "charges", "mrr"}
_NOT_MONTHLY = {"total", "unit", "old", "new", "list", "count", "mean", "max", "min", "std", "sum"}
_REVENUES = {"amount", "revenue", "sales", "spend", "payment", "payments", "turnover"}


@dataclass(frozen=True)
class Terms:
    """What a contact costs and achieves.

    Attributes
    ----------
    contact_cost, offer_cost : float
        Paid for every contact; paid for every contacted customer who stays.
    success_rate : float
        Share of churning customers whom the offer keeps.
    """

    contact_cost: float
    offer_cost: float
    success_rate: float


def terms_of(decisions: Decisions, typical_value: float) -> Terms:
    """The terms of the settings; placeholders follow from what a typical customer is worth, in whatever currency."""
    return Terms(
        CONTACT_SHARE * typical_value if decisions.contact_cost is None else decisions.contact_cost,
        OFFER_SHARE * typical_value if decisions.offer_cost is None else decisions.offer_cost,
        SUCCESS_RATE if decisions.success_rate is None else decisions.success_rate,
    )


def typical_value(values: ArrayLike, placeholder: float) -> float:
    """The median of the positive values; the placeholder where there are none."""
    values = np.asarray(values, dtype=float)
    positive = values[values > 0]
    return float(np.median(positive)) if len(positive) else placeholder


def period_days(horizon: object) -> float:
    """Length of the label window of a churn probability in days; 30 where it has no fixed length."""
    hours = fixed_hours(str(horizon or "").strip())
    return hours / 24 if hours else MONTH_DAYS


def revenue_by_name(columns: Iterable[str]) -> tuple[str, float] | None:
    """The column that most likely holds revenue, and the days that it covers.

    A price (``subscription_price``, ``monthly_charges``) counts as monthly. Otherwise sums of amounts over a window
    are taken (``orders_amount_sum_90d``), the longest window up to a year.

    Examples
    --------
    >>> revenue_by_name(["orders_count_30d", "orders_amount_sum_30d", "orders_amount_sum_90d"])
    ('orders_amount_sum_90d', 90.0)
    >>> revenue_by_name(["price_changes_increase_percent_sum_30d"])
    """
    names = sorted(columns)
    for name in names:
        words = name_parts(name)
        if words and words[-1] in _PRICES and not _NOT_MONTHLY & set(words):
            return name, MONTH_DAYS
    windows = []
    for name in names:
        match = re.fullmatch(r".*?([a-z]+)_sum_(\d+[hdw])", name)
        if match and match[1] in _REVENUES and 1 <= days(match[2]) <= LONGEST_WINDOW:
            windows.append((days(match[2]), name))
    if not windows:
        return None
    longest = max(length for length, _ in windows)
    return min(name for length, name in windows if length == longest), longest


def revenue_column(columns: Iterable[str], settings: CustomerValueSettings) -> tuple[str | None, float]:
    """The column of revenue that the settings name, or that is found by its name, and the days that it covers."""
    name, covered = settings.revenue_column, MONTH_DAYS
    if name == BY_NAME:
        name, covered = revenue_by_name(columns) or (None, MONTH_DAYS)
    return name, days(settings.revenue_period) if settings.revenue_period else covered


def expected_life(
    probability: ArrayLike,
    period: float,
    longest: float,
    base_rate: float | None = None,
    persistence: float = 1.0,
) -> NDArray[np.float64]:
    """Expected remaining days of a customer whose risk of churn is constant.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Probability to churn within ``period``.
    period, longest : float
        Days; life is counted up to ``longest`` (a restricted mean).
    base_rate : float, optional
        Share of all customers who churn within ``period``.
    persistence : float
        1 keeps the customer's own risk for ever, 0 gives everybody that of the base rate; in between, the daily
        hazards are averaged geometrically. Risk is partly a state that passes.

    Returns
    -------
    numpy.ndarray, shape (n,)
        Days, from 0 to ``longest``.
    """
    hazard = -np.log1p(-np.clip(np.asarray(probability, dtype=float), 1e-9, 1 - 1e-9)) / period
    if base_rate is not None:
        base = -np.log1p(-np.clip(base_rate, 1e-9, 1 - 1e-9)) / period
        hazard = hazard**persistence * base ** (1 - persistence)
    return -np.expm1(-hazard * longest) / hazard


def expected_cost(
    probability: ArrayLike, effect: ArrayLike, contact_cost: ArrayLike, offer_cost: ArrayLike
) -> NDArray[np.float64]:
    """Expected cost of contacting a customer: everyone who stays takes the offer. As :func:`expected_profit`."""
    stays = 1 - np.asarray(probability, dtype=float) + np.asarray(effect, dtype=float)
    return np.asarray(contact_cost, dtype=float) + np.asarray(offer_cost, dtype=float) * np.clip(stays, 0, 1)


def expected_profit(
    probability: ArrayLike,
    effect: ArrayLike,
    value: ArrayLike,
    contact_cost: ArrayLike,
    offer_cost: ArrayLike,
) -> NDArray[np.float64]:
    """Expected profit of contacting a customer, against leaving them alone.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Probability to churn without an offer.
    effect : array_like, shape (n,)
        By how much the offer lowers it: the uplift, or probability x success rate where no uplift is known.
    value : array_like, shape (n,)
        What is lost when the customer churns.
    contact_cost, offer_cost : float or array_like, shape (n,)
        Paid for every contact; paid for everyone who stays, whether or not because of the offer.

    Returns
    -------
    numpy.ndarray, shape (n,)

    Notes
    -----
    With ``effect = probability x success rate`` it is the profit of Verbraken, T., Verbeke, W. and Baesens, B. (2013),
    "A Novel Profit Maximizing Metric for Measuring Classification Performance of Customer Churn Prediction Models",
    IEEE Transactions on Knowledge and Data Engineering 25(5).
    """
    gain = np.asarray(effect, dtype=float) * np.asarray(value, dtype=float)
    return gain - expected_cost(probability, effect, contact_cost, offer_cost)


def break_even_probability(value: float, terms: Terms) -> float:
    """Churn probability from which an offer to a customer of this value pays; 1 where it never does.

    Examples
    --------
    >>> round(break_even_probability(200, Terms(contact_cost=1, offer_cost=10, success_rate=0.3)), 3)
    0.164
    """
    gain = terms.success_rate * (value - terms.offer_cost) + terms.offer_cost
    return min((terms.contact_cost + terms.offer_cost) / gain, 1.0) if gain > 0 else 1.0
