"""What explanations read of a project, and the table that they write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.dbt import FEATURES, SCORING_SET
from python_ml.errors import UserError
from python_ml.warehouse import connect, quote, relation, table_exists, write_table

if TYPE_CHECKING:
    import duckdb

    from python_ml.explanation.overview import ModelExplanation
    from python_ml.project import Project

DRIVER_TABLE = "gold.gld_driver_importance"
CLOSE_IDS = 3
LONGEST_ID = 80  # that a message repeats


def customer_rows(project: Project, key: str) -> pd.DataFrame:
    """All feature rows of one customer.

    Parameters
    ----------
    project : Project
    key : str
        As text; numbers are compared by their text, without a decimal point where they are whole.

    Raises
    ------
    UserError
        When there is no such customer; names those whose keys are most like it.
    """
    entity = quote(project.entity)
    text = f"cast({entity} as varchar)"
    with connect(project) as connection:
        table = relation(_customers(connection))
        rows = connection.execute(f"select * from {table} where {text} in (?, ? || '.0')", [key, key]).df()
        if len(rows):
            return rows
        close = connection.execute(
            f"select distinct regexp_replace({text}, '[.]0$', '') as close from {table} where {text} is not null "
            "order by jaro_winkler_similarity(close, ?) desc, close limit ?",
            [key, CLOSE_IDS],
        ).fetchall()
    shown = key if len(key) <= LONGEST_ID else f"{key[: LONGEST_ID - 1]}…"
    raise UserError(
        f"There is no customer {shown!r}.",
        where=f"{FEATURES}, {project.entity}",
        hint=f"did you mean {' or '.join(repr(name) for (name,) in close)}?" if close else "run `retention build`",
    )


def cohorts(project: Project, frame: pd.DataFrame) -> pd.Series | None:
    """When each customer of a frame was first at risk; None where rows have no times of their own."""
    from python_ml.project import is_dateless

    if is_dateless(project.vars):
        return None
    with connect(project) as connection:
        entity, table = quote(project.entity), relation(_customers(connection))
        first = connection.execute(
            f"select {entity} as key, min(feature_timestamp) as first from {table} group by 1"
        ).df()
    return frame[project.entity].map(first.set_index("key")["first"])


def store_drivers(project: Project, explanation: ModelExplanation) -> None:
    """Replace ``gold.gld_driver_importance``."""
    write_table(project, DRIVER_TABLE, explanation.table)


def _customers(connection: duckdb.DuckDBPyConnection) -> Any:
    """The table with every feature row, or the scoring set where a project has no other."""
    return FEATURES if table_exists(connection, FEATURES) else SCORING_SET
