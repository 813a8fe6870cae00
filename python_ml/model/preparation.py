"""What comes before the first model: rows in their canonical order, the split, and the search for leaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.leakage import Parts
from python_ml.model.cross_validation import SnapshotSplit
from python_ml.model.dataset import check_training_set
from python_ml.model.fitted_features import refuse_fitted_after
from python_ml.model.leakage_gate import LeakageCheck, check_leakage, usable
from python_ml.model.split import TemporalSplit, temporal_split
from python_ml.model.supplied_split import SuppliedSplit, supplied_split
from python_ml.project import DATELESS

if TYPE_CHECKING:
    from python_ml.dbt import Feature
    from python_ml.model.replay_evidence import StoredReplay
    from python_ml.settings import Settings


@dataclass(frozen=True)
class Prepared:
    """A training set that is ready to be learnt from, if the leakage check says so.

    Attributes
    ----------
    frame : pandas.DataFrame
        The labelled rows in their canonical order.
    churned : numpy.ndarray of int, shape (n_rows,)
    split : TemporalSplit or SnapshotSplit
    leakage : LeakageCheck
        Findings of the probes; nothing is enforced yet.
    """

    frame: pd.DataFrame
    churned: np.ndarray
    split: TemporalSplit | SnapshotSplit
    leakage: LeakageCheck

    @property
    def crossed(self) -> bool:
        """Whether models are measured by cross-validation."""
        return isinstance(self.split, SnapshotSplit)


def prepare(
    training_set: pd.DataFrame,
    features: Sequence[Feature],
    entity: str,
    settings: Settings,
    *,
    scenario: str | None = None,
    replays: Sequence[StoredReplay] = (),
) -> Prepared:
    """Check, order and split the rows, and look for leaks in all of them.

    Parameters
    ----------
    training_set, features, entity, settings, scenario
        As for :func:`python_ml.model.train.train_models`.
    replays : sequence of StoredReplay
        What replays have shown of these features.

    Raises
    ------
    UserError
        When the data or the settings cannot give a model; says what to do about it.
    """
    check_training_set(training_set, entity)
    frame = training_set.sort_values(["feature_timestamp", entity], kind="stable").reset_index(drop=True)
    split = split_rows(frame, entity, settings, scenario)
    if isinstance(split, TemporalSplit) and not isinstance(split, SuppliedSplit):
        refuse_fitted_after(usable(features, settings), split.validation_from or split.test_from)
    parts = None
    if not isinstance(split, SnapshotSplit):
        supplied = isinstance(split, SuppliedSplit)
        parts = Parts(split.fit, split.test, by_time=not supplied, chosen=supplied)
    leakage = check_leakage(
        frame, features, entity, settings, dated=scenario not in DATELESS, parts=parts, replays=replays
    )
    return Prepared(frame, frame["churned"].astype(int).to_numpy(), split, leakage)


def split_rows(
    frame: pd.DataFrame, entity: str, settings: Settings, scenario: str | None
) -> TemporalSplit | SnapshotSplit:
    """The split of rows in their canonical order; arguments as of :func:`prepare`."""
    training = settings.training
    one_time = scenario is not None and frame["feature_timestamp"].nunique() == 1
    if scenario in DATELESS or (one_time and not training.split.column):
        return SnapshotSplit.of(frame, scenario, training.cross_validation.folds)
    if training.split.column:
        where = settings.where("training", "split", "column")
        return supplied_split(frame, training.split.column, entity, where)
    return temporal_split(frame, training.split, where=settings.where("training", "split"))
