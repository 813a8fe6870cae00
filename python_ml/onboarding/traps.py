"""What the data hides: rows that cannot be used, copies, reversals, prices of zero, columns that know the future."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml.onboarding import detection, vocabulary
from python_ml.onboarding.examination import DEFAULT_FROM, DEFAULT_TO
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.specification import SourceSpec


def reasons(source: SourceSpec) -> dict[str, str]:
    """The reasons for which bronze puts a row aside, in the order in which they are tried.

    Returns
    -------
    dict of str to str
        Reason by check: entity, time, available, implausible, duplicate.
    """
    found = {}
    if source.entity is not None:
        found["entity"] = f"missing {source.entity.name}"
    if source.time is not None:
        found["time"] = f"missing or unreadable {source.time.name}"
        found["implausible"] = f"implausible {source.time.name}"
    if source.available is not None:
        found["available"] = f"unreadable {source.available.name}"
    if source.key is not None:
        found["duplicate"] = f"duplicate {source.key.name}"
    return found


def count_rows(connection: duckdb.DuckDBPyConnection, profile: FileProfile, source: SourceSpec) -> SourceSpec:
    """Count what bronze will put aside, exact copies, and the span of what it keeps."""
    names = reasons(source)
    key = quote(profile.entity.column.name)
    when = detection.event_time_sql(profile.time.column)
    low, high = source.plausible_from or DEFAULT_FROM, source.plausible_to or DEFAULT_TO
    cases = [
        f"when {key} is null then {literal(names['entity'])}",
        f"when event_at is null then {literal(names['time'])}",
        f"when event_at < timestamp '{low}' or event_at >= timestamp '{high}' then {literal(names['implausible'])}",
    ]
    if source.available is not None:
        column = profile.available.column
        cases.insert(
            2,
            f"when {quote(column.name)} is not null and {detection.event_time_sql(column)} is null "
            f"then {literal(names['available'])}",
        )
    counted = connection.execute(f"""
        select reason, count(*), min(event_at), max(event_at)
        from (
            select case {" ".join(cases)} end as reason, event_at
            from (select *, {when} as event_at from {quote(profile.view)})
        )
        group by reason order by count(*) desc, reason
    """).fetchall()
    quarantined = {reason: count for reason, count, _, _ in counted if reason is not None}
    kept = next(((first, last) for reason, _, first, last in counted if reason is None), (None, None))
    if source.key is not None:
        repeated = _repeated_keys(connection, profile, source, " ".join(cases), when)
        if repeated:
            quarantined[names["duplicate"]] = repeated
    copies = connection.execute(
        f"select {source.rows} - count(*) from (select distinct * from {quote(profile.view)})"
    ).fetchall()[0][0]
    return replace(source, quarantined=quarantined, duplicates=copies, first=kept[0], last=kept[1])


def _repeated_keys(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, source: SourceSpec, cases: str, when: str
) -> int:
    column = next(c for c in profile.columns if c.raw_name == source.key.raw_name)
    return connection.execute(f"""
        select count({quote(column.name)}) - count(distinct {quote(column.name)})
        from (select *, {when} as event_at from {quote(profile.view)})
        where case {cases} end is null
    """).fetchall()[0][0]


def find(connection: duckdb.DuckDBPyConnection, profiles: list[FileProfile], sources: list[SourceSpec]) -> list[str]:
    """Tell the traps of all files, one sentence each, with what was done about it."""
    by_name = {p.name: p for p in profiles}
    told = []
    for source in sources:
        profile = by_name[source.name]
        told += [f"{source.name}: {trap}" for trap in _of_source(connection, profile, source, sources)]
    return told


def _of_source(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, source: SourceSpec, sources: list[SourceSpec]
) -> list[str]:
    told = list(source.file.notes)
    for reason, count in source.quarantined.items():
        told.append(f"{count:,} of {source.rows:,} rows are quarantined: {reason}")
    if source.use == "stored":
        told.append(f"no features are made of it: {source.use_reason}")
    if source.use == "tenure":
        told.append(source.use_reason)
    if source.duplicates and source.key is None:
        told.append(
            f"{source.duplicates:,} rows are exact copies of another; they are kept, since without a key a "
            "copy cannot be "
            "told from a line that was really entered twice"
        )
    if source.reversal is not None:
        told.append(
            f"{source.reversal.rows:,} rows take something back ({source.reversal.words}); they are kept "
            "with is_reversal, do "
            f"not count as activity, and have features of their own ({source.reversal.name}_...)"
        )
    told += _of_columns(connection, profile, source)
    activity = sources[0]
    if source.dated and source is not activity and source.last and activity.last:
        behind = (activity.last - source.last).days
        if behind > 14:
            told.append(
                f"its newest row is {behind} days older than that of {activity.name}: its newest windows look emptier"
            )
    return told


def _of_columns(connection: duckdb.DuckDBPyConnection, profile: FileProfile, source: SourceSpec) -> list[str]:
    told = []
    later = []
    for spec in source.columns:
        column = next(c for c in profile.columns if c.raw_name == spec.raw_name)
        if spec.role == "number" and column.number is not None:
            if column.number.readable < column.filled:
                told.append(
                    f"{column.filled - column.number.readable:,} values of `{spec.name}` are no numbers and become null"
                )
            is_price = vocabulary.is_unit_price(spec.raw_name) or vocabulary.has_word(spec.raw_name, vocabulary.TOTALS)
            if is_price and column.number.zeros:
                told.append(f"{column.number.zeros:,} rows have a `{spec.name}` of zero; they are kept")
        if spec.role == "identifier" and source.use == "events":
            told += _odd_codes(connection, profile, spec.name, column.name)
        if spec.role == "time_other" and source.use == "events":
            later.append(spec.name)
        if spec.unused == "its name says the outcome":
            told.append(f"`{spec.name}` is named like an outcome; no feature is made of it")
    if later:
        times = ", ".join(f"`{name}`" for name in later)
        told.append(
            f"it has further times ({times}); columns that are filled in only by then are known later than "
            f"`{source.time.name}` says: look at them before you trust them"
        )
    return told


def _odd_codes(connection: duckdb.DuckDBPyConnection, profile: FileProfile, name: str, column: str) -> list[str]:
    """Codes without a digit where (nearly) all others have one: postage, fees, manual corrections."""
    value = f"cast({quote(column)} as varchar)"
    filled, odd = connection.execute(f"""
        select count({value}), count(*) filter (where not regexp_matches({value}, '[0-9]')) from {quote(profile.view)}
    """).fetchall()[0]
    if not odd or odd > 0.05 * filled:
        return []
    examples = connection.execute(f"""
        select {value} as value, count(*) as n from {quote(profile.view)}
        where not regexp_matches({value}, '[0-9]') group by 1 order by n desc, 1 limit 3
    """).fetchall()
    return [
        f"{odd:,} rows have a `{name}` without a digit, unlike the others "
        f"({', '.join(repr(v) for v, _ in examples)}): perhaps "
        "postage or fees rather than products; they are kept"
    ]
