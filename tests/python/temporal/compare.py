"""Comparison of what the SQL answered with what the oracle says, told so that a person can follow it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .engine import World
from .window_oracle import Near

Rows = Sequence[Mapping[str, Any]]

RELATIVE = 1e-9
OF_TERMS = 1e-12
_LONG = 200
KEY = ("customer_id", "feature_timestamp")


class DifferentError(AssertionError):
    """Two answers differ; `entity` is one for which they do."""

    def __init__(self, message: str, entity: Any) -> None:
        super().__init__(message)
        self.entity = entity


def assert_same_rows(actual: Rows, expected: Rows, world: World, *, key: Sequence[str] = KEY, sql: str = "") -> None:
    """Same keys, same columns, same values: exact, except for doubles.

    Numbers that the oracle gives as `Fraction` or `Decimal` may differ by 1e-9 relative (a zero by nothing at all),
    and a `Near` besides by 1e-12 of its terms; everything else, nulls included, must be equal.
    """
    wrong = _differences(actual, expected, key)
    if wrong:
        raise DifferentError(f"SQL and oracle disagree:\n{_told(wrong, world, key)}\n\n{sql}", _first(wrong))


def assert_identical(first: Rows, second: Rows, world: World, *, key: Sequence[str] = KEY, why: str) -> None:
    """Two answers of the engine, equal to the last bit in every column that the first has."""
    wrong = []
    left, right = _by_key(first, key), _by_key(second, key)
    for missing in left.keys() ^ right.keys():
        wrong.append((missing, f"only in the {'first' if missing in left else 'second'} answer"))
    for at in left.keys() & right.keys():
        for column, value in left[at].items():
            if repr(value) != repr(right[at][column]):
                wrong.append((at, f"{column}: {value!r} became {right[at][column]!r}"))
    if wrong:
        raise DifferentError(f"{why}:\n{_told(wrong, world, key)}", _first(wrong))


def close(actual: float, expected: Fraction | Decimal, slack: Fraction = Fraction(0)) -> bool:
    """Within 1e-9 of the exact value, relative to it, or within the slack more."""
    if not math.isfinite(actual):
        return False
    exact = Fraction(expected)
    return abs(Fraction(actual) - exact) <= Fraction(RELATIVE) * abs(exact) + slack


def describe(world: World) -> str:
    """The tables of a world, aligned, as far as their first 200 rows."""
    parts = []
    for name, rows in world.items():
        parts.append(f"{name} ({len(rows)} rows)")
        if rows:
            lines = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows[:_LONG]]
            widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
            parts += [
                "    " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
            ]
    return "\n".join(parts)


Mistakes = list[tuple[tuple, str]]


def _first(wrong: Mistakes) -> Any:
    return min(wrong, key=lambda mistake: _key(mistake[0]))[0][0]


def _told(wrong: Mistakes, world: World, key: Sequence[str]) -> str:
    """The first mistakes and the tables, or, of long ones, what belongs to the entity that was wrong first."""
    lines = sorted(f"  {_key(at)} {text}" for at, text in wrong)
    more = [f"... and {len(wrong) - 20} more"] if len(wrong) > 20 else []
    if sum(map(len, world.values())) > _LONG:
        world = of_entity(world, _first(wrong), key[0])
    return "\n".join(lines[:20] + more) + f"\n\n{describe(world)}"


def of_entity(world: World, entity: Any, key: str = KEY[0]) -> World:
    """What a world holds of one entity."""
    return {name: [row for row in rows if row.get(key, entity) == entity] for name, rows in world.items()}


def _differences(actual: Rows, expected: Rows, key: Sequence[str]) -> Mistakes:
    wrong = []
    got, wanted = _by_key(actual, key), _by_key(expected, key)
    wrong += [(at, "row missing") for at in wanted.keys() - got.keys()]
    wrong += [(at, "row not expected") for at in got.keys() - wanted.keys()]
    for at in wanted.keys() & got.keys():
        if set(got[at]) != set(wanted[at]):
            wrong.append((at, f"columns: {sorted(set(got[at]) ^ set(wanted[at]))} on one side only"))
            break
        for column, value in wanted[at].items():
            if not _agree(got[at][column], value):
                wrong.append((at, f"{column}: SQL {got[at][column]!r}, oracle {_as_double(value)!r}"))
    return wrong


def _as_double(value: Any) -> Any:
    if isinstance(value, Near):
        value = value.value
    return float(value) if isinstance(value, Fraction | Decimal) else value


def _agree(actual: Any, expected: Any) -> bool:
    if actual is None or expected is None:
        return actual is expected
    if isinstance(expected, Near):
        return isinstance(actual, float) and close(actual, expected.value, Fraction(OF_TERMS) * expected.terms)
    if isinstance(expected, Fraction) or (isinstance(expected, Decimal) and isinstance(actual, float)):
        # The nearest double is right for sure, and most are; to compare exactly takes ten times as long.
        return isinstance(actual, float) and (actual == float(expected) or close(actual, expected))
    # A flag is not a number here: True == 1 would hide a wrong type.
    return type(actual) is type(expected) and actual == expected


def _by_key(rows: Iterable[Mapping[str, Any]], key: Sequence[str]) -> dict[tuple, Mapping[str, Any]]:
    keyed: dict[tuple, Mapping[str, Any]] = {}
    for row in rows:
        at = tuple(row[column] for column in key)
        assert at not in keyed, f"two rows for {_key(at)}"
        keyed[at] = row
    return keyed


def _key(at: tuple) -> str:
    return "(" + ", ".join(_cell(value) for value in at) + ")"


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)
