"""Split draws into those that are fitted and those of the test, the latest ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from python_ml.settings import Uplift

LEAST_TESTED = 50  # draws of either arm


@dataclass(frozen=True)
class UpliftSplit:
    """Which draws are fitted and which are tested.

    Attributes
    ----------
    kind : str
        ``time``: the test has the latest draws, and what is fitted was known before. ``customers``: the test has a
        share of the customers, where all draws are of one time.
    fit, test : numpy.ndarray of bool, shape (n_draws,)
    test_from : pandas.Timestamp or None
    """

    kind: str
    fit: np.ndarray
    test: np.ndarray
    test_from: pd.Timestamp | None

    def describe(self) -> dict[str, Any]:
        """For ``reports/uplift.json``."""
        return {
            "kind": self.kind,
            "test_from": None if self.test_from is None else self.test_from.isoformat(),
            "draws": {
                "fitted": int(self.fit.sum()),
                "purged": int((~self.fit & ~self.test).sum()),
                "test": int(self.test.sum()),
            },
        }


def split_draws(
    drawn_at: np.ndarray, known_at: np.ndarray, customers: np.ndarray, treated: np.ndarray, settings: Uplift, seed: int
) -> UpliftSplit:
    """Hold out the latest draws or, where all are of one time, a share of the customers.

    Parameters
    ----------
    drawn_at, known_at : numpy.ndarray of datetime64, shape (n_draws,)
        When the draw was made, and when its outcome was known. A draw is fitted only if its outcome was known by the
        time of the first test draw.
    customers, treated : numpy.ndarray, shape (n_draws,)
    settings : python_ml.settings.Uplift
    seed : int
    """
    test_from = settings.test_from
    if test_from is None:
        position = round((1 - settings.test_share) * len(drawn_at))
        test_from = np.sort(drawn_at)[min(position, len(drawn_at) - 1)]
    test_from = pd.Timestamp(test_from)
    test, fit = drawn_at >= test_from.to_datetime64(), known_at <= test_from.to_datetime64()

    def enough(rows: np.ndarray) -> bool:
        return min(int(treated[rows].sum()), int(rows.sum() - treated[rows].sum())) >= LEAST_TESTED

    if settings.test_from is not None or (enough(test) and enough(fit)):
        return UpliftSplit("time", fit, test, test_from)
    keys, code = np.unique(customers, return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(keys))[code]
    test = place < settings.test_share * len(keys)
    return UpliftSplit("customers", ~test, test, None)
