"""How long each customer of the scoring set is expected to stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.dbt import SCORING_SET
from python_ml.decisions.survival import tables

if TYPE_CHECKING:
    from python_ml.decisions.survival.hazard import HazardModel
    from python_ml.model.registry import Champion
    from python_ml.project import Project

RISK_DAYS = (30, 60, 90)


def estimates(
    frame: pd.DataFrame, model: HazardModel, probability: np.ndarray, entity: str, version: int, cap: float
) -> pd.DataFrame:
    """Risks and remaining life of customers.

    Parameters
    ----------
    frame : pandas.DataFrame, n_customers rows
        The scoring set.
    model : HazardModel
    probability : numpy.ndarray, shape (n_customers,)
        The champion's.
    entity : str
    version : int
        Of the champion.
    cap : float
        Days up to which remaining life counts.

    Returns
    -------
    pandas.DataFrame, n_customers rows
        The entity and :data:`python_ml.decisions.survival.tables.ESTIMATE_COLUMNS`.
    """
    curves = model.curves(frame, probability, where=SCORING_SET)
    return (
        frame[[entity, "feature_timestamp"]]
        .reset_index(drop=True)
        .assign(
            **{f"risk_{days}d": curves.risk(days) for days in RISK_DAYS},
            median_remaining_days=curves.median_remaining(cap),
            expected_remaining_days=curves.expected_remaining(cap),
            model_version=np.int32(version),
        )
    )


def write_estimates(project: Project, frame: pd.DataFrame, champion: Champion) -> str | None:
    """Write ``gold.gld_survival_estimates`` with the survival model of the champion's version.

    Where there is none, a table of an earlier champion is removed.

    Returns
    -------
    str or None
        Why there are no estimates; None when they were written.
    """
    from python_ml.decisions.survival.store import load_survival_model
    from python_ml.input_columns import model_input
    from python_ml.model.calibration import probabilities
    from python_ml.warehouse import drop_tables

    enabled = project.settings.survival.enabled
    model = load_survival_model(project) if enabled else None
    if model is None:
        drop_tables(project, tables.ESTIMATES)
        return "the champion was trained without a survival model" if enabled else "survival is switched off"
    entity = project.entity
    rows = frame.sort_values(entity, ignore_index=True)  # as the scores were made, so that both agree to the last bit
    probability = probabilities(champion.model, model_input(rows, champion.card.inputs, where=SCORING_SET))
    made = estimates(rows, model, probability, entity, champion.version, project.settings.survival.cap_days)
    tables.write(project, tables.ESTIMATES, made, tables.ESTIMATE_COLUMNS)
    return None
