"""Raw files as tables of another engine: the rows are those that dbt reads in place on DuckDB."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from python_ml.errors import UserError
from python_ml.project import Project
from python_ml.raw_tables import load_raw_files

ORDERS = {"path": "orders.csv", "format": "csv", "row_number": True}
ORDERS["options"] = {"delim": ",", "quote": '"', "escape": '"', "header": True, "names": ["order id", "note"]}
TYPED = {"path": "raw/typed.parquet", "format": "parquet", "in_project": True}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with two files, parsed by dbt."""
    monkeypatch.delenv("RETENTION_RAW_DIR", raising=False)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.csv").write_text('order id,note\n007,"a ""b"", c"\n008,\n', encoding="utf-8")
    (tmp_path / "shop" / "raw").mkdir(parents=True)
    duckdb.sql(
        "copy (select 1::ubigint as big, time '10:30:00' as clock, timestamp_ns '2024-01-02 03:04:05' as at, 1.5 as x) "
        f"to '{tmp_path / 'shop' / 'raw' / 'typed.parquet'}'"
    )
    (tmp_path / "shop" / "dbt_project.yml").write_text("name: shop\nvars: {raw_dir: ../data}\n")
    sources = [
        {"schema": "raw", "identifier": "orders", "config": {"meta": {"file": ORDERS}}},
        {"schema": "raw", "identifier": "typed", "meta": {"file": TYPED}},
        {"schema": "gold", "identifier": "written_by_python"},
    ]
    (tmp_path / "shop" / "target").mkdir()
    manifest = {"metadata": {}, "nodes": {}, "parent_map": {}, "sources": dict(enumerate(sources)), "disabled": {}}
    (tmp_path / "shop" / "target" / "manifest.json").write_text(json.dumps(manifest))
    return Project.open(tmp_path / "shop", "spark")


def test_rows_are_those_of_the_files(project: Project) -> None:
    written: dict[str, pa.Table] = {}
    assert load_raw_files(project, written.__setitem__) == ["raw.orders", "raw.typed"]
    assert written["raw.orders"].to_pylist() == [
        {"row_number_": 1, "order id": "007", "note": 'a "b", c'},
        {"row_number_": 2, "order id": "008", "note": None},
    ]
    types = {field.name: str(field.type) for field in written["raw.typed"].schema}
    assert types == {"big": "decimal128(20, 0)", "clock": "string", "at": "timestamp[us]", "x": "decimal128(2, 1)"}


def test_a_missing_file_is_named(project: Project) -> None:
    (project.root.parent / "data" / "orders.csv").unlink()
    with pytest.raises(UserError, match=r"The raw file .*orders\.csv is not there") as raised:
        load_raw_files(project, lambda *_: None)
    assert raised.value.where == "raw.orders"


def test_columns_that_moved_are_refused(project: Project) -> None:
    (project.root.parent / "data" / "orders.csv").write_text("note,order id\na,b\n", encoding="utf-8")
    with pytest.raises(UserError, match="number 1 is now `note` and was `order id`"):
        load_raw_files(project, lambda *_: None)
