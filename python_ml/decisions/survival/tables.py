"""The tables of gold that hold survival: their names and columns, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from python_ml.warehouse import write_table

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.project import Project

ESTIMATES = "gold.gld_survival_estimates"
EVALUATION = "gold.gld_survival_evaluation"
CURVES = "gold.gld_survival_curves"

_DOUBLE, _INT, _TEXT = pa.float64(), pa.int32(), pa.string()
# Behind the entity, which has the type that it has in the scoring set.
ESTIMATE_COLUMNS = {
    "feature_timestamp": pa.timestamp("us"),
    "risk_30d": _DOUBLE,
    "risk_60d": _DOUBLE,
    "risk_90d": _DOUBLE,
    "median_remaining_days": _DOUBLE,
    "expected_remaining_days": _DOUBLE,
    "model_version": _INT,
}
EVALUATION_COLUMNS = {
    "model": _TEXT,
    "metric": _TEXT,
    "horizon": _DOUBLE,
    "value": _DOUBLE,
    "low": _DOUBLE,
    "high": _DOUBLE,
}
CURVE_COLUMNS = {
    "grouped_by": _TEXT,
    "cohort": _TEXT,
    "period": _INT,
    "days": _DOUBLE,
    "survival": _DOUBLE,
    "low": _DOUBLE,
    "high": _DOUBLE,
    "at_risk": pa.int64(),
}


def write(project: Project, name: str, frame: pd.DataFrame, columns: dict[str, pa.DataType]) -> None:
    """Replace a table; columns that are not among the given ones come first, with their own types."""
    keys = [column for column in frame.columns if column not in columns]
    table = pa.Table.from_pandas(frame[[*keys, *columns]], preserve_index=False)
    schema = pa.schema([*(table.schema.field(key) for key in keys), *map(pa.field, columns, columns.values())])
    write_table(project, name, table.cast(schema))
