"""Identifiers and near-identifiers: numbers and codes that name a customer, and still rank churned customers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._statistics import blank, power, ranked
from python_ml.leakage._subject import Subject
from python_ml.leakage._vocabulary import IDENTIFIERS, words_of

FEWEST_CUSTOMERS = 100
UNIQUE = 0.98
DENSE = 3.0  # range of a numbering, per number
NEARLY_UNIQUE = 0.90
TELLING = 0.60  # lower bound over all columns together
SHAPE_TELLING = 0.75
SAME_ORDER = 0.95


def probe(subject: Subject) -> Iterator[Finding]:
    """Look for columns that number or name the customers (or rows), one by one."""
    customers = subject.entities if subject.entities is not None else np.arange(len(subject.churned))
    _, first = np.unique(customers, return_index=True)
    if len(first) < FEWEST_CUSTOMERS:
        return
    for name in subject.names:
        values = subject.values_of(name)
        if values.dtype.kind == "f":
            yield from _numbering(subject, name, values, first)
        else:
            yield from _naming(subject, name, values, customers, first)


def _numbering(subject: Subject, name: str, values: np.ndarray, first: np.ndarray) -> Iterator[Finding]:
    for rows in (first, np.arange(len(values))):
        present = values[rows][np.isfinite(values[rows])]
        if len(present) < max(FEWEST_CUSTOMERS, 0.5 * len(rows)) or (present != np.round(present)).any():
            continue
        distinct = len(np.unique(present))
        if distinct >= UNIQUE * len(present) and np.ptp(present) <= DENSE * distinct:
            break
    else:
        return
    tests = len(subject.names)
    alone, _ = subject.powers[name]
    named = bool(IDENTIFIERS & words_of(name))
    order = abs(_rank_correlation(values[first], np.arange(len(first))))
    if alone.bounds(tests)[0] < TELLING:
        return
    loaded = order >= SAME_ORDER
    yield Finding(
        "identifier",
        CRITICAL if named or loaded else HIGH,
        (name,),
        f"it numbers {distinct:,} of {len(present):,} {'customers' if rows is first else 'rows'} one by one, and yet "
        f"ranks churned customers with an AUC of {alone.text}: the order in which rows were loaded or numbered gives "
        "the outcome away" + (f" (it runs with the order of the keys, {order:.2f})" if loaded else ""),
        {"auc": alone.value, "distinct": distinct, "key_order": round(order, 4)},
        "leave it out: a number of the next customer has never been seen",
    )


def _naming(
    subject: Subject, name: str, values: np.ndarray, customers: np.ndarray, first: np.ndarray
) -> Iterator[Finding]:
    present = ~blank(values)
    rows = first[present[first]]
    texts = values[rows].astype(str)
    if len(rows) < FEWEST_CUSTOMERS or len(np.unique(texts)) < NEARLY_UNIQUE * len(rows):
        return
    tests = len(subject.names)
    filled = np.where(present, values, "").astype(str)
    shapes = np.array([re.sub(r"\d", "9", re.sub(r"[0-9a-f]{8,}", "hash", text)) for text in filled], dtype=object)
    numbers = np.array([float(found[-1]) if (found := re.findall(r"\d{1,15}", text)) else np.nan for text in filled])
    best = max(
        (
            (power(column, subject.churned, subject.entities, half=subject.half)[0], what)
            for column, what in ((shapes, "its form"), (numbers, "the number in it"))
        ),
        key=lambda found: found[0].value,
    )
    telling = best[0].bounds(tests)[0]
    severity = CRITICAL if telling >= SHAPE_TELLING else HIGH
    reason = f"{len(np.unique(texts)):,} of {len(rows):,} customers have a value of their own, so that it names them"
    if telling >= TELLING:
        reason += f"; {best[1]} ranks churned customers with an AUC of {best[0].text}"
    yield Finding(
        "identifier",
        severity,
        (name,),
        reason,
        {"auc": best[0].value, "distinct": len(np.unique(texts))},
        "leave it out: the code of the next customer has never been seen",
    )


def _rank_correlation(left: np.ndarray, right: np.ndarray) -> float:
    kept = np.isfinite(left)
    if kept.sum() < 3 or np.ptp(left[kept]) == 0:
        return 0.0
    return float(np.corrcoef(ranked(left[kept]), ranked(right[kept]))[0, 1])
