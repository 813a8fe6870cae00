"""Drift of features together: can a classifier tell the customers of a period from those of the reference?

Each column is replaced by the ranks within its own sample. What remains is how columns depend on each other, so the
classifier notices what no single column shows, such as a correlation that is gone, and does not repeat what they show.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.input_columns import CATEGORY, InputColumn
from python_ml.warehouse import as_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from python_ml.monitor.counting import TableRows

FOLDS = 3
REPLICATES = 200
LEAST_CUSTOMERS = 50  # on either side
NAMED = 5
PAIRS = 10
TREES = {
    "n_estimators": 60,
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_child_samples": 30,
    "subsample": 0.8,
    "subsample_freq": 1,
    "colsample_bytree": 0.5,
    "importance_type": "gain",
    "n_jobs": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True)
class DomainClassifier:
    """How well later rows can be told from earlier ones.

    Attributes
    ----------
    auc, low, high : float
        Area under the ROC curve for customers that it was not fitted on, and its 95 % interval by customer; 0.5 where
        nothing can be told.
    drivers : tuple of (str, float)
        Columns by their share of the gain, the greatest first.
    """

    auc: float
    low: float
    high: float
    drivers: tuple[tuple[str, float], ...]


def sampled_frame(rows: TableRows, columns: Sequence[InputColumn], size: int, total: int) -> pd.DataFrame:
    """About so many rows, all of those of a sample of customers, in a fixed order.

    Parameters
    ----------
    rows : TableRows
    columns : sequence of InputColumn
    size : int
    total : int
        Number of rows.

    Returns
    -------
    pandas.DataFrame
        ``customer`` and ``x0``, ``x1``, … in the order of the columns.
    """
    if total > size:  # by a hash, which is uniform and the same on every engine
        mark = f"{round(size / total * 16**8):08x}"
        chosen = f"substr(md5(cast({rows.quoted(rows.entity)} as string)), 1, 8) < '{mark}'"
        rows = replace(rows, condition=" and ".join(filter(None, [rows.condition, chosen])))
    frame = as_frame(rows.session.sql(rows.customer_query(columns)))
    return frame.sort_values(["customer", "period"], kind="stable").drop(columns="period").reset_index(drop=True)


def domain_classifier(
    before: pd.DataFrame, after: pd.DataFrame, columns: Sequence[InputColumn], *, seed: int = 0
) -> DomainClassifier | None:
    """Measure how well a classifier separates two samples of rows.

    Parameters
    ----------
    before, after : pandas.DataFrame, shapes (n, n_columns + 1) and (m, n_columns + 1)
        ``customer`` and the columns under ``x0``, ``x1``, …, as :func:`sampled_frame` gives them.
    columns : sequence of InputColumn
    seed : int

    Returns
    -------
    DomainClassifier or None
        None where either sample has fewer than 50 customers.

    Notes
    -----
    Gradient-boosted trees, cross-validated on folds of customers, so that knowing a customer does not help. Lopez-Paz,
    D. and Oquab, M. (2017), "Revisiting classifier two-sample tests", ICLR. Tied values are ranked at random, so that
    the ranks of every column are uniform in both samples: Rüschendorf, L. (2009), "On the distributional transform,
    Sklar's theorem, and the empirical copula process", Journal of Statistical Planning and Inference 139.
    """
    if min(frame["customer"].nunique() for frame in (before, after)) < LEAST_CUSTOMERS:
        return None
    from lightgbm import LGBMClassifier
    from sklearn.model_selection import GroupKFold

    from python_ml.model.evaluate import evaluate

    both = pd.concat([before, after], ignore_index=True)
    is_later = np.repeat([0, 1], [len(before), len(after)])
    customers = pd.factorize(both["customer"])[0]
    values, rng = as_matrix(both, columns), np.random.default_rng(seed)
    scores, gains = np.zeros(len(both)), Counter()
    for fitted, held_out in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(values, is_later, customers):
        fitted_ranks = _ranks(values[fitted], is_later[fitted], values[fitted], is_later[fitted], rng)
        ranks = _ranks(values[fitted], is_later[fitted], values[held_out], is_later[held_out], rng)
        pairs = _moved_pairs(fitted_ranks, is_later[fitted])
        model = LGBMClassifier(**TREES, random_state=seed, class_weight="balanced")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that arrays have no names
            model.fit(_with_products(fitted_ranks, pairs), is_later[fitted])
            raw = model.predict(_with_products(ranks, pairs), raw_score=True)
        scores[held_out] = raw - np.median(raw)  # the base rate of a fold must not rank it above the others
        names = [*[(position,) for position in range(len(columns))], *pairs]
        gains.update(dict(zip(names, map(float, model.feature_importances_), strict=True)))
    area = evaluate(is_later, scores, customers, metrics=["roc_auc"], replicates=REPLICATES, seed=seed)["roc_auc"]
    total = sum(gains.values())
    drivers = tuple(
        (" x ".join(columns[position].name for position in positions), gain / total)
        for positions, gain in sorted(gains.items(), key=lambda item: (-item[1], item[0]))[:NAMED]
        if gain > 0
    )
    return DomainClassifier(area["value"], area["low"], area["high"], drivers)


def as_matrix(frame: pd.DataFrame, columns: Sequence[InputColumn]) -> NDArray:
    """The columns ``x0``, ``x1``, …: numbers as they are, categories by the rank of their value."""
    parts = []
    for position, column in enumerate(columns):
        values = frame[f"x{position}"]
        if column.kind == CATEGORY:
            codes = values.astype("category").cat.codes.to_numpy(float)
            parts.append(np.where(codes < 0, np.nan, codes))
        else:
            parts.append(values.to_numpy(dtype=float, na_value=np.nan))
    return np.column_stack(parts)


def _ranks(
    fitted: NDArray, fitted_domain: NDArray, values: NDArray, domain: NDArray, rng: np.random.Generator
) -> NDArray:
    """Shares of the fitted rows of the same sample that lie below each value, nulls lowest and ties at random.

    Held-out rows are ranked among the fitted ones: ranked among themselves, they would fill what the fitted ones leave
    out, and a classifier would rank them the wrong way round.
    """
    fitted, values = (np.where(np.isnan(part), -np.inf, part) for part in (fitted, values))
    ranks = np.empty_like(values)
    for sample in (0, 1):
        rows = domain == sample
        reference = np.sort(fitted[fitted_domain == sample], axis=0)
        for column in range(values.shape[1]):
            low, high = (
                np.searchsorted(reference[:, column], values[rows, column], side) for side in ("left", "right")
            )
            ranks[rows, column] = (low + rng.random(rows.sum()) * np.maximum(high - low, 1)) / len(reference)
    return ranks


def _moved_pairs(ranks: NDArray, is_later: NDArray) -> list[tuple[int, int]]:
    """Pairs of columns whose rank correlations differ most between the samples."""
    moved = np.triu(np.abs(np.subtract(*(np.corrcoef(ranks[is_later == sample].T) for sample in (0, 1)))), k=1)
    order = np.argsort(-moved, axis=None, kind="stable")[:PAIRS]
    return [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, moved.shape), strict=True) if moved[i, j] > 0]


def _with_products(ranks: NDArray, pairs: Sequence[tuple[int, int]]) -> NDArray:
    """Ranks and, for some pairs, products: trees find it hard to begin with a pair neither of which matters alone."""
    return np.column_stack([ranks, *((ranks[:, i] - 0.5) * (ranks[:, j] - 0.5) for i, j in pairs)])
