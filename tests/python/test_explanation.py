"""Explanations: sums that are right, counterfactuals that could be, neighbours whose outcome was known, safe pages."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.special
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from python_ml.errors import UserError
from python_ml.explanation import CustomerExplanation, explain_customer, explain_model
from python_ml.explanation.counterfactuals import actionable, consistent
from python_ml.explanation.drivers import ALL, DRIVERS
from python_ml.explanation.neighbours import counterfactuals_of
from python_ml.explanation.space import Space
from python_ml.input_columns import model_input
from python_ml.model.card import CardColumn
from python_ml.model.explain import contributions
from python_ml.model.grouping import OTHERS, group_labels
from python_ml.model.registry import Champion
from python_ml.report.customer_page import file_name, render_customer
from python_ml.report.explanation_page import render_explanation
from python_ml.settings import Explain, Settings
from tests.python.churn_world import small_world, trained, write_project
from tests.python.report_world import HOSTILE, Page

MODEL = "logistic_regression"


@cache
def champion() -> Champion:
    result = trained(MODEL)
    return Champion(result.model, result.card, 4, "run")


def training_set() -> pd.DataFrame:
    return small_world().frame


def at_risk() -> pd.DataFrame:
    frame = training_set()
    newest = frame[frame["feature_timestamp"] == frame["feature_timestamp"].max()]
    return newest.drop(columns=["churned", "label_timestamp"]).reset_index(drop=True)


def inputs_of(frame: pd.DataFrame) -> pd.DataFrame:
    return model_input(frame, [column.column for column in champion().card.columns])


@cache
def riskiest(number: int = 0) -> str:
    values, _ = contributions(champion().model, inputs_of(at_risk()), champion().card.background)
    return at_risk()["customer_id"].iloc[np.argsort(-values.sum(axis=1))[number]]


def explained(key: str | None = None, frame: pd.DataFrame | None = None, **options: object) -> CustomerExplanation:
    frame = training_set() if frame is None else frame
    rows = training_set()[training_set()["customer_id"] == (key or riskiest())]
    settings = Settings.model_validate({"explain": options})
    return explain_customer(champion(), rows, frame, "customer_id", settings)


# Drivers --------------------------------------------------------------------------------------------------


def test_drivers_are_the_mean_contributions_of_each_segment() -> None:
    frame = at_risk()
    explanation = explain_model(champion(), frame, "customer_id", Settings())
    values, _ = contributions(champion().model, inputs_of(frame), champion().card.background)
    names = [column.name for column in champion().card.columns]
    drivers = explanation.drivers
    assert list(drivers.columns) == list(DRIVERS)
    overall = drivers[drivers["segment_by"] == ALL].set_index("feature")
    np.testing.assert_allclose(overall.loc[names, "importance"], np.abs(values).mean(axis=0))
    basic = (frame["customer_plan"] == "basic").to_numpy()
    own = drivers[(drivers["segment_by"] == "customer_plan") & (drivers["segment"] == "basic")].set_index("feature")
    np.testing.assert_allclose(own.loc[names, "mean_contribution"], values[basic].mean(axis=0))
    assert (own["customers"] == basic.sum()).all()
    assert own["importance_low"].le(own["importance"]).all()
    assert own["importance"].le(own["importance_high"]).all()
    assert own["driver_rank"].tolist() == list(range(1, len(names) + 1))
    assert own["importance"].is_monotonic_decreasing
    # What the world is made of: more orders, less risk; and a plan tells risk bands apart.
    assert overall.loc["orders_count_90d", "direction"] < -0.5
    assert set(drivers["segment_by"]) == {ALL, "risk band", "customer_plan", "customer_opt_in"}


def test_segments_are_those_that_are_asked_for() -> None:
    settings = Settings.model_validate({"explain": {"segments": ["orders_count_90d"]}})
    cohorts = pd.Series(pd.Timestamp("2023-01-01"), index=range(len(at_risk())))
    drivers = explain_model(champion(), at_risk(), "customer_id", settings, cohorts).drivers
    assert set(drivers["segment_by"]) == {ALL, "risk band", "cohort", "orders_count_90d"}
    assert drivers.loc[drivers["segment_by"] == "cohort", "segment"].unique().tolist() == ["2023 Q1"]
    with pytest.raises(UserError, match="no column `nothing`"):
        explain_model(
            champion(), at_risk(), "customer_id", Settings.model_validate({"explain": {"segments": ["nothing"]}})
        )
    with pytest.raises(UserError, match="nobody to explain"):
        explain_model(champion(), at_risk().iloc[:0], "customer_id", Settings())


def test_groups_have_names_that_people_read() -> None:
    numbers = pd.Series([*range(1, 101), None], dtype="Int64")
    quarters = group_labels(numbers, 4)
    assert quarters.value_counts().to_dict() == {
        "1 to 25.8": 25, "above 25.8 to 50.5": 25, "above 50.5 to 75.2": 25, "above 75.2 to 100": 25,
    }  # fmt: skip
    assert quarters.isna().sum() == 1
    assert group_labels(pd.Series([0.0, 1.0, None]), 9, is_flag=True).tolist()[:2] == ["no", "yes"]
    assert group_labels(pd.Series(["a"] * 5 + ["b"] * 3 + ["c", "d"]), 3).value_counts().to_dict() == {
        "a": 5, "b": 3, OTHERS: 2,
    }  # fmt: skip
    assert group_labels(pd.Series([7.0] * 30), 1).unique().tolist() == ["7"]


# One customer ---------------------------------------------------------------------------------------------


def test_the_parts_add_up_to_the_probability() -> None:
    one = explained()
    assert one.base_log_odds + one.parts["contribution"].sum() == pytest.approx(
        scipy.special.logit(one.probability), abs=1e-6
    )
    assert one.parts["merged"].sum() == len(champion().card.columns)
    assert one.history["feature_timestamp"].is_monotonic_increasing
    assert one.history["probability"].iloc[-1] == one.probability
    assert json.loads(json.dumps(one.to_dict(), allow_nan=False))["band"] == one.band


def test_several_customers_get_the_counterfactuals_that_each_would_get_alone() -> None:
    keys = [riskiest(), riskiest(1), at_risk()["customer_id"].iloc[np.argmin(scored_at_risk())]]
    # Customers who share no rows with those that they are compared with, so that these are the same for all.
    others = training_set()[~training_set()["customer_id"].isin(keys)]
    customers = at_risk()[at_risk()["customer_id"].isin(keys)]
    found = dict(counterfactuals_of(champion(), customers, others, "customer_id", Settings()))
    assert set(found) == set(keys)
    assert found[keys[2]] is None  # in the lowest band
    for key in keys[:2]:
        alone = explained(key, others).counterfactuals
        assert alone
        assert [(one.sources, one.reached) for one in found[key]] == [(one.sources, one.reached) for one in alone]
        for one, other in zip(found[key], alone, strict=True):
            assert (one.probability, one.distance) == pytest.approx((other.probability, other.distance))
            # Lost contributions that are equal but for rounding may come in another order.
            assert sorted(map(repr, one.changes)) == sorted(map(repr, other.changes))


def scored_at_risk() -> np.ndarray:
    return champion().model.predict_proba(inputs_of(at_risk()))[:, 1]


def test_similar_customers_are_the_nearest_whose_outcome_was_known() -> None:
    rows = training_set()[training_set()["customer_id"] == riskiest()]
    then = rows[rows["feature_timestamp"] <= pd.Timestamp("2023-09-01")]
    one = explain_customer(champion(), then, training_set(), "customer_id", Settings())
    now = then["feature_timestamp"].max()
    known = training_set()
    known = known[(known["label_timestamp"] <= now) & (known["customer_id"] != riskiest())].reset_index(drop=True)
    assert one.similar["key"].is_unique
    assert (one.similar["feature_timestamp"] + pd.Timedelta("30d") <= now).all()
    values, _ = contributions(champion().model, inputs_of(known), champion().card.background)
    space = Space(inputs_of(known), champion().card.columns, np.abs(values).mean(axis=0))
    distance = space.distance(space.place(inputs_of(known)), space.place(inputs_of(then.tail(1)))[0])
    nearest = known.assign(distance=distance).groupby("customer_id")["distance"].min().nsmallest(5)
    assert one.similar["key"].tolist() == nearest.index.tolist()
    np.testing.assert_allclose(one.similar["distance"], nearest)
    # Nothing that became known later matters.
    later = training_set()["label_timestamp"] > now
    changed = training_set().assign(churned=training_set()["churned"].where(~later, 1 - training_set()["churned"]))
    again = explain_customer(champion(), then, changed, "customer_id", Settings())
    assert again.to_dict() == one.to_dict()


def test_a_first_feature_time_has_no_similar_customers() -> None:
    rows = training_set()[training_set()["customer_id"] == riskiest()].head(1)
    one = explain_customer(champion(), rows, training_set(), "customer_id", Settings())
    assert one.similar.empty
    assert one.counterfactuals == []
    assert "No other customer" in render_customer(one, champion().card, "shop", "customer_id")


def test_a_snapshot_without_dates_is_explained_like_any_other() -> None:
    undated = pd.Timestamp("1970-01-01")
    frame = training_set().drop_duplicates("customer_id", keep="last").reset_index(drop=True)
    frame = frame.assign(feature_timestamp=undated, label_timestamp=undated)
    one = explain_customer(champion(), frame.tail(1), frame, "customer_id", Settings())
    assert len(one.similar) == 5
    html = render_customer(one, champion().card, "shop", "customer_id", dated=False)
    assert "1970" not in html
    assert "As of" not in html


@pytest.mark.parametrize("number", range(4))
def test_counterfactuals_could_be_and_do_what_they_say(number: int) -> None:
    key = riskiest(number)
    one = explained(key)
    assert one.counterfactuals
    now = inputs_of(training_set()[training_set()["customer_id"] == key].tail(1)).reset_index(drop=True)
    others = inputs_of(training_set()[training_set()["customer_id"] != key])
    columns = {column.name: column for column in champion().card.columns}
    for way in one.counterfactuals:
        assert way.probability < one.probability
        assert way.reached == (way.probability < one.threshold)
        changed = now.copy()
        for name, old, new in way.changes:
            assert columns[name].aggregate != "attribute"
            assert now[name].iloc[0] == old or (old != old and np.isnan(now[name].iloc[0]))
            assert new != new or new in others[name].to_numpy(), "a value that somebody had"
            changed[name] = new
        orders = [changed[f"orders_count_{days}d"].iloc[0] for days in (7, 30, 90, 365)]
        assert orders == sorted(orders)
        log_odds = champion().model.decision_function(changed[list(columns)])[0]
        assert scipy.special.expit(log_odds) == pytest.approx(way.probability, abs=1e-9)


def test_what_may_change_is_configured() -> None:
    columns = champion().card.columns
    names = np.array([column.name for column in columns])
    assert not actionable(columns, Explain())[names == "customer_plan"]
    assert actionable(columns, Explain(actionable=("customer_p*",)))[names == "customer_plan"]
    frozen = actionable(columns, Explain(immutable=("orders_*",)))
    assert not frozen[np.char.startswith(names, "orders_")].any()
    assert frozen[names == "tickets_satisfaction_mean_90d"]
    for way in explained(immutable=["orders_*", "noise_*"]).counterfactuals:
        assert not [name for name, *_ in way.changes if name.startswith(("orders_", "noise_"))]
    plan = explained(immutable=["orders_*", "noise_*", "tickets_*"], actionable=["customer_plan"]).counterfactuals
    assert {name for way in plan for name, *_ in way.changes} <= {"customer_plan"}


def test_windows_that_contradict_each_other_are_no_counterfactual() -> None:
    def count(window: str) -> CardColumn:
        return CardColumn(f"n_{window}", "number", source="n", aggregate="count", window=window)

    columns = [count("7d"), count("30d"), count("all_time")]
    now = pd.DataFrame([[0.0, 1.0, 5.0]], columns=[c.name for c in columns])
    rows = pd.DataFrame(
        [[1.0, 2.0, 6.0], [3.0, 2.0, 6.0], [1.0, 2.0, 4.0], [1.0, 7.0, 6.0], [np.nan, 2.0, 5.0]], columns=now.columns
    )
    assert consistent(rows, now, columns).tolist() == [True, False, False, False, True]


def test_dice_gives_alternatives_that_could_be() -> None:
    pytest.importorskip("dice_ml")
    rows = training_set()[training_set()["customer_id"] == riskiest()]
    settings = Settings.model_validate({"explain": {"counterfactuals": 2}})
    one = explain_customer(champion(), rows, training_set(), "customer_id", settings, with_dice=True)
    drawn = [way for way in one.counterfactuals if "DiCE" in way.sources[0]]
    assert drawn
    for way in drawn:
        assert way.probability < one.threshold
        assert "customer_plan" not in {name for name, *_ in way.changes}


# Pages ----------------------------------------------------------------------------------------------------


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_key_has_a_file_of_its_own(key: str, other: str) -> None:
    name = file_name(key)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*\.html", name)
    assert len(name) < 80
    assert (file_name(other) == name) == (other == key)


def test_pages_escape_what_they_show() -> None:
    one = explained()
    hostile = replace(
        one,
        key=HOSTILE,
        band=HOSTILE,
        reasons=[HOSTILE],
        parts=one.parts.assign(statement=HOSTILE),
        similar=one.similar.assign(key=HOSTILE),
        counterfactuals=[replace(way, sources=(HOSTILE,)) for way in one.counterfactuals],
    )
    html = render_customer(hostile, champion().card, HOSTILE, HOSTILE)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    page = Page(html)
    assert {"contributions", "history", "counterfactuals", "similar"} <= set(page.attributes("id"))
    explanation = explain_model(champion(), at_risk(), "customer_id", Settings())
    hostile = replace(explanation, model=HOSTILE, drivers=explanation.drivers.replace({"basic": HOSTILE}))
    html = render_explanation(hostile, HOSTILE)
    assert "<script" not in html
    year = str(explanation.feature_timestamp.year)
    assert f"{year}.</p>" in html
    assert f"{year}.</p>" not in render_explanation(hostile, HOSTILE, dated=False), "a constant is no date"
    assert "How to read this." in html


# The command ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import duckdb

    from tests.python.test_scoring import register

    folder = write_project(tmp_path_factory.mktemp("explained") / "shop", small_world())
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(
            "create table gold.gld_customer_features as select * exclude (churned, label_timestamp) "
            "from gold.gld_training_set"
        )
    register(folder)
    return folder


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    from python_ml.cli.explain import command

    try:
        result = CliRunner().invoke(
            command, ["--project-dir", str(folder), *arguments], catch_exceptions=False, standalone_mode=False
        )
    except UserError as error:
        return error.exit_code, "", str(error)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_writes_drivers_and_their_page(shop: Path) -> None:
    import duckdb
    import yaml

    code, out, _ = run(shop)
    assert code == 0
    assert "strongest drivers: customer_plan, orders_" in out
    page = Page((shop / "reports" / "explanation.html").read_text(encoding="utf-8"))
    assert {"contributions", "dependence", "segments"} <= set(page.attributes("id"))
    with duckdb.connect(str(shop / "warehouse.duckdb"), read_only=True) as connection:
        columns = {
            name: kind.lower()
            for name, kind, *_ in connection.execute("describe gold.gld_driver_importance").fetchall()
        }
    repository = Path(__file__).resolve().parents[2]
    described = yaml.safe_load((repository / "models" / "gold" / "_gold__explanations.yml").read_text())
    tables = {table["name"]: table for table in described["sources"][0]["tables"]}
    types = {column["name"]: column["data_type"] for column in tables["gld_driver_importance"]["columns"]}
    assert columns == {name: {"string": "varchar"}.get(kind, kind) for name, kind in types.items()}


def test_the_command_explains_one_customer(shop: Path) -> None:
    code, out, _ = run(shop, riskiest(), "--json")
    assert code == 0
    result = json.loads(out)
    assert result["key"] == riskiest()
    assert Path(result["report"]).parent == shop / "reports" / "customers"
    assert Path(result["report"]).is_file()
    assert result["counterfactuals"]
    assert len(result["similar"]) == 5


def test_the_dashboard_has_counterfactuals_of_the_first_customers(shop: Path) -> None:
    import duckdb

    from python_ml.cli.dashboard import command
    from python_ml.model.registry import require_champion
    from python_ml.model.score import score
    from python_ml.project import Project
    from tests.python.test_dashboard import unpacked

    registered = require_champion(Project.open(shop))
    scores = score(at_risk(), registered, "customer_id")
    for version, expected in ((registered.version, 3), (registered.version + 1, 0)):
        with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
            connection.register("scores", scores.assign(model_version=version))
            connection.execute("create or replace table gold.gld_churn_scores as select * from scores")
        result = CliRunner().invoke(command, ["--project-dir", str(shop), "--counterfactuals", "3", "--json"])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["counterfactuals"] == expected
        html = (shop / "reports" / "dashboard.html").read_text(encoding="utf-8")
        document, _ = unpacked(re.search(r'id="details-data">([^<]+)<', html)[1])
        assert set(document["ways"]) == {"0", "1", "2"} if expected else not document["ways"]
        assert all(way["changes"] for ways in document["ways"].values() for way in ways)
    assert "`retention score`" in result.stderr
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute("drop table gold.gld_churn_scores")


@pytest.mark.parametrize("key", ["../../etc/passwd", "<b>", "c0000", "' or 1=1 --", ""])
def test_an_unknown_customer_is_one_clear_message(shop: Path, key: str) -> None:
    code, _, err = run(shop, "--", key)
    assert code == 2
    assert "There is no customer" in err
    assert "did you mean 'c0" in err


def test_without_a_champion_the_command_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = write_project(tmp_path / "new", small_world())
    code, _, err = run(folder)
    assert code == 2
    assert "retention train" in err
