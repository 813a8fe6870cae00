"""Columns for a page: arrays and a JSON document, compressed, as text that HTML and scripts cannot take for markup."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

KINDS = {"u1": "Uint8Array", "u2": "Uint16Array", "u4": "Uint32Array", "f4": "Float32Array"}
ALIGNED = 8  # bytes, so that a browser can look at an array in its place
EXACT_BITS = 14  # of a fraction: more digits than are shown


def packed(document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Pack a document and arrays.

    Parameters
    ----------
    document : mapping
        Plain data for JSON, without ``arrays``.
    arrays : mapping of str to numpy.ndarray
        Of unsigned integers with 1, 2 or 4 bytes, or of floats with 4; they are read in C order.

    Returns
    -------
    str
        Base64 of a gzip file: length of the JSON (4 bytes, little-endian), JSON, then the arrays, each at a multiple of
        8 bytes. ``arrays`` in the JSON says of each its kind in JavaScript, its offset behind the JSON, and its length.
        The same input gives the same text.
    """
    offset, layout, parts = 0, {}, []
    for name, values in arrays.items():
        kind = f"{values.dtype.kind}{values.dtype.itemsize}"
        content = np.ascontiguousarray(values).astype(f"<{kind}", copy=False).tobytes()
        layout[name] = [KINDS[kind], offset, values.size]
        parts.append(content + bytes(-len(content) % ALIGNED))
        offset += len(parts[-1])
    text = json.dumps({**document, "arrays": layout}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    start = text.encode("utf-8", "replace")
    start += b" " * (-(len(start) + 4) % ALIGNED)
    whole = b"".join([len(start).to_bytes(4, "little"), start, *parts])
    return base64.b64encode(gzip.compress(whole, 6, mtime=0)).decode("ascii")


def coded(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Number the distinct values of a column, the commonest first.

    Parameters
    ----------
    values : pandas.Series, shape (n_rows,)
        Texts, or missing.

    Returns
    -------
    codes : numpy.ndarray of unsigned integers, shape (n_rows,)
        0 where there is no value, else one more than the place in ``texts``.
    texts : list of str
    """
    text = values.astype("string")
    counts = text.value_counts(sort=False).rename_axis("text").reset_index(name="n")
    texts = counts.sort_values(["n", "text"], ascending=[False, True])["text"].tolist()
    codes = pd.Categorical(text, categories=texts).codes.astype(np.int64) + 1
    return narrowest(codes, len(texts)), texts


def narrowest(codes: np.ndarray, largest: int) -> np.ndarray:
    """Codes in the smallest type that holds ``largest``."""
    return codes.astype(next(kind for kind in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(kind).max))


def shown_digits(values: np.ndarray) -> np.ndarray:
    """Numbers as 4 bytes, without the digits that nobody is shown, which would not compress.

    Parameters
    ----------
    values : numpy.ndarray of float
        NaN where there is none.

    Returns
    -------
    numpy.ndarray of float32
        Whole numbers as they are; from 1,000 on, numbers are rounded to whole ones; other fractions keep about four
        digits.
    """
    with np.errstate(over="ignore"):
        single = np.where(np.abs(values) >= 1000, np.rint(values), values).astype(np.float32)
    single[np.isinf(single)] = np.nan
    drop = 23 - EXACT_BITS
    bits = np.ascontiguousarray(single).view(np.uint32)
    shorter = ((bits + np.uint32(1 << (drop - 1))) & np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)).view(np.float32)
    return np.where(np.isnan(single) | (single == np.rint(single)), single, shorter)
