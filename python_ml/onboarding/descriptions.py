"""The properties files of a generated project up to silver: sources, models, columns, tests."""

from __future__ import annotations

from typing import Any

from python_ml.feature_columns import duration_words
from python_ml.names import RESERVED, yaml_text
from python_ml.onboarding.bronze_sql import BronzeModel
from python_ml.onboarding.dbt_yaml import OneLine, OneLineList, properties, raw_texts
from python_ml.onboarding.label_parts import SPLIT_COLUMN
from python_ml.onboarding.specification import ColumnSpec, ProjectSpec, SourceSpec
from python_ml.onboarding.supplied import Supplied, label_time_words

NOT_NULL = "not_null"


def unique_rows(*columns: str) -> dict[str, Any]:
    """A test that columns together are unique."""
    return {"customer_retention.unique_combination": {"arguments": {"columns": OneLineList(columns)}}}


def same_rows(model: str) -> dict[str, Any]:
    """A test that a model has as many rows as another."""
    return {"customer_retention.same_row_count": {"arguments": {"compare_to": f"ref('{model}')"}}}


def sources(spec: ProjectSpec) -> str:
    """Write the sources file: where each raw file lies, how it is read, and which columns are times."""
    tables = []
    for source in spec.sources:
        # A flag's value must stay a flag; only texts go through the neutraliser.
        file = {"path": spec.paths[source.name], "format": source.file.format}
        if source.file.options:
            file["options"] = source.file.options
        meta: dict[str, Any] = {"file": raw_texts(file)}
        if source.is_always_known:
            # Its rows are seen only through those of others, which have a time.
            meta["time"] = "static"
        elif source.use == "labels":
            # Whom to look at and when is asked from outside; what became of them is not for features to see.
            time = {"as_of": source.time.raw_name, "visible": [source.entity.raw_name]}
            if source.time.formats:
                time["formats"] = list(source.time.formats)
            meta["time"] = raw_texts(time)
        elif source.own_time is not None:
            time: dict[str, Any] = {"event_at": source.own_time.raw_name}
            if source.available is not None:
                time["available_at"] = source.available.raw_name
            formats = [f for column in (source.own_time, source.available) if column for f in column.formats]
            if formats:
                time["formats"] = list(dict.fromkeys(formats))
            meta["time"] = raw_texts(time)
        table = {
            "name": source.name,
            "description": yaml_text(f"One row per line of {source.file.path.name}; {source.use_reason}."),
            "config": {"meta": meta},
            "columns": [_raw_column(column, source) for column in source.columns],
        }
        tables.append(table)
    text = {
        "name": spec.name,
        "schema": "raw",
        "description": "The raw files as they came. On DuckDB they are read in place (`attach_raw_files`); "
        "elsewhere load "
        "them into this schema as text.",
        "tables": tables,
    }
    return properties({"sources": [text]}, "Names on the left are those of the files; bronze gives them safe ones.")


def _raw_column(column: ColumnSpec, source: SourceSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": yaml_text(column.raw_name), "description": f"Becomes `{column.name}`."}
    plain = column.raw_name == column.name and column.raw_name not in RESERVED
    if source.time is column and plain:
        # a warning: rows without a time go to quarantine, but someone should look
        entry["data_tests"] = [{NOT_NULL: {"config": OneLine(severity="warn")}}]
    return entry


def bronze(spec: ProjectSpec, models: dict[str, BronzeModel]) -> str:
    """Write the models file of bronze."""
    entries = []
    for source in spec.sources:
        stem = f"brz_{spec.name}__{source.name}"
        raw = yaml_text(f"`{source.file.path.name}`")
        model = models[source.name]
        by_name = {column.name: column for column in source.columns}
        derived = {d.name: d.description for d in source.derived}
        columns = []
        for name in model.output:
            if name in by_name:
                columns.append(_bronze_column(by_name[name], source))
            elif name in derived:
                columns.append({"name": name, "description": derived[name]})
            else:
                columns.append(
                    {
                        "name": name,
                        "description": f"Whether the row takes something back: {source.reversal.words}. "
                        "Such a row is no "
                        "activity.",
                        "data_tests": [NOT_NULL],
                    }
                )
        grain = "row" if source.key is None else _words(source.key)
        entries += [
            {
                "name": stem,
                "description": yaml_text(
                    f"One row per {grain} of {source.file.path.name} that can be used. Typed"
                    f"{' and deduplicated' if source.key else ''}; the others stand in `{stem}__quarantine`."
                ),
                "columns": columns,
            },
            {
                "name": f"{stem}__checked",
                "description": f"One row per raw row of {raw}, typed, with the reason why it cannot be used "
                "(null when "
                "it can). The raw file is read once, here.",
                "config": {"materialized": "table", "tags": OneLineList(["checked"])},
                "columns": [
                    {"name": "quarantine_reason", "description": "First reason that applies; null for a good row."}
                ],
            },
            {
                "name": f"{stem}__quarantine",
                "description": f"One row per raw row of {raw} that cannot be used, with its reason and the "
                "texts as they "
                "came.",
                "columns": [
                    {
                        "name": "quarantine_reason",
                        "description": "First reason that applies.",
                        "data_tests": [NOT_NULL],
                    }
                ],
            },
        ]
    return properties({"models": entries})


def _words(column: ColumnSpec) -> str:
    return column.name.removesuffix("_id").removesuffix("_no").replace("_", " ") or "row"


def _bronze_column(column: ColumnSpec, source: SourceSpec) -> dict[str, Any]:
    description = column.description
    if column.unused and column.role not in ("key", "entity", "available"):
        description = f"{description} No feature: {column.unused}."
    entry: dict[str, Any] = {"name": column.name, "description": yaml_text(description)}
    if source.key is column:
        entry["data_tests"] = ["unique"]
    elif column in (source.entity, source.time):
        entry["data_tests"] = [NOT_NULL]
    return entry


def row_counts() -> str:
    """Write the models file of what all of bronze shares."""
    columns = [
        {"name": "source_table", "description": "Raw table.", "data_tests": [NOT_NULL]},
        {
            "name": "outcome",
            "description": "`kept`, `kept: ` and what there is to say about the row, or the reason of the quarantine.",
            "data_tests": [NOT_NULL],
        },
        {"name": "row_count", "description": "Number of rows.", "data_tests": [NOT_NULL]},
    ]
    return properties(
        {
            "models": [
                {
                    "name": "brz_row_counts",
                    "description": "One row per raw table and outcome. What came in, what was kept, and "
                    "what was put "
                    "aside, and why.",
                    "columns": [{**c, "data_tests": list(c["data_tests"])} for c in columns],
                }
            ]
        }
    )


def silver(spec: ProjectSpec) -> str:
    """Write the models file of silver."""
    entity = spec.entity
    keys = [
        {"name": entity, "description": "Key of the customer.", "data_tests": [NOT_NULL]},
        {
            "name": "feature_timestamp",
            "description": "As-of time of the row (UTC). Nothing known at or after it is visible.",
            "data_tests": [NOT_NULL],
        },
    ]
    per_spine_row = [unique_rows(entity, "feature_timestamp"), same_rows("slv_spine")]
    until = ", or to the last supplied outcome where that is later" if spec.supplied else ""
    models = [
        {
            "name": "slv_observation_period",
            "description": f"A single row: from the first to the newest of the {spec.activity.events}{until}. Up to "
            "`observation_end` the data is complete; the variable `observation_end` overrules it.",
            "columns": [
                {
                    "name": "observation_start",
                    "description": "Time of the first event (UTC).",
                    "data_tests": [NOT_NULL],
                },
                {
                    "name": "observation_end",
                    "description": "Up to when the data is complete (UTC).",
                    "data_tests": [NOT_NULL],
                },
            ],
        },
        {
            "name": "slv_spine",
            "description": f"{_spine_grain(spec)} Owns time for everything downstream.",
            "data_tests": [unique_rows(entity, "feature_timestamp")],
            "columns": keys,
        },
    ]
    if spec.supplied is not None:
        models.append(_labels(spec, spec.supplied))
    for source in spec.linked:
        models += _linked_models(spec, source)
    if spec.linked:
        models.append(_link_counts())
    for name, columns in spec.feature_sets:
        source = columns[0].meta["source"].replace("_", " ")
        models.append(
            {
                "name": name,
                "description": f"One row per spine row. The customer's {source} in windows before the feature time.",
                "data_tests": per_spine_row,
                "columns": keys,
            }
        )
    return properties({"models": models})


def _spine_grain(spec: ProjectSpec) -> str:
    if spec.supplied is None:
        active = duration_words(spec.decision("active_window"))
        return f"One row per customer and feature time at which they are at risk: active in the {active} before it."
    grain = "One row per customer and as-of time of the labels"
    if spec.supplied.times.scores_file:
        return f"{grain}."
    active = duration_words(spec.decision("active_window"))
    return f"{grain}, and one per customer at `score_at` who was active in the {active} before it."


def _labels(spec: ProjectSpec, supplied: Supplied) -> dict[str, Any]:
    """The model of supplied labels."""
    labels = supplied.labels
    meaning = labels.target.meaning.removeprefix("churned = ")
    known = f"{label_time_words(supplied)}; null without an outcome."
    columns = [
        {"name": spec.entity, "description": "Key of the customer.", "data_tests": [NOT_NULL]},
        {
            "name": "feature_timestamp",
            "description": "As of when the customer is looked at (UTC).",
            "data_tests": [NOT_NULL],
        },
        {
            "name": "churned",
            "description": yaml_text(f"1 when {meaning}, 0 for any other value."),
            "data_tests": [{"accepted_values": {"arguments": {"values": OneLineList([0, 1]), "quote": False}}}],
        },
        {"name": "label_timestamp", "description": yaml_text(known)},
    ]
    if labels.split is not None:
        accepted = {"accepted_values": {"arguments": {"values": OneLineList(labels.split_values)}}}
        columns.append({"name": SPLIT_COLUMN, "description": "Part of the split.", "data_tests": [accepted]})
    return {
        "name": "slv_labels",
        "description": "One row per customer and as-of time of the supplied labels. No feature reads what it says of "
        "outcomes.",
        "data_tests": [unique_rows(spec.entity, "feature_timestamp")],
        "columns": columns,
    }


def _linked_models(spec: ProjectSpec, source: SourceSpec) -> list[dict[str, Any]]:
    """The three models of a source that gets its customer or its time from others."""
    stem, brz = f"slv_{source.name}", f"brz_{spec.name}__{source.name}"
    through = "; ".join(
        f"{', '.join(name for _, name in link.brings)} from {link.parent}, where `{link.column}` is its "
        f"`{link.parent_column}`"
        for link in source.links
    )
    columns = []
    for link in source.links:
        entry: dict[str, Any] = {
            "name": link.column,
            "description": f"Points at `{link.parent_column}` of {link.parent}.",
        }
        if link.spelling == "exact":
            parent = next(s for s in spec.sources if s.name == link.parent)
            arguments = {"to": f"ref('{spec.model(parent)}')", "field": link.parent_column}
            entry["data_tests"] = [NOT_NULL, {"relationships": {"arguments": arguments}}]
        else:
            entry["data_tests"] = [NOT_NULL]
        columns.append(entry)
        for column, name in link.brings:
            what = (
                "Key of the customer"
                if source.entity is not None and name == source.entity.name
                else "When it happened"
            )
            columns.append(
                {
                    "name": name,
                    "description": f"{what}, from `{column}` of {link.parent}.",
                    "data_tests": [NOT_NULL],
                }
            )
    if source.known:
        columns.append(
            {
                "name": source.known,
                "description": "When both the row and what it was linked through were known (UTC).",
                "data_tests": [NOT_NULL],
            }
        )
    seen = {column["name"] for column in columns}
    if source.key is not None and source.key.name not in seen:
        columns.insert(0, {"name": source.key.name, "description": source.key.description, "data_tests": ["unique"]})
    reason = {"name": "quarantine_reason", "description": "Why the row could not be linked"}
    return [
        {
            "name": stem,
            "description": f"One row of `{brz}` that could be linked. It gets {through}.",
            "config": OneLine(materialized="view"),
            "columns": columns,
        },
        {
            "name": f"{stem}__linked",
            "description": f"One row of `{brz}`, linked, or with the reason why it could not be. It gets {through}.",
            "data_tests": [same_rows(brz)],
            "columns": [{**reason, "description": f"{reason['description']}; null for a good row."}],
        },
        {
            "name": f"{stem}__quarantine",
            "description": f"One row of `{brz}` that could not be linked: `missing` (no key), `unknown` (no row has "
            "that key) or `ambiguous` (several have it, and disagree).",
            "config": OneLine(materialized="view"),
            "columns": [{**reason, "description": f"{reason['description']}.", "data_tests": [NOT_NULL]}],
        },
    ]


def _link_counts() -> dict[str, Any]:
    return {
        "name": "slv_link_counts",
        "description": "One row per linked table and outcome. What bronze kept, and what became of it when it "
        "was linked.",
        "config": OneLine(materialized="view"),
        "columns": [
            {"name": "linked_table", "description": "Source.", "data_tests": [NOT_NULL]},
            {"name": "outcome", "description": "`kept`, or the reason of the quarantine.", "data_tests": [NOT_NULL]},
            {"name": "row_count", "description": "Number of rows.", "data_tests": [NOT_NULL]},
        ],
    }
