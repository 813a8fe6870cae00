"""What would have happened: outcomes that are known by now, beside what each policy said and did at the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.customer_value import Terms
from python_ml.decisions.economics import realised_profit, resampled_profit
from python_ml.model.evaluate import compared
from python_ml.monitor.history import CONTACTED
from python_ml.monitor.rehearsal.walk import ALWAYS, NEVER, POLICIES, PROMOTED, TRIGGERED, FinishedStep
from python_ml.stats import estimate, resampled_weights

if TYPE_CHECKING:
    from python_ml.monitor.rehearsal.versions import VersionFolder
    from python_ml.settings import Settings

METRICS = ("roc_auc", "pr_auc", "brier", "ece")


def rehearsal_results(
    steps: Sequence[FinishedStep], outcomes: pd.DataFrame, entity: str, settings: Settings, versions: VersionFolder
) -> dict[str, Any]:
    """Measure each step and policy, and all steps together.

    Parameters
    ----------
    steps : sequence of FinishedStep
    outcomes : pandas.DataFrame
        The entity, ``feature_timestamp``, ``churned`` (0 or 1), as known by now.
    entity : str
    settings : Settings
        ``training.bootstrap_replicates`` and ``seed`` for the intervals.
    versions : VersionFolder

    Returns
    -------
    dict
        What ``reports/rehearsal.json`` holds: ``steps``, ``policies`` (all steps together), ``differences`` (policy
        ``triggered`` less each other one, paired by customer) and ``versions``.
    """
    judged = [_with_outcomes(step, outcomes, entity, settings) for step in steps]
    measured = [_Measured.of(frame, entity, settings) for frame in judged]
    pooled = _Measured.of(pd.concat(judged, ignore_index=True), entity, settings)
    records = [step.record for step in steps]
    used = sorted(
        {policy[name] for record in records for policy in record["policies"].values() for name in ("version", "next")}
    )
    return {
        "from": records[0]["time"],
        "to": records[-1]["time"],
        "steps": [
            {
                **{name: record[name] for name in ("time", "customers", "labelled_rows", "left_out", "replay")},
                "outcomes": found.rows,
                "churned": found.churned,
                "policies": {
                    name: {**record["policies"][name], "realised": found.figures.get(name)} for name in POLICIES
                },
            }
            for record, found in zip(records, measured, strict=True)
        ],
        "outcomes": pooled.rows,
        "churned": pooled.churned,
        "policies": {
            name: {
                "realised": pooled.figures.get(name),
                "trainings": sum(bool(record["policies"][name]["trained"]) for record in records),
                "promotions": sum(record["policies"][name]["outcome"] == PROMOTED for record in records),
            }
            for name in POLICIES
        },
        "differences": pooled.differences,
        "versions": [_described(versions, number) for number in used],
    }


def _described(versions: VersionFolder, number: int) -> dict[str, Any]:
    version = versions[number]
    return {
        "version": number,
        "trained_at": version.trained_at.isoformat(),
        "rows": version.rows,
        "newest_row": version.newest_row.isoformat(),
        "test_roc_auc": version.metrics.get("test.roc_auc"),
    }


def _with_outcomes(step: FinishedStep, outcomes: pd.DataFrame, entity: str, settings: Settings) -> pd.DataFrame:
    """The scores whose outcomes are known, with what a contact earned and whom the capacity would have reached."""
    keys = [entity, "feature_timestamp"]
    frame = step.scores.merge(outcomes[[*keys, "churned"]], on=keys, how="inner")
    frame["earned"] = realised_profit(frame["churned"], frame["customer_value"], Terms(**step.record["terms"]))
    frame["contacted"] = frame["campaign_arm"].eq(CONTACTED).fillna(False).astype(bool)
    ranks = frame.groupby("policy")["churn_probability"].rank(method="first", ascending=False)
    # Of those whose outcomes are known, the share that could have been contacted.
    sizes = frame.groupby("policy")[entity].transform("size")
    capacity = sizes.map(lambda size: settings.decisions.capacity(size)).fillna(np.inf).astype(float)
    frame["reached"] = (ranks <= capacity).to_numpy()
    return frame


class _Measured:
    """Figures by policy, and how far ``triggered`` is ahead of each other policy."""

    def __init__(self, rows: int, churned: int, figures: dict, differences: dict) -> None:
        self.rows, self.churned, self.figures, self.differences = rows, churned, figures, differences

    @classmethod
    def of(cls, frame: pd.DataFrame, entity: str, settings: Settings) -> _Measured:
        if frame.empty:
            return cls(0, 0, {}, {})
        replicates, seed = settings.training.bootstrap_replicates, settings.training.seed
        parts = {
            name: frame[frame["policy"] == name].sort_values(["feature_timestamp", entity], ignore_index=True)
            for name in POLICIES
        }
        first = parts[TRIGGERED]
        churned, customers = first["churned"].to_numpy(dtype=float), first[entity].to_numpy()
        figures, ahead = compared(
            churned,
            {name: part["churn_probability"].to_numpy(dtype=float) for name, part in parts.items()},
            customers,
            metrics=dict.fromkeys(POLICIES, METRICS),
            replicates=replicates,
            seed=seed,
        )
        profit = {name: np.where(part["contacted"], part["earned"], 0.0) for name, part in parts.items()}
        for name, part in parts.items():
            figures[name]["lift_at_capacity"] = _lift(
                churned, part["reached"].to_numpy(dtype=float), customers, replicates, seed
            )
            total = resampled_profit(profit[name], customers, replicates=replicates, seed=seed)
            figures[name]["profit"] = total.to_dict()
        for name in (NEVER, ALWAYS):
            difference = profit[TRIGGERED] - profit[name]
            ahead[name]["profit"] = resampled_profit(difference, customers, replicates=replicates, seed=seed).to_dict()
        return cls(len(first), int(churned.sum()), figures, ahead)


def _lift(
    churned: np.ndarray, reached: np.ndarray, customers: np.ndarray, replicates: int, seed: int
) -> Mapping[str, float | None]:
    """How many times as often as all customers those churned who were reached first."""

    def lift(weights: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (weights @ (churned * reached) / (weights @ reached)) / (weights @ churned / weights.sum(axis=-1))

    value = float(lift(np.ones(len(churned))))
    drawn = [one for weights in resampled_weights(customers, replicates, seed) for one in lift(weights)]
    return estimate(value, np.array(drawn)) if np.isfinite(value) else estimate(None)
