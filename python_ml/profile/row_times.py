"""When the rows of an undated table were written, where a start and a duration in the same row tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.ingest import vocabulary
from python_ml.names import name_parts
from python_ml.profile.schema import ComputedTime
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.ingest.schema import RawTable

AGREEING = 0.95  # share of rows whose computed times must lie within a month and a half of the median
LASTING = vocabulary.terms("durations_of_customers")
_UNITS = {"day": "day", "days": "day", "week": "week", "weeks": "week", "month": "month", "months": "month"}
_UNITS |= {"year": "year", "years": "year"}
_DAYS = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}


def computed_times(connection: duckdb.DuckDBPyConnection, table: RawTable) -> tuple[ComputedTime, ...]:
    """Find pairs of a start and a duration whose sum is (nearly) the same time in all rows.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    table : RawTable
    """
    starts = [c for c in table.columns if c.kind == "time" and vocabulary.has_word(c.raw_name, vocabulary.BEGINNINGS)]
    lasting = [c for c in table.columns if c.kind == "number" and vocabulary.has_word(c.raw_name, LASTING)]
    made = []
    for start in starts:
        for length in lasting:
            named = [_UNITS[part] for part in name_parts(length.raw_name) if part in _UNITS]
            for unit in named or ("month", "day", "year"):
                share = _agreeing(connection, table, start.name, length.name, unit)
                if share >= AGREEING:
                    made.append(ComputedTime(start.name, length.name, unit, round(share, 4)))
                    break
    return tuple(made)


def _agreeing(connection: duckdb.DuckDBPyConnection, table: RawTable, start: str, length: str, unit: str) -> float:
    share = connection.execute(f"""
        with computed as (
            select epoch({quote(start)}) / 86400.0 + cast({quote(length)} as double) * {_DAYS[unit]} as day
            from {table.view}
        )
        select avg(case when abs(day - (select median(day) from computed)) <= 45 then 1.0 else 0.0 end)
        from computed where day is not null
    """).fetchall()[0][0]
    return float(share or 0.0)
