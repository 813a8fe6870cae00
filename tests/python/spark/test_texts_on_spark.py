"""Texts become the same components on Spark as on DuckDB, whether the driver embeds them or each worker its part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

from python_ml.text import components as module
from python_ml.text import text_components
from python_ml.text.engines import TextModel
from tests.python.text.test_components import CUTOFF, _texts
from tests.python.text.word_engine import WordEngine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.parametrize("shared_from", [0, module.SHARED_FROM], ids=["workers", "driver"])
def test_components_are_those_of_duckdb(
    shared_from: int, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SHARED_FROM", shared_from)
    (tmp_path / "dbt_project.yml").write_text("name: shop\nvars: {entity: customer_id}\n")
    (tmp_path / "retention.yml").write_text(f"text: {{fitted_before: {CUTOFF:%Y-%m-%d}}}\n")
    monkeypatch.setenv("RETENTION_PROJECT_DIR", str(tmp_path))
    monkeypatch.setattr(module, "find_model", lambda *_: TextModel("words:1", "words"))
    monkeypatch.setattr(module, "load_engine", lambda *_: WordEngine())
    names = ("id", "body", "at", "seen")
    schema = pa.schema(
        [("id", pa.int64()), ("body", pa.string()), ("at", pa.timestamp("us")), ("seen", pa.timestamp("us"))]
    )
    rows = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in _texts(120, 9)], schema)
    asked = {"text": "tickets.body", "known_at": ["at", "seen"], "components": 3}
    with duckdb.connect() as session:
        session.register("tickets", rows)
        expected = text_components(session, session.table("tickets"), session.table("tickets"), **asked)
    frame = spark.createDataFrame(rows)
    try:
        for _ in range(2):  # embedded, then read
            made = text_components(spark, frame, frame, **asked)
            assert made.sort_by("text_hash").to_pylist() == expected.sort_by("text_hash").to_pylist()
        assert spark.table("text.embeddings").count() == expected.num_rows
    finally:
        spark.sql("drop schema text cascade")
