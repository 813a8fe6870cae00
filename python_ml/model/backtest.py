"""Backtests: what the champion's kind of model would have done at several times of the past.

At each origin the models are fitted on the rows whose labels were known by then, and predict the customers of that
time. Choices (penalty, size of trees, calibration by folds) are made at the first origin and again whenever the rows
have doubled; in between models are fitted once, and calibrated on what earlier fits said of rows that they had not
seen. Nothing that an origin uses was known later.

A snapshot without times is cross-validated several times instead, each time with other folds of customers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.dbt import TRAINING_SET
from python_ml.durations import fixed_hours
from python_ml.errors import UserError
from python_ml.input_columns import informative
from python_ml.model.baselines import RECENCY, baselines
from python_ml.model.calibration import Fitted, one_thread_each, probabilities
from python_ml.model.cross_validation import SnapshotSplit, fit_without
from python_ml.model.dataset import check_training_set
from python_ml.model.ensemble import average
from python_ml.model.evaluate import RANKING_METRICS, compared, evaluate
from python_ml.model.fitted_features import fitted_after
from python_ml.model.folds import customer_folds
from python_ml.model.leakage_gate import usable
from python_ml.model.origins import Origin, rolling_origins
from python_ml.model.pipelines import MONOTONE, check_parameters, plain_lightgbm
from python_ml.model.split import BLIND, TemporalSplit, words_of
from python_ml.model.training_run import TrainingRun
from python_ml.project import DATELESS
from python_ml.settings import Models

if TYPE_CHECKING:
    from python_ml.dbt import Feature
    from python_ml.settings import Settings

CHAMPION, PLAIN = "champion", "plain_lightgbm"
ROLLING, REPEATED = "rolling_origin", "repeated_cross_validation"
POOLED = "pooled"
CHOOSE_AGAIN = 2  # times as many rows as at the last choice
INNER_FOLDS = 2  # of each fit of a repeated cross-validation


@dataclass(frozen=True)
class BacktestResult:
    """Results of a backtest.

    Attributes
    ----------
    report : dict
        What ``reports/backtest.json`` holds: ``kind``, ``champion``, ``models``, ``baselines``, ``embargo``, ``purge``,
        ``origins`` and ``pooled``. Of each origin and of all rows together: ``figures`` (per model or baseline, as from
        :func:`python_ml.model.evaluate.evaluate`) and ``differences`` (the champion's figures less another's, paired).
    predictions : pandas.DataFrame
        ``origin``, ``model``, the entity, ``feature_timestamp``, ``churned``, ``probability`` (days, for recency).
    """

    report: dict[str, Any]
    predictions: pd.DataFrame


@dataclass(frozen=True)
class _Predicted:
    """Scores of one origin, or of one repetition of a cross-validation."""

    name: str
    time: pd.Timestamp | None
    last: pd.Timestamp | None
    fitted: int
    rows: np.ndarray
    scores: dict[str, np.ndarray]


def backtest(
    training_set: pd.DataFrame,
    features: Sequence[Feature],
    entity: str,
    settings: Settings,
    champion: Sequence[str],
    *,
    label: Mapping[str, str | None] | None = None,
    scenario: str | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> BacktestResult:
    """Measure kinds of model at several times of the past.

    Parameters
    ----------
    training_set : pandas.DataFrame, n_rows rows
        As for :func:`python_ml.model.train.train_models`.
    features : sequence of Feature
    entity : str
    settings : python_ml.settings.Settings
        ``backtest`` has the origins and models, ``training`` their parameters.
    champion : sequence of str
        Kinds of model of the champion; their average where there are several.
    label : mapping, optional
        ``churn_definition``, ``horizon``, ``gap``, ``maturity_lag``; the last is the embargo where none is set.
    scenario : str, optional
    progress : callable, optional

    Returns
    -------
    BacktestResult

    Raises
    ------
    UserError
        When the data allow no backtest.
    """
    check_parameters(settings)
    check_training_set(training_set, entity)
    kinds = _kinds(settings, champion)
    settings = settings.with_models(kinds)
    frame = training_set.sort_values(["feature_timestamp", entity], kind="stable").reset_index(drop=True)
    label = label or {}
    every = np.ones(len(frame), dtype=bool)
    dated = scenario not in DATELESS and frame["feature_timestamp"].nunique() > 1
    churned = frame["churned"].astype(int).to_numpy()
    snapshot = SnapshotSplit(every, every, every, every, settings.backtest.folds, scenario or "")
    run = TrainingRun(frame, usable(features, settings), entity, settings, snapshot, churned, progress, parts=())
    facts: dict[str, Any] = {"kind": ROLLING if dated else REPEATED, "champion": [*champion]}
    if dated:
        embargo = _embargo(settings.backtest.embargo or label.get("maturity_lag"))
        purge = (frame["label_timestamp"] - frame["feature_timestamp"]).max()
        facts |= {"embargo": words_of(embargo), "purge": words_of(purge), "folds": None, "repeats": None}
        origins = rolling_origins(frame, entity, settings.backtest, embargo, settings.where("backtest"))
        predicted = [*_rolled(run, origins, champion, label, purge)]
    else:
        asked = settings.backtest
        facts |= {"embargo": None, "purge": None, "folds": asked.folds, "repeats": asked.repeats}
        predicted = [*_repeated(run, champion)]
    names = [*predicted[0].scores]
    models = [name for name in names if name in (CHAMPION, *kinds, PLAIN)]
    report = {
        **facts,
        "models": models,
        "baselines": [name for name in names if name not in models],
        "warnings": _warnings(predicted, run, blind=purge <= pd.Timedelta(0)) if dated else [],
        "origins": [{**_describe(run, part), **_measured(run, [part])} for part in predicted],
        "pooled": _measured(run, predicted),
        **({} if dated else {"fold_roc_auc": snapshot.fold_roc_auc}),
    }
    return BacktestResult(report, _predictions(run, predicted))


def _kinds(settings: Settings, champion: Sequence[str]) -> list[str]:
    """The kinds of model to fit: those of the champion, and those that the settings add."""
    asked = settings.backtest.models
    wanted = {*(champion if CHAMPION in asked else ()), *asked} - {CHAMPION, PLAIN}
    free = sorted(wanted - set(MONOTONE)) if settings.features.monotone else []
    if free:
        raise UserError(
            f"{', '.join(free)} cannot be held to the directions of features.monotone.",
            where=settings.where("features", "monotone"),
            hint="run `retention train`, whose champion will follow them, and leave such kinds out of backtest.models",
        )
    return [name for name in Models.model_fields if name in wanted]


def _embargo(duration: str | None) -> pd.Timedelta:
    return pd.Timedelta(hours=fixed_hours(duration) or 0) if duration else pd.Timedelta(0)


def _rolled(
    run: TrainingRun,
    origins: Sequence[Origin],
    champion: Sequence[str],
    label: Mapping[str, str | None],
    purge: pd.Timedelta,
) -> Iterator[_Predicted]:
    """Scores at each origin by models that know nothing later."""
    settings = run.settings
    enabled, nobody = settings.training.models.enabled, np.zeros(len(run.frame), dtype=bool)
    earlier: dict[str, Fitted] = {}
    known_before, rows_at_choice = nobody, 0
    left_out: set[str] = set()
    for number, origin in enumerate(origins, 1):
        run.progress(f"origin {number} of {len(origins)}: {origin.time:%Y-%m-%d}, {origin.known.sum():,} known rows")
        late = {feature.name for feature in fitted_after(run.features, origin.time)}
        anew = not earlier or origin.known.sum() >= CHOOSE_AGAIN * rows_at_choice or late != left_out
        left_out = late
        if anew:
            rows_at_choice = int(origin.known.sum())
        newly = nobody if anew else origin.known & ~known_before
        split = TemporalSplit(
            origin.known if anew else known_before,
            newly,
            origin.predicted,
            origin.known,
            origin.time if newly.any() else None,
            origin.time,
            purge,
        )
        at = run.without(late).divided(split, ("fit",))
        at.deciding = newly

        def fit(name: str, at: TrainingRun = at, anew: bool = anew, before: dict[str, Fitted] = earlier) -> Fitted:
            return at.fit(name, "fit") if anew else at.fit_again(name, before[name])

        earlier = at.each(fit) if enabled else {}
        known_before = origin.known
        inputs = run.inputs[origin.predicted]
        scores = {name: probabilities(fitted.model, inputs) for name, fitted in earlier.items()}
        scores = _with_champion(scores, champion, settings)
        if PLAIN in settings.backtest.models:
            scores[PLAIN] = _plain(at, np.flatnonzero(origin.known), inputs)
        parts = {"test": (origin.known, origin.predicted)}
        simple = baselines(
            run.frame, run.features, run.entity, run.churned, parts, origin.known, label, settings.training.seed
        )
        scores |= {name: baseline.scores["test"] for name, baseline in simple.items()}
        rows = np.flatnonzero(origin.predicted)
        name = origin.time.isoformat()
        yield _Predicted(name, origin.time, origin.last, int(origin.known.sum()), rows, scores)


def _repeated(run: TrainingRun, champion: Sequence[str]) -> Iterator[_Predicted]:
    """Out-of-fold scores of all customers, once per repetition."""
    settings, every = run.settings, np.arange(len(run.frame))
    enabled, asked = settings.training.models.enabled, settings.backtest
    for repeat in range(asked.repeats):
        # The first repetition has the folds of the training's cross-validation.
        folds = customer_folds(run.customers, run.churned, asked.folds, settings.training.seed + 1 + repeat)
        if not folds:
            raise UserError(
                "There are too few customers for a backtest: at least two must have churned and two been retained.",
                where=TRAINING_SET,
                hint="bring more customers",
            )
        scores: dict[str, np.ndarray] = {}
        for number, (train, held_out) in enumerate(folds, 1):
            run.progress(f"repetition {repeat + 1} of {asked.repeats}: fold {number} of {len(folds)}")
            fits = fit_without(run, enabled, train, INNER_FOLDS)
            inputs = run.inputs.iloc[held_out]
            of_fold = {name: probabilities(fitted.model, inputs) for name, fitted in fits.items()}
            of_fold = _with_champion(of_fold, champion, settings)
            if PLAIN in asked.models:
                of_fold[PLAIN] = _plain(run, train, inputs)
            for name, values in of_fold.items():
                scores.setdefault(name, np.empty(len(every)))[held_out] = values
                area = evaluate(
                    run.churned[held_out], values, run.customers[held_out], metrics=["roc_auc"], replicates=0
                )
                run.split.fold_roc_auc.setdefault(name, []).append(area["roc_auc"]["value"])
        smallest = min(len(train) for train, _ in folds)
        yield _Predicted(f"repetition {repeat + 1}", None, None, smallest, every, scores)


def _with_champion(scores: dict[str, np.ndarray], champion: Sequence[str], settings: Settings) -> dict[str, np.ndarray]:
    """The champion first; kinds that only take part as its members are left out."""
    if CHAMPION not in settings.backtest.models:
        return scores
    alone = {name: values for name, values in scores.items() if name in settings.backtest.models}
    return {CHAMPION: average([scores[name] for name in champion]), **alone}


def _plain(run: TrainingRun, rows: np.ndarray, inputs: pd.DataFrame) -> np.ndarray:
    """What LightGBM as it comes says after the same rows."""
    fitted, churned = run.inputs.iloc[rows].reset_index(drop=True), run.churned[rows]
    columns = informative(fitted, run.columns)
    names = [column.name for column in columns]
    with one_thread_each():
        pipeline = plain_lightgbm(columns, len(rows), run.settings.training.seed).fit(fitted[names], churned)
        return pipeline.predict_proba(inputs[names])[:, 1]


def _predictions(run: TrainingRun, predicted: Sequence[_Predicted]) -> pd.DataFrame:
    keys = [run.entity, "feature_timestamp", "churned"]
    parts = [
        run.frame.loc[part.rows, keys].assign(origin=part.name, model=name, probability=scores)
        for part in predicted
        for name, scores in part.scores.items()
    ]
    return pd.concat(parts, ignore_index=True)[["origin", "model", *keys, "probability"]]


def _describe(run: TrainingRun, part: _Predicted) -> dict[str, Any]:
    churned = run.churned[part.rows]
    return {
        "name": part.name,
        "feature_timestamp": None if part.time is None else part.time.isoformat(),
        "last_feature_timestamp": None if part.last is None else part.last.isoformat(),
        "fitted_rows": part.fitted,
        "rows": len(part.rows),
        "customers": len(np.unique(run.customers[part.rows])),
        "churned": int(churned.sum()),
    }


def _measured(run: TrainingRun, parts: Sequence[_Predicted]) -> dict[str, Any]:
    """Figures of everything that scored the rows of all these parts, and how far the champion is ahead."""
    training = run.settings.training
    rows = np.concatenate([part.rows for part in parts])
    churned, customers = run.churned[rows], run.customers[rows]
    common = [name for name in parts[0].scores if all(name in part.scores for part in parts)]
    scores = {name: np.concatenate([part.scores[name] for part in parts]) for name in common}
    figures, ahead = compared(
        churned,
        scores,
        customers,
        metrics={RECENCY: RANKING_METRICS},
        replicates=training.bootstrap_replicates,
        seed=training.seed,
    )
    return {"figures": figures, "differences": ahead}


def _warnings(predicted: Sequence[_Predicted], run: TrainingRun, *, blind: bool) -> list[str]:
    asked = run.settings.backtest
    found = [BLIND] if blind else []
    if not asked.times and len(predicted) < min(asked.origins, 5):
        found.append(
            f"The history allows {len(predicted)} of {asked.origins} origins: one needs churned and retained customers "
            "at it, and others whose labels were known by then."
        )
    early = [part for part in predicted if fitted_after(run.features, part.time)]
    if early:
        late = fitted_after(run.features, early[0].time)
        texts = ", ".join(sorted({str(feature.fitted) for feature in late}))
        found.append(
            f"{len(early)} of {len(predicted)} origins go without the features of {texts}: components "
            f"have seen texts known up to {late[0].fitted_before}."
        )
    return found
