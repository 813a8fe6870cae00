"""Every probe in turn, on a training set or on single columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from python_ml.leakage import _encoding, _identifiers, _lags, _names, _patterns, _rows, _separation, _temporal
from python_ml.leakage._finding import CRITICAL, HIGH, SEVERITIES, Finding, Leak, verdicts
from python_ml.leakage._separation import LIMIT
from python_ml.leakage._subject import Subject, is_window

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.dbt import Feature
    from python_ml.leakage._evidence import StoredReplay
    from python_ml.leakage._rows import Parts

# What each probe asks. Those that concern rows have no column to leave out, and are accepted by their own name.
PROVEN = "rebuilt_by_replay"
PROBES = {
    "single_feature_auc": "How well does the column alone rank churned customers?",
    "separation": "Does the column alone (nearly) equal the outcome?",
    "post_outcome_missing": "Is it empty or zero for churned customers far more often?",
    "pure_value": "Does one of its values go with churn far more often?",
    "tail": "Do its smallest or greatest values go with churn far more often?",
    "frozen": "Is it unchanged for churned customers far more often?",
    "companion": "Is it empty or zero wherever a critical column is?",
    "future_time": "Does it hold times, or days since times, that were still to come?",
    "replay": "Did a replay from data cut off at the feature time give other values?",
    "foreknowledge": "Does it know who churns long before that was decided?",
    "power_jump": "Does its power appear only as the outcome nears?",
    "past_over_future": "Does it tell the outcome before its feature time better than the one after?",
    "future_echo": "Does it show now what another column shows at the next feature time?",
    "target_encoding": "Is it a rate of the outcome over the very rows that it is to predict?",
    "identifier": "Does it number or name customers, and rank them nevertheless?",
    "proxy_name": "Is it named like an outcome, and does it behave like one?",
    "label_order": "Was an outcome known before the features?",
    "replay_population": "Did a replay give other customers at risk?",
    "replay_identical": "Which feature times were rebuilt exactly?",
    "duplicate_rows": "Are customers in the table twice, under other keys?",
    "entity_overlap": "Are customers on both sides of the split?",
    "split_overlap": "Do training labels reach into the test period?",
}
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
    """Look at every feature of a training set, also at those that models leave out.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The entity, ``feature_timestamp``, ``label_timestamp``, ``churned`` (0 or 1) and the features. Of more than
        200,000 rows, all rows of customers who are drawn by chance are looked at.
    features : sequence of Feature
        The registry.
    entity : str
        Key column.
    dated : bool
        Whether feature times are times, which a snapshot's are not.
    limit : float
        AUC from which on a single column is not believed.
    parts : Parts, optional
        How the rows are split.
    replays : sequence of StoredReplay
        What replays have shown.
    seed : int

    Returns
    -------
    list of Finding
        The worst first; of every feature at least one, with its figures.
    """
    subject = Subject.of(frame, features, entity, dated=dated, seed=seed)
    found = list(_temporal.probe(subject, replays))
    if subject.has_enough:
        found += _of_columns(subject, limit)
        found += _lags.probe(subject)
        found += _encoding.probe(subject)
        found += _identifiers.probe(subject)
    found += _rows.duplicates(subject)
    found = [_weighed(subject, finding, replays) for finding in found]
    if parts is not None:
        found += _rows.overlap(frame, entity, parts)
    return sorted(found, key=_worst_first)


def _weighed(subject: Subject, finding: Finding, replays: Sequence[StoredReplay]) -> Finding:
    """A window over visible rows that a replay rebuilt exactly knows nothing of the outcome, however well it ranks."""
    if finding.severity != CRITICAL or not finding.columns or finding.probe in ("replay", "future_time"):
        return finding
    if finding.columns[0] not in proven(subject.registry.values(), replays):
        return finding
    reason = (
        f"{finding.reason}; but a replay from data cut off at the feature time gave the same values, so it knows "
        "nothing of the outcome: the outcome is easily predicted from past activity"
    )
    evidence = {**finding.evidence, PROVEN: True}
    advice = "compare the models with the recency baseline"
    return replace(finding, severity=HIGH, reason=reason, evidence=evidence, advice=advice)


def proven(features: Iterable[Feature], replays: Sequence[StoredReplay]) -> set[str]:
    """Features over windows of dated rows, which every stored replay rebuilt exactly, with the same customers at risk.

    Parameters
    ----------
    features : iterable of Feature
        The registry.
    replays : sequence of StoredReplay
        Without any, nothing is proven.
    """
    if not replays or any(r.missing or r.unexpected for r in replays):
        return set()
    differing = {name for replay in replays for name in replay.differing}
    return replayable(features) - differing


def replayable(features: Iterable[Feature]) -> set[str]:
    """Features over windows of dated rows, which a replay can rebuild."""
    undated = (None, "", "snapshot", "as_of")  # a replay does not cut what has no time
    return {f.name for f in features if f.role == "feature" and (f.window not in undated or is_window(f))}


def find_leaks(
    names: Iterable[str],
    values_of: Callable[[str], np.ndarray],
    churned: np.ndarray,
    limit: float = LIMIT,
) -> list[Leak]:
    """Look at columns one by one, where rows have neither times nor customers.

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
    subject = Subject(tuple(names), values_of, np.asarray(churned, dtype=float))
    return verdicts(_of_columns(subject, limit)) if subject.has_enough else []


def _of_columns(subject: Subject, limit: float) -> list[Finding]:
    return [*_separation.probe(subject, limit), *_patterns.probe(subject), *_names.probe(subject)]


def _worst_first(finding: Finding) -> tuple[int, bool, float, str, int]:
    place = SEVERITIES.index(finding.severity)
    area = -finding.evidence.get("auc", 0.0)
    return place, finding.related_to is not None, area, finding.name, list(PROBES).index(finding.probe)
