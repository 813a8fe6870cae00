"""``gold.gld_rehearsal`` and ``gold.gld_rehearsal_scores``, and the outcome as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from python_ml.formatting import aligned, counted, date, integer
from python_ml.model.results import interval, interval_columns
from python_ml.monitor.rehearsal.walk import ALWAYS, NEVER, POLICIES, TRIGGERED, FinishedStep
from python_ml.warehouse import arrow_table, write_table

if TYPE_CHECKING:
    from python_ml.project import Project

TABLE, SCORES = "gold.gld_rehearsal", "gold.gld_rehearsal_scores"
FIGURES = ("roc_auc", "pr_auc", "brier", "ece", "lift_at_capacity", "profit")
COLUMNS = {
    "policy": "string",
    "feature_timestamp": "timestamp",
    "model_version": "integer",
    "model_name": "string",
    "trained_at": "timestamp",
    "scored_customers": "bigint",
    "labelled_customers": "bigint",
    "churned_customers": "bigint",
    "contacted_customers": "bigint",
    "held_out_customers": "bigint",
    "expected_profit": "double",
    **{f"realised_{name}{end}": "double" for name in FIGURES for end in ("", "_low", "_high")},
    "decision": "string",
    "trigger_name": "string",
    "reason": "string",
    "trained_version": "integer",
    "outcome": "string",
    "outcome_reason": "string",
    "features_identical": "boolean",
}
SCORE_COLUMNS = (  # after the customer's key
    "feature_timestamp",
    "policy",
    "model_version",
    "model_name",
    "churn_probability",
    "risk_band",
    "campaign_arm",
    "expected_profit",
    "customer_value",
)
TITLES = {TRIGGERED: "retrained on triggers", NEVER: "never retrained", ALWAYS: "always retrained"}


def rehearsal_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per policy and step of :func:`python_ml.monitor.rehearsal.results.rehearsal_results`."""
    trained_at = {one["version"]: datetime.fromisoformat(one["trained_at"]) for one in found["versions"]}
    return [
        {
            "policy": name,
            "feature_timestamp": datetime.fromisoformat(step["time"]),
            "model_version": policy["version"],
            "model_name": policy["model"],
            "trained_at": trained_at[policy["version"]],
            "scored_customers": step["customers"],
            "labelled_customers": step["outcomes"],
            "churned_customers": step["churned"],
            "contacted_customers": policy["contacted"],
            "held_out_customers": policy["held_out"],
            "expected_profit": policy["expected_profit"],
            **interval_columns("realised", policy["realised"] or {}),
            "decision": policy.get("decision"),
            "trigger_name": policy.get("trigger"),
            "reason": policy.get("reason"),
            "trained_version": policy["trained"],
            "outcome": policy["outcome"],
            "outcome_reason": policy["outcome_reason"],
            "features_identical": None if step["replay"] is None else step["replay"]["same"],
        }
        for step in found["steps"]
        for name, policy in step["policies"].items()
    ]


def store_rehearsal(project: Project, found: dict[str, Any], steps: Sequence[FinishedStep]) -> None:
    """Replace both tables."""
    import pandas as pd

    write_table(project, TABLE, arrow_table(rehearsal_rows(found), COLUMNS))
    scores = pd.concat([step.scores for step in steps], ignore_index=True)
    write_table(project, SCORES, scores[[project.entity, *SCORE_COLUMNS]])


def summary(found: dict[str, Any]) -> str:
    """The outcome of ``retention rehearse`` as text."""
    rows = [("policy", "models", "ROC AUC", "Brier", "calibration error", "lift at capacity", "profit")]
    for name in POLICIES:
        policy = found["policies"][name]
        realised = policy["realised"] or {}
        figures = [interval(realised.get(figure)) for figure in ("roc_auc", "brier", "ece", "lift_at_capacity")]
        rows.append((TITLES[name], str(1 + policy["promotions"]), *figures, _money(realised.get("profit"))))
    known = sum(step["outcomes"] > 0 for step in found["steps"])
    lines = [
        f"{date(found['from'])} to {date(found['to'])}: {counted(len(found['steps']), 'step')}, outcomes known of "
        f"{known}; {found['outcomes']:,} scores of each policy compared with what became of the customers",
        "",
        aligned(rows),
        "",
    ]
    for other, ahead in found["differences"].items():
        area, profit = ahead.get("roc_auc"), ahead["profit"]
        lines.append(f"{TITLES[TRIGGERED]} less {TITLES[other]}: ROC AUC {interval(area)}, profit {_money(profit)}")
    fired = [
        f"  {date(step['time'])}: {policy['decision']}: {policy['reason']}"
        + (f" (version {policy['trained']} {policy['outcome']})" if policy["trained"] else "")
        for step in found["steps"]
        if (policy := step["policies"][TRIGGERED])["trigger"]
    ]
    return "\n".join([*lines, "triggers:" if fired else "no trigger fired", *fired])


def _money(entry: dict[str, float | None] | None) -> str:
    if not entry or entry["value"] is None:
        return "-"
    ends = "" if entry["low"] is None else f" [{integer(entry['low'])}, {integer(entry['high'])}]"
    return f"{integer(entry['value'])}{ends}"
