"""The training set as a whole: where it comes from, what it must be, and its fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from python_ml.project import Project
    from python_ml.registry import Feature
    from python_ml.snapshots.record import Snapshot

TRAINING_SET = "gold.gld_training_set"


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
    snapshot : Snapshot or None
        The snapshot that holds them; None for the table as it is in the warehouse.
    """

    frame: pd.DataFrame
    features: list[Feature]
    entity: str
    definitions: Mapping[str, Any]
    source: str
    sha256: str | None
    snapshot: Snapshot | None = None

    def describe(self) -> dict[str, Any]:
        """``sha256``, and ``snapshot`` and ``cutoff`` where there are such."""
        held = self.snapshot
        return {
            "sha256": self.sha256,
            "snapshot": held.id if held else None,
            "cutoff": held.facts["cutoff"] if held else None,
        }


def read_training_set(project: Project) -> TrainingSet:
    """Read the training set as it is in the warehouse.

    Raises
    ------
    UserError
        When the warehouse or the table does not exist.
    """
    from python_ml.registry import feature_registry
    from python_ml.snapshots.content import Columns, ContentError, content
    from python_ml.warehouse import read_arrow

    features = feature_registry(project)
    table = read_arrow(project, TRAINING_SET)
    try:
        sha256 = content(Columns.of_table(table), [project.entity, "feature_timestamp"]).sha256
    except ContentError:  # keys that are no keys are refused before training; an unusual type need not be
        sha256 = None
    return TrainingSet(_frame(table), features, project.entity, project.vars, str(project.warehouse_path), sha256)


def read_snapshot(project: Project, wanted: str) -> TrainingSet:
    """Read and verify a snapshot; features and definitions are those of its time.

    Parameters
    ----------
    project : Project
    wanted : str
        Number or id.

    Raises
    ------
    UserError
        When there is no such snapshot.
    GateError
        When it is not what it was when it was made.
    """
    from python_ml.snapshots import open_store

    store = open_store(project)
    snapshot, table = store.load(wanted)
    return TrainingSet(
        _frame(table),
        snapshot.features,
        snapshot.entity,
        snapshot.definitions,
        f"{store.place}/{snapshot.id}",
        snapshot.content_sha256,
        snapshot,
    )


def _frame(table: pa.Table) -> pd.DataFrame:
    """Arrow as pandas, in one way for all sources: decimals as floats, times as naive UTC, enumerations as text."""
    import duckdb
    import pyarrow as pa

    for position, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(position, field.name, table.column(position).cast(field.type.value_type))
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("training_rows", table)
        return connection.execute("select * from training_rows").df()


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
    found = sorted(frame["churned"].unique().tolist(), key=str)
    if not set(found) <= {0, 1}:
        shown = ", ".join(map(str, found[:5])) + (", …" if len(found) > 5 else "")
        raise UserError(
            f"The target is not binary: churned holds {shown}.",
            where=f"{TRAINING_SET}, column churned",
            hint="make it 1 for customers who left and 0 for those who stayed",
        )
    if len(found) < 2:
        outcome = "left" if found[0] == 1 else "stayed"
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
