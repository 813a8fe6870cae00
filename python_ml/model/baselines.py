"""What any model must beat: recency, the customer's own past, BG/NBD; and the oracle of a simulated world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.durations import fixed_hours
from python_ml.model.bg_nbd import bg_nbd_score, histories_of
from python_ml.model.evaluate import METRICS, RANKING_METRICS, evaluate

if TYPE_CHECKING:
    from python_ml.dbt import Feature

RECENCY, ENTITY_RATE, BG_NBD = "recency", "entity_rate", "bg_nbd"
INACTIVITY = "inactivity"
NO_LAG = pd.Timedelta(0)


@dataclass(frozen=True)
class Baseline:
    """A ranking that needs no model of ours.

    Attributes
    ----------
    scores : dict of str to numpy.ndarray
        Per part, for its rows.
    metrics : tuple of str
        Which it can be judged by: a number of days is no probability.
    facts : dict
        What ``metrics.json`` says of it.
    """

    scores: dict[str, np.ndarray]
    metrics: tuple[str, ...] = METRICS
    facts: dict[str, Any] = field(default_factory=dict)


def baselines(
    frame: pd.DataFrame,
    features: Sequence[Feature],
    entity: str,
    churned: np.ndarray,
    parts: Mapping[str, tuple[np.ndarray, np.ndarray]],
    judged_on: np.ndarray,
    label: Mapping[str, str | None],
    seed: int,
) -> dict[str, Baseline]:
    """Every baseline that the data allow.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The training set.
    features : sequence of Feature
    entity : str
    churned : numpy.ndarray of int, shape (n_rows,)
    parts : mapping of str to pair of numpy.ndarray of bool, shape (n_rows,)
        Rows whose labels may be learnt from, and rows to score.
    judged_on : numpy.ndarray of bool, shape (n_rows,)
        Rows on which the best of several sources of recency is chosen.
    label : mapping
        ``churn_definition``, ``horizon``, ``gap``, ``maturity_lag``, each of which may be missing.
    seed : int
    """
    found: dict[str, Baseline] = {}
    recency = recency_score(frame, features, churned, judged_on)
    if recency is not None:
        feature, days = recency
        scores = {part: days[rows] for part, (_, rows) in parts.items()}
        found[RECENCY] = Baseline(scores, RANKING_METRICS, {"feature": feature})
    lag = _days(label.get("maturity_lag")) or 0.0
    rates = entity_rate_score(frame, entity, churned, pd.Timedelta(days=lag))
    if rates is not None:
        found[ENTITY_RATE] = Baseline({part: rates[rows] for part, (_, rows) in parts.items()})
    horizon, gap = _days(label.get("horizon")), _days(label.get("gap") or "0d")
    if label.get("churn_definition") != INACTIVITY or not horizon or gap is None:
        return found
    source = next((f.source for f in features if recency is not None and f.name == recency[0]), None)
    histories = histories_of(frame, features, source)
    if histories is None:
        return found
    customers, times = frame[entity].to_numpy(), frame["feature_timestamp"].to_numpy()
    scores, facts = {}, {"source": histories[0]}
    for part, (fitted, rows) in parts.items():
        scored = bg_nbd_score(
            histories[1], customers, times, churned, fitted, rows, horizon=horizon, gap=gap, seed=seed
        )
        if scored is None:
            return found
        model, scores[part] = scored
        facts["parameters"] = {name: getattr(model, name) for name in ("r", "alpha", "a", "b")}
    return found | {BG_NBD: Baseline(scores, facts=facts)}


def _days(duration: str | None) -> float | None:
    hours = fixed_hours(duration) if duration else None
    return None if hours is None else hours / 24


def recency_score(
    frame: pd.DataFrame, features: Sequence[Feature], churned: np.ndarray, judged_on: np.ndarray
) -> tuple[str, np.ndarray] | None:
    """Rank customers by the days since their last event: longer away, more likely to leave.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The training set.
    features : sequence of Feature
        The registry; those with the aggregate ``days_since_last`` compete.
    churned : numpy.ndarray of int, shape (n_rows,)
    judged_on : numpy.ndarray of bool, shape (n_rows,)
        The rows on which the best of several sources is chosen: never the test.

    Returns
    -------
    (str, numpy.ndarray of shape (n_rows,)) or None
        The feature and its scores (days; a customer without any event counts as longest away), or None when
        there is no such feature.
    """
    best: tuple[float, str, np.ndarray] | None = None
    for feature in features:
        if feature.aggregate != "days_since_last" or feature.name not in frame.columns:
            continue
        days = frame[feature.name].astype("Float64").to_numpy(float, na_value=np.nan)
        longest = np.nanmax(days) if np.isfinite(days).any() else 0.0
        scores = np.where(np.isnan(days), longest + 1.0, days)
        chosen = np.arange(judged_on.sum())
        metrics = evaluate(churned[judged_on], scores[judged_on], chosen, metrics=["roc_auc"], replicates=0)
        auc = metrics["roc_auc"]["value"] or 0.0
        if best is None or auc > best[0]:
            best = (auc, feature.name, scores)
    return None if best is None else (best[1], best[2])


def entity_rate_score(
    frame: pd.DataFrame, entity: str, churned: np.ndarray, lag: pd.Timedelta = NO_LAG
) -> np.ndarray | None:
    """The share of each customer's own earlier labels that say churned, as far as they were known at the time.

    A label counts at T when ``label_timestamp + lag <= T``. The share is shrunken towards that of all customers at T,
    as if each had one label more that says so.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The entity, ``feature_timestamp``, ``label_timestamp``.
    entity : str
    churned : numpy.ndarray of int, shape (n_rows,)
    lag : pandas.Timedelta
        How long labels wait for rows that arrive late.

    Returns
    -------
    numpy.ndarray, shape (n_rows,), or None
        Probabilities; None where no customer has a label that was known before another row of theirs.
    """
    times = frame["feature_timestamp"].to_numpy("datetime64[ns]")
    ends = frame["label_timestamp"].to_numpy("datetime64[ns]") + lag.to_timedelta64()
    # A label without a span of its own is known after the row, not at it.
    known = np.maximum(ends, times + np.timedelta64(1, "ns"))
    moments, ranks = np.unique(np.concatenate([times, known]), return_inverse=True)
    at, known_at = np.split(ranks.astype(np.int64), 2)
    customer = np.unique(frame[entity].to_numpy(), return_inverse=True)[1].astype(np.int64) * (len(moments) + 1)
    own, earlier = _so_far(customer + known_at, churned, customer + at)
    before, labels_before = _so_far(customer + known_at, churned, customer - 1)
    own, earlier = own - before, earlier - labels_before
    if not earlier.any():
        return None
    everyone, labels = _so_far(known_at, churned, at)
    rate = np.divide(everyone, labels, out=np.full(len(at), 0.5), where=labels > 0)
    return (own + rate) / (earlier + 1)


def _so_far(known: np.ndarray, churned: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Churned labels and all labels with a rank of at most ``until``."""
    order = np.argsort(known, kind="stable")
    count = np.searchsorted(known[order], until, side="right")
    return np.r_[0, np.cumsum(churned[order])][count].astype(float), count.astype(float)


def oracle_score(frame: pd.DataFrame, truth: pd.DataFrame, entity: str) -> np.ndarray:
    """Look up the true probability of churn of each row.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The training set.
    truth : pandas.DataFrame
        The entity, ``feature_timestamp`` and ``probability``.
    entity : str

    Returns
    -------
    numpy.ndarray, shape (n_rows,)
        NaN where the truth is not known.
    """
    keys = pd.DataFrame(
        {"key": frame[entity].astype(str).to_numpy(), "time": pd.to_datetime(frame["feature_timestamp"]).to_numpy()}
    )
    known = pd.DataFrame(
        {
            "key": truth[entity].astype(str).to_numpy(),
            "time": pd.to_datetime(truth["feature_timestamp"]).to_numpy(),
            "probability": truth["probability"].astype(float).to_numpy(),
        }
    ).drop_duplicates(["key", "time"])
    return keys.merge(known, on=["key", "time"], how="left")["probability"].to_numpy()
