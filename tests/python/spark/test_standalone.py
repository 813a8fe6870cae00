"""A pipeline that `retention generate --standalone` wrote, run on Spark without this package.

One file, so that one worker starts Spark.
"""

from __future__ import annotations

import csv
import importlib.abc
import json
import random
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest

from tests.python.command_line import command_here, train_only

from . import rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

START = datetime(2023, 1, 2)
FEATURES = ("gld_customer_features", "gld_churn_labels", "gld_training_set", "gld_scoring_set")
NOT_THERE = ("python_ml", "dbt", "mlflow")
# Hashes are an engine's own.
FINGERPRINT = "row_fingerprint"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built and trained project from two files; its champion is an average of two kinds of model."""
    folder = tmp_path_factory.mktemp("standalone")
    _write_files(folder)
    _run(folder, "init", "shop", "--data", "orders.csv", "customers.csv", "--horizon", "60d")
    project = folder / "shop"
    settings = project / "dbt_project.yml"
    shorter = settings.read_text(encoding="utf-8").replace("windows: [7d, 30d, 90d, 180d, all_time]", "windows: [30d, 90d]")
    settings.write_text(shorter.replace("step: 7d", "step: 14d"), encoding="utf-8")
    train_only(project, "logistic_regression", "lightgbm")
    for words in (("build",), ("train",), ("score",)):
        _run(project, *words)
    return project


@pytest.fixture(scope="module")
def pipeline(shop: Path) -> Path:
    """The folder of the standalone pipeline."""
    _run(shop, "generate", "--standalone", "../pipeline")
    return shop.parent / "pipeline"
