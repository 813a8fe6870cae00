"""`retention serve`: the scores of the tables, one customer at a time, over HTTP."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from fastapi.testclient import TestClient

from python_ml.cli.serve import ONLINE, SOURCES
from python_ml.errors import UserError
from python_ml.feature_store.online_table import OnlineTable, StoredRow, encode, write_definition, write_rows
from python_ml.feature_store.schema import ServiceDefinition, StoredColumn, StoreDefinition, ViewDefinition
from python_ml.input_columns import CATEGORY, model_input, typed_cells
from python_ml.model import array_model, store
from python_ml.model.array_model import ArrayModel
from python_ml.model.dataset import TrainingSet
from python_ml.model.registry import Champion, ModelRegistry, require_champion
from python_ml.model.score import reasons, score
from python_ml.model.tracking import record
from python_ml.project import Project, registered_name
from python_ml.quality import model_facts
from python_ml.serving.application import application
from python_ml.serving.features import FeatureSource, WarehouseFeatures
from python_ml.serving.metrics import ServerMetrics
from python_ml.serving.refusals import RefusalError
from python_ml.serving.scorer import Scorer
from python_ml.serving.service import Service, key_of
from python_ml.settings import Models, Settings
from tests.python.churn_world import small_world, trained, write_project
from tests.python.command_line import retention

MODEL, KEY = "logistic_regression", "customer_id"
KNOWN = "c00007"
TOKEN = "a-token-of-enough-letters"
JSON = {"Content-Type": "application/json"}


def champion(model: str | None = MODEL) -> Champion:
    result = trained(model)
    return Champion(result.model, result.card, 4, "run")


def scoring_set() -> pd.DataFrame:
    frame = small_world().frame
    newest = frame[frame["feature_timestamp"] == frame["feature_timestamp"].max()]
    return newest.drop(columns=["churned", "label_timestamp"]).reset_index(drop=True)


# A champion on arrays ---------------------------------------------------------------------------------------


def unusual(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows, and some with missing, infinite and large numbers, and with categories that nobody has seen."""
    odd = pd.concat([frame.iloc[[0]]] * 6, ignore_index=True)
    odd[KEY] = [f"odd {place}" for place in range(len(odd))]
    numbers = [name for name in odd if odd[name].dtype.kind in "if"]
    odd[numbers] = odd[numbers].astype(float)
    for place, value in enumerate((np.nan, np.inf, -np.inf, 1e300, -1e300)):
        odd.loc[place, numbers] = value
    odd["customer_plan"] = ["a plan of tomorrow", None, "", "(missing)", "basic", None]
    odd.loc[:2, "customer_opt_in"] = pd.NA
    return pd.concat([frame.astype(dict.fromkeys(numbers, float)), odd], ignore_index=True)


@pytest.mark.parametrize("model", [*Models.model_fields, None])
def test_one_row_scores_and_explains_as_the_table_does(model: str | None) -> None:
    found, frame = champion(model), unusual(scoring_set())
    scores = score(frame, found, KEY).set_index(KEY)
    told = dict(list(reasons(frame, found, KEY, top=3).groupby(KEY, sort=False)))
    scorer = Scorer(found, 3)
    assert not scorer.model.uses_frames
    columns = {column.name: column.kind for column in found.card.columns}
    plain = {name: [None if value is pd.NA else value for value in frame[name].tolist()] for name in columns}
    for place, key in enumerate(frame[KEY]):
        one = scorer.scores({name: typed_cells([plain[name][place]], kind) for name, kind in columns.items()})[0]
        assert one["churn_probability"] == pytest.approx(scores.at[key, "churn_probability"], abs=1e-12), key
        assert one["risk_band"] == scores.at[key, "risk_band"]
        expected = told[key]
        for name in ("reason_rank", "feature", "reason"):
            assert [because[name] for because in one["reasons"]] == expected[name].tolist(), key
        assert [because["feature_value"] for because in one["reasons"]] == [
            None if pd.isna(value) else value for value in expected["feature_value"]
        ]
        pushes = [because["contribution"] for because in one["reasons"]]
        np.testing.assert_allclose(pushes, expected["contribution"], rtol=1e-9, atol=1e-12)


def test_many_rows_score_as_one_by_one() -> None:
    frame, scorer = scoring_set(), Scorer(champion("lightgbm"), 3)
    inputs = model_input(frame, scorer.champion.card.inputs)
    cells = {name: inputs[name].to_numpy() for name in inputs}
    together = scorer.scores(cells)
    alone = [scorer.scores({name: values[[place]] for name, values in cells.items()})[0] for place in range(20)]
    assert together[:20] == alone


def test_a_preparation_that_is_not_known_goes_through_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_model.ArrayPreparation, "of", classmethod(lambda cls, prepare: None))
    found, frame = champion(), scoring_set()
    model = ArrayModel(found.model, found.card)
    assert model.uses_frames
    inputs = model_input(frame, found.card.inputs)
    probability, _ = model.explained({name: inputs[name].to_numpy() for name in inputs})
    np.testing.assert_allclose(probability, score(frame, found, KEY)["churn_probability"], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "settings", [{"transform": "power", "scale": "robust"}, {"transform": "rank"}, {"transform": "log"}]
)
def test_every_way_to_prepare_numbers_works_on_arrays(settings: dict[str, str]) -> None:
    from python_ml.model.pipelines import linear_preparation

    card = champion().card
    inputs = model_input(scoring_set(), card.inputs)
    columns = [
        replace(column, **settings) if column.kind != CATEGORY else replace(column, encode="target")
        for column in card.inputs
    ]
    prepare = linear_preparation(columns, len(inputs)).fit(inputs, np.arange(len(inputs)) % 2)
    preparation = array_model.ArrayPreparation.of(prepare)
    assert preparation is not None
    np.testing.assert_array_equal(
        preparation({name: inputs[name].to_numpy() for name in inputs}), prepare.transform(inputs)
    )


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2.5, None, True, float("inf")], "number"),
        ([np.float32(1.5), None, "2"], "number"),
        ([True, False, None], "flag"),
        (["a", None, float("nan"), 3], "category"),
    ],
)
def test_cells_are_typed_by_the_rule_of_frames(values: list[Any], kind: str) -> None:
    from python_ml.portable_model import typed_values

    expected = typed_values(pd.Series(values, dtype=object), kind)
    pd.testing.assert_series_equal(pd.Series(typed_cells(values, kind)), pd.Series(expected))


@pytest.mark.parametrize("value", ["text", 10**400])
def test_cells_that_are_no_numbers_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"string|whole number"):
        typed_cells([value], "number")


# The service over a project ----------------------------------------------------------------------------------


def register(folder: Path, model: str = MODEL) -> int:
    """Record a run and make its model champion."""
    world, result = small_world(), trained(model)
    version = record(
        result,
        TrainingSet(world.frame, world.features, KEY, {}, "warehouse.duckdb", "0" * 64),
        Settings(),
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        root=folder,
        project_name="shop",
        experiment="shop",
        training_facts=model_facts(result.dataset, result.card, world.features).to_json(),
    ).version
    make_champion(folder, version)
    return version


def make_champion(folder: Path, version: int) -> None:
    client = store.open_store(f"sqlite:///{folder / 'mlflow.db'}")
    ModelRegistry(client, registered_name("shop"), folder).give(store.ALIAS, version)


@pytest.fixture(autouse=True)
def own_places(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "RETENTION_DUCKDB_PATH", "RETENTION_SERVE_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two registered versions, of which the first is champion."""
    folder = write_project(tmp_path_factory.mktemp("serving") / "shop", small_world())
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        register(folder)
        register(folder, "lightgbm")
        make_champion(folder, 1)
    return folder


@pytest.fixture
def shop(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "shop"))


def opened(project: Project, found: Champion) -> FeatureSource:
    return WarehouseFeatures(project, found.card.inputs)


def configure(folder: Path, **settings: object) -> None:
    (folder / "retention.yml").write_text(yaml.safe_dump({"serve": settings}), encoding="utf-8")


class Served:
    """An application and what is behind it."""

    def __init__(self, folder: Path, open_source: Callable = opened, token: str | None = None) -> None:
        self.project = Project.open(folder)
        self.metrics = ServerMetrics()
        self.service = Service(self.project, open_source, self.metrics)
        self.app = application(self.service, self.project.settings.serve, self.metrics, token)
        self.client = TestClient(self.app)

    def score(self, key: object) -> Any:
        return self.client.get(f"/v1/customers/{key}/score")


@pytest.fixture(scope="module")
def served(stored: Path) -> Served:
    """A server whose project nobody changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return Served(stored)


def code(response: Any) -> tuple[int, str]:
    """Status and code of a refusal, which always has the same form."""
    error = response.json()["error"]
    assert set(error) == {"code", "reason", "details"}
    assert error["reason"].endswith(".")
    return response.status_code, error["code"]


def test_a_customer_is_scored_as_in_the_table(served: Served) -> None:
    response = served.score(KNOWN)
    assert response.status_code == 200
    expected = score(scoring_set(), served.service.champion, KEY).set_index(KEY).loc[KNOWN]
    found = response.json()
    assert found["churn_probability"] == pytest.approx(expected["churn_probability"], abs=1e-12)
    assert found["risk_band"] == expected["risk_band"]
    assert (found["model_name"], found["model_version"]) == (MODEL, 1)
    assert found["feature_timestamp"] == expected["feature_timestamp"].isoformat()
    assert found["reasons"][0]["reason"].endswith(".")


def test_several_customers_come_in_the_order_asked_for(served: Served) -> None:
    response = served.client.post("/v1/scores", json={"ids": ["c00009", "nobody", KNOWN, "c00009"]})
    assert response.status_code == 200
    assert [one["id"] for one in response.json()["scores"]] == ["c00009", KNOWN]
    assert response.json()["unknown"] == ["nobody"]
    assert response.json()["scores"][1] == served.score(KNOWN).json()


def given_row(served: Served) -> dict[str, Any]:
    row = scoring_set().set_index(KEY).loc[KNOWN]
    values = {c.name: row[c.name] for c in served.service.champion.card.columns}
    return {n: None if pd.isna(v) else v.item() if hasattr(v, "item") else v for n, v in values.items()}


def test_given_features_score_as_those_of_the_store(served: Served) -> None:
    response = served.client.post("/v1/scores/features", json={"rows": [given_row(served)]})
    assert response.status_code == 200
    stored = served.score(KNOWN).json()
    assert response.json()["scores"] == [{n: v for n, v in stored.items() if n not in ("id", "feature_timestamp")}]


def test_given_features_that_do_not_fit_are_named(served: Served) -> None:
    row = given_row(served)
    del row["customer_plan"]
    row |= {"orders_count_7d": "many", "customer_opt_in": 1, "orders_count_30d": True, "no_such": 1}
    response = served.client.post("/v1/scores/features", json={"rows": [given_row(served), row]})
    assert code(response) == (422, "invalid_features")
    found = {(one["row"], one["feature"], one["problem"]) for one in response.json()["error"]["details"]}
    assert found == {
        (1, "no_such", "unknown"),
        (1, "customer_plan", "missing"),
        (1, "orders_count_7d", "not a number"),
        (1, "orders_count_30d", "not a number"),
        (1, "customer_opt_in", "not a flag"),
    }
    assert "many" not in response.text


def test_infinite_and_huge_numbers_are_refused_or_scored(served: Served) -> None:
    for value in (float("inf"), float("nan"), 10**400):
        body = json.dumps({"rows": [given_row(served) | {"orders_count_7d": value}]})
        response = served.client.post("/v1/scores/features", content=body, headers=JSON)
        assert code(response) == (422, "invalid_features")
    huge = given_row(served) | {"orders_count_7d": 10**300}
    assert served.client.post("/v1/scores/features", json={"rows": [huge]}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/v1/customers/nobody/score", None, (404, "unknown_customer")),
        ("GET", "/v1/customers/a/b/score", None, (404, "unknown_customer")),
        ("GET", "/v1/customers//score", None, (422, "invalid_id")),
        ("GET", f"/v1/customers/{'x' * 300}/score", None, (422, "invalid_id")),
        ("GET", "/v1/nothing", None, (404, "not_found")),
        ("POST", f"/v1/customers/{KNOWN}/score", None, (405, "method_not_allowed")),
        ("POST", "/v1/scores", "{", (400, "invalid_json")),
        ("POST", "/v1/scores", "[" * 100_000, (400, "invalid_request")),
        ("POST", "/v1/scores", b"\xff\xfe", (400, "invalid_json")),
        ("POST", "/v1/scores", "", (422, "invalid_request")),
        ("POST", "/v1/scores", "[]", (422, "invalid_request")),
        ("POST", "/v1/scores", '{"ids": []}', (422, "invalid_request")),
        ("POST", "/v1/scores", '{"ids": ["a"], "more": 1}', (422, "invalid_request")),
        ("POST", "/v1/scores", '{"ids": [true]}', (422, "invalid_request")),
        ("POST", "/v1/scores", '{"ids": [1.5]}', (422, "invalid_request")),
        ("POST", "/v1/scores", '{"ids": [7]}', (422, "invalid_id")),
        ("POST", "/v1/scores", json.dumps({"ids": ["a"] * 101}), (413, "batch_too_large")),
        ("POST", "/v1/scores", '{"ids": ["' + "a" * 1_000_000 + '"]}', (413, "body_too_large")),
        ("POST", "/v1/scores/features", '{"rows": [[]]}', (422, "invalid_request")),
        ("POST", "/v1/scores/features", '{"rows": [{}]}', (422, "invalid_features")),
    ],
)
def test_mistakes_are_answered_with_a_reason(
    served: Served, method: str, path: str, body: str | bytes | None, expected: tuple[int, str]
) -> None:
    assert code(served.client.request(method, path, content=body, headers=JSON)) == expected


def test_text_that_is_no_unicode_comes_back_unknown(served: Served) -> None:
    response = served.client.post("/v1/scores", content='{"ids": ["\\ud800"]}', headers=JSON)
    assert response.status_code == 200
    assert response.json()["unknown"] == ["\ud800"]


def test_a_body_without_a_declared_length_is_limited_too(served: Served) -> None:
    response = served.client.post("/v1/scores", content=(b" " * 100_000 for _ in range(11)))
    assert code(response) == (413, "body_too_large")


def test_the_model_and_the_interface_describe_themselves(served: Served) -> None:
    model = served.client.get("/v1/model").json()
    card = served.service.champion.card
    assert (model["name"], model["version"], model["key_type"]) == (MODEL, 1, "text")
    assert model["trained_until"] == card.fitted_on["to"]
    assert [feature["name"] for feature in model["features"]] == [column.name for column in card.columns]
    document = served.client.get("/openapi.json").json()
    for path, routes in document["paths"].items():
        for route in routes.values():
            assert route["summary"], path
            assert route["description"], path
    shown = document["components"]["schemas"]["Score"]["properties"]
    assert all(part.get("examples") or "$ref" in str(part) for part in shown.values())


def test_metrics_have_few_labels(stored: Path) -> None:
    served = Served(stored)
    served.score(KNOWN)
    served.score("somebody-unknown")
    served.client.get("/v1/nowhere/somebody-else")
    text = served.client.get("/metrics").text
    route = 'path="/v1/customers/{customer_id}/score"'
    assert f'retention_serve_requests_total{{{route},status="200"}} 1.0' in text
    assert f'retention_serve_requests_total{{{route},status="404"}} 1.0' in text
    assert 'path="unmatched",status="404"' in text
    assert f'retention_serve_model_version{{model="{MODEL}"}} 1.0' in text
    assert "retention_serve_features_available 1.0" in text
    assert "retention_serve_features_age_seconds 0.0" in text
    assert (
        sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("retention_serve_scores_total"))
        == 1
    )
    assert "somebody" not in text
    assert KNOWN not in text


def test_logs_hold_no_ids(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="python_ml.serving"):
        served.score(KNOWN)
        served.client.get(f"/v1/nowhere/{KNOWN}")
    assert len(caplog.records) == 2
    assert KNOWN not in caplog.text


def test_whole_numbers_as_keys() -> None:
    assert key_of("42", integer=True) == key_of(42, integer=True) == 42
    assert key_of("-7", integer=True) == -7
    for wrong in ("4.2", "x", "", "9" * 19, "٣", "1_0", " 1"):
        with pytest.raises(RefusalError):
            key_of(wrong, integer=True)


def test_a_project_with_whole_numbers_as_keys(shop: Path) -> None:
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute("create table copied as from gold.gld_scoring_set; drop table gold.gld_scoring_set")
        connection.execute(
            "create table gold.gld_scoring_set as select cast(customer_id[2:] as bigint) as customer_id, "
            "* exclude (customer_id) from copied"
        )
    served = Served(shop)
    assert served.score(7).json()["id"] == 7
    assert code(served.score("c7")) == (422, "invalid_id")
    assert served.client.post("/v1/scores", json={"ids": [7, "7", "8"]}).json()["scores"][1]["id"] == 8
    assert served.client.get("/v1/model").json()["key_type"] == "integer"


# Limits ------------------------------------------------------------------------------------------------------


def test_a_token_guards_everything_but_the_probes(stored: Path) -> None:
    served = Served(stored, token=TOKEN)
    assert code(served.score(KNOWN)) == (401, "unauthorized")
    assert served.score(KNOWN).headers["WWW-Authenticate"] == "Bearer"
    for path in ("/metrics", "/v1/model", "/openapi.json", "/v1/nothing"):
        assert served.client.get(path, headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
    for given in (f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
        assert served.client.get(f"/v1/customers/{KNOWN}/score", headers={"Authorization": given}).status_code == 200
    assert served.client.get("/health").status_code == served.client.get("/ready").status_code == 200


class Slow:
    """A source that answers when the test lets it."""

    def __init__(self, source: FeatureSource) -> None:
        self._source, self.integer_keys = source, source.integer_keys
        self.asked, self.go = threading.Event(), threading.Event()
        self.newest, self.observation_end, self.refresh = source.newest, source.observation_end, source.refresh

    def rows(self, ids: list) -> Any:
        self.asked.set()
        assert self.go.wait(30)
        return self._source.rows(ids)


def test_too_many_and_too_late_requests_are_told_to_come_back(shop: Path) -> None:
    configure(shop, requests_in_flight=1, timeout_seconds=0.2)
    slow: list[Slow] = []

    def open_slow(project: Project, found: Champion) -> FeatureSource:
        slow.append(Slow(opened(project, found)))
        return slow[0]

    served = Served(shop, open_slow)
    with served.client:  # one event loop for all requests
        late = served.score(KNOWN)
        assert code(late) == (503, "timeout")
        assert int(late.headers["Retry-After"]) >= 1
        assert code(served.score(KNOWN)) == (503, "busy"), "the first has been answered, but not finished"
        assert served.client.get("/ready").status_code == 200
        slow[0].go.set()
        while code_or_none(answer := served.score(KNOWN)) == "busy":
            pass
        assert answer.status_code == 200


def code_or_none(response: Any) -> str | None:
    return response.json().get("error", {}).get("code")


def test_an_unexpected_error_says_nothing_of_customers(stored: Path, caplog: pytest.LogCaptureFixture) -> None:
    served = Served(stored)

    def fails(ids: list) -> None:
        raise ValueError(f"a value of {KNOWN}")

    served.service._current.source.rows = fails
    response = served.score(KNOWN)
    assert code(response) == (500, "internal")
    assert KNOWN not in response.text + caplog.text
    assert "Traceback" not in caplog.text
    assert "unexpected ValueError in test_serving.py" in caplog.text


# Features that change, vanish and grow old --------------------------------------------------------------------


def test_a_store_that_is_gone_gives_503_until_it_is_back(shop: Path) -> None:
    served, path = Served(shop), shop / "warehouse.duckdb"
    path.rename(shop / "aside")
    for _ in range(2):
        response = served.score(KNOWN)
        assert code(response) == (503, "features_unavailable")
        assert int(response.headers["Retry-After"]) >= 1
        assert served.client.get("/ready").status_code == 503
        assert served.client.get("/health").status_code == 200
        served.service.refresh()
    assert "retention_serve_features_available 0.0" in served.client.get("/metrics").text
    (shop / "aside").rename(path)
    assert served.score(KNOWN).status_code == 200
    assert served.client.get("/ready").json()["problems"] == []


def test_new_features_are_read_once_the_file_is_quiet(shop: Path) -> None:
    served = Served(shop)
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute("delete from gold.gld_scoring_set where customer_id = ?", [KNOWN])
    served.service.refresh()
    assert served.score(KNOWN).status_code == 200, "perhaps somebody is still writing"
    served.service.refresh()
    assert code(served.score(KNOWN)) == (404, "unknown_customer")


def test_a_warehouse_that_is_being_written_leaves_the_rows_in_memory(shop: Path) -> None:
    served = Served(shop)
    writing = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute('create table gold.other as select 1'); "
            "c.execute('checkpoint'); print('open', flush=True); sys.stdin.read()",
            str(shop / "warehouse.duckdb"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert writing.stdout.readline() == "open\n"
        for _ in range(3):
            served.service.refresh()
            assert served.score(KNOWN).status_code == 200
    finally:
        writing.communicate()


def test_a_broken_table_gives_503_and_a_whole_one_recovers(shop: Path) -> None:
    served = Served(shop)
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute("alter table gold.gld_scoring_set rename column orders_count_7d to other")
    for _ in range(2):
        served.service.refresh()
    assert code(served.score(KNOWN)) == (503, "features_unavailable")
    assert served.client.get("/ready").status_code == 503
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute("alter table gold.gld_scoring_set rename column other to orders_count_7d")
    for _ in range(2):
        served.service.refresh()
    assert served.score(KNOWN).status_code == 200


def observed(folder: Path, end: datetime) -> None:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create schema if not exists silver")
        connection.execute(
            "create or replace table silver.slv_observation_period as select ? as observation_end", [end]
        )


def test_features_are_as_old_as_the_data_says(shop: Path) -> None:
    newest = scoring_set()["feature_timestamp"].max().to_pydatetime()
    configure(shop, features_age="10d")
    observed(shop, newest + timedelta(days=10))
    served = Served(shop)
    assert served.score(KNOWN).status_code == 200
    assert f"retention_serve_features_age_seconds {10 * 86_400.0}" in served.client.get("/metrics").text
    observed(shop, newest + timedelta(days=11))
    for _ in range(2):
        served.service.refresh()
    response = served.score(KNOWN)
    assert code(response) == (503, "features_too_old")
    assert "Retry-After" in response.headers
    assert served.client.get("/ready").status_code == 503


class Online:
    """A store that keeps rows of customers who are gone, and brings plain values of Python."""

    integer_keys = False

    def __init__(self, columns: dict[str, list]) -> None:
        self.columns = columns

    def rows(self, ids: list) -> dict[str, list]:
        found = [place for place, key in enumerate(self.columns[KEY]) if key in ids]
        return {name: [values[place] for place in found] for name, values in self.columns.items()}

    def newest(self) -> datetime:
        return max(self.columns["feature_timestamp"])

    def observation_end(self) -> None:
        return None

    def refresh(self) -> None:
        pass


def test_another_source_gives_the_same_scores_and_its_old_rows_none(shop: Path) -> None:
    configure(shop, features_age="40d")
    frame = scoring_set()
    plain = {name: [None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame}
    plain["feature_timestamp"][0] -= timedelta(days=100)
    served, usual = Served(shop, lambda project, found: Online(plain)), Served(shop)
    assert served.score(KNOWN).json() == usual.score(KNOWN).json()
    assert code(served.score(frame[KEY][0])) == (404, "unknown_customer")
    plain["orders_count_7d"] = ["text"] * len(frame)
    assert code(served.score(KNOWN)) == (503, "features_unavailable")


# Champions that change ----------------------------------------------------------------------------------------


def test_a_new_champion_takes_over_without_a_restart(shop: Path) -> None:
    served = Served(shop)
    make_champion(shop, 2)
    served.service.refresh()
    assert served.score(KNOWN).json()["model_version"] == 2
    assert 'retention_serve_model_version{model="lightgbm"} 2.0' in served.client.get("/metrics").text
    assert served.client.get("/ready").json()["problems"] == []


def test_a_champion_that_cannot_be_trusted_leaves_the_old_one(shop: Path) -> None:
    served = Served(shop)
    make_champion(shop, 2)
    registry = ModelRegistry.of(served.project)
    uri = registry.client.get_model_version_download_uri("shop_churn", "2")
    changed = store.local_folder(uri, shop) / "model.pkl"
    if shop not in changed.parents:
        changed = shop / changed.relative_to(next(p for p in changed.parents if p.name == "shop"))
    original = changed.read_bytes()
    changed.write_bytes(original + b" ")
    with pytest.MonkeyPatch.context() as patch:
        # The copied project finds its own files, not those of the place that it was copied from.
        patch.setattr(store, "local_folder", lambda uri, root: changed.parent)
        served.service.refresh()
        assert served.score(KNOWN).json()["model_version"] == 1
        ready = served.client.get("/ready")
        assert ready.status_code == 200
        assert "differ from those that were registered" in ready.json()["problems"][0]
        assert "retention_serve_champion_problem 1.0" in served.client.get("/metrics").text
        changed.write_bytes(original)
        served.service.refresh()
    assert served.score(KNOWN).json()["model_version"] == 2
    assert "retention_serve_champion_problem 0.0" in served.client.get("/metrics").text


def test_a_registry_that_is_gone_leaves_the_old_champion(shop: Path) -> None:
    served = Served(shop)
    (shop / "mlflow.db").unlink()
    served.service.refresh()
    assert served.score(KNOWN).status_code == 200
    assert served.client.get("/ready").json()["problems"]


# The online store as source ---------------------------------------------------------------------------------


def publish(folder: Path, rows: pd.DataFrame, found: Champion) -> None:
    """Write rows to the project's online store, as `retention features publish` does."""
    kinds = {CATEGORY: ("text", "text"), "flag": ("boolean", "boolean")}
    columns = tuple(StoredColumn(c.name, *kinds.get(c.kind, ("double", "double"))) for c in found.card.inputs)
    view, service = ViewDefinition("orders", columns), ServiceDefinition("churn", tuple(c.name for c in columns))
    times = rows["feature_timestamp"].dt.to_pydatetime()
    cells = rows[list(service.features)].astype(object).where(rows[list(service.features)].notna(), None)
    stored = (
        StoredRow(key, view.name, time, time, encode(values))
        for key, time, values in zip(rows[KEY], times, cells.itertuples(index=False), strict=True)
    )
    with OnlineTable(Project.open(folder).root / "feature_store" / "online.db").writing() as connection:
        write_definition(connection, StoreDefinition("shop", StoredColumn(KEY, "text", "text"), (view,), service))
        write_rows(connection, stored)


def test_scores_of_the_online_store_are_those_of_the_warehouse(shop: Path) -> None:
    found = require_champion(Project.open(shop))
    publish(shop, scoring_set(), found)
    (shop / "warehouse.duckdb").unlink()
    server = Served(shop, SOURCES[ONLINE])
    assert server.client.get("/ready").json()["ready"]
    expected = score(scoring_set(), found, KEY).set_index(KEY)
    keys = list(expected.index[:20])
    answer = server.client.post("/v1/scores", json={"ids": [*keys, "nobody"]}).json()
    assert answer["unknown"] == ["nobody"]
    scored = {one["id"]: one["churn_probability"] for one in answer["scores"]}
    assert scored == pytest.approx(expected.loc[keys, "churn_probability"].to_dict(), abs=1e-12)
    # What is pushed is served by the next request.
    pushed = scoring_set()[lambda rows: rows[KEY] == KNOWN].assign(orders_count_30d=40.0)
    publish(shop, pushed, found)
    expected = score(pushed, found, KEY)["churn_probability"].item()
    assert server.score(KNOWN).json()["churn_probability"] == pytest.approx(expected, abs=1e-12)
    for path in (shop / "feature_store").glob("online.db*"):
        path.unlink()
    assert server.score(KNOWN).status_code == 503
    publish(shop, scoring_set(), found)
    assert server.score(KNOWN).status_code == 200


# The command --------------------------------------------------------------------------------------------------


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, folder: Path, *words: str) -> str:
    number, _, err = retention(monkeypatch, capsys, "serve", "--project-dir", str(folder), *words)
    assert number == 2
    assert "hint:" in err
    return err


def test_what_cannot_be_served_ends_with_2(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "cannot listen" in refused(monkeypatch, capsys, shop, "--port", port)
    assert "cannot listen" in refused(monkeypatch, capsys, shop, "--host", "203.0.113.1", "--port", "0")
    monkeypatch.setenv("RETENTION_SERVE_TOKEN", "short")
    assert "RETENTION_SERVE_TOKEN" in refused(monkeypatch, capsys, shop, "--port", "0")
    monkeypatch.delenv("RETENTION_SERVE_TOKEN")
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute("delete from gold.gld_scoring_set")
    assert "nobody to score" in refused(monkeypatch, capsys, shop, "--port", "0")
    (shop / "mlflow.db").unlink()
    assert "no champion" in refused(monkeypatch, capsys, shop, "--port", "0")
    monkeypatch.setattr("python_ml.cli.serve.EXTRA", ("fastapi", "no_such_package"))
    assert "customer-retention[serve]" in refused(monkeypatch, capsys, shop)


def test_settings_are_checked(shop: Path) -> None:
    configure(shop, features_age="soon", port=70_000)
    with pytest.raises(UserError, match="serve"):
        Project.open(shop).settings  # noqa: B018


@pytest.fixture
def running(shop: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "python_ml", "serve", "--port", "0", "--project-dir", str(shop), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"RETENTION_SERVE_TOKEN": TOKEN},
    )
    try:
        document = ""
        while not document.endswith("}\n"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            document += line
        yield process, json.loads(document)["address"]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="signals end servers on POSIX")
def test_a_server_answers_and_ends_well_on_sigterm(running: tuple[subprocess.Popen, str]) -> None:
    process, address = running
    request = urllib.request.Request(
        f"{address}/v1/customers/{KNOWN}/score", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        assert json.load(response)["id"] == KNOWN
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "leaked" not in err
    assert KNOWN not in err
    assert "GET /v1/customers/{customer_id}/score 200" in err
