"""A split that the user supplies with the labels: a column that says train, validation or test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from python_ml.errors import UserError
from python_ml.model.split import TemporalSplit

KIND = "supplied"
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class SuppliedSplit(TemporalSplit):
    """Parts that overlap in time, taken as they were supplied: nothing is purged, and nothing is proof in time."""

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation part."""
        return bool(self.validation.any())

    def fitted_times(self, times: pd.Series) -> dict[str, str | None]:
        """First and last of the fitted feature times; the test begins at no time of its own."""
        return {**super().fitted_times(times), "before": None}

    def describe(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Kind and number of rows; the dates are None, since the parts overlap."""
        described = super().describe(frame)
        dates = {key: None for key in described if key.endswith(("_from", "_to"))}
        return {**described, **dates, "kind": KIND}


def supplied_split(frame: pd.DataFrame, column: str, entity: str, where: str) -> TemporalSplit:
    """Divide rows as a column says.

    Where the parts follow each other in time, rows whose label reaches into a later part are purged, as in
    :func:`python_ml.model.split.temporal_split`. Where they overlap, they are taken as they are, with a warning.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        ``feature_timestamp``, ``label_timestamp``, ``churned`` (0 or 1), the entity and the column.
    column : str
        Holds ``train``, ``validation`` or ``test``; validation may be missing.
    entity : str
    where : str
        Where the setting stands, for messages.

    Raises
    ------
    UserError
        When the column is missing or holds something else, or a part lacks churned or retained customers.
    """
    if column not in frame.columns:
        raise UserError(
            f"The training set has no column {column}.",
            where=where,
            hint="delete the line to split by time, or name a column of gold.gld_training_set",
        )
    values = frame[column].astype("string")
    strange = sorted(set(values.dropna()) - set(PARTS))
    if strange or values.isna().any():
        raise UserError(
            f"The split {column} holds {', '.join(map(repr, strange[:5])) or 'empty values'}.",
            where=where,
            hint=f"write one of {', '.join(PARTS)} in every row",
        )
    masks = {part: (values == part).to_numpy(bool) for part in PARTS}
    times, ends = frame["feature_timestamp"], frame["label_timestamp"]
    starts = {part: times[mask].min() for part, mask in masks.items() if mask.any()}
    test_from, validation_from = starts.get("test"), starts.get("validation")
    learning = times[masks["train"] | masks["validation"]]
    ordered = test_from is not None and not learning.empty and learning.max() < test_from
    if ordered and validation_from is not None:
        ordered = times[masks["train"]].max() < validation_from
    train, validation, fit = masks["train"], masks["validation"], masks["train"] | masks["validation"]
    if ordered:
        fit = fit & (ends <= test_from).to_numpy()
        validation = validation & fit
        train = train & fit & (ends <= (test_from if validation_from is None else validation_from)).to_numpy()
    needed = {"train": train, "test": masks["test"]} | ({} if validation_from is None else {"validation": validation})
    for part, mask in needed.items():
        _require_both(frame["churned"].to_numpy()[mask], part, where)
    purge = (ends - times).max()
    split = TemporalSplit(train, validation, masks["test"], fit, validation_from, test_from, purge)
    if ordered:
        return split
    warnings = _warnings(frame[entity].to_numpy(), fit, masks["test"], column)
    return SuppliedSplit(**{**vars(split), "warnings": warnings})


def _require_both(churned: np.ndarray, part: str, where: str) -> None:
    if len(churned) and 0 < churned.sum() < len(churned):
        return
    who = "no row" if not len(churned) else f"no {'churned' if not churned.sum() else 'retained'} customer"
    raise UserError(
        f"The {part} part of the split has {who}, once labels that reach into a later part are excluded.",
        where=where,
        hint="put churned and retained customers into every part, with a label window between the parts",
    )


def _warnings(customers: np.ndarray, fit: np.ndarray, test: np.ndarray, column: str) -> list[str]:
    warnings = [
        f"The parts of the supplied split ({column}) overlap in time: the test shows how the model does on other rows "
        "of the same time, not on a later one."
    ]
    shared = len(set(customers[fit]) & set(customers[test]))
    if shared:
        warnings.append(
            f"{shared:,} customers are in the test and in what models learn from: figures flatter the model."
        )
    return warnings
