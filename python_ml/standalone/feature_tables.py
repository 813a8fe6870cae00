"""Running the SQL of the features on Spark, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession


def build_tables(
    spark: SparkSession,
    pipeline: Mapping[str, Any],
    folder: Path,
    schemas: Mapping[str, str],
    catalog: str | None = None,
    show: Callable[[str], None] = print,
) -> dict[str, int]:
    """Make every view and table of the features; whatever is there already is replaced.

    Parameters
    ----------
    spark : SparkSession
    pipeline : mapping
        Contents of ``pipeline.json``.
    folder : Path
        Where the files are that it names.
    schemas : mapping of str to str
        The schema of each layer (``raw``, ``bronze``, …).
    catalog : str or None
        None for the session's own.
    show : callable
        Gets a line per table.

    Returns
    -------
    dict of str to int
        Rows of each table.

    Raises
    ------
    UserError
        When a raw table or one of its columns is missing, or the key of a table is not unique.
    """
    prepare_session(spark)
    require_raw_tables(spark, pipeline, schemas, catalog)
    for layer in dict.fromkeys(model["schema"] for model in pipeline["models"]):
        spark.sql(f"create schema if not exists {_schema(schemas, layer, catalog)}")
    rows: dict[str, int] = {}
    for number, model in enumerate(pipeline["models"], start=1):
        start = time.monotonic()
        name = table_name(schemas, model["schema"], model["table"], catalog)
        query = _filled((folder / model["file"]).read_text(encoding="utf-8"), schemas, catalog)
        made = "view"
        if model["kind"] == "view":
            spark.sql(f"create or replace view {name} as\n{query}")
        else:
            # Its columns may have changed since the last run.
            spark.sql(query).write.mode("overwrite").option("overwriteSchema", "true").saveAsTable(name)
            rows[model["table"]] = spark.table(name).count()
            made = f"{rows[model['table']]:,} rows"
        place = f"{number:>3} of {len(pipeline['models'])}"
        show(f"{place}  {model['schema']}.{model['table']}: {made}, {time.monotonic() - start:.1f} s")
    for table in pipeline["keys"]:
        _require_unique(spark, table_name(schemas, table["schema"], table["table"], catalog), table["columns"])
    return rows


def prepare_session(spark: SparkSession) -> None:
    """Let the session read and write times in UTC, and refuse values that do not fit, as the SQL expects."""
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.conf.set("spark.sql.ansi.enabled", "true")


def write_table(spark: SparkSession, frame: pd.DataFrame, name: str, types: Mapping[str, str]) -> None:
    """Write a pandas frame as a table, in place of what is there.

    Parameters
    ----------
    spark : SparkSession
        See :func:`prepare_session`.
    frame : pandas.DataFrame
        Times are naive UTC.
    name : str
        Quoted, see :func:`table_name`.
    types : mapping of str to str
        The SQL type of each column of the table.
    """
    shown = frame[list(types)].copy()
    for column in shown.select_dtypes("datetime"):
        # Spark takes naive times for those of the clock of this machine.
        shown[column] = shown[column].dt.tz_localize("UTC")
    cells = shown.astype(object)
    present = cells.where(cells.notna(), None)
    rows = [tuple(map(_plain, row)) for row in present.itertuples(index=False, name=None)]
    schema = ", ".join(f"{_quoted(column)} {kind}" for column, kind in types.items())
    made = spark.createDataFrame(rows, schema)
    made.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable(name)


def require_raw_tables(
    spark: SparkSession, pipeline: Mapping[str, Any], schemas: Mapping[str, str], catalog: str | None = None
) -> None:
    """Refuse to begin where a raw table or one of its columns is missing; arguments as of :func:`build_tables`."""
    problems = []
    for table in pipeline["raw"]:
        name = table_name(schemas, table["schema"], table["table"], catalog)
        if not spark.catalog.tableExists(name):
            problems.append(f"there is no table {name}")
            continue
        there = {column.lower() for column in spark.table(name).columns}
        missing = [column for column in table["columns"] if column.lower() not in there]
        if missing:
            problems.append(f"{name} has no column {' and no column '.join(missing)}")
    if problems:
        raise UserError(f"Raw data is missing: {'; '.join(problems)}. README.md lists the raw tables.")


def table_name(schemas: Mapping[str, str], layer: str, table: str, catalog: str | None = None) -> str:
    """The quoted name of a table."""
    return f"{_schema(schemas, layer, catalog)}.{_quoted(table)}"


def _plain(cell: Any) -> Any:
    """A cell as Spark takes it: it knows the times of Python, not those of pandas."""
    return cell.to_pydatetime() if hasattr(cell, "to_pydatetime") else cell


def _schema(schemas: Mapping[str, str], layer: str, catalog: str | None) -> str:
    return ".".join(map(_quoted, [*([catalog] if catalog else []), schemas[layer]]))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _filled(query: str, schemas: Mapping[str, str], catalog: str | None) -> str:
    """The query with the names of the schemas."""
    for layer in schemas:
        query = query.replace("${" + layer + "}", _schema(schemas, layer, catalog))
    return query


def _require_unique(spark: SparkSession, table: str, columns: list[str]) -> None:
    key = ", ".join(map(_quoted, columns))
    twice = spark.sql(f"select {key} from {table} group by {key} having count(*) > 1").count()
    if twice:
        raise UserError(f"{table} has {twice:,} keys twice; its key is {', '.join(columns)}.")
