"""Leakage: columns and rows that know the outcome, found before a model is trained on them.

Public: :func:`probe_training_set` and :func:`find_leaks` (the probes), :class:`Finding` and :class:`Leak` (their
results). One private module for each family of probes. What stops a training is
:mod:`python_ml.model.leakage_gate`; the guide is ``docs/guides/leakage.md``.
"""

from __future__ import annotations

from python_ml.leakage._evidence import StoredReplay
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
    "StoredReplay",
    "find_leaks",
    "probe_training_set",
    "verdicts",
]
