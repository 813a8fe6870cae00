"""``gold.gld_model_performance``: verdicts, rows and text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.formatting import aligned, date, decimal
from python_ml.monitor.breach import Breach
from python_ml.warehouse import arrow_table, write_table

if TYPE_CHECKING:
    from python_ml.project import Project
    from python_ml.settings.monitor import Performance, Worsening

TABLE = "gold.gld_model_performance"
OK, WARNING, BREACH = "ok", "warning", "breach"
_INTERVALS = (
    "reference_roc_auc",
    "estimated_roc_auc",
    "estimated_pr_auc",
    "estimated_brier",
    "estimated_churn_rate",
    "realised_roc_auc",
    "realised_pr_auc",
    "realised_brier",
    "realised_churn_rate",
    "realised_ece",
    "realised_calibration_intercept",
    "realised_calibration_slope",
    "realised_profit",
    "realised_uplift",
)
_CONFUSION = ("true_positives", "false_positives", "false_negatives", "true_negatives")
COLUMNS = {
    "performance_key": "string",
    "model_version": "integer",
    "period": "timestamp",
    "model_name": "string",
    "is_champion": "boolean",
    "scored_customers": "bigint",
    "labelled_customers": "bigint",
    "probability_mean": "double",
    "probability_p10": "double",
    "probability_p50": "double",
    "probability_p90": "double",
    "high_band_share": "double",
    "medium_band_share": "double",
    "probability_histogram": "string",
    "reference_rows": "bigint",
    "effective_rows": "double",
    "estimate_method": "string",
    "domain_auc": "double",
    **{f"{name}{end}": "double" for name in _INTERVALS for end in ("", "_low", "_high")},
    **{f"{name}_inside": "boolean" for name in ("roc_auc", "pr_auc", "brier", "churn_rate")},
    "threshold": "double",
    **{f"{kind}_{name}": "double" for kind in ("estimated", "realised") for name in _CONFUSION},
    "capacity_share": "double",
    "realised_lift_at_capacity": "double",
    "contacted_customers": "bigint",
    "held_out_customers": "bigint",
    "judged_by": "string",
    "roc_auc_drop": "double",
    "status": "string",
    "because": "string",
    "since": "timestamp",
}


def store_performance(project: Project, rows: Sequence[dict[str, Any]]) -> None:
    """Replace ``gold.gld_model_performance``."""
    keyed = [{**row, "performance_key": json.dumps([row["model_version"], row["period"].isoformat()])} for row in rows]
    write_table(project, TABLE, arrow_table(keyed, COLUMNS))


def judged_rows(rows: Sequence[dict[str, Any]], settings: Performance) -> list[dict[str, Any]]:
    """Rows with ``status``, ``because`` and ``since``, by version and period."""
    started: dict[int, datetime] = {}
    found = []
    for row in sorted(rows, key=lambda row: (row["model_version"], row["period"])):
        verdict = _judged(row, settings)
        if verdict["status"] == OK:
            started.pop(row["model_version"], None)
        else:
            started.setdefault(row["model_version"], row["period"])
        found.append({**row, **verdict, "since": started.get(row["model_version"])})
    return found


def _judged(row: dict[str, Any], settings: Performance) -> dict[str, Any]:
    """A figure is worse where the change is large and more than noise."""
    by = "realised" if row.get("realised_roc_auc") is not None else "estimated"
    before, now = row.get("reference_roc_auc"), row.get(f"{by}_roc_auc")
    verdict: dict[str, Any] = {"judged_by": by, "status": OK, "because": None, "roc_auc_drop": None}
    reasons = []
    if before is not None and now is not None:
        drop = verdict["roc_auc_drop"] = before - now
        noise = np.hypot(_half_width(row, "reference_roc_auc"), _half_width(row, f"{by}_roc_auc"))
        reasons.append((_level(drop, settings.roc_auc_drop) if drop > noise else OK,
                        f"ROC AUC {decimal(now)} ({by}), {decimal(before)} at training"))  # fmt: skip
    error = row.get("realised_ece")
    if error is not None and (row.get("realised_ece_low") or 0.0) > 0:
        reasons.append((_level(error, settings.calibration_error),
                        f"calibration error {decimal(error)} (realised)"))  # fmt: skip
    worst = max((status for status, _ in reasons), key=(OK, WARNING, BREACH).index, default=OK)
    if worst != OK:
        verdict |= {"status": worst, "because": "; ".join(text for status, text in reasons if status == worst)}
    return verdict


def _level(size: float, limits: Worsening) -> str:
    return BREACH if size >= limits.breach else WARNING if size >= limits.warning else OK


def _half_width(row: dict[str, Any], name: str) -> float:
    """Half of an interval; without one, nothing is more than noise."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return float("inf") if low is None or high is None else (high - low) / 2


def newest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The champion's newest cohort, and the newest one whose outcomes are known, where that is another."""
    own = sorted((row for row in rows if row["is_champion"]), key=lambda row: row["period"])
    known = [row for row in own if row["judged_by"] == "realised"][-1:]
    return known + [row for row in own[-1:] if row not in known]


def breaches(rows: Sequence[dict[str, Any]]) -> list[Breach]:
    """Of the champion's newest cohorts."""
    found = []
    for row in newest(rows):
        if row["status"] == BREACH:
            text = f"the model has become worse since {date(row['since'])}: {row['because']}"
            found.append(Breach("performance", text, row["since"], f"{row['judged_by']} performance", text))
    return found


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row for JSON."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """The cohorts of the champion as text: what was estimated, what came true."""
    own = [row for row in rows if row["is_champion"]]
    if not own:
        return ""
    table = [("scored at", "customers", "estimated AUC", "by", "realised AUC", "inside", "churn rate", "status")]
    for row in own[-6:]:
        rate = row.get("realised_churn_rate", row.get("estimated_churn_rate"))
        inside = row.get("roc_auc_inside")
        table.append(
            (
                date(row["period"]),
                f"{row['scored_customers']:,}",
                _interval(row, "estimated_roc_auc"),
                row.get("estimate_method") or "",
                _interval(row, "realised_roc_auc"),
                "" if inside is None else "yes" if inside else "no",
                decimal(rate),
                row["status"],
            )
        )
    compared = [row["roc_auc_inside"] for row in rows if row.get("roc_auc_inside") is not None]
    lines = [f"Performance of version {own[0]['model_version']}:", aligned(table)]
    if compared:
        lines.append(
            f"ROC AUC: {sum(compared)} of {len(compared)} realised figures are inside the interval of their estimate"
        )
    return "\n".join(lines)


def _interval(row: dict[str, Any], name: str) -> str:
    if row.get(name) is None:
        return "–"
    if row.get(f"{name}_low") is None:
        return decimal(row[name])
    return f"{decimal(row[name])} [{decimal(row[f'{name}_low'])}, {decimal(row[f'{name}_high'])}]"
