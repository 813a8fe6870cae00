"""Distances between customers in what matters to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from python_ml.model.pipelines import linear_preparation, output_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from python_ml.model.card import CardColumn


class Space:
    """Prepared features: gaps filled, signed logarithms, unit variance, one-hot categories; weighed by importance.

    Parameters
    ----------
    inputs : pandas.DataFrame, shape (n_rows, any)
        Rows that the preparation is fitted on; result of :func:`python_ml.input_columns.model_input`.
    columns : sequence of CardColumn
    importance : numpy.ndarray, shape (n_features,)
        Squared distances of a feature count in proportion to it.
    """

    def __init__(self, inputs: pd.DataFrame, columns: Sequence[CardColumn], importance: np.ndarray) -> None:
        self.names = [column.name for column in columns]
        self._prepare = linear_preparation([column.column for column in columns], len(inputs)).fit(inputs[self.names])
        self._source = output_sources(self._prepare)
        shared = np.bincount(self._source, minlength=len(columns))
        self._weight = np.sqrt((importance / max(importance.sum(), 1e-12) / np.maximum(shared, 1))[self._source])

    def place(self, inputs: pd.DataFrame) -> np.ndarray:
        """Coordinates of customers, shape (n_rows, n_outputs)."""
        return np.asarray(self._prepare.transform(inputs[self.names]), dtype=float) * self._weight

    def distance(self, places: np.ndarray, place: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """Distance of each row of ``places`` from one place, over all or some features, shape (n_rows,)."""
        used = slice(None) if features is None else np.isin(self._source, features)
        return np.sqrt(((places[:, used] - place[used]) ** 2).sum(axis=1))
