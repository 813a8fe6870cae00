"""The wheel of this package: its name, and the entry points that tasks of a job call."""

from __future__ import annotations

from python_ml import __version__

DISTRIBUTION = "customer-retention"
PACKAGE_NAMES = (DISTRIBUTION, DISTRIBUTION.replace("-", "_"))
WHEEL = f"customer_retention-{__version__}-py3-none-any.whl"
ENTRY_POINTS = {"retention": "python_ml.cli:main", "retention_job": "python_ml.cli.job:main"}
