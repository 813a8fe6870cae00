"""A file of supplied labels: whose outcome it says, as of when, and how the rows are to be split."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.errors import UserError
from python_ml.names import free_name, unique_identifiers
from python_ml.onboarding import dates, detection, roles, traps
from python_ml.onboarding.detection import FileProfile, Finding
from python_ml.onboarding.key_values import canonical
from python_ml.onboarding.label_parts import (
    SPLIT_COLUMN,
    find_known,
    find_label,
    find_split,
    name_parts,
    says_outcome,
)
from python_ml.onboarding.label_rows import TABLE, store_rows
from python_ml.onboarding.profiling import MOSTLY, profile_columns
from python_ml.onboarding.reading import open_file
from python_ml.onboarding.specification import ColumnSpec, SourceSpec
from python_ml.onboarding.target import TargetSpec, examine_target, is_whole_number, value_sql
from python_ml.warehouse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile

_ONES = ({"0", "1"}, {"false", "true"}, {"f", "t"})


@dataclass(frozen=True)
class LabelSpec:
    """What a file of labels says.

    Attributes
    ----------
    source : SourceSpec
        Its bronze table.
    target : TargetSpec
        The label and what its values mean.
    label : ColumnSpec
    known, split : ColumnSpec or None
        When the outcome was known, and to which part of the split a row belongs.
    split_values : dict of str to tuple of str
        Values of the split by part: train, validation, test.
    evidence : dict of str to tuple of str
        Raw name and reasons by part: entity, time, label, known, split.
    rows, labelled, left : int
        Different customers and times; those with an outcome; those that left.
    customers, strangers : int
        Customers of the file, and those of them without any event.
    first, last : datetime
        Oldest and newest as-of time.
    doubts : tuple of str
    """

    source: SourceSpec
    target: TargetSpec
    label: ColumnSpec
    known: ColumnSpec | None
    split: ColumnSpec | None
    split_values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    evidence: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: int = 0
    labelled: int = 0
    left: int = 0
    customers: int = 0
    strangers: int = 0
    first: datetime | None = None
    last: datetime | None = None
    doubts: tuple[str, ...] = ()

    @property
    def time(self) -> ColumnSpec:
        """The as-of time in bronze."""
        return self.source.time

    @property
    def unlabelled(self) -> int:
        """Rows without an outcome."""
        return self.rows - self.labelled


def examine_labels(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    events: FileProfile,
    entity: str,
    taken: Sequence[str],
    *,
    columns: Sequence[str] = (),
    positive: str | None = None,
    day_first: bool | None = None,
) -> LabelSpec:
    """Read a file of labels and hold it against the events.

    Also makes the table ``label_rows`` of the connection: ``entity``, ``as_of``, ``churned`` (1, 0 or null),
    ``known_at`` and ``part``.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the view of the events.
    path : Path
    events : FileProfile
        The file whose events say who is active.
    entity : str
        Name of the customer's key in every model.
    taken : sequence of str
        Names of the other sources.
    columns : sequence of str
        Columns that the user named, as ``part=column``: entity, time, label, known, split.
    positive : str, optional
        The value of the label that means leaving.
    day_first : bool, optional

    Raises
    ------
    UserError
        When a part is missing, the label does not have two values, none of the customers is known, or two rows of
        a customer and a time disagree.
    """
    file = open_file(connection, path, "labels_file")
    (name,) = unique_identifiers(["labels"], "labels", taken=taken)
    read = profile_columns(connection, file, "labels_view", day_first)
    columns_read = tuple(_with_single_time(connection, "labels_view", column, day_first) for column in read)
    profile = FileProfile(file, name, "labels_view", columns_read)
    named = name_parts(profile, columns)
    found_entity = _find_entity(connection, profile, events, named.get("entity"))
    time = _find_time(connection, profile, found_entity.column, named.get("time"))
    used = [found_entity.column, time.column]
    label = find_label(profile, used, named.get("label"))
    target = _plain(examine_target(connection, profile, label.column, positive))
    used.append(label.column)
    known = find_known(connection, profile, time.column, value_sql(label.column), used, named.get("known"))
    split = find_split(connection, profile, used, named.get("split"))
    parts = {"entity": found_entity, "time": time, "label": label, "known": known, "split": split and split[0]}
    profile = replace(profile, entity=found_entity, time=time)
    store_rows(connection, profile, target, parts, split[1] if split else {})
    specs = _specs(connection, profile, target, parts, entity)
    by_raw = {s.raw_name: s for s in specs}
    source = SourceSpec(
        name,
        file,
        tuple(specs),
        "labels",
        "supplied labels: whose outcome, as of when",
        entity=by_raw[found_entity.column.raw_name],
        time=by_raw[time.column.raw_name],
        rows=file.rows,
        granularity="event",
    )
    source = traps.count_rows(connection, profile, source)
    spec = LabelSpec(
        source,
        target,
        by_raw[label.column.raw_name],
        by_raw[known.column.raw_name] if known else None,
        by_raw[split[0].column.raw_name] if split else None,
        split[1] if split else {},
        {part: (f.column.raw_name, *f.evidence) for part, f in parts.items() if f is not None},
    )
    return _counted(connection, spec, events, [f.doubt for f in parts.values() if f is not None and f.doubt])


def _with_single_time(
    connection: duckdb.DuckDBPyConnection, view: str, column: ColumnProfile, day_first: bool | None
) -> ColumnProfile:
    """A constant that is a time: in labels, all rows may be of the same one."""
    if column.kind != "constant":
        return column
    name = quote(column.name)
    if column.physical_type == "VARCHAR":
        time = dates.profile_text(connection, quote(view), name, day_first)
    elif column.physical_type == "DATE" or column.physical_type.startswith("TIMESTAMP"):
        time = dates.profile_typed(connection, quote(view), name)
    else:
        return column
    return replace(column, kind="time", time=time) if time is not None and time.share >= MOSTLY else column


def _find_entity(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, events: FileProfile, named: ColumnProfile | None
) -> Finding:
    """The column whose values are customers of the events."""
    theirs = events.entity.column
    possible = [named] if named else [c for c in profile.columns if c.kind in ("number", "text") and c.filled]
    counted = {c.name: _shared(connection, profile, c, events) for c in possible}

    def weight(column: ColumnProfile) -> tuple[bool, float, float]:
        found, values = counted[column.name]
        return column.name == theirs.name, vocabulary.person_score(column.raw_name), found / max(values, 1)

    speaking = [c for c in possible if named or weight(c)[0] or weight(c)[1] >= 2]
    if not speaking:
        # Without a telling name: only values that nearly all are customers.
        speaking = [c for c in possible if c.distinct >= 20 and weight(c)[2] >= 0.95]
    path = str(profile.file.path)
    if not speaking:
        raise UserError(
            "No column of the labels says which customer.",
            where=path,
            hint=f"name it `{theirs.raw_name}`, as in the events, or say --label-column entity=COLUMN; columns: "
            + ", ".join(c.raw_name for c in profile.columns[:30]),
        )
    best = max(speaking, key=weight)
    found, values = counted[best.name]
    if not found:
        raise UserError(
            f"None of the {values:,} customers of the labels is among those of {events.name}.",
            where=f"{path}, column {best.raw_name}",
            hint=f"bring labels of the customers in `{theirs.raw_name}`, spelt alike (leading zeros, case), or name "
            "another column with --label-column entity=COLUMN",
        )
    told = "named with --label-column" if named else f"its values are those of `{theirs.raw_name}`"
    doubt = None
    if found < values:
        doubt = (
            f"{values - found:,} of {values:,} customers of the labels have no event in {events.name}: their features "
            "are empty"
        )
    return Finding(best, (told, f"{found:,} of {values:,} found in {events.name}"), doubt=doubt)


def _shared(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, column: ColumnProfile, events: FileProfile
) -> tuple[int, int]:
    """Different values that are customers of the events, and different values."""
    return connection.execute(f"""
        select count(e.v), count(*)
        from (select distinct {canonical(column)} as v from {quote(profile.view)}) as l
        left join (select distinct {canonical(events.entity.column)} as v from {quote(events.view)}) as e on l.v = e.v
        where l.v is not null
    """).fetchall()[0]


def _find_time(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, entity: ColumnProfile, named: ColumnProfile | None
) -> Finding:
    """The column that says as of when the outcome was asked for."""
    path = str(profile.file.path)
    columns = [c for c in profile.columns if c is not entity]
    if named is not None:
        readable = named.time is not None and named.time.share >= 0.5
        if not readable:
            raise UserError(
                f"The values of `{named.raw_name}` cannot be read as dates or times.",
                where=f"{path}, --label-column time={named.raw_name}",
                hint="write them as 2024-01-31 or 2024-01-31 18:30:00, or name another column",
            )
        found = detection.find_time(connection, profile.view, columns, path, named.name)
        return replace(found, evidence=("named with --label-column", *found.evidence[1:]))
    # The time of an outcome is not the time at which it was asked for, where there are both.
    plain = [c for c in columns if not says_outcome(c)]
    found = detection.find_time(connection, profile.view, plain, path) or detection.find_time(
        connection, profile.view, columns, path
    )
    if found is None:
        single = next((c for c in columns if c.kind == "time"), None)
        if single is not None:
            return Finding(single, ("the only time",))
        raise UserError(
            "No column of the labels says as of when.",
            where=path,
            hint="add the time at which each customer is looked at (as 2024-01-31), or name it with --label-column "
            "time=COLUMN; without times, labels are a column of a table: see --target",
        )
    return found


def _plain(target: TargetSpec) -> TargetSpec:
    """In a file of labels, 1 means leaving unless the name of the column says otherwise."""
    if target.flag is None and target.doubt and set(target.counts) in _ONES:
        return replace(target, evidence=f"labels say leaving with {target.leaving[0]!r}", doubt=None)
    return target


def _specs(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    target: TargetSpec,
    parts: dict[str, Finding | None],
    entity: str,
) -> list[ColumnSpec]:
    """Columns as bronze makes them: label and split are text, since their values are compared."""
    compared = {f.column.raw_name: part for part in ("label", "split") if (f := parts[part]) is not None}
    known = parts["known"].column.raw_name if parts["known"] else None
    specs, used = [], {entity, "feature_timestamp", "label_timestamp", "churned", SPLIT_COLUMN}
    for spec in roles.column_specs(connection, profile):
        if spec.role == "entity":
            specs.append(replace(spec, name=entity))
            continue
        if spec.role == "key":
            spec = replace(spec, role="identifier")  # copies are told by customer and time
        if spec.raw_name in compared:
            column = next(c for c in profile.columns if c.raw_name == spec.raw_name)
            is_label = compared[spec.raw_name] == "label"
            spec = ColumnSpec(
                spec.raw_name,
                column.name,
                "nominal",
                "text",
                spec.physical_type,
                strip_point_zero=spec.physical_type == "VARCHAR" or is_whole_number(column),
                description=f"The label: {target.meaning}." if is_label else "Part of the split.",
                unused="it is the label" if is_label else "it says the part of the split",
                missing=spec.missing,
                distinct=spec.distinct,
            )
        elif spec.raw_name == known:
            spec = replace(spec, description="When the outcome was known (UTC).", unused="it is a time of the label")
        elif spec.role != "time":
            spec = replace(spec, unused="labels bring no features")
        specs.append(replace(spec, name=free_name(spec.name, used)))
    return specs


def _counted(
    connection: duckdb.DuckDBPyConnection, spec: LabelSpec, events: FileProfile, doubts: list[str]
) -> LabelSpec:
    rows, labelled, left, customers, first, last = connection.execute(f"""
        select count(*), count(churned), coalesce(sum(churned), 0), count(distinct entity), min(as_of), max(as_of)
        from (select entity, as_of, max(churned) as churned from {TABLE} group by 1, 2)
    """).fetchall()[0]
    known = connection.execute(f"""
        select count(distinct entity) from {TABLE}
        where entity in (select {canonical(events.entity.column)} from {quote(events.view)})
    """).fetchall()[0][0]
    if spec.target.doubt:
        doubts.append(spec.target.doubt)
    return replace(
        spec,
        rows=rows,
        labelled=labelled,
        left=int(left),
        customers=customers,
        strangers=customers - known,
        first=first,
        last=last,
        doubts=tuple(doubts),
    )
