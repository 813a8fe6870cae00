"""Origins of a backtest: the rows that were known at each, and those that it predicts.

Rolling origin, or forward chaining (Tashman 2000, "Out-of-sample tests of forecasting accuracy"), with the purge and
the embargo of López de Prado ("Advances in Financial Machine Learning", 2018, chapter 7): a row may be learnt from at
an origin when its label window is over by then, and has been for the embargo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.model.split import words_of
from python_ml.settings import Backtest

WANTED_ROWS = (20, 5, 1)  # of the rarer class, in what is learnt from and in what is predicted
FEWEST_ORIGINS = 5


class ShortHistoryError(UserError):
    """The history is too short for a backtest."""


@dataclass(frozen=True)
class Origin:
    """A time of the past.

    Attributes
    ----------
    time : pandas.Timestamp
        First of the predicted feature times.
    last : pandas.Timestamp
        Last of them; several stand together only where single ones have too few rows.
    known : numpy.ndarray of bool, shape (n_rows,)
        Rows that may be learnt from.
    predicted : numpy.ndarray of bool, shape (n_rows,)
    """

    time: pd.Timestamp
    last: pd.Timestamp
    known: np.ndarray
    predicted: np.ndarray


def rolling_origins(
    frame: pd.DataFrame, entity: str, settings: Backtest, embargo: pd.Timedelta, where: str = "retention.yml, backtest"
) -> list[Origin]:
    """Choose origins that are spread evenly over the times at which a backtest is possible, the newest included.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The entity, ``feature_timestamp``, ``label_timestamp`` and ``churned`` (0 or 1).
    entity : str
    settings : python_ml.settings.Backtest
        How many origins, or which.
    embargo : pandas.Timedelta
    where : str
        Where the settings stand, for messages.

    Returns
    -------
    list of Origin
        In the order of time; fewer than wanted where the history is short.

    Raises
    ------
    ShortHistoryError
        When no time has churned and retained customers both before it and at it.
    UserError
        When a given time is none of these.
    """
    times = frame["feature_timestamp"].to_numpy()
    known_from = frame["label_timestamp"].to_numpy() + embargo.to_timedelta64()
    churned = frame["churned"].to_numpy() == 1
    customers = frame[entity].to_numpy()
    possible: list[Origin] = []
    wanted = min(FEWEST_ORIGINS, settings.origins)
    for least in WANTED_ROWS:
        blocks = _blocks(times, churned, least)
        possible = [
            Origin(pd.Timestamp(first), pd.Timestamp(last), known, (times >= first) & (times <= last))
            for first, last in blocks
            # A label without a span of its own is known after its row, not at it.
            if _rarer(churned[known := (known_from <= first) & (times < first)]) >= least
            and _learnable(customers[known], churned[known])
        ]
        if len(possible) >= wanted:
            break
    if settings.times:
        chosen = {pd.Timestamp(time) for time in settings.times}
        found = [origin for origin in possible if origin.time in chosen]
        missing = sorted(chosen - {origin.time for origin in found})
        if missing:
            there = ", ".join(f"{origin.time:%Y-%m-%d}" for origin in possible) or "none"
            raise UserError(
                f"There can be no backtest at {missing[0]:%Y-%m-%d %H:%M}.",
                where=where,
                hint=f"choose feature times with known labels before them: {there}",
            )
        return found
    if not possible:
        spans = pd.Timedelta(frame["label_timestamp"].max() - frame["feature_timestamp"].max())
        raise ShortHistoryError(
            "The labelled history is too short for a backtest.",
            where=TRAINING_SET,
            hint="there must be churned and retained customers at a feature time, and others whose labels were known "
            f"by then: feature times at least {words_of(spans + embargo)} apart. Bring a longer history, or set "
            "`enabled: false` under `backtest` in retention.yml",
        )
    places = np.unique(np.linspace(len(possible) - 1, 0, min(settings.origins, len(possible))).round().astype(int))
    return [possible[place] for place in places]


def _blocks(times: np.ndarray, churned: np.ndarray, least: int) -> list[tuple[np.datetime64, np.datetime64]]:
    """First and last feature time of the smallest runs of feature times that have enough rows of each class."""
    moments, of = np.unique(times, return_inverse=True)
    counts = np.column_stack([np.bincount(of, weights=rows, minlength=len(moments)) for rows in (churned, ~churned)])
    blocks, start, reached = [], 0, np.zeros(2)
    for place, count in enumerate(counts):
        reached = reached + count
        if reached.min() >= least:
            blocks.append((moments[start], moments[place]))
            start, reached = place + 1, np.zeros(2)
    return blocks


def _rarer(churned: np.ndarray) -> int:
    return int(min(churned.sum(), (~churned).sum()))


def _learnable(customers: np.ndarray, churned: np.ndarray) -> bool:
    """Whether there are two customers of either outcome, as folds need."""
    return all(len(np.unique(customers[rows])) >= 2 for rows in (churned, ~churned))
