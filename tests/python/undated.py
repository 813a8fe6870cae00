"""A table of customers without dates, for the tests of static projects."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable
from pathlib import Path

LEAVERS = 0.3


def customers(
    path: Path, rows: int = 900, seed: int = 3, **columns: Callable[[int, bool, random.Random], object]
) -> Path:
    """Write customers, of whom those with a short tenure and a high price leave more often.

    Further columns are functions of the row number, whether the customer left, and a source of randomness; they may
    replace a column. A value of None leaves the column out.
    """
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = None
        for number in range(rows):
            tenure, price = draw.randrange(1, 72), round(20 + draw.random() * 80, 2)
            odds = -0.6 - 0.05 * (tenure - 36) + 0.03 * (price - 60)
            left = draw.random() < 1 / (1 + math.exp(-odds))
            row: dict[str, object] = {
                "customerID": f"K{number:05d}",
                "tenure": tenure,
                "MonthlyPrice": price,
                "Plan": draw.choice(["basic", "plus", "pro"]),
                "Paperless": draw.choice(["Yes", "No"]),
            }
            row["Churn"] = "Yes" if left else "No"
            row |= {name: make(number, left, draw) for name, make in columns.items()}
            if writer is None:
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
    return path
