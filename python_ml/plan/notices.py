"""Notes on the data, and what is not used, each in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.ingest import vocabulary
from python_ml.plan.columns import FREE_TEXT, OUTCOME_NAMED
from python_ml.profile.notices import unreadable_values

if TYPE_CHECKING:
    from python_ml.plan.base import PlanFacts
    from python_ml.plan.schema import ProjectPlan, SourcePlan
    from python_ml.profile.schema import RowCounts


def notices(facts: PlanFacts, plan: ProjectPlan) -> tuple[str, ...]:
    """Notes on the data, and on what is done about it."""
    made: list[str] = []
    for source in plan.sources:
        made += [f"{source.name}: {text}" for text in _of_source(facts, plan, source)]
    made += _leaks(facts)
    made += list(facts.profile.refused_relations)
    made += [a.text for a in facts.profile.agreements if a.agreed < a.compared]
    made += [violation.text for violation in facts.profile.order_violations]
    return tuple(dict.fromkeys(made))


def _leaks(facts: PlanFacts) -> list[str]:
    """Columns of the table with the outcome that know it."""
    made = []
    for outcome in facts.profile.outcomes:
        table = facts.table(outcome.table).table
        for one in outcome.associations if outcome.is_given else ():
            if one.leak == "critical":
                name, reason = table.column(one.column).raw_name, "; ".join(one.leak_reasons)
                made.append(f"leak: `{name}` most likely knows the outcome, and models leave it out: {reason}")
    return made


def quarantine_notices(counts: RowCounts) -> list[str]:
    """How many rows of a source are quarantined, and why."""
    of = f"of {counts.rows:,} rows"
    made = [f"{rows:,} {of} are quarantined: {reason}" for reason, rows in counts.quarantined.items()]
    unlinked = counts.unlinked.items()
    return made + [f"{rows:,} {of} cannot be linked and are quarantined: {reason}" for reason, rows in unlinked]


def _of_source(facts: PlanFacts, plan: ProjectPlan, source: SourcePlan) -> list[str]:
    table, counts = facts.table(source.name), source.counts
    made = [*table.table.notes, *quarantine_notices(counts)]
    if source.superseded and table.versions is not None:
        made.append(
            f"{table.versions.several:,} of {table.versions.keys:,} values of `{source.key[0]}` have several rows: "
            "versions, of which the newest that is known at a feature time counts"
        )
    copies = table.rows - table.different_rows
    if copies and not source.key and not source.drops_copies:
        made.append(
            f"{copies:,} rows are exact copies of another; they are kept, since without a key a copy does not differ "
            "from a line that was really entered twice (the action drop_copies quarantines them)"
        )
    if source.reversal is not None:
        made.append(
            f"{source.reversal.rows:,} rows are reversals ({source.reversal.text}); they are kept with "
            f"is_reversal, do not count as activity, and have features of their own ({source.reversal.name}_…)"
        )
    if source.has_row_number:
        made.append("the file has no key: rows are numbered, and scores name the row of the file")
    if source.leakage_risk != "low" and source.use == "events":
        made.append(
            "its rows record who churned: features use only what was known before their time, with a raised risk"
        )
    made += _of_columns(facts, source)
    activity = facts.profile.activities.get(facts.roles.activity)
    if activity is not None and source.use == "events" and counts.last and source.name != facts.roles.activity:
        behind = (activity.last - counts.last).days
        if behind > 14:
            made.append(
                f"its newest row is {behind} days older than that of {activity.source}: its newest windows are emptier"
            )
    return made


def _of_columns(facts: PlanFacts, source: SourcePlan) -> list[str]:
    made, later = [], []
    for column in source.columns:
        profile = facts.measured(source.name, column.name)
        if profile is None:
            continue
        unreadable = profile.column.filled - profile.column.readable
        values = unreadable_values(profile)
        examples = f" ({values})" if values else ""
        if column.role == "number" and unreadable:
            made.append(f"{unreadable:,} values of `{column.name}` are not numbers{examples} and become null")
        if column.role == "further_time" and unreadable:
            made.append(f"{unreadable:,} values of `{column.name}` are not dates{examples} and become null")
        numbers = profile.column.numbers
        is_price = vocabulary.is_unit_price(column.raw_name) or vocabulary.has_word(column.raw_name, vocabulary.TOTALS)
        if column.role == "number" and is_price and numbers is not None and numbers.zeros:
            made.append(f"{numbers.zeros:,} rows have a `{column.name}` of zero; they are kept")
        if column.role == "further_time" and source.use == "events":
            later.append(column.name)
        if column.unused == OUTCOME_NAMED:
            made.append(f"`{column.name}` is named like an outcome; no feature is made of it")
        if column.null_values:
            made.append(f"{', '.join(map(repr, column.null_values))} of `{column.name}` becomes null")
        is_amount = vocabulary.has_word(column.raw_name, vocabulary.MONEY) or vocabulary.is_quantity(column.raw_name)
        example = profile.top[0].value if profile.top else ""
        if is_amount and column.role in ("nominal", "text") and any(c.isdigit() for c in example):
            made.append(f"`{column.name}` is named like an amount, but values such as {example!r} are not numbers")
        if column.reading.strip_point_zero and column.reading.physical_type == "VARCHAR" and column.role == "entity":
            made.append(f"`{column.raw_name}` is written with and without `.0`: both are the same customer")
        is_reference = column.role in ("key", "entity") or any(column.name in k.columns for k in source.links)
        if not is_reference and (odd := facts.table(source.name).odd_codes.get(profile.column.name)):
            examples = ", ".join(map(repr, odd[1]))
            made.append(
                f"{odd[0]:,} rows have a `{column.name}` without a digit, unlike the others ({examples}): perhaps "
                "postage or fees rather than products; they are kept"
            )
    if later and source.time:
        made.append(
            f"it has further times ({', '.join(f'`{n}`' for n in later)}): columns that are filled only by then are "
            f"known later than `{source.time}` says; review them"
        )
    return made


def unused(facts: PlanFacts, plan: ProjectPlan) -> tuple[tuple[str, str, str], ...]:
    """Files and columns that are not used: name, reason, flag that would use them."""
    made = []
    parents = {link.parent for source in plan.sources for link in source.links if link.is_required}
    for source in plan.sources:
        if source.use == "stored" and source.name in parents:
            continue  # other sources take their customer or their time from it
        if source.use == "stored" and source.name != facts.roles.activity:
            planned = facts.planned[source.name]
            reason = source.reason if planned.use == "stored" else "its use was not accepted"
            made.append((source.file, reason, source.flag))
            continue
        reasons = {c.name: c.unused for c in source.columns}
        if source.use in ("attributes", "history") or source.offered:
            ids = {a.origin: f"silver.{source.name}.attribute.{a.column.name}" for a in source.offered}
            reasons |= {name: f"not accepted yet: {proposed}" for name, proposed in ids.items()}
            reasons |= facts.attributes(source.name)[1]
        clocks = {c.reading.clock_column for c in source.columns}
        used = {m.name for m in source.measures} | {name for link in source.links for name in link.columns}
        for column in source.columns:
            is_part = column.role in ("key", "entity", "time", "available", "changed", "label")
            is_part = is_part or column.name in (source.time, source.ended, source.ended_available)
            is_part |= column.raw_name in clocks
            origins = {t.column for t in source.texts} | {a.origin for a in source.attributes}
            is_used = column.name in origins
            reason = reasons[column.name]
            if reason == FREE_TEXT and (source.has_events or facts.brings_attributes(source.name)):
                reason = f"{FREE_TEXT}; not accepted: silver.{source.name}.text_features.{column.name}"
            if not reason and source.use in ("events", "spans") and column.name not in used:
                reason = f"not accepted yet: silver.{source.name}.measure.{column.name}"
            if reason and not is_part and not is_used:
                made.append((f"{source.name}.{column.raw_name}", reason, ""))
    return tuple(made)
