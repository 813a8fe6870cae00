"""Horizon, windows and feature times that a history supports, each with its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from python_ml.durations import ALL_TIME, window_hours
from python_ml.errors import UserError
from python_ml.plan.schema import Options, Setting
from python_ml.profile.schema import DELAY_QUANTILE, Activity, Delays, LabelFacts

HORIZONS = (7, 14, 30, 60, 90)
WINDOWS = ("24h", "7d", "30d", "90d", "180d", "365d")
MOST_FEATURE_TIMES = 60
ENOUGH_ROWS = 50_000  # labelled rows; more of them, of the same customers days apart, teach little and take long
USUAL_HORIZON = 30.0  # for the choice of windows where nothing says how far labels look ahead
_STEPS = (28, 21, 14, 7, 5, 3, 2, 1)
DURATIONS = ("horizon", "gap", "step", "active_window")


@dataclass(frozen=True)
class CalendarChoice:
    """Settings of time, with what requires review."""

    settings: tuple[Setting, ...]
    reviews: tuple[str, ...] = ()


def days_of(duration: str, name: str) -> float:
    """Length of a duration in days; a ``step`` may also be ``1 month``.

    Raises
    ------
    UserError
        When it is no duration.
    """
    import re

    match = re.fullmatch(r"(\d{1,5})([hdw])", duration.strip())
    months = re.fullmatch(r"(\d{1,3}) ?months?", duration.strip()) if name == "step" else None
    if months:
        return 30.4375 * int(months[1])
    if not match:
        also = ", or '1 month'" if name == "step" else ""
        raise UserError(
            f"`{duration}` is not a duration.",
            where=f"--{name.replace('_', '-')}",
            hint=f"write hours, days or weeks, such as 24h, 30d or 2w{also}",
        )
    return int(match[1]) * {"h": 1 / 24, "d": 1, "w": 7}[match[2]]


def date_of(text: str, flag: str) -> datetime:
    """A date or time that the user gave, in UTC.

    Raises
    ------
    UserError
        When it is no date.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"`{text}` is not a date.", where=flag, hint="write it as 2024-05-01") from error
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def label_days(options: Options, activity: Activity) -> tuple[str, str, str]:
    """Horizon with its reason, and gap."""
    horizon, reason = (options.horizon, "given") if options.horizon else _horizon(activity)
    return horizon, reason, options.gap or "0d"


def active_window(options: Options, activity: Activity) -> str:
    """How long before a feature time a customer must have been active to be at risk."""
    horizon, _, _ = label_days(options, activity)
    return options.active_window or f"{math.ceil(2 * days_of(horizon, 'horizon'))}d"


def feature_range(options: Options, activity: Activity, lag: float = 0.0) -> tuple[date, date]:
    """First feature time, and the newest one whose outcome is known, where rows arrive up to ``lag`` days late."""
    horizon, _, gap = label_days(options, activity)
    label = days_of(horizon, "horizon") + days_of(gap, "gap")
    active = days_of(active_window(options, activity), "active_window")
    warm_up = _warm_up(activity, label, active, lag)
    start = activity.first.date() + timedelta(days=math.ceil(warm_up))
    return start, activity.last.date() - timedelta(days=label + lag)


def maturity_setting(delays: Delays | None, events: str) -> Setting:
    """How long labels wait for rows that are still under way.

    Parameters
    ----------
    delays : Delays or None
        Of the rows that decide the outcome; None where nothing says when they arrived.
    events : str
        What these rows are, in prose.
    """
    if delays is None:
        return Setting("maturity_lag", "0d", f"nothing says that {events} arrive late")
    if delays.high <= 0:
        return Setting("maturity_lag", "0d", f"{events} are known when they happen")
    hours = math.ceil(delays.high * 24 - 1e-9)
    lag = f"{hours}h" if hours < 24 else f"{math.ceil(delays.high - 1e-9)}d"
    longest = f", the last of them after {delays.longest:.2g} days" if delays.longest > delays.high else ""
    share = f"{100 * DELAY_QUANTILE:.0f} of 100"
    return Setting("maturity_lag", lag, f"{share} {events} arrive within {delays.high:.2g} days{longest}")


def _warm_up(activity: Activity, label: float, active: float, lag: float) -> float:
    labelled = activity.span_days - label - lag
    return min(active, max(min(30.0, activity.span_days / 10), labelled - 3 * label))


def choose_calendar(
    activity: Activity, options: Options, path: str, *, covers: bool = False, maturity: Setting | None = None
) -> CalendarChoice:
    """Choose everything about time from a history of activity.

    Parameters
    ----------
    activity : Activity
        With :attr:`~python_ml.profile.schema.Activity.at_risk` for the active window.
    options : Options
    path : str
        Of the file, for messages.
    covers : bool
        Whether coverage rather than activity says who is at risk, so that there is no active window.
    maturity : Setting, optional
        How long labels wait for late rows; see :func:`maturity_setting`.

    Raises
    ------
    UserError
        When the history is too short, or a duration is none.
    """
    settings, reviews = [], []

    def choose(name: str, value: str, reason: str) -> str:
        given = getattr(options, name, None) if name in DURATIONS else None
        flag = f"--{name.replace('_', '-')}" if name in DURATIONS else ""
        settings.append(Setting(name, given or value, "given" if given else reason, flag, bool(given)))
        return given or value

    gap = choose("gap", "0d", "the label window begins at the feature time")
    horizon = choose("horizon", *_horizon(activity))
    horizon_days = days_of(horizon, "horizon")
    label = horizon_days + days_of(gap, "gap")
    maturity = maturity or maturity_setting(None, "rows")
    settings.append(maturity)
    lag = days_of(maturity.value, "maturity_lag")
    if lag > label:
        reviews.append(
            f"labels wait {maturity.value} for late rows, longer than they look ahead: {maturity.reason}; a shorter "
            "maturity_lag in dbt_project.yml gives newer labels, of which some will change"
        )
    _refuse_short(activity, horizon, gap, label, path)
    active = active_window(options, activity)
    if not covers:
        choose("active_window", active, "twice the horizon: inactivity for that long is churn already")
        if activity.gap_median is not None and horizon_days < activity.gap_median:
            reviews.append(
                f"the horizon ({horizon}) is shorter than the usual gap between two active days "
                f"({activity.gap_median:.0f} days): most customers will count as churned; a longer --horizon helps"
            )
    warm_up = _warm_up(activity, label, days_of(active, "active_window"), lag)
    labelled_history = activity.span_days - label - lag
    spare = labelled_history - warm_up - 2 * label
    if spare < 0:
        reviews.append(
            f"a history of {activity.span_days} days is short for a horizon of {horizon}: there is no separate "
            "validation period, models are compared by cross-validation; a shorter --horizon helps"
        )
    labelled = labelled_history - warm_up
    customers = activity.at_risk.get(active, float(activity.customers))
    choose("step", *_step(horizon_days, labelled, spare, customers))
    windows = fitting_windows(activity, labelled_history, horizon_days)
    choose(
        "windows",
        ", ".join(windows),
        f"none is longer than the {labelled_history:.0f} days before the last feature time with a known outcome",
    )
    start, _ = feature_range(options, activity, lag)
    anchor = activity.last.date()
    choose("spine_anchor", anchor.isoformat(), "the last day of the data: the newest features are as fresh as it is")
    choose(
        "spine_start",
        start.isoformat(),
        f"{(start - activity.first.date()).days} days of warm-up after the first event, which leaves "
        f"{(anchor - start).days - label - lag:.0f} days of labelled feature times for training, validation and test",
    )
    return CalendarChoice(tuple(settings), tuple(reviews))


def label_calendar(
    activity: Activity | None, labels: LabelFacts, options: Options, known: str, known_raw: str
) -> CalendarChoice:
    """Choose everything about time in a project whose outcomes are supplied with their own times.

    Parameters
    ----------
    activity : Activity or None
        Of the busiest events; None where there are none.
    labels : LabelFacts
    options : Options
    known, known_raw : str
        Column with the time at which the outcome was known, in bronze and in the file; empty for none.
    """
    settings, reviews = [], []
    if options.horizon is None and options.gap is not None:
        raise UserError(
            "A gap means nothing without a horizon.",
            where="--gap",
            hint="add --horizon: how far the labels look ahead",
        )
    ahead = 0.0
    if options.horizon is not None:
        gap = options.gap or "0d"
        settings.append(Setting("horizon", options.horizon, "given: how far labels look ahead", "--horizon", True))
        reason = "given" if options.gap else "the label window begins at the as-of time"
        settings.append(Setting("gap", gap, reason, "--gap", bool(options.gap)))
        ahead = days_of(options.horizon, "horizon") + days_of(gap, "gap")
    elif known:
        reason = f"`{known_raw}` gives the time at which each outcome was known"
        settings.append(Setting("label_time", known, reason, "--label-column known=…"))
        ahead = USUAL_HORIZON
    else:
        reason = "how far labels look ahead is not known"
        settings.append(Setting("label_time", "feature_timestamp", reason, "--horizon"))
        reviews.append(
            "nothing tells how far the labels look ahead, so label_timestamp is the as-of time itself and no label is "
            "purged between training, validation and test: add --horizon, or a column with the time at which each "
            "outcome was known"
        )
    if activity is not None:
        history = max((labels.last.date() - activity.first.date()).days, 1)
        windows = fitting_windows(activity, history, ahead or USUAL_HORIZON)
        reason = f"none is longer than the {history} days from the first event to the newest as-of time of the labels"
        settings.append(Setting("windows", ", ".join(windows), reason))
    return CalendarChoice(tuple(settings), tuple(reviews))


def scoring_settings(activity: Activity, labels: LabelFacts, options: Options) -> tuple[bool, tuple[Setting, ...]]:
    """Whom to score, and when: the rows without an outcome at the newest time, or who was active last."""
    if labels.newest_unlabelled is not None and labels.newest_unlabelled >= labels.last:
        reason = "rows without a label include the newest time: these customers are scored then"
        return True, (Setting("score_at", labels.newest_unlabelled.isoformat(" "), reason),)
    at = max(datetime.combine(activity.last.date(), datetime.min.time()), labels.last)
    width = f"{max(1, math.ceil(labels.recency_p99 or 30.0))}d"
    reason = "the last day of the data: customers of the labels are scored as of then, unless known to have churned"
    given = options.active_window is not None
    why = "given" if given else "99 of 100 labelled customers had an event within it, as scored ones must"
    return False, (
        Setting("score_at", at.isoformat(" "), reason),
        Setting("active_window", options.active_window or width, why, "--active-window", given),
    )


def fitting_windows(activity: Activity, labelled_history: float, horizon: float) -> tuple[str, ...]:
    """Windows that the history can fill and in which a fair share of customers is seen."""
    weekly = activity.customer_days / max(activity.customers * activity.span_days / 7, 1)
    kept = []
    for window in WINDOWS:
        days = window_hours(window) / 24
        # A short window pays where a fair share of customers is seen in it.
        is_dense = weekly / 7 * days >= 0.05 or days >= min(30, horizon)
        if days <= labelled_history and is_dense and (days > 1 or horizon <= 14):
            kept.append(window)
    if not kept:
        kept.append(f"{max(1, math.floor(min(horizon, labelled_history)))}d")
    return (*kept, ALL_TIME)


def _horizon(activity: Activity) -> tuple[str, str]:
    possible = [days for days in HORIZONS if 4.1 * days <= activity.span_days] or [HORIZONS[0]]
    if activity.gap_p75 is None:
        return f"{possible[-1]}d", "the longest of the usual horizons that the history supports"
    wanted = [days for days in possible if days >= max(2 * activity.gap_p75, 30)]
    chosen = wanted[0] if wanted else possible[-1]
    reason = f"three of four customers who come back do so within {activity.gap_p75:.0f} days"
    return f"{chosen}d", reason if wanted else f"{reason}, but the history is too short for a longer one"


def _refuse_short(activity: Activity, horizon: str, gap: str, label: float, path: str) -> None:
    span = activity.span_days
    needed = math.ceil(2 * label + min(30.0, span / 10))
    if span >= needed and span >= 3:
        return
    possible = math.floor((span - min(30.0, span / 10)) / 3 - days_of(gap, "gap"))
    with_gap = f" with a gap of {gap}" if days_of(gap, "gap") else ""
    raise UserError(
        f"The history is too short: it spans {span} days ({activity.first.date()} to {activity.last.date()}), and a "
        f"horizon of {horizon}{with_gap} needs at least {needed}.",
        where=path,
        hint=f"bring a longer history, or try --horizon {possible}d" if possible >= 1 else "bring a longer history",
    )


def _step(horizon: float, labelled: float, spare: float, customers: float) -> tuple[str, str]:
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
        f"about {labelled / chosen:.0f} feature times with a known outcome, with {customers:,.0f} customers at risk at "
        "each"
    )
