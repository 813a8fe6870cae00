"""Scores of a few rows by one champion, named as in the gold tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from python_ml.input_columns import typed_cells
from python_ml.model.array_model import ArrayModel
from python_ml.model.reason_choice import ReasonChoice
from python_ml.model.score import reason_texts, risk_band

if TYPE_CHECKING:
    import numpy as np

    from python_ml.model.registry import Champion


class Scorer:
    """A champion, ready to score a few rows at a time.

    Parameters
    ----------
    champion : Champion
    top : int
        Greatest number of reasons per customer.
    """

    def __init__(self, champion: Champion, top: int) -> None:
        self.champion, self._top = champion, top
        self.model = ArrayModel(champion.model, champion.card)
        self._choice = ReasonChoice(champion.card.columns)
        # A typical customer, so that a champion that cannot score is found out now, and the first request is no slower.
        self.scores({column.name: typed_cells([column.typical], column.kind) for column in champion.card.columns})

    def scores(self, cells: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Score rows.

        Parameters
        ----------
        cells : mapping of name to numpy.ndarray, shape (n_rows,)
            The champion's inputs, at least one row; see :func:`python_ml.input_columns.typed_cells`.

        Returns
        -------
        list of dict, n_rows
            Probability, band, model and reasons, named as in the gold tables.
        """
        card = self.champion.card
        probability, values = self.model.explained(cells)
        bands = risk_band(probability, card.risk_bands).tolist()
        chosen, texts = reason_texts(self._choice, card.columns, values, cells, self._top)
        reasons: list[list[dict[str, Any]]] = [[] for _ in bands]
        for row, rank, push, one in zip(
            chosen.rows.tolist(), chosen.ranks.tolist(), chosen.pushes.tolist(), texts, strict=True
        ):
            reasons[row].append(
                {
                    "reason_rank": rank,
                    "feature": one.feature,
                    "feature_value": one.value,
                    "contribution": push,
                    "reason": one.sentence,
                }
            )
        return [
            {
                "churn_probability": one,
                "risk_band": band,
                "reasons": because,
                "model_name": card.model,
                "model_version": self.champion.version,
            }
            for one, band, because in zip(probability.tolist(), bands, reasons, strict=True)
        ]
