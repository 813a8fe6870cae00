"""What ``retention monitor`` does: every part measures, and says what is a breach."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from python_ml.dbt import FEATURES, SCORES, TRAINING_SET, feature_registry
from python_ml.errors import GateError, UserError
from python_ml.formatting import counted, date, decimal, percent
from python_ml.input_columns import NUMBER, InputColumn
from python_ml.monitor import drift_table, performance_table
from python_ml.monitor.alerts import raise_alerts
from python_ml.monitor.breach import Breach
from python_ml.monitor.counting import TableRows
from python_ml.monitor.data_quality import quality_rows, store_quality
from python_ml.monitor.drift import CHURN_RATE, FEATURE, OK, SCORE, TOGETHER, drift_rows, with_since
from python_ml.monitor.drift_table import newest_rows, store_drift, summary
from python_ml.monitor.joint import joint_rows
from python_ml.monitor.performance import performance_rows
from python_ml.monitor.reference import (
    OUTCOME,
    fitted_until,
    measure_reference,
    reference_of_warehouse,
    stored_reference,
)
from python_ml.monitor.schema import PeriodCounts, ReferenceStatistics
from python_ml.warehouse import connect, table_exists

if TYPE_CHECKING:
    import duckdb

    from python_ml.model.registry import Champion, ChampionFiles
    from python_ml.project import Project
    from python_ml.settings.monitor import Drift

PROBABILITY = "churn_probability"
TABLES = {"drift": drift_table.TABLE, "performance": performance_table.TABLE}
MOMENT = timedelta(microseconds=1)
SHOWN = 0.005  # standard deviations from which on a shift is not written as 0


@dataclass(frozen=True)
class Monitoring:
    """What all parts found.

    Attributes
    ----------
    breaches : list of Breach
    notes : list of str
        What could not be looked at, and why.
    text : str
        For the terminal.
    data : dict
        By part, for ``--json``.
    """

    breaches: list[Breach]
    notes: list[str]
    text: str
    data: dict[str, Any]

    @property
    def compared(self) -> bool:
        """Whether there was a period later than the training."""
        return bool(self.data["drift"]["measured"] or self.data["performance"])

    @property
    def summary(self) -> str:
        """What became of the features, in one line."""
        return self.text.partition("\n")[0]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "status": "breach" if self.breaches else "ok",
            "summary": self.summary,
            "breaches": [asdict(one) for one in self.breaches],
            "notes": self.notes,
            **self.data,
        }

    def enforce(self) -> None:
        """Refuse a breach.

        Raises
        ------
        GateError
            Names each breach.
        """
        if self.breaches:
            listed = "\n    ".join(breach.what for breach in self.breaches[:10])
            more = f"\n    and {len(self.breaches) - 10} more" if len(self.breaches) > 10 else ""
            raise GateError(
                f"{counted(len(self.breaches), 'breach', 'breaches')}:\n    {listed}{more}",
                where=" and ".join(TABLES[part] for part in dict.fromkeys(breach.part for breach in self.breaches)),
                hint="look at the sources of drifted columns first; if the change is real, train again with `retention "
                "train`; if it is harmless, say why in retention.yml: `monitor: {drift: {accept: {NAME: the reason}}}`",
            )


def monitor(project: Project) -> Monitoring:
    """Measure drift, data quality and performance, store them, and raise alerts.

    Writes ``gld_feature_drift``, ``gld_data_quality``, ``gld_model_performance`` and ``gld_alerts`` in ``gold``.

    Raises
    ------
    UserError
        When there is no champion or no warehouse, or ``monitor.drift.accept`` names nothing that is there.
    """
    from python_ml.model.registry import champion_files, open_files

    files = champion_files(project)
    if files is None:
        raise UserError("There is no champion yet.", where=project.name, hint="run `retention train`")
    champion, settings = open_files(files), project.settings.monitor.drift
    with connect(project) as connection:
        rows, notes = measured_drift(project, connection, champion, files)
        features = TableRows(connection, FEATURES, project.entity)
        quality = quality_rows(features, feature_registry(project), rows, settings.periods)
        performance, missing = performance_rows(project, connection, champion, files)
    _check_accepted(project, {row["feature"] for row in rows})
    store_drift(project, rows)
    store_quality(project, quality)
    performance_table.store_performance(project, performance)
    newest = newest_rows(rows)
    breaches = [
        Breach("drift", _sentence(row), row["since"], f"{row['kind']} {row['feature']}", _sentence(row, values=False))
        for row in newest
        if drift_table.is_breach(row)
    ]
    breaches += performance_table.breaches(performance)
    shown = [
        {name: value for name, value in row.items() if name != "distribution"} for row in newest if row["status"] != OK
    ]
    periods = sorted({row["current_period"].isoformat() for row in rows})
    alerts, unsent = raise_alerts(project, breaches, champion.version)
    data = {
        "model_version": champion.version,
        "drift": {"periods": periods, "measured": len(rows), "moved": shown},
        "performance": [performance_table.plain(row) for row in performance],
        "alerts": alerts,
    }
    text = "\n\n".join(filter(None, [summary(rows), performance_table.summary(performance)]))
    return Monitoring(breaches, notes + missing + unsent, text, data)


def measured_drift(
    project: Project, connection: duckdb.DuckDBPyConnection, champion: Champion, files: ChampionFiles
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of ``gold.gld_feature_drift``, and what could not be looked at; a connection to the gold tables."""
    rows, notes = _drift_rows(project, connection, champion, files)
    inputs = {column.name for column in champion.card.columns}
    accepted = project.settings.monitor.drift.accept
    judged = [
        {
            **row,
            "model_version": champion.version,
            "is_model_input": row["feature"] in inputs,
            "accepted_because": accepted.get(row["feature"]),
        }
        for row in with_since(rows)
    ]
    return judged, notes


def _drift_rows(
    project: Project, connection: duckdb.DuckDBPyConnection, champion: Champion, files: ChampionFiles
) -> tuple[list[dict[str, Any]], list[str]]:
    settings, entity, notes = project.settings.monitor.drift, project.entity, []
    reference = stored_reference(files.folder)
    until = fitted_until(champion.card)
    labelled = TableRows(connection, TRAINING_SET, entity)
    if reference is None:
        notes.append(
            "The champion has no reference statistics, so those of the training set in the warehouse take their place."
        )
        reference = reference_of_warehouse(
            labelled, feature_registry(project), champion.card, project.settings.features
        )
    if until is None:
        return [], [*notes, "The rows have no dates of their own, so no period is later than the training."]
    excluded = project.settings.features.excluded(reference.columns)
    names = [name for name in reference.columns if name != OUTCOME and name not in excluded]
    features = TableRows(connection, FEATURES, entity)
    names, gone = _still_there(features, names)
    notes += [f"No longer in {FEATURES}: {', '.join(gone)}."] if gone else []
    current = _counted(features, reference, names, until, settings.periods)
    rows = drift_rows(FEATURE, reference, current, names, settings)
    rows += joint_rows(features, reference, current, rows, settings)
    if OUTCOME in reference.columns:
        outcomes = _counted(labelled, reference, [OUTCOME], until, settings.periods)
        rows += drift_rows(CHURN_RATE, reference, outcomes, [OUTCOME], settings)
    scores, missing = _scores(connection, entity, champion, files, settings)
    return rows + scores, notes + missing


def _still_there(rows: TableRows, names: Sequence[str]) -> tuple[list[str], list[str]]:
    columns = {name for name, *_ in rows.selected(f"describe {rows.quoted(*rows.table.split('.'))}")}
    return [name for name in names if name in columns], [name for name in names if name not in columns]


def _counted(
    rows: TableRows, reference: ReferenceStatistics, names: Sequence[str], until: datetime, most: int
) -> dict[datetime, PeriodCounts]:
    """The newest periods after a training, counted with the bins of its reference."""
    times = rows.between(after=until).times()[-most:]
    if not times:
        return {}
    return rows.between(after=times[0] - MOMENT).counted([reference.columns[name].bins for name in names])


def _scores(
    connection: duckdb.DuckDBPyConnection, entity: str, champion: Champion, files: ChampionFiles, settings: Drift
) -> tuple[list[dict[str, Any]], list[str]]:
    """The scores of the newest customers, against those of the test rows that the champion was not fitted on."""
    if not table_exists(connection, SCORES):
        return [], ["Nothing is scored yet, so scores are not compared."]
    held_out = files.held_out
    current = TableRows(connection, SCORES, entity)
    versions = {version for (version,) in current.selected(f"select distinct model_version {current.source}")}
    if held_out is None or not len(held_out) or versions != {champion.version}:
        return [], [f"The scores are not those of version {champion.version} or it has no test rows: not compared."]
    last = fitted_until(champion.card)
    held_out = held_out.assign(feature_timestamp=last).rename(columns={"probability": PROBABILITY})
    connection.register("held_out_scores", held_out)
    reference = measure_reference(
        TableRows(connection, "held_out_scores", "customer"), [InputColumn(PROBABILITY, NUMBER)]
    )
    connection.unregister("held_out_scores")
    counts = current.counted([reference.columns[PROBABILITY].bins])
    rows = drift_rows(SCORE, reference, counts, [PROBABILITY], settings)
    # The scores of the test rows are kept without their times.
    return [{**row, "reference_from": None, "reference_to": None} for row in rows], []


def _check_accepted(project: Project, names: set[str]) -> None:
    for name in project.settings.monitor.drift.accept:
        if names and name not in names:
            close = difflib.get_close_matches(name, sorted(names), n=1)
            raise UserError(
                f"There is no feature `{name}` whose drift could be accepted.",
                where=project.settings.where("monitor", "drift", "accept", name),
                hint=f"did you mean `{close[0]}`?" if close else "delete the line",
            )


def _sentence(row: dict[str, Any], values: bool = True) -> str:
    """A row that drifted as a sentence; with ``values`` of the data, where categories are new."""
    name, since = f"`{row['feature']}`", f"since {date(row['since'])}"
    if row["kind"] == TOGETHER:
        pairs = ", ".join(name for name, _ in json.loads(row["drivers"])[:2])
        return f"features depend on each other in another way {since}: AUC {decimal(row['auc'], 2)} ({pairs})"
    if row["kind"] == CHURN_RATE:
        return f"churn rate {percent(row['reference_mean'])} before, {percent(row['current_mean'])} now, {since}"
    details = [f"PSI {decimal(row['psi'], 2)}"]
    if abs(row.get("mean_shift") or 0.0) >= SHOWN:
        details.append(f"mean {row['mean_shift']:+.2f} standard deviations")
    if row["null_shift"]:
        details.append(
            f"missing {percent(row['reference_null_share'])} before, {percent(row['current_null_share'])} now"
        )
    if new := json.loads(row.get("new_categories") or "[]"):
        details.append(f"new: {', '.join(new[:3])}" if values else counted(len(new), "new value"))
    return f"{name} drifted {since}: {', '.join(details)}"
