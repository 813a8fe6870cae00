"""The SQL expressions by which bronze types a raw column, as text for the templates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from python_ml.names import RESERVED, comment_text, jinja_string
from python_ml.onboarding.profiling import number_sql
from python_ml.onboarding.specification import ColumnSpec, DerivedColumn, Reversal, SourceSpec
from python_ml.onboarding.traps import reasons

_STRING = "{{ dbt.type_string() }}"
_TIMESTAMP = "{{ dbt.type_timestamp() }}"
COPY_REASON = "exact copy"
_ORDER = ("text", "integer", "decimal", "boolean", "timestamp")


@dataclass(frozen=True)
class BronzeColumn:
    """A column in the template of a checked model."""

    name: str
    raw_sql: str
    typed_sql: str
    raw_text: str
    spec: ColumnSpec


@dataclass(frozen=True)
class BronzeModel:
    """What the template of a checked model needs.

    Attributes
    ----------
    renames : bool
        Whether any raw name differs from the safe one.
    columns : list of BronzeColumn
        Keys first, then strings, numbers, booleans and times.
    checked : list of BronzeColumn
        Those whose raw text is kept beside the typed value.
    checks : list of dict
        ``when`` (Jinja expression) and ``reason``.
    output : list of str
        Columns of the kept rows.
    copy_columns, copy_when, copy_reason : str
        What makes rows copies of each other (empty where none is put aside), when, and the reason they get.
    """

    name: str
    title: str
    columns: list[BronzeColumn]
    checked: list[BronzeColumn]
    checks: list[dict[str, str]]
    output: list[str]
    renames: bool
    derived: tuple[DerivedColumn, ...]
    reversal: Reversal | None
    key: ColumnSpec | None
    known_at: str
    tie_breakers: list[str]
    copy_columns: str
    copy_when: str
    copy_reason: str


def bronze_model(source: SourceSpec) -> BronzeModel:
    """Prepare a source for the templates."""
    ordered = sorted(source.columns, key=_place)
    taken = {s.name for s in source.columns} | {d.name for d in source.derived} | {"is_reversal", "quarantine_reason"}
    columns = []
    for spec in ordered:
        raw_text = f"{spec.name}_raw"
        while raw_text in taken:
            raw_text += "_text"
        taken.add(raw_text)
        columns.append(BronzeColumn(spec.name, _raw_sql(spec), _typed_sql(spec), raw_text, spec))
    checked = [c for c in columns if c.spec.is_checked]
    kinds = [(c.name, c.spec.type) for c in columns]
    extra = [(d.name, "decimal") for d in source.derived] + ([("is_reversal", "boolean")] if source.reversal else [])
    for name, kind in extra:
        # behind the last column of its kind or of an earlier one
        before = [i for i, (_, other) in enumerate(kinds) if _ORDER.index(other) <= _ORDER.index(kind)]
        kinds.insert(max(before, default=-1) + 1, (name, kind))
    dropped = {c.name for c in columns if c.spec.is_dropped}
    output = [name for name, _ in kinds if name not in dropped]
    checked = [c for c in checked if c.name not in dropped]
    copy_columns, copy_when, copy_reason = _copies(source, columns)
    return BronzeModel(
        name=source.name,
        title=comment_text(source.file.path.name),
        columns=columns,
        checked=checked,
        checks=_checks(source, columns),
        output=output,
        renames=any(c.raw_sql != c.name for c in columns),
        derived=source.derived,
        reversal=source.reversal,
        key=source.key,
        known_at=_known_at(source),
        tie_breakers=[c.name for c in columns if source.key is None or c.name != source.key.name]
        or [c.name for c in columns],
        copy_columns=copy_columns,
        copy_when=copy_when,
        copy_reason=copy_reason,
    )


def _copies(source: SourceSpec, columns: list[BronzeColumn]) -> tuple[str, str, str]:
    """What makes rows copies, when one is put aside, and its reason."""
    if source.key is not None:
        return source.key.name, f"{source.key.name} is not null and copy_rank > 1", f"duplicate {source.key.name}"
    if not source.drops_copies:
        return "", "", ""
    # What a row said tells copies, not only what could be read of it.
    texts = [c.raw_text for c in columns if c.spec.is_checked and not c.spec.is_dropped]
    return ", ".join([*(c.name for c in columns), *texts]), "copy_rank > 1", COPY_REASON


def _place(spec: ColumnSpec) -> tuple[int, int]:
    rank = {"key": 0, "entity": 1, "identifier": 2}.get(spec.role, 3)
    return rank, _ORDER.index(spec.type)


def _raw_sql(spec: ColumnSpec) -> str:
    """The raw column, quoted where its name is not a plain one."""
    if spec.raw_name == spec.name and spec.raw_name not in RESERVED and re.fullmatch(r"[a-z][a-z0-9_]*", spec.raw_name):
        return spec.raw_name
    return f"{{{{ customer_retention.raw_column({jinja_string(spec.raw_name)}) }}}}"


def _typed_sql(spec: ColumnSpec) -> str:
    typed = {"text": _text, "integer": _integer, "decimal": _decimal, "boolean": _boolean, "timestamp": _timestamp}
    expression = typed[spec.type](spec)
    for value in spec.null_values:
        expression = f"nullif({expression}, {_value(spec, value)})"
    if spec.fold_case:
        expression = f"{spec.fold_case}({expression})"
    if not spec.is_bounded and (spec.low is not None or spec.high is not None):
        bounds = [f"{name}={_plain(b)}" for name, b in (("low", spec.low), ("high", spec.high)) if b is not None]
        capped = f"{{{{ customer_retention.capped({as_argument(expression)}, {', '.join(bounds)}) }}}}"
        expression = f"cast({capped} as {'bigint' if spec.type == 'integer' else f'decimal(18, {spec.scale})'})"
    return expression


def _value(spec: ColumnSpec, value: str) -> str:
    """A value as a literal of its column's type."""
    if spec.type == "text":
        return f"{{{{ customer_retention.text_literal({jinja_string(value)}) }}}}"
    if spec.type == "timestamp":
        return f"{{{{ customer_retention.timestamp_literal({jinja_string(value)}) }}}}"
    if spec.type == "boolean":
        return "true" if value.lower() in ("true", "t", "yes", "y", "1") else "false"
    return _plain(value)


def _plain(number: float | str) -> str:
    """A number as SQL writes it; raises ValueError for anything else."""
    exact = Decimal(str(number))
    if not exact.is_finite():
        raise ValueError(f"`{number}` is no number")
    text = f"{exact:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_argument(expression: str) -> str:
    """An expression with Jinja in it as the argument of a macro."""
    parts = re.split(r"\{\{ (.*?) \}\}", expression)
    told = [part if place % 2 else jinja_string(part) for place, part in enumerate(parts) if part]
    return " ~ ".join(told)


def _call(macro: str, argument: str, *further: Any) -> str:
    quoted = f'"{argument}"' if "'" in argument else f"'{argument}'"
    arguments = ", ".join([quoted, *(str(f) for f in further)])
    return f"{{{{ customer_retention.{macro}({arguments}) }}}}"


def _text(spec: ColumnSpec) -> str:
    if spec.physical_type == "VARCHAR":
        cleaned = _call("clean_text", spec.name)
        return f"regexp_replace({cleaned}, '[.]0$', '')" if spec.strip_point_zero else cleaned
    if spec.strip_point_zero:
        return f"cast(try_cast({spec.name} as bigint) as {_STRING})"
    return f"cast({spec.name} as {_STRING})"


def _integer(spec: ColumnSpec) -> str:
    if spec.physical_type == "VARCHAR":
        return _call("to_integer", number_sql(spec.name, spec.style))
    if spec.physical_type in ("DOUBLE", "FLOAT") or spec.physical_type.startswith("DECIMAL"):
        return f"cast(try_cast({spec.name} as decimal(18, 0)) as bigint)"
    return f"try_cast({spec.name} as bigint)" if "HUGE" in spec.physical_type else f"cast({spec.name} as bigint)"


def _decimal(spec: ColumnSpec) -> str:
    if spec.physical_type == "VARCHAR":
        return _call("to_decimal", number_sql(spec.name, spec.style), 18, spec.scale)
    return f"try_cast({spec.name} as decimal(18, {spec.scale}))"


def _boolean(spec: ColumnSpec) -> str:
    if spec.physical_type == "VARCHAR":
        return _call("to_boolean", spec.name)
    return spec.name if spec.physical_type == "BOOLEAN" else f"{spec.name} = 1"


def _timestamp(spec: ColumnSpec) -> str:
    if spec.physical_type == "DATE" or spec.physical_type.startswith("TIMESTAMP"):
        return f"cast({spec.name} as {_TIMESTAMP})"
    formats = [list(spec.formats)] if spec.formats else []
    if spec.physical_type == "VARCHAR":
        read = _call("to_timestamp", spec.name, *formats)
    else:
        arguments = ", ".join([f'"cast({spec.name} as " ~ dbt.type_string() ~ ")"', *map(str, formats)])
        read = f"{{{{ customer_retention.to_timestamp({arguments}) }}}}"
    # A text with an offset gives a time with a zone; from here on all times are UTC without one.
    return f"cast({read} as {_TIMESTAMP})" if spec.has_offset else read


def _checks(source: SourceSpec, columns: list[BronzeColumn]) -> list[dict[str, str]]:
    named = reasons(source)
    raw_text = {c.name: c.raw_text for c in columns if c.spec.is_checked}
    conditions = {}
    if source.own_entity is not None:
        conditions["entity"] = f"'{source.own_entity.name} is null'"
    if source.own_time is not None:
        conditions["time"] = f"'{source.own_time.name} is null'"
    if source.available is not None and source.available.name in raw_text:
        name = source.available.name
        conditions["available"] = f"'{raw_text[name]} is not null and {name} is null'"
    if source.own_time is not None:
        bounds = ""
        if source.plausible_from is not None:
            bounds = f", '{source.plausible_from}', '{source.plausible_to}'"
        conditions["implausible"] = f"customer_retention.implausible_time('{source.own_time.name}'{bounds})"
    checks = [{"when": when, "reason": named[part]} for part, when in conditions.items()]
    for column in columns:
        spec = column.spec
        if spec.must_be_readable and spec.name in raw_text:
            when = f"'{raw_text[spec.name]} is not null and {spec.name} is null'"
            checks.append({"when": when, "reason": f"unreadable {spec.name}"})
    for column in columns:
        spec = column.spec
        if spec.is_bounded:
            beyond = [f"{spec.name} < {_plain(spec.low)}"] if spec.low is not None else []
            beyond += [f"{spec.name} > {_plain(spec.high)}"] if spec.high is not None else []
            checks.append({"when": f"'{' or '.join(beyond)}'", "reason": f"{spec.name} out of range"})
    return checks


def _known_at(source: SourceSpec) -> str:
    if source.own_time is None:
        # Without a time no copy was known first: the order of the other columns decides.
        return f"'{source.key.name}'" if source.key else "''"
    if source.available is None:
        return f"'{source.own_time.name}'"
    return f"customer_retention.known_at('{source.own_time.name}', '{source.available.name}')"
