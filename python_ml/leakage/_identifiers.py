"""Identifiers and near-identifiers: numbers and codes of a customer that still rank churned customers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from python_ml.leakage._context import ProbeContext
from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._statistics import as_text, column_auc, is_missing, rank_correlation

NAMES = frozenset({
    "id", "ids", "no", "nr", "num", "number", "row", "rows", "index", "idx", "seq", "sequence", "key", "uuid",
    "guid", "hash", "record", "serial",
})  # fmt: skip
FEWEST_CUSTOMERS = 100
UNIQUE = 0.98
DENSE = 3.0  # range of a numbering, per number
NEARLY_UNIQUE = 0.90
PREDICTIVE = 0.60  # lower bound over all columns together
PREDICTIVE_CODE = 0.75
SAME_ORDER = 0.95


def probe(context: ProbeContext) -> Iterator[Finding]:
    """Look for columns that number or name the customers (or rows)."""
    customers = context.entities if context.entities is not None else np.arange(len(context.churned))
    _, first = np.unique(customers, return_index=True)
    if len(first) < FEWEST_CUSTOMERS:
        return
    for name in context.names:
        values = context.values_of(name)
        if values.dtype.kind == "f":
            yield from _numbering(context, name, values, first)
        else:
            yield from _code(context, name, values, first)


def _numbering(context: ProbeContext, name: str, values: np.ndarray, first: np.ndarray) -> Iterator[Finding]:
    """A number that counts customers or rows one by one."""
    from python_ml.names import name_parts

    for rows in (first, np.arange(len(values))):
        present = values[rows][np.isfinite(values[rows])]
        if len(present) < max(FEWEST_CUSTOMERS, 0.5 * len(rows)) or (present != np.round(present)).any():
            continue
        distinct = len(np.unique(present))
        if distinct >= UNIQUE * len(present) and np.ptp(present) <= DENSE * distinct:
            break
    else:
        return
    alone, _ = context.aucs[name]
    if alone.bounds(len(context.names))[0] < PREDICTIVE:
        return
    order = abs(rank_correlation(values[first], np.arange(len(first))))
    loaded = order >= SAME_ORDER
    yield Finding(
        "identifier",
        CRITICAL if loaded or NAMES & set(name_parts(name)) else HIGH,
        (name,),
        f"it numbers {distinct:,} of {len(present):,} {'customers' if rows is first else 'rows'} one by one, and still "
        f"ranks churned customers with an AUC of {alone}: the order in which rows were loaded or numbered depends on "
        "the outcome" + (f" (its rank correlation with the order of the keys is {order:.2f})" if loaded else ""),
        {"auc": alone.value, "distinct": distinct, "key_order": round(order, 4)},
        "exclude it: the number of the next customer has never been seen",
    )


def _code(context: ProbeContext, name: str, values: np.ndarray, first: np.ndarray) -> Iterator[Finding]:
    """A text with (nearly) one value per customer."""
    texts = as_text(values)
    rows = first[~is_missing(values[first])]
    distinct = len(np.unique(texts[rows]))
    if len(rows) < FEWEST_CUSTOMERS or distinct < NEARLY_UNIQUE * len(rows):
        return
    forms = np.array([re.sub(r"\d", "9", re.sub(r"[0-9a-f]{8,}", "hash", text)) for text in texts], dtype=object)
    numbers = np.array([float(digits[-1]) if (digits := re.findall(r"\d{1,15}", text)) else np.nan for text in texts])
    best, part = max(
        (
            (column_auc(column, context.churned, context.entities, context.half)[0], part)
            for column, part in ((forms, "its form"), (numbers, "the number in it"))
        ),
        key=lambda candidate: candidate[0].value,
    )
    low = best.bounds(len(context.names))[0]
    reason = f"{distinct:,} of {len(rows):,} customers have a value of their own, so it identifies them"
    if low >= PREDICTIVE:
        reason += f"; {part} ranks churned customers with an AUC of {best}"
    yield Finding(
        "identifier",
        CRITICAL if low >= PREDICTIVE_CODE else HIGH,
        (name,),
        reason,
        {"auc": best.value, "distinct": distinct},
        "exclude it: the code of the next customer has never been seen",
    )
