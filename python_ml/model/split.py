"""Dividing labelled rows by time, so that no label used for learning reaches into a later part.

A row's label looks at the time up to its ``label_timestamp``. A row may train a model only when that time is
over before the next part begins; rows in between are purged. (The purge is that of López de Prado, "Advances
in Financial Machine Learning", 2018, chapter 7, for one forward split.)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.errors import UserError

if TYPE_CHECKING:
    from python_ml.settings import Split

FEW_TIMES = 5  # fewer feature times hardly tell a season from a trend
COMFORTABLE = 20  # rows of the rarer class that a part should have where the history allows a choice

BLIND = (
    "Nothing says how far the labels look ahead (label_timestamp is the feature time), so nothing was purged: labels "
    "that models learn from may have been decided during the test period. Say the horizon."
)


@dataclass(frozen=True)
class TemporalSplit:
    """Which rows train, validate and test.

    Attributes
    ----------
    train, validation, test : numpy.ndarray of bool, shape (n_rows,)
        ``validation`` has no True when the history is too short for three parts: ``has_validation`` is False.
    fit : numpy.ndarray of bool, shape (n_rows,)
        Everything that may be learnt from before the test: labels known by ``test_from``. Holds ``train``
        and ``validation``.
    validation_from : pandas.Timestamp or None
    test_from : pandas.Timestamp
    purge : pandas.Timedelta
        Greatest distance from a row's feature time to the end of its label.
    warnings : list of str
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    fit: np.ndarray
    validation_from: pd.Timestamp | None
    test_from: pd.Timestamp
    purge: pd.Timedelta
    warnings: list[str] = field(default_factory=list)

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation period of its own."""
        return self.validation_from is not None

    @property
    def label_span(self) -> str:
        """From a feature time to the end of its label, such as ``30d``."""
        return words_of(self.purge)

    def fitted_times(self, times: pd.Series) -> dict[str, str | None]:
        """First and last of the fitted feature times, and the start of the test period, for the model card."""
        return {
            "from": times.min().isoformat(),
            "to": times.max().isoformat(),
            "before": self.test_from.isoformat(),
        }

    def describe(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Kind, dates, purge and number of rows, for ``metrics.json``.

        Parameters
        ----------
        frame : pandas.DataFrame
            The frame that was split.
        """
        times = frame["feature_timestamp"]
        parts = {"train": self.train, "validation": self.validation, "test": self.test}

        def edge(part: str, last: bool) -> str | None:
            chosen = times[parts[part]]
            return None if chosen.empty else (chosen.max() if last else chosen.min()).isoformat()

        purged = int(len(frame) - self.train.sum() - self.validation.sum() - self.test.sum())
        return {
            "kind": "temporal" if self.has_validation else "temporal_cross_validated",
            "train_from": edge("train", last=False),
            "train_to": edge("train", last=True),
            "validation_from": edge("validation", last=False),
            "validation_to": edge("validation", last=True),
            "test_from": edge("test", last=False),
            "test_to": edge("test", last=True),
            "purge": words_of(self.purge),
            "rows": {**{name: int(mask.sum()) for name, mask in parts.items()}, "purged": purged},
            "feature_timestamps": {name: int(times[mask].nunique()) for name, mask in parts.items()},
        }


def temporal_split(frame: pd.DataFrame, settings: Split, where: str = "retention.yml, training.split") -> TemporalSplit:
    """Divide rows into train, validation and test, in this order of time, with a purge in between.

    The test is the last part: ``feature_timestamp >= test_from``. A validation row has its label known by
    ``test_from``, a training row by ``validation_from`` (``label_timestamp <= validation_from``). Each purge
    costs one label span, so the boundaries divide what remains of the history by ``test_share`` and
    ``validation_share``, moved to feature times at which every part has both classes. When the history is too
    short for three parts, there is no validation: models are then compared by cross-validation on customers
    within the training rows.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        ``feature_timestamp``, ``label_timestamp`` and ``churned`` (0 or 1) of labelled rows.
    settings : python_ml.settings.Split
        Shares, or the boundaries themselves.
    where : str
        Where the settings stand, for messages.

    Raises
    ------
    UserError
        When not even a training and a test part fit, saying how much history is needed; or when given
        boundaries leave a part without both classes.
    """
    history = _History.of(frame)
    blind = [] if history.purge > pd.Timedelta(0) else [BLIND]
    boundaries = history.best_boundaries(settings)
    if boundaries is not None:
        validation_from, test_from = boundaries
        return _told_of_purge(_masks(frame, history.purge, validation_from, test_from, blind), frame, history, settings)
    if settings.validation_from is not None:
        raise _unusable_dates(history, settings, where)
    test_from = history.best_test_start(settings)
    if test_from is None:
        if settings.test_from is not None:
            raise _unusable_dates(history, settings, where)
        raise _too_short(history)
    warning = (
        f"The history ({history.text}) is too short for a validation period of its own: models are "
        "compared by cross-validation on customers within the training period, and only the test period is "
        "proof in time."
    )
    split = _masks(frame, history.purge, None, test_from, [*blind, warning])
    return _told_of_purge(split, frame, history, settings)


@dataclass(frozen=True)
class _History:
    """The labelled feature times with the number of rows of either class at each."""

    times: pd.DatetimeIndex
    ends: np.ndarray  # greatest label_timestamp at each feature time, shape (n_times,)
    kept: np.ndarray  # cumulative count of (retained, churned) rows before each time, shape (n_times + 1, 2)
    purge: pd.Timedelta

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _History:
        by_time = (
            frame.assign(is_churned=frame["churned"] == 1, is_retained=frame["churned"] == 0)
            .groupby("feature_timestamp", sort=True)
            .agg(end=("label_timestamp", "max"), retained=("is_retained", "sum"), churned=("is_churned", "sum"))
        )
        kept = np.vstack([[0, 0], by_time[["retained", "churned"]].to_numpy().cumsum(axis=0)])
        return cls(
            times=pd.DatetimeIndex(by_time.index),
            # A row may be used once every label of its feature time and of earlier ones is known.
            ends=by_time["end"].cummax().to_numpy(),
            kept=kept,
            purge=(frame["label_timestamp"] - frame["feature_timestamp"]).max(),
        )

    @property
    def span(self) -> pd.Timedelta:
        return self.times[-1] - self.times[0]

    @property
    def text(self) -> str:
        return (
            f"{len(self.times)} feature time(s) over {words_of(self.span)}, labels looking {words_of(self.purge)} ahead"
        )

    def _rarest(self, first: np.ndarray | int, last: np.ndarray | int) -> np.ndarray:
        """Rows of the rarer class at the times with index in [first, last)."""
        counts = self.kept[last] - self.kept[first]
        return np.where(np.asarray(last) > np.asarray(first), counts.min(axis=-1), 0)

    def best_boundaries(self, settings: Split) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """The feasible (validation_from, test_from) nearest to the wanted shares, or None."""
        starts_v = _candidates(self.times, settings.validation_from)
        starts_t = _candidates(self.times, settings.test_from)
        free = max(self.span - 2 * self.purge, pd.Timedelta(0))
        wanted_t = self.times[-1] - settings.test_share * free
        wanted_lead = settings.validation_share * free + self.purge

        v, t = np.meshgrid(starts_v.to_numpy(), starts_t.to_numpy(), indexing="ij")
        v, t = v.ravel(), t.ravel()
        order = np.asarray(self.times)
        rarest = np.minimum.reduce(
            [
                self._rarest(np.zeros(len(v), dtype=int), np.searchsorted(self.ends, v, side="right")),
                self._rarest(np.searchsorted(order, v, side="left"), np.searchsorted(self.ends, t, side="right")),
                self._rarest(np.searchsorted(order, t, side="left"), np.full(len(v), len(order))),
            ]
        )
        cost = np.abs((t - wanted_t.to_datetime64()) / np.timedelta64(1, "s"))
        cost += np.abs((t - v - wanted_lead.to_timedelta64()) / np.timedelta64(1, "s"))
        best = _cheapest(cost, rarest)
        return None if best is None else (pd.Timestamp(v[best]), pd.Timestamp(t[best]))

    def best_test_start(self, settings: Split) -> pd.Timestamp | None:
        """The feasible test_from nearest to the wanted share when there is no validation, or None."""
        t = _candidates(self.times, settings.test_from).to_numpy()
        free = max(self.span - self.purge, pd.Timedelta(0))
        wanted = (self.times[-1] - settings.test_share * free).to_datetime64()
        rarest = np.minimum(
            self._rarest(np.zeros(len(t), dtype=int), np.searchsorted(self.ends, t, side="right")),
            self._rarest(np.searchsorted(np.asarray(self.times), t, side="left"), np.full(len(t), len(self.times))),
        )
        best = _cheapest(np.abs((t - wanted) / np.timedelta64(1, "s")), rarest)
        return None if best is None else pd.Timestamp(t[best])


def _candidates(times: pd.DatetimeIndex, fixed: Any) -> pd.DatetimeIndex:
    """Where a part may begin: at the given time, else at any feature time but (for speed) at most 400."""
    if fixed is not None:
        return pd.DatetimeIndex([fixed]).as_unit(times.unit)
    if len(times) <= 400:
        return times
    return times[np.unique(np.linspace(0, len(times) - 1, 400).round().astype(int))]


def _cheapest(cost: np.ndarray, rarest: np.ndarray) -> int | None:
    """Index of the lowest cost, among boundaries that leave enough rows of each class in every part."""
    for least in (COMFORTABLE, 1):
        feasible = rarest >= least
        if feasible.any():
            return int(np.argmin(np.where(feasible, cost, np.inf)))
    return None


def _masks(
    frame: pd.DataFrame,
    purge: pd.Timedelta,
    validation_from: pd.Timestamp | None,
    test_from: pd.Timestamp,
    warnings: list[str],
) -> TemporalSplit:
    times, ends = frame["feature_timestamp"], frame["label_timestamp"]
    test = (times >= test_from).to_numpy()
    fit = ((times < test_from) & (ends <= test_from)).to_numpy()
    if validation_from is None:
        train, validation = fit, np.zeros(len(frame), dtype=bool)
    else:
        train = fit & (times < validation_from).to_numpy() & (ends <= validation_from).to_numpy()
        validation = fit & (times >= validation_from).to_numpy()
    return TemporalSplit(train, validation, test, fit, validation_from, test_from, purge, warnings)


def _told_of_purge(split: TemporalSplit, frame: pd.DataFrame, history: _History, settings: Split) -> TemporalSplit:
    """The split with a warning where the purge takes most rows, or leaves few feature times to train on."""
    facts = split.describe(frame)
    purged, trained_on = facts["rows"]["purged"], facts["feature_timestamps"]["train"]
    if not purged or (2 * purged <= len(frame) and trained_on >= FEW_TIMES):
        return split
    share = 1 - settings.validation_share - settings.test_share
    step = pd.Series(history.times).diff().median()
    reach = history.span + history.purge
    # With a shorter horizon h, labels are known up to span + purge - h; two purges cost 2h of it. Training gets its
    # share of the rest, and at most half of the rows should be purged.
    ahead = min((reach - FEW_TIMES * step / share) / 3, reach / 5)
    finer = share * (history.span - 2 * history.purge) / FEW_TIMES
    day = pd.Timedelta(days=1)
    unit = day if min(step, history.purge) >= day else pd.Timedelta(hours=1)
    helps = []
    if unit <= ahead < history.purge:
        helps.append(f"a gap and horizon of at most {words_of(ahead.floor(unit))} in all")
    if trained_on < FEW_TIMES and unit <= finer < step:
        helps.append(f"a `step` of at most {words_of(finer.floor(unit))}")
    helps.append("a longer history")
    warning = (
        f"The purge takes {purged:,} of {len(frame):,} rows (labels look {words_of(history.purge)} ahead) and leaves "
        f"{trained_on} of {len(history.times)} feature times to train on, so models are compared on little. "
        f"What would help: {', or '.join(helps)}."
    )
    return replace(split, warnings=[*split.warnings, warning])


def _too_short(history: _History) -> UserError:
    lacking = "" if history.span >= history.purge else f" (it spans {words_of(history.span)})"
    return UserError(
        f"The labelled history is too short to train and test in time: {history.text}.",
        where="gold.gld_training_set",
        hint=(
            f"training and testing need labelled feature times at least {words_of(history.purge)} "
            f"apart{lacking}, a validation period of its own at least {words_of(2 * history.purge)}, each "
            "part with churned and retained customers: bring a longer history, or choose a shorter horizon"
        ),
    )


def _unusable_dates(history: _History, settings: Split, where: str) -> UserError:
    given = {"validation_from": settings.validation_from, "test_from": settings.test_from}
    shown = ", ".join(f"{name} {value:%Y-%m-%d %H:%M}" for name, value in given.items() if value is not None)
    return UserError(
        f"With {shown}, some part of the split has no churned or no retained customers.",
        where=where,
        hint=(
            f"labelled feature times run from {history.times[0]:%Y-%m-%d} to {history.times[-1]:%Y-%m-%d}, "
            f"and {words_of(history.purge)} before each boundary is purged: choose boundaries with room on "
            "either side, or leave them out"
        ),
    )


def words_of(span: pd.Timedelta) -> str:
    """Write a duration as the variables do: ``30d``, ``36h``, else in seconds.

    Examples
    --------
    >>> words_of(pd.Timedelta(days=30))
    '30d'
    """
    seconds = span.total_seconds()
    for letter, length in (("d", 86_400), ("h", 3_600)):
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds // length)}{letter}"
    return f"{seconds:g}s"
