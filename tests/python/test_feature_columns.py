"""The columns that are declared beforehand are those that the macro `window_features` makes."""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from python_ml.dbt import Feature
from python_ml.durations import days, duration_text, sorted_windows, window_text
from python_ml.errors import UserError
from python_ml.feature_columns import (
    AGGREGATES,
    KINDS,
    RHYTHM,
    Comparison,
    FeatureColumn,
    Measure,
    window_feature_columns,
)
from python_ml.input_columns import typed_columns

WINDOWS = ["all_time", "30d", "24h", "2w"]
OF_NUMBERS = (
    "count", "sum", "mean", "min", "max", "variance", "stddev", "slope", "first", "last", "last_per_mean", "nunique",
    "mode", "entropy",
)  # fmt: skip
OF_TEXT = ("nunique", "mode", "last", "entropy", "first", "count")
OF_BOOLEANS = ("any", "all", "share", "count", "nunique", "mode", "entropy")

AMOUNT = Measure("amount", "amount", OF_NUMBERS, "amount", type="decimal(18, 2)", plural="amounts")
REFUNDS = Measure("refunds", "1", ("sum",), windows=("all_time", "30d"), where="amount < 0", type="decimal(1, 0)")
CATEGORY = Measure("category", "category", OF_TEXT, type="text", plural="categories")
REFUNDED = Measure("refunded", "refunded", OF_BOOLEANS, type="boolean")
KINDS_OF_ORDERS = Measure(
    "kind", "category", ("share", "nunique", "count"), type="text", values=["toys", "Call centre!"], windows=("2w",)
)
SPENT = Measure(
    "spent", "amount", ("sum", "mean"), by="category", values={"toy": "toys", "book": "books"}, where="not refunded"
)
RETURNS = Measure("returns", "refunded", ("share", "any"), type="boolean", by="lower(category)", values=["toys"])
CODES = Measure("code", "items", ("count",), values=["1", "2"])

TREND = Measure(
    "trend", "amount", ("mean", "slope", "last"), type="decimal(9, 2)",
    windows={"mean": ("2w", "all_time"), "slope": ("all_time",), "last": ("30d",)},
)  # fmt: skip

# Each call asks for something else, and between them for everything.
CALLS: dict[str, dict[str, Any]] = {
    "no measures": {},
    "no recency": {"measures": [REFUNDS], "recency": False},
    "numbers": {"measures": [AMOUNT, REFUNDS]},
    "text and booleans": {"measures": [CATEGORY, REFUNDED]},
    "windows by aggregate": {"measures": [TREND]},
    "values": {"measures": [KINDS_OF_ORDERS, SPENT, RETURNS, CODES]},
    "rhythm": {"measures": [], "rhythm": RHYTHM[::-1]},
    "comparisons": {
        "measures": [SPENT, KINDS_OF_ORDERS, AMOUNT],
        "comparisons": [
            Comparison("count", "velocity", ("24h", "2w")),
            Comparison("count", "ratio", ("30d", "all_time")),
            Comparison("count", "acceleration", ("24h", "2w", "30d")),
            Comparison("spent_toy_sum", "momentum", ("2w", "30d")),
            Comparison("amount_mean", "difference", ("2w", "all_time")),
            Comparison("amount_entropy", "ratio", ("24h", "30d")),
        ],
    },
    "everything": {
        "measures": [AMOUNT, REFUNDS, CATEGORY, REFUNDED, KINDS_OF_ORDERS, SPENT, RETURNS, CODES],
        "rhythm": RHYTHM,
        "comparisons": [
            *(Comparison("count", kind, ("24h", "2w")) for kind in KINDS if kind != "acceleration"),
            Comparison("refunded_count", "acceleration", ("24h", "2w", "30d")),
        ],
    },
}


def columns(**changes: Any) -> list[FeatureColumn]:
    settings = {"measures": CALLS["everything"]["measures"], "windows": WINDOWS, **changes}
    return window_feature_columns("orders", **settings)


def names(**changes: Any) -> list[str]:
    return [column.name for column in columns(**changes)]


def described(*measures: Measure, windows: Sequence[str] = ("7d", "30d"), **changes: Any) -> dict[str, str]:
    return {c.name: c.description for c in columns(measures=measures, windows=windows, **changes)}


def arguments(**call: Any) -> dict[str, Any]:
    """The call of the macro that makes what `columns(**call)` foretells."""
    given = {"measures": CALLS["everything"]["measures"], "comparisons": [], "windows": WINDOWS, **call}
    return {
        "spine": "spine",
        "events": "events",
        "source": "orders",
        "entity": "customer_id",
        "event_at": "event_at",
        "available_at": "available_at",
        **given,
        "measures": [measure.declaration() for measure in given["measures"]],
        "comparisons": [comparison.declaration() for comparison in given["comparisons"]],
    }


@pytest.fixture(scope="module")
def engine():
    pytest.importorskip("duckdb")
    return importlib.import_module("tests.python.temporal.engine")


@pytest.fixture(scope="module")
def macros(engine, tmp_path_factory):
    return engine.MacroCompiler(tmp_path_factory.mktemp("feature_columns"))


@pytest.mark.parametrize("name", CALLS)
def test_names_types_and_order_are_those_of_the_macro(name, macros, engine):
    call = {"measures": [], **CALLS[name]}
    warehouse = engine.Warehouse()
    warehouse.fill({})
    made = warehouse.types(macros.sql("window_features", arguments(**call)))
    declared = columns(**call)
    same_words = {"string": "VARCHAR"}
    assert [(c.name, same_words.get(c.data_type, c.data_type.upper())) for c in declared] == list(made.items())[2:]


def test_the_calls_ask_for_everything():
    asked = CALLS["everything"]
    assert {a for m in asked["measures"] for a in m.aggregates} == set(AGGREGATES)
    assert {c.kind for c in asked["comparisons"]} == set(KINDS)


def test_windows_are_sorted_by_length_whatever_their_unit():
    assert sorted_windows(WINDOWS) == ["24h", "2w", "30d", "all_time"]
    assert names(measures=[], recency=False) == [
        "orders_count_24h",
        "orders_count_2w",
        "orders_count_30d",
        "orders_count_all_time",
    ]


def test_a_measure_may_have_fewer_windows():
    assert [n for n in names() if n.startswith("orders_refunds")] == [
        "orders_refunds_sum_30d",
        "orders_refunds_sum_all_time",
    ]


def test_an_aggregate_may_have_windows_of_its_own():
    assert names(measures=[TREND], recency=False)[len(WINDOWS) :] == [
        "orders_trend_mean_2w",
        "orders_trend_mean_all_time",
        "orders_trend_slope_all_time",
        "orders_trend_last_30d",
    ]


def test_types_are_those_of_the_values():
    types = {c.name: c.data_type for c in columns(rhythm=RHYTHM)}
    assert types["orders_amount_first_30d"] == "double"
    assert types["orders_category_first_30d"] == "string"
    assert types["orders_amount_mode_30d"] == "string"
    assert types["orders_refunded_any_30d"] == "boolean"
    assert types["orders_refunded_share_30d"] == "double"
    assert types["orders_amount_count_30d"] == "bigint"
    assert types["orders_active_days_30d"] == "bigint"
    assert types["orders_gap_stddev_days"] == "double"


def test_what_is_asked_for_tells_booleans_apart():
    assert Measure("a", "a", ("share", "mode")).kind == "boolean"
    assert Measure("a", "a", ("share", "sum"), values=["x"]).kind == "number"
    assert Measure("a", "a", ("count",)).kind == "number"


def test_models_take_every_type():
    made = columns(rhythm=RHYTHM, comparisons=CALLS["everything"]["comparisons"])
    features = [Feature(c.name, "feature", c.data_type) for c in made]
    typed = typed_columns(pd.DataFrame(columns=[f.name for f in features]), features)
    kinds = {"bigint": "number", "double": "number", "string": "category", "boolean": "flag"}
    assert [column.kind for column in typed] == [kinds[c.data_type] for c in made]
    assert {c.data_type for c in made} == set(kinds)


def test_values_of_a_measure_take_over_its_counts_and_shares():
    assert names(measures=[KINDS_OF_ORDERS], recency=False)[len(WINDOWS) :] == [
        "orders_kind_nunique_2w",
        "orders_kind_toys_share_2w",
        "orders_kind_toys_count_2w",
        "orders_kind_call_centre_share_2w",
        "orders_kind_call_centre_count_2w",
    ]
    assert names(measures=[CODES], windows=["7d"], recency=False) == [
        "orders_count_7d",
        "orders_code_1_count_7d",
        "orders_code_2_count_7d",
    ]


def test_values_of_a_category_split_every_aggregate():
    assert names(measures=[SPENT], windows=["7d"], recency=False)[1:] == [
        "orders_spent_toy_sum_7d",
        "orders_spent_toy_mean_7d",
        "orders_spent_book_sum_7d",
        "orders_spent_book_mean_7d",
    ]


def test_every_column_is_described_and_registered():
    found = columns(
        events="web orders", leakage_risk="medium", rhythm=RHYTHM, comparisons=CALLS["everything"]["comparisons"]
    )
    assert len({c.description for c in found}) == len(found)
    for column in found:
        assert column.meta["role"] == "feature"
        assert column.meta["source"] == "orders"
        assert column.meta["leakage_risk"] == "medium"
        assert None not in column.meta.values()
        assert "web orders" in column.description
        assert not re.search(r"[{}\n.]", column.description)
    by_name = {c.name: c for c in found}
    assert by_name["orders_count_24h"].description == "Number of web orders in the 24 hours before the feature time"
    assert by_name["orders_amount_sum_30d"].meta == {
        "role": "feature",
        "source": "orders",
        "measure": "amount",
        "aggregate": "sum",
        "window": "30d",
        "leakage_risk": "medium",
    }
    assert by_name["orders_days_since_last"].meta["aggregate"] == "days_since_last"
    assert by_name["orders_active_days_24h"].meta["window"] == "24h"
    compared = by_name["orders_refunded_count_acceleration_24h_2w_30d"].meta
    assert (compared["measure"], compared["aggregate"], compared["window"]) == (
        "refunded_count",
        "acceleration",
        "24h/2w/30d",
    )


DESCRIPTIONS = {
    "orders_amount_count_30d": "Number of orders with a value of amount in the 30 days before the feature time",
    "orders_amount_mean_30d": "Mean amount of orders in the 30 days before the feature time",
    "orders_amount_slope_30d": "Trend per day (least squares) of amount of orders in the 30 days before the feature "
    "time",
    "orders_amount_nunique_30d": "Number of different amounts of orders in the 30 days before the feature time",
    "orders_category_mode_7d": "Commonest category of orders in the 7 days before the feature time",
    "orders_category_last_7d": "Last category of orders in the 7 days before the feature time",
    "orders_category_entropy_7d": "Entropy of categories of orders in the 7 days before the feature time",
    "orders_refunded_any_7d": "Whether refunded is true of any of the orders in the 7 days before the feature time",
    "orders_refunded_share_7d": "Share of orders of which refunded is true in the 7 days before the feature time",
    "orders_channel_call_centre_count_7d": "Number of orders with channel Call centre in the 7 days before the "
    "feature time",
    "orders_channel_call_centre_share_7d": "Share of orders with channel Call centre in the 7 days before the "
    "feature time",
    "orders_channel_nunique_7d": "Number of different values of channel of orders in the 7 days before the feature "
    "time",
    "orders_spent_toy_sum_7d": "Sum of spent of orders with category toys in the 7 days before the feature time",
    "orders_returns_toys_share_7d": "Share of orders with group toys of which returns is true in the 7 days "
    "before the feature time",
    "orders_active_days_7d": "Number of different days with orders in the 7 days before the feature time",
    "orders_current_streak_days": "Number of days in a row with orders, up to the day of the feature time or the day "
    "before it",
    "orders_count_velocity_7d_30d": "Number of orders per day in the 7 days before the feature time, less that in "
    "the 30 days before it",
    "orders_amount_mean_ratio_7d_30d": "Mean amount of orders in the 7 days before the feature time, divided by that "
    "in the 30 days before it",
}


def test_descriptions_are_plain_sentences():
    values = {"call_centre": "Call\ncentre", "odd": "{{ x }}"}
    channel = Measure("channel", "channel", ("nunique", "count", "share"), type="text", values=values)
    found = described(
        AMOUNT,
        CATEGORY,
        REFUNDED,
        channel,
        SPENT,
        RETURNS,
        rhythm=RHYTHM,
        comparisons=[
            Comparison("count", "velocity", ("7d", "30d")),
            Comparison("amount_mean", "ratio", ("7d", "30d")),
        ],
    )
    assert {name: found[name] for name in DESCRIPTIONS} == DESCRIPTIONS
    assert "{{" not in found["orders_channel_odd_count_7d"]


def test_acceleration_is_told_as_a_change_of_velocities():
    found = described(
        windows=["1d", "7d", "30d"], comparisons=[Comparison("count", "acceleration", ("1d", "7d", "30d"))]
    )
    assert found["orders_count_acceleration_1d_7d_30d"] == (
        "Number of orders per day in the 1 day before the feature time, less twice that in the 7 days before it, "
        "plus that in the 30 days before it"
    )


def test_words_for_lengths():
    assert duration_text("1d") == "1 day"
    assert (days("36h"), days("30d"), days("2w")) == (1.5, 30.0, 14.0)
    assert window_text("2w") == "in the 2 weeks before"
    assert window_text("all_time") == "at any time before"


TEXT = Measure("a", "a", ("mode",), type="text")
MISTAKES = [
    ({"windows": ["30"]}, "not a window"),
    ({"windows": ["1 month"]}, "not a window"),
    ({"measures": [Measure("a", "a", ("median",))]}, "`median` is not known"),
    ({"measures": [Measure("a", "a", ("sum",)), Measure("a", "b", ("sum",))]}, "made twice"),
    ({"measures": [Measure("a", "a", ("sum",), type="float")]}, "`float` is not a type"),
    ({"measures": [Measure("a", "a", ("sum", "slope"), type="double")]}, "`slope` is not for doubles"),
    ({"measures": [Measure("a", "a", ("sum",), type="text")]}, "`sum` needs a number, not a text"),
    ({"measures": [Measure("a", "a", ("mean",), type="boolean")]}, "`mean` needs a number, not a boolean"),
    ({"measures": [Measure("a", "a", ("first",), type="boolean")]}, "`first` needs a number or a text"),
    ({"measures": [Measure("a", "a", ("any",), type="text")]}, "`any` needs a boolean, not a text"),
    ({"measures": [Measure("a", "a", ("sum", "any"))]}, "`sum` needs a number, not a boolean"),
    ({"measures": [Measure("a", "a", ("share",), type="text")]}, "`share` needs a boolean"),
    ({"measures": [Measure("a", "a", ("share",), type="text", by="b", values=["x"])]}, "`share` needs a boolean"),
    ({"measures": [Measure("a", "a", ("sum", "mean"), windows={"sum": ("2w",)})]}, "not those of the aggregates"),
    ({"measures": [Measure("a", "a", ("sum",), by="b")]}, "without values"),
    ({"measures": [Measure("a", "a", ("count",), values=["x", "!?"])]}, "`!?` has no name"),
    ({"measures": [Measure("a", "a", ("count",), values={"A b": "x"})]}, "`x` has no name"),
    ({"measures": [Measure("a", "a", ("mode",), type="text", values=["x"])]}, "nothing is made of them"),
    ({"measures": [Measure("a", "a", ("count",), values=["web shop", "Web-Shop"])]}, "`web shop` and `Web-Shop`"),
    ({"measures": [Measure("a_x", "a", ("sum",)), Measure("a", "a", ("sum",), by="b", values=["x"])]},
     "orders_a_x_sum_24h would be made twice"),
    ({"rhythm": ["weekends"]}, "`weekends` is not known"),
    ({"rhythm": ["active_days", "active_days"]}, "made twice"),
    ({"comparisons": [Comparison("count", "trend", ("24h", "2w"))]}, "`trend` is not a kind"),
    ({"comparisons": [Comparison("amount", "ratio", ("24h", "2w"))]}, "no number `amount`"),
    ({"measures": [TEXT], "comparisons": [Comparison("a_mode", "ratio", ("24h", "2w"))]}, "no number `a_mode`"),
    ({"comparisons": [Comparison("count", "ratio", ("2w", "24h"))]}, "from short to long"),
    ({"comparisons": [Comparison("count", "ratio", ("2w", "2w"))]}, "from short to long"),
    ({"comparisons": [Comparison("count", "acceleration", ("24h", "2w"))]}, "needs 3 windows"),
    ({"comparisons": [Comparison("refunds_sum", "ratio", ("24h", "30d"))]}, "not made over 24h"),
    ({"comparisons": [Comparison("amount_mean", "velocity", ("24h", "30d"))]}, "which only counts and sums have"),
    ({"comparisons": [Comparison("count", "momentum", ("24h", "all_time"))]}, "all_time has no length"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes_are_explained(changes, message):
    with pytest.raises(UserError, match=re.escape(message)) as error:
        names(**changes)
    assert error.value.hint


@pytest.mark.parametrize("changes", [changes for changes, _ in MISTAKES], ids=[message for _, message in MISTAKES])
def test_the_macro_refuses_them_too(changes, macros):
    assert "Compilation Error" in macros.error("window_features", arguments(**changes))


def test_declarations_hold_what_was_given():
    assert AMOUNT.declaration() == {
        "name": "amount",
        "expression": "amount",
        "aggregates": list(OF_NUMBERS),
        "type": "decimal(18, 2)",
    }
    assert SPENT.declaration()["values"] == {"toy": "toys", "book": "books"}
    assert REFUNDS.declaration()["windows"] == ["all_time", "30d"]
    assert Comparison("count", "ratio", ("7d", "30d")).declaration() == {
        "of": "count",
        "kind": "ratio",
        "windows": ["7d", "30d"],
    }


def test_an_order_of_aggregates_is_kept():
    for asked in itertools.permutations(("sum", "min", "nunique")):
        found = names(measures=[Measure("amount", "amount", asked)], windows=["7d"], recency=False)
        assert found[1:] == [f"orders_amount_{aggregate}_7d" for aggregate in asked]
