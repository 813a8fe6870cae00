"""Reading the user's files: opened, typed, measured.

:func:`open_tables` makes a :class:`RawTable` of each file, with one typed view on a scratch database.
"""

from __future__ import annotations

from python_ml.ingest.connection import scratch_connection
from python_ml.ingest.conversion import convert, refresh_converted
from python_ml.ingest.macros import rendered
from python_ml.ingest.schema import Column, Conversion, NumberFacts, RawTable, Reading, TimeFacts
from python_ml.ingest.tables import DataArgument, align_clocks, open_tables, unknown_column, with_row_number
from python_ml.ingest.typing import typed_expression

__all__ = [
    "Column",
    "Conversion",
    "DataArgument",
    "NumberFacts",
    "RawTable",
    "Reading",
    "TimeFacts",
    "align_clocks",
    "convert",
    "open_tables",
    "refresh_converted",
    "rendered",
    "scratch_connection",
    "typed_expression",
    "unknown_column",
    "with_row_number",
]
