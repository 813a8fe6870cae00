"""From paths to examined files: opened, measured, with the customer and the time found."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.errors import UserError
from python_ml.names import identifier, unique_identifiers
from python_ml.onboarding import detection
from python_ml.onboarding.detection import FileProfile
from python_ml.onboarding.profiling import profile_columns
from python_ml.onboarding.reading import open_file

if TYPE_CHECKING:
    import duckdb

# What file names say beside their subject.
_NOISE_WORDS = """
    data dataset table tbl export exported extract dump raw file final copy new old full master sample part all column
    year month day date csv txt parquet gz v1 v2 v3 q1 q2 q3 q4 jan feb mar apr may jun jul aug sep oct nov dec
"""
_NOISE = frozenset(_NOISE_WORDS.split())
# CTE names of generated models
_TAKEN = ("spine", "final", "features", "labels", "linked", "copies", "ambiguous_keys", "link_counts")
DEFAULT_FROM, DEFAULT_TO = date(1900, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True)
class DataArgument:
    """One ``--data``: a path, and a name for it where the user gives one (``orders=orders_2020.csv``)."""

    path: Path
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> DataArgument:
        """Read ``PATH`` or ``NAME=PATH``."""
        name, mark, path = text.partition("=")
        if mark and path and re.fullmatch(r"[A-Za-z][A-Za-z0-9_ -]*", name) and not Path(text).exists():
            return cls(Path(path), identifier(name, "source"))
        return cls(Path(text))


def examine(
    connection: duckdb.DuckDBPyConnection,
    arguments: list[DataArgument],
    *,
    entity: str | None = None,
    time: str | None = None,
    day_first: bool | None = None,
) -> list[FileProfile]:
    """Open and measure files, and find whose rows they hold and when these happened.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    arguments : list of DataArgument
    entity, time : str, optional
        Columns that the user named, as in the file; each must be in at least one file.
    day_first : bool, optional
        Order of day and month where the user says it.

    Returns
    -------
    list of FileProfile
        In the order of the arguments.

    Raises
    ------
    UserError
        For every mistake that a file can hold; see :func:`python_ml.onboarding.reading.open_file`.
    """
    seen: dict[Path, str] = {}
    profiles = []
    for place, argument in enumerate(arguments):
        path = argument.path.expanduser()
        if path.resolve() in seen:
            raise UserError("The file is given twice.", where=str(path), hint="name each file once")
        seen[path.resolve()] = str(path)
        file = open_file(connection, path, f"file_{place}")
        view = f"view_{place}"
        columns = profile_columns(connection, file, view, day_first)
        profiles.append(FileProfile(file, "", view, tuple(columns)))
    for flag, wanted in (("--entity", entity), ("--time", time)):
        if wanted is not None:
            first_with(profiles, wanted, flag)
    if entity is not None and time is not None and entity == time:
        raise UserError(
            f"`{entity}` cannot be both the customer and the time.", where="--entity, --time", hint="name two columns"
        )
    found = [_find(connection, profile, entity, time) for profile in profiles]
    agreed = _agree_on_entity(connection, found) if entity is None else found
    names = unique_identifiers(
        [argument.name or source_name(profile) for argument, profile in zip(arguments, agreed, strict=True)],
        "source",
        taken=_TAKEN,
    )
    return [replace(profile, name=name) for profile, name in zip(agreed, names, strict=True)]


def first_with(profiles: list[FileProfile], wanted: str, flag: str) -> FileProfile:
    """The first file that has a column which the user named with a flag.

    Raises
    ------
    UserError
        When no file has it.
    """
    found = next((p for p in profiles if p.column(wanted)), None)
    if found is None:
        known = "; ".join(f"{p.file.path.name}: {', '.join(c.raw_name for c in p.columns[:30])}" for p in profiles)
        raise UserError(f"There is no column `{wanted}`.", where=flag, hint=f"choose one of {known}")
    return found


def _find(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, entity: str | None, time: str | None
) -> FileProfile:
    columns = list(profile.columns)
    path = str(profile.file.path)
    wanted = profile.column(time) if time else None
    found_time = detection.find_time(connection, profile.view, columns, path, wanted.name if wanted else None)
    when = detection.event_time_sql(found_time.column) if found_time else None
    wanted = profile.column(entity) if entity else None
    if entity and not wanted:
        return replace(profile, time=found_time)
    found = detection.find_entity(connection, profile.view, columns, when, wanted.name if wanted else None)
    if found is None:
        return replace(profile, time=found_time)
    available = detection.find_available(connection, profile.view, columns, found_time.column) if found_time else None
    return replace(profile, time=found_time, entity=found[0], facts=found[1], available=available)


def _agree_on_entity(connection: duckdb.DuckDBPyConnection, profiles: list[FileProfile]) -> list[FileProfile]:
    """Let all files speak of the same customer: the name that most dated files have."""
    dated = [p for p in profiles if p.entity and p.time]
    if len(profiles) == 1 or not dated:
        return profiles
    votes = Counter(
        column.name
        for profile in dated
        for column in profile.columns
        if vocabulary.person_score(column.raw_name) >= 2 or column is profile.entity.column
    )
    chosen = {p.entity.column.name for p in dated}
    agreed = max(sorted(chosen), key=lambda name: votes[name])
    result = []
    for profile in profiles:
        if profile.entity and profile.entity.column.name == agreed:
            result.append(profile)
            continue
        column = next((c for c in profile.columns if c.name == agreed), None)
        when = detection.event_time_sql(profile.time.column) if profile.time else None
        found = (
            detection.find_entity(connection, profile.view, list(profile.columns), when, column.name)
            if column
            else None
        )
        if found is None:
            result.append(replace(profile, entity=None, facts=None, available=None))
        else:
            evidence = ("the same column as in the other files", *found[0].evidence[1:])
            result.append(replace(profile, entity=replace(found[0], evidence=evidence), facts=found[1]))
    return result


def source_name(profile: FileProfile) -> str:
    """Name a source after its file, or after what it holds where the file's name says nothing."""
    stem = profile.file.path.name.split(".")[0]
    kept = [
        w for w in identifier(stem, "source").split("_") if w not in _NOISE and not re.fullmatch(r"\d+|[a-z]|source", w)
    ]
    if kept:
        return "_".join(kept)
    has_money = any(c.kind == "number" and vocabulary.has_word(c.raw_name, vocabulary.MONEY) for c in profile.columns)
    return "purchases" if has_money else "events"


def plausible_bounds(connection: duckdb.DuckDBPyConnection, profile: FileProfile) -> tuple[date, date]:
    """Bounds that leave out times far from all others, such as 1900-01-01 or 2999-12-31.

    A few rows (0.1 %) beyond a gap of half a year and half the span of the rest are left out; up to a tenth of the rows
    beyond a gap of five years.
    """
    when = detection.event_time_sql(profile.time.column)
    days = connection.execute(f"""
        select cast(t as date) as day, count(*)
        from (select {when} as t from "{profile.view}")
        where t >= timestamp '{DEFAULT_FROM}' and t < timestamp '{DEFAULT_TO}'
        group by 1 order by 1
    """).fetchall()
    low, high = DEFAULT_FROM, DEFAULT_TO
    first = _cut_after(days)
    if first:
        low = days[first][0].replace(day=1)
        low = days[first][0] if low <= days[first - 1][0] else low
        days = days[first:]
    last = _cut_after(days[::-1])
    if last:
        outlier, newest = days[-last][0], days[-last - 1][0]
        high = min(outlier, date(newest.year + 5, 1, 1))
    return low, high


def _cut_after(days: list[tuple[date, int]]) -> int:
    """How many of the first days stand apart from the rest."""
    total = sum(count for _, count in days)
    ordered = sorted(days)
    seen, low, high = 0, ordered[0][0], ordered[-1][0]
    for day, count in ordered:
        if seen < 0.005 * total:
            low = day
        if seen < 0.995 * total:
            high = day
        seen += count
    core = high - low
    cut, seen = 0, 0
    for place in range(1, len(days)):
        seen += days[place - 1][1]
        if seen > 0.1 * total:
            break
        gap = abs(days[place][0] - days[place - 1][0])
        few = seen <= 0.001 * total and gap >= max(timedelta(days=180), core / 2)
        if few or gap >= timedelta(days=5 * 365):
            cut = place
    return cut
