"""The different values of key columns, each column read once, and what two of them have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.profiling import ColumnProfile

UNIQUE = 0.99  # share of different values among the rows of a key: a few copies do not make it another column

# Ways to spell the same identifier, from the strictest on.
SPELLINGS = {
    "exact": "{}",
    "case": "lower({})",
    "zeros": "regexp_replace(lower({}), '^0+', '')",
}
SPELLING_WORDS = {"exact": "", "case": "written in another case", "zeros": "written without leading zeros"}


class KeyValues:
    """Tables of the different values of columns, each made once, as is what is asked of one alone."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, profiles: dict[str, FileProfile]) -> None:
        self.connection, self.profiles = connection, profiles
        self._tables: dict[tuple[str, str], str] = {}
        self._spelt: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._chances: dict[tuple[str, str], float] = {}

    def table(self, source: str, column: str) -> str:
        """Name of the table with one row per value: ``v`` (text) and ``n`` (rows)."""
        if (source, column) not in self._tables:
            name = f"values_{len(self._tables)}"
            profile = self.profiles[source]
            measured = next(c for c in profile.columns if c.name == column)
            self.connection.execute(
                f"create or replace temp table {name} as select v, count(*) as n from "
                f"(select {canonical(measured)} as v from {quote(profile.view)}) where v is not null group by v"
            )
            self._tables[source, column] = name
        return self._tables[source, column]

    def counts(self, source: str, column: str) -> tuple[int, int]:
        """Rows with a value, and different values."""
        rows, distinct = self.connection.execute(
            f"select coalesce(sum(n), 0), count(*) from {self.table(source, column)}"
        ).fetchall()[0]
        return int(rows), distinct

    def overlap(self, child: tuple[str, str], parent: tuple[str, str], spelling: str) -> tuple[int, ...] | None:
        """Values, values found, rows, rows found, keys, keys used; None where the spelling makes keys equal."""
        read = SPELLINGS[spelling].format("v")
        left, right = self.table(*child), self.table(*parent)
        if (*parent, spelling) not in self._spelt:
            self._spelt[*parent, spelling] = self.connection.execute(
                f"select count(*), count(distinct {read}) from {right}"
            ).fetchall()[0]
        keys, spelt = self._spelt[*parent, spelling]
        if spelt < UNIQUE * keys:
            return None
        found = self.connection.execute(f"""
            select count(*), count(p.v), sum(c.n), coalesce(sum(c.n) filter (where p.v is not null), 0)
            from (select {read} as v, sum(n) as n from {left} group by 1) as c
            left join (select distinct {read} as v from {right}) as p on c.v = p.v
        """).fetchall()[0]
        values, values_found, rows, rows_found = (int(number or 0) for number in found)
        return values, values_found, rows, rows_found, keys, values_found

    def chance(self, parent: tuple[str, str]) -> float:
        """Share of values of the same kind that would lie in the parent by chance: how densely it counts upwards."""
        if parent not in self._chances:
            self._chances[parent] = self._chance(parent)
        return self._chances[parent]

    def _chance(self, parent: tuple[str, str]) -> float:
        prefixes, low, high, count = self.connection.execute(rf"""
            select
                count(distinct regexp_replace(v, '[0-9]+$', '')),
                min(try_cast(regexp_extract(v, '([0-9]+)$', 1) as hugeint)),
                max(try_cast(regexp_extract(v, '([0-9]+)$', 1) as hugeint)),
                count(try_cast(regexp_extract(v, '([0-9]+)$', 1) as hugeint))
            from {self.table(*parent)}
        """).fetchall()[0]
        if not count or prefixes > 5:
            return 0.0
        return min(1.0, count / (int(high) - int(low) + 1) / prefixes)


def canonical(column: ColumnProfile) -> str:
    """SQL of a key as text, over a view: whole numbers without a point, whatever type they are stored as."""
    name = quote(column.name)
    text = f"cast({name} as varchar)"
    if column.physical_type == "VARCHAR":
        return f"regexp_replace({name}, '[.]0$', '')" if column.kind == "number" else name
    if column.physical_type in ("DOUBLE", "FLOAT") or column.physical_type.startswith("DECIMAL"):
        return f"coalesce(cast(try_cast({name} as hugeint) as varchar), {text})"
    return text
