"""``gold.gld_retraining_decisions``: one row per decision, with its evidence and, once there is one, its outcome."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from python_ml.warehouse import connect, declare_table, quote, relation

if TYPE_CHECKING:
    from python_ml.monitor.retraining import RetrainingDecision
    from python_ml.project import Project

TABLE = "gold.gld_retraining_decisions"
COLUMNS = {
    "decision_number": "bigint",
    "model_name": "varchar",
    "champion_version": "integer",
    "data_time": "timestamp",
    "decision": "varchar",
    "trigger_name": "varchar",
    "reason": "varchar",
    "triggers": "varchar",
    "evidence": "varchar",
    "is_check": "boolean",
    "decided_by": "varchar",
    "decided_at": "timestamp",
    "iteration": "integer",
    "challenger_version": "integer",
    "outcome": "varchar",
    "outcome_reason": "varchar",
}


def store_decision(project: Project, decision: RetrainingDecision, *, is_check: bool) -> int:
    """Append a decision, before it is carried out. Returns its number."""
    from python_ml.model.promotions import deciding_user

    data = decision.to_dict()
    row = {
        "model_name": project.registered_model,
        "champion_version": decision.evidence.champion,
        "data_time": decision.evidence.data_time,
        "decision": decision.decision,
        "trigger_name": decision.trigger,
        "reason": decision.reason,
        "triggers": json.dumps(data["triggers"], default=str),
        "evidence": json.dumps(data["evidence"], default=str),
        "is_check": is_check,
        "decided_by": deciding_user(),
        "decided_at": datetime.now(UTC).replace(tzinfo=None),
    }
    table = relation(TABLE)
    with connect(project, read_only=False) as connection:
        declare_table(connection, TABLE, COLUMNS)
        ((number,),) = connection.execute(f"select coalesce(max(decision_number), 0) + 1 from {table}").fetchall()
        names = ", ".join(quote(name) for name in ("decision_number", *row))
        marks = ", ".join("?" * (1 + len(row)))
        connection.execute(f"insert into {table} ({names}) values ({marks})", [number, *row.values()])
    return number


def store_outcome(
    project: Project, number: int, *, iteration: int, challenger: int | None, outcome: str, reason: str
) -> None:
    """Add to a decision what came of it."""
    with connect(project, read_only=False) as connection:
        connection.execute(
            f"update {relation(TABLE)} set iteration = ?, challenger_version = ?, outcome = ?, outcome_reason = ? "
            "where decision_number = ?",
            [iteration, challenger, outcome, reason, number],
        )
