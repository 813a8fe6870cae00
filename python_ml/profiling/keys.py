"""What tells rows apart: exact copies, candidate keys, and copies whose times were shifted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from python_ml.profiling.schema import Attention, Column, Granularity, Key, ShiftedCopies
from python_ml.profiling.tables import Table
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile

NEARLY = 0.9  # share of different values from which a repeated identifier deserves a word
MANY_ROWS = 2_000_000  # beyond it, pairs of columns are tried only for customer and time
_SLACK = 0.9  # approximate counts of different values err by a few per cent
SHIFTED_LEAST, SHIFTED_DAYS = 0.01, 28  # share of rows; days: rows that are merely alike lie closer together


def find_keys(connection: duckdb.DuckDBPyConnection, table: Table, columns: list[Column]) -> list[Key]:
    """Find columns, or pairs of them, that are different in every row; and identifiers that nearly are.

    Returns
    -------
    list of Key
        Unique ones first.
    """
    meanings = {column.name: column.semantic for column in columns}
    singles = [c for c in table.columns if _may_be_key(c, meanings[c.raw_name])]
    keys = []
    for column in singles:
        name = quote(column.name)
        # A group of two or more has copies; counting them needs no list of all values.
        filled, distinct = connection.execute(
            f"select count({name}), count(distinct {name}) from {table.typed}"
        ).fetchall()[0]
        repeated, missing = filled - distinct, table.rows - filled
        if repeated == 0 or distinct >= NEARLY * filled:
            keys.append(
                Key(columns=[column.raw_name], unique=repeated + missing == 0, repeated_rows=repeated, missing=missing)
            )
    if not any(key.unique for key in keys):
        keys += _pairs(connection, table, columns)
    return sorted(keys, key=lambda key: (not key.unique, len(key.columns), key.repeated_rows + key.missing))


def _may_be_key(column: ColumnProfile, meaning: str) -> bool:
    if column.filled < 0.5 * column.rows or column.rows < 2:
        return False
    whole = column.kind == "number" and column.number is not None and column.number.is_integer
    if not (meaning == "identifier" or column.kind == "text" or whole):
        return False
    wanted = 0.8 if meaning == "identifier" else _SLACK
    return column.distinct >= wanted * column.filled and (meaning == "identifier" or column.filled == column.rows)


def _pairs(connection: duckdb.DuckDBPyConnection, table: Table, columns: list[Column]) -> list[Key]:
    named = {c.raw_name: c for c in table.columns}
    parts = [table.profile.entity.column] if table.profile.entity else []
    parts += [table.profile.time.column] if table.profile.time else []
    if table.rows <= MANY_ROWS:
        others = [named[c.name] for c in columns if c.semantic == "identifier" and c.missing_share < 0.5]
        parts += [c for c in others if c not in parts][:3]
    for a, first in enumerate(parts):
        for second in parts[a + 1 :]:
            if first.distinct * second.distinct < table.rows:
                continue
            pair = f"{quote(first.name)}, {quote(second.name)}"
            both, distinct = connection.execute(f"""
                select count(*), count(distinct hash({pair})) from {table.typed}
                where {quote(first.name)} is not null and {quote(second.name)} is not null
            """).fetchall()[0]
            repeated, missing = both - distinct, table.rows - both
            if repeated == 0 or distinct >= 0.99 * both:
                names = [first.raw_name, second.raw_name]
                unique = repeated + missing == 0
                return [Key(columns=names, unique=unique, repeated_rows=repeated, missing=missing)]
    return []


def count_duplicates(connection: duckdb.DuckDBPyConnection, table: Table, keys: list[Key]) -> int:
    """Count rows that are exact copies of another, beyond the first; none where a key is unique."""
    if any(key.unique for key in keys):
        return 0
    names = ", ".join(quote(column.name) for column in table.columns)
    # 64 bits of hash: among ten million rows, two different ones meet with a chance of 1 in 370,000.
    distinct = connection.execute(f"select count(distinct hash({names})) from {table.typed}").fetchall()[0][0]
    return table.rows - distinct


def find_shifted(connection: duckdb.DuckDBPyConnection, table: Table, columns: list[Column]) -> ShiftedCopies | None:
    """Find copies under a new identifier whose times all lie the same number of days away.

    Compared are columns that tell rows apart well (numbers of many values, with what else there is); a shift counts
    when the times of a pair, all of them, lie equally far apart.
    """
    times = [c for c in table.columns if c.kind == "time"]
    meanings = {column.name: column.semantic for column in columns}
    compared = [
        c
        for c in table.columns
        if c.kind in ("number", "boolean", "text") and meanings[c.raw_name] not in ("identifier", "text")
    ]
    telling = [c for c in compared if c.kind == "number" and c.distinct > 200]
    if not times or len(telling) < 2 or len(compared) < 4 or table.rows > MANY_ROWS:
        return None
    rare = " and ".join(f"{quote(c.name)} is not null and {quote(c.name)} <> 0" for c in telling[:2])
    when = ", ".join(f"cast({quote(c.name)} as date) as t{place}" for place, c in enumerate(times))
    lags = [f"date_diff('day', lag(t{place}) over w, t{place})" for place in range(len(times))]
    rows = connection.execute(f"""
        with
        content as (
            select hash({", ".join(quote(c.name) for c in compared)}) as content, {when}
            from {table.typed} where {rare}
        ),
        lagged as (
            select {", ".join(f"{lag} as d{place}" for place, lag in enumerate(lags))}
            from content
            window w as (partition by content order by {", ".join(f"t{place}" for place in range(len(times)))})
        )
        select coalesce({", ".join(f"d{place}" for place in range(len(times)))}) as days, count(*) as n,
            count(*) filter (where {_agree(len(times))}) as agreeing
        from lagged group by 1 having days is not null order by n desc, days limit 50
    """).fetchall()
    shifted = [(days, count, agreeing) for days, count, agreeing in rows if days >= SHIFTED_DAYS]
    pairs = sum(count for days, count, _ in rows if days > 0)
    if not shifted:
        return None
    best = shifted[0][0]
    # A shift in years takes one day more or less, by leap years.
    near = [(count, agreeing) for days, count, agreeing in shifted if abs(days - best) <= 1]
    count, agreeing = sum(n for n, _ in near), sum(a for _, a in near)
    if count < max(SHIFTED_LEAST * table.rows, 20) or agreeing < 0.8 * count or count < 0.5 * pairs:
        return None
    return ShiftedCopies(rows=count, days=best, of_pairs=count / pairs, compared=[c.raw_name for c in compared])


def _agree(times: int) -> str:
    """SQL: all shifts that there are lie within a day of each other."""
    if times == 1:
        return "true"
    shifts = ", ".join(f"d{place}" for place in range(times))
    return f"greatest({shifts}) - least({shifts}) <= 1"


def granularity(table: Table) -> Granularity:
    """Say what a row of the file is."""
    profile = table.profile
    entity, time, facts = profile.entity, profile.time, profile.facts
    common = {
        "entity": entity.column.raw_name if entity else None,
        "entity_evidence": list(entity.evidence) if entity else [],
        "time": time.column.raw_name if time else None,
        "time_evidence": list(time.evidence) if time else [],
        "other_times": list(time.others) if time else [],
        "entities": facts.distinct if facts else None,
        "rows_per_entity": facts.rows_per_value if facts else None,
    }
    if entity is None:
        level, words = "unknown", "no column says whose row it is"
        if time is not None:
            level, words = "event", f"dated by `{time.column.raw_name}`, but no column says whose row it is"
    elif table.is_entity_level:
        level, words = "entity", f"one row for each `{entity.column.raw_name}`"
    else:
        level = "event"
        words = f"{facts.rows_per_value:.1f} rows for each `{entity.column.raw_name}`"
        words += f", dated by `{time.column.raw_name}`" if time else ", without a time"
    return Granularity(level=level, words=words, **common)


def attention(
    table: Table, keys: list[Key], duplicates: int, shifted: ShiftedCopies | None, columns: list[Column]
) -> list[Attention]:
    """What a person should know about the rows of a file."""
    found = []
    if duplicates:
        what = f"{duplicates:,} of {table.rows:,} rows are exact copies of another"
        found.append(Attention(level="warning", topic="duplicate rows", file=table.name, what=what))
    for key in keys:
        if not key.unique and len(key.columns) == 1:
            parts = []
            if key.repeated_rows:
                parts.append(f"{key.repeated_rows:,} rows repeat a value")
            if key.missing:
                parts.append(f"{key.missing:,} rows have none")
            what = "nearly a key, but " + " and ".join(parts)
            name = key.columns[0]
            found.append(
                Attention(level="warning", topic="repeated identifier", file=table.name, column=name, what=what)
            )
    if shifted:
        years = shifted.days / 365.25
        about = f" (about {years:.0f} years)" if abs(years - round(years)) < 0.02 and years > 0.5 else ""
        what = (
            f"{shifted.rows:,} rows ({shifted.rows / table.rows:.0%}) equal an earlier one in "
            f"{len(shifted.compared)} columns, with all times {shifted.days:,} days later{about}: "
            "copies under a new identifier put the same customer on both sides of any split"
        )
        found.append(Attention(level="critical", topic="shifted copies", file=table.name, what=what))
    names = Counter(column.name.lower() for column in columns)
    for name in sorted(name for name, count in names.items() if count > 1):
        what = f"{names[name]} columns have this name up to case"
        found.append(Attention(level="note", topic="column names", file=table.name, column=name, what=what))
    return found
