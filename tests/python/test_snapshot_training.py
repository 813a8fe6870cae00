"""Training on a snapshot repeats a run exactly; every run says what it was trained on."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import yaml

from python_ml.errors import GateError
from python_ml.model.store import open_store as model_store
from python_ml.project import Project
from python_ml.snapshots import create_snapshot, open_store
from python_ml.snapshots.training_rows import read_snapshot, read_training_set
from tests.python.churn_world import churn_world, quick_settings, write_project
from tests.python.command_line import command, command_here, rows
from tests.python.undated import customers

CUTOFF = datetime(2024, 1, 1)


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    folder = write_project(tmp_path / "shop", churn_world(120, 12, noise=2, seed=4))
    settings = {"training": quick_settings(("logistic_regression", "lightgbm")).training.model_dump(mode="json")}
    (folder / "retention.yml").write_text(json.dumps(settings), encoding="utf-8")
    return Project.open(folder)


def train(shop: Project, *arguments: str) -> tuple[dict, pd.DataFrame]:
    """Metrics without the champion's version and run, and the predictions, from a process of its own."""
    run = command(shop.root, "train", "--json", *arguments)
    assert run.returncode == 0, run.stderr
    metrics = json.loads(run.stdout)
    return metrics, pd.read_parquet(shop.reports_dir / "predictions.parquet")


def without_run(metrics: dict) -> dict:
    same = {"champion": metrics["champion"]["name"], "dataset": metrics["dataset"]["sha256"], "registration": None}
    return {**metrics, **same}


def run_of(shop: Project, metrics: dict) -> object:
    return model_store(f"sqlite:///{shop.root / 'mlflow.db'}").get_run(metrics["champion"]["run_id"])


def test_a_snapshot_repeats_the_run_whatever_becomes_of_the_warehouse(shop: Project) -> None:
    snapshot, _ = create_snapshot(shop, CUTOFF)
    plain, plain_predictions = train(shop)
    assert plain["dataset"] == {"sha256": snapshot.content_sha256, "snapshot": None, "cutoff": None}
    run = run_of(shop, plain)
    assert run.data.tags["dataset_sha256"] == snapshot.content_sha256
    assert "snapshot" not in run.data.tags

    # Rows, labels, columns, definitions and the registry all change afterwards.
    with duckdb.connect(str(shop.warehouse_path)) as connection:
        connection.execute("delete from gold.gld_training_set where hash(customer_id) % 3 = 0")
        connection.execute("update gold.gld_training_set set churned = 1 - churned where hash(customer_id) % 5 = 0")
        connection.execute("alter table gold.gld_training_set drop column noise_1")
    manifest_path = shop.root / "target" / "manifest.json"
    manifest = json.loads(manifest_path.read_text())
    del manifest["nodes"]["model.shop.gld_customer_features"]["columns"]["noise_1"]
    manifest_path.write_text(json.dumps(manifest))
    config = yaml.safe_load((shop.root / "dbt_project.yml").read_text())
    config["vars"]["horizon"] = "90d"
    (shop.root / "dbt_project.yml").write_text(yaml.safe_dump(config))

    again, predictions = train(shop, "--snapshot", str(snapshot.number))
    assert again["dataset"] == {
        "sha256": snapshot.content_sha256,
        "snapshot": snapshot.id,
        "cutoff": "2024-01-01T00:00:00",
    }
    assert without_run(again) == without_run(plain)
    pd.testing.assert_frame_equal(predictions, plain_predictions, check_exact=True)

    run = run_of(shop, again)
    assert run.data.tags["snapshot"] == snapshot.id
    assert run.data.tags["snapshot_cutoff"] == "2024-01-01T00:00:00"
    [dataset] = run.inputs.dataset_inputs
    assert snapshot.content_sha256.startswith(dataset.dataset.digest)
    assert {tag.key: tag.value for tag in dataset.tags}["snapshot"] == snapshot.id
    assert snapshot.id in dataset.dataset.source
    client = model_store(f"sqlite:///{shop.root / 'mlflow.db'}")
    version = client.get_model_version("shop_churn", str(again["champion"]["version"]))
    assert int(version.version) == plain["champion"]["version"] + 1
    assert version.tags["retention.snapshot"] == snapshot.id

    assert read_training_set(shop).sha256 != snapshot.content_sha256


def test_rows_read_from_a_snapshot_are_those_of_the_warehouse(shop: Project) -> None:
    with duckdb.connect(str(shop.warehouse_path)) as connection:
        connection.execute("alter table gold.gld_training_set add column price decimal(18, 4)")
        connection.execute("alter table gold.gld_training_set add column grade enum ('a', 'b')")
        connection.execute("update gold.gld_training_set set price = noise_0, grade = 'b' where noise_0 > 0")
    snapshot, _ = create_snapshot(shop, CUTOFF)
    frozen, plain = read_snapshot(shop, snapshot.id), read_training_set(shop)
    key = ["customer_id", "feature_timestamp"]
    assert frozen.sha256 == plain.sha256
    pd.testing.assert_frame_equal(
        frozen.frame.sort_values(key, ignore_index=True), plain.frame.sort_values(key, ignore_index=True)
    )
    assert frozen.features == plain.features


def test_training_refuses_a_changed_snapshot(shop: Project) -> None:
    snapshot, _ = create_snapshot(shop, CUTOFF)
    path = open_store(shop).root / snapshot.id / "data.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as from read_parquet('{path}')")
        path.unlink()
        connection.execute(f"copy (select * replace (1 - churned as churned) from rows) to '{path}' (format parquet)")
    with pytest.raises(GateError, match="values differ"):
        read_snapshot(shop, "1")
    assert command_here(shop.root, "train", "--snapshot", "1").returncode == 3
    assert command_here(shop.root, "train", "--snapshot", "2").returncode == 2


def test_from_a_table_without_dates_to_a_model_made_again(tmp_path: Path) -> None:
    """The whole way of docs/guides/snapshots.md, for a table as one finds them on Kaggle."""
    table = customers(tmp_path / "people.csv", rows=400)
    made = command_here(tmp_path, "init", "my_telco", "--data", str(table), "--outcome", "Churn", "--yes")
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "my_telco"
    (folder / "retention.yml").write_text(
        json.dumps(
            {
                "training": quick_settings(
                    ("logistic_regression",), calibration_folds=2, cross_validation={"folds": 2}
                ).training.model_dump(mode="json")
            }
        )
    )
    assert command_here(folder, "build").returncode == 0
    created = command_here(folder, "snapshot", "create", "--json")
    assert created.returncode == 0, created.stderr
    snapshot = json.loads(created.stdout)["snapshot"]
    assert snapshot["cutoff"] is None
    assert snapshot["rows"] == rows(folder, "select count(*) from gold.gld_training_set")[0][0] == 400
    assert snapshot["definitions"]["scenario"] == "static"
    dated = command_here(folder, "snapshot", "create", "--cutoff", "2024-01-01", "--json")
    assert dated.returncode == 0, dated.stderr
    assert "--cutoff selects nothing" in dated.stderr
    again = json.loads(dated.stdout)["snapshot"]
    assert (again["cutoff"], again["content_sha256"]) == (None, snapshot["content_sha256"])

    plain = json.loads(command_here(folder, "train", "--json").stdout)
    repeated = json.loads(command_here(folder, "train", "--snapshot", "1", "--json").stdout)
    assert without_run(repeated) == without_run(plain)
    assert repeated["split"]["kind"] == "cross_validation"
    # dbt writes its manifest anew
    assert command(folder, "dbt", "parse").returncode == 0
    third = json.loads(command_here(folder, "snapshot", "create", "--json").stdout)["snapshot"]
    assert third["content_sha256"] == snapshot["content_sha256"]
    for name in ("sql_sha256", "manifest_sha256"):
        assert third["code"][name] == snapshot["code"][name]
