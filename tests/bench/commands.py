"""Benchmarks that are commands of their own: their options, their scratch folder, and where the figures go."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The command line of `python -m tests.bench.<name>`, with --json."""
    command = argparse.ArgumentParser(
        prog=f"python -m tests.bench.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--json", type=Path, help="file for the measurements")
    return command


def keep(found: dict[str, Any], file: Path | None) -> None:
    """Write the measurements where `--json` says, if it does."""
    if file:
        file.write_text(json.dumps(found, indent=2), encoding="utf-8")


def against_duckdb(
    name: str, description: str | None, measure: Callable[[Path, int, int], dict[str, Any]], repeats: int
) -> dict[str, Any]:
    """Measure ours and DuckDB's own at the size that the command line asks for, and keep the measurements.

    Parameters
    ----------
    measure : Callable
        Takes an empty folder, the number of rows and that of the runs; gives what was found.
    repeats : int
        Runs of each where the command line says nothing.

    Returns
    -------
    dict
        What `measure` gave.
    """
    command = parser(name, description)
    command.add_argument("--rows", type=float, default=1e6)
    command.add_argument("--repeats", type=int, default=repeats)
    chosen = command.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), int(chosen.rows), chosen.repeats)
    keep(found, chosen.json)
    return found
