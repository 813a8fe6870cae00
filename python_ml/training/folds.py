"""Folds by customer: every row of a customer lies in the same fold."""

from __future__ import annotations

import numpy as np


def affordable_folds(n_rows: int, wanted: int) -> int:
    """Fewer folds for more rows: halves of a large data set teach a model nearly what the whole does.

    Parameters
    ----------
    n_rows : int
        Training rows.
    wanted : int
        The number for small data, such as 5.
    """
    return wanted if n_rows <= 20_000 else min(wanted, 3) if n_rows <= 50_000 else 2


def customer_folds(
    customers: np.ndarray, churned: np.ndarray, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Deal customers into folds, those who ever left and those who never did in equal measure.

    The outcome depends on the customers' keys and the seed, not on the order of rows.

    Parameters
    ----------
    customers : numpy.ndarray, shape (n_rows,)
        Key of the customer of each row.
    churned : numpy.ndarray of int, shape (n_rows,)
        0 or 1.
    folds : int
        Wanted number of folds; fewer are made when there are fewer customers who left (or who stayed).
    seed : int

    Returns
    -------
    list of (train, held_out)
        Row positions. Empty when no two folds with both classes can be made.
    """
    keys, row_of = np.unique(customers, return_inverse=True)
    ever = np.zeros(len(keys), dtype=bool)
    ever[row_of[churned == 1]] = True
    folds = min(folds, int(ever.sum()), int((~ever).sum()))
    if folds < 2:
        return []
    shuffled = np.random.default_rng(seed).permutation(len(keys))
    dealt = np.concatenate([shuffled[ever[shuffled]], shuffled[~ever[shuffled]]])
    fold_of_key = np.empty(len(keys), dtype=int)
    fold_of_key[dealt] = np.arange(len(keys)) % folds
    fold = fold_of_key[row_of]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]
