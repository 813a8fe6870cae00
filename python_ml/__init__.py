"""Customer Retention: point-in-time features, churn models with reasons, and reports.

The SQL half of the project is the dbt package beside this one. This half simulates, onboards, trains,
explains and reports; every step is also a command of ``retention``.

What a data scientist needs is here: ``python_ml.train(frame)``, ``python_ml.load_champion(folder)`` and so on; see
docs/guides/python.md. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "BacktestFigures": "python_ml.api.backtest",
    "Evaluation": "python_ml.api.results",
    "Explanation": "python_ml.api.results",
    "GateError": "python_ml.errors",
    "LoadedTrainingSet": "python_ml.api.results",
    "Project": "python_ml.project",
    "RegisteredModel": "python_ml.api.results",
    "Settings": "python_ml.settings",
    "TrainedModel": "python_ml.api.results",
    "TrainingResult": "python_ml.model.train",
    "UserError": "python_ml.errors",
    "backtest": "python_ml.api.backtest",
    "evaluate": "python_ml.api.functions",
    "example_frame": "python_ml.simulate.frame",
    "explain": "python_ml.api.functions",
    "load_champion": "python_ml.api.functions",
    "load_scoring_set": "python_ml.api.functions",
    "load_training_set": "python_ml.api.functions",
    "score": "python_ml.api.functions",
    "train": "python_ml.api.functions",
}

__all__ = [*_EXPORTS, "__version__"]

if TYPE_CHECKING:
    from python_ml.api.backtest import BacktestFigures, backtest  # noqa: F401
    from python_ml.api.functions import (  # noqa: F401
        evaluate,
        explain,
        load_champion,
        load_scoring_set,
        load_training_set,
        score,
        train,
    )
    from python_ml.api.results import (  # noqa: F401
        Evaluation,
        Explanation,
        LoadedTrainingSet,
        RegisteredModel,
        TrainedModel,
    )
    from python_ml.errors import GateError, UserError  # noqa: F401
    from python_ml.model.train import TrainingResult  # noqa: F401
    from python_ml.project import Project  # noqa: F401
    from python_ml.settings import Settings  # noqa: F401
    from python_ml.simulate.frame import example_frame  # noqa: F401


def __getattr__(name: str) -> Any:
    """Import what is asked for, and keep it."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_EXPORTS[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
