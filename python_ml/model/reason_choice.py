"""Which contributions are reasons: features that state the same fact are one reason, and typical values are none.

- The windows of one measurement (orders in 7, 30 and 90 days) are one reason: they overlap, so only their sum
  has a meaning of its own. So are columns that ranked customers nearly alike in training
  (:mod:`python_ml.model.near_duplicates`), and whatever says that a customer had no event of a source in a window: a
  count of 0, a total of 0, no average, and the time since the last one; or that there was an event of which most
  customers have none: its count, its amount, and the time since then.
- A value that most customers have, or that lies in the middle fifth of their values, is no reason, however much it
  moves the score: it does not tell this customer from others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from python_ml.input_columns import CATEGORY, NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from python_ml.model.card import CardColumn

# A smaller push than this, in log-odds, is not a reason: it moves a probability of 50 % by half a point.
LEAST_CONTRIBUTION = 0.02
RECENCY = ("days_since_last", "recency_per_mean_gap", "recency_per_longest_gap", "recency_per_tenure", "recency_zscore")


class Chosen(NamedTuple):
    """Reasons, sorted by row, then rank.

    Attributes
    ----------
    rows, ranks, features : numpy.ndarray of int, shape (n_reasons,)
        Position of the customer, rank from 1, and position of the feature that stands for the reason.
    pushes : numpy.ndarray, shape (n_reasons,)
        Sum of the contributions that the reason stands for.
    without_events : numpy.ndarray of bool, shape (n_reasons,)
        Whether the customer had no event of the feature's source in its window.
    """

    rows: np.ndarray
    ranks: np.ndarray
    features: np.ndarray
    pushes: np.ndarray
    without_events: np.ndarray


def choose_reasons(values: np.ndarray, inputs: pd.DataFrame, columns: Sequence[CardColumn], top: int) -> Chosen:
    """Pick up to ``top`` reasons per row: those that raise the risk, or where none does, the strongest.

    Parameters
    ----------
    values : numpy.ndarray, shape (n_rows, n_features)
        Contributions.
    inputs : pandas.DataFrame, shape (n_rows, any)
        The values behind them; result of :func:`python_ml.input_columns.model_input`.
    columns : sequence of CardColumn
        The features, in the order of ``values``.
    top : int

    Returns
    -------
    Chosen
        At least one reason per row. Where nothing tells a customer from others, it is the strongest contribution all
        the same.
    """
    telling = np.column_stack([discriminates(column, inputs[column.name].to_numpy()) for column in columns])
    groups, claimed = groups_of_rows(inputs, columns)
    sums = np.zeros((len(values), len(groups)))
    leaders = np.zeros((len(values), len(groups)), dtype=int)
    for place, (members, part_of) in enumerate(groups):
        own = np.where(part_of[:, members], values[:, members], 0.0)
        sums[:, place] = own.sum(axis=1)
        along = np.where(telling[:, members], own * np.sign(sums[:, [place]]), 0.0)
        leaders[:, place] = np.where(along.max(axis=1) > 0, members[along.argmax(axis=1)], -1)
    valid = leaders >= 0
    none_raises = np.where(valid, sums, -np.inf).max(axis=1, keepdims=True) < LEAST_CONTRIBUTION
    strength = np.where(valid, np.where(none_raises, np.abs(sums), sums), -np.inf)
    order = np.argsort(-strength, axis=1, kind="stable")[:, :top]
    pushes, features = (np.take_along_axis(part, order, axis=1) for part in (sums, leaders))
    listed = (features >= 0) & (none_raises | (pushes >= LEAST_CONTRIBUTION))
    usual = ~listed.any(axis=1)
    features[usual, 0] = np.abs(values[usual]).argmax(axis=1)
    pushes[usual, 0] = values[usual, features[usual, 0]]
    listed[usual, 0] = True
    rows, places = np.nonzero(listed)
    chosen = features[rows, places]
    return Chosen(rows, places + 1, chosen, pushes[rows, places], claimed[rows, chosen])


def groups_of_rows(
    inputs: pd.DataFrame, columns: Sequence[CardColumn]
) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Which features are one reason for which customers.

    Returns
    -------
    groups : list of (members, part_of)
        Positions of features, and of which rows a feature belongs to the group, shape (n_rows, n_features). Each
        feature belongs to one group of each row.
    without_events : numpy.ndarray of bool, shape (n_rows, n_features)
        See :class:`Chosen`.
    """
    joined, claimed = _facts_of_sources(inputs, columns)
    alike, sources = reason_groups(columns), _by_source(columns)
    # Fewer orders in 90 days follow from none in 30: what is one reason with a fact of a source belongs to it.
    of_events = np.isin(np.arange(len(columns)), [position for members in sources.values() for position in members])
    for members in alike:
        joined[:, members] |= joined[:, members].any(axis=1, keepdims=True) & of_events[members]
    groups = [(members, ~joined) for members in alike] + [(members, joined) for members in sources.values()]
    return groups, claimed


def discriminates(column: CardColumn, cells: np.ndarray) -> np.ndarray:
    """Whether each value is unusual among customers.

    Parameters
    ----------
    column : CardColumn
        With what is usual among the training rows.
    cells : numpy.ndarray, shape (n_rows,)

    Returns
    -------
    numpy.ndarray of bool, shape (n_rows,)
    """
    missing = np.array([cell is None or cell != cell for cell in cells]) if column.kind == CATEGORY else np.isnan(cells)
    missing_is_rare = column.missing_share < 0.5
    if column.typical is None:
        return ~missing
    if column.kind == NUMBER:
        low, high = column.middle or (float(column.typical), float(column.typical))
        present = np.full(len(cells), True) if not missing_is_rare else (cells < low) | (cells > high)
    else:
        present = (cells != column.typical) | (column.typical_share * (1 - column.missing_share) <= 0.5)
    return np.where(missing, missing_is_rare, present).astype(bool)


def reason_groups(columns: Sequence[CardColumn]) -> list[np.ndarray]:
    """Positions of the features that are one reason: one measurement over several windows, or near-duplicates."""
    leader = list(range(len(columns)))

    def top_of(position: int) -> int:
        while leader[position] != position:
            position = leader[position]
        return position

    first: dict[object, int] = {}
    for position, column in enumerate(columns):
        for shared in (column.family, *([("alike", column.alike)] if column.alike else [])):
            other = top_of(first.setdefault(shared, position))
            leader[max(other, top_of(position))] = min(other, top_of(position))
    members: dict[int, list[int]] = {}
    for position in range(len(columns)):
        members.setdefault(top_of(position), []).append(position)
    return [np.asarray(group) for group in members.values()]


def _by_source(columns: Sequence[CardColumn]) -> dict[str, np.ndarray]:
    """Positions of the features of each source of events."""
    sources: dict[str, list[int]] = {}
    for position, column in enumerate(columns):
        if column.source and column.window:
            sources.setdefault(column.source, []).append(position)
    return {source: np.asarray(members) for source, members in sources.items()}


def _facts_of_sources(inputs: pd.DataFrame, columns: Sequence[CardColumn]) -> tuple[np.ndarray, np.ndarray]:
    """Where features follow from one fact: that there was no event in a window, or that there was a rare one.

    Returns
    -------
    joined : numpy.ndarray of bool, shape (n_rows, n_features)
        All features of the source and window are 0 or missing, or the customer had an event of which most have none in
        that window; or it is recency, and that holds for some window.
    without_events : numpy.ndarray of bool, shape (n_rows, n_features)
        As the first of these, in windows of which a count says so: a total of 0 does not show that there was no event.
    """
    joined = np.zeros((len(inputs), len(columns)), dtype=bool)
    claimed = np.zeros_like(joined)
    for members in _by_source(columns).values():
        windows: dict[str, list[int]] = {}
        for position in members:
            if columns[position].aggregate not in RECENCY and "/" not in (columns[position].window or ""):
                windows.setdefault(columns[position].window or "", []).append(position)
        for inside in windows.values():
            empty = np.column_stack([_empty(inputs[columns[position].name]) for position in inside]).all(axis=1)
            joined[np.ix_(empty, inside)] = True
            counts = [position for position in inside if _counts_events(columns[position])]
            claimed[np.ix_(empty, inside)] = bool(counts)
            if any(columns[position].typical == 0 for position in counts):
                joined[np.ix_(~empty, inside)] = True
        recency = [position for position in members if columns[position].aggregate in RECENCY]
        if recency:
            joined[np.ix_(joined[:, members].any(axis=1), recency)] = True
    return joined, claimed


def _empty(cells: pd.Series) -> np.ndarray:
    return (cells.isna() | (cells == 0)).to_numpy()


def _counts_events(column: CardColumn) -> bool:
    return column.aggregate == "active_days" or (column.aggregate == "count" and not column.measure)
