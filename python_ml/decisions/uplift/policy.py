"""What a policy of offers would have achieved, and how the effect moves with what a learner predicts.

Everything here rests on the draws: each customer's arm was drawn with a known probability, so weights by this
probability make the drawn stand for all (IPW), and a model of the outcome takes noise out without being trusted (AIPW:
Robins, Rotnitzky and Zhao 1994, "Estimation of regression coefficients when some regressors are not always observed",
Journal of the American Statistical Association 89). Standard errors count customers, not draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.stats import Z_95

if TYPE_CHECKING:
    from python_ml.decisions.uplift.experiment_rows import Experiment

FORMULAS = {
    "aipw": (
        "mean of m_a + 1[arm = a] (churned - m_a) / P(arm = a), a: the arm that the policy gives, m_a: churn predicted "
        "for that arm by a model that was not fitted on the customer; interval by customer"
    ),
    "ipw": (
        "sum of w churned / sum of w, w = 1[arm = a] / P(arm = a), a: the arm that the policy gives; interval by "
        "customer"
    ),
    "effect": "mean of m_t - m_c + doubly robust corrections (AIPW), as share of customers retained by an offer",
    "slope": (
        "slope of the AIPW effect on the predicted uplift of customers that the learner was not fitted on: 1 where "
        "predictions are calibrated, 0 where they are random"
    ),
}
PRIOR_ERROR = 0.5  # how far a learner's scale is expected to be off
LEAST_SPREAD = 1e-12


@dataclass(frozen=True)
class EffectEstimate:
    """A figure with its standard error between customers."""

    value: float
    error: float

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value - Z_95 * self.error

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.value + Z_95 * self.error

    def to_dict(self) -> dict[str, float | None]:
        """``value``, ``low``, ``high``; None for what is not defined."""
        parts = {"value": self.value, "low": self.low, "high": self.high}
        return {name: float(part) if np.isfinite(part) else None for name, part in parts.items()}


def mean_by_customer(values: np.ndarray, customers: np.ndarray) -> EffectEstimate:
    """Mean over draws, with the standard error of a mean whose draws belong together by customer.

    Parameters
    ----------
    values, customers : numpy.ndarray, shape (n_draws,)

    Returns
    -------
    EffectEstimate
        NaN without draws; the error is NaN for a single customer.
    """
    if not len(values):
        return EffectEstimate(float("nan"), float("nan"))
    mean = float(np.mean(values))
    return EffectEstimate(mean, _error(values - mean, customers))


def _error(influence: np.ndarray, customers: np.ndarray) -> float:
    """Standard error of a mean of influences, summed by customer first."""
    per_customer = np.bincount(np.unique(customers, return_inverse=True)[1], weights=influence)
    if len(per_customer) < 2:
        return float("nan")
    small_sample = len(per_customer) / (len(per_customer) - 1)
    return float(np.sqrt(small_sample * (per_customer**2).sum()) / len(influence))


@dataclass(frozen=True)
class PolicyScores:
    """Doubly robust churn of each draw had it been in either arm; single values may lie outside of 0 and 1.

    Attributes
    ----------
    control, treated : numpy.ndarray, shape (n_draws,)
    customers : numpy.ndarray, shape (n_draws,)
    """

    control: np.ndarray
    treated: np.ndarray
    customers: np.ndarray

    @property
    def effect(self) -> np.ndarray:
        """Churn that an offer prevents, shape (n_draws,)."""
        return self.control - self.treated

    def take(self, rows: np.ndarray) -> PolicyScores:
        """Some of the draws."""
        return PolicyScores(self.control[rows], self.treated[rows], self.customers[rows])

    def value(self, offered: np.ndarray) -> EffectEstimate:
        """Churn rate if exactly these draws got an offer; ``offered`` is a mask of shape (n_draws,)."""
        return mean_by_customer(np.where(offered, self.treated, self.control), self.customers)

    def difference(self, offered: np.ndarray, other: np.ndarray) -> EffectEstimate:
        """Churn rate under one policy less that under another, paired."""
        under = [np.where(policy, self.treated, self.control) for policy in (offered, other)]
        return mean_by_customer(under[0] - under[1], self.customers)


def aipw_scores(experiment: Experiment, chances: tuple[np.ndarray, np.ndarray]) -> PolicyScores:
    """Doubly robust scores.

    Parameters
    ----------
    experiment : Experiment
    chances : pair of numpy.ndarray, shape (n_draws,)
        P(retained) without and with an offer, by models that have not seen these draws' outcomes.
    """
    churned, treated, p = 1 - experiment.retained, experiment.treated, experiment.probability
    without, with_offer = (1 - chance for chance in chances)
    return PolicyScores(
        without + (1 - treated) * (churned - without) / (1 - p),
        with_offer + treated * (churned - with_offer) / p,
        experiment.customers,
    )


def ipw_value(experiment: Experiment, offered: np.ndarray) -> EffectEstimate:
    """Churn rate under a policy, by the draws that agree with it alone (Hajek's weights)."""
    agrees = experiment.treated == offered.astype(int)
    chance = np.where(offered, experiment.probability, 1 - experiment.probability)
    weight = agrees / chance
    if weight.sum() == 0:
        return EffectEstimate(float("nan"), float("nan"))
    churned = 1 - experiment.retained
    value = float((weight * churned).sum() / weight.sum())
    return EffectEstimate(value, _error(weight * (churned - value) / weight.mean(), experiment.customers))


def top_share(scores: np.ndarray, share: float) -> np.ndarray:
    """Mask of the ``share`` of rows with the highest scores; ties are cut in the order of rows."""
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[np.argsort(-scores, kind="stable")[: round(share * len(scores))]] = True
    return chosen


def policy_values(
    experiment: Experiment, scores: PolicyScores, risk: np.ndarray, uplift: np.ndarray, share: float
) -> list[dict[str, Any]]:
    """Churn rates if nobody, everybody, the riskiest or those with the highest uplift had got an offer.

    Parameters
    ----------
    experiment : Experiment
        Draws that took no part in fitting.
    scores : PolicyScores
    risk, uplift : numpy.ndarray, shape (n_draws,)
        Predicted churn without an offer, and predicted uplift.
    share : float
        Share of customers that can be contacted.

    Returns
    -------
    list of dict
        ``policy``, ``offered`` (share of draws), ``aipw`` and ``ipw`` (churn rates), ``prevented`` (churn rate without
        offers less that under the policy), each with its interval.
    """
    nobody = np.zeros(len(experiment), dtype=bool)
    policies = {
        "nobody": nobody,
        "everybody": ~nobody,
        f"riskiest {share:.0%}": top_share(risk, share),
        f"highest uplift {share:.0%}": top_share(uplift, share),
        "uplift above zero": uplift > 0,
    }
    return [
        {
            "policy": name,
            "offered": float(offered.mean()),
            "aipw": scores.value(offered).to_dict(),
            "ipw": ipw_value(experiment, offered).to_dict(),
            "prevented": scores.difference(nobody, offered).to_dict(),
        }
        for name, offered in policies.items()
    ]


@dataclass(frozen=True)
class EffectLine:
    """The effect as a line in the predicted uplift: what predictions are worth, measured on the draws.

    The best linear predictor of Chernozhukov, Demirer, Duflo and Fernandez-Val (2025), "Fisher-Schultz lecture: generic
    machine learning inference on heterogeneous treatment effects in randomized experiments", Econometrica 93.

    A slope from few draws is mostly noise, so it is weighed against 1, which it is for a learner that is right, and
    which counts as known to within :data:`PRIOR_ERROR`. A slope below 0 counts as 0: everybody gets the mean effect.

    Attributes
    ----------
    mean : EffectEstimate
        Mean effect.
    slope : EffectEstimate
        As measured, not cut.
    centre : float
        Mean predicted uplift.
    covariance : float
        Of mean and slope.
    """

    mean: EffectEstimate
    slope: EffectEstimate
    centre: float
    covariance: float

    @property
    def used_slope(self) -> float:
        """The slope that corrects predictions."""
        weight = PRIOR_ERROR**2 / (PRIOR_ERROR**2 + self.slope.error**2)
        return max(weight * self.slope.value + (1 - weight), 0.0)

    def at(self, uplift: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Calibrated uplift with its 95 % interval, each of shape (n_rows,).

        The interval is that of the mean effect on customers with such a prediction, not of a single customer.
        """
        away = uplift - self.centre
        value = self.mean.value + self.used_slope * away
        variance = self.mean.error**2 + 2 * away * self.covariance + (away * self.slope.error) ** 2
        reach = Z_95 * np.sqrt(np.maximum(variance, 0.0))
        return tuple(np.clip(part, -1.0, 1.0) for part in (value, value - reach, value + reach))


def effect_line(scores: PolicyScores, uplift: np.ndarray) -> EffectLine:
    """Fit the line.

    Parameters
    ----------
    scores : PolicyScores
    uplift : numpy.ndarray, shape (n_draws,)
        Predicted by a learner that has not seen the draws' customers.
    """
    mean = mean_by_customer(scores.effect, scores.customers)
    away = uplift - uplift.mean()
    spread = float((away**2).mean())
    if spread < LEAST_SPREAD:
        return EffectLine(mean, EffectEstimate(0.0, 0.0), float(uplift.mean()), 0.0)
    slope = float((away * scores.effect).mean() / spread)
    residual = scores.effect - mean.value - slope * away
    code = np.unique(scores.customers, return_inverse=True)[1]
    influences = [np.bincount(code, weights=part) for part in (residual, residual * away / spread)]
    n, customers = len(uplift), max(len(influences[0]), 2)
    covariance = customers / (customers - 1) * np.array([[a @ b for b in influences] for a in influences]) / n**2
    errors = np.sqrt(np.diag(covariance))
    return EffectLine(
        EffectEstimate(mean.value, float(errors[0])),
        EffectEstimate(slope, float(errors[1])),
        float(uplift.mean()),
        float(covariance[0, 1]),
    )


def effect_by_group(
    scores: PolicyScores, uplift: np.ndarray, edges: Sequence[float] | np.ndarray
) -> list[dict[str, Any]]:
    """Mean effect in groups of customers by predicted uplift, the highest first.

    Parameters
    ----------
    scores : PolicyScores
    uplift : numpy.ndarray, shape (n_draws,)
    edges : sequence of float, ascending
        Where one group ends and the next begins.

    Returns
    -------
    list of dict
        ``draws``, ``predicted`` (mean) and ``effect`` with its interval; groups without draws are left out.
    """
    group = np.searchsorted(np.asarray(edges), uplift, side="right")
    return [
        {
            "draws": int((group == number).sum()),
            "predicted": float(uplift[group == number].mean()),
            "effect": mean_by_customer(scores.effect[group == number], scores.customers[group == number]).to_dict(),
        }
        for number in sorted(set(group.tolist()), reverse=True)
    ]
