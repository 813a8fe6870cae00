"""What the macros say to wrong arguments: a compiler error that names the argument and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.python.temporal.engine import MacroCompiler

FEATURES = {
    "spine": "spine",
    "events": "events",
    "source": "orders",
    "entity": "customer_id",
    "event_at": "event_at",
    "windows": ["7d", "30d", "all_time"],
}
AMOUNT = {"name": "amount", "expression": "amount", "aggregates": ["sum"]}
SPINE = {
    "definition": "inactivity",
    "entity": "customer_id",
    "population": {"relation": "events", "event_at": "event_at"},
    "observation": "observation",
}
LABELS = {
    "definition": "inactivity",
    "entity": "customer_id",
    "spine": "spine",
    "outcome": {"relation": "events", "event_at": "event_at"},
    "observation": "observation",
}


def _measure(**changed: Any) -> dict[str, Any]:
    measure = {key: value for key, value in (AMOUNT | changed).items() if value is not ...}
    return FEATURES | {"measures": [measure]}


# case -> macro, its arguments, and what the message must say
CASES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "unknown aggregate": (
        "window_features",
        _measure(aggregates=["sum", "median"]),
        ["amount", "median", "sum", "mean", "min", "max", "stddev", "nunique"],
    ),
    "aggregates as text": ("window_features", _measure(aggregates="sum"), ["amount", "aggregates", "list"]),
    "no aggregates": ("window_features", _measure(aggregates=[]), ["amount", "aggregates"]),
    "aggregate twice": ("window_features", _measure(aggregates=["sum", "sum"]), ["amount", "sum", "twice"]),
    "measure without a name": ("window_features", _measure(name=...), ["measures", "name", "missing"]),
    "measure without an expression": ("window_features", _measure(expression=...), ["amount", "expression"]),
    "measure with a bad name": ("window_features", _measure(name="Amount spent"), ["Amount spent", "name"]),
    "measure with an unknown key": ("window_features", _measure(agregates=["sum"]), ["agregates", "aggregates"]),
    "measure that is no mapping": ("window_features", FEATURES | {"measures": ["amount"]}, ["measures", "amount"]),
    "measure of a bad type": ("window_features", _measure(type="double"), ["amount", "double", "decimal"]),
    "measure of a window not declared": (
        "window_features",
        _measure(windows=["7d", "90d"]),
        ["amount", "90d", "7d", "30d", "all_time"],
    ),
    "two measures of one name": (
        "window_features",
        FEATURES | {"measures": [AMOUNT, AMOUNT | {"aggregates": ["max"]}]},
        ["measures", "amount", "twice"],
    ),
    "window without a unit": ("window_features", FEATURES | {"windows": ["7"]}, ["windows", "`7`", "24h", "30d", "2w"]),
    "window of months": ("window_features", FEATURES | {"windows": ["1 month"]}, ["windows", "1 month", "30d"]),
    "window of length zero": ("window_features", FEATURES | {"windows": ["0d", "7d"]}, ["windows", "0d", "zero"]),
    "negative window": ("window_features", FEATURES | {"windows": ["-7d"]}, ["windows", "-7d"]),
    "window twice": ("window_features", FEATURES | {"windows": ["7d", "7d"]}, ["windows", "7d", "twice"]),
    "windows of one length": ("window_features", FEATURES | {"windows": ["24h", "1d"]}, ["windows", "24h", "1d"]),
    "windows as text": ("window_features", FEATURES | {"windows": "7d"}, ["windows", "list", "7d"]),
    "source that is no name": ("window_features", FEATURES | {"source": "my orders"}, ["source", "my orders"]),
    "unknown definition of the spine": (
        "spine",
        SPINE | {"definition": "lapsed"},
        ["spine", "definition", "lapsed", "end_date", "inactivity", "supplied"],
    ),
    "population that lacks a column": (
        "spine",
        SPINE | {"definition": "end_date"},
        ["population", "started_at", "ended_at", "end_date"],
    ),
    "step that is no duration": ("spine", SPINE | {"step": "monthly"}, ["step", "monthly", "30d", "month"]),
    "step of zero": ("spine", SPINE | {"step": "0d"}, ["step", "0d"]),
    "step of no months": ("spine", SPINE | {"step": "0 month"}, ["step", "0 month"]),
    "anchor that is no time": ("spine", SPINE | {"anchor": "first of May"}, ["anchor", "first of May", "2025-01-31"]),
    "start that is no time": ("spine", SPINE | {"start": "31/12/2024"}, ["start", "31/12/2024", "2025-01-31"]),
    "active window that is no duration": (
        "spine",
        SPINE | {"active_window": "half a year"},
        ["active_window", "half a year", "30d"],
    ),
    "unknown definition of the labels": (
        "churn_labels",
        LABELS | {"definition": "lapsed"},
        ["churn_labels", "definition", "lapsed", "end_date", "inactivity", "supplied"],
    ),
    "outcome that lacks a column": (
        "churn_labels",
        LABELS | {"definition": "supplied"},
        ["outcome", "as_of", "label", "supplied"],
    ),
    "horizon that is no duration": ("churn_labels", LABELS | {"horizon": "soon"}, ["horizon", "soon", "30d"]),
    "horizon of months": ("churn_labels", LABELS | {"horizon": "1 month"}, ["horizon", "1 month", "30d"]),
    "horizon of zero": ("churn_labels", LABELS | {"horizon": "0d"}, ["horizon", "0d"]),
    "gap that is no duration": ("churn_labels", LABELS | {"gap": "-1d"}, ["gap", "-1d", "30d"]),
    "no columns to join": (
        "as_of_join",
        {"spine": "spine", "history": "history", "entity": "customer_id", "valid_from": "valid_from", "columns": []},
        ["as_of_join", "columns"],
    ),
    "no sources to observe": ("observation_period", {"sources": []}, ["observation_period", "sources", "event_at"]),
    "source to observe without its time": (
        "observation_period",
        {"sources": [{"relation": "events"}]},
        ["observation_period", "sources", "event_at"],
    ),
}


@pytest.fixture(scope="module")
def macros(tmp_path_factory: pytest.TempPathFactory) -> MacroCompiler:
    """Compiler of the package's macros."""
    return MacroCompiler(tmp_path_factory.mktemp("macro_errors"))


@pytest.mark.parametrize("case", CASES)
def test_says_what_is_wrong(case: str, macros: MacroCompiler) -> None:
    macro, arguments, fragments = CASES[case]
    message = macros.error(macro, arguments)
    missing = [fragment for fragment in fragments if fragment not in message]
    assert not missing, f"the message does not mention {missing}:\n{message}"
    assert "Compilation Error" in message


def test_the_cases_differ_from_a_good_call_in_one_thing(macros: MacroCompiler) -> None:
    """Without its mistake, each call compiles: the errors above have no second cause."""
    assert "orders_amount_sum_7d" in macros.sql("window_features", _measure())
    assert "feature_timestamp" in macros.sql("spine", SPINE)
    assert "churned" in macros.sql("churn_labels", LABELS)


def test_a_measure_may_not_spell_the_name_of_another_column(macros: MacroCompiler) -> None:
    taken = FEATURES | {"measures": [AMOUNT | {"name": "amount_sum"}, AMOUNT]}
    assert "orders_amount_sum_sum_7d" in macros.sql("window_features", taken)
