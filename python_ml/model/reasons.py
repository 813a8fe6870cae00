"""Plain sentences for reasons, such as

    Orders in the last 30 days: 1, where the typical customer has 3.

Reasons raise the risk: a sentence says the direction only where it is the other one.

Projects are generated from arbitrary files, so the words come from the feature's metadata, with wording that
stays true where a name is not a word that English can bend.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from python_ml.durations import ALL_TIME
from python_ml.input_columns import CATEGORY, FLAG, NUMBER
from python_ml.model.card import CardColumn

UNITS = {"h": "hour", "d": "day", "w": "week"}
LONGEST_DESCRIPTION = 70
LONGEST_CATEGORY = 60

# What "the typical customer has": numbers of things. Averages, days and attributes are "typical" themselves.
COUNTED = ("count", "sum", "nunique", "active_days", "longest_streak_days", "current_streak_days")
# What is measured over everything that is visible; null for want of events.
NEEDS_EVENTS = {
    "days_since_last": "no {one}",
    "days_since_first": "no {one}",
    "mean_gap_days": "fewer than two {many}",
    "gap_stddev_days": "fewer than three {many}",
    "last_gap_days": "fewer than two {many}",
    "median_gap_days": "fewer than two {many}",
    "longest_gap_days": "fewer than two {many}",
    "recency_per_mean_gap": "fewer than two {many}",
    "recency_per_longest_gap": "fewer than two {many}",
    "recency_per_tenure": "no {one}",
    "recency_zscore": "fewer than three {many}",
    "shift": "too few texts to compare",
}
# One value is not enough for these.
NEEDS_VALUES = ("variance", "stddev", "slope")
# A value of these is a place between the ends of a component of texts.
PLACES = ("mean", "first", "last", "min", "max")


def reason(column: CardColumn, value: Any, contribution: float, without_events: bool = False) -> str:
    """Say what a feature's value is and what is usual, and that it lowers the risk where it does.

    Parameters
    ----------
    column : CardColumn
        The feature and what is typical of it.
    value : float, str or missing
        The customer's value, as in :func:`python_ml.input_columns.model_input`.
    contribution : float
        In log-odds of churn.
    without_events : bool
        Whether the value is empty because there was no event in the feature's window.

    Returns
    -------
    str
        One sentence.
    """
    if without_events:
        statement = _nothing(column)
    else:
        statement = _missing(column) if _is_missing(value) else _STATEMENTS[column.kind](column, value)
    statement = " ".join(statement.split())  # names and categories may hold line breaks
    effect = " - lowers the risk" if contribution < 0 else ""
    return f"{statement[0].upper()}{statement[1:]}{effect}."


def value_text(column: CardColumn, value: Any) -> str | None:
    """The value as text for ``feature_value``: exact for readers of tables, None where there is none."""
    if _is_missing(value):
        return None
    if column.kind == FLAG:
        return "true" if value else "false"
    return f"{value:.10g}" if column.kind == NUMBER else str(value)


def amount_text(column: CardColumn, value: Any) -> str:
    """The value for readers: ``33 %``, ``yes``, ``12,346``; a dash where there is none."""
    if _is_missing(value):
        return "–"
    if column.kind == FLAG:
        return "yes" if value else "no"
    return _amount(column, value) if column.kind == NUMBER else _short(str(value))


def value_statement(column: CardColumn, value: Any, without_events: bool = False) -> str:
    """What the customer's value is, without what is usual: ``orders in the last 30 days: 2``."""
    if without_events:
        return _over(f"no {_nouns(column.source or '')[1]}", column)
    return f"{subject(column)}: {amount_text(column, value)}"


def subject(column: CardColumn) -> str:
    """What a feature measures, such as ``total amount of orders in the last 30 days``.

    Parameters
    ----------
    column : CardColumn

    Examples
    --------
    >>> subject(CardColumn("orders_count_30d", "number", source="orders", aggregate="count", window="30d"))
    'orders in the last 30 days'
    """
    aggregate = column.aggregate or ""
    if column.ends is not None:
        low, high = map(_short, column.ends)
        of = "" if aggregate == "mean" else f"{_OF_TEXTS.get(aggregate, aggregate)} of "
        return _over(f"{of}texts of {_nouns(column.source or '')[1]}, from “{low}” to “{high}”", column)
    description = column.description.strip().rstrip(".")
    described = re.fullmatch(r"(.+?)(?: (?:in the .+|at any time) before the feature time)?", description)
    said = described[1] if described else ""
    # A description that counts something says more than names can: "number of urgent tickets".
    counted = said.removeprefix("Number of ")
    if aggregate in ("count", "sum") and counted != said and len(counted) <= LONGEST_DESCRIPTION:
        return _over(counted, column)
    if column.source and aggregate in _COMPARISONS and column.measure:
        return _comparison(column)
    measure = as_text(column.measure or "")
    if column.source and aggregate in _PHRASES and (measure or "{measure" not in _PHRASES[aggregate]):
        # So does one that words the measure in another way: "sum of amount of orders with channel web".
        if measure and said != description and measure not in said.lower() and len(said) <= LONGEST_DESCRIPTION:
            return _over(f"{said[0].lower()}{said[1:]}", column)
        return _over(_phrase(column.source, measure, aggregate), column)
    if aggregate != "attribute" and description and len(description) <= LONGEST_DESCRIPTION:
        return f"{description[0].lower()}{description[1:]}" if description[1:2].islower() else description
    return as_text(column.name) or column.name


def as_text(name: str) -> str:
    """Write an identifier as words: ``unitPrice`` and ``unit_price`` both as ``unit price``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.split(r"[\s_\-.]+", spaced)).strip().lower()


def number_text(value: float, grouped: bool = True) -> str:
    """Round a number to what a reader takes in: about three digits, more for large whole amounts.

    Examples
    --------
    >>> number_text(12345.678), number_text(54.25), number_text(3.0), number_text(0.01234)
    ('12,346', '54.2', '3', '0.012')
    """
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}" if grouped else f"{value:.0f}"
    if size >= 100:
        text = f"{value:.0f}"
    elif size >= 10:
        text = f"{value:.1f}"
    elif size >= 1:
        text = f"{value:.2f}"
    else:
        return np.format_float_positional(
            float(f"{value:.2g}") + 0.0, trim="-"
        )  # + 0.0 turns a negative zero into zero
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(column: CardColumn, value: float) -> str:
    shown = _amount(column, value)
    if column.ends is not None and column.aggregate in PLACES:
        return _text(column, value)
    statement = f"{subject(column)}: {shown}"
    if column.typical is None:
        return statement
    if column.missing_share > 0.5:
        return f"{statement}, where most customers have none"
    typical = _amount(column, float(column.typical))
    if typical == shown:
        return f"{statement}, like the typical customer"
    if column.aggregate in COUNTED:
        return f"{statement}, where the typical customer has {typical}"
    return f"{statement}, where {typical} is typical"


def _text(column: CardColumn, value: float) -> str:
    """Which end of a component the customer's texts are nearer to than those of others."""
    usual = 0.0 if column.typical is None else float(column.typical)
    many = _nouns(column.source or "")[1]
    statement = _over(f"texts of {many}", column)
    if value == usual:
        return f"{statement} read like those of the typical customer"
    nearer = column.ends[1 if value > usual else 0]
    return f"{statement} read more like “{_short(nearer)}” than usual"


def _amount(column: CardColumn, value: float) -> str:
    """A number in the way that its kind is written: shares in percent, years without a comma."""
    if column.aggregate == "share":
        return f"{number_text(100 * value)} %"
    return number_text(value, grouped="year" not in column.name.lower())


def _flag(column: CardColumn, value: float) -> str:
    answer = {True: "yes", False: "no"}
    return f"{subject(column)}: {answer[bool(value)]}" + _commonest(
        column, value, "" if column.typical is None else answer[bool(column.typical)]
    )


def _category(column: CardColumn, value: str) -> str:
    return f"{subject(column)} is {_short(value)}" + _commonest(column, value, _short(str(column.typical)))


def _short(text: str) -> str:
    """A category, cut where it is long."""
    return text if len(text) <= LONGEST_CATEGORY else text[: LONGEST_CATEGORY - 1] + "…"


def _commonest(column: CardColumn, value: Any, typical: str) -> str:
    if column.typical is None:
        return ""
    share = column.typical_share * (1 - column.missing_share)
    if value == column.typical:
        return ", like most customers" if share > 0.5 else ", the most common value"
    return f", where most customers have {typical}" if share > 0.5 else f", where {typical} is most common"


def _missing(column: CardColumn) -> str:
    if column.source and column.aggregate in NEEDS_EVENTS:
        one, many = _nouns(column.source)
        few = NEEDS_EVENTS[column.aggregate].format(one=one, many=many)
        return f"{few} so far" + (", unlike most customers" if column.missing_share < 0.5 else "")
    if column.aggregate in _COMPARISONS:
        absent = "nothing to compare with"
    elif column.aggregate in NEEDS_VALUES:
        absent = "too little recorded"
    elif column.aggregate == "attribute" or (column.kind != NUMBER and not column.window):
        absent = "unknown"
    else:
        absent = "nothing recorded"
    statement = f"{subject(column)}: {absent}"
    if column.missing_share >= 0.5:
        return f"{statement}, like most customers"
    if column.kind != NUMBER or column.typical is None:
        return statement
    return f"{statement}, where {_amount(column, float(column.typical))} is typical"


def _nothing(column: CardColumn) -> str:
    """No event of a source in a window, whatever the feature measures of them."""
    statement = value_statement(column, None, without_events=True)
    if column.aggregate == "count" and not column.measure and column.kind == NUMBER and column.typical:
        return f"{statement}, where the typical customer has {_amount(column, float(column.typical))}"
    usual = column.missing_share >= 0.5 or (column.missing_share == 0 and column.typical == 0)
    return f"{statement}, like most customers" if usual else f"{statement}, unlike most customers"


def _is_missing(value: Any) -> bool:
    return value is None or value != value  # NaN alone differs from itself


def _phrase(source: str, measure: str, aggregate: str) -> str:
    """A measurement without its window: ``total amount of orders``."""
    one, many = _nouns(source)
    pattern = "{many} with {measure}" if aggregate == "count" and measure else _PHRASES[aggregate]
    # "is refunded" and "has refund" are said of an event; "refunded" and "refund" can be said of several.
    bare = re.sub(r"^(is|has|was) (?=.)", "", measure)
    return pattern.format(one=one, many=many, measure=measure, measures=_plural(measure), bare=bare)


def _comparison(column: CardColumn) -> str:
    """What is compared, and over which windows; the registry has ``amount_sum`` for it, and ``7d/30d``."""
    measure, _, aggregate = (column.measure or "").rpartition("_")
    if aggregate in _PHRASES:
        what = _phrase(column.source or "", as_text(measure), aggregate)
    else:
        what = as_text(column.measure or "")
    spans = [_span(window) or window for window in (column.window or "").split("/")]
    if len(spans) != (3 if column.aggregate == "acceleration" else 2):
        return " ".join(part for part in (f"{column.aggregate} of {what}", f"({column.window})") if part)
    return _COMPARISONS[column.aggregate or ""].format(*spans, what=what)


def _over(phrase: str, column: CardColumn) -> str:
    """Add the window to what is measured; recency has none, as it looks at everything that is visible."""
    if column.aggregate in (*NEEDS_EVENTS, "current_streak_days") or not column.window:
        return phrase
    if column.window == ALL_TIME:
        return f"{phrase} so far"
    span = _span(column.window)
    return f"{phrase} in {span}" if span else f"{phrase} ({column.window})"


def _span(window: str) -> str:
    """A window as a stretch of time, empty when it is none: ``the last 30 days``."""
    if window == ALL_TIME:
        return "all time"
    match = re.fullmatch(r"(\d+)\s*([hdw])", window)
    if not match:
        return ""
    length, unit = int(match[1]), UNITS[match[2]]
    return f"the last {unit}" if length == 1 else f"the last {length} {unit}s"


def _plural(noun: str) -> str:
    """Plural of a measure's name: ``invoice no`` has ``invoice numbers``, ``category`` has ``categories``."""
    noun = re.sub(r"\b(no|nr|num)$", "number", noun)
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    if re.search(r"(ss|us|x|ch|sh)$", noun):
        return noun + "es"
    return noun if noun.endswith("s") else noun + "s"


def _nouns(source: str) -> tuple[str, str]:
    """Singular and plural of what a source holds; ``event (name)`` where the name is not an English plural."""
    name = as_text(source)
    last = name.split(" ")[-1]
    plural = re.fullmatch(r"[a-z]+( [a-z]+)*", name) and re.search(r"[^su]s$", last) and not last.endswith("is")
    if not plural or last in ("news", "series", "sms"):
        return f"event ({name})", f"events ({name})"
    if last.endswith("ies") and len(last) > 4:
        return name[:-3] + ("ie" if last in ("movies", "cookies") else "y"), name
    if re.search(r"(sse|xe|che|she|zze)s$", last):
        return name[:-2], name
    return name[:-1], name


_STATEMENTS = {NUMBER: _number, FLAG: _flag, CATEGORY: _category}

_PHRASES = {
    "count": "{many}",
    "sum": "total {measure} of {many}",
    "mean": "average {measure} per {one}",
    "min": "lowest {measure} of {many}",
    "max": "highest {measure} of {many}",
    "variance": "variance of {measure} over {many}",
    "stddev": "standard deviation of {measure} over {many}",
    "slope": "trend per day of {measure} over {many}",
    "first": "first {measure} of {many}",
    "last": "latest {measure} of {many}",
    "last_per_mean": "latest {measure} of {many}, as a multiple of the average",
    "nunique": "different {measures} among {many}",
    "mode": "most common {measure} of {many}",
    "entropy": "variety (entropy) of {measures} among {many}",
    "any": "{bare} for any of the {many}",
    "all": "{bare} for all of the {many}",
    "share": "share of {many} with {bare}",
    "days_since_last": "days since the last {one}",
    "days_since_first": "days since the first {one}",
    "mean_gap_days": "average days between {many}",
    "active_days": "days with {many}",
    "gap_stddev_days": "standard deviation of the days between {many}",
    "longest_streak_days": "longest run of days with {many}",
    "current_streak_days": "days in a row with {many}, up to now",
    "last_gap_days": "days between the last two {many}",
    "median_gap_days": "median days between {many}",
    "longest_gap_days": "most days between two {many}",
    "recency_per_mean_gap": "days since the last {one}, as a multiple of the average gap",
    "recency_per_longest_gap": "days since the last {one}, as a multiple of the longest gap",
    "recency_per_tenure": "days since the last {one}, as a share of the days since the first",
    "recency_zscore": "days since the last {one}, in standard deviations above the average gap",
}

# Of a component of texts.
_OF_TEXTS = {"stddev": "spread", "variance": "spread", "slope": "trend", "last": "latest", "first": "first"}

_COMPARISONS = {
    "ratio": "ratio of {what} in {0} to {1}",
    "difference": "difference in {what} between {0} and {1}",
    "velocity": "change in {what} per day, {0} against {1}",
    "momentum": "ratio of {what} per day, {0} against {1}",
    "acceleration": "acceleration of {what} per day over {0}, {1} and {2}",
}
