"""Columns that know the outcome: each alone, by how well it ranks and by where it is empty or zero.

A feature that was seen before the outcome ranks customers with an AUC of 0.6 to 0.8. One that ranks nearly perfectly
alone, or is empty (or zero) for leavers only, was most likely written after the outcome: mailing stops once a customer
has left, a cancellation has a date. Without time in the data this is the only trace that such a column leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CRITICAL, HIGH = "critical", "high"
LIMIT = 0.90  # AUC of a single column from which on it is not believed
SUSPICIOUS = 0.80
FEWEST_ROWS = 50  # of either class, and of a pattern, below which nothing is said
PURE = 0.99
LEAST_SHARE = 0.20  # of its class that a pure pattern must hold to be critical
BINS, CATEGORIES = 50, 200
COMPANION = 0.999


@dataclass(frozen=True)
class Leak:
    """A suspicious column.

    Attributes
    ----------
    column : str
    severity : str
        ``critical`` (not believed) or ``high`` (look at it).
    auc : float or None
        Area under the ROC curve of this column alone, 0.5 to 1.
    reasons : tuple of str
        What was found, with figures, one phrase each.
    pattern : str or None
        ``missing`` or ``zero`` where such rows have (nearly) one outcome.
    related_to : str or None
        The critical column that it is bound to, when it is not suspicious by itself.
    figures : dict
        The numbers behind the reasons.
    """

    column: str
    severity: str
    auc: float | None
    reasons: tuple[str, ...]
    pattern: str | None = None
    related_to: str | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The finding as one sentence."""
        return f"`{self.column}`: {'; '.join(self.reasons)}"

    def to_dict(self) -> dict[str, Any]:
        """For findings and metrics."""
        found: dict[str, Any] = {"column": self.column, "severity": self.severity}
        if self.auc is not None:
            found["auc_alone"] = round(self.auc, 4)
        if self.related_to is not None:
            found["related_to"] = self.related_to
        return {**found, **self.figures, "reasons": list(self.reasons)}


def find_leaks(
    names: Iterable[str],
    values_of: Callable[[str], np.ndarray],
    churned: np.ndarray,
    limit: float = LIMIT,
) -> list[Leak]:
    """Look at columns one by one.

    Parameters
    ----------
    names : iterable of str
    values_of : callable
        Values of a column, shape (n_rows,): floats with NaN, or objects with None or NaN.
    churned : numpy.ndarray, shape (n_rows,)
        0 or 1.
    limit : float
        AUC from which a single column is critical.

    Returns
    -------
    list of Leak
        Critical ones first, then by AUC; columns bound to a critical one come last.
    """
    churned = np.asarray(churned, dtype=float)
    names = list(names)
    if min(churned.sum(), (1 - churned).sum()) < FEWEST_ROWS:
        return []
    found, blank, zero = [], {}, {}
    for name in names:
        values = values_of(name)
        blank[name], zero[name] = _blank(values), _zero(values)
        leak = _of_column(name, values, blank[name], zero[name], churned, limit)
        if leak is not None:
            found.append(leak)
    found.sort(key=lambda leak: (leak.severity != CRITICAL, -(leak.auc or 0.0), leak.column))
    known = {leak.column for leak in found if leak.severity == CRITICAL}
    bound = []
    for leak in [leak for leak in found if leak.severity == CRITICAL and leak.pattern is not None]:
        where = blank[leak.column] if leak.pattern == "missing" else zero[leak.column]
        for name in names:
            if name not in known and _is_bound(where, blank[name], zero[name]):
                known.add(name)
                bound.append(_companion(name, leak, where))
    kept = [leak for leak in found if leak.column not in {b.column for b in bound}]
    return kept + bound


def column_auc(values: np.ndarray, churned: np.ndarray) -> float:
    """AUC of one column alone, 0.5 to 1: by its rank (either way), or by the rate of its bins, whichever is more.

    Rates of bins (and of categories) are learnt on one half of the rows and used on the other, so that a column of
    noise with many values stays near 0.5.
    """
    churned = np.asarray(churned, dtype=float)
    best = 0.5
    if values.dtype.kind == "f":
        present = np.isfinite(values)
        if present.any():
            filled = np.where(present, values, np.nanmedian(values[present]))
            ranked = _auc(filled, churned)
            best = max(best, ranked, 1 - ranked)
    return max(best, _auc(_rates(_groups(values), churned), churned))


def _of_column(
    name: str, values: np.ndarray, blank: np.ndarray, zero: np.ndarray, churned: np.ndarray, limit: float
) -> Leak | None:
    auc = column_auc(values, churned)
    reasons, severity, kind = [], None, None
    figures: dict[str, Any] = {}
    if auc >= limit:
        severity = CRITICAL
        reasons.append(f"alone it ranks leavers above stayers with an AUC of {auc:.3f}, above the limit of {limit:.2f}")
    elif auc >= SUSPICIOUS:
        severity = HIGH
        reasons.append(f"alone it ranks leavers above stayers with an AUC of {auc:.3f}, more than most columns can")
    for label, rows in (("missing", blank), ("zero", zero)):
        told = _pattern(label, rows, churned)
        if told is None:
            continue
        grade, sentence, measured = told
        reasons.append(sentence)
        figures |= measured
        kind = kind or label
        severity = CRITICAL if CRITICAL in (grade, severity) else grade
    if severity is None:
        return None
    return Leak(name, severity, auc, tuple(reasons), kind, None, figures)


def _pattern(label: str, rows: np.ndarray, churned: np.ndarray) -> tuple[str, str, dict[str, Any]] | None:
    """Rows that are empty (or zero) and have (nearly) one outcome."""
    n = int(rows.sum())
    if n < FEWEST_ROWS or len(rows) - n < FEWEST_ROWS:
        return None
    rate, base = float(churned[rows].mean()), float(churned.mean())
    left = rate >= PURE
    if not left and rate > 1 - PURE:
        return None
    share = (churned[rows].sum() / churned.sum()) if left else ((1 - churned[rows]).sum() / (1 - churned).sum())
    expected = base if left else 1 - base
    # When (nearly) everybody has that outcome, a pure pattern is no surprise.
    if expected > 0.9 or share < 0.05:
        return None
    who, did = ("leavers", "left") if left else ("stayers", "stayed")
    purity = rate if left else 1 - rate
    sentence = (
        f"where it is {label} ({n:,} rows), {purity:.1%} {did}, against {expected:.1%} of all; "
        f"{share:.0%} of the {who} are there"
    )
    # Customers without any trouble do stay; nobody has a reason to be empty for leavers alone.
    other = 1 - rate if left else rate
    outside = float(churned[~rows].mean())
    separates = share >= 0.9 and abs(rate - outside) >= 0.9
    grade = CRITICAL if (left and share >= LEAST_SHARE and other <= 1 - PURE) or separates else HIGH
    return grade, sentence, {f"{label}_rows": n, f"{label}_churn_rate": round(rate, 4), "base_rate": round(base, 4)}


def _is_bound(where: np.ndarray, blank: np.ndarray, zero: np.ndarray) -> bool:
    """Whether a column is empty (or zero) wherever the critical one is, and less often elsewhere."""
    if where.sum() < FEWEST_ROWS or where.all():
        return False
    return any(
        rows[where].mean() >= COMPANION and rows[~where].mean() <= 0.95 and not rows.all() for rows in (blank, zero)
    )


def _companion(name: str, leak: Leak, where: np.ndarray) -> Leak:
    reason = (
        f"it is empty or zero in each of the {int(where.sum()):,} rows in which `{leak.column}` is {leak.pattern}: "
        "it records the same thing"
    )
    return Leak(name, CRITICAL, None, (reason,), related_to=leak.column)


def _blank(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return ~np.isfinite(values)
    return np.fromiter((v is None or v != v or v == "" for v in values), dtype=bool, count=len(values))


def _zero(values: np.ndarray) -> np.ndarray:
    return values == 0.0 if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)


def _groups(values: np.ndarray) -> np.ndarray:
    """Number of the bin or category of each row."""
    blank = _blank(values)
    groups = np.zeros(len(values), dtype=int)
    if values.dtype.kind == "f":
        present = values[~blank]
        edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1])) if len(present) else np.empty(0)
        groups[~blank] = 1 + np.searchsorted(edges, present, side="left")
        return groups
    _, codes, counts = np.unique(values[~blank].astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = np.empty(len(counts), dtype=int)
    place[order] = np.arange(len(counts))
    groups[~blank] = 1 + np.minimum(place[codes], CATEGORIES)
    return groups


def _rates(groups: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """Rate of each row's group, learnt on the other half of the rows and drawn towards the base rate."""
    half = np.random.default_rng(0).permutation(len(groups)) % 2
    scores = np.empty(len(groups))
    width = int(groups.max()) + 1
    for part in (0, 1):
        learn, apply = half != part, half == part
        n = np.bincount(groups[learn], minlength=width)
        left = np.bincount(groups[learn], weights=churned[learn], minlength=width)
        scores[apply] = ((left + 10 * churned[learn].mean()) / (n + 10))[groups[apply]]
    return scores


def _auc(scores: np.ndarray, churned: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    leavers = churned.sum()
    stayers = len(churned) - leavers
    return float((ranks[churned == 1].sum() - leavers * (leavers + 1) / 2) / (leavers * stayers))
