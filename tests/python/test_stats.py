"""Resampling by customer and percentile intervals, which every figure with an interval shares."""

from __future__ import annotations

import numpy as np
import pytest

from python_ml.stats import estimate, percentile_interval, resampled_weights


def test_customers_are_resampled_with_all_their_rows() -> None:
    customers = np.array(["a", "b", "a", "c"])
    weights = np.concatenate(list(resampled_weights(customers, 40, seed=1)))
    assert weights.shape == (40, 4)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()  # as many draws as customers
    again = np.concatenate(list(resampled_weights(customers, 40, seed=1)))
    assert (weights == again).all()
    assert list(resampled_weights(customers, 0, seed=1)) == []


def test_the_interval_is_that_of_the_defined_resamples() -> None:
    drawn = np.arange(101.0)
    assert percentile_interval(drawn) == pytest.approx((2.5, 97.5))
    assert percentile_interval([*drawn, *[np.nan] * 101]) == pytest.approx((2.5, 97.5))
    assert np.isnan(percentile_interval([*drawn, *[np.nan] * 102])).all()  # most resamples do not define the figure
    assert np.isnan(percentile_interval([])).all()


@pytest.mark.parametrize("undefined", [None, float("nan"), float("inf")])
def test_what_is_not_defined_is_none(undefined: float | None) -> None:
    assert estimate(undefined, [1.0, 2.0]) == {"value": None, "low": None, "high": None}
    assert estimate(0.5) == {"value": 0.5, "low": None, "high": None}
    assert estimate(0.5, [0.4, 0.4]) == {"value": 0.5, "low": 0.4, "high": 0.4}
