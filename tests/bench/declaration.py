"""The declaration that everybody in the benchmark computes: 7 windows, 14 features in each, and 3 of recency."""

from __future__ import annotations

from typing import Any

SOURCE = "orders"
ENTITY = "customer_id"

# Name of a window -> its length in hours; None: every visible event.
WINDOWS: dict[str, int | None] = {
    "24h": 24,
    "7d": 7 * 24,
    "30d": 30 * 24,
    "90d": 90 * 24,
    "180d": 180 * 24,
    "365d": 365 * 24,
    "all_time": None,
}

# Types as narrow as the numbers: amounts stay below 100,000.
MEASURES: list[dict[str, Any]] = [
    {
        "name": "amount",
        "expression": "amount",
        "aggregates": ["sum", "mean", "min", "max", "stddev"],
        "type": "decimal(9, 4)",
    },
    {"name": "items", "expression": "items", "aggregates": ["sum", "mean", "min", "max"], "type": "decimal(9, 0)"},
    {"name": "category", "expression": "category", "aggregates": ["nunique"], "type": "text"},
    {"name": "online", "expression": "online", "aggregates": ["share", "any"], "type": "boolean"},
    {
        "name": "amount_online",
        "expression": "amount",
        "aggregates": ["sum"],
        "where": "online",
        "type": "decimal(9, 4)",
    },
]

RECENCY = ("days_since_last", "days_since_first", "mean_gap_days")


def feature_columns(windows: list[str]) -> list[str]:
    """Names of the features of these windows, in the order of `window_features`: 14 a window, and 3."""
    parts = ["count"] + [f"{measure['name']}_{word}" for measure in MEASURES for word in measure["aggregates"]]
    in_windows = [f"{SOURCE}_{part}_{window}" for part in parts for window in windows]
    return in_windows + [f"{SOURCE}_{name}" for name in RECENCY]


def arguments(spine: str, windows: list[str] | None = None, late: bool = True) -> dict[str, Any]:
    """Arguments of `window_features` for this declaration; `late=False` leaves available_at alone."""
    return {
        "spine": spine,
        "events": "events",
        "source": SOURCE,
        "entity": ENTITY,
        "event_at": "event_at",
        "available_at": "available_at" if late else None,
        "measures": MEASURES,
        "windows": windows or list(WINDOWS),
    }
