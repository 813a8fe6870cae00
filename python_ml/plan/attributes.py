"""Attributes of customers as features: the expression of each column of their own table, and whether it is safe."""

from __future__ import annotations

from dataclasses import dataclass

from python_ml.feature_columns import FeatureColumn
from python_ml.ingest import vocabulary
from python_ml.names import free_name, name_parts
from python_ml.plan.columns import OUTCOME_NAMED, label_of
from python_ml.plan.outcome import began
from python_ml.plan.schema import AttributePlan, ColumnPlan, LabelTable, Outcome, SourcePlan
from python_ml.profile.schema import TableProfile

MOST_CODES = 100  # different values up to which a code is a category
MOST_ATTRIBUTES = 500
_CODES = vocabulary.terms("contact_codes")
# What hardly ever changes once it is written.
_CONSTANT = vocabulary.terms("constant_attributes")
_LATE = vocabulary.terms("overwritten")
_LATE_BEGINNINGS = ("last", "latest", "expir", "cancel")


@dataclass(frozen=True)
class Attribute:
    """A possible attribute.

    Attributes
    ----------
    plan : AttributePlan
    is_constant : bool
        Whether its name suggests something that hardly ever changes; anything else may have been overwritten since.
    missing, distinct : int
    """

    plan: AttributePlan
    is_constant: bool
    missing: int
    distinct: int


def attributes_of(
    table: TableProfile, source: SourcePlan, names: dict[str, str], outcome: Outcome, risks: dict[str, str]
) -> tuple[tuple[Attribute, ...], dict[str, str]]:
    """Possible attributes of a source, and why other columns are none.

    Parameters
    ----------
    table : TableProfile
    source : SourcePlan
        Of use ``attributes``, ``history``, or ``labels`` with attributes.
    names : dict of str to str
        Name in bronze by safe name.
    outcome : Outcome
    risks : dict of str to str
        Leakage risk by column of bronze: ``high`` or ``medium``; anything else is ``low``.

    Returns
    -------
    tuple of Attribute
    dict of str to str
        Reason by column of bronze.
    """
    labels = outcome if isinstance(outcome, LabelTable) and outcome.source == source.name else None
    is_snapshot = labels is not None and labels.as_of.is_snapshot
    start = names.get(began(table), "") if is_snapshot else ""
    used = {source.entity, "feature_timestamp", "label_timestamp", "churned"}
    made: list[Attribute] = []
    unused: dict[str, str] = {}
    for column in source.columns:
        is_part = column.role in ("entity", "label", "available", "changed") or column.name == source.ended
        if is_part or column.unused.startswith("it is excluded"):
            continue
        reason = _unused(column, labels, is_snapshot, start)
        if not reason and len(made) >= MOST_ATTRIBUTES:
            reason = f"more than {MOST_ATTRIBUTES} columns could be features"
        if reason:
            unused[column.name] = reason
            continue
        plan = _attribute(column, source, labels, start, used, risks.get(column.name, "low"))
        constant = vocabulary.has_word(column.raw_name, _CONSTANT) and not vocabulary.has_word(column.raw_name, _LATE)
        made.append(Attribute(plan, constant or source.use == "history", column.missing, column.distinct))
    return tuple(made), unused


def _unused(column: ColumnPlan, labels: LabelTable | None, is_snapshot: bool, start: str) -> str:
    parts = set(name_parts(column.raw_name))
    if column.unused.startswith("personal data") and not parts & vocabulary.BIRTH:
        return column.unused
    if vocabulary.has_word(column.raw_name, vocabulary.OUTCOMES):
        return OUTCOME_NAMED
    if column.role in ("constant", "empty"):
        return f"it is {column.role}"
    if column.role == "key":
        return "it differs in every row"
    if column.role == "number":
        if parts & _CODES:
            return "a code or a telephone number, not an amount"
        return column.unused if column.unused.startswith("too large") else ""
    if column.role == "identifier" and column.distinct > MOST_CODES:
        return f"a code with more than {MOST_CODES} different values"
    if column.role == "text":
        return column.unused or "free text"
    if column.role in ("further_time", "time"):
        if labels is not None and column.name in (
            labels.known,
            labels.as_of.column if not labels.as_of.duration else "",
        ):
            return "it is a time of the row itself"
        if is_snapshot:
            if parts & _LATE or any(part.startswith(_LATE_BEGINNINGS) for part in parts):
                return "it may lie in the time in which the outcome was decided"
            if column.name == start:
                return "other dates are counted from it; the date itself means nothing for later customers"
            if not start:
                return "there is no date to count it from"
        elif parts & _LATE and labels is None:
            return "it is overwritten over time: it may be after the feature time"
    return ""


def _attribute(
    column: ColumnPlan, source: SourcePlan, labels: LabelTable | None, start: str, used: set[str], risk: str
) -> AttributePlan:
    prefix = "" if labels is not None else f"{vocabulary.singular(source.name)}_"
    text = label_of(column).capitalize()
    when = "as it stood in the file" if labels is not None or source.use != "history" else "as of the feature time"
    name, data_type, expression, description = column.name, "string", column.name, f"{text}, {when}"
    if column.role == "number":
        data_type, expression = "double", f"cast({column.name} as double)"
    elif column.role == "boolean":
        data_type = "boolean"
    elif column.type == "timestamp":
        data_type = "double"
        name, expression, description = _time_attribute(column, text, start)
    if prefix and not name.startswith(prefix) and not name.startswith(("days_since_", "age_")):
        name = prefix + name
    elif prefix and name.startswith(("days_since_", "age_")):
        name = f"{prefix}{name}"
    meta = {
        "role": "feature",
        "source": source.name,
        "measure": name,
        "aggregate": "attribute",
        "window": "snapshot" if labels is not None else "as_of",
        "leakage_risk": risk,
    }
    return AttributePlan(FeatureColumn(free_name(name, used), data_type, description, meta), expression, column.name)


def _time_attribute(column: ColumnPlan, text: str, start: str) -> tuple[str, str, str]:
    """Age, tenure, or the days between two dates of a snapshot: name, expression, description."""
    name = column.name
    if start:
        expression = f"cast({{{{ dbt.datediff('{start}', '{name}', 'day') }}}} as double)"
        from_text = start.replace("_", " ")
        return f"{name}_days_after_{start}", expression, f"Days from {from_text} to {text.lower()}"
    days = f"{{{{ dbt.datediff('{name}', 'feature_timestamp', 'day') }}}}"
    if vocabulary.has_word(column.raw_name, vocabulary.BIRTH):
        expression = f"case when {name} < feature_timestamp then cast({days} as double) / 365.25 end"
        return "age_years", expression, "Age in years at the feature time"
    expression = f"case when {name} < feature_timestamp then cast({days} as double) end"
    return f"days_since_{name}", expression, f"Days from {text.lower()} to the feature time; null where it is later"
