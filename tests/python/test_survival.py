"""Survival: against lifelines, scikit-survival, closed forms, and customers whose ends are known."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from python_ml.decisions.survival import tables
from python_ml.decisions.survival.clock import Clock, SurvivalError, measure_clock
from python_ml.decisions.survival.evaluation import SURVIVAL, TRUTH, HeldOut
from python_ml.decisions.survival.follow_up import follow_up
from python_ml.decisions.survival.hazard import person_periods
from python_ml.decisions.survival.kaplan_meier import kaplan_meier, survival_curves
from python_ml.decisions.survival.life import Curves
from python_ml.decisions.survival.metrics import brier, concordance, integrated_brier, with_intervals
from python_ml.decisions.survival.scoring import estimates, write_estimates
from python_ml.decisions.survival.store import SURVIVAL_FILE, load_survival_model, to_bytes
from python_ml.decisions.survival.training import (
    check_segment,
    fit_before_test,
    forget_study,
    study_of,
    study_survival,
    with_survival,
    write_study,
)
from python_ml.errors import UserError
from python_ml.model.cross_validation import SnapshotSplit
from python_ml.model.split import temporal_split
from python_ml.project import Project
from python_ml.report import render_report
from python_ml.settings import Settings
from python_ml.warehouse import read_table
from tests.python.churn_world import small_world, trained, write_project
from tests.python.lifetimes_world import COLUMNS, START, lifetimes
from tests.python.report_world import HOSTILE, Page, synthetic_inputs

ENTITY = "customer_id"
SETTINGS = Settings.model_validate({"training": {"bootstrap_replicates": 60}})


def followed(frame: pd.DataFrame, clock: Clock):
    return follow_up(*(frame[name].to_numpy() for name in (ENTITY, "feature_timestamp", "churned")), clock)


class TestFollowUp:
    """What labels say of the time of churn, beside the true one."""

    @pytest.mark.parametrize(("step", "horizon", "gap"), [(30, 30, 0), (30, 90, 0), (30, 30, 7), (30, 60, 5)])
    def test_labels_together_resolve_periods_of_one_step(self, step, horizon, gap):
        world = lifetimes(400, 12, step, horizon, gap, seed=1)
        clock = measure_clock(world.frame, ENTITY, world.definitions, 12)
        known = followed(world.frame, clock)
        assert (clock.first, clock.length) == (30, 30)
        day = (world.frame["feature_timestamp"] - START).dt.days.to_numpy()
        limit = (day.max() + horizon - day) // 30
        true_period = np.floor(world.remaining / 30).astype(int) + 1
        usable = day <= day.max() - (horizon - 30)
        assert np.array_equal(known.usable, usable)
        assert np.array_equal(known.event[usable], (true_period <= np.minimum(limit, 12))[usable])
        assert np.array_equal(known.period[known.event & usable], true_period[known.event & usable])
        stayed = usable & ~known.event
        assert np.array_equal(known.period[stayed], np.minimum(limit, 12)[stayed])

    def test_months_differ_in_length_and_their_last_day_is_not_lost(self):
        world = lifetimes(3000, pd.date_range("2023-01-01", periods=14, freq="MS"), horizon=30, seed=2)
        clock = measure_clock(world.frame, ENTITY, world.definitions, 12)
        known = followed(world.frame, clock)
        assert (clock.first, clock.length) == (30, 30)
        # In February the next feature time comes before the label window ends; that day is in the period all the same.
        assert np.array_equal(known.event & (known.period == 1), world.frame["churned"].to_numpy() == 1)
        true_period = np.floor(world.remaining / 30).astype(int) + 1
        churned = known.event
        assert np.mean(known.period[churned] == true_period[churned]) > 0.9
        assert np.abs(known.period[churned] - true_period[churned]).max() <= 1
        within = known.usable & (known.limit >= 6)
        found = np.mean(known.event[within] & (known.period[within] <= 6))
        assert found == pytest.approx(np.mean(true_period[within] <= 6), abs=0.01)

    def test_inactivity_is_dated_by_its_label(self):
        times = START + pd.to_timedelta([0, 30, 60, 90, 0, 30, 60, 90], unit="D")
        frame = pd.DataFrame(
            {
                ENTITY: ["a"] * 4 + ["b"] * 4,
                "feature_timestamp": times,
                "churned": [0, 0, 1, 0, 0, 0, 0, 0],  # a comes back, which changes nothing
                "label_timestamp": times + pd.Timedelta(days=90),
            }
        )
        clock = measure_clock(frame, ENTITY, {"churn_definition": "inactivity"}, 4)
        assert clock.edges.tolist() == [0, 90, 120, 150, 180]
        known = followed(frame, clock)
        assert known.period.tolist() == [3, 2, 1, 1, 4, 3, 2, 1]
        assert known.event.tolist() == [True, True, True, False] + [False] * 4

    def test_a_customer_who_is_no_longer_listed_is_censored_unless_that_is_an_end(self):
        times = START + pd.to_timedelta([0, 60, 0, 60, 120], unit="D")
        frame = pd.DataFrame(
            {
                ENTITY: ["a", "a", "b", "b", "b"],
                "feature_timestamp": times,
                "churned": 0,
                "label_timestamp": times + pd.Timedelta(days=30),
            }
        )
        ends = {}
        for definition in ("end_date", "supplied"):
            clock = measure_clock(frame, ENTITY, {"churn_definition": definition}, 3)
            ends[definition] = followed(frame, clock)
        assert ends["end_date"].event.tolist() == [True, True, False, False, False]
        assert not ends["supplied"].event.any()

    def test_labels_that_look_nowhere_are_refused(self):
        frame = lifetimes(20, 3).frame.assign(label_timestamp=lambda f: f["feature_timestamp"])
        with pytest.raises(SurvivalError, match="length of the label window"):
            measure_clock(frame, ENTITY, {}, 12)

    def test_person_periods(self):
        person, at, churned = person_periods(np.array([3, 2, 5]), np.array([True, False, True]), 4)
        assert person.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2]
        assert at.tolist() == [1, 2, 3, 1, 2, 1, 2, 3, 4]
        assert churned.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]


def censored_sample(n: int, seed: int, distinct: bool) -> tuple[np.ndarray, ...]:
    """Times, events and predictions; ``distinct`` times, or periods that many share."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    time, censoring = rng.exponential(np.exp(-risk)), rng.exponential(1.5, n)
    event, observed = time <= censoring, np.minimum(time, censoring)
    if distinct:
        period = np.unique(observed, return_inverse=True)[1] + 1
    else:
        edges = np.quantile(observed, np.linspace(0, 1, 7)[1:-1])
        period = np.searchsorted(edges, observed) + 1
    return period, event, risk + rng.normal(size=n)


def structured(event: np.ndarray, time: np.ndarray) -> np.ndarray:
    from sksurv.util import Surv

    return Surv.from_arrays(event, time.astype(float))


class TestMetrics:
    """Against scikit-survival and lifelines."""

    @pytest.mark.parametrize("distinct", [True, False])
    def test_concordance_is_that_of_scikit_survival(self, distinct):
        from sksurv.metrics import concordance_index_censored, concordance_index_ipcw

        period, event, score = censored_sample(150, 3, distinct)
        assert concordance(period, event, score)[0] == pytest.approx(
            concordance_index_censored(event, period, score)[0], abs=1e-9
        )
        # There, who is censored in a period counts as gone when its churn is weighed; here they stayed in it.
        target = structured(event, np.where(event, period - 0.5, period))
        assert concordance(period, event, score, ipcw=True)[0] == pytest.approx(
            concordance_index_ipcw(target, target, score)[0], abs=1e-9
        )

    def test_equal_scores_count_half(self):
        from sksurv.metrics import concordance_index_censored

        period, event, score = censored_sample(120, 4, distinct=False)
        score = np.round(score)
        expected = concordance_index_censored(event, period, score)[0]
        assert concordance(period, event, score)[0] == pytest.approx(expected, abs=1e-9)
        assert concordance(period, event, np.zeros(120))[0] == 0.5

    @pytest.mark.parametrize("distinct", [True, False])
    def test_brier_scores_are_those_of_scikit_survival(self, distinct):
        from sksurv.metrics import brier_score, integrated_brier_score

        period, event, score = censored_sample(150, 5, distinct)
        at = np.array([30, 60, 90]) if distinct else np.array([2, 3, 4])
        survival = np.exp(-np.exp(score)[:, None] * at / at.max())
        target = structured(event, np.where(event, period - 0.5, period))
        just_before = at - 1e-6  # who is censored at a time is known to have stayed until then
        _, expected = brier_score(target, target, survival, just_before)
        found = brier(period, event, survival, at)
        np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-9)
        assert integrated_brier(found, just_before)[0] == pytest.approx(
            integrated_brier_score(target, target, survival, just_before), abs=1e-9
        )

    def test_weights_are_repeated_rows(self):
        period, event, score = censored_sample(80, 6, distinct=False)
        weights = np.random.default_rng(0).integers(0, 4, 80)
        again = np.repeat(np.arange(80), weights)
        survival = np.exp(-np.exp(score)[:, None] * np.array([0.3, 0.6]))
        for ipcw in (False, True):
            weighted = concordance(period, event, score, weights[None].astype(float), ipcw=ipcw)
            assert weighted[0] == pytest.approx(
                concordance(period[again], event[again], score[again], ipcw=ipcw)[0], abs=1e-12
            )
        at = np.array([2, 4])
        np.testing.assert_allclose(
            brier(period, event, survival, at, weights[None].astype(float)),
            brier(period[again], event[again], survival[again], at),
            atol=1e-12,
        )

    def test_without_a_comparable_pair_there_is_no_figure(self):
        nobody = np.zeros(5, dtype=bool)
        (figure,) = with_intervals(
            lambda w: concordance(np.arange(1, 6), nobody, np.arange(5.0), w)[:, None], np.arange(5), 20, 0
        )
        assert figure == {"value": None, "low": None, "high": None}

    def test_kaplan_meier_is_that_of_lifelines(self):
        from lifelines import KaplanMeierFitter

        period, event, _ = censored_sample(200, 7, distinct=False)
        expected = KaplanMeierFitter().fit(period, event)
        found = kaplan_meier(period, event, 5)
        np.testing.assert_allclose(
            found["survival"], expected.survival_function_at_times(found["period"]).to_numpy(), atol=1e-12
        )
        bounds = expected.confidence_interval_.loc[found["period"]].to_numpy()
        np.testing.assert_allclose(found[["low", "high"]].to_numpy(), bounds, atol=1e-9)
        assert found["at_risk"].tolist() == expected.event_table.loc[found["period"], "at_risk"].astype(int).tolist()

    def test_curves_of_cohorts_and_segments(self):
        world = lifetimes(600, 12, seed=8)
        clock = measure_clock(world.frame, ENTITY, world.definitions, 3)
        curves = survival_curves(world.frame, ENTITY, clock, "plan")
        assert list(curves.columns) == list(tables.CURVE_COLUMNS)
        assert set(curves["grouped_by"]) == {"everybody", "first_feature_time", "plan"}
        assert set(curves.loc[curves["grouped_by"] == "plan", "cohort"]) == {"basic", "premium"}
        assert (curves["at_risk"] >= 10).all()
        first = world.frame.drop_duplicates(ENTITY)
        everybody = curves[curves["grouped_by"] == "everybody"].set_index("period")
        assert everybody.loc[1, "survival"] == pytest.approx(1 - first["churned"].mean())
        stays = np.mean(world.remaining[first.index] >= 180)
        assert everybody.loc[6, "survival"] == pytest.approx(stays, abs=0.03)


class TestLife:
    """Against closed forms of a constant hazard."""

    RATE = 0.01
    CURVES = Curves.of_hazards(np.full((1, 4), 1 - np.exp(-0.3)), np.arange(5) * 30.0)

    def test_a_constant_hazard_has_closed_forms(self):
        for cap in (17.0, 60.0, 365.0):
            expected = (1 - np.exp(-self.RATE * cap)) / self.RATE
            assert self.CURVES.expected_remaining(cap)[0] == pytest.approx(expected, rel=1e-12)
        assert self.CURVES.median_remaining(365)[0] == pytest.approx(np.log(2) / self.RATE)
        assert np.isnan(self.CURVES.median_remaining(60)[0])
        assert self.CURVES.risk(45)[0] == pytest.approx(1 - np.exp(-0.45))
        assert np.isnan(self.CURVES.risk(121)[0])

    @pytest.mark.parametrize("day", [30.0, 50.0, 90.0])
    def test_a_curve_goes_through_the_champion(self, day):
        moved = self.CURVES.through(day, np.array([0.6]))
        assert moved.risk(day)[0] == pytest.approx(0.6, rel=1e-12)
        later = (1 - moved.risk(120)[0]) / (1 - moved.risk(day)[0])
        assert later == pytest.approx(np.exp(-self.RATE * (120 - day)), rel=1e-9)

    def test_silence_is_no_life(self):
        edges = np.array([0.0, 90.0, 120.0, 150.0])
        hazards = np.array([[0.4, 0.2, 0.1], [0.7, 0.2, 0.1]])
        curves = Curves.of_hazards(hazards, edges, silence=90)
        assert np.isnan(curves.risk(60)).all()
        np.testing.assert_allclose(curves.risk(90), [0.4, 0.7])
        grid = np.linspace(0, 60, 60_001)
        rates = -np.log(1 - hazards)
        alive = np.exp(-np.array([np.interp(grid + 90, edges, np.r_[0, np.cumsum(r)]) for r in rates]))
        np.testing.assert_allclose(curves.expected_remaining(60), np.trapezoid(alive, grid, axis=1), rtol=1e-6)
        median = curves.median_remaining(365)
        assert median[1] == 0  # more than half have left already
        assert 0 < median[0] < 30

    def test_certain_outcomes_stay_finite(self):
        curves = Curves.of_hazards(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0.0, 30.0, 60.0]))
        assert np.isfinite(curves.expected_remaining(365)).all()
        moved = curves.through(30.0, np.array([1.0, 0.0]))
        np.testing.assert_allclose(moved.risk(30), [1, 0], atol=1e-8)


@pytest.fixture(scope="module")
def world():
    return lifetimes(900, 12, seed=10)


@pytest.fixture(scope="module")
def split(world):
    return temporal_split(world.frame, SETTINGS.training.split)


@pytest.fixture(scope="module")
def study(world, split):
    true = 1 - np.exp(-30 * world.rate)
    truth = world.frame[[ENTITY, "feature_timestamp"]].assign(probability=true)
    return study_survival(
        world.frame, split, COLUMNS, ENTITY, world.definitions, SETTINGS, true[split.test], truth
    )  # the champion of this test knows the truth of the first 30 days


class TestModel:
    """On customers whose hazard is known."""

    def test_it_ranks_and_calibrates_nearly_as_the_truth_does(self, study, world, split):
        figures = study.evaluation.set_index(["model", "metric", "horizon"])["value"]
        alone = study.model.curves(world.frame[split.test])
        rate = world.rate[split.test]
        for days in (30, 60, 90):
            true = 1 - np.exp(-days * rate)
            assert alone.risk(days).mean() == pytest.approx(true.mean(), rel=0.12)
            assert np.corrcoef(alone.risk(days), true)[0, 1] > 0.9
        value = {model: study.figure(model, "concordance")["value"] for model in (SURVIVAL, TRUTH)}
        assert value[SURVIVAL] > value[TRUTH] - 0.02
        assert figures[SURVIVAL, "ece", 90.0] < 0.03
        ours, reference = (study.figure(model, "integrated_brier")["value"] for model in (SURVIVAL, "kaplan_meier"))
        assert ours < reference
        life = alone.expected_remaining(365)
        true_life = (1 - np.exp(-365 * rate)) / rate
        assert np.corrcoef(life, true_life)[0, 1] > 0.9
        assert life.mean() == pytest.approx(true_life.mean(), rel=0.1)

    def test_a_sample_of_customers_stands_for_many_rows(self, world, split, study):
        test = world.frame[split.test]
        whole = HeldOut(test, followed(test, study.model.clock), world.rate[split.test], world.rate[split.test])
        some = whole.sample(ENTITY, len(test) // 2, seed=0)
        assert len(some.frame) == pytest.approx(len(test) / 2, rel=0.15)
        assert len(some.frame) == test[ENTITY].isin(some.frame[ENTITY]).sum(), "whole customers"
        np.testing.assert_array_equal(some.truth, some.probability)
        assert len(some.known.period) == len(some.frame)

    def test_the_risk_within_the_horizon_is_the_champions(self, study, world, split):
        rows = world.frame[split.test].head(50)
        probability = np.linspace(0.01, 0.9, 50)
        made = estimates(rows, study.model, probability, ENTITY, 3, 365)
        np.testing.assert_allclose(made["risk_30d"], probability, rtol=1e-9)
        assert (made["risk_60d"] > made["risk_30d"]).all()
        assert (made["risk_90d"] > made["risk_60d"]).all()
        assert made["expected_remaining_days"].between(0, 365).all()
        assert list(made.columns) == [ENTITY, *tables.ESTIMATE_COLUMNS]

    def test_nothing_at_or_after_the_cutoff_is_seen(self, study, world, split):
        later = ~split.fit
        changed = world.frame.copy()
        rng = np.random.default_rng(0)
        changed.loc[later, "churned"] = rng.permutation(changed.loc[later, "churned"].to_numpy())
        changed.loc[later, ["usage", "noise"]] = rng.normal(size=(later.sum(), 2))
        changed.loc[later, "plan"] = "never seen before"
        again = fit_before_test(changed, split, COLUMNS, ENTITY, world.definitions, SETTINGS)
        assert to_bytes(again) == to_bytes(study.model)

    def test_unseen_categories_and_gaps_are_scored(self, study, world):
        rows = world.frame.head(3).assign(plan=["new", None, "basic"], usage=[np.nan, 1.0, np.inf])
        assert np.isfinite(study.model.hazards(rows)).all()
        assert study.model.hazards(world.frame.head(0)).shape == (0, study.model.clock.periods)

    def test_without_signal_the_interval_contains_chance(self):
        still = lifetimes(800, 14, effect=0.0, seed=11)
        cut = temporal_split(still.frame, SETTINGS.training.split)
        model = fit_before_test(still.frame, cut, COLUMNS, ENTITY, still.definitions, SETTINGS)
        test = still.frame[cut.test]
        known = followed(test, model.clock)
        score = model.curves(test).risk(90)
        rows = known.usable
        (figure,) = with_intervals(
            lambda w: concordance(known.period[rows], known.event[rows], score[rows], w)[:, None],
            test[ENTITY].to_numpy()[rows], 200, 0,
        )  # fmt: skip
        assert figure["low"] < 0.5 < figure["high"]

    def test_few_customers_and_rows_without_times_are_refused(self, world):
        few = lifetimes(12, 14, seed=12)
        fit = np.ones(len(few.frame), dtype=bool)
        cut = temporal_split(world.frame, SETTINGS.training.split)
        everything = type(cut)(**{**vars(cut), "fit": fit})
        with pytest.raises(SurvivalError, match="Fewer than 20"):
            fit_before_test(few.frame, everything, COLUMNS, ENTITY, few.definitions, SETTINGS)
        undated = SnapshotSplit.of(few.frame, "static", 5)
        with pytest.raises(SurvivalError, match="without feature times"):
            fit_before_test(few.frame, undated, COLUMNS, ENTITY, few.definitions, SETTINGS)

    def test_an_unknown_segment_is_named_with_what_is_close(self, world):
        settings = Settings.model_validate({"survival": {"segment": "plans"}})
        with pytest.raises(UserError, match="There is no column `plans`") as error:
            check_segment(world.frame, settings)
        assert "did you mean `plan`?" in str(error.value)


def test_the_tables_are_described_in_every_project(repository):
    from python_ml.generate.text import environment

    own = (repository / "models" / "gold" / "_gold__survival.yml").read_text(encoding="utf-8")
    assert environment().get_template("gold/_gold__survival.yml").render(entity="customer_id") == own
    described = {
        table["name"]: [column["name"] for column in table["columns"]]
        for table in yaml.safe_load(own)["sources"][0]["tables"]
    }
    assert described == {
        "gld_survival_estimates": [ENTITY, *tables.ESTIMATE_COLUMNS],
        "gld_survival_evaluation": list(tables.EVALUATION_COLUMNS),
        "gld_survival_curves": list(tables.CURVE_COLUMNS),
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose champion has a survival model, with what a training and a scoring write."""
    from python_ml.model import store
    from python_ml.model.dataset import TrainingSet
    from python_ml.model.registry import ModelRegistry, load_champion
    from python_ml.model.tracking import record
    from python_ml.quality import model_facts

    folder, world = tmp_path_factory.mktemp("survival") / "a shop", small_world()
    project = Project.open(write_project(folder, world))
    result = trained("logistic_regression")
    study = study_of(result, project.vars, SETTINGS, world.oracle)
    registered = record(
        with_survival(result, study),
        TrainingSet(world.frame, world.features, ENTITY, project.vars, "warehouse.duckdb", "0" * 64),
        SETTINGS,
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        root=folder,
        project_name=project.name,
        experiment="survival",
        training_facts=model_facts(result.dataset, result.card, world.features).to_json(),
    )
    ModelRegistry.of(project).give(store.ALIAS, registered.version)
    project.reports_dir.mkdir()
    write_study(project, study, project.reports_dir)
    champion = load_champion(project)
    assert write_estimates(project, read_table(project, "gold.gld_scoring_set"), champion) is None
    return folder


@pytest.fixture
def own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.usefixtures("own_store")
class TestProject:
    """What is stored with the champion, and what the warehouse and the report show."""

    def test_estimates_are_those_of_the_champion(self, shop):
        from python_ml.model.registry import load_champion
        from python_ml.model.score import score

        project = Project.open(shop)
        table = read_table(project, tables.ESTIMATES)
        assert list(table.columns) == [ENTITY, *tables.ESTIMATE_COLUMNS]
        scores = score(read_table(project, "gold.gld_scoring_set"), load_champion(project), ENTITY)
        both = table.merge(scores, on=[ENTITY, "feature_timestamp"], validate="one_to_one")
        assert len(both) == len(table) == len(scores)
        np.testing.assert_allclose(both["risk_30d"], both["churn_probability"], rtol=1e-9)
        assert (both["model_version_x"] == both["model_version_y"]).all()
        assert list(read_table(project, tables.EVALUATION).columns) == list(tables.EVALUATION_COLUMNS)
        assert list(read_table(project, tables.CURVES).columns) == list(tables.CURVE_COLUMNS)

    def test_a_changed_file_is_not_opened(self, shop, tmp_path):
        moved = Path(shutil.copytree(shop, tmp_path / "moved"))
        assert load_survival_model(Project.open(moved)) is not None
        (shop / "mlartifacts").rename(shop / "hidden")
        try:
            path = next(moved.glob(f"mlartifacts/models/*/artifacts/extra_files/{SURVIVAL_FILE}"))
            path.write_bytes(path.read_bytes() + b" ")
            with pytest.raises(UserError, match="differ from those that were registered"):
                load_survival_model(Project.open(moved))
        finally:
            (shop / "hidden").rename(shop / "mlartifacts")

    def test_estimates_of_an_earlier_champion_do_not_stay(self, shop, tmp_path):
        from python_ml.model.registry import load_champion

        moved = Path(shutil.copytree(shop, tmp_path / "moved"))
        (moved / "retention.yml").write_text("survival: {enabled: false}\n", encoding="utf-8")
        project = Project.open(moved)
        said = write_estimates(project, read_table(project, "gold.gld_scoring_set"), load_champion(project))
        assert said == "survival is switched off"
        forget_study(project, project.reports_dir)
        for name in (tables.ESTIMATES, tables.EVALUATION, tables.CURVES):
            with pytest.raises(UserError, match="does not exist"):
                read_table(project, name)


class TestReport:
    """The section of the report."""

    def test_it_shows_curves_calibration_and_figures(self, study):
        strange = study.curves[study.curves["grouped_by"] == "first_feature_time"].assign(
            grouped_by=HOSTILE, cohort=lambda f: HOSTILE + f["cohort"]
        )
        inputs = replace(
            synthetic_inputs(300),
            survival_evaluation=study.evaluation,
            survival_curves=pd.concat([study.curves, strange]),
            survival_predictions=study.predictions,
        )
        text = render_report(inputs)
        page = Page(text)
        assert "survival" in [attributes.get("id") for tag, attributes in page.tags if tag == "section"]
        for day in (30, 60, 90):
            assert f"Calibration, {day} days" in text
        value = study.figure(SURVIVAL, "concordance")["value"]
        assert f'<data value="{value!r}">' in text
        assert "True hazard" in text
        assert "<script" not in text

    def test_without_figures_it_still_shows_the_curves(self, study):
        bare = replace(
            synthetic_inputs(300), survival_evaluation=study.evaluation.head(0), survival_curves=study.curves
        )
        text = render_report(bare)
        assert "By first feature time" in text
        assert "Concordance and Brier score" not in text
        assert "Calibration at each horizon" not in text

    def test_it_says_why_there_is_none_or_is_silent(self):
        inputs = synthetic_inputs(300)
        assert 'id="survival"' not in render_report(inputs)
        inputs.metrics["survival"] = {"missing": "Rows without feature times do not say <how long>."}
        assert "No survival model: <bdi>Rows without feature times do not say &lt;how long&gt;.</bdi>" in render_report(
            inputs
        )
