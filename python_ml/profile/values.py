"""The different values of columns, each column read once, and what two of them have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from python_ml.ingest.schema import Column
from python_ml.profile.schema import ValueCount
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.profile.tables import Table

UNIQUE = 0.99  # share of different values among the rows of a key: a few copies do not make it another column
MANY_ROWS = 1_000_000  # from which on a list of values that hardly repeat is avoided

# SQL by which a value must be read to be equal to another, from the strictest on.
SPELLINGS = {
    "exact": "{}",
    "case": "lower({})",
    "point_zero": "regexp_replace(lower({}), '[.]0$', '')",
    "zeros": "regexp_replace(lower({}), '^0+', '')",
}


def canonical(column: Column) -> str:
    """SQL of an identifier as text over typed columns: whole numbers without a point, whatever type they have."""
    name = quote(column.name)
    if column.reading.type in ("integer", "decimal"):
        return f"coalesce(cast(try_cast({name} as hugeint) as varchar), cast({name} as varchar))"
    return f"cast({name} as varchar)"


class KeyValues:
    """Tables of the different values of one or several columns, each made once, and so are their counts."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
        self.connection = connection
        self._sources = {table.name: table for table in tables}
        self._tables: dict[tuple[str, str], str] = {}
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        self._spelt: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._chances: dict[tuple[str, str], float] = {}

    def table(self, source: str, column: str) -> str:
        """Name of the table with one row per value: ``v`` (text) and ``n`` (rows).

        ``column`` is a safe name, or several joined by ``+``; ``v`` is then a list.
        """
        if (source, column) not in self._tables:
            name = f"values_{len(self._tables)}"
            table = self._sources[source]
            parts = [canonical(table.column(part)) for part in column.split("+")]
            filled = " and ".join(f"{quote(part)} is not null" for part in column.split("+"))
            value = parts[0] if len(parts) == 1 else f"concat_ws(chr(31), {', '.join(parts)})"
            self.connection.execute(
                f"create or replace temp table {name} as select {value} as v, count(*) as n "
                f"from {table.typed} where {filled} group by all"
            )
            self._tables[source, column] = name
        return self._tables[source, column]

    def counts(self, source: str, column: str) -> tuple[int, int]:
        """Rows with a value, and different values."""
        if (source, column) not in self._counts:
            if self.is_long(source, column):
                # A list of (nearly) all values is made only where another table may point at them.
                query = f"select count({quote(column)}), count(distinct {quote(column)}) from {self._typed(source)}"
            else:
                query = f"select coalesce(sum(n), 0), count(*) from {self.table(source, column)}"
            rows, distinct = self.connection.execute(query).fetchall()[0]
            self._counts[source, column] = int(rows), distinct
        return self._counts[source, column]

    def top(self, source: str, column: str, count: int) -> tuple[ValueCount, ...]:
        """The most frequent values."""
        if self.is_long(source, column):
            table = self._sources[source]
            value = canonical(table.column(column))
            # The most frequent ones of the sample, counted among all rows.
            query = f"""
                select v, count(*) as n from (select {value} as v from {table.typed})
                where v in (select {value} from {table.sample} group by 1 order by count(*) desc, 1 limit {count})
                group by 1 order by n desc, v
            """
        else:
            query = f"select v, n from {self.table(source, column)} order by n desc, v limit {count}"
        return tuple(ValueCount(value[:80], int(n)) for value, n in self.connection.execute(query).fetchall())

    def _typed(self, source: str) -> str:
        return self._sources[source].typed

    def is_long(self, source: str, column: str) -> bool:
        """Whether a list of its values is avoided."""
        if (source, column) in self._tables or "+" in column:
            return False
        table = self._sources[source]
        return table.rows > MANY_ROWS and table.column(column).distinct > 0.5 * table.rows

    def overlap(self, child: tuple[str, str], parent: tuple[str, str], spelling: str) -> tuple[int, ...] | None:
        """Values, values matched, rows, rows matched, keys, keys used; None where the spelling makes keys equal."""
        read = SPELLINGS[spelling].format("v")
        left, right = self.table(*child), self.table(*parent)
        if (*parent, spelling) not in self._spelt:
            self._spelt[*parent, spelling] = self.connection.execute(
                f"select count(*), count(distinct {read}) from {right}"
            ).fetchall()[0]
        keys, spelt = self._spelt[*parent, spelling]
        if spelt < UNIQUE * keys:
            return None
        counts = self.connection.execute(f"""
            select count(*), count(p.v), sum(c.n), coalesce(sum(c.n) filter (where p.v is not null), 0)
            from (select {read} as v, sum(n) as n from {left} group by 1) as c
            left join (select distinct {read} as v from {right}) as p on c.v = p.v
        """).fetchall()[0]
        values, matched, rows, rows_matched = (int(count or 0) for count in counts)
        return values, matched, rows, rows_matched, keys, matched

    def chance(self, parent: tuple[str, str]) -> float:
        """Share of values of the same kind that would exist in the parent by chance: how densely it counts upwards."""
        if parent not in self._chances:
            tail = "try_cast(regexp_extract(v, '([0-9]+)$', 1) as hugeint)"
            prefixes, low, high, count = self.connection.execute(rf"""
                select count(distinct regexp_replace(v, '[0-9]+$', '')), min({tail}), max({tail}), count({tail})
                from {self.table(*parent)}
            """).fetchall()[0]
            dense = count and prefixes <= 5
            self._chances[parent] = min(1.0, count / (int(high) - int(low) + 1) / prefixes) if dense else 0.0
        return self._chances[parent]
