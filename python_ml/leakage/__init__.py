"""Leakage: columns and rows that know the outcome, detected before a model is trained on them.

Public: :func:`probe_training_set` and :func:`find_leaks` (the probes), :class:`Finding` and :class:`Leak` (their
results). One private module for each family of probes; the gate before a training is
:mod:`python_ml.model.leakage_gate`; the guide is ``docs/guides/leakage.md``.
"""

from __future__ import annotations

from python_ml.leakage._context import MOST_ROWS
from python_ml.leakage._finding import CRITICAL, HIGH, INFO, SEVERITIES, Finding, Leak, quoted_list, verdicts
from python_ml.leakage._replays import StoredReplay, proven, replayable
from python_ml.leakage._rows import Parts
from python_ml.leakage._single_column import LIMIT
from python_ml.leakage.probes import PROBES, REBUILT, ROW_PROBES, find_leaks, probe_training_set

__all__ = [
    "CRITICAL",
    "HIGH",
    "INFO",
    "LIMIT",
    "MOST_ROWS",
    "PROBES",
    "REBUILT",
    "ROW_PROBES",
    "SEVERITIES",
    "Finding",
    "Leak",
    "Parts",
    "StoredReplay",
    "find_leaks",
    "probe_training_set",
    "proven",
    "quoted_list",
    "replayable",
    "verdicts",
]
