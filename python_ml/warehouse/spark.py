"""Spark: the session of this process, which dbt's session method shares."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.warehouse.arrow_types import for_spark, without_zones
from python_ml.warehouse.naming import quote_for_spark, relation_for_spark

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

    from python_ml.project import Project

# What a session on one machine gets where profiles.yml says nothing else: with small data, what Spark does for a
# cluster would be most of the work.
_ON_ONE_MACHINE = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.log.level": "ERROR",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# What Spark says when the metastore does not open; only the log has Derby's own words.
_NO_METASTORE = ("SessionHiveMetaStoreClient", "Another instance of Derby may have already booted")
_ONE_FILE = 1_000_000  # rows of a table that are written as one file, in their order


class SparkBackend:
    """Tables of a Spark session; see :class:`python_ml.warehouse.backend.Backend`.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
    place : str
        Names the warehouse in messages.
    physical : callable, optional
        Gives the name that a ``schema.table`` (or a schema alone) has in the session's catalogue.
    on_delta : bool
        Whether tables are replaced in place, as Delta's can.
    """

    def __init__(
        self, session: SparkSession, place: str, physical: Callable[[str], str] = str, on_delta: bool = False
    ) -> None:
        self.session, self.place, self._physical, self._on_delta = session, place, physical, on_delta

    def exists(self, name: str) -> bool:
        """Tell whether there is such a table or view."""
        return self.session.catalog.tableExists(self._quoted(name))

    def columns(self, name: str) -> list[str]:
        """Names of the columns, in their order."""
        return self.session.table(self._quoted(name)).columns

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read all rows; times are naive UTC."""
        frame = self.session.table(self._quoted(name))
        if columns is not None:
            frame = frame.select(*(quote_for_spark(column) for column in columns))
        return without_zones(frame.toArrow())

    def write(self, name: str, table: pa.Table) -> None:
        """Replace a table as a whole; the old rows stay until the new ones are written."""
        schema = name.partition(".")[0]
        self.session.sql(f"create schema if not exists {self._quoted(schema)}")
        frame = self.session.createDataFrame(for_spark(table))
        if table.num_rows <= _ONE_FILE:
            frame = frame.coalesce(1)
        if self._on_delta:
            frame.writeTo(self._quoted(name)).using("delta").createOrReplace()
            return
        new, old = self._quoted(f"{name}__new"), self._quoted(name)
        frame.write.mode("overwrite").saveAsTable(new)
        self.drop(name)
        self.session.sql(f"alter table {new} rename to {old}")

    def drop(self, name: str) -> None:
        """Drop a table or a view, where it exists."""
        if not self.exists(name):
            return
        kind = self.session.catalog.getTable(self._quoted(name)).tableType
        self.session.sql(f"drop {'view' if kind == 'VIEW' else 'table'} if exists {self._quoted(name)}")

    def schemas(self) -> set[str]:
        """Schemas that the warehouse has."""
        return {database.name for database in self.session.catalog.listDatabases()}

    def tables(self, schemas: Sequence[str]) -> list[str]:
        """Tables and views of schemas, as ``schema.table``, in alphabetical order."""
        there = self.schemas()
        return sorted(
            f"{schema}.{row['tableName']}"
            for schema in schemas
            if schema in there
            for row in self.session.sql(f"show tables in {self._quoted(schema)}").collect()
            if not row["isTemporary"]
        )

    def _quoted(self, name: str) -> str:
        return relation_for_spark(self._physical(name))


def open_spark(project: Project, settings: Mapping[str, Any]) -> SparkBackend:
    """The session that a target of type ``spark`` describes; the one of this process, where it has one.

    Parameters
    ----------
    project : Project
    settings : mapping
        What ``profiles.yml`` says of the target.

    Raises
    ------
    UserError
        When pyspark or Java is missing, the target does not use the session method, or another process holds the
        metastore.
    """
    where = f"target {project.target or 'spark'}"
    method = str(settings.get("method", "session"))
    if method != "session":
        raise UserError(
            f"The target connects to Spark by `{method}`; only the session method is supported.",
            where=where,
            hint="set `method: session` in profiles.yml; spark.master names a cluster",
        )
    _require_spark(where)
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is None:
        session = _started({str(k): str(v) for k, v in (settings.get("server_side_parameters") or {}).items()}, where)
    return SparkBackend(session, where)


def _require_spark(where: str) -> None:
    if importlib.util.find_spec("pyspark") is None:
        raise UserError("pyspark is not installed.", where=where, hint="pip install 'customer-retention[spark]'")
    home = Path(os.environ.get("JAVA_HOME", "nowhere")) / "bin"
    if not shutil.which("java") and not shutil.which("java", path=str(home)):
        raise UserError(
            "Java is not installed, which Spark runs on.",
            where=where,
            hint="install Java 17 or newer, and put it on PATH or set JAVA_HOME",
        )


def _started(parameters: dict[str, str], where: str) -> SparkSession:
    """Start a session as dbt-spark would: what it calls for later is this one."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers take another one from PATH
    is_local = parameters.get("spark.master", "local").startswith("local")
    defaults = _ON_ONE_MACHINE if is_local else {}
    if is_local:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # which it would look for, and warn about
    builder = SparkSession.builder.enableHiveSupport()
    for name, value in (defaults | parameters).items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
        session.catalog.listDatabases()  # opens the metastore
    except Exception as error:  # the bridge to Java raises many kinds
        if any(sign in str(error) for sign in _NO_METASTORE):
            with contextlib.suppress(NameError):
                session.stop()
            raise UserError(
                "The metastore of Spark cannot be opened; another process most likely has it open.",
                where=where,
                hint="wait for that process to end: the embedded metastore allows one at a time",
            ) from error
        if isinstance(error, PySparkException) or type(error).__module__.startswith(("py4j", "pyspark")):
            raise UserError(
                f"Spark does not start: {(str(error).strip().splitlines() or [type(error).__name__])[0][:300]}",
                where=where,
                hint="check spark.master and the other server_side_parameters of the target in profiles.yml",
            ) from error
        raise
    return session
