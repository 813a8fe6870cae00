"""Where the figures come from: the data, the split by time, and the method."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.formatting import counted, duration, moment, number, span
from python_ml.project import is_dateless
from python_ml.quality.checks import counts
from python_ml.report import charts
from python_ml.report.inputs import DEFINITION_VARS, TARGET_VARS
from python_ml.report.performance import METRICS, is_snapshot, part
from python_ml.stats import wilson

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.report.inputs import ReportInputs

# Kept rows with a note have an outcome that begins like this.
NOTE = "kept: "
MOST_TIMES = 80  # feature times that a chart can tell apart
SPANS = 24  # into which more of them are grouped
LISTED_QUARANTINE = 6
LISTED_LEAKS = 20


def periods_of(inputs: ReportInputs, as_of: Any = None) -> list[charts.Period]:
    """The periods of the temporal split, and the scoring time; empty where the split has no dates."""
    split, reach = inputs.metrics.get("split") or {}, _label_reach(inputs)
    periods = []
    for name in ("train", "validation", "test"):
        start, end = moment(split.get(f"{name}_from")), moment(split.get(f"{name}_to"))
        times = _feature_times(inputs, name, end)
        start = start or (times[0] if times else end)
        if start is None or end is None or start > end:
            continue
        rows = part(split, "rows", name)
        note = counted(rows, "row") if number(rows) is not None else ""
        title = "Training" if name == "train" else name.capitalize()
        periods.append(
            charts.Period(title, name, start, end, tuple(times), None if reach is None else end + reach, note)
        )
    scored = moment(as_of)
    if periods and scored is not None:
        label_end = None if reach is None else scored + reach
        periods.append(charts.Period("Scoring", "scoring", scored, scored, (scored,), label_end, "current scores"))
    return periods


def _label_reach(inputs: ReportInputs) -> timedelta | None:
    """Time from a feature time to the end of its label window; without a horizon the purge has this length."""
    horizon, gap = (span(inputs.definition.get(name)) for name in ("horizon", "gap"))
    if horizon is not None:
        return horizon + (gap or timedelta(0))
    return span(part(inputs.metrics, "split", "purge"))


def _feature_times(inputs: ReportInputs, period: str, end: pd.Timestamp | None) -> list:
    """Feature times of a period: all of them, or evenly picked ones where there are too many to tell apart."""
    times: list = []
    if period == "train":
        if inputs.outcomes is not None and end is not None:
            known = inputs.outcomes.loc[inputs.outcomes["labelled"] > 0, "feature_timestamp"]
            times = sorted(known[known <= end])
    elif inputs.predictions is not None:
        of_period = inputs.predictions["split"] == period
        times = sorted(inputs.predictions.loc[of_period, "feature_timestamp"].drop_duplicates())
    if len(times) <= MOST_TIMES:
        return times
    return [times[place] for place in np.linspace(0, len(times) - 1, MOST_TIMES).round().astype(int)]


def data_section(inputs: ReportInputs, periods: Sequence[charts.Period]) -> dict[str, Any]:
    """The data: customers, feature times, base rate over time, rows read and kept per source."""
    stated = inputs.metrics.get("data") or {}
    return {
        **{key: stated.get(key) for key in ("customers", "rows", "features", "features_offered")},
        "base_rate": number(stated.get("base_rate")),
        "sources": _sources(inputs.row_counts),
        "gates": [(verdict, counts(verdict.outcomes)) for verdict in inputs.quality.values()],
        **_course(inputs, periods),
    }


def _course(inputs: ReportInputs, periods: Sequence[charts.Period]) -> dict[str, Any]:
    """The base rate over time, or the reason why it cannot be drawn."""
    course: dict[str, Any] = {"feature_times": None, "span": ""}
    if is_snapshot(inputs.metrics):
        return course | {"chart_missing": "The data are one snapshot, so there is no course over time to draw."}
    if inputs.outcomes is None or inputs.outcomes.empty:
        missing = "The base rate over time needs gold.gld_churn_labels, which retention build makes."
        return course | {"chart_missing": missing}
    outcomes = inputs.outcomes.sort_values("feature_timestamp").reset_index(drop=True)
    first, last = outcomes["feature_timestamp"].iloc[[0, -1]]
    course |= {"feature_times": len(outcomes), "first": first, "last": last}
    if len(outcomes) > MOST_TIMES and inputs.definition.get("churn_definition") == "supplied":
        outcomes, days = _in_spans(outcomes)
        course["span"] = counted(days, "day")
    labelled = outcomes["labelled"] > 0
    if not labelled.any():
        return course | {"chart_missing": "No feature time has a known outcome yet."}
    if len(outcomes) < 2:
        missing = "There is one feature time only, so there is no course over time to draw."
        return course | {"chart_missing": missing}
    known = outcomes["labelled"].to_numpy(float)
    known[known == 0] = np.nan
    low, high = wilson(outcomes["churned"].to_numpy(float), known)
    outcomes = outcomes.assign(rate=outcomes["churned"].to_numpy(float) / known, low=low, high=high)
    past = [period for period in periods if period.kind != "scoring"]
    return course | {
        "chart_missing": "",
        "unlabelled": int((~labelled).sum()),
        "last_known": outcomes.loc[labelled, "feature_timestamp"].iloc[-1],
        "plots": charts.both_widths(charts.base_rate_chart, outcomes, past),
        "table": outcomes.to_dict("records"),
    }


def _in_spans(outcomes: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Irregular feature times, grouped by equal spans, with the days of one; a span is named by its first day."""
    times = outcomes["feature_timestamp"].dt.normalize()
    days = max(1, -(-((times.max() - times.min()).days + 1) // SPANS))
    starts = times.min() + (times - times.min()) // timedelta(days=days) * timedelta(days=days)
    grouped = outcomes.assign(feature_timestamp=starts).groupby("feature_timestamp", as_index=False)
    return grouped[["customers", "labelled", "churned"]].sum(), days


def _sources(row_counts: pd.DataFrame | None) -> dict[str, Any]:
    if row_counts is None or row_counts.empty:
        return {"missing": "Row counts need the table bronze.brz_row_counts, which retention build makes."}
    rows = []
    for table, outcomes in row_counts[row_counts["row_count"] > 0].groupby("source_table", sort=True):
        ordered = outcomes.sort_values(["row_count", "outcome"], ascending=[False, True])
        pairs = [(str(outcome), int(n)) for outcome, n in zip(ordered["outcome"], ordered["row_count"], strict=True)]
        notes = [(outcome.removeprefix(NOTE), n) for outcome, n in pairs if outcome.startswith(NOTE)]
        reasons = [(outcome, n) for outcome, n in pairs if outcome != "kept" and not outcome.startswith(NOTE)]
        rest, total, excluded = reasons[LISTED_QUARANTINE:], sum(n for _, n in pairs), sum(n for _, n in reasons)
        rows.append(
            {
                "table": str(table),
                "rows": total,
                "kept": total - excluded,
                "quarantined": excluded,
                "notes": notes,
                "reasons": reasons[:LISTED_QUARANTINE],
                "rest": (len(rest), sum(n for _, n in rest)),
            }
        )
    totals = {key: sum(row[key] for row in rows) for key in ("rows", "kept", "quarantined")}
    return {"missing": "", "rows": rows, "total": totals}


def method_section(inputs: ReportInputs, periods: Sequence[charts.Period]) -> dict[str, Any]:
    """The method: definition of churn, split with its purge, choices, leakage findings, warnings."""
    split = inputs.metrics.get("split") or {}
    purge = duration(split["purge"]) if split.get("purge") else ""
    fold_aucs = [value for values in (split.get("fold_roc_auc") or {}).values() for value in values]
    held = [period for period in periods if period.kind != "scoring"]
    leakage, churned_values = inputs.metrics.get("leakage") or {}, inputs.definition.get("churned_values") or []
    windows = inputs.definition.get("windows")
    return {
        "definition": {
            **dict.fromkeys((*DEFINITION_VARS, *TARGET_VARS)),
            **inputs.definition,
            "dateless": is_dateless(inputs.definition),
            "delayed": bool(span(inputs.definition.get("gap"))),
            "windows": windows if isinstance(windows, list | tuple) else [],
            "churned_values": churned_values if isinstance(churned_values, list | tuple) else [churned_values],
        },
        "split": split,
        "purge": purge,
        "purged": number(part(split, "rows", "purged")),
        "fold_aucs": fold_aucs,
        "metric": next((m.title for m in METRICS if m.key == inputs.selection.get("metric")), ""),
        "tolerance": number(inputs.selection.get("tolerance")),
        "warnings": [str(text) for text in inputs.metrics.get("warnings") or []],
        "leakage": leakage if "findings" in leakage else None,
        "leaks": (leakage.get("findings") or [])[:LISTED_LEAKS],
        "plots": charts.both_widths(charts.timeline_chart, periods, purge) if periods else (),
        "periods": periods,
        "windows_shown": bool(held) and all(period.label_end is not None for period in held),
        "crossing": [(a, b) for a, b in pairwise(held) if a.label_end is not None and a.label_end > b.start],
    }
