"""Calls of `window_features` that the tests make: each once as SQL and once as Python."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from .oracle import Measure, Row, WindowFeatures

NUMERIC = ("sum", "mean", "min", "max", "stddev")
DEFAULT_WINDOWS = ("24h", "7d", "30d", "90d", "180d", "365d", "all_time")


def _refund_is_false(event: Row) -> bool | None:
    return None if event["refunded"] is None else not event["refunded"]


def _is_toy(event: Row) -> bool | None:
    return None if event["category"] is None else event["category"].lower() == "toys"


def _product(event: Row) -> Decimal | None:
    if event["score"] is None or event["items"] is None:
        return None
    return Decimal(event["score"]) * event["items"]


AMOUNT = Measure("amount", "amount", lambda event: event["amount"], (*NUMERIC, "nunique"))
KEPT_AMOUNT = Measure(
    "kept_amount",
    "amount",
    lambda event: event["amount"],
    NUMERIC,
    windows=("7d", "all_time"),
    where="not refunded",
    condition=_refund_is_false,
    type="decimal(18, 4)",
)
CATEGORY = Measure("category", "category", lambda event: event["category"], ("nunique",))
SCORE = Measure(
    "score", "score", lambda event: event["score"], ("mean", "stddev", "nunique"), type="decimal(9, 1)", exponent=1
)
WHOLE_ITEMS = Measure(
    "whole_items", "items", lambda event: event["items"], ("min", "max", "sum"), type="decimal(6, 0)", exponent=0
)
PRODUCT = Measure(
    "product",
    "score * items",
    _product,
    ("nunique", "sum", "stddev"),
    windows=("30d",),
    where="lower(category) = 'toys' or category is null",
    condition=lambda event: _is_toy(event) is not False,
)

# Every measure of the default windows.
EVERYTHING = WindowFeatures("orders", DEFAULT_WINDOWS, (AMOUNT, KEPT_AMOUNT, CATEGORY, SCORE, PRODUCT))
# The same in fewer windows, for tests that run it often.
MIXED = replace(EVERYTHING, windows=("7d", "30d", "all_time"))
# No window lasts for ever, so that older events could be dropped early: recency must not lose them.
BOUNDED = WindowFeatures(
    "usage", ("48h", "1w", "31d"), (AMOUNT, CATEGORY), where="category <> 'books'",
    condition=lambda event: None if event["category"] is None else event["category"] != "books",
)  # fmt: skip
# Neither recency nor arrival times; windows out of order.
BARE = WindowFeatures("logins", ("30d", "1h"), (WHOLE_ITEMS,), recency=False, available_at=None)
COUNTS_ONLY = WindowFeatures("tickets", ("all_time",), recency=False)
# The where of the call and of a measure together; a comparison with `or` must not escape its brackets.
BOTH_WHERES = WindowFeatures(
    "visits", ("7d", "2w", "all_time"), (KEPT_AMOUNT, WHOLE_ITEMS),
    where="items > 1 or items is null", condition=lambda event: event["items"] is None or event["items"] > 1,
)  # fmt: skip

CALLS = {
    "everything": EVERYTHING,
    "bounded": BOUNDED,
    "bare": BARE,
    "counts_only": COUNTS_ONLY,
    "both_wheres": BOTH_WHERES,
}
