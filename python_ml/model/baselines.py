"""What any model must beat (recency), and what none can (the oracle of a simulated world)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.model.evaluate import evaluate

if TYPE_CHECKING:
    from python_ml.dbt import Feature


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
