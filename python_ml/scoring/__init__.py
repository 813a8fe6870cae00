"""Scoring: churn probabilities with reasons, as pure functions of frames, and for dbt's Python models.

``score_table`` and ``reason_table`` are what the dbt models call. They import nothing heavy until they run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.scoring.champion import Champion

__all__ = ["reason_table", "score_table"]


def score_table(frame: pd.DataFrame, entity: str) -> pd.DataFrame:
    """Score the customers of ``gold.gld_scoring_set`` with the project's champion.

    The project is found by ``RETENTION_PROJECT_DIR``, else in the working directory. Without a champion the
    result has no rows but the right types, and a warning says what to do.

    Parameters
    ----------
    frame : pandas.DataFrame, n_customers rows
        The scoring set.
    entity : str
        Name of the customer's key column.

    Returns
    -------
    pandas.DataFrame, n_customers rows
        See :func:`python_ml.scoring.tables.score`.
    """
    from python_ml.scoring.tables import empty_scores, score

    champion = _champion()
    return empty_scores(entity, frame) if champion is None else score(_ordered(frame, entity), champion, entity)


def reason_table(frame: pd.DataFrame, entity: str) -> pd.DataFrame:
    """Give the reasons behind the scores of ``gold.gld_scoring_set``; as :func:`score_table` otherwise.

    Returns
    -------
    pandas.DataFrame, up to n_customers x reasons rows
        See :func:`python_ml.scoring.tables.reasons`.
    """
    from python_ml.project import Project
    from python_ml.scoring.tables import empty_reasons, reasons

    champion = _champion()
    if champion is None:
        return empty_reasons(entity, frame)
    return reasons(_ordered(frame, entity), champion, entity, top=Project.open().settings.scoring.reasons)


def _ordered(frame: pd.DataFrame, entity: str) -> pd.DataFrame:
    """Rows by key: a table has no order of its own, but the last bits of a matrix product follow one."""
    return frame.sort_values(entity, ignore_index=True) if entity in frame else frame


def _champion() -> Champion | None:
    import warnings

    from python_ml.project import Project
    from python_ml.scoring.champion import load_champion

    champion = load_champion(Project.open())
    if champion is None:
        warnings.warn(
            "There is no champion yet: scores and reasons stay empty until `retention train` has run.",
            stacklevel=3,
        )
    return champion
