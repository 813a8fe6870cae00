"""The evidence for a retraining, read from the warehouse and the registry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from python_ml.dbt import TRAINING_SET
from python_ml.model import store
from python_ml.model.registry import ModelRegistry, Version
from python_ml.monitor.drift import DRIFT
from python_ml.monitor.drift_table import TABLE as DRIFT_TABLE
from python_ml.monitor.drift_table import is_breach, newest_rows
from python_ml.monitor.performance_table import TABLE as PERFORMANCE_TABLE
from python_ml.monitor.retraining import DriftedColumn, Growth, MeasuredPerformance, RetrainingEvidence
from python_ml.project import is_dateless
from python_ml.warehouse import connect, relation, table_exists

if TYPE_CHECKING:
    import duckdb

    from python_ml.project import Project


def gather_evidence(project: Project) -> RetrainingEvidence:
    """Look at drift, performance, age and new rows of the champion.

    Raises
    ------
    UserError
        When there is no warehouse or no training set, or the model store does not answer.
    """
    registry = ModelRegistry.of(project)
    number = None if registry is None else registry.aliases().get(store.ALIAS)
    if registry is None or number is None:
        return RetrainingEvidence(champion=None)
    champion, newest = registry.find(number), registry.versions()[-1]
    metrics = registry.client.get_run(champion.run_id).data.metrics
    with connect(project) as connection:
        return evidence_of(
            connection, champion, newest, metrics, project.settings.retraining.metric, is_dateless(project.vars)
        )


def evidence_of(
    connection: duckdb.DuckDBPyConnection,
    champion: Version,
    newest: Version,
    metrics: Mapping[str, float],
    metric: str,
    dateless: bool = False,
) -> RetrainingEvidence:
    """The evidence about a champion, read from the tables of a connection.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    champion, newest : Version
        The newest version may be a challenger that was refused.
    metrics : mapping of str to float
        Of the champion's training, such as ``test.roc_auc`` and ``test.roc_auc.low``.
    metric : str
        The one that decides.
    dateless : bool
        Whether rows have no dates of their own.
    """
    number, missing = champion.number, list[str]()
    rows, last = _labelled(connection)
    growth = {version.number: _growth(connection, version, rows, dateless) for version in (champion, newest)}
    drifted = _drifted(connection, number, missing)
    realised, estimated = _performance(connection, number, metric, missing)
    if growth[number] is None:
        missing.append(
            f"Version {number} did not record the rows that it was trained with: age and new rows are unknown."
        )
    return RetrainingEvidence(
        champion=number,
        data_time=last,
        trained_rows=int(champion.tags[store.ROWS_TAG]) if store.ROWS_TAG in champion.tags else None,
        since_champion=growth[number],
        since_newest=growth[newest.number],
        drifted=drifted,
        realised=realised,
        estimated=estimated,
        expected=metrics.get(f"test.{metric}"),
        expected_low=metrics.get(f"test.{metric}.low"),
        expected_high=metrics.get(f"test.{metric}.high"),
        missing=tuple(missing),
    )


def _labelled(connection: duckdb.DuckDBPyConnection) -> tuple[int, datetime | None]:
    from python_ml.errors import UserError

    if not table_exists(connection, TRAINING_SET):
        raise UserError(
            f"The table {TRAINING_SET} does not exist.", where="the warehouse", hint="run `retention build`"
        )
    query = f"select count(*), max(cast(feature_timestamp as timestamp)) from {relation(TRAINING_SET)}"
    return connection.execute(query).fetchall()[0]


def _growth(connection: duckdb.DuckDBPyConnection, version: Version, rows: int, dateless: bool) -> Growth | None:
    """Labelled rows that a version was not trained with, by the clock of the data."""
    if store.ROWS_TAG not in version.tags:
        return None
    if dateless:
        grown = max(rows - int(version.tags[store.ROWS_TAG]), 0)
        return Growth(grown, int(grown > 0))
    query = (
        f"select count(*), count(distinct feature_timestamp) from {relation(TRAINING_SET)} "
        "where cast(feature_timestamp as timestamp) > ?"
    )
    newer = connection.execute(query, [datetime.fromisoformat(version.tags[store.NEWEST_ROW_TAG])]).fetchall()[0]
    return Growth(*newer)


def _drifted(connection: duckdb.DuckDBPyConnection, champion: int, missing: list[str]) -> tuple[DriftedColumn, ...]:
    """What drifted in the newest period of its kind; features count if the champion uses them."""
    if not table_exists(connection, DRIFT_TABLE):
        missing.append("Drift was not measured: run `retention monitor` first.")
        return ()
    found = connection.execute(
        "select model_version, kind, feature, is_model_input, current_period, status, since, accepted_because "
        f"from {relation(DRIFT_TABLE)}"
    )
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    other = {row["model_version"] for row in rows} - {champion}
    if other:
        missing.append(f"Drift was measured for version {min(other)}: run `retention monitor` first.")
        return ()
    return tuple(
        DriftedColumn(row["kind"], row["feature"], _periods(rows, row), row["since"])
        for row in newest_rows(rows)
        if is_breach(row)
    )


def _periods(rows: list[dict], of: dict) -> int:
    """Consecutive periods up to the newest in which it drifted (not only a warning)."""
    series = sorted(
        (row for row in rows if (row["kind"], row["feature"]) == (of["kind"], of["feature"])),
        key=lambda row: row["current_period"],
        reverse=True,
    )
    ends = (position for position, row in enumerate(series) if row["status"] != DRIFT)
    return next(ends, len(series))


def _performance(
    connection: duckdb.DuckDBPyConnection, champion: int, metric: str, missing: list[str]
) -> tuple[MeasuredPerformance | None, MeasuredPerformance | None]:
    """The newest metric of a cohort whose outcomes are known, and of a later one whose are not."""
    if not table_exists(connection, PERFORMANCE_TABLE):
        missing.append("Performance was not measured: run `retention monitor` first.")
        return None, None

    def newest(kind: str) -> MeasuredPerformance | None:
        value = f"{kind}_{metric}"
        cohorts = connection.execute(
            f"select cast(period as timestamp), {value}, {value}_low, {value}_high from {relation(PERFORMANCE_TABLE)} "
            f"where model_version = ? and judged_by = ? and {value} is not null order by 1 desc limit 1",
            [champion, kind],
        ).fetchall()
        return MeasuredPerformance(metric, *cohorts[0]) if cohorts else None

    realised, estimated = newest("realised"), newest("estimated")
    if realised and estimated and estimated.period < realised.period:
        # Outcomes that are known say more than an estimate of earlier ones.
        estimated = None
    return realised, estimated
