"""What the temporal tests share: the fixture project, parsed once, and one DuckDB."""

from __future__ import annotations

import pytest

from .engine import MacroCompiler, Warehouse


@pytest.fixture(scope="session")
def macros(tmp_path_factory: pytest.TempPathFactory) -> MacroCompiler:
    """Compiler of the package's macros."""
    return MacroCompiler(tmp_path_factory.mktemp("temporal_project"))


@pytest.fixture(scope="session")
def warehouse() -> Warehouse:
    """A database that each example refills."""
    return Warehouse()
