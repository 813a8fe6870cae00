"""Scores of a rehearsal made again from features that ``retention replay`` has rebuilt."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from python_ml.dbt import FEATURES
from python_ml.monitor.rehearsal.rehearsing import versions_of
from python_ml.monitor.rehearsal.tables import SCORES
from python_ml.monitor.rehearsal.visible import FEATURE_COLUMNS
from python_ml.warehouse import connect, quote, relation, table_exists

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.project import Project


def rehearsed_times(project: Project) -> list[datetime]:
    """Feature times at which the last rehearsal scored, oldest first; none without one."""
    with connect(project) as connection:
        if not table_exists(connection, SCORES):
            return []
        rows = connection.execute(f"select distinct feature_timestamp from {relation(SCORES)} order by 1").fetchall()
    return [time for (time,) in rows]


def differing_scores(project: Project, database: Path, time: datetime) -> dict[str, int]:
    """Compare the scores that a rehearsal gave at a time with those of rebuilt features.

    Parameters
    ----------
    project : Project
    database : Path
        With ``gold.gld_customer_features`` as rebuilt.
    time : datetime

    Returns
    -------
    dict
        ``scores`` of the rehearsal, and how many are ``differing``: missing, or not equal to the last bit.
    """
    import duckdb

    from python_ml.model.score import score

    entity = project.entity
    with connect(project) as connection:
        stored = connection.execute(
            f"select {quote(entity)}, model_version, churn_probability from {relation(SCORES)} "
            "where feature_timestamp = ?",
            [time],
        ).df()
    with duckdb.connect(str(database), read_only=True) as connection:
        rebuilt = connection.execute(
            f"select {FEATURE_COLUMNS} from {relation(FEATURES)} where feature_timestamp = ? order by {quote(entity)}",
            [time],
        ).df()
    differing = 0
    for number, rows in stored.groupby("model_version"):
        again = score(rebuilt, versions_of(project)[int(number)].opened(), entity).set_index(entity)
        differing += int((rows[entity].map(again["churn_probability"]) != rows["churn_probability"]).sum())
    return {"scores": len(stored), "differing": differing}
