"""Names, times and types of the feature store as Spark writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from python_ml.feature_store import schema
from python_ml.feature_store.schema import FEATURE_TIME, VALID_FROM, StoredColumn, StoreDefinition, ViewDefinition
from python_ml.warehouse import quote_for_spark

if TYPE_CHECKING:
    import pyarrow as pa


def spark_moment(time: datetime) -> str:
    """A time as a literal."""
    return f"timestamp '{time.isoformat(sep=' ')}'"


def arrow_type(definition: StoreDefinition, name: str) -> pa.DataType:
    """The type of a feature in Arrow."""
    import pyarrow as pa

    column = definition.columns[name]
    if column.kind == schema.DECIMAL:
        precision, scale = ([int(n) for n in re.findall(r"\d+", column.sql_type)] + [10, 0])[:2]
        return pa.decimal128(precision, scale)
    return {
        schema.TEXT: pa.string(),
        schema.BOOLEAN: pa.bool_(),
        schema.INTEGER: pa.int32(),
        schema.BIGINT: pa.int64(),
        schema.FLOAT: pa.float32(),
        schema.DOUBLE: pa.float64(),
        schema.DATE: pa.date32(),
        schema.TIMESTAMP: pa.timestamp("us"),
    }[column.kind]


def with_zone(value: Any) -> Any:
    """A time as one in UTC; other values as they are."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def spark_column(column: StoredColumn) -> str:
    """Name and type of a column."""
    names = {schema.TEXT: "string", schema.INTEGER: "int", schema.TIMESTAMP: "timestamp"}
    return f"{quote_for_spark(column.name)} {names.get(column.kind, column.sql_type)}"


def spark_schema(definition: StoreDefinition, view: ViewDefinition) -> str:
    """The types of a view's rows, as Spark reads them."""
    times = [f"{FEATURE_TIME} timestamp", f"{VALID_FROM} timestamp"]
    return ", ".join([spark_column(definition.key), *times, *map(spark_column, view.columns)])
