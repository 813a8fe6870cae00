"""What a column can do alone: association with the outcome, its area under the ROC curve, near-perfect separation."""

from __future__ import annotations

from collections.abc import Iterator

from python_ml.leakage._finding import CRITICAL, HIGH, INFO, LEAVE_OUT, Finding
from python_ml.leakage._statistics import association
from python_ml.leakage._subject import Subject
from python_ml.stats import Auc

LIMIT = 0.90  # AUC of a single column from which on it is not believed
SUSPICIOUS = 0.80
CERTAIN = 0.70  # lower bound over all columns together that a suspicion needs
PERFECT = 0.995
UNREMARKABLE = "nothing"


def probe(subject: Subject, limit: float = LIMIT) -> Iterator[Finding]:
    """Say of every column how it goes together with the outcome, and whether that can be believed."""
    tests = len(subject.names)
    for name in subject.names:
        alone, _ = subject.powers[name]
        kind, strength = association(subject.values_of(name), subject.churned)
        evidence = {
            "auc": alone.value,
            "auc_low": round(alone.low, 4),
            "auc_high": round(alone.high, 4),
            "association": round(strength, 4),
            "association_kind": kind,
        }
        beyond = subject.beyond_recency(name) if alone.value >= CERTAIN else alone
        if beyond is not alone and beyond.value == beyond.value:
            evidence["auc_beyond_recency"] = round(beyond.value, 4)
        severity, reason = _judge(subject, alone, beyond, limit, tests)
        perfect = severity == CRITICAL and alone.value >= PERFECT
        yield Finding(
            "separation" if perfect else "single_feature_auc",
            severity,
            (name,),
            reason + (": it nearly is the outcome" if perfect else ""),
            evidence,
            UNREMARKABLE if severity == INFO else LEAVE_OUT,
        )


def _judge(subject: Subject, alone: Auc, beyond: Auc, limit: float, tests: int) -> tuple[str, str]:
    """Severity and phrase. A column that knows no more than when the last event was is not suspicious."""
    interval = f"AUC of {alone.value:.3f} (95 % interval {alone.low:.3f} to {alone.high:.3f})"
    surely = alone.bounds(tests)[0]
    explained = subject.strata is not None and not beyond.value >= SUSPICIOUS
    told = f"alone it ranks churned above retained customers with an {interval}"
    if beyond is not alone:
        told += f", {beyond.value:.3f} among customers of the same `{subject.recency}`"
    if alone.value >= limit and surely >= SUSPICIOUS:
        if explained:
            return HIGH, f"{told}; above the limit of {limit:.2f}, but explained by what was visible"
        return CRITICAL, f"{told}, above the limit of {limit:.2f}"
    if alone.value >= SUSPICIOUS and surely >= CERTAIN and not explained:
        return HIGH, f"{told}, more than most columns can"
    return INFO, told
