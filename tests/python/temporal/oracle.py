"""What the temporal macros must answer, computed the slow way.

Loops over rows, `datetime`, `Decimal` and `Fraction`: nothing here shares a line, a library or an idea with the
SQL, so that an agreement of the two means something. A row is a dict from column to value; missing is `None`;
times are naive UTC.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

Row = Mapping[str, Any]
Condition = Callable[[Row], "bool | None"]

DAY = timedelta(days=1)
# Wide enough for any square of a decimal(38, s).
_EXACT = Context(prec=120)


# -- time ------------------------------------------------------------------------------------------------------


def duration(text: str) -> timedelta:
    """Length of "24h", "7d" or "2w"."""
    units = {"h": timedelta(hours=1), "d": DAY, "w": 7 * DAY}
    return int(text[:-1]) * units[text[-1]]


def known_at(event_at: datetime | None, available_at: datetime | None = None) -> datetime | None:
    """The time from which a row is known; `None` for a row that never happened."""
    if event_at is None:
        return None
    if available_at is None:
        return event_at
    return max(event_at, available_at)


def visible(event_at: datetime | None, as_of: datetime, available_at: datetime | None = None) -> bool:
    """Whether a row is known strictly before `as_of`."""
    known = known_at(event_at, available_at)
    return known is not None and known < as_of


def add_months(moment: datetime, months: int) -> datetime:
    """The same day and time of day so many months later, or the month's last day where it has no such day."""
    ordinal = moment.year * 12 + (moment.month - 1) + months
    year, month = divmod(ordinal, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last_day))


def grid(anchor: datetime, step: str, start: datetime, end: datetime) -> list[datetime]:
    """Every `anchor + k * step` (k any integer) from `start` to `end`, both in."""
    if "month" in step:
        months = int(step.split()[0])
        far = (abs(start.year - anchor.year) + abs(end.year - anchor.year) + 2) * 12 // months + 2
        times = (add_months(anchor, k * months) for k in range(-far, far + 1))
    else:
        width = duration(step)
        first = (start - anchor) // width - 1
        last = (end - anchor) // width + 1
        times = (anchor + k * width for k in range(first, last + 1))
    return [time for time in times if start <= time <= end]


# -- numbers ----------------------------------------------------------------------------------------------------


def as_decimal(value: Any, exponent: int) -> Decimal:
    """The value as SQL casts it to a decimal of that scale: halves go away from zero."""
    return Decimal(value).quantize(Decimal(1).scaleb(-exponent), rounding=ROUND_HALF_UP, context=_EXACT)


# -- as-of join ------------------------------------------------------------------------------------------------


def as_of_join(
    spine: Iterable[Row],
    history: Sequence[Row],
    columns: Sequence[str],
    *,
    entity: str = "customer_id",
    valid_to: str | None = None,
    available_at: str | None = None,
    tie_breaker: str | None = None,
    prefix: str = "",
    ended_available_at: str | None = None,
) -> list[dict[str, Any]]:
    """The newest visible state per spine row, all `None` where there is none or it has ended.

    An end at which another state starts says nothing, unless it says itself when it was recorded: before that state is
    known the end is not, and afterwards that state is the newest.
    """
    answer = []
    for at in spine:
        as_of = at["feature_timestamp"]
        best: Row | None = None
        best_rank: list[Any] = []
        for state in history:
            available = state[available_at] if available_at else None
            if state[entity] != at[entity] or not visible(state["valid_from"], as_of, available):
                continue
            rank = [state["valid_from"], known_at(state["valid_from"], available)]
            if tie_breaker:
                rank.append(state[tie_breaker])
            if best is None or rank > best_rank:
                best, best_rank = state, rank
        if best is not None and valid_to and best[valid_to] is not None:
            end = best[valid_to]
            others = [state for state in history if state is not best and state[entity] == at[entity]]
            recorded = best[ended_available_at] if ended_available_at else None
            is_own = ended_available_at is not None or end not in [state["valid_from"] for state in others]
            if is_own and visible(end, as_of, recorded):
                best = None
        row = {entity: at[entity], "feature_timestamp": as_of}
        for column in columns:
            row[prefix + column] = best[column] if best is not None else None
        answer.append(row)
    return answer


# -- observation period, spine, labels -------------------------------------------------------------------------


def observation_end(tables: Iterable[tuple[Sequence[Row], str, str | None]]) -> datetime | None:
    """Greatest known_at over (rows, event column, availability column or None)."""
    times = []
    for rows, event_column, available_column in tables:
        for row in rows:
            known = known_at(row[event_column], row[available_column] if available_column else None)
            if known is not None:
                times.append(known)
    return max(times) if times else None


def spine_end_date(subscriptions: Sequence[Row], times: Sequence[datetime]) -> set[tuple[Any, datetime]]:
    """Customers with a subscription whose start is visible and whose end is not."""
    at_risk = set()
    for time in times:
        for subscription in subscriptions:
            started = visible(subscription["started_at"], time, subscription["started_available_at"])
            ended = visible(subscription["ended_at"], time, subscription["ended_available_at"])
            if started and not ended:
                at_risk.add((subscription["customer_id"], time))
    return at_risk


def spine_inactivity(
    events: Sequence[Row], times: Sequence[datetime], active_window: str, condition: Condition | None = None
) -> set[tuple[Any, datetime]]:
    """Customers with a visible event not older than the active window."""
    at_risk = set()
    for time in times:
        for event in events:
            if condition is not None and condition(event) is not True:
                continue
            if not visible(event["event_at"], time, event["available_at"]):
                continue
            if event["event_at"] >= time - duration(active_window):
                at_risk.add((event["customer_id"], time))
    return at_risk


def churn_labels(
    spine: Iterable[Row],
    churned: Callable[[Row, datetime, datetime], int | None],
    *,
    observed_to: datetime | None,
    horizon: str,
    gap: str,
    grace: str = "0d",
    maturity_lag: str = "0d",
) -> list[dict[str, Any]]:
    """Labels of the spine; `churned(row, window start, window end)` is one of the definitions below."""
    answer = []
    for at in spine:
        window_from = at["feature_timestamp"] + duration(gap)
        window_to = window_from + duration(horizon)
        known = window_to + duration(grace)
        available = observed_to is not None and known + duration(maturity_lag) <= observed_to
        answer.append(
            {
                "customer_id": at["customer_id"],
                "feature_timestamp": at["feature_timestamp"],
                "label_timestamp": known,
                "label_available_flag": available,
                "churned": churned(at, window_from, window_to) if available else None,
            }
        )
    return answer


def churned_by_end_date(
    subscriptions: Sequence[Row], started: str | None = None, grace: str = "0d"
) -> Callable[[Row, datetime, datetime], int | None]:
    """1 when coverage ends in the window, 0 when it lasts beyond it, `None` when it had ended before it.

    With `started`, the name of a column, subscriptions that leave no more than `grace` between them are one coverage,
    and coverage that begins at or after the window's begin does not count. Without, it lasts up to the last end.
    A customer without subscriptions stays: 0.
    """

    def label(at: Row, window_from: datetime, window_to: datetime) -> int | None:
        periods = []
        for subscription in subscriptions:
            if subscription["customer_id"] != at["customer_id"]:
                continue
            start = subscription[started] if started else datetime.min
            end = subscription["ended_at"] or datetime.max
            if start is not None:
                periods.append((start, max(start, end)))
        ends = [end for start, end in _united(periods, duration(grace)) if start < window_from]
        if any(window_from <= end < window_to for end in ends):
            return 1
        return None if ends and max(ends) < window_from else 0

    return label


def _united(periods: Sequence[tuple[datetime, datetime]], grace: timedelta) -> list[tuple[datetime, datetime]]:
    """The periods after any two that touch within the grace period have become one, until no two do."""
    united = list(periods)
    for i, (start, end) in enumerate(united):
        for other_start, other_end in united[i + 1 :]:
            if max(start, other_start) - min(end, other_end) <= grace:
                rest = [period for period in united if period not in ((start, end), (other_start, other_end))]
                return _united([*rest, (min(start, other_start), max(end, other_end))], grace)
    return united


def churned_by_inactivity(
    events: Sequence[Row], condition: Condition | None = None
) -> Callable[[Row, datetime, datetime], int | None]:
    """1 when no event lies in the window, else 0."""

    def label(at: Row, window_from: datetime, window_to: datetime) -> int | None:
        for event in events:
            if event["customer_id"] != at["customer_id"] or event["event_at"] is None:
                continue
            if condition is not None and condition(event) is not True:
                continue
            if window_from <= event["event_at"] < window_to:
                return 0
        return 1

    return label


def churned_as_supplied(labels: Sequence[Row]) -> Callable[[Row, datetime, datetime], int | None]:
    """The label that the user brought for the entity and time."""

    def label(at: Row, window_from: datetime, window_to: datetime) -> int | None:
        for supplied in labels:
            if supplied["customer_id"] == at["customer_id"] and supplied["as_of"] == at["feature_timestamp"]:
                return None if supplied["label"] is None else int(supplied["label"])
        return None

    return label
