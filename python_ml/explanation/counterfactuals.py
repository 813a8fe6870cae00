"""Counterfactuals: what would have to be different for a customer to be in a lower risk band.

Windows of one source cannot be changed one by one: 3 orders in 7 days are at least 3 in 30, with an amount and a date
of the last. So a counterfactual takes over all features of a source together from a customer of the training set who
had them together (a *donor*), the nearest first. That keeps ranges, whole numbers, categories and correlations as they
were seen; what is tied to time or to the customer stays. What is left to check is what mixing two customers could
break: totals over all time do not fall, and a longer window has at least what a shorter one has.

They describe the model, not the effect of an intervention.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import scipy.special

from python_ml.durations import ALL_TIME, fixed_hours
from python_ml.input_columns import CATEGORY
from python_ml.model.calibration import probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from python_ml.explanation.space import Space
    from python_ml.model.card import CardColumn
    from python_ml.model.registry import Champion
    from python_ml.settings.explanation import Explain

DONORS = 150
ENOUGH = 0.7  # of the difference in log-odds
PAIRED_BLOCKS = 5
# What cannot become less as time goes on, where it looks at all time, nor be less over a longer window.
GROWING = ("count", "nunique", "active_days", "max", "longest_streak_days")
OF_THE_PAST = ("attribute", "first", "days_since_first")  # no later event changes these


@dataclass(frozen=True)
class Counterfactual:
    """One way for a customer to be at less risk.

    Attributes
    ----------
    sources : tuple of str
        What changes: sources of events, or single features.
    probability : float
        After the change.
    reached : bool
        Whether that is below the threshold.
    distance : float
        From the customer as they are, in :class:`python_ml.explanation.space.Space`.
    changes : tuple of (str, object, object)
        Feature, value before and value after, the one that matters most first.
    """

    sources: tuple[str, ...]
    probability: float
    reached: bool
    distance: float
    changes: tuple[tuple[str, object, object], ...]


def actionable(columns: Sequence[CardColumn], explain: Explain) -> np.ndarray:
    """Which features a counterfactual may change, shape (n_features,).

    None of the past and none of texts, unless ``explain`` says so.
    """

    def named(name: str, patterns: Sequence[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    return np.array(
        [
            named(c.name, explain.actionable)
            or not (c.fitted or c.aggregate in OF_THE_PAST or named(c.name, explain.immutable))
            for c in columns
        ],
        dtype=bool,
    )


def threshold_below(probability: float, bands: dict[str, float]) -> float | None:
    """The highest threshold of a band that a probability reaches; None in the lowest band."""
    reached = [threshold for threshold in bands.values() if threshold <= probability]
    return max(reached, default=None)


def counterfactuals(
    champion: Champion,
    customer: pd.DataFrame,
    donors: pd.DataFrame,
    pushes: tuple[np.ndarray, np.ndarray],
    space: Space,
    may_change: np.ndarray,
    below: float,
    most: int,
) -> list[Counterfactual]:
    """Search for the smallest changes that bring a customer's probability below a threshold.

    Parameters
    ----------
    champion : Champion
    customer : pandas.DataFrame, one row
        Result of :func:`python_ml.input_columns.model_input`.
    donors : pandas.DataFrame, shape (n_donors, n_features)
        Rows of the training set, in the same form.
    pushes : pair of numpy.ndarray, shapes (n_features,) and (n_donors, n_features)
        Contributions of the customer and of the donors.
    space : Space
    may_change : numpy.ndarray of bool, shape (n_features,)
    below : float
        The threshold.
    most : int
        Greatest number of results, each of which changes other sources.

    Returns
    -------
    list of Counterfactual
        Those of one source first, then those of two; where none gets below the threshold, the one that comes nearest.
        Empty where nothing that may change lowers the risk.
    """
    if not most or donors.empty:
        return []
    columns = champion.card.columns
    before = probabilities(champion.model, customer)[0]
    own, theirs = pushes
    needed = float(scipy.special.logit(before) - scipy.special.logit(below))
    here, there = space.place(customer)[0], space.place(donors)
    blocks = _blocks(columns, may_change)
    gain = {name: float((own[block] - theirs[:, block]).max(initial=0, axis=0).sum()) for name, block in blocks.items()}
    promising = [name for name in sorted(blocks, key=gain.__getitem__, reverse=True) if gain[name] > 0]
    reached: list[Counterfactual] = []
    nearest: Counterfactual | None = None
    for size in (1, 2, len(promising)):
        if len(reached) >= most or size > len(promising) or (size > 2 and reached):
            break
        among = promising if size != 2 else promising[:PAIRED_BLOCKS]
        for names in combinations(among, size):
            if any(set(one.sources) <= set(names) for one in reached):
                continue
            block = np.concatenate([blocks[name] for name in names])
            gained = own[block].sum() - theirs[:, block].sum(axis=1)
            # Nearest among those who would do (nearly: effects of features depend on each other), or who gain most.
            better = np.flatnonzero(gained > ENOUGH * needed)
            distance = space.distance(there[better], here, block)
            better = better[np.argsort(distance, kind="stable")[:DONORS]]
            if not len(better):
                better = np.argsort(-gained, kind="stable")[:DONORS]
                better = better[gained[better] > 0]
            mixed = _mixed(customer, donors.iloc[better], block, columns)
            fitting = consistent(mixed, customer, columns)
            if not fitting.any():
                continue
            mixed = mixed[fitting].reset_index(drop=True)
            after = probabilities(champion.model, mixed)
            away = space.distance(space.place(mixed), here)
            good = after < below
            best = int(np.where(good, away, np.inf).argmin() if good.any() else after.argmin())
            if after[best] >= before:
                continue
            lost = own[block] - theirs[better[fitting][best], block]
            ordered = block[np.argsort(-lost, kind="stable")]
            changes = changes_of(customer, mixed.iloc[[best]], columns, ordered)
            one = Counterfactual(names, float(after[best]), bool(good[best]), float(away[best]), changes)
            if one.reached:
                reached.append(one)
            elif nearest is None or one.probability < nearest.probability:
                nearest = one
    reached.sort(key=lambda one: (len(one.sources), one.distance))
    return reached[:most] or ([nearest] if nearest else [])


def _blocks(columns: Sequence[CardColumn], may_change: np.ndarray) -> dict[str, np.ndarray]:
    """Positions of the features that change together: those of a source of events, or a feature of its own."""
    blocks: dict[str, list[int]] = {}
    for position, column in enumerate(columns):
        if may_change[position]:
            together = column.source if column.source and column.window else column.name
            blocks.setdefault(together, []).append(position)
    return {name: np.asarray(block) for name, block in blocks.items()}


def _mixed(
    customer: pd.DataFrame, donors: pd.DataFrame, block: np.ndarray, columns: Sequence[CardColumn]
) -> pd.DataFrame:
    """The customer, once for each donor, with the donor's values in a block."""
    mixed = customer.loc[customer.index.repeat(len(donors))].reset_index(drop=True)
    for position in block:
        mixed[columns[position].name] = donors[columns[position].name].to_numpy()
    return mixed


def consistent(rows: pd.DataFrame, customer: pd.DataFrame, columns: Sequence[CardColumn]) -> np.ndarray:
    """Which rows could be the customer's, shape (n_rows,)."""
    fits = np.ones(len(rows), dtype=bool)
    nested: dict[tuple, list[tuple[float, str]]] = {}
    for column in columns:
        if column.kind == CATEGORY or column.aggregate not in GROWING:
            continue
        if column.window in (None, ALL_TIME):
            fits &= ~(rows[column.name].to_numpy() < customer[column.name].iloc[0])
        hours = float("inf") if column.window == ALL_TIME else fixed_hours(column.window or "")
        if hours is not None:
            nested.setdefault(column.family, []).append((hours, column.name))
    for windows in nested.values():
        for (_, shorter), (_, longer) in zip(sorted(windows)[:-1], sorted(windows)[1:], strict=True):
            broken = rows[shorter].to_numpy() > rows[longer].to_numpy()
            # What is broken in the data themselves cannot be asked of a counterfactual.
            if not customer[shorter].iloc[0] > customer[longer].iloc[0]:
                fits &= ~broken
    return fits


def changes_of(
    customer: pd.DataFrame, changed: pd.DataFrame, columns: Sequence[CardColumn], ordered: np.ndarray
) -> tuple[tuple[str, object, object], ...]:
    """What differs, in the order of the positions ``ordered``."""
    changes = []
    for position in ordered:
        name = columns[position].name
        old, new = customer[name].iloc[0], changed[name].iloc[0]
        if old != new and not (old != old and new != new):
            changes.append((name, old, new))
    return tuple(changes)
