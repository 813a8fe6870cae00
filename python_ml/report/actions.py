"""Actions: the expected loss without them, the customers to contact with reasons, and the expected return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python_ml.formatting import Estimate, counted, date, integer, key_text, moment, number, percent
from python_ml.model.risk_bands import BANDS
from python_ml.report.action_charts import money_chart

if TYPE_CHECKING:
    from python_ml.report.inputs import ReportInputs

_REASONS = ("reason_1", "reason_2", "reason_3")


def actions_section(inputs: ReportInputs) -> dict[str, Any]:
    """The campaign, its charts, and the customers that it begins with; or what is missing."""
    record = inputs.campaign
    if not record or inputs.actions is None:
        return {"missing": "There is no action list yet. Run retention act, which needs scores."}
    campaign, thresholds = record["campaign"], record.get("thresholds")
    return {
        "missing": "",
        "record": record,
        "is_causal": record["ranked_by"].startswith("uplift"),
        "placeholders": [str(name).replace("_", " ") for name in record["placeholders"]],
        "roi": Estimate.read(campaign["roi"], places=2),
        "profit": Estimate.read(campaign["profit"], places=0),
        "kept": Estimate.read(campaign["kept"], places=1),
        "cost": Estimate.read(campaign["cost"], places=0),
        "listed": [_row(inputs.entity, row) for row in inputs.actions.sort_values("priority").to_dict("records")],
        "thresholds": thresholds,
        "threshold_profit": Estimate.read((thresholds or {}).get("profit"), places=0),
        "plots": _plots(record),
        "remarks": _disagreements(inputs),
    }


def _row(entity: str, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "priority": int(row["priority"]),
        "key": key_text(row[entity]),
        "probability": float(row["churn_probability"]),
        "band": str(row["risk_band"]),
        "kind": row["risk_band"] if row["risk_band"] in BANDS else "other",
        "uplift": number(row["uplift"]),
        "at_risk": float(row["value_at_risk"]),
        "profit": float(row["expected_profit"]),
        "action": str(row["suggested_action"]),
        "holdout": bool(row["holdout_flag"]),
        "reasons": [row[name].strip() for name in _REASONS if isinstance(row[name], str) and row[name].strip()],
    }


def _plots(record: dict[str, Any]) -> dict[str, Any]:
    campaign, thresholds = record["campaign"], record.get("thresholds")
    cost, profit = campaign["cost"]["value"], campaign["profit"]["value"]
    plots = {
        "budget": money_chart(
            "budget-plot", "Expected profit by budget",
            f"The list costs {integer(cost)} and is expected to earn {integer(profit)}.",
            record["budget_curve"], ("expected cost", "expected profit"),
            marked=(cost, profit, f"this list: {counted(campaign['contacts'], 'contact')}"),
        )
    }  # fmt: skip
    if thresholds:
        best = thresholds["rows"]["Most profit"]
        share = best["contacted"] / thresholds["per"]
        chosen = thresholds["chosen"]
        text = "contact nobody" if chosen is None else f"from {percent(chosen, 1)}: {percent(share)} of customers"
        plots["profit"] = money_chart(
            "profit-plot", "Profit by share of customers contacted",
            f"At the chosen threshold: {text}, profit {integer(best['profit'])}.",
            thresholds["curve"], ("share of customers contacted, highest risk first", "profit"),
            marked=(share, best["profit"], text), is_share=True,
        )  # fmt: skip
    return plots


def _disagreements(inputs: ReportInputs) -> list[str]:
    """Where the list is of another time or another model than the scores."""
    scores, record = inputs.scores, inputs.campaign
    if scores is None or scores.empty:
        return []
    made, scored = moment(record["feature_timestamp"]), scores["feature_timestamp"].max()
    if made is not None and made != scored:
        return [f"The list is as of {date(made)}, the scores are as of {date(scored)}. Run retention act."]
    if set(scores["model_version"].dropna().astype(int)) != {int(record["model_version"])}:
        return [f"The list is of model version {record['model_version']}, the scores are not. Run retention act."]
    return []
