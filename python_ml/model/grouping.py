"""Dividing customers into groups by a column."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from python_ml.model.reasons import number_text

OTHERS = "(others)"


def group_labels(values: pd.Series, most: int, is_flag: bool = False) -> pd.Series:
    """Name the group of each row.

    Parameters
    ----------
    values : pandas.Series, shape (n_rows,)
    most : int
        Values that are groups of their own. Of more numbers, the groups are quarters of the rows; of more categories,
        the commonest, and one for all others.
    is_flag : bool
        Whether 0 and 1 are no and yes.

    Returns
    -------
    pandas.Series of string, shape (n_rows,)
        Null where there is no value; the index is 0 … n_rows - 1.
    """
    values = values.reset_index(drop=True)
    if is_flag or pd.api.types.is_bool_dtype(values):
        return values.astype("Float64").map({0.0: "no", 1.0: "yes"}).astype("string")
    if not pd.api.types.is_numeric_dtype(values):
        text = values.astype("string")
        if text.nunique() <= most:
            return text
        return text.where(text.isna() | text.isin(text.value_counts().index[: most - 1]), OTHERS)
    numbers = values.astype("Float64").to_numpy(float, na_value=np.nan)
    known = numbers[~np.isnan(numbers)]
    if len(np.unique(known)) <= most:
        return pd.Series(numbers).map(lambda one: number_text(one, grouped=False), na_action="ignore").astype("string")
    edges = np.unique(np.quantile(known, [0, 0.25, 0.5, 0.75, 1]))
    quarter = np.clip(np.searchsorted(edges, numbers, side="left") - 1, 0, len(edges) - 2)
    names = [
        f"{number_text(low)} to {number_text(high)}"
        if place == 0
        else f"above {number_text(low)} to {number_text(high)}"
        for place, (low, high) in enumerate(pairwise(edges))
    ]
    return pd.Series(np.asarray(names, dtype=object)[quarter]).mask(np.isnan(numbers)).astype("string")
