"""The projects that are compared: how each is made, and how it is built on Spark."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from . import building
from .comparing import Compared, compare, tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Build = Callable[[Path], None]
PROJECTS: dict[str, tuple[Callable[[Path], Path], Build]] = {
    "demo": (building.demo, building.run_on_spark),
    "shop": (building.shop, building.run_on_spark),
    "corner_shop": (building.corner_shop, building.build_daily_runs_on_spark),
}


def compared(name: str, scratch: Path, spark: SparkSession, build_on_spark: Build | None = None) -> list[Compared]:
    """Build a project on both engines at once and compare its tables.

    Parameters
    ----------
    name : str
        Of ``PROJECTS``.
    scratch : Path
        Where both copies of the project go.
    spark : pyspark.sql.SparkSession
        The session of this process; all its schemas are dropped first.
    build_on_spark : callable, optional
        In place of how the project is built on Spark elsewhere.

    Raises
    ------
    BuildFailedError
        When the project does not build on one of the engines.
    """
    make, usual = PROJECTS[name]
    began = time.monotonic()
    folder = make(scratch / name)
    building.drop_schemas(spark)
    # A second folder, so that the two runs of dbt do not write the same files.
    copy = Path(shutil.copytree(folder, scratch / f"{name}_on_spark", symlinks=True))
    with building.on_duckdb(folder) as database:
        (build_on_spark or usual)(copy)
    sys.stderr.write(f"{name}: built on both engines in {time.monotonic() - began:.0f} s\n")
    manifest = json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return list(compare(tables(manifest), connection, spark))
