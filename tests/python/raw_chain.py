"""Raw files of a shop whose tables reach the customer only through each other, with the faults that links can have."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2023, 1, 2)


@dataclass
class Chain:
    """Rows by table, and what must become of them.

    scans -> order_items -> orders -> cards -> customers; tickets name the customer themselves.

    Attributes
    ----------
    customer : dict
        Customer by (table, key), for every row that can be linked.
    known : dict
        From when on a row is known, by (table, key).
    reasons : dict
        Why a row cannot be linked, by (table, key).
    """

    tables: dict[str, list[dict]] = field(default_factory=dict)
    customer: dict[tuple[str, str], str] = field(default_factory=dict)
    known: dict[tuple[str, str], datetime] = field(default_factory=dict)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)

    def write(self, folder: Path) -> list[Path]:
        """Write every table as CSV."""
        paths = []
        for name, rows in self.tables.items():
            path = folder / f"{name}.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, rows[0], lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            paths.append(path)
        return paths


def chain(orders: int = 1500, customers: int = 120, seed: int = 3) -> Chain:
    """Make the world; the links are worked out row by row, beside the rows."""
    draw, made = random.Random(seed), Chain()

    def moment(days: int = 480) -> datetime:
        return START + timedelta(minutes=draw.randrange(days * 1440))

    def text(at: datetime) -> str:
        return f"{at:%Y-%m-%d %H:%M:%S}"

    people = [f"K{draw.randrange(16**6):06x}" for _ in range(customers)]
    made.tables["customers"] = [{"id": k, "signed_up": text(START), "segment": draw.choice("ab")} for k in people]
    cards, owner, issued = [], {}, {}
    for place in range(3 * customers):
        number = str(1000 + 7 * place)
        owner[number], issued[number] = people[place % customers], moment(200)
        cards.append({"card_no": number, "cust_id": owner[number], "issued_at": text(issued[number])})
    # Two copies of one card: the first-known stays. Two that disagree from the start: nobody can tell.
    late, split = cards[5], cards[9]
    cards.append({**late, "cust_id": people[50], "issued_at": text(issued[late["card_no"]] + timedelta(days=9))})
    cards.append({**split, "cust_id": people[60]})
    made.tables["cards"] = cards
    rows = []
    for place in range(orders):
        # Cards are written with zeros in front here; some are not there, some orders have none.
        number = draw.choice(cards)["card_no"]
        key, at = f"O{place:05d}", moment()
        written = number.zfill(8)
        if place % 97 == 0:
            written, made.reasons["orders", key] = "00999999", "unknown card_no"
        elif place % 131 == 0:
            written, made.reasons["orders", key] = "", "missing card_no"
        elif number == split["card_no"]:
            made.reasons["orders", key] = "ambiguous card_no"
        else:
            made.customer["orders", key] = owner[number]
            made.known["orders", key] = max(at, issued[number])
        rows.append({"order_id": key, "card_no": written, "ordered_at": text(at), "channel": draw.choice("xyz")})
    made.tables["orders"] = rows
    items = []
    for place in range(2 * orders):
        parent = draw.choice(rows)["order_id"]
        key = f"I-{place:05d}"
        # Order numbers are written small here.
        items.append({"item_id": key, "order_id": parent.lower(), "quantity": draw.randrange(1, 5)})
        items[-1]["unit_price"] = f"{draw.randrange(100, 5000) / 100:.2f}"
        inherit(made, "order_items", key, "orders", parent, "order_id")
    made.tables["order_items"] = items
    scans = []
    for place in range(orders):
        parent = draw.choice(items)["item_id"]
        key, at = f"S{place:05d}", moment()
        if place % 71 == 0:
            parent = "I-gone"
        scans.append({"scan_id": key, "item_id": parent, "scanned_at": text(at), "weight": draw.randrange(1, 900)})
        inherit(made, "scans", key, "order_items", parent, "item_id", at)
    made.tables["scans"] = scans
    made.tables["tickets"] = [
        {"ticket_id": f"T{n:04d}", "customer_id": draw.choice(people), "opened_at": text(moment())} for n in range(300)
    ]
    return made


def inherit(made: Chain, table: str, key: str, parent: str, parent_key: str, column: str, at=None) -> None:
    """Give a row the customer of its parent, known no earlier than the parent was."""
    if (parent, parent_key) in made.customer:
        made.customer[table, key] = made.customer[parent, parent_key]
        learnt = made.known[parent, parent_key]
        made.known[table, key] = max(at, learnt) if at else learnt
    else:
        made.reasons[table, key] = f"unknown {column}"
