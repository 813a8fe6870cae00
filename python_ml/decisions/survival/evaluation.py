"""The survival model on the test rows, compared with Kaplan-Meier and, in a simulated world, the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.decisions.survival.kaplan_meier import survival_of_all
from python_ml.decisions.survival.metrics import brier, concordance, integrated_brier, with_intervals
from python_ml.decisions.survival.scoring import RISK_DAYS
from python_ml.model.evaluate import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from python_ml.decisions.survival.follow_up import FollowUp
    from python_ml.decisions.survival.hazard import HazardModel

LEAST_ROWS, LEAST_EVENTS = 50, 5  # that are followed to a horizon, for it to be evaluated
MOST_ROWS = 40_000  # more would hardly narrow the intervals: a sample of customers stands for them
CELLS = 4_000_000  # weights of all resamples together: fewer of them, but at least 100, where rows are many
SURVIVAL, REFERENCE, TRUTH = "survival", "kaplan_meier", "truth"
AT_HORIZON = ("roc_auc", "brier", "ece")


@dataclass(frozen=True)
class HeldOut:
    """Test rows, and what was predicted of them.

    Attributes
    ----------
    frame : pandas.DataFrame, n_rows rows
    known : FollowUp
        Of the same rows.
    probability : numpy.ndarray, shape (n_rows,)
        The champion's.
    truth : numpy.ndarray, shape (n_rows,), or None
        True probability of churn within the horizon, in a simulated world.
    """

    frame: pd.DataFrame
    known: FollowUp
    probability: np.ndarray
    truth: np.ndarray | None = None

    def usable(self) -> HeldOut:
        """The rows of which something is known."""
        return self._of(self.known.usable)

    def sample(self, entity: str, most: int, seed: int) -> HeldOut:
        """At most about so many rows: those of customers who are drawn, none of them in part."""
        if len(self.frame) <= most:
            return self
        customers, keys = self.frame[entity].factorize(sort=True)
        chosen = np.random.default_rng(seed).random(len(keys)) < most / len(self.frame)
        return self._of(chosen[customers])

    def _of(self, rows: np.ndarray) -> HeldOut:
        truth = None if self.truth is None else self.truth[rows]
        return HeldOut(
            self.frame[rows], type(self.known)(*(a[rows] for a in self.known)), self.probability[rows], truth
        )


def evaluate_survival(
    model: HazardModel, tested: HeldOut, entity: str, replicates: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Concordance and Brier scores up to the last horizon, and risks at each horizon beside what was observed.

    A horizon is the end of the period that comes closest to 30, 60 and 90 days, as far as the test rows are followed.

    Parameters
    ----------
    model : HazardModel
    tested : HeldOut
    entity : str
    replicates : int
        Resamples of customers behind each interval; fewer where rows are many.
    seed : int

    Returns
    -------
    evaluation : pandas.DataFrame
        ``model``, ``metric``, ``horizon`` (days; null where the figure is about all of them), ``value``, ``low``,
        ``high``.
    predictions : pandas.DataFrame
        One row per horizon and row that was followed to it: the entity, ``feature_timestamp``, ``horizon``,
        ``churned``, ``probability``.
    """
    tested = tested.usable().sample(entity, MOST_ROWS, seed)
    horizons = evaluated_periods(model, tested.known)
    if not horizons:
        return _table([]), _no_predictions(tested.frame, entity)
    curves = model.curves(tested.frame, tested.probability, where="gold.gld_training_set")
    edges = model.clock.edges
    risks = np.column_stack([curves.risk(edges[k]) for k in horizons])
    judge = _Judge(tested, entity, horizons, edges, replicates, seed)
    truth = tested.truth if tested.truth is not None and np.isfinite(tested.truth).all() else None
    baseline = np.tile(np.array(model.baseline)[horizons], (len(risks), 1))
    rows = [
        *judge.ranking({SURVIVAL: risks[:, -1]} | ({} if truth is None else {TRUTH: truth})),
        *judge.errors({SURVIVAL: 1 - risks, REFERENCE: baseline}),
        *judge.observed(),
    ]
    predictions = []
    for k, risk in zip(horizons, risks.T, strict=True):
        rows += judge.at(SURVIVAL, k, risk)
        rows += [(SURVIVAL, "predicted_risk", edges[k], {"value": float(risk.mean()), "low": None, "high": None})]
        predictions.append(judge.followed(k, risk))
        if truth is not None and abs(edges[k] - model.clock.horizon) <= model.clock.tolerance:
            rows += judge.at(TRUTH, k, truth)
    alone = model.curves(tested.frame).risk(model.clock.horizon)
    if np.isfinite(alone).all():
        gap = judge.difference(alone, tested.probability)
        rows += [(SURVIVAL, "difference_from_champion", model.clock.horizon, gap)]
    return _table(rows), pd.concat(predictions, ignore_index=True)


def evaluated_periods(model: HazardModel, known: FollowUp) -> list[int]:
    """Periods that end closest to 30, 60 and 90 days and that enough test rows are followed to."""
    edges = model.clock.edges
    wanted = sorted({int(np.argmin(np.abs(edges[1:] - days))) + 1 for days in RISK_DAYS})
    return [
        k
        for k in wanted
        if (known.limit[known.usable] >= k).sum() >= LEAST_ROWS
        and (known.event & (known.period <= k) & known.usable).sum() >= LEAST_EVENTS
    ]


class _Judge:
    """Test rows, followed at most to the last horizon, on which several predictions are judged."""

    def __init__(
        self, tested: HeldOut, entity: str, horizons: Sequence[int], edges: np.ndarray, replicates: int, seed: int
    ) -> None:
        self.tested, self.entity, self.horizons, self.edges, self.seed = tested, entity, horizons, edges, seed
        self.customers = tested.frame[entity].to_numpy()
        self.replicates = min(replicates, max(CELLS // len(self.customers), 100))
        self.period, self.event = tested.known.until(horizons[-1])

    def _intervals(self, measure: Callable[[np.ndarray], np.ndarray]) -> list[dict[str, float | None]]:
        return with_intervals(measure, self.customers, self.replicates, self.seed)

    def ranking(self, scores: dict[str, np.ndarray]) -> list[tuple]:
        """Harrell's concordance, and that with weights against censoring, of several models."""
        wanted = [(model, ipcw) for model in scores for ipcw in (False, True)]
        figures = self._intervals(
            lambda weights: np.column_stack(
                [concordance(self.period, self.event, scores[model], weights, ipcw=ipcw) for model, ipcw in wanted]
            )
        )
        return [
            (model, "concordance_ipcw" if ipcw else "concordance", None, figure)
            for (model, ipcw), figure in zip(wanted, figures, strict=True)
        ]

    def errors(self, survival: dict[str, np.ndarray]) -> list[tuple]:
        """Brier scores with weights against censoring, and integrated over the horizons, of several models."""
        days = self.edges[self.horizons]

        def measure(weights: np.ndarray) -> np.ndarray:
            scores = [brier(self.period, self.event, s, np.array(self.horizons), weights) for s in survival.values()]
            means = [integrated_brier(s, days)[:, None] for s in scores] if len(days) > 1 else []
            return np.column_stack([*scores, *means])

        rows = [(model, "brier_ipcw", day) for model in survival for day in days]
        rows += [(model, "integrated_brier", None) for model in survival] if len(days) > 1 else []
        return [(*row, figure) for row, figure in zip(rows, self._intervals(measure), strict=True)]

    def observed(self) -> list[tuple]:
        """Share that churned within each horizon (Kaplan-Meier)."""
        last = self.horizons[-1]
        figures = self._intervals(
            lambda weights: 1 - survival_of_all(self.period, self.event, weights, last)[:, self.horizons]
        )
        return [
            (REFERENCE, "observed_risk", self.edges[k], figure)
            for k, figure in zip(self.horizons, figures, strict=True)
        ]

    def difference(self, one: np.ndarray, other: np.ndarray) -> dict[str, float | None]:
        """Mean absolute difference of two predictions."""
        gap = np.abs(one - other)[:, None]
        return self._intervals(lambda weights: weights @ gap / weights.sum(axis=1, keepdims=True))[0]

    def at(self, model: str, k: int, risk: np.ndarray) -> list[tuple]:
        """ROC AUC, Brier score and calibration error at one horizon, on the rows that are followed to it."""
        rows = self._followed(k)
        figures = evaluate(
            self._outcome(k)[rows],
            risk[rows],
            self.customers[rows],
            metrics=AT_HORIZON,
            replicates=self.replicates,
            seed=self.seed,
        )
        return [(model, name, self.edges[k], figures[name]) for name in AT_HORIZON]

    def followed(self, k: int, risk: np.ndarray) -> pd.DataFrame:
        """Predictions of one horizon beside the outcome."""
        rows = self._followed(k)
        return (
            self.tested.frame.loc[rows, [self.entity, "feature_timestamp"]]
            .reset_index(drop=True)
            .assign(
                horizon=float(self.edges[k]),
                churned=self._outcome(k)[rows].astype("int32"),
                probability=risk[rows],
            )
        )

    def _outcome(self, k: int) -> np.ndarray:
        return self.event & (self.period <= k)

    def _followed(self, k: int) -> np.ndarray:
        # Rows with follow-up to the horizon: churned or stayed.
        return (self.tested.known.limit >= k) & (self._outcome(k) | (self.period >= k))


def _table(rows: list[tuple]) -> pd.DataFrame:
    flat = [{"model": model, "metric": metric, "horizon": horizon, **figure} for model, metric, horizon, figure in rows]
    return pd.DataFrame(flat, columns=["model", "metric", "horizon", "value", "low", "high"])


def _no_predictions(frame: pd.DataFrame, entity: str) -> pd.DataFrame:
    empty = frame.iloc[:0][[entity, "feature_timestamp"]]
    return empty.assign(horizon=0.0, churned=np.int32(0), probability=0.0)
