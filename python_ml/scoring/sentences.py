"""Plain sentences for reasons, such as

    Orders in the last 30 days: 0, where the typical customer has 3 - raises the risk.

Projects are generated from arbitrary files, so the words come from the feature's metadata, with wording that
stays true where a name is not a word that English can bend.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from python_ml.scoring.card import CardColumn
from python_ml.training.columns import CATEGORY, FLAG, NUMBER

UNITS = {"h": "hour", "d": "day", "w": "week"}
LONGEST_DESCRIPTION = 70
LONGEST_CATEGORY = 60

# What "the typical customer has": numbers of things. Averages, days and attributes are "typical" themselves.
COUNTED = ("count", "sum", "nunique")
NEEDS_EVENTS = ("days_since_last", "days_since_first")


def reason(column: CardColumn, value: Any, contribution: float) -> str:
    """Say what a feature's value is, what is usual, and which way it moves the risk.

    Parameters
    ----------
    column : CardColumn
        The feature and what is typical of it.
    value : float, str or missing
        The customer's value, as in :func:`python_ml.training.columns.model_input`.
    contribution : float
        In log-odds of churn.

    Returns
    -------
    str
        One sentence.
    """
    statement = _missing(column) if _is_missing(value) else _STATEMENTS[column.kind](column, value)
    statement = " ".join(statement.split())  # names and categories may hold line breaks
    if contribution > 0:
        effect = "raises the risk"
    elif contribution < 0:
        effect = "lowers the risk"
    else:
        effect = "makes no difference"
    return f"{statement[0].upper()}{statement[1:]} - {effect}."


def value_text(column: CardColumn, value: Any) -> str | None:
    """The value as text for ``feature_value``: exact for readers of tables, None where there is none."""
    if _is_missing(value):
        return None
    if column.kind == FLAG:
        return "true" if value else "false"
    return f"{value:.10g}" if column.kind == NUMBER else str(value)


def subject(column: CardColumn) -> str:
    """What a feature measures, in words, such as ``total amount of orders in the last 30 days``.

    Parameters
    ----------
    column : CardColumn

    Examples
    --------
    >>> subject(CardColumn("orders_count_30d", "number", source="orders", aggregate="count", window="30d"))
    'orders in the last 30 days'
    """
    aggregate = column.aggregate or ""
    # A description that counts something says more than names can: "number of urgent tickets".
    counted = re.fullmatch(
        r"Number of (.+?)(?: (?:in the .+ |at any time )?before the feature time)?\.?", column.description
    )
    if aggregate in ("count", "sum") and counted and len(counted[1]) <= LONGEST_DESCRIPTION:
        return " ".join(part for part in (counted[1], _window(column)) if part)
    if column.source and aggregate in _PHRASES:
        one, many = _nouns(column.source)
        measure = words(column.measure or "")
        if measure or "{measure" not in _PHRASES[aggregate]:
            names = {"one": one, "many": many, "measure": measure, "measures": _plural(measure)}
            phrase = _PHRASES[aggregate].format(**names)
            return " ".join(part for part in (phrase, _window(column)) if part)
    description = column.description.strip().rstrip(".")
    if aggregate != "attribute" and description and len(description) <= LONGEST_DESCRIPTION:
        return f"{description[0].lower()}{description[1:]}" if description[1:2].islower() else description
    return words(column.name) or column.name


def words(name: str) -> str:
    """Write an identifier as words: ``unitPrice`` and ``unit_price`` both as ``unit price``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.split(r"[\s_\-.]+", spaced)).strip().lower()


def number_words(value: float, grouped: bool = True) -> str:
    """Round a number to what a reader takes in: about three digits, more for large whole amounts.

    Examples
    --------
    >>> number_words(12345.678), number_words(54.25), number_words(3.0), number_words(0.01234)
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
    grouped = "year" not in column.name.lower()
    shown = number_words(value, grouped)
    statement = f"{subject(column)}: {shown}"
    if column.typical is None:
        return statement
    if column.missing_share > 0.5:
        return f"{statement}, where most customers have none"
    typical = number_words(float(column.typical), grouped)
    if typical == shown:
        return f"{statement}, like the typical customer"
    if column.aggregate in COUNTED:
        return f"{statement}, where the typical customer has {typical}"
    return f"{statement}, where {typical} is typical"


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
        one, _ = _nouns(column.source)
        return f"no {one} so far" + (", unlike most customers" if column.missing_share < 0.5 else "")
    if column.source and column.aggregate == "mean_gap_days":
        one, _ = _nouns(column.source)
        return f"fewer than two {_nouns(column.source)[1]} so far" + (
            ", unlike most customers" if column.missing_share < 0.5 else ""
        )
    absent = "unknown" if column.aggregate == "attribute" or column.kind != NUMBER else "nothing recorded"
    statement = f"{subject(column)}: {absent}"
    if column.missing_share >= 0.5:
        return f"{statement}, like most customers"
    if column.kind != NUMBER or column.typical is None:
        return statement
    return f"{statement}, where {number_words(float(column.typical), 'year' not in column.name)} is typical"


def _is_missing(value: Any) -> bool:
    return value is None or value != value  # NaN alone differs from itself


def _window(column: CardColumn) -> str:
    """Words for a window; recency has none, as it looks at everything that is visible."""
    if column.aggregate in (*NEEDS_EVENTS, "mean_gap_days") or not column.window:
        return ""
    if column.window == "all_time":
        return "so far"
    match = re.fullmatch(r"(\d+)\s*([hdw])", column.window)
    if not match:
        return f"({column.window})"
    length, unit = int(match[1]), UNITS[match[2]]
    return f"in the last {unit}" if length == 1 else f"in the last {length} {unit}s"


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
    name = words(source)
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
    "stddev": "standard deviation of {measure} over {many}",
    "nunique": "different {measures} among {many}",
    "days_since_last": "days since the last {one}",
    "days_since_first": "days since the first {one}",
    "mean_gap_days": "average days between {many}",
}
