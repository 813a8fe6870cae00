"""Rows that a column marks and that have (nearly) one outcome: empty, zero, one value, or no change since last time.

Customers without any trouble do stay; nobody has a reason to be empty for leavers alone. Mailing stops once a customer
has left, a cancellation has a date, a counter that was read afterwards stands still.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._statistics import blank, surprise
from python_ml.leakage._subject import FEWEST_ROWS, Subject

PURE = 0.99
LEAST_SHARE = 0.20  # of its class that a pure pattern must hold to be critical
WORTH_TELLING = 0.05
NO_SURPRISE = 0.90
CHANCE = 1e-3  # that a pattern is one by chance, over all that are looked at together
COMPANION = 0.999
LOOKED_AT = 3  # values of a column, those with the greatest shares of leavers


@dataclass(frozen=True)
class Pattern:
    """Rows with one outcome: what marks them, where they are, how sure it is."""

    label: str
    rows: np.ndarray
    severity: str
    reason: str
    evidence: dict[str, Any]


def probe(subject: Subject) -> Iterator[Finding]:
    """Look at where each column is empty, zero, one of its common values, or unchanged; then at what is bound to it."""
    tests = len(subject.names) * (3 + LOOKED_AT)
    known: dict[str, list[Pattern]] = {}
    for name in subject.names:
        values = subject.values_of(name)
        found = [
            pattern
            for label, rows, among in _marks(values, subject.churned)
            if (pattern := _pattern(subject, label, rows, None, tests * among)) is not None
        ]
        frozen = _frozen(subject, name, tests)
        for pattern in [*found, *([frozen] if frozen else [])]:
            probe_name = "frozen" if pattern is frozen else "post_outcome_missing"
            probe_name = "pure_value" if pattern.label.startswith("value ") else probe_name
            yield Finding(probe_name, pattern.severity, (name,), pattern.reason, pattern.evidence)
        known[name] = [p for p in found if p.severity == CRITICAL and p.label in ("missing", "zero")]
    yield from _companions(subject, {name: found[0] for name, found in known.items() if found})


def _marks(values: np.ndarray, churned: np.ndarray) -> Iterator[tuple[str, np.ndarray, int]]:
    """What a column can mark: a label, the rows, and among how many they were chosen."""
    empty = blank(values)
    yield "missing", empty, 1
    if values.dtype.kind == "f":
        yield "zero", values == 0.0, 1
        found, codes, counts = np.unique(values[~empty & (values != 0.0)], return_inverse=True, return_counts=True)
        if len(found) > 2:
            for place in _richest(codes, counts, churned[~empty & (values != 0.0)]):
                yield f"value {found[place]:g}", values == found[place], len(found)
        return
    texts = np.where(empty, "", values).astype(str)
    found, codes, counts = np.unique(texts[~empty], return_inverse=True, return_counts=True)
    for place in _richest(codes, counts, churned[~empty]):
        yield f"value {str(found[place])!r}", texts == found[place], len(found)


def _richest(codes: np.ndarray, counts: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """The common values with the greatest shares of leavers."""
    rates = np.where(counts >= FEWEST_ROWS, np.bincount(codes, churned, minlength=len(counts)) / counts, -1.0)
    best = np.argsort(-rates, kind="stable")[:LOOKED_AT]
    return best[rates[best] >= PURE]


def _pattern(subject: Subject, label: str, rows: np.ndarray, among: np.ndarray | None, tests: int) -> Pattern | None:
    """Rows that are marked and have (nearly) one outcome, ``among`` all or some."""
    if among is None:
        churned, entities, expectation = subject.churned, subject.entities, subject.expected
    else:
        churned, rows = subject.churned[among], rows[among]
        entities = None if subject.entities is None else subject.entities[among]
        expectation = subject.expected[among]
    n = int(rows.sum())
    if n < FEWEST_ROWS or len(rows) - n < FEWEST_ROWS:
        return None
    rate, base = float(churned[rows].mean()), float(churned.mean())
    left = rate >= PURE
    if not left and (rate > 1 - PURE or label.startswith("value ")):
        return None
    total = churned.sum() if left else (1 - churned).sum()
    purity = rate if left else 1 - rate
    share = float(purity * n / total) if total else 0.0
    # What is expected of such rows: when (nearly) all have that outcome anyway, a pure pattern is no surprise.
    likely = float(expectation[rows].mean()) if left else float(1 - expectation[rows].mean())
    customers = n if entities is None else len(np.unique(entities[rows]))
    if likely > NO_SURPRISE or share < WORTH_TELLING:
        return None
    if surprise(purity * customers, customers, likely) * tests > CHANCE:
        return None
    outside = float(churned[~rows].mean())
    separates = share >= 0.9 and abs(rate - outside) >= 0.9
    critical = (left and share >= LEAST_SHARE) or separates
    if label.startswith("value ") and not critical:
        return None
    who, did = ("leavers", "left") if left else ("stayers", "stayed")
    where = {"missing": "where it is missing", "zero": "where it is zero"}.get(label)
    where = where or ("where it has not changed since the feature time before" if label == "frozen" else None)
    where = where or f"where it has the {label}"
    reason = (
        f"{where} ({n:,} rows), {purity:.1%} {did}, against {likely:.1%} expected; {share:.0%} of the {who} are there"
    )
    key = "value" if label.startswith("value ") else label
    evidence = {f"{key}_rows": n, f"{key}_churn_rate": round(rate, 4), "base_rate": round(base, 4)}
    return Pattern(label, rows, CRITICAL if critical else HIGH, reason, evidence)


def _frozen(subject: Subject, name: str, tests: int) -> Pattern | None:
    """A column that stands still for leavers while it moves for everybody else."""
    if not subject.is_dated:
        return None
    values, before = subject.values_of(name), subject.previous
    among = np.flatnonzero(before >= 0)
    if len(among) < 2 * FEWEST_ROWS:
        return None
    empty = blank(values)
    here, there = values[among], values[before[among]]
    unchanged = np.zeros(len(values), dtype=bool)
    unchanged[among] = (empty[among] & empty[before[among]]) | (here == there)
    pattern = _pattern(subject, "frozen", unchanged, among, tests)
    # Only leavers stand still: a column that never moves for stayers says nothing.
    return pattern if pattern is not None and pattern.evidence["frozen_churn_rate"] > 0.5 else None


def _companions(subject: Subject, leaks: dict[str, Pattern]) -> Iterator[Finding]:
    """Columns that are empty (or zero) wherever a critical one is, and less often elsewhere: they record the same."""
    if not leaks:
        return
    told = set(leaks)
    for name in subject.names:
        if name in told:
            continue
        values = subject.values_of(name)
        marks = blank(values), _zero(values)
        for leak, pattern in leaks.items():
            if any(_is_bound(pattern.rows, rows, len(subject.names)) for rows in marks):
                told.add(name)
                yield Finding(
                    "companion",
                    CRITICAL,
                    (name,),
                    f"it is empty or zero in each of the {int(pattern.rows.sum()):,} rows in which `{leak}` is "
                    f"{pattern.label}: it records the same thing",
                    {"related_rows": int(pattern.rows.sum())},
                    f"treat it as you treat `{leak}`",
                    related_to=leak,
                )
                break


def _zero(values: np.ndarray) -> np.ndarray:
    return values == 0.0 if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)


def _is_bound(where: np.ndarray, rows: np.ndarray, tests: int) -> bool:
    inside, outside = rows[where].mean(), rows[~where].mean()
    n = int(where.sum())
    return inside >= COMPANION and outside <= 0.95 and surprise(inside * n, n, outside) * tests <= CHANCE
