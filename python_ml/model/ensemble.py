"""The average of several calibrated models, on the scale of log-odds.

Reasons stay exact: the log-odds of the average are the average of its members' log-odds, and so are the contributions
of each feature. The members are chosen by forward selection (Caruana et al. 2004, "Ensemble selection from libraries of
models"): the best model, then whichever makes the average better, as long as one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.special
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

ENSEMBLE = "ensemble"


def choose_members(scores: Mapping[str, np.ndarray], goodness: Callable[[np.ndarray], float]) -> tuple[str, ...]:
    """Choose models whose average is better than each of them, the best one first.

    Parameters
    ----------
    scores : mapping of model to numpy.ndarray, shape (n_rows,)
        Probabilities of rows that the models have not seen.
    goodness : callable
        Of probabilities; higher is better.

    Returns
    -------
    tuple of str
        A single one when no average is better than the best model.
    """
    members: tuple[str, ...] = ()
    reached = -np.inf
    while remaining := [name for name in scores if name not in members]:
        tried = {name: goodness(average([scores[m] for m in (*members, name)])) for name in remaining}
        best = max(remaining, key=tried.__getitem__)
        if not tried[best] > reached:
            break
        members, reached = (*members, best), tried[best]
    return members


def average(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """The probability whose log-odds are the average of those of several probabilities, shape (n_rows,)."""
    if len(probabilities) == 1:
        return probabilities[0]
    tiny = np.finfo(float).tiny
    odds = [
        scipy.special.logit(np.clip(probability, tiny, 1 - np.finfo(float).epsneg)) for probability in probabilities
    ]
    return scipy.special.expit(np.mean(odds, axis=0))


def averaged(
    members: Mapping[str, StackingClassifier], inputs: pd.DataFrame, churned: np.ndarray
) -> StackingClassifier:
    """Join fitted models into one that predicts their average.

    Parameters
    ----------
    members : mapping of name to StackingClassifier
        Of :func:`python_ml.model.calibration.fit_calibrated`, on the same columns.
    inputs, churned
        Rows with both outcomes, which say nothing but the names of columns and classes.

    Returns
    -------
    sklearn.ensemble.StackingClassifier
        ``estimators_`` are the members; ``final_estimator_`` weighs each one's log-odds equally.
    """
    joined = stacked(members, LogisticRegression(), "decision_function", inputs, churned)
    # Nothing is learnt: the weights are given.
    joined.final_estimator_.coef_ = np.full((1, len(members)), 1 / len(members))
    joined.final_estimator_.intercept_ = np.zeros(1)
    return joined


def stacked(
    members: Mapping[str, BaseEstimator], final: BaseEstimator, method: str, inputs: pd.DataFrame, churned: np.ndarray
) -> StackingClassifier:
    """Put an estimator behind fitted ones; it still has to learn how to use their predictions by ``method``."""
    some = np.concatenate([np.flatnonzero(churned == outcome)[:1] for outcome in (0, 1)])
    stack = StackingClassifier(list(members.items()), final_estimator=final, cv="prefit", stack_method=method)
    names = list(next(iter(members.values())).feature_names_in_)
    return stack.fit(inputs[names].iloc[some], churned[some])


def kinds_of(model: StackingClassifier, name: str) -> list[str]:
    """The kinds of model behind one that is called ``name``: those of its members, or itself."""
    return [*model.named_estimators_] if members_of(model) else [name]


def members_of(model: StackingClassifier) -> list[tuple[float, StackingClassifier]]:
    """The weight and the model of each member; empty for a single model."""
    members = [member for member in model.estimators_ if isinstance(member, StackingClassifier)]
    return list(zip(map(float, model.final_estimator_.coef_[0]), members, strict=True)) if members else []
