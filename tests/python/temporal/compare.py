"""Comparison of what the SQL answered with what the oracle says, told so that a person can follow it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .engine import World

Rows = Sequence[Mapping[str, Any]]

RELATIVE = 1e-9
KEY = ("customer_id", "feature_timestamp")


def assert_same_rows(actual: Rows, expected: Rows, world: World, *, key: Sequence[str] = KEY, sql: str = "") -> None:
    """Same keys, same columns, same values: exact, except for doubles that are means, sums or deviations.

    Numbers that the oracle gives as `Fraction` or `Decimal` may differ by 1e-9 relative (a zero by nothing at
    all); everything else, nulls included, must be equal.
    """
    wrong = _differences(actual, expected, key)
    if wrong:
        shown = "\n".join(wrong[:20])
        more = f"\n... and {len(wrong) - 20} more" if len(wrong) > 20 else ""
        raise AssertionError(f"SQL and oracle disagree:\n{shown}{more}\n\n{describe(world)}\n\n{sql}")


def assert_identical(first: Rows, second: Rows, world: World, *, key: Sequence[str] = KEY, why: str) -> None:
    """Two answers of the engine, equal to the last bit in every column that the first has."""
    wrong = []
    left, right = _by_key(first, key), _by_key(second, key)
    for missing in left.keys() ^ right.keys():
        wrong.append(f"  {_key(missing)}: only in the {'first' if missing in left else 'second'} answer")
    for at in left.keys() & right.keys():
        for column, value in left[at].items():
            if repr(value) != repr(right[at][column]):
                wrong.append(f"  {_key(at)} {column}: {value!r} became {right[at][column]!r}")
    if wrong:
        raise AssertionError(f"{why}:\n" + "\n".join(sorted(wrong)[:20]) + f"\n\n{describe(world)}")


def close(actual: float, expected: Fraction | Decimal) -> bool:
    """Within 1e-9 of the exact value, relative to it."""
    if not math.isfinite(actual):
        return False
    exact = Fraction(expected)
    return abs(Fraction(actual) - exact) <= Fraction(RELATIVE) * abs(exact)


def describe(world: World) -> str:
    """The filled tables of a world, aligned."""
    parts = []
    for name, rows in world.items():
        parts.append(f"{name} ({len(rows)} rows)")
        if rows:
            lines = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
            widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
            parts += [
                "    " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines
            ]
    return "\n".join(parts)


def _differences(actual: Rows, expected: Rows, key: Sequence[str]) -> list[str]:
    wrong = []
    if len(actual) != len(expected):
        wrong.append(f"  {len(actual)} rows, expected {len(expected)}")
    got, wanted = _by_key(actual, key), _by_key(expected, key)
    wrong += [f"  {_key(at)}: row missing" for at in wanted.keys() - got.keys()]
    wrong += [f"  {_key(at)}: row not expected" for at in got.keys() - wanted.keys()]
    for at in wanted.keys() & got.keys():
        if set(got[at]) != set(wanted[at]):
            wrong.append(f"  columns: {sorted(set(got[at]) ^ set(wanted[at]))} on one side only")
            break
        for column, value in wanted[at].items():
            if not _agree(got[at][column], value):
                shown = float(value) if isinstance(value, Fraction | Decimal) else value
                wrong.append(f"  {_key(at)} {column}: SQL {got[at][column]!r}, oracle {shown!r}")
    return sorted(wrong)


def _agree(actual: Any, expected: Any) -> bool:
    if actual is None or expected is None:
        return actual is expected
    if isinstance(expected, Fraction) or (isinstance(expected, Decimal) and isinstance(actual, float)):
        return isinstance(actual, float) and close(actual, expected)
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
