"""Many random worlds in one pair of tables: thousands of cases for one run of the SQL.

Each world has customers of its own, so that no world touches another. Times crowd around the edges as they do in
`worlds`, and customers have up to eight dates, near together and far apart, around which events arrive late.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from . import oracle, worlds
from .engine import World

Rows = list[dict[str, Any]]

_DAY_US = 86_400_000_000
# More values than an integer has bits; most of them are rare.
_RARE = tuple(f"{number:03d} {'äé🙂'[number % 3]}" for number in range(150))


def batched_worlds(seed: int, count: int, windows: Sequence[str]) -> World:
    """A spine and events of `count` worlds, whose times lie about the edges of these windows.

    Entities are called "<world>:<customer>"; rows are in random order. The same seed makes the same worlds.
    """
    draw = random.Random(seed)
    spans = [timedelta(0)] + [oracle.duration(window) for window in windows if window != "all_time"]
    batch: World = {"spine": [], "events": []}
    for number in range(count):
        spine, events = _world(draw, spans)
        for row in (*spine, *events):
            if row["customer_id"] is not None:
                row["customer_id"] = f"{number}:{row['customer_id']}"
        batch["spine"] += spine
        batch["events"] += events
    draw.shuffle(batch["spine"])
    draw.shuffle(batch["events"])
    return batch


def thinned(seed: int, world: World) -> World:
    """The world with half the rows of its spine."""
    draw = random.Random(seed)
    return world | {"spine": [row for row in world["spine"] if draw.random() < 0.5]}


def shuffled(seed: int, world: World) -> World:
    """The world with its rows in another order."""
    draw = random.Random(seed)
    return {name: draw.sample(rows, len(rows)) for name, rows in world.items()}


def versioned(seed: int, world: World, windows: Sequence[str]) -> World:
    """The world with a time from which each event is superseded, or none: around dates, window edges, its arrival."""
    draw = random.Random(seed)
    spans = [timedelta(0)] + [oracle.duration(window) for window in windows if window != "all_time"]
    dates: dict[Any, list[datetime]] = {}
    for row in world["spine"]:
        dates.setdefault(row["customer_id"], []).append(row["feature_timestamp"])
    events = []
    for event in world["events"]:
        known = oracle.known_at(event["event_at"], event["available_at"])
        superseded = None
        if known is not None and 1950 < known.year < 2100 and draw.random() < 0.6:
            start = draw.choice([known, *dates.get(event["customer_id"], []) * 2])
            superseded = start + draw.choice((0, 0, 1)) * draw.choice(spans) + draw.choice(worlds.JITTERS)
        events.append(event | {"superseded_at": superseded})
    return world | {"events": events}


def known_before(event: dict[str, Any], watermark: datetime) -> bool:
    """Whether an event had arrived; what has no time arrives at any."""
    time = oracle.known_at(event["event_at"], event["available_at"])
    return time is None or time < watermark


def watermarks(draw: random.Random, world: World, count: int) -> list[datetime]:
    """So many times of the spine, from early to late; the last one is not among them."""
    times = sorted({row["feature_timestamp"] for row in world["spine"]})
    return sorted(draw.sample(times[:-1], count))


def arrived(world: World, draw: random.Random, watermark: datetime, due: float = 1) -> World:
    """What is known at a time, in any order; of the spine that share of what is due, the rest comes in a later run."""
    events = [row for row in world["events"] if known_before(row, watermark)]
    spine = [
        row for row in world["spine"] if row["feature_timestamp"] <= watermark and (due == 1 or draw.random() < due)
    ]
    return {"events": draw.sample(events, len(events)), "spine": draw.sample(spine, len(spine))}


def another_future(seed: int, world: World) -> tuple[World, Rows]:
    """The world with another future for each customer, and the rows of the spine before which nothing changed.

    What a customer's events were is kept as far as it was known before one of the customer's dates, the one that is
    told; the rest is dropped, kept or moved, and more is invented.
    """
    draw = random.Random(seed)
    nows: dict[Any, datetime] = {}
    for row in draw.sample(world["spine"], len(world["spine"])):
        nows.setdefault(row["customer_id"], row["feature_timestamp"])
    events = []
    for row in world["events"]:
        now = nows.get(row["customer_id"])
        if now is None or oracle.visible(row["event_at"], now, row["available_at"]):
            events.append(row)
            continue
        fate = draw.choice(("keep", "drop", "move", "move and keep"))
        if "keep" in fate:
            events.append(row)
        if "move" in fate:
            events.append(_from_now_on(draw, now, row))
    for row in draw.sample(world["events"], len(world["events"]) // 3):
        if row["customer_id"] in nows:
            events.append(_from_now_on(draw, nows[row["customer_id"]], row))
    told = [{"customer_id": customer, "feature_timestamp": now} for customer, now in nows.items()]
    return world | {"events": draw.sample(events, len(events))}, told


def _from_now_on(draw: random.Random, now: datetime, row: dict[str, Any]) -> dict[str, Any]:
    """The row as if it were known at `now` or later: it happened then, or arrived then, or both."""
    later = now + draw.choice((timedelta(0), worlds.MICROSECOND, timedelta(days=3), timedelta(days=400)))
    earlier = now - draw.choice((worlds.MICROSECOND, timedelta(days=1), timedelta(days=30), timedelta(days=500)))
    event_at, available_at = draw.choice(((later, later), (later, None), (later, earlier), (earlier, later)))
    return row | {"event_at": event_at, "available_at": available_at}


# -- one world -------------------------------------------------------------------------------------------------


def _world(draw: random.Random, spans: Sequence[timedelta]) -> tuple[Rows, Rows]:
    times = _dates(draw, spans)
    customers = worlds.CUSTOMERS[: draw.choice((1, 1, 2))]
    spine = []
    for customer in customers:
        kept = times if customer == customers[0] else draw.sample(times, draw.randint(1, min(2, len(times))))
        spine += [{"customer_id": customer, "feature_timestamp": time} for time in kept]
    events: Rows = []
    for _ in range(draw.choice((0, 1, 2, 4, 6, 9, 13, 20))):
        if events and draw.random() < 0.1:
            events.append(dict(draw.choice(events)))
            continue
        event_at = _event_time(draw, times, spans, events)
        events.append(
            {
                # most of them one customer's, so that windows fill
                "customer_id": draw.choice((*customers[:1] * 7, *customers, worlds.STRANGER, None)),
                "event_at": event_at,
                "available_at": _arrival(draw, event_at, times, spans),
                "amount": _amount(draw),
                "items": draw.choice((None, *range(-2, 6))),
                "score": draw.choice((None, draw.randint(-80, 80) / 16, draw.randint(-8, 8) / 4)),
                "category": draw.choice(worlds.CATEGORIES),
                "refunded": draw.choice((None, False, True)),
                "channel": draw.choice((*worlds.CHANNELS, "web", "web", *draw.sample(_RARE, 9))),
            }
        )
    return spine, events


def _dates(draw: random.Random, spans: Sequence[timedelta]) -> list[datetime]:
    times = [draw.choice(worlds.ANCHORS)]
    for _ in range(draw.choice((0, 0, 1, 1, 2, 3, 5, 7))):
        stride = draw.choice(worlds.STRIDES)
        if draw.random() < 0.3:
            # as far apart as a window is long, or twice so
            stride = max(worlds.MICROSECOND, draw.choice(spans) * draw.choice((1, 2)) + draw.choice(worlds.JITTERS))
        times.append(times[-1] + stride)
    return times


def _event_time(
    draw: random.Random, times: Sequence[datetime], spans: Sequence[timedelta], events: Rows
) -> datetime | None:
    kind = draw.random()
    if kind < 0.04:
        return None
    if kind < 0.06:
        # what sources write for "always" and "never"
        return draw.choice((datetime(1, 1, 1), datetime(1900, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)))
    if kind < 0.16 and events:
        # at the same time as another, or within the same second
        other = draw.choice(events)["event_at"]
        return other and other + draw.choice((0, 0, -300_000)) * worlds.MICROSECOND * (other.year > 1)
    time = draw.choice(times)
    if kind < 0.6:
        return time + draw.choice((-1, -1, -1, 1)) * draw.choice(spans) + draw.choice(worlds.JITTERS)
    if kind < 0.8:
        return time + timedelta(days=draw.randint(-12, 2))
    if kind < 0.9:
        # too old for every window at that time
        return time - max(spans) - draw.choice((*worlds.STRIDES, worlds.MICROSECOND))
    return time + timedelta(microseconds=draw.randint(-500 * _DAY_US, 60 * _DAY_US))


def _arrival(
    draw: random.Random, event_at: datetime | None, times: Sequence[datetime], spans: Sequence[timedelta]
) -> datetime | None:
    kind = draw.random()
    if kind < 0.3:
        return None
    far = event_at is not None and not 1950 < event_at.year < 2100
    if event_at is None or far or kind < 0.6:
        # around a feature time: often one that comes after several others
        return draw.choice(times) + draw.choice(worlds.JITTERS)
    if kind < 0.7:
        return event_at
    if kind < 0.72:
        return draw.choice((datetime(1, 1, 1), datetime(9999, 12, 31)))
    if kind < 0.85:
        # when a window has just gone by
        return event_at + draw.choice(spans) + draw.choice(worlds.JITTERS)
    return event_at + timedelta(microseconds=draw.randint(-20 * _DAY_US, 60 * _DAY_US))


def _amount(draw: random.Random) -> Decimal | None:
    kind = draw.random()
    if kind < 0.1:
        return None
    if kind < 0.4:
        return draw.choice((Decimal(0), Decimal("19.99"), Decimal("-19.99"), worlds.PLACE, -worlds.PLACE))
    if kind < 0.7:
        return draw.randint(-10_000_000, 10_000_000) * worlds.PLACE
    if kind < 0.85:
        return Decimal(1_000_000_000) + draw.randint(0, 4) * Decimal("0.05")
    return draw.choice((worlds.LARGEST, -worlds.LARGEST, draw.randint(-(10**18) + 1, 10**18 - 1) * worlds.PLACE))
