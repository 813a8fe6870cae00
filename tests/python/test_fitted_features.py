"""Features made of fitted components: used from their own time on, and only the ones that a model was trained with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from python_ml.dbt import Feature
from python_ml.errors import UserError
from python_ml.model.backtest import backtest
from python_ml.model.card import CardColumn, ModelCard
from python_ml.model.fitted_features import refuse_fitted_after, require_same_components
from python_ml.model.preparation import prepare
from python_ml.settings import Backtest
from tests.python.churn_world import ChurnWorld, quick_settings, small_world

LABEL = {"churn_definition": "end_date", "horizon": "30d", "gap": "0d"}


def with_text(before: pd.Timestamp) -> ChurnWorld:
    """The small world with a component that knows the outcome, fitted on texts known before a time."""
    world = small_world()
    noise = np.random.default_rng(0).normal(size=len(world.frame))
    frame = world.frame.assign(tickets_body_pc1_mean_30d=world.frame["churned"] * 2 + noise)
    component = Feature(
        "tickets_body_pc1_mean_30d", "feature", source="tickets", measure="body_pc1", aggregate="mean", window="30d",
        fitted="tickets.body", fitted_before=before.isoformat(), fitted_digest="abc", ends=("hello", "refund"),
    )  # fmt: skip
    return ChurnWorld(frame, [*world.features, component], world.oracle)


def test_training_refuses_components_that_have_seen_the_validation_period() -> None:
    world = small_world()
    split = prepare(world.frame, world.features, "customer_id", quick_settings()).split
    begins = split.validation_from or split.test_from
    fine, late = with_text(begins), with_text(begins + pd.Timedelta("1us"))
    prepare(fine.frame, fine.features, "customer_id", quick_settings())
    with pytest.raises(UserError, match=r"tickets\.body were fitted on texts known up to") as caught:
        prepare(late.frame, late.features, "customer_id", quick_settings())
    assert "retention text refit tickets.body" in caught.value.hint
    left_out = quick_settings()
    left_out = left_out.model_copy(
        update={"features": left_out.features.model_copy(update={"exclude": ["tickets_body_pc1_mean_30d"]})}
    )
    prepare(late.frame, late.features, "customer_id", left_out)


def test_backtests_leave_components_out_at_earlier_origins() -> None:
    times = np.sort(small_world().frame["feature_timestamp"].unique())
    middle = pd.Timestamp(times[len(times) * 2 // 3])
    world = with_text(middle)
    settings = quick_settings().model_copy(update={"backtest": Backtest(models=["champion"])})
    found = backtest(world.frame, world.features, "customer_id", settings, ["logistic_regression"], label=LABEL).report
    areas = {
        pd.Timestamp(origin["feature_timestamp"]): origin["figures"]["champion"]["roc_auc"]["value"]
        for origin in found["origins"]
    }
    early = [area for time, area in areas.items() if time < middle]
    late = [area for time, area in areas.items() if time >= middle]
    assert early
    assert late
    # the component knows the outcome: whoever uses it, shows it
    assert max(early) < 0.9 < min(late)
    assert f"{len(early)} of {len(areas)} origins go without the features of tickets.body" in found["warnings"][0]


def test_a_model_gets_the_components_that_it_was_trained_with() -> None:
    column = CardColumn("tickets_body_pc1_mean_30d", "number", fitted="tickets.body@abc")
    card = ModelCard("lightgbm", "customer_id", (column, CardColumn("x", "number")), {}, 0.1, {}, {}, {})
    require_same_components(card, {"tickets.body@abc", None})
    for fits in (set(), {"tickets.body@other"}, {None}):
        with pytest.raises(UserError, match=r"tickets\.body are not those that the model was trained with"):
            require_same_components(card, fits)


def test_the_registry_and_the_card_keep_what_was_fitted() -> None:
    feature = with_text(pd.Timestamp("2024-01-01")).features[-1]
    assert feature.fit == "tickets.body@abc"
    assert replace(feature, fitted_digest=None).fit is None
    assert Feature(**{**feature.__dict__, "ends": list(feature.ends)}) == feature
    refuse_fitted_after([feature], pd.Timestamp("2024-01-01"))
