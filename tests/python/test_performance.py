"""Performance of scoring cohorts: estimates come true, history is kept once, and a worse model is a breach."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import expit, logit
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from python_ml.customer_value import Terms
from python_ml.model.evaluate import weighted_metrics
from python_ml.monitor import alerts, data_quality, history
from python_ml.monitor.density import density_ratio
from python_ml.monitor.estimation import Reference, calibration_line, estimated_performance, resampled_lines
from python_ml.monitor.history import keep_arms, keep_scores
from python_ml.monitor.performance_table import COLUMNS, judged_rows, newest
from python_ml.monitor.realised import realised_gain, realised_performance, realised_uplift
from python_ml.project import Project
from python_ml.settings.monitor import Performance
from python_ml.warehouse import quote
from tests.python.churn_world import ChurnWorld, churn_world, quick_settings, write_project
from tests.python.cohort_world import cohort, coverage, estimated
from tests.python.command_line import command_here

MODEL = "logistic_regression"
KEY = quote('the "id"')


# Estimates -----------------------------------------------------------------------------------------------


def test_weighted_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 30, 500) / 30  # with ties
    churned = (rng.random((3, 500)) < scores).astype(float)
    found = weighted_metrics(scores, churned, ("roc_auc", "pr_auc", "brier"))
    for row in range(3):
        assert found["roc_auc"][row] == pytest.approx(roc_auc_score(churned[row], scores))
        assert found["pr_auc"][row] == pytest.approx(average_precision_score(churned[row], scores))
        assert found["brier"][row] == pytest.approx(brier_score_loss(churned[row], scores))
    chance = rng.random(500)  # a row that counts as both is two rows with weights
    whole = weighted_metrics(scores, chance[None], ("roc_auc", "brier"))
    both, weights = np.repeat([1, 0], 500), np.r_[chance, 1 - chance]
    assert whole["roc_auc"][0] == pytest.approx(roc_auc_score(both, np.tile(scores, 2), sample_weight=weights))
    assert whole["brier"][0] == pytest.approx(brier_score_loss(both, np.tile(scores, 2), sample_weight=weights))


def test_the_calibration_line_is_a_logistic_regression():
    rng = np.random.default_rng(1)
    x = rng.normal(-1, 1.5, 2_000)
    churned, weights = (rng.random(2_000) < expit(0.4 + 0.7 * x)).astype(float), rng.random(2_000)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(x[:, None], churned, sample_weight=weights)
    line = calibration_line(churned, expit(x), weights)
    assert line == pytest.approx((oracle.intercept_[0], oracle.coef_[0, 0]), abs=1e-4)
    assert np.isnan(calibration_line(np.zeros(50), np.full(50, 0.3))).all()
    assert np.isnan(calibration_line((x > 0).astype(float)[:40], expit(x[:40]))).all()  # separated: no maximum
    intercept, slope = calibration_line((x > 0).astype(float)[:40], expit(x[:40]), prior=1.0)
    assert np.isfinite([intercept, slope]).all()


def test_an_estimate_is_the_mean_of_what_may_come_true():
    rng = np.random.default_rng(2)
    probability = rng.beta(1, 5, 600)
    found = estimated_performance(probability, (0.0, 1.0), np.tile([0.0, 1.0], (400, 1)), 0.3)
    outcomes = (rng.random((2_000, 600)) < probability).astype(float)
    drawn = weighted_metrics(probability, outcomes, ("roc_auc", "pr_auc", "brier"))
    for name, values in drawn.items():
        assert found.metrics[name]["value"] == pytest.approx(values.mean(), abs=0.01)
        low, high = np.quantile(values, [0.025, 0.975])
        assert (found.metrics[name]["low"], found.metrics[name]["high"]) == pytest.approx((low, high), abs=0.015)
    assert sum(found.confusion.values()) == pytest.approx(600)
    assert found.confusion["true_positives"] == pytest.approx(probability[probability >= 0.3].sum())


def test_estimates_of_quiet_periods_come_true():
    inside, errors = coverage(100, replicates=100)
    assert min(inside.values()) >= 0.9
    assert abs(errors["roc_auc"]) < 0.005


def test_a_model_that_is_too_optimistic_is_seen_through():
    inside, _ = coverage(8, optimism=0.7)
    assert inside["churn_rate"] >= 0.75
    assert inside["brier"] >= 0.75


def test_under_covariate_shift_only_reweighted_estimates_come_true():
    plain, biased = coverage(5, shift=0.7)
    reweighted, errors = coverage(5, shift=0.7, reweighted=True)
    assert plain["churn_rate"] == 0
    assert reweighted["churn_rate"] >= 0.8
    assert abs(errors["churn_rate"]) < 0.3 * abs(biased["churn_rate"])


def test_density_ratios_are_those_of_the_truth_and_leave_enough_rows():
    rng = np.random.default_rng(3)
    before, after = rng.normal(size=(3_000, 2)), rng.normal((0.7, 0), size=(3_000, 2))
    keys = np.arange(3_000), np.arange(3_000, 6_000)
    found = density_ratio(before, after, keys)
    truth = np.exp(0.7 * before[:, 0] - 0.7**2 / 2)
    assert np.corrcoef(found.weights, truth)[0, 1] > 0.8
    assert found.shifted
    assert found.weights.mean() == pytest.approx(1)
    assert not density_ratio(before, rng.normal(size=(3_000, 2)), keys).shifted
    apart = density_ratio(before, after + 9, keys)  # nothing in common
    assert apart.effective_rows >= 0.19 * 3_000
    assert density_ratio(before[:40], after, (keys[0][:40], keys[1])) is None


def test_shuffled_outcomes_are_estimated_at_one_half():
    rng = np.random.default_rng(4)
    before, later = cohort(2_000, rng), cohort(1_000, rng)
    shuffled = Reference(rng.permutation(before.churned), before.probability, before.customers)
    line, lines = resampled_lines(shuffled, replicates=50)
    found = estimated_performance(later.probability, line, lines, 0.3).metrics["roc_auc"]
    assert found["low"] < 0.5 < found["high"]
    assert found["value"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("size", [1, 30])
def test_small_and_constant_cohorts_are_estimated_or_left_out(size):
    rng = np.random.default_rng(5)
    before = cohort(600, rng)
    few = estimated(before, cohort(size, rng), reweighted=False, replicates=40).metrics
    assert few["churn_rate"]["value"] is not None
    reference = Reference(before.churned, before.probability, before.customers)
    line, lines = resampled_lines(reference, replicates=40)
    constant = estimated_performance(np.full(size, 0.2), line, lines, 0.3)
    assert constant.metrics["roc_auc"]["value"] == (None if size == 1 else pytest.approx(0.5))
    assert constant.confusion["true_positives"] == 0


# What came true ------------------------------------------------------------------------------------------


def test_realised_figures_are_those_of_the_field():
    rng = np.random.default_rng(6)
    later = cohort(1_500, rng, optimism=0.5)
    found = realised_performance(later.churned, later.probability, later.customers, 0.3, replicates=50)
    assert found["roc_auc"]["value"] == pytest.approx(roc_auc_score(later.churned, later.probability))
    assert found["calibration_intercept"]["low"] < 0.5 < found["calibration_intercept"]["high"]
    assert found["calibration_slope"]["low"] < 1 < found["calibration_slope"]["high"]
    one_class = realised_performance(np.zeros(40), np.linspace(0, 1, 40), np.arange(40), 0.3, replicates=20)
    assert one_class["roc_auc"]["value"] is one_class["calibration_slope"]["value"] is None
    terms = Terms(contact_cost=1, offer_cost=2, success_rate=0.5)
    gain = realised_gain(
        np.array([1, 0, 0, 1]), np.array([0.9, 0.8, 0.2, 0.1]), np.arange(4), np.full(4, 100.0), terms, 2, replicates=20
    )
    # One churns: 0.5 x 100 - 1 - 0.5 x 2; one stays: - 1 - 2.
    assert (gain["share"], gain["lift"], gain["profit"]["value"]) == (0.5, 1.0, 45)
    everyone = realised_gain(np.ones(3), np.ones(3), np.arange(3), np.ones(3), terms, None, replicates=5)
    assert everyone["share"] == 1


def test_realised_uplift_is_a_difference_of_rates_with_newcombes_interval():
    churned = np.r_[np.ones(56), np.zeros(14), np.ones(48), np.zeros(32)]  # Newcombe (1998), example (a)
    held_out = np.arange(150) < 70
    found = realised_uplift(churned, ~held_out, held_out)
    assert found["value"] == pytest.approx(0.2)
    assert (found["low"], found["high"]) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert realised_uplift(churned[:79], ~held_out[:79], held_out[:79])["value"] is None
    covered = 0
    rng = np.random.default_rng(7)
    for _ in range(300):
        churned = np.r_[rng.random(60) < 0.3, rng.random(400) < 0.2].astype(float)
        one = realised_uplift(churned, np.arange(460) >= 60, np.arange(460) < 60)
        covered += one["low"] <= 0.1 <= one["high"]
    assert binomtest(covered, 300, 0.95).pvalue > 0.001


# Verdicts ------------------------------------------------------------------------------------------------


def figures(period: str, auc: float, width: float = 0.02, by: str = "realised", **more) -> dict:
    reference = {"reference_roc_auc": 0.8, "reference_roc_auc_low": 0.78, "reference_roc_auc_high": 0.82}
    measured = {f"{by}_roc_auc": auc, f"{by}_roc_auc_low": auc - width, f"{by}_roc_auc_high": auc + width}
    return {"model_version": 1, "is_champion": True, "period": pd.Timestamp(period), **reference, **measured, **more}


def test_a_drop_must_be_large_and_more_than_noise():
    rows = judged_rows(
        [
            figures("2024-01-01", 0.79),
            figures("2024-02-01", 0.765),
            figures("2024-03-01", 0.70),
            figures("2024-04-01", 0.70, width=0.2),
            figures("2024-05-01", 0.79, realised_ece=0.12, realised_ece_low=0.06),
            figures("2024-06-01", 0.79, realised_ece=0.12, realised_ece_low=0.0),
            figures("2024-07-01", 0.70, by="estimated"),
        ],
        Performance(),
    )
    assert [row["status"] for row in rows] == ["ok", "warning", "breach", "ok", "breach", "ok", "breach"]
    assert [str(row["since"])[5:7] if row["since"] else "" for row in rows] == ["", "02", "02", "", "05", "", "07"]
    assert "ROC AUC 0.700 (realised), 0.800 at training" in rows[2]["because"]
    assert [row["judged_by"] for row in newest(rows)] == ["realised", "estimated"]


# History -------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "dbt_project.yml").write_text(yaml.safe_dump({"name": "shop", "vars": {"entity": 'the "id"'}}))
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema gold")
    return Project.open(tmp_path)


def run_sql(project: Project, *statements: str) -> list[tuple]:
    with duckdb.connect(str(project.warehouse_path)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
    return rows


def give_scores(project: Project, time: str, customers: str, version: int = 1, probability: float = 0.5) -> None:
    run_sql(
        project,
        f"create or replace table gold.gld_churn_scores as select unnest({customers}) as {KEY}, 'low' as risk_band, "
        f"'m' as model_name, {version} as model_version, {probability} as churn_probability, "
        f"timestamp '{time}' as feature_timestamp",
    )
    keep_scores(project)


def test_scores_are_kept_once_per_customer_time_and_version(project):
    give_scores(project, "2024-01-01", "['a', 'b', 'c']")
    first = run_sql(project, "from gold.gld_score_history order by all")
    give_scores(project, "2024-01-01", "['a', 'b', 'c']")
    assert run_sql(project, "from gold.gld_score_history order by all") == first
    give_scores(project, "2024-01-01", "['a', 'b']", probability=0.6)  # a correction: c is not at risk
    assert run_sql(project, "select count(*), max(churn_probability) from gold.gld_score_history") == [(2, 0.6)]
    give_scores(project, "2024-02-01", "['a']")
    give_scores(project, "2024-02-01", "['a']", version=2)
    assert run_sql(project, "select count(*) from gold.gld_score_history") == [(4,)]
    kinds = run_sql(project, "select column_name, column_type from (describe gold.gld_score_history)")
    assert [name for name, _ in kinds] == ['the "id"', *history.COLUMNS]


def test_the_arms_of_the_campaign_are_kept_with_the_scores(project):
    give_scores(project, "2024-01-01", "['a', 'b', 'c']")
    actions = (
        "create or replace table gold.gld_retention_actions as "
        f"select * from (values ('a', false), ('b', {{}})) as t({KEY}, holdout_flag) "
        "cross join (select distinct feature_timestamp, model_version from gold.gld_churn_scores)"
    )
    arms = f"select campaign_arm from gold.gld_score_history where feature_timestamp < '2024-02-01' order by {KEY}"
    for held_out, expected in (("true", "held out"), ("false", "contacted")):
        run_sql(project, actions.format(held_out))
        keep_arms(project)
        assert run_sql(project, arms) == [("contacted",), (expected,), (None,)]
    give_scores(project, "2024-02-01", "['a']")
    keep_arms(project)  # the list is that of the month before
    assert run_sql(project, arms) == [("contacted",), ("contacted",), (None,)]


# The command ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> ChurnWorld:
    return churn_world(customers=350, months=15, noise=2, seed=5)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, world: ChurnWorld) -> Path:
    """Trained on twelve months; the last three are scored month by month, the outcomes of two of them are known."""
    times = sorted(world.frame["feature_timestamp"].unique())
    frame = world.frame
    early = ChurnWorld(frame[frame["feature_timestamp"] < times[12]], world.features, world.oracle)
    folder = write_project(tmp_path_factory.mktemp("performance") / "shop", early)
    settings = quick_settings((MODEL,), bootstrap_replicates=10).model_dump(mode="json", include={"training"})
    (folder / "retention.yml").write_text(yaml.safe_dump(settings | {"survival": {"enabled": False}}))
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.register("frame", frame)
        connection.execute(
            "create table gold.gld_customer_features as select * exclude (churned, label_timestamp) from frame"
        )
    trained = command_here(folder, "train")
    assert trained.returncode == 0, trained.stderr
    from python_ml.model.registry import require_champion
    from python_ml.model.score import score

    project = Project.open(folder)
    champion = require_champion(project)
    for time in times[12:]:
        scores = score(frame[frame["feature_timestamp"] == time].reset_index(drop=True), champion, "customer_id")
        with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
            connection.register("scores", scores)
            connection.execute("create or replace table gold.gld_churn_scores as from scores")
        keep_scores(project)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.register("frame", frame[frame["feature_timestamp"] < times[14]])
        connection.execute("create or replace table gold.gld_training_set as from frame")
    # Drift is the business of other tests: nothing here drifts so far.
    quiet = {"monitor": {"drift": {"psi": {"drift": 9}, "churn_rate": {"drift": 9}, "domain_auc": {"drift": 0.99}}}}
    (folder / "retention.yml").write_text(yaml.safe_dump(quiet))
    return folder


def stored(folder: Path, table: str = "gld_model_performance") -> pd.DataFrame:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(f"select * from gold.{table} order by all").df()


def test_the_command_estimates_measures_and_compares(shop, world):
    outcome = command_here(shop, "monitor", "--json")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    found = json.loads(outcome.stdout)
    assert (len(found["performance"]), found["alerts"]) == (3, [])
    rows = stored(shop)
    assert list(rows.columns) == list(COLUMNS)
    assert list(rows["judged_by"]) == ["realised", "realised", "estimated"]
    assert list(rows["labelled_customers"]) == [350, 350, 0]
    assert rows["estimated_roc_auc"].notna().all()
    assert set(rows["estimate_method"]) <= {"cbpe", "pape"}
    assert rows["roc_auc_inside"].iloc[:2].all()
    assert pd.isna(rows["roc_auc_inside"].iloc[2])
    kept = stored(shop, "gld_score_history")
    labels = world.frame.merge(kept, on=["customer_id", "feature_timestamp"])
    for _, row in rows.iloc[:2].iterrows():
        cohort = labels[labels["feature_timestamp"] == row["period"]]
        assert row["realised_roc_auc"] == pytest.approx(roc_auc_score(cohort["churned"], cohort["churn_probability"]))
        assert row["realised_churn_rate"] == pytest.approx(cohort["churned"].mean())
        assert sum(json.loads(row["probability_histogram"])) == 350
        assert row["realised_lift_at_capacity"] > 1
    quality = stored(shop, "gld_data_quality")
    newest_times = quality[quality["period"] == rows["period"].iloc[-1]].set_index("measure")
    features = world.frame[world.frame["feature_timestamp"] == rows["period"].iloc[-1]]
    assert newest_times.loc["rows", "value"] == len(features)
    fresh = newest_times.loc["days_since_newest_event"]
    assert (fresh["subject"], fresh["value"]) == ("orders", features["orders_days_since_last"].min())
    shown = features.drop(columns=["customer_id", "feature_timestamp", "churned", "label_timestamp"])
    assert newest_times.loc["missing_share", "value"] == pytest.approx(shown.isna().mean().mean())
    again = command_here(shop, "monitor")
    pd.testing.assert_frame_equal(stored(shop), rows)
    assert "ROC AUC: 2 of 2 realised figures are inside" in again.stdout


def test_estimates_do_not_know_outcomes(shop):
    """Outcomes of the scored cohorts change nothing about their estimates."""
    command_here(shop, "monitor")
    before = stored(shop)
    times = list(before["period"])
    flip = "update gold.gld_training_set set churned = 1 - churned where feature_timestamp >= ?"
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute(flip, [times[0]])
    try:
        outcome = command_here(shop, "monitor")
        after = stored(shop)
    finally:
        with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
            connection.execute(flip, [times[0]])
    names = [name for name in COLUMNS if name.startswith("estimated")]
    pd.testing.assert_frame_equal(after[names], before[names])
    assert list(after["status"]) == ["breach", "breach", before["status"].iloc[2]]
    assert not after["roc_auc_inside"].iloc[:2].any()
    assert outcome.returncode == 3
    assert "the model has become worse since" in outcome.stderr
    assert "gold.gld_model_performance" in outcome.stderr
    opened = stored(shop, "gld_alerts")
    assert list(opened["part"]) == ["performance"]


def test_without_history_a_note_says_what_to_do(shop):
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute("alter table gold.gld_score_history rename to elsewhere")
    try:
        outcome = command_here(shop, "monitor")
        assert outcome.returncode == 0
        assert "No scores are kept yet: `retention score`" in outcome.stderr
        assert stored(shop).empty
    finally:
        with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
            connection.execute("alter table gold.elsewhere rename to gld_score_history")


def test_the_tables_are_described_in_every_project(repository):
    own = (repository / "models" / "gold" / "_gold__performance.yml").read_text(encoding="utf-8")
    folder = repository / "python_ml" / "generate" / "templates" / "gold"
    theirs = (folder / "_gold__performance.yml").read_text(encoding="utf-8")
    same = theirs.replace("customer_retention.no_worse", "no_worse").replace("[[ entity | yaml ]]", "customer_id")
    assert own == same
    columns = {
        table["name"]: {column["name"]: column["data_type"] for column in table["columns"]}
        for table in yaml.safe_load(own)["sources"][0]["tables"]
    }
    assert columns["gld_model_performance"] == COLUMNS
    assert columns["gld_score_history"] == {"customer_id": "string", **history.COLUMNS}
    assert columns["gld_alerts"] == alerts.COLUMNS
    assert columns["gld_data_quality"] == data_quality.COLUMNS


def test_log_odds_of_certain_scores_are_finite():
    line, _ = resampled_lines(Reference(np.r_[1.0, 0, 1], np.r_[1.0, 0, 0.5], np.arange(3)), replicates=2)
    assert np.isfinite(line).all()
    assert logit(0.5) == 0
