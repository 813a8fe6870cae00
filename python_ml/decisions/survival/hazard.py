"""The hazard of each period after a feature time, from the features at that time: boosted trees on person-periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from python_ml.decisions.survival.clock import SurvivalError
from python_ml.decisions.survival.kaplan_meier import kaplan_meier
from python_ml.decisions.survival.life import Curves
from python_ml.input_columns import InputColumn, model_input

if TYPE_CHECKING:
    import pandas as pd
    from lightgbm import Booster
    from sklearn.compose import ColumnTransformer

    from python_ml.decisions.survival.clock import Clock
    from python_ml.decisions.survival.follow_up import FollowUp

# First periods of the groups that share a hazard: the later a period, the less the features say of it.
GROUPS = (1, 2, 3, 4, 7, 13, 25)
LEAST_EVENTS = 20  # of a group, and customers at risk in the last period
MOST_ROWS = 20_000  # of a period, and half as many of a group; more would hardly change the trees, only their price
ROUNDS, PATIENCE = 300, 20
MOST_FOLDS = 3
SCORED_AT_ONCE = 200_000  # rows, for the sake of memory


@dataclass(frozen=True)
class HazardModel:
    """A discrete-time hazard model.

    Attributes
    ----------
    columns : tuple of InputColumn
    clock : Clock
        Its periods are those that the model knows.
    prepare : sklearn.compose.ColumnTransformer
    booster : lightgbm.Booster
    groups : tuple of int
        First period of each group that shares a hazard.
    slope : float
    intercepts : tuple of float
        Of the calibration, one per group.
    baseline : tuple of float
        Share that stays to the end of each period among the rows it was fitted on (Kaplan-Meier), from 1.
    """

    columns: tuple[InputColumn, ...]
    clock: Clock
    prepare: ColumnTransformer
    booster: Booster
    groups: tuple[int, ...]
    slope: float
    intercepts: tuple[float, ...]
    baseline: tuple[float, ...]

    def hazards(self, frame: pd.DataFrame, where: str = "the frame") -> np.ndarray:
        """Probability of churn in each period given that the customer stayed until then, shape (n_rows, periods)."""
        inputs = model_input(frame, self.columns, where=where)
        hazards = np.empty((len(inputs), len(self.groups)))
        for start in range(0, len(inputs), SCORED_AT_ONCE):
            rows = slice(start, start + SCORED_AT_ONCE)
            prepared = self.prepare.transform(inputs.iloc[rows])
            for group, intercept in enumerate(self.intercepts):
                x = _with_group(prepared, np.full(len(prepared), group))
                odds = self.booster.predict(x, raw_score=True)
                hazards[rows, group] = expit(self.slope * odds + intercept)
        return hazards[:, _group_of(np.arange(1, self.clock.periods + 1), self.groups)]

    def curves(
        self, frame: pd.DataFrame, churn_probability: np.ndarray | None = None, where: str = "the frame"
    ) -> Curves:
        """Survival curves.

        Parameters
        ----------
        frame : pandas.DataFrame, n_rows rows
            The model's features.
        churn_probability : numpy.ndarray, shape (n_rows,), optional
            What the champion says of the label window: the risk within the horizon becomes that, and the hazards after
            it stay. Two tables then never say two things of one question.
        where : str
            Name of the table, for messages.
        """
        silence = self.clock.horizon if self.clock.definition == "inactivity" else 0.0
        curves = Curves.of_hazards(self.hazards(frame, where), self.clock.edges, silence)
        if churn_probability is None or self.clock.horizon > curves.days[-1]:
            return curves
        return curves.through(self.clock.horizon, churn_probability)


def person_periods(period: np.ndarray, event: np.ndarray, periods: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row per person and period in which they were at risk.

    Returns
    -------
    person, at : numpy.ndarray of int, shape (n_person_periods,)
        Position of the person, and the period (from 1).
    churned : numpy.ndarray of int, shape (n_person_periods,)
        Whether they churned in it.

    Examples
    --------
    >>> [part.tolist() for part in person_periods(np.array([2, 1]), np.array([True, False]), periods=12)]
    [[0, 0, 1], [1, 2, 1], [0, 1, 0]]
    """
    count = np.minimum(period, periods)
    person = np.repeat(np.arange(len(period)), count)
    at = np.arange(len(person)) - np.repeat(np.cumsum(count) - count, count) + 1
    return person, at, (event[person] & (at == period[person])).astype(int)


def fit_hazard(
    frame: pd.DataFrame,
    known: FollowUp,
    columns: Sequence[InputColumn],
    entity: str,
    clock: Clock,
    seed: int,
) -> HazardModel:
    """Fit the hazard on rows whose follow-up is known.

    Each fold of customers stops the trees that are fitted on the other folds, and says how to calibrate them: a slope
    for the log-odds and an intercept per group of periods. Then as many trees are fitted on all customers.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The entity and the features, in a canonical order of rows: samples depend on it.
    known : FollowUp
        Of the same rows.
    columns : sequence of InputColumn
    entity : str
    clock : Clock
    seed : int

    Raises
    ------
    SurvivalError
        When too few customers are known to have churned.

    Notes
    -----
    Singer, J. D. and Willett, J. B. (1993), "It's about time: using discrete-time survival analysis", Journal of
    Educational Statistics 18; on rows of several feature times per customer, van Houwelingen, H. C. (2007), "Dynamic
    prediction by landmarking in event history analysis", Scandinavian Journal of Statistics 34.
    """
    import joblib
    import lightgbm

    from python_ml.model.calibration import THREADS, one_thread_each
    from python_ml.model.folds import affordable_folds, customer_folds
    from python_ml.model.pipelines import REPRODUCIBLE, tree_preparation

    period, event = known.period[known.usable], known.event[known.usable]
    rows = frame[known.usable]
    periods, groups = _estimable(period, event, clock.periods)
    person, at, churned = person_periods(period, event, periods)
    rng = np.random.default_rng(seed)
    group = _group_of(at, groups)
    kept = np.concatenate(
        [
            _some(np.flatnonzero(group == g), MOST_ROWS if start < 4 else MOST_ROWS // 2, rng)
            for g, start in enumerate(groups)
        ]
    )
    kept.sort()
    person, group, churned = person[kept], group[kept], churned[kept]
    used, person = np.unique(person, return_inverse=True)
    rows = rows.iloc[used]
    customers = rows[entity].to_numpy()[person]
    folds = customer_folds(customers, churned, affordable_folds(len(churned), MOST_FOLDS), seed)
    if not folds:
        raise _too_few()
    inputs = model_input(rows, columns, where="gold.gld_training_set")
    prepare = tree_preparation(columns, len(inputs))
    x = _with_group(prepare.fit_transform(inputs)[person], group)

    def trees(rounds: int) -> lightgbm.LGBMClassifier:
        return lightgbm.LGBMClassifier(
            n_estimators=rounds,
            learning_rate=0.1,
            num_leaves=15 if len(churned) >= 20_000 else 7,
            min_child_samples=max(20, min(500, len(churned) // 200)),
            subsample=0.7,
            subsample_freq=1,
            colsample_bytree=0.4,
            reg_lambda=20.0,
            max_bin=63,
            random_state=seed,
            **REPRODUCIBLE,
        )

    def held_out_odds(train: np.ndarray, held_out: np.ndarray) -> tuple[int, np.ndarray]:
        model = trees(ROUNDS).fit(
            x[train],
            churned[train],
            eval_X=x[held_out],
            eval_y=churned[held_out],
            eval_metric="binary_logloss",
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        return model.best_iteration_, model.predict(x[held_out], raw_score=True)

    with one_thread_each():
        tried = joblib.Parallel(n_jobs=THREADS)(joblib.delayed(held_out_odds)(*fold) for fold in folds)
        odds = np.empty(len(churned))
        for (_, held_out), (_, predicted) in zip(folds, tried, strict=True):
            odds[held_out] = predicted
        slope, intercepts = _calibration(odds, group, churned, len(groups))
        final = trees(max(round(float(np.mean([rounds for rounds, _ in tried]))), 1)).fit(x, churned)
    return HazardModel(
        columns=tuple(columns),
        clock=clock.lasting(periods),
        prepare=prepare,
        booster=lightgbm.Booster(model_str=final.booster_.model_to_string()),
        groups=groups,
        slope=slope,
        intercepts=intercepts,
        baseline=(1.0, *kaplan_meier(period, event, periods)["survival"].tolist()),
    )


def _estimable(period: np.ndarray, event: np.ndarray, periods: int) -> tuple[int, tuple[int, ...]]:
    """Periods that enough customers reach, and the groups of them in which enough churn."""
    starts = [start for start in GROUPS if start <= periods]
    at_risk = np.array([(period >= at).sum() for at in range(1, periods + 1)])
    churned = np.bincount(period[event & (period <= periods)], minlength=periods + 1)[1:]
    kept: list[int] = []
    last = 0
    for start, end in zip(starts, [*starts[1:], periods + 1], strict=True):
        inside = slice(start - 1, end - 1)
        if churned[inside].sum() < LEAST_EVENTS or at_risk[start - 1] < 2 * LEAST_EVENTS:
            break
        kept.append(start)
        last = start - 1 + int((at_risk[inside] >= LEAST_EVENTS).sum())
    if not kept:
        raise _too_few()
    return last, tuple(kept)


def _too_few() -> SurvivalError:
    return SurvivalError(
        f"Fewer than {LEAST_EVENTS} rows are followed by churn in their first period, or too few customers are.",
        where="gold.gld_training_set",
        hint="bring more customers or a longer history, or set `survival: {enabled: false}` in retention.yml",
    )


def _some(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else rng.choice(rows, most, replace=False)


def _group_of(periods: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    return np.searchsorted(groups, periods, side="right") - 1


def _with_group(prepared: np.ndarray, group: np.ndarray) -> np.ndarray:
    return np.column_stack([prepared, group]).astype(np.float32)


def _calibration(
    odds: np.ndarray, group: np.ndarray, churned: np.ndarray, groups: int
) -> tuple[float, tuple[float, ...]]:
    """Slope and intercepts with which held-out log-odds become probabilities."""
    from sklearn.linear_model import LogisticRegression

    x = np.column_stack([odds, group[:, None] == np.arange(groups)])
    fit = LogisticRegression(C=1e3, fit_intercept=False, max_iter=1_000).fit(x, churned)
    return float(fit.coef_[0, 0]), tuple(fit.coef_[0, 1:].tolist())
