"""One Spark session for every test here, started by the first that needs it.

Each file of this folder starts at most one: pytest-xdist hands whole files to its workers (`--dist loadfile`).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # tables live as long as the session, so that no metastore has to be made
    "spark.sql.catalogImplementation": "in-memory",
    # two cores and small data: what Spark does for a cluster would be most of the work
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.default.parallelism": "2",
    # a machine that slept for a while must not be taken for one that died
    "spark.executor.heartbeatInterval": "1h",
    "spark.network.timeout": "2h",
    "spark.log.level": "ERROR",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    # compiling a plan takes far longer than so few rows; Spark itself vouches that its interpreter gives the same
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    # planning is most of the work on wide queries, and this part of it a tenth
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def missing() -> str | None:
    """What Spark lacks here, if anything."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed (pip install 'customer-retention[spark]')"
    at_home = Path(os.environ.get("JAVA_HOME", "nowhere")) / "bin"
    if not shutil.which("java") and not shutil.which("java", path=str(at_home)):
        return "Java is not installed (Spark needs 17 or newer on PATH, or JAVA_HOME)"
    return None


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local session with two cores; skipped where Spark cannot run, except in continuous integration."""
    reason = missing()
    if reason and os.environ.get("CI"):
        pytest.fail(f"Spark has to be tested here, but {reason}")
    if reason:
        pytest.skip(reason)

    with session(tmp_path_factory.mktemp("spark")) as started:
        yield started


@contextmanager
def session(folder: Path) -> Iterator[SparkSession]:
    """A local session with two cores that keeps what it writes in a folder."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable  # workers take another one from PATH
    builder = SparkSession.builder.master("local[2]").config("spark.sql.warehouse.dir", str(folder / "warehouse"))
    builder = builder.config("spark.local.dir", str(folder / "scratch"))
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    started = builder.getOrCreate()
    yield started
    started.stop()
