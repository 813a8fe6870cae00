"""Principal components, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from python_ml.text.reduction import fit_reduction


def _points(n: int, dimensions: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dimensions)) @ rng.normal(size=(dimensions, dimensions)) + 3


def test_components_are_those_of_scikit_learn() -> None:
    points = _points(300)
    oracle = PCA(n_components=0.95, svd_solver="full").fit(points)
    made = fit_reduction([points[:100], points[100:250], points[250:]])
    assert made is not None
    assert len(made.axes) == oracle.n_components_
    np.testing.assert_allclose(made.shares, oracle.explained_variance_ratio_, rtol=1e-9)
    expected = oracle.transform(points)
    signs = np.sign((made.axes * oracle.components_).sum(axis=1))
    np.testing.assert_allclose(made.transform(points, len(signs)), expected * signs, atol=1e-5)


def test_at_least_two_at_most_as_many_as_asked() -> None:
    line = np.outer(np.linspace(-1, 1, 50), np.ones(5)) + np.random.default_rng(0).normal(scale=1e-3, size=(50, 5))
    assert len(fit_reduction([line]).axes) == 2
    assert len(fit_reduction([_points(100)], components=3).axes) == 3
    assert len(fit_reduction([_points(100)], variance=1.0).axes) == 12


def test_what_cannot_be_fitted() -> None:
    assert fit_reduction([]) is None
    assert fit_reduction([_points(19)]) is None
    assert fit_reduction([np.ones((100, 5))]) is None
    # a plane in many dimensions has two directions, however much variance is asked for
    flat = np.zeros((40, 6))
    flat[:, :2] = _points(40, 2)
    assert len(fit_reduction([flat], variance=1.0).axes) == 2


def test_a_row_has_the_same_components_whatever_stands_beside_it() -> None:
    points = _points(2_000)
    made = fit_reduction([points])
    whole = made.transform(points, 8)
    alone = np.vstack([made.transform(points[i : i + 1], 8) for i in range(0, 2_000, 97)])
    assert (whole[::97] == alone).all()
    assert np.isnan(made.transform(points[:3], 14)[:, 12:]).all()


def test_the_digest_names_what_it_computes() -> None:
    points = _points(100)
    assert fit_reduction([points]).digest == fit_reduction([points]).digest
    assert fit_reduction([points]).digest != fit_reduction([points + np.eye(100, 12)]).digest


@pytest.mark.parametrize("offset", [0, 1e4])
def test_a_large_mean_costs_no_digits(offset: float) -> None:
    points = _points(200)
    shares = fit_reduction([points[:50] + offset, points[50:] + offset]).shares
    np.testing.assert_allclose(shares, fit_reduction([points]).shares, rtol=1e-6)
