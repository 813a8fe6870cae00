"""Kaplan-Meier curves in periods, for everybody and by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.decisions.survival.follow_up import follow_up
from python_ml.stats import Z_95

if TYPE_CHECKING:
    from python_ml.decisions.survival.clock import Clock

MOST_COHORTS = 12  # months, else quarters, else years of the first feature time
MOST_SEGMENTS = 8  # values of a column that have a curve of their own
MOST_PERIODS = 120
LEAST_AT_RISK = 10  # customers without whom a curve ends
EVERYBODY, COHORT, OTHERS, MISSING = "everybody", "first_feature_time", "(other)", "(missing)"


def kaplan_meier(period: np.ndarray, event: np.ndarray, periods: int) -> pd.DataFrame:
    """Share that stays to the end of each period.

    Parameters
    ----------
    period : numpy.ndarray of int, shape (n,)
        Period of churn (from 1), or the number of periods stayed.
    event : numpy.ndarray of bool, shape (n,)
        False where right-censored: at risk in all periods up to theirs, and in none after it.
    periods : int

    Returns
    -------
    pandas.DataFrame, ``periods`` rows
        ``period``, ``survival``, ``low``, ``high`` (95 %; null before the first and after the last churn), ``at_risk``.

    Notes
    -----
    Kaplan, E. L. and Meier, P. (1958), Journal of the American Statistical Association 53; variance by Greenwood
    (1926), interval on the scale log(-log S) (Kalbfleisch and Prentice 1980).
    """
    at_risk, left = _counts(period, event, np.ones((1, len(period))), periods)
    at_risk, left = at_risk[0], left[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.divide(left, at_risk, out=np.full(periods, np.nan), where=at_risk > 0)
        survival = np.cumprod(1 - hazard)
        deviation = np.sqrt(np.cumsum(left / (at_risk * (at_risk - left)))) / np.log(survival)
        low, high = (np.exp(np.log(survival) * np.exp(sign * Z_95 * deviation)) for sign in (-1, 1))
    inside = (survival > 0) & (survival < 1)
    return pd.DataFrame(
        {
            "period": np.arange(1, periods + 1, dtype="int32"),
            "survival": survival,
            "low": np.where(inside, low, np.nan),
            "high": np.where(inside, high, np.nan),
            "at_risk": at_risk.astype("int64"),
        }
    )


def survival_of_all(period: np.ndarray, event: np.ndarray, weights: np.ndarray, periods: int) -> np.ndarray:
    """The curve alone, from 1 at time 0, under each row of weights; shape (n_replicates, periods + 1)."""
    at_risk, left = _counts(period, event, weights, periods)
    hazard = np.divide(left, at_risk, out=np.full(left.shape, np.nan), where=at_risk > 0)
    return np.cumprod(np.column_stack([np.ones(len(weights)), 1 - hazard]), axis=1)


def _counts(period: np.ndarray, event: np.ndarray, weights: np.ndarray, periods: int) -> tuple[np.ndarray, np.ndarray]:
    """Customers at risk in each period, and those who churn in it, each of shape (n_replicates, periods)."""
    at = np.arange(1, periods + 1)
    leaves = (period[:, None] == at) & event[:, None]
    return weights @ (period[:, None] >= at), weights @ leaves


def survival_curves(frame: pd.DataFrame, entity: str, clock: Clock, segment: str | None = None) -> pd.DataFrame:
    """Kaplan-Meier curves of customers from their first feature time on: of all, by cohort, and by segment.

    Customers of the first feature time of all may have been there for long; their cohort is that of whoever was there.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        Labelled rows: the entity, ``feature_timestamp``, ``churned``, and the segment's column.
    entity : str
    clock : Clock
    segment : str, optional
        Column whose value at the first feature time groups the customers, too.

    Returns
    -------
    pandas.DataFrame
        ``grouped_by``, ``cohort``, ``period``, ``days`` (end of the period), ``survival``, ``low``, ``high``,
        ``at_risk``; each curve ends where fewer than ten customers are at risk.
    """
    span = float((frame["feature_timestamp"].max() - frame["feature_timestamp"].min()) / pd.Timedelta(days=1))
    clock = clock.lasting(int(min(span // clock.length + 1, MOST_PERIODS)))
    known = follow_up(
        frame[entity].to_numpy(), frame["feature_timestamp"].to_numpy(), frame["churned"].to_numpy(), clock
    )
    position = frame["feature_timestamp"].reset_index(drop=True).groupby(frame[entity].to_numpy()).idxmin().to_numpy()
    position = np.sort(position[known.usable[position]])
    first = frame.iloc[position]
    groups = {EVERYBODY: pd.Series(EVERYBODY, first.index), COHORT: _cohorts(first["feature_timestamp"])}
    if segment is not None:
        groups[segment] = _segments(first[segment])
    period, event = known.period[position], known.event[position]
    parts = []
    for grouped_by, cohort in groups.items():
        for name in sorted(cohort.unique()):
            member = (cohort == name).to_numpy()
            curve = kaplan_meier(period[member], event[member], clock.periods)
            curve = curve[curve["at_risk"] >= LEAST_AT_RISK]
            days = clock.edges[curve["period"].to_numpy()]
            parts.append(curve.assign(grouped_by=grouped_by, cohort=name, days=days))
    columns = ["grouped_by", "cohort", "period", "days", "survival", "low", "high", "at_risk"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _cohorts(times: pd.Series) -> pd.Series:
    """Months, or longer spans where these would be many; names that sort in the order of time."""
    for frequency in ("M", "Q", "Y"):
        cohort = times.dt.to_period(frequency).astype(str)
        if cohort.nunique() <= MOST_COHORTS:
            break
    return cohort


def _segments(values: pd.Series) -> pd.Series:
    text = values.astype("object").where(values.notna(), MISSING).astype(str)
    large = text.value_counts(sort=False).sort_index().nlargest(MOST_SEGMENTS, keep="first").index
    return text.where(text.isin(large), OTHERS)
