"""Raw files that give every kind of recommendation something to recommend."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

from tests.python.raw_shop import START
from tests.python.undated import customers

TOWNS = [f"Town {chr(65 + n % 26)}{chr(97 + n // 26)}" for n in range(45)]


def shop_files(folder: Path, orders: int = 2400, people: int = 90, seed: int = 11) -> list[Path]:
    """Orders without a key, visits that reach the customer through cards, customers with one row each.

    Orders have day-first times, copies, returns, outliers, codes for missing values, spellings in two cases, a
    tariff that says the same as the price, an empty column and a constant one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(seed)

    def moment() -> str:
        return f"{START + timedelta(minutes=draw.randrange(500 * 1440)):%d/%m/%Y %H:%M}"

    names = "customer_id,ordered_at,product_code,quantity,unit_price,tariff,channel,currency,note"
    lines = []
    for number in range(orders):
        product = f"p{draw.randrange(25)}"
        product = product.upper() if number % 3 else product
        quantity = (
            5000 if number in (700, 1900) else -draw.randrange(1, 4) if number % 40 == 0 else draw.randrange(1, 9)
        )
        price = round(draw.lognormvariate(2, 1.2), 2)
        channel = "N/A" if number % 11 == 0 else draw.choice(["web", "shop", "phone"])
        values = [f"C{draw.randrange(people):03d}", moment(), product, quantity, price, round(1.2 * price, 2), channel]
        lines.append(",".join([*map(str, values), "EUR", ""]))
        if number % 200 == 7:
            lines.append(lines[-1])
    cards = ["card_no,customer_id,issued_at"]
    visits = ["visit_id,card_no,visited_at,minutes"]
    for number in range(people):
        cards.append(f"K{number:04d},C{number:03d},{START + timedelta(days=number % 30):%Y-%m-%d}")
    for number in range(900):
        at = START + timedelta(minutes=draw.randrange(500 * 1440))
        visits.append(f"V{number:05d},K{draw.randrange(people):04d},{at:%Y-%m-%d %H:%M:%S},{draw.randrange(1, 90)}")
        if number % 300 == 5:
            visits.append(visits[-1])
    return [
        _write(folder / "orders.csv", [names, *lines]),
        _write(folder / "visits.csv", visits),
        _write(folder / "cards.csv", cards),
    ]


def _write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table_file(folder: Path) -> Path:
    """A table with a target: a leak, a category of many values, a skewed amount with outliers."""
    folder.mkdir(parents=True, exist_ok=True)
    return customers(
        folder / "people.csv",
        Town=lambda number, left, draw: draw.choice(TOWNS),
        Spent=lambda number, left, draw: round(draw.lognormvariate(3, 1.5), 2),
        MailsSent=lambda number, left, draw: 0 if left else draw.randrange(5, 40),
    )
