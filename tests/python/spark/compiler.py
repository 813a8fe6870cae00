"""The macros as they compile for Spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.python.temporal.engine import MacroCompiler


class SparkMacroCompiler(MacroCompiler):
    """Compiles macros of the package inside the fixture project with its target for Spark, which is not started."""

    def __init__(self, work_folder: Path) -> None:
        # dbt's own way to say --target: which macros are parsed depends on it.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DBT_TARGET", "spark")
            super().__init__(work_folder)
        self._options += ["--target", "spark"]
