"""Where the figures come from: the data in numbers, the split in time, and how things were measured."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.formatting import NO_BREAK, counted, date, duration, moment, number, span
from python_ml.project import is_dateless
from python_ml.quality import checks
from python_ml.report import time_charts
from python_ml.report.performance import CROSS_VALIDATED, METRICS, SUPPLIED, is_snapshot, part
from python_ml.report.svg import NARROW, WIDE
from python_ml.stats import wilson

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.quality import Verdict
    from python_ml.report.inputs import ReportInputs

# Kept rows with something to say about them have an outcome that begins like this.
NOTE = "kept: "
MOST_TIMES = 80  # feature times that a chart can tell apart
SPANS = 24  # into which more of them are grouped
LISTED_QUARANTINE = 6
LISTED_LEAKS = 20


def _label_reach(inputs: ReportInputs) -> timedelta | None:
    """Time from a feature time to the end of its label window; without a horizon the purge tells it."""
    horizon, gap = (span(inputs.definition.get(name)) for name in ("horizon", "gap"))
    if horizon is not None:
        return horizon + (gap or timedelta(0))
    return span(part(inputs.metrics, "split", "purge"))


def periods_of(inputs: ReportInputs, as_of: Any = None) -> list[time_charts.Period]:
    """The periods of the temporal split, and the scoring time; empty where the split has no dates."""
    split = inputs.metrics.get("split") or {}
    reach = _label_reach(inputs)
    ends = {name: moment(split.get(f"{name}_to")) for name in ("train", "validation", "test")}
    starts = {name: moment(split.get(f"{name}_from")) for name in ("train", "validation", "test")}
    times: dict[str, list] = {"train": [], "validation": [], "test": []}
    if inputs.outcomes is not None and ends["train"] is not None:
        known = inputs.outcomes.loc[inputs.outcomes["labelled"] > 0, "feature_timestamp"]
        times["train"] = sorted(t for t in known if t <= ends["train"])
    if inputs.predictions is not None:
        for name in ("validation", "test"):
            held = inputs.predictions.loc[inputs.predictions["split"] == name, "feature_timestamp"]
            times[name] = sorted(held.drop_duplicates())
    found = []
    for name in ("train", "validation", "test"):
        start = starts[name] or (times[name][0] if times[name] else ends[name])
        if start is None or ends[name] is None or start > ends[name]:
            continue
        window = None if reach is None else ends[name] + reach
        rows = part(split, "rows", name)
        note = counted(rows, "row") if number(rows) is not None else ""
        times[name] = _thinned(times[name])
        title = {"train": "Training"}.get(name, name.capitalize())
        found.append(time_charts.Period(title, name, start, ends[name], tuple(times[name]), window, note))
    scored = moment(as_of)
    if found and scored is not None:
        window = None if reach is None else scored + reach
        found.append(time_charts.Period("Scoring", "scoring", scored, scored, (scored,), window, "the answer above"))
    return found


def _thinned(times: list) -> list:
    """Times to draw: all of them, or evenly picked ones where there are too many to tell apart."""
    if len(times) <= MOST_TIMES:
        return times
    return [times[place] for place in np.linspace(0, len(times) - 1, MOST_TIMES).round().astype(int)]


def _in_spans(outcomes: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Irregular feature times, grouped by equal spans, with the days of one; a span is called by its first day."""
    times = outcomes["feature_timestamp"].dt.normalize()
    days = max(1, -(-((times.max() - times.min()).days + 1) // SPANS))
    starts = times.min() + (times - times.min()) // timedelta(days=days) * timedelta(days=days)
    counts = outcomes.assign(feature_timestamp=starts).groupby("feature_timestamp", as_index=False)
    return counts[["customers", "labelled", "churned"]].sum(), days


def data_section(inputs: ReportInputs, periods: Sequence[time_charts.Period]) -> dict[str, Any]:
    """The data in numbers: customers, feature times, base rate over time, rows in and kept per source."""
    stated = inputs.metrics.get("data") or {}
    found: dict[str, Any] = {
        "sources": _sources(inputs.row_counts),
        "customers": stated.get("customers"),
        "rows": stated.get("rows"),
        "features": stated.get("features"),
        "offered": stated.get("features_offered"),
        "base_rate": number(stated.get("base_rate")),
        "feature_times": None,
        "drawings": [],
        "chart_missing": "The base rate over time needs gold.gld_churn_labels, which retention build makes.",
    }
    found["quality"] = [_quality(verdict) for verdict in inputs.quality.values()]
    outcomes = inputs.outcomes
    found["snapshot"] = is_snapshot(inputs.metrics)
    found["traps"], found["doubts"], found["span"] = inputs.traps, inputs.doubts, ""
    if found["snapshot"]:
        found["chart_missing"] = "The data are one snapshot, so there is no course over time to draw."
        if outcomes is not None and not outcomes.empty:
            found["unknown"] = int((outcomes["customers"] - outcomes["labelled"]).sum())
        return found
    if outcomes is None or outcomes.empty:
        return found
    outcomes = outcomes.sort_values("feature_timestamp").reset_index(drop=True)
    found.update(
        feature_times=len(outcomes),
        first=outcomes["feature_timestamp"].iloc[0],
        last=outcomes["feature_timestamp"].iloc[-1],
    )
    if len(outcomes) > MOST_TIMES and inputs.definition.get("churn_definition") == "supplied":
        outcomes, days = _in_spans(outcomes)
        found["span"] = counted(days, "day")
    known = outcomes[outcomes["labelled"] > 0]
    found.update(
        unlabelled=len(outcomes) - len(known),
        last_known=None if known.empty else known["feature_timestamp"].iloc[-1],
    )
    if known.empty:
        found["chart_missing"] = "No feature time has a known outcome yet."
    elif len(outcomes) < 2:
        found["chart_missing"] = "There is one feature time only, so there is no course over time to draw."
    else:
        outcomes = _with_rates(outcomes)
        past = [period for period in periods if period.kind != "scoring"]
        found["chart_missing"] = ""
        found["drawings"] = [time_charts.base_rate_chart(outcomes, past, width) for width in (WIDE, NARROW)]
        found["course"] = outcomes.to_dict("records")
    return found


def _quality(verdict: Verdict) -> dict[str, Any]:
    """What a quality gate said: how many checks, how they ended, and those that failed."""
    ended = checks.counts(verdict.outcomes)
    told = [f"{ended[key]:,} {word}" for key, word in (("warnings", "warned"), ("accepted", "accepted")) if ended[key]]
    return {
        "suite": verdict.suite,
        "checks": ended["checks"],
        "critical": ended["critical"],
        "told": ", ".join(told),
        "failed": verdict.warnings() if verdict.suite == "scoring" else [],  # those of the training set stand below
    }


def _with_rates(outcomes: pd.DataFrame) -> pd.DataFrame:
    labelled = outcomes["labelled"].to_numpy(float)
    known = np.where(labelled > 0, labelled, np.nan)
    low, high = wilson(outcomes["churned"].to_numpy(float), known)
    return outcomes.assign(rate=outcomes["churned"].to_numpy(float) / known, low=low, high=high)


def _sources(row_counts: pd.DataFrame | None) -> dict[str, Any]:
    if row_counts is None or row_counts.empty:
        return {
            "missing": "Row counts need the table bronze.brz_row_counts, which retention build makes.",
            "rows": [],
        }
    rows = []
    for table, counts in row_counts.groupby("source_table", sort=True):
        counts = counts[counts["row_count"] > 0].sort_values(["row_count", "outcome"], ascending=[False, True])
        outcome = counts["outcome"].astype(str)
        noted = outcome.str.startswith(NOTE)
        stayed = noted | (outcome == "kept")
        kept = int(counts.loc[stayed, "row_count"].sum())
        notes = [
            (text.removeprefix(NOTE), int(n))
            for text, n in zip(outcome[noted], counts["row_count"][noted], strict=True)
        ]
        aside = counts[~stayed]
        reasons = [(str(row.outcome), int(row.row_count)) for row in aside.itertuples()]
        rest = reasons[LISTED_QUARANTINE:]
        rows.append(
            {
                "table": str(table),
                "rows": kept + sum(count for _, count in reasons),
                "kept": kept,
                "notes": notes,
                "aside": sum(count for _, count in reasons),
                "reasons": reasons[:LISTED_QUARANTINE],
                "rest": (len(rest), sum(count for _, count in rest)),
            }
        )
    totals = {key: sum(row[key] for row in rows) for key in ("rows", "kept", "aside")}
    return {"missing": "", "rows": rows, "total": totals}


def method_section(inputs: ReportInputs, periods: Sequence[time_charts.Period]) -> dict[str, Any]:
    """How it was measured: definition of churn, split with its purge, choices, warnings."""
    purge = part(inputs.metrics, "split", "purge")
    drawings = []
    if periods:
        said = duration(purge) if purge else ""
        drawings = [time_charts.timeline_chart(periods, said, width) for width in (WIDE, NARROW)]
    return {
        "facts": [*_definition_facts(inputs.definition), *_measurement_facts(inputs, periods)],
        "warnings": [str(text) for text in inputs.metrics.get("warnings") or []],
        "leaks": _leaks(inputs.metrics.get("leakage")),
        "drawings": drawings,
        "dates": [(p.name, date(p.start), date(p.end), p.note) for p in periods],
        "timeline_reading": _timeline_reading(periods),
        "timeline_missing": "" if periods else "The split has no dates, so there is no timeline to draw.",
    }


def _leaks(leakage: dict[str, Any] | None) -> dict[str, Any]:
    """What the leakage probes found, and what became of it."""
    if not leakage or "findings" not in leakage:
        return {"missing": "metrics.json does not say: it was written before the leakage probes looked.", "rows": []}
    found = leakage["findings"]
    looked = counted(number(leakage.get("looked_at")) or 0, "row")
    if number(leakage.get("looked_at")) != number(leakage.get("rows")):
        looked = f"about {looked} of {counted(number(leakage.get('rows')) or 0, 'row')}"
    told = f"Before training, {looked} were searched for columns and rows that know the outcome. "
    told += (
        "Critical findings stop a training unless somebody says why not." if found else "Nothing suspicious was found."
    )
    return {
        "missing": "",
        "told": told,
        "rows": [
            {
                "sentence": str(finding.get("sentence", "")),
                "severity": str(finding.get("severity", "")),
                "decision": str(finding.get("decision", "")),
                "because": str(finding.get("accepted_because") or ""),
            }
            for finding in found[:LISTED_LEAKS]
        ],
    }


def _definition_facts(definition: dict[str, Any]) -> list[tuple[str, str]]:
    """What churn means, who is at risk, and when and how far features look back."""
    window = f"the {duration(definition.get('horizon'))} from the feature time on"
    if span(definition.get("gap")):
        gap = duration(definition["gap"])
        window = f"the {duration(definition.get('horizon'))} that begin {gap} after the feature time"
    active = duration(definition.get("active_window"))
    meaning = {
        "end_date": (
            f"A customer has churned when the subscription ends in the label window: {window}.",
            "Customers whose subscription, as far as it was known at the feature time, was open.",
        ),
        "inactivity": (
            f"A customer has churned when no activity falls in the label window: {window}.",
            f"Customers with activity in the {active} before the feature time, as far as it was known then.",
        ),
        "supplied": _supplied(definition),
    }.get(str(definition.get("churn_definition")))
    facts = [("Churn", meaning[0]), ("At risk", meaning[1])] if meaning else []
    if definition.get("step"):
        every = duration(definition["step"]).removeprefix(f"1{NO_BREAK}")
        seen = "a feature sees only what the warehouse could know before its feature time."
        facts.append(("Feature times", f"One every {every}; {seen}"))
    windows = definition.get("windows")
    if isinstance(windows, list | tuple) and windows:
        facts.append(("Windows", ", ".join("all time" if w == "all_time" else duration(w) for w in windows)))
    return facts


def _measurement_facts(inputs: ReportInputs, periods: Sequence[time_charts.Period]) -> list[tuple[str, str]]:
    """How rows were split, how the champion was chosen, and what the intervals are."""
    split = inputs.metrics.get("split") or {}
    facts = []
    if periods:
        purge, purged = split.get("purge"), number(part(split, "rows", "purged"))
        text = f"By time, with a purge of {duration(purge)}" if purge else "By time"
        if purged:
            text += f": {counted(purged, 'row')} whose label window reaches into the next period took no part"
        facts.append(("Split", f"{text}."))
    elif is_snapshot(inputs.metrics):
        facts.append(("Split", _folds(split)))
    elif split.get("kind") == SUPPLIED:
        facts.append(("Split", "As the labels say. The parts overlap in time, and nothing was purged."))
    elif split.get("kind"):
        facts.append(("Split", f"Kind: {split['kind']}."))
    facts.append(("Choice", _choice(inputs)))
    facts.append(
        (
            "Intervals",
            f"95{NO_BREAK}%. For metrics by bootstrap, resampling whole customers; for rates in charts after "
            "Wilson (1927), which treats rows as independent.",
        )
    )
    return facts


def _choice(inputs: ReportInputs) -> str:
    where, after = "on the validation period", "The test period took no part in any choice."
    if part(inputs.metrics, "split", "kind") == CROSS_VALIDATED:
        where = "by cross-validation on customers within the training period"
    if is_snapshot(inputs.metrics):
        where = "by cross-validation"
        after = "Its figures are those of the whole procedure: each fold was predicted by the model chosen without it."
    text = f"The champion was chosen {where}"
    metric = next((m for m in METRICS if m.key == inputs.selection.get("metric")), None)
    tolerance = number(inputs.selection.get("tolerance"))
    if metric is not None:
        text += f", by {metric.title}"
        if tolerance:
            text += (
                f"; a simpler model within {tolerance:g} of the best wins if they differ by less than a standard error"
            )
    return f"{text}. {after}"


def _folds(split: dict[str, Any]) -> str:
    folds, areas = split.get("folds"), split.get("fold_roc_auc") or {}
    text = (
        f"None in time. {folds}-fold cross-validation by customer: each is judged by a model that was fitted, with all "
        "its imputation, encoding and calibration, on the other folds."
    )
    spread = [value for values in areas.values() for value in values]
    if spread:
        text += f" ROC AUC of single folds runs from {min(spread):.3f} to {max(spread):.3f} over all models."
    return text


def _supplied(definition: dict[str, Any]) -> tuple[str, str]:
    """What churn means where the data say it, and who is at risk."""
    if not definition.get("target"):
        return "Who churned was supplied with the data.", "The customers and times that were supplied."
    values = definition.get("churned_values") or []
    values = values if isinstance(values, list | tuple) else [values]
    told = " or ".join(f"“{value}”" for value in values)
    meaning = f"A customer has churned when the column {definition['target']} says {told}."
    if not is_dateless(definition):
        return meaning, "Every customer of the file, at the feature time of their row."
    return (
        f"{meaning} When that was decided, the file does not say.",
        "Every customer of the snapshot teaches and measures; those who are not known to have left are scored.",
    )


def _timeline_reading(periods: Sequence[time_charts.Period]) -> str:
    """Say what the timeline shows; a label window that reaches into the next period is called by name."""
    split = [period for period in periods if period.kind != "scoring"]
    text = "Dots are feature times, at which the model looks back; a dotted line is where the next period begins."
    if any(period.label_end is None for period in split):
        return text
    text += " The pale bar behind the last dot is its label window, in which the outcome shows. "
    crossing = [
        f"The label window of {a.name.lower()} reaches into {b.name.lower()}, whose figures may flatter the model."
        for a, b in pairwise(split)
        if a.label_end > b.start
    ]
    return text + (" ".join(crossing) or "None reaches past a dotted line: nothing is learned from the future.")
