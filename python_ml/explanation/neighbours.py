"""Labelled rows whose outcome was known by a time: where similar customers and donors of counterfactuals come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.dbt import SCORING_SET, TRAINING_SET
from python_ml.explanation.counterfactuals import Counterfactual, actionable, counterfactuals, threshold_below
from python_ml.explanation.space import Space
from python_ml.input_columns import model_input
from python_ml.model.explain import contributions
from python_ml.model.score import score

if TYPE_CHECKING:
    from collections.abc import Iterator

    from python_ml.model.registry import Champion
    from python_ml.settings import Settings

MOST_DONORS = 4_000
MOST_NEIGHBOURS = 50_000
SIMILAR = ("key", "feature_timestamp", "churned", "probability", "distance")


class Neighbours:
    """Labelled rows, prepared once, with which any number of customers are compared.

    Parameters
    ----------
    champion : Champion
    training_set : pandas.DataFrame
        Labelled rows. Used are those whose label was known by ``now``, and for a customer those of others.
    entity : str
        Key column.
    now : pandas.Timestamp
        Feature time of the customers who are compared.
    settings : Settings
    """

    def __init__(
        self, champion: Champion, training_set: pd.DataFrame, entity: str, now: pd.Timestamp, settings: Settings
    ) -> None:
        self._champion, self._entity, self._settings = champion, entity, settings
        card, seed = champion.card, settings.training.seed
        known = training_set[training_set["label_timestamp"] <= now]
        self._rows = _sampled(known, MOST_NEIGHBOURS, seed)
        if self._rows.empty:
            return
        inputs = model_input(self._rows, card.inputs, where=TRAINING_SET)
        donors = np.flatnonzero(self._rows.index.isin(_sampled(self._rows, MOST_DONORS, seed).index))
        self._donor_keys = self._rows[entity].to_numpy()[donors]
        self._donors = inputs.iloc[donors].reset_index(drop=True)
        self._pushes, _ = contributions(champion.model, self._donors, card.background)
        self._space = Space(inputs, card.columns, np.abs(self._pushes).mean(axis=0))
        self._places = self._space.place(inputs)

    def similar(self, key: Any, inputs: pd.DataFrame) -> pd.DataFrame:
        """The nearest rows of other customers, one per customer.

        Parameters
        ----------
        key : object
            Of the customer.
        inputs : pandas.DataFrame, one row
            Result of :func:`python_ml.input_columns.model_input`.

        Returns
        -------
        pandas.DataFrame
            Columns :data:`SIMILAR`.
        """
        others = np.flatnonzero(self._rows[self._entity] != key)
        if not len(others):
            return pd.DataFrame(columns=list(SIMILAR))
        distance = self._space.distance(self._places[others], self._space.place(inputs)[0])
        rows = self._rows.iloc[others]
        nearest = _nearest(rows, distance, self._entity, self._settings.explain.similar)
        chosen = rows.iloc[nearest]
        return pd.DataFrame(
            {
                "key": chosen[self._entity].to_numpy(),
                "feature_timestamp": chosen["feature_timestamp"].to_numpy(),
                "churned": chosen["churned"].to_numpy(),
                "probability": score(chosen, self._champion, self._entity)["churn_probability"].to_numpy(float),
                "distance": distance[nearest],
            }
        )

    def counterfactuals(
        self, key: Any, inputs: pd.DataFrame, pushes: np.ndarray, below: float, *, with_dice: bool = False
    ) -> list[Counterfactual]:
        """Ways for a customer to come below a threshold.

        Parameters
        ----------
        key : object
        inputs : pandas.DataFrame, one row
        pushes : numpy.ndarray, shape (n_features,)
            Contributions of the customer.
        below : float
            The threshold.
        with_dice : bool
            Whether to add those of the library dice-ml.

        Returns
        -------
        list of Counterfactual
        """
        if self._rows.empty or not (others := self._donor_keys != key).any():
            return []
        explain = self._settings.explain
        donors = self._donors[others].reset_index(drop=True)
        may_change = actionable(self._champion.card.columns, explain)
        ways = counterfactuals(
            self._champion, inputs, donors, (pushes, self._pushes[others]), self._space, may_change, below,
            explain.counterfactuals,
        )  # fmt: skip
        if with_dice:
            from python_ml.explanation.dice import dice_counterfactuals

            seed = self._settings.training.seed
            ways += dice_counterfactuals(
                self._champion, inputs, donors, self._space, may_change, below, explain.counterfactuals, seed
            )
        return ways


def counterfactuals_of(
    champion: Champion, customers: pd.DataFrame, training_set: pd.DataFrame, entity: str, settings: Settings
) -> Iterator[tuple[Any, list[Counterfactual] | None]]:
    """Counterfactuals of several customers of one feature time, one after the other, as ``explain_customer`` has them.

    Parameters
    ----------
    champion : Champion
    customers : pandas.DataFrame
        Features, one row per customer.
    training_set : pandas.DataFrame
    entity : str
        Key column.
    settings : Settings

    Yields
    ------
    tuple of object and (list of Counterfactual or None)
        Key and counterfactuals; None for a customer in the lowest risk band.
    """
    if customers.empty:
        return
    card, customers = champion.card, customers.reset_index(drop=True)
    neighbours = Neighbours(champion, training_set, entity, customers["feature_timestamp"].max(), settings)
    inputs = model_input(customers, card.inputs, where=SCORING_SET)
    pushes, _ = contributions(champion.model, inputs, card.background)
    probability = score(customers, champion, entity)["churn_probability"].to_numpy(float)
    for row, key in enumerate(customers[entity]):
        below = threshold_below(probability[row], card.risk_bands)
        own = inputs.iloc[[row]].reset_index(drop=True)
        yield key, None if below is None else neighbours.counterfactuals(key, own, pushes[row], below)


def _nearest(known: pd.DataFrame, distance: np.ndarray, entity: str, most: int) -> np.ndarray:
    """Positions of the nearest row of each of the nearest customers."""
    order = np.lexsort((known[entity].astype(str), known["feature_timestamp"], distance))
    first = ~known[entity].iloc[order].duplicated().to_numpy()
    return order[first][:most]


def _sampled(frame: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    return frame if len(frame) <= most else frame.sample(most, random_state=seed).sort_index()
