"""Windows, horizon and feature times that a history can bear, each with its reason.

The history of a project is spent three times over. It begins with a warm-up, so that the first features have
something to look back on. It ends with one label span (gap and horizon) whose outcome is not known yet. In between
lie the labelled feature times; two more label spans of it are purged between training, validation and test.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.feature_columns import ALL_TIME, window_hours
from python_ml.onboarding.specification import Decision

if TYPE_CHECKING:
    import duckdb

WINDOW_LADDER = ("24h", "7d", "30d", "90d", "180d", "365d")
HORIZON_LADDER = (7, 14, 30, 60, 90)
MOST_FEATURE_TIMES = 60
ENOUGH_ROWS = 50_000  # labelled rows; more of them, of the same customers days apart, teach little and take long
_STEPS = (28, 21, 14, 7, 5, 3, 2, 1)


@dataclass(frozen=True)
class Choices:
    """What the user said about time; None leaves it to the data."""

    horizon: str | None = None
    gap: str | None = None
    step: str | None = None
    active_window: str | None = None


@dataclass(frozen=True)
class Activity:
    """The activity of all customers in numbers.

    Attributes
    ----------
    first, last : datetime
    customers : int
    customer_days : int
        Different pairs of customer and day.
    usual_gap, long_gap : float or None
        Days between two active days of a customer: median and upper quartile.
    """

    first: datetime
    last: datetime
    customers: int
    customer_days: int
    usual_gap: float | None
    long_gap: float | None

    @property
    def anchor(self) -> date:
        """The newest feature time: the start of the last day."""
        return self.last.date()

    @property
    def first_day(self) -> date:
        """Day of the first event."""
        return self.first.date()

    @property
    def span(self) -> int:
        """Days from the first event to the newest feature time."""
        return (self.anchor - self.first_day).days


@dataclass(frozen=True)
class Rhythm:
    """The choices made: values as they stand under vars, and the decisions that explain them."""

    horizon: str
    gap: str
    step: str
    active_window: str
    windows: tuple[str, ...]
    spine_anchor: date
    spine_start: date
    decisions: tuple[Decision, ...]
    doubts: tuple[str, ...]


def days_of(duration: str, name: str) -> float:
    """Length of a duration in days.

    Raises
    ------
    UserError
        When it is not ``<n>h``, ``<n>d`` or ``<n>w``; for the step also ``<n> month``.
    """
    found = re.fullmatch(r"(\d{1,5})([hdw])", duration.strip())
    months = re.fullmatch(r"(\d{1,3}) ?months?", duration.strip()) if name == "step" else None
    if months:
        return 30.4375 * int(months[1])
    if not found:
        also = ", or '1 month'" if name == "step" else ""
        raise UserError(
            f"`{duration}` is not a duration.",
            where=f"--{name.replace('_', '-')}",
            hint=f"write hours, days or weeks, such as 24h, 30d or 2w{also}",
        )
    return int(found[1]) * {"h": 1 / 24, "d": 1, "w": 7}[found[2]]


def check_choices(choices: Choices) -> None:
    """Refuse durations that cannot be used, before any file is read.

    Raises
    ------
    UserError
    """
    for name in ("horizon", "gap", "step", "active_window"):
        value = getattr(choices, name)
        if value is not None and days_of(value, name) <= 0 and name != "gap":
            raise UserError(
                f"`{value}` is no time at all.", where=f"--{name.replace('_', '-')}", hint="choose more than zero"
            )


def measure_activity(connection: duckdb.DuckDBPyConnection, relation: str) -> Activity:
    """Measure a relation with the columns ``entity`` and ``event_at``."""
    first, last, customers, customer_days = connection.execute(f"""
        select min(event_at), max(event_at), count(distinct entity), count(distinct (entity, cast(event_at as date)))
        from {relation}
    """).fetchall()[0]
    usual, long = connection.execute(f"""
        select quantile_disc(gap, 0.5), quantile_disc(gap, 0.75)
        from (
            select date_diff('day', lag(day) over (partition by entity order by day), day) as gap
            from (select distinct entity, cast(event_at as date) as day from {relation})
        )
        where gap is not null
    """).fetchall()[0]
    return Activity(first, last, customers, customer_days, usual, long)


def count_at_risk(
    connection: duckdb.DuckDBPyConnection, relation: str, start: date, end: date, active_days: float
) -> float:
    """Mean number of customers at risk, at nine times from ``start`` to ``end``."""
    probes = ", ".join(
        f"(timestamp '{datetime.combine(start, datetime.min.time()) + k * (end - start) / 8}')" for k in range(9)
    )
    return connection.execute(f"""
        select coalesce(avg(n), 0)
        from (
            select moment, count(distinct entity) as n
            from (values {probes}) as probe(moment)
            left join (select distinct entity, cast(event_at as date) as day from {relation})
                on day < moment and day >= moment - interval '{round(active_days * 24)} hours'
            group by moment
        )
    """).fetchall()[0][0]


def choose(activity: Activity, choices: Choices, path: str, at_risk: Callable[[date, date, float], float]) -> Rhythm:
    """Choose everything about time.

    Parameters
    ----------
    activity : Activity
    choices : Choices
        What the user said; taken as it is, and refused when the history cannot bear it.
    path : str
        The file, for messages.
    at_risk : callable
        (first day, last day, active window in days) -> mean number of customers at risk.

    Raises
    ------
    UserError
        When the history is too short even to train and test once.
    """
    decisions, doubts = [], []

    def decide(name: str, value: str, reason: str, given: str | None = None) -> str:
        flag = "" if name in ("windows", "spine_anchor", "spine_start") else f"--{name.replace('_', '-')}"
        decisions.append(Decision(name, given or value, "as told" if given else reason, flag, bool(given)))
        return given or value

    gap = decide("gap", "0d", "the label window begins at the feature time", choices.gap)
    horizon = decide("horizon", *_horizon(activity), choices.horizon)
    label = days_of(horizon, "horizon") + days_of(gap, "gap")
    labelled_history = activity.span - label
    _refuse_short(activity, horizon, gap, label, path)
    active = decide(
        "active_window",
        f"{math.ceil(2 * days_of(horizon, 'horizon'))}d",
        "twice the horizon: who did nothing for that long has left already",
        choices.active_window,
    )
    if activity.long_gap is not None and days_of(horizon, "horizon") < (activity.usual_gap or 0):
        doubts.append(
            f"the horizon ({horizon}) is shorter than the usual pause between two active days "
            f"({activity.usual_gap:.0f} days): most customers will count as churned; try a longer --horizon"
        )
    warm_up = min(
        days_of(active, "active_window"),
        max(min(30.0, activity.span / 10), labelled_history - 3 * label),
    )
    spare = labelled_history - warm_up - 2 * label
    if spare < 0:
        doubts.append(
            f"a history of {activity.span} days is short for a horizon of {horizon}: there is no validation "
            "period of its "
            "own, models are compared by cross-validation; a shorter --horizon helps"
        )
    start = activity.first_day + timedelta(days=math.ceil(warm_up))
    customers = at_risk(start, activity.anchor - timedelta(days=label), days_of(active, "active_window"))
    labelled = labelled_history - warm_up
    step = decide("step", *_step(activity, days_of(horizon, "horizon"), labelled, spare, customers), choices.step)
    windows = windows_of(activity, labelled_history, days_of(horizon, "horizon"))
    decide(
        "windows",
        ", ".join(windows),
        f"none is longer than the {labelled_history:.0f} days that lie before the last feature time with a "
        "known outcome",
    )
    start = activity.first_day + timedelta(days=math.ceil(warm_up))
    decide(
        "spine_anchor",
        activity.anchor.isoformat(),
        "the last day of the data: the newest features are as fresh as it is",
    )
    decide(
        "spine_start",
        start.isoformat(),
        f"{(start - activity.first_day).days} days of warm-up after the first event, which leaves "
        f"{(activity.anchor - start).days - label:.0f} days of labelled feature times for training, "
        "validation and test",
    )
    return Rhythm(horizon, gap, step, active, windows, activity.anchor, start, tuple(decisions), tuple(doubts))


def _horizon(activity: Activity) -> tuple[str, str]:
    possible = [days for days in HORIZON_LADDER if 4.1 * days <= activity.span] or [HORIZON_LADDER[0]]
    if activity.long_gap is None:
        return f"{possible[-1]}d", "the longest of the usual horizons that the history can bear"
    wanted = [days for days in possible if days >= max(2 * activity.long_gap, 30)]
    chosen = wanted[0] if wanted else possible[-1]
    reason = f"three of four customers who come back do so within {activity.long_gap:.0f} days"
    return f"{chosen}d", reason if wanted else f"{reason}, but the history bears no more"


def _refuse_short(activity: Activity, horizon: str, gap: str, label: float, path: str) -> None:
    needed = math.ceil(2 * label + min(30.0, activity.span / 10))
    if activity.span >= needed and activity.span >= 3:
        return
    possible = math.floor((activity.span - min(30.0, activity.span / 10)) / 3 - days_of(gap, "gap"))
    raise UserError(
        f"The history is too short: it spans {activity.span} days ({activity.first_day} to "
        f"{activity.anchor}), and a "
        f"horizon of {horizon}{f' with a gap of {gap}' if days_of(gap, 'gap') else ''} needs at least "
        f"{needed}.",
        where=path,
        hint=f"bring a longer history, or try --horizon {possible}d" if possible >= 1 else "bring a longer history",
    )


def _step(activity: Activity, horizon: float, labelled: float, spare: float, customers: float) -> tuple[str, str]:
    most = max(horizon / 6, 7 if horizon >= 28 else 1)
    # Each of the three parts wants several feature times out of what the purges leave.
    finest = next((days for days in _STEPS if days <= min(most, max(spare, 0) / 9)), 1)
    # Fewer will do where there are many customers at each of them.
    needed = max(labelled * customers / ENOUGH_ROWS, (labelled + horizon) / MOST_FEATURE_TIMES)
    if needed <= finest:
        return f"{finest}d", "a sixth of the horizon or less, and several feature times in each part of the split"
    longest = max(max(spare, 0) / 3, (labelled + horizon) / MOST_FEATURE_TIMES)
    possible = [days for days in reversed(_STEPS) if finest <= days <= longest] or [finest]
    chosen = next((days for days in possible if days >= needed), possible[-1])
    return f"{chosen}d", (
        f"about {labelled / chosen:.0f} feature times with a known outcome, with {customers:,.0f} customers "
        "at risk at each"
    )


def windows_of(activity: Activity, labelled_history: float, horizon: float) -> tuple[str, ...]:
    """Windows that the history can fill and in which a fair share of customers is seen.

    Parameters
    ----------
    activity : Activity
    labelled_history : float
        Days from the first event to the last feature time with a known outcome.
    horizon : float
        Days that labels look ahead.
    """
    weekly = activity.customer_days / max(activity.customers * activity.span / 7, 1)
    kept = []
    for window in WINDOW_LADDER:
        days = window_hours(window) / 24
        # A short window pays where a fair share of customers is seen in it.
        is_dense = weekly / 7 * days >= 0.05 or days >= min(30, horizon)
        if days <= labelled_history and is_dense and (days > 1 or horizon <= 14):
            kept.append(window)
    if not kept:
        kept.append(f"{max(1, math.floor(min(horizon, labelled_history)))}d")
    return (*kept, ALL_TIME)


def outlook(connection: duckdb.DuckDBPyConnection, relation: str, rhythm: Rhythm) -> dict[str, float]:
    """Customers at risk, and the share of them who leave, at the last feature time with a known outcome.

    Parameters
    ----------
    relation : str
        With the columns ``entity`` and ``event_at``.

    Returns
    -------
    dict
        ``customers`` and ``churn_rate``; empty when nobody is at risk.
    """
    horizon, gap = days_of(rhythm.horizon, "horizon"), days_of(rhythm.gap, "gap")
    moment = datetime.combine(rhythm.spine_anchor, datetime.min.time()) - timedelta(days=horizon + gap)
    since = moment - timedelta(days=days_of(rhythm.active_window, "active_window"))
    low, high = moment + timedelta(days=gap), moment + timedelta(days=gap + horizon)
    customers, left = connection.execute(
        f"""
        select count(*), count(*) filter (where not came_back)
        from (
            select entity, bool_or(event_at >= $low and event_at < $high) as came_back
            from {relation}
            group by entity
            having bool_or(event_at >= $since and event_at < $moment)
        )
        """,
        {"low": low, "high": high, "since": since, "moment": moment},
    ).fetchall()[0]
    return {"customers": customers, "churn_rate": left / customers} if customers else {}
