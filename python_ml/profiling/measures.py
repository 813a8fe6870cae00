"""What every question about a file begins with: its typed relations, and the values of each column, measured once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.profiling import numeric, temporal, textual
from python_ml.profiling.tables import Table, prepare

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.profiling.schema import Numbers, Sentinel, Times
    from python_ml.profiling.textual import TextMeasures


@dataclass(frozen=True)
class Measured:
    """A file whose columns have been measured, each by its safe name.

    Attributes
    ----------
    table : Table
    blanks : dict of str to (int, int)
        Rows with a blank at an end, and rows with nothing else.
    numbers, times : dict of str to (Numbers or Times, list of Sentinel)
    texts : dict of str to TextMeasures
    """

    table: Table
    blanks: dict[str, tuple[int, int]]
    numbers: dict[str, tuple[Numbers, list[Sentinel]]]
    times: dict[str, tuple[Times, list[Sentinel]]]
    texts: dict[str, TextMeasures]


def measure_columns(
    connection: duckdb.DuckDBPyConnection,
    profiles: list[FileProfile],
    say: Callable[[str], None] = lambda message: None,
) -> list[Measured]:
    """Make the relations of examined files, and measure the values of their columns.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    profiles : list of FileProfile
        See :func:`python_ml.onboarding.examination.examine`.
    say : callable
        Told what goes on.
    """
    found = []
    for place, profile in enumerate(profiles):
        say(f"{profile.name}: typing")
        table = prepare(connection, profile, place)
        say(f"{profile.name}: times")
        times = temporal.measure(connection, table)
        say(f"{profile.name}: columns")
        blanks = textual.count_blanks(connection, table)
        numbers, texts = numeric.measure(connection, table), textual.measure(connection, table, blanks)
        found.append(Measured(table, blanks, numbers, times, texts))
    return found
