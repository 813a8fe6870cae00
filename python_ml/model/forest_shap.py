"""TreeSHAP of shallow forests for many rows: a table per leaf, looked up by what a row satisfies.

A leaf's contribution to a feature depends on a row only through which of the features on its path the row satisfies.
With d features on a path there are 2^d such sets, so their contributions are computed once per leaf. The Shapley
weights are an integral of a polynomial of degree d - 1,

    (o_i - z_i) * value * integral over t in [0, 1] of the product over j != i of (t o_j + (1 - t) z_j),

where o_j is 1 if the row satisfies the path's conditions on feature j, and z_j the share of training rows that do,
condition by condition; Gauss-Legendre quadrature with d / 2 nodes gives it exactly (up to rounding). The values are
those of the path-dependent algorithm of Lundberg et al. (2020), which takes d^2 steps per row and leaf instead of d.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree._tree import Tree

MOST_FEATURES = 10  # on a path
BLOCK_ROWS = 8_192


class _Step(NamedTuple):
    """The way to a node: the place of its condition's feature on the path, and whether it is there first."""

    node: int
    is_left: bool
    place: int
    is_new: bool
    features: tuple[int, ...]
    shares: tuple[float, ...]


def forest_contributions(
    forest: RandomForestClassifier, rows: np.ndarray, threads: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """SHAP values of the probability of the second class.

    Parameters
    ----------
    forest : sklearn.ensemble.RandomForestClassifier
        Fitted on two classes.
    rows : numpy.ndarray of float32, shape (n_rows, n_columns)
    threads : int
        The result does not depend on it.

    Returns
    -------
    values : numpy.ndarray, shape (n_rows, n_columns)
    base : numpy.ndarray, shape (n_rows,)
        None in place of both where a path has more than ten features: the tables would be too large.
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    plans = [_plan(tree) for tree in trees]
    if any(len(step.features) > MOST_FEATURES for plan in plans for step in plan):
        return None
    columns = np.ascontiguousarray(rows.T)
    values = np.zeros((rows.shape[1], len(rows)))
    base = 0.0
    blocks = [slice(first, first + BLOCK_ROWS) for first in range(0, len(rows), BLOCK_ROWS)]
    with ThreadPoolExecutor(threads) as pool:
        for tree, plan in zip(trees, plans, strict=True):
            votes = tree.value[:, 0, 1] / tree.value[:, 0, :].sum(axis=1)
            base += votes[0] / len(trees)
            tables = {
                step.node: _table(np.array(step.shares), votes[step.node] / len(trees))
                for step in plan
                if tree.children_left[step.node] < 0
            }
            work = [pool.submit(_add, tree, plan, tables, columns[:, block], values[:, block]) for block in blocks]
            for one in work:
                one.result()
    return values.T, np.full(len(rows), base)


def _plan(tree: Tree) -> list[_Step]:
    """Nodes other than the root, parents before their children."""
    steps: list[_Step] = []
    waiting: list[tuple[int, tuple[int, ...], tuple[float, ...]]] = [(0, (), ())]
    weight = tree.weighted_n_node_samples
    while waiting:
        parent, features, shares = waiting.pop()
        if tree.children_left[parent] < 0:
            continue
        feature = int(tree.feature[parent])
        is_new = feature not in features
        place = len(features) if is_new else features.index(feature)
        for is_left, node in ((True, tree.children_left[parent]), (False, tree.children_right[parent])):
            share = float(weight[node] / weight[parent])
            if is_new:
                path, reached = (*features, feature), (*shares, share)
            else:
                path, reached = features, tuple(s * share if k == place else s for k, s in enumerate(shares))
            steps.append(_Step(int(node), is_left, place, is_new, path, reached))
            waiting.append((int(node), path, reached))
    return steps


@cache
def _subsets(features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every set of features, shape (2^d, d), and nodes and weights of the quadrature on [0, 1]."""
    bits = (np.arange(2**features)[:, None] >> np.arange(features)) & 1
    nodes, weights = np.polynomial.legendre.leggauss(max((features + 1) // 2, 1))
    return bits.astype(float), (nodes + 1) / 2, weights / 2


def _table(shares: np.ndarray, value: float) -> np.ndarray:
    """Contribution of a leaf to each feature of its path, by the set of those that a row satisfies, shape (d, 2^d)."""
    bits, nodes, weights = _subsets(len(shares))
    t = nodes[:, None, None]
    factors = t * bits + (1 - t) * shares
    integral = np.tensordot(weights, factors.prod(axis=2, keepdims=True) / factors, axes=1)
    return np.ascontiguousarray((value * (bits - shares) * integral).T)


def _add(tree: Tree, plan: list[_Step], tables: dict[int, np.ndarray], columns: np.ndarray, values: np.ndarray) -> None:
    """Add a tree's contributions for a block of rows to ``values``, shape (n_columns, n_rows)."""
    satisfied = {0: np.zeros(columns.shape[1], dtype=np.uint16)}
    goes_left: dict[int, np.ndarray] = {}
    parent_of = {int(child): node for node in range(tree.node_count) for child in _children(tree, node)}
    for step in plan:
        parent = parent_of[step.node]
        if parent not in goes_left:
            cells = columns[tree.feature[parent]]
            left = cells <= tree.threshold[parent]
            goes_left[parent] = left | np.isnan(cells) if tree.missing_go_to_left[parent] else left
        fits = goes_left[parent] if step.is_left else ~goes_left[parent]
        bit = np.uint16(1 << step.place)
        before = satisfied[parent]
        mask = before | fits * bit if step.is_new else np.where(fits, before, before & ~bit)
        if (table := tables.get(step.node)) is None:
            satisfied[step.node] = mask
            continue
        for place, feature in enumerate(step.features):
            values[feature] += table[place].take(mask)


def _children(tree: Tree, node: int) -> tuple[int, ...]:
    left, right = tree.children_left[node], tree.children_right[node]
    return () if left < 0 else (left, right)
