"""The rows of an experiment, as the learners and the figures take them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Experiment:
    """Draws of an experiment whose outcome is known.

    Attributes
    ----------
    inputs : pandas.DataFrame, shape (n_draws, n_columns)
        Features that were known before the draw, as :func:`python_ml.input_columns.model_input` makes them.
    treated : numpy.ndarray of int, shape (n_draws,)
        1 for the treated arm, 0 for the control: as drawn, whatever happened afterwards.
    retained : numpy.ndarray of float, shape (n_draws,)
        1 for customers who did not churn in the outcome window, else 0.
    customers : numpy.ndarray, shape (n_draws,)
        Key of the customer of each draw; draws of one customer are not independent.
    probability : numpy.ndarray of float, shape (n_draws,)
        With which the draw could give the treated arm, between 0 and 1.
    """

    inputs: pd.DataFrame
    treated: np.ndarray
    retained: np.ndarray
    customers: np.ndarray
    probability: np.ndarray

    def __len__(self) -> int:
        return len(self.treated)

    def take(self, rows: np.ndarray) -> Experiment:
        """Some of the draws; ``rows`` are positions or a mask."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Experiment(
            self.inputs.iloc[rows].reset_index(drop=True),
            self.treated[rows],
            self.retained[rows],
            self.customers[rows],
            self.probability[rows],
        )

    def with_columns(self, names: list[str]) -> Experiment:
        """The same draws with some of the columns."""
        return replace(self, inputs=self.inputs[names])


def design_probability(treated: np.ndarray, stated: np.ndarray | float | None) -> np.ndarray:
    """The probability of the treated arm per draw: as stated, else the share of treated draws.

    Returns
    -------
    numpy.ndarray of float, shape (n_draws,)
    """
    if stated is None:
        stated = float(treated.mean()) if len(treated) else 0.5
    return np.broadcast_to(np.asarray(stated, dtype=float), treated.shape).copy()
