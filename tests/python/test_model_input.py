"""How models see features: transformations, scales and encodings of retention.yml, fitted on training rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from python_ml.errors import UserError
from python_ml.input_columns import InputColumn, prepared_as
from python_ml.model.pipelines import linear_preparation, output_sources, tree_preparation
from python_ml.settings import Settings

COLUMNS = [
    InputColumn("spent", "number"),
    InputColumn("visits", "number"),
    InputColumn("is_new", "flag"),
    InputColumn("town", "category"),
]


def settings(**features: object) -> Settings:
    return Settings.model_validate({"features": features})


def frame(rows: int = 400, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    draw = np.random.default_rng(seed)
    churned = draw.integers(0, 2, rows)
    town = np.where(churned == 1, draw.choice(["A", "B"], rows), draw.choice(["C", "D"], rows)).astype(object)
    spent = draw.lognormal(3, 2, rows)
    spent[::50] = np.nan
    return (
        pd.DataFrame({"spent": spent, "visits": draw.poisson(3, rows) * 1.0, "is_new": draw.integers(0, 2, rows) * 1.0,
                      "town": town}),
        churned,
    )  # fmt: skip


def test_patterns_choose_columns_and_the_rest_stay_as_they_were() -> None:
    chosen = prepared_as(
        COLUMNS, settings(transform={"sp*": "rank"}, scale={"visits": "robust"}, encode={"town": "target"})
    )
    assert chosen[0] == InputColumn("spent", "number", transform="rank")
    assert chosen[1] == InputColumn("visits", "number", scale="robust")
    assert chosen[2] == COLUMNS[2]
    assert chosen[3] == InputColumn("town", "category", encode="target")
    assert prepared_as(COLUMNS, settings()) == COLUMNS


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ({"transform": {"spend": "log"}}, "did you mean `spent`"),
        ({"transform": {"town": "log"}}, "is a category"),
        ({"encode": {"spent": "target"}}, "is a number"),
        ({"scale": {"x_*": "robust"}}, "no feature `x_*`"),
    ],
)
def test_a_name_that_does_not_fit_is_told(features, told) -> None:
    with pytest.raises(UserError) as refused:
        prepared_as(COLUMNS, settings(**features))
    assert told in str(refused.value)
    assert "features" in refused.value.where


def test_what_is_left_out_may_be_named() -> None:
    left = [column for column in COLUMNS if column.name != "spent"]
    assert prepared_as(left, settings(exclude=["spent"], transform={"spent": "log"})) == left


@pytest.mark.parametrize("how", ["none", "asinh", "log", "power", "rank"])
@pytest.mark.parametrize("scale", ["standard", "robust", "none"])
def test_numbers_are_seen_as_asked(how, scale) -> None:
    inputs, churned = frame()
    columns = prepared_as(COLUMNS, settings(transform={"spent": how}, scale={"spent": scale}))
    prepare = linear_preparation(columns, len(inputs)).fit(inputs, churned)
    made = prepare.transform(inputs)
    sources = output_sources(prepare)
    assert np.isfinite(made).all()
    of_spent = made[:, np.flatnonzero(sources == 0)[0]]
    filled = inputs["spent"].fillna(inputs["spent"].median()).to_numpy()
    assert np.corrcoef(pd.Series(of_spent).rank(), pd.Series(filled).rank())[0, 1] > 0.999
    if scale == "none" and how in ("none", "asinh", "log"):
        expected = {"none": filled, "asinh": np.arcsinh(filled), "log": np.log1p(filled)}[how]
        assert np.allclose(of_spent, expected)
    if scale == "standard":
        assert abs(of_spent.mean()) < 1e-9
        assert abs(of_spent.std() - 1) < 1e-9


def test_what_is_learnt_is_learnt_from_training_rows_alone() -> None:
    inputs, churned = frame()
    columns = prepared_as(
        COLUMNS, settings(transform={"spent": "rank"}, scale={"visits": "robust"}, encode={"town": "target"})
    )
    later = inputs.assign(spent=inputs["spent"] * 1e6, visits=inputs["visits"] + 1e6, town="nowhere")
    for make in (linear_preparation, tree_preparation):
        alone = make(columns, len(inputs)).fit(inputs, churned)
        before = alone.transform(inputs)
        alone.transform(later)
        assert np.array_equal(before, alone.transform(inputs), equal_nan=True)
        assert np.isfinite(alone.transform(later.fillna(1.0))).all()
    towns = tree_preparation(columns, len(inputs)).fit(inputs, churned)
    share = towns.transform(inputs)[:, np.flatnonzero(output_sources(towns) == 3)[0]]
    assert share[inputs["town"] == "A"].min() > share[inputs["town"] == "C"].max()
    # Nobody sees their own outcome: shares of noise say nothing of it.
    draw = np.random.default_rng(2)
    noise = inputs.assign(town=[f"T{n}" for n in draw.integers(0, 150, len(inputs))])
    fitted = tree_preparation(columns, len(noise)).fit_transform(noise, churned)
    column = np.flatnonzero(output_sources(towns) == 3)[0]
    assert abs(np.corrcoef(fitted[:, column], churned)[0, 1]) < 0.2


def test_blocks_of_models_that_ask_for_nothing_are_the_usual_ones() -> None:
    names = [name for name, _, _ in linear_preparation(COLUMNS, 100).transformers]
    assert names == ["numbers", "gaps", "category_3"]


@pytest.mark.parametrize("model", ["logistic_regression", "lightgbm"])
def test_training_obeys_and_reasons_still_add_up(model) -> None:
    from scipy.special import logit

    from python_ml.input_columns import model_input
    from python_ml.model.calibration import probabilities
    from python_ml.model.explain import contributions
    from python_ml.model.train import train_models
    from tests.python.churn_world import quick_settings, small_world

    world, usual = small_world(), quick_settings((model,))
    asked = usual.model_copy(update={"features": settings(
        transform={"orders_amount_*": "rank", "orders_count_*": "log"}, scale={"orders_*": "robust"},
        encode={"customer_plan": "target"}, exclude=["noise_0"],
    ).features})  # fmt: skip
    result = train_models(world.frame, world.features, "customer_id", asked)
    assert "noise_0" not in [column.name for column in result.card.columns]
    blocks = [name for name, _, _ in result.model.estimators_[0][0].transformers_]
    assert ("numbers_rank_robust" in blocks) == (model == "logistic_regression")
    inputs = model_input(world.frame, [column.column for column in result.card.columns])
    values, base = contributions(result.model, inputs, result.card.background)
    assert np.allclose(base + values.sum(axis=1), logit(probabilities(result.model, inputs)), atol=1e-6)
    assert result.metrics["test"]["roc_auc"]["value"] > 0.6
