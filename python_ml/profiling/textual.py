"""Columns of text: top values, case and blank variants, words for nothing, and shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_ml.profiling.schema import Sentinel, Texts, ValueCount, Variants
from python_ml.profiling.tables import Table, batches
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile

TOP = 10
FEW = 20_000  # different values up to which every row is counted
EXACT_ROWS = 1_000_000
LOOKED_AT = 2_000  # values whose shapes are looked at
NOTHING = (
    "n/a", "#n/a", "na", "n.a.", "null", "none", "nan", "nil", "-", "--", "?", "??", ".", "unknown", "unk", "missing",
    "undefined", "not available", "not applicable", "tbd", "tba", "xxx", "(blank)", "(null)", "#value!", "#ref!",
    "#div/0!", "\\n", "keine angabe", "unbekannt",
)  # fmt: skip


@dataclass(frozen=True)
class TextMeasures:
    """What was found in a column of text."""

    distinct: int | None
    top: list[ValueCount] = field(default_factory=list)
    sampled: bool = False
    texts: Texts | None = None
    variants: Variants = field(default_factory=Variants)
    sentinels: list[Sentinel] = field(default_factory=list)


def measure(
    connection: duckdb.DuckDBPyConnection, table: Table, blanks: dict[str, tuple[int, int]]
) -> dict[str, TextMeasures]:
    """Measure the columns of text, truth values and constants: one group-by for each.

    Columns of very many different values in large files are looked at in the sample; ``sampled`` says so.
    """
    columns = table.of_kind("text", "boolean", "constant")
    return {column.name: _of_column(connection, table, column, blanks[column.name][0]) for column in columns}


def count_blanks(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, tuple[int, int]]:
    """Rows whose text begins or ends with a blank, and rows that hold nothing else, by safe name.

    The safe view has blanks trimmed, and nothing but blanks as null.
    """
    found = {column.name: (0, 0) for column in table.columns}
    for batch in batches([c for c in table.columns if c.physical_type == "VARCHAR"]):
        measures = []
        for column in batch:
            raw = quote(column.raw_name)
            ends = " or ".join(f"{test}({raw}, {mark})" for test in ("prefix", "suffix") for mark in _BLANKS)
            measures += [f"count(*) filter (where ({ends}) and trim({raw}) <> '')", f"count({raw})"]
        row = connection.execute(f"select {', '.join(measures)} from {table.profile.file.relation}").fetchall()[0]
        for place, column in enumerate(batch):
            found[column.name] = row[2 * place], row[2 * place + 1] - column.filled
    return found


_BLANKS = ("' '", "chr(9)", "chr(160)")


def _shape_sql(value: str) -> str:
    """Runs of letters as ``a``, runs of digits as ``9``; long ones are cut."""
    return f"left(regexp_replace(regexp_replace({value}, '\\pL+', 'a', 'g'), '[0-9]+', '9', 'g'), 30)"


def _of_column(
    connection: duckdb.DuckDBPyConnection, table: Table, column: ColumnProfile, blank_rows: int
) -> TextMeasures:
    name = quote(column.name)
    exact = table.sampled_rows is None or column.distinct <= FEW or table.rows <= EXACT_ROWS
    nothing = ", ".join(literal(word) for word in NOTHING)
    row = connection.execute(f"""
        with
        counts as materialized (
            select {name} as value, count(*) as n
            from {table.typed if exact else table.sample} where {name} is not null group by 1
        ),
        top as (select value, n from counts order by n desc, value limit {TOP}),
        groups as (
            select sum(n) as n, max_by(value, (n, value)) as value
            from counts group by lower(value) having count(*) > 1
        ),
        picked as materialized (select value, n from counts order by hash(value), value limit {LOOKED_AT}),
        shapes as (select {_shape_sql("value")} as value, sum(n) as n from picked group by 1)
        -- one row from each: a subquery for every figure takes four times as long to plan
        select *
        from
            (select count(*), min(length(value)), max(length(value)), sum(n * length(value)) / sum(n) from counts),
            (select list((left(value, 80), n) order by n desc, value) from top),
            (select count(*), coalesce(sum(n), 0), list(left(value, 40) order by n desc, value)[:3] from groups),
            (select list((value, n) order by n desc, value) from counts where lower(value) in ({nothing})),
            (select list((value, n) order by n desc, value)[:5] from shapes),
            (select coalesce(sum(n), 0) from picked)
    """).fetchall()[0]
    distinct, shortest, longest, mean, top, groups, group_rows, examples, empty_words, shapes, seen = row
    if not distinct:
        return TextMeasures(None, sampled=not exact)
    shown = [ValueCount(value=value, rows=int(count)) for value, count in shapes or []]
    # A second way to write a code, in some but not most of the values.
    is_coded = column.spaced < 0.2 and longest <= 40 and distinct > 20
    mixed = bool(is_coded and len(shown) > 1 and 0.5 * seen <= shown[0].rows < 0.999 * seen)
    return TextMeasures(
        distinct if exact else None,
        [ValueCount(value=value, rows=int(count)) for value, count in top or []],
        not exact,
        Texts(shortest=shortest, longest=longest, mean=float(mean or 0), shapes=shown if is_coded else [], mixed=mixed),
        Variants(case_groups=groups, case_rows=int(group_rows), case_examples=examples or [], blank_rows=blank_rows),
        [
            Sentinel(value=value, rows=int(count), why="a word for nothing")
            for value, count in (empty_words or [])
            # A column in which most values are such words uses them as an answer.
            if count < 0.9 * column.filled
        ],
    )
