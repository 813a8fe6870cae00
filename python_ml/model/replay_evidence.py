"""What replays have shown, kept in the warehouse for as long as the features that they looked at stand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from python_ml.dbt import FEATURES
from python_ml.leakage import StoredReplay

if TYPE_CHECKING:
    import duckdb

    from python_ml.project import Project
    from python_ml.replay import Replay

TABLE = "gold.gld_feature_replays"
COLUMNS = {
    "feature_timestamp": "timestamp primary key",
    "fingerprint": "varchar",
    "stored_rows": "bigint",
    "missing": "bigint",
    "unexpected": "bigint",
    "differing": "varchar",
}


def store_replays(project: Project, outcomes: Sequence[Replay]) -> None:
    """Keep outcomes, one for each feature time, with a fingerprint of the rows that they are about."""
    from python_ml.warehouse import connect, declare_table, relation

    with connect(project, read_only=False) as connection:
        declare_table(connection, TABLE, COLUMNS)
        for outcome in outcomes:
            connection.execute(
                f"insert or replace into {relation(TABLE)} values (?, ?, ?, ?, ?, ?)",
                [
                    outcome.as_of,
                    _fingerprint(connection, str(outcome.as_of)),
                    outcome.rows,
                    outcome.missing,
                    outcome.unexpected,
                    json.dumps(outcome.differing, sort_keys=True),
                ],
            )


def stored_replays(project: Project) -> list[StoredReplay]:
    """Outcomes that still speak of the stored features, in the order of their times."""
    from python_ml.warehouse import connect, relation, table_exists

    with connect(project) as connection:
        if not table_exists(connection, TABLE) or not table_exists(connection, FEATURES):
            return []
        rows = connection.execute(
            "select cast(feature_timestamp as varchar), fingerprint, stored_rows, missing, unexpected, differing "
            f"from {relation(TABLE)} order by feature_timestamp"
        ).fetchall()
        return [
            StoredReplay(as_of, stored, missing, unexpected, json.loads(differing))
            for as_of, fingerprint, stored, missing, unexpected, differing in rows
            if fingerprint == _fingerprint(connection, as_of)
        ]


def _fingerprint(connection: duckdb.DuckDBPyConnection, as_of: str) -> str:
    """Names of the columns and values of one feature time, in any order of rows."""
    from python_ml.warehouse import relation

    names = [row[0] for row in connection.execute(f"describe {relation(FEATURES)}").fetchall()]
    rows = connection.execute(
        f"select count(*), coalesce(bit_xor(hash(f)), 0), coalesce(sum(cast(hash(f) as hugeint)), 0) "
        f"from {relation(FEATURES)} as f where feature_timestamp = cast(? as timestamp)",
        [as_of],
    ).fetchall()
    return json.dumps([names, *map(str, rows[0])])
