"""Rows that a column marks and that churn far more often: empty, zero, in a tail, of one value, or unchanged.

Mailing stops once a customer has churned, a cancellation has a date, a counter that was read afterwards has not moved.
Such a mark need not be pure: a field may be empty for half of the churned customers and for some retained ones. So it
is judged by how many times it raises the odds of churn among customers of the same recency, and by what chance allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._statistics import Odds, blank, odds, surprise
from python_ml.leakage._subject import FEWEST_ROWS, Subject

HONEST_ODDS = 10.0  # ratio that what is known in advance may reach; decision 0033
PURE = 0.99
LEAST_SHARE, PURE_SHARE = 0.05, 0.20  # of the churned customers that a mark must hold
NO_SURPRISE = 0.90
CHANCE = 1e-3  # that a table without a leak has such a mark, over all that are looked at together
COMPANION = 0.999
LOOKED_AT = 3  # values of a column, those with the greatest odds
CUTS = 16  # places, on either side, at which the tail of a number may begin
FEWEST_MARKED = 20


@dataclass(frozen=True)
class Pattern:
    """Rows that go with one outcome: what marks them, where they are, how sure it is."""

    label: str
    rows: np.ndarray
    severity: str
    reason: str
    evidence: dict[str, Any]


def probe(subject: Subject) -> Iterator[Finding]:
    """Look at where each column is empty, zero, in a tail, of one value, or unchanged; then at what is bound to it."""
    tests = len(subject.names) * (3 + 2 * CUTS)
    known: dict[str, list[Pattern]] = {}
    for name in subject.names:
        values = subject.values_of(name)
        found: list[Pattern] = []
        for label, rows, among in _marks(values, subject.churned):
            # Values and tails hold the zeros, or what stands for them: one of these marks is enough.
            if label.startswith(("value ", "tail ")) and any(p.severity == CRITICAL for p in found):
                continue
            pattern = _pattern(subject, name, label, rows, None, tests * among)
            if pattern is not None:
                found.append(pattern)
        frozen = _frozen(subject, name, tests)
        for pattern in [*found, *([frozen] if frozen else [])]:
            probe_name = "frozen" if pattern is frozen else "post_outcome_missing"
            probe_name = "pure_value" if pattern.label.startswith("value ") else probe_name
            probe_name = "tail" if pattern.label.startswith("tail ") else probe_name
            yield Finding(probe_name, pattern.severity, (name,), pattern.reason, pattern.evidence)
        known[name] = [p for p in found if p.severity == CRITICAL and p.label in ("missing", "zero")]
    yield from _companions(subject, {name: found[0] for name, found in known.items() if found})


def _marks(values: np.ndarray, churned: np.ndarray) -> Iterator[tuple[str, np.ndarray, int]]:
    """What a column can mark: a label, the rows, and among how many more than usual they were chosen."""
    empty = blank(values)
    yield "missing", empty, 1
    if values.dtype.kind == "f":
        yield "zero", values == 0.0, 1
        other = ~empty & (values != 0.0)
        found, codes, counts = np.unique(values[other], return_inverse=True, return_counts=True)
        if len(found) > 2:
            for place in _richest(codes, counts, churned[other]):
                yield f"value {found[place]:g}", values == found[place], len(found)
            yield from _tails(values, churned)
        return
    texts = np.where(empty, "", values).astype(str)
    found, codes, counts = np.unique(texts[~empty], return_inverse=True, return_counts=True)
    for place in _richest(codes, counts, churned[~empty]):
        yield f"value {str(found[place])!r}", texts == found[place], len(found)


def _richest(codes: np.ndarray, counts: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """The common values with the greatest odds of churn, where these are remarkable."""
    left = np.bincount(codes, churned, minlength=len(counts))
    ratio = np.where(counts >= FEWEST_MARKED, _crude(left, counts, churned), 0.0)
    best = np.argsort(-ratio, kind="stable")[:LOOKED_AT]
    return best[ratio[best] >= HONEST_ODDS / 2]


def _crude(left: np.ndarray, count: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """Odds ratios of churn for groups of ``count`` rows of which ``left`` churned, against all other rows."""
    stayed, others = count - left, churned.sum() - left
    rest = len(churned) - churned.sum() - stayed
    return (left + 0.5) * (rest + 0.5) / ((stayed + 0.5) * (others + 0.5))


def _tails(values: np.ndarray, churned: np.ndarray) -> Iterator[tuple[str, np.ndarray, int]]:
    """The most telling lower and upper tail of a number."""
    present = np.isfinite(values)
    order = np.argsort(values[present], kind="stable")
    ranked, left = values[present][order], np.cumsum(churned[present][order])
    total = len(ranked)
    if total < 4 * FEWEST_MARKED:
        return
    sizes = np.unique(np.geomspace(FEWEST_MARKED, total / 2, CUTS).astype(int))
    for low in (True, False):
        # A tail ends between two values: all rows of the last value are in it.
        edges = np.unique(ranked[sizes - 1] if low else ranked[total - sizes])
        count = np.searchsorted(ranked, edges, side="right" if low else "left")
        in_tail, count = (
            (left[count - 1], count) if low else (left[-1] - np.where(count, left[count - 1], 0.0), total - count)
        )
        stands = (count < total) & (count >= FEWEST_MARKED)
        if not stands.any():
            continue
        ratio = np.where(stands, _crude(in_tail, count, churned), 0.0)
        stayed = count - in_tail
        surely = np.where(stands, np.log(ratio + 1e-9) - 2 * np.sqrt(1 / (in_tail + 0.5) + 1 / (stayed + 0.5)), -np.inf)
        best = int(surely.argmax())
        if ratio[best] < HONEST_ODDS / 2:
            continue
        edge = edges[best]
        yield f"tail {'up to' if low else 'from'} {edge:g}", values <= edge if low else values >= edge, 1


def _pattern(
    subject: Subject, name: str, label: str, rows: np.ndarray, among: np.ndarray | None, tests: int
) -> Pattern | None:
    """Rows that are marked and have mostly one outcome, ``among`` all or some."""
    if among is None:
        churned, entities, expectation, strata = subject.churned, subject.entities, subject.expected, subject.strata
    else:
        churned, rows = subject.churned[among], rows[among]
        entities = None if subject.entities is None else subject.entities[among]
        expectation = subject.expected[among]
        strata = None if subject.strata is None else subject.strata[among]
    n = int(rows.sum())
    if n < FEWEST_MARKED or len(rows) - n < FEWEST_ROWS:
        return None
    rate, base = float(churned[rows].mean()), float(churned.mean())
    left = rate > base
    if not left and (rate > 1 - PURE or label.startswith(("value ", "tail "))):
        return None
    share = float(churned[rows].sum() / churned.sum() if left else (1 - churned[rows]).sum() / (1 - churned).sum())
    # What is expected of such rows: when (nearly) all have that outcome anyway, the mark is no surprise.
    likely = float(expectation[rows].mean()) if left else float(1 - expectation[rows].mean())
    if likely > NO_SURPRISE or share < LEAST_SHARE:
        return None
    if left:
        if float(_crude(churned[rows].sum(), n, churned)) < HONEST_ODDS / 2:
            return None
        found = odds(rows, churned, entities, strata)
        if found.low(CHANCE / tests) < HONEST_ODDS / 2:
            return None
        # How far a window may go depends on how customers buy: there a replay decides, or a mark that is nearly pure.
        sure = not subject.looks_back(name) or (rate >= PURE and share >= PURE_SHARE)
        critical = sure and found.low(CHANCE / tests) >= HONEST_ODDS
    else:
        customers = n if entities is None else len(np.unique(entities[rows]))
        if surprise((1 - rate) * customers, customers, likely) * tests > CHANCE:
            return None
        found = odds(~rows, churned, entities, strata)
        critical = False
    outside = float(churned[~rows].mean())
    critical = critical or (share >= 0.9 and abs(rate - outside) >= 0.9)
    if label.startswith(("value ", "tail ")) and not critical:
        return None
    reason = (
        f"{_where(label)} ({n:,} rows), {rate if left else 1 - rate:.1%} {'churned' if left else 'were retained'}, "
        f"against {likely:.1%} expected; {share:.0%} of the {'churned' if left else 'retained'} customers are there"
        + (_ratio(found, CHANCE / tests) if left else "")
    )
    key = label.split()[0]
    evidence = {f"{key}_rows": n, f"{key}_churn_rate": round(rate, 4), "base_rate": round(base, 4)}
    if left:
        evidence |= {f"{key}_odds_ratio": round(found.ratio, 2), f"{key}_odds_low": round(found.low(CHANCE / tests), 2)}
    return Pattern(label, rows, CRITICAL if critical else HIGH, reason, evidence)


def _where(label: str) -> str:
    named = {
        "missing": "where it is missing",
        "zero": "where it is zero",
        "frozen": "where it has not changed since the feature time before",
    }
    if label.startswith("tail "):
        return f"where it is {label.removeprefix('tail ')}" + ("" if " up to " in label else " on")
    return named.get(label) or f"where it has the {label}"


def _ratio(found: Odds, chance: float) -> str:
    return f"; this raises the odds of churn {found.ratio:,.3g} times (surely {found.low(chance):,.3g} times)"


def _frozen(subject: Subject, name: str, tests: int) -> Pattern | None:
    """A column that has not changed for churned customers while it changes for everybody else."""
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
    pattern = _pattern(subject, name, "frozen", unchanged, among, tests)
    # A column that changes only for churned customers is another story than one that is frozen for them.
    return pattern if pattern is not None and "frozen_odds_ratio" in pattern.evidence else None


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
            # A column that also reads the future is zero only where honest windows are; that does not accuse them.
            if subject.looks_back(name) and not subject.looks_back(leak):
                continue
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
