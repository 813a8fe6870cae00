"""Findings as rows of the warehouse, so that a feature that was refused once can be asked about later."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from python_ml.leakage.gate import ACCEPTED

if TYPE_CHECKING:
    from python_ml.leakage.gate import LeakageCheck
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


def store_findings(project: Project, check: LeakageCheck, digest: str | None) -> int:
    """Append what was found; what is there already (the same data, probe, columns and decision) stays as it is.

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
    from python_ml.warehouse import connect, quote, relation

    rows = []
    for finding in check.findings:
        decision = check.decision(finding)
        identity = json.dumps([digest, finding.probe, list(finding.columns), finding.reason, decision])
        rows.append(
            [
                hashlib.sha256(identity.encode()).hexdigest(),
                digest,
                finding.probe,
                finding.severity,
                decision,
                finding.columns[0] if finding.columns else None,
                json.dumps(list(finding.columns)),
                finding.sentence,
                json.dumps(finding.evidence, sort_keys=True, default=str),
                finding.advice,
                check.accepted.get(finding.name) if decision == ACCEPTED else None,
                finding.evidence.get("auc"),
            ]
        )
    declared = ", ".join(f"{quote(name)} {kind}" for name, kind in COLUMNS.items())
    marks = ", ".join("?" for _ in COLUMNS)
    with connect(project, read_only=False) as connection:
        connection.execute("create schema if not exists gold")
        connection.execute(f"create table if not exists {relation(TABLE)} ({declared})")
        count = f"select count(*) from {relation(TABLE)}"
        before = connection.execute(count).fetchall()[0][0]
        if rows:
            connection.executemany(f"insert or ignore into {relation(TABLE)} values ({marks})", rows)
        return connection.execute(count).fetchall()[0][0] - before
