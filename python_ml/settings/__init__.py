"""The settings of ``retention.yml``: what only the Python half needs, checked when it is read.

What SQL needs as well (churn definition, horizon, gap, windows) stands in ``dbt_project.yml`` instead.
"""

from python_ml.settings.gates import Leakage, Limits, Quality
from python_ml.settings.loading import load_settings
from python_ml.settings.schema import Settings, Tracking
from python_ml.settings.scoring import RiskBands, Scoring
from python_ml.settings.training import CrossValidation, Features, Models, ModelSettings, Selection, Split, Training
from python_ml.settings.uplift import Uplift

__all__ = [
    "CrossValidation",
    "Features",
    "Leakage",
    "Limits",
    "ModelSettings",
    "Models",
    "Quality",
    "RiskBands",
    "Scoring",
    "Selection",
    "Settings",
    "Split",
    "Tracking",
    "Training",
    "Uplift",
    "load_settings",
]
