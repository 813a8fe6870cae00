"""Whether scores rank better than chance: a permutation test that keeps the rows of a customer together."""

from __future__ import annotations

import numpy as np

DRAWS = 999


def chance_of_area(
    churned: np.ndarray, scores: np.ndarray, customers: np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> float | None:
    """Probability of so great an area under the ROC curve if scores know nothing of outcomes (one-sided).

    The outcomes of whole customers are exchanged among customers with equally many rows, in the order of their rows, so
    that outcomes which follow each other stay together (Good, "Permutation, Parametric and Bootstrap Tests of
    Hypotheses", 2005, chapter 3). A customer whose number of rows nobody shares keeps the outcomes.

    Parameters
    ----------
    churned : numpy.ndarray, shape (n_rows,)
        0 or 1.
    scores : numpy.ndarray, shape (n_rows,)
    customers : numpy.ndarray, shape (n_rows,)
        Key of the customer of each row; rows of a customer in the order of time.
    draws : int
    seed : int

    Returns
    -------
    float or None
        ``(1 + draws that reach the area) / (1 + draws)``; None where there is only one class.
    """
    churned = np.asarray(churned, dtype=float)
    if not 0 < churned.sum() < len(churned):
        return None
    _, codes, each = np.unique(customers, return_inverse=True, return_counts=True)
    order = np.argsort(codes, kind="stable")
    _, tie, count = np.unique(np.asarray(scores), return_inverse=True, return_counts=True)
    # With the number of churned rows given, the area grows with the sum of their ranks.
    ranks = (np.cumsum(count) - (count - 1) / 2)[tie][order]
    left, first = churned[order], np.cumsum(each) - each
    blocks = [first[each == size][:, None] + np.arange(size) for size in np.unique(each)]
    observed = sum(float((ranks[block] * left[block]).sum()) for block in blocks)
    rng = np.random.default_rng(seed)
    reached = 0
    for _ in range(draws):
        total = sum(float((ranks[block] * left[block[rng.permutation(len(block))]]).sum()) for block in blocks)
        reached += total >= observed - 1e-9 * abs(observed)
    return (1 + reached) / (1 + draws)
