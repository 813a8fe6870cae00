"""Leakage: columns and rows that know the outcome, found before a model is trained on them.

Public: :func:`probe_training_set` and :func:`find_leaks` (the probes), :class:`Finding` and :class:`Leak` (their
results), and :mod:`python_ml.leakage.gate` (what stops training). One private module for each family of probes; the
guide is ``docs/guides/leakage.md``.
"""

from __future__ import annotations

from python_ml.leakage._finding import CRITICAL, HIGH, INFO, SEVERITIES, Finding, Leak, verdicts
from python_ml.leakage._rows import Parts
from python_ml.leakage._separation import LIMIT
from python_ml.leakage.probes import PROBES, find_leaks, probe_training_set

__all__ = [
    "CRITICAL",
    "HIGH",
    "INFO",
    "LIMIT",
    "PROBES",
    "SEVERITIES",
    "Finding",
    "Leak",
    "Parts",
    "find_leaks",
    "probe_training_set",
    "verdicts",
]
