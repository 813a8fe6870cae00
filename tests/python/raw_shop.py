"""Raw files of a small shop, for the tests of onboarding."""

from __future__ import annotations

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2023, 1, 2)


def shop(rows: int = 3000, days: int = 500, customers: int = 150, seed: int = 7) -> list[dict]:
    """Orders of a small shop, in no particular order."""
    draw = random.Random(seed)
    made = []
    for number in range(rows):
        at = START + timedelta(minutes=draw.randrange(days * 1440))
        made.append(
            {
                "order_id": f"O{number // 2:05d}",
                "customer_id": f"C{draw.randrange(customers):04d}",
                "ordered_at": f"{at:%Y-%m-%d %H:%M:%S}",
                "product_code": f"P{draw.randrange(40)}",
                "quantity": draw.randrange(1, 9),
                "unit_price": f"{draw.randrange(100, 9000) / 100:.2f}",
            }
        )
    return made


def write(path: Path, rows: list[dict], delimiter: str = ",", **changed) -> Path:
    """Write rows as CSV; `changed` replaces columns by functions of the row."""
    rows = [{**row, **{name: make(row) for name, make in changed.items()}} for row in rows]
    lines = [delimiter.join(rows[0])] + [delimiter.join(str(v) for v in row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def events(path: Path, rows: int = 1200, **columns) -> Path:
    """Write dated orders; `columns` add or replace columns by functions of the row number."""
    draw = random.Random(5)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = None
        for number in range(rows):
            at = START + timedelta(minutes=draw.randrange(500 * 1440))
            row = {"customer_id": f"C{draw.randrange(80):03d}", "ordered_at": f"{at:%Y-%m-%d %H:%M:%S}"}
            row |= {"amount": f"{draw.randrange(9999) / 100:.2f}"}
            row |= {name: make(number) for name, make in columns.items()}
            if writer is None:
                writer = csv.DictWriter(file, row, lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
    return path
