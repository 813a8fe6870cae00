"""What properties files say of models and columns: the same sentences for every kind of outcome, filled in."""

from __future__ import annotations

from typing import Any

from python_ml.durations import duration_text
from python_ml.generate.bronze import output_columns
from python_ml.generate.text import listed
from python_ml.ingest.schema import ROW_NUMBER
from python_ml.plan.schema import ColumnPlan, EndDate, Inactivity, LabelTable, ProjectPlan, SourcePlan
from python_ml.project import DATELESS

NOT_NULL = "not_null"


def is_dateless(plan: ProjectPlan) -> bool:
    """Whether models are measured by cross-validation, since rows have no dates of their own."""
    return isinstance(plan.outcome, LabelTable) and plan.outcome.scenario in DATELESS


def texts(plan: ProjectPlan) -> dict[str, str]:
    """Descriptions that depend on the kind of outcome.

    Returns
    -------
    dict of str to str
        definition, observation, spine, coverage, time, label_time, available, churned, features, labels, scoring,
        scored, scored_time, validation, within, scenario.
    """
    shared = {
        "coverage": "",
        "scenario": "",
        "time": "As-of time of the row (UTC); nothing known at or after it is in the features",
        "label_time": "End of the label window (UTC); from then on the outcome can be known",
        "available": "Whether the label window and the maturity lag after it were over when the observation ended",
        "features": "One row per customer and feature time. Every feature, nothing of the label. A row can be rebuilt "
        "from data cut off at its own time (`retention replay`).",
        "scoring": "One row per customer at risk at the newest feature time.",
        "scored": "customer at risk at the newest feature time",
        "scored_time": "As-of time of the features that were scored (UTC).",
        "validation": "the validation period",
        "within": " in the label window",
    }
    kinds = {Inactivity: _inactivity, EndDate: _end_date, LabelTable: _label_table}
    return shared | kinds[type(plan.outcome)](plan, plan.outcome)


def _inactivity(plan: ProjectPlan, outcome: Inactivity) -> dict[str, str]:
    events, grain = plan.source(outcome.source).events, "One row per customer and feature time"
    active = duration_text(plan.setting("active_window"))
    return {
        "definition": f"a customer churns with none of the {events} in the label window",
        "observation": f"A single row: from the first to the newest of the {events}.",
        "spine": f"{grain} at which they are at risk: active in the {active} before it.",
        "churned": f"1 when none of the {events} is in the label window, 0 when one is, null while it is not known",
        "labels": f"{grain}. Whether none of the {events} is in [T + gap, T + gap + horizon).",
    }


def _end_date(plan: ProjectPlan, outcome: EndDate) -> dict[str, str]:
    source = plan.source(outcome.source)
    coverage = f"One row of {source.events}, from its start to its end."
    if outcome.is_departures:
        first = f"the first of the {plan.source(outcome.activity).events}" if outcome.activity else ""
        begin = f"the time in {outcome.starts}" if outcome.starts else first
        again = f", and again with a row of {outcome.returns}" if outcome.returns else ""
        coverage = "One row per customer and start of coverage. "
        coverage += f"It begins with {begin}{again}, and ends with the next row of {source.name}."
    return {
        "definition": "a customer churns when coverage ends in the label window and is not continued",
        "observation": "A single row: from the first to the newest time that any source knows.",
        "spine": "One row per customer and feature time at which they are covered, as far as that was known then.",
        "coverage": coverage,
        "churned": "1 when coverage ends in the label window and is not continued, 0 when it goes on, null while it is "
        "not known",
        "labels": "One row per customer and feature time. Whether coverage ends in [T + gap, T + gap + horizon).",
    }


def _label_table(plan: ProjectPlan, outcome: LabelTable) -> dict[str, str]:
    meaning = outcome.meaning.removeprefix("churned = ") or f"`{outcome.raw_label}` is one of `churned_values`"
    as_of, grain = outcome.as_of, "One row per customer and as-of time of the labels"
    made = {
        "definition": f"churned when {meaning}",
        "scenario": outcome.scenario_reason.replace("\n", " ") or outcome.scenario,
        "observation": "A single row: from the first event or outcome to the newest of them.",
        "spine": f"{grain}.",
        "label_time": label_time_text(plan, outcome),
        "available": "Whether an outcome was supplied",
        "churned": f"1 when {meaning}, 0 for any other value, null without one",
        "labels": "One row per customer and feature time. The outcome as supplied.",
        "scoring": "One row per customer who is not known to have churned at the newest feature time.",
    }
    if outcome.activity:
        events, until = plan.source(outcome.activity).events, ", or to the last supplied outcome where that is later"
        made["observation"] = f"A single row: from the first to the newest of the {events}{until}."
    if outcome.scores == "active":
        active = duration_text(plan.setting("active_window"))
        made["spine"] = f"{grain}, and one per customer at `score_at` who was active in the {active} before it."
    if as_of.kind == "constant":
        made["time"] = "As of when the table was written (UTC): the variable `snapshot_at`"
        made["scored"] = "customer of the table who is not known to have churned"
        made["scored_time"] = "As of when the table was written (UTC): the variable `snapshot_at`."
    if as_of.is_snapshot:
        made["time"] = "The snapshot: a constant, the variable `snapshot_at`, and no date of the data"
        made["scored_time"] = "A constant for the snapshot; it is not a date of the data."
        made["features"] = (
            "One row per customer. Every feature, nothing of the label. Columns whose `leakage_risk` is high are kept "
            "here for inspection; models do not use them (`features.exclude` in `retention.yml`)."
        )
    if is_dateless(plan):
        made |= {"validation": "cross-validation", "within": " as others in the table have"}
    return made


def label_time_text(plan: ProjectPlan, outcome: LabelTable) -> str:
    """When a supplied outcome was known, in prose."""
    if outcome.known:
        column = plan.source(outcome.source).column(outcome.known)
        return f"When the outcome was known (UTC), from `{column.raw_name if column else outcome.known}`"
    if plan.setting("horizon"):
        return "End of the label window (UTC): feature time, gap and horizon"
    return "The feature time itself: how far the label looks ahead is not known"


def bronze_entry(plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
    """What the template of bronze's models file needs of a source."""
    derived, by_name = {d.name: d.description for d in source.derived}, {c.name: c for c in source.columns}
    single = source.key[0] if len(source.key) == 1 and not source.superseded else ""
    columns = []
    for name in output_columns(source):
        tests = (
            ["unique"] if name == single else [NOT_NULL] if name in (source.entity, source.time, "is_reversal") else []
        )
        own = by_name.get(name)
        if own is not None:
            description = _column_text(own)
        elif name == "is_reversal":
            description = f"Whether the row is a reversal: {source.reversal.text}. Such a row is no activity."
        elif name == ROW_NUMBER:
            description, tests = "Number of the row in the file.", ["unique"]
        elif name == source.superseded:
            description = "When a newer version of the row was known (UTC); null for the newest."
        else:
            description = derived[name]
        columns.append({"name": name, "description": description, "tests": tests})
    what = single.removesuffix("_id").removesuffix("_no").replace("_", " ") or "row"
    versions = " and version" if source.superseded else ""
    composite = list(source.key) if len(source.key) > 1 and not source.superseded else []
    return {
        "name": source.name,
        "key": source.key,
        "file_name": source.file,
        "grain": f"One row per {what}{versions} of {source.file} that can be used.",
        "tests": [{"customer_retention.unique_combination": {"columns": composite}}] if composite else [],
        "output": columns,
    }


def _column_text(column: ColumnPlan) -> str:
    if column.unused and column.role not in ("key", "entity", "available"):
        return f"{column.description} No feature: {column.unused}.".strip()
    return column.description or "As in the file."


def linked_entry(plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
    """What the template of silver's models file needs of a linked source."""
    columns: dict[str, dict[str, Any]] = {}
    if len(source.key) == 1 and source.column(source.key[0]) and not source.superseded:
        key = source.column(source.key[0])
        columns[key.name] = {"name": key.name, "description": key.description or "Key of the row.", "tests": ["unique"]}
    for link in source.links:
        parent, is_single = plan.source(link.parent), len(link.columns) == 1
        for child, column in zip(link.columns, link.parent_columns, strict=True):
            tests: list[Any] = [NOT_NULL] if link.is_required else []
            if link.is_required and is_single and link.spelling == "exact":
                tests.append({"relationships": {"to": f"ref('{plan.model(parent)}')", "field": column}})
            entry = {"name": child, "description": f"Points at `{column}` of {link.parent}.", "tests": tests}
            columns[child] = columns.get(child, entry)
        for b in link.brings:
            what = {"entity": "Key of the customer", "time": "When it happened"}.get(b.part)
            text = (
                what
                or (b.column_plan.description if b.column_plan else "")
                or f"{b.name.replace('_', ' ').capitalize()}"
            )
            description = f"{text.rstrip('.')}, from `{b.column}` of {link.parent}."
            columns[b.name] = {"name": b.name, "description": description, "tests": [NOT_NULL] if what else []}
    if source.known:
        description = "When both the row and what it points at were known (UTC)."
        columns[source.known] = {"name": source.known, "description": description, "tests": [NOT_NULL]}
    through = "; ".join(
        f"{', '.join(b.name for b in link.brings)} from {link.parent}, where `{listed(link.columns)}` is its "
        f"`{listed(link.parent_columns)}`"
        for link in source.links
    )
    bronze = f"brz_{plan.name}__{source.name}"
    return {"name": source.name, "bronze": bronze, "through": through, "columns": list(columns.values())}


def feature_set_text(plan: ProjectPlan, model: str, source: SourcePlan) -> str:
    """What a feature model holds."""
    if model == f"slv_{source.name}_attributes":
        when = {"history": ", as they were known at the feature time", "labels": ", as of the feature time"}
        return f"One row per spine row. Attributes of the customer from {source.name}{when.get(source.use, '')}."
    what = model.removeprefix("slv_").removesuffix("_windows").replace("_", " ")
    return f"One row per spine row. The customer's {what} in windows before the feature time."
