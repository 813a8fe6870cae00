"""Everything that ``retention.yml`` can say."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import Field, PrivateAttr

from python_ml.settings.backtest import Backtest
from python_ml.settings.decisions import Decisions
from python_ml.settings.explanation import Explain, Fairness
from python_ml.settings.feature_store import FeatureStoreSettings
from python_ml.settings.gates import Leakage, Quality
from python_ml.settings.monitor import Monitor
from python_ml.settings.registry import Registry
from python_ml.settings.rehearsal import Rehearsal
from python_ml.settings.retraining import Retraining
from python_ml.settings.scoring import Scoring
from python_ml.settings.section import Section, written_as
from python_ml.settings.serve import Serve
from python_ml.settings.survival import Survival
from python_ml.settings.text import Text
from python_ml.settings.training import Features, Training
from python_ml.settings.uplift import Uplift

_MODEL_NAME = "write a name such as `shop_churn`, or `catalog.schema.name` for Unity Catalog"


class Tracking(Section):
    """Names in MLflow; None takes them from the project's name."""

    experiment: str | None = Field(None, min_length=1)
    registered_model: Annotated[str, written_as(r"[\w-]+(\.[\w-]+\.[\w-]+)?", _MODEL_NAME)] | None = None


class Settings(Section):
    """Everything that ``retention.yml`` can say."""

    features: Features = Features()
    leakage: Leakage = Leakage()
    quality: Quality = Quality()
    text: Text = Text()
    training: Training = Training()
    backtest: Backtest = Backtest()
    scoring: Scoring = Scoring()
    serve: Serve = Serve()
    survival: Survival = Survival()
    decisions: Decisions = Decisions()
    explain: Explain = Explain()
    fairness: Fairness = Fairness()
    registry: Registry = Registry()
    uplift: Uplift = Uplift()
    monitor: Monitor = Monitor()
    retraining: Retraining = Retraining()
    rehearsal: Rehearsal = Rehearsal()
    feature_store: FeatureStoreSettings = FeatureStoreSettings()
    mlflow: Tracking = Tracking()

    _path: str = PrivateAttr("retention.yml")
    _lines: dict[tuple, int] = PrivateAttr(default_factory=dict)

    def with_models(self, names: Collection[str]) -> Settings:
        """The same settings, in which these kinds of model take part and no others; there may be none."""
        models = self.training.models
        chosen = {
            name: getattr(models, name).model_copy(update={"enabled": name in names})
            for name in type(models).model_fields
        }
        return self.model_copy(
            update={"training": self.training.model_copy(update={"models": models.model_copy(update=chosen)})}
        )

    def where(self, *location: str) -> str:
        """Say where a setting stands (file, line when it is written there, name), for messages."""
        line = f", line {self._lines[location]}" if location in self._lines else ""
        return f"{self._path}{line}, {'.'.join(location)}"
