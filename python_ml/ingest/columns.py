"""Measuring the columns of a raw table, and choosing how each is read: in few queries, never row by row."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Literal

from python_ml.ingest import semantics, times
from python_ml.ingest.connection import RawRelation
from python_ml.ingest.counts import (
    BATCH,
    MOST_PLACEHOLDERS,
    MOSTLY,
    MeasuredColumn,
    count_columns,
    count_placeholders,
    count_values,
    measure_durations,
    measure_numbers,
    narrow_relation,
    take_samples,
)  # fmt: skip
from python_ml.ingest.schema import EPOCHS, Column, Reading
from python_ml.ingest.typing import is_integer_type, is_number_type, is_time_type, typed_sql
from python_ml.ingest.vocabulary import PLACEHOLDERS, has_word, terms
from python_ml.names import name_parts, unique_identifiers

_LONGEST_NUMBER = 40
_STYLES: tuple[Literal["grouped", "decimal_comma"], ...] = ("grouped", "decimal_comma")
_PAIRS = ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"0", "1"})
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?")
_DURATION = re.compile(r"-?(\d+:)?\d+:[0-5]?\d(\.\d+)?")
_CLOCK_NAMES = terms("clocks")
_DATE_NAMES = terms("dates")
_TIME_NAMES = _DATE_NAMES | terms("counted_times")
_PERIODS = terms("periods")
_PERIOD_NAMES = _TIME_NAMES | _PERIODS | {"yyyymm"}
_EPOCH_FROM, _EPOCH_TO = 788_918_400, 4_102_444_800  # 1995 to 2100, in seconds
_NAMELESS = re.compile(r"column_\d+")
_EPOCH_SPAN = 30 * 365 * 86_400  # longest span of seconds since 1970 that no name announces


def measure_columns(
    relation: RawRelation,
    columns: list[tuple[str, str]],
    rows: int,
    *,
    day_first: bool | None = None,
    times: Collection[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[Column, ...]:
    """Measure every column of a relation, and choose its reading.

    Parameters
    ----------
    relation : RawRelation
    columns : list of (str, str)
        Raw names and DuckDB types.
    rows : int
    day_first : bool, optional
        Order of day and month where the user gives it.
    times : collection of str
        Raw names of columns that the user says are times.
    progress : callable
        Takes a short text.

    Returns
    -------
    tuple of Column
        In the order of ``columns``.
    """
    names = unique_identifiers(raw for raw, _ in columns)
    items = [
        MeasuredColumn(raw, name, "DECIMAL" + kind[7:] if kind.startswith("DECIMAL") else kind, rows)
        for (raw, kind), name in zip(columns, names, strict=True)
    ]
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        progress(f"columns {start + 1} to {start + len(batch)} of {len(items)}")
        with narrow_relation(relation, items, batch) as narrow:
            _measure_batch(narrow, batch, day_first, times)
    _join_clock(relation, items)
    return tuple(_described(relation, item) for item in items)


def _measure_batch(
    relation: RawRelation,
    batch: list[MeasuredColumn],
    day_first: bool | None,
    times: Collection[str],
) -> None:
    count_columns(relation, batch)
    take_samples(relation, batch)
    count_values(relation, batch)
    for item in batch:
        _choose(relation, item, day_first)
    measure_numbers(relation, [d for d in batch if d.kind == "number" and d.numbers is None])
    measure_durations(relation, [d for d in batch if d.kind == "duration"])
    for item in batch:
        _settle(relation, item, item.raw in times)


def _choose(relation: RawRelation, item: MeasuredColumn, day_first: bool | None) -> None:
    """What a column may be; numbers and durations are measured afterwards."""
    physical, text = item.physical, Reading("text", item.physical)
    result = {value.lower() for value, _ in item.values}
    if not item.filled:
        item.kind, item.reading, item.numbers, item.times = "empty", text, None, None
    elif physical == "BOOLEAN" or any(result == pair for pair in _PAIRS):
        item.kind, item.reading, item.numbers = "boolean", Reading("boolean", physical), None
    elif is_time_type(physical):
        item.kind = "time"
        item.reading = Reading("timestamp", physical, has_offset="WITH TIME ZONE" in physical)
    elif is_number_type(physical):
        item.kind = "number"
    elif physical != "VARCHAR":
        item.kind, item.reading = "text", text
    else:
        item.kind, item.reading = "text", text
        _choose_text(relation, item, day_first)


def _choose_text(relation: RawRelation, item: MeasuredColumn, day_first: bool | None) -> None:
    sample = item.sample or [""]
    is_plain = item.plain >= MOSTLY * item.filled
    if _share(sample, times.looks_like_time) >= 0.4:
        result = times.recognise(relation, item.column, sample, day_first)
        # Eight digits are a date only when (nearly) all of them can be read so.
        if result and result[1].readable >= (MOSTLY if is_plain else 0.5) * item.filled:
            item.kind, (item.reading, item.times) = "time", result
            return
    sample = [value for value in sample if value.lower() not in PLACEHOLDERS] or [""]
    if not is_plain and item.plain >= (1 - MOST_PLACEHOLDERS) * MOSTLY * item.filled:
        item.placeholders = count_placeholders(relation, item)
        is_plain = item.plain >= MOSTLY * item.informative
    if is_plain:
        item.kind, item.reading = "number", Reading("decimal")
    elif _share(sample, _DURATION.fullmatch) >= MOSTLY:
        item.kind = "duration"
    elif _share(sample, lambda value: re.search(r"\d", value) and len(value) < _LONGEST_NUMBER) >= 0.8:
        table = "create or replace temp table sample_values as select unnest(?::varchar[]) as v"
        relation.connection.execute(table, [sample])
        counted = _count_styles(RawRelation(relation.connection, "sample_values"), "v")
        if max(counted) >= 0.8 * len(sample):
            counted = _count_styles(relation, item.column)
            if max(counted) < MOSTLY * item.filled:
                item.placeholders = count_placeholders(relation, item)
            if max(counted) >= MOSTLY * item.informative:
                style = _STYLES[0] if counted[0] >= counted[1] else _STYLES[1]
                item.kind, item.reading = "number", Reading("decimal", style=style)


def _share(values: list[str], test: Callable[[str], Any]) -> float:
    """Share of the values that pass a test; each different one is tested once."""
    passed: dict[str, bool] = {}
    for value in values:
        if value not in passed:
            passed[value] = bool(test(value))
    return sum(passed[value] for value in values) / len(values)


def _count_styles(relation: RawRelation, column: str) -> tuple[int, ...]:
    """How many values can be read in each way of writing numbers."""
    counts = ", ".join(f"count({typed_sql(Reading('decimal', style=style), column)})" for style in _STYLES)
    return relation.row(f"select {counts} from {relation}")


def _settle(relation: RawRelation, item: MeasuredColumn, is_named: bool) -> None:
    """The kind of a column after its numbers are known: counted times, codes, values that are no numbers."""
    is_number = item.kind == "number"
    if is_number and not item.padded and (reading := _counted_time(item, is_named)):
        facts = times.measure(relation, item.column, reading)
        if facts.readable >= MOSTLY * item.filled:
            item.kind, item.reading, item.times, item.numbers = "time", reading, facts, None
    elif item.kind == "text" and item.sample and _is_short_month(item):
        item.kind, item.reading = "time", Reading("timestamp", formats=("month",))
        item.times = times.measure(relation, item.column, item.reading)
    if item.kind in ("number", "duration") and (
        item.padded or not item.numbers or item.numbers.readable < MOSTLY * item.informative
    ):
        item.kind, item.reading = "text", Reading("text", item.physical)
        item.numbers = item.numbers if item.padded else None
    if item.kind == "time" and item.times.readable < item.filled:
        bad = times.unreadable(relation, item.column, item.reading)
        item.times = replace(item.times, unreadable=bad)
    if is_number and item.zeros_in_front and item.distinct > 1 and _zeros_are_spelling(relation, item):
        item.padded = False
        item.kind, item.reading = "text", replace(item.reading, type="text", strip_point_zero=True, strip_zeros=True)
    if len(item.values) == 1:
        item.kind = "constant"


def _is_short_month(item: MeasuredColumn) -> bool:
    """Whether values such as ``Jan 23`` are months rather than days: the name of the column decides."""
    is_named = has_word(item.raw, _PERIODS)
    return is_named and _share(item.sample, times.SHORT_MONTH.fullmatch) == 1 and times.language_of(item.sample) == "en"


def _counted_time(item: MeasuredColumn, is_named: bool) -> Reading | None:
    """How numbers count time: since 1970 or 1899, or as the digits of a date; None when they do not."""
    facts, name = item.numbers, set(name_parts(item.raw))
    if facts is None or facts.minimum is None or max(facts.readable, item.plain) < item.filled:
        return None
    low, high = facts.minimum, facts.maximum

    def reading(*formats: str) -> Reading:
        return Reading("timestamp", item.physical, formats=formats)

    if facts.is_integer and low >= 19000101 and high < 22000101:
        return reading("%Y%m%d")
    if facts.is_integer and low >= 19000101000000 and high < 22000101000000:
        return reading("%Y%m%d%H%M%S")
    # Without a header, no name can say it: whole numbers that all lie within a few years do.
    is_nameless = bool(_NAMELESS.fullmatch(item.raw)) and facts.is_integer
    if is_named or is_nameless or name & _TIME_NAMES:
        for unit, factor in zip(EPOCHS, (1, 10**3, 10**6, 10**9), strict=True):
            if is_nameless and not is_named and high - low > _EPOCH_SPAN * factor:
                continue
            if _EPOCH_FROM * factor <= low and high < _EPOCH_TO * factor:
                return reading(unit)
    if (is_named or name & _DATE_NAMES) and low >= 25_569 and high <= 55_000:
        return reading("excel_serial")
    if facts.is_integer and (is_named or name & _PERIOD_NAMES) and low >= 190001 and high <= 219912:
        return reading("month")
    if facts.is_integer and is_named and low >= 1900 and high < 2200:
        return reading("year")
    return None


def _zeros_are_spelling(relation: RawRelation, item: MeasuredColumn) -> bool:
    """Whether the file itself writes the same numbers with and without zeros in front."""
    key = typed_sql(Reading("text", strip_point_zero=True), item.column)
    both, zeros = relation.row(f"""
        select count(*) filter (where spellings > 1), count(*) filter (where has_zero)
        from (
            select count(*) as spellings, bool_or(v like '0_%') as has_zero
            from (select distinct {key} as v from {relation})
            where regexp_full_match(v, '[0-9]+') group by ltrim(v, '0')
        )
    """)
    return zeros > 0 and both >= max(1, 0.1 * zeros)


def _join_clock(relation: RawRelation, items: list[MeasuredColumn]) -> None:
    """A date and a time of day in two columns are one moment, where there is no choice."""
    dates = [
        d for d in items if d.kind == "time" and not d.times.has_clock and not d.reading.is_period
        and d.physical in ("VARCHAR", "DATE")
    ]  # fmt: skip
    clocks = [
        d for d in items
        if has_word(d.raw, _CLOCK_NAMES) and d.kind in ("text", "constant", "duration") and (
            d.physical == "TIME" or (d.sample and _share(d.sample, _CLOCK.fullmatch) >= MOSTLY)
        )
    ]  # fmt: skip
    if len(dates) != 1 or len(clocks) != 1:
        return
    date, clock = dates[0], clocks[0]
    reading = replace(date.reading, clock_column=clock.raw)
    facts = times.measure(relation, date.column, reading)
    if facts.readable >= MOSTLY * date.times.readable:
        date.reading = reading
        if clock.kind == "duration":
            clock.kind, clock.reading, clock.numbers = "text", Reading("text", clock.physical), None
        date.times = replace(facts, order=date.times.order, is_ambiguous=date.times.is_ambiguous)


def _described(relation: RawRelation, item: MeasuredColumn) -> Column:
    """The column with what it means."""
    column = Column(
        item.raw, item.name, item.kind, item.reading, item.rows, item.filled, item.distinct,  # type: ignore[arg-type]
        item.mean_length, item.spaced, item.padded, item.values, item.numbers, item.times,
    )  # fmt: skip
    column = semantics.described(column, item.sample)
    reading = column.reading
    if column.semantic == "identifier" and reading.type in ("integer", "decimal") and column.numbers.is_integer:
        # An identifier is a name: no arithmetic, and the same spelling in every file.
        point_zero = not is_integer_type(item.physical) if item.physical != "VARCHAR" else reading.strip_point_zero
        reading = replace(reading, type="text", strip_point_zero=point_zero)
        column = replace(column, reading=reading)
    if reading.has_offset and item.physical == "VARCHAR" and column.times is not None:
        column = replace(column, times=replace(column.times, offsets=times.offsets(relation, item.column)))
    if reading.type == "text" and (reading.strip_point_zero or reading.strip_zeros):
        (distinct,) = relation.row(f"select count(distinct {typed_sql(reading, item.column)}) from {relation}")
        column = replace(column, distinct=distinct, values=())
    return column
