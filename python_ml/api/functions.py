"""Functions of frames and projects for notebooks and scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.api.frames import (
    WHERE,
    keyed,
    labelled_frame,
    named_frame,
    scored_frame,
    settings_of,
    training_rows,
    utc_times,
)
from python_ml.api.results import (
    ChurnClassifier,
    Evaluation,
    Explanation,
    LoadedTrainingSet,
    RegisteredModel,
    TrainedModel,
)
from python_ml.dbt import SCORING_SET
from python_ml.errors import UserError
from python_ml.input_columns import model_input
from python_ml.model import evaluate as measures
from python_ml.model import score as scoring
from python_ml.model.calibration import probabilities
from python_ml.model.dataset import TrainingSet
from python_ml.model.explain import contributions
from python_ml.model.registry import Champion, require_champion
from python_ml.model.replay_evidence import stored_replays
from python_ml.model.train import train_models
from python_ml.project import Project
from python_ml.snapshots.training_rows import read_snapshot, read_training_set
from python_ml.warehouse import read_table

if TYPE_CHECKING:
    from python_ml.settings import Settings


def load_training_set(project: Project | Path | str = ".", snapshot: str | None = None) -> LoadedTrainingSet:
    """Read the labelled rows of a project.

    Parameters
    ----------
    project : Project, Path or str
        The project or its folder.
    snapshot : str, optional
        Number or id of a snapshot; by default the rows are those of ``gold.gld_training_set``.

    Returns
    -------
    LoadedTrainingSet
        Has ``frame``, ``features`` (the registry), ``entity``, ``definitions``, ``sha256`` and ``settings``.

    Raises
    ------
    UserError
        When there is no project, warehouse, table or snapshot.
    GateError
        When the snapshot was changed after it was created.
    """
    project = _opened(project)
    if snapshot is not None:
        return LoadedTrainingSet.of(read_snapshot(project, str(snapshot)), project.settings)
    return LoadedTrainingSet.of(read_training_set(project), project.settings, stored_replays(project))


def load_scoring_set(project: Project | Path | str = ".") -> pd.DataFrame:
    """Read the customers to score, one row each: ``gold.gld_scoring_set``.

    Parameters
    ----------
    project : Project, Path or str

    Raises
    ------
    UserError
        When there is no project, warehouse or table.
    """
    return read_table(_opened(project), SCORING_SET)


def load_champion(project: Project | Path | str = ".") -> RegisteredModel:
    """Open the champion of a project: verified by its checksum, then unpickled.

    Parameters
    ----------
    project : Project, Path or str

    Returns
    -------
    RegisteredModel
        Has ``predict_proba(frame)``, ``card`` and ``version``.

    Raises
    ------
    UserError
        When there is no champion yet, or its files are gone or changed.
    """
    return RegisteredModel.of(require_champion(_opened(project)))


def train(
    data: pd.DataFrame | TrainingSet,
    target: str = "churned",
    entity: str | None = "customer_id",
    time: str | None = None,
    *,
    horizon: str | pd.Timedelta | None = None,
    label_time: str | None = None,
    positive: Any = None,
    models: str | Sequence[str] | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> TrainedModel:
    """Fit, calibrate and compare churn models, and choose the best one. Nothing is written or registered.

    With ``time``, the rows are split by time, with a purge, and measured on the last part. Without, every customer has
    one row, and the figures come from nested cross-validation. The leakage probes look at all columns first.

    Parameters
    ----------
    data : pandas.DataFrame or TrainingSet
        A frame of one's own, with one row per customer (and time); or what :func:`load_training_set` gives, which knows
        its entity, times and settings.
    target : str
        Column of the outcome: 0 or 1, or see ``positive``.
    entity : str or None
        Column of the customer's key; None if every row is another customer.
    time : str, optional
        Column with the as-of time of a row.
    horizon : str or pandas.Timedelta, optional
        How far the outcome looks ahead of ``time``, such as ``"30d"``: rows whose outcome was decided within a later
        part of the split are purged. Without it, nothing can be, and a warning says so.
    label_time : str, optional
        Column that says when the outcome of a row was known, in place of ``horizon``.
    positive : object, optional
        Value of the target that means churn, such as ``"Yes"``.
    models : str or sequence of str, optional
        Among ``logistic_regression``, ``lightgbm``, ``xgboost`` and ``random_forest``; by default those of
        ``settings``.
    settings : Settings or mapping, optional
        Of the shape of ``retention.yml``, such as ``{"features": {"exclude": ["last_call"]}}``.
    progress : callable, optional
        Called with a line of text for each step.

    Returns
    -------
    TrainedModel

    Raises
    ------
    UserError
        When the data or the settings cannot give a model; says what to do about it.
    GateError
        When a column most likely knows the outcome, and ``settings`` neither exclude nor accept it.

    Examples
    --------
    One row per customer:

    >>> import python_ml
    >>> frame = python_ml.example_frame(customers=400).drop(columns="as_of")
    >>> model = python_ml.train(frame, models="logistic_regression")
    >>> model.predict_proba(frame).shape
    (400, 2)
    >>> model.metrics["split"]["kind"]
    'cross_validation'
    >>> auc = model.metrics["test"]["roc_auc"]
    >>> 0.6 < auc["low"] < auc["value"] < auc["high"] < 0.95
    True

    Rows with times, measured on the last ones:

    >>> frame = python_ml.example_frame(customers=200, months=8)
    >>> model = python_ml.train(frame, time="as_of", horizon="30d", models="logistic_regression")
    >>> model.metrics["split"]["kind"], model.metrics["split"]["test_from"]
    ('temporal', '2024-07-01T00:00:00')

    A mistake is explained:

    >>> python_ml.train(frame, target="left")
    Traceback (most recent call last):
        ...
    python_ml.errors.UserError: There is no column left.
      where:   target='left'
      hint:    the columns are customer_id, as_of, plan, price, orders_30d, days_since_last_order, tickets_90d, churned
    """
    if settings is None and isinstance(data, LoadedTrainingSet):
        settings = data.settings
    chosen = settings_of(settings, models)
    given = training_rows(data, target, entity, time, horizon, label_time, positive)
    with labelled_frame(data):
        result = train_models(
            given.frame,
            given.features,
            given.entity,
            chosen,
            label=given.label,
            scenario=given.scenario,
            replays=data.replays if isinstance(data, LoadedTrainingSet) else (),
            progress=progress or (lambda message: None),
        )
    return TrainedModel.of(result)


def score(model: ChurnClassifier | Champion, frame: pd.DataFrame) -> pd.DataFrame:
    """Score customers.

    Parameters
    ----------
    model : TrainedModel or RegisteredModel
    frame : pandas.DataFrame, n_rows rows
        Such as :func:`load_scoring_set` gives: holds the model's features; further columns are ignored.

    Returns
    -------
    pandas.DataFrame, n_rows rows
        The entity and ``feature_timestamp`` (where the frame has them), ``churn_probability`` (calibrated),
        ``risk_band`` (``high``, ``medium`` or ``low``), and ``model_version`` of a registered model.

    Raises
    ------
    UserError
        When a feature is missing, or holds text where the model was fitted on numbers.

    Examples
    --------
    >>> import python_ml
    >>> frame = python_ml.example_frame(customers=400).drop(columns="as_of")
    >>> model = python_ml.train(frame, models="logistic_regression")
    >>> python_ml.score(model, frame).columns.tolist()
    ['customer_id', 'churn_probability', 'risk_band']
    """
    rows, added = keyed(named_frame(frame), model.card.entity)
    with scored_frame():
        table = scoring.score(rows, _champion_of(model), model.card.entity)
    unknown = ["model_name"] + ([] if isinstance(model, Champion) else ["model_version"])
    return table.drop(columns=[*added, *unknown])


def explain(model: ChurnClassifier | Champion, frame: pd.DataFrame, top: int = 3) -> Explanation:
    """Explain the scores of customers by SHAP values that add up to the log-odds.

    Parameters
    ----------
    model : TrainedModel or RegisteredModel
    frame : pandas.DataFrame, n_rows rows
        As for :func:`score`.
    top : int
        Greatest number of reasons per customer.

    Returns
    -------
    Explanation

    Raises
    ------
    UserError
        When a feature is missing, or holds text where the model was fitted on numbers.

    Examples
    --------
    >>> import numpy as np, python_ml
    >>> frame = python_ml.example_frame(customers=400).drop(columns="as_of")
    >>> model = python_ml.train(frame, models="logistic_regression")
    >>> explanation = python_ml.explain(model, frame.head(3))
    >>> log_odds = explanation.base + explanation.contributions.sum(axis=1)
    >>> np.allclose(1 / (1 + np.exp(-log_odds)), model.predict_proba(frame.head(3))[:, 1])
    True
    """
    card = model.card
    frame = named_frame(frame)
    rows, added = keyed(frame, card.entity)
    with scored_frame():
        inputs = model_input(frame, card.inputs)
    values, base = contributions(model.model, inputs, card.background)
    names = [column.name for column in card.columns]
    return Explanation(
        contributions=pd.DataFrame(values, columns=names, index=frame.index),
        base=pd.Series(base, index=frame.index, name="base"),
        reasons=scoring.reasons(rows, _champion_of(model), card.entity, top).drop(
            columns=[name for name in added if name != card.entity]
        ),
    )


def evaluate(
    model: ChurnClassifier | Champion,
    data: pd.DataFrame | TrainingSet,
    target: str = "churned",
    *,
    time: str = "feature_timestamp",
    positive: Any = None,
    replicates: int = 500,
    seed: int = 0,
) -> Evaluation:
    """Measure a model on labelled rows, each metric with a 95 % bootstrap interval by customer.

    Figures are worth something only on rows that the model was not fitted on: the result says how many of them it may
    have been fitted on. What to expect of a new model is in ``model.metrics["test"]``.

    Parameters
    ----------
    model : TrainedModel or RegisteredModel
    data : pandas.DataFrame or TrainingSet
        Features, target and, if there is one, the entity.
    target : str
    time : str
        Column with the as-of time of a row, if there is one.
    positive : object, optional
        Value of the target that means churn.
    replicates, seed : int
        Resamples behind the intervals; 0 leaves them out.

    Returns
    -------
    Evaluation

    Raises
    ------
    UserError
        When a column is missing or the target is not binary.

    Examples
    --------
    >>> import python_ml
    >>> model = python_ml.train(
    ...     python_ml.example_frame(customers=400).drop(columns="as_of"), models="logistic_regression"
    ... )
    >>> others = python_ml.example_frame(customers=400, seed=1)
    >>> evaluation = python_ml.evaluate(model, others, replicates=100)
    >>> 0.6 < evaluation["roc_auc"]["value"] < 0.95
    True
    >>> evaluation["n"]
    400
    """
    frame = data.frame if isinstance(data, TrainingSet) else named_frame(data)
    target, time = str(target), str(time)
    if frame.empty:
        raise UserError("The frame has no rows.", where=WHERE, hint="bring labelled customers")
    if target not in frame.columns:
        raise UserError(f"There is no column {target}.", where=f"target={target!r}", hint="name the outcome's column")
    outcome = frame[target] if positive is None else (frame[target] == positive).astype(int)
    if outcome.isna().any() or not set(outcome.unique().tolist()) <= {0, 1}:
        raise UserError(
            "The target is not binary, or has empty values.",
            where=f"target={target!r}",
            hint="say which value means churn (positive=…), and leave out rows without a known outcome",
        )
    card = model.card
    with scored_frame():
        inputs = model_input(frame, card.inputs)
    scores = probabilities(model.model, inputs)
    customers = frame[card.entity].to_numpy() if card.entity in frame else np.arange(len(frame))
    metrics = measures.evaluate(outcome.to_numpy(int), scores, customers, replicates=replicates, seed=seed)
    return Evaluation(metrics, _seen(frame, time, card.fitted_on.get("before")))


def _seen(frame: pd.DataFrame, time: str, before: str | None) -> str:
    """How many of the rows the model was fitted on, as far as the card tells."""
    if before is None or time not in frame:
        return "the rows that the model was fitted on are not known: the figures are valid for other rows only"
    early = int((utc_times(frame[time], "time") < pd.Timestamp(before)).sum())
    if not early:
        return "all rows are later than those that the model was fitted on"
    return f"{early:,} of {len(frame):,} rows are from before {before}: the model may have been fitted on them"


def _champion_of(model: ChurnClassifier | Champion) -> Champion:
    return model if isinstance(model, Champion) else Champion(model.model, model.card, 0, "")


def _opened(project: Project | Path | str) -> Project:
    return project if isinstance(project, Project) else Project.open(project)
