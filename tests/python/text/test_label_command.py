"""``retention text label`` in a project, against a server that plays the labeller, down to columns of features."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from python_ml.dbt import Feature
from python_ml.errors import RetentionError, UserError
from python_ml.ingest.macros import _environment, rendered
from python_ml.model.fitted_features import refuse_fitted_after
from python_ml.text.components import text_components
from python_ml.text.meaning import MEANING_SCHEMA
from python_ml.text.reduction import fit_reduction
from python_ml.text.store import StoredReduction, TextStore
from python_ml.text_fits import text_fits
from tests.python.command_line import retention
from tests.python.text.label_server import LabelServer
from tests.python.text.labelled_texts import SCHEME, Texts, embedded, text_hash, texts

FITTED_BEFORE = pd.Timestamp("2024-04-20")  # 110 of 130 texts were opened before
LATE = 15  # of these were known two hundred days later
LABELS = {
    "tickets.body": {
        "topic": list(SCHEME["topic"].values),
        "sentiment": {"values": list(SCHEME["sentiment"].values), "scores": list(SCHEME["sentiment"].scores)},
    }
}
PROFILES = "shop: {target: dev, outputs: {dev: {type: duckdb, path: warehouse.duckdb}}}"


@pytest.fixture(scope="module")
def world() -> Texts:
    return texts(130)


def settings(folder: Path, **text: object) -> None:
    written = {"text": {"model": "words", **text}, "training": {"bootstrap_replicates": 50}}
    (folder / "retention.yml").write_text(yaml.safe_dump(written))


@pytest.fixture(scope="module")
def built(world: Texts, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tickets have been embedded, by words."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "dbt_project.yml").write_text("{name: shop, profile: shop, vars: {entity: customer_id}}")
    (folder / "profiles.yml").write_text(PROFILES)
    settings(folder, labels=LABELS, labelling={"texts": 80, "batch": 20, "least_per_value": 5})
    python_model = (repository / "models" / "silver" / "slv_tickets_body_texts.py").read_text()
    python_model = python_model.replace("components=8,", 'components=8,\n        text_labels=["topic", "sentiment"],')
    sql = {"resource_type": "model", "language": "sql", "raw_code": "select 1"}
    nodes = {
        "brz_support__tickets": {**sql, "schema": "bronze", "alias": "brz_support__tickets"},
        "gld_churn_labels": {**sql, "schema": "gold", "alias": "gld_churn_labels"},
        "slv_tickets_body_texts": {"resource_type": "model", "language": "python", "raw_code": python_model},
    }
    manifest = {"nodes": {f"model.shop.{name}": {"name": name, **node} for name, node in nodes.items()}}
    (folder / "target").mkdir()
    (folder / "target" / "manifest.json").write_text(json.dumps(manifest))

    tickets = world.frame.rename(columns={"text": "body", "known_at": "opened_at"})[["body", "opened_at"]]
    early = tickets.sort_values("opened_at").index[:LATE]
    tickets["available_at"] = tickets["opened_at"]
    tickets.loc[early, "available_at"] += pd.Timedelta(days=200)
    odd = pd.DataFrame({"body": [None, " "], "opened_at": tickets["opened_at"][:2], "available_at": None})
    tickets = pd.concat([tickets, tickets.iloc[[0]], odd.astype({"available_at": "datetime64[ns]"})])
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create schema bronze; create table bronze.brz_support__tickets as from tickets")
        store = TextStore(connection)
        bodies = sorted(set(tickets["body"].dropna()), key=text_hash)
        vectors = np.array([embedded(body) for body in bodies])
        store.add_embeddings("words", [text_hash(body) for body in bodies], vectors)
        reduction = StoredReduction("tickets.body", "words", FITTED_BEFORE.to_pydatetime(), fit_reduction([vectors]))
        store.keep_reduction(reduction, MEANING_SCHEMA.empty_table())
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    shutil.copytree(built, folder)
    monkeypatch.setenv("RETENTION_PROJECT_DIR", str(folder))
    for name in ("RETENTION_DUCKDB_PATH", "RETENTION_LABELLER_URL"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def rebuilt(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was excluded in each build."""
    builds: list[str] = []
    monkeypatch.setattr("python_ml.cli.build.build", lambda *_, exclude, environment=None: builds.append(exclude))
    return builds


@pytest.fixture
def server(world: Texts, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabelServer]:
    with LabelServer(world.truth) as server:
        server.configure(monkeypatch)
        yield server


def components(connection: duckdb.DuckDBPyConnection, *labels: str) -> pa.Table:
    return text_components(
        connection,
        connection.table("bronze.brz_support__tickets"),
        None,
        text="tickets.body",
        known_at=["opened_at", "available_at"],
        components=2,
        text_labels=labels,
    )


def test_from_a_server_to_columns_of_distinct_texts(
    project: Path,
    server: LabelServer,
    world: Texts,
    rebuilt: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    with duckdb.connect(str(project / "warehouse.duckdb")) as connection:
        before = components(connection, "topic", "sentiment")
    code, out, err = retention(monkeypatch, capsys, "text", "label", "--project-dir", project)
    assert code == 0, err
    assert "tickets.body: 130 distinct texts, 95 known before training ends" in out
    assert "topic: 80 labels; on held-out ones accuracy" in out
    figures = json.loads((project / "reports" / "text_labels.json").read_text())["tickets.body"]
    assert figures["labels"]["topic"]["kappa"]["low"] > 0.6
    assert figures["fitted_before"] == "2024-04-20T00:00:00"
    # Nothing was asked about texts that were known later, whenever they were opened.
    opened = world.frame.set_index("text")["known_at"].sort_values()
    asked = opened[[entry["text"] for request in server.requests for entry in request["texts"]]]
    assert len(asked) == 80
    assert opened.iloc[LATE - 1] < asked.min()
    assert asked.max() < FITTED_BEFORE

    requests = len(server.requests)
    code, again, _ = retention(monkeypatch, capsys, "text", "label", "tickets.body", "--project-dir", project, "--json")
    assert code == 0
    assert json.loads(again)["tickets.body"] == figures
    assert len(server.requests) == requests
    # The champion would refuse to score features whose labels have changed; nothing changed the second time.
    assert rebuilt == ["gld_churn_scores_raw+ gld_churn_reasons_raw+"]

    names = ["text_hash", "characters", "pc1", "pc2", "topic", "topic_score", "sentiment", "sentiment_score"]
    with duckdb.connect(str(project / "warehouse.duckdb")) as connection:
        after = components(connection, "topic", "sentiment")
        fits = {name: digest for name, _, digest in text_fits(connection)}
    # The columns are there before the labels are, with the same types; all else is as it was.
    assert before.schema == after.schema
    assert before.column_names == names
    assert after.select(names[:4]) == before.select(names[:4])
    assert all(before[name].null_count == len(before) for name in names[4:])
    assert str(after.schema.field("sentiment_score").type) == "decimal128(9, 6)"
    assert fits["tickets.body.topic"] == figures["labels"]["topic"]["digest"]

    frame = after.to_pandas().set_index("text_hash")
    assert frame.loc[text_hash(" "), names[4:]].isna().all()
    frame = frame.loc[world.frame["text_hash"]]
    assert np.mean(frame["topic"].to_numpy() == world.frame["topic"].to_numpy()) > 0.85
    assert frame["topic_score"].isna().all()
    with duckdb.connect(str(project / "warehouse.duckdb")) as connection:
        stored = dict(
            connection.execute("select text_hash, score from text.labels where label = 'sentiment'").fetchall()
        )
    assert stored == frame["sentiment_score"].to_dict()
    # A copy of the warehouse, as replay builds it, gets the same labels from the store of the project.
    monkeypatch.setenv("RETENTION_TEXT_STORE", str(project / "warehouse.duckdb"))
    with duckdb.connect() as connection:
        rows = after.num_rows
        connection.execute(f"attach '{project / 'warehouse.duckdb'}' as original (read_only)")
        connection.execute("create schema bronze")
        connection.execute("create table bronze.brz_support__tickets as from original.bronze.brz_support__tickets")
        connection.execute("detach original")
        copied = components(connection, "topic", "sentiment")
    assert copied.num_rows == rows
    assert copied == after


def test_a_person_fills_in_the_file_of_a_project(
    project: Path,
    world: Texts,
    rebuilt: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    path = project / "text_labels" / "tickets.body.csv"
    code, out, _ = retention(monkeypatch, capsys, "text", "label", "--project-dir", project)
    assert code == 0
    assert out == f"tickets.body: fill in {path}, then run the same command again\n"
    sheet = pd.read_csv(path, dtype=str, keep_default_na=False)
    sheet["topic"] = [world.truth(text)["topic"] for text in sheet["text"]]
    sheet.to_csv(path, index=False)
    code, out, err = retention(monkeypatch, capsys, "text", "label", "--project-dir", project)
    # What was filled in is learnt; what was not is refused.
    assert code == 2
    assert "topic: 80 labels" in out
    assert "Too few labels to learn from: negative has 0, neutral has 0, positive has 0; each value needs 5." in err
    assert "tickets.body, sentiment" in err
    assert len(rebuilt) == 1
    sheet.loc[3, "topic"] = "tpoic"
    sheet.to_csv(path, index=False)
    code, _, err = retention(monkeypatch, capsys, "text", "label", "--project-dir", project)
    assert code == 2
    assert f"{path}, row 5, column topic" in err


def test_labels_are_guarded_like_components() -> None:
    """By the time of what they have seen, and by their digest."""
    label = Feature(
        "tickets_topic_app_count_30d",
        "feature",
        "bigint",
        fitted="tickets.body.topic",
        fitted_before="2024-04-20T00:00:00",
        fitted_digest="abc",
    )
    assert label.fit == "tickets.body.topic@abc"
    refuse_fitted_after([label], FITTED_BEFORE)
    with pytest.raises(UserError, match=r"The labels tickets\.body\.topic were fitted on texts") as caught:
        refuse_fitted_after([label], FITTED_BEFORE - pd.Timedelta(days=1))
    assert "`retention text refit tickets.body`, then `retention text label tickets.body`" in caught.value.hint


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        ((), {}, "No labels are configured."),
        (("mails.body",), {"labels": LABELS}, "mails.body has no labels."),
        ((), {"labels": {"mails.body": {"topic": ["a", "b"]}}}, "No dbt model makes components of mails.body."),
        (("--labeller", "endpoint"), {"labels": LABELS}, "RETENTION_LABELLER_URL and RETENTION_LABELLER_MODEL"),
        (("--labeller", "nobody:label"), {"labels": LABELS}, "There is no function nobody:label"),
    ],
)
def test_mistakes(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    words: tuple,
    text: dict,
    message: str,
) -> None:
    monkeypatch.delenv("RETENTION_LABELLER_MODEL", raising=False)
    settings(project, **text)
    code, _, err = retention(monkeypatch, capsys, "text", "label", *words, "--project-dir", project)
    assert code == 2
    assert message in err
    assert "hint:" in err


def test_texts_that_were_not_embedded(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with duckdb.connect(str(project / "warehouse.duckdb")) as connection:
        connection.execute("drop table text.reductions")
    code, _, err = retention(monkeypatch, capsys, "text", "label", "--project-dir", project)
    assert code == 2
    assert "tickets.body have no components yet" in err


def test_labels_in_sql_and_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`with_text` adds the columns; `window_features` counts topics and averages sentiment."""
    # What the macros ask of dbt beyond what profiles need.
    for name, function in {"ref": str, "tojson": json.dumps, "local_md5": text_hash, "config": {}}.items():
        monkeypatch.setitem(_environment().globals, name, function)
    measures = (
        "[{'name': 'topic', 'expression': 'body_topic', 'type': 'text', 'values': ['billing', 'app'], "
        "'aggregates': ['count']}, "
        "{'name': 'sentiment', 'expression': 'body_sentiment_score', 'type': 'decimal(9, 6)', 'aggregates': ['mean']}]"
    )
    with duckdb.connect() as connection:
        connection.execute(
            "create table spine as select 'c' as customer_id, timestamp '2024-02-01' as feature_timestamp"
        )
        connection.execute(
            "create table tickets as select 'c' as customer_id, body, timestamp '2024-01-10' as opened_at "
            "from (values ('a'), ('b'), ('b'), ('never labelled'), (null)) as t (body)"
        )
        connection.execute(
            "create table texts as select md5(body) as text_hash, 1 as characters, null::decimal(9, 6) as pc1, topic, "
            "null::decimal(9, 6) as topic_score, null::varchar as sentiment, score::decimal(9, 6) as sentiment_score "
            "from (values ('a', 'billing', -1), ('b', 'app', 0.5)) as t (body, topic, score)"
        )
        call = "customer_retention.with_text(rows='tickets', texts='texts', column='body', components=1, labels=LABELS)"
        query = rendered("{{ " + call.replace("LABELS", "['topic', 'sentiment']") + " }}", ref=lambda name: name)
        connection.execute(f"create table events as {query}")
        connection.execute(
            "create table windows as "
            + rendered(
                "{{ customer_retention.window_features(spine='spine', events='events', source='tickets', "
                "entity='customer_id', event_at='opened_at', available_at='opened_at', windows=['30d'], "
                f"measures={measures}) }}}}",
                ref=lambda name: name,
            )
        )
        row = connection.execute("select * from windows").df().iloc[0]
        assert row["tickets_topic_billing_count_30d"] == 1
        assert row["tickets_topic_app_count_30d"] == 2
        assert row["tickets_sentiment_mean_30d"] == 0
        # Where dbt runs no Python models, a table without rows has the same columns.
        columns = "customer_retention.text_columns(1, ['topic', 'sentiment'])"
        empty = rendered("{{ customer_retention.empty_rows(" + columns + ") }}")
        described = connection.execute(f"describe {empty}").fetchall()
        assert described == connection.execute("describe texts").fetchall()
        assert connection.execute(empty).fetchall() == []
        with pytest.raises(RetentionError, match=r"labels` must be a list, such as \['topic'\]"):
            rendered("{{ " + call.replace("LABELS", "'topic'") + " }}", ref=lambda name: name)
