"""Columns that rank customers alike in training; their shares of the contribution are arbitrary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from python_ml.input_columns import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from python_ml.input_columns import InputColumn

LEAST_CORRELATION = 0.9
ROWS = 5_000


def near_duplicates(inputs: pd.DataFrame, columns: Sequence[InputColumn]) -> dict[str, str]:
    """Group the numbers and flags that rank customers nearly alike.

    Every two columns of a group have a rank correlation (Spearman) of at least 0.9 or at most -0.9; missing values rank
    below all others. Groups are those of complete linkage, so that no chain joins columns that differ.

    Parameters
    ----------
    inputs : pandas.DataFrame, shape (n_rows, any)
        Result of :func:`python_ml.input_columns.model_input`: the rows that the model is fitted on, of which at most
        5,000 at equal distances are compared.
    columns : sequence of InputColumn

    Returns
    -------
    dict of str to str
        The first column of its group for each column that has company.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from scipy.stats import rankdata

    rows = inputs.iloc[np.unique(np.linspace(0, len(inputs) - 1, min(ROWS, len(inputs))).astype(int))]
    cells = {c.name: rows[c.name].to_numpy(float) for c in columns if c.kind != CATEGORY}
    names = [name for name, values in cells.items() if len(np.unique(values)) > 1]
    if len(names) < 2:
        return {}
    ranks = np.column_stack([rankdata(np.nan_to_num(cells[name], nan=-np.inf)) for name in names])
    distance = np.clip(1 - np.abs(np.corrcoef(ranks, rowvar=False)), 0, 1)
    pairs = squareform(distance, checks=False)
    group = fcluster(linkage(pairs, "complete"), 1 - LEAST_CORRELATION, criterion="distance")
    members: dict[int, list[str]] = {}
    for name, number in zip(names, group.tolist(), strict=True):
        members.setdefault(number, []).append(name)
    return {name: alike[0] for alike in members.values() if len(alike) > 1 for name in alike}
