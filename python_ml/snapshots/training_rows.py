"""Training rows, read from the warehouse or from a snapshot, with the SHA-256 of their content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.dbt import TRAINING_SET, feature_registry
from python_ml.model.dataset import TrainingSet
from python_ml.snapshots.content import Columns, ContentError, content
from python_ml.snapshots.opening import open_store
from python_ml.warehouse import read_arrow, warehouse_place

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from python_ml.dbt import Feature
    from python_ml.project import Project


def read_training_set(project: Project) -> TrainingSet:
    """Read the training set as it is in the warehouse.

    Raises
    ------
    UserError
        When the warehouse or the table does not exist.
    """
    table = read_arrow(project, TRAINING_SET)
    return training_rows(table, feature_registry(project), project, warehouse_place(project))


def training_rows(table: pa.Table, features: list[Feature], project: Project, source: str) -> TrainingSet:
    """A table of training rows with what they mean in a project."""
    try:
        sha256 = content(Columns.of_table(table), [project.entity, "feature_timestamp"]).sha256
    except ContentError:  # invalid keys are refused before training; an unusual type need not be
        sha256 = None
    return TrainingSet(_frame(table), features, project.entity, project.vars, source, sha256)


def read_snapshot(project: Project, name: str) -> TrainingSet:
    """Read and verify a snapshot; features and definitions are those of its time.

    Parameters
    ----------
    project : Project
    name : str
        Number or id.

    Raises
    ------
    UserError
        When there is no such snapshot.
    GateError
        When it was changed after it was created.
    """
    store = open_store(project)
    snapshot, table = store.load(name)
    return TrainingSet(
        _frame(table),
        snapshot.features,
        snapshot.entity,
        snapshot.definitions,
        f"{store.place}/{snapshot.id}",
        snapshot.content_sha256,
        snapshot.id,
        snapshot.facts["cutoff"],
    )


def _frame(table: pa.Table) -> pd.DataFrame:
    """Arrow as pandas, the same for all sources: decimals as floats, times as naive UTC, enumerations as text."""
    import duckdb
    import pyarrow as pa

    for position, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(position, field.name, table.column(position).cast(field.type.value_type))
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("training_rows", table)
        return connection.execute("select * from training_rows").df()
