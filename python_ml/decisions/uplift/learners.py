"""Learners of the effect of an offer: what a customer's chance of staying gains by it.

The own ones need scikit-learn and LightGBM only. Names begin with the kind of learner (Kunzel et al. 2019, "Metalearners
for estimating heterogeneous treatment effects using machine learning", PNAS 116) and end with what it is made of:

- S: one model of the outcome for both arms, in which the arm is a column;
- T: one model per arm;
- X: the effect on the treated and on the control, each learnt from what the other arm's model lacks;
- DR and R (and a causal forest): through EconML, in :mod:`python_ml.decisions.uplift.econml_learners`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from python_ml.model.pipelines import linear_preparation, model_pipeline, tree_preparation

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from python_ml.decisions.uplift.experiment_rows import Experiment
    from python_ml.input_columns import InputColumn

PENALTY = 0.01  # C of the logistic regressions, as of the churn model's
INTERACTION_SCALE = 0.5  # interactions with the arm are shrunk (1 / 0.5)^2 times as much as the columns themselves

ModelMaker = Callable[[int], "BaseEstimator"]
"""An unfitted estimator for a number of rows."""


class Learner(Protocol):
    """What all learners do."""

    def fit(self, experiment: Experiment) -> Self:
        """Learn from draws."""

    def effect(self, inputs: pd.DataFrame) -> np.ndarray:
        """P(retained with an offer) - P(retained without), shape (n_rows,)."""


class TLearner:
    """One model of the outcome per arm.

    Parameters
    ----------
    outcome_model : callable
        Makes an unfitted classifier for a number of rows.

    Attributes
    ----------
    arms_ : list of estimators
        Fitted on the control and on the treated arm.
    """

    def __init__(self, outcome_model: ModelMaker) -> None:
        self.outcome_model = outcome_model

    def fit(self, experiment: Experiment) -> Self:
        """Fit both models."""
        self.arms_ = []
        for arm in (0, 1):
            rows = experiment.take(experiment.treated == arm)
            self.arms_.append(_fitted_classifier(self.outcome_model(len(rows)), rows.inputs, rows.retained))
        return self

    def chances(self, inputs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """P(retained) without and with an offer, each of shape (n_rows,)."""
        control, treated = (_chance(model, inputs) for model in self.arms_)
        return control, treated

    def effect(self, inputs: pd.DataFrame) -> np.ndarray:
        """See :class:`Learner`."""
        control, treated = self.chances(inputs)
        return treated - control


class XLearner:
    """The effect on either arm, learnt from what the other arm's model says of its customers.

    Parameters
    ----------
    outcome_model, effect_model : callable
        Make an unfitted classifier and an unfitted regressor for a number of rows.

    Attributes
    ----------
    outcome_ : TLearner
    effects_ : list of estimators
        Fitted on the control and on the treated arm.
    probability_ : float
        Mean probability of the treated arm, which weighs the two effects.
    """

    def __init__(self, outcome_model: ModelMaker, effect_model: ModelMaker) -> None:
        self.outcome_model, self.effect_model = outcome_model, effect_model

    def fit(self, experiment: Experiment) -> Self:
        """Fit the models of the outcome, then those of the effect."""
        self.outcome_ = TLearner(self.outcome_model).fit(experiment)
        self.effects_ = []
        for arm in (0, 1):
            rows = experiment.take(experiment.treated == arm)
            other = self.outcome_.chances(rows.inputs)[1 - arm]
            imputed = other - rows.retained if arm == 0 else rows.retained - other
            self.effects_.append(clone(self.effect_model(len(rows))).fit(rows.inputs, imputed))
        self.probability_ = float(experiment.probability.mean())
        return self

    def effect(self, inputs: pd.DataFrame) -> np.ndarray:
        """See :class:`Learner`."""
        on_control, on_treated = (model.predict(inputs) for model in self.effects_)
        return self.probability_ * on_control + (1 - self.probability_) * on_treated


class SLogistic:
    """One logistic regression: the columns, the arm, and their products, which are shrunk more strongly.

    Where draws are few, two separate models differ mostly by noise. Here both arms share what does not differ, and an
    effect that varies between customers has to be worth its penalty.

    Parameters
    ----------
    columns : sequence of InputColumn
    """

    def __init__(self, columns: Sequence[InputColumn]) -> None:
        self.columns = columns

    def fit(self, experiment: Experiment) -> Self:
        """Fit the preparation and the regression."""
        self.prepare_ = linear_preparation(self.columns, len(experiment))
        z = self.prepare_.fit_transform(experiment.inputs)
        self.probability_ = float(experiment.probability.mean())
        model = LogisticRegression(C=PENALTY, solver="newton-cholesky", max_iter=200)
        self.model_ = _fitted_classifier(model, self._design(z, experiment.treated), experiment.retained)
        return self

    def _design(self, z: np.ndarray, treated: np.ndarray | float) -> np.ndarray:
        arm = np.broadcast_to(np.asarray(treated, dtype=float) - self.probability_, len(z))[:, None]
        # The common effect is next to free of a penalty.
        return np.hstack([z, 10 * arm, INTERACTION_SCALE * arm * z])

    def effect(self, inputs: pd.DataFrame) -> np.ndarray:
        """See :class:`Learner`."""
        z = self.prepare_.transform(inputs)
        return _chance(self.model_, self._design(z, 1.0)) - _chance(self.model_, self._design(z, 0.0))


def _fitted_classifier(model: BaseEstimator, inputs: Any, outcome: np.ndarray) -> BaseEstimator:
    """Fit a classifier; where all outcomes are the same, one that says so."""
    outcome = outcome.astype(int)
    if outcome.min() == outcome.max():
        model = DummyClassifier(strategy="prior")
    return clone(model).fit(inputs, outcome)


def _chance(model: BaseEstimator, inputs: Any) -> np.ndarray:
    """P(outcome = 1), also of a model that has seen one outcome only."""
    classes = list(model.classes_)
    return model.predict_proba(inputs)[:, classes.index(1)] if 1 in classes else np.zeros(len(inputs))


def outcome_pipeline(kind: str, columns: Sequence[InputColumn], seed: int) -> ModelMaker:
    """Classifiers of the churn model's own kinds, with their preparation."""
    parameters = {"C": PENALTY} if kind == "logistic_regression" else {}
    return lambda n_rows: model_pipeline(kind, columns, max(n_rows, 2), seed, parameters)


def effect_pipeline(columns: Sequence[InputColumn], seed: int) -> ModelMaker:
    """Regressions of an imputed effect by small boosted trees: effects are far noisier than outcomes."""

    def make(n_rows: int) -> BaseEstimator:
        return Pipeline([("prepare", tree_preparation(columns, max(n_rows, 2))), ("model", effect_trees(n_rows, seed))])

    return make


def effect_trees(n_rows: int, seed: int) -> BaseEstimator:
    """LightGBM for effects: few leaves, large ones, much shrinkage."""
    from lightgbm import LGBMRegressor

    return LGBMRegressor(
        n_estimators=100,
        learning_rate=0.03,
        num_leaves=7,
        min_child_samples=max(20, min(1_000, n_rows // 50)),
        subsample=0.7,
        subsample_freq=1,
        colsample_bytree=0.3,
        reg_lambda=20.0,
        random_state=seed,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )


def make_learner(name: str, columns: Sequence[InputColumn], seed: int) -> Learner:
    """An unfitted learner by its name in ``retention.yml``.

    Raises
    ------
    UserError
        When it needs EconML, which is not installed.
    """
    if name.endswith("_econml"):
        from python_ml.decisions.uplift.econml_learners import EconMLLearner

        return EconMLLearner(name, columns, seed)
    if name == "s_logistic":
        return SLogistic(columns)
    kind, _, made_of = name.partition("_")
    outcome = outcome_pipeline({"logistic": "logistic_regression"}.get(made_of, made_of), columns, seed)
    return TLearner(outcome) if kind == "t" else XLearner(outcome, effect_pipeline(columns, seed))
