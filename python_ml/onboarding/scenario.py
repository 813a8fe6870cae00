"""What is known of time in a table with a target: when its features were seen, and when its outcome was.

Four scenarios, from the best to the least: *production* (columns hold both times), *derived* (they can be computed
for each row), *partial* (there are dates, but not these two) and *static* (no time at all). Only the first two have
feature times. The others are one snapshot, whose feature time is a constant that stands for no date.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.names import words
from python_ml.onboarding import detection
from python_ml.onboarding.profiling import MOSTLY, number_sql
from python_ml.vocabulary import word_set
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.profiling import ColumnProfile

PRODUCTION, DERIVED, PARTIAL, STATIC = "production", "derived", "partial", "static"

# Stands for "no date": no report shows it as one.
SNAPSHOT_AT = "1970-01-01"

_SEEN = word_set("snapshot asof observation observed reference cutoff scoring scored reporting feature")
_DECIDED = word_set(
    "label outcome churn churned attrition cancel cancelled canceled cancellation exit exited termination terminated "
    "target"
)
_BEGAN = word_set(
    "created creation signup sign joined join joining registered registration start started since activated "
    "activation opened open acquired enrolled enrollment onboarded first begin"
)
_LASTING = word_set("tenure lifetime duration membership vintage")
_UNITS = {"day": "day", "days": "day", "week": "week", "weeks": "week", "month": "month", "months": "month"}
_UNITS |= {"year": "year", "years": "year"}
AGREEING = 0.95  # share of rows whose computed times must lie within a month of each other


@dataclass(frozen=True)
class RowTime:
    """A time that each row has: a column, or a start plus a duration.

    Attributes
    ----------
    column : str
        Raw name of the column, or of the start.
    duration, unit : str or None
        Raw name of the column to add, and what it counts (day, week, month, year).
    """

    column: str
    duration: str | None = None
    unit: str | None = None

    @property
    def words(self) -> str:
        """How it is made, for people."""
        return f"`{self.column}`" if self.duration is None else f"`{self.column}` + `{self.duration}` {self.unit}s"


@dataclass(frozen=True)
class Scenario:
    """What is known of time, and why.

    Attributes
    ----------
    kind : str
        production, derived, partial or static.
    reason : str
    seen : RowTime or None
        When the features were seen; None for a snapshot.
    decided : str or None
        Raw name of the column that says when the outcome was known; None where the horizon says it.
    horizon : str or None
        As the user gave it.
    began : str or None
        Raw name of the earliest time of the customer, from which other dates can be counted.
    dates : tuple of str
        Raw names of all columns that hold times.
    """

    kind: str
    reason: str
    seen: RowTime | None = None
    decided: str | None = None
    horizon: str | None = None
    began: str | None = None
    dates: tuple[str, ...] = ()

    @property
    def is_snapshot(self) -> bool:
        """Whether there is no feature time of its own for each row."""
        return self.seen is None


def decide(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, target: str, horizon: str | None = None
) -> Scenario:
    """Decide the scenario of a table with a target.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    profile : FileProfile
    target : str
        Safe name of the target column.
    horizon : str, optional
        Length of the label window, where the user gives it.

    Returns
    -------
    Scenario
    """
    columns = [c for c in profile.columns if c.name != target]
    times = [c for c in columns if c.kind == "time" and c.time is not None and c.time.share >= 0.5]
    lasting = [c for c in columns if c.kind == "number" and set(words(c.raw_name)) & _LASTING]
    if not times:
        reason = "no column holds dates or times"
        if lasting:
            reason += f"; `{lasting[0].raw_name}` is a duration without a date to count from"
        return Scenario(STATIC, reason)
    dates = tuple(c.raw_name for c in times)
    whole = [c for c in times if c.time.share >= MOSTLY and c.fill_share >= MOSTLY]
    began = _earliest(connection, profile, [c for c in times if set(words(c.raw_name)) & _BEGAN] or times)
    decided = next((c.raw_name for c in whole if set(words(c.raw_name)) & _DECIDED), None)
    seen = next((RowTime(c.raw_name) for c in whole if _is_seen(c)), None)
    kind = PRODUCTION
    if seen is None:
        kind, seen = DERIVED, _computed(connection, profile, whole, lasting)
    if seen is not None and decided is not None and _follows(connection, profile, seen, decided):
        return Scenario(
            kind,
            f"features were seen at {seen.words}, and the outcome was known at `{decided}`",
            seen,
            decided,
            None,
            began,
            dates,
        )
    if seen is not None and horizon is not None:
        reason = f"features were seen at {seen.words}, and --horizon says how far the outcome looks ahead"
        return Scenario(kind, reason, seen, None, horizon, began, dates)
    named = ", ".join(f"`{name}`" for name in dates)
    if seen is not None:
        lacking = f"{seen.words} says when features were seen, but nothing when the outcome was known (say --horizon)"
    elif decided is not None:
        lacking = f"`{decided}` says when the outcome was known, but nothing when the other columns were seen"
    else:
        lacking = "none says when the other columns were seen or when the outcome was decided"
    return Scenario(PARTIAL, f"there are dates ({named}), but {lacking}", None, None, None, began, dates)


def _is_seen(column: ColumnProfile) -> bool:
    parts = words(column.raw_name)
    return bool(set(parts) & _SEEN) or "as_of" in "_".join(parts)


def _earliest(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, candidates: list[ColumnProfile]
) -> str | None:
    """The time that is the earliest of its row most often."""
    if len(candidates) == 1:
        return candidates[0].raw_name
    counted = {}
    for column in candidates:
        others = [detection.event_time_sql(c) for c in candidates if c is not column]
        mine = detection.event_time_sql(column)
        condition = " and ".join(f"{mine} <= {other}" for other in others)
        counted[column.raw_name] = connection.execute(
            f"select count(*) filter (where {condition}) from {quote(profile.view)}"
        ).fetchall()[0][0]
    return max(counted, key=lambda name: counted[name])


def _computed(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    times: list[ColumnProfile],
    lasting: list[ColumnProfile],
) -> RowTime | None:
    """A start plus how long it has lasted, where (nearly) all rows then agree on when they were written."""
    for start in (c for c in times if set(words(c.raw_name)) & _BEGAN):
        for length in lasting:
            named = [_UNITS[part] for part in words(length.raw_name) if part in _UNITS]
            for unit in named or ("month", "day", "year"):
                if _share_agreeing(connection, profile, start, length, unit) >= AGREEING:
                    return RowTime(start.raw_name, length.raw_name, unit)
    return None


def _share_agreeing(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, start: ColumnProfile, length: ColumnProfile, unit: str
) -> float:
    """Share of rows whose start plus duration lies within a month and a half of the median."""
    number = quote(length.name)
    if length.physical_type == "VARCHAR":
        number = f"try_cast({number_sql(number, length.number.style)} as double)"
    days = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}[unit]
    found = connection.execute(f"""
        with computed as (
            select epoch({detection.event_time_sql(start)}) / 86400.0 + {number} * {days} as day
            from {quote(profile.view)}
        )
        select avg(case when abs(day - (select median(day) from computed)) <= 45 then 1.0 else 0.0 end)
        from computed where day is not null
    """).fetchall()[0][0]
    return float(found or 0.0)


def _follows(connection: duckdb.DuckDBPyConnection, profile: FileProfile, seen: RowTime, decided: str) -> bool:
    """Whether the outcome is known after the features were seen, in (nearly) every row."""
    if seen.duration is not None:
        return True
    first = next(c for c in profile.columns if c.raw_name == seen.column)
    second = next(c for c in profile.columns if c.raw_name == decided)
    a, b = detection.event_time_sql(first), detection.event_time_sql(second)
    share = connection.execute(
        f"select avg(case when {a} < {b} then 1.0 else 0.0 end) from {quote(profile.view)} "
        f"where {a} is not null and {b} is not null"
    ).fetchall()[0][0]
    return share is not None and share >= MOSTLY
