"""Raw tables to profile: written as text, opened as the commands open them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from python_ml.ingest import DataArgument, open_tables, scratch_connection
from python_ml.profile import Profile, profile_tables


@pytest.fixture(scope="session")
def connection() -> Iterator:
    """A scratch database that all tests share; every profile replaces the relations of the one before."""
    with scratch_connection() as opened:
        yield opened


@pytest.fixture
def profiled(connection, tmp_path) -> Callable[..., Profile]:
    """Profile tables given as text by name, or files given by path."""

    def profile(*paths: Path, tables: dict[str, str] | None = None, **options) -> Profile:
        for name, text in (tables or {}).items():
            path = tmp_path / f"{name}.csv"
            path.write_text(text, encoding="utf-8")
            paths += (path,)
        reading = {key: options.pop(key) for key in ("day_first", "times") if key in options}
        for kind, name in connection.execute("select table_type, table_name from information_schema.tables").fetchall():
            connection.execute(f'drop {"view" if kind == "VIEW" else "table"} if exists "{name}"')
        raw = open_tables(connection, [DataArgument(path) for path in paths], **reading)
        return profile_tables(connection, raw, **options)

    return profile


@pytest.fixture(scope="session")
def cases(repository) -> Path:
    """Folder of small inputs that once failed; tests that need it are skipped by name where it is absent."""
    folder = repository.parent / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("the cases are not present")
    return folder
