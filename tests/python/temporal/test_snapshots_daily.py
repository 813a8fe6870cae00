"""dbt snapshots over daily extracts: whatever arrives, versions stay in order, and as-of joins find what was known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from .fixture_project import FixtureProject

SNAPSHOTS = {"by_updated_at": "honest_customers", "by_content": "careless_customers"}
FIRST_LOAD = datetime(2024, 1, 1, 4)
LOADS = 6
CUSTOMERS = 60
SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("plan", pa.string()),
        ("country", pa.string()),
        ("updated_at", pa.timestamp("us")),
        ("loaded_at", pa.timestamp("us")),
    ]
)
Attributes = tuple[str | None, str | None]


@dataclass
class Shop:
    """A source that gives all its customers once a day; `known` is what each extract said, by load time.

    Attributes
    ----------
    careless : bool
        Whether changes may go back in time, come without a new time, and gone customers come back as they were.
    """

    draw: random.Random
    careless: bool
    now: datetime = FIRST_LOAD
    rows: dict[str, dict] = field(default_factory=dict)
    gone: dict[str, dict] = field(default_factory=dict)
    known: dict[datetime, dict[str, Attributes]] = field(default_factory=dict)

    def day(self) -> list[dict]:
        """What the next extract holds; some rows twice, older copies among them."""
        if self.rows:
            self.now += timedelta(days=1)
        for number in range(CUSTOMERS):
            key = f"c{number:03d}"
            if key not in self.rows and (key in self.gone or self.draw.random() < 0.5):
                if self.draw.random() < 0.4:
                    self.rows[key] = self._back(key)
            elif key in self.rows:
                self._happen(key)
        extract, newest = [], {}
        for row in self.rows.values():
            extract.append(row | {"loaded_at": self.now})
            newest[row["customer_id"]] = (row["plan"], row["country"])
            if self.draw.random() < 0.2:
                extract.append(extract[-1])
            if self.draw.random() < 0.2:
                older = {"plan": "stale", "updated_at": row["updated_at"] - timedelta(days=400)}
                extract.append(extract[-1] | older)
        self.known[self.now] = newest
        return self.draw.sample(extract, len(extract))

    def _back(self, key: str) -> dict:
        before = self.gone.pop(key, None)
        if before and self.careless and self.draw.random() < 0.5:
            return before
        return {"customer_id": key, "plan": "basic", "country": self.draw.choice(["NL", "DE", None])} | self._time()

    def _happen(self, key: str) -> None:
        row, chance = self.rows[key], self.draw.random()
        if chance < 0.1:
            self.gone[key] = self.rows.pop(key)
        elif chance < 0.3:
            self.rows[key] = row | {"plan": self.draw.choice(["basic", "plus", "pro", None])} | self._time()
        elif chance < 0.4 and self.careless:
            # a correction of what has long been so, under an old time or under none of its own
            back = timedelta(days=self.draw.choice([0, 3, 90]))
            self.rows[key] = row | {
                "country": self.draw.choice(["NL", "BE", None]),
                "updated_at": row["updated_at"] - back,
            }

    def _time(self) -> dict:
        """When something changed: since the last extract; a careless source says anything."""
        hours = self.draw.choice([1, 5, 20, *([70, 2000] if self.careless else [])])
        return {"updated_at": self.now - timedelta(hours=hours, microseconds=self.draw.randrange(1000))}

    def as_of(self, time: datetime, key: str) -> Attributes:
        """What the last extract before a time said."""
        loads = [load for load in self.known if load < time]
        return self.known[max(loads)].get(key, (None, None)) if loads else (None, None)


class Warehouse(FixtureProject):
    """The fixture project in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__("snapshot_project", "SNAPSHOT_DUCKDB_PATH", folder)

    def load(self, name: str, rows: list[dict], schema: pa.Schema = SCHEMA) -> None:
        self.fill(name, rows, schema)

    def run(self, command: str, now: datetime) -> None:
        self.dbt(command, "--vars", f"{{now: '{now}'}}")


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


def check_invariants(warehouse: Warehouse, snapshot: str, shop: Shop) -> None:
    """Versions of a key follow each other; gaps are where it was gone; who is there has one current row."""
    versions: dict[str, list[tuple]] = {}
    for key, start, end, *attributes in warehouse.query(
        f"select customer_id, dbt_valid_from, dbt_valid_to, plan, country from {snapshot} order by 1, 2"
    ):
        versions.setdefault(key, []).append((start, end, *attributes))
    present = shop.known[shop.now]
    assert set(present) <= set(versions)
    for key, found in versions.items():
        starts = [version[0] for version in found]
        assert len(set(starts)) == len(starts), f"{snapshot}: {key} has two versions from one time: {found}"
        assert all(end is None or start < end for start, end, *_ in found), f"{snapshot}: {key} ends before it starts"
        for (_, end, *_), (start, *_) in pairwise(found):
            assert end is not None and end <= start, f"{snapshot}: {key} overlaps: {found}"
            if end < start:
                assert end in shop.known and key not in shop.known[end], f"{snapshot}: {key} has a gap: {found}"
        current = [tuple(attributes) for _, end, *attributes in found if end is None]
        assert current == ([present[key]] if key in present else []), f"{snapshot}: {key} on {shop.now}"


@pytest.mark.parametrize("seed", [1, 2])
def test_daily_loads_keep_versions_in_order_and_as_of_joins_true(warehouse: Warehouse, seed: int) -> None:
    shops = {name: Shop(random.Random(f"{name} {seed}"), careless=name == "by_content") for name in SNAPSHOTS}
    counts: list[int] = []
    for _ in range(LOADS):
        for name, shop in shops.items():
            warehouse.load(SNAPSHOTS[name], shop.day())
        now = shops["by_content"].now
        warehouse.run("snapshot", now)
        for name, shop in shops.items():
            check_invariants(warehouse, name, shop)
        counts.append(warehouse.query("select count(*) from by_content")[0][0])
    assert counts == sorted(set(counts)), "a load changed nothing"

    # the same extract once more changes nothing
    before = {name: warehouse.query(f"from {name} order by all") for name in SNAPSHOTS}
    warehouse.run("snapshot", now)
    assert {name: warehouse.query(f"from {name} order by all") for name in SNAPSHOTS} == before

    instants = [
        FIRST_LOAD + timedelta(days=day, microseconds=shift) for day in range(-1, LOADS + 2) for shift in (0, 1)
    ]
    spine = [
        {"customer_id": f"c{number:03d}", "feature_timestamp": time} for number in range(CUSTOMERS) for time in instants
    ]
    schema = pa.schema([("customer_id", pa.string()), ("feature_timestamp", pa.timestamp("us"))])
    warehouse.load("spine", spine, schema)
    warehouse.run("run", now)
    for name, shop in shops.items():
        found = warehouse.query(f"select feature_timestamp, customer_id, plan, country from as_of_{name}")
        assert len(found) == len(spine)
        wrong = [row for row in found if tuple(row[2:]) != shop.as_of(*row[:2])]
        assert not wrong, f"{name}: {wrong[:3]}"
        assert any(row[2] for row in found)
