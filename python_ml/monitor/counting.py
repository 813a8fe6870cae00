"""Counting the rows of a gold table in SQL: every period and every feature of it in one scan.

The SQL is the same on DuckDB and on Spark, apart from quotation marks and the name of exact quantiles. Of several ways
to count bins, sums of comparisons were the fastest on DuckDB, and they exist everywhere
(docs/decisions/0065-drift-in-the-warehouse.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeVar

from python_ml.input_columns import CATEGORY, InputColumn
from python_ml.monitor.schema import LEVELS, Bins, ColumnCounts, PeriodCounts
from python_ml.warehouse import is_spark, quoted_by, selected_by

# Columns of one query. On DuckDB, few: what a query gathers for exact quantiles is in memory, and plans of hundreds of
# aggregates are slower for each. On Spark, more: every query is a job with a cost of its own.
BATCH, BATCH_ON_SPARK = 10, 50
QUERIES_AT_ONCE = 2
MOST_BINS = 20
MOST_CATEGORIES = 50
MOST_KNOWN = 500  # values of a category that are looked at, the commonest first

Item = TypeVar("Item")


@dataclass(frozen=True)
class NumberSummary:
    """A number in all rows of a relation; figures are None where it has no values."""

    present: int
    mean: float | None
    low: float | None
    high: float | None
    distinct: int
    quantiles: tuple[float, ...] | None


@dataclass(frozen=True)
class TableRows:
    """Rows of a table on an engine.

    Attributes
    ----------
    session : duckdb.DuckDBPyConnection or pyspark.sql.SparkSession
    table : str
        ``schema.table`` or the name of a view.
    entity : str
        Key column of the customer.
    condition : str or None
        SQL that rows must meet.
    time : str
        Column with the feature time.
    """

    session: Any
    table: str
    entity: str
    condition: str | None = None
    time: str = "feature_timestamp"

    def quoted(self, *names: str) -> str:
        """Names in the quotation marks of the engine."""
        return quoted_by(self.session, *names)

    @property
    def batch(self) -> int:
        """Columns of one query, where these are numbers."""
        return BATCH_ON_SPARK if is_spark(self.session) else BATCH

    @property
    def source(self) -> str:
        """The ``from`` clause, with the condition."""
        where = f" where {self.condition}" if self.condition else ""
        return f"from {self.quoted(*self.table.split('.'))}{where}"

    def between(self, after: datetime | None = None, until: datetime | None = None) -> TableRows:
        """The rows whose feature time is later than one moment and no later than another."""
        time = f"cast({self.quoted(self.time)} as timestamp)"
        limits = [self.condition] if self.condition else []
        limits += [f"{time} > cast('{after.isoformat(' ')}' as timestamp)"] if after else []
        limits += [f"{time} <= cast('{until.isoformat(' ')}' as timestamp)"] if until else []
        return replace(self, condition=" and ".join(limits) or None)

    def selected(self, sql: str) -> list[tuple]:
        """The rows of a query."""
        return selected_by(self.session, sql)

    def times(self) -> list[datetime]:
        """Feature times, in order."""
        found = self.selected(f"select distinct cast({self.quoted(self.time)} as timestamp) as period {self.source}")
        return sorted(moment for (moment,) in found if moment is not None)

    def customers(self) -> int:
        """Number of different customers."""
        [(count,)] = self.selected(f"select count(distinct {self.quoted(self.entity)}) {self.source}")
        return count

    def summaries(self, columns: Sequence[InputColumn]) -> list[NumberSummary]:
        """Measure numbers and flags, quantiles exactly."""
        levels = ", ".join(map(str, LEVELS))
        on_spark = is_spark(self.session)
        exact = "percentile({0}, array(%s))" if on_spark else "quantile_cont({0}, [%s])"
        aggregates = ["count({0})", "avg({0})", "min({0})", "max({0})", "approx_count_distinct({0})", exact % levels]
        parts = list(_batches(columns, self.batch))
        queries = [
            self._aggregated(part, [a.format(f"x{i}") for i in range(len(part)) for a in aggregates]) for part in parts
        ]
        found = []
        for part, [row] in zip(parts, self._selected_at_once(queries), strict=True):
            for position in range(len(part)):
                *figures, quantiles = row[position * len(aggregates) : (position + 1) * len(aggregates)]
                found.append(NumberSummary(*figures, None if quantiles is None else tuple(quantiles)))
        return found

    def _selected_at_once(self, queries: Sequence[str]) -> list[list[tuple]]:
        """The rows of several queries: DuckDB computes the exact quantiles of one query in a single thread."""
        on_duckdb = not is_spark(self.session)
        if not on_duckdb or "." not in self.table:  # a frame is seen by its own connection only
            return [self.selected(query) for query in queries]
        with ThreadPoolExecutor(QUERIES_AT_ONCE) as pool:
            return list(pool.map(self._selected_aside, queries))

    def _selected_aside(self, query: str) -> list[tuple]:
        with self.session.cursor() as cursor:
            cursor.execute("set timezone = 'UTC'")  # which a cursor does not take over
            return selected_by(cursor, query)

    def values(self, columns: Sequence[InputColumn]) -> list[list[float]]:
        """The different values of numbers, in order; for columns that have few."""
        found: list[list[float]] = []
        for part in _batches(columns, self.batch):
            [row] = self.selected(self._aggregated(part, [f"array_agg(distinct x{i})" for i in range(len(part))]))
            found += [sorted(value for value in values or () if value is not None) for values in row]
        return found

    def counted(self, bins: Sequence[Bins]) -> dict[datetime, PeriodCounts]:
        """Count rows per bin, for each feature time, in order.

        Parameters
        ----------
        bins : sequence of Bins
            Of columns of the table.
        """
        columns: dict[datetime, dict[str, ColumnCounts]] = {}
        time, customer = f"cast({self.quoted(self.time)} as timestamp)", self.quoted(self.entity)
        sizes = self.selected(
            f"select {time} as period, count(*), count(distinct {customer}) {self.source} group by {time}"
        )
        rows = {period: (count, customers) for period, count, customers in sizes if period is not None}
        for part in _batches([one for one in bins if one.ordered], self.batch):
            self._count_numbers(part, rows, columns)
        for part in _batches([one for one in bins if not one.ordered], MOST_BINS):
            self._count_categories(part, rows, columns)
        return {period: PeriodCounts(*rows[period], columns.get(period, {})) for period in sorted(rows)}

    def _count_numbers(self, part: Sequence[Bins], rows: dict, columns: dict) -> None:
        aggregates = []
        for position, one in enumerate(part):
            x, centre = f"x{position}", _number(one.centre)
            aggregates += [f"count({x})", f"sum({x})", f"sum(({x} - {centre}) * ({x} - {centre}))"]
            aggregates += [f"count_if({x} <= {_number(edge)})" for edge in one.edges]
        for period, *figures in self.selected(self._aggregated(part, aggregates, by_period=True)):
            if period is None:
                continue
            start = 0
            for one in part:
                present, total, squares = figures[start : start + 3]
                below = [0, *(n or 0 for n in figures[start + 3 : start + 3 + len(one.edges)]), present]
                start += 3 + len(one.edges)
                inside = [b - a for a, b in pairwise(below)]
                counts = ColumnCounts((*inside, rows[period][0] - present), total or 0.0, squares or 0.0)
                columns.setdefault(period, {})[one.name] = counts

    def _count_categories(self, part: Sequence[Bins], rows: dict, columns: dict) -> None:
        for one in part:
            for period in rows:
                columns.setdefault(period, {})[one.name] = ColumnCounts((0,) * len(one))
        found: dict[tuple[datetime, int], dict[str | None, int]] = {}
        for period, position, value, count in self.selected(self._category_query(part)):
            if period is not None:
                found.setdefault((period, position), {})[value] = count
        for (period, position), values in found.items():
            one = part[position]
            known = [values.get(category, 0) for category in one.categories]
            nulls = values.get(None, 0)
            others = {value: n for value, n in values.items() if value is not None and value not in one.categories}
            rest = rows[period][0] - sum(known) - nulls
            columns[period][one.name] = ColumnCounts((*known, rest, nulls), values=tuple(sorted(others.items())))

    def _category_query(self, part: Sequence[Bins | InputColumn], by_period: bool = True) -> str:
        """Rows by column and value, for each period: the commonest values of each, in one scan."""
        sets = ", ".join(f"({'period, ' if by_period else ''}x{i})" for i in range(len(part)))
        which = " ".join(f"when grouping(x{i}) = 0 then {i}" for i in range(len(part)))
        value = " ".join(f"when grouping(x{i}) = 0 then x{i}" for i in range(len(part)))
        period = "period" if by_period else "cast(null as timestamp)"
        return f"""
            with counted as (
                select {period} as period, case {which} end as position, case {value} end as value, count(*) as n
                from ({self._projection(part)}) as rows_of_table
                group by grouping sets ({sets})
            ),
            ranked as (
                select *, row_number() over (partition by period, position order by n desc, value) as place from counted
            )
            select period, position, value, n from ranked where place <= {MOST_KNOWN} or value is null
        """

    def categories(self, columns: Sequence[InputColumn]) -> list[dict[str, int]]:
        """Rows of the commonest values of categories, nulls left out."""
        found: list[dict[str, int]] = [{} for _ in columns]
        for start in range(0, len(columns), MOST_BINS):
            part = columns[start : start + MOST_BINS]
            for _, position, value, count in self.selected(self._category_query(part, by_period=False)):
                if value is not None:
                    found[start + position][value] = count
        return found

    def customer_query(self, columns: Sequence[InputColumn]) -> str:
        """The query for ``customer``, ``period`` and the columns as ``x0``, ``x1``, …."""
        return self._projection(columns).replace("select ", f"select {self.quoted(self.entity)} as customer, ", 1)

    def _aggregated(
        self, part: Sequence[Bins | InputColumn], aggregates: Sequence[str], by_period: bool = False
    ) -> str:
        named = ", ".join(f"{aggregate} as a{i}" for i, aggregate in enumerate(aggregates))
        period, group = ("period, ", " group by period") if by_period else ("", "")
        return f"select {period}{named} from ({self._projection(part)}) as rows_of_table{group}"

    def _projection(self, part: Sequence[Bins | InputColumn]) -> str:
        """The columns as ``x0``, ``x1``, …: numbers as doubles without infinities, categories as text."""
        values = []
        for position, column in enumerate(part):
            name = self.quoted(column.name)
            if column.kind == CATEGORY:
                value = f"cast({name} as string)"
            else:  # NaN is greater than any number, on every engine
                value = f"cast({name} as double)"
                value = f"case when abs({value}) < 1e30 then {value} end"
            values.append(f"{value} as x{position}")
        return f"select cast({self.quoted(self.time)} as timestamp) as period, {', '.join(values)} {self.source}"


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _number(value: float) -> str:
    return f"cast('{float(value)!r}' as double)"
