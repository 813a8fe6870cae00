"""Learners of the effect of an offer: what a customer's chance of staying gains by it.

The own ones need scikit-learn and LightGBM only. Names begin with the kind (Künzel et al. 2019, "Metalearners
for estimating heterogeneous treatment effects using machine learning", PNAS 116) and end with what it is made of:

- S: one model of the outcome for both arms, in which the arm is a column;
- T: one model per arm;
- X: the effect on the treated and on the control, each learnt from what the other arm's model lacks;
- DR and R (and a causal forest): through EconML, in :mod:`python_ml.decisions.uplift.econml_learners`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline

from python_ml.input_columns import NUMBER, InputColumn
from python_ml.model.folds import customer_folds
from python_ml.model.pipelines import REPRODUCIBLE, linear_preparation, log_odds, model_pipeline, tree_preparation
from python_ml.names import free_name

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from python_ml.decisions.uplift.experiment_rows import Experiment

PENALTY = 0.01  # C of the logistic regressions, as of the churn model's
ARM = "arm"
UNPENALISED = 100.0  # a column that is so large is next to free of a penalty
LASSO_FOLDS = 5
WEAKEST_PENALTY, PENALTY_STEPS = 8.0, 7  # times weaker than the one that lets no product in

_ONE_AT_A_TIME = Lock()  # liblinear draws from one generator for all threads of a process

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


class SLasso:
    """One model for both arms: the risk by boosted trees, and what changes the effect by a lasso.

    First, trees learn the outcome from the columns and the arm, out of fold by customer. Then a logistic regression
    learns what an offer adds to these log-odds: a common effect, and products of the arm with single columns, most of
    which the lasso sets to 0. Where draws are few, two separate models differ mostly by noise; here both arms share the
    risk, and an effect that varies between customers has to be worth its penalty, which cross-validation chooses. (Imai
    and Ratkovic 2013, "Estimating treatment effect heterogeneity in randomized program evaluation", Annals of Applied
    Statistics 7, also give main effects and effect modifiers penalties of their own.)

    Parameters
    ----------
    columns : sequence of InputColumn
    seed : int

    Attributes
    ----------
    risk_ : estimator or None
        The outcome by columns and arm; None where all outcomes are the same.
    model_ : sklearn.linear_model.LogisticRegression
        On log-odds of the risk, the arm, and its products with the prepared columns.
    """

    def __init__(self, columns: Sequence[InputColumn], seed: int) -> None:
        self.columns, self.seed = columns, seed

    def fit(self, experiment: Experiment) -> Self:
        """Fit the risk, then the effect."""
        retained = experiment.retained.astype(int)
        folds = customer_folds(experiment.customers, 1 - retained, LASSO_FOLDS, self.seed)
        self.risk_ = None
        if not folds:
            return self
        arm = free_name(ARM, {column.name for column in self.columns})
        self._arm_column = InputColumn(arm, NUMBER)
        inputs = experiment.inputs.assign(**{arm: experiment.treated.astype(float)})
        risk_odds = np.zeros(len(experiment))
        for train, held_out in folds:
            risk_odds[held_out] = self._log_odds(self._risk(inputs.iloc[train], retained[train]), inputs.iloc[held_out])
        self.risk_ = self._risk(inputs, retained)
        self.prepare_ = linear_preparation(self.columns, len(experiment))
        z = self.prepare_.fit_transform(experiment.inputs)
        self.middle_ = float(experiment.probability.mean())
        design = self._design(risk_odds, experiment.treated, z)
        self.model_ = self._lasso(self._choose_penalty(design, retained, folds), design, retained)
        return self

    def effect(self, inputs: pd.DataFrame) -> np.ndarray:
        """See :class:`Learner`."""
        if self.risk_ is None:
            return np.zeros(len(inputs))
        risk_odds, z = self._log_odds(self.risk_, inputs), self.prepare_.transform(inputs)
        designs = (self._design(risk_odds, arm, z) for arm in (0.0, 1.0))
        without, with_offer = (self.model_.predict_proba(design)[:, 1] for design in designs)
        return with_offer - without

    def odds_ratio(self, inputs: pd.DataFrame) -> np.ndarray:
        """Odds of churn with an offer over those without, shape (n_rows,): the same whatever the risk."""
        if self.risk_ is None:
            return np.ones(len(inputs))
        z = self.prepare_.transform(inputs)
        _, arm, *products = self.model_.coef_[0]
        return np.exp(-(UNPENALISED * arm + z @ np.asarray(products)))

    def _risk(self, inputs: pd.DataFrame, retained: np.ndarray) -> BaseEstimator:
        columns = [*self.columns, self._arm_column]
        return model_pipeline("lightgbm", columns, len(inputs), self.seed).fit(inputs, retained)

    def _log_odds(self, risk: BaseEstimator, inputs: pd.DataFrame) -> np.ndarray:
        """Of being retained without an offer."""
        return log_odds(_chance(risk, inputs.assign(**{self._arm_column.name: 0.0})))

    def _design(self, risk_odds: np.ndarray, treated: np.ndarray | float, z: np.ndarray) -> np.ndarray:
        arm = np.broadcast_to(np.asarray(treated, dtype=float) - self.middle_, len(z))[:, None]
        return np.hstack([UNPENALISED * risk_odds[:, None], UNPENALISED * arm, arm * z])

    def _lasso(self, c: float, design: np.ndarray, retained: np.ndarray) -> LogisticRegression:
        model = LogisticRegression(
            l1_ratio=1.0, C=c, solver="liblinear", intercept_scaling=UNPENALISED, max_iter=200, random_state=self.seed
        )
        with _ONE_AT_A_TIME:
            return model.fit(design, retained)

    def _choose_penalty(
        self, design: np.ndarray, retained: np.ndarray, folds: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> float:
        """The penalty with the lowest log-loss on held-out customers, from the weakest that lets no product in."""
        common = LogisticRegression(C=1e4, max_iter=1_000).fit(design[:, :2] / UNPENALISED, retained)
        residual = retained - common.predict_proba(design[:, :2] / UNPENALISED)[:, 1]
        strongest = float(np.abs(design[:, 2:].T @ residual).max(initial=1e-9))
        penalties = np.geomspace(1.0, WEAKEST_PENALTY, PENALTY_STEPS) / strongest
        losses = np.zeros(len(penalties))
        for train, held_out in folds:
            share = len(retained) / len(train)
            for number, c in enumerate(penalties):
                chance = self._lasso(c * share, design[train], retained[train]).predict_proba(design[held_out])
                losses[number] += log_loss(retained[held_out], chance, labels=[0, 1]) * len(held_out)
        return float(penalties[int(np.argmin(losses))])


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
        **REPRODUCIBLE,
    )
