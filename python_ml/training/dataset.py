"""The training set as a whole: what it must be, and its fingerprint."""

from __future__ import annotations

import hashlib

import pandas as pd

from python_ml.errors import UserError

TRAINING_SET = "gold.gld_training_set"


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
            mend="check the variable `entity` in dbt_project.yml, then run `retention build`",
        )
    if frame.empty:
        raise UserError(
            "There are no labelled rows to train on.",
            where=TRAINING_SET,
            mend="labels need history: at least a horizon of data after the first feature time; check horizon, "
            "gap and observation_end in dbt_project.yml and that customers were at risk",
        )
    for name in needed:
        if frame[name].isna().any():
            raise UserError(
                f"The column {name} has {int(frame[name].isna().sum())} empty value(s).",
                where=TRAINING_SET,
                mend="rows without a key, a time or a known label do not belong in the training set",
            )
    found = sorted(frame["churned"].unique().tolist(), key=str)
    if not set(found) <= {0, 1}:
        shown = ", ".join(map(str, found[:5])) + (", …" if len(found) > 5 else "")
        raise UserError(
            f"The target is not binary: churned holds {shown}.",
            where=f"{TRAINING_SET}, column churned",
            mend="make it 1 for customers who left and 0 for those who stayed",
        )
    if len(found) < 2:
        outcome = "left" if found[0] == 1 else "stayed"
        raise UserError(
            f"Every labelled customer {outcome}: there is nothing to tell apart.",
            where=f"{TRAINING_SET}, column churned",
            mend="check the churn definition, the horizon and the active window in dbt_project.yml",
        )
    if frame.duplicated([entity, "feature_timestamp"]).any():
        raise UserError(
            f"Some customers appear twice at one feature time ({entity}, feature_timestamp).",
            where=TRAINING_SET,
            mend="run `retention build` with its tests: the key of the training set must be unique",
        )


def dataset_digest(frame: pd.DataFrame) -> str:
    """SHA-256 over the names, types and values of a frame, in its order of rows and columns."""
    digest = hashlib.sha256()
    for name in frame.columns:
        values = frame[name]
        digest.update(f"{name}\0{values.dtype}\0{len(values)}\0".encode())
        digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
    return digest.hexdigest()
