"""What the templates of bronze need of a source: expressions, checks, and which of several copies is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from python_ml.errors import UserError
from python_ml.generate.text import as_argument
from python_ml.ingest.schema import LINE_NUMBER, LINE_PROBLEM, LINE_TEXT, ROW_NUMBER
from python_ml.ingest.typing import typed_expression
from python_ml.names import RESERVED, comment_text, jinja_string
from python_ml.plan.schema import COPY_REASON, ColumnPlan, DerivedColumn, SourcePlan

LINE_COLUMNS = (LINE_NUMBER, LINE_TEXT, LINE_PROBLEM)
_TYPES = ("text", "integer", "decimal", "double", "boolean", "timestamp")
_RANKS = {"key": 0, "entity": 1, "identifier": 2}


@dataclass(frozen=True)
class BronzeColumn:
    """A column in the template of a checked model; ``raw_text`` is empty where the text as it came is not kept."""

    name: str
    raw_sql: str
    typed_sql: str
    raw_text: str
    raw_text_sql: str
    imputed_sql: str


@dataclass(frozen=True)
class BronzeModel:
    """What the templates of a source in bronze need.

    Attributes
    ----------
    title : str
        Name of the file, for comments.
    columns : tuple of BronzeColumn
        Keys first, then texts, numbers, booleans and times.
    renames : bool
        Whether any raw name differs from the safe one.
    checks : tuple of (str, str)
        Condition (an expression of Jinja) and reason, in the order in which they are tried.
    keys, numbers : tuple of DerivedColumn
        Derived texts that identify the row, and derived numbers, which are computed of imputed values.
    output : tuple of str
        Columns of the kept rows.
    copy_columns, copy_when, copy_reason : str
        What makes rows copies of each other (empty where none is quarantined), when, and the reason they get.
    known_at : str
        Expression of Jinja: which copy was known first.
    tie_breakers : tuple of str
    """

    title: str
    columns: tuple[BronzeColumn, ...]
    renames: bool
    checks: tuple[tuple[str, str], ...]
    keys: tuple[DerivedColumn, ...]
    numbers: tuple[DerivedColumn, ...]
    output: tuple[str, ...]
    line_columns: tuple[str, ...]
    copy_columns: str
    copy_when: str
    copy_reason: str
    known_at: str
    tie_breakers: tuple[str, ...]

    @property
    def checked(self) -> tuple[BronzeColumn, ...]:
        """Columns whose raw text is kept with the typed value."""
        return tuple(c for c in self.columns if c.raw_text)

    @property
    def imputed(self) -> tuple[str, ...]:
        """Columns in which missing values are replaced."""
        return tuple(c.name for c in self.columns if c.imputed_sql)


def bronze_model(source: SourcePlan) -> BronzeModel:
    """Prepare a source for the templates of bronze.

    Raises
    ------
    UserError
        When a value is to be carried forward without a customer and a time to carry it along.
    """
    ordered = sorted(source.columns, key=lambda c: (_RANKS.get(c.role, 3), _TYPES.index(c.type)))
    taken = {c.name for c in source.columns} | {d.name for d in source.derived} | {source.superseded}
    safe = {c.raw_name: c.name for c in source.columns}
    columns = []
    for plan in ordered:
        raw_text = ""
        if (plan.is_checked or is_checked_for_nan(source, plan)) and not plan.is_dropped:
            raw_text = f"{plan.name}_raw"
            while raw_text in taken:
                raw_text += "_text"
            taken.add(raw_text)
        typed = _typed_sql(plan, safe.get(plan.reading.clock_column, ""))
        macro = "to_text" if plan.may_be_nan else "clean_text"
        raw_text_sql = f"{{{{ customer_retention.{macro}('{plan.name}') }}}}"
        columns.append(
            BronzeColumn(plan.name, _raw_sql(plan), typed, raw_text, raw_text_sql, _imputed_sql(source, plan))
        )
    if source.has_row_number and not row_number_name(source):
        row_number = BronzeColumn(ROW_NUMBER, ROW_NUMBER, f"cast({ROW_NUMBER} as bigint)", "", "", "")
        columns.insert(0, row_number)
    copies = _copies(source, columns)
    names = [c.name for c in columns]
    labels = [c.name for c in source.columns if c.role == "label"]
    # The outcome must not decide which of several rows of a customer is kept.
    breakers = [n for n in names if n not in source.key and n not in labels] + labels
    return BronzeModel(
        title=comment_text(source.file),
        columns=tuple(columns),
        renames=any(c.raw_sql != c.name for c in columns),
        checks=tuple(_checks(source, columns)),
        keys=tuple(d for d in source.derived if d.type == "text"),
        numbers=tuple(d for d in source.derived if d.type != "text"),
        output=_output(source, ordered),
        line_columns=LINE_COLUMNS if source.has_rejected else (),
        copy_columns=copies[0],
        copy_when=copies[1],
        copy_reason=copies[2],
        known_at=known_expression(source) or f"'{[*source.key, *names][0]}'",
        tie_breakers=tuple(breakers or names),
    )


def output_columns(source: SourcePlan) -> tuple[str, ...]:
    """Columns of a source's kept rows, in their order."""
    return _output(source, sorted(source.columns, key=lambda c: (_RANKS.get(c.role, 3), _TYPES.index(c.type))))


def _output(source: SourcePlan, ordered: list[ColumnPlan]) -> tuple[str, ...]:
    kinds = [(c.name, c.type) for c in ordered if not c.is_dropped]
    extra = [(d.name, d.type) for d in source.derived]
    extra += [("is_reversal", "boolean")] if source.reversal else []
    extra += [(source.superseded, "timestamp")] if source.superseded else []
    for name, kind in extra:
        # behind the last column of its type or of an earlier one; what identifies the customer leads
        before = [i for i, (_, other) in enumerate(kinds) if _TYPES.index(other) <= _TYPES.index(kind)]
        kinds.insert(0 if name == source.entity else max(before, default=-1) + 1, (name, kind))
    adds = source.has_row_number and not row_number_name(source)
    return (*([ROW_NUMBER] if adds else []), *(name for name, _ in kinds))


def row_number_name(source: SourcePlan) -> str:
    """The column that the number of the row is planned to be; empty where it only comes along."""
    return next((c.name for c in source.columns if c.raw_name == ROW_NUMBER), "")


def known_expression(source: SourcePlan) -> str:
    """Expression of Jinja: when a row of bronze was known; empty for a source without a time of its own."""
    own = [
        n for n in (source.own_time and source.time, source.available if source.column(source.available) else "") if n
    ]
    if not own:
        return ""
    return f"'{own[0]}'" if len(own) == 1 else f"customer_retention.known_at('{own[0]}', '{own[1]}')"


def _has_own(source: SourcePlan, name: str) -> bool:
    return bool(name) and (source.column(name) is not None or any(d.name == name for d in source.derived))


def _raw_sql(plan: ColumnPlan) -> str:
    """The raw column, quoted where its name is not a plain one."""
    if plan.raw_name == plan.name and plan.raw_name not in RESERVED and re.fullmatch(r"[a-z][a-z0-9_]*", plan.raw_name):
        return plan.raw_name
    return f"{{{{ customer_retention.raw_column({jinja_string(plan.raw_name)}) }}}}"


def _typed_sql(plan: ColumnPlan, clock: str) -> str:
    expression = typed_expression(plan.reading, plan.name, clock)
    for value in plan.null_values:
        expression = f"nullif({expression}, {_value(plan, value)})"
    if plan.fold_case:
        expression = f"{plan.fold_case}({expression})"
    if not plan.is_bounded and (plan.low is not None or plan.high is not None):
        bounds = [f"{name}={plain_number(b)}" for name, b in (("low", plan.low), ("high", plan.high)) if b is not None]
        capped = f"{{{{ customer_retention.capped({as_argument(expression)}, {', '.join(bounds)}) }}}}"
        type_ = sql_type(plan)
        expression = f"cast({capped} as {type_})"
    return expression


def sql_type(plan: ColumnPlan) -> str:
    """The SQL type of a number in bronze."""
    return {"integer": "bigint", "double": "double"}.get(plan.type, f"decimal(18, {plan.reading.scale})")


def _value(plan: ColumnPlan, value: str) -> str:
    """A value as a literal of its column's type."""
    if plan.type == "text":
        return f"{{{{ customer_retention.text_literal({jinja_string(value)}) }}}}"
    if plan.type == "timestamp":
        return f"{{{{ customer_retention.timestamp_literal({jinja_string(value)}) }}}}"
    if plan.type == "boolean":
        return "true" if value.lower() in ("true", "t", "yes", "y", "1") else "false"
    return plain_number(value)


def plain_number(number: float | str) -> str:
    """A number as SQL writes it; raises ValueError for anything else."""
    exact = Decimal(str(number))
    if not exact.is_finite():
        raise ValueError(f"`{number}` is no number")
    text = f"{exact:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _imputed_sql(source: SourcePlan, plan: ColumnPlan) -> str:
    """What takes the place of a missing value, after checks; empty for nothing."""
    if plan.imputation is None or plan.is_dropped:
        return ""
    if plan.imputation.how != "forward_fill":
        value = _value(plan, plan.imputation.value or "0")
        value = f"cast({value} as {sql_type(plan)})" if plan.type in ("decimal", "double") else value
        return f"coalesce({plan.name}, {value})"
    known = known_expression(source)
    if not (known and _has_own(source, source.entity)):
        raise UserError(
            f"`{plan.raw_name}` cannot be carried forward: its rows have no customer or no time of their own.",
            where=source.file,
            hint="choose another imputation",
        )
    breakers = ", ".join(f"'{name}'" for name in (source.key or [c.name for c in source.columns if c is not plan]))
    reason = "'case when quarantine_reason is null then 1 else 0 end'"
    indent = " " * 12
    arguments = f",\n{indent}".join((f"'{plan.name}'", f"['{source.entity}', {reason}]", known, f"[{breakers}]"))
    return f"{{{{ customer_retention.last_known(\n{indent}{arguments},\n        ) }}}}"


def is_checked_for_nan(source: SourcePlan, plan: ColumnPlan) -> bool:
    """Whether an event whose number is NaN or infinite is quarantined; an attribute of a customer is missing then."""
    return plan.role == "number" and plan.may_be_nan and source.own_time is not None


def _checks(source: SourcePlan, columns: list[BronzeColumn]) -> list[tuple[str, str]]:
    raw_text = {c.name: c.raw_text for c in columns if c.raw_text}
    checks = []
    if _has_own(source, source.entity):
        checks.append((f"'{source.entity} is null'", f"missing {source.entity}"))
        if source.nobody:
            values = " ~ ', ' ~ ".join(f"customer_retention.text_literal({jinja_string(v)})" for v in source.nobody)
            checks.append((f"'{source.entity} in (' ~ {values} ~ ')'", f"missing {source.entity}"))
    if source.own_time is not None:
        checks.append((f"'{source.time} is null'", f"missing or unreadable {source.time}"))
    if source.available in raw_text:
        when = f"'{raw_text[source.available]} is not null and {source.available} is null'"
        checks.append((when, f"unreadable {source.available}"))
    if source.own_time is not None:
        bounds = f", '{source.plausible_from}', '{source.plausible_to}'" if source.plausible_from is not None else ""
        when = f"customer_retention.implausible_time('{source.time}'{bounds})"
        checks.append((when, f"implausible {source.time}"))
    for plan in source.columns:
        if plan.name in raw_text and is_checked_for_nan(source, plan):
            # A sum with NaN is NaN; one without says nothing of what was left out.
            when = f"'{raw_text[plan.name]} is not null and {plan.name} is null'"
            checks.append((when, f"NaN, infinite or too large {plan.name}"))
        elif plan.must_be_readable and plan.name in raw_text:
            when = f"'{raw_text[plan.name]} is not null and {plan.name} is null'"
            checks.append((when, f"unreadable {plan.name}"))
    for plan in source.columns:
        if plan.is_bounded:
            beyond = [f"{plan.name} < {plain_number(plan.low)}"] if plan.low is not None else []
            beyond += [f"{plan.name} > {plain_number(plan.high)}"] if plan.high is not None else []
            checks.append((f"'{' or '.join(beyond)}'", f"{plan.name} out of range"))
    return checks


def _copies(source: SourcePlan, columns: list[BronzeColumn]) -> tuple[str, str, str]:
    """What makes rows copies, when one is quarantined, and its reason."""
    key = [name for name in source.key if name not in (ROW_NUMBER, row_number_name(source))]
    if key and len(key) == len(source.key):
        filled = " and ".join(f"{name} is not null" for name in key)
        parts = list(key)
        if source.superseded:
            # A version is a copy only where neither of the two is known to be newer.
            parts.append(f"{{{{ {known_expression(source)} }}}}")
        return ", ".join(parts), f"{filled} and copy_rank > 1", f"duplicate {', '.join(key)}"
    if not source.drops_copies:
        return "", "", ""
    # Copies are compared by what the file contains, not only by what could be read.
    names = [n for c in columns if c.name != ROW_NUMBER for n in (c.name, c.raw_text) if n]
    return ", ".join(names), "copy_rank > 1", COPY_REASON
