"""What distinguishes the rows of a table: exact copies, keys, identifiers and how they come back, versions of a row."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from python_ml.ingest import vocabulary
from python_ml.ingest.schema import Column
from python_ml.ingest.vocabulary import is_key_name, is_named_after, person_score, subject
from python_ml.names import name_parts
from python_ml.profile.schema import IdentifierFacts, Key, RowVersions, TimeRole
from python_ml.profile.tables import Table
from python_ml.profile.times import ARRIVALS, MOSTLY, VERSIONS, is_birth
from python_ml.profile.values import UNIQUE, KeyValues
from python_ml.warehouse import quote

ROUGHLY_UNIQUE = 0.7  # share of different values, which are counted approximately and by up to a quarter wrong
FEWEST_VALUES = 20  # different values without which values alone are no evidence
MOST_COLUMNS = 40  # per table: one of thousands of codes has no more identifiers than that
LONGEST = 64  # characters of an identifier
MANY_ROWS = 2_000_000  # beyond it, combinations of columns are tried only where their names say a key
DAYS_ROWS = 300_000  # rows in which the days of identifiers are counted
VERSION_ROWS = 100_000  # rows in which versions are looked for first
TOP = 3


def identifying(table: Table) -> list[Column]:
    """Columns that may identify something, the ones named so first."""
    listed = subject(table.name)[-1:]

    def likelihood(column: Column) -> int:
        named = is_key_name(column.raw_name) or column.padded or person_score(column.raw_name) >= 2
        about_itself = bool(listed) and subject(column.raw_name) == listed
        coded = column.kind == "text" and column.spaced < 0.05 and column.distinct >= FEWEST_VALUES
        # Without a header, whole numbers may be anything: how they come back decides.
        nameless = column.raw_name.startswith("column_") and column.distinct >= FEWEST_VALUES
        return 3 * named + 2 * about_itself + (coded or nameless) + 2 * (column.semantic == "identifier")

    possible = []
    for column in table.columns:
        is_whole = column.kind == "number" and column.numbers is not None and column.numbers.is_integer
        is_text = column.kind == "text" and column.mean_length <= LONGEST and column.spaced < 0.5
        is_text = is_text or (column.kind == "text" and person_score(column.raw_name) >= 2)
        is_money = vocabulary.has_word(column.raw_name, vocabulary.MONEY) and not is_key_name(column.raw_name)
        is_pieces = vocabulary.is_quantity(column.raw_name) or is_birth(column.raw_name)
        if (is_whole or is_text) and not (is_money or is_pieces) and likelihood(column):
            possible.append(column)
    return sorted(possible, key=lambda c: -likelihood(c))[:MOST_COLUMNS]


def count_different(table: Table, values: KeyValues) -> int:
    """Count the rows without exact copies; what was written tells copies, not what could be read of it."""
    for column in _possible_keys(table, table.rows):
        if column.filled == table.rows and values.counts(table.name, column.name)[1] == table.rows:
            return table.rows
    # 64 bits of hash: among ten million rows, two different ones meet with a chance of 1 in 370,000.
    names = ", ".join(quote(c.raw_name) for c in table.columns)
    return table.row([f"count(distinct hash({names}))"], table.good_rows)[0]


def _possible_keys(table: Table, different_rows: int) -> list[Column]:
    """Columns that have (nearly) as many values as there are different rows, the likeliest first."""
    likely = identifying(table)
    others = [
        c
        for c in table.columns
        if c not in likely
        and (c.kind == "text" or (c.kind == "number" and c.numbers.is_integer and c.semantic != "money"))
        and c.semantic != "text"
        and not (c.semantic == "nominal" and c.distinct > 100 and c.spaced >= 0.05)  # names, addresses of pages
        and c.filled == table.rows
        and not vocabulary.is_quantity(c.raw_name)
    ]
    least = ROUGHLY_UNIQUE * different_rows
    possible = [c for c in (*likely, *others) if table.rows > 1 and c.distinct >= min(least, 0.9 * c.filled) > 0]
    return possible[:MOST_COLUMNS]


def find_keys(table: Table, values: KeyValues, different_rows: int, time: TimeRole | None) -> tuple[Key, ...]:
    """Single columns that tell different rows apart, or else the smallest combinations of two or three that do.

    Parameters
    ----------
    different_rows : int
        Rows without exact copies: a file that was appended twice still has its key.
    """
    keys, likely = [], {c.name for c in identifying(table)}
    copies = table.rows - different_rows
    for column in _possible_keys(table, different_rows):
        if column.filled < UNIQUE * table.rows:
            continue
        rows, distinct = values.counts(table.name, column.name)
        missing = max(table.rows - rows, 0)
        exact = distinct == different_rows
        if exact or (column.name in likely and distinct >= UNIQUE * (different_rows - missing) and rows > copies):
            marked = is_key_name(column.raw_name) or person_score(column.raw_name) >= 2
            own = is_named_after(column.raw_name, table.name) or not subject(column.raw_name)
            keys.append(Key((column.name,), rows, distinct, marked and own))
    if keys:
        order = {c.name: place for place, c in enumerate(table.columns)}
        return tuple(
            sorted(
                keys,
                key=lambda k: (
                    not k.is_named,
                    k.columns[0] not in likely,
                    "id" not in name_parts(table.column(k.columns[0]).raw_name),
                    order[k.columns[0]],
                ),
            )
        )
    return _combinations(table, different_rows, time)


def _combinations(table: Table, different_rows: int, time: TimeRole | None) -> tuple[Key, ...]:
    parts = [c for c in identifying(table) if c.filled == table.rows and c.distinct > 1][:6]
    if table.rows > MANY_ROWS:
        parts = [c for c in parts if is_key_name(c.raw_name)][:3]
    numbered = [c for c in table.columns if c not in parts and _is_line_number(c) and c.filled == table.rows][:2]
    parts += numbered
    if time and table.column(time.column).filled == table.rows:
        parts.append(table.column(time.column))
    order = {c.name: place for place, c in enumerate(table.columns)}
    for size in (2, 3):
        keys = []
        for some in combinations(sorted(parts, key=lambda c: order[c.name]), size):
            possible = 1.2**size
            for column in some:
                possible *= column.distinct
            if possible < different_rows:
                continue
            names = ", ".join(quote(c.name) for c in some)
            ((distinct,),) = table.rows_of(f"select count(distinct hash({names})) from {table.typed}")
            if distinct == different_rows:
                keys.append(Key(tuple(c.name for c in some), table.rows, distinct))
        if keys:
            time_name = time.column if time else ""
            return tuple(sorted(keys, key=lambda k: time_name in k.columns))
    return ()


def _is_line_number(column: Column) -> bool:
    """Whether a column counts the lines of something: small whole numbers with such a name."""
    named = vocabulary.has_word(column.raw_name, _LINES)
    return named and column.kind == "number" and column.numbers.is_integer and (column.numbers.minimum or 0) >= 0


_LINES = vocabulary.terms("line_numbers")


def identifier_facts(
    table: Table, values: KeyValues, time: TimeRole | None, wanted: str | None = None
) -> tuple[IdentifierFacts, ...]:
    """How the values of columns that may identify something come back, the likeliest customer first.

    Parameters
    ----------
    wanted : str, optional
        Column that the user named as the customer.
    """
    named = table.raw.column(wanted) if wanted else None
    columns = [named] * (named is not None) + [c for c in identifying(table) if c != named]
    facts = [_identifier(table, values, column, time) for column in columns]
    if named is not None:
        return (replace(facts[0], person=3.0), *sorted(facts[1:], key=lambda f: (-f.person, -(f.several_days or 0))))
    # Values that hardly repeat are of this row alone; those that come back on several days may be a customer's.
    return tuple(sorted(facts, key=lambda f: (-f.person, -(f.several_days or 0), -min(f.rows_per_value, 2))))


def _identifier(table: Table, values: KeyValues, column: Column, time: TimeRole | None) -> IdentifierFacts:
    rows, distinct = values.counts(table.name, column.name)
    top = values.top(table.name, column.name, TOP)
    person = person_score(column.raw_name)
    days, several = (1.0, 0.0) if time is not None and rows == distinct > 0 else (None, None)
    if time is not None and rows > distinct:
        name, day = quote(column.name), f"cast({quote(time.column)} as date)"
        relation = table.followed(column.name, distinct) if person >= 2 else table.typed
        # Of other identifiers, too, every n-th value is enough: by its hash, so that all of its rows are counted.
        every = max(rows // DAYS_ROWS, 1)
        some = f"and hash({name}) % {every} = 0" if relation == table.typed and distinct > 100 * every else ""
        days, several = table.rows_of(f"""
            select avg(days), avg(cast(days > 1 as integer)) from (
                select count(distinct {day}) as days from {relation} where {name} is not null {some} group by {name}
            )
        """)[0]
    return IdentifierFacts(
        column.name, rows, distinct, _rounded(days), _rounded(several), () if column.personal else top, person
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)


def find_versions(
    table: Table, values: KeyValues, keys: tuple[Key, ...], time: TimeRole | None, different_rows: int
) -> RowVersions | None:
    """Find rows that are versions of one another: one key and event time, and times of change that differ."""
    if time is None or any(len(k.columns) == 1 and k.is_named for k in keys):
        return None
    changes = [c for c in table.of_kind("time") if c.name != time.column and c.fill_share >= MOSTLY]
    changes = [c for c in changes if vocabulary.has_word(c.raw_name, VERSIONS | ARRIVALS)]
    for column in identifying(table):
        distinct = values.counts(table.name, column.name)[1]
        if not changes or column.filled < table.rows or not 0.02 * different_rows < distinct < different_rows:
            continue
        for change in changes:
            # Of very many rows, those of every n-th key decide whether a look at all is worth while.
            every = max(table.rows // VERSION_ROWS, 1)
            if every > 1 and not _versions(table, column, time.column, change, every, "n"):
                continue
            if several := _versions(table, column, time.column, change, 1, "contents"):
                return RowVersions(column.name, change.name, distinct, several)
    return None


def _versions(table: Table, key: Column, event: str, change: Column, every: int, different: str) -> int:
    """Keys with several (different) rows, if (nearly) all of them have one event time and as many times of change."""
    name, columns = quote(key.name), ", ".join(quote(c.name) for c in table.columns)
    contents = f"count(distinct hash({columns}))" if different == "contents" else "0"
    several, versions, one_event = table.rows_of(f"""
        select count(*), count(*) filter (where versions = {different}), count(*) filter (where events = 1)
        from (
            select count(*) as n, {contents} as contents, count(distinct {quote(change.name)}) as versions,
                count(distinct {quote(event)}) as events
            from {table.typed} where hash({name}) % {every} = 0 group by {name}
        ) where {different} > 1
    """)[0]
    return several if several and min(versions, one_event) >= MOSTLY * several else 0
