"""Build projects on DuckDB and on Spark, and compare every table row for row.

Keys, counts, decimals, text and times must be equal, doubles within 1e-9 relative. Exit code 1 on a difference.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from tests.python.spark.conftest import missing, session

from . import building
from .comparing import Compared, compare, tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# How each project is made, and how it is built on Spark.
PROJECTS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], None]]] = {
    "demo": (building.demo, building.run_on_spark),
    "shop": (building.shop, building.run_on_spark),
    "corner_shop": (building.corner_shop, building.build_daily_runs_on_spark),
}
SHOWN = 10  # differences of a table


def main() -> int:
    """Compare the projects that are asked for; 0 where they agree, 1 where they differ, 2 where nothing can be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("projects", nargs="*", metavar="PROJECT", help=f"of {', '.join(PROJECTS)} (default: all)")
    asked = parser.parse_args().projects or list(PROJECTS)
    if unknown := [name for name in asked if name not in PROJECTS]:
        parser.error(f"there is no project {unknown[0]}; choose of {', '.join(PROJECTS)}")
    if reason := missing():
        sys.stderr.write(f"Nothing is compared: {reason}.\n")
        return 2
    logging.getLogger("py4j").setLevel(logging.ERROR)
    compared: dict[str, list[Compared]] = {}
    with tempfile.TemporaryDirectory(prefix="parity_") as scratch, session(Path(scratch) / "spark") as spark:
        for name in asked:
            try:
                compared[name] = _compared(name, Path(scratch), spark)
            except building.BuildFailedError as error:
                sys.stderr.write(f"{error}\n")
                return 1
            _show(name, compared[name])
    every = [table for found in compared.values() for table in found]
    different = [table for table in every if table.differences]
    sys.stdout.write(
        f"\n{len(every)} tables, {sum(table.rows for table in every):,} rows: "
        f"{f'{len(different)} differ' if different else 'all equal'}.\n"
    )
    return 1 if different or not every else 0


def _compared(name: str, scratch: Path, spark: SparkSession) -> list[Compared]:
    make, build_on_spark = PROJECTS[name]
    began = time.monotonic()
    folder = make(scratch / name)
    building.drop_schemas(spark)
    copy = scratch / f"{name}_on_spark"
    _copy(folder, copy)
    with building.on_duckdb(folder) as database:
        build_on_spark(copy)
    sys.stderr.write(f"{name}: built on both engines in {time.monotonic() - began:.0f} s\n")
    manifest = json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return list(compare(tables(manifest), connection, spark))


def _copy(folder: Path, copy: Path) -> None:
    """A second folder, so that the two runs of dbt do not write the same files."""
    import shutil

    shutil.copytree(folder, copy, symlinks=True)


def _show(name: str, compared: list[Compared]) -> None:
    width = max(len(table.table) for table in compared)
    lines = ["", name, f"  {'table':{width}}  {'rows':>8}  {'columns':>7}  result"]
    for table in compared:
        lines.append(f"  {table.table:{width}}  {table.rows:>8,}  {table.columns:>7}  {table.result}")
        lines += [f"      {difference}" for difference in table.differences[:SHOWN]]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
