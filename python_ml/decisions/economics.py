"""Money: profit by threshold, expected maximum profit, gains at a capacity, return of a campaign with its interval.

Pure functions of arrays. The profit of a single contact is :func:`python_ml.customer_value.expected_profit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.customer_value import Terms
from python_ml.errors import UserError
from python_ml.stats import estimate, resampled_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Sampler = Callable[[np.random.Generator], "NDArray[np.float64]"]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, value: float, drawn: ArrayLike) -> Interval:
        """The percentile interval of resampled values."""
        return cls(**estimate(value, drawn))

    def to_dict(self) -> dict[str, float | None]:
        """As in ``metrics.json``."""
        return asdict(self)


@dataclass(frozen=True)
class ProfitCurve:
    """What contacting everyone from a threshold on would have come to; one entry per distinct probability.

    Attributes
    ----------
    threshold : numpy.ndarray, shape (k,)
        From infinity (nobody is contacted) downwards.
    contacted, churned : numpy.ndarray of int, shape (k,)
        Rows at or above the threshold, and how many of them churned.
    profit : numpy.ndarray, shape (k,)
    rows, positives : int
        All rows, and all that churned.
    """

    threshold: NDArray[np.float64]
    contacted: NDArray[np.int64]
    churned: NDArray[np.int64]
    profit: NDArray[np.float64]
    rows: int
    positives: int

    @property
    def best(self) -> float:
        """The threshold with the most profit; infinity where every contact loses money."""
        return float(self.threshold[int(np.argmax(self.profit))])

    def at(self, threshold: float) -> dict[str, float | int | None]:
        """Confusion table, precision, recall, F1, lift and profit at a threshold."""
        place = int(np.searchsorted(-self.threshold, -threshold, side="right")) - 1
        hits, contacted = int(self.churned[place]), int(self.contacted[place])
        missed = self.positives - hits
        return {
            "threshold": threshold if np.isfinite(threshold) else None,
            "contacted": contacted,
            "true_positives": hits,
            "false_positives": contacted - hits,
            "false_negatives": missed,
            "true_negatives": self.rows - contacted - missed,
            "precision": hits / contacted if contacted else None,
            "recall": hits / self.positives if self.positives else None,
            "f1": 2 * hits / (contacted + self.positives) if contacted + self.positives else None,
            "profit": float(self.profit[place]),
        }


def realised_profit(churned: ArrayLike, value: ArrayLike, terms: Terms) -> NDArray[np.float64]:
    """What contacting each customer would have earned, given whether they churned without it.

    Parameters
    ----------
    churned : array_like, shape (n,)
        0 or 1.
    value : array_like, shape (n,) or scalar
    terms : Terms
        The success rate is an assumption: data without contacts cannot show it.
    """
    kept = np.asarray(churned, dtype=float) * terms.success_rate
    stays = 1 - np.asarray(churned, dtype=float) + kept
    return kept * np.asarray(value, dtype=float) - terms.contact_cost - terms.offer_cost * stays


def profit_curve(churned: ArrayLike, probability: ArrayLike, value: ArrayLike, terms: Terms) -> ProfitCurve:
    """Profit, contacts and churned customers at every threshold.

    Parameters
    ----------
    churned : array_like, shape (n,)
        0 or 1.
    probability : array_like, shape (n,)
        Rows that tie are contacted together.
    value : array_like, shape (n,) or scalar
    terms : Terms
    """
    churned, probability = np.asarray(churned, dtype=float), np.asarray(probability, dtype=float)
    order = np.argsort(-probability, kind="stable")
    earned = np.cumsum(realised_profit(churned, value, terms)[order])
    last = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1) if len(order) else np.array([], int)
    hits = np.cumsum(churned[order])[last].round().astype(np.int64)
    return ProfitCurve(
        threshold=np.append(np.inf, probability[order][last]),
        contacted=np.append(0, last + 1),
        churned=np.append(0, hits),
        profit=np.append(0.0, earned[last]),
        rows=len(order),
        positives=round(float(churned.sum())),
    )


def gains_at(curve: ProfitCurve, share: float) -> dict[str, float | None]:
    """Share of churned customers reached by contacting a ``share`` of all, highest risk first, and the lift.

    Within a tie, customers count as drawn in random order.
    """
    if not curve.rows or not curve.positives or not share:
        return {"share": share, "reached": None, "lift": None}
    reached = float(np.interp(share * curve.rows, curve.contacted, curve.churned)) / curve.positives
    return {"share": share, "reached": reached, "lift": reached / share}


def resampled_profit(
    profit: NDArray[np.float64], customers: NDArray, *, replicates: int = 500, seed: int = 0
) -> Interval:
    """Total of a profit per row, with a bootstrap interval by customer.

    Parameters
    ----------
    profit : numpy.ndarray, shape (n,)
        0 for rows that are not contacted.
    customers : numpy.ndarray, shape (n,)
        Key of the customer of each row.
    """
    replicates = replicates if len(profit) else 0
    drawn = [total for weights in resampled_weights(customers, replicates, seed) for total in weights @ profit]
    return Interval.of(float(profit.sum()), drawn)


@dataclass(frozen=True)
class ExpectedMaximumProfit:
    """EMPC: ``value`` is money per customer; ``share`` is how many should be contacted, on average."""

    value: float
    share: float


def expected_maximum_profit(
    churned: ArrayLike,
    score: ArrayLike,
    *,
    value: float = 200.0,
    offer_cost: float = 10.0,
    contact_cost: float = 1.0,
    alpha: float = 6.0,
    beta: float = 14.0,
) -> ExpectedMaximumProfit:
    """Expected maximum profit measure for customer churn (EMPC), in closed form.

    For every success rate there is a best threshold, which is a corner of the convex hull of the ROC curve. With
    success rates from a beta distribution, the expectation of the profit at these thresholds is a sum of incomplete
    beta functions over the corners.

    Parameters
    ----------
    churned : array_like, shape (n,)
        0 or 1, both present.
    score : array_like, shape (n,)
        Only its order counts.
    value, offer_cost, contact_cost : float
        The same for every customer.
    alpha, beta : float
        Of the success rate's distribution; its mean is alpha / (alpha + beta).

    Raises
    ------
    ValueError
        When there is one class only.

    Notes
    -----
    Verbraken, T., Verbeke, W. and Baesens, B. (2013), "A Novel Profit Maximizing Metric for Measuring Classification
    Performance of Customer Churn Prediction Models", IEEE Transactions on Knowledge and Data Engineering 25(5).
    """
    from scipy.special import betainc

    curve = profit_curve(churned, score, value, Terms(contact_cost, offer_cost, alpha / (alpha + beta)))
    if not 0 < curve.positives < curve.rows:
        raise ValueError("EMPC is defined for churned and retained customers; all of these have the same outcome")
    wrong, right = _upper_hull((curve.contacted - curve.churned) / curve.rows, curve.churned / curve.rows)
    if value <= offer_cost:
        return ExpectedMaximumProfit(0.0, 0.0)
    more_wrong, more_right = np.diff(wrong), np.diff(right)
    # The success rate from which the next corner earns more.
    switch = np.divide(
        (contact_cost + offer_cost) * more_wrong + contact_cost * more_right,
        (value - offer_cost) * more_right,
        out=np.full(len(more_right), np.inf),
        where=more_right > 0,
    )
    edges = np.clip(np.append(switch, 1.0), 0.0, 1.0)
    mass = np.diff(betainc(alpha, beta, edges))
    mean = np.diff(betainc(alpha + 1, beta, edges)) * alpha / (alpha + beta)
    wrong, right = wrong[1:], right[1:]
    profit = (value - offer_cost) * right * mean - (contact_cost * right + (contact_cost + offer_cost) * wrong) * mass
    return ExpectedMaximumProfit(float(profit.sum()), float(((wrong + right) * mass).sum()))


def empc_by_empulse(churned: ArrayLike, score: ArrayLike, **terms: float) -> float:
    """EMPC as the package empulse computes it; arguments as for :func:`expected_maximum_profit`.

    Raises
    ------
    UserError
        When empulse is not installed.
    """
    try:
        from empulse.metrics import empc_score
    except ImportError as error:
        raise UserError(
            "EMPC by empulse needs a package that is not installed.", hint="pip install 'customer-retention[profit]'"
        ) from error
    names = {"value": "clv", "offer_cost": "incentive_cost"}
    return float(empc_score(churned, score, **{names.get(name, name): value for name, value in terms.items()}))


def _upper_hull(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The corners of the upper convex hull of points that are sorted by x and y."""
    hull: list[int] = []
    for point in range(len(x)):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (x[b] - x[a]) * (y[point] - y[a]) - (y[b] - y[a]) * (x[point] - x[a]) < 0:
                break
            hull.pop()
        hull.append(point)
    return x[hull], y[hull]


@dataclass(frozen=True)
class CampaignReturn:
    """Expected cost, profit and return on investment of a campaign, with intervals."""

    cost: Interval
    profit: Interval
    roi: Interval
    kept: Interval

    def to_dict(self) -> dict[str, dict[str, float | None]]:
        """As in ``actions.json``."""
        return asdict(self)


def campaign_return(
    probability: NDArray[np.float64],
    effect: NDArray[np.float64],
    value: NDArray[np.float64],
    contact_cost: float,
    offer_cost: NDArray[np.float64],
    *,
    sampler: Sampler | None = None,
    replicates: int = 500,
    seed: int = 0,
) -> CampaignReturn:
    """What a list of customers is expected to return.

    The interval covers which customers are on the list (bootstrap by customer), who of them churns and is kept, and how
    well the offer works, as far as ``sampler`` says.

    Parameters
    ----------
    probability, effect, value : numpy.ndarray, shape (n,)
        As for :func:`python_ml.customer_value.expected_profit`, of those who are contacted.
    contact_cost : float
    offer_cost : numpy.ndarray, shape (n,)
    sampler : callable, optional
        Draws the effects of a replicate, shape (n,).
    replicates, seed : int
    """
    stays = np.clip(1 - probability + effect, 0, 1)
    kept, cost = float(effect.sum()), float((contact_cost + offer_cost * stays).sum())
    profit = float((effect * value).sum()) - cost
    drawn = np.asarray(list(_outcomes(probability, effect, value, contact_cost, offer_cost, sampler, replicates, seed)))
    drawn = drawn.reshape(-1, 3)
    ratios = np.divide(drawn[:, 1], drawn[:, 0], out=np.full(len(drawn), np.nan), where=drawn[:, 0] > 0)
    return CampaignReturn(
        cost=Interval.of(cost, drawn[:, 0]),
        profit=Interval.of(profit, drawn[:, 1]),
        roi=Interval.of(profit / cost, ratios) if cost else Interval(None),
        kept=Interval.of(kept, drawn[:, 2]),
    )


def _outcomes(
    probability: NDArray[np.float64],
    effect: NDArray[np.float64],
    value: NDArray[np.float64],
    contact_cost: float,
    offer_cost: NDArray[np.float64],
    sampler: Sampler | None,
    replicates: int,
    seed: int,
) -> Iterator[tuple[float, float, float]]:
    """Cost, profit and kept customers of each replicate."""
    rng, n = np.random.default_rng(seed), len(probability)
    for _ in range(replicates if n else 0):
        rows = rng.integers(0, n, n)
        works = (effect if sampler is None else sampler(rng))[rows]
        p = probability[rows]
        churning, luck = rng.random(n) < p, rng.random(n)
        with np.errstate(invalid="ignore", divide="ignore"):
            saved = churning & (luck < works / p)
            lost = ~churning & (luck < -works / (1 - p))  # an offer may also make a customer leave
        stays = (~churning & ~lost) | saved
        cost = float((contact_cost + offer_cost[rows] * stays).sum())
        change = saved.astype(float) - lost
        yield cost, float((change * value[rows]).sum()) - cost, float(change.sum())
