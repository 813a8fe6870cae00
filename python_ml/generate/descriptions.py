"""What properties files say of models and columns: the same sentences for every kind of outcome, filled in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from python_ml.durations import duration_text
from python_ml.generate.bronze import output_columns
from python_ml.generate.text import environment, listed
from python_ml.ingest.schema import ROW_NUMBER
from python_ml.plan.schema import ColumnPlan, LabelTable, ProjectPlan, SourcePlan
from python_ml.project import DATELESS

NOT_NULL = "not_null"


def is_dateless(plan: ProjectPlan) -> bool:
    """Whether models are measured by cross-validation, since rows have no dates of their own."""
    return isinstance(plan.outcome, LabelTable) and plan.outcome.scenario in DATELESS


def texts(plan: ProjectPlan) -> dict[str, str]:
    """Descriptions that depend on the kind of outcome: those of ``templates/docs/texts.yml``, filled in.

    Returns
    -------
    dict of str to str
        definition, observation, spine, coverage, time, label_time, available, churned, features, labels, scoring,
        scored, scored_time, validation, within, scenario.
    """
    outcome, kinds, jinja = plan.outcome, _kinds(), environment()
    source, activity = plan.source(outcome.source), getattr(outcome, "activity", "")
    context: dict[str, Any] = {
        "plan": plan,
        "outcome": outcome,
        "shared": kinds["shared"],
        "events": source.events,
        "activity_events": plan.source(activity).events if activity else "",
        "active": duration_text(plan.setting("active_window") or "0d"),
    }
    if isinstance(outcome, LabelTable):
        known = source.column(outcome.known)
        context["known"] = known.raw_name if known else outcome.known
        meaning = outcome.meaning.removeprefix("churned = ")
        context["meaning"] = meaning or f"`{outcome.raw_label}` is one of `churned_values`"
        context |= {"as_of": outcome.as_of, "is_dateless": is_dateless(plan)}
    own = {name: jinja.from_string(text).render(context) for name, text in kinds[outcome.definition].items()}
    return kinds["shared"] | own


@cache
def _kinds() -> dict[str, dict[str, str]]:
    return yaml.safe_load((Path(__file__).parent / "templates" / "docs" / "texts.yml").read_text(encoding="utf-8"))


def bronze_entry(source: SourcePlan) -> dict[str, Any]:
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


def text_entry(plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
    """What the template of silver's models file needs of a source whose texts become numbers."""
    columns = []
    for text in source.texts:
        columns.append((text.names[0], f"Length of the {text.title} in characters that a model reads."))
        columns += [
            (name, f"Component {n} of the {text.title}.") for n, name in enumerate(text.component_names, start=1)
        ]
    return {
        "name": source.name,
        "model": plan.rows_with_texts(source),
        "rows": plan.model(source),
        "texts": source.texts,
        "listed": listed([text.title for text in source.texts]),
        "columns": columns,
    }


def feature_set_text(model: str, source: SourcePlan) -> str:
    """What a feature model holds."""
    if model == f"slv_{source.name}_attributes":
        when = {"history": ", as they were known at the feature time", "labels": ", as of the feature time"}
        return f"One row per spine row. Attributes of the customer from {source.name}{when.get(source.use, '')}."
    what = model.removeprefix("slv_").removesuffix("_windows").replace("_", " ")
    return f"One row per spine row. The customer's {what} in windows before the feature time."
