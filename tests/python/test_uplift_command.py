"""`retention uplift` and `retention experiment` in projects: outcomes from the draw on, refusals, tables, the page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from python_ml.cli import retention
from python_ml.decisions.uplift.draws import check_arms, outcome_window, read_draws
from python_ml.decisions.uplift.results import COLUMNS as WRITTEN
from python_ml.errors import GateError, UserError
from python_ml.project import Project
from tests.python.uplift_world import experiment_project, write_project


def run(folder: Path, *arguments: str):
    return CliRunner().invoke(retention, [*arguments, "--project-dir", str(folder)])


def rows(folder: Path, query: str) -> list[tuple]:
    import duckdb

    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def estimated(tmp_path_factory: pytest.TempPathFactory):
    folder = experiment_project(tmp_path_factory.mktemp("uplift") / "shop")
    return folder, run(folder, "uplift", "--json")


# What a draw's outcome and features are


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(f"2024-{text}")


def drawn(tmp_path: Path, offers: list[tuple], ends: dict[str, str | None], **options: object):
    """Draws of a project with a few customers; ``offers`` are (customer, time, arm), ``ends`` of subscriptions."""
    table = pd.DataFrame(
        {
            "customer_id": [who for who, _, _ in offers],
            "drawn at": [day(at) for _, at, _ in offers],
            'the "arm"': [arm for _, _, arm in offers],
        }
    )
    keys = sorted({who for who, _, _ in offers} | set(ends))
    subscriptions = pd.DataFrame(
        {
            "customer_id": keys,
            "started_at": pd.Timestamp("2023-06-01"),
            "ended_at": pd.to_datetime([None if not ends.get(key) else day(ends[key]) for key in keys]),
        }
    )
    times = [day("03-01"), day("04-01"), day("05-01")]
    features = pd.DataFrame(
        [(key, time) for key in keys for time in times], columns=["customer_id", "feature_timestamp"]
    )
    n = len(features)
    features = features.assign(silence=np.arange(n) * 1.0, orders=1.0, plan="basic", opt_in=True)
    absent = options.pop("absent", ())
    gone = [(who, day(at)) for who, at in absent]
    keep = [pair not in gone for pair in zip(features["customer_id"], features["feature_timestamp"], strict=True)]
    folder = write_project(tmp_path / "shop", table, subscriptions, features[keep], **options)
    draws = read_draws(Project.open(folder))
    churned = dict(zip(draws.keys, 1 - draws.experiment.retained, strict=True))
    return draws, churned


def test_churn_is_looked_for_from_the_draw_on(tmp_path):
    offers = [(who, "03-10 12:00", "no'thing") for who in "abcdef"]
    ends = {
        "a": "03-10 12:00",  # at the moment of the draw: after it
        "b": "04-09 11:59:59",  # the last second of 30 days
        "c": "04-09 12:00",  # the first after them
        "d": "03-10 11:59:59",  # before the draw, after the feature time
        "e": "03-01",
        "f": None,
    }
    draws, churned = drawn(tmp_path, offers, ends)
    assert churned == {f"{who} 2024-03-10 12:00:00": value for who, value in zip("abcf", [1, 1, 0, 0], strict=True)}
    assert draws.excluded == {"churned_before": 2}
    assert (draws.known_at == np.datetime64("2024-04-09T12:00")).all()


def test_features_are_those_of_the_latest_time_not_after_the_draw(tmp_path):
    offers = [
        ("a", "04-01 00:00", "10 %"),
        ("b", "03-31 23:59:59", "10 %"),
        ("c", "02-28", "10 %"),
        ("d", "04-15", "10 %"),
    ]
    draws, _ = drawn(tmp_path, offers, {}, absent=[("d", "04-01")])
    inputs = draws.experiment.inputs.set_index(draws.experiment.customers)
    # Customers come in threes: March, April, May.
    assert inputs["silence"].to_dict() == {"a": 1.0, "b": 3.0}
    assert inputs.loc["a", "days_from_features_to_draw"] == 0
    assert draws.excluded == {"not_at_risk": 2}  # c before the first time, d no longer on the spine


def test_the_gap_belongs_to_the_outcome(tmp_path):
    """Whoever leaves within the gap after an offer has left: without them, arms would not be comparable."""
    offers = [(who, "03-10", "no'thing") for who in "abc"]
    _, churned = drawn(tmp_path, offers, {"a": "03-12", "b": "04-13", "c": "04-17"}, gap="5d")
    assert list(churned.values()) == [1, 1, 0]
    assert outcome_window({"horizon": "30d", "gap": "5d"}) == "840h"


def test_outcomes_wait_until_they_are_complete(tmp_path):
    offers = [("a", "12-02", "10 %"), ("b", "12-03", "10 %"), ("c", "11-28", "10 %")]
    draws, _ = drawn(tmp_path, offers, {})
    assert draws.excluded == {"outcome_unknown": 1}
    shutil.rmtree(tmp_path / "shop")
    draws, _ = drawn(tmp_path, offers, {}, maturity_lag="4d")
    assert draws.excluded == {"outcome_unknown": 2}


def test_another_offer_in_the_window_is_noted(tmp_path):
    offers = [
        ("a", "03-10", "no'thing"), ("a", "04-09", "10 %"),  # 30 days later: the window is over
        ("b", "03-10", "no'thing"), ("b", "04-08", "10 %"),
        ("c", "03-10", "10 %"), ("c", "03-20", "no'thing"),
    ]  # fmt: skip
    draws, _ = drawn(tmp_path, offers, {})
    assert len(draws.experiment) == 6  # every draw counts; intervals hold customers together
    noted = dict(zip(draws.keys, draws.contaminated, strict=True))
    assert [key[:12] for key, is_noted in noted.items() if is_noted] == ["b 2024-03-10"]


def test_inactivity_is_looked_for_from_the_draw_on(tmp_path):
    table = pd.DataFrame({"customer_id": ["a", "b"], "drawn at": [day("03-10")] * 2, 'the "arm"': ["10 %", "no'thing"]})
    events = pd.DataFrame({"customer_id": ["a", "a", "b"], "started_at": [day("03-05"), day("04-08"), day("04-09")]})
    features = pd.DataFrame({"customer_id": ["a", "b"], "feature_timestamp": day("03-01")})
    features = features.assign(silence=1.0, orders=1.0, plan="basic", opt_in=True)
    folder = write_project(tmp_path / "shop", table, events, features, churn="inactivity")
    draws = read_draws(Project.open(folder))
    assert dict(zip(draws.experiment.customers, draws.experiment.retained, strict=True)) == {"a": 1.0, "b": 0.0}


def test_arms_and_probabilities_as_configured(tmp_path):
    offers = [("a", "03-10", "10 %"), ("b", "03-10", "20 %"), ("c", "03-10", "no'thing"), ("d", "03-10", None)]
    draws, _ = drawn(tmp_path, offers, {}, settings={"treated": "20 %", "probability": 0.25})
    assert dict(zip(draws.experiment.customers, draws.experiment.treated, strict=True)) == {"b": 1, "c": 0}
    assert draws.excluded == {"incomplete": 1, "other_arm": 1}
    assert set(draws.experiment.probability) == {0.25}


MISTAKES = {
    "table": ({"table": "bronze.ofers"}, "bronze.ofers does not exist"),
    "time": ({"time": "when"}, "no column `when`"),
    "arm": ({"arm": "group"}, "no column `group`"),
    "probability": ({"probability": "chance"}, "no column `chance`"),
    "no time": ({"time": 'the "arm"'}, "is no time, such as in '10 %'"),
    "no number": ({"probability": 'the "arm"'}, "is no number, such as in '10 %'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_the_experiment_are_explained(tmp_path, name):
    settings, said = MISTAKES[name]
    with pytest.raises(UserError, match=said) as caught:
        drawn(tmp_path, [("a", "03-10", "10 %")], {}, settings=settings)
    assert "retention.yml" in caught.value.where


@pytest.mark.parametrize("settings", [{"control": "nobody"}, {"treated": "nobody"}])
def test_an_arm_that_nobody_has_is_a_mistake(tmp_path, settings):
    drawn(tmp_path, [("a", "03-10", "10 %"), ("b", "03-10", "no'thing")], {}, settings=settings)
    with pytest.raises(UserError, match="has the arm 'nobody'") as caught:
        check_arms(Project.open(tmp_path / "shop"))
    assert "no'thing" in caught.value.hint


def test_supplied_labels_cannot_be_looked_at_from_a_draw(tmp_path):
    with pytest.raises(UserError, match="from the time of an offer"):
        drawn(tmp_path, [("a", "03-10", "10 %")], {}, churn="supplied")


# The command


def test_an_experiment_becomes_estimates(estimated):
    folder, outcome = estimated
    assert outcome.exit_code == 0, outcome.output
    figures = json.loads((folder / "reports" / "uplift.json").read_text())
    assert figures["status"] == "estimated"
    assert figures["randomisation"]["verdict"] == "randomised"
    assert figures["learner"] in ("s_lasso", "t_logistic")
    for table in ("gold.gld_uplift_evaluation", "gold.gld_uplift_curves", "gold.gld_uplift_estimates"):
        columns = [name for name, *_ in rows(folder, f"describe {table}")]
        expected = [*(["customer_id"] if table.endswith("estimates") else []), *WRITTEN[table]]
        assert columns == expected
    ((customers, scoring, bad),) = rows(
        folder,
        "select count(*), (select count(*) from gold.gld_scoring_set), "
        "count(*) filter (where uplift is null or not uplift_low <= uplift or not uplift <= uplift_high "
        "or response not in ('helped', 'no effect shown', 'harmed')) from gold.gld_uplift_estimates",
    )
    assert customers == scoring > 0
    assert bad == 0
    ((formulas, metrics),) = rows(
        folder, "select count(*) filter (where length(formula) > 20), count(*) from gold.gld_uplift_evaluation"
    )
    assert formulas == metrics > 10


def test_the_same_command_gives_the_same_tables(estimated):
    folder, _ = estimated
    checksum = "select bit_xor(hash(t)), count(*) from gold.gld_uplift_estimates as t"
    before, page = rows(folder, checksum), (folder / "reports" / "uplift.json").read_bytes()
    outcome = run(folder, "uplift")
    assert rows(folder, checksum) == before
    assert (folder / "reports" / "uplift.json").read_bytes() == page
    assert "Qini = (A - D) / (P - D)" in outcome.output  # the formula beside the number
    assert "churn if nobody got an offer" in outcome.output


def test_the_oracle_is_drawn_where_the_truth_is_known(estimated, tmp_path):
    import duckdb

    folder = tmp_path / "shop"
    shutil.copytree(estimated[0], folder)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(
            "create schema if not exists raw; create table raw.raw_sim__true_uplift as select customer_id, "
            "strftime(\"drawn at\", '%Y-%m-%d %H:%M:%S') as drawn_at, "
            "'0.' || (1000 + hash(customer_id) % 9000) as churn_probability_without_offer, "
            "'0.05' as churn_probability_with_offer from bronze.offers"
        )
    assert run(folder, "uplift").exit_code == 0
    figures = json.loads((folder / "reports" / "uplift.json").read_text())
    assert "oracle" in figures["judged"]["test"]
    assert figures["share_of_truth"] < 0.5


def test_without_randomisation_nothing_is_called_an_effect(estimated, tmp_path):
    by_risk = experiment_project(tmp_path / "by_risk", by_risk=True)
    folder = tmp_path / "shop"
    shutil.copytree(estimated[0], folder)
    shutil.copy(by_risk / "warehouse.duckdb", folder / "fresh.duckdb")
    import duckdb

    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(f"attach '{folder / 'fresh.duckdb'}' as fresh")
        for table in ("bronze.offers", "bronze.subscriptions"):
            connection.execute(f"create or replace table {table} as select * from fresh.{table}")
    outcome = run(folder, "uplift")
    assert isinstance(outcome.exception, GateError)
    assert outcome.exception.exit_code == 3
    assert "not drawn at random" in str(outcome.exception)
    assert "retention experiment" in outcome.exception.hint
    # Estimates of an earlier run do not outlive it.
    assert rows(folder, "select count(*) from information_schema.tables where table_name like 'gld_uplift%'") == [(0,)]
    figures = json.loads((folder / "reports" / "uplift.json").read_text())
    assert figures["status"] == "refused"
    assert "judged" not in figures


def test_without_an_experiment_the_command_says_what_to_do(estimated, tmp_path):
    folder = tmp_path / "shop"
    shutil.copytree(estimated[0], folder)
    (folder / "retention.yml").write_text("")
    outcome = run(folder, "uplift")
    assert isinstance(outcome.exception, UserError)
    assert "retention experiment" in outcome.exception.hint


def test_few_draws_end_with_a_message(tmp_path):
    outcome = run(experiment_project(tmp_path / "shop", n=80), "uplift")
    assert isinstance(outcome.exception, UserError)
    assert "too few draws" in str(outcome.exception)
    assert not isinstance(outcome.exception, GateError)


def test_the_whole_run_goes_on_without_estimates(tmp_path):
    from python_ml.cli.options import Console
    from python_ml.cli.run import measure_offers

    folder = experiment_project(tmp_path / "shop", n=600, by_risk=True)
    measure_offers(Project.open(folder), Console())
    assert json.loads((folder / "reports" / "uplift.json").read_text())["status"] == "refused"
    (folder / "retention.yml").write_text("")
    measure_offers(Project.open(folder), Console())
    assert not (folder / "reports" / "uplift.json").exists()  # what is no longer configured is no longer reported


# The design


def test_an_experiment_is_designed_and_assigned(estimated):
    folder, _ = estimated
    arguments = ("experiment", "--baseline", "0.3", "--effect", "0.1", "--strata", "plan", "--json")
    outcome = run(folder, *arguments)
    assert outcome.exit_code == 0, outcome.output
    figures = json.loads((folder / "reports" / "experiment.json").read_text())
    from python_ml.decisions.uplift.design import Design

    assert figures["sample_sizes"][0]["customers"] == Design(0.3).sample_size(0.1)
    table = "gold.gld_experiment_assignments"
    assert [name for name, *_ in rows(folder, f"describe {table}")] == ["customer_id", *WRITTEN[table]]
    assert rows(folder, f"select count(*) from {table}") == [(figures["customers"],)]
    for stratum, offered, n in rows(
        folder, f"select stratum, count(*) filter (where arm = 'offer'), count(*) from {table} group by 1"
    ):
        assert stratum in ("basic", "standard", "annual")
        assert abs(offered - n / 2) <= 1
    written = pd.read_csv(folder / "reports" / "experiment.csv")
    run(folder, *arguments)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "reports" / "experiment.csv"), written)
    run(folder, *arguments, "--name", "another")
    assert not pd.read_csv(folder / "reports" / "experiment.csv")["arm"].equals(written["arm"])


def test_the_design_is_printed(estimated):
    folder, _ = estimated
    outcome = run(folder, "experiment", "--baseline", "0.3", "--cluster", "plan", "--icc", "0.01")
    assert len(set(pd.read_csv(folder / "reports" / "experiment.csv")["arm"])) == 2  # three clusters, two arms
    assert outcome.exit_code == 0, outcome.output
    assert "customers needed" in outcome.output
    assert "are too few to detect any reduction of churn" in run(folder, "experiment", "--baseline", "0.01").output
    for arguments, said in (
        (("--strata", "nothing"), "no column `nothing`"),
        (("--share", "1.5"), "share cannot be 1.5"),
        (("--effect", "0.9", "--baseline", "0.3"), "effect cannot be 0.9"),
    ):
        outcome = run(folder, "experiment", "--baseline", "0.3", *arguments)
        assert isinstance(outcome.exception, UserError)
        assert said in str(outcome.exception)


# What is written down


def test_the_tables_are_described_in_every_project(repository):
    own = (repository / "models" / "gold" / "_gold__uplift.yml").read_text()
    template = (repository / "python_ml" / "generate" / "templates" / "gold" / "_gold__uplift.yml").read_text()
    assert template.replace("[[ entity | yaml ]]", "customer_id") == own
    tables = {table["name"]: table for table in yaml.safe_load(own)["sources"][0]["tables"]}
    assert {f"gold.{name}" for name in tables} == set(WRITTEN)
    for name, columns in WRITTEN.items():
        described = [column["name"] for column in tables[name.removeprefix("gold.")]["columns"]]
        assert [column for column in described if column != "customer_id"] == list(columns)


def test_help_teaches():
    for name, texts in {
        "uplift": ("gold.gld_uplift_estimates", "Exit codes", "retention experiment"),
        "experiment": ("gold.gld_experiment_assignments", "--icc", "Exit codes"),
    }.items():
        outcome = CliRunner().invoke(retention, [name, "--help"])
        assert outcome.exit_code == 0
        for text in texts:
            assert text in outcome.output


def test_the_report_has_the_curve_the_policies_and_the_verdict(estimated):
    from dataclasses import replace

    from python_ml.report import render_report
    from tests.python.report_world import HOSTILE, Page, synthetic_inputs

    figures = json.loads((estimated[0] / "reports" / "uplift.json").read_text())
    inputs = synthetic_inputs(customers=200)
    page = Page(render_report(replace(inputs, uplift=figures)))
    assert "tests cannot prove randomisation" in page.text
    assert "highest uplift 30%" in page.text
    assert figures["formulas"]["qini"] in page.text
    assert ("section", {"id": "uplift"}) in page.tags
    assert ("section", {"id": "uplift"}) not in Page(render_report(inputs)).tags
    refused = {
        "status": "refused",
        "table": HOSTILE,
        "randomisation": figures["randomisation"] | {"verdict": "not randomised", "reasons": [HOSTILE]},
    }
    html = render_report(replace(inputs, uplift=refused))
    assert "<script>alert" not in html
    assert "No effect of an offer is reported" in Page(html).text
    hostile = figures | {"sleeping_dogs": [figures_row(HOSTILE)]}
    assert "<script>alert" not in render_report(replace(inputs, uplift=hostile))


def figures_row(name: str) -> dict:
    effect = {"value": -0.1, "low": -0.2, "high": -0.01}
    return {"group": name, "suspected": effect, "effect": effect, "draws": 90, "verdict": "harmed"}
