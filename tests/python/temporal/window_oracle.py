"""What `window_features` must answer, computed the slow way: loops over rows, whole numbers and `Fraction`.

As in `oracle`, nothing is shared with the SQL. Values are held as whole ticks of their type's last decimal place, so
that sums are exact; an answer that is a double is a `Fraction`, a `Decimal` of 60 digits (roots and logarithms) or a
`Near`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

from .declarations import CADENCE, Comparison, Measure, Row, WindowFeatures, length
from .oracle import DAY, as_decimal, duration, known_at

_DIGITS = Context(prec=60)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)
_DAY_US = DAY // _MICROSECOND


@dataclass(frozen=True)
class Near:
    """A difference of numbers that may be far greater than itself, so that their rounding shows in it."""

    value: Fraction
    terms: Fraction


@dataclass(frozen=True)
class Value:
    """One value that a measure took: when, since when it is known, as it was, and as its type has it."""

    event_at: datetime
    known_at: datetime
    raw: Any
    typed: Any


def window_features(call: WindowFeatures, spine: Iterable[Row], events: Iterable[Row]) -> list[dict[str, Any]]:
    """One row per spine row, columns in the order in which the macro has them."""
    of_entity: dict[Any, list[Row]] = defaultdict(list)
    for event in events:
        if call.condition is None or call.condition(event) is True:
            of_entity[event[call.entity]].append(event)
    measures = [part for measure in call.measures for part in expanded(measure)]
    return [_features(call, measures, at, of_entity.get(at[call.entity], ())) for at in spine]


def expanded(measure: Measure) -> list[Measure]:
    """The measure itself, or the measures that its `values` make of it."""
    if measure.values is None:
        return [measure]
    if measure.by is not None:
        return [
            replace(
                measure,
                name=f"{measure.name}_{suffix}",
                condition=_both(measure.condition, measure.category, value),
                by=None,
                values=None,
            )
            for suffix, value in measure.named_values().items()
        ]
    own = tuple(aggregate for aggregate in measure.aggregates if aggregate not in ("count", "share"))
    counted = tuple(aggregate for aggregate in measure.aggregates if aggregate in ("count", "share"))
    parts = [replace(measure, aggregates=own, values=None)] if own else []
    if counted:
        for suffix, value in measure.named_values().items():
            # A row is true where it has the value, so that its count is a number of trues.
            aggregates = tuple({"count": "trues", "share": "share"}[aggregate] for aggregate in counted)
            is_value = _is_value(measure.value, value)
            name = f"{measure.name}_{suffix}"
            parts.append(
                replace(measure, name=name, aggregates=aggregates, value=is_value, type="boolean", values=None)
            )
    return parts


def _both(condition: Callable | None, category: Callable, value: str) -> Callable[[Row], bool]:
    return lambda row: (condition is None or condition(row) is True) and as_text(category(row)) == value


def _is_value(of: Callable[[Row], Any], value: str) -> Callable[[Row], bool | None]:
    return lambda row: None if of(row) is None else as_text(of(row)) == value


# -- one row of the spine --------------------------------------------------------------------------------------


def _features(call: WindowFeatures, measures: Sequence[Measure], at: Row, events: Iterable[Row]) -> dict[str, Any]:
    as_of = at["feature_timestamp"]
    seen = []
    for event in events:
        known = known_at(event["event_at"], event[call.available_at] if call.available_at else None)
        superseded = event[call.superseded_at] if call.superseded_at else None
        if known is not None and known < as_of and (superseded is None or as_of <= superseded):
            seen.append((event, known))
    times = [event["event_at"] for event, _ in seen]

    row: dict[str, Any] = {call.entity: at[call.entity], "feature_timestamp": as_of}
    for window in call.sorted_windows():
        row[f"{call.source}_count_{window}"] = sum(_holds(window, as_of, time) for time in times)
    for measure in measures:
        row |= _measure(call, measure, as_of, seen)
    if call.recency:
        row |= _recency(call.source, times, as_of)
    for kind in call.rhythm:
        row |= _rhythm(call, kind, times, as_of)
    for comparison in call.comparisons:
        name = f"{call.source}_{comparison.of}_{comparison.kind}_{'_'.join(comparison.windows)}"
        row[name] = compared(comparison, [row[f"{call.source}_{comparison.of}_{w}"] for w in comparison.windows])
    return row


def _holds(window: str, as_of: datetime, event_at: datetime) -> bool:
    return window == "all_time" or event_at >= as_of - duration(window)


def _measure(
    call: WindowFeatures, measure: Measure, as_of: datetime, seen: Iterable[tuple[Row, datetime]]
) -> dict[str, Any]:
    values = []
    for event, known in seen:
        if measure.condition is not None and measure.condition(event) is not True:
            continue
        raw = measure.value(event)
        if raw is not None:
            values.append(Value(event["event_at"], known, raw, _typed(measure, raw)))
    row = {}
    windows = sorted(measure.windows or call.windows, key=length)
    within = {window: [value for value in values if _holds(window, as_of, value.event_at)] for window in windows}
    for aggregate in measure.aggregates:
        shown = "count" if aggregate == "trues" else aggregate
        # Windows lie in one another: those with as many values have the same ones.
        answers: dict[int, Any] = {}
        for window in windows:
            members = within[window]
            if len(members) not in answers:
                answers[len(members)] = aggregated(aggregate, members, measure.exponent)
            row[f"{call.source}_{measure.name}_{shown}_{window}"] = answers[len(members)]
    return row


def _typed(measure: Measure, raw: Any) -> Any:
    """The value as its type has it; a decimal as ticks. `None` for a type that no aggregate looks at."""
    if measure.type == "text":
        return as_text(raw)
    if isinstance(raw, bool | str):
        return raw
    if measure.type == "double":
        return Fraction(raw)
    return _ticks(raw, measure.exponent)


@cache
def _ticks(raw: Any, exponent: int) -> int:
    return int(as_decimal(raw, exponent).scaleb(exponent, _DIGITS))


def as_text(value: Any) -> str | None:
    """The value as SQL casts it to text; amounts have four decimal places."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        # `plus` makes of -0 the only zero that SQL has.
        return f"{_DIGITS.plus(as_decimal(value, 4)):f}"
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"engines differ in how they write {value!r}")


# -- aggregates ------------------------------------------------------------------------------------------------


def aggregated(aggregate: str, values: Sequence[Value], exponent: int) -> Any:
    """One aggregate of the values of a window."""
    if aggregate in _OF_ANY:
        return _OF_ANY[aggregate](values)
    if aggregate == "sum":
        return Fraction(sum(value.typed for value in values), 10**exponent)
    if not values:
        return None
    if aggregate in ("first", "last"):
        pick = min if aggregate == "first" else max
        chosen = pick(values, key=lambda value: (value.event_at, value.known_at, value.typed)).typed
        return chosen if isinstance(chosen, str) else Fraction(chosen, 10**exponent)
    if aggregate == "last_per_mean":
        mean = Fraction(sum(value.typed for value in values), len(values))
        last = max(values, key=lambda value: (value.event_at, value.known_at, value.typed)).typed
        return last / mean if mean else None
    if aggregate in ("variance", "stddev"):
        variance = sample_variance([value.typed for value in values])
        if variance is None:
            return None
        return _root(variance / 100**exponent) if aggregate == "stddev" else variance / 100**exponent
    ticks = _OF_NUMBERS[aggregate](values)
    return None if ticks is None else ticks / 10**exponent


def _trues(values: Sequence[Value]) -> int:
    return sum(value.typed is True for value in values)


def _mode(values: Sequence[Value]) -> str | None:
    counts = Counter(as_text(value.raw) for value in values)
    # The smallest text: code points sort as the bytes of UTF-8 do.
    return min(counts, key=lambda text: (-counts[text], text)) if counts else None


def _entropy(values: Sequence[Value]) -> Decimal | None:
    counts = Counter(value.raw for value in values)
    return sum((_surprise(count, len(values)) for count in counts.values()), Decimal(0)) if counts else None


@cache
def _surprise(count: int, of: int) -> Decimal:
    """-p ln p."""
    share = _DIGITS.divide(count, of)
    return _DIGITS.multiply(share, -_DIGITS.ln(share))


_OF_ANY: dict[str, Callable[[Sequence[Value]], Any]] = {
    "count": len,
    "trues": _trues,
    "nunique": lambda values: len({value.raw for value in values}),
    "mode": _mode,
    "entropy": _entropy,
    "any": lambda values: _trues(values) > 0,
    "all": lambda values: _trues(values) == len(values) if values else None,
    "share": lambda values: Fraction(_trues(values), len(values)) if values else None,
}


def sample_variance(numbers: Sequence[int]) -> Fraction | None:
    """Of two numbers or more."""
    n, total = len(numbers), sum(numbers)
    if n < 2:
        return None
    # Deviations from the mean, each times n so that all stay whole.
    return Fraction(sum((n * number - total) ** 2 for number in numbers), n * n * (n - 1))


def _slope(values: Sequence[Value]) -> Fraction | None:
    """Per day, of ticks."""
    n, total = len(values), sum(value.typed for value in values)
    seconds = [(value.event_at - _EPOCH) // timedelta(seconds=1) for value in values]
    all_seconds = sum(seconds)
    # Deviations from both means, each times n.
    together = sum((n * s - all_seconds) * (n * v.typed - total) for s, v in zip(seconds, values, strict=True))
    spread = sum((n * s - all_seconds) ** 2 for s in seconds)
    return Fraction(together * 86_400, spread) if spread else None


_OF_NUMBERS: dict[str, Callable[[Sequence[Value]], Fraction | None]] = {
    "mean": lambda values: Fraction(sum(value.typed for value in values), len(values)),
    "min": lambda values: Fraction(min(value.typed for value in values)),
    "max": lambda values: Fraction(max(value.typed for value in values)),
    "slope": _slope,
}


def _root(number: Fraction) -> Decimal:
    return _DIGITS.sqrt(_DIGITS.divide(Decimal(number.numerator), Decimal(number.denominator)))


# -- recency and rhythm ----------------------------------------------------------------------------------------


def _recency(source: str, times: Sequence[datetime], as_of: datetime) -> dict[str, Any]:
    since_last = since_first = gap = None
    if times:
        since_last = _days(as_of - max(times))
        since_first = _days(as_of - min(times))
        if len(times) > 1:
            gap = _days(max(times) - min(times)) / (len(times) - 1)
    return {
        f"{source}_days_since_last": since_last,
        f"{source}_days_since_first": since_first,
        f"{source}_mean_gap_days": gap,
    }


def _days(span: timedelta) -> Fraction:
    return Fraction(span // _MICROSECOND, _DAY_US)


def _rhythm(call: WindowFeatures, kind: str, times: Sequence[datetime], as_of: datetime) -> dict[str, Any]:
    if kind == "active_days":
        return {
            f"{call.source}_active_days_{window}": len({time.date() for time in times if _holds(window, as_of, time)})
            for window in call.sorted_windows()
        }
    if kind in CADENCE:
        return {f"{call.source}_{kind}": _cadence(kind, times, as_of)}
    if kind == "gap_stddev_days":
        ordered = sorted(times)
        gaps = [(later - time) // _MICROSECOND for time, later in pairwise(ordered)]
        variance = sample_variance(gaps)
        return {f"{call.source}_{kind}": None if variance is None else _root(variance / _DAY_US**2)}
    days = {time.toordinal() for time in times}
    if kind == "longest_streak_days":
        return {f"{call.source}_{kind}": max((_streak(days, day) for day in days), default=0)}
    if kind == "current_streak_days":
        today = as_of.toordinal()
        return {f"{call.source}_{kind}": _streak(days, today) or _streak(days, today - 1)}
    raise ValueError(kind)


def _cadence(kind: str, times: Sequence[datetime], as_of: datetime) -> Fraction | Near | None:
    """Of the gaps between visits, the days with events; `None` without what is compared."""
    if not times:
        return None
    recency = _days(as_of - max(times))
    if kind == "recency_per_tenure":
        return recency / _days(as_of - min(times))
    visits = sorted({time.date() for time in times})
    gaps = [(later - visit).days for visit, later in pairwise(visits)]
    if not gaps:
        return None
    if kind == "last_gap_days":
        return Fraction(gaps[-1])
    if kind == "median_gap_days":
        # The mean of the two in the middle, which are the same one where there is one.
        ordered = sorted(gaps)
        return Fraction(ordered[len(gaps) // 2] + ordered[~(len(gaps) // 2)], 2)
    if kind == "longest_gap_days":
        return Fraction(max(gaps))
    mean = Fraction(sum(gaps), len(gaps))
    if kind == "recency_per_mean_gap":
        return recency / mean
    if kind == "recency_per_longest_gap":
        return recency / max(gaps)
    variance = sample_variance(gaps)
    if not variance:
        return None
    spread = Fraction(_root(variance))
    return Near((recency - mean) / spread, (recency + mean) / spread)


def _streak(days: set[int], last: int) -> int:
    """Number of days of the run that ends on `last`."""
    run = 0
    while last - run in days:
        run += 1
    return run


# -- comparisons -----------------------------------------------------------------------------------------------


def compared(comparison: Comparison, features: Sequence[Any]) -> Fraction | Near | None:
    """One comparison of the features over its windows."""
    if any(feature is None for feature in features):
        return None
    numbers = [Fraction(feature) for feature in features]
    if comparison.kind == "ratio":
        return numbers[0] / numbers[1] if numbers[1] else None
    if comparison.kind == "difference":
        return _difference(numbers)
    rates = [number / _days(duration(window)) for number, window in zip(numbers, comparison.windows, strict=True)]
    if comparison.kind == "momentum":
        return rates[0] / rates[1] if rates[1] else None
    if comparison.kind == "velocity":
        return _difference(rates)
    if comparison.kind == "acceleration":
        short, middle, long = rates
        return _difference([short - middle, middle - long], terms=abs(short) + 2 * abs(middle) + abs(long))
    raise ValueError(comparison.kind)


def _difference(numbers: Sequence[Fraction], terms: Fraction | None = None) -> Near:
    first, second = numbers
    return Near(first - second, abs(first) + abs(second) if terms is None else terms)
