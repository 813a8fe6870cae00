"""What is written is valid and says what it should, whatever names and values the files hold."""

from __future__ import annotations

from dataclasses import replace

import jinja2
import pytest
import yaml

from python_ml.errors import UserError
from python_ml.generate.render import render
from python_ml.generate.text import code, flow, jinja_literal, listed, markdown, patterns, plain_flow, scalar, wrapped
from python_ml.ingest.schema import Reading
from python_ml.plan.schema import Imputation, LabelTable, ModelInput
from tests.python.generate.plans import column, settings
from tests.python.generate.worlds import HOSTILE, INACTIVITY, LABELLED, ORDERS, TABLE, WORLDS

TEXTS = [
    HOSTILE,
    "",
    "yes",
    "1",
    "2024-01-01",
    "a: b",
    "- a",
    "# a",
    "'",
    '"',
    "\\",
    "a\nb",
    "\t",
    "{{",
    "é\u2028\x85",
    "\ud800",
    "*",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_text_in_yaml(text) -> None:
    safe = text.encode("utf-8", "replace").decode("utf-8")
    for made in (f"k: {scalar(text, 2)}", f"k: {flow(text)}", f"k: {{x: {flow(text)}}}", f"k: {plain_flow(text)}"):
        value = yaml.safe_load(made)["k"]
        value = value["x"] if isinstance(value, dict) else value
        # what dbt renders is the text again
        assert jinja2.Environment(autoescape=False).from_string(value).render() == safe
    assert yaml.safe_load(f"k: {flow(text, has_jinja=False)}")["k"] == safe


@pytest.mark.parametrize("text", [t for t in TEXTS if t != "\ud800"])
def test_text_stays_text_in_jinja(text) -> None:
    environment = jinja2.Environment(autoescape=False)
    assert environment.from_string("{{ (" + jinja_literal({"a": [text, 1]}) + ")['a'][0] }}").render() == text


def test_long_texts_are_folded_and_stay_the_same() -> None:
    text = "words: " * 60 + "end"
    folded = scalar(text, 6)
    assert max(len(line) for line in folded.splitlines()) < 120
    assert yaml.safe_load(f"  - k: {folded}")[0]["k"] == text


def test_small_texts() -> None:
    assert code("a`b|c") == "`` a`b\\|c ``"
    assert markdown("a|b\n*c* {{ d }}") == "a\\|b \\*c\\* { { d }}"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert wrapped("cast({{ x }} as double)") == "cast(\n            {{ x }}\n            as double\n        )"
    assert wrapped("cast(x as double)") == "cast(x as double)"
    assert patterns(
        {"o_sum_7d": "log", "o_sum_30d": "log", "o_count_7d": "log", "p_sum_7d": "a", "p_sum_30d": "b"}
    ) == [
        ("o_count_7d", "log"),
        ('"o_sum_*"', "log"),
        ("p_sum_30d", "b"),
        ("p_sum_7d", "a"),
    ]


@pytest.mark.parametrize("name", list(WORLDS))
def test_yaml_is_valid_and_sql_is_jinja(name) -> None:
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    for path, text in render(WORLDS[name][0]).items():
        assert text.endswith("\n") and not text.endswith("\n\n"), path
        assert not any(line != line.rstrip() for line in text.splitlines()), path
        if path.endswith((".yml", ".yaml")):
            assert yaml.safe_load(text), path
        elif path.endswith(".sql"):
            environment.parse(text)


def test_rendering_is_the_same_every_time() -> None:
    assert render(INACTIVITY) == render(INACTIVITY)


def variables(plan) -> dict:
    return yaml.safe_load(render(plan)["dbt_project.yml"])["vars"]


class TestConfiguration:
    def test_variables_are_those_of_the_outcome(self) -> None:
        shared = {"raw_dir", "entity", "churn_definition"}
        grid = shared | {
            "horizon",
            "gap",
            "step",
            "spine_anchor",
            "spine_start",
            "windows",
            "plausible_from",
            "plausible_to",
        }
        assert set(variables(INACTIVITY)) == grid | {"active_window"}
        assert set(variables(WORLDS["spans"][0])) == grid | {"grace"}
        supplied = shared | {"target", "churned_values", "scenario"}
        assert set(variables(TABLE)) == supplied | {"snapshot_at"}
        assert set(variables(LABELLED)) == supplied | {
            "score_at", "active_window", "windows", "plausible_from", "plausible_to"
        }  # fmt: skip
        assert variables(LABELLED)["churned_values"] == ["gone", "it's over"]
        assert variables(INACTIVITY)["windows"] == ["30d", "all_time"]

    def test_the_split_is_by_column_by_dates_or_by_time(self) -> None:
        def split(plan) -> dict:
            return yaml.safe_load(render(plan)["retention.yml"])["training"]["split"]

        assert split(LABELLED)["column"] == "supplied_split"
        dated = replace(
            LABELLED,
            outcome=replace(LABELLED.outcome, split="", split_values={}),
            settings=(
                *LABELLED.settings,
                *settings(split="validation from 2024-01-01 00:00:00, test from 2024-02-01 12:00:00"),
            ),
        )
        dates = split(dated)
        assert [str(dates[k]) for k in ("validation_from", "test_from")] == ["2024-01-01", "2024-02-01 12:00:00"]
        assert split(INACTIVITY)["validation_from"] is None

    def test_a_table_without_dates_is_measured_by_cross_validation(self) -> None:
        training = yaml.safe_load(render(TABLE)["retention.yml"])["training"]
        assert training["cross_validation"] == {"folds": 5}
        assert "split" not in training

    def test_model_input(self) -> None:
        given = ModelInput(
            {"orders_amount_sum_30d": "it {{ leaks }}"}, {"orders_count_30d": "log"}, {}, {"plan": "target"}
        )
        features = yaml.safe_load(render(replace(INACTIVITY, model_input=given))["retention.yml"])["features"]
        assert features == {
            "exclude": ["orders_amount_sum_30d"],
            "transform": {"orders_count_30d": "log"},
            "encode": {"plan": "target"},
            "monotone": {},
        }


class TestSources:
    def meta(self, plan, name: str) -> dict:
        text = render(plan)[f"models/bronze/{plan.name}/_{plan.name}__sources.yml"]
        tables = yaml.safe_load(text)["sources"][0]["tables"]
        return next(t for t in tables if t["name"] == name)["config"]["meta"]

    def test_times_of_a_span_and_its_end(self) -> None:
        assert self.meta(WORLDS["spans"][0], "subscriptions")["time"] == {
            "event_at": "created",
            "later": [{"columns": ["cancelled"], "known_at": "cancelled"}],
        }

    def test_labels_hide_what_became_of_customers(self) -> None:
        assert self.meta(LABELLED, "labels")["time"] == {"as_of": "As of", "visible": ["customer_id", "segment"]}
        assert self.meta(TABLE, "accounts")["time"] == {
            "visible": ["customer_id", "Tenure in months", yaml_name(HOSTILE)]
        }

    def test_readings_that_a_format_does_not_describe(self) -> None:
        meta = self.meta(WORLDS["departures"][0], "calls")
        assert meta["time"]["readings"] == {
            "Day": {"type": "timestamp", "formats": ["%d.%m.%Y"], "clock_column": "Clock"}
        }
        assert meta["file"] == {
            "path": "raw/calls.parquet",
            "format": "parquet",
            "in_project": True,
            "converted_from": {
                "path": "calls.csv",
                "format": "csv",
                "options": {"encoding": "cp1252"},
                "sha256": "0" * 64,
            },
            "row_number": True,
        }


def yaml_name(text: str) -> str:
    """A name as YAML holds it before dbt renders it."""
    return yaml.safe_load(flow(text))


def test_a_value_cannot_be_carried_forward_without_a_time() -> None:
    columns = (
        column("customer_id", role="entity"),
        column("n", Reading("integer"), imputation=Imputation("forward_fill")),
    )
    bare = replace(ORDERS, columns=columns, time="", available="", key=())
    with pytest.raises(UserError, match="cannot be carried forward"):
        render(replace(INACTIVITY, sources=(bare, *INACTIVITY.sources[1:])))


def test_the_scenario_of_labels_is_a_variable() -> None:
    assert isinstance(TABLE.outcome, LabelTable)
    assert variables(TABLE)["scenario"] == "static"
