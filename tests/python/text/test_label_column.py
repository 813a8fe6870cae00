"""Labels of a column of texts from end to end: asked for, learnt, applied and stored, without a look ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from python_ml.settings import Settings
from python_ml.text.labelling.given import collect
from python_ml.text.labelling.label_tables import read_models
from python_ml.text.labelling.labellers import FunctionLabeller
from python_ml.text.labelling.sheet import NAME
from python_ml.text.labelling.text_column import TextColumn, ask_labeller, ask_person, learn_labels
from python_ml.text.store import TextStore
from tests.python.text.labelled_texts import SCHEME, Texts, texts

COLUMN = "tickets.body"
CUTOFF = pd.Timestamp("2024-06-30")  # 181 of 240 texts are known before


@pytest.fixture(scope="module")
def world() -> Texts:
    return texts(240)


@pytest.fixture
def project(tmp_path: Path) -> Any:
    path = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(path)).close()
    settings = Settings.model_validate({"text": {"labelling": {"texts": 90}}, "training": {"bootstrap_replicates": 50}})
    return SimpleNamespace(warehouse_path=path, root=tmp_path, target=None, config={}, settings=settings)


def column(world: Texts, cutoff: pd.Timestamp = CUTOFF) -> TextColumn:
    frame = world.frame[["text_hash", "text", "known_at"]]
    return TextColumn(COLUMN, frame, world.embeddings, "words", cutoff)


class Oracle:
    """A labeller that knows the truth, and remembers what it was asked."""

    def __init__(self, world: Texts) -> None:
        self.world, self.asked = world, list[str]()

    def __call__(self, asked: Sequence[str], scheme: Any) -> list[dict[str, str]]:
        self.asked += asked
        return [{name: self.world.truth(text)[name] for name in scheme} for text in asked]


def select(project: Any, query: str) -> list[tuple]:
    with duckdb.connect(str(project.warehouse_path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def ask(project: Any, texts: TextColumn, oracle: Oracle, scheme: Any = SCHEME, **options: Any) -> None:
    ask_labeller(project, texts, scheme, FunctionLabeller("oracle", oracle), str, **options)


def test_some_labels_become_labels_of_all_texts(world: Texts, project: Any) -> None:
    oracle = Oracle(world)
    ask(project, column(world), oracle)
    result = learn_labels(project, column(world), SCHEME, "oracle")
    assert len(oracle.asked) == len(set(oracle.asked)) == 90
    assert result["learnable"] == 181
    assert result["labels"]["topic"]["kappa"]["low"] > 0.7
    rows = select(project, "select text_hash, label, value, probability, score from text.labels")
    assert len(rows) == 480
    truth = {(row.text_hash, name): getattr(row, name) for row in world.frame.itertuples() for name in SCHEME}
    assert np.mean([truth[text, name] == value for text, name, value, *_ in rows]) > 0.9
    assert all((score is None) == (name == "topic") for _, name, _, _, score in rows)
    # What is stored labels new texts as it labelled these.
    with duckdb.connect(str(project.warehouse_path), read_only=True) as connection:
        models = read_models(TextStore(connection), COLUMN)
        assert read_models(TextStore(connection), "mails.body") == {}
    again = models["sentiment"][0].apply(world.embeddings)
    stored = {text: float(score) for text, name, *_, score in rows if name == "sentiment"}
    assert [stored[text] for text in world.frame["text_hash"]] == again["score"].tolist()
    digests = dict(select(project, "select label, digest from text.label_models"))
    assert digests == {name: entry["digest"] for name, entry in result["labels"].items()}
    assert digests == {name: model.digest for name, (model, _) in models.items()}


def test_labels_are_never_learnt_from_texts_at_or_after_the_cutoff(world: Texts, project: Any) -> None:
    """Later texts may be others, and may have labels of their own: no bit of the classifiers changes."""
    oracle = Oracle(world)
    ask(project, column(world), oracle)
    topic = {"topic": SCHEME["topic"]}
    first = learn_labels(project, column(world), topic, "oracle")["labels"]["topic"]
    known = world.frame.set_index("text")["known_at"]
    assert max(known[oracle.asked]) < CUTOFF

    late = (world.frame["known_at"] >= CUTOFF).to_numpy()
    frame, embeddings = world.frame.copy(), world.embeddings.copy()
    frame.loc[late, "topic"] = "app"
    embeddings[late] = np.random.default_rng(0).normal(size=(late.sum(), embeddings.shape[1]))
    changed = Texts(frame, embeddings)
    # A labeller that was asked about later texts as well, as a person may be who adds rows to the file.
    ask_labeller(
        project, column(changed, pd.Timestamp.max), SCHEME, FunctionLabeller("oracle", Oracle(changed)), str, again=True
    )
    late_hashes = frame["text_hash"][late].tolist()
    collect(
        project,
        COLUMN,
        dict(zip(late_hashes, frame["text"][late], strict=True)),
        SCHEME,
        FunctionLabeller("oracle", Oracle(changed)),
    )
    given = {row[0] for row in select(project, "select text_hash from text.labels_given")}
    assert set(late_hashes) <= given
    second = learn_labels(project, column(changed), topic, "oracle")["labels"]["topic"]
    for figure in ("digest", "kappa", "classes"):
        assert second[figure] == first[figure]
    assert second["values"] != first["values"]
    # The edge itself: known at the cutoff is too late.
    edge = frame["known_at"].isin([CUTOFF])
    assert edge.sum() == 1
    assert not column(world).teaching[edge].any()


def test_texts_are_paid_for_once_and_up_to_the_limit(world: Texts, project: Any) -> None:
    oracle = Oracle(world)
    ask(project, column(world), oracle)
    ask(project, column(world, pd.Timestamp("2024-08-15")), oracle)  # more history: another sample, the same limit
    ask(project, column(world), oracle, again=True)  # everything has a label
    assert len(oracle.asked) == 90
    more = project.settings.model_copy(
        update={
            "text": project.settings.text.model_copy(
                update={"labelling": project.settings.text.labelling.model_copy(update={"texts": 120})}
            )
        }
    )
    project.settings = more
    ask(project, column(world), oracle)
    assert len(oracle.asked) == len(set(oracle.asked)) == 120


def test_personal_data_does_not_leave(world: Texts, project: Any) -> None:
    oracle = Oracle(world)
    seen: list[str] = []

    def label(asked: Sequence[str], scheme: Any) -> list[dict[str, str]]:
        seen.extend(asked)
        return oracle([text.removeprefix("masked ") for text in asked], scheme)

    ask_labeller(project, column(world), SCHEME, FunctionLabeller("oracle", label), lambda text: f"masked {text}")
    assert len(seen) == 90
    assert all(text.startswith("masked ") for text in seen)
    path = project.root / "text_labels" / "tickets.body.csv"
    assert not ask_person(project, column(world), SCHEME, path, lambda text: f"masked {text}")
    assert pd.read_csv(path)["text"].str.startswith("masked ").all()


def test_a_person_labels_and_changes_their_mind(world: Texts, project: Any) -> None:
    path = project.root / "tickets.body.csv"
    assert not ask_person(project, column(world), SCHEME, path, str)
    sheet = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert len(sheet) == 90
    sheet["topic"] = [world.truth(text)["topic"] for text in sheet["text"]]
    sheet.to_csv(path, index=False)
    assert ask_person(project, column(world), SCHEME, path, str)
    result = learn_labels(project, column(world), SCHEME, NAME)
    assert result["labels"]["topic"]["status"] == "fitted"
    assert result["labels"]["topic"]["texts"] == 90
    assert result["labels"]["sentiment"]["status"] == "refused"
    assert "negative has 0" in result["labels"]["sentiment"]["reason"]
    assert select(project, "select distinct label from text.labels") == [("topic",)]
    sheet.loc[:, "topic"] = ""
    sheet.to_csv(path, index=False)
    ask_person(project, column(world), SCHEME, path, str)
    learn_labels(project, column(world), SCHEME, NAME)
    assert select(project, "select count(*) from text.labels") == [(0,)]


def test_a_column_without_texts(world: Texts, project: Any) -> None:
    empty = replace(column(world), texts=world.frame.iloc[:0], embeddings=world.embeddings[:0])
    ask(project, empty, Oracle(world))
    result = learn_labels(project, empty, SCHEME, "oracle")
    assert {entry["status"] for entry in result["labels"].values()} == {"refused"}
