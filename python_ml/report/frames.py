"""The frames of the report: where each is read from, and the columns that it must have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    import pandas as pd

    from python_ml.project import Project

LISTED_CUSTOMERS = 25

_NEWEST_SCORES = (
    "{gold.gld_churn_scores} where feature_timestamp = (select max(feature_timestamp) from {gold.gld_churn_scores})"
)
_OUTCOMES = (
    "select feature_timestamp, count(*) as customers, count(churned) as labelled, "
    "coalesce(sum(churned), 0)::bigint as churned from {table} group by all order by all"
)


@dataclass(frozen=True)
class FrameSource:
    """Where a frame is read from.

    Attributes
    ----------
    columns : tuple of str
        Columns that the report needs.
    queries : tuple of str
        Of these, the first whose tables exist; without any, the frame is a Parquet file of its name in ``reports/``.
    has_entity : bool
        Whether the column of the entity is needed as well.
    """

    columns: tuple[str, ...]
    queries: tuple[str, ...] = ()
    has_entity: bool = False


FRAMES = {
    "predictions": FrameSource(("model", "split", "feature_timestamp", "churned", "probability")),
    "drivers": FrameSource(("feature", "importance", "direction")),
    "scores": FrameSource(
        ("feature_timestamp", "churn_probability", "risk_band", "model_name", "model_version"),
        (
            "select {key}, feature_timestamp, churn_probability, risk_band, model_name, model_version "
            f"from {_NEWEST_SCORES}",
        ),
        has_entity=True,
    ),
    "reasons": FrameSource(
        ("reason_rank", "reason"),
        (
            "select {key}, reason_rank, reason from {gold.gld_churn_reasons} "
            "where feature_timestamp = (select max(feature_timestamp) from {gold.gld_churn_reasons}) "
            f"and {{key}} in (select {{key}} from {_NEWEST_SCORES} "
            f"order by churn_probability desc, cast({{key}} as varchar) limit {LISTED_CUSTOMERS})",
        ),
        has_entity=True,
    ),
    "outcomes": FrameSource(
        ("feature_timestamp", "customers", "labelled", "churned"),
        tuple(_OUTCOMES.replace("{table}", f"{{gold.{name}}}") for name in ("gld_churn_labels", "gld_training_set")),
    ),
    "row_counts": FrameSource(
        ("source_table", "outcome", "row_count"),
        (
            "select source_table, outcome, sum(row_count)::bigint as row_count "
            "from {bronze.brz_row_counts} group by all",
        ),
    ),
    "scoring": FrameSource(
        ("feature_timestamp", "customers"),
        ("select max(feature_timestamp) as feature_timestamp, count(*) as customers from {gold.gld_scoring_set}",),
    ),
    "survival_evaluation": FrameSource(
        ("model", "metric", "horizon", "value", "low", "high"), ("select * from {gold.gld_survival_evaluation}",)
    ),
    "survival_curves": FrameSource(
        ("grouped_by", "cohort", "period", "days", "survival", "low", "high", "at_risk"),
        ("select * from {gold.gld_survival_curves} order by grouped_by, cohort, period",),
    ),
    "survival_predictions": FrameSource(("horizon", "churned", "probability")),
    "actions": FrameSource(
        (
            "priority", "risk_band", "suggested_action", "reason_1", "reason_2", "reason_3", "churn_probability",
            "value_at_risk", "uplift", "expected_profit", "holdout_flag",
        ),
        (
            "select {key}, priority, risk_band, suggested_action, reason_1, reason_2, reason_3, churn_probability, "
            "value_at_risk, uplift, expected_profit, holdout_flag from {gold.gld_retention_actions} "
            f"order by priority limit {LISTED_CUSTOMERS}",
        ),
        has_entity=True,
    ),
    "segment_drivers": FrameSource(
        ("segment_by", "segment", "feature", "driver_rank", "customers", "direction"),
        (
            "select segment_by, segment, feature, driver_rank, customers, direction from {gold.gld_driver_importance} "
            "where driver_rank <= 3 and segment_by != 'all customers'",
        ),
    ),
    "diagnostics": FrameSource(
        ("diagnostic", "subject", "part", "metric", "value", "low", "p_adjusted", "remark", "model_version"),
        ("select * from {gold.gld_model_diagnostics}",),
    ),
    "fairness": FrameSource(
        ("sensitive_column", "group", "measure", "value", "low"), ("select * from {gold.gld_fairness}",)
    ),
}  # fmt: skip


def read_frames(project: Project) -> dict[str, pd.DataFrame | None]:
    """Read :data:`FRAMES`; None for those that the project does not have.

    Raises
    ------
    UserError
        When a file cannot be read, or there is no warehouse.
    """
    from python_ml.warehouse import connect

    with connect(project) as connection:
        return {
            name: _query(connection, source.queries, project.entity)
            if source.queries
            else _read_parquet(project.reports_dir / f"{name}.parquet")
            for name, source in FRAMES.items()
        }


def _read_parquet(path: Path) -> pd.DataFrame | None:
    import pandas as pd

    if not path.is_file():
        return None
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise UserError(
            f"{path.name} cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            hint="run `retention train` again",
        ) from error


def _query(connection: duckdb.DuckDBPyConnection, queries: tuple[str, ...], entity: str) -> pd.DataFrame | None:
    """The result of the first query whose tables exist; None where the project lacks them."""
    from python_ml.warehouse import quote, relation, table_exists

    for query in queries:
        tables = set(re.findall(r"\{(\w+\.\w+)\}", query))
        if all(table_exists(connection, table) for table in tables):
            for table in tables:
                query = query.replace(f"{{{table}}}", relation(table))
            # The key comes last: its name may hold braces.
            return connection.execute(query.replace("{key}", quote(entity))).df()
    return None
