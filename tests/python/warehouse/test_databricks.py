"""Databricks, as far as can be told without a workspace: the statements, and what is made of the answers."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import sqlglot

from python_ml.project import Project
from python_ml.warehouse import connect_to, schema_prefix
from python_ml.warehouse.databricks import DatabricksBackend, _credentials

TABLE = pa.table(
    {
        "customer's": ["it's \\ so", None],
        "at": pa.array([datetime(2024, 1, 2, 3, 4, 5, 678), None], pa.timestamp("us")),
        "day": pa.array([date(2024, 1, 2), None]),
        "amount": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
        "value": [0.1, float("nan")],
        "flag": [True, None],
        "vector": [[0.5, 1.0], None],
        "nothing": pa.nulls(2),
        "small": pa.array([1, 2], pa.uint8()),
    }
)


class StandIn:
    """Answers as Databricks would, and keeps what it was told."""

    def __init__(self, answers: dict[str, pa.Table] | None = None) -> None:
        self.said: list[str] = []
        self.answers = answers or {}

    def __call__(self, statement: str) -> pa.Table:
        self.said.append(statement)
        found = [answer for part, answer in self.answers.items() if part in statement]
        return found[0] if found else pa.table({})


def test_a_table_is_replaced_in_one_step() -> None:
    execute = StandIn()
    DatabricksBackend(execute, "main's", "dev_").write("gold.scores", TABLE)
    for statement in execute.said:
        assert sqlglot.parse_one(statement, dialect="databricks"), statement
    assert [statement.split("(")[0].strip() for statement in execute.said] == [
        "create schema if not exists `main's`.`dev_gold`",
        "create or replace table `main's`.`dev_gold`.`scores__new`",
        "insert into `main's`.`dev_gold`.`scores__new` values",
        "create or replace table `main's`.`dev_gold`.`scores` as select * from `main's`.`dev_gold`.`scores__new`",
        "drop table if exists `main's`.`dev_gold`.`scores__new`",
    ]
    assert "`nothing` int, `small` smallint" in execute.said[1]
    assert "('it\\'s \\\\ so', cast('2024-01-02 03:04:05.000678+00:00' as timestamp)" in execute.said[2]
    assert "cast('1.50' as decimal(9, 2)), cast('0.1' as double), cast('True' as boolean)" in execute.said[2]
    assert "cast(array(cast('0.5' as double), cast('1.0' as double)) as array<double>)" in execute.said[2]


def test_the_old_rows_stay_when_new_ones_do_not_arrive() -> None:
    class Broken(StandIn):
        def __call__(self, statement: str) -> pa.Table:
            super().__call__(statement)
            if statement.startswith("insert"):
                raise ConnectionError
            return pa.table({})

    execute = Broken()
    with pytest.raises(ConnectionError):
        DatabricksBackend(execute, "main").write("gold.scores", TABLE)
    assert execute.said[-1] == "drop table if exists `main`.`gold`.`scores__new`"
    assert not any("table `main`.`gold`.`scores` " in statement for statement in execute.said)


def test_questions_in_the_sql_of_duckdb_are_answered() -> None:
    times = pa.array([datetime(2024, 1, 1), datetime(2024, 2, 1)], pa.timestamp("us", "Etc/UTC"))
    execute = StandIn(
        {
            "schemata": pa.table({"schema_name": ["dev_gold", "gold"]}),
            "information_schema.tables": pa.table({"table_schema": ["dev_gold"], "table_name": ["scores"]}),
            "select * from `main`.`dev_gold`.`scores`": pa.table({"at": times}),
        }
    )
    backend = DatabricksBackend(execute, "main", "dev_")
    with connect_to(backend) as connection:
        assert connection.execute("select max(s.at) from gold.scores as s").fetchall() == [(datetime(2024, 2, 1),)]
    assert backend.schemas() == {"gold"}
    assert backend.tables(["gold"]) == ["gold.scores"]
    for statement in execute.said:
        assert sqlglot.parse_one(statement, dialect="databricks"), statement


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"client_id": "me", "client_secret": "dose"},
            {"auth_type": "oauth-m2m", "client_id": "me", "client_secret": "dose"},
        ),
        (
            {"azure_client_id": "me", "azure_client_secret": "x"},
            {"auth_type": "azure-client-secret", "azure_client_id": "me", "azure_client_secret": "x"},
        ),
        ({"auth_type": "oauth"}, {"auth_type": "external-browser", "client_id": "dbt-databricks"}),
        ({"auth_type": "env-oidc", "client_id": "me"}, {"auth_type": "env-oidc", "client_id": "me"}),
    ],
)
def test_what_dbt_reads_for_oauth_is_given_to_the_sdk(
    settings: dict[str, str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    core = pytest.importorskip("databricks.sdk.core")
    asked = []

    class Config:
        def __init__(self, **settings: str) -> None:
            asked.append(settings)

        def authenticate(self) -> dict[str, str]:
            return {"Authorization": "of the SDK"}

    monkeypatch.setattr(core, "Config", Config)
    given = _credentials("host", settings)
    assert asked == [{"host": "https://host", **expected}]
    assert given["credentials_provider"]()() == {"Authorization": "of the SDK"}


def test_a_token_goes_before_oauth() -> None:
    assert _credentials("host", {"token": "t", "auth_type": "oauth"}) == {"access_token": "t"}


def test_targets_other_than_production_have_schemas_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    outputs = "databricks: {type: databricks, schema: anna}, databricks_prod: {type: databricks, schema: retention}"
    (tmp_path / "profiles.yml").write_text(
        f"shop: {{target: databricks, outputs: {{{outputs}, dev: {{type: duckdb, schema: main}}}}}}\n"
    )
    assert schema_prefix(Project.open(tmp_path)) == "anna_"
    assert schema_prefix(Project.open(tmp_path, target="databricks_prod")) == ""
    assert schema_prefix(Project.open(tmp_path, target="dev")) == ""
