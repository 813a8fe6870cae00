"""How well a column alone predicts the outcome: association, AUC, near-perfect separation."""

from __future__ import annotations

from collections.abc import Iterator

from python_ml.leakage._context import ProbeContext
from python_ml.leakage._finding import CRITICAL, EXCLUDE, HIGH, INFO, Finding
from python_ml.leakage._statistics import association
from python_ml.stats import Auc

LIMIT = 0.90  # AUC of a single column from which it is critical
SUSPICIOUS = 0.80
CERTAIN = 0.70  # lower bound over all columns together that a suspicion requires
PERFECT = 0.995


def probe(context: ProbeContext, limit: float = LIMIT) -> Iterator[Finding]:
    """Measure the association of every column with the outcome, and compare it with the limits."""
    for name in context.names:
        alone, _ = context.aucs[name]
        kind, strength = association(context.values_of(name), context.churned)
        evidence = {
            "auc": alone.value,
            "auc_low": round(alone.low, 4),
            "auc_high": round(alone.high, 4),
            "association": round(strength, 4),
            "association_kind": kind,
        }
        beyond = context.auc_beyond_recency(name) if alone.value >= CERTAIN else alone
        if beyond is not alone and beyond.value == beyond.value:
            evidence["auc_beyond_recency"] = round(beyond.value, 4)
        severity, reason = _judge(context, alone, beyond, limit)
        perfect = severity == CRITICAL and alone.value >= PERFECT
        yield Finding(
            "separation" if perfect else "single_feature_auc",
            severity,
            (name,),
            reason + (": it is nearly equal to the outcome" if perfect else ""),
            evidence,
            "nothing" if severity == INFO else EXCLUDE,
        )


def _judge(context: ProbeContext, alone: Auc, beyond: Auc, limit: float) -> tuple[str, str]:
    """Severity and phrase. A column that predicts no more than recency does is not suspicious."""
    low = alone.bounds(len(context.names))[0]
    explained = context.strata is not None and not beyond.value >= SUSPICIOUS
    reason = (
        f"alone it ranks churned above retained customers with an AUC of {alone.value:.3f} "
        f"(95 % interval {alone.low:.3f} to {alone.high:.3f})"
    )
    if beyond is not alone:
        reason += f", {beyond.value:.3f} among customers of the same `{context.recency}`"
    if alone.value >= limit and low >= SUSPICIOUS:
        if explained:
            return HIGH, f"{reason}; above the limit of {limit:.2f}, but explained by what was visible"
        return CRITICAL, f"{reason}, above the limit of {limit:.2f}"
    if alone.value >= SUSPICIOUS and low >= CERTAIN and not explained:
        return HIGH, f"{reason}, more than most columns reach"
    return INFO, reason
