"""Types of Arrow tables on their way between engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def without_zones(table: pa.Table) -> pa.Table:
    """As DuckDB has them: times in UTC without their zone, to the microsecond; texts of one type."""
    import pyarrow as pa

    def naive(type_: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(type_):
            return pa.timestamp("us")
        if pa.types.is_large_string(type_):
            return pa.string()
        return type_

    return _cast(table, naive)


def for_spark(table: pa.Table) -> pa.Table:
    """As Spark can store them: times in UTC, signed numbers, no columns without a type."""
    import pyarrow as pa

    def storable(type_: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(type_):
            return pa.timestamp("us", tz="UTC")  # without a zone, it would become a timestamp_ntz
        if pa.types.is_null(type_):
            return pa.int32()  # what DuckDB makes of a column of nulls
        if pa.types.is_dictionary(type_):
            return storable(type_.value_type)
        if pa.types.is_large_string(type_) or pa.types.is_time(type_):
            return pa.string()
        if pa.types.is_large_binary(type_):
            return pa.binary()
        unsigned = {
            pa.uint8(): pa.int16(),
            pa.uint16(): pa.int32(),
            pa.uint32(): pa.int64(),
            pa.uint64(): pa.decimal128(20, 0),
            pa.float16(): pa.float32(),
        }
        return unsigned.get(type_, type_)

    return _cast(table, storable)


def _cast(table: pa.Table, change: Callable[[pa.DataType], pa.DataType]) -> pa.Table:
    """Change the types of columns, and those inside of lists and structures."""
    import pyarrow as pa

    def changed(type_: pa.DataType) -> pa.DataType:
        if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
            return pa.list_(changed(type_.value_type))
        if pa.types.is_struct(type_):
            return pa.struct([pa.field(field.name, changed(field.type)) for field in type_])
        return change(type_)

    # None is marked as required: Spark would declare its tables so, and then refuse to add nulls.
    return table.cast(pa.schema([pa.field(field.name, changed(field.type)) for field in table.schema]))
