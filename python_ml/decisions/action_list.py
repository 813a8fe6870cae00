"""The action list: customers to contact with offer and reasons, the holdout, and the reasons for exclusion."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.customer_value import Terms, expected_cost, expected_profit, terms_of
from python_ml.decisions.allocation import Allocation, allocate, draws
from python_ml.decisions.economics import CampaignReturn, Sampler, campaign_return
from python_ml.settings.decisions import Intervention
from python_ml.stats import Z_95

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from python_ml.decisions.value import CustomerValue
    from python_ml.settings import Decisions

BY_UPLIFT, BY_RISK = "uplift x value", "risk x value"
OFFER = "retention offer"  # suggested where the catalogue has nothing for a customer's reasons
REASONS = 3
TYPES = {
    "risk_band": "string",
    "ranked_by": "string",
    "suggested_action": "string",
    **{f"reason_{rank}": "string" for rank in range(1, REASONS + 1)},
    "priority": "int32",
    "model_version": "int32",
    "churn_probability": "float64",
    "customer_value": "float64",
    "value_at_risk": "float64",
    "uplift": "float64",
    "expected_profit": "float64",
    "expected_cost": "float64",
    "holdout_flag": "bool",
    "expires_at": "datetime64[us]",
}

# An offer cannot keep more customers than would churn, and hardly keeps all of them. Estimates that say so of more
# customers than this are not fit to tell customers apart.
NEARLY_ALL, MOST_CONTRADICTIONS = 0.95, 0.05

# Why a customer is not on the list, in the order in which it is checked.
RECENT, UNKNOWN, HARMED, LOSS = "recently contacted", "no uplift estimate", "harmed by the offer", "not profitable"
BEYOND = {"contacts": "beyond the contact cap", "budget": "beyond the budget"}
NOT_LISTED = (RECENT, UNKNOWN, HARMED, LOSS, *BEYOND.values())


@dataclass(frozen=True)
class ActionList:
    """The result of :func:`action_list`; arrays have one entry per scored customer.

    Attributes
    ----------
    table : pandas.DataFrame
        Customers who are contacted or held out, by priority; columns are the entity, ``feature_timestamp`` and
        :data:`TYPES`.
    ranked_by : str
        :data:`BY_UPLIFT` or :data:`BY_RISK`.
    not_listed : dict of str to int
        Number of all other customers, by reason.
    allocation : Allocation
    effect, value, profit, cost, offer_cost : numpy.ndarray, shape (n,)
        Expected, of contacting the customer; NaN where the effect is not known.
    probability : numpy.ndarray, shape (n,)
    sampler : callable or None
        Draws effects, for intervals.
    terms : Terms
        Of the settings, placeholders included.
    measured : bool
        Whether the effect of an offer comes from an experiment, be it by customer or on average.
    notes : tuple of str
        What the reader must know about the ranking.
    """

    table: pd.DataFrame
    ranked_by: str
    not_listed: dict[str, int]
    allocation: Allocation
    probability: NDArray[np.float64]
    effect: NDArray[np.float64]
    value: NDArray[np.float64]
    profit: NDArray[np.float64]
    cost: NDArray[np.float64]
    offer_cost: NDArray[np.float64]
    sampler: Sampler | None
    terms: Terms
    measured: bool
    notes: tuple[str, ...] = ()

    def expected_return(self, *, replicates: int = 500, seed: int = 0) -> CampaignReturn:
        """What contacting the list is expected to return; see :func:`python_ml.decisions.economics.campaign_return`."""
        rows = self.allocation.contacted
        sampler = self.sampler
        return campaign_return(
            self.probability[rows],
            self.effect[rows],
            self.value[rows],
            self.terms.contact_cost,
            self.offer_cost[rows],
            sampler=None if sampler is None else lambda rng: sampler(rng)[rows],
            replicates=replicates,
            seed=seed,
        )


def action_list(
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    value: CustomerValue,
    decisions: Decisions,
    entity: str,
    *,
    uplift: pd.DataFrame | None = None,
    contacted: Collection[object] = (),
    sources: Mapping[str, str | None] | None = None,
    dated: bool = True,
) -> ActionList:
    """Choose the customers to contact.

    Customers are ranked by what contacting them is expected to earn: uplift x value - cost, or risk x success rate x
    value - cost where no uplift was estimated. Where the estimates of uplift contradict the risk, their average is the
    success rate. Of those who would be contacted, a random share is held out.

    Parameters
    ----------
    scores : pandas.DataFrame, n_customers rows
        As in gold.gld_churn_scores.
    reasons : pandas.DataFrame
        As in gold.gld_churn_reasons.
    value : CustomerValue
        In the order of ``scores``.
    decisions : Decisions
    entity : str
        Key column.
    uplift : pandas.DataFrame, optional
        As in gold.gld_uplift_estimates. With it, customers without an estimate are not ranked. Where it has a column
        ``odds_ratio`` (the odds of churn with an offer over those without), the uplift follows from it and the risk.
    contacted : collection
        Keys of customers who were contacted recently.
    sources : mapping of str to str, optional
        Source of each feature, for interventions that address sources.
    dated : bool
        Whether feature times are times; where they are a constant, nothing says when an action expires.

    Returns
    -------
    ActionList
    """
    scores = scores.reset_index(drop=True)
    keys, n = scores[entity], len(scores)
    probability = scores["churn_probability"].to_numpy(dtype=float)
    terms = terms_of(decisions, value.typical)
    names = suggested(keys, reasons, entity, decisions, sources or {})
    catalogue = {OFFER: Intervention(cost=terms.offer_cost)} | decisions.interventions
    offer_cost = names.map({name: entry.cost for name, entry in catalogue.items()}).to_numpy(dtype=float)
    estimates = None if uplift is None else _estimates(scores, uplift, entity, probability)
    notes: list[str] = []
    effect, sampler, by_uplift = np.empty(0), None, False
    if estimates is not None:
        effect, sampler = estimates["uplift"].to_numpy(dtype=float), _uncertain_uplift(estimates, probability)
        known = np.isfinite(effect)
        contradictions = float(np.mean(effect[known] >= NEARLY_ALL * probability[known]))
        by_uplift = contradictions <= MOST_CONTRADICTIONS
        effect = np.minimum(effect, probability)
        if not by_uplift:
            terms = replace(terms, success_rate=_relative_effect(estimates, probability))
            notes.append(
                f"For {contradictions:.0%} of customers the estimated uplift is their whole risk or more, so it "
                "cannot rank customers. They are ranked by risk, with the average of the estimates: an offer keeps "
                f"{terms.success_rate:.0%} of those who would churn."
            )
    if not by_uplift:
        rates = {
            name: terms.success_rate if entry.success_rate is None else entry.success_rate
            for name, entry in catalogue.items()
        }
        effect = probability * names.map(rates).to_numpy(dtype=float)
        sampler = _uncertain_success(effect, terms.success_rate, decisions.success_rate_certainty)
    profit = expected_profit(probability, effect, value.value, terms.contact_cost, offer_cost)
    cost = expected_cost(probability, effect, terms.contact_cost, offer_cost)

    why = np.full(n, "", dtype=object)
    recent = keys.isin(list(contacted)).to_numpy()
    harmed = np.zeros(n, bool) if estimates is None else (estimates["response"] == "harmed").to_numpy(dtype=bool)
    for reason, applies in ((RECENT, recent), (UNKNOWN, np.isnan(effect)), (HARMED, harmed), (LOSS, ~(profit > 0))):
        why[(why == "") & applies] = reason
    eligible = why == ""
    moments = scores["feature_timestamp"].astype(str)
    held = np.zeros(n, dtype=bool)
    held[eligible] = draws(keys[eligible], moments[eligible], "holdout") < decisions.holdout_share
    ties = np.zeros(n)
    ties[eligible] = draws(keys[eligible], moments[eligible], "order")
    allocation = allocate(
        np.where(eligible, profit, np.nan),
        cost,
        budget=decisions.budget,
        max_contacts=decisions.capacity(n),
        holdout=held,
        ties=ties,
    )
    listed = allocation.order
    why[eligible] = BEYOND.get(allocation.stopped_by, "")
    why[listed] = ""
    counts = pd.Series(why[why != ""]).value_counts()
    kept = ["risk_band", "model_version"]
    table = scores.loc[listed, [entity, "feature_timestamp", *kept]].reset_index(drop=True)
    table = table.assign(
        ranked_by=BY_UPLIFT if by_uplift else BY_RISK,
        suggested_action=names.to_numpy()[listed],
        **_reason_columns(keys, reasons, entity, listed),
        priority=np.arange(1, len(listed) + 1),
        churn_probability=probability[listed],
        customer_value=value.value[listed],
        value_at_risk=(probability * value.value)[listed],
        uplift=np.nan if estimates is None else estimates["uplift"].to_numpy(dtype=float)[listed],
        expected_profit=profit[listed],
        expected_cost=cost[listed],
        holdout_flag=allocation.holdout[listed],
        expires_at=table["feature_timestamp"] + pd.Timedelta(days=decisions.expiry_days) if dated else pd.NaT,
    )
    return ActionList(
        table=_typed(table, entity),
        ranked_by=BY_UPLIFT if by_uplift else BY_RISK,
        not_listed={reason: int(counts[reason]) for reason in NOT_LISTED if reason in counts},
        allocation=allocation,
        probability=probability,
        effect=effect,
        value=value.value,
        profit=np.where(recent | harmed, np.nan, profit),
        cost=cost,
        offer_cost=offer_cost,
        sampler=sampler,
        terms=terms,
        measured=estimates is not None,
        notes=tuple(notes),
    )


def suggested(
    keys: pd.Series,
    reasons: pd.DataFrame,
    entity: str,
    decisions: Decisions,
    sources: Mapping[str, str | None],
) -> pd.Series:
    """The intervention for each customer: the first of the catalogue that addresses their strongest reason, and so on.

    Reasons that lower the risk count for nothing. An intervention that names neither features nor sources fits
    everybody for whom no other one does.

    Returns
    -------
    pandas.Series of str, as long as ``keys`` and with its index
    """
    raising = reasons[reasons["contribution"] > 0].sort_values("reason_rank", kind="stable")
    addressed = {
        feature: next(
            (name for name, entry in decisions.interventions.items() if _addresses(entry, feature, sources)), None
        )
        for feature in raising["feature"].dropna().unique()
    }
    matched = raising.assign(intervention=raising["feature"].map(addressed)).dropna(subset=["intervention"])
    first = matched.drop_duplicates(entity).set_index(entity)["intervention"]
    anything = (name for name, entry in decisions.interventions.items() if not (entry.features or entry.sources))
    return keys.map(first).astype(object).fillna(next(anything, OFFER))


def _addresses(entry: Intervention, feature: str, sources: Mapping[str, str | None]) -> bool:
    by_name = any(fnmatch.fnmatchcase(feature, pattern) for pattern in entry.features)
    source = sources.get(feature)
    return by_name or (source is not None and any(fnmatch.fnmatchcase(source, pattern) for pattern in entry.sources))


def _estimates(
    scores: pd.DataFrame, uplift: pd.DataFrame, entity: str, probability: NDArray[np.float64]
) -> pd.DataFrame | None:
    """Uplift in the order of the scores; None where there is none for their feature time."""
    keys = [entity, "feature_timestamp"]
    columns = ["uplift", "uplift_low", "uplift_high", "response", *{"odds_ratio"}.intersection(uplift)]
    joined = scores[keys].merge(uplift[[*keys, *columns]].drop_duplicates(keys), on=keys, how="left")
    if joined["uplift"].isna().all():
        return None
    if "odds_ratio" not in joined:
        return joined
    # A factor on the odds applies at any risk, a difference only to customers like those of the experiment.
    with_offer = probability * joined["odds_ratio"] / (1 - probability + probability * joined["odds_ratio"])
    on_risk = (probability - with_offer).fillna(joined["uplift"])
    half_width = (joined["uplift_high"] - joined["uplift_low"]) / 2
    relative = float((half_width / joined["uplift"].abs()).replace(np.inf, np.nan).median())
    width = on_risk.abs() * (relative if np.isfinite(relative) else 0.0)
    return joined.assign(uplift=on_risk, uplift_low=on_risk - width, uplift_high=on_risk + width)


def _uncertain_success(effect: NDArray[np.float64], rate: float, observations: float) -> Sampler | None:
    """Draw how often offers succeed, the same for all customers of a replicate."""
    if not 0 < rate < 1:
        return None
    return lambda rng: effect * (rng.beta(rate * observations, (1 - rate) * observations) / rate)


def _uncertain_uplift(estimates: pd.DataFrame, probability: NDArray[np.float64]) -> Sampler:
    """Draw uplifts within their intervals, all customers at the same place of theirs: errors are taken as shared."""
    effect = estimates["uplift"].to_numpy(dtype=float)
    error = np.nan_to_num(_standard_error(estimates))
    return lambda rng: np.minimum(effect + rng.standard_normal() * error, probability)


def _standard_error(estimates: pd.DataFrame) -> NDArray[np.float64]:
    return ((estimates["uplift_high"] - estimates["uplift_low"]) / (2 * Z_95)).to_numpy(dtype=float)


def _relative_effect(estimates: pd.DataFrame, probability: NDArray[np.float64]) -> float:
    """Which share of the risk an offer takes away, over all customers; estimates weigh by their precision."""
    effect, error = estimates["uplift"].to_numpy(dtype=float), _standard_error(estimates)
    known = np.isfinite(effect) & np.isfinite(error)
    weight = 1 / np.maximum(error[known], 1e-6) ** 2
    p = probability[known]
    return float(np.clip((weight * p * effect[known]).sum() / (weight * p**2).sum(), 0, 1))


def _reason_columns(
    keys: pd.Series, reasons: pd.DataFrame, entity: str, listed: NDArray[np.int64]
) -> dict[str, NDArray]:
    chosen = keys.iloc[listed]
    shown = reasons[reasons["reason_rank"].between(1, REASONS) & reasons[entity].isin(chosen)]
    wide = shown.drop_duplicates([entity, "reason_rank"]).pivot(index=entity, columns="reason_rank", values="reason")
    wide = wide.reindex(index=chosen, columns=range(1, REASONS + 1))
    return {f"reason_{rank}": wide[rank].to_numpy(dtype=object) for rank in wide.columns}


def empty_actions(entity: str, scores: pd.DataFrame) -> pd.DataFrame:
    """A table of actions without rows; the key has the type that it has in ``scores``."""
    keys = scores[[entity, "feature_timestamp"]].iloc[:0].reset_index(drop=True)
    return _typed(keys.assign(**{name: pd.Series([], dtype=kind) for name, kind in TYPES.items()}), entity)


def _typed(table: pd.DataFrame, entity: str) -> pd.DataFrame:
    # DuckDB cannot tell what an empty column of objects holds.
    text = {entity: "string"} if table[entity].dtype == object else {}
    typed = table.astype({**text, "feature_timestamp": "datetime64[us]", **TYPES})
    return typed[[entity, "feature_timestamp", *TYPES]]
