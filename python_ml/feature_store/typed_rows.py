"""Entity rows and pushed rows in the types of a feature store, whichever backend takes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.feature_store.row_input import PLACE, refuse_missing_keys, refuse_unknown, require_columns, typed
from python_ml.feature_store.schema import (
    CREATED_AT,
    FEATURE_TIME,
    VALID_FROM,
    StoredColumn,
    StoreDefinition,
    ViewDefinition,
)
from python_ml.warehouse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import pyarrow as pa

EVENT_TIME = "event_timestamp"  # the name by which Feast knows the time of a request


def time_column(rows: pa.Table) -> str:
    """The column of entity rows that has their times."""
    return EVENT_TIME if EVENT_TIME in rows.column_names or FEATURE_TIME not in rows.column_names else FEATURE_TIME


def asked_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    definition: StoreDefinition,
    names: Sequence[str],
    zone: str | None,
) -> pa.Table:
    """What entity rows ask for: their number, ``event_timestamp`` in naive UTC, and the key.

    Raises
    ------
    UserError
        When a column is missing or has the name of a feature that is asked for, or a key or time cannot be used.
    """
    where, key, time = "entity rows", definition.key, time_column(rows)
    require_columns(rows, (key.name, time), where)
    if clash := [name for name in names if name in rows.column_names]:
        raise UserError(
            f"The entity rows have columns with the names of features: {', '.join(clash[:5])}.",
            where=where,
            hint="leave these columns out, or ask for other features",
        )
    asked = typed(connection, rows.select([key.name, time]), [key], [time], where, zone)
    refuse_missing_keys(asked, key.name, where)
    return asked.rename_columns([PLACE, EVENT_TIME, key.name])


def pushed_rows(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    definition: StoreDefinition,
    where: str,
    zone: str | None,
    now: datetime,
) -> tuple[list[ViewDefinition], pa.Table]:
    """The views that rows are for, and the rows in the order of customer, feature time and creation.

    Raises
    ------
    UserError
        See :meth:`python_ml.feature_store.publishing.Publisher.push`.
    """
    views = _pushed_views(rows, definition, where)
    return views, _with_places(connection, rows, definition, views, where, zone, now)


def _pushed_views(rows: pa.Table, definition: StoreDefinition, where: str) -> list[ViewDefinition]:
    """The views that rows have columns of: all columns of each, and no others."""
    require_columns(rows, (definition.key.name, FEATURE_TIME), where)
    given = [n for n in rows.column_names if n not in (definition.key.name, FEATURE_TIME, CREATED_AT)]
    refuse_unknown(given, list(definition.columns), where)
    views = [view for view in definition.views if set(view.names) & set(given)]
    if not views:
        raise UserError("There are no features to push.", where=where, hint="add all columns of at least one view")
    for view in views:
        if missing := [name for name in view.names if name not in given]:
            raise UserError(
                f"The view {view.name} lacks {', '.join(missing[:5])}"
                f"{f' and {len(missing) - 5} more' if len(missing) > 5 else ''}.",
                where=where,
                hint=f"push all columns of {view.name}, or none; leave fields empty where there is no value",
            )
    return views


def _with_places(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, definition: StoreDefinition, views: list[ViewDefinition],
    where: str, zone: str | None, now: datetime,
) -> pa.Table:  # fmt: skip
    """Typed rows with ``valid_from`` and their ``place`` in the order of customer, feature time and creation."""
    import pyarrow as pa

    if CREATED_AT not in rows.column_names:
        rows = rows.append_column(
            CREATED_AT, pa.array([now.replace(tzinfo=UTC)] * rows.num_rows, pa.timestamp("us", "UTC"))
        )
    columns: list[StoredColumn] = [definition.key, *(column for view in views for column in view.columns)]
    checked = typed(connection, rows, columns, (FEATURE_TIME, CREATED_AT), where, zone)
    refuse_missing_keys(checked, definition.key.name, where)
    for number, (feature, created) in enumerate(
        zip(checked.column(FEATURE_TIME).to_pylist(), checked.column(CREATED_AT).to_pylist(), strict=True), start=1
    ):
        if created < feature:
            raise UserError(
                f"Row {number} was created at {created}, before its feature time {feature}.",
                where=f"{where}, {CREATED_AT}",
                hint="features as of a time can only be complete at that time or later",
            )
        if feature > now:
            raise UserError(
                f"Row {number} has a feature time in the future: {feature}.",
                where=f"{where}, {FEATURE_TIME}",
                hint="it would hide everything that is published before then; check the time and its zone",
            )
    key = quote(definition.key.name)
    connection.register("checked_rows", checked)
    try:
        order = f"order by {key}, {FEATURE_TIME}, {VALID_FROM}"
        return connection.sql(f"""
            select *, row_number() over ({order}) - 1 as place
            from (select *, {CREATED_AT} + interval 1 microsecond as {VALID_FROM} from checked_rows)
        """).to_arrow_table()
    finally:
        connection.unregister("checked_rows")
