"""Proposals for bronze, and how they are obeyed: types, codes for missing values, spellings, caps, copies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml.onboarding.bronze_sql import COPY_REASON
from python_ml.onboarding.specification import ColumnSpec, SourceSpec
from python_ml.recommendations.draft import names_in
from python_ml.recommendations.schema import Proposal, proposal

if TYPE_CHECKING:
    from python_ml.onboarding.found import Found
    from python_ml.onboarding.values import ColumnValues
    from python_ml.recommendations.draft import Draft

_TYPE_WORDS = {
    "integer": "whole numbers",
    "decimal": "exact numbers",
    "boolean": "yes or no",
    "timestamp": "times",
}
_ROLES = {"integer": "number", "decimal": "number", "boolean": "boolean", "timestamp": "time_other"}
_NO_NUMBER = "it stays text: reading it as something else was not accepted"
_NOT_READ = {"entity", "key"}
_NOT_CLEANED = {"entity", "key", "time", "available", "empty", "constant"}
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?")


def propose(found: Found) -> Iterator[Proposal]:
    """Propose what could be done to raw columns and rows."""
    table = found.static.table.name if found.static else None
    target = found.static.target_column.name if found.static else None
    for source in found.data:
        values = found.values.get(source.name)
        for column in source.columns:
            if source.name == table and column.name == target:
                continue
            measured = values.columns.get(column.raw_name) if values else None
            if can_be_read(column):
                yield _read_as(source, column, measured)
            if measured is not None and column.role not in _NOT_CLEANED and not column.unused:
                yield from _cleaned(source, column, measured)
        if source.key is not None and source.name != table:
            yield _deduplicate(source)
        if source.key is None and values is not None and values.copies:
            yield proposal(
                "bronze",
                source.name,
                "drop_copies",
                "rows",
                f"{values.copies:,} rows say exactly what another row says; without a key, only you can tell whether a "
                "line was really entered twice.",
                columns=[],
                evidence={"rows": source.rows, "copies": values.copies},
            )
        for derived in source.derived:
            yield proposal(
                "bronze",
                source.name,
                "derive",
                derived.name,
                f"{derived.description.rstrip('.')}: the file has no total of its own.",
                columns=sorted(names_in(derived.expression)),
                evidence={"expression": derived.expression},
                status="accepted",
            )
        if source.reversal is not None:
            yield proposal(
                "bronze",
                source.name,
                "flag_reversals",
                source.reversal.name,
                f"{source.reversal.rows:,} rows take something back ({source.reversal.words}): no activity, and "
                "features of their own.",
                columns=sorted(names_in(source.reversal.condition) & {c.name for c in source.columns}),
                evidence={"rows": source.reversal.rows, "of": source.rows, "condition": source.reversal.condition},
                status="accepted",
            )


def can_be_read(column: ColumnSpec) -> bool:
    """Whether somebody could want the column's type or format otherwise."""
    if column.physical_type != "VARCHAR" or column.type == "text" or column.role in _NOT_READ:
        return False
    return bool(column.formats) if column.role in ("time", "available") else True


def _read_as(source: SourceSpec, column: ColumnSpec, measured: ColumnValues | None) -> Proposal:
    parameters: dict[str, object] = {"type": column.type}
    if column.type == "decimal":
        parameters["scale"] = column.scale
    if column.style != "plain":
        parameters["written"] = column.style
    if column.formats:
        parameters["formats"] = list(column.formats)
    evidence: dict[str, object] = {"missing": column.missing}
    told = "its values"
    if measured is not None and measured.filled:
        evidence = {"filled": measured.filled, "readable": measured.readable, **evidence}
        told = f"{measured.readable:,} of {measured.filled:,} values"
    formats = f", written {' or '.join(column.formats)}" if column.formats else ""
    return proposal(
        "bronze",
        source.name,
        "read_as",
        column.name,
        f"{told} can be read as {_TYPE_WORDS[column.type]}{formats}.",
        parameters=parameters,
        evidence=evidence,
        status="accepted",
    )


def _cleaned(source: SourceSpec, column: ColumnSpec, measured: ColumnValues) -> Iterator[Proposal]:
    codes = [(value, rows, why) for value, rows, why in measured.sentinels if _fits(column, value)]
    if codes:
        told = "; ".join(f"{value!r} in {rows:,} rows ({why})" for value, rows, why in codes)
        yield proposal(
            "bronze",
            source.name,
            "null_values",
            column.name,
            f"Some values look like codes for a missing one: {told}.",
            parameters={"values": [value for value, _, _ in codes]},
            evidence={"filled": measured.filled, "rows": sum(rows for _, rows, _ in codes)},
        )
    if measured.case_groups and column.type == "text":
        yield proposal(
            "bronze",
            source.name,
            "fold_case",
            column.name,
            f"{measured.case_groups:,} values are written in several ways that differ only in case, in "
            f"{measured.case_rows:,} rows.",
            parameters={"case": "lower"},
            evidence={"groups": measured.case_groups, "rows": measured.case_rows, "examples": list(measured.examples)},
        )
    if measured.beyond and column.type in ("integer", "decimal"):
        bounds = {name: value for name, value in (("low", measured.low), ("high", measured.high)) if value is not None}
        yield proposal(
            "bronze",
            source.name,
            "cap",
            column.name,
            f"{measured.beyond:,} values lie beyond {' or '.join(f'{value:g}' for value in bounds.values())}, up to "
            f"{measured.maximum:g}: far from 99.8 % of the values before {measured.fitted_before}, on which the bounds "
            "were fitted.",
            parameters={**bounds, "fitted_before": measured.fitted_before},
            evidence={"beyond": measured.beyond, "minimum": measured.minimum, "maximum": measured.maximum},
        )


def _fits(column: ColumnSpec, value: str) -> bool:
    """Whether a code can stand for a value of the column's type; what cannot is null already."""
    if column.type in ("integer", "decimal"):
        return bool(re.fullmatch(r"-?\d+(\.\d+)?", value))
    if column.type == "timestamp":
        return bool(_ISO.fullmatch(value))
    return column.type == "text" and value.isprintable()


def _deduplicate(source: SourceSpec) -> Proposal:
    key = source.key.name
    copies = source.quarantined.get(f"duplicate {key}", 0)
    told = f"{copies:,} rows are copies of another" if copies else "no row is a copy so far"
    return proposal(
        "bronze",
        source.name,
        "deduplicate",
        key,
        f"`{key}` tells rows apart; {told}. The copy that was known first stays.",
        parameters={"key": key},
        evidence={"rows": source.rows, "copies": copies},
        status="accepted",
    )


def obey(draft: Draft) -> None:
    """Change the draft as was accepted; undo what was not."""
    for name in draft.names:
        _types(draft, name)
    _cleaning(draft)
    for name in draft.names:
        _copies(draft, draft.sources[name])
        _derived(draft, draft.sources[name])


def _types(draft: Draft, name: str) -> None:
    target = draft.static.target_column.name if draft.static else None
    is_table = draft.static is not None and draft.static.table.name == name
    for column in draft.sources[name].columns:
        if not can_be_read(column) or (is_table and column.name == target):
            continue
        source = draft.sources[name]
        entry = draft.wanted("bronze", name, "read_as", column.name)
        if column.role in ("time", "available"):
            formats = tuple(entry.given.formats) if entry else ()
            draft.change_column(source, column, formats=formats)
        elif entry is None:
            draft.change_column(
                source, column, role="text", type="text", formats=(), unused=column.unused or _NO_NUMBER
            )
        else:
            given = entry.given
            same = given.type == column.type
            draft.change_column(
                source,
                column,
                type=given.type,
                role=column.role if same else _ROLES[given.type],
                scale=column.scale if given.scale is None else given.scale,
                style=given.written or "plain",
                formats=tuple(given.formats),
                must_be_readable=given.unreadable == "quarantine",
            )
    source = draft.sources[name]
    texts = {c.name for c in source.columns if c.type == "text"} - {
        c.name for c in _before(draft, name) if c.type == "text"
    }
    if not texts:
        return
    measures = tuple(m for m in source.measures if m.name not in texts)
    draft.change(source, measures=measures)


def _before(draft: Draft, name: str) -> tuple[ColumnSpec, ...]:
    return next(s for s in draft.found.project.sources if s.name == name).columns


def _cleaning(draft: Draft) -> None:
    for entry in draft.accepted("bronze", "null_values"):
        if (place := draft.column(entry)) is None:
            continue
        source, column = place
        values = [v for v in entry.given.values if _fits(column, v)]
        if column.role in _NOT_CLEANED or len(values) < len(entry.given.values):
            draft.miss(entry, f"{column.name} is a {column.type}, in which not all of these values can stand")
            continue
        draft.change_column(source, column, null_values=tuple(values))
    for entry in draft.accepted("bronze", "fold_case"):
        if (place := draft.column(entry)) is None:
            continue
        source, column = place
        if column.type != "text" or column.role in _NOT_CLEANED:
            draft.miss(entry, f"{column.name} is no ordinary text")
            continue
        draft.change_column(source, column, fold_case=entry.given.case)
    for entry in draft.accepted("bronze", "cap"):
        if (place := draft.column(entry)) is None:
            continue
        source, column = place
        if column.type not in ("integer", "decimal"):
            draft.miss(entry, f"{column.name} is not read as a number")
            continue
        bounded = entry.given.then == "quarantine"
        draft.change_column(source, column, low=entry.given.low, high=entry.given.high, is_bounded=bounded)


def _copies(draft: Draft, source: SourceSpec) -> None:
    is_table = draft.static is not None and draft.static.table.name == source.name
    if source.key is not None and not is_table:
        entry = draft.wanted("bronze", source.name, "deduplicate", source.key.name)
        if entry is None:
            reason = f"duplicate {source.key.name}"
            kept = {why: rows for why, rows in source.quarantined.items() if why != reason}
            source = draft.change(source, key=None, quarantined=kept)
        elif entry.given.key != source.key.name:
            other = next((c for c in source.columns if c.name == entry.given.key), None)
            if other is None:
                draft.miss(entry, f"{source.name} has no column {entry.given.key}")
            else:
                source = draft.change(source, key=other)
    entry = draft.wanted("bronze", source.name, "drop_copies", "rows")
    if entry is not None and source.key is not None:
        draft.miss(entry, f"{source.name} has a key: copies of it are put aside already")
    elif entry is not None:
        values = draft.found.values.get(source.name)
        quarantined = {**source.quarantined, COPY_REASON: values.copies if values else 0}
        draft.change(source, drops_copies=True, quarantined=quarantined)


def _derived(draft: Draft, source: SourceSpec) -> None:
    """Computed columns and reversals, where accepted and where what they are made of is still a number."""
    numbers = {c.name for c in source.columns if c.role == "number"}
    derived = []
    for one in source.derived:
        entry = draft.wanted("bronze", source.name, "derive", one.name)
        if entry is None:
            continue
        if not names_in(one.expression) <= numbers:
            draft.miss(entry, f"{one.expression} needs numbers that are not read as such")
            continue
        derived.append(one)
    lost = {one.name for one in source.derived} - {one.name for one in derived}
    measures = tuple(m for m in source.measures if m.name not in lost)
    reversal = source.reversal
    if reversal is not None:
        entry = draft.wanted("bronze", source.name, "flag_reversals", reversal.name)
        texts = {c.name for c in source.columns if c.type == "text" and c.role == "text"}
        if entry is None:
            reversal = None
        elif names_in(reversal.condition) & texts:
            draft.miss(entry, f"{reversal.words}: it is not read as a number")
            reversal = None
        else:
            known = numbers | {one.name for one in derived} | {"abs"}
            reversal = replace(
                reversal, measures=tuple(m for m in reversal.measures if names_in(m.expression) <= known)
            )
    if derived != list(source.derived) or reversal != source.reversal:
        draft.change(source, derived=tuple(derived), measures=measures, reversal=reversal)
