"""What a column means: names are hints, values decide, and the reason is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from python_ml.ingest import free_text, vocabulary
from python_ml.ingest.personal import ENOUGH, PATTERNS, PERSONAL, personal_by_name
from python_ml.ingest.schema import Column
from python_ml.names import name_parts

_COMPILED = {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}
_DURATIONS, _RATINGS = vocabulary.terms("durations"), vocabulary.terms("ratings")
_CYCLES = {
    "weekday": (0, 7), "dow": (0, 7), "dayofweek": (0, 7), "month": (1, 12), "hour": (0, 23), "quarter": (1, 4),
    "monthday": (1, 31), "week": (1, 53),
}  # fmt: skip
_WEEKDAYS, _MONTHS = vocabulary.terms("weekdays"), vocabulary.terms("months")
_LADDERS = vocabulary.ladders()


def described(column: Column, sample: Sequence[str]) -> Column:
    """Add what a column means, why, and what personal data it holds; values of personal columns are dropped.

    Parameters
    ----------
    column : Column
    sample : sequence of str
        Some of its values, where it is text.
    """
    personal = None
    if column.kind in ("text", "boolean", "constant") and sample:
        personal = next(
            (kind for kind, p in _COMPILED.items() if sum(map(bool, map(p.fullmatch, sample))) >= ENOUGH * len(sample)),
            None,
        )
    semantic, because = _semantic(column, personal, sample)
    is_personal = semantic in PERSONAL
    return replace(
        column,
        semantic=semantic,
        because=because,
        personal=(personal or personal_by_name(column.raw_name) or "") if is_personal or personal else "",
        values=() if is_personal or semantic == "text" else column.values,
    )


def _semantic(column: Column, personal: str | None, sample: Sequence[str]) -> tuple[str, str]:
    values = (
        frozenset(value.lower() for value, _ in column.values) if column.kind in ("text", "boolean") else frozenset()
    )
    if column.kind == "empty":
        return "empty", "no value in any row"
    if column.kind == "constant":
        return "constant", "one value in all rows that have any"
    by_name = personal_by_name(column.raw_name)
    if personal == "email":
        return "email", "its values look like an email"
    if personal == "phone" and (by_name == "phone" or not (column.padded or named_key(column.raw_name))):
        return "phone", "its values look like a phone number"
    if personal and personal != "phone":
        return "personal", f"its values look like: {personal}"
    if column.kind == "time":
        return "datetime", f"{column.readable_share:.1%} of its values can be read as times"
    outcome = vocabulary.has_word(column.raw_name, vocabulary.OUTCOMES)
    if column.distinct == 2:
        if outcome:
            return "target_candidate", "two values, and its name suggests an outcome"
        return "binary", "two values"
    if by_name in ("email", "phone") and column.distinct > 20 and column.kind in ("text", "number"):
        return by_name, f"its name suggests {by_name}"
    if by_name in ("address", "id document") and column.distinct > 20:
        return "personal", f"its name suggests: {by_name}"
    if column.kind == "duration":
        return "duration", "written as a length of time"
    if column.kind == "number" and column.numbers is not None:
        return _of_number(column, outcome)
    if by_name and column.kind == "text" and column.distinct > 20:
        return "personal", f"its name suggests: {by_name}"
    return _of_text(column, values, outcome, sample)


def named_key(name: str) -> bool:
    """Whether a name suggests a key: ``customer_id``, ``order no``; a count is none."""
    return vocabulary.has_word(name, vocabulary.IDENTIFIERS) and not vocabulary.is_quantity(name)


def _of_number(column: Column, outcome: bool) -> tuple[str, str]:
    number, parts = column.numbers, name_parts(column.raw_name)
    unique_share = column.distinct / max(column.filled, 1)
    named_key = vocabulary.person_score(column.raw_name) >= 2 or (
        bool(parts) and parts[-1] in vocabulary.IDENTIFIERS and parts[:1] != ["number"]
    )
    if number.is_integer and named_key and (column.distinct > 20 or unique_share > 0.5):
        return "identifier", "whole numbers whose name suggests a key"
    span = (number.minimum, number.maximum)
    for word, (low, high) in _CYCLES.items():
        last = "".join(parts).endswith(word)
        if number.is_integer and last and low <= span[0] and span[1] <= high and column.distinct <= high + 1:
            return "cyclic", f"whole numbers from {span[0]:.0f} to {span[1]:.0f}, and its name suggests {word}"
    if number.is_integer and 2 <= column.distinct <= 11 and set(parts) & _RATINGS and span[1] - span[0] <= 10:
        return "ordinal", f"{column.distinct} whole numbers, and its name suggests a level"
    if outcome and number.is_integer and column.distinct <= 5:
        return "target_candidate", f"{column.distinct} values, and its name suggests an outcome"
    if set(parts) & _DURATIONS and number.minimum >= 0 and not set(parts) & {"rate", "per"}:
        return "duration", "not negative, and its name suggests a length of time"
    if ({part.removesuffix("s") for part in parts} | set(parts)) & vocabulary.MONEY and not _is_share(parts):
        return "money", "its name suggests money"
    if column.reading.style != "plain" and not number.is_integer and column.reading.scale == 2:
        return "money", "written with currency signs or thousands, and two decimals"
    if number.is_integer and (column.distinct <= 50 or vocabulary.is_quantity(column.raw_name)):
        return "discrete", f"whole numbers, about {column.distinct:,} different ones"
    if number.is_integer and unique_share > 0.95 and column.distinct > 100 and parts[-1:] in (["index"], ["row"]):
        return "identifier", "whole numbers that hardly repeat, and its name suggests a row"
    if number.is_integer and number.maximum - number.minimum <= 1000:
        return "discrete", f"whole numbers from {span[0]:.0f} to {span[1]:.0f}"
    return "continuous", f"numbers, about {column.distinct:,} different ones"


def _is_share(parts: list[str]) -> bool:
    return bool({"rate", "ratio", "percent", "pct", "share"} & set(parts))


def _of_text(column: Column, values: frozenset[str], outcome: bool, sample: Sequence[str]) -> tuple[str, str]:
    name, share = column.raw_name, column.distinct / max(column.filled, 1)
    if outcome and column.distinct <= 5:
        return "target_candidate", f"{column.distinct} values, and its name suggests an outcome"
    if column.padded:
        return "identifier", "digits that begin with zeros"
    if vocabulary.person_score(name) >= 3 or (
        vocabulary.has_word(name, vocabulary.IDENTIFIERS) and column.spaced < 0.2 and column.distinct > 20
    ):
        return "identifier", "its name suggests a key"
    few = 3 <= len(values) <= 12
    if few and (values <= _WEEKDAYS or values <= _MONTHS):
        return "cyclic", "its values are " + ("weekdays" if values <= _WEEKDAYS else "months")
    if few and any(values <= ladder for ladder in _LADDERS):
        return "ordinal", "its values are steps of a known ladder"
    if few and all(re.match(r"[<>]?\s?\$?\d+[\d,.k]*\s*(-|to|\+|$)", value) for value in values):
        return "ordinal", "its values are ranges of numbers"
    # Chinese and Japanese have no blanks, and are read all the same.
    kind, because = free_text.described_as(name, column.distinct, column.filled, sample)
    if kind == "text":
        return kind, because
    if kind in ("person", "address"):
        return "personal", because
    if share > 0.9 and column.distinct > 100 and column.spaced < 0.05:
        return "identifier", "values without blanks that hardly repeat"
    if kind:
        return "nominal", because
    return "nominal", f"about {column.distinct:,} different values"
