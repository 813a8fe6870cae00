"""Rows of the two engines as Arrow tables, and where they differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RELATIVE = 1e-9
ABSOLUTE = 1e-12


def of_spark(spark: SparkSession, query: str) -> pa.Table:
    """Rows of a query; times are naive UTC, as DuckDB has them."""
    return _comparable(spark.sql(query).toArrow())


def to_spark(spark: SparkSession, name: str, table: pa.Table) -> None:
    """Make a table of naive UTC times known to the session by that name."""
    fields = [
        # without a time zone Spark would make another type of it, timestamp_ntz
        pa.field(field.name, pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(field.type) else field.type)
        for field in table.schema
    ]
    frame = spark.createDataFrame(table.cast(pa.schema(fields)))
    # worked out once: every step of a query would read it anew
    frame.cache().createOrReplaceTempView(name)


def differences(first: pa.Table, second: pa.Table) -> Iterator[str]:
    """Where two tables differ, in any order of rows.

    Columns, types and values must be equal; doubles within 1e-9 relative or 1e-12 absolute.
    """
    first, second = _comparable(first), _comparable(second)
    if first.schema != second.schema:
        for one, other in zip(first.schema, second.schema, strict=False):
            if one != other:
                yield f"column {one.name} {one.type} is {other.name} {other.type}"
        if len(first.schema) != len(second.schema):
            yield f"{len(first.schema)} columns are {len(second.schema)}"
        return
    if first.num_rows != second.num_rows:
        yield f"{first.num_rows} rows are {second.num_rows}"
    if _agree(first, second):
        return
    names = first.schema.names
    for one, other in zip(_sorted(first), _sorted(second), strict=False):
        for name, left, right in zip(names, one, other, strict=True):
            if not same(left, right):
                yield f"{dict(zip(names[:3], one, strict=False))} {name}: {left!r} is {right!r}"


def _agree(first: pa.Table, second: pa.Table) -> bool:
    """Whether two tables of the same schema agree, column by column; cell by cell takes minutes for wide tables."""
    exact = [field.name for field in first.schema if not pa.types.is_floating(field.type)]
    near = [field.name for field in first.schema if pa.types.is_floating(field.type)]
    if first.num_rows != second.num_rows or any(pa.types.is_nested(field.type) for field in first.schema):
        return False
    order = [(name, "ascending") for name in exact + near]
    first, second = (table.sort_by(order).combine_chunks() if order else table for table in (first, second))
    if any(not first[name].equals(second[name]) for name in exact):
        return False
    for name in near:
        one, other = first[name], second[name]
        if not one.is_null().equals(other.is_null()):
            return False
        values = (column.to_numpy(zero_copy_only=False) for column in (one, other))
        if not np.allclose(*values, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True):
            return False
    return True


def same(left: Any, right: Any) -> bool:
    """Whether two values agree: equal, or near for doubles."""
    if isinstance(left, float) and isinstance(right, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return left == right


def _comparable(table: pa.Table) -> pa.Table:
    """Times without a time zone, no field marked as required, no large types."""
    fields = []
    for field in table.schema:
        type_ = field.type
        if pa.types.is_timestamp(type_):
            type_ = pa.timestamp("us")
        elif pa.types.is_large_string(type_):
            type_ = pa.string()
        fields.append(pa.field(field.name, type_))
    return table.cast(pa.schema(fields))


def _sorted(table: pa.Table) -> Sequence[tuple]:
    """Rows in an order that near doubles hardly change: by all else first."""
    exact = [i for i, field in enumerate(table.schema) if not pa.types.is_floating(field.type)]
    near = [i for i in range(table.num_columns) if i not in exact]
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True) if table.num_columns else iter(())
    return sorted(rows, key=lambda row: [_rank(row[i]) for i in exact + near])


def _rank(value: Any) -> tuple:
    if isinstance(value, datetime):
        value = value.replace(tzinfo=UTC).timestamp()
    if isinstance(value, Decimal | bool):
        value = float(value)
    return (value is not None, value if value is not None else 0)
