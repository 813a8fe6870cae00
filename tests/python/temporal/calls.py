"""Calls of `window_features` that the tests make: each once as SQL and once as Python.

Between them they use every aggregate of every type that has it, and every rhythm and comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from .declarations import CADENCE, RHYTHM, Comparison, Measure, Row, WindowFeatures

OF_NUMBERS = (
    "count", "sum", "mean", "min", "max", "variance", "stddev", "slope", "first", "last", "last_per_mean", "nunique",
    "mode", "entropy",
)  # fmt: skip
OF_TEXT = ("count", "first", "last", "nunique", "mode", "entropy")
OF_FLAGS = ("count", "any", "all", "share", "nunique", "mode", "entropy")
DEFAULT_WINDOWS = ("24h", "7d", "30d", "90d", "180d", "365d", "all_time")


def _column(name: str) -> Callable[[Row], Any]:
    return lambda event: event[name]


def _refund_is_false(event: Row) -> bool | None:
    return None if event["refunded"] is None else not event["refunded"]


def _is_toy(event: Row) -> bool | None:
    return None if event["category"] is None else event["category"].lower() == "toys"


def _product(event: Row) -> Decimal | None:
    if event["score"] is None or event["items"] is None:
        return None
    return Decimal(event["score"]) * event["items"]


AMOUNT = Measure("amount", "amount", _column("amount"), OF_NUMBERS)
KEPT_AMOUNT = Measure(
    "kept_amount",
    "amount",
    _column("amount"),
    ("sum", "mean", "min", "max", "stddev", "last"),
    windows=("7d", "all_time"),
    where="not refunded",
    condition=_refund_is_false,
    type="decimal(18, 4)",
)
# Without a type, for aggregates that need none.
CATEGORY = Measure("category", "category", _column("category"), ("nunique", "mode", "entropy", "count"))
SCORE = Measure(
    "score",
    "score",
    _column("score"),
    ("mean", "stddev", "variance", "slope", "first", "nunique"),
    type="decimal(9, 1)",
    exponent=1,
)
WHOLE_ITEMS = Measure(
    "whole_items",
    "items",
    _column("items"),
    ("min", "max", "sum", "mode", "last_per_mean", "entropy"),
    type="decimal(6, 0)",
    exponent=0,
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
# No decimal type holds these: they are added as they are.
TINY_SCORE = Measure(
    "tiny_score",
    "score * 1e-5",
    lambda event: None if event["score"] is None else event["score"] * 1e-5,
    ("count", "sum", "mean", "min", "max", "variance", "stddev", "first", "last", "last_per_mean"),
    type="double",
    exponent=0,
)
DOUBLE_SCORE = Measure(
    "double_score",
    "score",
    _column("score"),
    ("stddev", "nunique"),
    windows=("30d",),
    where="not refunded",
    condition=_refund_is_false,
    type="double",
    exponent=0,
)
# Text sorts otherwise than the numbers that it shows: '-2' is more than '-1'.
ITEMS_AS_TEXT = Measure("shown_items", "items", _column("items"), OF_TEXT, type="text")
CHANNEL_TEXT = Measure("way", "channel", _column("channel"), OF_TEXT, type="text")
REFUNDED = Measure("refunded", "refunded", _column("refunded"), OF_FLAGS, type="boolean")
MANY_ITEMS = Measure(
    "many",
    "items > 2",
    lambda event: None if event["items"] is None else event["items"] > 2,
    ("all", "any", "share"),
    where="channel <> 'web' or refunded",
    condition=lambda event: event["refunded"] or (event["channel"] not in (None, "web")) or None,
    type="boolean",
)

# -- values ----------------------------------------------------------------------------------------------------

BY_CHANNEL = Measure(
    "amount",
    "amount",
    _column("amount"),
    ("sum", "count", "max", "first", "slope"),
    windows=("30d", "all_time"),
    by="channel",
    category=_column("channel"),
    values=("web", "Call centre", "o'clock", "100%", "Zürich", "no such"),
)
BY_ITEMS = Measure(
    "way",
    "channel",
    _column("channel"),
    ("last", "nunique", "mode", "entropy"),
    where="amount > 0 or category = 'toys'",
    condition=lambda event: (event["amount"] is not None and event["amount"] > 0) or event["category"] == "toys",
    type="text",
    by="items",
    category=_column("items"),
    values={"minus_one": "-1", "three": "3"},
)
REFUNDED_BY_CATEGORY = Measure(
    "refunded",
    "refunded",
    _column("refunded"),
    ("share", "any", "all"),
    type="boolean",
    by="category",
    category=_column("category"),
    values={"blank": "", "small": "toys", "capital": "Toys"},
)
CHANNEL = Measure(
    "channel",
    "channel",
    _column("channel"),
    ("nunique", "count", "mode", "share"),
    type="text",
    values={
        "web": "web", "web_capitals": "WEB", "web_space": "web ", "space_web": " web", "nothing": "",
        "quoted": "o'clock", "quotes": "''", "said": 'say "hi"', "one_slash": "a\\b", "two_slashes": "a\\\\b",
        "slash_at_end": "ends in \\", "slashed_quote": "\\'", "braces": "{{ this }}", "block": "{% raw %}",
        "note": "{# no #}", "lines": "two\nlines", "tab": "tab\tbed", "percent": "%s", "comment": "-- no",
        "opened": "/* no", "dollars": "$$", "null_word": "null", "umlaut": "Zürich", "far_east": "日本",
    },
)  # fmt: skip
# Nothing is left of the measure itself.
CATEGORY_SHARES = Measure(
    "category", "category", _column("category"), ("share",), windows=("7d",), values=("toys", "books")
)
ITEMS_COUNTS = Measure(
    "items",
    "items",
    _column("items"),
    ("mean", "count", "share"),
    where="not refunded",
    condition=_refund_is_false,
    values={"none": "0", "two": "2"},
)
FLAG_COUNTS = Measure(
    "flag", "refunded", _column("refunded"), ("count", "any"), type="boolean", values=("true", "false")
)

# -- comparisons -----------------------------------------------------------------------------------------------

_COMPARED_MEASURES = (
    replace(AMOUNT, aggregates=("sum", "mean", "stddev", "slope", "count", "min")),
    replace(SCORE, aggregates=("last", "variance", "nunique", "sum"), windows=("24h", "30d")),
    replace(CHANNEL, aggregates=("share", "count", "entropy"), values=("web", "Call centre")),
    replace(REFUNDED, aggregates=("share", "any", "nunique")),
)
_COMPARISONS = (
    Comparison("count", "ratio", ("24h", "7d")),
    Comparison("count", "difference", ("30d", "all_time")),
    Comparison("count", "velocity", ("24h", "7d")),
    Comparison("count", "momentum", ("7d", "30d")),
    Comparison("count", "acceleration", ("24h", "7d", "30d")),
    Comparison("amount_sum", "ratio", ("7d", "all_time")),
    Comparison("amount_sum", "difference", ("24h", "7d")),
    Comparison("amount_sum", "velocity", ("7d", "30d")),
    Comparison("amount_sum", "momentum", ("24h", "30d")),
    Comparison("amount_sum", "acceleration", ("24h", "7d", "30d")),
    Comparison("amount_mean", "ratio", ("24h", "30d")),
    Comparison("amount_mean", "difference", ("7d", "all_time")),
    Comparison("amount_stddev", "ratio", ("7d", "30d")),
    Comparison("amount_slope", "difference", ("7d", "30d")),
    Comparison("amount_count", "momentum", ("7d", "30d")),
    Comparison("amount_min", "ratio", ("7d", "all_time")),
    Comparison("score_last", "difference", ("24h", "30d")),
    Comparison("score_variance", "ratio", ("24h", "30d")),
    Comparison("score_nunique", "ratio", ("24h", "30d")),
    Comparison("score_sum", "velocity", ("24h", "30d")),
    Comparison("channel_entropy", "difference", ("7d", "30d")),
    Comparison("channel_web_count", "acceleration", ("24h", "7d", "30d")),
    Comparison("channel_call_centre_share", "ratio", ("7d", "all_time")),
    Comparison("refunded_share", "difference", ("24h", "7d")),
    Comparison("refunded_nunique", "ratio", ("7d", "30d")),
)

# -- calls -----------------------------------------------------------------------------------------------------

# Every measure of the default windows.
EVERYTHING = WindowFeatures("orders", DEFAULT_WINDOWS, (AMOUNT, KEPT_AMOUNT, CATEGORY, SCORE, PRODUCT))
# The same in fewer windows, for tests that run it often.
MIXED = replace(EVERYTHING, windows=("7d", "30d", "all_time"), rhythm=RHYTHM)
# No window lasts for ever, so that older events could be dropped early: recency and rhythm must not lose them.
BOUNDED = WindowFeatures(
    "usage", ("48h", "1w", "31d"), (replace(AMOUNT, aggregates=OF_NUMBERS[:-3]), CATEGORY, CHANNEL_TEXT),
    where="category <> 'books'", rhythm=RHYTHM,
    condition=lambda event: None if event["category"] is None else event["category"] != "books",
)  # fmt: skip
# Nothing at all looks further back than the longest window, and active days lie in windows too.
FORGETFUL = WindowFeatures(
    "calls", ("12h", "3d"), (replace(AMOUNT, aggregates=("last", "sum", "mode")), CHANNEL_TEXT),
    recency=False, rhythm=("active_days",),
)  # fmt: skip
# Neither recency nor arrival times; windows out of order.
BARE = WindowFeatures("logins", ("30d", "1h"), (WHOLE_ITEMS, ITEMS_AS_TEXT), recency=False, available_at=None)
COUNTS_ONLY = WindowFeatures("tickets", ("all_time",), recency=False)
RHYTHM_ONLY = WindowFeatures("visits", ("24h", "2w", "all_time"), recency=False, rhythm=RHYTHM)
# Recency and tenure are looked at without being columns.
RATIO_ONLY = WindowFeatures("visits", ("36h",), recency=False, rhythm=("recency_per_tenure",))
# The days of visits without the windows that they lie in.
CADENCE_ONLY = WindowFeatures("visits", ("36h", "9d"), recency=False, rhythm=CADENCE[::-1])
# Two of the rhythm, in another order, and none of the windows goes back for ever.
LATE_RHYTHM = WindowFeatures("visits", ("36h", "9d"), recency=False, rhythm=("current_streak_days", "active_days"))
# The where of the call and of a measure together; a comparison with `or` must not escape its brackets.
BOTH_WHERES = WindowFeatures(
    "visits", ("7d", "2w", "all_time"), (KEPT_AMOUNT, WHOLE_ITEMS, MANY_ITEMS),
    where="items > 1 or items is null", condition=lambda event: event["items"] is None or event["items"] > 1,
)  # fmt: skip
FLAGS = WindowFeatures("orders", ("24h", "30d", "all_time"), (REFUNDED, MANY_ITEMS, FLAG_COUNTS))
DOUBLES = WindowFeatures("orders", ("7d", "30d", "all_time"), (TINY_SCORE, DOUBLE_SCORE), recency=False)
BY_VALUE = WindowFeatures("orders", ("7d", "30d", "all_time"), (BY_CHANNEL, BY_ITEMS, REFUNDED_BY_CATEGORY))
OF_VALUES = WindowFeatures("orders", ("7d", "all_time"), (CHANNEL, CATEGORY_SHARES, ITEMS_COUNTS), recency=False)
COMPARED = WindowFeatures(
    "orders", ("24h", "7d", "30d", "all_time"), _COMPARED_MEASURES, recency=False, comparisons=_COMPARISONS
)

CALLS = {
    "everything": EVERYTHING,
    "bounded": BOUNDED,
    "forgetful": FORGETFUL,
    "bare": BARE,
    "counts_only": COUNTS_ONLY,
    "rhythm_only": RHYTHM_ONLY,
    "late_rhythm": LATE_RHYTHM,
    "ratio_only": RATIO_ONLY,
    "cadence_only": CADENCE_ONLY,
    "both_wheres": BOTH_WHERES,
    "flags": FLAGS,
    "doubles": DOUBLES,
    "by_value": BY_VALUE,
    "of_values": OF_VALUES,
    "compared": COMPARED,
}
