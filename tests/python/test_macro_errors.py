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


def _values(values: Any, **changed: Any) -> dict[str, Any]:
    channel = {"name": "channel", "expression": "channel", "aggregates": ["count"], "type": "text"}
    return FEATURES | {"measures": [channel | {"values": values} | changed]}


def _by(values: Any = ..., **changed: Any) -> dict[str, Any]:
    return _measure(name="paid", by="channel", values=values, **changed)


def _compared(of: Any = "amount_sum", kind: Any = "ratio", windows: Any = ("7d", "30d"), **more: Any) -> dict[str, Any]:
    """The measure `amount`, with aggregates of all kinds, and one comparison."""
    measures = [
        AMOUNT | {"aggregates": ["sum", "mean", "mode"]},
        AMOUNT | {"name": "late", "windows": ["30d", "all_time"]},
        {"name": "plan", "expression": "plan", "aggregates": ["last"], "type": "text"},
    ]
    given = {"of": of, "kind": kind, "windows": list(windows) if isinstance(windows, tuple) else windows} | more
    given = {key: value for key, value in given.items() if value is not ...}
    return FEATURES | {"measures": measures, "comparisons": [given]}


def _carried(**changed: Any) -> dict[str, Any]:
    return FEATURES | {"measures": [AMOUNT], "incremental": "new_rows", "carry_state": True} | changed


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
    "measure of a bad type": ("window_features", _measure(type="float"), ["amount", "float", "double", "decimal"]),
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
    "measure with two underscores on end": (
        "window_features",
        _measure(name="amount__spent"),
        ["amount__spent", "name"],
    ),
    "decimal of too many digits": (
        "window_features",
        _measure(type="decimal(19, 4)"),
        ["amount", "decimal(19, 4)", "18"],
    ),
    "decimal of more places than digits": (
        "window_features",
        _measure(type="decimal(4, 6)"),
        ["amount", "decimal(4, 6)"],
    ),
    "sum of text": ("window_features", _measure(type="text"), ["amount", "sum", "text"]),
    "slope of text": (
        "window_features",
        _measure(type="text", aggregates=["count", "slope"]),
        ["amount", "slope", "text"],
    ),
    "any of text": ("window_features", _measure(type="text", aggregates=["mode", "any"]), ["amount", "any", "boolean"]),
    "mean of a boolean": (
        "window_features",
        _measure(type="boolean", aggregates=["mean"]),
        ["amount", "mean", "boolean"],
    ),
    "stddev of a boolean": (
        "window_features",
        _measure(type="boolean", aggregates=["share", "stddev"]),
        ["amount", "stddev", "boolean"],
    ),
    "all of a number": (
        "window_features",
        _measure(type="decimal(9, 2)", aggregates=["all"]),
        ["amount", "all", "boolean", "decimal(9, 2)"],
    ),
    "share of text without values": (
        "window_features",
        _measure(type="text", aggregates=["share"]),
        ["amount", "share", "boolean"],
    ),
    "by without values": ("window_features", _by(), ["paid", "by", "values"]),
    "values as text": ("window_features", _values("web"), ["channel", "values", "list", "web"]),
    "values without by, count and share": (
        "window_features",
        _values(["web"], aggregates=["nunique"]),
        ["channel", "values", "by", "count", "share"],
    ),
    "no values": ("window_features", _values([]), ["channel", "values"]),
    "value that leaves no name": ("window_features", _values(["web", "!?"]), ["channel", "values", "!?"]),
    "value that is empty": ("window_features", _by(["web", ""]), ["paid", "values"]),
    "values of one name": ("window_features", _values(["Call centre", "call-centre"]), ["Call centre", "call-centre"]),
    "values of one name with by": ("window_features", _by(["web", "WEB "]), ["paid", "`web`", "`WEB `"]),
    "bad name for a value": ("window_features", _values({"Web shop": "web"}), ["channel", "values", "Web shop"]),
    "value that spells another measure": (
        "window_features",
        FEATURES
        | {"measures": [*_values(["web"])["measures"], AMOUNT | {"name": "channel_web", "aggregates": ["count"]}]},
        ["channel_web"],
    ),
    "unknown rhythm": (
        "window_features",
        FEATURES | {"rhythm": ["active_weeks"]},
        [
            "rhythm",
            "active_weeks",
            "active_days",
            "gap_stddev_days",
            "longest_streak_days",
            "current_streak_days",
            "recency_zscore",
        ],
    ),
    "rhythm as text": ("window_features", FEATURES | {"rhythm": "active_days"}, ["rhythm", "list", "active_days"]),
    "rhythm twice": (
        "window_features",
        FEATURES | {"rhythm": ["active_days", "active_days"]},
        ["rhythm", "active_days", "twice"],
    ),
    "comparisons that are no list": (
        "window_features",
        FEATURES | {"comparisons": {"of": "count"}},
        ["comparisons", "of"],
    ),
    "comparison that is no mapping": (
        "window_features",
        FEATURES | {"comparisons": ["count"]},
        ["comparisons", "count"],
    ),
    "comparison without of": ("window_features", _compared(of=...), ["comparisons", "of"]),
    "comparison without a kind": ("window_features", _compared(kind=...), ["comparisons", "kind"]),
    "comparison without windows": ("window_features", _compared(windows=...), ["comparisons", "windows"]),
    "comparison with an unknown key": ("window_features", _compared(window="7d"), ["comparisons", "window", "windows"]),
    "comparison of an unknown kind": (
        "window_features",
        _compared(kind="growth"),
        ["comparisons", "growth", "ratio", "difference", "velocity", "momentum", "acceleration"],
    ),
    "comparison of nothing there": ("window_features", _compared("amount_max"), ["comparisons", "amount_max"]),
    "comparison of a mode": ("window_features", _compared("amount_mode"), ["comparisons", "amount_mode"]),
    "comparison of text": ("window_features", _compared("plan_last"), ["comparisons", "plan_last"]),
    "comparison over a window not declared": (
        "window_features",
        _compared(windows=("7d", "90d")),
        ["comparisons", "amount_sum", "90d"],
    ),
    "comparison over a window that the measure lacks": (
        "window_features",
        _compared("late_sum"),
        ["comparisons", "late_sum", "7d"],
    ),
    "comparison of one window": (
        "window_features",
        _compared(windows=("7d",)),
        ["comparisons", "ratio", "windows", "7d"],
    ),
    "ratio of three windows": (
        "window_features",
        _compared("count", windows=("7d", "30d", "all_time")),
        ["comparisons", "ratio", "windows"],
    ),
    "acceleration of two windows": (
        "window_features",
        _compared("count", kind="acceleration"),
        ["comparisons", "acceleration", "windows"],
    ),
    "comparison from long to short": (
        "window_features",
        _compared(windows=("30d", "7d")),
        ["comparisons", "30d", "7d", "short"],
    ),
    "comparison of a window with itself": ("window_features", _compared(windows=("7d", "7d")), ["comparisons", "7d"]),
    "velocity of a mean": (
        "window_features",
        _compared("amount_mean", kind="velocity"),
        ["comparisons", "amount_mean", "velocity", "count", "sum"],
    ),
    "momentum over all time": (
        "window_features",
        _compared(kind="momentum", windows=("30d", "all_time")),
        ["comparisons", "momentum", "all_time"],
    ),
    "comparison twice": (
        "window_features",
        FEATURES | {"comparisons": [{"of": "count", "kind": "ratio", "windows": ["7d", "30d"]}] * 2},
        ["count", "ratio", "twice"],
    ),
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
    "grace that is no duration": (
        "churn_labels",
        LABELS
        | {
            "definition": "end_date",
            "outcome": {"relation": "subscriptions", "ended_at": "ended_at"},
            "horizon": "30d",
            "grace": "a week",
        },
        ["grace", "a week", "30d"],
    ),
    "maturity lag that is no duration": (
        "churn_labels",
        LABELS | {"horizon": "30d", "maturity_lag": "3 days"},
        ["maturity_lag", "3 days", "30d"],
    ),
    "state without daily runs": (
        "window_features",
        _carried(incremental=None),
        ["carry_state", "incremental='new_rows'"],
    ),
    "state with corrections": (
        "window_features",
        _carried(incremental="changed_rows"),
        ["carry_state", "changed_rows", "corrections", "new_rows"],
    ),
    "state of gaps": (
        "window_features",
        _carried(rhythm=["active_days", "gap_stddev_days"]),
        ["carry_state", "gap_stddev_days", "mean_gap_days", "rhythm"],
    ),
    "state of versions": (
        "window_features",
        _carried(superseded_at="superseded_at"),
        ["carry_state", "superseded_at", "versions"],
    ),
    "tie-breakers of versions as text": (
        "superseded_at",
        {"key": "order_id", "known_at": "loaded_at", "tie_breakers": "version"},
        ["superseded_at", "tie_breakers", "list", "['version']"],
    ),
    "state of nothing": (
        "window_features",
        _carried(windows=["7d", "30d"], recency=False, rhythm=["active_days"]),
        ["carry_state", "30d", "nothing to carry"],
    ),
    "state that is no flag": ("window_features", _carried(carry_state="yes"), ["carry_state", "yes", "true", "false"]),
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
    assert "orders_channel_web_count_7d" in macros.sql("window_features", _values(["web", "app"]))
    assert "orders_paid_web_sum_7d" in macros.sql("window_features", _by(["web", "app"]))
    assert "orders_amount_sum_ratio_7d_30d" in macros.sql("window_features", _compared())
    assert "orders_late_sum_ratio_30d_all_time" in macros.sql(
        "window_features", _compared("late_sum", windows=("30d", "all_time"))
    )
    of_text = _values(["web"], aggregates=["share", "mode", "first"])
    assert "orders_channel_web_share_7d" in macros.sql("window_features", of_text)
    of_flags = _measure(type="boolean", aggregates=["share", "mode", "nunique", "entropy", "count", "any", "all"])
    assert "orders_amount_share_7d" in macros.sql("window_features", of_flags)
    assert "orders_carried" in macros.sql("window_features", _carried(rhythm=["active_days", "longest_streak_days"]))
    assert "orders_carried" not in macros.sql("window_features", _carried(carry_state=False))
    assert "feature_timestamp" in macros.sql("spine", SPINE)
    assert "churned" in macros.sql("churn_labels", LABELS)


def test_a_measure_may_not_spell_the_name_of_another_column(macros: MacroCompiler) -> None:
    taken = FEATURES | {"measures": [AMOUNT | {"name": "amount_sum"}, AMOUNT]}
    assert "orders_amount_sum_sum_7d" in macros.sql("window_features", taken)
