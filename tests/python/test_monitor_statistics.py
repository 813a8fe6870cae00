"""Measures of drift against scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from python_ml.monitor.statistics import (
    HALF_A_ROW,
    binned_ks,
    binned_quantiles,
    chi_square,
    divergence,
    jensen_shannon,
)
from python_ml.stats import psi


def binned(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Rows per bin, with an empty one for nulls."""
    return np.append(np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1), 0)


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.normal(size=3_000), rng.normal(0.3, 1.2, size=2_000)


def test_measures_equal_those_of_scipy(samples):
    edges = np.quantile(samples[0], np.arange(1, 10) / 10)
    counts = [binned(sample, edges) for sample in samples]
    table = np.column_stack(counts)[:-1]
    expected = stats.chi2_contingency(table, correction=False)
    assert chi_square(table) == pytest.approx((expected.statistic, expected.pvalue))
    assert jensen_shannon(*counts) == pytest.approx(jensenshannon(*counts, base=2))
    found = divergence(*counts, (3_000, 2_000), ordered=True)
    assert (found.chi_square, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    phi = expected.statistic / table.sum()
    assert found.cramers_v == pytest.approx(np.sqrt(phi), abs=0.01)  # which is not corrected for chance


def test_ks_is_exact_for_single_values_and_a_lower_bound_otherwise(samples):
    exact = stats.ks_2samp(*samples).statistic
    edges = np.quantile(samples[0], np.arange(1, 10) / 10)
    assert exact - 0.05 < binned_ks(*(binned(sample, edges)[:-1] for sample in samples)) <= exact
    rounded = [np.round(sample) for sample in samples]
    values = np.unique(np.concatenate(rounded))
    counts = [binned(sample, values)[:-1] for sample in rounded]
    assert binned_ks(*counts) == pytest.approx(stats.ks_2samp(*rounded).statistic)
    assert binned_ks(counts[0], 0 * counts[0]) is None


def test_psi_of_a_shifted_normal_is_its_squared_shift():
    """The symmetrised Kullback-Leibler divergence of two normals with unit variance; binning loses a little."""
    edges = stats.norm.ppf(np.arange(1, 20) / 20)
    for shift in (0.1, 0.3, 0.5):
        before, after = (np.diff(stats.norm.cdf([-np.inf, *edges, np.inf], mean)) * 1e9 for mean in (0, shift))
        assert psi(before, after)[0] == pytest.approx(shift**2, rel=0.05)


def test_an_empty_bin_counts_as_half_a_row_and_no_less_than_a_ten_thousandth():
    share = 0.05
    small = psi(np.array([200, 0]), np.array([190, 10]), HALF_A_ROW)[0]
    assert small == pytest.approx((share - 0.0025) * np.log(share / 0.0025) + (0.95 - 1) * np.log(0.95))
    large, larger = (psi(np.array([n, 0]), np.array([19 * n, n]), HALF_A_ROW)[0] for n in (10**6, 10**8))
    assert large == pytest.approx(larger)  # the same shift weighs the same


@pytest.mark.parametrize(("n", "m", "bins"), [(200, 150, 10), (5_000, 400, 10), (2_000, 2_000, 4)])
def test_the_noise_of_psi_and_of_the_test_is_what_chance_gives(n, m, bins):
    rng = np.random.default_rng(1)
    shares = np.full(bins, 1 / bins)
    drawn = [
        divergence(rng.multinomial(n, shares), rng.multinomial(m, shares), (n, m), ordered=True) for _ in range(600)
    ]
    assert np.mean([one.psi for one in drawn]) == pytest.approx(drawn[0].psi_expected, rel=0.12)
    assert np.mean([one.psi_excess for one in drawn]) == pytest.approx(0, abs=0.2 * drawn[0].psi_expected)
    assert np.mean([one.p_value < 0.05 for one in drawn]) == pytest.approx(0.05, abs=0.03)


def test_rows_of_one_customer_count_as_one():
    """Five copies of every row say no more than one: the test must not reject more often."""
    rng, shares = np.random.default_rng(2), np.full(10, 0.1)
    rejected = {copies: [] for copies in (False, True)}
    for _ in range(400):
        before, after = rng.multinomial(300, shares), rng.multinomial(300, shares)
        for copies in rejected:
            customers = (300, 300) if copies else (1_500, 1_500)
            rejected[copies].append(divergence(5 * before, 5 * after, customers, ordered=True).p_value < 0.05)
    assert np.mean(rejected[True]) < 0.1 < 0.5 < np.mean(rejected[False])


def test_quantiles_of_bins():
    rng = np.random.default_rng(3)
    values, levels = rng.gamma(2, size=5_000), [0.05, 0.25, 0.5, 0.75, 0.95]
    edges = np.quantile(values, np.arange(1, 20) / 20)
    found = binned_quantiles(edges, binned(values, edges)[:-1], (values.min(), values.max()), levels, exact=False)
    assert found == pytest.approx(np.quantile(values, levels), rel=0.02)
    counts = rng.poisson(2, 999)
    known = np.unique(counts)
    found = binned_quantiles(known, binned(counts, known)[:-1], (0, known[-1]), levels, exact=True)
    assert found == pytest.approx(np.quantile(counts, levels, method="inverted_cdf"))


def test_edges_of_the_measures():
    same = divergence(np.array([5, 0, 0]), np.array([9, 0, 0]), (5, 9), ordered=True)
    assert (same.psi, same.chi_square, same.p_value, same.cramers_v, same.jensen_shannon) == (0, 0, 1, None, 0)
    apart = divergence(np.array([50, 0, 0]), np.array([0, 0, 50]), (50, 50), ordered=True)
    assert apart.jensen_shannon == pytest.approx(1)
    assert apart.cramers_v == pytest.approx(1)
    assert apart.ks is None  # one sample has no values
    assert apart.psi > 4
