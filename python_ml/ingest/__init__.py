"""Reading the user's files: opened, typed, measured.

:func:`open_tables` makes a :class:`RawTable` of each file, with one typed view on a scratch database.
"""

from __future__ import annotations

from python_ml.ingest.connection import scratch_connection
from python_ml.ingest.macros import rendered
from python_ml.ingest.schema import RawTable
from python_ml.ingest.tables import DataArgument, align_clocks, open_tables, unknown_column, with_row_number

__all__ = [
    "DataArgument",
    "RawTable",
    "align_clocks",
    "open_tables",
    "rendered",
    "scratch_connection",
    "unknown_column",
    "with_row_number",
]
