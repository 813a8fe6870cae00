"""Model performance: the test figures, the curves of the champion, and the comparison of the models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.formatting import Estimate, decimal, model_title, number, percent
from python_ml.report import charts, curves

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.report.inputs import ReportInputs


@dataclass(frozen=True)
class Metric:
    """A metric as a column of the comparison."""

    key: str
    title: str
    better: str
    places: int = 3
    unit: str = ""

    def read(self, figures: Any) -> Estimate:
        """Read this metric from the figures of one model and split."""
        return Estimate.read(part(figures, self.key), places=self.places, unit=self.unit)


METRICS = (
    Metric("roc_auc", "ROC AUC", "higher is better"),
    Metric("pr_auc", "PR AUC", "higher is better"),
    Metric("brier", "Brier score", "lower is better", places=4),
    Metric("ece", "Calibration error", "lower is better", places=4),
    Metric("lift_at_10pct", "Lift at 10\u00a0%", "higher is better", places=2, unit="\u00d7"),
)
SPLITS = ("validation", "test")
CROSS_VALIDATED = "temporal_cross_validated"
SNAPSHOT = "cross_validation"
BASELINES = ("recency", "oracle")
COMPARED = ("recency", "entity_rate", "bg_nbd", "oracle")  # in the table; curves have fewer lines
CONTACTED = 0.1  # share of customers that the gains curve marks
DIAGONAL = curves.Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def part(value: Any, *path: str) -> Any:
    """Follow keys into nested objects; None where the path ends."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def is_snapshot(metrics: dict[str, Any]) -> bool:
    """Whether the data are one snapshot without feature times, measured by cross-validation."""
    return part(metrics, "split", "kind") == SNAPSHOT


def headline_figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """The champion's test ROC AUC, compared with recency and oracle, and what limits it."""
    auc, recency, oracle = (
        Estimate.read(part(metrics, *path, "test", "roc_auc"))
        for path in ((), ("baselines", "recency"), ("baselines", "oracle"))
    )
    against_recency = ""
    if auc and recency:
        if auc.has_interval and auc.low > (recency.high if recency.has_interval else recency.value):
            against_recency = "above"
        else:
            against_recency = "overlapping" if auc.value > recency.value else "not above"
    gain = None
    if auc and oracle and oracle.value > 0.5:
        gain = (auc.value - 0.5) / (oracle.value - 0.5)
    leaks = part(metrics, "leakage", "columns") or []
    critical = [leak.get("column") for leak in leaks if leak.get("severity") == "critical"]
    warnings = [str(text) for text in part(metrics, "warnings") or []]
    name, version, members = (part(metrics, "champion", key) for key in ("name", "version", "members"))
    return {
        "auc": auc,
        "recency": recency,
        "oracle": oracle,
        "lift": METRICS[-1].read(metrics.get("test")),
        "against_recency": against_recency,
        "share_of_oracle": gain if gain and gain > 0 else None,
        "champion": name,
        "version": version,
        "members": " and ".join(map(model_title, members or [])),
        "run_id": part(metrics, "champion", "run_id"),
        "rows": part(metrics, "test", "n"),
        "base_rate": number(part(metrics, "test", "base_rate")),
        "distrust": [str(reason) for reason in part(metrics, "not_trusted_because") or []],
        "excluded": [column for column in critical if column in (part(metrics, "leakage", "excluded") or [])],
        "kind": part(metrics, "split", "kind"),
        "snapshot": is_snapshot(metrics),
        "folds": part(metrics, "split", "folds"),
        "no_signal": str(part(metrics, "no_signal") or ""),
        "caveat": next((text for text in warnings if "cross-validation" in text), "") if is_snapshot(metrics) else "",
    }


def curve_section(inputs: ReportInputs) -> dict[str, Any]:
    """The champion's four curves on the test period, or the reason why there are none."""
    if inputs.predictions is None:
        return {"missing": "The curves need reports/predictions.parquet, which retention train writes."}
    champion = str(part(inputs.metrics, "champion", "name") or "")
    test = inputs.predictions[inputs.predictions["split"] == "test"].dropna(subset=["churned", "probability"])
    rows = test[test["model"] == champion]
    if rows.empty:
        return {"missing": "reports/predictions.parquet holds no test rows of the champion."}
    if rows["churned"].nunique() < 2:
        outcome = "churned" if rows["churned"].iloc[0] else "was retained"
        where = "snapshot" if is_snapshot(inputs.metrics) else "test period"
        return {"missing": f"Every customer of the {where} {outcome}, so there are no curves to draw."}
    references = {name: test[test["model"] == name] for name in BASELINES}
    references = {name: frame for name, frame in references.items() if frame["churned"].nunique() == 2}
    return {"missing": ""} | _curves(inputs.metrics, champion, {champion: rows, **references})


def _curves(metrics: dict[str, Any], champion: str, frames: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The four plots of the champion, with the reference lines that there are, and the figures in their captions."""

    def lines(curve: Callable[..., curves.Curve], key: str = "") -> list[charts.Line]:
        drawn = []
        for name, frame in frames.items():
            where = ("test",) if name == champion else ("baselines", name, "test")
            figure = Estimate.read(part(metrics, *where, key)) if key else Estimate()
            points = curve(frame["churned"].to_numpy(), frame["probability"].to_numpy())
            kind = "subject" if name == champion else name
            drawn.append(charts.Line(model_title(name), kind, points, figure.text if figure else ""))
        return drawn

    outcome, probability = (frames[champion][column].to_numpy(float) for column in ("churned", "probability"))
    base, where = float(outcome.mean()), "cross-validation" if is_snapshot(metrics) else "test period"
    roc = [*lines(curves.roc_curve, "roc_auc"), charts.Line("Chance", "random", DIAGONAL, decimal(0.5))]
    gains = lines(curves.gains_curve)
    reached = curves.reached(gains[0].curve, CONTACTED)
    perfect = curves.Curve(np.array([0, base, 1]), np.array([0.0, 1, 1]))
    gains += [charts.Line("Perfect ranking", "perfect", perfect), charts.Line("Chance", "random", DIAGONAL)]
    recall = lines(curves.precision_recall_curve, "pr_auc")
    # The first few rows make the left end of a line jump, so they do not decide the height of the axis.
    peak = max(float(line.curve.y[line.curve.x >= 0.02].max()) for line in recall)
    recall.append(charts.Line("Chance", "random", curves.Curve(DIAGONAL.x, np.array([base, base])), decimal(base)))
    bins = curves.calibration_bins(outcome, probability)
    worst = max(bins, key=lambda b: abs(b.observed - b.predicted))
    furthest = f"predicted {percent(worst.predicted, 1)}, churned {percent(worst.observed, 1)}"
    marked = f"top {percent(CONTACTED)} of customers: {percent(reached)} of churned"
    calibration = charts.Line(model_title(champion), "subject", DIAGONAL)
    return {
        "where": where,
        "base_rate": base,
        "reached": reached,
        "bins": bins,
        "rows_per_bin": len(outcome) / len(bins),
        "legends": {
            "roc": roc,
            "gains": gains,
            "pr": recall,
            "calibration": [calibration, charts.Line("Perfect calibration", "random", DIAGONAL)],
        },
        "plots": {
            "roc": charts.curve_chart(
                "roc-plot", f"ROC curve, {where}", _areas(roc), roc,
                ("false positive rate: share of retained selected", "true positive rate"),
            ),
            "gains": charts.curve_chart(
                "gains-plot", f"Cumulative gains, {where}", f"{marked}.".capitalize(), gains,
                ("share of customers contacted", "share of churned customers reached"),
                marked=(CONTACTED, reached, marked),
            ),
            "pr": charts.curve_chart(
                "pr-plot", f"Precision and recall, {where}", _areas(recall), recall,
                ("recall: share of churned customers selected", "precision: share of selected that churned"),
                y_high=min(1.1 * peak, 1.0),
            ),
            "calibration": charts.calibration_chart(
                f"Calibration, {where}", f"Furthest from the diagonal: {furthest}.", bins, probability
            ),
        },
    }  # fmt: skip


def _areas(lines: list[charts.Line]) -> str:
    return "; ".join(f"{line.name}: area {line.figure or 'not measured'}" for line in lines) + "."


def model_table(metrics: dict[str, Any]) -> dict[str, Any]:
    """The comparison: one row per model and split, each metric with its interval on the scale of its column."""
    champion, kind = part(metrics, "champion", "name"), part(metrics, "split", "kind")
    models, baselines = part(metrics, "models") or {}, part(metrics, "baselines") or {}
    periods = {"validation": "Validation", "test": "Test"}
    if kind == CROSS_VALIDATED:
        periods["validation"] = "Cross-validation"
    elif kind == SNAPSHOT:
        periods = {"validation": "Model choice", "test": "Held-out folds"}
    measured = [(name, models[name]) for name in sorted(models, key=lambda name: name != champion)]
    measured += [(name, baselines.get(name)) for name in COMPARED]
    cells = {
        (name, split): [metric.read(part(figures, split)) for metric in METRICS]
        for name, figures in measured
        for split in SPLITS
    }
    cells = {key: estimates for key, estimates in cells.items() if any(estimates)}
    columns = []
    for place, (metric, *estimates) in enumerate(zip(METRICS, *cells.values(), strict=True)):
        values = [v for e in estimates if e for v in (e.value, e.low, e.high) if v is not None]
        if values:
            ends = [decimal(end, max(metric.places - 1, 1)) for end in (min(values), max(values))]
            columns.append((place, metric, ends, _scale(min(values), max(values))))
    rows = [
        {
            "name": name,
            "title": model_title(name),
            "kind": "subject" if name == champion else name if name in BASELINES else "other",
            "period": periods[split],
            "open": split == "validation",
            "champion": name == champion,
            "first": split == SPLITS[0] or (name, SPLITS[0]) not in cells,
            "cells": [(estimates[place], scale) for place, _, _, scale in columns],
        }
        for (name, split), estimates in cells.items()
    ]
    return {
        "columns": [(metric, ends) for _, metric, ends, _ in columns],
        "rows": rows,
        "cross_validated": kind == CROSS_VALIDATED,
        "baselines": {row["name"] for row in rows} & set(COMPARED),
        "recency_feature": part(baselines, "recency", "feature"),
        "calibration": _calibration_costs(metrics),
    }


def _calibration_costs(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Calibration errors before and after the calibration, where classes are weighted or rows resampled."""
    found = part(metrics, "calibration") or {}
    wanted = {name: found.get(name) for name in ("class_weight", "resampling") if found.get(name) not in (None, "none")}
    if not wanted:
        return None
    errors = [
        (model_title(name), *(Estimate.read(part(found, "ece", name, when), places=4) for when in ("before", "after")))
        for name in part(found, "ece") or {}
    ]
    return {"settings": ", ".join(f"{name}: {value}" for name, value in wanted.items()), "errors": errors}


def _scale(low: float, high: float) -> Callable[[float], str]:
    """Position of a value in its column, from 6 to 94 %; equal values stand in the middle."""
    return lambda value: f"{6 + 88 * (value - low) / (high - low) if high > low else 50:.1f}%"
