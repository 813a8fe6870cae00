"""What thresholds would have earned, from predictions whose outcomes are known, and the record of a campaign."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.customer_value import Terms, break_even_probability
from python_ml.decisions.allocation import budget_curve
from python_ml.decisions.economics import (
    ProfitCurve,
    expected_maximum_profit,
    gains_at,
    profit_curve,
    realised_profit,
    resampled_profit,
)
from python_ml.decisions.value import CustomerValue, customer_value

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.decisions.action_list import ActionList
    from python_ml.decisions.campaign import Campaign

CURVE_POINTS = 200


def judge_thresholds(
    judged: pd.DataFrame,
    campaign: Campaign,
    terms: Terms,
    capacity: float | None,
    *,
    replicates: int = 500,
    seed: int = 0,
) -> dict[str, Any]:
    """Choose a threshold on the validation rows and measure it on the test rows, in money.

    Parameters
    ----------
    judged : pandas.DataFrame
        As of :func:`python_ml.decisions.campaign.read_judged`.
    campaign : Campaign
        Its settings, base rate and period.
    terms : Terms
    capacity : float or None
        Share of customers who can be contacted.
    replicates, seed : int
        Of the bootstrap by customer.

    Returns
    -------
    dict
        ``chosen`` and ``break_even`` (thresholds; None where nobody should be contacted, and where an offer never
        pays), ``rows`` (a confusion table each, by name), ``profit`` (at the chosen threshold, with its interval),
        ``per`` (rows that the profits are of), ``capacity``, ``empc``, ``curve`` (share contacted, profit).
    """
    test = judged[judged["split"] == "test"]
    validation = judged[judged["split"] == "validation"]
    values = {name: _value(rows, campaign) for name, rows in (("test", test), ("validation", validation))}
    typical = values["test"].typical
    break_even = break_even_probability(typical, terms)
    break_even = break_even if break_even < 1 else np.inf
    curve = _curve(test, values["test"], terms)
    chosen, f1 = break_even, 0.5
    if len(validation):
        before = _curve(validation, values["validation"], terms)
        chosen = before.best
        f1 = float(before.threshold[np.argmax(2 * before.churned / np.maximum(before.contacted + before.positives, 1))])
    contacted = test["probability"].to_numpy() >= chosen
    profit = np.where(contacted, realised_profit(test["churned"], values["test"].value, terms), 0.0)
    named = {"Most profit": chosen, "Break-even": break_even, "Best F1": f1, "50 %": 0.5, "Everyone": 0.0}
    return {
        "chosen": chosen if np.isfinite(chosen) else None,
        "chosen_on": "validation" if len(validation) else "break-even",
        "break_even": break_even if np.isfinite(break_even) else None,
        "typical_value": typical,
        "rows": {name: curve.at(threshold) for name, threshold in named.items()},
        "profit": resampled_profit(
            profit, test[campaign.entity].to_numpy(), replicates=replicates, seed=seed
        ).to_dict(),
        "per": len(test),
        "capacity": None if capacity is None else gains_at(curve, capacity),
        "empc": _empc(test, values["test"], terms, campaign.settings.decisions.success_rate_certainty),
        "curve": _thinned(curve),
    }


def _value(rows: pd.DataFrame, campaign: Campaign) -> CustomerValue:
    return customer_value(
        rows,
        rows["probability"].to_numpy(dtype=float),
        campaign.settings.decisions.value,
        period=campaign.period,
        base_rate=campaign.base_rate,
        where=campaign.settings.where("decisions", "value"),
    )


def _curve(rows: pd.DataFrame, value: CustomerValue, terms: Terms) -> ProfitCurve:
    return profit_curve(rows["churned"].to_numpy(), rows["probability"].to_numpy(), value.value, terms)


def _empc(rows: pd.DataFrame, value: CustomerValue, terms: Terms, observations: float) -> dict[str, float] | None:
    rate = terms.success_rate
    if rows["churned"].nunique() < 2 or not 0 < rate < 1:
        return None
    measured = expected_maximum_profit(
        rows["churned"].to_numpy(),
        rows["probability"].to_numpy(),
        value=float(value.value.mean()),
        offer_cost=terms.offer_cost,
        contact_cost=terms.contact_cost,
        alpha=rate * observations,
        beta=(1 - rate) * observations,
    )
    return asdict(measured)


def _thinned(curve: ProfitCurve) -> list[list[float]]:
    """Share contacted and profit, at most :data:`CURVE_POINTS` of them, the best among them."""
    places = np.linspace(0, len(curve.profit) - 1, CURVE_POINTS - 1).round().astype(int)
    places = np.unique(np.append(places, curve.profit.argmax()))
    shares = curve.contacted[places] / max(curve.rows, 1)
    return np.column_stack([shares, curve.profit[places]]).tolist()


def campaign_record(
    campaign: Campaign,
    value: CustomerValue,
    actions: ActionList,
    judged: pd.DataFrame | None,
    *,
    replicates: int = 500,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything that the report says about the action list, as plain data; see docs/guides/actions.md."""
    decisions, allocation = campaign.settings.decisions, actions.allocation
    contacts, customers = int(allocation.contacted.sum()), len(campaign.scores)
    capacity = decisions.capacity(customers)
    share = None if not customers else (contacts if capacity is None else min(capacity, customers)) / customers
    shown = [name for name in decisions.placeholders if name != "success_rate" or not actions.measured]
    placeholders = [*shown, *(["value"] if value.is_placeholder else [])]
    spent, earned = budget_curve(actions.profit, actions.cost)
    expected = actions.expected_return(replicates=replicates, seed=seed)
    scores = campaign.scores
    return {
        "feature_timestamp": scores["feature_timestamp"].max().isoformat(),
        "model_version": int(scores["model_version"].max()),
        "customers": customers,
        "ranked_by": actions.ranked_by,
        "placeholders": placeholders,
        "notes": list(actions.notes),
        "terms": {
            **asdict(actions.terms),
            "budget": decisions.budget,
            "max_contacts": capacity,
            "holdout_share": decisions.holdout_share,
        },
        "value": {
            "origin": value.origin,
            "typical": value.typical,
            "filled": value.filled,
        },
        "without_action": {
            "churned": float(actions.probability.sum()),
            "loss": float((actions.probability * value.value).sum()),
        },
        "campaign": {
            "contacts": contacts,
            "holdout": int(allocation.holdout.sum()),
            "stopped_by": allocation.stopped_by,
            "price_of_budget": allocation.price,
            **expected.to_dict(),
        },
        "not_listed": actions.not_listed,
        "budget_curve": np.column_stack([spent, earned]).tolist(),
        "thresholds": None
        if judged is None or not (judged["split"] == "test").any()
        else judge_thresholds(judged, campaign, actions.terms, share, replicates=replicates, seed=seed),
    }
