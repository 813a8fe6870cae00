"""Learning curve, over-fitting and sensitivity to noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.diagnostics.refitting import Rows, refit
from python_ml.input_columns import CATEGORY, FLAG
from python_ml.model.calibration import probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sklearn.ensemble import StackingClassifier

    from python_ml.model.card import CardColumn

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
LEVELS = (0.1, 0.25, 0.5, 1.0)
LEAST_CHURNED = 10  # customers of either outcome that a fit needs


def learning_curve(
    model: StackingClassifier, rows: Rows, progress: Callable[[str], None]
) -> tuple[list[dict[str, Any]], StackingClassifier]:
    """Fit on ever more customers, and judge on the same test rows.

    Returns
    -------
    list of dict
        Per share of customers the ROC AUC on the rows fitted on (``train``) and on the test rows.
    sklearn.ensemble.StackingClassifier
        The fit on all of them.
    """
    everyone = np.unique(rows.customers[rows.fit])
    shuffled = np.random.default_rng(rows.seed).permutation(everyone)
    points, fitted = [], None
    for share in SHARES:
        chosen = shuffled[: max(round(share * len(shuffled)), 1)]
        part = rows.fit & np.isin(rows.customers, chosen)
        if min(len(np.unique(rows.customers[part & (rows.churned == outcome)])) for outcome in (0, 1)) < LEAST_CHURNED:
            continue
        progress(f"learning curve: {len(chosen):,} customers")
        fitted = refit(model, rows.inputs[part], rows.churned[part])
        for name, judged in (("train", part), ("test", rows.test)):
            point = rows.measure(probabilities(fitted, rows.inputs[judged]), judged)
            points.append({"diagnostic": "learning_curve", "subject": f"{len(chosen)}", "part": name, **point})
    return points, fitted or refit(model, rows.inputs[rows.fit], rows.churned[rows.fit])


def overfitting(model: StackingClassifier, rows: Rows) -> list[dict[str, Any]]:
    """ROC AUC on the training, the validation and the test rows of the fit on the training rows alone."""
    fitted = refit(model, rows.inputs[rows.train], rows.churned[rows.train])
    parts = {"train": rows.train, "validation": rows.validation, "test": rows.test}
    return [
        {
            "diagnostic": "overfitting",
            "subject": metric,
            "part": part,
            **rows.measure(probabilities(fitted, rows.inputs[judged]), judged, metric),
        }
        for metric in ("roc_auc", "brier")
        for part, judged in parts.items()
        if judged is not None
    ]


def noise_sensitivity(fitted: StackingClassifier, rows: Rows, columns: tuple[CardColumn, ...]) -> list[dict[str, Any]]:
    """ROC AUC on test rows whose features are disturbed.

    Numbers get normal noise, as a share of their standard deviation in the rows fitted on; missing values stay missing.
    The same share of flags and categories, times a half, is drawn anew from those rows. ``missing`` deletes a share of
    all values instead.
    """
    test, learnt = rows.inputs[rows.test], rows.inputs[rows.fit]
    undisturbed = rows.measure(probabilities(fitted, test), rows.test)
    points = [
        {"diagnostic": "noise_sensitivity", "subject": kind, "part": "0", **undisturbed}
        for kind in ("noise", "missing")
    ]
    for kind, disturbed in (("noise", _noisy), ("missing", _holed)):
        for level, frame in disturbed(test, learnt, columns, rows.seed):
            point = rows.measure(probabilities(fitted, frame), rows.test)
            points.append({"diagnostic": "noise_sensitivity", "subject": kind, "part": f"{level:g}", **point})
    return points


def _noisy(
    test: pd.DataFrame, learnt: pd.DataFrame, columns: tuple[CardColumn, ...], seed: int
) -> Iterator[tuple[float, pd.DataFrame]]:
    for level in LEVELS:
        rng, made = np.random.default_rng(seed), {}
        for column in columns:
            cells, known = test[column.name], learnt[column.name].dropna()
            if not len(known):
                made[column.name] = cells.to_numpy()
            elif column.kind in (CATEGORY, FLAG):
                anew = rng.random(len(cells)) < level / 2
                made[column.name] = np.where(anew, rng.choice(known.to_numpy(), len(cells)), cells.to_numpy())
            else:
                made[column.name] = cells.to_numpy() + level * known.std(ddof=0) * rng.normal(size=len(cells))
        yield level, pd.DataFrame(made, columns=test.columns)


def _holed(
    test: pd.DataFrame, _: pd.DataFrame, columns: tuple[CardColumn, ...], seed: int
) -> Iterator[tuple[float, pd.DataFrame]]:
    for level in (0.05, 0.1, 0.25, 0.5):
        rng = np.random.default_rng(seed)
        yield level, test.mask(rng.random(test.shape) < level).reset_index(drop=True)
