"""Measuring the columns of a raw table, and choosing how each is read: in few queries, never row by row."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from python_ml.ingest import semantics, times
from python_ml.ingest.schema import EPOCHS, Column, NumberFacts, Reading, TimeFacts
from python_ml.ingest.typing import is_integer_type, is_number_type, is_time_type, typed_sql
from python_ml.names import unique_identifiers, words
from python_ml.vocabulary import word_set
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

BATCH = 40  # columns per query: one over thousands takes more memory than the data
MOSTLY = 0.95  # share of a column's values that must agree on what it is
FEW = 50  # different values up to which all are counted
SMALL = 200_000  # rows up to which different values are counted exactly

_PLAIN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_LONGEST_NUMBER = 40
_STYLES: tuple[Literal["grouped", "decimal_comma"], ...] = ("grouped", "decimal_comma")
_PAIRS = ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"0", "1"})
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?")
_DURATION = re.compile(r"-?(\d+:)?\d+:[0-5]?\d(\.\d+)?")
_CLOCK_NAMES = word_set("time hour clock uhrzeit uhr zeit heure hora ora orario tijd")
_DATE_NAMES = word_set("date datum fecha data dt day tag fech datetime timestamp dob birthday birthdate")
_TIME_NAMES = _DATE_NAMES | word_set(
    "time ts at when created updated modified epoch unix registered registration "
    "joined signup login seen started ended zeit zeitstempel heure hora moment"
)
_PERIOD_NAMES = _TIME_NAMES | word_set("period month yyyymm monat mois mes mese maand periode periodo")
_PERIODS = word_set("period month monat mois mes mese maand periode periodo")
_EPOCH_FROM, _EPOCH_TO = 788_918_400, 4_102_444_800  # 1995 to 2100, in seconds


@dataclass
class _Draft:
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
    def clean(self) -> str:
        """SQL of the value without outer blanks, null when it is missing."""
        return typed_sql(Reading("text"), self.column) if self.physical == "VARCHAR" else self.column


def measure_columns(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
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
    connection : duckdb.DuckDBPyConnection
    relation : str
        Quoted name, or a query in brackets.
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
    drafts = [
        _Draft(raw, name, "DECIMAL" + kind[7:] if kind.startswith("DECIMAL") else kind, rows)
        for (raw, kind), name in zip(columns, names, strict=True)
    ]
    for start in range(0, len(drafts), BATCH):
        batch = drafts[start : start + BATCH]
        progress(f"columns {start + 1} to {start + len(batch)} of {len(drafts)}")
        with _narrow(connection, relation, drafts, batch) as narrow:
            _measure_batch(connection, narrow, batch, day_first, times)
    _join_clock(connection, relation, drafts)
    return tuple(_described(connection, relation, draft) for draft in drafts)


@contextmanager
def _narrow(
    connection: duckdb.DuckDBPyConnection, relation: str, drafts: list[_Draft], batch: list[_Draft]
) -> Iterator[str]:
    """A relation of some columns: thousands of others cost more in every query than the values do."""
    if len(drafts) <= 5 * BATCH or batch[0].rows > SMALL:
        yield relation
        return
    columns = ", ".join(draft.column for draft in batch)
    connection.execute(f"create or replace temp table column_batch as select {columns} from {relation}")
    # Planning hundreds of aggregates takes longer than computing them.
    connection.execute("pragma disable_optimizer")
    try:
        yield "column_batch"
    finally:
        connection.execute("pragma enable_optimizer")
        connection.execute("drop table column_batch")


def _measure_batch(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    batch: list[_Draft],
    day_first: bool | None,
    times: Collection[str],
) -> None:
    _count(connection, relation, batch)
    _sample(connection, relation, batch)
    _count_values(connection, relation, batch)
    for draft in batch:
        _choose(connection, relation, draft, day_first)
    _measure_numbers(connection, relation, [d for d in batch if d.kind == "number" and d.numbers is None])
    _measure_durations(connection, relation, [d for d in batch if d.kind == "duration"])
    for draft in batch:
        _settle(connection, relation, draft, draft.raw in times)


def _count(connection: duckdb.DuckDBPyConnection, relation: str, drafts: list[_Draft]) -> None:
    """Counts of several columns in one query; columns of numbers and times are measured to the end."""
    exact = drafts[0].rows <= SMALL
    measures, selected = [], []
    for place, draft in enumerate(drafts):
        value, physical = f"c{place}", draft.physical
        selected.append(f"{draft.clean} as {value}")
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
            selected.append(f"{_finite(f'cast({draft.column} as double)')} as n{place}")
            measures += _number_measures(f"n{place}")
        elif is_time_type(physical):
            selected.append(f"{times.plausible(typed_sql(Reading('timestamp', physical), draft.column))} as t{place}")
            measures += times.measures(f"t{place}", exact)
    row = connection.execute(
        f"select {', '.join(measures)} from (select {', '.join(selected)} from {relation})"
    ).fetchall()[0]
    position = 0

    def take(count: int) -> tuple[Any, ...]:
        nonlocal position
        position += count
        return row[position - count : position]

    for draft in drafts:
        draft.filled, distinct, length, same_length = take(4)
        # approximate counts may exceed what is there
        draft.distinct, draft.mean_length = min(distinct, draft.filled), float(length)
        if draft.physical == "VARCHAR":
            spaced, padded, draft.plain = take(3)
            draft.spaced = spaced / draft.filled if draft.filled else 0.0
            is_code = padded >= 0.5 * draft.filled or same_length
            draft.padded = bool(padded and is_code and draft.plain >= MOSTLY * draft.filled)
            draft.zeros_in_front = bool(padded)
        elif is_number_type(draft.physical):
            scale, facts = _number_facts(take(len(_number_measures(""))))
            if is_integer_type(draft.physical) and "HUGE" not in draft.physical:
                facts = replace(facts, readable=draft.filled)
            draft.numbers = facts
            draft.reading = _number_reading(draft.physical, scale, facts)
        elif is_time_type(draft.physical):
            draft.times = times.facts_of(take(5))


def _count_matches(value: str, first: str, pattern: str) -> str:
    """SQL that counts matches of a pattern among the values that pass a cheap condition first."""
    return f"count(case when {first} then case when regexp_full_match({value}, '{pattern}') then 1 end end)"


def _sample(connection: duckdb.DuckDBPyConnection, relation: str, drafts: list[_Draft]) -> None:
    """Values of text columns from the beginning and the middle; for empty beginnings, the first ones that there are."""
    texts = [d for d in drafts if d.physical == "VARCHAR" and d.filled]
    if not texts:
        return
    selected = ", ".join(f"{draft.clean} as c{place}" for place, draft in enumerate(texts))
    query = f"select {selected} from {relation} limit 1000"
    found = connection.execute(query).fetchall()
    if texts[0].rows > 2000:
        found += connection.execute(f"{query} offset {texts[0].rows // 2}").fetchall()
    for place, draft in enumerate(texts):
        draft.sample = [row[place] for row in found if row[place] is not None]
        if len(draft.sample) < min(20, draft.filled):
            draft.sample = [
                value
                for (value,) in connection.execute(
                    f"select {draft.clean} as v from {relation} where v is not null limit 1000"
                ).fetchall()
            ]


def _count_values(connection: duckdb.DuckDBPyConnection, relation: str, drafts: list[_Draft]) -> None:
    """All values of columns that have few, with their rows."""
    few = [d for d in drafts if d.filled and d.distinct <= 1.2 * FEW and not is_time_type(d.physical)]
    if few and few[0].rows <= SMALL:
        query = ", ".join(f"histogram(cast({draft.clean} as varchar))" for draft in few)
        counted = [dict(c or {}) for c in connection.execute(f"select {query} from {relation}").fetchall()[0]]
    else:
        counted = [
            dict(
                connection.execute(
                    f"select cast({draft.clean} as varchar) as v, count(*) from {relation} "
                    "where v is not null group by 1"
                ).fetchall()
            )
            for draft in few
        ]
    for draft, counts in zip(few, counted, strict=True):
        draft.distinct = len(counts)
        if len(counts) <= FEW:
            draft.values = tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _choose(connection: duckdb.DuckDBPyConnection, relation: str, draft: _Draft, day_first: bool | None) -> None:
    """What a column may be; numbers and durations are measured afterwards."""
    physical, text = draft.physical, Reading("text", draft.physical)
    found = {value.lower() for value, _ in draft.values}
    if not draft.filled:
        draft.kind, draft.reading, draft.numbers, draft.times = "empty", text, None, None
    elif physical == "BOOLEAN" or any(found == pair for pair in _PAIRS):
        draft.kind, draft.reading, draft.numbers = "boolean", Reading("boolean", physical), None
    elif is_time_type(physical):
        draft.kind = "time"
        draft.reading = Reading("timestamp", physical, has_offset="WITH TIME ZONE" in physical)
    elif is_number_type(physical):
        draft.kind = "number"
    elif physical != "VARCHAR":
        draft.kind, draft.reading = "text", text
    else:
        draft.kind, draft.reading = "text", text
        _choose_text(connection, relation, draft, day_first)


def _choose_text(connection: duckdb.DuckDBPyConnection, relation: str, draft: _Draft, day_first: bool | None) -> None:
    sample = draft.sample or [""]
    is_plain = draft.plain >= MOSTLY * draft.filled
    if _share(sample, times.looks_like_time) >= 0.4:
        found = times.recognise(connection, relation, draft.column, sample, day_first)
        # Eight digits are a date only when (nearly) all of them can be read so.
        if found and found[1].readable >= (MOSTLY if is_plain else 0.5) * draft.filled:
            draft.kind, (draft.reading, draft.times) = "time", found
            return
    if is_plain:
        draft.kind, draft.reading = "number", Reading("decimal")
    elif _share(sample, _DURATION.fullmatch) >= MOSTLY:
        is_clock = _share(sample, _CLOCK.fullmatch) >= MOSTLY and set(words(draft.raw)) & _CLOCK_NAMES
        draft.kind = "text" if is_clock else "duration"
    elif _share(sample, lambda value: re.search(r"\d", value) and len(value) < _LONGEST_NUMBER) >= 0.8:
        connection.execute("create or replace temp table sample_values as select unnest(?::varchar[]) as v", [sample])
        counted = _count_styles(connection, "sample_values", "v")
        if max(counted) >= 0.8 * len(sample):
            counted = _count_styles(connection, relation, draft.column)
            if max(counted) >= MOSTLY * draft.filled:
                style = _STYLES[0] if counted[0] >= counted[1] else _STYLES[1]
                draft.kind, draft.reading = "number", Reading("decimal", style=style)


def _share(values: list[str], test: Callable[[str], Any]) -> float:
    """Share of the values that pass a test; each different one is tested once."""
    passed: dict[str, bool] = {}
    for value in values:
        if value not in passed:
            passed[value] = bool(test(value))
    return sum(passed[value] for value in values) / len(values)


def _count_styles(connection: duckdb.DuckDBPyConnection, relation: str, column: str) -> tuple[int, ...]:
    """How many values can be read in each way of writing numbers."""
    counts = ", ".join(f"count({typed_sql(Reading('decimal', style=style), column)})" for style in _STYLES)
    return connection.execute(f"select {counts} from {relation}").fetchall()[0]


def _finite(value: str) -> str:
    """SQL of a double that is null where it is no number."""
    return f"case when isfinite({value}) then {value} end"


def _number_measures(value: str) -> list[str]:
    """Aggregates over finite doubles, in the order that :func:`_number_facts` takes.

    No ``filter``: the engine copies all columns of a query for each of them.
    """
    conditions = (
        f"{value} < 0", f"{value} = 0", f"{value} = trunc({value})", f"abs({value} - round({value}, 2)) < 1e-7",
        f"abs({value} - round({value}, 4)) < 1e-8", f"abs({value}) < 1e18", f"abs({value}) < 1e16",
    )  # fmt: skip
    counts = [f"count(case when {condition} then 1 end)" for condition in conditions]
    return [f"count({value})", f"min({value})", f"max({value})", f"avg({value})", *counts]


def _number_facts(row: tuple) -> tuple[int, NumberFacts]:
    """Digits after the point that the values need, and the facts; what has too many digits for a type is unreadable."""
    finite, low, high, mean, negatives, zeros, whole, cents, fine, of_integer, of_decimal = row
    is_integer = bool(finite) and whole == finite
    scale = 2 if cents == finite else 4 if fine == finite else 6
    if finite and max(abs(low), abs(high)) >= 10 ** (18 - scale):
        scale = 2
    return scale, NumberFacts(of_integer if is_integer else of_decimal, is_integer, low, high, mean, negatives, zeros)


def _number_reading(physical: str, scale: int, facts: NumberFacts, style: str = "plain") -> Reading:
    return Reading("integer" if facts.is_integer else "decimal", physical, scale, style)  # type: ignore[arg-type]


def _measure_numbers(connection: duckdb.DuckDBPyConnection, relation: str, drafts: list[_Draft]) -> None:
    """Read several text columns as numbers in one query."""
    if not drafts:
        return
    wide = [typed_sql(Reading("decimal", scale=2, style=d.reading.style), d.column) for d in drafts]
    # As a double: the scale is not known yet.
    values = [re.sub(r"as decimal\(18, 2\)\)$", "as double)", sql) for sql in wide]
    selected = ", ".join(f"{_finite(sql)} as c{place}" for place, sql in enumerate(values))
    point = ", ".join(f"count(case when p{place} then 1 end)" for place in range(len(drafts)))
    points = ", ".join(f"{d.clean} like '%.0' as p{place}" for place, d in enumerate(drafts))
    measures = [m for place in range(len(drafts)) for m in _number_measures(f"c{place}")]
    row = connection.execute(
        f"select {', '.join(measures)}, {point} from (select {selected}, {points} from {relation})"
    ).fetchall()[0]
    width = len(_number_measures(""))
    for place, draft in enumerate(drafts):
        scale, draft.numbers = _number_facts(row[place * width : (place + 1) * width])
        point_zeros = row[len(drafts) * width + place]
        draft.reading = replace(
            _number_reading("VARCHAR", scale, draft.numbers, draft.reading.style),
            strip_point_zero=bool(point_zeros) and draft.numbers.is_integer,
        )


def _measure_durations(connection: duckdb.DuckDBPyConnection, relation: str, drafts: list[_Draft]) -> None:
    for draft in drafts:
        draft.reading = Reading("duration", scale=3)
        value = f"cast({typed_sql(draft.reading, draft.column)} as double)"
        measures = ", ".join(_number_measures("v"))
        row = connection.execute(f"select {measures} from (select {value} as v from {relation})").fetchall()[0]
        draft.numbers = _number_facts(row)[1]


def _settle(connection: duckdb.DuckDBPyConnection, relation: str, draft: _Draft, is_named: bool) -> None:
    """The kind of a column after its numbers are known: counted times, codes, values that are no numbers."""
    is_number = draft.kind == "number"
    if is_number and not draft.padded and (reading := _counted_time(draft, is_named)):
        facts = times.measure(connection, relation, draft.column, reading)
        if facts.readable >= MOSTLY * draft.filled:
            draft.kind, draft.reading, draft.times, draft.numbers = "time", reading, facts, None
    elif draft.kind == "text" and draft.sample and _is_short_month(draft):
        draft.kind, draft.reading = "time", Reading("timestamp", formats=("month",))
        draft.times = times.measure(connection, relation, draft.column, draft.reading)
    if draft.kind in ("number", "duration") and (
        draft.padded or not draft.numbers or draft.numbers.readable < MOSTLY * draft.filled
    ):
        draft.kind, draft.reading = "text", Reading("text", draft.physical)
        draft.numbers = draft.numbers if draft.padded else None
    if draft.kind == "time" and draft.times.readable < draft.filled:
        bad = times.unreadable(connection, relation, draft.column, draft.reading)
        draft.times = replace(draft.times, unreadable=bad)
    if is_number and draft.zeros_in_front and draft.distinct > 1 and _zeros_are_spelling(connection, relation, draft):
        draft.padded = False
        draft.kind, draft.reading = "text", replace(draft.reading, type="text", strip_point_zero=True, strip_zeros=True)
    if len(draft.values) == 1:
        draft.kind = "constant"


def _is_short_month(draft: _Draft) -> bool:
    """Whether values such as ``Jan 23`` are months rather than days: the name of the column decides."""
    is_named = bool(_PERIODS & set(words(draft.raw)))
    return (
        is_named and _share(draft.sample, times.SHORT_MONTH.fullmatch) == 1 and times.language_of(draft.sample) == "en"
    )


def _counted_time(draft: _Draft, is_named: bool) -> Reading | None:
    """How numbers count time: since 1970 or 1899, or as the digits of a date; None when they do not."""
    facts, name = draft.numbers, set(words(draft.raw))
    if facts is None or facts.minimum is None or max(facts.readable, draft.plain) < draft.filled:
        return None
    low, high = facts.minimum, facts.maximum

    def reading(*formats: str) -> Reading:
        return Reading("timestamp", draft.physical, formats=formats)

    if facts.is_integer and low >= 19000101 and high < 22000101:
        return reading("%Y%m%d")
    if facts.is_integer and low >= 19000101000000 and high < 22000101000000:
        return reading("%Y%m%d%H%M%S")
    if is_named or name & _TIME_NAMES:
        for unit, factor in zip(EPOCHS, (1, 10**3, 10**6, 10**9), strict=True):
            if _EPOCH_FROM * factor <= low and high < _EPOCH_TO * factor:
                return reading(unit)
    if (is_named or name & _DATE_NAMES) and low >= 25_569 and high <= 55_000:
        return reading("excel_serial")
    if facts.is_integer and (is_named or name & _PERIOD_NAMES) and low >= 190001 and high <= 219912:
        return reading("month")
    if facts.is_integer and is_named and low >= 1900 and high < 2200:
        return reading("year")
    return None


def _zeros_are_spelling(connection: duckdb.DuckDBPyConnection, relation: str, draft: _Draft) -> bool:
    """Whether the file itself writes the same numbers with and without zeros in front."""
    key = typed_sql(Reading("text", strip_point_zero=True), draft.column)
    both, zeros = connection.execute(f"""
        select count(*) filter (where spellings > 1), count(*) filter (where has_zero)
        from (
            select count(*) as spellings, bool_or(v like '0_%') as has_zero
            from (select distinct {key} as v from {relation})
            where regexp_full_match(v, '[0-9]+') group by ltrim(v, '0')
        )
    """).fetchall()[0]
    return zeros > 0 and both >= max(1, 0.1 * zeros)


def _join_clock(connection: duckdb.DuckDBPyConnection, relation: str, drafts: list[_Draft]) -> None:
    """A date and a time of day in two columns are one moment, where there is no choice."""
    dates = [
        d for d in drafts if d.kind == "time" and not d.times.has_clock and not d.reading.is_period
        and d.physical in ("VARCHAR", "DATE")
    ]  # fmt: skip
    clocks = [
        d for d in drafts
        if set(words(d.raw)) & _CLOCK_NAMES and d.kind in ("text", "constant") and (
            d.physical == "TIME" or (d.sample and _share(d.sample, _CLOCK.fullmatch) >= MOSTLY)
        )
    ]  # fmt: skip
    if len(dates) != 1 or len(clocks) != 1:
        return
    date, clock = dates[0], clocks[0]
    reading = replace(date.reading, clock_column=clock.raw)
    facts = times.measure(connection, relation, date.column, reading)
    if facts.readable >= MOSTLY * date.times.readable:
        date.reading = reading
        date.times = replace(facts, order=date.times.order, is_ambiguous=date.times.is_ambiguous)


def _described(connection: duckdb.DuckDBPyConnection, relation: str, draft: _Draft) -> Column:
    """The column with what it means."""
    column = Column(
        draft.raw, draft.name, draft.kind, draft.reading, draft.rows, draft.filled, draft.distinct,  # type: ignore[arg-type]
        draft.mean_length, draft.spaced, draft.padded, draft.values, draft.numbers, draft.times,
    )  # fmt: skip
    column = semantics.described(column, draft.sample)
    reading = column.reading
    if column.semantic == "identifier" and reading.type in ("integer", "decimal") and column.numbers.is_integer:
        # An identifier is a name: no arithmetic, and the same spelling in every file.
        point_zero = not is_integer_type(draft.physical) if draft.physical != "VARCHAR" else reading.strip_point_zero
        reading = replace(reading, type="text", strip_point_zero=point_zero)
        column = replace(column, reading=reading)
    if reading.type == "text" and (reading.strip_point_zero or reading.strip_zeros):
        found = connection.execute(
            f"select count(distinct {typed_sql(reading, draft.column)}) from {relation}"
        ).fetchall()
        column = replace(column, distinct=found[0][0], values=())
    return column
