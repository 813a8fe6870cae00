"""The four kinds of model as scikit-learn pipelines that own all imputation, encoding and scaling.

Their parts are classes and functions of scikit-learn, NumPy and SciPy only (and of the booster itself), so
that a stored model opens without this package. Every model runs on one thread: parallel work happens across
folds, which leaves results independent of the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.special
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from python_ml.errors import UserError
from python_ml.input_columns import CATEGORY, InputColumn

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from python_ml.settings import Settings

# From the simplest to explain to the hardest.
SIMPLICITY = ("logistic_regression", "lightgbm", "xgboost", "random_forest")

# What `parameters` in retention.yml must not set: these keep results reproducible and sound.
RESERVED = ("random_state", "n_jobs", "nthread", "num_threads", "verbose", "objective", "class_weight")

# Kinds that can be made to follow a direction (`features.monotone`).
MONOTONE = ("lightgbm", "xgboost")
_DIRECTIONS = {"none": 0, "increasing": 1, "decreasing": -1}

MISSING = "(missing)"
LARGEST_VOCABULARY = 30
ROWS_FOR_BINS = 10_000
# Options of LightGBM: the same rows and seed give the same trees, on any number of cores.
REPRODUCIBLE: dict[str, Any] = {"n_jobs": 1, "deterministic": True, "force_row_wise": True, "verbose": -1}
PROBABILITY_FLOOR = 1e-5  # forests can vote 0 or 1, whose log-odds are infinite


def model_pipeline(
    name: str, columns: Sequence[InputColumn], n_rows: int, seed: int, parameters: dict[str, Any] | None = None
) -> Pipeline:
    """Build an unfitted pipeline: ``prepare`` (column transformer), then ``model``.

    Parameters
    ----------
    name : str
        One of :data:`SIMPLICITY`.
    columns : sequence of InputColumn
        What the pipeline takes, as made by :func:`python_ml.input_columns.model_input`.
    n_rows : int
        Training rows; larger data earn larger trees.
    seed : int
    parameters : dict, optional
        Parameters of the estimator that replace the defaults.
    """
    prepare = _PREPARATIONS.get(name, tree_preparation)
    estimator = _ESTIMATORS[name](n_rows, seed).set_params(**(parameters or {}))
    return Pipeline([("prepare", prepare(columns, n_rows)), ("model", estimator)])


def fit_pipeline(
    pipeline: Pipeline, columns: Sequence[InputColumn], inputs: pd.DataFrame, churned: np.ndarray
) -> Pipeline:
    """Fit a pipeline of :func:`model_pipeline`; boosters are held to the directions that columns ask for.

    Parameters
    ----------
    pipeline : Pipeline
    columns : sequence of InputColumn
        Those that it was built with.
    inputs : pandas.DataFrame, shape (n_rows, n_columns)
    churned : numpy.ndarray of int, shape (n_rows,)
    """
    directions = np.array([_DIRECTIONS[column.monotone] for column in columns])
    if not directions.any():
        return pipeline.fit(inputs, churned)
    prepare, model = pipeline
    prepared = prepare.fit_transform(inputs, churned)
    # One direction for each prepared column, whose number the categories decide.
    of_column = dict(zip((column.name for column in columns), directions, strict=True))
    sources = prepare.feature_names_in_[output_sources(prepare)]
    model.set_params(monotone_constraints=tuple(int(of_column[name]) for name in sources))
    model.fit(prepared, churned)
    return pipeline


def monotone_kinds(settings: Settings) -> tuple[Settings, list[str]]:
    """Settings in which only models take part that can follow the wanted directions, and a warning about the others.

    Raises
    ------
    UserError
        When no enabled model can.
    """
    models = settings.training.models
    cannot = [name for name in models.enabled if name not in MONOTONE]
    if not settings.features.monotone or not cannot:
        return settings, []
    if cannot == models.enabled:
        raise UserError(
            f"No enabled model can be held to a direction: {', '.join(cannot)}.",
            where=settings.where("features", "monotone"),
            hint=f"enable {' or '.join(MONOTONE)} under training.models, or delete the directions",
        )
    warning = (
        f"{' and '.join(cannot)} cannot be held to the directions of features.monotone and did not take part: "
        f"{' and '.join(MONOTONE)} can."
    )
    return settings.with_models([name for name in models.enabled if name in MONOTONE]), [warning]


def plain_lightgbm(columns: Sequence[InputColumn], n_rows: int, seed: int) -> Pipeline:
    """LightGBM as it comes: the library's defaults on the same columns, without calibration.

    What a reader would have without this project, and therefore the reference of backtests.
    """
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(random_state=seed, **REPRODUCIBLE)
    return Pipeline([("prepare", tree_preparation(columns, n_rows)), ("model", model)])


def check_parameters(settings: Settings) -> None:
    """Refuse parameters in ``retention.yml`` that an estimator does not know or that we keep for ourselves.

    Raises
    ------
    UserError
        Naming the line.
    """
    import difflib

    for name in settings.training.models.enabled:
        known = set(_ESTIMATORS[name](1_000, 0).get_params()) - set(RESERVED)
        for parameter in getattr(settings.training.models, name).parameters:
            if parameter in known:
                continue
            close = difflib.get_close_matches(parameter, sorted(known), n=1)
            raise UserError(
                f"`{parameter}` is kept fixed, so that results stay reproducible."
                if parameter in RESERVED
                else f"The model {name} has no parameter `{parameter}`.",
                where=settings.where("training", "models", name, "parameters", parameter),
                hint=f"did you mean `{close[0]}`?" if close else "delete the line",
            )


def linear_preparation(columns: Sequence[InputColumn], n_rows: int) -> ColumnTransformer:
    """Medians for gaps plus an indicator of the gap, asinh (a signed logarithm), unit variance; one-hot.

    Columns that ask for another transformation or scale get it, in a block of their own.
    """
    numbers = [column.name for column in columns if column.kind != CATEGORY]
    usual = (InputColumn("", "").transform, InputColumn("", "").scale)
    ways = {(c.transform, c.scale): None for c in columns if c.kind != CATEGORY}
    blocks = []
    for transform, scale in sorted(ways, key=lambda way: (way != usual, way)):
        names = [c.name for c in columns if c.kind != CATEGORY and (c.transform, c.scale) == (transform, scale)]
        steps = [SimpleImputer(strategy="median", keep_empty_features=True)]
        steps += [*_TRANSFORMS[transform](n_rows), *_SCALES[scale]()]
        block = "numbers" if (transform, scale) == usual else f"numbers_{transform}_{scale}"
        blocks.append((block, make_pipeline(*steps), names))
    blocks.append(("gaps", MissingIndicator(error_on_new=False), numbers))
    return ColumnTransformer((blocks if numbers else []) + _categories(columns, n_rows), sparse_threshold=0, n_jobs=1)


# What turns numbers into others, by its name in retention.yml; whatever is learnt is learnt from training rows.
_TRANSFORMS: dict[str, Callable[[int], list]] = {
    "none": lambda n_rows: [],
    "asinh": lambda n_rows: [FunctionTransformer(np.arcsinh, feature_names_out="one-to-one")],
    "log": lambda n_rows: [
        FunctionTransformer(np.clip, kw_args={"a_min": 0, "a_max": None}, feature_names_out="one-to-one"),
        FunctionTransformer(np.log1p, feature_names_out="one-to-one"),
    ],
    "power": lambda n_rows: [PowerTransformer(method="yeo-johnson", standardize=False)],
    "rank": lambda n_rows: [
        QuantileTransformer(
            n_quantiles=max(2, min(1000, n_rows // 5)), output_distribution="normal", subsample=None, random_state=0
        )
    ],
}
_SCALES: dict[str, Callable[[], list]] = {
    "none": list,
    "standard": lambda: [StandardScaler()],
    "robust": lambda: [RobustScaler(quantile_range=(5.0, 95.0))],
}


def tree_preparation(columns: Sequence[InputColumn], n_rows: int) -> ColumnTransformer:
    """Numbers as they are, gaps included (trees choose a side for them); one-hot categories."""
    numbers = [column.name for column in columns if column.kind != CATEGORY]
    blocks = [("numbers", "passthrough", numbers)] if numbers else []
    return ColumnTransformer(blocks + _categories(columns, n_rows), sparse_threshold=0, n_jobs=1)


def forest_preparation(columns: Sequence[InputColumn], n_rows: int) -> ColumnTransformer:
    """As :func:`tree_preparation`, with numbers in a hundred histogram bins where rows are many.

    A forest sorts the values of a node for every split: that takes half the time where few are distinct.
    """
    if n_rows < ROWS_FOR_BINS:
        return tree_preparation(columns, n_rows)
    numbers = [column.name for column in columns if column.kind != CATEGORY]
    bins = make_pipeline(
        QuantileTransformer(n_quantiles=101, subsample=ROWS_FOR_BINS, random_state=0),
        FunctionTransformer(np.round, kw_args={"decimals": 2}, feature_names_out="one-to-one"),
    )
    blocks = [("numbers", bins, numbers)] if numbers else []
    return ColumnTransformer(blocks + _categories(columns, n_rows), sparse_threshold=0, n_jobs=1)


def _categories(columns: Sequence[InputColumn], n_rows: int) -> list[tuple]:
    """One block per category, so that ``output_indices_`` tells which outputs belong to which feature."""
    return [
        (
            f"category_{position}",
            make_pipeline(SimpleImputer(strategy="constant", fill_value=MISSING), *_ENCODERS[column.encode](n_rows)),
            [column.name],
        )
        for position, column in enumerate(columns)
        if column.kind == CATEGORY
    ]


_ENCODERS: dict[str, Callable[[int], list]] = {
    "one_hot": lambda n_rows: [
        OneHotEncoder(
            min_frequency=max(5, min(50, n_rows // 100)),
            max_categories=LARGEST_VOCABULARY,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
        )
    ],
    # Shrunken churn rates, cross-fitted: a row never sees its own outcome (Micci-Barreca 2001).
    "target": lambda n_rows: [TargetEncoder(target_type="binary", random_state=0), StandardScaler()],
}


def output_sources(prepare: ColumnTransformer) -> np.ndarray:
    """Which input feature each column of the prepared matrix comes from.

    Parameters
    ----------
    prepare : ColumnTransformer
        Fitted, of :func:`linear_preparation` or :func:`tree_preparation`.

    Returns
    -------
    numpy.ndarray of int, shape (n_outputs,)
        Position in ``prepare.feature_names_in_``.
    """
    position = {name: i for i, name in enumerate(prepare.feature_names_in_)}
    outputs = max((where.stop for where in prepare.output_indices_.values()), default=0)
    sources = np.full(outputs, -1)
    for name, transformer, inputs in prepare.transformers_:
        where = prepare.output_indices_[name]
        if where.start == where.stop or name == "remainder":
            continue
        if name == "gaps":
            names = [inputs[i] for i in transformer.features_]
        elif name.startswith("numbers"):
            names = inputs
        else:
            names = list(inputs) * (where.stop - where.start)
        sources[where] = [position[n] for n in names]
    if (sources < 0).any():
        raise AssertionError("a prepared column has no source feature")
    return sources


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Log-odds of probabilities, which are kept off 0 and 1 by :data:`PROBABILITY_FLOOR`."""
    return scipy.special.logit(np.clip(probability, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR))


def log_odds_stage() -> Pipeline:
    """Clip probabilities away from 0 and 1 and take log-odds: what the calibration of trees works on."""
    limits = {"a_min": PROBABILITY_FLOOR, "a_max": 1 - PROBABILITY_FLOOR}
    return make_pipeline(FunctionTransformer(np.clip, kw_args=limits), FunctionTransformer(scipy.special.logit))


def _logistic_regression(n_rows: int, seed: int) -> BaseEstimator:
    from sklearn.linear_model import LogisticRegression

    # C is chosen by cross-validation on the training rows (calibration.py); this one is for tests and plans.
    return LogisticRegression(C=0.01, solver="newton-cholesky", max_iter=200, random_state=seed)


def _random_forest(n_rows: int, seed: int) -> BaseEstimator:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        n_estimators=100,
        max_depth=8,
        min_samples_leaf=max(10, min(50, n_rows // 300)),
        max_features=0.15,
        max_samples=min(0.6, 20_000 / n_rows),  # each tree sees a part: forests gain little from more
        random_state=seed,
        n_jobs=1,
    )


def _xgboost(n_rows: int, seed: int) -> BaseEstimator:
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=200,
        learning_rate=_learning_rate(n_rows),
        max_depth=3 if n_rows < 20_000 else 4 if n_rows < 200_000 else 6,
        min_child_weight=max(5, min(100, n_rows // 500)),
        subsample=0.7,
        colsample_bytree=0.3,
        reg_lambda=20.0,
        tree_method="hist",
        random_state=seed,
        n_jobs=1,
    )


def _lightgbm(n_rows: int, seed: int) -> BaseEstimator:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=200,
        learning_rate=_learning_rate(n_rows),
        num_leaves=7 if n_rows < 200_000 else 31,
        min_child_samples=max(20, min(1_000, n_rows // 100)),
        subsample=0.7,
        subsample_freq=1,
        colsample_bytree=0.3,
        reg_lambda=20.0,
        random_state=seed,
        **REPRODUCIBLE,
    )


def _learning_rate(n_rows: int) -> float:
    """Slow, so that 200 trees do not learn the noise: rows of one customer at several times repeat each other."""
    return 0.04 if n_rows < 10_000 else 0.02 if n_rows < 200_000 else 0.06


_PREPARATIONS: dict[str, Callable[[Sequence[InputColumn], int], ColumnTransformer]] = {
    "logistic_regression": linear_preparation,
    "random_forest": forest_preparation,
}
_ESTIMATORS: dict[str, Callable[[int, int], BaseEstimator]] = {
    "logistic_regression": _logistic_regression,
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "random_forest": _random_forest,
}
