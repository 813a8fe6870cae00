"""Recognising times in text columns: which formats, and whether the day or the month comes first.

A column's values are reduced to shapes (``9/28/12`` and ``10/3/11`` are both ``9/9/9``), counted over the whole
column. Each shape allows one or two formats; where day and month could both come first, all values decide together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from python_ml.warehouse import literal

if TYPE_CHECKING:
    import duckdb

EARLIEST, LATEST = "1900-01-01", "2200-01-01"
MAX_SHAPES = 200
SHORTEST = 6  # letters of a date: 1/2/24

_MONTH = r"[A-Za-z]{3,9}\.?"
_CORES = (
    # (pattern, format with the day first, format with the month first)
    (r"\d{4}-\d{1,2}-\d{1,2}", "%Y-%m-%d", None),
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d", None),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", "%Y.%m.%d", None),
    (r"\d{8}", "%Y%m%d", None),
    (r"\d{14}", "%Y%m%d%H%M%S", None),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y", "%m/%d/%Y"),
    (r"\d{1,2}-\d{1,2}-\d{4}", "%d-%m-%Y", "%m-%d-%Y"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y", "%m.%d.%Y"),
    (r"\d{1,2}/\d{1,2}/\d{2}", "%d/%m/%y", "%m/%d/%y"),
    (r"\d{1,2}-\d{1,2}-\d{2}", "%d-%m-%y", "%m-%d-%y"),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", "%d.%m.%y", "%m.%d.%y"),
    (rf"\d{{1,2}} {_MONTH} \d{{4}}", "%d {b} %Y", None),
    (rf"\d{{1,2}}-{_MONTH}-\d{{4}}", "%d-{b}-%Y", None),
    (rf"\d{{1,2}}-{_MONTH}-\d{{2}}", "%d-{b}-%y", None),
    (rf"{_MONTH} \d{{1,2}}, \d{{4}}", "{b} %d, %Y", None),
)
_CLOCK = re.compile(
    r"(?P<gap>[ T]*)(?P<clock>\d{1,2}:\d{2})(?P<second>:\d{2})?(?P<fraction>\.\d+)?(?P<half> ?[AaPp][Mm])?"
    r"(?P<zone> ?(?:Z|UTC|[+-]\d{2}:?\d{2}|[+-]\d{2}))?"
)


@dataclass(frozen=True)
class TimeProfile:
    """What a column holds when read as times.

    Attributes
    ----------
    formats : tuple of str
        strftime patterns, tried in order; empty for ISO 8601 and for columns of a time type.
    filled, readable : int
        Values, and those that are a time between 1900 and 2200.
    first, last : datetime or None
    days : int
        Different days.
    has_clock : bool
        Whether any value has a time of day other than midnight.
    has_offset : bool
        Whether values carry an offset from UTC.
    evidence : str
        Why this order of day and month, or empty.
    undecided : bool
        Whether no value tells if the day or the month comes first.
    unreadable : tuple of str
        Up to three values that are no time.
    """

    formats: tuple[str, ...]
    filled: int
    readable: int
    first: datetime | None
    last: datetime | None
    days: int
    has_clock: bool
    has_offset: bool = False
    evidence: str = ""
    undecided: bool = False
    unreadable: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Readable share of the filled values."""
        return self.readable / self.filled if self.filled else 0.0


def looks_like_time(value: str) -> bool:
    """Whether a text has one of the shapes that this module reads."""
    text = value.strip()
    return len(text) >= SHORTEST and bool(_formats_of(text))


def time_sql(column: str, formats: tuple[str, ...]) -> str:
    """SQL that reads a text expression the way the macro ``to_timestamp`` does on DuckDB."""
    text = f"nullif(trim({column}), '')"
    if not formats:
        return f"try_cast({text} as timestamp)"
    attempts = [f"try_strptime({text}, {literal(pattern)})" for pattern in formats]
    joined = attempts[0] if len(attempts) == 1 else f"coalesce({', '.join(attempts)})"
    return f"cast({joined} as timestamp)"


def profile_text(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, day_first: bool | None = None
) -> TimeProfile | None:
    """Read a text column as times.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    relation, column : str
        Quoted names.
    day_first : bool, optional
        What the user says; by default the values decide.

    Returns
    -------
    TimeProfile or None
        None when fewer than half of the values have the shape of a time.
    """
    shapes = connection.execute(f"""
        select shape, count(*) as n, min(value) as example
        from (
            select trim({column}) as value, {_shape_sql(f"trim({column})")} as shape
            from {relation} where {column} is not null
        )
        where value <> ''
        group by shape order by n desc, shape limit {MAX_SHAPES}
    """).fetchall()
    filled = sum(n for _, n, _ in shapes)
    readings = [(n, _formats_of(example)) for _, n, example in shapes]
    if not filled or sum(n for n, formats in readings if formats) < 0.5 * filled:
        return None
    known = [formats for _, formats in readings if formats]
    ambiguous = [pair for pair in known if pair[1]]
    evidence, undecided = "", False
    if ambiguous and day_first is None:
        day_first, evidence, undecided = _decide_order(connection, relation, column, ambiguous)
    elif ambiguous:
        evidence = f"{'day' if day_first else 'month'} first, as told"
    formats: list[str] = []
    for day_format, month_format in known:
        chosen = month_format if month_format and not day_first else day_format
        if chosen not in formats:
            formats.append(chosen)
    # %y before %Y: the long year would read 12 as the year 12.
    formats.sort(key=lambda pattern: "%y" not in pattern)
    plain_iso = all(re.fullmatch(r"%Y[-/]%m[-/]%d([ T]%H:%M(:%S(\.%f)?)?Z?)?", f) for f in formats)
    has_offset = any("%z" in f or "%Z" in f for f in formats)
    found = _measure(connection, relation, column, () if plain_iso else tuple(formats), has_offset, evidence, undecided)
    named = [f for f in formats if "%b" in f or "%B" in f]
    if named and found.readable < found.filled:
        # the example had a short month (or May), others may be written out
        swapped = [f.replace("%b", "%B") if "%b" in f else f.replace("%B", "%b") for f in named]
        more = (*formats, *(f for f in swapped if f not in formats))
        both = _measure(connection, relation, column, more, has_offset, evidence, undecided)
        found = both if both.readable > found.readable else found
    return found


def profile_typed(connection: duckdb.DuckDBPyConnection, relation: str, column: str) -> TimeProfile:
    """Measure a column that already has a date or timestamp type."""
    return _summary(connection, relation, column, f"cast({column} as timestamp)", ())


def _shape_sql(value: str) -> str:
    """Digits by the length of their run, letters as one ``a``: few shapes for many values."""
    steps = [
        ("[A-Za-z]+", "a"),
        (r"[0-9]{15,}", "n"),
        (r"[0-9]{14}", "L"),
        (r"[0-9]{9,13}", "n"),
        (r"[0-9]{8}", "D"),
        (r"[0-9]{5,7}", "n"),
        (r"[0-9]{4}", "Y"),
        (r"[0-9]{3}", "n"),
        (r"[0-9]{1,2}", "9"),
    ]
    for pattern, letter in steps:
        value = f"regexp_replace({value}, '{pattern}', '{letter}', 'g')"
    return f"left({value}, 40)"


def _formats_of(example: str) -> tuple[str, str | None] | None:
    """The formats (day first, month first) that a value's shape allows."""
    for pattern, day_format, month_format in _CORES:
        found = re.match(rf"(?:{pattern})(?![\d])", example)
        if not found:
            continue
        rest = example[found.end() :]
        clock = _clock_format(rest)
        if clock is None or (clock and "%H%M" in day_format):
            continue
        if "{b}" in day_format:
            month = re.search(r"[A-Za-z]+", found.group())
            day_format = day_format.format(b="%b" if month and len(month.group()) == 3 else "%B")
        return day_format + clock, month_format + clock if month_format else None
    return None


def _clock_format(text: str) -> str | None:
    """The format of a time of day after a date; empty when there is none, None when it is something else."""
    if not text:
        return ""
    found = _CLOCK.fullmatch(text)
    if not found or not found["gap"]:
        return None
    hour, half = ("%I", found["half"]) if found["half"] else ("%H", "")
    zone = found["zone"] or ""
    mark = {"Z": "Z", "UTC": "UTC"}.get(zone.strip(), "%z" if zone else "")
    return (
        f"{found['gap']}{hour}:%M{':%S' if found['second'] else ''}{'.%f' if found['fraction'] else ''}"
        f"{half[:-2] + '%p' if half else ''}{' ' if zone.startswith(' ') else ''}{mark}"
    )


def _decide_order(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, formats: list[tuple[str, str | None]]
) -> tuple[bool, str, bool]:
    """Let all values decide whether the day or the month comes first: a number above 12 is no month."""
    pattern = r"^\s*([0-9]{1,2})([/.-])([0-9]{1,2})[/.-][0-9]"
    first_above, second_above, dotted, total = connection.execute(f"""
        select
            count(*) filter (where first > 12 and second <= 12),
            count(*) filter (where second > 12 and first <= 12),
            count(*) filter (where mark = '.'),
            count(*)
        from (
            select
                try_cast(regexp_extract({column}, '{pattern}', 1) as integer) as first,
                regexp_extract({column}, '{pattern}', 2) as mark,
                try_cast(regexp_extract({column}, '{pattern}', 3) as integer) as second
            from {relation}
        )
        where first is not null
    """).fetchall()[0]
    numbers = f"first number above 12 in {first_above:,} values, second in {second_above:,}, of {total:,}"
    if first_above != second_above:
        return first_above > second_above, f"{'day' if first_above > second_above else 'month'} first: {numbers}", False
    if dotted == total:
        return True, "day first: dates with full stops are written so", False
    return False, f"month first is a guess: {numbers}", True


def _measure(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    column: str,
    formats: tuple[str, ...],
    has_offset: bool,
    evidence: str,
    undecided: bool,
) -> TimeProfile:
    base = _summary(connection, relation, column, time_sql(column, formats), formats)
    return TimeProfile(**{**base.__dict__, "has_offset": has_offset, "evidence": evidence, "undecided": undecided})


def _summary(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, expression: str, formats: tuple[str, ...]
) -> TimeProfile:
    plausible = f"value >= timestamp '{EARLIEST}' and value < timestamp '{LATEST}'"
    row = connection.execute(f"""
        select
            count(*), count(*) filter (where {plausible}),
            min(value) filter (where {plausible}), max(value) filter (where {plausible}),
            count(distinct cast(value as date)) filter (where {plausible}),
            coalesce(bool_or(value <> date_trunc('day', value)) filter (where {plausible}), false)
        from (select {expression} as value from {relation} where {_is_filled(column)})
    """).fetchall()[0]
    filled, readable, first, last, days, has_clock = row
    unreadable: tuple[str, ...] = ()
    if readable < filled:
        found = connection.execute(f"""
            select cast({column} as varchar) as value, count(*) as n
            from {relation}
            where {_is_filled(column)} and coalesce(not ({plausible.replace("value", f"({expression})")}), true)
            group by 1 order by n desc, 1 limit 3
        """).fetchall()
        unreadable = tuple(value for value, _ in found)
    return TimeProfile(formats, filled, readable, first, last, days, has_clock, unreadable=unreadable)


def _is_filled(column: str) -> str:
    return f"{column} is not null and trim(cast({column} as varchar)) <> ''"
