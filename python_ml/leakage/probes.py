"""All probes, on a training set or on single columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from python_ml.leakage import (
    _foreknowledge,
    _future_echo,
    _identifiers,
    _marked_rows,
    _proxy_names,
    _replays,
    _rows,
    _single_column,
    _target_encoding,
    _time_order,
)
from python_ml.leakage._context import ProbeContext
from python_ml.leakage._finding import CRITICAL, HIGH, SEVERITIES, Finding, Leak, verdicts
from python_ml.leakage._replays import proven
from python_ml.leakage._single_column import LIMIT

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.dbt import Feature
    from python_ml.leakage._replays import StoredReplay
    from python_ml.leakage._rows import Parts

REBUILT = "rebuilt_by_replay"
PROBES = {
    "single_feature_auc": "How well does the column alone rank churned customers?",
    "separation": "Is the column alone (nearly) equal to the outcome?",
    "post_outcome_missing": "Is it missing or zero for churned customers far more often?",
    "pure_value": "Do the rows with one of its values churn far more often?",
    "tail": "Do the rows with its smallest or greatest values churn far more often?",
    "frozen": "Is it unchanged for churned customers far more often?",
    "companion": "Is it missing or zero wherever a critical column is?",
    "future_time": "Does it hold times after the feature time, or negative days since an event?",
    "replay": "Did a replay from data cut off at the feature time give other values?",
    "foreknowledge": "Does it predict churn long before it was decided?",
    "auc_jump": "Does it predict this label window, but not the next one?",
    "past_over_future": "Does it predict the outcome before its feature time better than the one after?",
    "future_echo": "Does it show now what another column shows at the next feature time?",
    "target_encoding": "Is it a churn rate of the very rows that it is to predict?",
    "identifier": "Does it number or name customers, and rank them nevertheless?",
    "proxy_name": "Is it named like an outcome, and does it behave like one?",
    "label_order": "Was an outcome known before the features?",
    "replay_population": "Did a replay give other customers at risk?",
    "replay_identical": "Which feature times were rebuilt exactly?",
    "duplicate_rows": "Are customers in the table twice, under other keys?",
    "entity_overlap": "Are customers on both sides of the split?",
    "split_overlap": "Do training labels reach into the test period?",
}
# Probes of rows have no column that could be excluded; their findings are accepted by the name of the probe.
ROW_PROBES = (
    "label_order",
    "replay_population",
    "replay_identical",
    "duplicate_rows",
    "entity_overlap",
    "split_overlap",
)


def probe_training_set(
    frame: pd.DataFrame,
    features: Sequence[Feature],
    entity: str,
    *,
    dated: bool,
    limit: float = LIMIT,
    parts: Parts | None = None,
    replays: Sequence[StoredReplay] = (),
    seed: int = 0,
) -> list[Finding]:
    """Probe every feature of a training set, including those that models do not use.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The entity, ``feature_timestamp``, ``label_timestamp``, ``churned`` (0 or 1) and the features. Of more than
        200,000 rows, those of a random sample of customers are probed.
    features : sequence of Feature
        The registry.
    entity : str
        Key column.
    dated : bool
        Whether feature times are times, which those of tables without dates are not.
    limit : float
        AUC from which a single column is critical.
    parts : Parts, optional
        How the rows are split.
    replays : sequence of StoredReplay
        Results of replays.
    seed : int
        Of the sample of customers.

    Returns
    -------
    list of Finding
        The worst first; at least one per feature, with its figures.
    """
    context = ProbeContext.of(frame, features, entity, dated=dated, seed=seed)
    findings = [*_time_order.probe(context), *_replays.probe(context, replays)]
    if context.has_enough:
        findings += _of_columns(context, limit)
        for module in (_foreknowledge, _future_echo, _target_encoding, _identifiers):
            findings += module.probe(context)
    findings += _rows.duplicates(context)
    rebuilt = proven(context.registry.values(), replays)
    findings = [_excused(finding) if finding.name in rebuilt else finding for finding in findings]
    if parts is not None:
        findings += _rows.overlap(frame, entity, parts)
    return sorted(findings, key=_worst_first)


def _excused(finding: Finding) -> Finding:
    """A critical finding about a column that a replay rebuilt exactly is not critical, however well it ranks."""
    if finding.severity != CRITICAL or not finding.columns or finding.probe in ("replay", "future_time"):
        return finding
    reason = (
        f"{finding.reason}; but a replay from data cut off at the feature time gave the same values, so it knows "
        "nothing of the outcome: the outcome is easily predicted from past activity"
    )
    evidence = {**finding.evidence, REBUILT: True}
    advice = "compare the models with the recency baseline"
    return replace(finding, severity=HIGH, reason=reason, evidence=evidence, advice=advice)


def find_leaks(
    names: Iterable[str],
    values_of: Callable[[str], np.ndarray],
    churned: np.ndarray,
    limit: float = LIMIT,
) -> list[Leak]:
    """Probe single columns, where rows have neither times nor customers.

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
        Critical ones first, then by AUC; columns that depend on a critical one come last.
    """
    context = ProbeContext(tuple(names), values_of, np.asarray(churned, dtype=float))
    return verdicts(_of_columns(context, limit)) if context.has_enough else []


def _of_columns(context: ProbeContext, limit: float) -> list[Finding]:
    return [*_single_column.probe(context, limit), *_marked_rows.probe(context), *_proxy_names.probe(context)]


def _worst_first(finding: Finding) -> tuple[int, bool, float, str, int]:
    return (
        SEVERITIES.index(finding.severity),
        finding.related_to is not None,
        -finding.evidence.get("auc", 0.0),
        finding.name,
        list(PROBES).index(finding.probe),
    )
