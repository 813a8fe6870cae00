"""Learners by their names in ``retention.yml``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from python_ml.decisions.uplift.econml_learners import EconMLLearner
from python_ml.decisions.uplift.learners import (
    Learner,
    SLasso,
    TLearner,
    XLearner,
    effect_pipeline,
    outcome_pipeline,
)

if TYPE_CHECKING:
    from python_ml.input_columns import InputColumn

# From the one that assumes most to the one that assumes least.
SIMPLICITY = (
    "s_lasso", "t_logistic", "x_lightgbm", "t_lightgbm", "dr_econml", "r_econml", "causal_forest_econml",
)  # fmt: skip


def make_learner(name: str, columns: Sequence[InputColumn], seed: int) -> Learner:
    """An unfitted learner by its name in ``retention.yml``.

    Raises
    ------
    UserError
        When it needs EconML, which is not installed.
    """
    if name.endswith("_econml"):
        return EconMLLearner(name, columns, seed)
    if name == "s_lasso":
        return SLasso(columns, seed)
    kind, _, made_of = name.partition("_")
    outcome = outcome_pipeline({"logistic": "logistic_regression"}.get(made_of, made_of), columns, seed)
    return TLearner(outcome) if kind == "t" else XLearner(outcome, effect_pipeline(columns, seed))
