"""What a probe says: one finding, and the verdict on one column that several findings amount to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

CRITICAL, HIGH, INFO = "critical", "high", "info"
SEVERITIES = (CRITICAL, HIGH, INFO)

LEAVE_OUT = "leave it out, unless you can say how it was known before the outcome was decided"


@dataclass(frozen=True)
class Finding:
    """What one probe found.

    Attributes
    ----------
    probe : str
        Name of the probe, such as ``single_feature_auc``.
    severity : str
        ``critical`` (training stops), ``high`` (look at it) or ``info`` (measured, for later questions).
    columns : tuple of str
        The columns that it concerns; empty where it concerns rows.
    reason : str
        What was found, a phrase with figures.
    evidence : dict
        The figures behind it; what JSON can hold.
    advice : str
        What to do.
    related_to : str or None
        The critical column that this one is bound to, when it is not suspicious by itself.
    """

    probe: str
    severity: str
    columns: tuple[str, ...]
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
    advice: str = LEAVE_OUT
    related_to: str | None = None

    @property
    def name(self) -> str:
        """What ``leakage.accept`` calls it: the column, or the probe where it concerns rows."""
        return self.columns[0] if self.columns else self.probe

    @property
    def sentence(self) -> str:
        """The finding as one sentence."""
        return f"`{self.name}`: {self.reason}" if self.columns else self.reason

    def to_dict(self) -> dict[str, Any]:
        """For ``--json`` and ``metrics.json``."""
        return {
            "probe": self.probe,
            "severity": self.severity,
            "columns": list(self.columns),
            "sentence": self.sentence,
            "evidence": self.evidence,
            "advice": self.advice,
            **({"related_to": self.related_to} if self.related_to else {}),
        }


@dataclass(frozen=True)
class Leak:
    """A suspicious column: everything that was found about it.

    Attributes
    ----------
    column : str
    severity : str
        ``critical`` (not believed) or ``high`` (look at it).
    auc : float or None
        Area under the ROC curve of this column alone, 0.5 to 1.
    reasons : tuple of str
        What was found, with figures, one phrase each.
    related_to : str or None
        The critical column that it is bound to, when it is not suspicious by itself.
    figures : dict
        The numbers behind the reasons.
    """

    column: str
    severity: str
    auc: float | None
    reasons: tuple[str, ...]
    related_to: str | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The verdict as one sentence."""
        return f"`{self.column}`: {'; '.join(self.reasons)}"

    def to_dict(self) -> dict[str, Any]:
        """For findings and metrics."""
        found: dict[str, Any] = {"column": self.column, "severity": self.severity}
        if self.auc is not None:
            found["auc_alone"] = round(self.auc, 4)
        if self.related_to is not None:
            found["related_to"] = self.related_to
        return {**found, **self.figures, "reasons": list(self.reasons)}


def verdicts(findings: Iterable[Finding]) -> list[Leak]:
    """Put together what was found about each suspicious column.

    Returns
    -------
    list of Leak
        Critical ones first, then by AUC; columns that are bound to a critical one come last.
    """
    by_column: dict[str, list[Finding]] = {}
    for finding in findings:
        for column in finding.columns[:1]:
            by_column.setdefault(column, []).append(finding)
    found = []
    for column, about in by_column.items():
        told = [finding for finding in about if finding.severity != INFO]
        if not told:
            continue
        areas = [finding.evidence["auc"] for finding in about if "auc" in finding.evidence]
        severity = CRITICAL if any(finding.severity == CRITICAL for finding in told) else HIGH
        bound = next((finding.related_to for finding in told if finding.related_to), None)
        figures = {key: value for finding in told for key, value in finding.evidence.items() if key != "auc"}
        reasons = tuple(dict.fromkeys(finding.reason for finding in told))
        found.append(Leak(column, severity, max(areas, default=None), reasons, bound, figures))
    return sorted(found, key=_worst_first)


def _worst_first(leak: Leak) -> tuple[bool, bool, float, str]:
    return leak.related_to is not None, leak.severity != CRITICAL, -(leak.auc or 0.0), leak.column


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in back quotes, and how many more there are."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
