"""SHA-256 of the content of a table: columns, types and values, whatever the order of rows and the file.

Rows are put into the order of their key, which is unique; then each column is hashed over canonical bytes, and the
digest of the table is taken over names, types and digests of the columns, in their order. A chain of SHA-256 over an
unambiguous encoding resists collisions as well as SHA-256 itself (docs/decisions/0011-content-hash.md).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from threading import local
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FORMAT = b"retention content 1\n"
MOST_THREADS = 8

_INTEGERS = {
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "uint8": "utinyint",
    "uint16": "usmallint",
    "uint32": "uinteger",
    "uint64": "ubigint",
}


class ContentError(ValueError):
    """A table that has no canonical content: a type that is not defined, or an invalid key."""


@dataclass(frozen=True)
class Columns:
    """A table whose columns are read one at a time.

    Attributes
    ----------
    schema : pyarrow.Schema
    rows : int
    read : callable
        Gives the column of a name as a ``pyarrow.ChunkedArray``; may be called by several threads.
    """

    schema: pa.Schema
    rows: int
    read: Callable[[str], pa.ChunkedArray]

    @classmethod
    def of_table(cls, table: pa.Table) -> Columns:
        """Columns of a table in memory."""
        return cls(table.schema, table.num_rows, table.column)

    @classmethod
    def of_parquet(cls, path: Path) -> Columns:
        """Columns of a parquet file; a column is in memory only while it is used."""
        with pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
        readers = local()  # a reader is not thread-safe

        def read(name: str) -> pa.ChunkedArray:
            if not hasattr(readers, "file"):
                readers.file = pq.ParquetFile(path, metadata=metadata, memory_map=True)
            return readers.file.read(columns=[name], use_threads=False).column(name)

        return cls(schema, metadata.num_rows, read)


@dataclass(frozen=True)
class Content:
    """Digest, rows and types of a table.

    Attributes
    ----------
    sha256 : str
    rows : int
    types : dict of str to str
        Canonical type of each column, in their order.
    """

    sha256: str
    rows: int
    types: dict[str, str]


def canonical_type(kind: pa.DataType) -> str:
    """Name a type as SQL does, whatever way Arrow stores it.

    Raises
    ------
    ContentError
        When it has no canonical bytes: lists, structs, blobs and the like.
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if str(kind) in _INTEGERS:
        return _INTEGERS[str(kind)]
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return "real" if pa.types.is_float32(kind) else "double"
    if pa.types.is_decimal(kind) and kind.precision <= 38:
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamp with time zone"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    raise ContentError(f"values of type {kind} have no canonical form")


def content(columns: Columns, key: Sequence[str]) -> Content:
    """Hash a table.

    Parameters
    ----------
    columns : Columns
    key : sequence of str
        One or two columns that are unique together and never null.

    Raises
    ------
    ContentError
        When a column has no canonical form, two have one name, or the key is missing, null or not unique.
    """
    names = columns.schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ContentError(f"two columns are named {', '.join(twice)}")
    missing = [name for name in key if name not in names]
    if missing:
        raise ContentError(f"there is no column {' and no column '.join(missing)}")
    types = {}
    for field in columns.schema:
        try:
            types[field.name] = canonical_type(field.type)
        except ContentError as error:
            raise ContentError(f"column {field.name}: {error}") from error
    order = _key_order([columns.read(name) for name in key])

    def column_digest(name: str) -> bytes:
        try:
            values = _flat(columns.read(name))
        except ContentError as error:
            raise ContentError(f"column {name}: {error}") from error
        digest = hashlib.sha256()
        for part in _canonical_parts(values if order is None else values.take(order)):
            digest.update(part)
        return digest.digest()

    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        digests = list(pool.map(column_digest, names))
    whole = hashlib.sha256(FORMAT)
    whole.update(_number(columns.rows) + _number(len(key)))
    for name in key:
        whole.update(_text(name))
    whole.update(_number(len(names)))
    for name, digest in zip(names, digests, strict=True):
        whole.update(_text(name) + _text(types[name]) + digest)
    return Content(whole.hexdigest(), columns.rows, types)


def _key_order(key: list[pa.ChunkedArray]) -> pa.Array | None:
    """Positions of the rows in the order of their key; None if they have it already."""
    place = np.zeros(len(key[0]), dtype=np.int64)  # two columns of n values have less than n * n places
    for column in key:
        values = _flat(column)
        if values.null_count:
            raise ContentError(f"{values.null_count} row(s) have no key")
        encoded = values.dictionary_encode()
        by_value = pc.sort_indices(encoded.dictionary).to_numpy()
        rank = np.empty(len(by_value), dtype=np.int64)
        rank[by_value] = np.arange(len(by_value))
        place = place * len(by_value) + rank[encoded.indices.to_numpy()]
    steps = np.diff(place)
    if (steps > 0).all():
        return None
    order = np.argsort(place, kind="stable")
    twice = int((np.diff(place[order]) == 0).sum())
    if twice:
        raise ContentError(f"{twice} row(s) have the key of another row")
    return pa.array(order)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece, in the one representation that its canonical type has here."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        column = column.cast(pa.large_string())
    elif pa.types.is_date(kind):
        column = column.cast(pa.date32())
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.decimal128(kind.precision, kind.scale))
    elif pa.types.is_timestamp(kind):
        try:
            column = column.cast(pa.timestamp("us", tz="UTC" if kind.tz else None))
        except pa.ArrowInvalid as error:
            raise ContentError("a time is finer than a microsecond") from error
    flat = column.combine_chunks()
    return flat if isinstance(flat, pa.Array) else pa.concat_arrays(flat.chunks)


def _canonical_parts(values: pa.Array) -> Iterator[Any]:
    """Canonical bytes of a column: which values there are, then the values, with zero bytes where there is none.

    Numbers are little-endian in their own width, decimals whole numbers of 16 bytes, dates days and times microseconds
    since 1970 in UTC, text its lengths and then its UTF-8 bytes. All NaNs are one, and -0.0 is 0.0.
    """
    kind, count = values.type, len(values)
    present = np.asarray(values.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    yield _number(count)
    yield np.packbits(present, bitorder="little").tobytes()
    if pa.types.is_large_string(kind):
        values = values.fill_null("")
        _, offsets, data = values.buffers()
        edges = np.frombuffer(offsets, dtype=np.int64, count=count + 1, offset=8 * values.offset) if count else None
        if edges is not None:
            yield np.diff(edges).astype("<i8").tobytes()
            yield memoryview(data or b"")[edges[0] : edges[-1]]
    elif pa.types.is_decimal(kind):
        values = values.fill_null(pa.scalar(Decimal(0), kind))
        if count:
            yield memoryview(values.buffers()[1])[16 * values.offset : 16 * (values.offset + count)]
    elif pa.types.is_boolean(kind):
        yield np.packbits(values.fill_null(False).to_numpy(zero_copy_only=False), bitorder="little").tobytes()
    elif pa.types.is_floating(kind):
        width = kind.bit_width // 8
        numbers = values.fill_null(0.0).to_numpy(zero_copy_only=False) + np.zeros((), f"f{width}")  # -0.0 + 0.0 is 0.0
        unknown = np.isnan(numbers)
        if unknown.any():
            numbers[unknown] = np.nan
        yield numbers.astype(f"<f{width}", copy=False).data
    else:
        width = kind.bit_width // 8
        whole = values.view(pa.int32() if width == 4 else pa.int64()) if pa.types.is_temporal(kind) else values
        numbers = whole.fill_null(0).to_numpy(zero_copy_only=False)
        yield np.ascontiguousarray(numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)).data


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _number(len(encoded)) + encoded
