"""Our defaults may not underfit: no worse than the library's own on five kinds of data; and what odd columns give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from python_ml.dbt import Feature
from python_ml.errors import UserError
from python_ml.input_columns import InputColumn
from python_ml.model.calibration import fit_calibrated, probabilities
from python_ml.model.ensemble import average
from python_ml.model.folds import customer_folds
from python_ml.model.pipelines import plain_lightgbm
from python_ml.model.train import train_models
from tests.bench.champions import tangled
from tests.python.churn_world import churn_world, quick_settings, small_world

ROWS = 3_000


def drawn(frame: pd.DataFrame, odds: np.ndarray, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    return frame, (rng.random(len(frame)) < 1 / (1 + np.exp(-odds))).astype(int)


def linear(rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.DataFrame(rng.normal(size=(rows, 10)))
    return drawn(frame, frame.to_numpy() @ np.linspace(1, 0, 10) - 1, rng)


def steps(rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Thresholds and an interaction, with gaps that mean something."""
    frame = pd.DataFrame(rng.exponential(size=(rows, 8)))
    odds = 2.0 * (frame[0] > 1) - 1.5 * (frame[1] < 0.4) + 2.0 * ((frame[2] > 1) & (frame[3] > 1)) - 1
    frame[4] = frame[4].mask(rng.random(rows) < 0.3)
    return drawn(frame, (odds + 0.8 * frame[4].isna()).to_numpy(), rng)


def noisy(rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Sixty columns, three of which say something."""
    frame = pd.DataFrame(rng.normal(size=(rows, 60)))
    return drawn(frame, 0.6 * frame[0] - 0.6 * frame[1] + 0.4 * frame[2] ** 2 - 2, rng)


def skewed(rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Amounts over several orders of magnitude, and a rare outcome."""
    frame = pd.DataFrame(np.exp(rng.normal(0, 2, size=(rows, 6))))
    return drawn(frame, -2.5 - 0.8 * np.log(frame[0]) + 0.5 * np.log(frame[1] + 1), rng)


def tangle(rows: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    return tangled(rows, int(rng.integers(1_000)))


@pytest.mark.parametrize("make", [linear, steps, noisy, skewed, tangle])
def test_our_defaults_are_no_worse_than_the_librarys(make: Callable) -> None:
    rng = np.random.default_rng(11)
    frame, outcome = make(3 * ROWS, rng)
    frame.columns = [f"x{name}" for name in frame]
    (inputs, churned), (later, truth) = (
        (frame.iloc[rows].reset_index(drop=True), np.asarray(outcome)[rows])
        for rows in (slice(0, ROWS), slice(ROWS, None))
    )
    columns = [InputColumn(name, "number") for name in frame]
    plain = plain_lightgbm(columns, ROWS, 0).fit(inputs, churned).predict_proba(later)[:, 1]
    folds = customer_folds(np.arange(ROWS), churned, 3, 0)
    ours = [
        probabilities(fit_calibrated(name, inputs, churned, columns, folds, 0).model, later)
        for name in ("logistic_regression", "lightgbm")
    ]
    best = max(roc_auc_score(truth, scores) for scores in (*ours, average(ours)))
    assert roc_auc_score(truth, ours[1]) > roc_auc_score(truth, plain) - 0.01  # the same kind of model
    assert best >= roc_auc_score(truth, plain) - 0.003


def test_columns_without_a_message_are_no_trouble() -> None:
    world = small_world()
    times = world.frame["feature_timestamp"]
    late = times >= times.quantile(0.8)
    frame = world.frame.assign(constant=1.0, empty=np.nan, filled_late=np.where(late, 1.0, np.nan))
    registry = [*world.features, *(Feature(name, "feature") for name in ("constant", "empty", "filled_late"))]
    frame.loc[late, "customer_plan"] = "unheard of"
    result = train_models(frame, registry, "customer_id", quick_settings(("logistic_regression", "lightgbm")))
    assert not {"constant", "empty"} & {column.name for column in result.card.columns}
    assert result.metrics["test"]["roc_auc"]["value"] > 0.6


def test_thirty_rows_are_trained_on_with_a_warning_or_refused_with_a_reason() -> None:
    world = churn_world(customers=10, months=3, noise=0, seed=2)
    assert len(world.frame) == 30
    try:
        metrics = train_models(
            world.frame, world.features, "customer_id", quick_settings(("logistic_regression", "lightgbm"))
        ).metrics
    except UserError as error:
        assert error.hint
    else:
        assert any("Few events" in text for text in metrics["warnings"])
