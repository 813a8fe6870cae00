"""Folds by customer, where every row of a customer lies in the same fold, and by time."""

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
    """Deal customers into folds, so that every fold has rows of both outcomes.

    Customers who always churned, who never did, and who did both at different times are dealt in equal measure.
    The outcome depends on the customers' keys and the seed, not on the order of rows.

    Parameters
    ----------
    customers : numpy.ndarray, shape (n_rows,)
        Key of the customer of each row.
    churned : numpy.ndarray of int, shape (n_rows,)
        0 or 1.
    folds : int
        Wanted number of folds; fewer are made when fewer customers have rows of either outcome.
    seed : int

    Returns
    -------
    list of (train, held_out)
        Row positions. Empty when fewer than two customers have rows of one of the outcomes.
    """
    keys, row_of = np.unique(customers, return_inverse=True)

    def ever(outcome: int) -> np.ndarray:
        has = np.zeros(len(keys), dtype=bool)
        has[row_of[churned == outcome]] = True
        return has

    churned_ever, retained_ever = ever(1), ever(0)
    folds = min(folds, int(churned_ever.sum()), int(retained_ever.sum()))
    if folds < 2:
        return []
    shuffled = np.random.default_rng(seed).permutation(len(keys))
    # Those with rows of one outcome stand in one run, which a round of dealing gives to every fold in turn.
    dealt = shuffled[np.argsort((churned_ever.astype(int) - retained_ever)[shuffled], kind="stable")]
    fold_of_key = np.empty(len(keys), dtype=int)
    fold_of_key[dealt] = np.arange(len(keys)) % folds
    fold = fold_of_key[row_of]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]


def later_fold(
    times: np.ndarray, known: np.ndarray, churned: np.ndarray, share: float = 0.25, least: int = 20
) -> tuple[np.ndarray, np.ndarray] | None:
    """Hold out the latest rows, and leave for fitting those whose outcome was known before.

    Parameters
    ----------
    times, known : numpy.ndarray of datetime64, shape (n_rows,)
        The feature time of each row, and when its outcome was known.
    churned : numpy.ndarray of int, shape (n_rows,)
        0 or 1.
    share : float
        Wanted share of the rows held out among those that are used.
    least : int
        Rows of each outcome that either part must have.

    Returns
    -------
    (train, held_out) or None
        Row positions; None where no boundary leaves enough rows on either side.
    """
    best = None
    for start in np.unique(times)[1:]:
        parts = known <= start, times >= start
        if min((churned[rows] == outcome).sum() for rows in parts for outcome in (0, 1)) < least:
            continue
        train, held_out = (int(rows.sum()) for rows in parts)
        deviation = abs(held_out / (train + held_out) - share)
        if best is None or deviation < best[0]:
            best = (deviation, *map(np.flatnonzero, parts))
    return None if best is None else best[1:]
