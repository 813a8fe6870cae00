"""Reference statistics: measured when a model is trained, stored with it, and read when drift is measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.input_columns import CATEGORY, FLAG, InputColumn, typed_columns
from python_ml.monitor.counting import MOST_BINS, MOST_CATEGORIES, MOST_KNOWN, NumberSummary, TableRows
from python_ml.monitor.schema import LEVELS, Bins, ColumnReference, ReferenceStatistics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from python_ml.dbt import Feature
    from python_ml.model.card import ModelCard
    from python_ml.model.dataset import TrainingSet
    from python_ml.model.train import TrainingResult
    from python_ml.settings import Features

FILE = "reference_statistics.json"
OUTCOME = "churned"
DECILES = slice(LEVELS.index(0.1), LEVELS.index(0.9) + 1)
NEARLY_BINS = MOST_BINS + 5  # the approximate number of values up to which the exact one is counted


def measure_reference(rows: TableRows, columns: Sequence[InputColumn]) -> ReferenceStatistics:
    """Measure the distribution of columns, for each feature time.

    Numbers with up to 20 different values have a bin for each; others have the tenths of all rows. What lies outside of
    the range of the reference is counted apart, and so are nulls.

    Parameters
    ----------
    rows : TableRows
    columns : sequence of InputColumn
    """
    numbers = [column for column in columns if column.kind != CATEGORY]
    categories = [column for column in columns if column.kind == CATEGORY]
    summaries = dict(zip((column.name for column in numbers), rows.summaries(numbers), strict=True))
    few = [column for column in numbers if 0 < summaries[column.name].distinct <= NEARLY_BINS]
    values = dict(zip((column.name for column in few), rows.values(few), strict=True))
    counts = dict(zip((column.name for column in categories), rows.categories(categories), strict=True))
    bins = [
        _category_bins(column, counts[column.name])
        if column.kind == CATEGORY
        else _number_bins(column, summaries[column.name], values.get(column.name, []))
        for column in columns
    ]
    periods = rows.counted(bins)
    measured = ReferenceStatistics(rows.customers(), {one.name: ColumnReference(one) for one in bins}, periods)
    if not periods:
        return measured
    figures = {}
    for one in bins:
        summary, column = summaries.get(one.name), measured.whole.columns[one.name]
        figures[one.name] = ColumnReference(one)
        if summary is not None and summary.present:
            figures[one.name] = ColumnReference(
                one,
                summary.low,
                summary.high,
                column.mean(),
                float(np.sqrt(column.squares / (column.present - 1))) if column.present > 1 else 0.0,
                summary.quantiles,
            )
    return replace(measured, columns=figures)


def _number_bins(column: InputColumn, summary: NumberSummary, values: Sequence[float]) -> Bins:
    if not summary.present:
        return Bins(column.name, column.kind)
    exact = 0 < len(values) <= MOST_BINS
    inner = values if exact else [*summary.quantiles[DECILES], summary.high]
    edges = sorted({float(np.nextafter(summary.low, -np.inf)), *map(float, inner)})
    return Bins(column.name, column.kind, edges=tuple(edges), exact=exact, centre=float(summary.mean))


def _category_bins(column: InputColumn, counts: dict[str, int]) -> Bins:
    ranked = sorted(counts, key=lambda value: (-counts[value], value))
    known = tuple(sorted(ranked)) if len(ranked) < MOST_KNOWN else None
    return Bins(column.name, column.kind, categories=tuple(ranked[:MOST_CATEGORIES]), known=known)


def monitored_columns(names: Sequence[str], features: Sequence[Feature], settings: Features) -> list[InputColumn]:
    """The registered features of a table except those that are excluded, and the outcome where it is there."""
    import pandas as pd

    excluded = settings.excluded(names)
    outcome = [InputColumn(OUTCOME, FLAG)] if OUTCOME in names else []
    used = [feature for feature in features if feature.name not in excluded]
    return [*typed_columns(pd.DataFrame(columns=list(names)), used), *outcome]


def fitted_until(card: ModelCard) -> datetime | None:
    """The last feature time that a model was fitted on; None where rows have no dates."""
    last = card.fitted_on.get("to")
    return None if last is None else datetime.fromisoformat(str(last))


def with_reference(result: TrainingResult, training_set: TrainingSet, settings: Features) -> TrainingResult:
    """The result of a training with the reference statistics among the files of its model.

    They are those of the rows that the model was fitted on, measured by the SQL that measures later periods.

    Parameters
    ----------
    result : TrainingResult
    training_set : TrainingSet
    settings : Features
        Whose ``exclude`` names features that no model uses.
    """
    columns = monitored_columns(list(training_set.frame.columns), training_set.features, settings)
    measured = reference_of_frame(training_set.frame, training_set.entity, columns, fitted_until(result.card))
    return replace(result, attachments={**result.attachments, FILE: measured.to_json().encode()})


def reference_of_frame(
    frame: pd.DataFrame, entity: str, columns: Sequence[InputColumn], until: datetime | None = None
) -> ReferenceStatistics:
    """Measure the rows of a frame up to a feature time (default: all)."""
    import duckdb
    import pyarrow as pa

    # By way of Arrow, which looks at every value: DuckDB would take a column for what its first thousand values are.
    needed = [entity, "feature_timestamp", *(column.name for column in columns)]
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("frame_rows", pa.Table.from_pandas(frame[needed], preserve_index=False))
        return measure_reference(TableRows(connection, "frame_rows", entity).between(until=until), columns)


def stored_reference(folder: Path) -> ReferenceStatistics | None:
    """The statistics that are stored with a model; None for a model of a version that stored none.

    Raises
    ------
    UserError
        When they were stored by another version of this package.
    """
    path = folder / "extra_files" / FILE
    if not path.is_file():
        return None
    try:
        return ReferenceStatistics.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"The reference statistics of the champion cannot be read: {error}.",
            where=str(path),
            hint="train again with `retention train`",
        ) from error


def reference_of_warehouse(
    rows: TableRows, features: Sequence[Feature], card: ModelCard, settings: Features
) -> ReferenceStatistics:
    """Measure the rows of the warehouse that a model was fitted on, where no statistics are stored with it."""
    names = [name for name, *_ in rows.selected(f"describe {rows.quoted(*rows.table.split('.'))}")]
    columns = monitored_columns(names, features, settings)
    measured = measure_reference(rows.between(until=fitted_until(card)), columns)
    if not measured.periods:
        raise UserError(
            "The training set has no rows of the time that the champion was fitted on.",
            where=TRAINING_SET,
            hint="run `retention train`",
        )
    return measured
