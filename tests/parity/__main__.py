"""Build projects on DuckDB and on Spark, and compare every table row for row.

Keys, counts, decimals, text and times must be equal, doubles within 1e-9 relative. Exit code 1 on a difference.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from tests.python.spark.conftest import missing, session

from .building import BuildFailedError
from .comparing import Compared
from .projects import PROJECTS, compared

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
    results: dict[str, list[Compared]] = {}
    with tempfile.TemporaryDirectory(prefix="parity_") as scratch, session(Path(scratch) / "spark") as spark:
        for name in asked:
            try:
                results[name] = compared(name, Path(scratch), spark)
            except BuildFailedError as error:
                sys.stderr.write(f"{error}\n")
                return 1
            _show(name, results[name])
    every = [table for found in results.values() for table in found]
    different = [table for table in every if table.differences]
    sys.stdout.write(
        f"\n{len(every)} tables, {sum(table.rows for table in every):,} rows: "
        f"{f'{len(different)} differ' if different else 'all equal'}.\n"
    )
    return 1 if different or not every else 0


def _show(name: str, found: list[Compared]) -> None:
    width = max(len(table.table) for table in found)
    lines = ["", name, f"  {'table':{width}}  {'rows':>8}  {'columns':>7}  result"]
    for table in found:
        lines.append(f"  {table.table:{width}}  {table.rows:>8,}  {table.columns:>7}  {table.result}")
        lines += [f"      {difference}" for difference in table.differences[:SHOWN]]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
