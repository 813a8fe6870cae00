"""How sure are we: the test figures in words, the curves of the champion, and the models side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.formatting import Estimate, counted, decimal, integer, model_title, number, percent
from python_ml.report import charts, curves
from python_ml.report.svg import Drawing, nice_ceiling

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from python_ml.report.inputs import ReportInputs


@dataclass(frozen=True)
class Figure:
    """A chart with what stands around it: title, the field's name for it, legend, and how to read it."""

    key: str
    title: str
    term: str
    drawing: Drawing
    legend: list[charts.Line]
    reading: str
    bins: list[curves.Bin] = field(default_factory=list)


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
SUPPLIED = "supplied"
BASELINES = ("recency", "oracle")
DIAGONAL = curves.Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def part(found: Any, *path: str) -> Any:
    """Follow keys into nested objects; None where the way ends."""
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def is_snapshot(metrics: dict[str, Any]) -> bool:
    """Whether the data are one snapshot without feature times, measured by cross-validation."""
    return part(metrics, "split", "kind") == SNAPSHOT


def headline_figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """The champion's test ROC AUC beside recency and oracle, and what the comparison says in words."""
    auc, recency, oracle = (
        Estimate.read(part(metrics, *path, "test", "roc_auc"))
        for path in ((), ("baselines", "recency"), ("baselines", "oracle"))
    )
    against_recency = ""
    if auc and recency:
        if auc.has_interval and auc.low > (recency.high if recency.has_interval else recency.value):
            against_recency = "The interval lies wholly above that of recency alone."
        elif auc.value > recency.value:
            against_recency = "The intervals overlap, so the gain over recency alone is not certain."
        else:
            against_recency = "The model does no better than recency alone."
    way = None
    if auc and oracle and oracle.value > 0.5:
        way = (auc.value - 0.5) / (oracle.value - 0.5)
    return {
        "auc": auc,
        "recency": recency,
        "oracle": oracle,
        "lift": METRICS[-1].read(metrics.get("test")),
        "against_recency": against_recency,
        "oracle_way": percent(way, 0) if way is not None and way > 0 else "",
        "pairs": decimal(100 * auc.value, 0) if auc else "",
        "champion": model_title(part(metrics, "champion", "name") or "The model"),
        "version": part(metrics, "champion", "version"),
        "rows": part(metrics, "test", "n"),
        "base_rate": number(part(metrics, "test", "base_rate")),
        "distrust": [str(reason) for reason in part(metrics, "not_trusted_because") or []],
        "left_out": [f["column"] for f in _leaks(metrics) if f["column"] in metrics["leakage"]["left_out"]],
        "snapshot": is_snapshot(metrics),
        "folds": part(metrics, "split", "folds"),
        "supplied": part(metrics, "split", "kind") == SUPPLIED,
        "no_signal": str(part(metrics, "no_signal") or ""),
        "caveat": _snapshot_caveat(metrics) if is_snapshot(metrics) else "",
    }


def _snapshot_caveat(metrics: dict[str, Any]) -> str:
    """What training said of a snapshot."""
    warnings = (str(text) for text in part(metrics, "warnings") or [])
    return next((text for text in warnings if "cross-validation" in text), "")


def _leaks(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Critical columns that the check of single columns found."""
    return [found for found in part(metrics, "leakage", "found") or [] if found.get("severity") == "critical"]


def curve_section(inputs: ReportInputs) -> dict[str, Any]:
    """The champion's four curves on the test period, or the reason why there are none."""
    if inputs.predictions is None:
        return {"missing": "The curves need reports/predictions.parquet, which retention train writes."}
    champion = str(part(inputs.metrics, "champion", "name") or "")
    test = inputs.predictions[inputs.predictions["split"] == "test"]
    rows = _complete(test[test["model"] == champion])
    if rows.empty:
        return {"missing": "reports/predictions.parquet holds no test rows of the champion."}
    leavers = int(rows["churned"].sum())
    if leavers in (0, len(rows)):
        who = "stayed" if leavers == 0 else "left"
        where = "snapshot" if is_snapshot(inputs.metrics) else "test period"
        return {"missing": f"Every customer of the {where} {who}, so there is nothing to tell apart."}
    references = {name: _complete(test[test["model"] == name]) for name in BASELINES}
    references = {name: frame for name, frame in references.items() if frame["churned"].nunique() == 2}
    return {"missing": "", "figures": _curves(inputs.metrics, champion, rows, references)}


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.dropna(subset=["churned", "probability"])


def _curves(
    metrics: dict[str, Any], champion: str, rows: pd.DataFrame, references: dict[str, pd.DataFrame]
) -> list[Figure]:
    """Compose the four figures of the champion, with the reference lines that there are."""
    frames = {champion: rows, **references}

    def lines(build: Callable[..., curves.Curve], key: str = "") -> list[charts.Line]:
        found = []
        for name, frame in frames.items():
            where = ("test",) if name == champion else ("baselines", name, "test")
            figure = Estimate.read(part(metrics, *where, key)) if key else Estimate()
            curve = build(frame["churned"].to_numpy(), frame["probability"].to_numpy())
            kind = "subject" if name == champion else name
            found.append(charts.Line(model_title(name), kind, curve, figure.text if figure else ""))
        return found

    outcome, probability = rows["churned"].to_numpy(float), rows["probability"].to_numpy(float)
    base = float(outcome.mean())
    where = "cross-validation" if is_snapshot(metrics) else "test period"
    return [
        _roc_figure(lines(curves.roc_curve, "roc_auc"), where),
        _gains_figure(lines(curves.gains_curve), base, where),
        _recall_figure(lines(curves.precision_recall_curve, "pr_auc"), base, where),
        _calibration_figure(model_title(champion), outcome, probability, where),
    ]


def _areas(lines: list[charts.Line]) -> str:
    return "; ".join(f"{line.name}: area {line.figure or 'not measured'}" for line in lines) + "."


def _roc_figure(lines: list[charts.Line], where: str) -> Figure:
    lines = [*lines, charts.Line("Chance", "random", DIAGONAL, decimal(0.5))]
    drawing = charts.curve_chart(
        lines, f"ROC curve, {where}", _areas(lines), "share of stayers named by mistake", "share of leavers named"
    )  # fmt: skip
    reading = (
        "Take one customer who left and one who stayed. The area under the line is the chance that the leaver was "
        "given the higher probability. The further a line bends to the upper left, the better; the diagonal is a "
        "coin toss."
    )
    return Figure("roc", "Telling leavers from stayers", "ROC curve", drawing, lines, reading)


def _gains_figure(lines: list[charts.Line], base: float, where: str) -> Figure:
    reached = curves.reached(lines[0].curve, 0.1)
    perfect = curves.Curve(np.array([0, base, 1]), np.array([0.0, 1, 1]))
    lines = [
        *lines,
        charts.Line("Perfect order", "perfect", perfect),
        charts.Line("Chance", "random", DIAGONAL),
    ]
    said = f"The tenth of customers with the highest probabilities holds {percent(reached)} of the leavers."
    drawing = charts.curve_chart(
        lines, f"Cumulative gains, {where}", said, "share of customers contacted", "share of leavers reached"
    )
    charts.mark_share(drawing, 0.1, reached)
    reading = (
        "Contact customers from the riskiest down: the height says what share of all leavers has been reached. The "
        f"first 10\u00a0% of customers hold {percent(reached)} of the leavers; contacting at random would reach "
        "10\u00a0%."
    )
    return Figure("gains", "Leavers reached for the effort", "cumulative gains", drawing, lines, reading)


def _recall_figure(lines: list[charts.Line], base: float, where: str) -> Figure:
    # The first few rows make the left end of a line jump, so they do not decide the height of the axis.
    peak = max(float(line.curve.y[line.curve.x >= 0.02].max()) for line in lines)
    level = curves.Curve(np.array([0.0, 1]), np.array([base, base]))
    lines = [*lines, charts.Line("Chance", "random", level, decimal(base))]
    drawing = charts.curve_chart(
        lines,
        f"Precision and recall, {where}",
        _areas(lines),
        "recall: share of leavers named",
        "precision: leavers among those named",
        y_high=min(nice_ceiling(peak), 1.0),
    )
    reading = (
        "Going right, more of the leavers are named; the height says how many of those named really left. Naming "
        f"customers at random would be right {percent(base, 1)} of the time."
    )
    return Figure("pr", "How many of those named really left", "precision and recall", drawing, lines, reading)


def _calibration_figure(champion: str, outcome: NDArray, probability: NDArray, where: str) -> Figure:
    bins = curves.calibration_bins(outcome, probability)
    worst = max(bins, key=lambda b: abs(b.observed - b.predicted))
    size = integer(len(outcome) / len(bins))
    said = (
        f"{counted(len(bins), 'bin')} of about {size} rows. Furthest from the diagonal: predicted "
        f"{percent(worst.predicted, 1)}, left {percent(worst.observed, 1)}."
    )
    drawing = charts.calibration_chart(bins, probability, f"Calibration, {where}", said)
    lines = [
        charts.Line(champion, "subject", DIAGONAL),
        charts.Line("Exactly as predicted", "random", DIAGONAL),
    ]
    reading = (
        f"Each dot is about {size} rows of the {where} with similar predictions; whiskers are 95\u00a0% intervals. "
        "On the diagonal, as many left as predicted; above it, more did. Below, how many rows have which prediction."
    )
    return Figure(
        "calibration", "Do the probabilities mean what they say?", "calibration", drawing, lines, reading, bins
    )


def model_table(metrics: dict[str, Any]) -> dict[str, Any]:
    """The models side by side: one row per model and split, each metric with its interval drawn to scale."""
    champion = part(metrics, "champion", "name")
    models, baselines = part(metrics, "models") or {}, part(metrics, "baselines") or {}
    crossed = part(metrics, "split", "kind") == CROSS_VALIDATED
    snapshot = is_snapshot(metrics)
    folds = {"validation": "For the choice", "test": "Held-out folds"}
    measured = [(name, models[name]) for name in sorted(models, key=lambda name: name != champion)]
    measured += [(name, baselines.get(name)) for name in BASELINES]
    found = [(name, split, part(figures, split)) for name, figures in measured for split in SPLITS]
    found = [row for row in found if any(metric.read(row[2]) for metric in METRICS)]
    shown = [metric for metric in METRICS if any(metric.read(figures) for _, _, figures in found)]
    ranges = {metric.key: _range([metric.read(figures) for _, _, figures in found]) for metric in shown}
    rows: list[dict[str, Any]] = []
    for name, split, figures in found:
        kind = "subject" if name == champion else name if name in BASELINES else "other"
        period = "Cross-validation" if crossed and split == "validation" else split.capitalize()
        if snapshot:
            period = folds[split]
        row = {
            "name": name,
            "title": model_title(name),
            "period": period,
            "champion": name == champion,
            "first": not rows or rows[-1]["name"] != name,
            "baseline": name in BASELINES,
            "cells": [],
        }
        for metric in shown:
            estimate, drawing = metric.read(figures), None
            if estimate:
                title = f"{metric.title}, {model_title(name)}, {period.lower()}"
                drawn = kind if split == "test" else f"{kind} open"
                drawing = charts.whisker(estimate, *ranges[metric.key], drawn, title)
            row["cells"].append({"estimate": estimate, "drawing": drawing})
        rows.append(row)
    return {
        "metrics": [{"metric": metric, "ends": _ends(metric, ranges[metric.key])} for metric in shown],
        "rows": rows,
        "crossed": crossed,
        "snapshot": snapshot,
        "compared_on": "predictions for customers out of the folds of the final fit"
        if snapshot
        else "cross-validation within the training period"
        if crossed
        else "the validation period",
        "measured_on": "folds whose customers took part in neither fit nor choice" if snapshot else "the test period",
        "oracle": any(row["name"] == "oracle" for row in rows),
        "recency": any(row["name"] == "recency" for row in rows),
        "recency_feature": part(baselines, "recency", "feature"),
    }


def _range(estimates: list[Estimate]) -> tuple[float, float]:
    """The scale that a column shares: from the least lower end to the greatest upper end."""
    values = [v for e in estimates if e for v in (e.value, e.low, e.high) if v is not None]
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ends(metric: Metric, ends: tuple[float, float]) -> tuple[str, str]:
    places = max(metric.places - 1, 1)
    return decimal(ends[0], places), decimal(ends[1], places)


def champion_words(metrics: dict[str, Any]) -> str:
    """Name the champion with its members and its version."""
    name, version, members = (part(metrics, "champion", key) for key in ("name", "version", "members"))
    if not name:
        return ""
    of = f" of {' and '.join(map(model_title, members))}" if members else ""
    return model_title(name) + of + (f" version {version}" if version is not None else "")
