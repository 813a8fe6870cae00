"""Whether the same features drive the model when customers or times are others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.stats

from python_ml.diagnostics.refitting import Rows, refit
from python_ml.model.explain import contributions, linear_background
from python_ml.model.folds import customer_folds
from python_ml.stats import some_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from sklearn.ensemble import StackingClassifier

FOLDS = 3
MOST_ROWS = 2_000
TOP = 10
MOST_TIMES = 6


def driver_stability(
    model: StackingClassifier, fitted: StackingClassifier, rows: Rows, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Importance of each feature by fits that leave out a third of the customers each, and at each test time.

    Returns
    -------
    list of dict
        ``driver_importance`` per feature and part (``all``, ``fold 1``, …, or a feature time), and ``driver_stability``
        per part: the rank correlation (Spearman) of its importances with those of all rows, and how many of the ten
        strongest features they share.
    """
    names = list(model.feature_names_in_)
    judged = some_rows(np.flatnonzero(rows.test), MOST_ROWS, rows.seed)
    importances = {"all": _importance(fitted, rows, judged)}
    parts = np.flatnonzero(rows.fit)
    folds = customer_folds(rows.customers[rows.fit], rows.churned[rows.fit], FOLDS, rows.seed)
    for number, (train, _) in enumerate(folds, 1):
        progress(f"stability of drivers: fold {number} of {len(folds)}")
        part = parts[train]
        one = refit(model, rows.inputs.iloc[part], rows.churned[part])
        importances[f"fold {number}"] = _importance(one, rows, judged)
    times = rows.frame["feature_timestamp"].to_numpy()
    moments = np.unique(times[rows.test])
    for moment in moments[-MOST_TIMES:] if len(moments) > 1 else ():
        at = some_rows(np.flatnonzero(rows.test & (times == moment)), MOST_ROWS, rows.seed)
        importances[str(moment)[:10]] = _importance(fitted, rows, at)
    found = []
    reference = importances["all"]
    strongest = set(np.argsort(-reference, kind="stable")[:TOP].tolist())
    for part, importance in importances.items():
        found += [
            {
                "diagnostic": "driver_importance",
                "subject": name,
                "part": part,
                "metric": "importance",
                "value": float(one),
            }
            for name, one in zip(names, importance, strict=True)
        ]
        if part == "all" or np.ptp(importance) == 0 or np.ptp(reference) == 0:
            continue
        shared = len(strongest & set(np.argsort(-importance, kind="stable")[:TOP].tolist()))
        same = float(scipy.stats.spearmanr(reference, importance).statistic)
        figures = {"rank_correlation": same, "shared_strongest": shared / len(strongest)}
        kind = "folds" if part.startswith("fold ") else "feature times"
        found += [
            {"diagnostic": "driver_stability", "subject": kind, "part": part, "metric": metric, "value": value}
            for metric, value in figures.items()
        ]
    return found


def _importance(model: StackingClassifier, rows: Rows, judged: np.ndarray) -> np.ndarray:
    """Mean absolute contribution of each feature, shape (n_features,)."""
    inputs = rows.inputs.iloc[judged]
    values, _ = contributions(model, inputs, linear_background(model, rows.inputs[rows.fit]))
    return np.abs(values).mean(axis=0)
