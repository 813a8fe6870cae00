"""A random forest of scikit-learn as a booster of LightGBM, whose TreeSHAP is in C++ and runs on several threads.

Both hold binary trees with thresholds, a side for missing values and the number of training rows of each node, so the
booster predicts what the forest does, and its path-dependent SHAP values are those of the forest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightgbm import Booster
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree._tree import Tree

MISSING_HAS_A_SIDE, MISSING_GOES_LEFT = 8, 2  # bits of LightGBM's decision_type
LARGEST = 1e300  # beyond every float32
MOST_ROWS = 2**30  # LightGBM counts in 32 bits


def as_booster(forest: RandomForestClassifier) -> Booster:
    """Rewrite a forest of two classes.

    Parameters
    ----------
    forest : sklearn.ensemble.RandomForestClassifier
        Fitted.

    Returns
    -------
    lightgbm.Booster
        Predicts the probability of the second class, for inputs that were rounded to float32 as the forest rounds them.
    """
    from lightgbm import Booster

    names = " ".join(f"f{column}" for column in range(forest.n_features_in_))
    header = [
        "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0",
        f"max_feature_idx={forest.n_features_in_ - 1}", "objective=regression", f"feature_names={names}",
        f"feature_infos={' '.join(['none'] * forest.n_features_in_)}", "",
    ]  # fmt: skip
    share = 1 / len(forest.estimators_)
    trees = [_tree(number, estimator.tree_, share) for number, estimator in enumerate(forest.estimators_)]
    return Booster(model_str="\n".join([*header, *trees, "end of trees", "", "parameters:", "end of parameters", ""]))


def _tree(number: int, tree: Tree, share: float) -> str:
    is_leaf = tree.children_left < 0
    place = np.where(is_leaf, np.cumsum(is_leaf) - 1, np.cumsum(~is_leaf) - 1)
    reference = np.where(is_leaf, ~place, place)
    inner = np.flatnonzero(~is_leaf)
    sides = np.where(tree.missing_go_to_left[inner], MISSING_GOES_LEFT, 0) + MISSING_HAS_A_SIDE
    rows = _whole_rows(tree)
    votes = tree.value[:, 0, 1] / tree.value[:, 0, :].sum(axis=1)
    lines = {
        "num_leaves": [int(is_leaf.sum())],
        "num_cat": [0],
        "split_feature": tree.feature[inner],
        "split_gain": np.zeros(len(inner), dtype=int),
        # A split between missing values and all others has the threshold infinity, which LightGBM cannot read.
        "threshold": map(repr, np.clip(tree.threshold[inner], -LARGEST, LARGEST).tolist()),
        "decision_type": sides,
        "left_child": reference[tree.children_left[inner]],
        "right_child": reference[tree.children_right[inner]],
        "leaf_value": map(repr, (share * votes[is_leaf]).tolist()),
        "leaf_weight": rows[is_leaf],
        "leaf_count": rows[is_leaf],
        "internal_value": map(repr, (share * votes[inner]).tolist()),
        "internal_weight": rows[inner],
        "internal_count": rows[inner],
        "is_linear": [0],
        "shrinkage": [1],
    }
    return "\n".join([f"Tree={number}", *(f"{name}={_joined(values)}" for name, values in lines.items()), "", ""])


def _joined(values: Iterable[object]) -> str:
    return " ".join(map(str, values))


def _whole_rows(tree: Tree) -> np.ndarray:
    """Training rows of each node as whole numbers, those of a parent the sum of its children's.

    Bootstrapped rows are whole already; weighted ones are scaled, which changes shares by less than a billionth.
    """
    weight = tree.weighted_n_node_samples
    whole = np.array_equal(weight, np.round(weight)) and weight[0] <= MOST_ROWS
    rows = np.maximum(np.round(weight if whole else weight * (MOST_ROWS / weight[0])), 1).astype(np.int64)
    for node in range(tree.node_count - 1, -1, -1):  # children come after their parent
        if tree.children_left[node] >= 0:
            rows[node] = rows[tree.children_left[node]] + rows[tree.children_right[node]]
    return rows
