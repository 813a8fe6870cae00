"""The figures behind the report's charts, and how it writes numbers and times."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from python_ml import formatting
from python_ml.formatting import MONTHS
from python_ml.report import charts, curves
from python_ml.report.inputs import shown_uri
from python_ml.report.svg import NARROW
from python_ml.stats import wilson
from tests.python.report_world import average_precision

scored_outcomes = st.integers(20, 200).flatmap(
    lambda n: st.tuples(
        arrays.arrays(int, n, elements=st.integers(0, 1)).filter(lambda y: 0 < y.sum() < len(y)),
        arrays.arrays(float, n, elements=st.integers(0, 12).map(lambda k: k / 12)),
    )
)


@settings(max_examples=60, deadline=None)
@given(scored_outcomes)
def test_curves_agree_with_scikit_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    outcome, score = drawn
    roc = curves.roc_curve(outcome, score)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(roc_auc_score(outcome, score))
    assert average_precision(outcome, score) == pytest.approx(average_precision_score(outcome, score))
    gains = curves.gains_curve(outcome, score)
    assert (gains.x[0], gains.y[0], gains.x[-1], gains.y[-1]) == (0, 0, 1, 1)
    assert (np.diff(gains.x) > 0).all()
    bins = curves.calibration_bins(outcome, score)
    assert sum(b.rows for b in bins) == len(outcome)
    assert sum(b.rows * b.observed for b in bins) == pytest.approx(outcome.sum())
    assert [b.predicted for b in bins] == sorted({b.predicted for b in bins})
    assert all(0 <= b.low <= b.observed + 1e-12 and b.observed <= b.high + 1e-12 <= 1 + 1e-9 for b in bins)


def test_wilson_interval_matches_published_values() -> None:
    # Newcombe, R. G. (1998), Statistics in Medicine 17, table I: 81/263, 15/148, 0/20, 1/29.
    low, high = wilson([81, 15, 0, 1, 0], [263, 148, 20, 29, 0])
    assert np.round(low, 4).tolist() == [0.2553, 0.0624, 0, 0.0061, 0]
    assert np.round(high, 4).tolist() == [0.3662, 0.1605, 0.1611, 0.1718, 1]


def test_a_rate_that_is_not_known_has_no_interval() -> None:
    low, high = wilson([0.0, 3.0], [np.nan, 10.0])
    assert np.isnan([low[0], high[0]]).all()
    assert 0 < low[1] < high[1] < 1


@pytest.mark.parametrize("days", [0, 1, 9, 40, 100, 800, 4000, 30_000])
def test_a_calendar_has_few_ticks_and_every_year_once(days: int) -> None:
    start = pd.Timestamp("2023-03-17 05:00")
    period = charts.Period("Training", "train", start, start + pd.Timedelta(days=days), (start,))
    plot = charts.timeline_chart([period], "", NARROW)
    labels = re.findall(r">([^<]+)</text>", plot)
    ticks, years = [text for text in labels if text[-3:] in MONTHS], [text for text in labels if text.isdigit()]
    assert len(ticks) <= 6
    assert len(years) == len(set(years)) and bool(years) == bool(ticks)
    assert days < 2 or ticks


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 %"), (0.0003, "< 0.1 %"), (0.043, "4.3 %"), (0.43, "43 %"), (0.996, "99.6 %"), (0.9999, "> 99.9 %"),
     (1, "100 %"), (None, "–"), (float("nan"), "–")],
)  # fmt: skip
def test_shares_never_claim_none_or_all_falsely(value: float | None, shown: str) -> None:
    assert formatting.percent(value).replace(formatting.NO_BREAK, " ") == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("30d", "30 days"), ("1d", "1 day"), ("24h", "24 hours"), ("2w", "2 weeks"), ("1 month", "1 month"),
     ("90000s", "90000s"), (None, "–")],
)  # fmt: skip
def test_durations_in_words(value: str | None, shown: str) -> None:
    assert formatting.duration(value).replace(formatting.NO_BREAK, " ") == shown


def test_times_in_words() -> None:
    assert formatting.date("2025-03-01T00:00:00").replace(formatting.NO_BREAK, " ") == "1 March 2025"
    assert formatting.date("2025-03-01T01:30:00+01:00").replace(formatting.NO_BREAK, " ") == "1 March 2025, 00:30 UTC"
    assert formatting.date("soon") == formatting.date(None) == "–"
    assert formatting.key_text(12345.0) == "12345"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////home/me/shop/mlflow.db", "sqlite:///mlflow.db"),
        ("https://user:secret@mlflow.example.org/x", "https://mlflow.example.org/x"),
        ("databricks", "databricks"),
    ],
)
def test_the_tracking_address_is_shown_without_secrets(uri: str, shown: str) -> None:
    assert shown_uri(uri, Path("/home/me/shop")) == shown
