"""Drift, performance, data quality and alerts as a page, and what the report says of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from python_ml.files import write_json, write_text
from python_ml.formatting import Estimate, decimal, integer, percent
from python_ml.monitor import data_quality
from python_ml.monitor.drift import CHURN_RATE, DRIFT, FEATURE, OK, SCORE, TOGETHER, WARNING
from python_ml.monitor.drift_table import newest_rows, panels
from python_ml.monitor.performance_table import newest
from python_ml.report import page
from python_ml.report.monitoring_charts import Series, drift_chart, series_chart
from python_ml.report.monitoring_inputs import MonitoringInputs, Rows, monitoring_inputs
from python_ml.report.performance import part

if TYPE_CHECKING:
    from pathlib import Path

    from markupsafe import Markup

    from python_ml.monitor import Monitoring
    from python_ml.monitor.drift_table import Panel
    from python_ml.project import Project
    from python_ml.report.inputs import ReportInputs

PAGE, RECORD = "monitoring.html", "monitoring.json"
DRAWN = 24  # features; more would take long, and nobody would look at them
NAMED = 3  # new and vanished categories
LISTED_DRIVERS = 6
LISTED_BREACHES = 5  # of the report
NOTABLE = 0.005  # change of a share that a sentence mentions
MEASURES = {
    "rows": ("Rows", integer),
    "customers": ("Customers", integer),
    "missing_share": ("Missing values", percent),
    "out_of_range_share": ("Values out of the reference's range", percent),
    "new_category_share": ("Values of new categories", percent),
    "empty_features": ("Features without any value", integer),
}
# Title, whether it is a share, and where its axis begins at the latest.
FIGURES: dict[str, tuple[str, bool, float | None]] = {
    "roc_auc": ("ROC AUC", False, None),
    "pr_auc": ("PR AUC", False, None),
    "brier": ("Brier score", False, None),
    "churn_rate": ("churn rate", True, 0.0),
    "ece": ("calibration error", False, 0.0),
    "lift_at_capacity": ("lift at capacity", False, 1.0),
    "profit": ("profit", False, None),
    "uplift": ("churn avoided by contact", True, None),
}


def write_monitoring(project: Project, found: Monitoring) -> Path:
    """Write ``reports/monitoring.json`` and ``reports/monitoring.html``; where the page is."""
    path = project.reports_dir / PAGE
    write_json(project.reports_dir / RECORD, found.to_dict(), default=str)
    write_text(path, render_monitoring(monitoring_inputs(project, found)))
    return path


def render_monitoring(inputs: MonitoringInputs) -> str:
    """Render the page.

    Returns
    -------
    str
        An HTML page that depends on the arguments alone. Every name and value is escaped.
    """
    drift = _drift(inputs)
    values = {
        "inputs": inputs,
        "until": max((row["current_period"] for row in inputs.drift), default=None),
        "drift": drift,
        "score": _score(inputs),
        "outcome": _outcome(inputs.drift),
        "together": _together(inputs.drift),
        "performance": _performance(inputs.performance),
        "quality": _quality(inputs.quality),
        "reference": _reference_times(inputs.drift),
        "judged": newest(inputs.performance)[-1:],
    }
    return page.render("monitoring", values)


def monitoring_section(inputs: ReportInputs) -> dict[str, Any]:
    """The verdict for the report; says which command makes it where there is none."""
    record = inputs.monitoring
    if record is None:
        return {"missing": True}
    version, champion = record["model_version"], part(inputs.metrics, "champion", "version")
    breaches = [str(part(breach, "what")) for breach in record["breaches"]]
    return {
        "missing": False,
        "summary": record["summary"],
        "breaches": breaches[:LISTED_BREACHES],
        "more": max(len(breaches) - LISTED_BREACHES, 0),
        "version": version,
        # The challenger of the last training need not be the champion: only a newer champion makes this old.
        "older": champion is not None and str(champion) != str(version),
    }


def _drift(inputs: MonitoringInputs) -> dict[str, Any]:
    """The features that moved, by what they matter, and all that are not drawn."""
    rows = {row["feature"]: row for row in newest_rows(inputs.drift) if row["kind"] == FEATURE}
    total = sum(inputs.importance.values())
    ranks = {name: rank for rank, name in enumerate(sorted(inputs.importance, key=inputs.importance.get)[::-1], 1)}
    items = []
    for name, row in rows.items():
        share = inputs.importance.get(name, 0.0) / total if total else None
        items.append(
            {
                **row,
                "share": share,
                "rank": ranks.get(name),
                "impact": max(row["effect"], 0.0) * (share or 0.0),
                "level": "accepted" if row["status"] != OK and row["accepted_because"] else row["status"],
            }
        )
    orders = _orders(items, known=bool(total))
    first = orders[0][2]
    moved = sorted((one for one in first if one["status"] != OK), key=lambda one: one["level"] == "accepted")
    by_name = {panel.feature: panel for panel in panels(inputs.drift) if panel.kind == FEATURE}
    drawn = [
        one | {"how": _how(one), "plot": drift_chart(f"drift-{place}", by_name[one["feature"]])}
        for place, one in enumerate(moved[:DRAWN])
    ]
    shown = {one["feature"] for one in drawn}
    levels = [one["level"] for one in items]
    return {
        "total": len(items),
        "counts": {level: levels.count(level) for level in (DRIFT, WARNING, "accepted", OK)},
        "moved": len(moved),
        "moved_share": sum(one["share"] for one in moved) if total else None,
        "drawn": drawn,
        "orders": [(key, title, [one for one in ordered if one["feature"] not in shown])
                   for key, title, ordered in orders],
        "known": bool(total),
    }  # fmt: skip


def _orders(items: Sequence[dict[str, Any]], *, known: bool) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """The features by each column of the table, the first of which decides the page; pages run no scripts."""
    keys: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
        "impact": ("Impact", lambda one: (-one["impact"], -one["effect"])),
        "effect": ("Effect", lambda one: -one["effect"]),
        "importance": ("Importance", lambda one: -(one["share"] or 0.0)),
        "feature": ("Feature", lambda one: one["feature"].casefold()),
    }
    by_name = sorted(items, key=lambda one: one["feature"])
    return [
        (key, title, sorted(by_name, key=order))
        for key, (title, order) in keys.items()
        if known or key in ("effect", "feature")
    ]


def _how(row: dict[str, Any]) -> list[str]:
    """How a feature moved, in phrases."""
    parts = [f"PSI {decimal(row['psi'], 2)}"]
    if row["mean_shift"] is not None:
        shift = decimal(row["mean_shift"], 2)
        parts.append(f"mean {row['reference_mean']:.4g}, now {row['current_mean']:.4g} ({shift} standard deviations)")
    if abs(row["null_shift"] or 0.0) >= NOTABLE:
        shares = percent(row["reference_null_share"]), percent(row["current_null_share"])
        parts.append(f"missing {shares[0]}, now {shares[1]}")
    if (row["out_of_range_share"] or 0.0) >= NOTABLE:
        parts.append(f"{percent(row['out_of_range_share'])} out of range")
    for kind in ("new", "vanished"):
        values = json.loads(row[f"{kind}_categories"] or "[]")
        if values:
            more = f" and {len(values) - NAMED} more" if len(values) > NAMED else ""
            share = percent(row[f"{kind}_category_share"])
            parts.append(f"{kind}: {', '.join(values[:NAMED])}{more} ({share} of rows)")
    return parts


def _of_kind(rows: Rows, kind: str) -> list[Any]:
    return sorted((row for row in rows if row["kind"] == kind), key=lambda row: row["current_period"])


def _reference_times(rows: Rows) -> tuple[datetime, datetime] | None:
    """Feature times of the rows that the champion was fitted on, as far as features were compared with all of them."""
    times = [(row["reference_from"], row["reference_to"]) for row in rows if row["reference"] == "training"
             and row["reference_from"]]  # fmt: skip
    return (min(first for first, _ in times), max(last for _, last in times)) if times else None


def _score(inputs: MonitoringInputs) -> dict[str, Any]:
    rows = _of_kind(inputs.drift, SCORE)
    cohorts = [row for row in inputs.performance if row["is_champion"]]
    means = [(row["period"], row["probability_mean"], row["probability_p10"], row["probability_p90"])
             for row in cohorts]  # fmt: skip
    series = [Series("mean probability", "subject", means, banded=len(means) > 1)]
    panel: list[Panel] = [panel for panel in panels(rows) if panel.kind == SCORE]
    return {
        "row": rows[-1] if rows else None,
        "plot": drift_chart("score", panel[0]) if panel else None,
        "over_time": series_chart("probability", "probability", series, as_share=True, floor=0.0) if means else None,
    }


def _outcome(rows: Rows) -> dict[str, Any]:
    found = [row for row in _of_kind(rows, CHURN_RATE) if row["current_mean"] is not None]
    if not found:
        return {"row": None}
    series = [
        Series("churned", "subject", [(row["current_period"], row["current_mean"], None, None) for row in found]),
        Series("reference", "random", [(row["current_period"], row["reference_mean"], None, None) for row in found]),
    ]
    return {
        "row": found[-1],
        "plot": series_chart("outcome", "share that churned", series, as_share=True, floor=0.0),
    }


def _together(rows: Rows) -> dict[str, Any]:
    found = _of_kind(rows, TOGETHER)
    if not found:
        return {"row": None}
    series = [
        Series("ROC AUC", "subject",
               [(row["current_period"], row["auc"], row["auc_low"], row["auc_high"]) for row in found]),
    ]  # fmt: skip
    row = found[-1]
    return {
        "row": row,
        "plot": series_chart(
            "together", "ROC AUC", series, levels=(0.5, row["warning_from"], row["drift_from"]), floor=0.45
        ),
        "drivers": json.loads(row["drivers"] or "[]")[:LISTED_DRIVERS],
    }


def _performance(rows: Rows) -> dict[str, Any]:
    """Charts and figures of the scoring cohorts: estimated, and as measured once outcomes are known."""
    plots: list[tuple[str, Markup]] = []
    for key, (title, as_share, floor) in FIGURES.items():
        series = [
            Series(name, colour, points, banded=kind == "estimated")
            for name, kind, own, colour in (
                ("realised", "realised", True, "subject"),
                ("estimated", "estimated", True, "recency"),
                ("earlier versions, realised", "realised", False, "random"),
            )
            if (points := _points(rows, f"{kind}_{key}", own))
        ]
        if series:
            at_training = {row["reference_roc_auc"] for row in rows if row["is_champion"] and key == "roc_auc"}
            levels = sorted(at_training - {None})
            chart = series_chart(f"performance-{key}", title, series, levels=levels, as_share=as_share, floor=floor)
            plots.append((title, chart))
    return {
        "plots": plots,
        "rows": [_cohort(row) for row in sorted(rows, key=lambda row: (row["period"], row["model_version"]))[::-1]],
        "inside": [row["roc_auc_inside"] for row in rows if row["roc_auc_inside"] is not None],
        "earlier": any(not row["is_champion"] for row in rows),
        "uplift": any(row["realised_uplift"] is not None for row in rows),
    }


def _points(rows: Rows, name: str, own: bool) -> list[tuple[datetime, float, float | None, float | None]]:
    return sorted(
        (row["period"], row[name], row.get(f"{name}_low"), row.get(f"{name}_high"))
        for row in rows
        if bool(row["is_champion"]) is own and row.get(name) is not None
    )


def _cohort(row: Any) -> dict[str, Any]:
    def read(name: str, places: int = 3) -> Estimate:
        low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
        return Estimate.read({"value": row[name], "low": low, "high": high}, places=places)

    names = [f"{kind}_{key}" for kind in ("estimated", "realised") for key in ("roc_auc", "brier", "churn_rate")]
    figures = {name: read(name) for name in (*names, "realised_ece", "realised_uplift")}
    figures |= {"realised_lift": read("realised_lift_at_capacity", 1)}
    return {**row, "figures": figures}


def _quality(rows: Rows) -> list[dict[str, Any]]:
    """Each measure in the newest period and before, with its series."""
    by_subject: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
    for row in rows:
        by_subject.setdefault((row["measure"], row["subject"]), []).append((row["period"], row["value"]))
    last = max((row["period"] for row in rows), default=None)
    found = []
    for (measure, subject), points in sorted(by_subject.items(), key=lambda one: _place(*one[0])):
        values = [value for _, value in sorted(points)]
        title, write = MEASURES.get(measure, (f"Newest event of {subject}", _days))
        found.append(
            {
                "title": title,
                "now": write(values[-1]),
                "usual": write(median(values[:-1])) if len(values) > 1 else "",
                "spark": _spark(values),
                "behind": max(points)[0] if max(points)[0] != last else None,
            }
        )
    return found


def _place(measure: str, subject: str) -> tuple[int, str]:
    order = [*MEASURES, data_quality.FRESHNESS]
    return order.index(measure) if measure in order else len(order), subject


def _days(value: float) -> str:
    return f"{decimal(value, 1)} days before"


def _spark(values: Sequence[float]) -> list[tuple[float, float]]:
    """Points of a line in a box of 100 by 20, whose foot is 0."""
    high, last = max(*values, 0.0, 1e-12), max(len(values) - 1, 1)
    return [(round(100 * place / last, 1), round(18 - 16 * value / high, 1)) for place, value in enumerate(values)]
