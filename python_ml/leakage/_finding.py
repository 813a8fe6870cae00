"""The result of a probe, and the verdict on a column that several findings amount to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

CRITICAL, HIGH, INFO = "critical", "high", "info"
SEVERITIES = (CRITICAL, HIGH, INFO)

EXCLUDE = "exclude it, unless you can say how it was known before the outcome was decided"


@dataclass(frozen=True)
class Finding:
    """The result of one probe on one column, or on the rows.

    Attributes
    ----------
    probe : str
        Name of the probe, such as ``single_feature_auc``.
    severity : str
        ``critical`` (training stops), ``high`` (requires review) or ``info`` (measured only).
    columns : tuple of str
        The columns that it concerns; empty where it concerns rows.
    reason : str
        What was measured, a phrase with figures.
    evidence : dict
        The figures behind it, as plain data.
    advice : str
        What to do.
    related_to : str or None
        The critical column that this one depends on, when it is not suspicious by itself.
    """

    probe: str
    severity: str
    columns: tuple[str, ...]
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)
    advice: str = EXCLUDE
    related_to: str | None = None

    @property
    def name(self) -> str:
        """Its name in ``leakage.accept``: the column, or the probe where it concerns rows."""
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
    """A suspicious column: all findings about it.

    Attributes
    ----------
    column : str
    severity : str
        ``critical`` or ``high``.
    auc : float or None
        AUC of this column alone, 0.5 to 1.
    reasons : tuple of str
        One phrase per finding, with figures.
    related_to : str or None
        The critical column that it depends on, when it is not suspicious by itself.
    figures : dict
        The figures behind the reasons.
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
        """For findings.yaml and ``metrics.json``."""
        return {
            "column": self.column,
            "severity": self.severity,
            **({} if self.auc is None else {"auc_alone": round(self.auc, 4)}),
            **({} if self.related_to is None else {"related_to": self.related_to}),
            **self.figures,
            "reasons": list(self.reasons),
        }


def verdicts(findings: Iterable[Finding]) -> list[Leak]:
    """Combine the findings about each suspicious column.

    Returns
    -------
    list of Leak
        Critical ones first, then by AUC; columns that depend on a critical one come last.
    """
    by_column: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.columns:
            by_column.setdefault(finding.columns[0], []).append(finding)
    leaks = [_verdict(column, its_findings) for column, its_findings in by_column.items()]
    return sorted(
        (leak for leak in leaks if leak.severity != INFO),
        key=lambda leak: (leak.related_to is not None, leak.severity != CRITICAL, -(leak.auc or 0.0), leak.column),
    )


def _verdict(column: str, findings: list[Finding]) -> Leak:
    suspicions = [finding for finding in findings if finding.severity != INFO]
    return Leak(
        column,
        severity=min((finding.severity for finding in findings), key=SEVERITIES.index),
        auc=max((finding.evidence["auc"] for finding in findings if "auc" in finding.evidence), default=None),
        reasons=tuple(dict.fromkeys(finding.reason for finding in suspicions)),
        related_to=next((finding.related_to for finding in suspicions if finding.related_to), None),
        figures={key: value for finding in suspicions for key, value in finding.evidence.items() if key != "auc"},
    )


def quoted_list(names: Sequence[str], most: int = 5) -> str:
    """Names in back quotes, and how many more there are."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
