"""The temporal split: no label that was learnt from reaches into a later part."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from python_ml.errors import UserError
from python_ml.model.folds import customer_folds, later_fold
from python_ml.model.permutation import chance_of_ranking
from python_ml.model.selection import no_signal
from python_ml.model.split import TemporalSplit, temporal_split, words_of
from python_ml.model.supplied_split import supplied_split
from python_ml.settings import Split

START = pd.Timestamp("2024-01-01")


def labelled(days: list[float], horizon: float, rows: int = 40, rate: float = 0.25, seed: int = 0) -> pd.DataFrame:
    """Rows at ``START + days``, labels ending ``horizon`` days later."""
    rng = np.random.default_rng(seed)
    times = pd.DatetimeIndex([START + pd.Timedelta(days=d) for d in days]).as_unit("us")
    frame = pd.DataFrame({"feature_timestamp": times.repeat(rows)})
    frame["label_timestamp"] = frame["feature_timestamp"] + pd.Timedelta(days=horizon)
    frame["churned"] = (rng.random(len(frame)) < rate).astype(int)
    return frame


def monthly(months: int, horizon: float = 30) -> pd.DataFrame:
    times = pd.date_range(START, periods=months, freq="MS")
    return labelled([(t - START).days for t in times], horizon)


def check_purge(frame: pd.DataFrame, split: TemporalSplit) -> None:
    """The rule itself, without looking at how boundaries were found."""
    times, ends = frame["feature_timestamp"], frame["label_timestamp"]
    parts = [split.train, split.validation, split.test]
    assert (np.sum(parts, axis=0) <= 1).all()
    for earlier, later in ((0, 1), (0, 2), (1, 2)):
        if parts[earlier].any() and parts[later].any():
            assert ends[parts[earlier]].max() <= times[parts[later]].min()
    assert ends[split.fit].max() <= times[split.test].min()
    assert (split.fit | ~split.train).all()
    assert (split.fit | ~split.validation).all()
    for part in parts if split.has_validation else (split.train, split.test):
        assert set(frame.loc[part, "churned"]) == {0, 1}
    assert times[split.test].max() == times.max()


@settings(max_examples=100, deadline=None)
@given(
    days=st.lists(st.integers(0, 400), min_size=1, max_size=25, unique=True),
    horizon=st.floats(0.5, 120),
    test_share=st.floats(0.05, 0.5),
    validation_share=st.floats(0.05, 0.4),
    rate=st.floats(0.05, 0.95),
    seed=st.integers(0, 5),
)
def test_no_label_reaches_into_a_later_part(
    days: list[int], horizon: float, test_share: float, validation_share: float, rate: float, seed: int
) -> None:
    frame = labelled(sorted(days), horizon, rows=6, rate=rate, seed=seed).sample(frac=1, random_state=seed)
    assume(frame["churned"].nunique() == 2)
    try:
        split = temporal_split(frame, Split(test_share=test_share, validation_share=validation_share))
    except UserError as error:
        assert "too short" in error.what
        return
    check_purge(frame, split)


@settings(max_examples=60, deadline=None)
@given(days=st.lists(st.integers(0, 300), min_size=3, max_size=20, unique=True), horizon=st.integers(1, 90))
def test_as_many_parts_as_the_history_allows(days: list[int], horizon: int) -> None:
    days = sorted(days)
    frame = labelled(days, horizon)
    two = days[0] + horizon <= days[-1]
    three = any(days[0] + horizon <= v <= t - horizon for v in days for t in days)
    if not two:
        with pytest.raises(UserError, match="too short"):
            temporal_split(frame, Split())
        return
    split = temporal_split(frame, Split())
    assert split.has_validation == three
    check_purge(frame, split)


def test_shares_of_the_free_history() -> None:
    split = temporal_split(monthly(12), Split()).describe(monthly(12))
    assert split["feature_timestamps"] == {"train": 6, "validation": 3, "test": 3}
    assert split["kind"] == "temporal"
    assert split["purge"] == "30d"
    assert (split["train_to"], split["validation_from"]) == ("2024-06-01T00:00:00", "2024-07-01T00:00:00")
    assert (split["test_from"], split["test_to"]) == ("2024-10-01T00:00:00", "2024-12-01T00:00:00")


def test_a_label_may_end_as_the_next_part_begins_but_no_later() -> None:
    frame = labelled([0, 30, 60, 90, 120], horizon=30)
    dates = Split(validation_from=START + pd.Timedelta(days=60), test_from=START + pd.Timedelta(days=90))
    split = temporal_split(frame, dates)
    assert split.describe(frame)["feature_timestamps"] == {"train": 2, "validation": 1, "test": 2}
    frame["label_timestamp"] += pd.Timedelta(microseconds=1)
    split = temporal_split(frame, Split(test_from=START + pd.Timedelta(days=90)))
    assert frame.loc[split.fit, "feature_timestamp"].max() == START + pd.Timedelta(days=30)
    check_purge(frame, split)


def test_short_history_falls_back_to_two_parts() -> None:
    frame = monthly(4, horizon=60)
    split = temporal_split(frame, Split())
    check_purge(frame, split)
    assert not split.has_validation
    assert not split.validation.any()
    assert "cross-validation" in split.warnings[0]
    assert split.describe(frame)["kind"] == "temporal_cross_validated"


def test_too_short_a_history_says_how_much_is_needed() -> None:
    with pytest.raises(UserError, match=r"at least 90d apart.*of its own at least 180d"):
        temporal_split(monthly(2, horizon=90), Split())


def test_parts_need_both_classes() -> None:
    frame = monthly(12)
    late = frame["feature_timestamp"] >= pd.Timestamp("2024-09-01")
    frame.loc[late, "churned"] = 0
    split = temporal_split(frame, Split())
    check_purge(frame, split)
    assert frame.loc[split.test, "feature_timestamp"].min() < pd.Timestamp("2024-09-01")


def test_given_dates_win() -> None:
    frame = monthly(12)
    split = temporal_split(frame, Split(validation_from="2024-04-15", test_from="2024-08-01"))
    assert split.describe(frame)["validation_from"] == "2024-05-01T00:00:00"
    assert split.describe(frame)["test_from"] == "2024-08-01T00:00:00"
    check_purge(frame, split)


def test_one_given_date_leaves_the_other_to_choose() -> None:
    frame = monthly(12)
    split = temporal_split(frame, Split(test_from="2024-06-01"))
    assert split.test_from == pd.Timestamp("2024-06-01")
    assert split.has_validation
    check_purge(frame, split)


@pytest.mark.parametrize("dates", [{"test_from": "2030-01-01"}, {"validation_from": "2020-01-01"}])
def test_useless_dates_are_named(dates: dict) -> None:
    with pytest.raises(UserError) as caught:
        temporal_split(monthly(12), Split(**dates), where="retention.yml, line 9, training.split")
    assert caught.value.where == "retention.yml, line 9, training.split"
    assert "2024-01-01 to 2024-12-01" in caught.value.hint


def test_many_feature_times_are_split_quickly() -> None:
    frame = labelled(list(range(1500)), horizon=30, rows=4)
    split = temporal_split(frame, Split())
    check_purge(frame, split)
    shares = split.describe(frame)["feature_timestamps"]
    assert shares["train"] > 2.5 * shares["test"] > 0


def test_words_of() -> None:
    assert [words_of(pd.Timedelta(t)) for t in ("30D", "36h", "90s", "0s")] == ["30d", "36h", "90s", "0s"]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(2, 8), st.integers(0, 100), st.floats(0.05, 0.95))
def test_folds_keep_customers_together(customers: int, folds: int, seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    customer = rng.integers(0, customers, 200)
    churned = (rng.random(200) < rate / 4).astype(int)
    made = customer_folds(customer, churned, folds, seed)
    if not made:
        assert min(len(set(customer[churned == outcome])) for outcome in (0, 1)) < 2
        return
    assert len(made) == min(folds, *(len(set(customer[churned == outcome])) for outcome in (0, 1)))
    held = np.concatenate([out for _, out in made])
    assert sorted(held) == list(range(200))
    for train, out in made:
        assert not set(customer[train]) & set(customer[out])
        assert set(churned[train]) == set(churned[out]) == {0, 1}
    order = rng.permutation(200)
    again = customer_folds(customer[order], churned[order], folds, seed)
    assert [set(customer[order][out]) for _, out in again] == [set(customer[out]) for _, out in made]


def test_folds_need_rows_of_both_outcomes_not_customers_of_both() -> None:
    """Nobody but two has the same outcome throughout; every feature time has leavers and stayers."""
    customer = np.repeat(np.arange(30), 4)
    churned = np.tile([1, 0, 0, 1], 30)
    churned[:4], churned[4:8] = 1, 0
    for outcomes in (churned, 1 - churned, np.tile([0, 1], 60)):
        made = customer_folds(customer, outcomes, 5, 0)
        assert len(made) == 5
        assert all(set(outcomes[rows]) == {0, 1} for pair in made for rows in pair)


def test_the_later_fold_is_fitted_on_what_was_known_before() -> None:
    frame = labelled([0, 10, 20, 30, 40, 50, 60, 70, 80, 90], 20)
    columns = (frame[name].to_numpy() for name in ("feature_timestamp", "label_timestamp", "churned"))
    times, known, churned = columns
    train, held_out = later_fold(times, known, churned)
    assert known[train].max() <= times[held_out].min()
    assert 0.2 < len(held_out) / (len(train) + len(held_out)) < 0.3
    assert later_fold(times, known, np.zeros_like(churned)) is None
    assert later_fold(times[:40], known[:40], churned[:40]) is None  # one feature time


def parts(frame: pd.DataFrame, edges: tuple[float, float]) -> pd.DataFrame:
    """Customers and a supplied split: train up to the first edge (in days), validation up to the second, then test."""
    days = (frame["feature_timestamp"] - START) / pd.Timedelta(days=1)
    split = np.select([days < edges[0], days < edges[1]], ["train", "validation"], "test")
    return frame.assign(who=np.arange(len(frame)) % 50, split=split)


class TestSupplied:
    """A column that says train, validation or test."""

    def test_parts_in_order_are_purged_like_any_other(self):
        frame = parts(labelled([0, 17, 31, 60, 75, 92, 110, 150, 171, 200], 30), (80, 140))
        split = supplied_split(frame, "split", "who", "retention.yml")
        check_purge(frame, split)
        assert split.test_from == START + pd.Timedelta(days=150)
        assert split.validation_from == START + pd.Timedelta(days=92)
        assert not split.warnings
        described = split.describe(frame)
        assert described["kind"] == "temporal"
        assert described["rows"] == {"train": 160, "validation": 80, "test": 120, "purged": 40}

    def test_parts_that_overlap_are_taken_as_they_are_and_told(self):
        frame = labelled([0, 30, 60, 90], 30)
        frame = frame.assign(
            who=np.arange(len(frame)) % 50, split=np.where(np.arange(len(frame)) % 4 == 0, "test", "train")
        )
        split = supplied_split(frame, "split", "who", "retention.yml")
        assert (split.test == (frame["split"] == "test")).all()
        assert (split.train == (frame["split"] == "train")).all()
        assert not split.has_validation
        assert "overlap in time" in split.warnings[0]
        assert "customers are in the test and in what models learn from" in split.warnings[1]
        described = split.describe(frame)
        assert described["kind"] == "supplied"
        assert described["test_from"] is described["train_to"] is None
        assert split.fitted_times(frame["feature_timestamp"])["before"] is None

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda f: f.drop(columns="split"), "no column split"),
            (lambda f: f.assign(split="fold 1"), "'fold 1'"),
            (lambda f: f.assign(split=f["split"].mask(f.index < 3)), "empty values"),
            (lambda f: f.assign(split="train"), "test part of the split has no row"),
            (lambda f: f.assign(churned=np.where(f["split"] == "test", 0, f["churned"])), "no churned customer"),
        ],
    )
    def test_mistakes_are_told(self, change, message):
        frame = change(parts(labelled([0, 40, 80, 120, 160, 200], 30), (90, 150)))
        with pytest.raises(UserError, match=message):
            supplied_split(frame, "split", "who", "retention.yml")

    def test_settings_refuse_a_column_and_dates(self):
        with pytest.raises(ValueError, match="not by both"):
            Split(column="split", test_from="2024-01-01")


def days_of(warning: str, before: str) -> int:
    """The number of days that a warning names after some words."""
    return int(re.search(rf"{before} (\d+)d", warning).group(1))


class TestCostlyPurge:
    """A split that throws most of the history away says so, and what would keep more of it."""

    def told(self, frame: pd.DataFrame) -> list[str]:
        return [w for w in temporal_split(frame, Split()).warnings if w.startswith("The purge takes")]

    def test_horizon_and_step_that_it_names_help(self):
        days = list(range(0, 245, 14))
        (warning,) = self.told(labelled(days, 90))
        split = temporal_split(labelled(days, 90), Split()).describe(labelled(days, 90))
        assert f"{split['rows']['purged']:,} of 720 rows" in warning
        assert f"leaves {split['feature_timestamps']['train']} of 18 feature times to train on" in warning
        # Labels that look less far ahead are known for later feature times, too.
        ahead = days_of(warning, "gap and horizon of at most")
        assert 14 < ahead < 90
        shorter = labelled(list(range(0, 238 + 90 - ahead + 1, 14)), ahead)
        assert self.told(shorter) == []
        step = days_of(warning, "a `step` of at most")
        assert step < 14
        finer = labelled(list(range(0, 245, step)), 90)
        assert temporal_split(finer, Split()).describe(finer)["feature_timestamps"]["train"] >= 5

    def test_a_history_that_one_window_nearly_fills(self):
        (warning,) = self.told(labelled(list(range(0, 186, 5)), 90))
        assert "step" not in warning
        assert days_of(warning, "gap and horizon of at most") < 90

    @pytest.mark.parametrize(("months", "horizon"), [(14, 30), (24, 60), (5, 28)])
    def test_nothing_is_said_where_the_purge_costs_little(self, months, horizon):
        assert self.told(monthly(months, horizon)) == []


def test_labels_that_do_not_look_ahead_cannot_be_purged_and_it_is_told():
    split = temporal_split(labelled(list(range(0, 200, 10)), 0), Split())
    assert any("nothing was purged" in warning for warning in split.warnings)
    assert not any("nothing was purged" in warning for warning in temporal_split(monthly(14), Split()).warnings)


@pytest.mark.parametrize(
    ("chance", "shown"),
    [
        ({"validation": 0.001, "test": 0.04}, True),
        ({"validation": 0.25, "test": 0.001}, False),
        ({"validation": 0.001, "test": 0.06}, False),
        ({"test": 0.009}, True),
        ({"test": 0.02}, False),
        ({"validation": None, "test": 0.001}, True),
        ({"validation": None, "test": None}, True),
    ],
)
def test_a_signal_must_show_in_each_set_of_held_out_rows(chance, shown):
    message = no_signal(chance)
    assert (message is None) == shown
    assert shown or f"{max(value for value in chance.values() if value):.1%} of cases" in message


def test_the_permutation_test_keeps_rows_of_a_customer_together():
    """Ten equal rows of a customer are one observation: shuffled rows would show a signal in every tenth noise."""
    detected, by_chance = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        customers = np.repeat(np.arange(60), 10)
        churned, noise = np.repeat(rng.random(60) < 0.4, 10), np.repeat(rng.normal(size=(60, 1)), 10, axis=0)
        signal = noise + 1.5 * churned[:, None]
        by_chance += chance_of_ranking(churned, noise, customers, draws=99, seed=seed) <= 0.05
        detected += chance_of_ranking(churned, signal, customers, draws=99, seed=seed) <= 0.05
    assert by_chance <= 9  # of 60; 3 expected
    assert detected >= 55
    assert chance_of_ranking(np.ones(5), np.arange(5)[:, None], np.arange(5)) is None


def test_the_permutation_test_counts_the_best_of_many_models_once():
    """The best of twenty scores of noise looks good, but no better than the best of twenty usually does."""
    rng = np.random.default_rng(0)
    best_alone, best_of_all = 0, 0
    for seed in range(40):
        churned, noise, customers = rng.random(200) < 0.3, rng.normal(size=(200, 20)), np.arange(200)
        alone = [chance_of_ranking(churned, noise[:, [i]], customers, draws=99, seed=seed) for i in range(20)]
        best_alone += min(alone) <= 0.05
        best_of_all += chance_of_ranking(churned, noise, customers, draws=99, seed=seed) <= 0.05
    assert best_alone >= 15
    assert best_of_all <= 6  # of 40; 2 expected
