"""Columns that are named like an outcome and behave like one. The name alone is no evidence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from python_ml.leakage._context import FEWEST_ROWS, ProbeContext
from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._statistics import as_text, binomial_tail, is_missing
from python_ml.masking import masked

DEPARTURES = frozenset({
    "churn", "churned", "attrition", "attrited", "cancel", "cancelled", "canceled", "cancellation", "closed",
    "closing", "closure", "left", "leave", "leaver", "leaving", "terminated", "termination", "deactivated",
    "deactivation", "exited", "exit", "quit", "lapsed", "ended", "unsubscribed", "winback", "outcome", "lost",
    "retained", "retention", "end", "ends", "until", "expiry", "expired",
})  # fmt: skip
STATES = frozenset({
    "status", "state", "reason", "stage", "flag", "active", "inactive",
})  # fmt: skip
LEAST_AUC, LEAST_AUC_BOUND = 0.80, 0.72
PURE, LEAST_SHARE, CHANCE = 0.95, 0.10, 1e-3


def probe(context: ProbeContext) -> Iterator[Finding]:
    """Apply lower limits where the name of a column refers to churn."""
    from python_ml.names import name_parts

    for name in context.names:
        matched = set(name_parts(name)) & (DEPARTURES | STATES)
        if not matched:
            continue
        is_departure = bool(matched & DEPARTURES)
        alone, _ = context.aucs[name]
        beyond = context.auc_beyond_recency(name) if alone.value >= LEAST_AUC_BOUND else alone
        named = f"its name refers to churn ({', '.join(sorted(matched))})"
        evidence = {"auc": alone.value, "matched": ", ".join(sorted(matched))}
        if beyond.value >= LEAST_AUC and beyond.bounds(len(context.names))[0] >= LEAST_AUC_BOUND:
            reason = f"{named}, and alone it ranks churned customers with an AUC of {alone}"
        elif is_departure and (purest := _purest(context, name)) is not None:
            where, rows, rate, share = purest
            reason = (
                f"{named}, and {where} ({rows:,} rows) {rate:.1%} churned; {share:.0%} of the churned customers are "
                "there"
            )
            evidence |= {"proxy_rows": rows, "proxy_churn_rate": round(rate, 4)}
        else:
            continue
        yield Finding("proxy_name", CRITICAL if is_departure else HIGH, (name,), reason, evidence)


def _purest(context: ProbeContext, name: str) -> tuple[str, int, float, float] | None:
    """The value (or presence) whose rows nearly all churned, if it holds a tenth of the churned customers."""
    values, churned = context.values_of(name), context.churned
    present = ~is_missing(values)
    marks = {"where it is filled in": present}
    if values.dtype.kind == "f":
        marks |= {"where it is not zero": present & (values != 0), "where it is zero": values == 0}
    else:
        texts = as_text(values)
        distinct, counts = np.unique(texts[present], return_counts=True)
        common = distinct[np.argsort(-counts, kind="stable")[:20]]
        marks |= {f"where it is {masked(str(value))!r}": texts == value for value in common}
    pure = []
    for where, rows in marks.items():
        count = int(rows.sum())
        if count < FEWEST_ROWS or len(rows) - count < FEWEST_ROWS:
            continue
        rate, share = float(churned[rows].mean()), float(churned[rows].sum() / churned.sum())
        expected = float(context.expected[rows].mean())
        likely = expected > 0.8 or binomial_tail(rate * count, count, expected) > CHANCE
        if rate >= PURE and share >= LEAST_SHARE and not likely:
            pure.append((where, count, rate, share))
    return max(pure, key=lambda mark: mark[3], default=None)
