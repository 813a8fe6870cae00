"""Opening one file: what it is is decided by its bytes, not by its name."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.ingest.connection import count_rows, create_raw
from python_ml.ingest.dialect import Dialect, detect
from python_ml.ingest.schema import RawTable

if TYPE_CHECKING:
    import duckdb

SAMPLE_BYTES = 262_144
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


def open_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    table: str,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
) -> RawTable:
    """Determine how a file is to be read, and make it a relation.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    path : Path
    table : str
        Name for the relation.
    encoding, sheet : str, optional

    Returns
    -------
    RawTable
        Without columns, name and view.
    """
    if path.is_dir():
        raise UserError(
            "This is a folder, not a file.",
            where=str(path),
            hint="name its files one by one, for instance --data orders.csv --data tickets.csv",
        )
    if not path.is_file():
        raise UserError("There is no such file.", where=str(path), hint="check the path given to --data")
    path = path.resolve()
    sample, is_gzip = _sample(path)
    if sample.startswith(_PARQUET) and not is_gzip:
        return _opened(connection, path, table, "parquet", {})
    text = sample.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise UserError("The file is empty.", where=str(path), hint="export it again, with a header and rows")
    options: dict[str, Any] = {"compression": "gzip"} if is_gzip else {}
    dialect = detect(text, len(sample) < SAMPLE_BYTES)
    return _opened(connection, path, table, "csv", options | csv_options(dialect))


def csv_options(dialect: Dialect) -> dict[str, Any]:
    """A dialect as options of DuckDB's reader."""
    return {
        "header": dialect.header,
        "delim": dialect.delim,
        "quote": dialect.quote,
        "escape": dialect.escape,
        "new_line": dialect.new_line,
        **({"skip": dialect.skip} if dialect.skip else {}),
        "names": list(dialect.names),
    }


def _opened(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, file_format: str, options: dict[str, Any]
) -> RawTable:
    relation = create_raw(connection, table, path, file_format, options)
    rows = count_rows(connection, relation)
    if not rows:
        raise UserError(
            "The file has a header but no rows.",
            where=str(path),
            hint="export it again, with at least a few months of rows",
        )
    return RawTable("", path, file_format, options, relation, "", (), rows)  # type: ignore[arg-type]


def _sample(path: Path) -> tuple[bytes, bool]:
    """The first bytes of the contents, and whether the file is gzip."""
    try:
        with path.open("rb") as file:
            head = file.read(SAMPLE_BYTES)
        if head.startswith(_GZIP):
            with gzip.open(path) as file:
                return file.read(SAMPLE_BYTES), True
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"The file cannot be read: {error}.", where=str(path), hint="check its permissions, or copy it again"
        ) from error
    return head, False
