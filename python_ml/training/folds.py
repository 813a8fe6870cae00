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
    """Deal customers into folds, those who ever churned and those who never did in equal measure.

    The outcome depends on the customers' keys and the seed, not on the order of rows.

    Parameters
    ----------
    customers : numpy.ndarray, shape (n_rows,)
        Key of the customer of each row.
    churned : numpy.ndarray of int, shape (n_rows,)
        0 or 1.
    folds : int
        Wanted number of folds; fewer are made when there are fewer customers of either kind.
    seed : int

    Returns
    -------
    list of (train, held_out)
        Row positions. Empty when no two folds with both classes can be made.
    """
    keys, row_of = np.unique(customers, return_inverse=True)

    def ever(outcome: int) -> np.ndarray:
        has = np.zeros(len(keys), dtype=bool)
        has[row_of[churned == outcome]] = True
        return has

    # Where (nearly) everybody churns at some time, folds are dealt by who was ever retained.
    dealt_by = next((e for e in (ever(1), ever(0)) if min(e.sum(), (~e).sum()) >= 2), ever(int(churned.mean() < 0.5)))
    folds = min(folds, int(dealt_by.sum()), int((~dealt_by).sum()) or folds)
    if folds < 2:
        return []
    shuffled = np.random.default_rng(seed).permutation(len(keys))
    dealt = np.concatenate([shuffled[dealt_by[shuffled]], shuffled[~dealt_by[shuffled]]])
    fold_of_key = np.empty(len(keys), dtype=int)
    fold_of_key[dealt] = np.arange(len(keys)) % folds
    fold = fold_of_key[row_of]
    made = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]
    return made if all(len(np.unique(churned[rows])) == 2 for pair in made for rows in pair) else []
