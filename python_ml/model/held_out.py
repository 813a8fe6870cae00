"""Scores of rows that a model was not fitted on, kept with it, so that a later model can be compared on the same rows.

Customers and times are kept as hashes: they can be recognised, not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray


def held_out_scores(predictions: pd.DataFrame, model: str, entity: str) -> pd.DataFrame:
    """The test scores of a model.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``model``, ``split``, the entity, ``feature_timestamp``, ``probability``.
    model : str
    entity : str

    Returns
    -------
    pandas.DataFrame
        ``customer`` and ``row`` (hashes, uint64), ``probability``.
    """
    rows = predictions[(predictions["split"] == "test") & (predictions["model"] == model)]
    customer, row = hashes(rows, entity)
    return pd.DataFrame({"customer": customer, "row": row, "probability": rows["probability"].to_numpy(float)})


def hashes(frame: pd.DataFrame, entity: str) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Hashes of each row's customer, and of customer and feature time together, shape (n_rows,)."""
    customer = pd.util.hash_array(frame[entity].astype(str).to_numpy(object))
    times = pd.to_datetime(frame["feature_timestamp"]).to_numpy().astype("datetime64[us]").astype(np.int64)
    return customer, pd.util.hash_array(customer ^ pd.util.hash_array(times))
