"""What the values of examined files suggest: codes for missing ones, outliers, spellings, copies, occupied windows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from python_ml.feature_columns import ALL_TIME, window_hours
from python_ml.onboarding import detection
from python_ml.onboarding.examination import DEFAULT_FROM, DEFAULT_TO
from python_ml.onboarding.rhythm import days_of
from python_ml.warehouse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import duckdb

    from python_ml.onboarding.specification import ColumnSpec, ProjectSpec, SourceSpec
    from python_ml.profiling.measures import Measured
    from python_ml.profiling.tables import Table

FAR = 5.0  # times the outermost quantile, from which on a value is an outlier worth a cap
ALIKE = 0.98  # correlation from which on two columns say the same
COMPARED = 60  # numeric columns of a file that are compared with each other
FEWEST_ROWS = 200  # rows behind a quantile that caps


@dataclass(frozen=True)
class ColumnValues:
    """One column of a file.

    Attributes
    ----------
    filled, readable : int
        Rows with a value, and those that can be read as what the column is.
    skew : float or None
    outliers : int
        Values beyond one and a half times the distance of the quartiles.
    sentinels : tuple of (str, int, str)
        Value, rows, and why it stands for a missing one.
    case_groups, case_rows : int
        Texts that differ only in case, and their rows.
    examples : tuple of str
        Of such texts.
    low, high : float or None
        Bounds fitted on rows before ``fitted_before``, where values lie far beyond them.
    beyond : int
        Rows beyond the bounds.
    """

    filled: int = 0
    readable: int = 0
    minimum: float | None = None
    maximum: float | None = None
    skew: float | None = None
    outliers: int = 0
    sentinels: tuple[tuple[str, int, str], ...] = ()
    case_groups: int = 0
    case_rows: int = 0
    examples: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    beyond: int = 0
    fitted_before: str = ""


@dataclass(frozen=True)
class SourceValues:
    """One file.

    Attributes
    ----------
    columns : dict of str to ColumnValues
        By raw name.
    copies : int
        Exact copies of another row, among the rows that bronze keeps.
    occupied : dict of str to float
        Share of a window's lengths, laid end to end along each customer's life, in which something happened.
    alike : tuple of (str, str, float)
        Raw names of two columns of numbers, and how much they are correlated.
    """

    columns: dict[str, ColumnValues] = field(default_factory=dict)
    copies: int = 0
    occupied: dict[str, float] = field(default_factory=dict)
    alike: tuple[tuple[str, str, float], ...] = ()


def measure_values(
    connection: duckdb.DuckDBPyConnection,
    measured: Iterable[Measured],
    spec: ProjectSpec,
    say: Callable[[str], None] = lambda message: None,
) -> dict[str, SourceValues]:
    """Measure the values of every file of a project.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    measured : iterable of Measured
        The files as examined, each on its own.
    spec : ProjectSpec
        What becomes of them.
    say : callable
        Told what goes on.

    Returns
    -------
    dict of str to SourceValues
        By source.
    """
    sources = {source.name: source for source in spec.sources}
    cutoff = fitting_cutoff(spec)
    found = {}
    for one in measured:
        name = one.table.name
        if name not in sources:
            continue
        say(f"{name}: values")
        found[name] = _source(connection, one, sources[name], spec.windows, cutoff)
    return found


def fitting_cutoff(spec: ProjectSpec) -> date | None:
    """A day that certainly lies before the validation period: what SQL fits (caps) may know only what is earlier.

    Half of the labelled history that the two purges of the split leave; training has more than that.
    """
    known = {decision.name: decision.value for decision in spec.decisions}
    if not {"spine_start", "spine_anchor", "horizon", "gap"} <= set(known):
        return None
    start, anchor = date.fromisoformat(known["spine_start"]), date.fromisoformat(known["spine_anchor"])
    label = days_of(known["horizon"], "horizon") + days_of(known["gap"], "gap")
    spare = (anchor - start).days - 3 * label
    return start + timedelta(days=math.floor(max(spare, 0) / 2))


def _source(
    connection: duckdb.DuckDBPyConnection,
    of: Measured,
    source: SourceSpec,
    windows: tuple[str, ...],
    cutoff: date | None,
) -> SourceValues:
    table = of.table
    dated = source.own_time is not None and source.use == "events"
    caps = _caps(connection, table, source, cutoff) if dated and cutoff is not None else {}
    columns = {}
    for column in table.columns:
        number, text = of.numbers.get(column.name), of.texts.get(column.name)
        measured = column.number or column.time
        sentinels = [*(number[1] if number else ()), *(text.sentinels if text else ())]
        sentinels += of.times[column.name][1] if column.name in of.times else []
        low, high, beyond = caps.get(column.name, (None, None, 0))
        columns[column.raw_name] = ColumnValues(
            filled=column.filled,
            readable=measured.readable if measured else column.filled,
            minimum=number[0].minimum if number else None,
            maximum=number[0].maximum if number else None,
            skew=number[0].skew if number else None,
            outliers=number[0].outliers_iqr if number else 0,
            sentinels=tuple((s.value, s.rows, s.why) for s in sentinels),
            case_groups=text.variants.case_groups if text else 0,
            case_rows=text.variants.case_rows if text else 0,
            examples=tuple(text.variants.case_examples) if text else (),
            low=low,
            high=high,
            beyond=beyond,
            fitted_before=cutoff.isoformat() if beyond and cutoff else "",
        )
    return SourceValues(
        columns,
        _copies(connection, table, source) if source.key is None and source.duplicates else 0,
        _occupied(connection, table, source, windows),
        _alike(connection, table, source),
    )


def _part(table: Table, spec: ColumnSpec | None) -> str | None:
    """Quoted column of the typed table that a source takes its customer or its time from.

    That of the source, not of the table: which customer a file is about may be known only beside the other files.
    """
    if spec is None:
        return None
    return next((quote(c.name) for c in table.columns if c.raw_name == spec.raw_name), None)


def _bounds(source: SourceSpec) -> tuple[date, date]:
    return source.plausible_from or DEFAULT_FROM, source.plausible_to or DEFAULT_TO


def _caps(
    connection: duckdb.DuckDBPyConnection, table: Table, source: SourceSpec, cutoff: date
) -> dict[str, tuple[float | None, float | None, int]]:
    """Bounds of numbers of which some lie far beyond nearly all earlier ones: low, high, rows beyond."""
    raw = {s.raw_name for s in source.columns if s.role == "number" and not s.unused}
    columns = [c for c in table.of_kind("number") if c.raw_name in raw and c.number is not None]
    if not columns:
        return {}
    earlier = f"{_part(table, source.own_time)} < timestamp '{datetime.combine(cutoff, datetime.min.time())}'"
    fitted = ", ".join(
        f"count({quote(c.name)}) filter (where {earlier}), "
        f"quantile_cont(cast({quote(c.name)} as double), [0.001, 0.999]) filter (where {earlier})"
        for c in columns
    )
    row = connection.execute(f"select {fitted} from {table.typed}").fetchall()[0]
    found = {}
    for place, column in enumerate(columns):
        rows, ends = row[2 * place : 2 * place + 2]
        if rows < FEWEST_ROWS:
            continue
        whole = column.number.is_integer
        high = _rounded(ends[1], whole) if ends[1] > 0 and column.number.maximum > FAR * ends[1] else None
        low = _rounded(ends[0], whole) if ends[0] < 0 and column.number.minimum < FAR * ends[0] else None
        if low is None and high is None:
            continue
        name = quote(column.name)
        beyond = " or ".join(
            [*([f"{name} < {low!r}"] if low is not None else []), *([f"{name} > {high!r}"] if high is not None else [])]
        )
        count = connection.execute(f"select count(*) from {table.typed} where {beyond}").fetchall()[0][0]
        found[column.name] = (low, high, count)
    return found


def _rounded(value: float, whole: bool) -> float:
    """Two significant digits, away from zero: a bound that a person can read."""
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    rounded = math.copysign(math.ceil(abs(value) / unit) * unit, value)
    return float(round(rounded)) if whole or abs(rounded) >= 10 else float(f"{rounded:.6g}")


def _copies(connection: duckdb.DuckDBPyConnection, table: Table, source: SourceSpec) -> int:
    """Exact copies among rows that have a customer and a plausible time."""
    low, high = _bounds(source)
    entity = _part(table, source.own_entity)
    kept = [f"{entity} is not null"] if entity else []
    if source.own_time is not None:
        # What was written tells copies, not what could be read of it: so the view, not the typed table.
        column = next(c for c in table.columns if c.raw_name == source.own_time.raw_name)
        when = detection.event_time_sql(column)
        kept.append(f"{when} >= timestamp '{low}' and {when} < timestamp '{high}'")
    columns = ", ".join(quote(c.name) for c in table.columns)
    where = f"where {' and '.join(kept)}" if kept else ""
    rows, different = connection.execute(f"""
        select coalesce(sum(n), 0), count(*)
        from (select count(*) as n from {quote(table.profile.view)} {where} group by {columns})
    """).fetchall()[0]
    return int(rows) - int(different)


def _occupied(
    connection: duckdb.DuckDBPyConnection, table: Table, source: SourceSpec, windows: tuple[str, ...]
) -> dict[str, float]:
    entity, time = _part(table, source.own_entity), _part(table, source.own_time)
    if not (source.dated and entity and time):
        return {}
    low, high = _bounds(source)
    lengths = {w: max(int(window_hours(w) // 24), 1) for w in windows if w != ALL_TIME}
    if not lengths:
        return {}
    seen = ", ".join(f"count(distinct (entity, date_diff('day', day, newest) // {n}))" for n in lengths.values())
    slots = ", ".join(f"sum(date_diff('day', first_day, newest) // {n} + 1)" for n in lengths.values())
    connection.execute(f"""
        create or replace temp table occupied_days as
        select entity, day, min(day) over (partition by entity) as first_day, max(day) over () as newest
        from (
            select distinct {entity} as entity, cast({time} as date) as day from {table.typed}
            where {entity} is not null and {time} >= timestamp '{low}' and {time} < timestamp '{high}'
        )
    """)
    used = connection.execute(f"select {seen} from occupied_days").fetchall()[0]
    all_slots = connection.execute(
        f"select {slots} from (select distinct entity, first_day, newest from occupied_days)"
    ).fetchall()[0]
    return {w: round(float(n) / float(of), 4) for w, n, of in zip(lengths, used, all_slots, strict=True) if of}


def _alike(
    connection: duckdb.DuckDBPyConnection, table: Table, source: SourceSpec
) -> tuple[tuple[str, str, float], ...]:
    raw = {s.raw_name for s in source.columns if s.role == "number" and not s.unused}
    columns = [c for c in table.of_kind("number") if c.raw_name in raw][:COMPARED]
    pairs = [(a, b) for place, a in enumerate(columns) for b in columns[place + 1 :]]
    found = []
    for start in range(0, len(pairs), 200):
        some = pairs[start : start + 200]
        measures = ", ".join(
            # differences of great numbers overflow; what cannot be measured is not alike
            f"corr(cast({quote(a.name)} as double) / {_size(a)!r}, cast({quote(b.name)} as double) / {_size(b)!r})"
            for a, b in some
        )
        row = connection.execute(f"select {measures} from {table.sample}").fetchall()[0]
        found += [
            (a.raw_name, b.raw_name, round(r, 4))
            for (a, b), r in zip(some, row, strict=True)
            if r is not None and math.isfinite(r) and abs(r) >= ALIKE
        ]
    return tuple(found)


def _size(column: object) -> float:
    number = column.number
    return max(abs(number.minimum or 0.0), abs(number.maximum or 0.0)) or 1.0
