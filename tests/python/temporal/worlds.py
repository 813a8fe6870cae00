"""Random small worlds that crowd around the edges of time.

An edge is a feature time, or a feature time less a window's length; most times drawn here lie on one, or one
microsecond to either side of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from . import oracle
from .engine import World

# -- how many examples -----------------------------------------------------------------------------------------

_COMMON: dict[str, Any] = {
    "deadline": None,  # the first example compiles
    "database": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}
_PROFILES = {
    # The same examples on every run: what a quick suite finds, it finds for everybody.
    "default": settings(max_examples=30, derandomize=True, **_COMMON),
    "ci": settings(max_examples=300, **_COMMON),
    "thorough": settings(max_examples=1_000, **_COMMON),
}


def property_test(test: Callable) -> Callable:
    """Run with the number of examples that `HYPOTHESIS_PROFILE` (default, ci, thorough) asks for."""
    profile = os.environ.get("HYPOTHESIS_PROFILE") or "default"
    return _PROFILES[profile](test)


def property_test_of(share: float) -> Callable[[Callable], Callable]:
    """The same with a share of the examples, for a test in which each costs more."""
    profile = _PROFILES[os.environ.get("HYPOTHESIS_PROFILE") or "default"]
    return settings(profile, max_examples=max(5, int(profile.max_examples * share)))


# -- times -----------------------------------------------------------------------------------------------------

MICROSECOND = timedelta(microseconds=1)

# Midnights, times of day, the hours of clock changes, ends of months, a leap day, both sides of the epoch.
ANCHORS = (
    datetime(2024, 7, 1),
    datetime(2024, 7, 15, 9, 17, 3, 250_001),
    datetime(2024, 3, 31, 2, 30),
    datetime(2024, 10, 27, 1, 0),
    datetime(2024, 11, 3, 6, 30),
    datetime(2024, 2, 29, 23, 59, 59, 999_999),
    datetime(2023, 12, 31, 12),
    datetime(1970, 1, 1),
    datetime(1969, 12, 31, 23, 59, 59, 999_999),
)
_STRIDES = (
    MICROSECOND, timedelta(hours=6), timedelta(days=1), timedelta(days=7), timedelta(days=30),
    timedelta(days=31), timedelta(days=365),
)  # fmt: skip
STRIDES = (
    *_STRIDES, timedelta(minutes=20), timedelta(hours=30), timedelta(days=11), timedelta(days=400), timedelta(days=800),
)  # fmt: skip
JITTERS = (timedelta(0), -MICROSECOND, MICROSECOND)

CUSTOMERS = ("ada", "bob", "cyd")
STRANGER = "zoe"  # has rows, but no place in the spine
CATEGORIES = (None, "", "toys", "Toys", "books", "o'clock")
# Values that a literal, a template or a comparison could spoil.
CHANNELS = (
    None, "", "web", "WEB", "web ", " web", "Call centre", "o'clock", "''", 'say "hi"', "a\\b", "a\\\\b", "ends in \\",
    "\\'", "{{ this }}", "{% raw %}", "{# no #}", "two\nlines", "tab\tbed", "100%", "%s", "-- no", "/* no", "$$",
    "null", "0", "1", "Zürich", "Zu\u0308rich", "日本", "🙂", "ß", "ss",
)  # fmt: skip


@st.composite
def as_of_times(draw: st.DrawFn, most: int = 3) -> list[datetime]:
    """One to `most` different feature times, near enough to share windows."""
    times = [draw(st.sampled_from(ANCHORS))]
    for stride in draw(st.lists(st.sampled_from(_STRIDES), max_size=most - 1)):
        times.append(times[-1] + stride)
    return times


@st.composite
def irregular_times(draw: st.DrawFn, most: int = 8) -> list[datetime]:
    """Different feature times, some nearer together than any window is long and some farther apart."""
    times = [draw(st.sampled_from(ANCHORS))]
    for stride in draw(st.lists(st.sampled_from(STRIDES), max_size=most - 1)):
        times.append(times[-1] + stride)
    return times


def moments(times: Sequence[datetime], lengths: Sequence[str]) -> st.SearchStrategy[datetime]:
    """Times on an edge of (feature time, length), beside one, or anywhere."""
    spans = [timedelta(0)] + [oracle.duration(length) for length in lengths if length != "all_time"]
    edge = st.builds(
        lambda time, span, sign, jitter: time - sign * span + jitter,
        st.sampled_from(times),
        st.sampled_from(spans),
        st.sampled_from((1, 1, 1, -1)),
        st.sampled_from(JITTERS),
    )
    anywhere = st.builds(
        lambda time, microseconds: time + timedelta(microseconds=microseconds),
        st.sampled_from(times),
        st.integers(-500 * 86_400_000_000, 60 * 86_400_000_000),
    )
    by_day = st.builds(lambda time, days: time + timedelta(days=days), st.sampled_from(times), st.integers(-40, 10))
    return st.one_of(edge, edge, by_day, anywhere)


@st.composite
def arrivals(draw: st.DrawFn, event_at: datetime | None, times: Sequence[datetime]) -> datetime | None:
    """When a row of that event time arrives: unknown, at once, early, late, or just around a feature time."""
    kind = draw(st.sampled_from(("missing", "at once", "early", "late", "edge", "edge")))
    if kind == "missing":
        return None
    if event_at is None or kind == "edge":
        return draw(st.sampled_from(times)) + draw(st.sampled_from(JITTERS))
    if kind == "at once":
        return event_at
    lag = timedelta(microseconds=draw(st.integers(1, 20 * 86_400_000_000)))
    return event_at - lag if kind == "early" else event_at + lag


# -- values ----------------------------------------------------------------------------------------------------

PLACE = Decimal("0.0001")
LARGEST = Decimal("99999999999999.9999")


def amounts() -> st.SearchStrategy[Decimal | None]:
    """decimal(18, 4): small, tiny, the largest, and values around 1e9 that differ by tenths."""
    return st.one_of(
        st.none(),
        st.sampled_from((Decimal(0), Decimal("19.99"), Decimal("-19.99"), PLACE, -PLACE)),
        st.integers(-10_000_000, 10_000_000).map(lambda ticks: ticks * PLACE),
        st.integers(0, 4).map(lambda k: Decimal(1_000_000_000) + k * Decimal("0.05")),
        st.sampled_from((LARGEST, -LARGEST, LARGEST - PLACE)),
        st.integers(-(10**18) + 1, 10**18 - 1).map(lambda ticks: ticks * PLACE),
    )


# -- tables ----------------------------------------------------------------------------------------------------


@st.composite
def spines(draw: st.DrawFn, times: Sequence[datetime]) -> list[dict[str, Any]]:
    """Distinct (customer, feature time), at least one; now and then one customer at every time."""
    pairs = [(customer, time) for customer in CUSTOMERS for time in times]
    if draw(st.integers(0, 2)) == 0:
        chosen = pairs[: len(times)]
    else:
        chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=6, unique=True))
    return [{"customer_id": customer, "feature_timestamp": time} for customer, time in chosen]


@st.composite
def event_rows(
    draw: st.DrawFn, times: Sequence[datetime], lengths: Sequence[str], most: int = 12
) -> list[dict[str, Any]]:
    """Events with late and early arrivals, ties, exact duplicates, nulls and strangers."""
    occasions = moments(times, lengths)
    rows = []
    for _ in range(draw(st.integers(0, most))):
        if rows and draw(st.integers(0, 7)) == 0:
            rows.append(dict(draw(st.sampled_from(rows))))
            continue
        event_at = draw(occasions) if draw(st.integers(0, 19)) else None
        rows.append(
            {
                # most of them one customer's, so that windows fill
                "customer_id": draw(st.sampled_from(("ada", "ada", *CUSTOMERS, STRANGER, None))),
                "event_at": event_at,
                "available_at": draw(arrivals(event_at, times)),
                "amount": draw(amounts()),
                "items": draw(st.none() | st.integers(-2, 5)),
                "score": draw(st.none() | st.integers(-80, 80).map(lambda sixteenths: sixteenths / 16)),
                "category": draw(st.sampled_from(CATEGORIES)),
                "channel": draw(st.sampled_from(CHANNELS)),
                "refunded": draw(st.sampled_from((None, False, True))),
            }
        )
    return rows


@st.composite
def event_worlds(draw: st.DrawFn, windows: Sequence[str], most: int = 12) -> World:
    """A spine and events."""
    times = draw(irregular_times())
    return {"spine": draw(spines(times)), "events": draw(event_rows(times, windows, most))}


@st.composite
def history_rows(draw: st.DrawFn, times: Sequence[datetime], most: int = 10) -> list[dict[str, Any]]:
    """States with overlaps, gaps, ties in valid_from and known_at, late arrivals; change_id is unique."""
    occasions = moments(times, ("24h", "30d"))
    rows: list[dict[str, Any]] = []
    for change_id in draw(st.permutations(range(draw(st.integers(0, most))))):
        customer = draw(st.sampled_from(("ada", "ada", *CUSTOMERS, STRANGER, None)))
        if rows and draw(st.integers(0, 2)) == 0:
            tied = draw(st.sampled_from(rows))
            customer, valid_from, available_at = tied["customer_id"], tied["valid_from"], tied["available_at"]
            if draw(st.booleans()):
                available_at = draw(st.sampled_from(times)) - MICROSECOND
        else:
            valid_from = draw(occasions) if draw(st.integers(0, 19)) else None
            available_at = draw(arrivals(valid_from, times))
        # ends of their own, and ends that another state gives
        starts = [row["valid_from"] for row in rows if row["customer_id"] == customer]
        valid_to = draw(st.none() | occasions | (st.sampled_from(starts) if starts else st.none()))
        rows.append(
            {
                "customer_id": customer,
                "valid_from": valid_from,
                "valid_to": valid_to,
                "ended_available_at": draw(arrivals(valid_to, times)),
                "available_at": available_at,
                "change_id": change_id,
                "plan": draw(st.sampled_from((None, "basic", "pro", ""))),
                "price": draw(st.sampled_from((None, Decimal("9.9900"), Decimal("19.9900")))),
                "opted_in": draw(st.sampled_from((None, False, True))),
            }
        )
    return rows


@st.composite
def history_worlds(draw: st.DrawFn) -> World:
    """A spine and the states of customers."""
    times = draw(as_of_times())
    return {"spine": draw(spines(times)), "history": draw(history_rows(times))}


@st.composite
def subscription_rows(
    draw: st.DrawFn, times: Sequence[datetime], lengths: Sequence[str], most: int = 6
) -> list[dict[str, Any]]:
    """Subscriptions, several a customer, whose starts and ends may be recorded late; some end before they start."""
    occasions = moments(times, lengths)
    rows = []
    for _ in range(draw(st.integers(0, most))):
        started_at = draw(occasions) if draw(st.integers(0, 19)) else None
        ended_at = draw(st.none() | occasions)
        rows.append(
            {
                "customer_id": draw(st.sampled_from((*CUSTOMERS, STRANGER))),
                "started_at": started_at,
                "started_available_at": draw(arrivals(started_at, times)),
                "ended_at": ended_at,
                "ended_available_at": draw(arrivals(ended_at, times)),
            }
        )
    return rows
