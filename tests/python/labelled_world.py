"""A small world with supplied labels: visits that become rarer before a customer leaves, looked at at odd times."""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2023, 1, 1)
DAYS = 420
HORIZON = timedelta(days=30)


@dataclass(frozen=True)
class Label:
    """Whether a customer left within 30 days of a time."""

    customer_id: str
    looked_at: datetime
    churned: int


@dataclass(frozen=True)
class World:
    """Visits as (customer, time, pages), sorted; and labels."""

    visits: list[tuple[str, datetime, int]]
    labels: list[Label]

    def write_visits(self, path: Path) -> Path:
        """Write the visits as CSV."""
        rows = [(who, f"{at:%Y-%m-%d %H:%M:%S}", pages) for who, at, pages in self.visits]
        return write(path, ["customer_id", "visited_at", "pages"], rows)

    def write_labels(self, path: Path, names=("customer_id", "looked_at", "churned"), **more) -> Path:
        """Write the labels as CSV; `more` adds or replaces columns by functions of the label."""
        columns = {
            names[0]: lambda label: label.customer_id,
            names[1]: lambda label: f"{label.looked_at:%Y-%m-%d %H:%M:%S}",
            names[2]: lambda label: label.churned,
            **more,
        }
        rows = [[make(label) for make in columns.values()] for label in self.labels]
        return write(path, list(columns), rows)


def write(path: Path, header: list[str], rows: list) -> Path:
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return path


def world(customers: int = 300, seed: int = 11) -> World:
    """Customers who come every few days, and less and less from two months before they leave.

    Some visits lie at the very edges of what a label may see: at its time, and 30 days before it.
    """
    draw = random.Random(seed)
    visits, labels = [], []
    for number in range(customers):
        who = f"C{number:04d}"
        began = draw.uniform(0, 300)
        left = began + 25 + draw.expovariate(1 / 130)
        pause = draw.uniform(3, 9)
        day = began
        while day < min(left, DAYS):
            visits.append((who, moment(day), draw.randrange(1, 20)))
            slow = 1 + 2.5 * max(0.0, 1 - (left - day) / 60)
            day += draw.expovariate(1 / (pause * slow))
        for _ in range(draw.randrange(1, 5)):
            at = began + draw.uniform(10, 200)
            if at < min(left, DAYS - HORIZON.days):
                label = Label(who, moment(at), int(left < at + HORIZON.days))
                labels.append(label)
                if number % 10 == 0:
                    visits += [(who, label.looked_at, 7), (who, label.looked_at - HORIZON, 7)]
    last = moment(DAYS) - timedelta(minutes=1)
    return World(sorted([*visits, ("C0000", last, 1)]), labels)


def moment(day: float) -> datetime:
    """A time by days since the start, to the second."""
    return START + timedelta(seconds=round(day * 86_400))
