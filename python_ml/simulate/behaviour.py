"""Behaviour of customers: one block of them, day by day, vectorised over the customers.

The order of a day: the drivers follow from what happened before midnight, the hazard decides who churns today, and
everyone else may order, write a ticket, get a new price, move, or be drawn for a retention offer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from python_ml.simulate.world import (
    BAD_TICKET_CAP,
    BLOCK,
    CHANNEL_SHARES,
    CHANNEL_SHARES_DRIFTED,
    CHANNELS,
    COUNTRIES,
    COUNTRY_SHARES,
    DRIVERS,
    EARLY_DAYS,
    FALLING_CAP,
    OFFER_DAYS,
    PLAN_SHARES_BY_SEGMENT,
    PLANS,
    PRICE_RISE_DAYS,
    SEGMENT_SHARES,
    SEGMENTS,
    SILENCE_CAP,
    SILENCE_UNIT,
    World,
    choose,
)

LAUNCH_SHARE, LAUNCH_DAYS = 0.45, 30  # this share of the customers joins in the first days
NEVER_ORDERS = 0.03
ORDERS_A_MONTH, ORDERS_SPREAD = 2.6, 0.35  # median and log standard deviation over customers
RHYTHM = 3  # an order comes after this many random steps, so gaps vary less than exponential ones
FADE_IN, FADE_OUT, FADED_RATE = 0.12 / 30, 1 / 120, 0.06  # daily chances; share of the order rate that remains
TROUBLE_IN, TROUBLE_OUT = 0.06 / 30, 1 / 90  # daily chances of trouble with the service
TICKETS_A_MONTH, TICKETS_IN_TROUBLE = 0.10, 2.4
TONES_IN_PEACE, TONES_IN_TROUBLE = (0.15, 0.50, 0.35), (0.90, 0.08, 0.02)
FIRST_PRICE_CHANGE, NEXT_PRICE_CHANGE = (120, 300), (270, 420)  # days of tenure, days after the last one
PRICE_RISES = (8, 10, 12, 15, 20)  # percent
PRICE_CUT, PRICE_CUT_SHARE = -10, 0.08
CHANGE_CHANCE, CHANGE_REST = 1 / 300, 30  # daily chance of a changed attribute; days without another
OFFER_REST = 90  # days between two offers
OFFER_CHANCE_AT_RISK, OFFER_CHANCE = 0.04, 0.0015  # daily
OFFER_SILENCE = 20  # days without an order that put a customer on the list
HOLDOUT_SHARE = 0.5

# Codes in the day tables; 0 is no event.
BAD = 1  # tickets: 1 + the tone
HOLDOUT, OFFER = 1, 2
MOVED, FLIPPED = 1, 2  # country or segment; marketing opt-in


@dataclass
class Block:
    """One block of simulated customers. Customers are numbered 0..n-1 inside the block.

    Attributes
    ----------
    first : int
        Number of the block's first customer in the world.
    joined_day, churn_day : ndarray of shape (n,)
        Day of sign-up; day of churn, or -1.
    country, segment, opt_in, plan, channel : ndarray of shape (n,)
        Codes at sign-up.
    churn_driver : ndarray of shape (n,)
        Index of the driver with the greatest effect on the day of churn, or -1.
    orders, tickets, offers, price_changes, changes : tuple of ndarrays
        Events as (day, customer, code...) in order of days. Codes: tickets tone (1 bad, 2 neutral, 3 good);
        offers arm (1 holdout, 2 offer); price_changes percent; changes the new country, segment and opt_in.
    truth : tuple of ndarrays
        (month, customer, daily hazard, 30-day probability, drivers (n, k)) of open subscriptions.
    offer_truth : tuple of ndarrays
        (30-day probability without an offer, with an offer, drivers (n, k) at the next midnight) of each of
        ``offers``, in the same order.
    """

    first: int
    joined_day: np.ndarray
    churn_day: np.ndarray
    country: np.ndarray
    segment: np.ndarray
    opt_in: np.ndarray
    plan: np.ndarray
    channel: np.ndarray
    churn_driver: np.ndarray
    orders: tuple[np.ndarray, ...] = ()
    tickets: tuple[np.ndarray, ...] = ()
    offers: tuple[np.ndarray, ...] = ()
    price_changes: tuple[np.ndarray, ...] = ()
    changes: tuple[np.ndarray, ...] = ()
    truth: tuple[np.ndarray, ...] = ()
    offer_truth: tuple[np.ndarray, ...] = ()

    @property
    def size(self) -> int:
        """Customers in the block."""
        return self.joined_day.size


def simulate_block(world: World, block: int) -> Block:
    """Simulate one block of customers from sign-up to the end of the world.

    Parameters
    ----------
    world : World
        The world's arguments.
    block : int
        Number of the block, from 0.

    Returns
    -------
    Block
        Attributes, events and the truth; a function of ``world`` and ``block`` alone.
    """
    customers = _sign_up(world, block)
    state = _State(world, customers, world.generator(block, "behaviour"))
    month_of_day = {int(day): month for month, day in enumerate(world.month_starts)}
    truth, offer_truth = [], []
    for day in range(1, world.days + 1):
        drivers, active = state.start_day(day)
        hazard = world.hazard.daily(drivers)
        drawn = np.flatnonzero(state.offered[day - 1])
        after = drivers[:, drawn]
        offer_truth.append((*world.hazard.after_draw(after, state.segment[drawn]), after.T))
        if day in month_of_day:
            who = np.flatnonzero(active)
            month = np.full(who.size, month_of_day[day])
            truth.append((month, who, hazard[who], world.hazard.month(drivers[:, who]), drivers[:, who].T))
        if day < world.days:
            state.advance(day, active, hazard)
    customers.orders = np.nonzero(state.ordered)
    customers.tickets = _events(state.ticket)
    customers.offers = _events(state.offered)
    customers.price_changes = _events(state.price_change)
    customers.changes = _changes(state.changed, state.new_country, state.new_segment, customers.opt_in)
    customers.truth = tuple(np.concatenate(parts) for parts in zip(*truth, strict=True))
    customers.offer_truth = tuple(np.concatenate(parts) for parts in zip(*offer_truth, strict=True))
    return customers


class _State:
    """The state of a block's customers from day to day. Day tables are int8 of shape (days, n)."""

    def __init__(self, world: World, customers: Block, rng: np.random.Generator) -> None:
        self.world, self.customers, self.rng = world, customers, rng
        n, days = customers.size, world.days
        self.price_change = _price_calendar(rng, customers.joined_day, days)
        self.ordered, self.ticket, self.offered = (np.zeros((days, n), dtype=np.int8) for _ in range(3))
        self.changed, self.new_country, self.new_segment = (np.zeros((days, n), dtype=np.int8) for _ in range(3))

        self.country, self.segment = customers.country.copy(), customers.segment.copy()
        self.step_chance = RHYTHM * ORDERS_A_MONTH / 30 * np.exp(ORDERS_SPREAD * rng.standard_normal(n))
        self.step_chance *= rng.random(n) >= NEVER_ORDERS
        self.steps = np.floor(rng.random(n) * RHYTHM).astype(np.int8)
        self.faded, self.troubled = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)

        self.orders_30, self.orders_90, self.bad_30 = (np.zeros(n, dtype=np.int16) for _ in range(3))
        self.last_order, self.last_change = (customers.joined_day.astype(float) for _ in range(2))
        self.last_rise, self.last_offer, self.last_treatment = (np.full(n, -np.inf) for _ in range(3))

        self.drivers = np.zeros((len(DRIVERS), n))
        self.driver = dict(zip(DRIVERS, self.drivers, strict=True))  # views of the rows
        self.driver["plan_basic"][:] = customers.plan == PLANS.index("basic")
        self.driver["plan_premium"][:] = customers.plan == PLANS.index("premium")
        self.driver["channel_ads"][:] = customers.channel == CHANNELS.index("ads")

    def start_day(self, day: int) -> tuple[np.ndarray, np.ndarray]:
        """The drivers at midnight, from what happened before, and who is still a customer."""
        self.orders_30 += self.ordered[day - 1]
        self.orders_90 += self.ordered[day - 1]
        self.bad_30 += self.ticket[day - 1] == BAD
        if day > 30:
            self.orders_30 -= self.ordered[day - 31]
            self.bad_30 -= self.ticket[day - 31] == BAD
        if day > 90:
            self.orders_90 -= self.ordered[day - 91]

        driver, joined = self.driver, self.customers.joined_day
        driver["silence"][:] = np.minimum(day - self.last_order, SILENCE_CAP) / SILENCE_UNIT
        falling = np.log1p((self.orders_90 - self.orders_30) / 2) - np.log1p(self.orders_30)
        driver["falling"][:] = np.clip(falling, 0, FALLING_CAP)
        driver["bad_tickets"][:] = np.minimum(self.bad_30, BAD_TICKET_CAP)
        driver["price_rise"][:] = day - self.last_rise <= PRICE_RISE_DAYS
        driver["early"][:] = np.maximum(0, 1 - (day - joined) / EARLY_DAYS)
        treated = day - self.last_treatment <= OFFER_DAYS
        for code, name in enumerate(SEGMENTS):
            driver[f"offer_{name}"][:] = treated & (self.segment == code)
        driver["drift"][:] = day >= self.world.drift_day
        return self.drivers, (joined < day) & (self.customers.churn_day < 0)

    def advance(self, day: int, active: np.ndarray, hazard: np.ndarray) -> None:
        """Simulate the day: some customers churn, the others go on."""
        chance = self.rng.random((7, self.customers.size))
        churning = active & (chance[0] < hazard)
        self.customers.churn_day[churning] = day
        self.customers.churn_driver[churning] = _main_driver(self.world, self.drivers[:, churning])
        active = active & ~churning

        self.faded = np.where(self.faded, chance[1] >= FADE_OUT, chance[1] < FADE_IN)
        self.troubled = np.where(self.troubled, chance[2] >= TROUBLE_OUT, chance[2] < TROUBLE_IN)
        self._order(day, active, chance[3])
        self._write_tickets(day, active, chance[4])
        self.price_change[day] *= active
        self.last_rise[self.price_change[day] > 0] = day
        self._offer(day, active, chance[5])
        self._change(day, active, chance[6])

    def _order(self, day: int, active: np.ndarray, chance: np.ndarray) -> None:
        self.steps += chance < self.step_chance * np.where(self.faded, FADED_RATE, 1.0)
        buys = active & (self.steps == RHYTHM)
        self.steps %= RHYTHM
        self.ordered[day] = buys
        self.last_order[buys] = day

    def _write_tickets(self, day: int, active: np.ndarray, chance: np.ndarray) -> None:
        per_day = np.where(self.troubled, TICKETS_IN_TROUBLE, TICKETS_A_MONTH) / 30
        writes = np.flatnonzero(active & (chance < per_day))
        tone = (chance / per_day)[writes]  # uniform again, given that it was below per_day
        self.ticket[day, writes] = 1 + np.where(
            self.troubled[writes], choose(tone, TONES_IN_TROUBLE), choose(tone, TONES_IN_PEACE)
        )

    def _offer(self, day: int, active: np.ndarray, chance: np.ndarray) -> None:
        at_risk = (day - self.last_order >= OFFER_SILENCE) | (self.bad_30 > 0)
        offer_chance = np.where(at_risk, OFFER_CHANCE_AT_RISK, OFFER_CHANCE)
        drawn = active & (day - self.last_offer > OFFER_REST) & (chance < offer_chance)
        holdout = chance < offer_chance * HOLDOUT_SHARE
        self.offered[day, drawn] = np.where(holdout, HOLDOUT, OFFER)[drawn]
        self.last_offer[drawn] = day
        self.last_treatment[drawn & ~holdout] = day

    def _change(self, day: int, active: np.ndarray, chance: np.ndarray) -> None:
        who = np.flatnonzero(active & (day - self.last_change > CHANGE_REST) & (chance < CHANGE_CHANCE))
        kind = chance[who] / CHANGE_CHANCE
        self.country[who], self.segment[who] = _move(kind, self.country[who], self.segment[who])
        self.changed[day, who] = np.where(kind >= 0.6, FLIPPED, MOVED)
        self.new_country[day], self.new_segment[day] = self.country, self.segment
        self.last_change[who] = day


def _sign_up(world: World, block: int) -> Block:
    rng = world.generator(block, "attributes")
    n = world.block_size(block)
    launch = rng.random(n) < LAUNCH_SHARE
    moment = rng.random(n)
    joined = np.floor(moment * np.where(launch, LAUNCH_DAYS, world.days)).astype(np.int32)
    segment = choose(rng.random(n), SEGMENT_SHARES)
    plan_draw, channel_draw = rng.random(n), rng.random(n)
    plan_edges = np.cumsum(PLAN_SHARES_BY_SEGMENT, axis=1)[segment, :-1]
    channel = np.where(
        joined >= world.drift_day,
        choose(channel_draw, CHANNEL_SHARES_DRIFTED),
        choose(channel_draw, CHANNEL_SHARES),
    )
    return Block(
        first=block * BLOCK,
        joined_day=joined,
        churn_day=np.full(n, -1, dtype=np.int32),
        country=choose(rng.random(n), COUNTRY_SHARES),
        segment=segment,
        opt_in=rng.random(n) < 0.6,
        plan=(plan_draw[:, None] >= plan_edges).sum(axis=1).astype(np.int8),
        channel=channel,
        churn_driver=np.full(n, -1, dtype=np.int8),
    )


def _price_calendar(rng: np.random.Generator, joined: np.ndarray, days: int) -> np.ndarray:
    """Percent by which each customer's price changes on each day; int8, shape (days, n)."""
    calendar = np.zeros((days, joined.size), dtype=np.int8)
    everyone = np.arange(joined.size)
    low, high = FIRST_PRICE_CHANGE
    day = joined + low + np.floor(rng.random(joined.size) * (high - low)).astype(np.int64)
    low, high = NEXT_PRICE_CHANGE
    while (day < days).any():
        inside = day < days
        draws = rng.random((2, joined.size))
        rise = np.asarray(PRICE_RISES)[(draws[0] * len(PRICE_RISES)).astype(np.int64)]
        percent = np.where(draws[1] < PRICE_CUT_SHARE, PRICE_CUT, rise)
        calendar[day[inside], everyone[inside]] = percent[inside]
        day = day + low + np.floor(rng.random(joined.size) * (high - low)).astype(np.int64)
    return calendar


def _main_driver(world: World, drivers: np.ndarray) -> np.ndarray:
    """The behavioural driver with the greatest effect, -1 where none has any; int8, shape (n,)."""
    effects = (np.asarray(world.hazard.coefficients)[:, None] * drivers)[:4]
    return np.where(effects.max(axis=0) > 0.9, effects.argmax(axis=0), -1).astype(np.int8)


def _move(kind: np.ndarray, country: np.ndarray, segment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """New country (kind < 0.2) or segment (kind < 0.6), always different from before."""
    moved = (country + 1 + np.floor(kind / 0.2 * (len(COUNTRIES) - 1))) % len(COUNTRIES)
    grown = (segment + 1 + ((kind - 0.2) >= 0.25)) % len(SEGMENTS)
    return (
        np.where(kind < 0.2, moved, country).astype(np.int8),
        np.where((kind >= 0.2) & (kind < 0.6), grown, segment).astype(np.int8),
    )


def _events(codes: np.ndarray) -> tuple[np.ndarray, ...]:
    """(day, customer, code) of the entries that are not zero."""
    day, customer = np.nonzero(codes)
    return day, customer, codes[day, customer]


def _changes(
    changed: np.ndarray, country: np.ndarray, segment: np.ndarray, opt_in: np.ndarray
) -> tuple[np.ndarray, ...]:
    """(day, customer, country, segment, opt_in) after each change."""
    day, customer = np.nonzero(changed)
    flips = pd.Series(changed[day, customer] == FLIPPED).groupby(customer).cumsum().to_numpy(np.int64)
    return day, customer, country[day, customer], segment[day, customer], opt_in[customer] ^ (flips % 2 == 1)
