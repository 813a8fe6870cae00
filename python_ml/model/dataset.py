"""The rows of a training, with what they mean and what they must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError

if TYPE_CHECKING:
    from python_ml.dbt import Feature

# dbt's variables that say what the label is.
LABEL = ("churn_definition", "horizon", "gap", "maturity_lag")


@dataclass(frozen=True)
class TrainingSet:
    """The rows of a training, with what they mean.

    Attributes
    ----------
    frame : pandas.DataFrame
        As ``gold.gld_training_set``, in any order of rows.
    features : list of Feature
    entity : str
    definitions : mapping
        dbt's variables when the rows were made.
    source : str
        Where they come from.
    sha256 : str or None
        Hash of their content, equal for equal rows wherever they are kept; None where a type has no canonical form.
    snapshot, cutoff : str or None
        Id and cutoff of the snapshot that holds them; None for the table as it is in the warehouse.
    """

    frame: pd.DataFrame
    features: list[Feature]
    entity: str
    definitions: Mapping[str, Any]
    source: str
    sha256: str | None
    snapshot: str | None = None
    cutoff: str | None = None

    @property
    def label(self) -> dict[str, str | None]:
        """The definitions of the label, as text; None for those that are not set."""
        return {name: self._text(name) for name in LABEL}

    @property
    def scenario(self) -> str | None:
        """``static`` or ``partial`` for a snapshot; see docs/guides/tables_without_dates.md."""
        return self._text("scenario")

    def _text(self, name: str) -> str | None:
        value = self.definitions.get(name)
        return None if value is None else str(value)

    def describe(self) -> dict[str, Any]:
        """``sha256``, and ``snapshot`` and ``cutoff`` where there are such."""
        return {"sha256": self.sha256, "snapshot": self.snapshot, "cutoff": self.cutoff}


def check_training_set(frame: pd.DataFrame, entity: str) -> None:
    """Refuse a training set that cannot be learnt from.

    Raises
    ------
    UserError
        When columns are missing, there are no rows, the target is not 0 or 1, or all have the same target.
    """
    needed = [entity, "feature_timestamp", "label_timestamp", "churned"]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise UserError(
            f"The training set has no column {' and no column '.join(missing)}.",
            where=TRAINING_SET,
            hint="check the variable `entity` in dbt_project.yml, then run `retention build`",
        )
    if frame.empty:
        raise UserError(
            "There are no labelled rows to train on.",
            where=TRAINING_SET,
            hint="labels need history: at least a horizon of data after the first feature time; check horizon, "
            "gap and observation_end in dbt_project.yml and that customers were at risk",
        )
    for name in needed:
        if frame[name].isna().any():
            raise UserError(
                f"The column {name} has {int(frame[name].isna().sum())} empty value(s).",
                where=TRAINING_SET,
                hint="rows without a key, a time or a known label do not belong in the training set",
            )
    values = sorted(frame["churned"].unique().tolist(), key=str)
    if not set(values) <= {0, 1}:
        shown = ", ".join(map(str, values[:5])) + (", …" if len(values) > 5 else "")
        raise UserError(
            f"The target is not binary: churned holds {shown}.",
            where=f"{TRAINING_SET}, column churned",
            hint="make it 1 for customers who churned and 0 for those who were retained",
        )
    if len(values) < 2:
        outcome = "churned" if values[0] == 1 else "was retained"
        raise UserError(
            f"Every labelled customer {outcome}: there is nothing to tell apart.",
            where=f"{TRAINING_SET}, column churned",
            hint="check the churn definition, the horizon and the active window in dbt_project.yml",
        )
    if frame.duplicated([entity, "feature_timestamp"]).any():
        raise UserError(
            f"Some customers appear twice at one feature time ({entity}, feature_timestamp).",
            where=TRAINING_SET,
            hint="run `retention build` with its tests: the key of the training set must be unique",
        )
