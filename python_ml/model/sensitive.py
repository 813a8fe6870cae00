"""Groups of customers by the columns that are declared sensitive: the same for diagnostics and for promotions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.errors import UserError
from python_ml.model.grouping import group_labels

if TYPE_CHECKING:
    from python_ml.settings import Settings

MOST_GROUPS = 20


def sensitive_groups(frame: pd.DataFrame, name: str, settings: Settings) -> np.ndarray:
    """The group of each row in a sensitive column, shape (n_rows,): its value, or a quarter of many numbers.

    Raises
    ------
    UserError
        When there is no such column, or it has too many values for groups.
    """
    where = settings.where("fairness", "sensitive")
    if name not in frame.columns:
        raise UserError(
            f"There is no column `{name}` in the training set.",
            where=where,
            hint="name a column of gold.gld_training_set; models need not use it (features.exclude)",
        )
    values = frame[name]
    is_number = pd.api.types.is_numeric_dtype(values)
    groups = group_labels(values, MOST_GROUPS if is_number else len(values)).fillna("missing")
    if groups.nunique() > MOST_GROUPS:
        raise UserError(
            f"The column `{name}` has {groups.nunique():,} values, too many for groups.",
            where=where,
            hint=f"name a column with at most {MOST_GROUPS} values",
        )
    return groups.to_numpy(str)


def why_not_judged(churned: np.ndarray, customers: np.ndarray, least: int) -> str | None:
    """Why a group says nothing about the model: it has too few customers or one outcome only. None where it does."""
    if (count := len(np.unique(customers))) < least:
        return f"{count} customers, fewer than {least}: not judged"
    return None if len(np.unique(churned)) == 2 else "customers with one outcome only: not judged"


def check_sensitive(frame: pd.DataFrame, settings: Settings) -> None:
    """Refuse a sensitive column that is not there or has too many values, before anything is fitted.

    Raises
    ------
    UserError
        Naming the line.
    """
    for name in settings.fairness.sensitive:
        sensitive_groups(frame, name, settings)
