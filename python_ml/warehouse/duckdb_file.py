"""The DuckDB file of a project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from python_ml.errors import UserError, explained

if TYPE_CHECKING:
    import duckdb

    from python_ml.project import Project


@contextmanager
def open_file(project: Project, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the project's DuckDB file for a short while.

    DuckDB locks its file per process, so a connection must not outlive the work it is for.

    Raises
    ------
    UserError
        When there is no warehouse yet, when another process holds it, when it is damaged or lacks what is asked for.
    """
    import duckdb

    path = project.warehouse_path
    if not path.is_file():
        raise UserError("There is no warehouse yet.", where=str(path), hint="run `retention build`")
    try:
        with duckdb.connect(str(path), read_only=read_only) as connection:
            connection.execute("set timezone = 'UTC'")
            yield connection
    except duckdb.Error as error:
        known = explained(error, warehouse=str(path))
        if known is None:
            raise
        raise known from error
