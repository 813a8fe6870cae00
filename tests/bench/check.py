"""Equal results: two feature tables compared row by row and column by column."""

from __future__ import annotations

import math

import duckdb
import numpy as np

from .declaration import ENTITY

KEYS = (ENTITY, "feature_timestamp")
# Doubles may be summed in any order. The absolute part stands for values whose true result is 0.
RELATIVE = 1e-9
ABSOLUTE = 1e-9


def sampled(relation: str, every: int) -> str:
    """Query for the rows of one customer in `every` (all of them when it is 1)."""
    return f"select * from {relation} where hash(cast({ENTITY} as varchar)) % {every} = 0"


def differences(
    connection: duckdb.DuckDBPyConnection, ours: str, theirs: str, columns: list[str] | None = None
) -> list[str]:
    """What differs between two relations, as sentences; nothing when they are equal.

    Both are sorted by customer and feature time. Whole numbers, booleans and nulls must agree exactly, doubles to a
    relative 1e-9 (and anything below an absolute 1e-9 is 0).

    Parameters
    ----------
    ours, theirs : str
        Relations with the keys and the features.
    columns : list of str, optional
        Features to compare; without it, both must have the same.
    """
    names = [row[0] for row in connection.execute(f"describe select * from {ours}").fetchall()]
    their_names = [row[0] for row in connection.execute(f"describe select * from {theirs}").fetchall()]
    if columns is None:
        if set(names) != set(their_names):
            return [f"columns that only one side has: {', '.join(sorted(set(names) ^ set(their_names)))}"]
        columns = [name for name in names if name not in KEYS]
    left, right = _arrays(connection, ours, columns), _arrays(connection, theirs, columns)
    if len(left[ENTITY]) != len(right[ENTITY]):
        return [f"{len(left[ENTITY])} rows, but {len(right[ENTITY])} on the other side"]
    if not len(left[ENTITY]):
        return ["no rows to compare"]
    found = []
    for name in [*KEYS, *columns]:
        wrong = _unequal(left[name], right[name])
        if wrong.any():
            row = int(np.argmax(wrong))
            where = f"{left[ENTITY][row]} at {left['feature_timestamp'][row]}"
            found.append(f"{name}: {int(wrong.sum())} rows, first {left[name][row]} and {right[name][row]} for {where}")
    return found


def _arrays(connection: duckdb.DuckDBPyConnection, relation: str, columns: list[str]) -> dict[str, np.ma.MaskedArray]:
    chosen = ", ".join(f'"{name}"' for name in columns)
    query = f"select cast({ENTITY} as varchar) as {ENTITY}, cast(feature_timestamp as timestamp) as feature_timestamp"
    arrays = connection.execute(f"{query}, {chosen} from {relation} order by 1, 2").fetchnumpy()
    return {name: np.ma.asarray(values) for name, values in arrays.items()}


def _unequal(left: np.ma.MaskedArray, right: np.ma.MaskedArray) -> np.ndarray:
    empty_left, empty_right = np.ma.getmaskarray(left), np.ma.getmaskarray(right)
    plain_left, plain_right = left.data, right.data
    if "f" in (plain_left.dtype.kind, plain_right.dtype.kind):
        plain_left, plain_right = plain_left.astype(float), plain_right.astype(float)
        # The frames' NaN is SQL's null.
        empty_left, empty_right = empty_left | np.isnan(plain_left), empty_right | np.isnan(plain_right)
        both = ~empty_left & ~empty_right
        unequal = np.zeros(len(left), dtype=bool)
        unequal[both] = ~np.isclose(plain_left[both], plain_right[both], rtol=RELATIVE, atol=ABSOLUTE)
    else:
        unequal = (plain_left != plain_right) & ~empty_left & ~empty_right
    return np.asarray(unequal | (empty_left != empty_right))


def one_in(rows: int, most: int = 100_000) -> int:
    """Which share of the customers to compare, so that about `most` rows are: one in this many."""
    return max(1, math.ceil(rows / most))
