"""What makes two trainings the same: data, definitions, settings, code and libraries."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import python_ml
from python_ml.files import source_hashes

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.leakage import StoredReplay
    from python_ml.model.dataset import TrainingSet
    from python_ml.settings import Settings

LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "lightgbm", "xgboost", "joblib")
# Sections of retention.yml that no training reads.
ELSEWHERE = {"mlflow", "registry", "backtest", "uplift", "fairness", "explain"}
PRICES = ("contact_cost", "offer_cost", "success_rate", "value")  # of the section decisions: they set the risk bands


def training_identity(
    training_set: TrainingSet,
    settings: Settings,
    truth: pd.DataFrame | None = None,
    replays: Sequence[StoredReplay] = (),
) -> str | None:
    """Fingerprint of all that a training depends on; None where that cannot be told.

    It cannot where the content of the rows has no hash, and where parameters are searched for a given time: the search
    goes on where it ended.

    Parameters
    ----------
    training_set, settings, truth, replays
        As for :func:`python_ml.model.train.train_models`.

    Returns
    -------
    str or None
        A SHA-256.
    """
    tuning = getattr(settings.training, "tuning", None)
    if training_set.sha256 is None or (tuning is not None and tuning.enabled):
        return None
    parts = {
        "rows": training_set.sha256,
        "snapshot": training_set.snapshot,  # a version says where its rows can be had again
        "definitions": dict(training_set.definitions),
        "features": [asdict(feature) for feature in training_set.features],
        "settings": settings.model_dump(mode="json", exclude={*ELSEWHERE, "decisions"}),
        "prices": settings.decisions.model_dump(mode="json", include=set(PRICES)),
        "truth": None if truth is None else _content(truth),
        "replays": [asdict(replay) for replay in replays],
        "code": source_hashes(Path(python_ml.__file__).parent),
        "libraries": {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _content(frame: pd.DataFrame) -> str:
    import pandas as pd

    rows = pd.util.hash_pandas_object(frame, index=False).sort_values()  # in any order
    return hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()
