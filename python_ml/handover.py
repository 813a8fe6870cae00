"""Tables that one process makes for the Python models of dbt in another one.

The process of dbt need not load the champion and its libraries again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# A folder with the tables that :func:`handed_over` was given.
VARIABLE = "RETENTION_SCORED_DIR"


@contextmanager
def handed_over(tables: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, str]]:
    """Keep tables for the time of a run of dbt.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        By the name that :func:`taken_over` asks for.

    Yields
    ------
    dict
        Environment variables of that run.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory(prefix="retention_scored_") as folder:
        for name, table in tables.items():
            pq.write_table(pa.Table.from_pandas(table, preserve_index=False), Path(folder) / f"{name}.parquet")
        yield {VARIABLE: folder}


def taken_over(name: str) -> pa.Table | None:
    """The table that the calling process has made; None where it has made none."""
    folder = os.environ.get(VARIABLE)
    if folder is None or not (path := Path(folder) / f"{name}.parquet").is_file():
        return None
    import pyarrow.parquet as pq

    return pq.read_table(path)
