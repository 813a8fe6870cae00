"""``gold.gld_score_history``: every score that was ever given, and which arm of the campaign the customer was in.

``gold.gld_churn_scores`` has the newest scores only, and their outcomes are known months later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.dbt import ACTIONS, SCORES
from python_ml.warehouse import connect, quote, relation, table_exists

if TYPE_CHECKING:
    from python_ml.project import Project

TABLE = "gold.gld_score_history"
CONTACTED, HELD_OUT = "contacted", "held out"
COLUMNS = {  # after the customer's key, which has the type that it has in the scores
    "feature_timestamp": "timestamp",
    "model_version": "integer",
    "model_name": "string",
    "churn_probability": "double",
    "risk_band": "string",
    "campaign_arm": "string",
}
_SQL_TYPES = {"string": "varchar"}


def keep_scores(project: Project) -> None:
    """Add ``gold.gld_churn_scores`` to the history.

    The scores of a feature time and model version are replaced as a whole, in one transaction: scoring again adds
    nothing, and leaves no customer who is no longer at risk.

    Parameters
    ----------
    project : Project
    """
    entity = project.entity
    names = [entity, *COLUMNS]
    casts = [f"cast({quote(name)} as {_SQL_TYPES.get(kind, kind)}) as {quote(name)}" for name, kind in COLUMNS.items()]
    selected = (
        f"select {', '.join([quote(entity), *casts])} from (select *, null as campaign_arm from {relation(SCORES)})"
    )
    listed, table = ", ".join(map(quote, names)), relation(TABLE)
    with connect(project, read_only=False) as connection:
        connection.execute(f"create table if not exists {table} as {selected} limit 0")
        connection.execute("begin")
        connection.execute(
            f"delete from {table} where (feature_timestamp, model_version) in "
            f"(select (feature_timestamp, model_version) from {relation(SCORES)})"
        )
        connection.execute(f"insert into {table} ({listed}) {selected}")
        connection.execute("commit")


def keep_arms(project: Project) -> None:
    """Note in the history who is contacted and who is held out by ``gold.gld_retention_actions``.

    Parameters
    ----------
    project : Project
        Scores of a version that kept no history are left as they are.
    """
    key, table = quote(project.entity), relation(TABLE)
    with connect(project, read_only=False) as connection:
        if not table_exists(connection, TABLE):
            return
        connection.execute("begin")
        connection.execute(
            f"update {table} set campaign_arm = null where (feature_timestamp, model_version) in "
            f"(select (feature_timestamp, model_version) from {relation(SCORES)})"
        )
        connection.execute(
            f"update {table} as history set campaign_arm = case when actions.holdout_flag then '{HELD_OUT}' "
            f"else '{CONTACTED}' end from {relation(ACTIONS)} as actions where history.{key} = actions.{key} "
            "and history.feature_timestamp = actions.feature_timestamp "
            "and history.model_version = actions.model_version"
        )
        connection.execute("commit")
