"""All diagnostics of a champion, and the two tables that keep them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.diagnostics.fairness import fairness
from python_ml.diagnostics.performance import learning_curve, noise_sensitivity, overfitting
from python_ml.diagnostics.refitting import Rows
from python_ml.diagnostics.segments import segment_errors
from python_ml.diagnostics.stability import driver_stability
from python_ml.model.calibration import probabilities
from python_ml.model.sensitive import check_sensitive
from python_ml.warehouse import write_table

if TYPE_CHECKING:
    from python_ml.model.registry import Champion
    from python_ml.project import Project
    from python_ml.settings import Settings

DIAGNOSTICS_TABLE, FAIRNESS_TABLE = "gold.gld_model_diagnostics", "gold.gld_fairness"
DIAGNOSTICS = {
    "diagnostic": "string", "subject": "string", "part": "string", "metric": "string", "value": "float64",
    "low": "float64", "high": "float64", "rows": "Int64", "customers": "Int64", "p_value": "float64",
    "p_adjusted": "float64", "remark": "string", "model_version": "int32",
}  # fmt: skip
FAIRNESS = {
    "sensitive_column": "string", "group": "string", "measure": "string", "value": "float64", "low": "float64",
    "high": "float64", "rows": "Int64", "customers": "Int64", "note": "string", "model_version": "int32",
}  # fmt: skip


@dataclass(frozen=True)
class Diagnosis:
    """Results of the diagnostics.

    Attributes
    ----------
    model, version
        Of the champion.
    diagnostics : pandas.DataFrame
        ``gold.gld_model_diagnostics``.
    fairness : pandas.DataFrame
        ``gold.gld_fairness``; empty where no column is declared sensitive.
    """

    model: str
    version: int
    diagnostics: pd.DataFrame
    fairness: pd.DataFrame


def diagnose(
    champion: Champion,
    training_set: pd.DataFrame,
    settings: Settings,
    scenario: str | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Diagnosis:
    """Fit the champion's pipelines again where a diagnostic needs it, and evaluate them on the test rows.

    The results are not used for any choice; the champion does not change.

    Parameters
    ----------
    champion : Champion
    training_set : pandas.DataFrame
        Labelled rows, those that the champion was trained on.
    settings : Settings
    scenario : str, optional
        As for :func:`python_ml.model.train.train_models`.
    progress : callable, optional
        Called with a message at each step.

    Raises
    ------
    UserError
        When the rows cannot be split, lack columns, or a sensitive column cannot be judged.
    """
    check_sensitive(training_set, settings)
    rows = Rows.of(champion, training_set, settings, scenario)
    columns = champion.card.columns
    curve, fitted = learning_curve(champion.model, rows, progress)
    progress("over-fitting and noise")
    found = [*curve, *overfitting(champion.model, rows), *noise_sensitivity(fitted, rows, columns)]
    stability = driver_stability(champion.model, fitted, rows, progress)
    importance = {e["subject"]: e["value"] for e in stability if e["part"] == "all" and e["metric"] == "importance"}
    scores = probabilities(fitted, rows.inputs[rows.test])
    drivers = sorted(importance, key=lambda name: -importance[name])
    found += [*segment_errors(scores, rows, columns, drivers), *stability]
    threshold = max(champion.card.risk_bands.values())
    return Diagnosis(
        model=champion.card.model,
        version=champion.version,
        diagnostics=_table(found, DIAGNOSTICS, champion.version),
        fairness=_table(fairness(scores, threshold, rows, settings), FAIRNESS, champion.version),
    )


def store_diagnosis(project: Project, diagnosis: Diagnosis) -> None:
    """Replace both tables."""
    write_table(project, DIAGNOSTICS_TABLE, diagnosis.diagnostics)
    write_table(project, FAIRNESS_TABLE, diagnosis.fairness)


def _table(entries: list[dict[str, Any]], types: dict[str, str], version: int) -> pd.DataFrame:
    frame = pd.DataFrame(entries, columns=list(types)).assign(model_version=np.int32(version))
    return frame.astype(types)
