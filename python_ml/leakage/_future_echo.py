"""Columns that show part of what happens after their feature time, as window features show it one time later.

What a window shows at the next feature time happens after this one. An honest column cannot have its values, and
shares none of the chance events in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from python_ml.leakage._context import TICK, ProbeContext
from python_ml.leakage._finding import CRITICAL, Finding
from python_ml.leakage._marked_rows import CHANCE
from python_ml.leakage._statistics import fill_median
from python_ml.stats import some_rows

ECHO, UNLIKE, FEWEST_CHANGED = 0.90, 0.50, 200
MOST_ROWS = 20_000
EXPLAINED = 0.05  # share of what the past leaves unexplained that an honest column may still explain
FADED = 0.25  # share of that which it may explain one feature time later
STRETCH = 1.5  # windows, within which the next feature time must lie
ADVICE = "its window must end before the feature time (`window_features`)"


def probe(context: ProbeContext) -> Iterator[Finding]:
    """Compare each number with the windows of the next feature time."""
    if context.is_dated:
        numbers = [name for name in context.names if context.values_of(name).dtype.kind == "f"]
        yield from _copies(context, numbers)
        yield from _shares(context, numbers)


def _copies(context: ProbeContext, numbers: list[str]) -> Iterator[Finding]:
    """Columns that show now what a window shows at the next feature time."""
    later = np.flatnonzero(context.previous >= 0)
    if len(later) < FEWEST_CHANGED:
        return
    later = some_rows(later, MOST_ROWS)
    now = {name: context.values_of(name)[context.previous[later]] for name in numbers}
    for window in filter(context.looks_back, numbers):
        before, after = now[window], context.values_of(window)[later]
        changed = np.flatnonzero((before != after) & np.isfinite(before) & np.isfinite(after))
        # A window that has become empty is zero then, and a shorter one is zero now: that is no evidence.
        changed = changed[after[changed] != _mode(after[changed])]
        steps = after[changed] - before[changed]
        # Neither is what changes by the same amount each time, such as an age.
        if len(changed) < FEWEST_CHANGED or len(np.unique(after[changed])) < 3 or _mode_share(steps) > UNLIKE:
            continue
        for name in numbers:
            if name == window:
                continue
            share = float((now[name][changed] == after[changed]).mean())
            if share < ECHO:
                continue
            alike = float((now[name] == before).mean())
            yield Finding(
                "future_echo",
                CRITICAL,
                (name, window),
                f"in {share:.1%} of the {len(changed):,} rows in which `{window}` changes until the next feature time, "
                f"it already has the value that `{window}` has then: it reads what happens after its feature time",
                {"echo_share": round(share, 4), "echo_rows": len(changed), "alike_now": round(alike, 4)},
                ADVICE,
            )
            break


def _shares(context: ProbeContext, numbers: list[str]) -> Iterator[Finding]:
    """Columns that contain part of what the windows of the next feature time contain.

    What the past explains is taken out of the column and of the windows of the next two feature times. An honest column
    may still know how active a customer is; then it correlates with both. One that reads past its feature time knows
    the chance events of the first, and nothing of those of the second.
    """
    windows = [name for name in numbers if context.looks_back(name)]
    others = [name for name in numbers if name not in set(windows)]
    days = {name: length for name in windows if (length := _length(context.registry[name].window)) is not None}
    if not days or not others:
        return
    # The next time at which the shortest windows contain nothing of the past, and the one after that.
    width = min(days.values())
    shortest = [name for name in windows if days.get(name) == width]
    following = context.first_from(context.times + width - TICK)
    rows = np.flatnonzero((following >= 0) & (context.times[following] < context.times + STRETCH * width))
    rows = some_rows(rows[following[following[rows]] >= 0], MOST_ROWS)
    if len(rows) < FEWEST_CHANGED:
        return
    next_rows, second_rows = following[rows], following[following[rows]]
    when = np.unique(context.times[rows], return_inverse=True)[1]

    def centred(names: list[str], at: np.ndarray) -> np.ndarray:
        """Columns at some rows, without their mean at each feature time."""
        columns = np.column_stack([_winsorised(context.values_of(name)[at]) for name in names])
        count = np.maximum(np.bincount(when), 1)
        return columns - np.column_stack([np.bincount(when, column) / count for column in columns.T])[when]

    past = centred(windows, rows)

    def unexplained(names: list[str], at: np.ndarray) -> np.ndarray:
        """What the past does not explain of columns, scaled to length 1; 0 where it explains all."""
        columns = centred(names, at)
        rest = columns - past @ np.linalg.lstsq(past, columns, rcond=None)[0]
        size = np.sqrt((rest**2).sum(axis=0))
        explained = size < 1e-6 * np.maximum(np.sqrt((columns**2).sum(axis=0)), 1e-12)
        return np.where(explained, 0.0, rest / np.where(explained, 1.0, size))

    own, one, two = unexplained(others, rows), unexplained(shortest, next_rows), unexplained(shortest, second_rows)
    with_one, with_two, between = own.T @ one, own.T @ two, (one * two).sum(axis=0)
    free = np.sqrt(np.maximum(1 - between**2, 1e-9))
    beyond_two = (with_one - with_two * between) / (free * np.sqrt(np.maximum(1 - with_two**2, 1e-9)))
    beyond_one = (with_two - with_one * between) / (free * np.sqrt(np.maximum(1 - with_one**2, 1e-9)))
    least = NormalDist().inv_cdf(1 - CHANCE / beyond_two.size)
    for place, name in enumerate(others):
        best = int(np.abs(beyond_two[place]).argmax())
        near, far = abs(beyond_two[place, best]), abs(beyond_one[place, best])
        if near**2 < EXPLAINED or far**2 > FADED * near**2:
            continue
        second = two[:, best]
        error = _correlation_error(
            _without(own[:, place], second), _without(one[:, best], second), context.entities[rows]
        )
        low = max(near - least * error, 0.0)
        if low**2 < EXPLAINED:
            continue
        yield Finding(
            "future_echo",
            CRITICAL,
            (name, shortest[best]),
            f"it explains {near**2:.0%} (lower bound {low**2:.0%}) of what the windows do not explain of "
            f"`{shortest[best]}` at the next feature time, and {far**2:.0%} of the same one feature time later: it "
            "reads part of what happens after its feature time",
            {
                "next_share": round(float(near**2), 4),
                "next_share_low": round(float(low**2), 4),
                "later_share": round(float(far**2), 4),
            },
            ADVICE,
        )


def _length(window: str | None) -> float | None:
    """Days of a window such as ``30d``; None for one without a beginning."""
    from python_ml.durations import days

    return days(window) if window and re.fullmatch(r"\d+[hdw]", window) else None


def _without(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The rest of a column (of length 1) without another one, scaled to length 1."""
    rest = values - other * (values @ other)
    return rest / max(float(np.sqrt(rest @ rest)), 1e-12)


def _correlation_error(one: np.ndarray, other: np.ndarray, entities: np.ndarray) -> float:
    """Standard error of the correlation of two columns of mean 0 and length 1, by customer."""
    influence = one * other - float(one @ other) * (one**2 + other**2) / 2
    return float(np.sqrt((np.bincount(entities, influence) ** 2).sum()))


def _winsorised(values: np.ndarray) -> np.ndarray:
    """A number without missing values and without its most extreme hundredths."""
    filled = fill_median(values)
    return np.clip(filled, *np.quantile(filled, [0.01, 0.99])) if len(filled) else filled


def _mode(values: np.ndarray) -> float:
    distinct, counts = np.unique(values, return_counts=True)
    return float(distinct[counts.argmax()]) if len(distinct) else 0.0


def _mode_share(values: np.ndarray) -> float:
    return float(np.unique(np.round(values, 6), return_counts=True)[1].max() / len(values))
