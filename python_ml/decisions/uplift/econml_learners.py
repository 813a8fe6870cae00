"""DR- and R-learner and a causal forest, through EconML (``pip install 'customer-retention[uplift]'``)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import DataConversionWarning

from python_ml.decisions.uplift.learners import effect_trees
from python_ml.errors import UserError
from python_ml.model.pipelines import REPRODUCIBLE, linear_preparation

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from python_ml.decisions.uplift.experiment_rows import Experiment
    from python_ml.input_columns import InputColumn

FOLDS = 3


class EconMLLearner:
    """A learner of EconML on prepared numbers, cross-fitted by customer.

    - ``dr_econml``: doubly robust (Kennedy 2023, "Towards optimal doubly robust estimation of heterogeneous causal
      effects", Electronic Journal of Statistics 17);
    - ``r_econml``: residuals on residuals (Nie and Wager 2021, "Quasi-oracle estimation of heterogeneous treatment
      effects", Biometrika 108);
    - ``causal_forest_econml``: honest trees on the same residuals (Athey, Tibshirani and Wager 2019, "Generalized
      random forests", Annals of Statistics 47).

    The probability of the treated arm is taken to be the same for everybody.

    Raises
    ------
    UserError
        When EconML is not installed.
    """

    def __init__(self, name: str, columns: Sequence[InputColumn], seed: int) -> None:
        try:
            import econml  # noqa: F401
        except ImportError as error:
            raise UserError(
                f"The learner {name} needs EconML, which is not installed.",
                where="retention.yml, uplift.learners",
                hint="pip install 'customer-retention[uplift]', or leave it out of the list",
            ) from error
        self.name, self.columns, self.seed = name, columns, seed

    def fit(self, experiment: Experiment) -> Self:
        """Fit the preparation, the nuisance models and the effect."""
        self.prepare_ = linear_preparation(self.columns, len(experiment))
        x = self.prepare_.fit_transform(experiment.inputs)
        self.model_ = self._estimator(len(experiment))
        groups = np.unique(experiment.customers, return_inverse=True)[1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataConversionWarning)  # EconML hands columns to scikit-learn
            self.model_.fit(experiment.retained.astype(int), experiment.treated, X=x, groups=groups)
        return self

    def _estimator(self, n_rows: int) -> Any:
        common = {"discrete_outcome": True, "cv": FOLDS, "random_state": self.seed}
        outcome, arm = self._outcome(n_rows), DummyClassifier(strategy="prior")
        if self.name == "dr_econml":
            from econml.dr import DRLearner

            final = effect_trees(n_rows, self.seed)
            return DRLearner(model_propensity=arm, model_regression=outcome, model_final=final, **common)
        if self.name == "r_econml":
            from econml.dml import NonParamDML

            final = effect_trees(n_rows, self.seed)
            return NonParamDML(model_y=outcome, model_t=arm, model_final=final, discrete_treatment=True, **common)
        from econml.dml import CausalForestDML

        return CausalForestDML(
            model_y=outcome,
            model_t=arm,
            discrete_treatment=True,
            n_estimators=200,
            min_samples_leaf=max(10, min(200, n_rows // 100)),
            n_jobs=1,
            **common,
        )

    def _outcome(self, n_rows: int) -> BaseEstimator:
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            n_estimators=150, learning_rate=0.04, num_leaves=7, min_child_samples=max(20, min(1_000, n_rows // 100)),
            subsample=0.7, subsample_freq=1, colsample_bytree=0.3, reg_lambda=20.0, random_state=self.seed,
            **REPRODUCIBLE,
        )  # fmt: skip

    def effect(self, inputs: pd.DataFrame) -> np.ndarray:
        """See :class:`python_ml.decisions.uplift.learners.Learner`."""
        return np.asarray(self.model_.effect(self.prepare_.transform(inputs)), dtype=float).ravel()
