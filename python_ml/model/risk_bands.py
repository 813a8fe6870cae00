"""Where high and medium risk begin: by probability against base rate and costs, or by rank."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.customer_value import (
    break_even_probability,
    expected_life,
    period_days,
    revenue_column,
    terms_of,
    typical_value,
)
from python_ml.durations import days

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from python_ml.settings import Decisions, RiskBands

BANDS = ("high", "medium", "low")
# High risk is at least this many times the base rate; medium risk is more than the base rate. Where many churn, half
# and a quarter are enough, so that no one with such a probability is called a lower risk.
HIGH_FACTOR = 2.0
HIGH_AT_MOST, MEDIUM_AT_MOST = 0.5, 0.25


@dataclass(frozen=True)
class BandThresholds:
    """Least probability of each band, and what it was derived from.

    Attributes
    ----------
    kind : str
        ``absolute`` or ``rank``.
    high, medium : float
        Least probability.
    base_rate : float
        Share of churned rows among those that the champion was fitted on.
    break_even : float
        Probability from which an offer to a typical customer pays.
    """

    kind: str
    high: float
    medium: float
    base_rate: float
    break_even: float

    @property
    def least(self) -> dict[str, float]:
        """The thresholds alone."""
        return {"high": self.high, "medium": self.medium}

    def to_dict(self) -> dict[str, float | str]:
        """As in ``metrics.json``."""
        return asdict(self)


def band_thresholds(bands: RiskBands, probability: np.ndarray, base_rate: float, break_even: float) -> BandThresholds:
    """Say from which probability on risk is high or medium.

    Absolute bands begin at the base rate (medium, at most 25 %), and at twice the base rate or the break-even
    probability, whichever is more (high, at most 50 %), unless the settings name probabilities.

    Parameters
    ----------
    bands : RiskBands
    probability : numpy.ndarray, shape (n,)
        Of rows that the model has not seen; bands by rank are shares of them.
    base_rate, break_even : float
    """
    if bands.is_rank:
        high, medium = np.quantile(probability, [1 - bands.high, 1 - bands.high - bands.medium])
    else:
        high = bands.high if bands.high is not None else min(max(HIGH_FACTOR * base_rate, break_even), HIGH_AT_MOST)
        medium = bands.medium if bands.medium is not None else min(base_rate, MEDIUM_AT_MOST)
        if bands.high is None:
            high = max(high, medium)
        medium = min(medium, high)
    return BandThresholds(bands.kind, float(high), float(medium), base_rate, break_even)


def typical_break_even(rows: pd.DataFrame, decisions: Decisions, base_rate: float, horizon: str | None) -> float:
    """The break-even probability of a customer with the median margin and the base rate's expected life.

    Parameters
    ----------
    rows : pandas.DataFrame
        Those that the champion is fitted on, with all columns of the training set.
    decisions : Decisions
    base_rate : float
    horizon : str or None
        Length of the label window.
    """
    settings = decisions.value
    revenue, covered = revenue_column(rows.select_dtypes("number").columns, settings)
    worth: ArrayLike = []
    if settings.column in rows:
        worth = rows[settings.column].to_numpy(dtype=float, na_value=np.nan)
    elif revenue in rows:
        life = expected_life(base_rate, period_days(horizon), days(settings.longest_life))
        worth = rows[revenue].to_numpy(dtype=float, na_value=np.nan) / covered * settings.margin_rate * life
    typical = typical_value(worth, settings.placeholder)
    return break_even_probability(typical, terms_of(decisions, typical))
