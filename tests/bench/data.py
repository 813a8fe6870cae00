"""Synthetic orders of three years and calendars of feature times; the same numbers give the same rows, always."""

from __future__ import annotations

from datetime import datetime

import duckdb

from .declaration import ENTITY

EVENTS_PER_CUSTOMER = 105
DENSE_EVENTS_PER_CUSTOMER = 1_000
LAST_DATE = datetime(2024, 12, 1)
LATE_SHARE = 0.08
LATEST_SECONDS = 400_000


def customers_of(events: int, events_per_customer: int) -> int:
    """Number of customers; events fall on them at random."""
    return max(1, events // events_per_customer)


def make_events(
    connection: duckdb.DuckDBPyConnection, events: int, events_per_customer: int, late: bool = True
) -> None:
    """Fill `events`: no order of time or customer; 8 % of the rows are known up to 4.6 days after they happened.

    With `late=False` every row is known when it happens.
    """
    customers = customers_of(events, events_per_customer)

    def uniform(draw: int) -> str:
        # A hash of the row's number: unlike random(), it does not depend on the number of threads.
        return f"(hash(n * 8 + {draw}) / 18446744073709551616.0)"

    is_late = f"{uniform(2)} < {LATE_SHARE if late else 0}"
    connection.execute(f"""
        create or replace table events as
        select
            'c' || cast(floor({uniform(0)} * {customers}) as bigint) as customer_id,
            event_at,
            case when {is_late} then event_at + to_seconds(cast({uniform(3)} * {LATEST_SECONDS} as bigint)) end
                as available_at,
            cast({uniform(4)} * 200 as decimal(18, 4)) as amount,
            cast(1 + floor({uniform(5)} * 9) as integer) as items,
            'k' || cast(floor({uniform(6)} * 20) as integer) as category,
            {uniform(7)} < 0.4 as online
        from (
            select n, timestamp '2022-01-01' + to_seconds(cast({uniform(1)} * 94608000 as bigint)) as event_at
            from range({events}) as rows(n)
        )
    """)


def dates_of(count: int) -> list[datetime]:
    """The first of each of the `count` months that end with December 2024, from early to late."""
    months = [LAST_DATE.year * 12 + LAST_DATE.month - 1 - back for back in reversed(range(count))]
    return [datetime(month // 12, month % 12 + 1, 1) for month in months]


def make_spine(
    connection: duckdb.DuckDBPyConnection, name: str, dates: list[datetime], events: int, events_per_customer: int
) -> None:
    """Fill a table with every customer at every date, whether or not it has events."""
    connection.execute(
        f"""
        create or replace table {name} as
        select 'c' || customers.n as {ENTITY}, dates.feature_timestamp
        from (select unnest(cast($dates as timestamp[])) as feature_timestamp) as dates
        cross join range({customers_of(events, events_per_customer)}) as customers(n)
        """,
        {"dates": dates},
    )


def pairs_per_event(connection: duckdb.DuckDBPyConnection, dates: list[datetime]) -> float:
    """Visible pairs of event and spine row, divided by the number of events."""
    # Every customer stands at every date, so the pairs of an event are the dates after it was known.
    visible = [f"count(*) filter (where greatest(event_at, available_at) < timestamp '{date}')" for date in dates]
    return connection.execute(f"select ({' + '.join(visible)}) / count(*) from events").fetchall()[0][0]
