"""Findings as rows of the warehouse, so that a feature that was refused can be looked up later."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from python_ml.model.leakage_gate import ACCEPTED

if TYPE_CHECKING:
    from python_ml.model.leakage_gate import LeakageCheck
    from python_ml.project import Project

TABLE = "gold.gld_leakage_findings"
COLUMNS = {
    "finding_key": "varchar primary key",
    "dataset_sha256": "varchar",
    "probe": "varchar",
    "severity": "varchar",
    "decision": "varchar",
    "feature": "varchar",
    "columns": "varchar",
    "finding": "varchar",
    "evidence": "varchar",
    "advice": "varchar",
    "accepted_because": "varchar",
    "auc": "double",
}


def has_findings(project: Project, digest: str | None) -> bool:
    """Whether findings on these rows are stored, or there is no warehouse that could hold any."""
    from python_ml.warehouse import connect, has_warehouse, relation, table_exists

    if not has_warehouse(project):
        return True
    with connect(project) as connection:
        return table_exists(connection, TABLE) and bool(
            connection.execute(f"select 1 from {relation(TABLE)} where dataset_sha256 = ? limit 1", [digest]).fetchall()
        )


def store_findings(project: Project, check: LeakageCheck, digest: str | None) -> int:
    """Append findings; what is there already (the same data, probe, columns and decision) stays as it is.

    Parameters
    ----------
    project : Project
    check : LeakageCheck
    digest : str or None
        SHA-256 of the training set's content, where it has one.

    Returns
    -------
    int
        Rows that are new.
    """
    import pyarrow as pa

    from python_ml.warehouse import connect, declare_table, relation

    rows = []
    for finding in check.findings:
        decision = check.decision(finding)
        identity = json.dumps([digest, finding.probe, list(finding.columns), finding.reason, decision])
        rows.append(
            {
                "finding_key": hashlib.sha256(identity.encode()).hexdigest(),
                "dataset_sha256": digest,
                "probe": finding.probe,
                "severity": finding.severity,
                "decision": decision,
                "feature": finding.columns[0] if finding.columns else None,
                "columns": json.dumps(list(finding.columns)),
                "finding": finding.sentence,
                "evidence": json.dumps(finding.evidence, sort_keys=True, default=str),
                "advice": finding.advice,
                "accepted_because": check.accepted.get(finding.name) if decision == ACCEPTED else None,
                "auc": finding.evidence.get("auc"),
            }
        )
    types = {name: pa.float64() if kind == "double" else pa.string() for name, kind in COLUMNS.items()}
    with connect(project, read_only=False) as connection:
        declare_table(connection, TABLE, COLUMNS)
        count = f"select count(*) from {relation(TABLE)}"
        before = connection.execute(count).fetchall()[0][0]
        # In one statement: one for each row takes seconds where features are many.
        connection.register("found_now", pa.Table.from_pylist(rows, schema=pa.schema(types)))
        connection.execute(f"insert or ignore into {relation(TABLE)} select * from found_now")
        return connection.execute(count).fetchall()[0][0] - before
