"""Writing a dbt project from its plan, and writing it again without overwriting edits."""

from __future__ import annotations

from python_ml.generate.package import install_package, package_files
from python_ml.generate.preview import SourceRows, preview_outcome, preview_sources
from python_ml.generate.raw_files import refresh_raw
from python_ml.generate.render import render
from python_ml.generate.summary import summary
from python_ml.generate.writing import Written, check_folder, create, renew

__all__ = [
    "SourceRows",
    "Written",
    "check_folder",
    "create",
    "install_package",
    "package_files",
    "preview_outcome",
    "preview_sources",
    "refresh_raw",
    "render",
    "renew",
    "summary",
]
