"""Texts of a table as components: embedded once, fitted on what was known before, exact in any order."""

from __future__ import annotations

import random
import warnings
from datetime import datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from python_ml.errors import UserError
from python_ml.text import components as module
from python_ml.text import text_components
from python_ml.text.engines import TextModel
from python_ml.text.store import TextStore
from tests.python.text.word_engine import WordEngine

START = datetime(2024, 1, 1)
CUTOFF = START + timedelta(days=100)
WORDS = (
    "late", "parcel", "broken", "invoice", "refund", "app", "crash", "thanks", "great", "cancel", "price", "driver",
    "box", "support", "answer",
)  # fmt: skip


def _texts(n: int, seed: int) -> list[tuple[int, str, datetime, datetime | None]]:
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        happened = START + timedelta(hours=rng.randrange(24 * 200))
        known = happened + timedelta(hours=rng.choice([0, 0, 1, 300]))
        text = " ".join(rng.choices(WORDS, k=rng.randint(2, 7)))
        rows.append((number, text, happened, rng.choice([None, known])))
    return rows


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WordEngine:
    """A project in which texts are embedded by words."""
    (tmp_path / "dbt_project.yml").write_text("name: shop\nvars: {entity: customer_id}\n")
    (tmp_path / "retention.yml").write_text(f"text: {{fitted_before: {CUTOFF:%Y-%m-%d}}}\n")
    monkeypatch.setenv("RETENTION_PROJECT_DIR", str(tmp_path))
    made = WordEngine()
    monkeypatch.setattr(module, "find_model", lambda *_: TextModel("words:1", "words"))
    monkeypatch.setattr(module, "load_engine", lambda *_: made)
    return made


def _run(session: duckdb.DuckDBPyConnection, rows: list[Any], **options: Any) -> dict[str, tuple]:
    """Components by text."""
    schema = pa.schema(
        [("id", pa.int64()), ("body", pa.string()), ("at", pa.timestamp("us")), ("seen", pa.timestamp("us"))]
    )
    table = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    session.register("raw", table)
    session.execute("create or replace table tickets as select * from raw")
    session.execute(
        "create or replace table labels as select timestamp '2024-04-01' as feature_timestamp, "
        "timestamp '2024-05-01' as label_timestamp, 1 as churned, true as label_available_flag where false"
    )
    asked = {"text": "tickets.body", "known_at": ["at", "seen"], "components": 4, **options}
    made = text_components(session, session.table("tickets"), session.table("labels"), **asked)
    session.register("made", made)
    found = session.execute("select distinct body, made.* from tickets left join made on md5(body) = text_hash")
    return {row[0]: row[2:] for row in found.fetchall()}


def test_every_distinct_text_is_embedded_once(engine: WordEngine) -> None:
    rows = _texts(300, 1)
    distinct = {row[1] for row in rows}
    with duckdb.connect() as session:
        first = _run(session, rows)
        assert set(first) == distinct
        assert sorted(engine.embedded) == sorted(distinct)
        assert all(None not in values for values in first.values())
        assert _run(session, rows) == first
        assert len(engine.embedded) == len(distinct)
        # three more texts cost three embeddings, and move nothing
        more = [(1_000 + i, f"new {word}", CUTOFF, None) for i, word in enumerate(WORDS[:3])]
        again = _run(session, rows + more)
        assert sorted(engine.embedded[len(distinct) :]) == sorted(row[1] for row in more)
        assert {text: again[text] for text in first} == first


def test_texts_without_anything_to_read(engine: WordEngine) -> None:
    rows = [*_texts(100, 2), (900, None, START, None), (901, "", START, None), (902, " \n ", START, None)]
    with duckdb.connect() as session:
        made = _run(session, rows)
    assert made[None] == (None,) * 5
    assert made[""][0] == 0
    assert made[""] == made[" \n "]
    assert made[""][1] is not None


@given(seed=st.integers(0, 10_000))
@examples(max_examples=8)
def test_texts_known_at_or_after_the_cutoff_move_nothing(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        made = WordEngine()
        patch.setattr(module, "find_model", lambda *_: TextModel("words:1", "words"))
        patch.setattr(module, "load_engine", lambda *_: made)
        patch.setattr(module, "Project", _Opened)
        rows = _texts(200, seed)

        def is_late(row: tuple) -> bool:
            return max(row[2], row[3] or row[2]) >= CUTOFF

        rng = random.Random(seed)
        changed = [
            (row[0], " ".join(rng.choices([*WORDS, "entirely", "different"], k=9)), *row[2:]) if is_late(row) else row
            for row in rows
            if not is_late(row) or rng.random() < 0.7
        ]
        early = {row[1] for row in rows if not is_late(row)}
        with duckdb.connect() as one, duckdb.connect() as other:
            first, second = _run(one, rows), _run(other, changed)
            assert TextStore(one).reduction("tickets.body").reduction.digest == (
                TextStore(other).reduction("tickets.body").reduction.digest
            )
        assert {text: first[text] for text in early} == {text: second[text] for text in early}
        assert sum(map(is_late, rows)) > 20


class _Opened:
    """A project whose settings are the defaults, but for the cutoff."""

    @classmethod
    def described_by(cls, _: str | None) -> Any:
        from types import SimpleNamespace

        from python_ml.settings import Settings, Text

        return SimpleNamespace(settings=Settings(text=Text(fitted_before=CUTOFF)), root=Path())


def test_a_text_on_the_cutoff_is_not_learnt_from(engine: WordEngine) -> None:
    rows = [(i, f"{word} {other}", START, None) for i, (word, other) in enumerate(pairwise(WORDS))]
    rows += [(100 + i, f"early {word}", CUTOFF - timedelta(microseconds=1), None) for i, word in enumerate(WORDS)]
    rows += [(200 + i, f"late {word}", CUTOFF, None) for i, word in enumerate(WORDS)]
    rows += [(300 + i, f"late arrival {word}", START, CUTOFF) for i, word in enumerate(WORDS)]
    with duckdb.connect() as session:
        _run(session, rows)
        assert TextStore(session).reduction("tickets.body").reduction.texts == 2 * len(WORDS) - 1


def test_texts_whose_time_is_missing_are_not_learnt_from_but_rows_without_times_are(engine: WordEngine) -> None:
    dated = [(i, f"{word} {other}", START, None) for i, (word, other) in enumerate(product(WORDS, WORDS))]
    undated = [(1_000 + i, f"undated {word}", None, START) for i, word in enumerate(WORDS)]
    with duckdb.connect() as session:
        made = _run(session, dated + undated)
        assert TextStore(session).reduction("tickets.body").reduction.texts == len(dated)
        assert made["undated late"][1] is not None
    with duckdb.connect() as session:
        _run(session, dated + undated, known_at=())
        assert TextStore(session).reduction("tickets.body").reduction.texts == len(dated) + len(undated)


def test_too_few_texts_give_no_components_and_a_warning(engine: WordEngine) -> None:
    with duckdb.connect() as session, pytest.warns(UserWarning, match="too few"):
        made = _run(session, _texts(10, 3))
    assert {values[1:] for values in made.values()} == {(None,) * 4}


def test_without_the_model_components_are_missing_until_they_are_needed(
    engine: WordEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = _texts(100, 4)
    with duckdb.connect() as session:
        with monkeypatch.context() as patch:
            patch.setattr(module, "find_model", lambda *_: None)
            with pytest.warns(UserWarning, match=r"pip install 'customer-retention\[text\]'"):
                made = _run(session, rows)
            assert {values[1:] for values in made.values()} == {(None,) * 4}
        known = _run(session, rows)
        monkeypatch.setattr(module, "find_model", lambda *_: None)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert _run(session, rows) == known  # everything is embedded already
        with pytest.raises(UserError, match="that model is not there"):
            _run(session, [*rows, (999, "something new", START, None)])


def test_components_of_one_model_are_not_given_another(engine: WordEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _texts(100, 5)
    with duckdb.connect() as session:
        _run(session, rows)
        monkeypatch.setattr(module, "find_model", lambda *_: TextModel("words:2", "words"))
        with pytest.raises(UserError, match=r"retention text refit tickets\.body") as caught:
            _run(session, rows)
        assert caught.value.exit_code == 2


def test_refitting_keeps_the_earlier_components_until_there_are_others(
    engine: WordEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = _texts(200, 7)
    with duckdb.connect() as session:
        before = _run(session, rows)
        digest = TextStore(session).reduction("tickets.body").reduction.digest
        (tmp_path / "retention.yml").write_text("text: {fitted_before: 2024-03-01}\n")
        assert _run(session, rows) == before  # nothing is fitted again by itself
        monkeypatch.setenv(module.REFIT_VARIABLE, "reviews.body,tickets.body")
        with monkeypatch.context() as patch:
            patch.setattr(module, "find_model", lambda *_: None)
            with pytest.raises(UserError, match="is not there"):
                _run(session, rows)
        assert TextStore(session).reduction("tickets.body").reduction.digest == digest
        after = _run(session, rows)
        assert after != before
        monkeypatch.delenv(module.REFIT_VARIABLE)
        assert _run(session, rows) == after
        assert len(TextStore(session).reductions()) == 1
        views = session.execute("select view_name from duckdb_views() where not internal and not temporary")
        assert views.fetchall() == []


def test_what_was_embedded_before_a_crash_is_kept(engine: WordEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 32)
    rows = _texts(150, 6)
    encode, calls = engine.encode, []

    def failing(texts: list[str]) -> Any:
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return encode(texts)

    with duckdb.connect() as session:
        monkeypatch.setattr(engine, "encode", failing)
        with pytest.raises(KeyboardInterrupt):
            _run(session, rows)
        monkeypatch.setattr(engine, "encode", encode)
        assert len(engine.embedded) == 64
        resumed = _run(session, rows)
        assert len(engine.embedded) == len(set(engine.embedded)) == len({row[1] for row in rows})
    with duckdb.connect() as session:
        assert _run(session, rows) == resumed


def test_names_are_quoted(engine: WordEngine) -> None:
    with duckdb.connect() as session:
        session.execute('create table notes ("the ""note""" varchar, "made at" timestamp)')
        session.executemany(
            "insert into notes values (?, ?)", [(f"{a} {b}", START) for a in WORDS for b in WORDS if a < b]
        )
        session.execute("create table labels as select 1 as churned")
        made = text_components(
            session,
            session.table("notes"),
            session.table("labels"),
            text='notes.the "note"',
            known_at=["made at"],
            components=2,
        )
    assert made.num_rows == len(WORDS) * (len(WORDS) - 1) // 2
    assert made["pc1"].null_count == 0
