"""How a source is declared to dbt: where its file is, how it is read, and which of its columns are times."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from python_ml.generate.layout import RAW_FOLDER
from python_ml.ingest.schema import Reading
from python_ml.names import RESERVED
from python_ml.plan.schema import ColumnPlan, LabelTable, ProjectPlan, SourcePlan


def declared(plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
    """What the template of the sources file needs of a source."""
    time = time_meta(plan, source)
    warned = source.own_time
    plain = warned is not None and warned.raw_name == warned.name and warned.raw_name not in RESERVED
    return {
        "name": source.name,
        "description": f"One row per line of {source.file}; {source.reason}.",
        "file": file_meta(plan, source),
        "time": time,
        "columns": source.columns,
        "warned": [warned.name] if plain and isinstance(time, dict) and "event_at" in time else [],
    }


def file_meta(plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
    """``meta.file``: how ``attach_raw_files`` reads it; a converted file is in the project itself."""
    path = plan.paths[source.name]
    if source.conversion is None:
        made = {"path": path, "format": source.format, **({"options": source.options} if source.options else {})}
        return made | ({"row_number": True} if source.has_row_number else {})
    origin = {"path": path, "format": source.conversion.format, "options": source.conversion.options}
    return {
        "path": f"{RAW_FOLDER}/{source.name}.parquet",
        "format": "parquet",
        "in_project": True,
        "converted_from": {**origin, "sha256": source.conversion.sha256},
        **({"row_number": True} if source.has_row_number else {}),
    }


def time_meta(plan: ProjectPlan, source: SourcePlan) -> dict[str, Any] | str:
    """``meta.time``: what a replay must know to take out rows and values that were not known at a time."""
    outcome = plan.outcome
    if isinstance(outcome, LabelTable) and source.name == outcome.source:
        return _label_meta(outcome, source)
    if source.is_static or source.own_time is None:
        # Its rows are seen only through those of others, which have a time, or are taken as always known.
        return "static"
    available = source.column(source.available)
    time: dict[str, Any] = {"event_at": source.own_time.raw_name}
    time |= {"available_at": available.raw_name} if available else {}
    ended, recorded = source.column(source.ended), source.column(source.ended_available)
    if ended is not None:
        # An end that was not known yet is taken out of its row.
        columns = [c.raw_name for c in (ended, recorded) if c]
        later: dict[str, Any] = {"columns": columns, "known_at": (recorded or ended).raw_name}
        if source.use == "history" and recorded is None and source.own_entity is not None:
            # An end at which the next version of the customer starts came with that version.
            later["versions_of"] = [source.own_entity.raw_name]
        time["later"] = [later]
    return time | _readings([c for c in (source.own_time, available, ended, recorded) if c])


def _label_meta(outcome: LabelTable, source: SourcePlan) -> dict[str, Any]:
    """Whom to look at and when is given from outside; what became of them is not for features to see."""
    hidden = {outcome.label, outcome.known, outcome.split}
    time: dict[str, Any] = {}
    column = source.column(outcome.as_of.column) if outcome.as_of.kind == "column" else None
    if column is not None:
        time["as_of"] = column.raw_name
    time["visible"] = [c.raw_name for c in source.columns if c.name not in hidden and c is not column]
    return time | _readings([column] if column else [])


def _readings(columns: list[ColumnPlan]) -> dict[str, Any]:
    """How the times are written: ``formats`` where they describe it fully, ``readings`` by column where it does not."""
    if any(_is_special(c.reading) for c in columns):
        return {"readings": {c.raw_name: _reading_meta(c.reading) for c in columns}}
    formats = list(dict.fromkeys(f for c in columns for f in c.formats))
    return {"formats": formats} if formats else {}


def _is_special(reading: Reading) -> bool:
    is_named = any("%" not in f for f in reading.formats)
    return bool(is_named or reading.language or reading.utc_offset or reading.clock_column)


def _reading_meta(reading: Reading) -> dict[str, Any]:
    values = {f.name: getattr(reading, f.name) for f in fields(Reading) if getattr(reading, f.name) != f.default}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
