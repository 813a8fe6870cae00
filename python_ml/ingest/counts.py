"""Counting what stands in the columns of a relation: several columns in one query, never row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from python_ml.ingest import times
from python_ml.ingest.connection import RawRelation
from python_ml.ingest.schema import NumberFacts, Reading, TimeFacts
from python_ml.ingest.typing import is_integer_type, is_number_type, is_time_type, typed_sql
from python_ml.ingest.vocabulary import PLACEHOLDERS
from python_ml.warehouse import literal, quote

BATCH = 40  # columns per query: one over thousands takes more memory than the data
MOSTLY = 0.95  # share of a column's values that must agree on what it is
MOST_PLACEHOLDERS = 0.9  # share of a column's values up to which placeholders are not its own values
FEW = 50  # different values up to which all are counted
SMALL = 200_000  # rows up to which different values are counted exactly
_SCALES, _MORE = (2, 4, 6, 9), 99  # digits after the point of a decimal, and what stands for more of them
_PLAIN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"


@dataclass
class MeasuredColumn:
    """A column while it is measured."""

    raw: str
    name: str
    physical: str
    rows: int
    filled: int = 0
    distinct: int = 0
    mean_length: float = 0.0
    spaced: float = 0.0
    padded: bool = False
    zeros_in_front: bool = False
    plain: int = 0
    placeholders: int = 0
    sample: list[str] = field(default_factory=list)
    kind: str = "text"
    reading: Reading | None = None
    numbers: NumberFacts | None = None
    times: TimeFacts | None = None
    values: tuple[tuple[str, int], ...] = ()

    @property
    def column(self) -> str:
        return quote(self.raw)

    @property
    def informative(self) -> int:
        """Values that say what the column is."""
        return self.filled - self.placeholders

    @property
    def clean(self) -> str:
        """SQL of the value without outer blanks, null when it is missing."""
        return typed_sql(Reading("text"), self.column) if self.physical == "VARCHAR" else self.column


@contextmanager
def narrow_relation(
    relation: RawRelation, items: list[MeasuredColumn], batch: list[MeasuredColumn]
) -> Iterator[RawRelation]:
    """A relation of some columns: thousands of others cost more in every query than the values do."""
    if len(items) <= 5 * BATCH or batch[0].rows > SMALL:
        yield relation
        return
    columns = ", ".join(item.column for item in batch)
    connection = relation.connection
    connection.execute(f"create or replace temp table column_batch as select {columns} from {relation}")
    # Planning hundreds of aggregates takes longer than computing them.
    connection.execute("pragma disable_optimizer")
    try:
        yield RawRelation(connection, "column_batch")
    finally:
        connection.execute("pragma enable_optimizer")
        connection.execute("drop table column_batch")


def count_columns(relation: RawRelation, items: list[MeasuredColumn]) -> None:
    """Counts of several columns in one query; columns of numbers and times are measured to the end."""
    exact = items[0].rows <= SMALL
    measures, selected = [], []
    for place, item in enumerate(items):
        value, physical = f"c{place}", item.physical
        selected.append(f"{item.clean} as {value}")
        is_text = physical == "VARCHAR"
        countable = not (is_number_type(physical) or is_time_type(physical) or physical == "BOOLEAN")
        length = f"length({value})" if is_text else f"length(cast({value} as varchar))" if countable else "0"
        measures += [
            f"count({value})",
            f"count(distinct {value})" if exact else f"approx_count_distinct({value})",
            f"coalesce(avg({length}), 0)",
            f"coalesce(min({length}) = max({length}), false)",
        ]
        if is_text:
            # The first letter settles most values, and costs a tenth of a pattern.
            digits = f"{value} < ':'"
            measures += [
                f"count(case when contains({value}, ' ') then 1 end)",
                _count_matches(value, f"{value} like '0_%'", "[0-9]+"),
                _count_matches(value, digits, _PLAIN),
            ]
        elif is_number_type(physical):
            selected.append(f"{_finite(f'cast({item.column} as double)')} as n{place}")
            measures += _number_measures(f"n{place}", physical)
        elif is_time_type(physical):
            selected.append(f"{times.plausible(typed_sql(Reading('timestamp', physical), item.column))} as t{place}")
            measures += times.measures(f"t{place}", exact)
    row = relation.row(f"select {', '.join(measures)} from (select {', '.join(selected)} from {relation})")
    position = 0

    def take(count: int) -> tuple[Any, ...]:
        nonlocal position
        position += count
        return row[position - count : position]

    for item in items:
        item.filled, distinct, length, same_length = take(4)
        # approximate counts may exceed what is there
        item.distinct, item.mean_length = min(distinct, item.filled), float(length)
        if item.physical == "VARCHAR":
            spaced, padded, item.plain = take(3)
            item.spaced = spaced / item.filled if item.filled else 0.0
            is_code = padded >= 0.5 * item.filled or same_length
            item.padded = bool(padded and is_code and item.plain >= MOSTLY * item.filled)
            item.zeros_in_front = bool(padded)
        elif is_number_type(item.physical):
            digits, facts = _number_facts(take(len(_number_measures(""))))
            if is_integer_type(item.physical) and "HUGE" not in item.physical:
                facts = replace(facts, readable=item.filled)
            item.numbers = facts
            item.reading = _number_reading(item.physical, digits, facts)
        elif is_time_type(item.physical):
            item.times = times.facts_of(take(5))


def _count_matches(value: str, first: str, pattern: str) -> str:
    """SQL that counts matches of a pattern among the values that pass a cheap condition first."""
    return f"count(case when {first} then case when regexp_full_match({value}, '{pattern}') then 1 end end)"


def take_samples(relation: RawRelation, items: list[MeasuredColumn]) -> None:
    """Values of text columns from the beginning and the middle; for empty beginnings, the first ones that there are."""
    texts = [d for d in items if d.physical == "VARCHAR" and d.filled]
    if not texts:
        return
    selected = ", ".join(f"{item.clean} as c{place}" for place, item in enumerate(texts))
    query = f"select {selected} from {relation} limit 1000"
    result = relation.rows(query)
    if texts[0].rows > 2000:
        result += relation.rows(f"{query} offset {texts[0].rows // 2}")
    for place, item in enumerate(texts):
        item.sample = [row[place] for row in result if row[place] is not None]
        if len(item.sample) < min(20, item.filled):
            query = f"select {item.clean} as v from {relation} where v is not null limit 1000"
            item.sample = [value for (value,) in relation.rows(query)]


def count_placeholders(relation: RawRelation, item: MeasuredColumn) -> int:
    """Values such as ``inf`` or ``#N/A`` that do not say what their column is; none where most values are such."""
    texts = ", ".join(map(literal, PLACEHOLDERS))
    query = f"select count(*) from {relation} where lower({item.clean}) in ({texts})"
    count = relation.row(query)[0]
    return count if count < MOST_PLACEHOLDERS * item.filled else 0


def count_values(relation: RawRelation, items: list[MeasuredColumn]) -> None:
    """All values of columns that have few, with their rows."""
    few = [d for d in items if d.filled and d.distinct <= 1.2 * FEW and not is_time_type(d.physical)]
    if few and few[0].rows <= SMALL:
        query = ", ".join(f"histogram(cast({item.clean} as varchar))" for item in few)
        counted = [dict(c or {}) for c in relation.row(f"select {query} from {relation}")]
    else:
        query = "select cast({} as varchar) as v, count(*) from {} where v is not null group by 1"
        counted = [dict(relation.rows(query.format(item.clean, relation))) for item in few]
    for item, counts in zip(few, counted, strict=True):
        item.distinct = len(counts)
        if len(counts) <= FEW:
            item.values = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _finite(value: str) -> str:
    """SQL of a double that is null where it is no number."""
    return f"case when isfinite({value}) then {value} end"


def _number_measures(value: str, physical: str = "") -> list[str]:
    """Aggregates over finite doubles, in the order that :func:`_number_facts` takes.

    No ``filter``: the engine copies all columns of a query for each of them.
    """
    # A double is a decimal if it differs from it by its own last digits alone.
    noise = f"{'5e-7' if physical == 'FLOAT' else '1e-12'} * abs({value})"
    scales = " ".join(f"when abs({value} - round({value}, {scale})) <= {noise} then {scale}" for scale in _SCALES)
    conditions = (
        f"{value} < 0", f"{value} = 0", f"{value} = trunc({value})", f"abs({value}) < 1e18", f"abs({value}) < 1e30",
    )  # fmt: skip
    counts = [f"count(case when {condition} then 1 end)" for condition in conditions]
    needed = f"max(case when {value} is null then 0 {scales} else {_MORE} end)"
    return [f"count({value})", f"min({value})", f"max({value})", f"avg({value})", needed, *counts]


def _number_facts(row: tuple) -> tuple[int | None, NumberFacts]:
    """Digits after the point that the values need, None where no decimal of 18 digits holds them, and the facts."""
    finite, low, high, mean, needed, negatives, zeros, whole, of_integer, of_double = row
    is_integer = bool(finite) and whole == finite
    scale = needed or _SCALES[0]
    if finite and (scale == _MORE or max(abs(low), abs(high)) >= 10 ** (18 - scale)):
        scale = None
    return scale, NumberFacts(of_integer if is_integer else of_double, is_integer, low, high, mean, negatives, zeros)


def _number_reading(physical: str, scale: int | None, facts: NumberFacts, style: str = "plain") -> Reading:
    type_ = "integer" if facts.is_integer else "double" if scale is None else "decimal"
    return Reading(type_, physical, scale or _SCALES[0], style)  # type: ignore[arg-type]


def measure_numbers(relation: RawRelation, items: list[MeasuredColumn]) -> None:
    """Read several text columns as numbers in one query."""
    if not items:
        return
    wide = [typed_sql(Reading("decimal", scale=2, style=d.reading.style), d.column) for d in items]
    # As a double: the scale is not known yet.
    values = [re.sub(r"as decimal\(18, 2\)\)$", "as double)", sql) for sql in wide]
    selected = ", ".join(f"{_finite(sql)} as c{place}" for place, sql in enumerate(values))
    point = ", ".join(f"count(case when p{place} then 1 end)" for place in range(len(items)))
    points = ", ".join(f"{d.clean} like '%.0' as p{place}" for place, d in enumerate(items))
    measures = [m for place in range(len(items)) for m in _number_measures(f"c{place}")]
    row = relation.row(f"select {', '.join(measures)}, {point} from (select {selected}, {points} from {relation})")
    width = len(_number_measures(""))
    for place, item in enumerate(items):
        scale, item.numbers = _number_facts(row[place * width : (place + 1) * width])
        point_zeros = row[len(items) * width + place]
        item.reading = replace(
            _number_reading("VARCHAR", scale, item.numbers, item.reading.style),
            strip_point_zero=bool(point_zeros) and item.numbers.is_integer,
        )


def measure_durations(relation: RawRelation, items: list[MeasuredColumn]) -> None:
    for item in items:
        item.reading = Reading("duration", scale=3)
        value = f"cast({typed_sql(item.reading, item.column)} as double)"
        measures = ", ".join(_number_measures("v"))
        row = relation.row(f"select {measures} from (select {value} as v from {relation})")
        item.numbers = _number_facts(row)[1]
