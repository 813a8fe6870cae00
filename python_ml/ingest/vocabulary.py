"""Words in column names, and what they suggest. Names are hints: values decide."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from python_ml.names import name_parts


@cache
def _lists() -> dict[str, Any]:
    text = (Path(__file__).parent / "vocabulary.yml").read_text(encoding="utf-8")
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe


def terms(name: str) -> frozenset[str]:
    """The words of a list in ``vocabulary.yml``."""
    return frozenset(_lists()[name].split())


def ladders() -> tuple[frozenset[str], ...]:
    """Values that are steps of one ladder, such as low, medium and high."""
    return tuple(frozenset(steps) for steps in _lists()["ladders"])


PERSONS, OTHER_THINGS = terms("persons"), terms("other_things")
IDENTIFIERS, PRODUCT_CODES = terms("identifiers"), terms("product_codes")
TIMES, HAPPENINGS, OTHER_TIMES = terms("times"), terms("happenings"), terms("other_times")
AVAILABILITY, BEGINNINGS, BIRTH, ENDS = terms("availability"), terms("beginnings"), terms("birth"), terms("ends")
MONEY, TOTALS, QUANTITIES = terms("money"), terms("totals"), terms("quantities")
LEVELS, NOT_MEASURES = terms("levels"), terms("not_measures")
OUTCOMES, CHURNED, RETAINED = terms("outcomes"), terms("churned"), terms("retained")
DEPARTURES, RECORDS, COVERING = terms("departures"), terms("records"), terms("covering")

# Texts that can mean nothing but a missing value, and numbers that are not finite: they do not say what a column is.
MISSING_MARKERS = ("n/a", "#n/a", "n.a.", "(blank)", "(null)", "#value!", "#ref!", "#div/0!", "\\n", "nan", "?", "??")
NOT_FINITE = tuple(f"{sign}{text}" for text in ("inf", "infinity", "nan") for sign in ("", "+", "-"))
PLACEHOLDERS = tuple(dict.fromkeys((*MISSING_MARKERS, *NOT_FINITE)))

_KEY_ENDINGS = ("uuid", "guid", "nummer", "number", "code", "key", "id", "no", "nr", "num")
_SHORT = {
    "cust": "customer", "acct": "account", "acc": "account", "usr": "user", "org": "organization",
    "organisation": "organization", "sub": "subscription", "subs": "subscription", "prod": "product", "inv": "invoice",
    "txn": "transaction", "trans": "transaction", "ord": "order",
}  # fmt: skip


def time_score(name: str) -> float:
    """How much a name looks like the time of an event, -2 to 3."""
    parts = name_parts(name)
    if {"valid", "effective"} & set(parts) and {"from", "since"} & set(parts):
        return 2.0  # a version of a history happens when it begins to hold
    score = 2.0 if any(part in TIMES for part in parts) else 0.0
    score += 1.0 if any(part in HAPPENINGS for part in parts) else 0.0
    return score - (3.0 if any(part in OTHER_TIMES | AVAILABILITY for part in parts) else 0.0)


def has_word(name: str, vocabulary: frozenset[str]) -> bool:
    """Whether a word of the name is in a vocabulary."""
    return any(part in vocabulary for part in name_parts(name))


def is_quantity(name: str) -> bool:
    """Whether a name suggests how many pieces."""
    parts = name_parts(name)
    return has_word(name, QUANTITIES) or parts[:2] == ["number", "of"] or parts[:2] == ["num", "of"]


def is_unit_price(name: str) -> bool:
    """Whether a name suggests the price of one piece."""
    parts = name_parts(name)
    if not {"price", "cost", "preis", "rate"} & set(parts):
        return False
    return len(parts) == 1 or bool({"unit", "each", "item", "per", "piece", "list"} & set(parts))


def singular(word: str) -> str:
    """An English noun in the singular, by its ending."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def subject(name: str) -> tuple[str, ...]:
    """What a name is about, without the parts that mark it as a key.

    Examples
    --------
    >>> subject("customer_id"), subject("CustNo"), subject("subscriptions"), subject("id")
    (('customer',), ('customer',), ('subscription',), ())
    """
    parts = []
    for part in name_parts(name):
        for ending in _KEY_ENDINGS:
            stem = part.removesuffix(ending)
            if stem != part and (stem in PERSONS or stem in _SHORT):
                part = stem
        if part not in IDENTIFIERS:
            parts.append(_SHORT.get(singular(part), singular(part)))
    # A code that is only given to products says what it is about.
    return tuple(parts) or (("product",) if PRODUCT_CODES & set(name_parts(name)) else ())


def person_score(name: str) -> float:
    """How much a name looks like the key of a customer, 0 to 3; joined spellings such as ``CLIENTNUM`` count."""
    parts, about = name_parts(name), subject(name)
    if len(about) == 1 and about[0] in PERSONS and "".join(parts).endswith(_KEY_ENDINGS):
        return 3.0
    has_id = any(part in IDENTIFIERS for part in parts)
    # `customer_zip_code` is a place and `customer_order_id` an order: the last thing that is named counts.
    things = [part for part in about if part in PERSONS | OTHER_THINGS]
    if has_id and things and things[-1] in PERSONS:
        return 3.0
    if parts and parts[-1] in PERSONS:
        return 2.0
    return 0.5 if has_id else 0.0


def is_key_name(name: str) -> bool:
    """Whether a name marks a key: ``order_id``, ``CLIENTNUM``, ``id``; a quantity does not."""
    parts = name_parts(name)
    joined = any(part.endswith(_KEY_ENDINGS) and subject(part) and subject(part)[0] in PERSONS for part in parts)
    return (joined or has_word(name, IDENTIFIERS)) and not is_quantity(name)


def is_named_after(column: str, table: str) -> bool:
    """Whether a column is named after what its table lists, whatever system the table comes from.

    Examples
    --------
    >>> is_named_after("order_id", "orders"), is_named_after("order_id", "app_orders"), is_named_after("id", "orders")
    (True, True, False)
    """
    about, listed = subject(column), subject(table)
    return bool(about) and listed[-len(about) :] == about


def name_score(child_column: str, parent_column: str, parent_table: str) -> float:
    """How much a column's name says that it points at a key, 0 to 1.

    ``customer_id`` points at ``customers.id`` as much as at ``accounts.customer_id``; two columns that are both called
    ``id`` have nothing in common.
    """
    child, key, table = subject(child_column), subject(parent_column), subject(parent_table)
    if not child:
        return 0.0
    if child == key:
        return 1.0
    if table and child == (table if len(child) > 1 else table[-1:]) and (not key or key == table[-len(key) :]):
        return 0.95
    about = key or table[-1:]
    if about and len(child) > len(about) and child[-len(about) :] == about:
        return 0.8
    if about and child[-1] in PERSONS and about[-1] in PERSONS:
        return 0.4
    return 0.0
