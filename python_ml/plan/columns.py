"""What each column of a table becomes in bronze, and why no feature is made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml.ingest import vocabulary
from python_ml.ingest.personal import PERSONAL
from python_ml.ingest.schema import ROW_NUMBER, Column, Reading
from python_ml.names import RESERVED, free_name, identifier, name_parts
from python_ml.plan.schema import ColumnPlan

if TYPE_CHECKING:
    from python_ml.plan.roles import Roles
    from python_ml.profile.schema import ColumnProfile, TableProfile

DIGITS = 18  # of a decimal that every engine computes exactly
FIXED = 0.98  # share of customers with a single value from which a column is an attribute, not an event
FREE_TEXT = "free text"
OUTCOME_NAMED = "its name suggests the outcome"
# Names that our models and macros use.
_TAKEN = ("feature_timestamp", "label_timestamp", "churned", "supplied_split", "known_at", "superseded_at")


def entity_name(raw_name: str) -> str:
    """Name of the customer's key in every model: that of the column, but ``user_id`` for a bare ``user``."""
    if raw_name == ROW_NUMBER:
        return "row_number"
    plain = "_".join(name_parts(raw_name))
    return f"{plain}_id" if plain in RESERVED else identifier(raw_name)


def customer_columns(roles: Roles, source: str) -> tuple[str, ...]:
    """Columns (safe names) of a table that say together which customer; empty where it has none."""
    entity = roles.tables[source].entity
    return (entity, *roles.customer.further.get(source, ())) if entity else ()


def linking_columns(roles: Roles, source: str) -> tuple[set[str], set[str]]:
    """Columns (safe names) by which other tables reach a table, and by which it reaches others."""
    used = [step.relation for role in roles.tables.values() for step in role.steps]
    parents = {column for r in used if r.parent == source for column in r.parent_columns}
    children = {column for r in used if r.child == source for column in r.child_columns}
    return parents, children


def key_of(table: TableProfile, roles: Roles) -> tuple[str, ...]:
    """The columns (safe names) by which bronze tells copies; empty where nothing does."""
    role = roles.tables[table.name]
    if table.table.has_row_number:
        return (ROW_NUMBER,)
    if table.versions is not None:
        return (table.versions.key,)
    parents, _ = linking_columns(roles, table.name)
    single = [k for k in table.keys if len(k.columns) == 1]
    is_span = table.time is not None and bool(table.time.ended)
    if role.use in ("attributes", "labels") and role.entity and not is_span:
        if role.use == "labels" and role.time:
            return ()
        own = [k for k in single if k.is_named and k.columns[0] != role.entity]
        # A customer's second subscription is no copy of the first; of a table with the outcome, one row counts.
        kept = [k.columns for k in own if k.columns[0] in parents or role.use == "attributes"]
        return kept[0] if kept else customer_columns(roles, table.name)
    linked = [k for k in single if k.columns[0] in parents]
    if linked:
        return linked[0].columns
    named = [k for k in single if k.is_named or table.column(k.columns[0]).semantic == "identifier"]
    if named:
        return named[0].columns
    composite = [k for k in table.keys if len(k.columns) > 1]
    for key in composite:
        if all(table.column(c).semantic == "identifier" or c in parents for c in key.columns):
            return key.columns
    return ()


def column_plans(table: TableProfile, roles: Roles) -> tuple[tuple[ColumnPlan, ...], dict[str, str]]:
    """Decide what every column of a table becomes.

    Returns
    -------
    tuple of ColumnPlan
        In the file's order.
    dict of str to str
        Name in bronze by safe name.
    """
    role = roles.tables[table.name]
    parents, children = linking_columns(roles, table.name)
    key = key_of(table, roles)
    entity = entity_name(roles.customer.raw_name)
    parts = customer_columns(roles, table.name)
    # A customer of several columns has a key of its own, which bronze joins of them.
    joined = parts if len(parts) > 1 else ()
    role = replace(role, entity="") if joined else role
    used: set[str] = {entity, *_TAKEN}
    # The column of times that each column with a time of day belongs to.
    clocks = ((m.column.reading.clock_column, m.column.raw_name) for m in reversed(table.columns))
    dated = {clock: time for clock, time in clocks if clock}
    plans, names = [], {}
    for measured in table.columns:
        column = measured.column
        plan = _plan(table, measured, role, key, parents, children | set(joined), dated)
        name = entity if column.name == role.entity else free_name(_name(column, plan), used)
        names[column.name] = name
        excluded = f"{table.name}.{column.name}" in roles.excluded
        if excluded and plan.role not in ("entity", "time"):
            plan = replace(plan, unused="it is excluded with --exclude")
        plans.append(replace(plan, name=name, early=measured.early))
    if table.table.has_row_number:
        reading = Reading("text", "BIGINT")
        is_entity = role.entity == ROW_NUMBER
        name = entity if is_entity else free_name("row_number", used)
        names[ROW_NUMBER] = name
        text = "Number of the row in the file: the file has no key of its own."
        kind = "entity" if is_entity else "key"
        plans.insert(0, ColumnPlan(ROW_NUMBER, name, kind, reading, text, distinct=table.rows))
    return tuple(plans), names


def _name(column: Column, plan: ColumnPlan) -> str:
    """A bare ``date`` is no good column name in SQL, and describes nothing either."""
    bare = {"date", "time", "timestamp", "datetime", "day", "month", "year", "at", "ts", "dt", "when", "moment"}
    if plan.role == "time" and "_".join(name_parts(column.raw_name)) in bare:
        has_clock = bool(column.reading.clock_column or (column.times and column.times.has_clock))
        return "event_at" if has_clock else "event_date"
    return column.name


def label_of(column: Column) -> str:
    """The name of a column in prose."""
    return " ".join(name_parts(column.raw_name)) or column.name


def _plan(
    table, measured: ColumnProfile, role, key, parents: set[str], children: set[str], dated: dict[str, str]
) -> ColumnPlan:
    column, name = measured.column, measured.column.name
    text = label_of(column).capitalize()

    def plan(kind: str, description: str, unused: str = "", reading: Reading | None = None) -> ColumnPlan:
        return ColumnPlan(
            column.raw_name,
            name,
            kind,
            reading or column.reading,
            description,
            unused,
            missing=column.rows - column.filled,
            distinct=column.distinct,
        )

    as_text = replace(column.reading, type="text")
    if name == role.entity:
        return plan("entity", "Key of the customer.", reading=_key_reading(column))
    if name == role.time:
        return plan("time", "When it happened (UTC).")
    if table.versions is not None and name == table.versions.changed_at:
        return plan("changed", "When this version of the row was known (UTC).", "it orders the versions of a row")
    if table.time is not None and name == table.time.available:
        return plan("available", "When the warehouse could know the row (UTC); null means at once.")
    if (name in key and len(key) == 1) or name in parents:
        return plan("key", f"Key of the row: {label_of(column)}.", "it differs in every row", _key_reading(column))
    if name in children or name in key:
        return plan("identifier", f"{text}.", reading=_key_reading(column))
    if column.kind in ("empty", "constant"):
        return plan(column.kind, f"{text}.", f"it is {column.kind}", as_text)
    if column.kind == "time":
        return plan("further_time", f"{text} (UTC).", "a further time: it may lie after the event")
    if column.semantic in PERSONAL or (column.personal and column.semantic == "personal"):
        return plan("text", f"{text}.", f"personal data: {column.because}", as_text)
    if column.raw_name in dated:
        return plan("text", f"{text}.", f"it is the time of day of `{dated[column.raw_name]}`", as_text)
    is_outcome = vocabulary.has_word(column.raw_name, vocabulary.OUTCOMES)
    if column.kind == "boolean":
        return plan("boolean", f"{text}: yes or no.", OUTCOME_NAMED if is_outcome else "")
    is_key = column.semantic == "identifier"
    if column.kind in ("number", "duration") and not is_key and column.numbers is not None:
        return _number(plan, column, text, is_outcome)
    fixed = table.fixed.get(role.entity, {}).get(name, 0.0) >= FIXED if role.entity else False
    if is_key:
        return plan("identifier", f"{text}.", "each customer has one of its own" if fixed else "", _key_reading(column))
    if column.semantic == "text":
        return plan("text", f"{text}.", FREE_TEXT, as_text)
    if column.distinct > max(1000, 0.5 * column.filled):
        return plan("text", f"{text}.", "nearly every row has a value of its own", as_text)
    if is_outcome:
        return plan("nominal", f"{text}.", OUTCOME_NAMED, as_text)
    if fixed and role.use in ("events", "spans"):
        reason = "it hardly ever changes within a customer: an attribute, not an event"
        return plan("nominal", f"{text}.", reason, as_text)
    return plan("nominal", f"{text}.", "", as_text)


def _key_reading(column: Column) -> Reading:
    """Identifiers are text, whatever they look like: ``500.0`` of a column of numbers is ``500``."""
    reading = column.reading
    is_fractional = reading.physical_type in ("DOUBLE", "FLOAT") or reading.physical_type.startswith("DECIMAL")
    strips = reading.strip_point_zero or is_fractional
    return Reading("text", reading.physical_type, strip_point_zero=strips, strip_zeros=reading.strip_zeros)


def _number(plan, column: Column, text: str, is_outcome: bool) -> ColumnPlan:
    numbers = column.numbers
    digits = len(str(int(max(abs(numbers.minimum or 0), abs(numbers.maximum or 0)))))
    unused = ""
    if vocabulary.has_word(column.raw_name, vocabulary.NOT_MEASURES):
        unused = "a number of a calendar, a place or a telephone: no sum or mean of it means anything"
    elif is_outcome:
        unused = OUTCOME_NAMED
    elif digits + 2 > DIGITS and column.reading.type != "double":
        unused = "too large to be added up exactly"
    reading = column.reading
    if reading.type == "integer" and digits >= DIGITS:
        reading = replace(reading, type="decimal")
    reading = replace(reading, scale=max(0, min(reading.scale, DIGITS - digits)))
    unit = " (seconds)" if column.kind == "duration" else ""
    return plan("number", f"{text}{unit}.", unused, reading)
