"""Pictures for MLflow: ROC, precision and recall, gains and calibration in the test period, and the drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 10
LISTED_DRIVERS = 20
CLEAR = 0.15  # a smaller correlation of value and contribution claims no direction


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
        ``roc``, ``precision_recall``, ``gains`` and ``calibration``; empty when the test holds only one class.
    """
    from matplotlib.figure import Figure
    from sklearn.metrics import precision_recall_curve, roc_curve

    rows = predictions[predictions["split"] == "test"]
    models = [name for name in rows["model"].unique() if name not in ("recency", "oracle")]
    if rows["churned"].nunique() < 2:
        return {}
    figures = {name: Figure(figsize=(5, 4)) for name in _LABELS}
    for figure in figures.values():  # a computed layout would draw everything twice
        figure.subplots_adjust(left=0.13, right=0.96, bottom=0.13, top=0.92)
    axes = {name: figure.add_subplot() for name, figure in figures.items()}
    for model in sorted(models, key=lambda name: name == champion):
        chosen = rows[rows["model"] == model]
        churned, probability = chosen["churned"].to_numpy(), chosen["probability"].to_numpy()
        look = {"label": model, "color": "C0"} if model == champion else {"label": model, "alpha": 0.5, "lw": 1}
        false_rate, true_rate, _ = roc_curve(churned, probability)
        axes["roc"].plot(false_rate, true_rate, **look)
        precision, recall, _ = precision_recall_curve(churned, probability)
        axes["precision_recall"].plot(recall, precision, **look)
        order = np.argsort(-probability, kind="stable")
        together = np.flatnonzero(np.r_[np.diff(probability[order]) != 0, True])  # tied customers enter together
        reached = np.cumsum(churned[order])[together] / churned.sum()
        axes["gains"].plot(np.r_[0.0, (together + 1) / len(order)], np.r_[0.0, reached], **look)
        if model == champion:
            _calibration(axes["calibration"], churned, probability)
    for name, (title, x, y) in _LABELS.items():
        axes[name].set(title=title, xlabel=x, ylabel=y)
    for name in ("roc", "gains"):
        axes[name].plot([0, 1], [0, 1], color="grey", lw=0.8, ls=":")
    for name in ("roc", "precision_recall", "gains"):
        axes[name].legend(frameon=False, fontsize=8)
    return figures


def driver_figure(drivers: pd.DataFrame) -> Figure:
    """Draw the strongest features: mean absolute SHAP value, coloured by whether more of it means more risk.

    Parameters
    ----------
    drivers : pandas.DataFrame
        ``feature``, ``importance``, ``direction``, the strongest first.
    """
    from matplotlib.figure import Figure

    shown = drivers.head(LISTED_DRIVERS).iloc[::-1]
    direction = shown["direction"].fillna(0.0).to_numpy()
    colours = np.select([direction > CLEAR, direction < -CLEAR], ["C3", "C0"], "grey")
    figure = Figure(figsize=(7, 0.6 + 0.27 * max(len(shown), 1)), layout="constrained")
    axes = figure.add_subplot()
    # A name is hostile input: a dollar sign would begin mathematics.
    names = [str(name).replace("$", r"\$") for name in shown["feature"]]
    axes.barh(np.arange(len(shown)), shown["importance"], color=colours)
    axes.set_yticks(np.arange(len(shown)), names, fontsize=8)
    axes.set(
        title="Drivers (more of it: red, more risk; blue, less)",
        xlabel="mean absolute SHAP value, log-odds",
    )
    return figure


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
    "gains": ("Cumulative gains, test period", "share of customers, riskiest first", "share of churned customers"),
    "calibration": ("Calibration of the champion, test period", "predicted probability", "observed share"),
}
