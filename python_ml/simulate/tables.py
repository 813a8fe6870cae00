"""Raw tables of a simulated block of customers, as text and with defects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from python_ml.simulate.behaviour import Block
from python_ml.simulate.defects import Planted, late_ends, plant
from python_ml.simulate.schema import TABLES
from python_ml.simulate.text import compose
from python_ml.simulate.text_columns import (
    categories,
    identifiers,
    integers,
    money,
    null_where,
    probabilities,
    timestamps,
)
from python_ml.simulate.world import (
    AMOUNT_DRIFT,
    CATEGORIES,
    CATEGORY_ITEM_PRICES,
    CATEGORY_SHARES,
    CATEGORY_SHARES_DRIFTED,
    CHANNELS,
    COUNTRIES,
    DAY,
    DISCOUNTS,
    MAX_CUSTOMERS,
    PLAN_PRICES,
    PLANS,
    SEGMENTS,
    TICKET_CHANNELS,
    TOPICS,
    World,
    choose,
)

OPEN_HOURS = (7 * 3_600, 22 * 3_600)  # seconds of the day in which people order and write
TOPIC_SHARES_BY_TONE = (  # rows: bad, neutral, good; columns: TOPICS
    (0.25, 0.35, 0.25, 0.15, 0.00, 0.00),
    (0.20, 0.20, 0.10, 0.15, 0.35, 0.00),
    (0.00, 0.00, 0.00, 0.00, 0.25, 0.75),
)
SATISFACTION_BY_TONE = (  # shares of the scores 1 to 5
    (0.58, 0.36, 0.06, 0.00, 0.00),
    (0.00, 0.05, 0.50, 0.45, 0.00),
    (0.00, 0.00, 0.05, 0.30, 0.65),
)
SATISFACTION_MISSING = 0.25
PRIORITIES = ("low", "normal", "high")
PRIORITY_SHARES_BY_TONE = ((0.10, 0.45, 0.45), (0.35, 0.57, 0.08), (0.60, 0.38, 0.02))
ITEMS_MEAN = 3.0
AMOUNT_SPREAD = 0.25  # log standard deviation of an order's price per item
BIRTH_YEARS = {"student": (1996, 2006), "family": (1974, 1994), "professional": (1960, 1998)}
REASONS = ("no longer needed", "no longer needed", "poor service", "too expensive", "other")  # by driver
UNIX_DAY_ZERO = np.datetime64("1970-01-01")


@dataclass(frozen=True)
class RawBlock:
    """The raw tables of one block, and the numbers of their defects."""

    tables: dict[str, pa.Table]
    counts: dict[str, Counter[str]]


class _TableWriter:
    """Makes the tables of one block, which share the calendar, identifiers and random generators."""

    def __init__(self, world: World, block: Block, number: int) -> None:
        self.world, self.block = world, block
        self.start = int((np.datetime64(world.start) - UNIX_DAY_ZERO).astype(np.int64)) * DAY
        self.end = world.days * DAY
        self.rng = world.generator(number, "details")
        self.text_rng = world.generator(number, "text")
        self.defect_rng = world.generator(number, "defects")
        # A permutation of the numbers, so that an identifier says nothing about its customer.
        self.number = (block.first + np.arange(block.size)) * 7_368_787 % MAX_CUSTOMERS
        self.first_event = number * 10_000_000
        self.joined = block.joined_day.astype(np.int64) * DAY + self.moment(block.size, (0, DAY))
        self.ended = block.churn_day.astype(np.int64) * DAY + self.moment(block.size, (0, DAY))
        recorded, late = late_ends(self.ended, self.defect_rng)
        churned = block.churn_day >= 0
        self.end_known = churned & (recorded < self.end)
        self.end_recorded = recorded
        self.end_counts = Counter(
            late_end=int((self.end_known & late).sum()),
            end_not_yet_recorded=int((churned & ~self.end_known).sum()),
        )

    def moment(self, n: int, span: tuple[int, int] = OPEN_HOURS) -> np.ndarray:
        """Seconds of the day."""
        return span[0] + np.floor(self.rng.random(n) * (span[1] - span[0])).astype(np.int64)

    def customer_ids(self, customer: np.ndarray) -> pa.Array:
        return identifiers("C", self.number[customer], 7)

    def event_ids(self, prefix: str, n: int) -> pa.Array:
        return identifiers(prefix, self.first_event + np.arange(n))

    def plant(self, name: str, columns: dict[str, pa.Array], happened: np.ndarray) -> Planted:
        return plant(name, columns, happened, self.defect_rng, self.start, self.end)

    def subscriptions(self) -> tuple[pa.Table, Counter[str]]:
        everyone = np.arange(self.block.size)
        started = timestamps(self.start + self.joined)
        columns = {
            "subscription_id": identifiers("S", self.number, 7),
            "customer_id": self.customer_ids(everyone),
            "plan": categories(self.block.plan, PLANS),
            "price_at_start": money(np.asarray(PLAN_PRICES)[self.block.plan]),
            "started_at": started,
            "available_at": started,
            "ended_at": null_where(timestamps(self.start + self.ended), ~self.end_known),
            "ended_recorded_at": null_where(timestamps(self.start + self.end_recorded), ~self.end_known),
        }
        order = pa.array(np.argsort(self.joined, kind="stable"))
        return pa.table(columns).take(order), self.end_counts

    def customers_and_changes(self) -> dict[str, tuple[pa.Table, Counter[str]]]:
        """Changes first: the current state of a customer is what has arrived of them."""
        block = self.block
        everyone = np.arange(block.size)
        day, who, country, segment, opt_in = block.changes
        customer = np.concatenate([everyone, who])
        happened = np.concatenate([self.joined, day * DAY + self.moment(day.size)])
        states = {
            "country": np.concatenate([block.country, country]),
            "segment": np.concatenate([block.segment, segment]),
            "opt_in": np.concatenate([block.opt_in, opt_in]).astype(np.int64),
        }
        order = np.argsort(happened, kind="stable")
        customer, happened = customer[order], happened[order]
        states = {name: values[order] for name, values in states.items()}
        changes = self.plant(
            "raw_app__customer_changes",
            {
                "change_id": self.event_ids("H", customer.size),
                "customer_id": self.customer_ids(customer),
                "changed_at": timestamps(self.start + happened),
                **_attributes(states),
            },
            happened,
        )

        now = {"country": block.country.copy(), "segment": block.segment.copy()}
        now["opt_in"] = block.opt_in.astype(np.int64)
        known = np.flatnonzero(changes.arrived)
        for name, values in now.items():
            values[customer[known]] = states[name][known]  # in order of time: the last one counts
        updated = self.joined.copy()
        np.maximum.at(updated, customer[known], changes.available[known])
        updated = np.where(self.end_known, np.maximum(updated, self.end_recorded), updated)

        spans = np.array([BIRTH_YEARS[name] for name in SEGMENTS])[block.segment]
        born = spans[:, 0] + np.floor(self.rng.random(block.size) * (spans[:, 1] - spans[:, 0]))
        columns = {
            "customer_id": self.customer_ids(everyone),
            "signed_up_at": timestamps(self.start + self.joined),
            "acquisition_channel": categories(block.channel, CHANNELS),
            "birth_year": integers(born),
            "updated_at": timestamps(self.start + updated),
            # -1, nothing in particular, is the last reason
            "account_closed_reason": null_where(categories(block.churn_driver % 5, REASONS), ~self.end_known),
            **_attributes(now),
        }
        customers = self.plant("raw_app__customers", columns, self.joined)
        customers.counts["filled_account_closed_reason"] = int(self.end_known.sum())
        return {
            "raw_app__customers": (customers.table, customers.counts),
            "raw_app__customer_changes": (changes.table, changes.counts),
        }

    def price_changes(self) -> tuple[pa.Table, Counter[str]]:
        day, customer, percent = self.block.price_changes
        old, new = _price_path(customer, percent, np.asarray(PLAN_PRICES)[self.block.plan])
        happened = day * DAY + self.moment(day.size)
        columns = {
            "price_change_id": self.event_ids("P", day.size),
            "subscription_id": identifiers("S", self.number[customer], 7),
            "customer_id": self.customer_ids(customer),
            "changed_at": timestamps(self.start + happened),
            "old_price": money(old),
            "new_price": money(new),
        }
        planted = self.plant("raw_app__price_changes", columns, happened)
        return planted.table, planted.counts

    def orders(self) -> tuple[pa.Table, Counter[str]]:
        day, customer = self.block.orders
        n = day.size
        drifted = day >= self.world.drift_day
        draw = self.rng.random(n)
        category = np.where(drifted, choose(draw, CATEGORY_SHARES_DRIFTED), choose(draw, CATEGORY_SHARES))
        items = 1 + np.floor(-np.log1p(-self.rng.random(n)) * (ITEMS_MEAN - 1)).astype(np.int64)
        items = np.minimum(items, 20)
        each = np.asarray(CATEGORY_ITEM_PRICES)[category] * np.exp(AMOUNT_SPREAD * self.rng.standard_normal(n))
        amount = np.rint(items * each * np.where(drifted, AMOUNT_DRIFT, 1.0))
        happened = day * DAY + self.moment(n)
        columns = {
            "order_id": self.event_ids("O", n),
            "customer_id": self.customer_ids(customer),
            "ordered_at": timestamps(self.start + happened),
            "category": categories(category, CATEGORIES),
            "items": integers(items),
            "amount": money(amount),
        }
        planted = self.plant("raw_app__orders", columns, happened)
        seen = planted.table["customer_id"].drop_null().unique()
        planted.counts["customers_without_orders"] = self.block.size - len(seen)
        return planted.table, planted.counts

    def tickets(self) -> tuple[pa.Table, Counter[str]]:
        day, customer, code = self.block.tickets
        n = day.size
        tone = code.astype(np.int64) - 1
        topic = _choose_by(self.rng.random(n), TOPIC_SHARES_BY_TONE, tone)
        score = 1 + _choose_by(self.rng.random(n), SATISFACTION_BY_TONE, tone)
        priority = _choose_by(self.rng.random(n), PRIORITY_SHARES_BY_TONE, tone)
        silent = self.rng.random(n) < SATISFACTION_MISSING
        channel = np.floor(self.rng.random(n) * len(TICKET_CHANNELS))
        happened = day * DAY + self.moment(n)
        columns = {
            "ticket_id": self.event_ids("T", n),
            "customer_id": self.customer_ids(customer),
            "opened_at": timestamps(self.start + happened),
            "channel": categories(channel, TICKET_CHANNELS),
            "topic": categories(topic, TOPICS),
            "priority": categories(priority, PRIORITIES),
            "satisfaction": null_where(integers(score), silent),
            "body": compose(self.text_rng, topic, tone, self.block.country[customer]),
        }
        planted = self.plant("raw_support__tickets", columns, happened)
        planted.counts["missing_satisfaction"] = planted.table["satisfaction"].null_count
        return planted.table, planted.counts

    def offers(self) -> tuple[pa.Table, Counter[str]]:
        day, customer, arm = self.block.offers
        happened = day * DAY + self.moment(day.size)
        discount = np.asarray(DISCOUNTS)[np.floor(self.rng.random(day.size) * len(DISCOUNTS)).astype(int)]
        columns = {
            "offer_id": self.event_ids("R", day.size),
            "customer_id": self.customer_ids(customer),
            "offered_at": timestamps(self.start + happened),
            "arm": categories(arm - 1, ("holdout", "offer")),
            "discount_percent": integers(np.where(arm == 2, discount, 0)),
        }
        planted = self.plant("raw_crm__offers", columns, happened)
        self.offer_columns = columns
        return planted.table, planted.counts

    def true_uplift(self) -> tuple[pa.Table, Counter[str]]:
        """Of the draws of :meth:`offers`, which comes before."""
        without, with_offer, _ = self.block.offer_truth
        columns = {
            "offer_id": self.offer_columns["offer_id"],
            "customer_id": self.offer_columns["customer_id"],
            "drawn_at": self.offer_columns["offered_at"],
            "churn_probability_without_offer": probabilities(without),
            "churn_probability_with_offer": probabilities(with_offer),
        }
        return pa.table(columns), Counter()

    def truth(self) -> tuple[pa.Table, Counter[str]]:
        month, customer, daily, probability, _ = self.block.truth
        columns = {
            "customer_id": self.customer_ids(customer),
            "as_of": timestamps(self.start + self.world.month_starts[month] * DAY),
            "daily_hazard": probabilities(daily),
            "churn_probability_30d": probabilities(probability),
        }
        return pa.table(columns), Counter()


def make_tables(world: World, block: Block, number: int) -> RawBlock:
    """Turn one simulated block into its raw tables.

    Parameters
    ----------
    world : World
    block : Block
        What :func:`~python_ml.simulate.behaviour.simulate_block` returned.
    number : int
        The block's number.

    Returns
    -------
    RawBlock
        Text tables in order of arrival, keyed by name in the order of ``TABLES``, and the numbers of defects.
    """
    writer = _TableWriter(world, block, number)
    made = {
        "raw_app__subscriptions": writer.subscriptions(),
        **writer.customers_and_changes(),
        "raw_app__price_changes": writer.price_changes(),
        "raw_app__orders": writer.orders(),
        "raw_support__tickets": writer.tickets(),
        "raw_crm__offers": writer.offers(),
        "raw_sim__true_hazard": writer.truth(),
        "raw_sim__true_uplift": writer.true_uplift(),
    }
    return RawBlock(
        tables={name: made[name][0].select(list(columns)) for name, columns in TABLES.items()},
        counts={name: made[name][1] for name in TABLES},
    )


def _attributes(codes: dict[str, np.ndarray]) -> dict[str, pa.Array]:
    return {
        "country": categories(codes["country"], COUNTRIES),
        "segment": categories(codes["segment"], SEGMENTS),
        "marketing_opt_in": categories(codes["opt_in"], ("false", "true")),
    }


def _choose_by(uniform: np.ndarray, shares: tuple[tuple[float, ...], ...], row: np.ndarray) -> np.ndarray:
    """Codes drawn with the shares of each element's own row; int64, shape (n,)."""
    edges = np.cumsum(shares, axis=1)[:, :-1]
    return (uniform[:, None] >= edges[row]).sum(axis=1)


def _price_path(customer: np.ndarray, percent: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Old and new price in cents of every change; changes come in order of time."""
    price = first.copy()
    old, new = np.empty(customer.size, np.int64), np.empty(customer.size, np.int64)
    # The k-th changes of all customers together: as many rounds as one customer has changes.
    turn = pd.Series(customer).groupby(customer).cumcount().to_numpy()
    for k in range(int(turn.max(initial=-1)) + 1):
        now = turn == k
        old[now] = price[customer[now]]
        new[now] = np.rint(old[now] * (100 + percent[now].astype(np.int64)) / 1_000) * 10
        price[customer[now]] = new[now]
    return old, new
