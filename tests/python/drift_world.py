"""Worlds in which nothing moves but what is planted: the features of customers, month by month."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from python_ml.input_columns import CATEGORY, FLAG, NUMBER, InputColumn
from python_ml.monitor.counting import TableRows
from python_ml.monitor.drift import CHURN_RATE, FEATURE, drift_rows, with_since
from python_ml.monitor.joint import joint_rows
from python_ml.monitor.reference import OUTCOME, measure_reference
from python_ml.settings.monitor import Drift

START = datetime(2022, 1, 1)
NUMBERS = (
    "orders_count_30d",
    "orders_amount_sum_30d",
    "tickets_count_90d",
    "days_since_last",
    *(f"n{i}" for i in range(8)),
)
COLUMNS = [
    *(InputColumn(name, NUMBER) for name in NUMBERS),
    InputColumn("customer_opt_in", FLAG),
    InputColumn("customer_plan", CATEGORY),
]
Planted = Callable[[pd.DataFrame, int], pd.DataFrame]


@dataclass(frozen=True)
class DriftWorld:
    """Reference months and later ones; ``planted`` changes the frame of a later month by its number, from 0."""

    customers: int = 600
    reference_months: int = 6
    later_months: int = 1
    seed: int = 0
    season: float = 0.0
    planted: Planted | None = None

    def frame(self) -> pd.DataFrame:
        """Rows of all months, as in gold.gld_customer_features, with ``churned``."""
        rng = np.random.default_rng(self.seed)
        level = rng.gamma(2.0, 1.5, self.customers)  # customers stay who they are from month to month
        plan = rng.choice(["basic", "standard", "premium"], self.customers, p=[0.5, 0.35, 0.15])
        months = []
        for month in range(self.reference_months + self.later_months):
            frame = self._month(rng, month, level, plan)
            if self.planted and month >= self.reference_months:
                frame = self.planted(frame, month - self.reference_months)
            months.append(frame)
        return pd.concat(months, ignore_index=True)

    def _month(self, rng: np.random.Generator, month: int, level: np.ndarray, plan: np.ndarray) -> pd.DataFrame:
        present = rng.random(self.customers) < 0.8
        n, level, plan = present.sum(), level[present], plan[present]
        season = 1 + self.season * np.sin(2 * np.pi * month / 12)
        orders = rng.poisson(level * season)
        columns: dict[str, Any] = {
            "orders_count_30d": orders,
            "orders_amount_sum_30d": np.round(orders * rng.gamma(4, 6, n), 2),
            "tickets_count_90d": rng.poisson(0.4, n),
            "days_since_last": np.where(orders > 0, rng.exponential(10, n), np.nan),
        }
        common = rng.normal(size=n)
        columns |= {f"n{i}": 0.8 * common + 0.6 * rng.normal(size=n) if i < 2 else rng.normal(size=n) for i in range(8)}
        keys = {
            "customer_id": np.array([f"c{i:06d}" for i in np.flatnonzero(present)], dtype=object),
            "feature_timestamp": pd.Timestamp(START) + pd.DateOffset(months=month),
        }
        return pd.DataFrame(
            {
                **keys,
                **columns,
                "customer_opt_in": rng.random(n) < 0.4,
                "customer_plan": plan,
                OUTCOME: (rng.random(n) < 0.1).astype("int32"),
            }
        ).astype({"feature_timestamp": "datetime64[us]"})


def measured(world: DriftWorld, settings: Drift | None = None, *, jointly: bool = True) -> list[dict[str, Any]]:
    """Rows of drift for the later months of a world."""
    settings = settings or Drift()
    frame = world.frame()
    times = sorted(frame["feature_timestamp"].unique())
    until = pd.Timestamp(times[world.reference_months - 1]).to_pydatetime()
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; set threads = 1")
        connection.register("features", frame)
        rows = TableRows(connection, "features", "customer_id")
        reference = measure_reference(rows.between(until=until), [*COLUMNS, InputColumn(OUTCOME, FLAG)])
        current = rows.between(after=until).counted([column.bins for column in reference.columns.values()])
        found = drift_rows(FEATURE, reference, current, [column.name for column in COLUMNS], settings)
        if jointly:
            found += joint_rows(rows, reference, current, found, settings)
        found += drift_rows(CHURN_RATE, reference, current, [OUTCOME], settings)
    return with_since(found)


def moved(rows: list[dict[str, Any]], month: int = 0, reference_months: int = 6) -> set[str]:
    """Names of what is not ok in a later month."""
    period = (pd.Timestamp(START) + pd.DateOffset(months=reference_months + month)).to_pydatetime()
    return {row["feature"] for row in rows if row["current_period"] == period and row["status"] != "ok"}


def sudden(frame: pd.DataFrame, month: int) -> pd.DataFrame:
    """Prices rise by two thirds at once."""
    return frame.assign(orders_amount_sum_30d=frame["orders_amount_sum_30d"] * 1.67)


def gradual(frame: pd.DataFrame, month: int) -> pd.DataFrame:
    """A mean that moves by a fifth of a standard deviation each month."""
    return frame.assign(n5=frame["n5"] + 0.2 * (month + 1))


def nulls(frame: pd.DataFrame, month: int) -> pd.DataFrame:
    """A column that is not delivered any more."""
    return frame.assign(n3=np.nan)


def constant(frame: pd.DataFrame, month: int) -> pd.DataFrame:
    """A column that is the same for everybody."""
    return frame.assign(n3=0.0)


def renamed(frame: pd.DataFrame, month: int) -> pd.DataFrame:
    """A category under another name."""
    return frame.assign(customer_plan=frame["customer_plan"].replace("premium", "Premium+"))


def uncorrelated(frame: pd.DataFrame, month: int) -> pd.DataFrame:
    """Two columns whose correlation is gone, while the distribution of each is as before."""
    rng = np.random.default_rng(month)
    return frame.assign(n1=rng.permutation(frame["n1"].to_numpy()))


def more_churn(frame: pd.DataFrame, month: int) -> pd.DataFrame:
    """A churn rate that has doubled."""
    rng = np.random.default_rng(month)
    return frame.assign(**{OUTCOME: np.where(rng.random(len(frame)) < 0.11, 1, frame[OUTCOME]).astype("int32")})


PLANTED: dict[str, tuple[Planted, str]] = {
    "sudden": (sudden, "orders_amount_sum_30d"),
    "nulls": (nulls, "n3"),
    "constant": (constant, "n3"),
    "renamed": (renamed, "customer_plan"),
    "correlations": (uncorrelated, "all features"),
    "churn rate": (more_churn, OUTCOME),
}


def quiet_alarms(periods: int, **of_world: Any) -> list[set[str]]:
    """What is not ok in each of so many quiet periods, of as many worlds."""
    return [moved(measured(replace(DriftWorld(seed=1_000 + seed), **of_world))) for seed in range(periods)]
