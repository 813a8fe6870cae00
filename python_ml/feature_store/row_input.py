"""Rows from outside: entity rows that ask for features, and fresh features that are pushed.

DuckDB checks their values and gives them the types of the feature store.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError, explained
from python_ml.feature_store import schema
from python_ml.feature_store.schema import StoredColumn
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

ZONE = r"(Z|z|[+-]\d{2}(:?\d{2})?)$"
PLACE = "row_number_of_input"
WHOLE = (schema.INTEGER, schema.BIGINT)


def read_rows(path: Path) -> pa.Table:
    """Read a CSV or parquet file; the columns of a CSV file stay text until :func:`typed` reads them.

    Raises
    ------
    UserError
        When the file is missing, of another kind, or cannot be read.
    """
    import duckdb

    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise UserError(f"`{path.name}` is neither CSV nor parquet.", where=str(path), hint="convert it to one of them")
    if not path.is_file():
        raise UserError("The file does not exist.", where=str(path), hint="check the path")
    reader = "read_parquet(?)" if kind == ".parquet" else "read_csv(?, all_varchar = true, header = true)"
    try:
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            name = no_pattern(path)
            return connection.sql(f"select * from {reader}", params=[name]).to_arrow_table()
    except duckdb.Error as error:
        known = explained(error, where=str(path))
        raise known or UserError(
            f"The file cannot be read: {str(error).splitlines()[0]}.",
            where=str(path),
            hint="check that it is whole, and that a CSV file has a header and as many fields in every row",
        ) from error


def no_pattern(path: Path) -> str:
    """A path as DuckDB reads it where it expects a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))


def as_arrow(rows: pd.DataFrame | pa.Table) -> pa.Table:
    """Rows as Arrow; those of pandas lose their index."""
    import pyarrow as pa

    return rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)


def require_columns(rows: pa.Table, wanted: Iterable[str], where: str) -> None:
    """Refuse rows that lack columns, or have one twice.

    Raises
    ------
    UserError
    """
    twice = sorted({name for name in rows.column_names if rows.column_names.count(name) > 1})
    if twice:
        raise UserError(f"A column is there twice: {', '.join(twice)}.", where=where, hint="rename one of the two")
    missing = [name for name in wanted if name not in rows.column_names]
    if missing:
        raise UserError(
            f"There is no column {' and no '.join(missing[:5])}.",
            where=where,
            hint=f"the columns here are: {', '.join(rows.column_names[:20]) or 'none'}",
        )


def refuse_unknown(names: Iterable[str], known: Sequence[str], where: str) -> None:
    """Refuse names that are no features, with those that come close.

    Raises
    ------
    UserError
    """
    for name in names:
        if name not in known:
            close = " or ".join(f"`{match}`" for match in difflib.get_close_matches(name, known, n=3))
            raise UserError(
                f"There is no feature `{name}`.",
                where=where,
                hint=f"did you mean {close}?"
                if close
                else "the features are the columns of gold.gld_customer_features",
            )


def typed(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    columns: Sequence[StoredColumn],
    times: Sequence[str],
    where: str,
    zone: str | None = None,
) -> pa.Table:
    """Cast columns to the types of the feature store.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        In which the rows are registered for the while.
    rows : pyarrow.Table
    columns : sequence of StoredColumn
        Columns with the types that they must have.
    times : sequence of str
        Columns with moments. They become naive UTC, in microseconds.
    where : str
        What the rows are, for messages.
    zone : str, optional
        Zone of moments that do not name one; without it they are refused.

    Returns
    -------
    pyarrow.Table
        ``row_number_of_input`` (from 0) and these columns.

    Raises
    ------
    UserError
        When a value cannot be read as its type, or a moment is missing or has no zone.
    """
    import pyarrow as pa

    # A number in the rows: DuckDB promises no order.
    connection.register("typed_rows", rows.append_column(PLACE, pa.array(range(rows.num_rows), pa.int64())))
    try:
        if zone is not None:
            _require_zone(connection, zone)
        expressions = [f"{_moment(connection, rows, name, where, zone)} as {quote(name)}" for name in times] + [
            f"{_checked(connection, rows, column, where)} as {quote(column.name)}" for column in columns
        ]
        listed = ", ".join([PLACE, *expressions])
        return connection.sql(f"select {listed} from typed_rows order by {PLACE}").to_arrow_table()
    finally:
        connection.unregister("typed_rows")


def _require_zone(connection: duckdb.DuckDBPyConnection, zone: str) -> None:
    known = "select 1 from pg_timezone_names() where name = ?"
    if not connection.execute(known, [zone]).fetchall():
        raise UserError(
            f"`{zone}` is not a time zone.", where="--time-zone", hint="write UTC or Europe/Berlin, for instance"
        )


def _moment(connection: duckdb.DuckDBPyConnection, rows: pa.Table, name: str, where: str, zone: str | None) -> str:
    """The expression of a moment in naive UTC, checked."""
    import pyarrow as pa

    column, kind = quote(name), rows.schema.field(name).type
    has_zone = pa.types.is_timestamp(kind) and kind.tz is not None
    text = f"trim(cast({column} as varchar))"
    zoneless = "false" if has_zone else f"not regexp_matches({text}, {literal(ZONE)})"
    with_zone = f"try_cast({column} as timestamptz)" if has_zone else f"try_cast({text} as timestamptz)"
    local = f"try_cast({text} as timestamp) at time zone {literal(zone or 'UTC')}"
    moment = f"case when {zoneless} then {local} else {with_zone} end"
    bad = _first(connection, column, f"({moment}) is null")
    if bad is not None:
        raise UserError(
            f"Row {bad[0] + 1} has no time in {name}."
            if bad[1] is None
            else f"`{bad[1]}` is not a time (row {bad[0] + 1}).",
            where=f"{where}, {name}",
            hint="write it as 2025-01-31T18:30:00Z",
        )
    if zone is None:
        bad = _first(connection, column, zoneless)
        if bad is not None:
            raise UserError(
                f"The time `{bad[1]}` has no zone (row {bad[0] + 1}).",
                where=f"{where}, {name}",
                hint="write it as 2025-01-31T18:30:00Z, or give the zone of all such times with --time-zone UTC",
            )
    return f"cast(({moment}) at time zone 'UTC' as timestamp)"


def _checked(connection: duckdb.DuckDBPyConnection, rows: pa.Table, column: StoredColumn, where: str) -> str:
    """The expression of a value in its type, after a look for values that are of another one."""
    import pyarrow as pa

    name, kind = quote(column.name), rows.schema.field(column.name).type
    cast = f"try_cast({name} as {column.sql_type})"
    if pa.types.is_null(kind):
        return cast
    wrong = f"{name} is not null and {cast} is null"
    if column.kind in WHOLE:  # DuckDB rounds
        wrong += f" or try_cast({name} as double) is distinct from cast({cast} as double)"
    if column.kind == schema.TEXT and pa.types.is_floating(kind):  # a key of 17 that became 17.0
        wrong += f" or {name} is not null"
    bad = _first(connection, name, wrong)
    if bad is not None:
        raise UserError(
            f"`{bad[1]}` is not of type {column.sql_type} (row {bad[0] + 1}).",
            where=f"{where}, {column.name}",
            hint=f"{column.name} must be {column.sql_type} in every row; leave the field empty for a missing value",
        )
    return cast


def _first(connection: duckdb.DuckDBPyConnection, column: str, condition: str) -> tuple[int, Any] | None:
    """Number and value of the first row in which something is wrong."""
    query = f"select {PLACE}, cast({column} as varchar) from typed_rows where {condition} order by {PLACE} limit 1"
    found = connection.execute(query).fetchall()
    return found[0] if found else None


def refuse_missing_keys(rows: pa.Table, key: str, where: str) -> None:
    """Refuse rows without a key.

    Raises
    ------
    UserError
    """
    if rows.column(key).null_count:
        number = rows.column(key).to_pylist().index(None) + 1
        raise UserError(f"Row {number} has no {key}.", where=where, hint="leave out rows without a customer")
