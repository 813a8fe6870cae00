"""The course of a table over time: rows by period, gaps, weekdays, seasons and trend, from one count by day."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import date, timedelta
from itertools import accumulate, pairwise
from statistics import median
from typing import TYPE_CHECKING

from python_ml.profiling.schema import Attention, Coverage, Gap, Period
from python_ml.profiling.tables import Table

if TYPE_CHECKING:
    import duckdb

MOST_MONTHS = 120
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LEAST_GAP, AROUND, EXPECTED = 3, 60, 10  # days; days; rows
_FEW_GAPS = 5


def measure(connection: duckdb.DuckDBPyConnection, table: Table, low: str, high: str) -> Coverage | None:
    """Count rows by day, and read the course of time from the counts.

    Parameters
    ----------
    low, high : str
        First and last plausible time; what lies outside is left out.

    Returns
    -------
    Coverage or None
        None without a time.
    """
    if table.time is None:
        return None
    days = connection.execute(f"""
        select cast({table.time} as date) as day, count(*) as n
        from {table.typed}
        where {table.time} >= timestamp '{low}' and {table.time} <= timestamp '{high}'
        group by 1 order by 1
    """).fetchall()
    if not days:
        return None
    first, last = days[0][0], days[-1][0]
    span = (last - first).days + 1
    unit = "month" if span <= 31 * MOST_MONTHS else "year"
    periods = _periods(connection, table, low, high, unit)
    weekdays, months = [0] * 7, [0] * 12
    for day, count in days:
        weekdays[day.weekday()] += count
        months[day.month - 1] += count
    per_weekday = [_weekdays_between(first, last, number) for number in range(7)]
    trend, trend_words = _trend(days, first, last)
    strength, season = _season(days, first, last)
    return Coverage(
        column=table.profile.time.column.raw_name,
        first=first,
        last=last,
        days=span,
        days_with_rows=len(days),
        unit=unit,
        periods=periods,
        gaps=_gaps(days),
        weekdays=weekdays,
        weekday_strength=_unevenness(weekdays, per_weekday),
        calendar_months=months,
        month_strength=strength,
        trend_per_year=trend,
        trend_words=trend_words,
        season_words=season,
        weekday_words=_weekday_words(weekdays, per_weekday),
    )


def _periods(connection: duckdb.DuckDBPyConnection, table: Table, low: str, high: str, unit: str) -> list[Period]:
    entities = f"approx_count_distinct({table.entity})" if table.entity else "null"
    rows = connection.execute(f"""
        select cast(date_trunc('{unit}', {table.time}) as date) as start, count(*), {entities}
        from {table.typed}
        where {table.time} >= timestamp '{low}' and {table.time} <= timestamp '{high}'
        group by 1 order by 1
    """).fetchall()
    return [Period(start=start, rows=count, entities=None if e is None else min(e, count)) for start, count, e in rows]


def _gaps(days: list[tuple[date, int]]) -> list[Gap]:
    """The longest stretches without rows where the weeks around them let one expect at least ten."""
    ordinals = [day.toordinal() for day, _ in days]
    before = list(accumulate((count for _, count in days), initial=0))
    found = []
    for place, (a, b) in enumerate(pairwise(ordinals)):
        length = b - a - 1
        if length < LEAST_GAP:
            continue
        around = before[bisect_right(ordinals, b + AROUND)] - before[bisect_left(ordinals, a - AROUND)]
        width = min(b + AROUND, ordinals[-1]) - b + a - max(a - AROUND, ordinals[0]) + 2
        if around / width * length >= EXPECTED:
            found.append(
                Gap(first=days[place][0] + timedelta(days=1), last=days[place + 1][0] - timedelta(days=1), days=length)
            )
    longest = sorted(found, key=lambda gap: (-gap.days, gap.first))[:_FEW_GAPS]
    return sorted(longest, key=lambda gap: gap.first)


def _weekdays_between(first: date, last: date, number: int) -> int:
    whole, rest = divmod((last - first).days + 1, 7)
    return whole + ((number - first.weekday()) % 7 < rest)


def _unevenness(counts: list[int], days: list[int]) -> float:
    """Coefficient of variation of the rates: 0 when all are alike."""
    rates = [count / number for count, number in zip(counts, days, strict=True) if number]
    mean = sum(rates) / len(rates) if rates else 0.0
    if not mean:
        return 0.0
    return math.sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates)) / mean


def _weekday_words(counts: list[int], days: list[int]) -> str:
    # Counts of a few rows differ by chance.
    if min(days) < 4 or _unevenness(counts, days) < max(0.1, 3 * math.sqrt(7 / sum(counts))):
        return "weekdays are alike"
    rates = [count / number for count, number in zip(counts, days, strict=True)]
    high, low = rates.index(max(rates)), rates.index(min(rates))
    least = "none" if not rates[low] else f"{rates[low] / rates[high]:.0%} of that"
    return f"most rows on {WEEKDAYS[high]}, fewest on {WEEKDAYS[low]} ({least})"


def _monthly(days: list[tuple[date, int]], first: date, last: date) -> dict[date, float]:
    """Rows per day of each complete calendar month."""
    totals: dict[date, int] = defaultdict(int)
    for day, count in days:
        totals[day.replace(day=1)] += count
    rates: dict[date, float] = {}
    start = first if first.day == 1 else (first.replace(day=1) + timedelta(days=32)).replace(day=1)
    while True:
        after = (start + timedelta(days=32)).replace(day=1)
        if after > last + timedelta(days=1):
            return rates
        rates[start] = totals.get(start, 0) / (after - start).days
        start = after


def _trend(days: list[tuple[date, int]], first: date, last: date) -> tuple[float | None, str]:
    """Yearly growth of the rate of rows, by least squares on the logarithms of complete months."""
    monthly = {start: rate for start, rate in _monthly(days, first, last).items() if rate > 0}
    if len(monthly) < 6:
        return None, "fewer than six complete months: no trend is told"
    xs = [(start - first).days / 365.25 for start in monthly]
    ys = [math.log(rate) for rate in monthly.values()]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in zip(xs, ys, strict=True))
    error = math.sqrt(rest / (len(xs) - 2) / spread)
    growth = math.expm1(min(slope, 20.0))
    if abs(slope) < 2 * error or abs(growth) < 0.02:
        return growth, "no trend beyond what chance explains"
    return growth, f"rows per day {'grow' if growth > 0 else 'shrink'} by {abs(growth):.0%} a year"


def _season(days: list[tuple[date, int]], first: date, last: date) -> tuple[float | None, str]:
    """How far calendar months differ, once the level of each year is taken out; two years at least."""
    monthly = _monthly(days, first, last)
    if len(monthly) < 24:
        return None, "less than two years of complete months: a season cannot be told from a trend"
    by_month: dict[int, list[float]] = defaultdict(list)
    starts = list(monthly)
    for place, start in enumerate(starts):
        around = [monthly[other] for other in starts[max(0, place - 6) : place + 7]]
        level = sum(around) / len(around)
        if level:
            by_month[start.month].append(monthly[start] / level)
    means = {month: sum(values) / len(values) for month, values in by_month.items()}
    strength = _unevenness([round(1e6 * mean) for mean in means.values()], [1] * len(means))
    spread = [v - means[m] for m, values in by_month.items() for v in values]
    noise = math.sqrt(sum(v * v for v in spread) / max(len(spread) - len(means), 1))
    if strength < 0.1 or strength < noise:
        return strength, "no season beyond what chance explains"
    high, low = max(means, key=lambda m: means[m]), min(means, key=lambda m: means[m])
    names = [date(2000, month, 1).strftime("%B") for month in (high, low)]
    return (
        strength,
        f"strongest in {names[0]} ({means[high]:.0%} of the level), weakest in {names[1]} ({means[low]:.0%})",
    )


def attention(table: Table, coverage: Coverage | None) -> list[Attention]:
    """Gaps, and an edge of the history that is thinner than the rest."""
    if coverage is None:
        return []
    found = [
        Attention(
            level="warning",
            topic="gap in time",
            file=table.name,
            column=coverage.column,
            what=f"no rows for {gap.days:,} days, from {gap.first} to {gap.last}",
        )
        for gap in coverage.gaps
    ]
    inner = coverage.periods[1:-1]
    if coverage.unit == "month" and len(inner) >= 6:
        usual = median(period.rows for period in inner)
        thin = [period for period in inner if period.rows < 0.2 * usual]
        if thin:
            starts = ", ".join(period.start[:7] for period in thin[:4])
            what = f"{len(thin)} months have less than a fifth of the usual rows ({starts})"
            found.append(
                Attention(level="note", topic="thin months", file=table.name, column=coverage.column, what=what)
            )
    return found
