"""Models in Unity Catalog, as calls of a client that records them: there is no workspace here."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST

from python_ml.errors import UserError
from python_ml.model import store, tracking
from python_ml.model.registry import ModelRegistry
from python_ml.project import Project

NAME = "dev.anna.shop_churn"


class Client:
    """What Unity Catalog answers; a search by name or alias, which it does not have, fails."""

    def __init__(self, aliases: dict[str, int]) -> None:
        self.carried, self.calls = aliases, []

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        self.calls.append(("get_model_version_by_alias", name, alias))
        if alias not in self.carried:
            raise MlflowException("no such alias", RESOURCE_DOES_NOT_EXIST)
        return self.get_model_version(name, str(self.carried[alias]))

    def search_registered_models(self, **_: Any) -> Any:
        raise AssertionError("Unity Catalog has no search by name")

    def search_model_versions(self, filter_string: str, page_token: str | None = None) -> Any:
        self.calls.append(("search_model_versions", filter_string))
        found = [SimpleNamespace(version=n, tags={}, run_id=None, creation_timestamp=0) for n in ("1", "2")]

        class Page(list):
            token = None

        return Page(found)

    def get_model_version(self, name: str, version: str) -> Any:
        self.calls.append(("get_model_version", name, version))
        return SimpleNamespace(version=version, tags={store.DIGEST_TAG: "d"}, run_id="r", creation_timestamp=0)

    def create_registered_model(self, name: str) -> None:
        self.calls.append(("create_registered_model", name))
        raise MlflowException("is there already", RESOURCE_ALREADY_EXISTS)


def project_in(folder: Path, settings: str = "") -> Project:
    (folder / "dbt_project.yml").write_text("name: shop\nprofile: shop\nvars: {entity: customer_id}\n")
    (folder / "retention.yml").write_text(settings)
    return Project.open(folder)


@pytest.fixture
def on_databricks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "databricks")
    for name in ("MLFLOW_REGISTRY_URI", "RETENTION_REGISTERED_MODEL"):
        monkeypatch.delenv(name, raising=False)


def test_aliases_and_tags_are_read_one_by_one(tmp_path: Path) -> None:
    client = Client({"champion": 2})
    registry = ModelRegistry(client, NAME, tmp_path, in_unity_catalog=True)
    assert registry.aliases() == {"champion": 2}
    client.calls.clear()
    versions = registry.versions()
    assert [(v.number, v.aliases, v.tags) for v in versions] == [
        (1, (), {store.DIGEST_TAG: "d"}),
        (2, ("champion",), {store.DIGEST_TAG: "d"}),
    ]
    assert ("get_model_version_by_alias", NAME, "champion") in client.calls
    assert ("search_model_versions", f"name = '{NAME}'") in client.calls


def test_other_errors_are_not_taken_for_a_missing_alias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client({})

    def refused(name: str, alias: str) -> None:
        raise MlflowException("permission denied")

    monkeypatch.setattr(client, "get_model_version_by_alias", refused)
    with pytest.raises(MlflowException, match="permission denied"):
        ModelRegistry(client, NAME, tmp_path, in_unity_catalog=True).aliases()


def test_a_registered_model_is_made_once() -> None:
    client = Client({})
    tracking._ensure_registered(client, NAME, in_unity_catalog=True)
    assert client.calls == [("create_registered_model", NAME)]


@pytest.mark.usefixtures("on_databricks")
def test_models_of_a_workspace_are_in_unity_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.registry_uri("databricks") == "databricks-uc"
    assert store.registry_uri("databricks://prod") == "databricks-uc://prod"
    assert store.registry_uri("sqlite:///mlflow.db") is None
    project = project_in(tmp_path)
    with pytest.raises(UserError, match=r"catalog\.schema\.name"):
        ModelRegistry.in_store(project, "databricks")
    monkeypatch.setenv("RETENTION_REGISTERED_MODEL", NAME)
    opened: list[str] = []
    monkeypatch.setattr(store, "open_store", lambda uri: opened.append(uri) or Client({"champion": 1}))
    registry = ModelRegistry.of(project)
    assert (registry.name, registry.aliases(), opened) == (NAME, {"champion": 1}, ["databricks"])


@pytest.mark.usefixtures("on_databricks")
def test_experiments_have_absolute_paths(tmp_path: Path) -> None:
    assert tracking.experiment_name(project_in(tmp_path)) == "/Shared/shop"
    named = project_in(tmp_path, "mlflow: {experiment: /Users/anna/churn, registered_model: main.models.churn}")
    assert tracking.experiment_name(named) == "/Users/anna/churn"
    assert named.registered_model == "main.models.churn"


def test_a_name_of_two_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"catalog\.schema\.name"):
        project_in(tmp_path, "mlflow: {registered_model: models.churn}").settings  # noqa: B018


def test_a_project_travels_in_the_configuration_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_in(tmp_path, f"scoring: {{reasons: 5}}\nmlflow: {{registered_model: {NAME}}}")
    document = project.portable()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("RETENTION_PROJECT_DIR", raising=False)
    travelled = Project.described_by(document)
    assert (travelled.name, travelled.entity, travelled.settings.scoring.reasons) == ("shop", "customer_id", 5)
    assert travelled.registered_model == NAME
    with pytest.raises(UserError, match="not a dbt project"):
        Project.described_by("")
    with pytest.raises(UserError, match="cannot be read"):
        Project.described_by(json.dumps({"name": "shop"}))
