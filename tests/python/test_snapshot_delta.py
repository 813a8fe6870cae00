"""Snapshots on Databricks, as far as can be told without one: the statements, and what is made of the answers."""

from __future__ import annotations

import re
from datetime import datetime

import pyarrow as pa
import pytest

from python_ml.errors import GateError, UserError
from python_ml.snapshots.delta import DeltaStore
from python_ml.snapshots.store import SnapshotRequest

DEFINITIONS = {"name": "O'Neill \\ Söhne"}
FACTS = {"created_at": "2024-05-01T00:00:00+00:00", "definitions": DEFINITIONS, "features": [], "code": {}}
REQUEST = SnapshotRequest(datetime(2024, 3, 1), ["customer_id", "feature_timestamp"], FACTS)


def training_rows(churned: int = 1) -> pa.Table:
    times = pa.array([datetime(2024, 1, 1), datetime(2024, 2, 1)], pa.timestamp("us", "Etc/UTC"))
    return pa.table(
        {
            "customer_id": ["a", "b"],
            "feature_timestamp": times,
            "label_timestamp": times,
            "churned": pa.array([0, churned], pa.int32()),
        }
    )


class StandIn:
    """Answers as Databricks would, and keeps what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.versions: dict[int, tuple[str, pa.Table]] = {}
        self.records: list[dict] = []

    def __call__(self, statement: str) -> pa.Table:
        self.said.append(statement)
        if statement.startswith("create or replace"):
            token = re.search(r"'retention\.token' = '(\w+)'", statement)[1]
            self.versions[len(self.versions) * 2] = (token, training_rows())  # another writer took those in between
        elif statement.startswith("show tables"):
            return pa.table({"tableName": ["gld_training_snapshots"] * bool(self.versions)})
        elif statement.startswith("describe history"):
            how = [f'{{"retention.token":"{token}"}}' for token, _ in self.versions.values()]
            return pa.table(
                {
                    "version": [*self.versions, 99],
                    "operationParameters": [[("properties", text)] for text in [*how, "{}"]],
                }
            )
        elif "version as of" in statement:
            return self.versions[int(statement.split()[-1])][1]
        elif statement.startswith("insert into"):
            number, key, record = re.search(r"values \((\d+), '(.*?)', '(.*)'\)$", statement, re.DOTALL).groups()
            text = re.sub(r"\\(.)", r"\1", record)
            self.records.append({"number": int(number), "id": key, "record": text})
        elif statement.startswith("select number"):
            schema = pa.schema([("number", pa.int64()), ("id", pa.string()), ("record", pa.string())])
            return pa.Table.from_pylist(self.records, schema=schema)
        elif "count_if" in statement:
            time = pa.array([datetime(2024, 2, 1)], pa.timestamp("us", "Etc/UTC"))
            return pa.table({"total": [5], "offered": [2], "first_label": time, "last_label": time})
        return pa.table({})


@pytest.fixture
def store() -> DeltaStore:
    return DeltaStore(StandIn(), "main`s")


def test_a_version_with_a_record_is_a_snapshot(store: DeltaStore) -> None:
    first, second = store.write(REQUEST), store.write(REQUEST)
    assert (first.number, second.number) == (0, 2), "the number is Delta's version"
    assert second.facts["parent"] == first.id
    assert [entry.snapshot for entry in store.inventory().entries] == [first, second]
    snapshot, table = store.load("2")
    assert snapshot.definitions == DEFINITIONS, "a record survives its quoting"
    assert table["feature_timestamp"].type == pa.timestamp("us")
    assert snapshot.types["feature_timestamp"] == "timestamp"
    assert store.verify(store.find("0")) == []


def test_a_version_without_a_record_is_none(store: DeltaStore) -> None:
    store.write(REQUEST)
    store.write(REQUEST)
    store.execute.records.pop(0)
    assert store.inventory().numbers_without_snapshot == [0]
    with pytest.raises(UserError, match="Snapshot 0 was deleted, or was never finished"):
        store.load("0")


def test_changed_rows_and_records_are_seen(store: DeltaStore) -> None:
    store.write(REQUEST)
    token, _ = store.execute.versions[0]
    store.execute.versions[0] = (token, training_rows(churned=0))
    with pytest.raises(GateError, match="values differ"):
        store.load("0")
    store.execute.records[0]["record"] = store.execute.records[0]["record"].replace("2024-03-01", "2024-04-01")
    assert store.verify(store.find("0")) == ["its record was changed: the seal does not fit"]


def test_the_statements(store: DeltaStore) -> None:
    store.write(REQUEST)
    assert store.available(REQUEST.cutoff).rows == 2
    said = store.execute.said
    [made] = [s for s in said if s.startswith("create or replace")]
    assert re.sub(r"'\w{32}'", "'TOKEN'", made) == (
        "create or replace table `main``s`.`gold`.`gld_training_snapshots` using delta tblproperties ("
        "'retention.token' = 'TOKEN', 'delta.logRetentionDuration' = 'interval 36500 days', "
        "'delta.deletedFileRetentionDuration' = 'interval 36500 days') "
        "as select * from `main``s`.`gold`.`gld_training_set` "
        "where label_timestamp <= timestamp '2024-03-01 00:00:00 UTC'"
    )
    assert "select * from `main``s`.`gold`.`gld_training_snapshots` version as of 0" in said
    order = [s.split()[0] for s in said if s.startswith(("create or replace", "insert"))]
    assert order == ["create", "insert"], "the record comes last"


def test_databricks_reads_the_statements(store: DeltaStore) -> None:
    sqlfluff = pytest.importorskip("sqlfluff")
    store.write(REQUEST)
    for statement in dict.fromkeys(store.execute.said):
        assert sqlfluff.parse(statement, dialect="databricks"), statement


def test_a_target_without_an_address_is_explained(tmp_path, monkeypatch) -> None:
    from python_ml.project import Project
    from python_ml.snapshots import open_store

    for name in ("HOST", "HTTP_PATH", "TOKEN"):
        monkeypatch.delenv(f"DATABRICKS_{name}", raising=False)
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    (tmp_path / "profiles.yml").write_text(
        "shop: {target: lake, outputs: {lake: {type: databricks, schema: dev, "
        "host: \"{{ env_var('DATABRICKS_HOST', '') }}\"}, other: {type: postgres}}}\n"
    )
    with pytest.raises(UserError, match="no host and no http_path and no token"):
        open_store(Project.open(tmp_path))
    with pytest.raises(UserError, match="no training snapshots on postgres"):
        open_store(Project.open(tmp_path, target="other"))
    with pytest.raises(UserError, match="There is no target prod"):
        open_store(Project.open(tmp_path, target="prod"))
