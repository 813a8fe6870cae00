"""What the action list earns in a simulated world, whose truth is known, beside other lists under the same budget.

    python -m tests.bench.actions --project FOLDER     a built, trained and scored project on a simulated world

Every list spends the same budget and is paid by the truth: the probability to churn that the world was simulated with,
and the effect that it gives an offer (an offer multiplies the hazard of every day). Customers who had an offer in the
last 60 days are on no list. The project's own costs count; where they are placeholders, these. Estimates of uplift and
of remaining life are used where the project has them (`retention uplift`, `retention survival`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from python_ml.cli.options import Console
from python_ml.customer_value import expected_cost, expected_profit
from python_ml.decisions.action_list import action_list
from python_ml.decisions.campaign import Campaign, read_campaign
from python_ml.model.registry import load_champion
from python_ml.project import Project
from python_ml.simulate.world import DRIVERS, OFFER_DAYS, SEGMENTS, Hazard
from python_ml.warehouse import connect, quote, read_table

from .commands import keep, parser

SHARES = (0.02, 0.05, 0.10)  # of the eligible customers whom the budget pays for


def read_truth(project: Project, campaign: Campaign) -> pd.DataFrame:
    """The true probability to churn without and the effect of an offer, in the order of the scores."""
    entity = project.entity
    moment = campaign.scores["feature_timestamp"].max()
    with connect(project) as connection:
        truth = connection.execute(
            f"select {quote(entity)}, cast(churn_probability_30d as double) as probability "
            "from raw.raw_sim__true_hazard where cast(as_of as timestamp) = ?",
            [moment],
        ).df()
    joined = campaign.scores[[entity]].merge(truth, on=entity, how="left")
    effects = dict(zip(DRIVERS, Hazard().coefficients, strict=True))
    segment = campaign.scoring_set["customer_segment"].map({name: effects[f"offer_{name}"] for name in SEGMENTS})
    probability = joined["probability"].to_numpy(dtype=float)
    with_offer = -np.expm1(np.exp(segment.to_numpy(dtype=float)) * np.log1p(-probability))
    has_offer = (campaign.scoring_set["offers_days_since_last"] <= OFFER_DAYS).to_numpy(dtype=bool)
    return pd.DataFrame({"probability": probability, "uplift": probability - with_offer, "has_offer": has_offer})


def compare(project: Project) -> list[dict[str, Any]]:
    """Each list's profit by the truth, per budget."""
    champion = load_champion(project)
    tables = [read_table(project, f"gold.gld_{name}") for name in ("scoring_set", "churn_scores", "churn_reasons")]
    with connect(project) as connection:
        campaign = read_campaign(
            connection, *tables, card=champion.card, settings=project.settings, entity=project.entity
        )
    truth = read_truth(project, campaign)
    known = truth["probability"].notna() & ~truth["has_offer"]
    keep_rows = np.flatnonzero(known.to_numpy())
    truth = truth.iloc[keep_rows].reset_index(drop=True)
    campaign = _only(campaign, keep_rows)
    scores, entity = campaign.scores, project.entity
    true_scores = scores.assign(churn_probability=truth["probability"])
    true_value = _only(campaign, np.arange(len(scores)), scores=true_scores, survival=None).value()
    as_estimate = scores[[entity, "feature_timestamp"]].assign(
        uplift=truth["uplift"], uplift_low=truth["uplift"], uplift_high=truth["uplift"], response="helped"
    )
    risk, rows = scores["churn_probability"].to_numpy(dtype=float), []
    for share in SHARES:
        lists, budget = {}, None
        for name in ("truth", "product", "risk x value"):
            decisions = project.settings.decisions.model_copy(
                update={"budget": budget, "max_contacts": None, "holdout_share": 0.0}
            )
            value = true_value if name == "truth" else campaign.value()
            if budget is None:  # the terms that the product would use are everybody's
                terms = action_list(scores, campaign.reasons, campaign.value(), decisions, entity).terms
                budget = share * len(scores) * (terms.contact_cost + terms.offer_cost)
            decisions = decisions.model_copy(update={"budget": budget, **_fixed(terms)})
            made = action_list(
                true_scores if name == "truth" else scores,
                campaign.reasons.iloc[:0],
                value,
                decisions,
                entity,
                uplift={"truth": as_estimate, "product": campaign.uplift}.get(name),
            )
            lists[name] = made.allocation.contacted
            if name == "product":
                ranked_by = made.ranked_by
        order = np.argsort(-risk, kind="stable")
        paid = np.cumsum(expected_cost(risk, terms.success_rate * risk, terms.contact_cost, terms.offer_cost)[order])
        by_risk = np.zeros(len(scores), dtype=bool)
        by_risk[order[paid <= budget]] = True
        lists["risk"] = by_risk
        profit = expected_profit(
            truth["probability"], truth["uplift"], true_value.value, terms.contact_cost, terms.offer_cost
        )
        earned = {name: float(profit[chosen].sum()) for name, chosen in lists.items()}
        rows.append(
            {
                "budget": budget,
                "customers": len(scores),
                "ranked_by": ranked_by,
                "contacts": {name: int(chosen.sum()) for name, chosen in lists.items()},
                "earned": earned,
                "share_of_truth": {name: amount / earned["truth"] for name, amount in earned.items()},
            }
        )
    return rows


def _fixed(terms: Any) -> dict[str, float]:
    return {name: getattr(terms, name) for name in ("contact_cost", "offer_cost", "success_rate")}


def _only(campaign: Campaign, rows: np.ndarray, **others: Any) -> Campaign:
    from dataclasses import replace

    kept = {name: getattr(campaign, name).iloc[rows].reset_index(drop=True) for name in ("scoring_set", "scores")}
    return replace(campaign, **{**kept, **others})


def main() -> None:
    """Compare, print and keep the figures."""
    command = parser("actions", __doc__)
    command.add_argument(
        "--project", type=Path, required=True, metavar="FOLDER", help="a built, trained, scored project"
    )
    options = command.parse_args()
    console, results = Console(), []
    with console.step(f"Comparing lists of {options.project}"):
        results = compare(Project.open(options.project))
    for row in results:
        print(
            f"budget {row['budget']:,.0f} for {row['customers']:,} customers; the product ranks by {row['ranked_by']}"
        )
        for name, earned in row["earned"].items():
            share = row["share_of_truth"][name]
            contacts = row["contacts"][name]
            print(f"  {name:<13} {contacts:>6,} contacts  earn {earned:>10,.0f}  {share:>6.1%} of the truth's")
    keep({"budgets": results}, options.json)


if __name__ == "__main__":
    main()
