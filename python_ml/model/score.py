"""Scores and reasons: a scoring set and a champion in, a table out.

``score_table`` and ``reason_table`` are what the Python models of dbt call; the other functions are pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from python_ml.dbt import SCORING_SET
from python_ml.errors import UserError
from python_ml.handover import handed_over as hand_over
from python_ml.handover import taken_over
from python_ml.input_columns import model_input
from python_ml.model.fitted_features import fits_in, require_same_components
from python_ml.model.reasons import reason, value_text
from python_ml.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

    from python_ml.model.card import CardColumn, ModelCard
    from python_ml.model.reason_choice import Chosen, ReasonChoice
    from python_ml.model.registry import Champion

SCORES, REASONS = "scores", "reasons"  # names of the tables that are handed over


def score(scoring_set: pd.DataFrame, champion: Champion, entity: str) -> pd.DataFrame:
    """Score customers.

    Parameters
    ----------
    scoring_set : pandas.DataFrame, n_customers rows
        The entity, ``feature_timestamp`` and the champion's features; further columns are ignored.
    champion : Champion
    entity : str
        Name of the key column.

    Returns
    -------
    pandas.DataFrame, n_customers rows
        The entity, ``feature_timestamp``, ``churn_probability`` (0 to 1, calibrated), ``risk_band`` (``high``,
        ``medium`` or ``low``), ``model_name``, ``model_version``.

    Raises
    ------
    UserError
        When the scoring set lacks columns that are needed.
    """
    from python_ml.model.calibration import probabilities

    _require_keys(scoring_set, entity)
    inputs = model_input(scoring_set, champion.card.inputs, where=SCORING_SET)
    if scoring_set.empty:
        return empty_scores(entity, scoring_set)
    probability = probabilities(champion.model, inputs)
    return score_rows(scoring_set, probability, champion.card, champion.version)


def score_rows(scoring_set: pd.DataFrame, probability: np.ndarray, card: ModelCard, version: int) -> pd.DataFrame:
    """The table of scores from probabilities; see :func:`score`.

    Parameters
    ----------
    scoring_set : pandas.DataFrame, n_customers rows
    probability : numpy.ndarray, shape (n_customers,)
    card : ModelCard
    version : int
    """
    return _keys(scoring_set, card.entity).assign(
        churn_probability=probability,
        risk_band=pd.array(risk_band(probability, card.risk_bands), dtype="string"),
        model_name=pd.array([card.model] * len(scoring_set), dtype="string"),
        model_version=np.full(len(scoring_set), version, dtype="int32"),
    )


def reasons(scoring_set: pd.DataFrame, champion: Champion, entity: str, top: int = 3) -> pd.DataFrame:
    """Say why each customer scores as they do.

    Listed is what raises the customer's risk, strongest first; where nothing does, what lowers it most. What counts as
    one reason, and what as none, is said in :mod:`python_ml.model.reason_choice`.

    Parameters
    ----------
    scoring_set, champion, entity
        As for :func:`score`.
    top : int
        Greatest number of reasons per customer.

    Returns
    -------
    pandas.DataFrame, up to n_customers x top rows
        The entity, ``feature_timestamp``, ``reason_rank`` (from 1), ``feature``, ``feature_value`` (text, null
        where there is none), ``contribution`` (log-odds of churn, over all windows of the measurement),
        ``reason`` (a sentence).

    Raises
    ------
    UserError
        When the scoring set lacks columns that are needed.
    """
    from python_ml.model.explain import contributions

    _require_keys(scoring_set, entity)
    card = champion.card
    inputs = model_input(scoring_set, card.inputs, where=SCORING_SET)
    if scoring_set.empty:
        return empty_reasons(entity, scoring_set)
    values, _ = contributions(champion.model, inputs, card.background)
    return reason_rows(scoring_set, inputs, values, card, top)


def reason_rows(
    scoring_set: pd.DataFrame, inputs: pd.DataFrame, values: np.ndarray, card: ModelCard, top: int
) -> pd.DataFrame:
    """The table of reasons from contributions; see :func:`reasons`.

    Parameters
    ----------
    scoring_set : pandas.DataFrame, n_customers rows
    inputs : pandas.DataFrame, n_customers rows
        What the model takes; result of :func:`python_ml.input_columns.model_input`.
    values : numpy.ndarray, shape (n_customers, n_features)
        Contributions in log-odds.
    card : ModelCard
    top : int
    """
    from python_ml.model.reason_choice import ReasonChoice

    chosen, texts = reason_texts(ReasonChoice(card.columns), card.columns, values, inputs, top)
    return (
        _keys(scoring_set, card.entity)
        .iloc[chosen.rows]
        .reset_index(drop=True)
        .assign(
            reason_rank=chosen.ranks.astype("int32"),
            feature=pd.array([one.feature for one in texts], dtype="string"),
            feature_value=pd.array([one.value for one in texts], dtype="string"),
            contribution=chosen.pushes,
            reason=pd.array([one.sentence for one in texts], dtype="string"),
        )
    )


class ReasonText(NamedTuple):
    """A reason as text: the feature, its value (None where there is none) and a sentence."""

    feature: str
    value: str | None
    sentence: str


def reason_texts(
    choice: ReasonChoice,
    columns: Sequence[CardColumn],
    values: np.ndarray,
    inputs: pd.DataFrame | Mapping[str, np.ndarray],
    top: int,
) -> tuple[Chosen, list[ReasonText]]:
    """Choose reasons and phrase them.

    Parameters
    ----------
    choice : ReasonChoice
        Of these columns.
    columns : sequence of CardColumn
    values, inputs, top
        See :meth:`python_ml.model.reason_choice.ReasonChoice.choose`.

    Returns
    -------
    chosen : Chosen
    texts : list of ReasonText
        In the same order.
    """
    chosen = choice.choose(values, inputs, top)
    cells = {j: np.asarray(inputs[columns[j].name]) for j in {*chosen.features.tolist()}}
    picked = [
        (columns[j], cells[j][i], push, without_events)
        for i, _, j, push, without_events in zip(*(part.tolist() for part in chosen), strict=True)
    ]
    sentences = _sentences(picked)
    return chosen, [
        ReasonText(column.name, value_text(column, value), sentence)
        for (column, value, *_), sentence in zip(picked, sentences, strict=True)
    ]


def _sentences(picked: list[tuple[CardColumn, Any, float, bool]]) -> Iterator[str]:
    """A sentence for each reason; customers who share a value share its words."""
    made: dict[tuple[str, Any, bool, bool], str] = {}
    for column, value, push, without_events in picked:
        key = (column.name, None if value != value else value, push > 0, without_events)
        if key not in made:
            made[key] = reason(column, value, push, without_events)
        yield made[key]


def risk_band(probability: np.ndarray, thresholds: dict[str, float]) -> np.ndarray:
    """Band of each probability: ``high`` from its threshold on, then ``medium``, else ``low``."""
    return np.select(
        [probability >= thresholds["high"], probability >= thresholds["medium"]], ["high", "medium"], "low"
    ).astype(object)


def empty_scores(entity: str, frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """A table of scores without rows; the entity has the type that it has in ``frame`` (else text)."""
    return _empty(
        entity,
        frame,
        {
            "churn_probability": "float64",
            "risk_band": "string",
            "model_name": "string",
            "model_version": "int32",
        },
    )


def empty_reasons(entity: str, frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """A table of reasons without rows; the entity has the type that it has in ``frame`` (else text)."""
    return _empty(
        entity,
        frame,
        {
            "reason_rank": "int32",
            "feature": "string",
            "feature_value": "string",
            "contribution": "float64",
            "reason": "string",
        },
    )


def _empty(entity: str, frame: pd.DataFrame | None, types: dict[str, str]) -> pd.DataFrame:
    known = frame is not None and entity in frame.columns
    key = _text_stays_text(frame[entity].iloc[:0]) if known else pd.Series([], dtype="string")
    columns = {
        entity: key.reset_index(drop=True),
        "feature_timestamp": pd.Series([], dtype="datetime64[us]"),
        **{name: pd.Series([], dtype=dtype) for name, dtype in types.items()},
    }
    return pd.DataFrame(columns)


def _keys(frame: pd.DataFrame, entity: str) -> pd.DataFrame:
    keys = frame[[entity, "feature_timestamp"]].reset_index(drop=True)
    return keys.assign(**{entity: _text_stays_text(keys[entity])})


def _text_stays_text(key: pd.Series) -> pd.Series:
    """Give text keys a dtype of their own: DuckDB cannot tell what an empty column of objects holds."""
    return key.astype("string") if key.dtype == object else key


def _require_keys(frame: pd.DataFrame, entity: str) -> None:
    missing = [name for name in (entity, "feature_timestamp") if name not in frame.columns]
    if missing:
        raise UserError(
            f"The scoring set has no column {' and no column '.join(missing)}.",
            where=SCORING_SET,
            hint="check the variable `entity` in dbt_project.yml, then run `retention build`",
        )


def handed_over(
    frame: pd.DataFrame, champion: Champion, entity: str, top: int
) -> AbstractContextManager[dict[str, str]]:
    """Score in this process, for the Python models of dbt in another one; see :func:`python_ml.handover.handed_over`.

    Parameters
    ----------
    frame, champion, entity, top
        As for :func:`reasons`; ``frame`` is the scoring set as the models will see it.
    """
    rows = _ordered(frame, entity)
    return hand_over({SCORES: score(rows, champion, entity), REASONS: reasons(rows, champion, entity, top)})


def score_table(session: Any, frame: pd.DataFrame, entity: str, project: str | None = None) -> pd.DataFrame | pa.Table:
    """Score the customers of ``gold.gld_scoring_set`` with the project's champion.

    The command that runs dbt may have scored them already; see :func:`handed_over`.

    Without a champion the result has no rows but the right types, and a warning says what to do.

    Parameters
    ----------
    session
        What dbt gives a Python model.
    frame : pandas.DataFrame, n_customers rows
        The scoring set.
    entity : str
        Name of the customer's key column.
    project : str, optional
        What the configuration of the model says of the project, see ``Project.portable``. Where that is nothing, the
        project is found by ``RETENTION_PROJECT_DIR``, else in the working directory.

    Returns
    -------
    pandas.DataFrame or pyarrow.Table, n_customers rows
        See :func:`score`.
    """
    if (scored := taken_over(SCORES)) is not None:
        return scored
    champion = _champion(session, Project.described_by(project))
    return empty_scores(entity, frame) if champion is None else score(_ordered(frame, entity), champion, entity)


def reason_table(session: Any, frame: pd.DataFrame, entity: str, project: str | None = None) -> pd.DataFrame | pa.Table:
    """Give the reasons behind the scores of ``gold.gld_scoring_set``; as :func:`score_table` otherwise.

    Returns
    -------
    pandas.DataFrame or pyarrow.Table, up to n_customers x reasons rows
        See :func:`reasons`.
    """
    if (scored := taken_over(REASONS)) is not None:
        return scored
    opened = Project.described_by(project)
    champion = _champion(session, opened)
    if champion is None:
        return empty_reasons(entity, frame)
    return reasons(_ordered(frame, entity), champion, entity, top=opened.settings.scoring.reasons)


def _ordered(frame: pd.DataFrame, entity: str) -> pd.DataFrame:
    """Rows by key: a table has no order of its own, but the last bits of a matrix product follow one."""
    return frame.sort_values(entity, ignore_index=True) if entity in frame else frame


def _champion(session: Any, project: Project) -> Champion | None:
    import warnings

    from python_ml.model.registry import load_champion

    champion = load_champion(project)
    if champion is not None:
        require_same_components(champion.card, fits_in(session))
    else:
        warnings.warn(
            "There is no champion yet: scores and reasons stay empty until `retention train` has run.",
            stacklevel=3,
        )
    return champion
