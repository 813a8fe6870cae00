"""The figures in the record of a snapshot: customers, labels, times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from python_ml.snapshots.content import Columns


def summarise(columns: Columns, key: Sequence[str]) -> dict[str, Any]:
    """Count customers and labels, and give the range of times.

    Returns
    -------
    dict
        ``customers``, ``churned`` (rows), ``base_rate``; ``feature_timestamp`` and ``label_timestamp``, each first and
        last in ISO format.
    """
    churners = int(pc.sum(pc.equal(columns.read("churned").cast(pa.int64()), 1)).as_py() or 0)
    return {
        "customers": int(pc.count_distinct(columns.read(key[0])).as_py()),
        "churned": churners,
        "base_rate": churners / columns.rows if columns.rows else None,
        **{name: _ends(columns, name) for name in ("feature_timestamp", "label_timestamp")},
    }


def _ends(columns: Columns, name: str) -> list[str | None]:
    ends = pc.min_max(columns.read(name)).as_py()
    return [None if ends[end] is None else ends[end].isoformat() for end in ("min", "max")]
