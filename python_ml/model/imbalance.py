"""Weights of classes and resampling of rows, both off by default; calibration corrects their effect on probabilities.

Both make a model speak of a population with more churn than there is. They do not help a ranking as a rule, and cost
calibration (van den Goorbergh et al. 2022, "The harm of class imbalance corrections for risk prediction models"). Only
rows that a model is fitted on are weighted or resampled, never those that it predicts, so the sigmoid that follows
every model brings the probabilities back; ``metrics.json`` shows the calibration error before and after.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

NONE, BALANCED, OVER, UNDER = "none", "balanced", "over", "under"


class Balance(NamedTuple):
    """``class_weight`` and ``resampling`` of :class:`python_ml.settings.Training`."""

    class_weight: str = NONE
    resampling: str = NONE

    @property
    def changes(self) -> bool:
        """Whether models are fitted to another share of churn than that of the rows."""
        return (self.class_weight, self.resampling) != (NONE, NONE)

    def parameters(self, name: str, churned: np.ndarray) -> dict[str, Any]:
        """Parameters of an estimator that give both classes the same weight in all; none unless wanted.

        Parameters
        ----------
        name : str
            Kind of model.
        churned : numpy.ndarray of int, shape (n_rows,)
            Of the rows to fit.
        """
        if self.class_weight == NONE:
            return {}
        if name == "xgboost":
            return {"scale_pos_weight": float((churned == 0).sum() / max((churned == 1).sum(), 1))}
        return {"class_weight": BALANCED}

    def rows(self, rows: np.ndarray, churned: np.ndarray, seed: int) -> np.ndarray:
        """Row positions with as many churned as retained ones, in ascending order; as they are unless wanted.

        Parameters
        ----------
        rows : numpy.ndarray of int
            Positions of the rows to fit.
        churned : numpy.ndarray of int, shape (n_rows,)
            Of all rows.
        seed : int

        Returns
        -------
        numpy.ndarray of int
            ``over`` repeats rows of the rarer class, ``under`` leaves out rows of the other.
        """
        if self.resampling == NONE:
            return rows
        rng = np.random.default_rng(seed)
        rare, common = sorted((rows[churned[rows] == outcome] for outcome in (1, 0)), key=len)
        if self.resampling == UNDER:
            return np.sort(np.concatenate([rare, rng.choice(common, len(rare), replace=False)]))
        more = rng.choice(rare, len(common) - len(rare), replace=True)
        return np.sort(np.concatenate([rare, more, common]))
