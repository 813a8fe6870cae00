"""Raw files of an invented shop: customers, orders, tickets with free text, and a history of plans."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2023, 1, 2)
DAYS = 480
COUNTRIES = ("DE", "FR", "NL", "Österreich", "")
CHANNELS = ("web", "store", "Phone")
PLANS = ("basic", "plus", "max")
OPENINGS = ("The parcel", "My invoice", "The app", "Your driver", "The second-hand item", 'The "new" colour')
PROBLEMS = (
    "arrived two days late and nobody called",
    "shows a price that I did not agree to",
    "stops working when I open the basket",
    "was left at the neighbour's door; it's wet now",
    "does not look like the picture at all",
    "has a scratch, but the colour is right",
)
REQUESTS = ("Please send it again.", "I want my money back.", "Can somebody call me?", "I will not order again.")


def write_shop(folder: Path, customers: int = 120, seed: int = 11) -> list[Path]:
    """Write the files of the shop, the same for the same seed.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    customers : int
    seed : int

    Returns
    -------
    list of Path
        The CSV files: customers, orders, tickets and plans.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)
    people, orders, tickets, plans = [], [], [], []
    for number in range(customers):
        customer, joined = f"C{number:04d}", draw.randrange(200)
        # Some stop buying early, so that there is churn.
        last = DAYS if draw.random() < 0.55 else joined + draw.randrange(30, DAYS - joined)
        people.append((customer, draw.choice(COUNTRIES), draw.randrange(18, 80), _text(joined)))
        day = float(joined)
        while (day := day + draw.expovariate(1 / 16)) < last:
            amount = draw.randrange(100, 20_000) / 100
            orders.append((customer, _text(day), draw.choice(CHANNELS), draw.randrange(1, 6), f"{amount:.2f}"))
            if draw.random() < 0.25:
                words = f"{draw.choice(OPENINGS)} {draw.choice(PROBLEMS)}. {draw.choice(REQUESTS)} Order {len(orders)}."
                tickets.append((customer, _text(day + draw.random()), draw.randrange(1, 6), words))
        for change in sorted({joined, *(draw.randrange(joined, DAYS) for _ in range(draw.randrange(3)))}):
            plans.append((customer, _text(change), draw.choice(PLANS), draw.randrange(5, 60)))
    draw.shuffle(orders)
    return [
        _write(folder / "customers.csv", ("customer_id", "country", "age", "signed_up_at"), people),
        _write(
            folder / "orders.csv",
            ("order_id", "customer_id", "ordered_at", "channel", "quantity", "amount"),
            ((f"O{number:05d}", *order) for number, order in enumerate(orders)),
        ),
        _write(
            folder / "tickets.csv",
            ("ticket_id", "customer_id", "opened_at", "satisfaction", "message"),
            ((f"T{number:05d}", *ticket) for number, ticket in enumerate(tickets)),
        ),
        _write(folder / "plans.csv", ("customer_id", "valid_from", "plan", "monthly_fee"), plans),
    ]


def _text(day: float) -> str:
    return f"{START + timedelta(days=day):%Y-%m-%d %H:%M:%S}"


def _write(path: Path, header: tuple[str, ...], rows: Iterable[tuple]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path
