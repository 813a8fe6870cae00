"""How long customers stay: curves by cohort, calibration at each horizon, and metrics of the survival model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.formatting import NO_BREAK, Estimate, percent
from python_ml.report import charts, curves
from python_ml.report.performance import part
from python_ml.report.svg import COLOURS, draw

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup
    from matplotlib.figure import Figure

    from python_ml.report.inputs import ReportInputs

EVERYBODY, COHORT = "everybody", "first_feature_time"
MODELS = {"survival": "Survival model", "kaplan_meier": "Kaplan-Meier", "truth": "True hazard"}
FIGURES = (
    ("concordance", "Concordance", "Harrell; higher is better", 3),
    ("concordance_ipcw", "Concordance, weighted", "Uno; higher is better", 3),
    ("integrated_brier", "Integrated Brier score", "lower is better", 4),
)
SHOWN = 5  # groups with a curve of their own, the largest ones
STROKES = (("recency", "solid"), ("oracle", "dashed"), ("high", "dashdot"), ("medium", "dotted"), ("low", (0, (6, 2))))


@dataclass(frozen=True)
class Group:
    """A curve: its name, its kind in the legend, the number of customers, and its points."""

    name: str
    kind: str
    customers: int
    rows: pd.DataFrame


def survival_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """What the section shows; None where there is no survival model and nothing to say about it."""
    evaluation, lines = inputs.survival_evaluation, inputs.survival_curves
    if evaluation is None or lines is None:
        missing = part(inputs.metrics, "survival", "missing")
        return {"missing": str(missing)} if missing else None
    horizons = [_horizon(evaluation, inputs.survival_predictions, day) for day in _horizons(evaluation)]
    everybody = lines[lines["grouped_by"] == EVERYBODY]
    plots = []
    for number, grouped_by in enumerate(dict.fromkeys(lines["grouped_by"])):
        if grouped_by != EVERYBODY and not everybody.empty:
            groups = _groups(everybody, lines[lines["grouped_by"] == grouped_by])
            title = "By first feature time" if grouped_by == COHORT else f"By {grouped_by}"
            plots.append((title, groups, charts.both_widths(_curve_chart, number, title, groups)))
    measured = part(inputs.metrics, "survival") or {}
    return {
        "missing": "",
        "plots": plots,
        "horizons": horizons,
        "table": _table(evaluation),
        "simulated": bool((evaluation["model"] == "truth").any()),
        "periods": measured.get("periods"),
        "period_days": measured.get("period_days"),
    }


def _horizons(evaluation: pd.DataFrame) -> list[float]:
    return sorted(evaluation.loc[evaluation["metric"] == "predicted_risk", "horizon"].unique().tolist())


def _figure(evaluation: pd.DataFrame, model: str, metric: str, day: float | None = None, places: int = 3) -> Estimate:
    rows = evaluation[(evaluation["model"] == model) & (evaluation["metric"] == metric)]
    rows = rows if day is None else rows[rows["horizon"] == day]
    return Estimate.read(rows.iloc[0][["value", "low", "high"]].to_dict() if len(rows) else None, places=places)


def _horizon(evaluation: pd.DataFrame, predictions: pd.DataFrame | None, day: float) -> dict[str, Any]:
    """Figures of one horizon, and its calibration where there are predictions of both outcomes."""
    title = f"{day:.0f} days"
    found: dict[str, Any] = {
        "days": title,
        "predicted": _figure(evaluation, "survival", "predicted_risk", day),
        "observed": _figure(evaluation, "kaplan_meier", "observed_risk", day),
        "roc_auc": _figure(evaluation, "survival", "roc_auc", day),
        "brier": _figure(evaluation, "survival", "brier_ipcw", day, 4),
        "reference": _figure(evaluation, "kaplan_meier", "brier_ipcw", day, 4),
        "ece": _figure(evaluation, "survival", "ece", day, 4),
        "plot": None,
    }
    rows = None if predictions is None else predictions[predictions["horizon"] == day]
    if rows is not None and rows["churned"].nunique() == 2:
        outcome, probability = rows["churned"].to_numpy(float), rows["probability"].to_numpy(float)
        bins = curves.calibration_bins(outcome, probability)
        worst = max(bins, key=lambda b: abs(b.observed - b.predicted))
        text = f"Furthest off: predicted {percent(worst.predicted, 1)}, churned {percent(worst.observed, 1)}."
        name = f"calibration-{day:.0f}-plot"
        found["plot"] = charts.calibration_chart(f"Calibration, {title}", text, bins, probability, name)
    return found


def _groups(everybody: pd.DataFrame, lines: pd.DataFrame) -> list[Group]:
    """Everybody, and the largest groups in their order."""
    sizes = lines[lines["period"] == 1].set_index("cohort")["at_risk"]
    shown = sorted(sizes.sort_values(ascending=False, kind="stable").index[:SHOWN])
    found = [Group("Everybody", "subject", int(everybody["at_risk"].max()), everybody)]
    for number, cohort in enumerate(shown):
        found.append(Group(str(cohort), f"line-{number}", int(sizes[cohort]), lines[lines["cohort"] == cohort]))
    return found


def _curve_chart(number: int, title: str, groups: list[Group], width: float) -> Markup:
    """Draw the share that stays over time, with the interval of everybody."""
    last = max(float(group.rows["days"].max()) for group in groups)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(xlim=(0, last), xlabel="days", title="share that stays", ylim=(0, 1))
        everybody = groups[0].rows
        days = np.append(0, everybody["days"])
        low, high = (np.append(1, everybody[end].fillna(everybody["survival"])) for end in ("low", "high"))
        axes.fill_between(days, low, high, color=COLOURS["subject"], alpha=0.16, linewidth=0)
        for group, (colour, style) in zip(groups[1:], STROKES, strict=False):
            points = np.append(0, group.rows["days"]), np.append(1, group.rows["survival"])
            axes.plot(*points, color=COLOURS[colour], linestyle=style)
        axes.plot(days, np.append(1, everybody["survival"]), color=COLOURS["subject"], linewidth=2.5)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}{NO_BREAK}%")

    ends = [
        f"{group.name}: {percent(float(group.rows['survival'].iloc[-1]))} after {group.rows['days'].iloc[-1]:.0f} days"
        for group in groups
    ]
    return draw(f"stay-{number}-{width:.0f}", title, "; ".join(ends) + ".", (width, 290), paint, (52, 14, 28, 42))


def _table(evaluation: pd.DataFrame) -> dict[str, Any]:
    rows = []
    for model, title in MODELS.items():
        cells = [_figure(evaluation, model, metric, places=places) for metric, _, _, places in FIGURES]
        if model == "kaplan_meier" and any(cells) and not cells[0]:
            cells[0] = cells[1] = Estimate(0.5)  # one curve for everybody ranks nobody
        if any(cells):
            rows.append({"title": title, "cells": cells})
    return {"columns": [(title, better) for _, title, better, _ in FIGURES], "rows": rows}
