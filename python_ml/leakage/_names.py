"""Proxies by name: a column that is named like an outcome, and behaves like one. The name alone is no evidence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from python_ml.leakage._finding import CRITICAL, HIGH, LEAVE_OUT, Finding
from python_ml.leakage._statistics import blank, surprise
from python_ml.leakage._subject import FEWEST_ROWS, Subject
from python_ml.leakage._vocabulary import DEPARTURES, STATES, words_of

RANKS, RANKS_SURELY = 0.80, 0.72
PURE, LEAST_SHARE, CHANCE = 0.95, 0.10, 1e-3


def probe(subject: Subject) -> Iterator[Finding]:
    """Ask less of the evidence where the name says that a column is about churn."""
    for name in subject.names:
        parts = words_of(name)
        strong, weak = bool(parts & DEPARTURES), bool(parts & STATES)
        if not strong and not weak:
            continue
        alone, _ = subject.powers[name]
        beyond = subject.beyond_recency(name) if alone.value >= RANKS_SURELY else alone
        said = ", ".join(sorted(parts & (DEPARTURES | STATES)))
        reason, evidence = None, {"auc": alone.value, "words": said}
        if beyond.value >= RANKS and beyond.bounds(len(subject.names))[0] >= RANKS_SURELY:
            reason = (
                f"its name speaks of churn ({said}), and alone it ranks churned customers with an AUC of {alone.text}"
            )
        elif strong and (found := _purest(subject, name)) is not None:
            what, n, rate, share = found
            reason = (
                f"its name speaks of churn ({said}), and {what} ({n:,} rows) {rate:.1%} churned; {share:.0%} of the "
                "churned customers are there"
            )
            evidence |= {"proxy_rows": n, "proxy_churn_rate": round(rate, 4)}
        if reason is not None:
            yield Finding("proxy_name", CRITICAL if strong else HIGH, (name,), reason, evidence, LEAVE_OUT)


def _purest(subject: Subject, name: str) -> tuple[str, int, float, float] | None:
    """The value (or presence) among whose rows nearly all churned, if it holds a tenth of the churned customers."""
    values, churned = subject.values_of(name), subject.churned
    empty = blank(values)
    marks = {"where it is filled in": ~empty}
    if values.dtype.kind == "f":
        marks["where it is not zero"] = ~empty & (values != 0)
        marks["where it is zero"] = values == 0
    else:
        texts = np.where(empty, "", values).astype(str)
        found, counts = np.unique(texts[~empty], return_counts=True)
        marks |= {f"where it is {str(v)!r}": texts == v for v in found[np.argsort(-counts, kind="stable")[:20]]}
    best = None
    for what, rows in marks.items():
        n = int(rows.sum())
        if n < FEWEST_ROWS or len(rows) - n < FEWEST_ROWS:
            continue
        rate, share = float(churned[rows].mean()), float(churned[rows].sum() / churned.sum())
        likely = float(subject.expected[rows].mean())
        if rate < PURE or share < LEAST_SHARE or likely > 0.8 or surprise(rate * n, n, likely) > CHANCE:
            continue
        if best is None or share > best[3]:
            best = what, n, rate, share
    return best
