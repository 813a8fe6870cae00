"""Scores and reasons of customers from an exported model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.input_columns import model_input
from python_ml.model.score import reason_rows, score_rows

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.standalone.exported_model import ExportedModel


def score_customers(
    scoring_set: pd.DataFrame, model: ExportedModel, reasons: int = 3
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score customers and say why.

    Parameters
    ----------
    scoring_set : pandas.DataFrame, n_customers rows
        The customer's key, ``feature_timestamp`` and the features of the model; further columns are ignored.
    model : ExportedModel
    reasons : int
        Greatest number of reasons per customer.

    Returns
    -------
    scores : pandas.DataFrame, n_customers rows
        The key, ``feature_timestamp``, ``churn_probability``, ``risk_band``, ``model_name``, ``model_version`` (0 for a
        model of the notebooks).
    reasons : pandas.DataFrame, up to n_customers x reasons rows
        The key, ``feature_timestamp``, ``reason_rank``, ``feature``, ``feature_value``, ``contribution`` (log-odds),
        ``reason``.

    Raises
    ------
    UserError
        When there are no rows, or a column is missing.
    """
    entity = model.card.entity
    if scoring_set.empty:
        raise UserError("There are no customers to score.", where="the scoring set")
    missing = [name for name in (entity, "feature_timestamp") if name not in scoring_set.columns]
    if missing:
        raise UserError(f"The scoring set has no column {' and no column '.join(missing)}.")
    rows = scoring_set.sort_values(entity, ignore_index=True)
    inputs = model_input(rows, model.card.inputs, where="the scoring set")
    scores = score_rows(rows, model.probability(inputs), model.card, model.version or 0)
    return scores, reason_rows(rows, inputs, model.contributions(inputs), model.card, reasons)
