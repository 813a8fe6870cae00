"""Numbers, times and categories as text columns, by Arrow kernels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def timestamps(seconds: np.ndarray) -> pa.Array:
    """Seconds since 1970 as ``YYYY-MM-DD HH:MM:SS``."""
    return pa.array(np.asarray(seconds, dtype=np.int64)).cast(pa.timestamp("s")).cast(pa.string())


def integers(values: np.ndarray) -> pa.Array:
    """Whole numbers."""
    return pa.array(np.asarray(values, dtype=np.int64)).cast(pa.string())


def money(cents: np.ndarray) -> pa.Array:
    """Non-negative cents as units with two decimals."""
    return _fixed(cents, 2)


def probabilities(values: np.ndarray) -> pa.Array:
    """Numbers between 0 and 1 with eight decimals, never as 0 or 1 themselves."""
    scaled = np.clip(np.rint(np.asarray(values) * 10**8), 1, 10**8 - 1)
    return _fixed(scaled, 8)


def categories(codes: np.ndarray, values: tuple[str, ...]) -> pa.Array:
    """Codes as categories."""
    return pa.array(values, pa.string()).take(pa.array(np.asarray(codes, dtype=np.int64)))


def identifiers(prefix: str, numbers: np.ndarray, width: int = 0) -> pa.Array:
    """Identifiers: a prefix and a number, padded with zeros to a width."""
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(integers(numbers), width, "0"), "")


def null_where(column: pa.Array, mask: np.ndarray) -> pa.Array:
    """Null where the mask holds."""
    return pc.if_else(pa.array(mask), pa.scalar(None, column.type), column)


def _fixed(scaled: np.ndarray, decimals: int) -> pa.Array:
    scaled = np.asarray(scaled, dtype=np.int64)
    whole, rest = np.divmod(scaled, 10**decimals)
    return pc.binary_join_element_wise(integers(whole), pc.utf8_lpad(integers(rest), decimals, "0"), ".")
