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
    from collections.abc import Mapping, Sequence

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


def choose_reasons(
    values: np.ndarray, inputs: pd.DataFrame | Mapping[str, np.ndarray], columns: Sequence[CardColumn], top: int
) -> Chosen:
    """Pick up to ``top`` reasons per row; see :meth:`ReasonChoice.choose`."""
    return ReasonChoice(columns).choose(values, inputs, top)


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
    choice = ReasonChoice(columns)
    joined, claimed = choice.facts(_cells(inputs, columns))
    groups = [(members, ~joined) for members in choice.alike] + [(members, joined) for members in choice.sources]
    return groups, claimed


class ReasonChoice:
    """The choice of reasons among the contributions of some features.

    What depends on the features alone is prepared once, and all groups of features are treated at once: one row is
    then chosen for in a fraction of a millisecond.

    Parameters
    ----------
    columns : sequence of CardColumn

    Attributes
    ----------
    alike : list of numpy.ndarray
        See :func:`reason_groups`.
    sources : list of numpy.ndarray
        Positions of the features of each source of events.
    """

    def __init__(self, columns: Sequence[CardColumn]) -> None:
        self._columns = list(columns)
        self.alike = reason_groups(columns)
        by_source = _by_source(columns)
        self.sources = list(by_source.values())
        self._alike, self._groups = _Parts(self.alike), _Parts([*self.alike, *self.sources])
        self._from_sources = np.arange(len(self._groups.positions)) >= len(columns)
        self._of_events = np.zeros(len(columns), dtype=bool)
        self._of_events[[position for members in self.sources for position in members]] = True
        windows, self._recency = [], []
        for members in self.sources:
            inside: dict[str, list[int]] = {}
            for position in members:
                if columns[position].aggregate not in RECENCY and "/" not in (columns[position].window or ""):
                    inside.setdefault(columns[position].window or "", []).append(position)
            windows += inside.values()
            if recency := [position for position in members if columns[position].aggregate in RECENCY]:
                self._recency.append((members, np.asarray(recency)))
        self._windows = _Parts([np.asarray(inside) for inside in windows])
        counts = [[columns[position] for position in inside if _counts_events(columns[position])] for inside in windows]
        self._counted = np.array([bool(counted) for counted in counts], dtype=bool)
        self._rare = np.array([any(column.typical == 0 for column in counted) for counted in counts], dtype=bool)

    def choose(self, values: np.ndarray, inputs: pd.DataFrame | Mapping[str, np.ndarray], top: int) -> Chosen:
        """Pick up to ``top`` reasons per row: those that raise the risk, or where none does, the strongest.

        Parameters
        ----------
        values : numpy.ndarray, shape (n_rows, n_features)
            Contributions.
        inputs : pandas.DataFrame, shape (n_rows, any), or mapping of name to numpy.ndarray, shape (n_rows,)
            The values behind them; result of :func:`python_ml.input_columns.model_input` or
            :func:`python_ml.input_columns.typed_cells`.
        top : int

        Returns
        -------
        Chosen
            At least one reason per row. Where nothing tells a customer from others, it is the strongest contribution
            all the same.
        """
        cells = _cells(inputs, self._columns)
        telling = np.empty(values.shape, dtype=bool)
        for position, column in enumerate(self._columns):
            telling[:, position] = discriminates(column, cells[position])
        joined, claimed = self.facts(cells)
        groups = self._groups
        part_of = joined[:, groups.positions] == self._from_sources
        own = np.where(part_of, values[:, groups.positions], 0.0)
        sums = groups.reduced(np.add, own)
        along = np.where(telling[:, groups.positions], own * groups.spread(np.sign(sums)), 0.0)
        most = groups.reduced(np.maximum, along)
        # the first of a group's features with the most
        places = np.where(along == groups.spread(most), np.arange(along.shape[1]), along.shape[1])
        leaders = np.where(most > 0, groups.positions[groups.reduced(np.minimum, places)], -1)
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
        rows, ranks = np.nonzero(listed)
        chosen = features[rows, ranks]
        return Chosen(rows, ranks + 1, chosen, pushes[rows, ranks], claimed[rows, chosen])

    def facts(self, cells: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Where features follow from one fact: that there was no event in a window, or that there was a rare one.

        Parameters
        ----------
        cells : sequence of numpy.ndarray, each of shape (n_rows,)
            The values of each feature.

        Returns
        -------
        joined : numpy.ndarray of bool, shape (n_rows, n_features)
            All features of the source and window are 0 or missing, or the customer had an event of which most have none
            in that window; or it is recency, and that holds for some window; or it is one reason with such a feature.
        without_events : numpy.ndarray of bool, shape (n_rows, n_features)
            As the first of these, in windows of which a count says so: a total of 0 does not show that there was no
            event.
        """
        joined = np.zeros((len(cells[0]), len(self._columns)), dtype=bool)
        claimed = np.zeros_like(joined)
        windows = self._windows
        if len(windows.positions):
            empty = np.column_stack([_empty(cells[position]) for position in windows.positions])
            no_event = windows.reduced(np.logical_and, empty)
            joined[:, windows.positions] = windows.spread(no_event | self._rare)
            claimed[:, windows.positions] = windows.spread(no_event & self._counted)
        for members, recency in self._recency:
            joined[:, recency] |= joined[:, members].any(axis=1, keepdims=True)
        # Fewer orders in 90 days follow from none in 30: what is one reason with a fact of a source belongs to it.
        alike = self._alike
        facts = alike.spread(alike.reduced(np.logical_or, joined[:, alike.positions]))
        joined[:, alike.positions] |= facts & self._of_events[alike.positions]
        return joined, claimed


class _Parts:
    """Groups of columns, one behind the other, with what is done to each of them."""

    def __init__(self, groups: Sequence[np.ndarray]) -> None:
        self.positions = np.concatenate(groups) if groups else np.zeros(0, dtype=int)
        sizes = [len(group) for group in groups]
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int) if groups else np.zeros(0, dtype=int)
        self._group = np.repeat(np.arange(len(groups)), sizes)

    def reduced(self, how: np.ufunc, values: np.ndarray) -> np.ndarray:
        """One value per row and group, shape (n_rows, n_groups), of values of shape (n_rows, n_positions)."""
        return how.reduceat(values, self._first, axis=1)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """The reverse: each group's value for each of its columns, shape (n_rows, n_positions)."""
        return values[:, self._group]


def _cells(inputs: pd.DataFrame | Mapping[str, np.ndarray], columns: Sequence[CardColumn]) -> list[np.ndarray]:
    return [np.asarray(inputs[column.name]) for column in columns]


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
    missing = _missing(cells) if column.kind == CATEGORY else np.isnan(cells)
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


def _empty(cells: np.ndarray) -> np.ndarray:
    return (_missing(cells) if cells.dtype == object else np.isnan(cells)) | (cells == 0)


def _missing(cells: np.ndarray) -> np.ndarray:
    return np.array([cell is None or cell != cell for cell in cells], dtype=bool)


def _counts_events(column: CardColumn) -> bool:
    return column.aggregate == "active_days" or (column.aggregate == "count" and not column.measure)
