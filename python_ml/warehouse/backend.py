"""What the package asks of an engine that is not DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class Backend(Protocol):
    """Tables of a remote warehouse; names are ``schema.table``, with the schema as the project calls it.

    Attributes
    ----------
    place : str
        Names the warehouse in messages.
    session : pyspark.sql.SparkSession or None
        That of this process, where the engine has one.
    """

    place: str
    session: Any

    def exists(self, name: str) -> bool:
        """Tell whether there is such a table or view."""

    def columns(self, name: str) -> list[str]:
        """Names of the columns, in their order."""

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read all rows; times are naive UTC."""

    def write(self, name: str, table: pa.Table) -> None:
        """Replace a table as a whole: readers see the old rows or the new ones. Its schema is made when missing."""

    def drop(self, name: str) -> None:
        """Drop a table, where it exists."""

    def schemas(self) -> set[str]:
        """Schemas that the warehouse has."""

    def tables(self, schemas: Sequence[str]) -> list[str]:
        """Tables and views of schemas, as ``schema.table``, in alphabetical order."""
