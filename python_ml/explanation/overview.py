"""The champion explained over the customers that it scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.dbt import SCORING_SET
from python_ml.errors import UserError
from python_ml.explanation.drivers import driver_importance
from python_ml.input_columns import FLAG, NUMBER, model_input
from python_ml.model.explain import contributions
from python_ml.model.grouping import group_labels
from python_ml.model.score import score
from python_ml.stats import some_rows

if TYPE_CHECKING:
    from python_ml.model.card import CardColumn
    from python_ml.model.registry import Champion
    from python_ml.settings import Settings

MOST_ROWS = 5_000  # more customers would not change a mean that anybody sees
MOST_SEGMENTS = 12  # values of a column that still divide customers into segments


@dataclass(frozen=True)
class ModelExplanation:
    """Contributions of some customers, and what they add up to.

    Attributes
    ----------
    model, version
        Of the champion.
    feature_timestamp : pandas.Timestamp
        Newest feature time of the customers.
    customers : int
        Those that were explained, of ``scored``.
    scored : int
    columns : tuple of CardColumn
    inputs : pandas.DataFrame, shape (customers, n_features)
    values : numpy.ndarray, shape (customers, n_features)
        Contributions in log-odds.
    drivers : pandas.DataFrame
        See :func:`driver_importance`.
    """

    model: str
    version: int
    feature_timestamp: pd.Timestamp
    customers: int
    scored: int
    columns: tuple[CardColumn, ...]
    inputs: pd.DataFrame
    values: np.ndarray
    drivers: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """``gold.gld_driver_importance``."""
        return self.drivers.assign(
            model_version=np.int32(self.version), feature_timestamp=self.feature_timestamp.as_unit("us")
        )


def explain_model(
    champion: Champion, scoring_set: pd.DataFrame, entity: str, settings: Settings, cohorts: pd.Series | None = None
) -> ModelExplanation:
    """Explain the champion over the customers to score, of whom at most 5,000 at random are used.

    Parameters
    ----------
    champion : Champion
    scoring_set : pandas.DataFrame, n_customers rows
    entity : str
        Key column.
    settings : Settings
        ``explain.segments`` names the columns that divide customers; by default, the categories and flags among the
        model's features with at most 12 values.
    cohorts : pandas.Series, shape (n_customers,), optional
        When each customer was first at risk.

    Raises
    ------
    UserError
        When there is nobody to explain, or a segment is no column of the scoring set.
    """
    if scoring_set.empty:
        raise UserError("There is nobody to explain.", where=SCORING_SET, hint="run `retention build`")
    card = champion.card
    chosen = some_rows(np.arange(len(scoring_set)), MOST_ROWS, settings.training.seed)
    frame = scoring_set.iloc[chosen].reset_index(drop=True)
    inputs = model_input(frame, card.inputs, where=SCORING_SET)
    values, _ = contributions(champion.model, inputs, card.background)
    segments = {"risk band": score(frame, champion, entity)["risk_band"].to_numpy(object)}
    if cohorts is not None:
        segments["cohort"] = _periods(cohorts.iloc[chosen])
    for name in settings.explain.segments or _dividing(card.columns, inputs):
        if name not in frame.columns:
            raise UserError(
                f"There is no column `{name}` to divide customers by.",
                where=settings.where("explain", "segments"),
                hint=f"choose columns of {SCORING_SET}, or write []",
            )
        is_flag = any(column.name == name and column.kind == FLAG for column in card.columns)
        segments[name] = group_labels(frame[name], MOST_SEGMENTS, is_flag).to_numpy(object, na_value=None)
    return ModelExplanation(
        model=card.model,
        version=champion.version,
        feature_timestamp=pd.Timestamp(scoring_set["feature_timestamp"].max()),
        customers=len(frame),
        scored=len(scoring_set),
        columns=card.columns,
        inputs=inputs,
        values=values,
        drivers=driver_importance(
            values, inputs, [column.name for column in card.columns], pd.DataFrame(segments, index=frame.index)
        ),
    )


def _dividing(columns: tuple[CardColumn, ...], inputs: pd.DataFrame) -> list[str]:
    return [c.name for c in columns if c.kind != NUMBER and 2 <= inputs[c.name].nunique() <= MOST_SEGMENTS]


def _periods(first: pd.Series) -> np.ndarray:
    """Quarters in which customers were first at risk, or years where these are many."""
    times = pd.to_datetime(first)
    quarters = times.dt.year.astype("Int64").astype("string") + " Q" + times.dt.quarter.astype("Int64").astype("string")
    if quarters.nunique() > MOST_SEGMENTS:
        quarters = times.dt.year.astype("Int64").astype("string")
    return quarters.to_numpy(object, na_value=None)
