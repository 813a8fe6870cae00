"""The SQL of this project as it compiles for Databricks, read by sqlglot's dialect for Databricks; nothing connects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlglot
from sqlglot.errors import SqlglotError

from python_ml.project import Project
from python_ml.warehouse import schema_prefix

# Nodes that the dialect cannot read though the engine can, each with the reason; none at present.
GAPS: dict[str, str] = {}


@pytest.fixture(scope="module")
def manifest(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The manifest after all models and tests were compiled for Databricks."""
    folder = tmp_path_factory.mktemp("databricks")
    # Compiling a Python model asks the warehouse whether its table exists.
    python_models = [path.stem for path in (repository / "models").rglob("*.py")]
    command = [
        *(sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--quiet", "compile"),
        *("--target", "databricks", "--no-introspect", "--no-populate-cache", "--exclude", *python_models),
        *("--project-dir", str(repository), "--profiles-dir", str(repository)),
        *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
    ]
    offline = {"DATABRICKS_HOST": "workspace.invalid", "DATABRICKS_HTTP_PATH": "/sql/1.0/warehouses/none"}
    run = subprocess.run(command, env={**os.environ, **offline}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))


def test_every_model_and_test_is_read(manifest: dict) -> None:
    nodes = {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "test", "snapshot", "analysis") and node.get("language", "sql") == "sql"
    }
    unread, missing = {}, []
    for key, node in nodes.items():
        if not node.get("compiled_code"):
            missing.append(key)
            continue
        try:
            sqlglot.parse(node["compiled_code"], dialect="databricks")
        except SqlglotError as error:
            unread[node["name"]] = str(error).splitlines()[0]
    # Tests of Python models are left out with them.
    python_models = {key for key, node in manifest["nodes"].items() if node.get("language") == "python"}
    alone = [key for key in missing if not python_models & {*nodes[key]["depends_on"]["nodes"]}]
    assert not alone, alone
    assert len(nodes) - len(missing) > 100
    assert unread.keys() == GAPS.keys(), unread


def test_schemas_of_development_have_the_prefix_that_python_expects(manifest: dict, repository: Path) -> None:
    schemas = {node["schema"] for node in manifest["nodes"].values() if node["resource_type"] in ("model", "seed")}
    assert schemas == {"dev_raw", "dev_bronze", "dev_silver", "dev_gold"}
    assert {source["schema"] for source in manifest["sources"].values()} == {"dev_gold"}
    assert schema_prefix(Project.open(repository, target="databricks")) == "dev_"
    assert schema_prefix(Project.open(repository, target="databricks_prod")) == ""


def test_feature_tables_are_clustered_and_have_keys(manifest: dict) -> None:
    grain = ["customer_id", "feature_timestamp"]
    for name in ("gld_customer_features", "gld_churn_labels", "gld_training_set", "gld_scoring_set"):
        config = manifest["nodes"][f"model.customer_retention.{name}"]["config"]
        assert config["liquid_clustered_by"] == grain
        assert config["meta"]["primary_key"] == (grain if name != "gld_scoring_set" else grain[:1])
