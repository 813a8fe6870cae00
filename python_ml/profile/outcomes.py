"""Columns with an outcome: their two values, and which of them means churn."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.ingest.schema import LINE_PROBLEM, Column, RawTable
from python_ml.ingest.tables import unknown_column
from python_ml.ingest.vocabulary import CHURNED, RETAINED, has_word
from python_ml.profile.schema import OutcomeColumn, TableProfile
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

_NEGATIONS = frozenset(("not", "no", "non", "never", "un"))
_YES, _NO = frozenset(("yes", "y", "true", "t", "1")), frozenset(("no", "n", "false", "f", "0"))
MOST_VALUES = 20  # more different values than this are no classes
SHOWN = 8


@dataclass(frozen=True)
class _Guess:
    churned: str
    reason: str
    warning: str = ""
    positive_is_retained: bool = False


def outcome_sql(column: Column) -> str:
    """SQL of an outcome's value over the raw relation, as :class:`OutcomeColumn` and bronze compare it."""
    raw, physical = quote(column.raw_name), column.reading.physical_type
    is_point = physical in ("DOUBLE", "FLOAT") or physical.startswith("DECIMAL")
    if is_point and column.numbers is not None and column.numbers.is_integer:
        return f"cast(try_cast({raw} as bigint) as varchar)"
    return f"regexp_replace(lower(trim(cast({raw} as varchar))), '[.]0$', '')"


def churned_sql(column: Column, outcome: OutcomeColumn) -> str:
    """SQL over typed columns: whether a row churned; null without an outcome."""
    name = quote(column.name)
    if column.reading.type == "boolean":
        affirmative = bool(set(outcome.churned) & _YES)
        return name if affirmative else f"not {name}"
    text = f"regexp_replace(lower(trim(cast({name} as varchar))), '[.]0+$', '')"
    return f"case when {name} is not null then {text} in ({', '.join(map(literal, outcome.churned))}) end"


def read_outcome(
    connection: duckdb.DuckDBPyConnection, table: TableProfile | RawTable, column: str, positive: str | None = None
) -> OutcomeColumn:
    """Read an outcome: whether it has two values, and which of them means churn.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the relations of the raw table.
    table : TableProfile or RawTable
    column : str
        Raw or safe name.
    positive : str, optional
        The value that means churn, where the user gives it; every other value then means retained.

    Raises
    ------
    UserError
        When the column has a single value, more than two without ``positive``, or two that nothing tells apart.
    """
    raw = table.table if isinstance(table, TableProfile) else table
    subject = raw.column(column)
    if subject is None:
        hint = f"choose one of: {raw.column_names}"
        raise UserError(f"{raw.name} has no column `{column}`.", where="--outcome", hint=hint)
    counts, missing, has_more = _values(connection, raw, subject)
    name, where = subject.raw_name, f"{raw.path}, column {subject.raw_name}"
    shown = ", ".join(f"'{value}' ({count:,})" for value, count in list(counts.items())[:SHOWN])
    if has_more or len(counts) > MOST_VALUES:
        raise UserError(
            f"The outcome `{name}` has too many different values to be classes: {shown}, and more.",
            where=where,
            hint="name a column with the outcome of each customer",
        )
    if len(counts) < 2:
        raise UserError(
            f"The outcome `{name}` has {'no value' if not counts else f'a single value: {shown}'}.",
            where=where,
            hint="bring a file in which some customers churned and some were retained, or name another column",
        )
    rarest = min(counts, key=lambda value: counts[value])
    if positive is None and len(counts) > 2:
        raise UserError(
            f"The outcome `{name}` is not binary; its values are {shown}.",
            where=where,
            hint=f"name the value that means churn with --positive, such as --positive {rarest}; "
            "all others then mean retained",
        )
    guess = _guess(name, list(counts), counts)
    if positive is not None:
        chosen = _match(positive, counts, where, shown)
        contradicted = guess is not None and not guess.warning and guess.churned != chosen and len(counts) == 2
        warning = f"--positive {positive} takes `{name}` = {chosen} as churned, although " if contradicted else ""
        guess = _Guess(chosen, "named with --positive", warning and warning + guess.reason, contradicted)
    if guess is None:
        raise UserError(
            f"Neither the name nor the values of `{name}` show which value means churn: {shown}.",
            where=where,
            hint=f"name it with --positive, such as --positive {rarest}",
        )
    return OutcomeColumn(
        table=raw.name,
        column=subject.name,
        churned=(guess.churned,),
        retained=tuple(value for value in counts if value != guess.churned),
        counts=counts,
        missing=missing,
        reason=guess.reason,
        positive_is_retained=guess.positive_is_retained,
        warning=guess.warning,
        is_given=positive is not None,
    )


def find_outcomes(
    connection: duckdb.DuckDBPyConnection,
    tables: list[RawTable],
    wanted: str | None = None,
    positive: str | None = None,
) -> list[OutcomeColumn]:
    """Read the outcome that the user named, or the one of each table whose name and values say an outcome.

    Parameters
    ----------
    wanted : str, optional
        ``column`` or ``source.column``.

    Raises
    ------
    UserError
        When the named column does not exist or cannot be read as churned or retained.
    """
    if wanted is not None:
        source, _, name = wanted.partition(".")
        holders = [(t, wanted) for t in tables if t.column(wanted) is not None]
        holders = holders or [(t, name) for t in tables if t.name == source and t.column(name) is not None]
        if not holders:
            raise unknown_column(wanted, tables, "--outcome")
        return [replace(read_outcome(connection, holders[0][0], holders[0][1], positive), is_given=True)]
    outcomes = []
    for table in tables:
        candidates = [c for c in table.columns if c.semantic == "target_candidate"]
        if len(candidates) == 1:
            try:
                outcomes.append(read_outcome(connection, table, candidates[0].raw_name, positive))
            except UserError:
                continue  # a column that nobody named and that has no two classes is no outcome
    return outcomes


def _values(connection: duckdb.DuckDBPyConnection, raw: RawTable, column: Column) -> tuple[dict[str, int], int, bool]:
    """Rows per value, rows without one, and whether there are more values than were read."""
    good = f"where {quote(LINE_PROBLEM)} is null" if raw.rejected else ""
    rows = connection.execute(f"""
        select case when {outcome_sql(column)} not in ('', '\\n') then {outcome_sql(column)} end as value, count(*) as n
        from {raw.relation} {good} group by 1 order by n desc, value limit {MOST_VALUES + 3}
    """).fetchall()
    counts = {value: int(n) for value, n in rows if value is not None}
    return counts, sum(int(n) for value, n in rows if value is None), len(rows) > MOST_VALUES + 2


def _match(positive: str, counts: dict[str, int], where: str, shown: str) -> str:
    wanted = re.sub(r"[.]0$", "", positive.strip().lower())
    if wanted in counts:
        return wanted
    hint = f"choose one of {shown}"
    raise UserError(f"No row has the value '{positive}'.", where=f"{where}, --positive", hint=hint)


def _lean(text: str) -> int:
    """1 when a name or value says churned, -1 when it says retained, 0 when it says neither or both."""
    churned, retained = has_word(text, CHURNED), has_word(text, RETAINED)
    if churned == retained:
        return 0
    return (1 if churned else -1) * (-1 if has_word(text, _NEGATIONS) else 1)


def _guess(name: str, values: list[str], counts: dict[str, int]) -> _Guess | None:
    """Which of two values means churn, by the values themselves and by the name of the column."""
    if len(values) != 2:
        return None
    pairs = (values, values[::-1])
    for value, other in pairs:
        if _lean(value) == 1 and _lean(other) != 1:
            return _Guess(value, f"the value '{value}' says churned")
    for value, other in pairs:
        if _lean(value) == -1 and _lean(other) == 0:
            return _Guess(other, f"the value '{value}' says retained")
    lean = _lean(name)
    if set(values) == {"-1", "1"}:
        affirmative, negative, coding = "1", "-1", "1 is taken as yes and -1 as no"
    else:
        bare = {value: re.sub(r"[^a-z0-9]", "", value) for value in values}
        yes, no = [v for v in values if bare[v] in _YES], [v for v in values if bare[v] in _NO]
        if set(values) == {"1", "2"} or (not yes and not no and all(_is_number(v) for v in values)):
            return _unnamed(name, counts)
        if len(yes) == 1 and not no:
            no = [v for v in values if v not in yes]
        if len(yes) != 1 or len(no) != 1:
            return None
        affirmative, negative, coding = yes[0], no[0], ""
    warning = f"`{name}` has the values -1 and 1: {coding}; --positive overrides this" if coding else ""
    if lean == 1:
        return _Guess(affirmative, f"the name `{name}` says churned", warning)
    if lean == -1:
        reason = f"the name `{name}` says retained"
        return _Guess(
            negative,
            reason,
            f"positive class is not churn: {reason}, so {negative} is taken as churned; --positive overrides this",
            True,
        )
    reason = f"nothing in the name `{name}` says whether '{affirmative}' means churn"
    return _Guess(affirmative, reason, f"{reason}; it is taken as churned; --positive overrides this")


def _unnamed(name: str, counts: dict[str, int]) -> _Guess:
    """Two numbers neither of which is 0 say nothing: the rarer one is proposed."""
    rare = min(counts, key=lambda value: (counts[value], -float(value)))
    total = sum(counts.values())
    shares = " and ".join(f"{value} in {count / total:.1%} of the rows" for value, count in sorted(counts.items()))
    warning = f"`{name}` is {shares}: the rarer, {rare}, is taken as churned; --positive overrides this"
    return _Guess(rare, "the rarer of two values without a name", warning)


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[+-]?\d+([.]\d+)?", value) is not None
