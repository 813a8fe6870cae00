"""The settings of ``retention.yml``: what only the Python half needs, checked when it is read.

What SQL needs as well (churn definition, horizon, gap, windows) stands in ``dbt_project.yml`` instead.
"""

from python_ml.settings.backtest import Backtest
from python_ml.settings.decisions import CustomerValueSettings, Decisions, Intervention, Suppression
from python_ml.settings.explanation import Explain, Fairness
from python_ml.settings.gates import Leakage, Limits, Quality
from python_ml.settings.loading import load_settings
from python_ml.settings.registry import Promotion, Registry
from python_ml.settings.schema import Settings, Tracking
from python_ml.settings.scoring import RiskBands, Scoring
from python_ml.settings.serve import Serve
from python_ml.settings.survival import Survival
from python_ml.settings.text import Text
from python_ml.settings.text_labels import Labelling, TextLabel
from python_ml.settings.training import (
    CrossValidation,
    Features,
    Models,
    ModelSettings,
    Selection,
    Split,
    Training,
    Tuning,
)
from python_ml.settings.uplift import Uplift

__all__ = [
    "Backtest",
    "CrossValidation",
    "CustomerValueSettings",
    "Decisions",
    "Explain",
    "Fairness",
    "Features",
    "Intervention",
    "Labelling",
    "Leakage",
    "Limits",
    "ModelSettings",
    "Models",
    "Promotion",
    "Quality",
    "Registry",
    "RiskBands",
    "Scoring",
    "Selection",
    "Serve",
    "Settings",
    "Split",
    "Suppression",
    "Survival",
    "Text",
    "TextLabel",
    "Tracking",
    "Training",
    "Tuning",
    "Uplift",
    "load_settings",
]
