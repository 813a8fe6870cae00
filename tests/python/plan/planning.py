"""From raw files to a plan in one call, for the tests of what is decided."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from python_ml.generate.examination import Examination, examine
from python_ml.ingest import DataArgument
from python_ml.plan import Options, ProjectPlan, Recommendations, propose

START = datetime(2023, 1, 2)


def write_tables(folder: Path, **tables: list[dict]) -> list[Path]:
    """Write tables as CSV, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, rows in tables.items():
        paths.append(folder / f"{name}.csv")
        with paths[-1].open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return paths


def examined(
    *paths: Path,
    labels: Path | None = None,
    probe: Callable | None = None,
    folder: Path | None = None,
    **options: object,
) -> Examination:
    """Profile files as `retention init` does; ``options`` are those of :class:`python_ml.plan.Options`."""
    folder = folder or paths[0].parent / "shop"
    return examine([DataArgument(path) for path in paths], Options(**options), folder, labels=labels, probe=probe)


def proposed(examination: Examination) -> Recommendations:
    """What is proposed."""
    return Recommendations(propose(examination.facts))


def plan_of(*paths: Path, **options: object) -> ProjectPlan:
    """The plan as it is when nobody decides anything."""
    examination = examined(*paths, **options)
    return examination.planned(proposed(examination)).plan


def day(number: float) -> str:
    """A date by days since the start."""
    return f"{START + timedelta(days=number):%Y-%m-%d}"


def moment(number: float) -> str:
    """A time by days since the start."""
    return f"{START + timedelta(days=number):%Y-%m-%d %H:%M:%S}"
