"""The query that people write: a range join of events and spine, and one FILTER per window and aggregate."""

from __future__ import annotations

from .declaration import ENTITY, SOURCE, WINDOWS

# Feature -> its expression; {inside} is the condition of the window.
PARTS = {
    "count": "count(event_at) filter (where {inside})",
    "amount_sum": "cast(coalesce(sum(amount) filter (where {inside}), 0) as double)",
    "amount_mean": "cast(avg(cast(amount as double)) filter (where {inside}) as double)",
    "amount_min": "cast(min(amount) filter (where {inside}) as double)",
    "amount_max": "cast(max(amount) filter (where {inside}) as double)",
    "amount_stddev": "stddev_samp(cast(amount as double)) filter (where {inside})",
    "items_sum": "cast(coalesce(sum(items) filter (where {inside}), 0) as double)",
    "items_mean": "cast(avg(items) filter (where {inside}) as double)",
    "items_min": "cast(min(items) filter (where {inside}) as double)",
    "items_max": "cast(max(items) filter (where {inside}) as double)",
    "category_nunique": "count(distinct category) filter (where {inside})",
    "online_share": "avg(case when online then 1.0D else 0.0D end) filter (where {inside})",
    "online_any": "coalesce(bool_or(online) filter (where {inside}), false)",
    "amount_online_sum": "cast(coalesce(sum(amount) filter (where {inside} and online), 0) as double)",
}
EPOCH_US = {"duckdb": "epoch_us({})", "spark": "unix_micros(cast({} as timestamp))"}


def textbook(spine: str, windows: list[str] | None = None, engine: str = "duckdb") -> str:
    """One row per spine row with all features, as a query for DuckDB or Spark."""
    windows = windows or list(WINDOWS)
    columns = []
    for part, expression in PARTS.items():
        for window in windows:
            hours = WINDOWS[window]
            inside = "event_at is not null"
            if hours is not None:
                inside = f"event_at >= spine.feature_timestamp - interval '{hours}' hour"
            columns.append(f"{expression.format(inside=inside)} as {SOURCE}_{part}_{window}")
    at, first, last = (
        EPOCH_US[engine].format(column)
        for column in ("spine.feature_timestamp", "min(events.event_at)", "max(events.event_at)")
    )
    days = "86400000000.0"
    query = f"""
        select
            spine.{ENTITY},
            spine.feature_timestamp,
            {", ".join(columns)},
            ({at} - {last}) / {days} as {SOURCE}_days_since_last,
            ({at} - {first}) / {days} as {SOURCE}_days_since_first,
            case when count(events.event_at) > 1
                then ({last} - {first}) / {days} / (count(events.event_at) - 1)
            end as {SOURCE}_mean_gap_days
        from {spine} as spine
        left join events
            on events.{ENTITY} = spine.{ENTITY}
            and greatest(events.event_at, events.available_at) < spine.feature_timestamp
        group by spine.{ENTITY}, spine.feature_timestamp
    """
    return query if engine == "spark" else query.replace(".0D", ".0")
