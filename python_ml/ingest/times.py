"""Recognising times in text: which formats, which language, and whether the day or the month comes first.

A column's values are reduced to shapes (``9/28/12`` and ``10/3/11`` are both ``9/9/9``), counted over the whole
column. Each shape allows one or two formats; where day and month could both come first, all values decide together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from python_ml.ingest.connection import RawRelation
from python_ml.ingest.schema import Reading, TimeFacts
from python_ml.ingest.typing import typed_sql
from python_ml.masking import masked

EARLIEST, LATEST = "1900-01-01", "2200-01-01"
MAX_SHAPES = 200
_SHORTEST = 6  # letters of a date: 1/2/24

_MONTH = r"[^\W\d_]{3,10}\.?"
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
    *(
        (pattern.replace("M", _MONTH), pattern_format, None)
        for pattern, pattern_format in (
            (r"\d{1,2} M,? \d{4}", "%d {b} %Y"),
            (r"\d{1,2}\. M \d{4}", "%d. {b} %Y"),
            (r"\d{1,2}-M-\d{4}", "%d-{b}-%Y"),
            (r"\d{1,2}/M/\d{4}", "%d/{b}/%Y"),
            (r"\d{1,2} M \d{2}", "%d {b} %y"),
            (r"\d{1,2}-M-\d{2}", "%d-{b}-%y"),
            (r"\d{1,2} de M de \d{4}", "%d de {b} de %Y"),
            (r"M \d{1,2}, \d{4}", "{b} %d, %Y"),
            (r"M \d{1,2} \d{4}", "{b} %d %Y"),
            (r"\d{4}-M-\d{1,2}", "%Y-{b}-%d"),
        )
    ),
)
_WHOLE = (
    # ctime, with and without an offset, and the dates of e-mails
    (r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [+-]\d{4} \d{4}", "%a %b %d %H:%M:%S %z %Y"),
    (r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [A-Z]{3,4} \d{4}", "%a %b %d %H:%M:%S %Z %Y"),
    (r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}", "%a %b %d %H:%M:%S %Y"),
    (r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "%a, %d %b %Y %H:%M:%S %z"),
    (r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [A-Z]{3,4}", "%a, %d %b %Y %H:%M:%S %Z"),
    (r"\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", "%d/%b/%Y:%H:%M:%S %z"),
)
# Before a date, which repeats it; as in the macro `parse_timestamp`.
_WEEKDAY = re.compile(
    r"(?P<name>(?:mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|m[ií][eé]|jue|vie|s[aá]b|dom|gio|"
    r"seg|ter|qua|qui|sex|ma|wo|vr|za|zo)[^ 0-9.,]*)\.?(?P<gap>,? )\s*",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(?P<gap>,? +|T)(?P<clock>\d{1,2}:\d{2})(?P<second>:\d{2})?(?P<fraction>\.\d+)?(?P<half> ?[AaPp][Mm])?"
    r"(?P<zone> ?(?:(?:UTC|GMT)[+-]\d{1,2}(?::?\d{2})?|[+-]\d{2}(?::?\d{2})?|Z|[A-Z]{2,5}|"
    r"[A-Z][A-Za-z]+/[A-Z][A-Za-z0-9_/+-]+))?"
)
_PERIODS = {
    "quarter": r"\d{4}[-/ ]?[Qq][1-4]|[Qq][1-4][-/ ]?\d{4}",
    "iso_week": r"\d{4}[- ]?[Ww]\d{1,2}|[Ww]\d{1,2}[-/ ]?\d{4}",
    "month": rf"\d{{4}}[-/.M ]\d{{1,2}}|\d{{1,2}}[-/. ]\d{{4}}|{_MONTH}[- ]\d{{4}}",
}
SHORT_MONTH = re.compile(rf"{_MONTH}[- ]\d{{2}}")
# What the names of months begin with, as in the macro `english_month`.
_STEMS = {
    "en": "jan feb mar apr may jun jul aug sep oct nov dec",
    "de": "jan feb mär mae mrz apr mai jun jul aug sep okt nov dez",
    "fr": "jan fév fev mar avr mai juin jui aoû aou sep oct nov déc dec",
    "es": "ene feb mar abr may jun jul ago sep set oct nov dic",
    "it": "gen feb mar apr mag giu lug ago set ott nov dic",
    "pt": "jan fev mar abr mai jun jul ago set out nov dez",
    "nl": "jan feb maa mrt apr mei jun jul aug sep okt nov dec",
}


def looks_like_time(value: str) -> bool:
    """Whether a text has one of the shapes that this module reads, periods included."""
    text = value.strip()
    return len(text) >= _SHORTEST and (_formats_of(text) is not None or period_of([text]) is not None)


def period_of(values: Iterable[str]) -> str | None:
    """The period (``month``, ``quarter``, ``iso_week``) that all values have the shape of."""
    texts = list(values)
    for period, pattern in _PERIODS.items():
        if texts and all(re.fullmatch(pattern, text) for text in texts):
            named = [text for text in texts if re.match(r"[^\W\d_]", text)]
            if period != "month" or language_of(named) == "en" or not named:
                return period
    return None


def language_of(texts: Iterable[str]) -> str:
    """The language whose names of months stand in (nearly) all texts that hold a word; empty for none."""
    result = [re.search(r"[^\W\d_]{3,}", text) for text in texts]
    names = Counter(match.group().lower() for match in result if match)
    scores = {
        language: sum(n for word, n in names.items() if word.startswith(tuple(stems.split())))
        for language, stems in _STEMS.items()
    }
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] and scores[best] >= 0.8 * names.total() else ""


def recognise(
    relation: RawRelation,
    column: str,
    sample: list[str],
    day_first: bool | None = None,
) -> tuple[Reading, TimeFacts] | None:
    """Read a text column as times.

    Parameters
    ----------
    relation : RawRelation
    column : str
        Quoted name.
    sample : list of str
        Some of its values.
    day_first : bool, optional
        What the user says; by default the values decide.

    Returns
    -------
    (Reading, TimeFacts) or None
        None when fewer than half of the values have the shape of a time.
    """
    examples = [(1, value) for value in dict.fromkeys(sample)][:200]
    formats = {_formats_of(value) for _, value in examples}
    if None in formats or len(formats) != 1 or any(f and (f[1] or "{b}" in f[0]) for f in formats):
        # Several shapes, or ones that leave a choice: all values are looked at.
        examples = _shapes(relation, column)
    filled = sum(n for n, _ in examples)
    known = [(n, value, result) for n, value in examples if (result := _formats_of(value))]
    if not filled or sum(n for n, _, _ in known) < 0.5 * filled:
        period = period_of(value for _, value in examples)
        reading = Reading("timestamp", formats=(period,)) if period else None
        return (reading, measure(relation, column, reading)) if reading else None
    order, is_ambiguous = "", False
    if any(result[1] for _, _, result in known):
        if day_first is None:
            day_first, order, is_ambiguous = _decide_order(relation, column)
        else:
            order = f"{'day' if day_first else 'month'} first, as given"
    chosen = list(dict.fromkeys(f[1] if f[1] and not day_first else f[0] for _, _, f in known))
    language = ""
    if any("{b}" in f for f in chosen):
        texts = [value for _, value, result in known if "{b}" in result[0]] + sample
        texts = [_WEEKDAY.sub("", text, count=1) if _formats_of(text) else text for text in texts]
        language = language_of(texts)
        is_dotted = any(re.search(r"[^\W\d_]\.", text) or "ept" in text.lower() for text in texts)
        language = "" if language == "en" and not is_dotted else language
        months = ("%b",) if language else ("%b", "%B")
        chosen = list(dict.fromkeys(f.replace("{b}", month) for f in chosen for month in months))
    # %y before %Y: the long year would read 12 as the year 12.
    chosen.sort(key=lambda pattern: "%y" not in pattern)
    has_offset = any("%z" in f or "%Z" in f for f in chosen)
    if all(re.fullmatch(r"%Y[-/]%m[-/]%d([ T]%H:%M(:%S(\.%f)?)?(Z|%z)?)?", f) for f in chosen):
        # DuckDB reads these by itself, with any number of digits.
        chosen = []
    reading = Reading("timestamp", formats=tuple(chosen), language=language, has_offset=has_offset)
    facts = measure(relation, column, reading)
    if not language and any("%B" in f for f in chosen):
        # One of short and full names is enough where it reads as much.
        for month in ("%b", "%B"):
            fewer = replace(reading, formats=tuple(f for f in chosen if month in f or not re.search("%[bB]", f)))
            of_fewer = measure(relation, column, fewer)
            if of_fewer.readable == facts.readable:
                reading, facts = fewer, of_fewer
                break
    return reading, replace(facts, order=order, is_ambiguous=is_ambiguous)


def measure(relation: RawRelation, column: str, reading: Reading, exact: bool = True) -> TimeFacts:
    """Measure a column as what a reading makes of it.

    Parameters
    ----------
    exact : bool, default True
        Whether different days are counted exactly.
    """
    row = relation.row(f"""
        select {", ".join(measures("value", exact))}
        from (
            select {plausible("value")} as value
            from (select {typed_sql(reading, column)} as value from {relation})
        )
    """)
    return facts_of(row)


def plausible(value: str) -> str:
    """SQL of a time that is null where it lies outside of 1900 to 2200."""
    return f"case when {value} >= timestamp '{EARLIEST}' and {value} < timestamp '{LATEST}' then {value} end"


def measures(value: str, exact: bool) -> list[str]:
    """Aggregates over plausible times, in the order that :func:`facts_of` takes."""
    day = f"cast({value} as date)"
    return [
        f"count({value})",
        f"min({value})",
        f"max({value})",
        f"count(distinct {day})" if exact else f"approx_count_distinct({day})",
        f"coalesce(bool_or({value} <> {day}), false)",
    ]


def facts_of(row: tuple) -> TimeFacts:
    """Facts from a row of :func:`measures`."""
    readable, first, last, days, has_clock = row
    return TimeFacts(readable, first, last, days, has_clock)


def unreadable(relation: RawRelation, column: str, reading: Reading) -> tuple[tuple[str, int], ...]:
    """Up to three values that are no plausible time and the rows of each, the most frequent first."""
    result = relation.rows(f"""
        select text, count(*) as n
        from (select {typed_sql(Reading("text", reading.physical_type), column)} as text,
            {typed_sql(reading, column)} as value from {relation})
        where text is not null
            and coalesce(value < timestamp '{EARLIEST}' or value >= timestamp '{LATEST}', true)
        group by 1 order by n desc, 1 limit 3
    """)
    return tuple((masked(text), rows) for text, rows in result)


def _shapes(relation: RawRelation, column: str) -> list[tuple[int, str]]:
    """Rows and an example of every shape of a column, the most frequent first."""
    shape = "value"
    for pattern, letter in (
        (r"\pL+", "a"), ("[0-9]{15,}", "n"), ("[0-9]{14}", "L"), ("[0-9]{9,13}", "n"), ("[0-9]{8}", "D"),
        ("[0-9]{5,7}", "n"), ("[0-9]{4}", "Y"), ("[0-9]{3}", "n"), ("[0-9]{1,2}", "9"),
    ):  # fmt: skip
        shape = f"regexp_replace({shape}, '{pattern}', '{letter}', 'g')"
    return relation.rows(f"""
        select sum(n)::bigint as rows, min(value) as example
        from (
            select value, n, left({shape}, 40) as shape
            from (select {typed_sql(Reading("text"), column)} as value, count(*) as n from {relation} group by 1)
            where value is not null
        )
        group by shape order by rows desc, shape limit {MAX_SHAPES}
    """)


def _formats_of(example: str) -> tuple[str, str | None] | None:
    """The formats (day first, month first) that a value's shape allows; ``{b}`` stands for a month's name."""
    for pattern, whole in _WHOLE:
        if re.fullmatch(pattern, example):
            return whole, None
    if (weekday := _WEEKDAY.match(example)) and (date := _formats_of(example[weekday.end() :])):
        name = ("%a" if len(weekday["name"]) < 4 else "%A") + weekday["gap"]
        return name + date[0], name + date[1] if date[1] else None
    for pattern, day_format, month_format in _CORES:
        result = re.match(rf"(?:{pattern})(?![\d])", example)
        if not result:
            continue
        clock = _clock_format(example[result.end() :])
        if clock is None or (clock and "%H%M" in day_format):
            continue
        if "{b}" in day_format and "," in result.group() and ", " not in day_format:
            day_format = day_format.replace("{b} ", "{b}, ")
        return day_format + clock, month_format + clock if month_format else None
    return None


def _clock_format(text: str) -> str | None:
    """The format of a time of day after a date; empty when there is none, None when it is something else."""
    if not text:
        return ""
    result = _CLOCK.fullmatch(text)
    if not result:
        return None
    hour, half = ("%I", result["half"]) if result["half"] else ("%H", "")
    zone = result["zone"] or ""
    name = zone.strip()
    mark = name if name in ("Z", "UTC", "GMT") else "%Z" if name[:1].isalpha() else "%z" if zone else ""
    return (
        f"{result['gap']}{hour}:%M{':%S' if result['second'] else ''}{'.%f' if result['fraction'] else ''}"
        f"{half[:-2] + '%p' if half else ''}{' ' if zone.startswith(' ') else ''}{mark}"
    )


def _decide_order(relation: RawRelation, column: str) -> tuple[bool, str, bool]:
    """Let all values decide whether the day or the month comes first: a number above 12 is no month."""
    pattern = r"^[^0-9]*([0-9]{1,2})([/.-])([0-9]{1,2})[/.-][0-9]"
    first_above, second_above, dotted, total = relation.row(f"""
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
    """)
    numbers = f"first number above 12 in {first_above:,} values, second in {second_above:,}, of {total:,}"
    if first_above != second_above:
        return first_above > second_above, f"{'day' if first_above > second_above else 'month'} first: {numbers}", False
    if dotted == total:
        return True, "day first: dates with full stops are written so", False
    return False, f"month first is a guess: {numbers}", True


def offsets(relation: RawRelation, column: str) -> tuple[str, ...]:
    """Up to four offsets from UTC that texts end with, the most frequent first; empty for those without one."""
    text = typed_sql(Reading("text"), column)
    result = relation.rows(f"""
        select regexp_extract({text}, '(?:[zZ]|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)$') as v, count(*) as n
        from {relation} where {text} is not null
        group by 1 order by n desc, 1 limit 4
    """)
    return tuple(value for value, _ in result)
