"""The course of a table over time: rows by period, gaps, weekdays, seasons and trend, from one count by day."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import date, timedelta
from itertools import accumulate, pairwise

from python_ml.profile.schema import Gap, PeriodCount, Span, Timeline
from python_ml.profile.tables import Table
from python_ml.warehouse import quote

MOST_MONTHS = 120
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LEAST_GAP, AROUND, EXPECTED, FEW_GAPS = 3, 60, 10, 5  # days; days; rows; gaps
Days = list[tuple[date, int]]


def measure_timeline(table: Table, time: str, span: Span, customer: str = "") -> Timeline | None:
    """Count rows by day, and read the course of time from the counts.

    Parameters
    ----------
    time : str
        Safe name of the event time.
    span : Span
        What lies outside, and in the thin tail after its end, is left out.
    customer : str
        Safe name of the likeliest customer, counted approximately by period; empty for none.
    """
    name = quote(time)
    within = f"{name} >= timestamp '{span.first}' and {name} <= timestamp '{span.end}'"
    days = table.rows_of(
        f"select cast({name} as date) as day, count(*) from {table.typed} where {within} group by 1 order by 1"
    )
    if not days:
        return None
    first, last = days[0][0], days[-1][0]
    length = (last - first).days + 1
    unit = "month" if length <= 31 * MOST_MONTHS else "year"
    customers = f"approx_count_distinct({quote(customer)})" if customer else "null"
    periods = table.rows_of(f"""
        select cast(date_trunc('{unit}', {name}) as date) as start, count(*), {customers}
        from {table.typed} where {within} group by 1 order by 1
    """)
    weekdays, months = [0] * 7, [0] * 12
    for day, count in days:
        weekdays[day.weekday()] += count
        months[day.month - 1] += count
    per_weekday = [_weekdays_between(first, last, day) for day in range(7)]
    trend, trend_text = _trend(days, first, last)
    strength, season = _season(days, first, last)
    return Timeline(
        column=time,
        first=first,
        last=last,
        days=length,
        days_with_rows=len(days),
        unit=unit,
        periods=tuple(PeriodCount(start, n, None if c is None else min(c, n)) for start, n, c in periods),
        gaps=tuple(_gaps(days)),
        weekdays=tuple(weekdays),
        weekday_strength=round(_unevenness(weekdays, per_weekday), 6),
        months=tuple(months),
        month_strength=None if strength is None else round(strength, 6),
        trend_per_year=None if trend is None else round(trend, 6),
        trend=trend_text,
        season=season,
        weekday=_weekday_text(weekdays, per_weekday),
    )


def _gaps(days: Days) -> list[Gap]:
    """The longest stretches without rows where the weeks around them let one expect at least ten."""
    ordinals = [day.toordinal() for day, _ in days]
    before = list(accumulate((count for _, count in days), initial=0))
    gaps = []
    for place, (a, b) in enumerate(pairwise(ordinals)):
        length = b - a - 1
        if length < LEAST_GAP:
            continue
        around = before[bisect_right(ordinals, b + AROUND)] - before[bisect_left(ordinals, a - AROUND)]
        width = min(b + AROUND, ordinals[-1]) - b + a - max(a - AROUND, ordinals[0]) + 2
        if around / width * length >= EXPECTED:
            gaps.append(Gap(days[place][0] + timedelta(days=1), days[place + 1][0] - timedelta(days=1), length))
    longest = sorted(gaps, key=lambda gap: (-gap.days, gap.first))[:FEW_GAPS]
    return sorted(longest, key=lambda gap: gap.first)


def _weekdays_between(first: date, last: date, number: int) -> int:
    whole, rest = divmod((last - first).days + 1, 7)
    return whole + ((number - first.weekday()) % 7 < rest)


def _unevenness(counts: list[int], days: list[int]) -> float:
    """Coefficient of variation of the rates: 0 when all are alike."""
    rates = [count / number for count, number in zip(counts, days, strict=True) if number]
    mean = sum(rates) / len(rates) if rates else 0.0
    return math.sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates)) / mean if mean else 0.0


def _weekday_text(counts: list[int], days: list[int]) -> str:
    # Counts of a few rows differ by chance.
    if min(days) < 4 or _unevenness(counts, days) < max(0.1, 3 * math.sqrt(7 / sum(counts))):
        return "weekdays are alike"
    rates = [count / number for count, number in zip(counts, days, strict=True)]
    high, low = rates.index(max(rates)), rates.index(min(rates))
    least = "none" if not rates[low] else f"{rates[low] / rates[high]:.0%} of that"
    return f"most rows on {WEEKDAYS[high]}, fewest on {WEEKDAYS[low]} ({least})"


def _monthly(days: Days, first: date, last: date) -> dict[date, float]:
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


def _trend(days: Days, first: date, last: date) -> tuple[float | None, str]:
    """Yearly growth of the rate of rows, by least squares on the logarithms of complete months."""
    from scipy.stats import linregress

    monthly = {start: rate for start, rate in _monthly(days, first, last).items() if rate > 0}
    if len(monthly) < 6:
        return None, "fewer than six complete months: no trend is measured"
    fit = linregress([(start - first).days / 365.25 for start in monthly], [math.log(r) for r in monthly.values()])
    growth = math.expm1(min(float(fit.slope), 20.0))
    if abs(fit.slope) < 2 * fit.stderr or abs(growth) < 0.02:
        return growth, "no trend beyond what chance explains"
    return growth, f"rows per day {'grow' if growth > 0 else 'shrink'} by {abs(growth):.0%} a year"


def _season(days: Days, first: date, last: date) -> tuple[float | None, str]:
    """How far calendar months differ, once the level of each year is taken out; two years at least."""
    monthly = _monthly(days, first, last)
    if len(monthly) < 24:
        return None, "less than two years of complete months: a season cannot be distinguished from a trend"
    by_month: dict[int, list[float]] = defaultdict(list)
    starts = list(monthly)
    for place, start in enumerate(starts):
        around = [monthly[other] for other in starts[max(0, place - 6) : place + 7]]
        if level := sum(around) / len(around):
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
