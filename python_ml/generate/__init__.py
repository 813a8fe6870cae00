"""Writing a dbt project from its plan, and writing it again without overwriting edits."""

from __future__ import annotations

from python_ml.generate.raw_files import refresh_raw
from python_ml.generate.summary import summary
from python_ml.generate.writing import Written, check_folder

__all__ = [
    "Written",
    "check_folder",
    "refresh_raw",
    "summary",
]
