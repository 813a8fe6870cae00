"""The small project on both engines, as in `make parity`; what finds differences; and that it compiles for Databricks.

One file, so that one worker starts Spark.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

from tests.parity import building
from tests.parity.comparing import EQUAL, compare, tables
from tests.parity.projects import compared as compared_project
from tests.parity.shop import write_shop
from tests.python.command_line import command

from . import rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLE = pa.table(
    {
        "customer_id": ["a", "b", None],
        "amount": pa.array([Decimal("1.50"), None, Decimal("-2.00")], pa.decimal128(9, 2)),
        "share": [0.1, float("nan"), None],
        "orders_fingerprint": pa.array([1, 2, 2], pa.int64()),
    }
)


def models_of(folder: Path) -> set[str]:
    """Names of the models in a project's folder."""
    return {path.stem for path in folder.glob("models/**/*.sql") if path.parent.suffix != ".yml"}


def test_every_table_of_the_small_project_is_equal(tmp_path: Path, spark: SparkSession) -> None:
    """Windows, as-of joins, labels, versions and daily runs; `make parity` has larger projects."""
    untested = partial(building.build_daily_runs_on_spark, is_tested=False)
    try:
        found = compared_project("corner_shop", tmp_path, spark, untested)
    finally:
        building.drop_schemas(spark)
    assert {table.table.partition(".")[2] for table in found if table.rows} >= models_of(building.INTEGRATION)
    wrong = [f"{table.table}: {difference}" for table in found for difference in table.differences]
    assert not wrong, "\n".join(wrong[:20])


def on_spark(table: pa.Table) -> SimpleNamespace:
    """A session that has one table."""
    return SimpleNamespace(
        catalog=SimpleNamespace(tableExists=lambda name: name == "gold.made"),
        sql=lambda _: SimpleNamespace(toArrow=lambda: table),
    )


def compared(table: pa.Table, *names: str) -> list:
    with duckdb.connect() as connection:
        connection.execute("create schema gold")
        connection.register("made", TABLE)
        connection.execute("create table gold.made as from made")
        connection.execute("create table gold.here_alone as select 1 as one")
        return list(compare(list(names or ("gold.made",)), connection, on_spark(table)))


def test_the_same_rows_in_another_order_are_equal() -> None:
    near = TABLE.set_column(2, "share", pa.array([0.1 + 1e-13, float("nan"), None]))
    # hashes are an engine's own
    near = near.set_column(3, "orders_fingerprint", pa.array([7, 9, 9], pa.int64()))
    [found] = compared(near.take([2, 0, 1]))
    assert (found.result, found.rows, found.columns) == (EQUAL, 3, 4)


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("share", pa.array([0.1 + 1e-6, float("nan"), None]), "share: 0.1 is 0.100001"),
        ("share", pa.array([0.1, 0.0, None]), "share: nan is 0.0"),
        ("customer_id", pa.array(["a", "c", None]), "'b' is 'c'"),
        ("amount", pa.array([Decimal("1.51"), None, Decimal("-2.00")], pa.decimal128(9, 2)), "Decimal('1.51')"),
        ("amount", pa.array([1.5, None, -2.0]), "column amount decimal128(9, 2) is amount double"),
        ("orders_fingerprint", pa.array([1, 2, 3], pa.int64()), "2 distinct values are 3"),
    ],
)
def test_a_difference_is_found(column: str, values: pa.Array, said: str) -> None:
    [found] = compared(TABLE.set_column(TABLE.schema.get_field_index(column), column, values))
    assert any(said in difference for difference in found.differences), found.differences


def test_a_missing_row_and_a_missing_table_are_found() -> None:
    [fewer] = compared(TABLE.slice(1))
    assert "3 rows are 2" in fewer.differences
    # a table that neither engine has yet is passed over
    [alone] = compared(TABLE, "gold.here_alone", "gold.nowhere")
    assert alone.differences == ("missing on Spark",)


def test_rows_that_differ_in_nested_values_are_found() -> None:
    one, other = pa.table({"id": [1], "parts": [[1, 2]]}), pa.table({"id": [1], "parts": [[1, 3]]})
    assert not list(rows.differences(one, one))
    assert list(rows.differences(one, other)) == ["{'id': 1, 'parts': [1, 2]} parts: [1, 2] is [1, 3]"]


def test_tables_come_in_the_order_of_layers_without_snapshots() -> None:
    def node(kind: str, schema: str, name: str) -> dict:
        return {"resource_type": kind, "schema": schema, "name": name, "alias": name, "identifier": name}

    nodes = [node("model", "gold", "b"), node("seed", "raw", "a"), node("snapshot", "snapshots", "s")]
    manifest = {"nodes": dict(enumerate(nodes)), "sources": {0: node("source", "gold", "written")}}
    assert tables(manifest) == ["raw.a", "gold.b", "gold.written"]


def test_the_shop_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = (write_shop(tmp_path / name, customers=9) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.stem for path in first] == ["customers", "orders", "tickets", "plans"]


def test_the_example_compiles_for_databricks(tmp_path: Path) -> None:
    """Without a connection: what `make parity` runs on Spark is what Databricks gets."""
    folder = building.corner_shop(tmp_path / "corner_shop")
    # Whether an incremental model is there already, only a connection knows.
    offline = ("--no-introspect", "--no-populate-cache", "--exclude", "config.materialized:incremental")
    done = command(folder, "dbt", "--quiet", "compile", "--target", "databricks", *offline)
    assert done.returncode == 0, done.stdout + done.stderr
    compiled = folder / "target" / "compiled" / "corner_shop"
    assert models_of(compiled) == models_of(building.INTEGRATION) - {"orders_daily"}
    assert "unix_micros(" in (compiled / "models" / "features" / "orders_windows.sql").read_text()
