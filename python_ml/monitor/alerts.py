"""``gold.gld_alerts``: a breach is one alert while it lasts, and every sink gets it once.

A message names the column or figure, and never a value of the data.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from python_ml.files import write_json
from python_ml.monitor.breach import Breach
from python_ml.monitor.sinks import DeliveryError, Sink, configured_sinks
from python_ml.warehouse import arrow_table, connect, relation, table_exists, write_table

if TYPE_CHECKING:
    from python_ml.project import Project

TABLE = "gold.gld_alerts"
COLUMNS = {
    "alert_number": "bigint",
    "part": "string",
    "subject": "string",
    "model_version": "integer",
    "message": "string",
    "since": "timestamp",
    "status": "string",
    "opened_at": "timestamp",
    "resolved_at": "timestamp",
    "delivered_to": "string",
    "undelivered_to": "string",
}
OPEN, RESOLVED = "open", "resolved"
FILE = "alerts.json"

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())


def raise_alerts(
    project: Project, breaches: Sequence[Breach], version: int, sinks: Sequence[Sink] | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Write the alerts of a run and send those that a sink does not have yet.

    Alerts are written before anything is sent, and again after each sink: one that fails loses none, and gets them with
    the next run.

    Parameters
    ----------
    project : Project
    breaches : sequence of Breach
        All of them; an open alert without a breach is resolved.
    version : int
        Of the champion.
    sinks : sequence of Sink, optional
        Default: those of ``retention.yml``.

    Returns
    -------
    list of dict
        Open alerts.
    list of str
        Sinks that failed, and why.
    """
    alerts = _updated(_stored(project), breaches, version, datetime.now(UTC).replace(tzinfo=None))
    _store(project, alerts)
    notes = []
    for sink in configured_sinks(project.settings.monitor.alerts) if sinks is None else sinks:
        waiting = [one for one in alerts if _waits(one, sink.name)]
        if not waiting:
            continue
        try:
            sink.send(project.name, [_sent(one) for one in waiting])
        except DeliveryError as error:
            notes.append(f"Alerts were not sent by {sink.name}, the next run tries again: {error}")
            log.error("alerts not sent by %s: %s", sink.name, error)
            for one in waiting:
                one["undelivered_to"][sink.name] = str(error)
        else:
            for one in waiting:
                one["delivered_to"].append(sink.name)
                one["undelivered_to"].pop(sink.name, None)
        _store(project, alerts)
    opened = [_sent(one) for one in alerts if one["status"] == OPEN]
    write_json(project.reports_dir / FILE, {"alerts": opened, "not_sent": notes})
    return opened, notes


def _updated(
    alerts: list[dict[str, Any]], breaches: Sequence[Breach], version: int, now: datetime
) -> list[dict[str, Any]]:
    """The alerts after a run: those that last keep their number, others are resolved or new."""
    lasting = {(one["part"], one["subject"], one["model_version"]): one for one in alerts if one["status"] == OPEN}
    found = {(breach.part, breach.subject, version): breach for breach in breaches}
    for key, alert in lasting.items():
        if key in found:
            alert |= {
                "message": found[key].message,
                "since": min(filter(None, (alert["since"], found[key].since)), default=None),
            }
        else:
            alert |= {"status": RESOLVED, "resolved_at": now}
            log.info("resolved: %s", alert["message"])
    number = max((one["alert_number"] for one in alerts), default=0)
    for key, breach in found.items():
        if key not in lasting:
            number += 1
            log.warning("breach: %s", breach.message)
            alerts.append(
                {
                    "alert_number": number,
                    "part": breach.part,
                    "subject": breach.subject,
                    "model_version": version,
                    "message": breach.message,
                    "since": breach.since,
                    "status": OPEN,
                    "opened_at": now,
                    "resolved_at": None,
                    "delivered_to": [],
                    "undelivered_to": {},
                }
            )
    return alerts


def _waits(alert: dict[str, Any], sink: str) -> bool:
    """Whether a sink lacks an alert; a resolved one is sent only where an earlier attempt failed."""
    return sink not in alert["delivered_to"] and (alert["status"] == OPEN or sink in alert["undelivered_to"])


def _sent(alert: dict[str, Any]) -> dict[str, Any]:
    """An alert as JSON has it."""
    names = ("alert_number", "part", "subject", "model_version", "message", "since", "status", "opened_at")
    return {name: alert[name].isoformat() if isinstance(alert[name], datetime) else alert[name] for name in names}


def _stored(project: Project) -> list[dict[str, Any]]:
    with connect(project) as connection:
        if not table_exists(connection, TABLE):
            return []
        rows = connection.sql(f"select * from {relation(TABLE)} order by alert_number").to_arrow_table().to_pylist()
    return [{**row, **{name: json.loads(row[name]) for name in ("delivered_to", "undelivered_to")}} for row in rows]


def _store(project: Project, alerts: Sequence[dict[str, Any]]) -> None:
    rows = [{**one, **{name: json.dumps(one[name]) for name in ("delivered_to", "undelivered_to")}} for one in alerts]
    write_table(project, TABLE, arrow_table(rows, COLUMNS))
