"""Training the champion's kind of model on the gold table: split by time, fit, calibrate, measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.errors import UserError
from python_ml.input_columns import InputColumn, informative, model_input
from python_ml.model.calibration import Fitted, fit_calibrated, probabilities, sigmoid_of
from python_ml.model.card import ModelCard, describe_columns
from python_ml.model.ensemble import ENSEMBLE, average, averaged
from python_ml.model.evaluate import evaluate
from python_ml.model.explain import linear_background
from python_ml.model.folds import affordable_folds, customer_folds
from python_ml.model.imbalance import Balance
from python_ml.model.risk_bands import band_thresholds
from python_ml.model.split import temporal_split, words_of
from python_ml.model.supplied_split import supplied_split

if TYPE_CHECKING:
    from sklearn.ensemble import StackingClassifier

# How rows are divided.
BY_TIME, BY_COLUMN, BY_CUSTOMER = "time", "column", "customer"
TEST_FOLDS = 5  # one of which is the test, where rows have no dates


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes
    ----------
    model : sklearn.ensemble.StackingClassifier
    card : ModelCard
    metrics : dict
        Of the test, each with its 95 % interval by customer.
    split : dict
        Kind, number of rows, and dates where rows have such.
    warnings : list of str
    """

    model: StackingClassifier
    card: ModelCard
    metrics: dict[str, Any]
    split: dict[str, Any]
    warnings: list[str]


def train(training_set: pd.DataFrame, plan: Mapping[str, Any]) -> Trained:
    """Fit the models of the plan, and measure them on rows that they have not seen.

    Parameters
    ----------
    training_set : pandas.DataFrame, n_rows rows
        The key, ``feature_timestamp``, ``label_timestamp``, ``churned`` (0 or 1) and the features.
    plan : mapping
        Contents of ``training_plan.json``.

    Raises
    ------
    UserError
        When there are no rows of both outcomes, or the history is too short to be divided.
    """
    entity, seed = plan["entity"], plan["seed"]
    if training_set["churned"].nunique() < 2:
        raise UserError("There are no churned and retained rows to learn from.", where="the training set")
    # The order of rows decides about folds: the same rows in the same order give the same model.
    frame = training_set.sort_values(["feature_timestamp", entity], kind="stable").reset_index(drop=True)
    churned = frame["churned"].astype(int).to_numpy()
    customers = frame[entity].to_numpy()
    offered = [InputColumn(**column) for column in plan["columns"]]
    inputs = model_input(frame, offered, where="the training set")
    fit, test, described, warnings = _divided(frame, churned, customers, plan)

    fitted, used = _fitted(inputs, churned, customers, fit, offered, plan)
    metrics = evaluate(
        churned[test],
        probabilities(fitted.model, inputs[test]),
        customers[test],
        replicates=plan["bootstrap_replicates"],
        seed=seed,
    )
    if plan["split"]["by"] == BY_CUSTOMER:
        # Every row counts for the model that scores; the test said what to expect of it.
        fit = np.ones(len(frame), dtype=bool)
        fitted, used = _fitted(inputs, churned, customers, fit, offered, plan)
    card = _card(fitted, inputs[fit], frame[fit], churned[fit], used, plan)
    return Trained(fitted.model, card, metrics, described, warnings)


def _divided(
    frame: pd.DataFrame, churned: np.ndarray, customers: np.ndarray, plan: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, dict[str, Any], list[str]]:
    """Rows to fit and rows to test, with a description and warnings."""
    split, where = plan["split"], "training_plan.json, split"
    if split["by"] == BY_CUSTOMER:
        folds = customer_folds(customers, churned, TEST_FOLDS, plan["seed"])
        if not folds:
            raise UserError("There are too few customers of both outcomes.", where="the training set")
        test = np.zeros(len(frame), dtype=bool)
        test[folds[0][1]] = True
        return ~test, test, {"kind": BY_CUSTOMER, "rows": {"fit": int((~test).sum()), "test": int(test.sum())}}, []
    if split["by"] == BY_COLUMN:
        divided = supplied_split(frame, split["column"], plan["entity"], where)
    else:
        begins = {name: split[name] and pd.Timestamp(split[name]) for name in ("validation_from", "test_from")}
        divided = temporal_split(frame, SimpleNamespace(**{**split, **begins}), where)
    return divided.fit, divided.test, divided.describe(frame), divided.warnings


def _fitted(
    inputs: pd.DataFrame,
    churned: np.ndarray,
    customers: np.ndarray,
    rows: np.ndarray,
    offered: list[InputColumn],
    plan: Mapping[str, Any],
) -> tuple[Fitted, list[InputColumn]]:
    """The model of the plan with its calibration, or the average of several; and the columns that it uses."""
    used = informative(inputs[rows], offered)
    wanted = affordable_folds(int(rows.sum()), plan["calibration_folds"])
    folds = customer_folds(customers[rows], churned[rows], wanted, plan["seed"])
    if not used or not folds:
        raise UserError("There are too few customers, or no feature differs between them.", where="the training set")
    balance = Balance(plan["class_weight"], plan["resampling"])
    fits = {
        kind: fit_calibrated(
            kind, inputs[rows], churned[rows], used, folds, plan["seed"], dict(parameters), balance=balance
        )
        for kind, parameters in plan["models"].items()
    }
    if len(fits) == 1:
        return next(iter(fits.values())), used
    joined = averaged({kind: one.model for kind, one in fits.items()}, inputs[rows], churned[rows])
    return Fitted(joined, average([one.held_out for one in fits.values()])), used


def _card(
    fitted: Fitted,
    inputs: pd.DataFrame,
    rows: pd.DataFrame,
    churned: np.ndarray,
    used: list[InputColumn],
    plan: Mapping[str, Any],
) -> ModelCard:
    """What scoring needs besides the model; arguments are of the rows that it was fitted on."""
    entity, base_rate, times = plan["entity"], float(churned.mean()), rows["feature_timestamp"]
    held_out = fitted.held_out[~np.isnan(fitted.held_out)]
    bands = band_thresholds(SimpleNamespace(**plan["risk_bands"]), held_out, base_rate, plan["break_even"])
    slope, intercept = sigmoid_of(fitted.model)
    return ModelCard(
        model=next(iter(plan["models"])) if len(plan["models"]) == 1 else ENSEMBLE,
        entity=entity,
        columns=describe_columns(inputs, used, [SimpleNamespace(**feature) for feature in plan["features"]]),
        risk_bands=bands.least,
        band_origin=bands.to_dict(),
        base_rate=base_rate,
        label={"span": words_of((rows["label_timestamp"] - times).max())},
        fitted_on={
            "rows": len(rows),
            "customers": int(rows[entity].nunique()),
            "from": times.min().isoformat(),
            "to": times.max().isoformat(),
            "before": None,
        },
        calibration={"slope": slope, "intercept": intercept},
        background=linear_background(fitted.model, inputs),
    )
