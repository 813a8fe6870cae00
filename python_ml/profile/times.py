"""Columns of times: their plausible span, their order within a row, and which of them says when a row happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations, pairwise
from math import log

from python_ml.errors import UserError
from python_ml.ingest import vocabulary
from python_ml.ingest.schema import Column
from python_ml.names import name_parts
from python_ml.profile.schema import Sentinel, Span, TimePair, TimeRole
from python_ml.profile.tables import Table, plausible
from python_ml.warehouse import quote

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 1, 1)
MOSTLY = 0.95  # share of values that must be readable, and of rows that must be ordered
ARRIVES = 0.99  # share of rows that an arrival column must not precede
MOST_TIMES = 8
BULK_LAG, BULK_DAYS = 31, 0.2  # days, share of days: less tells an arrival column from the date of one bulk load
# A thin tail: most rows (share), density (share of the usual one), fewest days, and rows that one would expect there.
TAIL, THIN, TAIL_DAYS, EXPECTED = 0.005, 0.1, 7, 10

DEADLINES = vocabulary.terms("deadlines")
_DEADLINE_PAIRS = {("ship", "by"), ("valid", "to"), ("pay", "by"), ("deliver", "by")}
ARRIVALS = vocabulary.AVAILABILITY | {"synced", "ingestion", "recorded"}
VERSIONS = vocabulary.terms("versions")
# From the most to the least telling; a current period or a trial ends without the customer leaving.
_ENDS = (
    ("cancel", "cancels", "cancelled", "canceled", "cancellation"),
    ("ended", "end", "ends", "churn", "churned"),
    ("closed", "terminated", "termination", "close"),
    ("until", "expired", "to"),
)
_NO_ENDS = vocabulary.terms("no_ends")


@dataclass(frozen=True)
class TimeFinding:
    """The span of a column of times, and values that may stand for missing ones."""

    span: Span
    sentinels: tuple[Sentinel, ...] = ()


def is_birth(name: str) -> bool:
    """Whether a name suggests a date of birth."""
    parts = name_parts(name)
    return any(part in vocabulary.BIRTH or part.startswith(("birth", "geburt")) for part in parts)


def is_deadline(name: str) -> bool:
    """Whether a name suggests until when something is to happen."""
    parts = name_parts(name)
    pairs = set(pairwise(parts))
    return bool(set(parts) & DEADLINES) or bool(pairs & _DEADLINE_PAIRS)


def measure_times(table: Table) -> dict[str, TimeFinding]:
    """Measure every column of times, one group-by of its days for each."""
    results = {}
    for column in table.of_kind("time"):
        name = quote(column.name)
        days = table.rows_of(f"""
            select cast({name} as date) as day, count(*), min({name}), max({name}) from {table.typed}
            where {plausible(name)} group by 1 order by 1
        """)
        if days:
            results[column.name] = _span(days, is_birth(column.raw_name))
    return results


def _span(days: list[tuple[date, int, datetime, datetime]], is_birth_date: bool) -> TimeFinding:
    """The plausible part of a column: bounds leave out times far from all others, such as 1900-01-01 or 2999-12-31."""
    low, high = FIRST_DAY, LAST_DAY
    kept = days
    if first := _cut(days):
        low = days[first][0].replace(day=1)
        low = days[first][0] if low <= days[first - 1][0] else low
        kept = kept[first:]
    if last := _cut(days[::-1]):
        high = min(days[-last][0], date(days[-last - 1][0].year + 5, 1, 1))
        kept = kept[:-last]
    beyond = sorted((d for d in days if not low <= d[0] < high), key=lambda d: (-d[1], d[0]))
    tail = 0 if is_birth_date else _tail(kept)
    span = Span(
        first=kept[0][2],
        last=kept[-1][3],
        low=low,
        high=high,
        implausible=sum(d[1] for d in beyond),
        tail=sum(d[1] for d in kept[len(kept) - tail :]),
        end=kept[-1 - tail][3],
    )
    sentinels = tuple(Sentinel(str(d[0]), d[1], "years away from all other times", True) for d in beyond[:3])
    return TimeFinding(span, sentinels)


def _cut(days: list[tuple]) -> int:
    """How many of the first days stand apart: 0.1 % of the rows beyond half a year, or a tenth beyond five years."""
    total = sum(d[1] for d in days)
    ordered = sorted(days)
    seen, low, high = 0, ordered[0][0], ordered[-1][0]
    for day, count, *_ in ordered:
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


def _tail(days: list[tuple]) -> int:
    """How many of the last days are a thin tail: the likeliest point at which rows became far rarer than before."""
    total = sum(d[1] for d in days)
    seen, begin, end = 0, None, None
    for day, count, *_ in days:
        seen += count
        begin = day if begin is None and seen > 0.01 * total else begin
        end = day if end is None and seen >= 0.99 * total else end
    usual = 0.98 * total / max((end - begin).days + 1, 1)
    best, best_gain, rows = 0, 0.0, 0
    for place in range(1, len(days)):
        rows += days[-place][1]
        if rows > TAIL * total:
            break
        length = (days[-1][0] - days[-place - 1][0]).days
        expected = usual * length
        # How much likelier so few rows are in a tail than at the usual density, by the Poisson distribution.
        gain = expected - rows + rows * log(rows / expected)
        if length >= TAIL_DAYS and expected >= EXPECTED and rows < THIN * expected and gain > best_gain:
            best, best_gain = place, gain
    return best


def pair_times(table: Table) -> tuple[TimePair, ...]:
    """Compare the columns of times of a table, two by two; of a pair, the one that is seldom later comes first."""
    times = [c for c in table.of_kind("time") if c.readable_share > 0.5][:MOST_TIMES]
    pairs = list(combinations([quote(c.name) for c in times], 2))
    signs = [
        f"count(*) filter (where {a} {s} {b} and {plausible(a)} and {plausible(b)})" for a, b in pairs for s in "<>="
    ]
    counts = table.row(signs)
    ordered = []
    for place, (a, b) in enumerate(pairs):
        before, after, equal = counts[3 * place : 3 * place + 3]
        ordered.append((a, b, before, after, equal) if before >= after else (b, a, after, before, equal))
    lags = table.row(
        [
            f"quantile_cont(epoch({b}) - epoch({a}), [0.5, 0.95]) filter (where {plausible(a)} and {plausible(b)})"
            for a, b, *_ in ordered
        ],
        table.sample,
    )
    return tuple(
        TimePair(a[1:-1], b[1:-1], n + m + e, n + e, e, *((lag[0] / 86400, lag[1] / 86400) if lag else ()))
        for (a, b, n, m, e), lag in zip(ordered, lags, strict=True)
    )


def choose_time(
    table: Table, spans: dict[str, TimeFinding], pairs: tuple[TimePair, ...], wanted: str | None = None
) -> TimeRole | None:
    """Choose the column that says when a row happened, when it could be known, and when what it describes ended.

    A column that the user named is the event time. Otherwise names are hints; the order of the times decides. Returns
    None for tables without a time of their own.

    Raises
    ------
    UserError
        When less than half of the named column's values are times.
    """
    named = table.raw.column(wanted) if wanted else None
    if named is not None and (named.kind not in ("time", "constant") or named.readable_share < 0.5):
        examples = ", ".join(repr(value) for value, _ in named.times.unreadable) if named.times else ""
        few = f"Only {named.readable_share:.0%} of the values of `{named.raw_name}` are dates or times; not {examples}."
        raise UserError(
            few if named.times else f"The values of `{named.raw_name}` cannot be read as dates or times.",
            where=f"{table.raw.path}, column {named.raw_name}",
            hint="write them as 2024-01-31 or 2024-01-31 18:30:00, or name another column with --time",
        )
    times = [c for c in table.of_kind("time") if c.name in spans and c.readable_share >= MOSTLY]
    times = [c for c in times if not is_birth(c.raw_name) and (c.times is None or c.times.days > 1)]
    order = {(p.first, p.second): p for p in pairs}
    deadlines = {c.name for c in times if is_deadline(c.raw_name)}
    # A deadline that often precedes another time is a time like others.
    deadlines -= {d for d in deadlines for c in times if c.name not in deadlines and not _follows(order, c.name, d)}
    candidates = [c for c in times if c.name not in deadlines] or times
    if not candidates and named is not None and named.name in spans:
        candidates = [named]
    if not candidates:
        return None
    scores = {c.name: vocabulary.time_score(c.raw_name) + 2 * c.fill_share for c in candidates}
    earlier: dict[str, str] = {}
    for first in candidates:
        for second in candidates:
            pair = order.get((first.name, second.name))
            if pair is None or pair.equal == pair.both or scores[second.name] < scores[first.name] - 2:
                continue
            if pair.ordered_share >= MOSTLY:
                # Of two times, the earlier is when the row happened, the later when something was done about it.
                scores[first.name] += 0.75
                earlier[first.name] = f"{'never' if pair.ordered_share == 1 else 'seldom'} after `{second.raw_name}`"
    if named is not None and named.name in spans:
        candidates = [named, *(c for c in candidates if c.name != named.name)]
        scores[named.name] = max(scores.values(), default=0.0) + 1
    best, *rest = sorted(candidates, key=lambda c: -scores[c.name])
    reasons = ["named with --time"] if named is not None else []
    reasons += ["its name suggests a time"] * (vocabulary.time_score(best.raw_name) > 0)
    reasons += [earlier[best.name]] if best.name in earlier else []
    reasons += ["the only time of the table"] * (len(times) == 1)
    available, why = _available(rest, best, order)
    ended, ended_available = _ended(table, best, order)
    others = [c.name for c in [*rest, *(t for t in times if t not in candidates)]]
    return TimeRole(
        column=best.name,
        reason=", ".join(reasons) or "the likeliest by its name and its values",
        available=available,
        available_reason=why,
        others=tuple(n for n in others if n not in (available, ended, ended_available)),
        ended=ended,
        ended_available=ended_available,
        is_deadline=best.name in deadlines,
    )


def _follows(order: dict[tuple[str, str], TimePair], first: str, second: str) -> bool:
    """Whether a time is hardly ever before another, as far as rows have both."""
    pair, back = order.get((first, second)), order.get((second, first))
    if pair is not None:
        return pair.ordered_share >= MOSTLY
    return back is None or not back.both or (back.both - back.ordered + back.equal) >= MOSTLY * back.both


def _available(times: list[Column], event: Column, order: dict[tuple[str, str], TimePair]) -> tuple[str, str]:
    """The column that says when a row could be known: named so, and hardly ever before the event, however late."""
    for column in times:
        pair = order.get((event.name, column.name)) or order.get((column.name, event.name))
        named = vocabulary.has_word(column.raw_name, ARRIVALS) and not _end_rank(column.raw_name)
        if not named or column.fill_share < 0.5 or pair is None or not pair.both:
            continue
        ordered = pair.ordered if pair.first == event.name else pair.both - pair.ordered + pair.equal
        lag = pair.lag_median or 0.0
        is_bulk = lag > BULK_LAG and column.times.days < BULK_DAYS * max(event.times.days, 1)
        if ordered >= ARRIVES * pair.both and not is_bulk:
            late = f"by {lag:.2g} days in half of the rows, by up to {pair.lag_p95 or 0:.2g} days in 95 %"
            return column.name, f"its name suggests when rows arrive, and it follows `{event.raw_name}`, {late}"
    return "", ""


def _end_rank(name: str) -> int:
    """How telling a name is of an end, 4 to 1; 0 for none."""
    parts = name_parts(name)
    if set(parts) & _NO_ENDS or is_birth(name):
        return 0
    ranks = [len(_ENDS) - place for place, group in enumerate(_ENDS) if set(parts) & set(group)]
    # "valid_to" is an end; "sent_to" or "available_to" is not.
    if ranks and ranks[0] == 1 and "to" in parts and not set(parts) & {"valid", "effective", "until"}:
        return 0
    return ranks[0] if ranks else 0


def _ended(table: Table, start: Column, order: dict[tuple[str, str], TimePair]) -> tuple[str, str]:
    """Column with the end of the span that begins at the event, and the one that says when the end was recorded."""
    times = [c for c in table.of_kind("time") if c is not start and _end_rank(c.raw_name)]
    ends = []
    for column in times:
        pair = order.get((start.name, column.name))
        is_later = pair is not None and pair.both and pair.ordered_share >= MOSTLY and pair.equal < pair.both
        if is_later and not vocabulary.has_word(column.raw_name, ARRIVALS):
            ends.append(column)
    if not ends:
        return "", ""
    best = max(ends, key=lambda c: (_end_rank(c.raw_name), c.fill_share < 1))
    recorded = [c.name for c in times if vocabulary.has_word(c.raw_name, ARRIVALS)]
    return best.name, recorded[0] if recorded else ""
