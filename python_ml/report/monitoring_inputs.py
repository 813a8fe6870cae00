"""What the page of monitoring is made from, and reading it from a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from python_ml.explanation.drivers import ALL
from python_ml.explanation.reading import DRIVER_TABLE
from python_ml.model.results import reported_version, stored_metrics
from python_ml.monitor import data_quality, drift_table, performance_table
from python_ml.project import is_dateless
from python_ml.warehouse import connect, quote, relation, table_exists

if TYPE_CHECKING:
    from python_ml.monitor import Monitoring
    from python_ml.project import Project

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class MonitoringInputs:
    """Everything that the page shows, as plain data.

    Attributes
    ----------
    project_name : str
    model_version : int
        Of the champion.
    drift, performance, quality : sequence of mapping
        Rows of ``gold.gld_feature_drift``, ``gold.gld_model_performance`` and ``gold.gld_data_quality``.
    alerts : sequence of mapping
        Open alerts: ``alert_number``, ``part``, ``message``, ``since``, ``opened_at``.
    breaches : sequence of str
        What went beyond its threshold, with values of the data.
    notes : sequence of str
        What could not be looked at, and why.
    importance : mapping of str to float
        Mean absolute contribution of each of the champion's features, in log-odds; empty where it is not known.
    dateless : bool
        Whether the rows have no dates, so that there are no periods.
    """

    project_name: str
    model_version: int
    drift: Rows = ()
    performance: Rows = ()
    quality: Rows = ()
    alerts: Rows = ()
    breaches: Sequence[str] = ()
    notes: Sequence[str] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    dateless: bool = False


def monitoring_inputs(project: Project, found: Monitoring) -> MonitoringInputs:
    """Read what ``retention monitor`` has just stored."""
    version = found.data["model_version"]
    return MonitoringInputs(
        project.name,
        version,
        *(_rows(project, name) for name in (drift_table.TABLE, performance_table.TABLE, data_quality.TABLE)),
        alerts=found.data["alerts"],
        breaches=[breach.what for breach in found.breaches],
        notes=found.notes,
        importance=importance_of(project, version),
        dateless=is_dateless(project.vars),
    )


def importance_of(project: Project, version: int) -> dict[str, float]:
    """Importance of the features of a version, as ``retention explain`` or else its training measured it."""
    with connect(project) as connection:
        if table_exists(connection, DRIVER_TABLE):
            measured = connection.execute(
                f"select feature, importance from {relation(DRIVER_TABLE)} where segment_by = ? and model_version = ?",
                [ALL, version],
            ).fetchall()
            if measured:
                return dict(measured)
    metrics = stored_metrics(project.reports_dir)
    if metrics is None or str(reported_version(metrics)[0]) != str(version):
        return {}
    import pandas as pd

    drivers = pd.read_parquet(project.reports_dir / "drivers.parquet")
    return dict(zip(drivers["feature"], drivers["importance"].astype(float), strict=True))


def _rows(project: Project, table: str) -> list[dict[str, Any]]:
    with connect(project) as connection:
        names = ", ".join(map(quote, _COLUMNS[table]))
        return connection.sql(f"select {names} from {relation(table)} order by all").to_arrow_table().to_pylist()


_COLUMNS = {
    drift_table.TABLE: drift_table.COLUMNS,
    performance_table.TABLE: performance_table.COLUMNS,
    data_quality.TABLE: data_quality.COLUMNS,
}
