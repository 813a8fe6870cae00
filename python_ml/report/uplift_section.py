"""The effect of offers: the experiment, its curve, the effect by predicted uplift, policies, and harmed groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.formatting import Estimate, decimal, percent
from python_ml.report.charts import LINES
from python_ml.report.curves import Curve
from python_ml.report.svg import NARROW, WIDE, draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup
    from matplotlib.figure import Figure

    from python_ml.report.inputs import ReportInputs

LEARNERS = {
    "s_lasso": "S-learner, trees for the risk and a lasso for the effect",
    "t_logistic": "T-learner, logistic regressions",
    "x_lightgbm": "X-learner, LightGBM",
    "t_lightgbm": "T-learner, LightGBM",
    "dr_econml": "DR-learner, EconML",
    "r_econml": "R-learner, EconML",
    "causal_forest_econml": "Causal forest, EconML",
    "oracle": "Oracle",
    "random": "Random order",
}


def uplift_section(inputs: ReportInputs) -> dict[str, Any] | None:
    """The section from ``reports/uplift.json``; None where no experiment is configured."""
    figures = inputs.uplift
    if not figures:
        return None
    from python_ml.decisions.uplift.draws import EXCLUSIONS

    check = figures["randomisation"]
    section = {
        "status": figures["status"],
        "reason": figures.get("reason", ""),
        "table": figures["table"],
        "check": check,
        "balance": Estimate.read({**check["balance"], "value": check["balance"].get("auc")}),
        "excluded": [(count, EXCLUSIONS.get(why, why)) for why, count in figures.get("excluded", {}).items()],
    }
    if figures["status"] != "estimated":
        return section
    test, chosen = figures["judged"]["test"], figures["learner"]
    scales = {}
    effects = [Estimate.read(row["effect"]) for row in figures["groups"]]
    scales["groups"] = _scale([0.0, *(row["predicted"] for row in figures["groups"])], effects)
    churn = [Estimate.read(row["aipw"]) for row in figures["policies"]]
    scales["policies"] = _scale([], churn)
    return section | {
        "learner": LEARNERS.get(chosen, chosen),
        "split": figures["split"],
        "mean": Estimate.read(figures["mean_effect"]["test"]),
        "slope": Estimate.read(figures["slope"]["all"], places=2),
        "churn_rate": figures["churn_rate"],
        "qini": Estimate.read(test[chosen]["qini"]),
        "oracle": Estimate.read(test["oracle"]["qini"]) if "oracle" in test else None,
        "share_of_truth": figures.get("share_of_truth"),
        "learners": [
            (LEARNERS.get(name, name), name == chosen, *(Estimate.read(entry[key]) for key in ("qini", "auuc")),
             Estimate.read(figures["judged"]["validation"][name]["qini"]))
            for name, entry in test.items()
        ],
        "plots": tuple(_curve_chart(figures, width) for width in (WIDE, NARROW)),
        "legend": _legend(figures),
        "groups": [
            {**row, "effect": effect} for row, effect in zip(figures["groups"], effects, strict=True)
        ],
        "policies": [
            {**row, "churn": estimate, "prevented": Estimate.read(row["prevented"])}
            for row, estimate in zip(figures["policies"], churn, strict=True)
        ],
        "scales": scales,
        "dogs": [
            {**row, "effect": Estimate.read(row["effect"]), "suspected": Estimate.read(row["suspected"])}
            for row in figures["sleeping_dogs"]
        ],
        "predicted_harm": figures["predicted_harm"] | {"effect": Estimate.read(figures["predicted_harm"]["effect"])},
        "responses": figures["responses"],
        "formulas": figures["formulas"],
    }  # fmt: skip


def _lines(figures: dict[str, Any]) -> list[tuple[str, str, Curve, str]]:
    """Name, kind, points and coefficient of each line; the chosen learner comes first."""
    test, lines = figures["judged"]["test"], []
    for curve in figures["curve"]:
        name = curve["learner"]
        kind = "oracle" if name == "oracle" else "subject"
        figure = decimal(test[name]["qini"]["value"])
        points = Curve(np.asarray(curve["targeted"], dtype=float), np.asarray(curve["gain"], dtype=float))
        lines.append((LEARNERS.get(name, name), kind, points, figure))
    end = float(lines[0][2].y[-1])
    lines.append(("Random order", "random", Curve(np.array([0.0, 1.0]), np.array([0.0, end])), decimal(0.0)))
    return lines


def _legend(figures: dict[str, Any]) -> list[dict[str, str]]:
    return [{"name": name, "kind": kind, "figure": figure} for name, kind, _, figure in _lines(figures)]


def _curve_chart(figures: dict[str, Any], width: float) -> Markup:
    """The Qini curve of the test draws."""
    from matplotlib.ticker import MaxNLocator

    lines = _lines(figures)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(
            xlim=(0, 1), xlabel="share of customers with an offer", title="retained customers gained"
        )
        for _, kind, points, _ in reversed(lines):
            axes.plot(points.x, points.y, **LINES[kind])
        axes.xaxis.set_major_formatter(lambda share, _: percent(share, 0))
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_formatter(lambda count, _: decimal(count, 0))

    described = "; ".join(f"{name}: Qini {figure}" for name, _, _, figure in lines)
    title = "Qini curve of the test draws"
    return draw(f"qini-{width:.0f}", title, f"{described}.", (width, 300), paint, (52, 20, 28, 46))


def _scale(values: list[float], estimates: list[Estimate]) -> Callable[[float], str]:
    """Position of a value in its column, from 6 to 94 %."""
    values = [*values, *(v for e in estimates for v in (e.value, e.low, e.high) if v is not None)]
    low, high = min(values, default=0.0), max(values, default=0.0)
    return lambda value: f"{6 + 88 * (value - low) / (high - low) if high > low else 50:.1f}%"
