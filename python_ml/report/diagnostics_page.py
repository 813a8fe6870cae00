"""The diagnostics of a champion as a page, and a summary of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from python_ml.diagnostics.fairness import ALL_GROUPS, DIFFERENCES
from python_ml.diagnostics.segments import LEAST_CUSTOMERS, SIGNIFICANT
from python_ml.files import write_text
from python_ml.formatting import Estimate, counted, decimal, integer, percent
from python_ml.report import charts, page
from python_ml.report.diagnostics_charts import learning_chart, noise_chart

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.diagnostics import Diagnosis
    from python_ml.project import Project

PAGE = "diagnostics.html"
LISTED_SEGMENTS, LISTED_DRIVERS = 20, 10
LARGE_GAP = 0.05  # ROC AUC on training rows above that on test rows
LARGE_LOSS = 0.03  # ROC AUC that a little noise costs
LITTLE_NOISE = "0.1"
MEASURES = {
    "churn_rate": "churned", "mean_probability": "predicted", "calibration_gap": "predicted less churned",
    "selection_rate": "selected", "true_positive_rate": "selected of the churned",
    "false_positive_rate": "selected of the retained", "roc_auc": "ROC AUC",
}  # fmt: skip
DIFFERENCE_TITLES = {
    "demographic_parity_difference": "demographic parity", "equalized_odds_difference": "equalised odds",
    "calibration_difference": "calibration",
}  # fmt: skip


class Remark(NamedTuple):
    """A sentence, and whether it is a warning."""

    text: str
    is_warning: bool


def write_diagnostics(project: Project, diagnosis: Diagnosis) -> Path:
    """Write ``reports/diagnostics.html``; where it is."""
    path = project.reports_dir / PAGE
    write_text(path, render_diagnostics(diagnosis, project.name))
    return path


def remarks(diagnostics: pd.DataFrame, fairness: pd.DataFrame | None) -> list[Remark]:
    """A summary of the diagnostics, one sentence for each.

    Parameters
    ----------
    diagnostics, fairness : pandas.DataFrame
        ``gold.gld_model_diagnostics`` and ``gold.gld_fairness``; the latter may be missing.
    """
    by_kind = dict(iter(diagnostics.groupby("diagnostic")))
    made = []
    if (fits := by_kind.get("overfitting")) is not None:
        area = fits[fits["subject"] == "roc_auc"].set_index("part")["value"]
        gap = area["train"] - area["test"]
        text = (
            f"Over-fitting: ROC AUC {decimal(area['train'])} on the training rows, {decimal(area['test'])} on the test"
        )
        made.append(Remark(f"{text} rows.", bool(gap > LARGE_GAP)))
    if (curve := by_kind.get("learning_curve")) is not None:
        test = curve[(curve["part"] == "test") & curve["value"].notna()]
        if len(test) > 1:
            first, last = test.iloc[-2], test.iloc[-1]
            rising = last["low"] > first["value"]
            text = (
                f"Learning curve: ROC AUC {decimal(first['value'])} with {integer(float(first['subject']))} customers, "
                f"{decimal(last['value'])} with {integer(float(last['subject']))}"
            )
            made.append(Remark(f"{text}; more customers {'would help' if rising else 'would hardly help'}.", False))
    if (noise := by_kind.get("noise_sensitivity")) is not None:
        value = noise[noise["subject"] == "noise"].set_index("part")["value"]
        loss = value["0"] - value[LITTLE_NOISE]
        text = f"Noise: a tenth of a standard deviation on every number costs {decimal(loss)} of ROC AUC"
        made.append(Remark(f"{text}.", bool(loss > LARGE_LOSS)))
    if (stability := by_kind.get("driver_stability")) is not None:
        same = stability[stability["metric"] == "rank_correlation"].groupby("subject")["value"].min()
        parts = ", ".join(f"{decimal(value, 2)} over {kind}" for kind, value in same.items())
        made.append(Remark(f"Drivers: lowest rank correlation of importances {parts}.", bool((same < 0.5).any())))
    if (errors := by_kind.get("segment_error")) is not None:
        worse = errors[errors["remark"].notna() & errors["p_adjusted"].notna()]
        judged = errors[errors["p_adjusted"].notna()][["subject", "part"]].drop_duplicates()
        named = ", ".join(f"{row.subject} {row.part} ({row.remark})" for row in worse.head(3).itertuples())
        text = f"Segments: {len(worse)} significant findings in {counted(len(judged), 'segment')}"
        made.append(Remark(f"{text}{': ' if named else ''}{named}.", bool(len(worse))))
    for name, groups in () if fairness is None else fairness.groupby("sensitive_column", sort=False):
        differences = groups[groups["group"] == ALL_GROUPS].set_index("measure")
        parts = [
            f"{title} {percent(differences.loc[measure, 'value'])}"
            for measure, title in DIFFERENCE_TITLES.items()
            if measure in differences.index
        ]
        shown = (
            f"largest difference between groups: {', '.join(parts)}" if parts else "too few customers to compare groups"
        )
        certain = "low" in differences and bool((differences["low"] > LARGE_GAP).any())
        made.append(Remark(f"Fairness of {name}: {shown}.", certain))
    return made


def render_diagnostics(diagnosis: Diagnosis, project_name: str) -> str:
    """Render the page.

    Returns
    -------
    str
        An HTML page that depends on the arguments alone. Every name and value is escaped.
    """
    found = diagnosis.diagnostics
    by_kind = {kind: rows.reset_index(drop=True) for kind, rows in found.groupby("diagnostic")}
    curve, noise = by_kind.get("learning_curve"), by_kind["noise_sensitivity"]
    values = {
        "diagnosis": diagnosis,
        "project_name": project_name,
        "remarks": remarks(found, diagnosis.fairness),
        "curve": None if curve is None else charts.both_widths(learning_chart, curve),
        "noise": charts.both_widths(noise_chart, noise),
        "fits": _fits(by_kind["overfitting"]),
        "segments": _segments(by_kind.get("segment_error")),
        "stability": _stability(by_kind.get("driver_importance"), by_kind.get("driver_stability")),
        "fairness": _fairness(diagnosis.fairness),
        "measures": MEASURES,
        "significant": SIGNIFICANT,
        "least": LEAST_CUSTOMERS,
    }
    return page.render("diagnostics", values)


def _estimate(row: Any, places: int = 3) -> Estimate:
    return Estimate.read({"value": row.value, "low": row.low, "high": row.high}, places=places)


def _fits(rows: pd.DataFrame) -> list[dict[str, Any]]:
    parts = {}
    for row in rows.itertuples():
        parts.setdefault(row.part, {"part": row.part, "rows": row.rows, "customers": row.customers})[row.subject] = (
            _estimate(row)
        )
    return list(parts.values())


def _segments(rows: pd.DataFrame | None) -> dict[str, Any]:
    """Segments with both measures, those with findings first, then those that chance explains least."""
    if rows is None:
        return {"listed": [], "total": 0, "small": 0}
    listed, small = [], 0
    for (way, segment), own in rows.groupby(["subject", "part"], sort=False):
        by_metric = {row.metric: row for row in own.itertuples()}
        if "calibration_gap" not in by_metric:
            small += 1
            continue
        listed.append(
            {
                "way": way,
                "segment": segment,
                "rows": by_metric["calibration_gap"].rows,
                "customers": by_metric["calibration_gap"].customers,
                "roc_auc": _estimate(by_metric["roc_auc"]),
                "gap": _estimate(by_metric["calibration_gap"]),
                "remark": ", ".join(own["remark"].dropna()),
                "p": own["p_adjusted"].min(),
            }
        )
    listed.sort(key=lambda one: (not one["remark"], one["p"] if one["p"] == one["p"] else 2.0))
    return {"listed": listed[:LISTED_SEGMENTS], "total": len(listed), "small": small}


def _stability(importance: pd.DataFrame | None, stability: pd.DataFrame | None) -> dict[str, Any]:
    if importance is None:
        return {"parts": [], "drivers": []}
    table = importance.pivot_table(index="subject", columns="part", values="value", sort=False)
    ranks = table.rank(ascending=False, method="min")
    strongest = table["all"].sort_values(ascending=False, kind="stable").index[:LISTED_DRIVERS]
    figures = {} if stability is None else stability.set_index(["part", "metric"])["value"].to_dict()
    parts = [part for part in table.columns if part != "all"]
    return {
        "parts": [
            {
                "name": part,
                "same": figures.get((part, "rank_correlation")),
                "shared": figures.get((part, "shared_strongest")),
            }
            for part in parts
        ],
        "drivers": [
            {
                "feature": feature,
                "importance": float(table.loc[feature, "all"]),
                "ranks": [int(ranks.loc[feature, part]) for part in parts],
            }
            for feature in strongest
        ],
    }


def _fairness(rows: pd.DataFrame) -> list[dict[str, Any]]:
    columns = []
    for name, own in rows.groupby("sensitive_column", sort=False):
        groups = {}
        for row in own[own["group"] != ALL_GROUPS].itertuples():
            counts = {"name": row.group, "rows": row.rows, "customers": row.customers, "note": row.note}
            groups.setdefault(row.group, {**counts, "measures": {}})["measures"][row.measure] = _estimate(row)
        differences = {row.measure: _estimate(row) for row in own[own["group"] == ALL_GROUPS].itertuples()}
        columns.append(
            {
                "name": name,
                "groups": [
                    group | {"note": group["note"] if isinstance(group["note"], str) else ""}
                    for group in groups.values()
                ],
                "differences": [
                    (DIFFERENCE_TITLES[measure], differences[measure])
                    for measure in DIFFERENCES
                    if measure in differences
                ],
            }
        )
    return columns
