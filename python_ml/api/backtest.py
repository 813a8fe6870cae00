"""Backtests of frames and projects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from python_ml.api.frames import labelled_frame, settings_of, training_rows
from python_ml.api.results import ChurnClassifier, LoadedTrainingSet, Shown
from python_ml.formatting import METRIC_TITLES, model_title
from python_ml.model import backtest as backtests
from python_ml.model.dataset import TrainingSet
from python_ml.model.ensemble import kinds_of
from python_ml.model.registry import Champion
from python_ml.model.results import interval
from python_ml.report.notebook import Display

if TYPE_CHECKING:
    from python_ml.settings import Settings


@dataclass(frozen=True, repr=False)
class BacktestFigures(Shown, backtests.BacktestResult):
    """What :func:`python_ml.backtest` gives.

    Attributes
    ----------
    report : dict
        As ``reports/backtest.json``: ``origins`` and ``pooled``, each with ``figures`` and ``differences``.
    predictions : pandas.DataFrame
        ``origin``, ``model``, the entity, ``feature_timestamp``, ``churned``, ``probability``.
    """

    @classmethod
    def of(cls, result: backtests.BacktestResult) -> Self:
        """The same result, shown."""
        return cls(**{f.name: getattr(result, f.name) for f in fields(backtests.BacktestResult)})

    def display(self) -> Display:
        """See :class:`python_ml.api.results.Shown`."""
        report = self.report
        names = [*report["models"], *report["baselines"]]
        facts = [
            ("measured by", report["kind"].replace("_", " ")),
            ("champion", ", ".join(map(model_title, report["champion"]))),
            *[(name, report[name]) for name in ("purge", "embargo") if report[name]],
            *[("warning", text) for text in report["warnings"]],
        ]
        parts = [*report["origins"], {"name": "all together", **report["pooled"]}]
        table = [
            [str(part["name"]).removesuffix("T00:00:00")]
            + [interval((part["figures"].get(name) or {}).get("roc_auc")) for name in names]
            for part in parts
        ]
        return Display(
            f"BacktestFigures: {METRIC_TITLES['roc_auc']}", facts, ["origin", *map(model_title, names)], table
        )


def backtest(
    data: pd.DataFrame | TrainingSet,
    target: str = "churned",
    entity: str | None = "customer_id",
    time: str | None = None,
    *,
    horizon: str | pd.Timedelta | None = None,
    label_time: str | None = None,
    positive: Any = None,
    models: ChurnClassifier | Champion | str | Sequence[str] = "lightgbm",
    settings: Settings | Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> BacktestFigures:
    """Measure a kind of model at several times of the past, each time with what was known by then.

    Rows without times are cross-validated several times instead, with other folds of customers.

    Parameters
    ----------
    data, target, entity, time, horizon, label_time, positive, settings, progress
        As for :func:`python_ml.train`; ``settings["backtest"]`` has the origins.
    models : TrainedModel, RegisteredModel, str or sequence of str
        A model, whose kind is fitted anew at each time; or a kind, or several that are averaged.

    Returns
    -------
    BacktestFigures

    Raises
    ------
    UserError
        When the data or the settings allow no backtest.

    Examples
    --------
    >>> import python_ml
    >>> frame = python_ml.example_frame(customers=150, months=8)
    >>> quick = {"backtest": {"origins": 2, "models": ["champion"]}, "training": {"bootstrap_replicates": 50}}
    >>> found = python_ml.backtest(frame, time="as_of", horizon="30d", models="logistic_regression", settings=quick)
    >>> [origin["name"] for origin in found.report["origins"]]
    ['2024-02-01T00:00:00', '2024-08-01T00:00:00']
    >>> 0.5 < found.report["pooled"]["figures"]["champion"]["roc_auc"]["value"] < 0.95
    True
    """
    if settings is None and isinstance(data, LoadedTrainingSet):
        settings = data.settings
    if isinstance(models, ChurnClassifier | Champion):
        kinds = kinds_of(models.model, models.card.model)
    else:
        kinds = [models] if isinstance(models, str) else [*models]
    chosen = settings_of(settings, kinds)
    given = training_rows(data, target, entity, time, horizon, label_time, positive)
    with labelled_frame(data):
        found = backtests.backtest(
            given.frame,
            given.features,
            given.entity,
            chosen,
            kinds,
            label=given.label,
            scenario=given.scenario,
            progress=progress or (lambda message: None),
        )
    return BacktestFigures.of(found)
