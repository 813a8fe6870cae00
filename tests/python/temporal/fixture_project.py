"""A dbt project of tests/fixtures, run in a folder of its own over raw tables that a test fills."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
import pytest
from dbt.cli.main import dbtRunner

from python_ml.dbt import _close_database

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


class FixtureProject:
    """The project, which dbt parses once for all tests: what `--vars` says is read anew by every run.

    Parameters
    ----------
    name : str
        Folder in tests/fixtures.
    path_variable : str
        Environment variable by which its profile finds the DuckDB file.
    folder : Path
        For the DuckDB file and all that dbt writes; the fixture itself stays as it is.
    """

    _parsed: ClassVar[dict[str, Any]] = {}

    def __init__(self, name: str, path_variable: str, folder: Path) -> None:
        self.path = folder / "warehouse.duckdb"
        self._path_variable = path_variable
        self._options = [
            "--project-dir", str(FIXTURES / name), "--profiles-dir", str(FIXTURES / name), "--quiet",
            "--target-path", str(folder / "target"), "--log-path", str(folder / "logs"),
        ]  # fmt: skip
        with duckdb.connect(str(self.path)) as connection:
            connection.execute("create schema raw")
        self._manifest = self._parsed.get(name)
        if self._manifest is None:
            self._manifest = self._parsed[name] = self.dbt("parse")

    def dbt(self, *words: str) -> Any:
        """Run dbt and return its result."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(self._path_variable, str(self.path))
            run = dbtRunner(manifest=self._manifest).invoke([*words, *self._options])
        if not run.success:
            raise AssertionError(f"dbt {words[0]} failed: {run.exception or [r.message for r in run.result]}")
        return run.result

    def kill(self, hook: str, *words: str) -> None:
        """Run dbt in a process of its own, and kill that when dbt's log says that it has come to some SQL."""
        _close_database()  # which dbt in this process keeps open, and another process could not
        log = self.path.parent / "logs" / "dbt.log"
        done = log.stat().st_size if log.exists() else 0
        in_log = ("--log-level-file", "debug")
        with subprocess.Popen(
            [sys.executable, "-c", "from dbt.cli.main import cli; cli()", *words, *self._options, *in_log],
            env={**os.environ, self._path_variable: str(self.path)},
        ) as process:
            while not log.exists() or hook.encode() not in log.read_bytes()[done:]:
                assert process.poll() is None, f"dbt {words[0]} ended before it came to: {hook}"
                time.sleep(0.1)
            process.kill()

    def fill(self, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
        """Replace a raw table by these rows, in their order."""
        with duckdb.connect(str(self.path)) as connection:
            connection.register("incoming", pa.Table.from_pylist(rows, schema=schema))
            connection.execute(f"create or replace table raw.{name} as from incoming")

    def query(self, sql: str) -> list[tuple]:
        """Rows of a query."""
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(sql).fetchall()
