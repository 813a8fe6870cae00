"""What people write in pandas and polars: a loop over the dates, and in it over the windows, from long to short.

Both start from the rows in memory, with ids as text and amounts as doubles; every other preparation is timed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .declaration import ENTITY, SOURCE, WINDOWS, feature_columns

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

DAY_US = 86_400_000_000


def read_pandas(events: Path) -> pd.DataFrame:
    """Events from a parquet file."""
    import pandas as pd

    return pd.read_parquet(events)


def read_polars(events: Path) -> pl.DataFrame:
    """Events from a parquet file."""
    import polars as pl

    return pl.read_parquet(events)


def with_pandas(events: pd.DataFrame, customers: list[str], dates: list[datetime]) -> pd.DataFrame:
    """Features of every customer at every date."""
    import pandas as pd

    events = events.assign(
        customer_id=pd.Categorical(events["customer_id"], categories=customers),
        category=events["category"].astype("category"),
        known_at=events["event_at"].where(
            events["available_at"].isna() | (events["available_at"] < events["event_at"]), events["available_at"]
        ),
    )
    by_date = [_date_with_pandas(events[events["known_at"] < date], date) for date in dates]
    return pd.concat(by_date)[[ENTITY, "feature_timestamp", *feature_columns(list(WINDOWS))]]


def _date_with_pandas(visible: pd.DataFrame, date: datetime) -> pd.DataFrame:
    import pandas as pd

    parts = []
    inside = visible
    # From long to short: each window is looked for in the one before.
    for window, hours in reversed(WINDOWS.items()):
        if hours is not None:
            inside = inside[inside["event_at"] >= date - timedelta(hours=hours)]
        # Not only the observed: every customer gets a row.
        groups = inside.groupby(ENTITY, observed=False, sort=True)
        part = groups.agg(
            count=("event_at", "size"),
            amount_sum=("amount", "sum"),
            amount_mean=("amount", "mean"),
            amount_min=("amount", "min"),
            amount_max=("amount", "max"),
            amount_stddev=("amount", "std"),
            items_sum=("items", "sum"),
            items_mean=("items", "mean"),
            items_min=("items", "min"),
            items_max=("items", "max"),
            category_nunique=("category", "nunique"),
            online_share=("online", "mean"),
            online_any=("online", "any"),
        )
        online = inside[inside["online"]].groupby(ENTITY, observed=False, sort=True)
        part["amount_online_sum"] = online["amount"].sum()
        parts.append(part.add_prefix(f"{SOURCE}_").add_suffix(f"_{window}"))
    times = visible.groupby(ENTITY, observed=False, sort=True)["event_at"].agg(["min", "max", "size"])
    day = pd.Timedelta(days=1)
    recency = pd.DataFrame(
        {
            f"{SOURCE}_days_since_last": (date - times["max"]) / day,
            f"{SOURCE}_days_since_first": (date - times["min"]) / day,
            f"{SOURCE}_mean_gap_days": (
                (times["max"] - times["min"]) / day / (times["size"] - 1).where(times["size"] > 1)
            ),
        }
    )
    return pd.concat([*parts, recency], axis=1).assign(feature_timestamp=date).reset_index()


def with_polars(events: pl.DataFrame, customers: list[str], dates: list[datetime]) -> pl.DataFrame:
    """Features of every customer at every date."""
    import polars as pl

    events = events.with_columns(
        pl.col(ENTITY, "category").cast(pl.Categorical),
        pl.max_horizontal("event_at", "available_at").alias("known_at"),
    )
    everyone = pl.DataFrame({ENTITY: customers}).cast(pl.Categorical)
    by_date = [_date_with_polars(events.filter(pl.col("known_at") < date), everyone, date) for date in dates]
    return pl.concat(by_date).select(ENTITY, "feature_timestamp", *feature_columns(list(WINDOWS)))


def _date_with_polars(visible: pl.DataFrame, customers: pl.DataFrame, date: datetime) -> pl.DataFrame:
    import polars as pl

    features = customers
    inside = visible
    zeros = []
    for window, hours in reversed(WINDOWS.items()):
        if hours is not None:
            inside = inside.filter(pl.col("event_at") >= date - timedelta(hours=hours))
        named = {f"{SOURCE}_{part}_{window}": expression for part, expression in _polars_aggregates().items()}
        features = features.join(inside.group_by(ENTITY).agg(**named), on=ENTITY, how="left")
        parts = ("count", "amount_sum", "items_sum", "category_nunique", "amount_online_sum")
        zeros += [pl.col(f"{SOURCE}_{part}_{window}").fill_null(0) for part in parts]
        zeros.append(pl.col(f"{SOURCE}_online_any_{window}").fill_null(value=False))
    times = visible.group_by(ENTITY).agg(
        first=pl.col("event_at").min(), last=pl.col("event_at").max(), events=pl.len().cast(pl.Int64)
    )

    def days(span: pl.Expr) -> pl.Expr:
        return span.dt.total_microseconds() / DAY_US

    at = pl.lit(date, dtype=pl.Datetime("us"))
    return features.join(times, on=ENTITY, how="left").with_columns(
        *zeros,
        at.alias("feature_timestamp"),
        days(at - pl.col("last")).alias(f"{SOURCE}_days_since_last"),
        days(at - pl.col("first")).alias(f"{SOURCE}_days_since_first"),
        pl.when(pl.col("events") > 1)
        .then(days(pl.col("last") - pl.col("first")) / (pl.col("events") - 1))
        .alias(f"{SOURCE}_mean_gap_days"),
    )


def _polars_aggregates() -> dict[str, Any]:
    import polars as pl

    amount, items, online = pl.col("amount"), pl.col("items"), pl.col("online")
    return {
        "count": pl.len().cast(pl.Int64),
        "amount_sum": amount.sum(),
        "amount_mean": amount.mean(),
        "amount_min": amount.min(),
        "amount_max": amount.max(),
        "amount_stddev": amount.std(),
        "items_sum": items.sum(),
        "items_mean": items.mean(),
        "items_min": items.min(),
        "items_max": items.max(),
        "category_nunique": pl.col("category").n_unique().cast(pl.Int64),
        "online_share": online.mean(),
        "online_any": online.any(),
        "amount_online_sum": amount.filter(online).sum(),
    }
