"""Results with a display for notebooks, and models that predict as those of scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from python_ml.api.frames import named_frame, scored_frame
from python_ml.formatting import METRIC_TITLES, counted, integer, model_title, percent
from python_ml.input_columns import model_input
from python_ml.model.calibration import probabilities
from python_ml.model.dataset import TrainingSet
from python_ml.model.registry import Champion
from python_ml.model.results import interval
from python_ml.model.train import TrainingResult
from python_ml.report.notebook import Display
from python_ml.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from python_ml.leakage import StoredReplay
    from python_ml.model.card import ModelCard

LISTED_DRIVERS = 5
LISTED_REASONS = 10


class Shown:
    """Display of a result: as text on a terminal, as a table in a notebook."""

    def display(self) -> Display:
        """Title, facts and table."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.display().text()

    def _repr_html_(self) -> str:
        return self.display().html()


class ChurnClassifier(Shown):
    """A fitted model that predicts from raw frames, as a classifier of scikit-learn does.

    Attributes
    ----------
    model : sklearn.ensemble.StackingClassifier
    card : python_ml.model.card.ModelCard
    """

    model: Any
    card: ModelCard

    @property
    def classes_(self) -> NDArray[np.int_]:
        """0 (retained) and 1 (churned)."""
        return np.asarray(self.model.classes_)

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Features that the model uses, in its order."""
        return np.asarray([column.name for column in self.card.columns], dtype=object)

    @property
    def n_features_in_(self) -> int:
        """Number of features that the model uses."""
        return len(self.card.columns)

    def predict_proba(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Calibrated probabilities.

        Parameters
        ----------
        frame : pandas.DataFrame, n_rows rows
            Holds the model's features, of any types that they were trained with; further columns are ignored.

        Returns
        -------
        numpy.ndarray, shape (n_rows, 2)
            Of being retained and of churning.

        Raises
        ------
        UserError
            When a feature is missing, or holds text where the model was fitted on numbers.
        """
        frame = named_frame(frame)
        with scored_frame():
            inputs = model_input(frame, self.card.inputs)
        churn = probabilities(self.model, inputs) if len(inputs) else np.empty(0)
        return np.column_stack([1 - churn, churn])

    def predict(self, frame: pd.DataFrame, threshold: float = 0.5) -> NDArray[np.int_]:
        """1 where the probability of churning is at least the threshold, else 0, shape (n_rows,)."""
        return (self.predict_proba(frame)[:, 1] >= threshold).astype(int)


@dataclass(frozen=True, repr=False)
class TrainedModel(ChurnClassifier, TrainingResult):
    """Result of :func:`python_ml.train`: the best model with its metrics.

    Attributes
    ----------
    champion : str
        Kind of the chosen model.
    model, card
        As of :class:`ChurnClassifier`.
    metrics : dict
        As ``reports/metrics.json``: ``metrics["test"]["roc_auc"]`` is ``{"value", "low", "high"}``.
    predictions, drivers : pandas.DataFrame
        Scores of held-out rows, and features by mean absolute contribution.
    """

    @classmethod
    def of(cls, result: TrainingResult) -> Self:
        """The same result, shown."""
        return cls(**{f.name: getattr(result, f.name) for f in fields(TrainingResult)})

    def comparison(self) -> pd.DataFrame:
        """Test metrics of all models and baselines: one row each, with ``low`` and ``high`` beside each value."""
        measured = {name: parts["test"] for name, parts in self.metrics["models"].items()}
        measured |= {name: parts["test"] for name, parts in self.metrics["baselines"].items()}
        return pd.DataFrame(
            {
                name: {
                    (metric, end): (figures.get(metric) or {}).get(end)
                    for metric in METRIC_TITLES
                    for end in ("value", "low", "high")
                }
                for name, figures in measured.items()
            }
        ).T.astype(float)

    def display(self) -> Display:
        """See :class:`Shown`."""
        metrics, data = self.metrics, self.metrics["data"]
        members = metrics["champion"]["members"]
        kinds = f" of {', '.join(map(model_title, members))}" if members else ""
        facts = [
            ("rows", f"{integer(data['rows'])} of {counted(data['customers'], 'customer')}"),
            ("features", f"{integer(data['features'])} of {integer(data['features_offered'])} offered"),
            ("churned", percent(data["base_rate"])),
            ("measured by", metrics["split"]["kind"].replace("_", " ")),
            ("drivers", ", ".join(map(str, self.drivers["feature"].head(LISTED_DRIVERS)))),
        ]
        facts += [("not to be trusted", str(reason)) for reason in metrics["not_trusted_because"]]
        facts += [("warning", str(warning)) for warning in metrics["warnings"]]
        table = [
            [
                f"{'*' if name == self.champion else ' '} {model_title(name)}",
                *(interval(parts["test"].get(metric)) for metric in METRIC_TITLES),
            ]
            for name, parts in [*metrics["models"].items(), *metrics["baselines"].items()]
        ]
        return Display(
            f"TrainedModel: {model_title(self.champion)}{kinds}", facts, ["  test", *METRIC_TITLES.values()], table
        )


@dataclass(frozen=True, repr=False)
class RegisteredModel(ChurnClassifier, Champion):
    """A version in the registry, as :func:`python_ml.load_champion` returns it.

    Attributes
    ----------
    model, card
        As of :class:`ChurnClassifier`.
    version : int
    run_id : str
        MLflow run that made it.
    """

    @classmethod
    def of(cls, champion: Champion) -> Self:
        """The same model, shown."""
        return cls(**{f.name: getattr(champion, f.name) for f in fields(Champion)})

    def display(self) -> Display:
        """See :class:`Shown`."""
        fitted, span = self.card.fitted_on, self.card.label.get("span")
        facts = [
            ("fitted on", f"{integer(fitted['rows'])} rows of {counted(fitted['customers'], 'customer')}"),
            *([("feature times", f"{fitted['from']} to {fitted['to']}")] if fitted.get("from") else []),
            *([("label", f"looks {span} ahead")] if span else []),
            ("features", integer(self.n_features_in_)),
            ("churned", percent(self.card.base_rate)),
            ("risk bands", ", ".join(f"{band} from {percent(least)}" for band, least in self.card.risk_bands.items())),
            ("run", self.run_id),
        ]
        return Display(f"RegisteredModel: {model_title(self.card.model)}, version {self.version}", facts)


@dataclass(frozen=True, repr=False)
class LoadedTrainingSet(Shown, TrainingSet):
    """``gold.gld_training_set`` or a snapshot: ``frame``, ``features``, ``entity`` and where they come from.

    Attributes
    ----------
    settings : Settings
        What the project's ``retention.yml`` says.
    replays : tuple of StoredReplay
        What replays have shown of these features.
    """

    settings: Settings = field(default_factory=Settings)
    replays: tuple[StoredReplay, ...] = ()

    @classmethod
    def of(cls, rows: TrainingSet, settings: Settings, replays: Sequence[StoredReplay] = ()) -> Self:
        """The same rows, shown."""
        kept = {f.name: getattr(rows, f.name) for f in fields(TrainingSet)}
        return cls(**kept, settings=settings, replays=tuple(replays))

    def display(self) -> Display:
        """See :class:`Shown`."""
        frame, times = self.frame, self.frame["feature_timestamp"]
        features = sum(feature.role == "feature" for feature in self.features)
        facts = [
            ("rows", f"{integer(len(frame))} of {counted(frame[self.entity].nunique(), 'customer')} ({self.entity})"),
            ("feature times", f"{times.min()} to {times.max()} ({times.nunique()})"),
            ("features", integer(features)),
            ("churned", percent(frame["churned"].mean())),
            ("SHA-256", self.sha256 or "not defined"),
        ]
        return Display(f"LoadedTrainingSet: {self.source}", facts)


class Evaluation(Shown, dict):
    """Metrics of a model on labelled rows: ``evaluation["roc_auc"]`` is ``{"value", "low", "high"}``.

    Attributes
    ----------
    note : str
        How many of the rows the model may have been fitted on.
    """

    def __init__(self, metrics: dict[str, Any], note: str) -> None:
        dict.__init__(self, metrics)
        self.note = note

    def display(self) -> Display:
        """See :class:`Shown`."""
        facts = [("rows", integer(self["n"])), ("churned", percent(self["base_rate"]))]
        facts += [(title, interval(self[name], "not defined")) for name, title in METRIC_TITLES.items()]
        return Display("Evaluation", [*facts, ("note", self.note)])


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """Contributions and reasons of customers.

    Attributes
    ----------
    contributions : pandas.DataFrame, shape (n_rows, n_features)
        Of each feature to the log-odds of churning; ``base + contributions.sum(axis=1)`` is the log-odds.
    base : pandas.Series, shape (n_rows,)
        The log-odds where every contribution is zero.
    reasons : pandas.DataFrame
        The strongest reasons of each customer in sentences; see :func:`python_ml.model.score.reasons`.
    """

    contributions: pd.DataFrame
    base: pd.Series
    reasons: pd.DataFrame

    def display(self) -> Display:
        """See :class:`Shown`."""
        strength = self.contributions.abs().mean().sort_values(ascending=False)
        listed = self.reasons.head(LISTED_REASONS)
        facts = [
            ("customers", integer(len(self.contributions))),
            ("strongest features", ", ".join(map(str, strength.index[:LISTED_DRIVERS]))),
        ]
        table = [
            [str(row.iloc[0]), str(row["reason_rank"]), str(row["reason"]), f"{row['contribution']:+.2f}"]
            for _, row in listed.iterrows()
        ]
        return Display("Explanation", facts, [str(self.reasons.columns[0]), "rank", "reason", "log-odds"], table)
