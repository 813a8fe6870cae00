"""Each world written and built once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from python_ml.ingest.schema import LINE_NUMBER, LINE_PROBLEM, LINE_TEXT
from tests.python.command_line import command
from tests.python.generate.plans import write_csv, write_parquet, written
from tests.python.generate.worlds import CALLS_ROWS, WORLDS

CALLS_COLUMNS = ["customer_id", "Day", "Clock", "minutes", LINE_NUMBER, LINE_TEXT, LINE_PROBLEM]


def write_world(folder: Path, name: str) -> Path:
    """Write the raw files and the project of a world."""
    plan, rows = WORLDS[name]
    for source, of_source in rows.items():
        write_csv(folder / "data", source, of_source)
    raw = {}
    if name == "departures":
        raw["calls"] = write_parquet(folder / "converted" / "calls.parquet", CALLS_COLUMNS, CALLS_ROWS)
    return written(folder, plan, raw)


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Callable[[str], Path]:
    """The folder of a world's project, built without models of scores."""

    @cache
    def folder_of(name: str) -> Path:
        folder = write_world(tmp_path_factory.mktemp(name), name)
        done = command(folder, "dbt", "build", "--exclude", "gld_churn_scores_raw+", "gld_churn_reasons_raw+")
        assert done.returncode == 0, done.stdout[-4000:]
        return folder

    return folder_of
