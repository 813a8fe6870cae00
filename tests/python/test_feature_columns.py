"""The columns that are declared beforehand are those that the macro `window_features` makes."""

from __future__ import annotations

import importlib
import re

import pytest

from python_ml.errors import UserError
from python_ml.feature_columns import (
    AGGREGATES,
    Measure,
    duration_words,
    sorted_windows,
    window_feature_columns,
    window_words,
)

WINDOWS = ["all_time", "30d", "24h", "2w"]
MEASURES = [
    Measure("amount", "amount", AGGREGATES, "amount", type="decimal(18, 2)"),
    Measure("refunds", "1", ("sum",), windows=("all_time", "30d"), where="amount < 0"),
    Measure("category", "category", ("nunique",), "categories"),
]


def names(**changes) -> list[str]:
    settings = {"measures": MEASURES, "windows": WINDOWS, **changes}
    return [column.name for column in window_feature_columns("orders", **settings)]


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    engine = importlib.import_module("tests.python.temporal.engine")
    return engine.MacroCompiler(tmp_path_factory.mktemp("feature_columns"))


@pytest.mark.parametrize("recency", [True, False])
def test_names_types_and_order_are_those_of_the_macro(macros, recency):
    duckdb = pytest.importorskip("duckdb")
    call = {
        "spine": "spine",
        "events": "events",
        "source": "orders",
        "entity": "customer_id",
        "event_at": "ordered_at",
        "windows": WINDOWS,
        "recency": recency,
        "measures": [
            {
                "name": m.name,
                "expression": m.expression,
                "aggregates": list(m.aggregates),
                **({"windows": list(m.windows)} if m.windows else {}),
                **({"where": m.where} if m.where else {}),
                **({"type": m.type} if m.type else {}),
            }
            for m in MEASURES
        ],
    }
    with duckdb.connect() as connection:
        connection.execute("create table spine (customer_id varchar, feature_timestamp timestamp)")
        connection.execute(
            "create table events (customer_id varchar, ordered_at timestamp, amount decimal(10, 2), category varchar)"
        )
        made = connection.execute(f"describe {macros.sql('window_features', call)}").fetchall()
    declared = window_feature_columns("orders", MEASURES, WINDOWS, recency=recency)
    assert [(c.name, c.data_type) for c in declared] == [(name, kind.lower()) for name, kind, *_ in made[2:]]


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


def test_every_column_is_described_and_registered():
    columns = window_feature_columns("orders", MEASURES, WINDOWS, events="web orders", leakage_risk="medium")
    assert len({c.description for c in columns}) == len(columns)
    for column in columns:
        assert column.meta["role"] == "feature"
        assert column.meta["source"] == "orders"
        assert column.meta["leakage_risk"] == "medium"
        assert "web orders" in column.description
        assert None not in column.meta.values()
    by_name = {c.name: c for c in columns}
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


def test_words_for_lengths():
    assert duration_words("1d") == "1 day"
    assert window_words("2w") == "in the 2 weeks before"
    assert window_words("all_time") == "at any time before"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windows": ["30"]}, "not a window"),
        ({"windows": ["1 month"]}, "not a window"),
        ({"measures": [Measure("a", "a", ("median",))]}, "`median` is not known"),
        ({"measures": [Measure("a", "a", ("sum",)), Measure("a", "b", ("sum",))]}, "made twice"),
    ],
)
def test_mistakes_are_explained(changes, message):
    with pytest.raises(UserError, match=re.escape(message)) as error:
        names(**changes)
    assert error.value.mend
