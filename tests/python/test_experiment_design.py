"""Experiments to be: power and size against statsmodels, and arms that follow from names alone."""

from __future__ import annotations

import numpy as np
import pytest

from python_ml.decisions.uplift.design import Design, assign
from python_ml.errors import UserError

DESIGNS = [
    (baseline, effect, share, alpha)
    for baseline in (0.03, 0.2, 0.6)
    for effect in (0.25 * baseline, -0.1 * baseline)
    for share in (0.5, 0.8)
    for alpha in (0.05, 0.01)
]


@pytest.mark.parametrize(("baseline", "effect", "share", "alpha"), DESIGNS)
def test_power_is_that_of_statsmodels(baseline, effect, share, alpha):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    customers = 5_000
    control = (1 - share) * customers
    theirs = proportion.power_proportions_2indep(
        -effect, baseline, share * customers, ratio=control / (share * customers), alpha=alpha, return_results=False
    )
    assert Design(baseline, share, alpha).power(effect, customers) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("baseline", "effect", "share", "alpha"), DESIGNS)
def test_size_power_and_effect_agree(baseline, effect, share, alpha):
    design = Design(baseline, share, alpha)
    size = design.sample_size(effect, 0.8)
    assert design.power(effect, size) >= 0.8 > design.power(effect, size - 1)
    if effect > 0:
        assert design.detectable_effect(size, 0.8) == pytest.approx(effect, rel=1e-3)


def test_a_textbook_case():
    """Two arms of 10 % and 15 %, 80 % power: 686 each (Fleiss, without continuity correction)."""
    assert Design(0.15).sample_size(0.05) == pytest.approx(2 * 686, abs=4)


def test_power_is_what_simulation_finds():
    rng = np.random.default_rng(0)
    design = Design(0.3)
    treated, control = (rng.binomial(200, p, 4_000) / 200 for p in (0.18, 0.3))
    pooled = (treated + control) / 2
    z = (control - treated) / np.sqrt(pooled * (1 - pooled) * 2 / 200)
    assert design.power(0.12, 400) == pytest.approx((np.abs(z) > 1.959964).mean(), abs=0.03)


def test_clusters_and_strata_change_the_variance():
    plain, clustered = Design(0.2), Design(0.2, cluster_size=4, icc=0.1)
    assert clustered.variance_factor == pytest.approx(1.3)
    assert clustered.sample_size(0.05) == pytest.approx(1.3 * plain.sample_size(0.05), rel=0.01)
    assert Design(0.2, explained=0.25).sample_size(0.05) == pytest.approx(0.75 * plain.sample_size(0.05), rel=0.01)


def test_too_few_customers_show_nothing():
    assert Design(0.05).detectable_effect(20) is None
    assert Design(0.05).power(0.01, 0) == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"baseline": 0.0}, "baseline"),
        ({"baseline": 0.2, "share": 1.0}, "share"),
        ({"baseline": 0.2, "alpha": 0.0}, "alpha"),
        ({"baseline": 0.2, "icc": -0.1}, "icc"),
        ({"baseline": 0.2, "explained": 1.0}, "explained"),
        ({"baseline": 0.2, "cluster_size": 0.5}, "cluster-size"),
        ({"baseline": float("nan")}, "baseline"),
    ],
)
def test_impossible_designs_are_messages(arguments, named):
    with pytest.raises(UserError) as caught:
        Design(**arguments)
    assert caught.value.where == f"--{named}"


@pytest.mark.parametrize("effect", [0.0, 0.3, 1e-9])
def test_impossible_effects_are_messages(effect):
    with pytest.raises(UserError):
        Design(0.2).sample_size(effect)


KEYS = [f"c{i}" for i in range(1_000)]


def test_assignment_follows_from_the_names_alone():
    arms = dict(zip(KEYS, assign(KEYS, 0.5, "spring"), strict=True))
    shuffled = list(np.random.default_rng(0).permutation(KEYS))
    assert dict(zip(shuffled, assign(shuffled, 0.5, "spring"), strict=True)) == arms
    other = assign(KEYS, 0.5, "autumn")
    assert 350 < (other == np.array([arms[key] for key in KEYS])).sum() < 650


def test_shares_hold_in_every_stratum():
    strata = np.random.default_rng(0).choice(["a", "b", "c"], 1_000, p=[0.7, 0.28, 0.02])
    for share in (0.5, 0.8, 1 / 3):
        offered = assign(KEYS, share, "spring", strata)
        assert abs(offered.sum() - share * 1_000) <= 1
        for stratum in "abc":
            inside = strata == stratum
            assert abs(offered[inside].sum() - share * inside.sum()) <= 1


def test_every_customer_is_as_likely_to_be_drawn():
    names = [f"experiment {n}" for n in range(400)]
    strata = ["small" if i < 3 else "large" for i in range(12)]
    drawn = np.mean([assign(KEYS[:12], 0.5, name, strata) for name in names], axis=0)
    assert np.abs(drawn - 0.5).max() < 4 * 0.5 / np.sqrt(400)


def test_clusters_stay_together():
    households = np.array([f"h{i // 3}" for i in range(999)])
    offered = assign(KEYS[:999], 0.5, "spring", clusters=households)
    assert all(len(set(offered[households == name])) == 1 for name in np.unique(households))
    assert abs(offered.mean() - 0.5) < 0.01


def test_edges_of_the_assignment():
    assert assign([], 0.5, "x").tolist() == []
    assert assign(["\ud800 half", "whole"], 0.5, "x").sum() == 1
