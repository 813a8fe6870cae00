"""Targets of profiles.yml: which engine answers, and what is said where none can."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import duckdb
import pytest

from python_ml.errors import UserError
from python_ml.project import Project
from python_ml.warehouse import has_warehouse, read_table, target_settings, warehouse_place
from tests.python.command_line import command

PROFILES = """shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: "{{ env_var('RETENTION_DUCKDB_PATH', 'warehouse.duckdb') }}"}
    spark:
      type: spark
      method: session
      server_side_parameters:
        spark.sql.warehouse.dir: "{{ env_var('RETENTION_SPARK_WAREHOUSE', 'spark_warehouse') }}/tables"
    thrift: {type: spark, method: thrift, host: example.test}
    lake: {type: databricks, schema: dev, host: "127.0.0.1:%d", http_path: /sql, token: secret-of-the-test}
    oauth: {type: databricks, schema: dev, host: "127.0.0.1:%d", http_path: /sql, auth_type: oauth}
    other: {type: postgres}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose DuckDB file must not be read in place of another target."""
    for name in ("RETENTION_DUCKDB_PATH", "RETENTION_SPARK_WAREHOUSE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:  # a port at which nobody answers afterwards
        port = server.getsockname()[1]
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\nvars: {entity: customer_id}\n")
    (tmp_path / "profiles.yml").write_text(PROFILES % (port, port))
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema gold; create table gold.gld_training_set as select 1 as customer_id")
    return tmp_path


@pytest.mark.parametrize("name", ["train", "score", "monitor", "leakage", "dashboard"])
def test_an_unknown_target_is_refused(shop: Path, name: str) -> None:
    run = command(shop, name, "--target", "nonsense")
    assert run.returncode == 2
    assert "There is no target nonsense" in run.stderr
    assert "dev, spark, thrift, lake, oauth, other" in run.stderr


@pytest.mark.parametrize("name", ["replay", "rehearse"])
def test_what_needs_duckdb_says_so(shop: Path, name: str) -> None:
    run = command(shop, name, "--target", "spark")
    assert run.returncode == 2
    assert "this command works on duckdb only" in run.stderr


def test_without_java_the_duckdb_file_is_not_read_instead(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(UserError, match="Java is not installed") as refused:
        read_table(Project.open(shop, target="spark"), "gold.gld_training_set")
    assert "Java 17" in refused.value.hint


def test_other_ways_to_reach_spark_are_refused(shop: Path) -> None:
    with pytest.raises(UserError, match="by `thrift`"):
        read_table(Project.open(shop, target="thrift"), "gold.gld_training_set")
    with pytest.raises(UserError, match="postgres"):
        read_table(Project.open(shop, target="other"), "gold.gld_training_set")


@pytest.mark.parametrize("target", ["lake", "oauth"])
def test_a_workspace_that_does_not_answer_is_given_up_at_once(shop: Path, target: str) -> None:
    pytest.importorskip("databricks.sql")
    with pytest.raises(UserError, match="does not answer") as refused:
        read_table(Project.open(shop, target=target), "gold.gld_training_set")
    assert "secret-of-the-test" not in str(refused.value)


def test_places_of_the_project_are_absolute(shop: Path) -> None:
    spark = Project.open(shop, target="spark")
    parameters = target_settings(spark)["server_side_parameters"]
    assert parameters["spark.sql.warehouse.dir"] == f"{shop.resolve()}/spark_warehouse/tables"
    assert warehouse_place(spark) == "target spark"
    assert has_warehouse(spark)
    dev = Project.open(shop)
    assert warehouse_place(dev) == str(shop.resolve() / "warehouse.duckdb")
    assert read_table(dev, "gold.gld_training_set").to_dict("list") == {"customer_id": [1]}
