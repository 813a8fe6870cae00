"""Where the model is worst: error by segment, with the chance of finding one of so many accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.stats

from python_ml.input_columns import FLAG, NUMBER
from python_ml.model.grouping import group_labels
from python_ml.stats import Z_95, auc

if TYPE_CHECKING:
    from python_ml.diagnostics.refitting import Rows
    from python_ml.model.card import CardColumn

LEAST_CUSTOMERS = 30
SIGNIFICANT = 0.05
MOST_VALUES = 12
WORSE_RANKING = "ranks worse than its probabilities imply"
NUMBERS = 8  # of the strongest drivers, by whose quarters rows are divided


def segment_errors(
    scores: np.ndarray, rows: Rows, columns: tuple[CardColumn, ...], drivers: list[str]
) -> list[dict[str, Any]]:
    """Judge each segment of the test rows.

    Two things can be wrong: the ranking (ROC AUC below what the probabilities themselves promise: customers who are
    alike cannot be ranked as well as all of them) and the level (the mean probability is not the share that churned).
    Both are tested, rows of one customer together; p-values are adjusted over all segments
    and both tests (Holm 1979, "A simple sequentially rejective multiple test procedure").

    Parameters
    ----------
    scores : numpy.ndarray, shape (n_test,)
        Probabilities of the test rows.
    rows : Rows
    columns : tuple of CardColumn
    drivers : list of str
        Features, the strongest first.

    Returns
    -------
    list of dict
        Per segment ``roc_auc`` and ``calibration_gap`` (predicted less observed share) with intervals, counts,
        ``p_value``, ``p_adjusted`` and a remark where the segment is significantly worse. Segments with fewer than 30
        customers are counted, and not judged.
    """
    churned = rows.churned[rows.test]
    clusters = np.unique(rows.customers[rows.test], return_inverse=True)[1]
    found = []
    for way, segment, inside in _segments(rows, columns, drivers):
        counts = {"rows": int(inside.sum()), "customers": len(np.unique(clusters[inside]))}
        common = {"diagnostic": "segment_error", "subject": way, "part": segment, **counts}
        if counts["customers"] < LEAST_CUSTOMERS:
            found.append(
                {**common, "metric": "roc_auc", "remark": f"fewer than {LEAST_CUSTOMERS} customers: not judged"}
            )
            continue
        here = auc(scores[inside], churned[inside], np.unique(clusters[inside], return_inverse=True)[1])
        ranking = {**common, "metric": "roc_auc"}
        if not np.isnan(here.value):
            ranking |= {"value": here.value, "low": here.low, "high": here.high}
            if here.error > 0:
                beyond = (here.value - promised_area(scores[inside])) / here.error
                ranking["p_value"] = float(scipy.stats.norm.cdf(beyond))
        gap, error = _gap(scores[inside] - churned[inside], clusters[inside])
        level = {
            **common,
            "metric": "calibration_gap",
            "value": gap,
            "low": gap - Z_95 * error,
            "high": gap + Z_95 * error,
        }
        if error > 0:
            level["p_value"] = float(2 * scipy.stats.norm.sf(abs(gap) / error))
        found += [ranking, level]
    tested = [entry for entry in found if "p_value" in entry]
    for entry, adjusted in zip(tested, holm([entry["p_value"] for entry in tested]), strict=True):
        entry["p_adjusted"] = adjusted
        if adjusted < SIGNIFICANT:
            said = {True: "predicts too much", False: "predicts too little"}
            entry["remark"] = WORSE_RANKING if entry["metric"] == "roc_auc" else said[entry["value"] > 0]
    return found


def holm(p_values: list[float]) -> list[float]:
    """Adjusted p-values: rejecting those below 0.05 makes a false rejection among all with probability 0.05 at most.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    stepped = np.minimum(np.maximum.accumulate(np.asarray(p_values)[order] * factors), 1.0)
    adjusted = np.empty(len(p_values))
    adjusted[order] = stepped
    return adjusted.tolist()


def promised_area(probability: np.ndarray) -> float:
    """ROC AUC to expect of probabilities if they are true.

    Parameters
    ----------
    probability : numpy.ndarray, shape (n_rows,)

    Returns
    -------
    float
        Expected number of pairs in order, of a churned and a retained row, over that of pairs.
    """
    tie = np.unique(probability, return_inverse=True)[1]
    churned, retained = np.bincount(tie, probability), np.bincount(tie, 1 - probability)
    below = np.cumsum(retained) - retained / 2
    itself = float((probability * (1 - probability)).sum())  # a row is no pair
    pairs = float(churned.sum() * retained.sum()) - itself
    return (float(churned @ below) - itself / 2) / pairs if pairs > 0 else 0.5


def _gap(residual: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """Mean, and its standard error between customers."""
    mean = float(residual.mean())
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], residual - mean)
    count = len(sums)
    return mean, float(np.sqrt((sums**2).sum() * count / max(count - 1, 1)) / len(residual))


def _segments(rows: Rows, columns: tuple[CardColumn, ...], drivers: list[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Ways to divide the test rows, the segment, and which rows are in it."""
    test = rows.inputs[rows.test]
    for column in columns:
        cells = test[column.name]
        if column.kind == NUMBER and (column.name not in drivers[:NUMBERS] or cells.nunique() < 2):
            continue
        labels = group_labels(cells, MOST_VALUES, column.kind == FLAG).fillna("missing")
        if not 2 <= labels.nunique() <= MOST_VALUES:
            continue
        for segment in sorted(labels.unique()):
            yield column.name, str(segment), (labels == segment).to_numpy()
    times = rows.frame.loc[rows.test, "feature_timestamp"].reset_index(drop=True)
    if times.nunique() > 1:
        for moment in sorted(times.unique()):
            yield "feature time", f"{moment:%Y-%m-%d}", (times == moment).to_numpy()
