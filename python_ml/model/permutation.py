"""Whether any model ranks better than chance: a permutation test that keeps the rows of a customer together."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

DRAWS = 999


def chance_of_ranking(
    churned: np.ndarray, scores: np.ndarray, customers: np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> float | None:
    """Probability that the best of several models ranks so well if scores say nothing about outcomes (one-sided).

    The highest rank sum of churned rows is compared with the highest one after each exchange of outcomes, which
    corrects for the number of models, however alike they are (the maximum statistic of Westfall and Young,
    "Resampling-Based Multiple Testing", 1993). With one model, this compares the area under the ROC curve.

    The outcomes of whole customers are exchanged among customers with equally many rows, in the order of their rows, so
    that outcomes which follow each other stay together (Good, "Permutation, Parametric and Bootstrap Tests of
    Hypotheses", 2005, chapter 3). A customer whose number of rows nobody shares keeps the outcomes.

    Parameters
    ----------
    churned : numpy.ndarray, shape (n_rows,)
        0 or 1.
    scores : numpy.ndarray, shape (n_rows, n_models)
        From models that have not seen these rows.
    customers : numpy.ndarray, shape (n_rows,)
        Key of the customer of each row; rows of a customer in the order of time.
    draws : int
    seed : int

    Returns
    -------
    float or None
        ``(1 + draws that reach the rank sum) / (1 + draws)``; None where there is only one class.
    """
    churned = np.asarray(churned, dtype=float)
    if not 0 < churned.sum() < len(churned):
        return None
    _, codes, each = np.unique(customers, return_inverse=True, return_counts=True)
    order = np.argsort(codes, kind="stable")
    ranks, outcomes = rankdata(scores, axis=0)[order], churned[order]
    first = np.cumsum(each) - each
    blocks = [first[each == size][:, None] + np.arange(size) for size in np.unique(each)]
    observed = (outcomes @ ranks).max()
    rng, exchanged = np.random.default_rng(seed), np.empty_like(outcomes)
    reached = 0
    for _ in range(draws):
        for block in blocks:
            exchanged[block] = outcomes[block[rng.permutation(len(block))]]
        reached += (exchanged @ ranks).max() >= observed * (1 - 1e-9)
    return (1 + reached) / (1 + draws)
