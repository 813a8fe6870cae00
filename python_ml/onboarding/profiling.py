"""Measuring the columns of a raw file on DuckDB: a few aggregating queries, never a row in Python."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from python_ml.names import unique_identifiers
from python_ml.onboarding import dates, semantics
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.dates import TimeProfile
    from python_ml.onboarding.reading import RawFile

BATCH = 40  # columns per query
MOSTLY = 0.95  # share of a column's values that must agree on what it is

INTEGER_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT")
_PLAIN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_COMMA = r"[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+),[0-9]+"
_GROUPED = r"[+-]?[$€£]?\s?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?\s?[$€£]?"


@dataclass(frozen=True)
class NumberProfile:
    """What a column holds when read as numbers.

    Attributes
    ----------
    style : str
        ``plain``; ``decimal_comma`` (1.234,56); ``grouped`` (1,234.56 or with a currency sign).
    readable : int
    is_integer : bool
        Whether every readable value is whole.
    scale : int
        Digits after the point that the values need, at most 6.
    minimum, maximum, mean : float or None
    negatives, zeros : int
    """

    style: str
    readable: int
    is_integer: bool
    scale: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    negatives: int
    zeros: int


@dataclass(frozen=True)
class ColumnProfile:
    """One column of a raw file.

    Attributes
    ----------
    raw_name, name : str
        As in the file, and as a safe identifier.
    physical_type : str
        DuckDB's type; VARCHAR for everything in a text file.
    kind : str
        empty, constant, boolean, time, number or text.
    rows, filled : int
        Rows of the file, and those in which the column is neither null nor blank.
    distinct : int
        Different values, approximately (a few per cent).
    mean_length : float
        Characters, on average.
    spaced : float
        Share of values with a blank inside.
    padded : bool
        Whether the values are digits that begin with a zero: identifiers, not numbers.
    number, time : NumberProfile, TimeProfile or None
    meaning, because : str
        Semantic type, and why: empty, constant, identifier, target_candidate, binary, nominal, ordinal, continuous,
        discrete, money, duration, cyclic, datetime, text, email, phone or personal.
    personal : str or None
        What personal data its values look like.
    """

    raw_name: str
    name: str
    physical_type: str
    kind: str
    rows: int
    filled: int
    distinct: int
    mean_length: float = 0.0
    spaced: float = 0.0
    padded: bool = False
    number: NumberProfile | None = None
    time: TimeProfile | None = None
    meaning: str = ""
    because: str = ""
    personal: str | None = None

    @property
    def fill_share(self) -> float:
        """Share of rows with a value."""
        return self.filled / self.rows


def number_sql(expression: str, style: str) -> str:
    """SQL for the text of a number with a decimal point and nothing else, portable across engines."""
    if style == "decimal_comma":
        return f"replace(replace({expression}, '.', ''), ',', '.')"
    if style == "grouped":
        for sign in (",", "$", "€", "£", " "):
            expression = f"replace({expression}, '{sign}', '')"
    return expression


def safe_view(connection: duckdb.DuckDBPyConnection, file: RawFile, view: str) -> dict[str, str]:
    """Make a view of a raw file under safe column names, with blank texts as null.

    Returns
    -------
    dict of str to str
        Safe name by raw name, in the file's order.
    """
    names = dict(zip([raw for raw, _ in file.columns], unique_identifiers(raw for raw, _ in file.columns), strict=True))
    connection.execute(f"create or replace view {quote(view)} as {select_sql(file, names)}")
    return names


def select_sql(file: RawFile, names: dict[str, str], relation: str | None = None) -> str:
    """Write the query of some columns of a file under their safe names, with blank texts as null.

    Parameters
    ----------
    file : RawFile
    names : dict of str to str
        Safe name by raw name.
    relation : str, optional
        Where the file's columns are, if not in its own relation.
    """
    types = dict(file.columns)
    columns = ", ".join(
        (f"nullif(trim({quote(raw)}), '')" if types[raw] == "VARCHAR" else quote(raw)) + f" as {quote(name)}"
        for raw, name in names.items()
    )
    return f"select {columns} from {relation or file.relation}"


def profile_columns(
    connection: duckdb.DuckDBPyConnection, file: RawFile, view: str, day_first: bool | None = None
) -> list[ColumnProfile]:
    """Measure every column of a file.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    file : RawFile
    view : str
        Name under which :func:`safe_view` is made.
    day_first : bool, optional
        Order of day and month where the user says it.

    Returns
    -------
    list of ColumnProfile
        In the file's order.
    """
    names = safe_view(connection, file, view)
    types = {raw: kind.split("(")[0].upper() if kind.startswith("DECIMAL") else kind for raw, kind in file.columns}
    columns = list(names.items())
    rows: list[tuple] = []
    for start in range(0, len(columns), BATCH):
        # A single query over thousands of columns takes more memory than the data.
        rows += _measure(connection, file, columns[start : start + BATCH], types)
    drafts = [
        _draft(connection, file, raw, name, types[raw], values, day_first)
        for (raw, name), values in zip(columns, rows, strict=True)
    ]
    numeric = [draft for draft in drafts if draft.style is not None]
    numbers: dict[str, NumberProfile | None] = {}
    for start in range(0, len(numeric), BATCH):
        numbers |= _numbers(connection, file, numeric[start : start + BATCH])
    return [_understood(connection, file, _settled(draft, numbers.get(draft.facts["name"]))) for draft in drafts]


@dataclass(frozen=True)
class _Draft:
    """A column before its numbers are read: what is known, its kind where that is settled, and how to read numbers."""

    facts: dict[str, Any]
    kind: str = ""
    time: TimeProfile | None = None
    style: str | None = None


def _settled(draft: _Draft, number: NumberProfile | None) -> ColumnProfile:
    if draft.kind:
        return ColumnProfile(kind=draft.kind, time=draft.time, **draft.facts)
    is_number = number is not None and not draft.facts["padded"]
    return ColumnProfile(kind="number" if is_number else "text", number=number, time=draft.time, **draft.facts)


def _understood(connection: duckdb.DuckDBPyConnection, file: RawFile, column: ColumnProfile) -> ColumnProfile:
    """The column with what it means."""
    values, personal = frozenset(), None
    if column.kind in ("text", "boolean", "constant"):
        relation = f"({select_sql(file, {column.raw_name: column.name})}) as one_column"
        values, personal = semantics.contents(connection, relation, quote(column.name), column.distinct)
    meaning, because = semantics.semantic_type(column, values, personal)
    return replace(column, meaning=meaning, because=because, personal=personal)


def _measure(
    connection: duckdb.DuckDBPyConnection, file: RawFile, columns: list[tuple[str, str]], types: dict[str, str]
) -> list[tuple]:
    """Counts of several columns in one query; one tuple per column."""
    measures = []
    for raw, name in columns:
        column = quote(name)
        is_text = types[raw] == "VARCHAR"
        text = column if is_text else f"cast({column} as varchar)"
        length = f"length({text})" if is_text or not _is_short(types[raw]) else "0"
        # The first letter settles most values, and costs a tenth of a pattern; `case` looks no further.
        digits = f"{column} < ':'"
        of_text = (
            f"count(*) filter (where contains({column}, ' '))",
            # digits that begin with a zero
            _count_matches(column, f"{column} like '0_%'", "[0-9]+"),
            _count_matches(column, digits, _PLAIN),
            _count_matches(column, digits, _COMMA),
            _count_matches(column, f"({digits} or {column} >= '£')", _GROUPED),
        )
        measures += [
            f"count({column})",
            f"approx_count_distinct({column})",
            f"coalesce(avg({length}), 0)",
            f"min({length}) = max({length})",
            *(of_text if is_text else ("0",) * len(of_text)),
        ]
    row = connection.execute(f"select {', '.join(measures)} from ({select_sql(file, dict(columns))})").fetchall()[0]
    width = len(measures) // len(columns)
    return [row[place * width : (place + 1) * width] for place in range(len(columns))]


def _is_short(physical_type: str) -> bool:
    """Whether the length of a value says nothing: numbers, times, truth values."""
    return physical_type in (*INTEGER_TYPES, "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN", "DATE") or (
        physical_type.startswith("TIMESTAMP")
    )


def _count_matches(column: str, first: str, pattern: str) -> str:
    """SQL that counts matches of a pattern among the values that pass a cheap condition first."""
    return f"count(case when {first} then case when regexp_full_match({column}, '{pattern}') then 1 end end)"


def _draft(
    connection: duckdb.DuckDBPyConnection,
    file: RawFile,
    raw: str,
    name: str,
    physical_type: str,
    values: tuple,
    day_first: bool | None,
) -> _Draft:
    filled, distinct, mean_length, same_length, spaced, padded, plain, comma, grouped = values
    # approximate counts may exceed what is there
    distinct = min(distinct, filled)
    zero_padded = bool(filled and padded > 0 and (padded >= 0.5 * filled or same_length) and plain >= MOSTLY * filled)
    facts = {
        "raw_name": raw,
        "name": name,
        "physical_type": physical_type,
        "rows": file.rows,
        "filled": filled,
        "distinct": distinct,
        "mean_length": float(mean_length),
        "spaced": spaced / filled if filled else 0.0,
        "padded": zero_padded,
    }
    if filled == 0:
        return _Draft(facts, "empty")
    # Only the column that is looked at: a view of thousands takes longer to bind than to read.
    relation, column = f"({select_sql(file, {raw: name})}) as one_column", quote(name)
    if distinct <= 3:
        exact = connection.execute(
            f"select lower(cast({column} as varchar)) from {relation} where {column} is not null group by 1 limit 4"
        ).fetchall()
        found = {value for (value,) in exact}
        facts["distinct"] = len(found)
        if len(found) == 1:
            return _Draft(facts, "constant")
        if physical_type == "BOOLEAN" or any(
            found == pair for pair in ({"true", "false"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"0", "1"})
        ):
            return _Draft(facts, "boolean")
    time = _time(connection, relation, column, physical_type, plain, filled, day_first)
    if time is not None and time.share >= 0.5:
        return _Draft(facts, "time", time)
    return _Draft(facts, "", time, _style(connection, relation, column, physical_type, filled, plain, comma, grouped))


def _time(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    column: str,
    physical_type: str,
    plain: int,
    filled: int,
    day_first: bool | None,
) -> TimeProfile | None:
    if physical_type == "DATE" or physical_type.startswith("TIMESTAMP"):
        return dates.profile_typed(connection, relation, column)
    if physical_type in INTEGER_TYPES:
        # 20240131 is a date when all values are such; other numbers are not worth a look
        low, high = connection.execute(f"select min({column}), max({column}) from {relation}").fetchall()[0]
        if not (low >= 19000101 and high < 22000101):
            return None
        text_view = f"(select cast({column} as varchar) as {column} from {relation}) as as_text"
        return _only_plausible(dates.profile_text(connection, text_view, column, day_first))
    if physical_type != "VARCHAR":
        return None
    sample = connection.execute(f"select {column} from {relation} where {column} is not null limit 500").fetchall()
    different = Counter(value for (value,) in sample)
    if sum(count for value, count in different.items() if dates.looks_like_time(value)) < 0.4 * len(sample):
        return None
    found = dates.profile_text(connection, relation, column, day_first)
    return _only_plausible(found) if plain >= MOSTLY * filled else found


def _only_plausible(time: TimeProfile | None) -> TimeProfile | None:
    """Eight digits are a date only when (nearly) all of them can be read so."""
    return time if time is not None and time.share >= MOSTLY else None


def _style(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    column: str,
    physical_type: str,
    filled: int,
    plain: int,
    comma: int,
    grouped: int,
) -> str | None:
    """How a column's numbers are written; None when it holds none."""
    if physical_type != "VARCHAR":
        return "plain" if physical_type in (*INTEGER_TYPES, "FLOAT", "DOUBLE", "DECIMAL") else None
    if plain >= MOSTLY * filled:
        return "plain"
    if comma and comma + plain >= MOSTLY * filled and not _commas_group(connection, relation, column):
        return "decimal_comma"
    return "grouped" if grouped >= MOSTLY * filled else None


def _numbers(
    connection: duckdb.DuckDBPyConnection, file: RawFile, drafts: list[_Draft]
) -> dict[str, NumberProfile | None]:
    """Read several columns as numbers in one query; None for those that hold too few."""
    names = {draft.facts["raw_name"]: draft.facts["name"] for draft in drafts}
    values, measures = [], []
    for draft in drafts:
        column = quote(draft.facts["name"])
        is_text = draft.facts["physical_type"] == "VARCHAR"
        number = f"try_cast({number_sql(column, draft.style)} as double)" if is_text else f"cast({column} as double)"
        values.append(f"case when isfinite({number}) then {number} end as {column}")
        measures += [
            f"count({column})", f"min({column})", f"max({column})", f"avg({column})",
            f"count(*) filter (where {column} < 0)", f"count(*) filter (where {column} = 0)",
            f"count(*) filter (where {column} = round({column}))",
            f"count(*) filter (where abs({column} - round({column}, 2)) < 1e-7)",
            f"count(*) filter (where abs({column} - round({column}, 4)) < 1e-8)",
        ]  # fmt: skip
    row = connection.execute(f"""
        select {", ".join(measures)} from (select {", ".join(values)} from ({select_sql(file, names)}))
    """).fetchall()[0]
    found: dict[str, NumberProfile | None] = {}
    for place, draft in enumerate(drafts):
        readable, low, high, mean, negatives, zeros, whole, cents, fine = row[9 * place : 9 * place + 9]
        scale = 2 if cents == readable else 4 if fine == readable else 6
        is_one = readable >= MOSTLY * draft.facts["filled"]
        found[draft.facts["name"]] = (
            NumberProfile(draft.style, readable, whole == readable, scale, low, high, mean, negatives, zeros)
            if is_one
            else None
        )
    return found


def _commas_group(connection: duckdb.DuckDBPyConnection, relation: str, column: str) -> bool:
    """Whether commas stand between thousands: exactly three digits follow each of them, in every value."""
    return connection.execute(
        f"select count(*) filter (where contains({column}, ',')"
        f" and not regexp_full_match({column}, '[+-]?[$€£]?[0-9]{{1,3}}(,[0-9]{{3}})+(\\.[0-9]+)?')) = 0 "
        f"from {relation}"
    ).fetchall()[0][0]
