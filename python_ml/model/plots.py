"""Pictures of the test period for MLflow: ROC, precision and recall, calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 10


def test_figures(predictions: pd.DataFrame, champion: str) -> dict[str, Figure]:
    """Draw every model on the test rows, the champion in front.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``model``, ``split``, ``churned``, ``probability``.
    champion : str

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        ``roc``, ``precision_recall`` and ``calibration``; empty when the test holds only one class.
    """
    from matplotlib.figure import Figure
    from sklearn.metrics import precision_recall_curve, roc_curve

    rows = predictions[predictions["split"] == "test"]
    models = [name for name in rows["model"].unique() if name not in ("recency", "oracle")]
    if rows["churned"].nunique() < 2:
        return {}
    figures = {name: Figure(figsize=(5, 4), layout="constrained") for name in _LABELS}
    axes = {name: figure.add_subplot() for name, figure in figures.items()}
    for model in sorted(models, key=lambda name: name == champion):
        chosen = rows[rows["model"] == model]
        churned, probability = chosen["churned"].to_numpy(), chosen["probability"].to_numpy()
        look = {"label": model, "color": "C0"} if model == champion else {"label": model, "alpha": 0.5, "lw": 1}
        false_rate, true_rate, _ = roc_curve(churned, probability)
        axes["roc"].plot(false_rate, true_rate, **look)
        precision, recall, _ = precision_recall_curve(churned, probability)
        axes["precision_recall"].plot(recall, precision, **look)
        if model == champion:
            _calibration(axes["calibration"], churned, probability)
    for name, (title, x, y) in _LABELS.items():
        axes[name].set(title=title, xlabel=x, ylabel=y)
    axes["roc"].plot([0, 1], [0, 1], color="grey", lw=0.8, ls=":")
    for name in ("roc", "precision_recall"):
        axes[name].legend(frameon=False, fontsize=8)
    return figures


def _calibration(axes: Axes, churned: np.ndarray, probability: np.ndarray) -> None:
    order = np.argsort(probability, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    predicted = [probability[part].mean() for part in bins]
    axes.plot(predicted, [churned[part].mean() for part in bins], marker="o", ms=4)
    top = max(predicted[-1], axes.get_ylim()[1])
    axes.plot([0, top], [0, top], color="grey", lw=0.8, ls=":")


_LABELS = {
    "roc": ("ROC, test period", "false positive rate", "true positive rate"),
    "precision_recall": ("Precision and recall, test period", "recall", "precision"),
    "calibration": ("Calibration of the champion, test period", "predicted probability", "observed share"),
}
