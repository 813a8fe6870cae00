"""From paths to findings: files are opened and examined as `init` does, then measured question by question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml.onboarding.examination import DataArgument, examine, first_with
from python_ml.onboarding.relations import Relation, Relations, discover
from python_ml.profiling import columns as described
from python_ml.profiling import coverage, keys, lifecycle, order, segments, targets, temporal
from python_ml.profiling.measures import Measured, measure_columns
from python_ml.profiling.schema import Attention, File, Findings, Link, Reading
from python_ml.profiling.tables import Table

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.reading import RawFile
    from python_ml.profiling.schema import Column, Coverage

SAMPLED = (
    "quantiles", "histogram", "limits of outliers_iqr and outliers_modified_z", "texts.shapes", "top where top_sampled",
    "associations", "segments", "effective_variables",
)  # fmt: skip
_LEVELS = ("critical", "warning", "note")


def profile_files(
    connection: duckdb.DuckDBPyConnection,
    arguments: list[DataArgument],
    *,
    target: str | None = None,
    positive: str | None = None,
    entity: str | None = None,
    time: str | None = None,
    day_first: bool | None = None,
    say: Callable[[str | None], None] = lambda message: None,
) -> Findings:
    """Profile raw files.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        See :func:`python_ml.onboarding.reading.scratch_connection`.
    arguments : list of DataArgument
    target, entity, time : str, optional
        Columns that the user named, as in the files; each must be in at least one.
    positive : str, optional
        Value of the target that means leaving.
    day_first : bool, optional
        Order of day and month where the user says it.
    say : callable
        Told what goes on; None at the end.

    Returns
    -------
    Findings
        Depends on the files' contents and the arguments alone.

    Raises
    ------
    UserError
        For every mistake that a file can hold, and for columns that are not there.
    """
    say("reading the files")
    profiles = examine(connection, arguments, entity=entity, time=time, day_first=day_first)
    if target is not None:
        first_with(profiles, target, "--target")
    measured = measure_columns(connection, profiles, say)
    return profile_measured(connection, measured, target=target, positive=positive, say=say)


def profile_measured(
    connection: duckdb.DuckDBPyConnection,
    measured: list[Measured],
    *,
    target: str | None = None,
    positive: str | None = None,
    say: Callable[[str | None], None] = lambda message: None,
) -> Findings:
    """Profile files that :func:`.measures.measure_columns` has measured; see :func:`profile_files`.

    The target, where one is named, must be in at least one of them.
    """
    tables = [one.table for one in measured]
    now = temporal.newest_event([(one.table, one.times) for one in measured])
    files, noted = [], []
    for one in measured:
        moments = temporal.count_future(connection, one.table, one.times, now) if now else one.times
        file, attention = _file(connection, replace(one, times=moments), (target, positive), say)
        files.append(file)
        noted += attention
    say("times against each other")
    violations = [violation for table in tables for violation in order.within_rows(connection, table)]
    relations = discover(connection, [table.profile for table in tables]) if len(tables) > 1 else Relations()
    violations += order.across_files(connection, tables, relations)
    noted += order.attention(violations)
    say(None)
    return Findings(
        attention=sorted(noted, key=lambda item: _LEVELS.index(item.level)),
        links=[_link(relation, tables) for relation in relations.found],
        order_violations=violations,
        files=files,
    )


def _file(
    connection: duckdb.DuckDBPyConnection,
    measured: Measured,
    target: tuple[str | None, str | None],
    say: Callable[[str | None], None],
) -> tuple[File, list[Attention]]:
    table = measured.table
    distinct = described.count_distinct(connection, table)
    plain = described.describe(measured, distinct, {})
    changes = lifecycle.changing(connection, table, plain)
    columns = described.describe(measured, distinct, changes)
    say(f"{table.name}: keys and copies")
    found_keys = keys.find_keys(connection, table, columns)
    duplicates = keys.count_duplicates(connection, table, found_keys)
    shifted = keys.find_shifted(connection, table, columns)
    say(f"{table.name}: course of time")
    span = _span(table, measured.times)
    course = coverage.measure(connection, table, *span) if span else None
    lives = lifecycle.measure(connection, table, *span) if span else None
    say(f"{table.name}: target")
    found_targets = []
    if target[0] is None or table.profile.column(target[0]) is not None:
        found_targets = targets.measure(connection, table, columns, *target)
    say(f"{table.name}: segments")
    entities = lifecycle.entities_of(table) if lives else None
    groups = segments.measure(connection, table, columns, found_targets, entities)
    file = File(
        name=table.name,
        path=table.profile.file.path.name,
        format=table.profile.file.format,
        reading=_reading(table.profile.file),
        notes=list(table.profile.file.notes),
        rows=table.rows,
        sampled_rows=table.sampled_rows,
        sampled=list(SAMPLED)
        if table.sampled_rows
        else ["associations"] * any(target.sampled_rows is not None for target in found_targets),
        approximate=_approximate(columns, course),
        duplicate_rows=duplicates,
        keys=found_keys,
        shifted_copies=shifted,
        granularity=keys.granularity(table),
        coverage=course,
        lifecycle=lives,
        targets=found_targets,
        segments=groups,
        columns=columns,
    )
    attention = [
        *(Attention(level="note", topic="reading", file=table.name, what=note) for note in file.notes),
        *keys.attention(table, found_keys, duplicates, shifted, columns),
        *described.attention(table, columns),
        *coverage.attention(table, course),
        *targets.attention(table, found_targets),
    ]
    return file, attention


def _reading(file: RawFile) -> Reading | None:
    """How a text file was read; parquet says it itself."""
    if not file.is_text:
        return None
    options = file.options
    return Reading(
        encoding=options.get("encoding", "utf-8"),
        byte_order_mark=file.has_mark,
        compression=options.get("compression"),
        header=bool(options.get("header", True)),
        delimiter=options.get("delim", "blanks"),
        quote=options.get("quote") or None,
        line_end=options.get("new_line"),
    )


def _approximate(columns: list[Column], course: Coverage | None) -> list[str]:
    found = [] if all(column.distinct_exact for column in columns) else ["distinct where distinct_exact is false"]
    if course is not None and any(period.entities is not None for period in course.periods):
        found.append("entities of a period")
    return found


def _span(table: Table, times: dict) -> tuple[str, str] | None:
    """First and last plausible time of the file's events."""
    if table.profile.time is None:
        return None
    found = times[table.profile.time.column.name][0]
    if found.plausible_first is None or found.plausible_last is None:
        return None
    return found.plausible_first, found.plausible_last


def _link(relation: Relation, tables: list[Table]) -> Link:
    """A relation under the names that stand in the files."""
    raw = {(table.name, column.name): column.raw_name for table in tables for column in table.columns}
    return Link(
        child=relation.child,
        child_column=raw[relation.child, relation.child_column],
        parent=relation.parent,
        parent_column=raw[relation.parent, relation.parent_column],
        cardinality=relation.cardinality,
        inclusion=relation.inclusion,
        evidence=list(relation.evidence),
    )
