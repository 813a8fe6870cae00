"""A rehearsal as a page: what would have happened, by policy, and when and why a retraining would have begun."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.files import write_text
from python_ml.formatting import Estimate, counted, date, decimal, integer, model_title
from python_ml.monitor.rehearsal.tables import TITLES
from python_ml.monitor.rehearsal.walk import ALWAYS, NEVER, POLICIES, TRIGGERED
from python_ml.report import charts, page
from python_ml.report.svg import COLOURS, draw

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

    from python_ml.project import Project

PAGE = "rehearsal.html"
KINDS = {TRIGGERED: "subject", NEVER: "recency", ALWAYS: "oracle"}
# name, title, whether it is money
FIGURES = (
    ("roc_auc", "ROC AUC", False),
    ("pr_auc", "PR AUC", False),
    ("brier", "Brier", False),
    ("ece", "Calibration error", False),
    ("lift_at_capacity", "Lift at capacity", False),
    ("profit", "Profit", True),
)
_SPREAD = 0.5  # of the distance between steps, over which the marks of one step are spread


def write_rehearsal(project: Project, found: dict[str, Any]) -> Path:
    """Write ``reports/rehearsal.html``; where it is."""
    path = project.reports_dir / PAGE
    write_text(path, render_rehearsal(found, project.name))
    return path


def render_rehearsal(found: dict[str, Any], project_name: str) -> str:
    """Render the results of a rehearsal.

    Parameters
    ----------
    found : dict
        What ``reports/rehearsal.json`` holds.
    project_name : str

    Returns
    -------
    str
        An HTML page that depends on the arguments alone.
    """
    steps = found["steps"]
    judged = [step for step in steps if step["outcomes"]]
    replays = [step["replay"] for step in steps if step["replay"]]
    return page.render(
        "rehearsal",
        {
            "project_name": project_name,
            "found": found,
            "judged": len(judged),
            "lead": _lead(found),
            "figures": [title for _, title, _ in FIGURES],
            "policies": [
                (TITLES[name], found["policies"][name], _figures(found["policies"][name])) for name in POLICIES
            ],
            "differences": [
                (f"{TITLES[TRIGGERED]} less {TITLES[name]}", _differences(ahead))
                for name, ahead in found["differences"].items()
            ],
            "legend_lines": [charts.Line(TITLES[name], KINDS[name], charts.Curve((), ())) for name in POLICIES],
            "areas": charts.both_widths(_chart, judged, "roc_auc", "ROC AUC", _two_places) if judged else None,
            "profits": charts.both_widths(_chart, judged, "profit", "Profit", _whole) if judged else None,
            "names": [TITLES[name] for name in POLICIES],
            "steps": [_step(step) for step in steps],
            "decisions": [_decision(step) for step in steps],
            "replays": len(replays),
            "identical": sum(one["same"] for one in replays),
            "differing": [
                (date(one["as_of"]), ", ".join(sorted(one["differing"]))) for one in replays if not one["same"]
            ],
            "uncut": sorted({table for one in replays for table in one["uncut"]}),
            "left_out": _left_out(steps),
        },
    )


def _lead(found: dict[str, Any]) -> str:
    triggered, always = found["policies"][TRIGGERED], found["policies"][ALWAYS]
    said = f"{counted(triggered['trainings'], 'retraining')} on triggers, {triggered['promotions']} promoted"
    ahead = Estimate.read((found["differences"].get(NEVER) or {}).get("roc_auc"))
    if not ahead:
        return f"{said}. No outcomes are known yet, so nothing says what they would have been worth."
    judgement = "no difference beyond chance"
    if ahead.has_interval and ahead.low > 0:
        judgement = "better than a model that was never retrained"
    elif ahead.has_interval and ahead.high < 0:
        judgement = "worse than a model that was never retrained"
    return f"{said} (always: {always['trainings']}). By ROC AUC, {judgement}: {ahead.value:+.3f}."


def _figures(policy: dict[str, Any]) -> list[tuple[str, str]]:
    """Value and interval of each figure."""
    return [_text((policy["realised"] or {}).get(name), money) for name, _, money in FIGURES]


def _differences(ahead: dict[str, Any]) -> list[tuple[str, str]]:
    return [_text(ahead.get(name), money, signed=True) for name, _, money in FIGURES]


def _text(entry: dict[str, Any] | None, money: bool, signed: bool = False) -> tuple[str, str]:
    if not entry or entry["value"] is None:
        return "–", ""

    def write(value: float) -> str:
        sign = "+" if signed and value > 0 else ""
        return sign + (integer(value) if money else decimal(value))

    ends = "" if entry["low"] is None else f"{write(entry['low'])} to {write(entry['high'])}"
    return write(entry["value"]), ends


def _step(step: dict[str, Any]) -> dict[str, Any]:
    policies = step["policies"]
    return {
        "time": date(step["time"]),
        "customers": step["customers"],
        "known": step["outcomes"],
        "churned": step["churned"] / step["outcomes"] if step["outcomes"] else None,
        "cells": [
            {
                "version": policies[name]["version"],
                "model": model_title(policies[name]["model"]),
                "contacted": policies[name]["contacted"],
                "roc_auc": _text((policies[name]["realised"] or {}).get("roc_auc"), money=False),
                "profit": _text((policies[name]["realised"] or {}).get("profit"), money=True),
            }
            for name in POLICIES
        ],
    }


def _decision(step: dict[str, Any]) -> dict[str, Any]:
    policy, always = step["policies"][TRIGGERED], step["policies"][ALWAYS]
    outcome = f"version {policy['trained']} {policy['outcome']}" if policy["trained"] else policy["outcome"] or ""
    return {
        "time": date(step["time"]),
        "decision": policy["decision"],
        "trigger": policy["trigger"] or "",
        "reason": policy["reason"],
        "outcome": outcome,
        "because": policy["outcome_reason"] or "",
        "always": always["outcome_reason"] or "",
    }


def _left_out(steps: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """Features that some steps went without, and how many steps that were."""
    counts: dict[str, int] = {}
    for step in steps:
        for name in step["left_out"]:
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts.items())


def _chart(
    steps: Sequence[dict[str, Any]], figure: str, title: str, write: Callable[[float], str], width: float
) -> Markup:
    """Draw a figure of each policy at each step, with its interval; a line where another version scores."""

    def read(step: dict[str, Any], name: str) -> Estimate | None:
        return Estimate.read(((step["policies"][name]["realised"]) or {}).get(figure))

    def paint(canvas: Figure) -> None:
        axes = canvas.add_subplot(title=title, xlim=(-0.5, len(steps) - 0.5))
        spread = _SPREAD / len(POLICIES)
        for place, name in reversed(list(enumerate(POLICIES))):
            shown = [(x, one) for x, step in enumerate(steps) if (one := read(step, name))]
            xs = [x + spread * (place - 1) for x, _ in shown]
            colour = COLOURS[KINDS[name]]
            for x, (_, one) in zip(xs, shown, strict=True):
                if one.has_interval:
                    axes.vlines(x, one.low, one.high, colour, linewidth=1.5)
            marks = {**charts.POINT, "color": colour, "markersize": 8 if name == TRIGGERED else 6}
            axes.plot(xs, [one.value for _, one in shown], linewidth=1.25 if name == TRIGGERED else 0, **marks)
        axes.axhline(0.5 if figure == "roc_auc" else 0.0, **charts.GUIDE)
        for x, step in enumerate(steps[1:], 1):
            if step["policies"][TRIGGERED]["version"] != steps[x - 1]["policies"][TRIGGERED]["version"]:
                axes.axvline(x - 0.5, color=COLOURS["subject"], linewidth=1)
        every = max(1, round(len(steps) * 78 / (width - 66)))
        ticks = range(0, len(steps), every)
        axes.set_xticks(list(ticks), [f"{pd.Timestamp(steps[x]['time']):%Y-%m-%d}" for x in ticks])
        axes.yaxis.set_major_formatter(lambda value, _: write(value))

    parts = [f"{date(step['time'])}: {_text(_entry(step, figure), figure == 'profit')[0]}" for step in steps]
    description = f"{TITLES[TRIGGERED]}: {'; '.join(parts)}."
    return draw(
        f"rehearsal-{figure}-{width:.0f}", f"{title} at each step", description, (width, 300), paint, (58, 14, 28, 40)
    )


def _entry(step: dict[str, Any], figure: str) -> dict[str, Any] | None:
    return (step["policies"][TRIGGERED]["realised"] or {}).get(figure)


def _two_places(value: float) -> str:
    return decimal(value, 2)


def _whole(value: float) -> str:
    return integer(value)
