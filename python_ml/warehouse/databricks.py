"""Databricks: through the SQL connector, or the session inside of a cluster.

The statements are tested with a stand-in; nothing here has run on a workspace.
"""

from __future__ import annotations

import atexit
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.warehouse.arrow_types import for_spark, without_zones
from python_ml.warehouse.naming import quote_for_spark, relation_for_spark
from python_ml.warehouse.targets import schema_prefix

if TYPE_CHECKING:
    import pyarrow as pa

    from python_ml.project import Project
    from python_ml.warehouse.backend import Backend

RUNTIME_VARIABLE = "DATABRICKS_RUNTIME_VERSION"
REACHED_WITHIN = 10.0  # seconds until a host that does not answer is given up
_CLIENT = "dbt-databricks"  # the public client of the adapter, for a login in the browser
# A statement fails within a minute where the connector would try for 15.
_RETRIES = {
    "_retry_stop_after_attempts_count": 5,
    "_retry_stop_after_attempts_duration": 60.0,
    "_retry_delay_max": 10.0,
}
_AT_ONCE = 1000  # rows of an insert
_OPENED: dict[tuple[str, ...], Any] = {}


class DatabricksBackend:
    """Tables of Unity Catalog, through SQL; see :class:`python_ml.warehouse.backend.Backend`.

    Parameters
    ----------
    execute : callable
        Runs one SQL statement and gives its rows as a ``pyarrow.Table``.
    catalog : str
    prefix : str
        What the target puts before the names of schemas.
    """

    session = None

    def __init__(self, execute: Callable[[str], pa.Table], catalog: str, prefix: str = "") -> None:
        self.execute, self.catalog, self.prefix = execute, catalog, prefix
        self.place = f"Databricks, catalog {catalog}"

    def exists(self, name: str) -> bool:
        """Tell whether there is such a table or view."""
        schema, table = name.split(".")
        return bool(self._listed(f"table_schema = {_text(self.prefix + schema)} and table_name = {_text(table)}"))

    def columns(self, name: str) -> list[str]:
        """Names of the columns, in their order."""
        return self.execute(f"select * from {self._quoted(name)} limit 0").column_names

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read all rows; times are naive UTC."""
        selected = "*" if columns is None else ", ".join(map(quote_for_spark, columns))
        return without_zones(self.execute(f"select {selected} from {self._quoted(name)}"))

    def write(self, name: str, table: pa.Table) -> None:
        """Replace a table as a whole, in one step after the rows have arrived."""
        table = for_spark(table)
        self.execute(f"create schema if not exists {self._quoted(name.partition('.')[0])}")
        new = self._quoted(f"{name}__new")
        declared = ", ".join(f"{quote_for_spark(field.name)} {_sql_type(field.type)}" for field in table.schema)
        self.execute(f"create or replace table {new} ({declared})")
        try:
            for rows in _chunks(table):
                self.execute(f"insert into {new} values {rows}")
            self.execute(f"create or replace table {self._quoted(name)} as select * from {new}")
        finally:
            self.execute(f"drop table if exists {new}")

    def drop(self, name: str) -> None:
        """Drop a table, where it exists."""
        if self.exists(name):
            self.execute(f"drop table if exists {self._quoted(name)}")

    def schemas(self) -> set[str]:
        """Schemas that the warehouse has, as the project calls them."""
        rows = self.execute(f"select schema_name from {self._catalogue}.schemata").to_pylist()
        names = (row["schema_name"] for row in rows)
        return {name.removeprefix(self.prefix) for name in names if name.startswith(self.prefix)}

    def tables(self, schemas: Sequence[str]) -> list[str]:
        """Tables and views of schemas, as ``schema.table``, in alphabetical order."""
        return self._listed(f"table_schema in ({', '.join(_text(self.prefix + schema) for schema in schemas)})")

    def _listed(self, condition: str) -> list[str]:
        rows = self.execute(
            f"select table_schema, table_name from {self._catalogue}.tables where {condition}"
        ).to_pylist()
        return sorted(f"{row['table_schema'].removeprefix(self.prefix)}.{row['table_name']}" for row in rows)

    @property
    def _catalogue(self) -> str:
        return f"{quote_for_spark(self.catalog)}.information_schema"

    def _quoted(self, name: str) -> str:
        return f"{quote_for_spark(self.catalog)}.{relation_for_spark(self.prefix + name)}"


def open_databricks(project: Project, settings: Mapping[str, Any]) -> Backend:
    """The warehouse that a target of type ``databricks`` describes.

    Parameters
    ----------
    project : Project
    settings : mapping
        What ``profiles.yml`` says of the target.

    Raises
    ------
    UserError
        When the connector is not installed, the target does not say where to connect, or the host does not answer.
    """
    catalog, prefix = str(settings.get("catalog") or "main"), schema_prefix(project)
    if os.environ.get(RUNTIME_VARIABLE):
        from pyspark.sql import SparkSession

        from python_ml.warehouse.spark import SparkBackend

        place = f"Databricks, catalog {catalog}"
        return SparkBackend(SparkSession.builder.getOrCreate(), place, lambda name: f"{catalog}.{prefix}{name}", True)
    return DatabricksBackend(statement_runner(settings), catalog, prefix)


def statement_runner(settings: Mapping[str, Any]) -> Callable[[str], pa.Table]:
    """A function that runs one statement through the SQL connector and gives its rows.

    The connection is made by the first statement, and shared by all runners of the same place.

    Parameters
    ----------
    settings : mapping
        Of the target: ``host``, ``http_path``, and ``token`` or what OAuth needs (``auth_type``, ``client_id``,
        ``client_secret``, ``azure_client_id``, ``azure_client_secret``).

    Raises
    ------
    UserError
        When something of this is missing, the connector is not installed, or a statement fails.
    """
    needed = {"host": "DATABRICKS_HOST", "http_path": "DATABRICKS_HTTP_PATH"}
    if not _has_oauth(settings):
        needed["token"] = "DATABRICKS_TOKEN"  # noqa: S105 - the name of a variable
    if missing := [name for name in needed if not settings.get(name)]:
        raise UserError(
            f"The Databricks target has no {' and no '.join(missing)}.",
            where="profiles.yml",
            hint=f"set {', '.join(needed[name] for name in missing)}; or `auth_type: oauth` in place of a token",
        )
    try:
        from databricks import sql
        from databricks.sql.exc import Error
    except ImportError as error:
        raise UserError(
            "The connector for Databricks is not installed.",
            where="databricks-sql-connector",
            hint="install customer-retention[databricks]",
        ) from error
    host = str(settings["host"]).removeprefix("https://").rstrip("/")
    key = (host, str(settings["http_path"]), str(settings.get("token")), str(settings.get("client_id")))

    def opened() -> Any:
        if key not in _OPENED:
            _require_answer(host)
            _OPENED[key] = sql.connect(
                server_hostname=host,
                http_path=str(settings["http_path"]),
                session_configuration={"timezone": "UTC", "ansi_mode": "true"},
                **_credentials(host, settings),
                **_RETRIES,
            )
            atexit.register(_OPENED[key].close)
        return _OPENED[key]

    def execute(statement: str) -> pa.Table:
        try:
            with opened().cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall_arrow()
        except (Error, OSError, ValueError) as error:  # the SDK's errors of configuration are ValueErrors
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(
                f"Databricks refuses: {lines[0][:300]}",
                where=host,
                hint="check the host, the HTTP path, the credentials and their permissions",
            ) from error

    return execute


def _has_oauth(settings: Mapping[str, Any]) -> bool:
    return bool(settings.get("client_secret") or settings.get("azure_client_secret") or settings.get("auth_type"))


def _require_answer(host: str) -> None:
    """Give up soon where nobody answers: the connector would try for minutes."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return  # which is what answers then
    name, _, port = host.partition(":")
    try:
        socket.create_connection((name, int(port or 443)), timeout=REACHED_WITHIN).close()
    except OSError as error:
        raise UserError(
            f"The Databricks workspace does not answer: {error}.",
            where=host,
            hint="check DATABRICKS_HOST and the network",
        ) from error


def _credentials(host: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the connector: a token, or what the SDK makes of the same settings that dbt-databricks reads."""
    if settings.get("token"):
        return {"access_token": str(settings["token"])}
    from databricks.sdk.core import Config

    given = {name: str(settings[name]) for name in ("client_id", "client_secret") if settings.get(name)}
    kind = str(settings.get("auth_type") or "oauth")
    if settings.get("azure_client_secret"):
        names = ("azure_client_id", "azure_client_secret")
        given = {name: str(settings[name]) for name in names if settings.get(name)}
        kind = "azure-client-secret"
    elif kind in ("env-oidc", "file-oidc"):
        if settings.get("oidc_token_filepath"):
            given["oidc_token_filepath"] = str(settings["oidc_token_filepath"])
    elif "client_secret" in given:
        kind = "oauth-m2m"
    else:
        given.setdefault("client_id", _CLIENT)
        kind = "external-browser"
    config = Config(host=f"https://{host}", auth_type=kind, **given)
    return {"credentials_provider": lambda: config.authenticate}


def _chunks(table: pa.Table) -> Iterator[str]:
    """Rows as literals, some at a time."""
    kinds = [_sql_type(field.type) for field in table.schema]
    for batch in table.to_batches(max_chunksize=_AT_ONCE):
        columns = [
            [_literal(value, kind) for value in column.to_pylist()]
            for column, kind in zip(batch.columns, kinds, strict=True)
        ]
        yield ", ".join(f"({', '.join(row)})" for row in zip(*columns, strict=True))


def _literal(value: Any, kind: str) -> str:
    if value is None:
        return f"cast(null as {kind})"
    if isinstance(value, list):
        inner = kind.removeprefix("array<")[:-1]
        return f"cast(array({', '.join(_literal(one, inner) for one in value)}) as {kind})"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    # As text: digits and fractions of seconds stay as they are.
    text = f"{value}Z" if kind == "timestamp" and "+" not in str(value) else str(value)
    return _text(text) if kind == "string" else f"cast({_text(text)} as {kind})"


def _sql_type(type_: pa.DataType) -> str:
    import pyarrow as pa

    plain = {
        pa.bool_(): "boolean",
        pa.int8(): "tinyint",
        pa.int16(): "smallint",
        pa.int32(): "int",
        pa.int64(): "bigint",
        pa.float32(): "float",
        pa.float64(): "double",
        pa.string(): "string",
        pa.binary(): "binary",
        pa.date32(): "date",
    }
    if type_ in plain:
        return plain[type_]
    if pa.types.is_timestamp(type_):
        return "timestamp"
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision}, {type_.scale})"
    if pa.types.is_list(type_):
        return f"array<{_sql_type(type_.value_type)}>"
    raise UserError(
        f"A column of type {type_} cannot be written to Databricks.", where="Databricks", hint="cast it to text"
    )


def _text(text: str) -> str:
    """A literal as Spark reads it, in which a backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
