"""The simulated business: its size, calendar and prices, and the hazard of churn.

Everything that decides who churns is in this module. How customers behave is in
:mod:`~python_ml.simulate.behaviour`; the defects of the data are in :mod:`~python_ml.simulate.defects`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np

from python_ml.errors import UserError

WORLD_VERSION = 3  # raise it whenever the same arguments begin to give other bytes
DAY = 86_400  # seconds
BLOCK = 5_000  # customers simulated together; part of the definition of a world, not a tuning knob
MAX_CUSTOMERS = 10_000_000
MAX_MONTHS = 120

COUNTRIES = ("DE", "GB", "FR", "US", "ES", "NL")
COUNTRY_SHARES = (0.28, 0.22, 0.18, 0.14, 0.10, 0.08)
SEGMENTS = ("student", "family", "professional")
SEGMENT_SHARES = (0.30, 0.40, 0.30)
PLANS = ("basic", "standard", "premium")
PLAN_SHARES_BY_SEGMENT = ((0.60, 0.32, 0.08), (0.30, 0.48, 0.22), (0.22, 0.43, 0.35))
PLAN_PRICES = (1_490, 2_490, 3_990)  # cents a month
CHANNELS = ("organic", "referral", "partner", "ads")
CHANNEL_SHARES = (0.38, 0.22, 0.18, 0.22)
CHANNEL_SHARES_DRIFTED = (0.26, 0.14, 0.18, 0.42)
CATEGORIES = ("fresh", "pantry", "household", "beauty", "pets")
CATEGORY_SHARES = (0.22, 0.30, 0.24, 0.14, 0.10)
CATEGORY_SHARES_DRIFTED = (0.38, 0.26, 0.14, 0.12, 0.10)
CATEGORY_ITEM_PRICES = (640, 430, 780, 1_250, 960)  # cents, median of one item
AMOUNT_DRIFT = 1.20  # orders of the drifted months cost a fifth more

TOPICS = ("billing", "delivery", "quality", "app", "question", "praise")
TONES = ("bad", "neutral", "good")
TICKET_CHANNELS = ("email", "chat", "phone", "app")
DISCOUNTS = (10, 15, 20)

# What moves the hazard. Every driver can be read off ordinary window features.
DRIVERS = (
    "silence",  # days since the last order (or the start), at most 60, in units of 15 days
    "falling",  # log of the monthly orders of days 31-90 over those of the last 30 days, within 0..1.5
    "bad_tickets",  # badly toned tickets of the last 30 days, at most 2
    "price_rise",  # 1 while the last price rise is at most 90 days old
    "early",  # falls from 1 at the start to 0 after 90 days
    "plan_basic",
    "plan_premium",
    "channel_ads",
    "offer_student",  # 1 while a retention offer (not a holdout) is at most 60 days old
    "offer_family",
    "offer_professional",
    "drift",  # 1 in the drifted months
)
SILENCE_CAP, SILENCE_UNIT = 60.0, 15.0
FALLING_CAP = 1.5
BAD_TICKET_CAP = 2.0
PRICE_RISE_DAYS = 90
EARLY_DAYS = 90.0
OFFER_DAYS = 60
CURVED = (DRIVERS.index("silence"), DRIVERS.index("bad_tickets"))  # enter the month also as squares


@dataclass(frozen=True)
class Hazard:
    """The daily hazard of churn, and the probability of churn within 30 days.

    ``daily = 1 - exp(-exp(intercept + coefficients . drivers))`` holds exactly: each day a customer
    churns with that probability. Over 30 days the drivers move (an order ends a silence, a ticket
    grows old, a customer begins to fade), so the risk of the month is not 30 times the daily one.
    ``month = 1 - exp(-exp(month_intercept + month_coefficients . terms))`` describes it in the same drivers and
    the squares of two of them, because the effect of long silences and many bad tickets flattens over a month.
    It is fitted by maximum likelihood on a large world (:mod:`~python_ml.simulate.calibration`). ``draw`` is the same
    for the 30 days after a draw for an offer: who was drawn is not drawn again in this time, while customers of a month
    may yet get an offer that keeps them.

    Coefficients are per unit of the drivers of :data:`DRIVERS`, in that order, for the month followed by
    the squares of :data:`CURVED`.
    """

    intercept: float = -10.1
    coefficients: tuple[float, ...] = (
        1.10, 0.90, 2.20, 2.10, 0.80, 0.50, -0.50, 0.50, -1.50, -0.90, -0.30, 0.20,
    )  # fmt: skip
    month_intercept: float = -5.073
    month_coefficients: tuple[float, ...] = (
        1.364, 0.494, 2.467, 1.396, 0.227, 0.385, -0.397, 0.388, -0.786, -0.491, -0.134, 0.153,
        -0.145, -0.503,
    )  # fmt: skip
    draw_intercept: float = -4.750
    draw_coefficients: tuple[float, ...] = (
        1.240, 0.566, 2.483, 1.384, 0.339, 0.339, -0.404, 0.338, -1.195, -0.669, -0.245, 0.125,
        -0.129, -0.541,
    )  # fmt: skip

    def daily(self, drivers: np.ndarray) -> np.ndarray:
        """Probability of churn today.

        Parameters
        ----------
        drivers : ndarray of shape (len(DRIVERS), n)
            The drivers at the start of the day, from what happened before it.

        Returns
        -------
        ndarray of shape (n,)
            Between 0 and 1, exclusive.
        """
        return -np.expm1(-np.exp(self.intercept + np.asarray(self.coefficients) @ drivers))

    def month(self, drivers: np.ndarray) -> np.ndarray:
        """Probability of churn within the next 30 days; same shapes as :meth:`daily`."""
        return -np.expm1(-np.exp(self.month_intercept + np.asarray(self.month_coefficients) @ month_terms(drivers)))

    def after_draw(self, drivers: np.ndarray, segment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probability of churn within the 30 days that follow a draw, had it been a holdout and had it been an offer.

        Parameters
        ----------
        drivers : ndarray of shape (len(DRIVERS), n)
            The drivers at the first midnight after the draw; those of the offer do not matter.
        segment : ndarray of int, shape (n,)
            Codes of :data:`SEGMENTS`.

        Returns
        -------
        without, with_offer : ndarray of shape (n,)
        """
        rows = [DRIVERS.index(f"offer_{name}") for name in SEGMENTS]
        made = []
        for offered in (0.0, 1.0):
            in_arm = drivers.copy()
            in_arm[rows] = offered * (segment == np.arange(len(SEGMENTS))[:, None])
            linear = self.draw_intercept + np.asarray(self.draw_coefficients) @ month_terms(in_arm)
            made.append(-np.expm1(-np.exp(linear)))
        return made[0], made[1]


@dataclass(frozen=True)
class World:
    """The arguments of a simulated world; the same arguments give the same bytes.

    Parameters
    ----------
    customers : int
        Number of customers who sign up over the whole time.
    months : int
        Length in calendar months.
    seed : int
        Seed of every draw.
    start : date
        First day, the first of a month.

    Raises
    ------
    UserError
        When an argument is out of range.
    """

    customers: int = 5_000
    months: int = 24
    seed: int = 7
    start: date = date(2024, 1, 1)
    hazard: Hazard = field(default_factory=Hazard, repr=False)

    def __post_init__(self) -> None:
        _check(1 <= self.customers <= MAX_CUSTOMERS, "customers", self.customers, f"1 to {MAX_CUSTOMERS:,}")
        _check(3 <= self.months <= MAX_MONTHS, "months", self.months, f"3 to {MAX_MONTHS}")
        _check(0 <= self.seed < 2**63, "seed", self.seed, "0 to 2^63 - 1")
        _check(
            self.start.day == 1 and 1970 <= self.start.year <= 2100,
            "start",
            self.start,
            "the first day of a month between 1970 and 2100, such as 2024-01-01",
        )

    @cached_property
    def month_starts(self) -> np.ndarray:
        """Day numbers of the first of every month, the end included; int64, shape (months + 1,)."""
        firsts = [_add_months(self.start, k) for k in range(self.months + 1)]
        return np.array([(first - self.start).days for first in firsts], dtype=np.int64)

    @property
    def days(self) -> int:
        """Length in days."""
        return int(self.month_starts[-1])

    @property
    def end(self) -> datetime:
        """The end of the world: no row is known at or after it."""
        return self.moment(self.days)

    def moment(self, day: int) -> datetime:
        """Midnight at which a day begins."""
        return datetime(self.start.year, self.start.month, 1) + timedelta(days=int(day))

    @property
    def drift_day(self) -> int:
        """The day on which the drift begins: three months before the end, later in a short world."""
        return int(self.month_starts[-1 - min(3, self.months // 3)])

    @property
    def blocks(self) -> int:
        """Number of blocks of customers."""
        return -(-self.customers // BLOCK)

    def block_size(self, block: int) -> int:
        """Customers in a block: ``BLOCK``, fewer in the last one."""
        return min(BLOCK, self.customers - block * BLOCK)

    def generator(self, block: int, part: str) -> np.random.Generator:
        """The random generator of one part of one block, independent of all others.

        As behaviour, text and defects have their own, another typing error or defect does not change any customer's
        behaviour.
        """
        parts = ("attributes", "behaviour", "details", "text", "defects")
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(block, parts.index(part))))
        )


def month_terms(drivers: np.ndarray) -> np.ndarray:
    """The drivers and the squares of the curved ones; shape (len(DRIVERS) + len(CURVED), n)."""
    return np.vstack([drivers, drivers[list(CURVED)] ** 2])


def choose(uniform: np.ndarray, shares: tuple[float, ...] | np.ndarray) -> np.ndarray:
    """Turn uniform numbers into codes with the given shares (int8, same shape)."""
    edges = np.cumsum(np.asarray(shares, dtype=float))[:-1]
    return np.searchsorted(edges, uniform, side="right").astype(np.int8)


def _add_months(start: date, months: int) -> date:
    index = start.year * 12 + start.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _check(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise UserError(f"{name} cannot be {value}.", where=f"--{name}", hint=f"choose {expected}")


SMALL_WORLD = World(customers=780, months=18, seed=7, start=date(2024, 1, 1))
"""The world that is committed as the dbt seeds."""
