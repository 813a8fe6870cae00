"""Columns of numbers: moments, quantiles, outliers by three rules, histograms, and codes that are no measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from python_ml.profiling.schema import Histogram, Numbers, Sentinel, ValueCount
from python_ml.profiling.tables import Table, batches
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile

QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
BINS = 24
Z_LIMIT, MODIFIED_Z_LIMIT, FENCE = 3.0, 3.5, 1.5
ZEROS = 0.2  # share of zeros from which they deserve a word
NEGATIVE_CODES = frozenset({-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0})
POSITIVE_CODES = frozenset({99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0, 99999999.0, 2147483647.0})


@dataclass(frozen=True)
class _Spread:
    """What the first two passes know about a column."""

    deviation: float | None
    skew: float | None
    quantiles: list[float]
    mad: float


def measure(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, tuple[Numbers, list[Sentinel]]]:
    """Measure every column that holds numbers, in three passes for all of them.

    Returns
    -------
    dict
        By safe name: the figures, and values that look like codes.
    """
    columns = [c for c in table.of_kind("number") if c.number is not None and c.number.readable]
    found = {}
    for batch in batches(columns):
        spreads = _spreads(connection, table, batch)
        beyond = _beyond(connection, table, batch, spreads)
        histograms = _histograms(connection, table, batch, spreads)
        for column, spread, counts, histogram in zip(batch, spreads, beyond, histograms, strict=True):
            found[column.name] = _result(connection, table, column, spread, counts, histogram)
    return found


def _spreads(connection: duckdb.DuckDBPyConnection, table: Table, columns: list[ColumnProfile]) -> list[_Spread]:
    exact, sampled = [], []
    for column in columns:
        value = f"cast({quote(column.name)} as double)"
        # Squares of great numbers overflow; of shares of the greatest one they cannot.
        scaled = f"{value} / {_scale(column)!r}"
        exact += [f"stddev_samp({scaled})", f"skewness({scaled})"]
        sampled += [f"quantile_cont({value}, {list(QUANTILES.values())})", f"mad({value})"]
    first = connection.execute(f"select {', '.join(exact)} from {table.typed}").fetchall()[0]
    second = connection.execute(f"select {', '.join(sampled)} from {table.sample}").fetchall()[0]
    spreads = []
    for place, column in enumerate(columns):
        deviation, skew = first[2 * place : 2 * place + 2]
        quantiles, mad = second[2 * place : 2 * place + 2]
        deviation = None if deviation is None else deviation * _scale(column)
        spreads.append(_Spread(deviation, skew, quantiles or [], mad or 0.0))
    return spreads


def _scale(column: ColumnProfile) -> float:
    return max(abs(column.number.minimum), abs(column.number.maximum)) or 1.0


def _beyond(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: list[ColumnProfile], spreads: list[_Spread]
) -> list[tuple]:
    """Outliers by each rule, and what stands at and next to codes at the ends: seven figures per column."""
    measures = []
    for column, spread in zip(columns, spreads, strict=True):
        value = quote(column.name)
        for low, high in _fences(column, spread):
            measures.append(f"count(*) filter (where {value} < {low!r} or {value} > {high!r})" if low < high else "0")
        minimum, maximum = column.number.minimum, column.number.maximum
        is_code = maximum in POSITIVE_CODES
        measures += [
            f"count(*) filter (where {value} = {minimum!r})" if minimum in NEGATIVE_CODES else "0",
            f"count(*) filter (where {value} = {maximum!r})" if is_code else "0",
            f"max({value}) filter (where {value} < {maximum!r})" if is_code else "null",
            f"min({value}) filter (where {value} > 0)" if column.number.zeros and minimum == 0 else "null",
        ]
    row = connection.execute(f"select {', '.join(measures)} from {table.typed}").fetchall()[0]
    return [row[place : place + 7] for place in range(0, len(row), 7)]


def _fences(column: ColumnProfile, spread: _Spread) -> list[tuple[float, float]]:
    """Limits by quartiles, by standard deviations and by median deviations; ``(0, 0)`` where a rule has no say."""
    fences = [(0.0, 0.0)] * 3
    if spread.quantiles:
        low, middle, high = spread.quantiles[2:5]
        if high > low:
            fences[0] = (low - FENCE * (high - low), high + FENCE * (high - low))
        if spread.mad > 0:
            reach = MODIFIED_Z_LIMIT * spread.mad / 0.6745
            fences[2] = (middle - reach, middle + reach)
    mean = column.number.mean
    if spread.deviation and mean is not None:
        fences[1] = (mean - Z_LIMIT * spread.deviation, mean + Z_LIMIT * spread.deviation)
    return [(low, high) if math.isfinite(low) and math.isfinite(high) else (0.0, 0.0) for low, high in fences]


def _histograms(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: list[ColumnProfile], spreads: list[_Spread]
) -> list[Histogram | None]:
    edges = [_edges(column, spread) for column, spread in zip(columns, spreads, strict=True)]
    measures = []
    for column, cuts in zip(columns, edges, strict=True):
        value = f"cast({quote(column.name)} as double)"
        if not cuts:
            measures += ["null", "0", "0"]
            continue
        within = f"{value} >= {cuts[0]!r} and {value} <= {cuts[-1]!r}"
        measures += [
            f"map_entries(histogram(case when {within} then {value} end, {cuts[1:]}::double[]))",
            f"count(*) filter (where {value} < {cuts[0]!r})",
            f"count(*) filter (where {value} > {cuts[-1]!r})",
        ]
    row = connection.execute(f"select {', '.join(measures)} from {table.sample}").fetchall()[0]
    made: list[Histogram | None] = []
    for place, cuts in enumerate(edges):
        entries, below, above = row[3 * place : 3 * place + 3]
        if not cuts:
            made.append(None)
            continue
        by_edge = {entry["key"]: entry["value"] for entry in entries or []}
        made.append(Histogram(edges=cuts, counts=[by_edge.get(cut, 0) for cut in cuts[1:]], below=below, above=above))
    return made


def _edges(column: ColumnProfile, spread: _Spread) -> list[float]:
    """Edges of the bins: one per whole number where these are few, else of equal width over what is not far out."""
    low, high = column.number.minimum, column.number.maximum
    if low is None or high is None or not high > low or not math.isfinite(high - low):
        return []
    if column.number.is_integer and high - low <= 30:
        return [low - 0.5 + step for step in range(int(high - low) + 2)]
    if spread.quantiles and high - low > 3 * (spread.quantiles[-1] - spread.quantiles[0]) > 0:
        low, high = spread.quantiles[0], spread.quantiles[-1]
    edges = [low + (high - low) * step / BINS for step in range(BINS)] + [high]
    return edges if all(a < b for a, b in pairwise(edges)) else []


def _result(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    column: ColumnProfile,
    spread: _Spread,
    counts: tuple,
    histogram: Histogram | None,
) -> tuple[Numbers, list[Sentinel]]:
    number = column.number
    *outliers, at_minimum, at_maximum, below, above = counts
    numbers = Numbers(
        readable=number.readable,
        unreadable=_unreadable(connection, table, column) if number.readable < column.filled else [],
        written=number.style,
        minimum=number.minimum,
        maximum=number.maximum,
        # Sums of many numbers differ in their last digits from run to run; next to zero that is all they are.
        mean=None if number.mean is None else round(number.mean / _scale(column), 9) * _scale(column),
        deviation=spread.deviation,
        skew=None if spread.skew is None else round(spread.skew, 4),
        quantiles=dict(zip(QUANTILES, spread.quantiles, strict=False)),
        zeros=number.zeros,
        zero_inflated=_is_zero_inflated(column),
        negatives=number.negatives,
        outliers_iqr=outliers[0],
        outliers_z=outliers[1],
        outliers_modified_z=outliers[2],
        histogram=histogram,
    )
    sentinels = []
    if at_minimum and at_minimum == number.negatives:
        why = "the only negative value"
        sentinels.append(Sentinel(value=plain(number.minimum), rows=at_minimum, why=why))
    if at_maximum and below is not None and number.maximum > 1.5 * float(below):
        why = f"far from all other values; the next is {plain(below)}"
        sentinels.append(Sentinel(value=plain(number.maximum), rows=at_maximum, why=why))
    is_rare = bool(spread.quantiles) and number.zeros < 0.5 * number.readable
    if is_rare and above is not None and float(above) >= max(10, 0.25 * spread.quantiles[3]):
        why = f"far from all other values; the next is {plain(above)}"
        sentinels.append(Sentinel(value="0", rows=number.zeros, why=why))
    return numbers, sentinels


def _is_zero_inflated(column: ColumnProfile) -> bool:
    """Whether zero is far more frequent than a value among so many would be."""
    number = column.number
    return column.distinct > 10 and number.zeros >= max(ZEROS * number.readable, 5 * number.readable / column.distinct)


def _unreadable(connection: duckdb.DuckDBPyConnection, table: Table, column: ColumnProfile) -> list[ValueCount]:
    """Texts that are no numbers, the most frequent first."""
    from python_ml.profiling.tables import typed_sql

    name = quote(column.name)
    rows = connection.execute(f"""
        select left(cast({name} as varchar), 60), count(*) as n from {quote(table.profile.view)}
        where {name} is not null and ({typed_sql(column)}) is null
        group by 1 order by n desc, 1 limit 5
    """).fetchall()
    return [ValueCount(value=value, rows=count) for value, count in rows]


def plain(value: Any) -> str:
    """A number as a person writes it: no ``.0``, at most six significant digits."""
    number = float(value)
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:.6g}"
