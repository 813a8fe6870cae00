"""The state and the steps of one training: fits, probabilities, metrics, and what describes the champion."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.input_columns import InputColumn, informative, model_input, prepared_as, typed_columns
from python_ml.model.baselines import RECENCY, baselines, oracle_score
from python_ml.model.calibration import (
    THREADS,
    Fitted,
    fit_again,
    fit_calibrated,
    one_thread_each,
    probabilities,
    raw_predictions,
    sigmoid_of,
    uncalibrated,
)
from python_ml.model.card import ModelCard, describe_columns
from python_ml.model.ensemble import average, averaged
from python_ml.model.evaluate import evaluate
from python_ml.model.explain import contributions, direction, linear_background
from python_ml.model.folds import affordable_folds, customer_folds, later_fold
from python_ml.model.imbalance import Balance
from python_ml.model.permutation import chance_of_ranking
from python_ml.model.risk_bands import band_thresholds, typical_break_even
from python_ml.model.tree_size import Trial, choose_size
from python_ml.model.tuning import Tuner
from python_ml.stats import some_rows

if TYPE_CHECKING:
    from sklearn.ensemble import StackingClassifier

    from python_ml.dbt import Feature
    from python_ml.model.cross_validation import SnapshotSplit
    from python_ml.model.split import TemporalSplit
    from python_ml.settings import Settings

DRIVER_ROWS = 2_000
MANY_ROWS = 50_000  # from which on the first fit's choices and held-out predictions serve the second, too
SLOWEST_FIRST = ("random_forest", "xgboost", "lightgbm", "logistic_regression")


class TrainingRun:
    """The state that the steps of one training share; see :func:`python_ml.model.train.train_models`."""

    def __init__(
        self,
        frame: pd.DataFrame,
        features: Sequence[Feature],
        entity: str,
        settings: Settings,
        split: TemporalSplit | SnapshotSplit,
        churned: np.ndarray,
        progress: Callable[[str], None],
        tuner: Tuner | None = None,
        parts: Sequence[str] = ("train", "fit"),
    ) -> None:
        self.frame, self.features, self.entity = frame, features, entity
        self.settings, self.churned, self.progress, self.tuner = settings, churned, progress, tuner
        self.customers = frame[entity].to_numpy()
        self.columns = prepared_as(typed_columns(frame, features), settings)
        self.inputs = model_input(frame, self.columns, where=TRAINING_SET)
        training = settings.training
        self.tuned: dict[str, dict[str, Any]] = {}
        self.balance = Balance(training.class_weight, training.resampling)
        self._divide(split, parts)

    def divided(self, split: TemporalSplit | SnapshotSplit, parts: Sequence[str]) -> TrainingRun:
        """The same rows, columns and settings, divided in another way.

        Parameters
        ----------
        split : TemporalSplit or SnapshotSplit
        parts : sequence of str
            Those of ``train`` and ``fit`` that models will be fitted on.
        """
        other = copy(self)
        other._divide(split, parts)
        return other

    def without(self, names: Collection[str]) -> TrainingRun:
        """The same run without some of its columns, to be divided."""
        other = copy(self)
        other.columns = [column for column in self.columns if column.name not in names]
        return other

    def _divide(self, split: TemporalSplit | SnapshotSplit, parts: Sequence[str]) -> None:
        self.split = split
        self.used = {part: self._used(getattr(split, part)) for part in parts}
        self.folds = {part: self._folds(getattr(split, part)) for part in parts}
        self.trials = {part: self._trial(part) for part in parts}
        self.fitted: dict[str, Fitted] = {}
        # The rows that decide between models: a later period, or else held-out customers of the training rows.
        self.deciding = split.validation if split.has_validation else split.train

    def _used(self, rows: np.ndarray) -> list[InputColumn]:
        used = informative(self.inputs[rows], self.columns)
        if not used:
            raise UserError(
                "No feature differs between customers in the training period.",
                where=TRAINING_SET,
                hint="check that events lie before the feature times; `retention build` reports the row counts",
            )
        return used

    def _folds(self, rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        training = self.settings.training
        wanted = affordable_folds(int(rows.sum()), training.calibration_folds)
        folds = customer_folds(self.customers[rows], self.churned[rows], wanted, training.seed)
        if not folds:
            raise UserError(
                "There are too few customers to train on: each fold needs churned and retained rows.",
                where=TRAINING_SET,
                hint="bring more customers or a longer history",
            )
        return folds

    def _trial(self, part: str) -> Trial:
        """Where sizes of trees compete: the latest rows, or else folds of customers."""
        rows = getattr(self.split, part)
        times, known = (self.frame.loc[rows, name].to_numpy() for name in ("feature_timestamp", "label_timestamp"))
        customers, churned = self.customers[rows], self.churned[rows]
        later = later_fold(times, known, churned)
        return Trial([later], customers) if later else Trial.of_customers(self.folds[part], customers)

    def fit(self, name: str, part: str) -> Fitted:
        """Fit one kind of model on ``train`` or ``fit``, with every choice that belongs to it."""
        rows = getattr(self.split, part)
        return fit_calibrated(
            name,
            self.inputs[rows],
            self.churned[rows],
            self.used[part],
            self.folds[part],
            self.settings.training.seed,
            self.parameters(name),
            self.trials[part],
            self.balance,
        )

    def tune(self) -> None:
        """Look for better parameters on the deciding rows; those that do no better leave everything as it is."""
        if self.tuner is None:
            return
        train = self.split.train
        later = self.split.validation & ~train
        rows, folds = np.flatnonzero(train), self.folds["train"]
        if later.any():
            rows = np.flatnonzero(train | later)
            folds = [(np.flatnonzero(train[rows]), np.flatnonzero(later[rows]))]
        for name in self.tuner.kinds(self.settings.training.models.enabled):
            default = self.default_parameters(name, self.inputs[train], self.churned[train], self.used["train"])
            self.tuned[name] = self.tuner.parameters(
                name,
                self.inputs.iloc[rows].reset_index(drop=True),
                self.churned[rows],
                self.customers[rows],
                self.used["train"],
                folds,
                self.parameters(name),
                default,
                self.balance,
            )

    def parameters(self, name: str) -> dict[str, Any]:
        """What replaces the defaults of a kind of model: what was found by tuning, or what the settings say."""
        return self.tuned[name] if name in self.tuned else dict(getattr(self.settings.training.models, name).parameters)

    def default_parameters(
        self,
        name: str,
        inputs: pd.DataFrame,
        churned: np.ndarray,
        columns: Sequence[InputColumn],
        trial: Trial | None = None,
    ) -> dict[str, Any]:
        """What a model is fitted with where nothing is tuned."""
        fixed, trial = self.parameters(name), trial or self.trials["train"]
        size = choose_size(name, inputs, churned, columns, trial, self.settings.training.seed, fixed)
        return {**fixed, **size}

    def each(self, work: Callable[[str], Any]) -> dict[str, Any]:
        """Do something for every enabled model, at the same time; results in the order of the settings."""
        enabled = self.settings.training.models.enabled
        order = sorted(enabled, key=SLOWEST_FIRST.index)
        with one_thread_each():
            done = joblib.Parallel(n_jobs=THREADS)(joblib.delayed(work)(name) for name in order)
        results = dict(zip(order, done, strict=True))
        return {name: results[name] for name in enabled}

    def validation_probability(self, name: str) -> np.ndarray:
        """Probabilities of the deciding rows, from a model that has not seen them."""
        self.progress(f"{name}: fitting on the training rows")
        fitted = self.fitted[name] = self.fit(name, "train")
        return probabilities(fitted.model, self.inputs[self.deciding]) if self.split.has_validation else fitted.held_out

    def test_fit(self, name: str) -> tuple[Fitted, np.ndarray]:
        """The model fitted on all that was known before the test, and its probabilities there."""
        fitted = self.fitted.pop(name)
        if self.split.has_validation:  # without a validation period, the first fit is the second one, too
            self.progress(f"{name}: fitting on everything before the test period")
            is_much = self.split.train.sum() > MANY_ROWS
            fitted = self.fit_again(name, fitted) if is_much else self.fit(name, "fit")
        return fitted, probabilities(fitted.model, self.inputs[self.split.test])

    def fit_again(self, name: str, earlier: Fitted) -> Fitted:
        """Fit on ``fit`` with the choices of a fit on ``train``, calibrated on what it had not seen."""
        rows = self.split.fit
        raw = np.full((len(rows), 1), np.nan)
        raw[self.split.train] = earlier.raw
        if self.deciding.any():
            raw[self.deciding] = raw_predictions(name, earlier.model, self.inputs[self.deciding])
        return fit_again(
            name,
            self.inputs[rows],
            self.churned[rows],
            self.used["fit"],
            self.settings.training.seed,
            earlier,
            raw[rows],
            self.balance,
        )

    def fit_on_everything(self, name: str) -> Fitted:
        """The model fitted on all rows, which is to score; cross-validation says what to expect of it."""
        self.progress(f"{name}: fitting on all customers")
        return self.fit(name, "fit")

    def join(self, fits: dict[str, Fitted]) -> Fitted:
        """The average of models that were fitted on all that was known before the test."""
        rows = self.split.fit
        model = averaged({name: fit.model for name, fit in fits.items()}, self.inputs[rows], self.churned[rows])
        return Fitted(model, average([fit.held_out for fit in fits.values()]))

    def measure(self, part: str, scores: np.ndarray, **options: Any) -> dict[str, Any]:
        """Metrics of scores for the rows of ``validation`` or ``test``."""
        rows = self._rows(part)
        return evaluate(
            self.churned[rows],
            scores,
            self.customers[rows],
            replicates=self.settings.training.bootstrap_replicates,
            seed=self.settings.training.seed,
            **options,
        )

    def chance(self, probability: dict[str, dict[str, np.ndarray]], names: Sequence[str]) -> dict[str, float | None]:
        """Probability, per set of held-out rows, that the best of these models ranks them so well by chance."""
        return {
            part: chance_of_ranking(
                self.churned[self._rows(part)],
                np.column_stack([probability[part][name] for name in names]),
                self.customers[self._rows(part)],
                seed=self.settings.training.seed,
            )
            for part in probability
            if part == "test" or not np.array_equal(self.deciding, self.split.test)  # cross-validated: the same rows
        }

    def _rows(self, part: str) -> np.ndarray:
        return self.deciding if part == "validation" else self.split.test

    def card(self, champion: str, fit: Fitted, label: dict[str, str | None]) -> ModelCard:
        """Describe the champion for scoring."""
        fitted = self.split.fit
        rows = self.frame[fitted]
        slope, intercept = sigmoid_of(fit.model)
        base_rate = float(self.churned[fitted].mean())
        bands = band_thresholds(
            self.settings.scoring.risk_bands,
            # On the scale of the model that will score: the fit that was judged on these rows has seen less.
            fit.held_out[self.deciding[fitted]],
            base_rate,
            typical_break_even(rows, self.settings.decisions, base_rate, label.get("horizon")),
        )
        return ModelCard(
            model=champion,
            entity=self.entity,
            columns=describe_columns(self.inputs[fitted], self.used["fit"], self.features),
            risk_bands=bands.least,
            band_origin=bands.to_dict(),
            base_rate=base_rate,
            label={"span": self.split.label_span, **label},
            fitted_on={
                "rows": len(rows),
                "customers": int(rows[self.entity].nunique()),
                **self.split.fitted_times(rows["feature_timestamp"]),
            },
            calibration={"slope": slope, "intercept": intercept},
            background=linear_background(fit.model, self.inputs[fitted]),
        )

    def drivers(self, champion: str, model: StackingClassifier, card: ModelCard) -> pd.DataFrame:
        """Mean absolute contribution of each feature, and whether more of it means more risk."""
        rows = some_rows(np.flatnonzero(self.deciding), DRIVER_ROWS, self.settings.training.seed)
        inputs = self.inputs.iloc[rows]
        values, _ = contributions(model, inputs, card.background)
        return (
            pd.DataFrame(
                {
                    "model": champion,
                    "feature": [column.name for column in card.columns],
                    "importance": np.abs(values).mean(axis=0),
                    "direction": [
                        direction(inputs[column.name], values[:, i]) for i, column in enumerate(card.columns)
                    ],
                }
            )
            .sort_values(["importance", "feature"], ascending=[False, True])
            .reset_index(drop=True)
        )

    def baselines(
        self, truth: pd.DataFrame | None, champion: dict[str, Any], label: Mapping[str, str | None]
    ) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
        """Metrics of the baselines and of the oracle; and the scores per part of recency and oracle, to be drawn."""
        split = self.split
        rows = {"validation": (split.train, self.deciding), "test": (split.fit, split.test)}
        found = baselines(
            self.frame,
            self.features,
            self.entity,
            self.churned,
            rows,
            self.deciding,
            label,
            self.settings.training.seed,
        )
        metrics: dict[str, Any] = {
            name: {
                **baseline.facts,
                **{part: self.measure(part, s, metrics=baseline.metrics) for part, s in baseline.scores.items()},
            }
            for name, baseline in found.items()
        }
        scores = {name: baseline.scores for name, baseline in found.items() if name == RECENCY}
        if truth is not None:
            known = oracle_score(self.frame, truth, self.entity)[self.split.test]
            if np.isfinite(known).all() and len(known):
                measured = self.measure("test", known)
                metrics["oracle"] = {"test": measured, "share": _share_of_oracle(champion, measured)}
                scores["oracle"] = {"test": known}
        return metrics, scores

    def calibration_errors(self, fits: Mapping[str, Fitted], test: Mapping[str, np.ndarray] | None) -> dict[str, Any]:
        """Calibration error of each single model before its sigmoid and after it.

        On the test rows; or, where ``test`` is None, on all rows as each model sees those that it held out.
        """
        found = {}
        for name in self.settings.training.models.enabled:
            fit, part = fits[name], "validation" if test is None else "test"
            raw = fit.raw if test is None else raw_predictions(name, fit.model, self.inputs[self.split.test])
            after = fit.held_out if test is None else test[name]
            found[name] = {
                when: self.measure(part, scores, metrics=["ece"])["ece"]
                for when, scores in (("before", uncalibrated(name, raw)), ("after", after))
            }
        return found

    def predictions(self, probability: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
        """Every model's probability for every row of the validation and the test, in one table."""
        keys = [self.entity, "feature_timestamp", "churned"]
        parts = [
            self.frame.loc[self._rows(part), keys]
            .assign(model=name, split=part, probability=np.asarray(scores, dtype=float))
            .astype({"churned": "int32"})
            for part, per_model in probability.items()
            for name, scores in per_model.items()
        ]
        return pd.concat(parts, ignore_index=True)[["model", "split", *keys, "probability"]]


def _share_of_oracle(champion: dict[str, Any], oracle: dict[str, Any]) -> float | None:
    """How far the champion's ROC AUC comes from 0.5 to the oracle's."""
    value, best = champion["roc_auc"]["value"], oracle["roc_auc"]["value"]
    return None if value is None or best is None or best == 0.5 else (value - 0.5) / (best - 0.5)
