"""Uplift as pure functions: against scikit-uplift, EconML, statsmodels, and experiments whose effects are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_ml.decisions.uplift import curves
from python_ml.decisions.uplift.catalogue import make_learner
from python_ml.decisions.uplift.curves import Ranking, judge, qini_auc, share_of_truth
from python_ml.decisions.uplift.draws import EXCLUSIONS, arrange
from python_ml.decisions.uplift.estimation import (
    choose_learner,
    cross_fit,
    estimate_uplift,
)
from python_ml.decisions.uplift.experiment_rows import Experiment
from python_ml.decisions.uplift.learners import TLearner, XLearner
from python_ml.decisions.uplift.policy import (
    aipw_scores,
    effect_by_group,
    effect_line,
    ipw_value,
    mean_by_customer,
    policy_values,
    top_share,
)
from python_ml.decisions.uplift.prognosis import History, learn_prognosis
from python_ml.decisions.uplift.randomisation import verify_randomisation
from python_ml.decisions.uplift.sleeping_dogs import sleeping_dogs
from python_ml.decisions.uplift.split import split_draws
from python_ml.errors import UserError
from python_ml.input_columns import NUMBER, InputColumn
from python_ml.model.calibration import one_thread_each
from python_ml.settings import Uplift
from tests.bench.uplift import COLUMNS as HILLSTROM_COLUMNS
from tests.bench.uplift import hillstrom, hillstrom_like
from tests.python.uplift_world import COLUMNS, chances, world

# Curves


@st.composite
def ranked_draws(draw):
    rows = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(-3, 3)), min_size=4, max_size=60))
    # scikit-uplift asks for both arms and both outcomes
    rows += [(0, 0, 1), (1, 1, 0), (0, 1, -1), (1, 0, 2)]
    retained, treated, score = (np.array(column) for column in zip(*rows, strict=True))
    return retained, score / 7, treated


@given(ranked_draws())
def test_curves_and_coefficients_are_those_of_scikit_uplift(drawn):
    from sklift import metrics

    retained, uplift, treated = drawn
    x, y = Ranking(retained, uplift, treated).curves()
    for kind, theirs in (("qini", metrics.qini_curve), ("uplift", metrics.uplift_curve)):
        expected = theirs(retained, uplift, treated)
        # theirs begins at its first threshold where the curve is 0 there; the area is the same
        assert np.interp(expected[0], x[0], y[kind][0]) == pytest.approx(expected[1], abs=1e-9)
        assert np.trapezoid(y[kind][0], x[0]) == pytest.approx(np.trapezoid(expected[1], expected[0]), abs=1e-9)
    ours = Ranking(retained, uplift, treated).coefficients()
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, theirs in (("qini", metrics.qini_auc_score), ("auuc", metrics.uplift_auc_score)):
            expected = theirs(retained, uplift, treated)
            if np.isfinite(expected) and abs(expected) < 1e6:
                assert ours[name][0] == pytest.approx(expected, abs=1e-9)


@given(ranked_draws(), st.integers(0, 10_000))
def test_a_resample_counts_as_its_rows_do(drawn, seed):
    retained, uplift, treated = drawn
    weights = np.random.default_rng(seed).integers(0, 4, len(retained))
    rows = np.repeat(np.arange(len(retained)), weights)
    weighted = Ranking(retained, uplift, treated).coefficients(weights[None, :].astype(float))
    repeated = Ranking(retained[rows], uplift[rows], treated[rows]).coefficients() if len(rows) else None
    for name in curves.FORMULAS:
        if repeated is not None and np.isfinite(repeated[name][0]):
            assert weighted[name][0] == pytest.approx(repeated[name][0], abs=1e-9)


def test_coefficients_at_their_ends():
    experiment, _ = world(500)
    y, t = experiment.retained, experiment.treated
    assert qini_auc(y, y * t - y * (1 - t), t) == pytest.approx(1)
    assert qini_auc(y, np.zeros(500), t) == pytest.approx(0, abs=1e-12)
    everyone_alike = judge(np.ones(500), np.arange(500), t, experiment.customers, replicates=10)
    assert everyone_alike["auuc"] == {"value": None, "low": None, "high": None}


def test_intervals_hold_customers_together():
    experiment, truth = world(3_000, draws=1)
    doubled = experiment.take(np.tile(np.arange(3_000), 2))
    alone = judge(experiment.retained, truth, experiment.treated, experiment.customers, replicates=300)["qini"]
    twice = judge(doubled.retained, np.tile(truth, 2), doubled.treated, doubled.customers, replicates=300)["qini"]
    assert twice["value"] == pytest.approx(alone["value"])
    # Copies of customers are no further evidence.
    assert twice["high"] - twice["low"] == pytest.approx(alone["high"] - alone["low"], rel=0.15)


# Learners


def test_t_and_x_learners_are_those_of_econml():
    pytest.importorskip("econml")
    from econml.metalearners import TLearner as TheirT
    from econml.metalearners import XLearner as TheirX
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

    experiment, _ = world(600)
    numbers = experiment.inputs[["silence", "orders", "opt_in"]]
    ours = Experiment(numbers, experiment.treated, experiment.retained, experiment.customers, experiment.probability)
    share = float(experiment.treated.mean())
    ours = Experiment(numbers, ours.treated, ours.retained, ours.customers, np.full(600, share))

    class Chance(LogisticRegression):
        """EconML's metalearners take the prediction of a regressor."""

        def predict(self, x):
            return self.predict_proba(x)[:, 1]

    theirs = TheirT(models=Chance()).fit(ours.retained, ours.treated, X=numbers.to_numpy())
    mine = TLearner(lambda n: LogisticRegression()).fit(ours)
    assert mine.effect(numbers) == pytest.approx(theirs.effect(numbers.to_numpy()), abs=1e-6)

    theirs = TheirX(models=Chance(), cate_models=Ridge(), propensity_model=DummyClassifier(strategy="prior"))
    theirs.fit(ours.retained, ours.treated, X=numbers.to_numpy())
    mine = XLearner(lambda n: LogisticRegression(), lambda n: Ridge()).fit(ours)
    assert mine.effect(numbers) == pytest.approx(theirs.effect(numbers.to_numpy()), abs=1e-6)
    assert LinearRegression  # the library's default


@pytest.mark.parametrize(
    "name", ["s_lasso", "t_logistic", "t_lightgbm", "x_lightgbm", "dr_econml", "r_econml", "causal_forest_econml"]
)
def test_learners_find_whom_offers_help(name):
    if name.endswith("econml"):
        pytest.importorskip("econml")
    experiment, _ = world(2_000)
    fresh, truth = world(2_000, seed=1)
    learner = make_learner(name, COLUMNS, seed=0).fit(experiment)
    uplift = learner.effect(fresh.inputs)
    assert uplift.shape == (2_000,)
    assert share_of_truth(truth, uplift) > 0.6
    again = make_learner(name, COLUMNS, seed=0).fit(experiment).effect(fresh.inputs)
    assert np.array_equal(uplift, again)


def test_the_odds_ratio_is_what_the_effect_does_to_any_risk():
    experiment, _ = world(1_000)
    inputs = world(200, seed=1)[0].inputs
    learner = make_learner("s_lasso", COLUMNS, seed=0).fit(experiment)
    ratio, effect = learner.odds_ratio(inputs), learner.effect(inputs)
    # Of the two risks without an offer that such a factor and such an effect leave, one is the model's.
    risk = np.linspace(0, 1, 100_001)
    kept = risk - risk * ratio[:, None] / (1 - risk + risk * ratio[:, None])
    assert np.abs(kept - effect[:, None]).min(axis=1).max() < 1e-4
    assert (np.sign(1 - ratio) == np.sign(effect)).all()


def test_an_arm_with_one_outcome_is_no_error():
    experiment, _ = world(400)
    retained = np.where(experiment.treated == 1, 1.0, experiment.retained)
    spoiled = Experiment(experiment.inputs, experiment.treated, retained, experiment.customers, experiment.probability)
    for name in ("s_lasso", "t_logistic", "t_lightgbm", "x_lightgbm"):
        effect = make_learner(name, COLUMNS, 0).fit(spoiled).effect(spoiled.inputs)
        assert np.isfinite(effect).all()


def test_gaps_and_unseen_categories_are_no_error():
    experiment, _ = world(400)
    fresh = experiment.inputs.head(5).copy()
    fresh["plan"] = ["new", np.nan, "basic", "annual", "standard"]
    fresh["silence"] = np.nan
    for name in ("s_lasso", "t_logistic", "t_lightgbm", "x_lightgbm"):
        assert np.isfinite(make_learner(name, COLUMNS, 0).fit(experiment).effect(fresh)).all()


def test_econml_is_asked_for_by_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "econml", None)
    with pytest.raises(UserError, match="needs EconML") as caught:
        make_learner("dr_econml", COLUMNS, 0)
    assert "customer-retention[uplift]" in caught.value.hint


def test_held_out_customers_are_unseen():
    experiment, _ = world(200, draws=2)

    class Memory:
        def fit(self, experiment):
            self.seen = set(experiment.inputs["silence"])
            return self

        def effect(self, inputs):
            return inputs["silence"].isin(self.seen).to_numpy(float)

    from python_ml.model.folds import customer_folds

    folds = customer_folds(experiment.customers, (1 - experiment.retained).astype(int), 4, 0)
    with one_thread_each():
        unseen = cross_fit(Memory, experiment, folds)
    assert (unseen == 0).all()

    class Shifted(Memory):
        def effect(self, inputs):
            return inputs["silence"].to_numpy() + 100 * len(self.seen)

    with one_thread_each():
        predicted = cross_fit(Shifted, experiment, [(train[: 10 + k], out) for k, (train, out) in enumerate(folds)])
    assert np.ptp([predicted[out].mean() for _, out in folds]) < 1e-9  # what differs between folds is noise
    for train, held_out in folds:
        assert not set(experiment.customers[train]) & set(experiment.customers[held_out])


# Policies


def test_policy_values_are_those_of_the_truth():
    experiment, truth = world(20_000, share=0.3)
    without, with_offer = chances(experiment.inputs)
    scores = aipw_scores(experiment, (without, with_offer))
    policy = truth > 0
    expected = 1 - np.where(policy, with_offer, without).mean()
    for estimate in (scores.value(policy), ipw_value(experiment, policy)):
        assert abs(estimate.value - expected) < 4 * estimate.error
    assert scores.value(policy).error < ipw_value(experiment, policy).error
    # Robust: a wrong model of the outcome costs precision, not correctness.
    wrong = aipw_scores(experiment, (np.full(20_000, 0.9), np.full(20_000, 0.2)))
    assert abs(wrong.value(policy).value - expected) < 4 * wrong.value(policy).error
    rows = policy_values(experiment, scores, 1 - without, truth, 0.3)
    assert [row["policy"] for row in rows] == [
        "nobody", "everybody", "riskiest 30%", "highest uplift 30%", "uplift above zero",
    ]  # fmt: skip
    assert rows[0]["prevented"]["value"] == 0
    assert rows[3]["prevented"]["value"] > rows[2]["prevented"]["value"]
    assert rows[4]["aipw"]["value"] < rows[1]["aipw"]["value"]


def test_ipw_of_everybody_is_the_mean_of_the_treated():
    experiment, _ = world(500)
    everybody = ipw_value(experiment, np.ones(500, dtype=bool))
    assert everybody.value == pytest.approx(1 - experiment.retained[experiment.treated == 1].mean())


def test_errors_by_customer_are_those_of_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(0)
    customers = np.repeat(np.arange(150), 3)
    values = rng.normal(size=450) + np.repeat(rng.normal(size=150), 3)
    theirs = sm.OLS(values, np.ones(450)).fit(
        cov_type="cluster", cov_kwds={"groups": customers, "df_correction": False}
    )
    ours = mean_by_customer(values, customers)
    assert ours.value == pytest.approx(theirs.params[0])
    # The correction for few clusters is 150 / 149 here.
    assert ours.error == pytest.approx(theirs.bse[0], rel=0.01)

    experiment, _ = world(450)
    scores = aipw_scores(experiment, (np.full(450, 0.6), np.full(450, 0.7)))
    uplift = rng.normal(size=450)
    line = effect_line(scores, uplift)
    design = np.column_stack([np.ones(450), uplift - uplift.mean()])
    theirs = sm.OLS(scores.effect, design).fit(cov_type="cluster", cov_kwds={"groups": experiment.customers})
    assert [line.mean.value, line.slope.value] == pytest.approx(theirs.params)
    assert [line.mean.error, line.slope.error] == pytest.approx(theirs.bse, rel=0.01)
    assert line.covariance == pytest.approx(theirs.cov_params()[0, 1], rel=0.02)


def test_calibrated_uplift_is_right_and_noise_gives_the_mean():
    experiment, truth = world(20_000, seed=2)
    without, with_offer = chances(experiment.inputs)
    scores = aipw_scores(experiment, (without, with_offer))
    line = effect_line(scores, 3 * truth + 1)  # the right order on a wrong scale
    value, low, high = line.at(3 * truth + 1)
    assert line.slope.value == pytest.approx(1 / 3, abs=0.05)
    assert np.abs(value - truth).max() < 0.03
    assert ((low <= truth) & (truth <= high)).mean() > 0.9
    assert (low <= value).all() and (value <= high).all()
    reversed_ = effect_line(scores, -truth)
    assert np.ptp(reversed_.at(-truth)[0]) == 0  # a ranking that is wrong moves nobody
    few = effect_line(scores.take(np.arange(200)), np.random.default_rng(0).normal(0, 0.01, 200))
    assert abs(few.used_slope - 1) < 0.3  # noise does not turn predictions upside down
    constant = effect_line(scores, np.zeros(20_000))
    assert np.ptp(constant.at(np.zeros(5))[0]) == 0
    assert constant.at(np.zeros(1))[0][0] == pytest.approx(truth.mean(), abs=0.02)


def test_groups_by_predicted_uplift():
    experiment, truth = world(20_000, seed=3)
    scores = aipw_scores(experiment, chances(experiment.inputs))
    groups = effect_by_group(scores, truth, np.quantile(truth, [0.25, 0.5, 0.75]))
    assert sum(group["draws"] for group in groups) == 20_000
    assert [group["predicted"] for group in groups] == sorted((g["predicted"] for g in groups), reverse=True)
    for group in groups:
        assert group["effect"]["low"] - 0.02 < group["predicted"] < group["effect"]["high"] + 0.02


def test_top_share_cuts_ties_where_it_must():
    assert top_share(np.zeros(10), 0.3).sum() == 3
    assert list(np.flatnonzero(top_share(np.array([1.0, 3, 2, 0]), 0.5))) == [1, 2]


def test_sleeping_dogs_are_named_and_noise_has_none():
    def parts(effect: float) -> list:
        made = []
        for seed in (10, 11):
            experiment, _ = world(8_000, seed=seed, effect=effect)
            made.append((experiment, aipw_scores(experiment, chances(experiment.inputs, effect))))
        return made

    found = sleeping_dogs(*parts(1.0), COLUMNS)
    assert found[0]["group"] == "plan is annual"
    assert found[0]["verdict"] == "harmed"
    assert found[0]["effect"]["high"] < 0
    assert len(found) <= 3
    assert not [row for row in sleeping_dogs(*parts(0.0), COLUMNS) if row["verdict"] == "harmed"]


# Randomisation


def verified(experiment: Experiment, treated: np.ndarray | None = None, **options: object):
    treated = experiment.treated if treated is None else treated
    options.setdefault("permutations", 499)
    return verify_randomisation(experiment.inputs, COLUMNS, treated, experiment.customers, **options)


def test_random_arms_pass():
    passed = 0
    for seed in range(5):
        check = verified(world(1_500, seed=seed)[0], probability=0.5, permutations=199)
        passed += check.verdict == "randomised"
        assert check.balance["low"] < 0.53
        assert 0 < check.balance["p"] <= 1
        assert check.share_p > 0.0005
        assert abs(check.differences[0]["difference"]) < 2 * check.differences[0]["by_chance"]
    assert passed == 5


def test_arms_by_risk_do_not_pass():
    experiment, _ = world(2_000)
    without, _ = chances(experiment.inputs)
    treated = (np.random.default_rng(0).random(2_000) < np.where(without < np.median(without), 0.6, 0.4)).astype(int)
    check = verified(experiment, treated)
    assert check.verdict == "not randomised"
    assert not check.holds
    assert check.balance["auc"] > 0.55
    assert "silence" in check.reasons[0]
    assert check.differences[0]["feature"] == "silence"


def test_what_is_far_from_the_middle_is_seen_too():
    experiment, _ = world(2_000)
    silence = experiment.inputs["silence"]
    ends = (silence < silence.quantile(0.2)) | (silence > silence.quantile(0.8))
    treated = (np.random.default_rng(0).random(2_000) < np.where(ends, 0.7, 0.3)).astype(int)
    assert verified(experiment, treated).verdict == "not randomised"


def test_a_share_that_the_design_would_not_give():
    check = verified(world(2_000, share=0.45)[0], probability=0.5)
    assert check.verdict == "not randomised"
    assert "the design says 50.0%" in check.reasons[0]


def test_shares_by_stratum_are_a_design():
    experiment, _ = world(3_000)
    chance = np.where(experiment.inputs["plan"] == "basic", 0.8, 0.3)
    treated = (np.random.default_rng(1).random(3_000) < chance).astype(int)
    check = verified(experiment, treated, probability=chance)
    assert check.verdict == "randomised"
    assert check.balance["auc"] > 0.6  # by design, and no more than its permutations
    assert verified(experiment, treated).verdict == "not randomised"


def test_arms_per_customer_are_permuted_per_customer():
    experiment, _ = world(3_000, draws=10)
    inputs = experiment.inputs.copy()
    # What belongs to the customer is the same in all of their rows, as the arm is.
    first = np.repeat(np.arange(0, 3_000, 10), 10)
    inputs = inputs.iloc[first].reset_index(drop=True)
    for seed in range(3):
        arm = (np.random.default_rng(seed).random(300) < 0.5).astype(int).repeat(10)
        check = verify_randomisation(inputs, COLUMNS, arm, experiment.customers)
        assert check.unit == "customer"
        assert check.verdict == "randomised"
    assert verified(world(3_000, draws=10)[0]).unit == "draw"


def test_few_draws_and_useless_columns():
    few, _ = world(60)
    assert verified(few).verdict == "too few draws"
    experiment, _ = world(300)
    constant = pd.DataFrame({"same": np.ones(300), "empty": np.full(300, np.nan)})
    check = verify_randomisation(
        constant, [InputColumn("same", NUMBER), InputColumn("empty", NUMBER)], experiment.treated, experiment.customers
    )
    assert check.verdict == "randomised"
    assert check.balance["p"] is None


def test_other_treatments_in_the_window_are_told():
    experiment, _ = world(1_000)
    contaminated = (experiment.treated == 0) & (np.arange(1_000) % 5 == 0)
    check = verified(experiment, contaminated=contaminated)
    assert check.holds
    assert check.contaminated["control"] == pytest.approx(0.2, abs=0.05)
    assert check.contaminated["treated"] == 0
    assert "underestimated" in check.warnings[-1]


# Draws


def table(**columns: list) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    at = pd.Timestamp("2024-03-10 12:00")
    rows = {
        "customer_id": [f"c{i}" for i in range(n)],
        "draw__at": [at] * n,
        "draw__arm": ["treated"] * n,
        "draw__probability": [np.nan] * n,
        "draw__features_at": [pd.Timestamp("2024-03-01")] * n,
        "draw__churned": [0.0] * n,
        "draw__known_at": [at + pd.Timedelta(days=30)] * n,
        "draw__is_known": [True] * n,
        "draw__treated_again": [False] * n,
        "silence": [1.0] * n,
        **columns,
    }
    return pd.DataFrame(rows)


def test_draws_that_take_no_part_are_counted_by_reason():
    frame = table(
        customer_id=["a", "a", "b", "b", "c", None, "d", "e", "f", "g", "h"],
        draw__arm=["treated", "control", "treated", "treated", "other", "treated", *["control"] * 5],
        draw__features_at=[pd.Timestamp("2024-03-01")] * 6 + [None] + [pd.Timestamp("2024-03-01")] * 4,
        draw__is_known=[True] * 7 + [False, True, True, None],
        draw__churned=[0.0] * 7 + [np.nan, np.nan, 1.0, np.nan],
    )
    draws = arrange(frame, [InputColumn("silence", NUMBER)], "customer_id")
    assert draws.excluded == {
        "incomplete": 1,
        "other_arm": 1,
        "contradictory": 2,
        "repeated": 1,
        "not_at_risk": 1,
        "outcome_unknown": 2,
        "churned_before": 1,
    }
    assert set(draws.excluded) == set(EXCLUSIONS)
    assert list(draws.experiment.customers) == ["b", "g"]
    assert list(draws.experiment.retained) == [1.0, 0.0]
    assert list(draws.experiment.treated) == [1, 0]
    assert draws.experiment.inputs["days_from_features_to_draw"].tolist() == [9.5, 9.5]
    assert draws.keys[0] == "b 2024-03-10 12:00:00"


def test_a_stated_probability_must_be_one():
    with pytest.raises(UserError, match="probability of an offer"):
        arrange(table(draw__probability=[0.5, 1.0]), [InputColumn("silence", NUMBER)], "customer_id")
    draws = arrange(table(draw__probability=[0.5, 0.25]), [InputColumn("silence", NUMBER)], "customer_id")
    assert list(draws.experiment.probability) == [0.5, 0.25]


# Estimation


def draws_of(n: int = 3_000, seed: int = 0, effect: float = 1.0, days: int = 300):
    experiment, truth = world(n, seed=seed, effect=effect)
    at = np.datetime64("2024-01-01") + np.sort(np.random.default_rng(seed).integers(0, days + 1, n)).astype(
        "timedelta64[D]"
    )
    frame = experiment.inputs.assign(
        customer_id=experiment.customers,
        draw__at=at,
        draw__arm=np.where(experiment.treated == 1, "treated", "control"),
        draw__probability=0.5,
        draw__features_at=at,
        draw__churned=1 - experiment.retained,
        draw__known_at=at + np.timedelta64(30, "D"),
        draw__is_known=True,
        draw__treated_again=False,
    )
    draws = arrange(frame, COLUMNS, "customer_id")
    order = pd.Series(truth, index=experiment.customers)
    return draws, order.reindex(draws.experiment.customers).to_numpy()


def test_nothing_fitted_was_known_after_the_test_began():
    draws, _ = draws_of()
    e = draws.experiment
    split = split_draws(draws.drawn_at, draws.known_at, e.customers, e.treated, Uplift(), 0)
    assert split.kind == "time"
    assert draws.known_at[split.fit].max() <= draws.drawn_at[split.test].min()
    assert not (split.fit & split.test).any()
    assert split.test.mean() == pytest.approx(0.3, abs=0.01)
    dated = split_draws(draws.drawn_at, draws.known_at, e.customers, e.treated, Uplift(test_from="2024-06-01"), 0)
    assert draws.drawn_at[dated.test].min() >= np.datetime64("2024-06-01")
    assert draws.known_at[dated.fit].max() <= np.datetime64("2024-06-01")


def test_a_campaign_of_one_day_is_divided_by_customers():
    draws, _ = draws_of(days=0)
    e = draws.experiment
    split = split_draws(draws.drawn_at, draws.known_at, e.customers, e.treated, Uplift(), 0)
    assert split.kind == "customers"
    assert (split.fit ^ split.test).all()
    assert not set(e.customers[split.fit]) & set(e.customers[split.test])


def test_an_estimate_finds_the_truth_and_repeats_itself():
    draws, truth = draws_of()
    settings = Uplift(learners=["s_lasso"], folds=3)
    result = estimate_uplift(draws, settings, replicates=50, truth=truth)
    figures = result.figures
    test = figures["judged"]["test"]
    assert test[result.learner]["qini"]["value"] > 0.6 * test["oracle"]["qini"]["value"]
    assert figures["share_of_truth"] > 0.8
    assert test["random"]["qini"]["value"] == pytest.approx(0, abs=1e-12)
    assert figures["split"]["draws"]["test"] + figures["split"]["draws"]["fitted"] < 3_000  # some are purged
    uplift, low, high = result.estimates(draws.experiment.inputs)
    assert np.corrcoef(uplift, truth)[0, 1] > 0.9
    assert ((low <= uplift) & (uplift <= high)).all()
    again = estimate_uplift(draws, settings, replicates=50, truth=truth)
    assert again.figures == figures
    assert set(result.curves["learner"]) == {"s_lasso", "oracle"}


def test_no_effect_gives_intervals_that_contain_none():
    draws, _ = draws_of(effect=0.0, seed=4)
    result = estimate_uplift(draws, Uplift(learners=["t_logistic"], folds=3), replicates=200)
    qini = result.figures["judged"]["test"]["t_logistic"]["qini"]
    assert qini["low"] < 0 < qini["high"]
    mean = result.figures["mean_effect"]["test"]
    assert mean["low"] < 0 < mean["high"]
    _, low, high = result.estimates(draws.experiment.inputs)
    assert ((low < 0) & (high > 0)).mean() > 0.9


def history_of(seed: int = 9, n: int = 4_000) -> History:
    experiment, _ = world(n, seed=seed, effect=0.0)
    known = np.datetime64("2024-01-01") + np.random.default_rng(seed).integers(0, 300, n).astype("timedelta64[D]")
    return History(experiment.inputs, (1 - experiment.retained).astype(int), experiment.customers, known, COLUMNS)


def test_a_prognosis_has_not_seen_the_customer():
    rng = np.random.default_rng(0)
    history = history_of()
    # A column that gives the customer away, and outcomes that nothing else predicts.
    memorable = history.inputs.assign(silence=np.repeat(np.arange(400.0), 10))
    churned = np.repeat(rng.integers(0, 2, 400), 10)
    customers = np.repeat(np.array([f"c{i:05d}" for i in range(400)]), 10)
    prognosis = learn_prognosis(History(memorable, churned, customers, history.known_at, COLUMNS), seed=0)
    assert np.corrcoef(prognosis.of(memorable), churned)[0, 1] > 0.3
    assert abs(np.corrcoef(prognosis.unseen(memorable, customers), churned)[0, 1]) < 0.15


def test_figures_know_no_history_of_the_test_time():
    draws, _ = draws_of()
    settings = Uplift(learners=["t_logistic"], folds=3)
    history = history_of()
    split = split_draws(
        draws.drawn_at, draws.known_at, draws.experiment.customers, draws.experiment.treated, settings, 0
    )
    late = history.known_at > split.test_from.to_datetime64()
    assert late.any()
    other = replace(history, churned=np.where(late, 1 - history.churned, history.churned))
    results = [estimate_uplift(draws, settings, replicates=10, history=h) for h in (history, other)]
    assert results[0].figures == results[1].figures
    assert "log_odds_of_churn_by_history" in [column.name for column in results[0].columns]
    value, low, high = results[0].estimates(draws.experiment.inputs)
    assert ((low <= value) & (value <= high)).all()
    # No offer prevents more churn than there is.
    assert (value <= 1 / (1 + np.exp(-results[0].prognosis.of(draws.experiment.inputs))) + 1e-12).all()


def test_a_history_without_outcomes_is_no_error():
    history = replace(history_of(), churned=np.zeros(4_000, dtype=int))
    draws, _ = draws_of()
    result = estimate_uplift(draws, Uplift(learners=["t_logistic"], folds=3), replicates=0, history=history)
    assert result.prognosis is None


def test_too_few_draws_are_a_message():
    draws, _ = draws_of(n=120)
    with pytest.raises(UserError, match="too few draws") as caught:
        estimate_uplift(draws, Uplift(learners=["s_lasso"]))
    assert "retention experiment" in caught.value.hint


def test_the_simpler_learner_wins_unless_it_is_worse_beyond_noise():
    def entry(value: float, replicates: list[float]) -> dict:
        return {"qini": {"value": value}, "replicates": np.array(replicates)}

    noise = np.linspace(-0.02, 0.02, 50)
    judged = {"s_lasso": entry(0.10, 0.10 + noise), "x_lightgbm": entry(0.105, 0.105 - noise)}
    assert choose_learner(judged) == "s_lasso"
    judged["x_lightgbm"] = entry(0.2, 0.2 + noise)
    assert choose_learner(judged) == "x_lightgbm"
    with pytest.raises(UserError, match="not defined"):
        choose_learner({"s_lasso": entry(None, [])})


# A file of Hillstrom's shape


def crossed(frame: pd.DataFrame, learner: str) -> tuple[Experiment, np.ndarray]:
    experiment = hillstrom(frame)
    place = np.random.default_rng(0).permutation(len(experiment)) % 3
    folds = [(np.flatnonzero(place != k), np.flatnonzero(place == k)) for k in range(3)]
    with one_thread_each():  # as in `estimate_uplift`
        return experiment, cross_fit(lambda: make_learner(learner, HILLSTROM_COLUMNS, 0), experiment, folds)


@pytest.mark.parametrize("learner", ["t_logistic", "s_lasso", "x_lightgbm"])
def test_a_file_of_hillstroms_shape_with_known_effects(learner):
    rows = 16_000 if learner == "s_lasso" else 64_000  # the lasso takes longer, and needs less
    frame, truth = hillstrom_like(rows)
    assert frame.shape == (rows, 12)
    assert list(frame.columns) == [
        "recency", "history_segment", "history", "mens", "womens", "zip_code", "newbie", "channel", "segment", "visit",
        "conversion", "spend",
    ]  # fmt: skip
    experiment, uplift = crossed(frame, learner)
    truth = truth[frame["segment"] != "Mens E-Mail"]
    ours, oracle = (qini_auc(experiment.retained, order, experiment.treated) for order in (uplift, truth))
    assert ours > 0.75 * oracle > 0.03
    assert share_of_truth(truth, uplift) > 0.85


def test_intervals_contain_nothing_where_there_is_nothing():
    """In 95 of 100 cases: all of eight is too much to ask, two misses are rarer than one in twenty."""
    contained = 0
    for seed in range(8):
        experiment, uplift = crossed(hillstrom_like(rows=6_000, seed=seed, effect=0.0)[0], "t_logistic")
        qini = judge(experiment.retained, uplift, experiment.treated, experiment.customers, replicates=100)["qini"]
        contained += qini["low"] < 0 < qini["high"]
    assert contained >= 6


def test_mean_effects_are_covered_by_their_intervals():
    covered = 0
    for seed in range(20):
        experiment, truth = world(900, seed=1_000 + seed)
        scores = aipw_scores(experiment, (np.full(900, 0.6), np.full(900, 0.7)))
        mean = mean_by_customer(scores.effect, experiment.customers)
        covered += mean.low < truth.mean() < mean.high
    assert covered >= 17
