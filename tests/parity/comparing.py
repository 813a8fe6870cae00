"""Tables of a project on both engines, compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.python.spark import rows

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyspark.sql import SparkSession

EQUAL = "equal"
_HASHES = "_fingerprint"
# What differs by design is left out, by table: rows that Spark lacks, and columns that hold the time of a run.
ROWS = {
    "silver.slv_customer_history": "where origin = 'change_log'",  # plain Spark takes no snapshots
    "gold.gld_leakage_findings": "where probe <> 'replay_identical'",  # replays are made by DuckDB
}
ON_DUCKDB_ALONE = {"gold.gld_feature_replays"}
TIMES_OF_RUNS = {"gold.gld_model_promotions": ["decided_at"], "gold.gld_alerts": ["opened_at", "resolved_at"]}


@dataclass(frozen=True)
class Compared:
    """What came of one table.

    Attributes
    ----------
    table : str
        ``schema.table``.
    rows, columns : int
        On DuckDB.
    differences : tuple of str
        Empty where both engines agree.
    """

    table: str
    rows: int
    columns: int
    differences: tuple[str, ...]

    @property
    def result(self) -> str:
        """In a word or two."""
        return EQUAL if not self.differences else f"DIFFERENT ({len(self.differences)})"


def tables(manifest: dict[str, Any]) -> list[str]:
    """The tables that dbt's manifest names, sources among them, as ``schema.table``, in the order of layers.

    Snapshots are left out: plain Spark takes none.
    """
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] in ("seed", "model")]
    named = {f"{n['schema']}.{n.get('alias') or n['name']}" for n in nodes}
    named |= {f"{n['schema']}.{n['identifier']}" for n in manifest["sources"].values()}
    named -= ON_DUCKDB_ALONE
    layers = ("raw", "bronze", "silver", "gold")
    place = {layer: number for number, layer in enumerate(layers)}
    return sorted(named, key=lambda name: (place.get(name.split(".")[0], len(layers)), name))


def compare(names: list[str], connection: duckdb.DuckDBPyConnection, spark: SparkSession) -> Iterator[Compared]:
    """Compare tables row for row; those that neither engine has are passed over.

    Parameters
    ----------
    names : list of str
        As :func:`tables` gives them.
    connection : duckdb.DuckDBPyConnection
    spark : pyspark.sql.SparkSession

    Yields
    ------
    Compared
    """
    there = {
        f"{schema}.{table}"
        for schema, table in connection.execute(
            "select table_schema, table_name from information_schema.tables"
        ).fetchall()
    }
    for name in names:
        has_it = spark.catalog.tableExists(name)
        if name not in there and not has_it:
            continue
        if name not in there or not has_it:
            yield Compared(name, 0, 0, (f"missing on {'Spark' if name in there else 'DuckDB'}",))
            continue
        quoted = ".".join(f'"{part}"' for part in name.split("."))
        kept, left_out = ROWS.get(name, ""), TIMES_OF_RUNS.get(name, [])
        first = connection.sql(f"select * from {quoted} {kept}").to_arrow_table().drop_columns(left_out)
        second = rows.of_spark(spark, f"select * from {name} {kept}").drop_columns(left_out)
        found = tuple(_differences(first, second))
        yield Compared(name, first.num_rows, first.num_columns, found)


def _differences(first: pa.Table, second: pa.Table) -> Iterator[str]:
    """Hashes are an engine's own: all that can agree is how many of them there are."""
    hashes = [name for name in first.column_names if name.endswith(_HASHES) and name in second.column_names]
    for name in hashes:
        one, other = len(first[name].unique()), len(second[name].unique())
        if one != other:
            yield f"{name}: {one} distinct values are {other}"
    yield from rows.differences(first.drop_columns(hashes), second.drop_columns(hashes))
