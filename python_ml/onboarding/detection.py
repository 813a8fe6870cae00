"""Finding the customer and the time of events in a file, by names and by values, with the evidence told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.errors import UserError
from python_ml.names import identifier
from python_ml.onboarding.profiling import MOSTLY, ColumnProfile
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.reading import RawFile

DAYS_OF_ROWS = 1_000_000  # rows in which the days of entities are counted
FEWEST_CUSTOMERS = 2


@dataclass(frozen=True)
class EntityFacts:
    """What the values of a candidate key say.

    Attributes
    ----------
    distinct : int
        Different values.
    rows_per_value : float
    days_per_value : float or None
        Mean number of different days per value; None without a time.
    several_days : float or None
        Share of values seen on more than one day.
    """

    distinct: int
    rows_per_value: float
    days_per_value: float | None = None
    several_days: float | None = None


@dataclass(frozen=True)
class Finding:
    """A column chosen for a part to play, with the reasons and the runners-up."""

    column: ColumnProfile
    evidence: tuple[str, ...]
    others: tuple[str, ...] = ()
    doubt: str | None = None


@dataclass(frozen=True)
class FileProfile:
    """One file with its measured columns and what was found in it.

    Attributes
    ----------
    file : RawFile
    name : str
        Source name: a safe identifier, unique in the project.
    view : str
        View with safe column names.
    columns : tuple of ColumnProfile
    entity, time : Finding or None
    facts : EntityFacts or None
        Of the entity.
    """

    file: RawFile
    name: str
    view: str
    columns: tuple[ColumnProfile, ...]
    entity: Finding | None = None
    time: Finding | None = None
    facts: EntityFacts | None = None
    available: Finding | None = None
    notes: tuple[str, ...] = field(default=())

    def column(self, wanted: str) -> ColumnProfile | None:
        """Look up a column by its raw or safe name, ignoring case."""
        for column in self.columns:
            if wanted == column.raw_name:
                return column
        for column in self.columns:
            if wanted.lower() == column.raw_name.lower() or identifier(wanted) == column.name:
                return column
        return None

    @property
    def is_one_row_per_entity(self) -> bool:
        """Whether (nearly) every customer has a single row: attributes rather than events."""
        return self.facts is not None and self.facts.rows_per_value < 1.05


def find_time(
    connection: duckdb.DuckDBPyConnection, view: str, columns: list[ColumnProfile], path: str, wanted: str | None = None
) -> Finding | None:
    """Choose the column that says when a row happened.

    Parameters
    ----------
    connection, view
        Where the values are.
    columns : list of ColumnProfile
    path : str
        For messages.
    wanted : str, optional
        Safe name of a column that the user named.

    Returns
    -------
    Finding or None
        None when no column can be read as a time; :func:`unreadable_time` may know why.

    Raises
    ------
    UserError
        When the column that the user named cannot be read as times.
    """
    if wanted is not None:
        column = next(c for c in columns if c.name == wanted)
        if column.time is None or column.time.share < 0.5:
            raise _unreadable(column, path)
        return Finding(column, ("named with --time", *_time_evidence(column)), doubt=_doubt(column))
    candidates = [c for c in columns if c.kind == "time" and c.time and c.time.share >= MOSTLY and c.time.days > 1]
    if not candidates:
        return None
    scores = {c.name: vocabulary.time_score(c.raw_name) + 2 * c.fill_share for c in candidates}
    # Of two times, the earlier is when the row happened and the later when something was done about it.
    earlier = {}
    for first in candidates:
        for second in candidates:
            if first is not second and scores[second.name] >= scores[first.name] - 2:
                share = _share_not_after(connection, view, first, second)
                if share is not None and share >= MOSTLY:
                    scores[first.name] += 0.75
                    earlier[first.name] = (
                        f"never after `{second.name}`" if share == 1 else f"seldom after `{second.name}`"
                    )
    order = sorted(candidates, key=lambda c: -scores[c.name])
    best = order[0]
    evidence = [*_time_evidence(best)]
    if vocabulary.time_score(best.raw_name) > 0:
        evidence.insert(0, "its name says a time")
    if best.name in earlier:
        evidence.append(earlier[best.name])
    return Finding(best, tuple(evidence), tuple(c.raw_name for c in order[1:]), _doubt(best))


def entity_facts(
    connection: duckdb.DuckDBPyConnection, view: str, column: ColumnProfile, time: str | None
) -> EntityFacts:
    """Measure a candidate key: how often its values come back, and on how many days.

    Parameters
    ----------
    time : str, optional
        SQL of the event time over the view.
    """
    name = quote(column.name)
    distinct, rows = connection.execute(f"select count(distinct {name}), count({name}) from {quote(view)}").fetchall()[
        0
    ]
    if not time:
        return EntityFacts(distinct, float(rows or 0) / max(distinct, 1))
    # Of very many rows, every n-th value tells the days: by its hash, so that all of its rows are seen.
    every = max(rows // DAYS_OF_ROWS, 1)
    some = f"and hash({name}) % {every} = 0" if every > 1 and distinct > 100 * every else ""
    mean_days, several = connection.execute(f"""
        select avg(days), avg(case when days > 1 then 1.0 else 0.0 end)
        from (
            select count(distinct cast({time} as date)) as days
            from {quote(view)} where {name} is not null {some} group by {name}
        )
    """).fetchall()[0]
    return EntityFacts(distinct, float(rows or 0) / max(distinct, 1), float(mean_days or 0), float(several or 0))


def find_entity(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    columns: list[ColumnProfile],
    time: str | None,
    wanted: str | None = None,
) -> tuple[Finding, EntityFacts] | None:
    """Choose the column that says whose event it is.

    Parameters
    ----------
    connection, view, columns
        As in :func:`find_time`.
    time : str, optional
        SQL of the event time.
    wanted : str, optional
        Safe name of a column that the user named.

    Returns
    -------
    (Finding, EntityFacts) or None
        None when nothing looks like a customer, or several columns do and no name tells them apart.
    """
    if wanted is not None:
        column = next(c for c in columns if c.name == wanted)
        facts = entity_facts(connection, view, column, time)
        return Finding(column, ("named with --entity", *_entity_evidence(column, facts))), facts
    by_name = [c for c in columns if _can_be_key(c) and vocabulary.person_score(c.raw_name) >= 2]
    scored = []
    for column in by_name:
        facts = entity_facts(connection, view, column, time)
        if facts.distinct >= FEWEST_CUSTOMERS:
            scored.append((vocabulary.person_score(column.raw_name) + _value_score(facts), column, facts))
    if scored:
        scored.sort(key=lambda entry: -entry[0])
        _, column, facts = scored[0]
        evidence = ("its name says a customer", *_entity_evidence(column, facts))
        return Finding(column, evidence, tuple(c.raw_name for _, c, _ in scored[1:])), facts
    return _entity_by_values(connection, view, columns, time)


def _entity_by_values(
    connection: duckdb.DuckDBPyConnection, view: str, columns: list[ColumnProfile], time: str | None
) -> tuple[Finding, EntityFacts] | None:
    """Without a telling name: values that come back on several days, and only one way to group them."""
    if not time:
        return None
    candidates = []
    for column in columns:
        if not _can_be_key(column) or not _is_coded(column) or column.distinct < 20:
            continue
        facts = entity_facts(connection, view, column, time)
        if facts.rows_per_value >= 1.2 and facts.several_days >= 0.2:
            candidates.append((column, facts))
    if not candidates:
        return None
    first, facts = candidates[0]
    for other, _ in candidates[1:]:
        if not _is_one_to_one(connection, view, first.name, other.name):
            return None
    evidence = ("no name says a customer, but only its values come back on several days",)
    doubt = f"the customer was taken to be `{first.raw_name}` from its values alone"
    return Finding(first, evidence + _entity_evidence(first, facts), (), doubt), facts


def candidate_keys(columns: tuple[ColumnProfile, ...]) -> list[str]:
    """Raw names of columns that could be a customer, for messages."""
    return [c.raw_name for c in columns if _can_be_key(c) and (_is_coded(c) or vocabulary.person_score(c.raw_name))]


def _can_be_key(column: ColumnProfile) -> bool:
    if column.kind == "number":
        return column.number is not None and column.number.is_integer
    return column.kind == "text" and (column.spaced < 0.5 or vocabulary.person_score(column.raw_name) >= 2)


def _is_coded(column: ColumnProfile) -> bool:
    """Whether values look like codes: an identifier's name, or text with digits in it and no blanks."""
    if vocabulary.has_word(column.raw_name, vocabulary.IDENTIFIERS) or column.padded:
        return True
    return column.kind == "text" and column.spaced < 0.05 and column.distinct > 100


def _value_score(facts: EntityFacts) -> float:
    """0 to 2: values that come back, on several days."""
    score = min(facts.rows_per_value - 1, 1.0)
    return score + (facts.several_days or 0.0)


def _entity_evidence(column: ColumnProfile, facts: EntityFacts) -> tuple[str, ...]:
    evidence = [f"{facts.distinct:,} different values, {facts.rows_per_value:.1f} rows each"]
    if facts.several_days is not None:
        evidence.append(f"{facts.several_days:.0%} of them on more than one day")
    if column.filled < column.rows:
        evidence.append(f"missing in {column.rows - column.filled:,} of {column.rows:,} rows")
    return tuple(evidence)


def _time_evidence(column: ColumnProfile) -> tuple[str, ...]:
    time = column.time
    if time is None or time.first is None or time.last is None:
        return ()
    evidence = [f"{time.first:%Y-%m-%d} to {time.last:%Y-%m-%d}, {time.days:,} different days"]
    if time.share < 1:
        examples = ", ".join(repr(value) for value in time.unreadable)
        evidence.append(f"{time.filled - time.readable:,} values are no time (such as {examples})")
    if time.formats:
        evidence.append("written as " + " or ".join(time.formats))
    if time.evidence:
        evidence.append(time.evidence)
    return tuple(evidence)


def _doubt(column: ColumnProfile) -> str | None:
    if column.time is not None and column.time.undecided:
        return (
            f"no value of `{column.raw_name}` tells whether the day or the month comes first; "
            "say --day-first or --month-first"
        )
    return None


def _share_not_after(
    connection: duckdb.DuckDBPyConnection, view: str, first: ColumnProfile, second: ColumnProfile
) -> float | None:
    """Share of rows with both times in which the first is not later, None when no row has both or all agree."""
    a, b = event_time_sql(first), event_time_sql(second)
    both, ordered, equal = connection.execute(f"""
        select count(*), count(*) filter (where a <= b), count(*) filter (where a = b)
        from (select {a} as a, {b} as b from {quote(view)}) where a is not null and b is not null
    """).fetchall()[0]
    return None if not both or equal == both else ordered / both


def event_time_sql(column: ColumnProfile) -> str:
    """SQL of a time column over the view, as TIMESTAMP."""
    from python_ml.onboarding.dates import time_sql

    name = quote(column.name)
    if column.physical_type == "DATE" or column.physical_type.startswith("TIMESTAMP"):
        return f"cast({name} as timestamp)"
    text = name if column.physical_type == "VARCHAR" else f"cast({name} as varchar)"
    return time_sql(text, column.time.formats if column.time else ())


def _is_one_to_one(connection: duckdb.DuckDBPyConnection, view: str, a: str, b: str) -> bool:
    pairs, left, right = connection.execute(
        f"select count(*), count(distinct a), count(distinct b) from "
        f"(select distinct {quote(a)} as a, {quote(b)} as b from {quote(view)})"
    ).fetchall()[0]
    return pairs == left == right


def find_available(
    connection: duckdb.DuckDBPyConnection, view: str, columns: list[ColumnProfile], event: ColumnProfile
) -> Finding | None:
    """Find the column that says when the warehouse could know a row.

    It must be named so, (nearly) never lie before the event, and follow it closely: the date of a single bulk load
    says nothing about when each row was known.
    """
    for column in columns:
        named = vocabulary.has_word(column.raw_name, vocabulary.AVAILABILITY)
        if column is event or column.kind != "time" or not named or column.fill_share < 0.5:
            continue
        share = _share_not_after(connection, view, event, column)
        lag = connection.execute(f"""
            select quantile_cont(date_diff('second', {event_time_sql(event)}, {event_time_sql(column)}), 0.95) / 86400.0
            from {quote(view)}
        """).fetchall()[0][0]
        if share is not None and share >= MOSTLY and lag is not None and lag <= 31:
            evidence = (
                f"its name says when rows arrive, and it follows `{event.raw_name}` (by up to "
                f"{max(lag, 0):.1f} days "
                "in 95 % of rows)"
            )
            return Finding(column, (evidence,))
    return None


def unreadable_time(columns: tuple[ColumnProfile, ...], path: str) -> UserError | None:
    """The mistake to tell when a file has no time: a column that is named like one, or looks half like one."""
    for column in columns:
        if column.time is not None and column.kind == "time" and column.time.share < MOSTLY:
            return _unreadable(column, path)
    for column in columns:
        if column.kind == "text" and vocabulary.time_score(column.raw_name) >= 2:
            return _unreadable(column, path)
    return None


def _unreadable(column: ColumnProfile, path: str) -> UserError:
    time = column.time
    if time is None:
        what = f"The values of `{column.raw_name}` cannot be read as dates or times."
    else:
        examples = ", ".join(repr(value) for value in time.unreadable)
        what = f"Only {time.share:.0%} of the values of `{column.raw_name}` are dates or times; {examples} are not."
    return UserError(
        what,
        where=f"{path}, column {column.raw_name}",
        hint="write them as 2024-01-31 or 2024-01-31 18:30:00, or name another column with --time",
    )
