"""Columns of numbers: moments, quantiles, outliers by three rules, histograms, codes, and what early rows say."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

from python_ml.ingest import vocabulary
from python_ml.ingest.schema import Column
from python_ml.names import name_parts
from python_ml.profile.schema import Distribution, EarlyFacts, Histogram, Sentinel
from python_ml.profile.tables import Table, batches, kind_of, number, plain, scale_of
from python_ml.warehouse import quote

QUANTILES = {"p01": 0.01, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
EARLY = {"p001": 0.001, **QUANTILES, "p999": 0.999}
BINS = 24
Z_LIMIT, MAD_LIMIT, FENCE = 3.0, 3.5, 1.5
ZEROS = 0.2  # share of zeros from which a column may be zero-inflated
FAR = 5.0  # times the outermost quantile
RARE = 0.05  # share of rows up to which a code at the upper end may stand for a missing value
FEW_VALUES = 1_000  # different values up to which the most frequent one means anything
NEGATIVE_CODES = frozenset({-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0})
POSITIVE_CODES = frozenset({99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0, 99999999.0, 2147483647.0})
_COUNTED = vocabulary.terms("counted")


@dataclass(frozen=True)
class _Spread:
    """What the first two passes give for a column."""

    deviation: float | None
    skew: float | None
    quantiles: list[float]
    mad: float


def measure_numbers(table: Table) -> dict[str, tuple[Distribution, tuple[Sentinel, ...]]]:
    """Measure every column of numbers and durations, in four queries per batch of columns.

    Returns
    -------
    dict
        By safe name: the distribution, and values that may stand for missing ones.
    """
    results = {}
    for batch in batches(c for c in table.of_kind("number", "duration") if _is_measured(c)):
        spreads = _spreads(table, batch)
        beyond = _beyond(table, batch, spreads)
        histograms = _histograms(table, batch, spreads)
        for column, spread, counts, histogram in zip(batch, spreads, beyond, histograms, strict=True):
            distribution = Distribution(
                deviation=spread.deviation,
                skew=spread.skew,
                quantiles=dict(zip(QUANTILES, spread.quantiles, strict=False)),
                is_zero_inflated=_is_zero_inflated(column),
                outliers_iqr=counts[0],
                outliers_zscore=counts[1],
                outliers_mad=counts[2],
                histogram=histogram,
            )
            results[column.name] = distribution, tuple(_sentinels(column, spread, *counts[3:]))
    return results


def _is_measured(column: Column) -> bool:
    return (
        kind_of(column) in ("number", "duration") and column.numbers is not None and column.numbers.minimum is not None
    )


def _spreads(table: Table, columns: list[Column]) -> list[_Spread]:
    exact, sampled = [], []
    for column in columns:
        scaled = f"{number(column)} / {scale_of(column)!r}"
        exact += [f"stddev_samp({scaled})", f"skewness({scaled})"]
        sampled += [f"quantile_cont({number(column)}, {list(QUANTILES.values())})", f"mad({number(column)})"]
    first, second = table.row(exact), table.row(sampled, table.sample)
    spreads = []
    for place, column in enumerate(columns):
        deviation, skew = first[2 * place : 2 * place + 2]
        quantiles, mad = second[2 * place : 2 * place + 2]
        # The last digits of sums differ from run to run.
        deviation = None if deviation is None else float(f"{deviation * scale_of(column):.10g}")
        spreads.append(_Spread(deviation, None if skew is None else round(skew, 4), quantiles or [], mad or 0.0))
    return spreads


def _beyond(table: Table, columns: list[Column], spreads: list[_Spread]) -> list[tuple[Any, ...]]:
    """Outliers by each rule, and what stands at and next to codes at the ends: seven figures per column."""
    measures = []
    for column, spread in zip(columns, spreads, strict=True):
        value = number(column)
        for low, high in _fences(column, spread):
            measures.append(f"count(*) filter (where {value} < {low!r} or {value} > {high!r})" if low < high else "0")
        minimum, maximum = column.numbers.minimum, column.numbers.maximum
        is_code = maximum in POSITIVE_CODES
        measures += [
            f"count(*) filter (where {value} = {minimum!r})" if minimum in NEGATIVE_CODES else "0",
            f"count(*) filter (where {value} = {maximum!r})" if is_code else "0",
            f"max({value}) filter (where {value} < {maximum!r})" if is_code else "null",
            f"min({value}) filter (where {value} > 0)" if column.numbers.zeros and minimum == 0 else "null",
        ]
    row = table.row(measures)
    return [row[place : place + 7] for place in range(0, len(row), 7)]


def _fences(column: Column, spread: _Spread) -> list[tuple[float, float]]:
    """Limits by quartiles, standard deviations and median deviations; ``(0, 0)`` where a rule does not apply."""
    fences = [(0.0, 0.0)] * 3
    if spread.quantiles:
        low, middle, high = spread.quantiles[2:5]
        if high > low:
            fences[0] = (low - FENCE * (high - low), high + FENCE * (high - low))
        if spread.mad > 0:
            reach = MAD_LIMIT * spread.mad / 0.6745
            fences[2] = (middle - reach, middle + reach)
    mean = column.numbers.mean
    if spread.deviation and mean is not None:
        fences[1] = (mean - Z_LIMIT * spread.deviation, mean + Z_LIMIT * spread.deviation)
    return [(low, high) if math.isfinite(low) and math.isfinite(high) else (0.0, 0.0) for low, high in fences]


def _histograms(table: Table, columns: list[Column], spreads: list[_Spread]) -> list[Histogram | None]:
    edges = [_edges(column, spread) for column, spread in zip(columns, spreads, strict=True)]
    measures = []
    for column, cuts in zip(columns, edges, strict=True):
        value = number(column)
        if not cuts:
            measures += ["null", "0", "0"]
            continue
        within = f"{value} >= {cuts[0]!r} and {value} <= {cuts[-1]!r}"
        measures += [
            f"map_entries(histogram(case when {within} then {value} end, {cuts[1:]}::double[]))",
            f"count(*) filter (where {value} < {cuts[0]!r})",
            f"count(*) filter (where {value} > {cuts[-1]!r})",
        ]
    row = table.row(measures, table.sample)
    histograms: list[Histogram | None] = []
    for place, cuts in enumerate(edges):
        entries, below, above = row[3 * place : 3 * place + 3]
        by_edge = {entry["key"]: entry["value"] for entry in entries or []}
        counts = tuple(by_edge.get(cut, 0) for cut in cuts[1:])
        histograms.append(Histogram(tuple(cuts), counts, below, above) if cuts else None)
    return histograms


def _edges(column: Column, spread: _Spread) -> list[float]:
    """Edges of the bins: one per whole number where these are few, else of equal width over what is not far out."""
    low, high = column.numbers.minimum, column.numbers.maximum
    if not high > low or not math.isfinite(high - low):
        return []
    if column.numbers.is_integer and high - low <= 30:
        return [low - 0.5 + step for step in range(int(high - low) + 2)]
    if spread.quantiles and high - low > 3 * (spread.quantiles[-1] - spread.quantiles[0]) > 0:
        low, high = spread.quantiles[0], spread.quantiles[-1]
    edges = [low + (high - low) * step / BINS for step in range(BINS)] + [high]
    return edges if all(a < b for a, b in pairwise(edges)) else []


def _is_zero_inflated(column: Column) -> bool:
    """Whether zero is far more frequent than a value among so many would be."""
    zeros, readable = column.numbers.zeros, column.numbers.readable
    return column.distinct > 10 and zeros >= max(ZEROS * readable, 5 * readable / column.distinct)


def is_counted(column: Column) -> bool:
    """Whether a column counts money or pieces, where any value may be real."""
    return (
        column.semantic == "money"
        or vocabulary.is_quantity(column.raw_name)
        or vocabulary.has_word(column.raw_name, vocabulary.MONEY | vocabulary.QUANTITIES | _COUNTED)
    )


def _sentinels(
    column: Column, spread: _Spread, at_minimum: int, at_maximum: int, below: float | None, above: float | None
) -> list[Sentinel]:
    """Codes at the ends. Money and pieces have none but a negative one: a price of 99 is a price."""
    facts, counted = column.numbers, is_counted(column)
    if column.semantic == "identifier":
        return []
    sentinels = []
    if at_minimum and at_minimum == facts.negatives:
        safe = not counted and facts.minimum <= -99
        sentinels.append(Sentinel(plain(facts.minimum), at_minimum, "the only negative value", safe))
    if counted:
        return sentinels
    if at_maximum and at_maximum <= RARE * facts.readable and below is not None and facts.maximum > 1.5 * below:
        impossible = "age" in name_parts(column.raw_name) and facts.maximum > 150
        why = f"far from all other values; the next is {plain(below)}"
        sentinels.append(Sentinel(plain(facts.maximum), at_maximum, why, impossible))
    is_rare = bool(spread.quantiles) and facts.zeros < 0.5 * facts.readable
    if is_rare and above is not None and above >= max(10, 0.25 * spread.quantiles[3]):
        sentinels.append(Sentinel("0", facts.zeros, f"far from all other values; the next is {plain(above)}"))
    return sentinels


def measure_early(table: Table, time: str, before: date) -> dict[str, EarlyFacts]:
    """Measure the first part of a dated table's history, from which bounds and imputation values may be fitted.

    Parameters
    ----------
    time : str
        Safe name of the event time.
    before : date
        Only rows with an earlier event are counted.

    Returns
    -------
    dict of str to EarlyFacts
        Of numbers; of texts with few values the most frequent one alone.
    """
    early = f"filter (where {quote(time)} < timestamp '{before}')"
    results = {}
    columns = [c for c in table.of_kind("number", "duration", "boolean", "text") if c.semantic != "identifier"]
    for batch in batches(c for c in columns if _is_measured(c) or c.distinct <= FEW_VALUES):
        measures = [f"count(*) {early}", *(m for c in batch for m in _early_measures(c, early))]
        rows, *values = table.row(measures, table.sample)
        fitted = {}
        for place, column in enumerate(batch):
            filled, mean, deviation, quantiles, counts = values[5 * place : 5 * place + 5]
            top = min(counts or [], key=lambda entry: (-entry["value"], entry["key"]), default={"key": ""})
            fitted[column.name] = EarlyFacts(
                before=before,
                rows=rows,
                filled=filled,
                mean=None if mean is None else float(f"{mean:.10g}"),
                deviation=None if deviation is None else float(f"{deviation * scale_of(column):.10g}"),
                quantiles=dict(zip(EARLY, quantiles or [], strict=False)),
                mode=top["key"],
            )
        results |= _with_beyond(table, batch, fitted)
    return results


def _early_measures(column: Column, early: str) -> tuple[str, ...]:
    """Five figures: filled, mean, deviation over the scale, quantiles, rows by value."""
    name, fitted = quote(column.name), ("null", "null", "null")
    if _is_measured(column):
        value = number(column)
        fitted = (
            f"avg({value}) {early}",
            f"stddev_samp({value} / {scale_of(column)!r}) {early}",
            f"quantile_cont({value}, {list(EARLY.values())}) {early}",
        )
    few = column.distinct <= FEW_VALUES
    counts = f"map_entries(histogram(cast({name} as varchar)) {early})" if few else "null"
    return f"count({name}) {early}", *fitted, counts


def _with_beyond(table: Table, columns: list[Column], fitted: dict[str, EarlyFacts]) -> dict[str, EarlyFacts]:
    """Count values that lie far beyond the outermost quantiles, where there can be any."""
    conditions = {}
    for column in columns:
        if not (quantiles := fitted[column.name].quantiles):
            continue
        low, high = FAR * quantiles["p001"], FAR * quantiles["p999"]
        far = [f"{number(column)} > {high!r}"] * (0 < high < column.numbers.maximum)
        far += [f"{number(column)} < {low!r}"] * (0 > low > column.numbers.minimum)
        if far:
            conditions[column.name] = " or ".join(far)
    counts = table.row([f"count(*) filter (where {condition})" for condition in conditions.values()])
    return fitted | {n: replace(fitted[n], beyond=k) for n, k in zip(conditions, counts, strict=True)}
