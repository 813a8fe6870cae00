"""Columns of text: most frequent values, spellings that differ only in case, shapes, and texts for missing values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from python_ml.ingest.schema import Column
from python_ml.ingest.vocabulary import MISSING_MARKERS
from python_ml.masking import masked
from python_ml.profile.schema import Sentinel, TextFacts, ValueCount
from python_ml.profile.tables import Table, batches, kind_of
from python_ml.warehouse import literal, quote

TOP = 10
FEW = 20_000  # different values up to which every row is counted
EXACT_ROWS = 1_000_000
CUT = 1_000  # characters of a value that are looked at for personal data before it is shown
SHAPED = 2_000  # values whose shapes are taken
# Texts for a missing value that may also be a value: a region, a plan, an answer.
_MAYBE = (
    "na", "null", "none", "nil", "-", "--", ".", "unknown", "unk", "missing", "undefined", "not available",
    "not applicable", "tbd", "tba", "xxx", "keine angabe", "unbekannt",
)  # fmt: skip
MISSING_TEXTS = (*MISSING_MARKERS, *_MAYBE)
_BLANKS = ("' '", "chr(9)", "chr(160)")


@dataclass(frozen=True)
class MeasuredText:
    """What was measured of a column of text."""

    distinct: int | None
    top: tuple[ValueCount, ...] = ()
    facts: TextFacts | None = None
    sentinels: tuple[Sentinel, ...] = ()


def measure_texts(table: Table) -> dict[str, MeasuredText]:
    """Measure the columns of text, truth values and constants: one group-by for each.

    Columns of very many different values in large tables are measured in the sample.
    """
    padded = _padded(table)
    return {c.name: _measure(table, c, padded.get(c.name, 0)) for c in table.of_kind("text", "boolean", "constant")}


def _padded(table: Table) -> dict[str, int]:
    """Rows whose raw text begins or ends with a blank, which typed columns do not have; of the first million."""
    counts: dict[str, int] = {}
    for batch in batches(c for c in table.of_kind("text") if c.reading.physical_type == "VARCHAR"):
        measures = []
        for column in batch:
            raw = quote(column.raw_name)
            ends = " or ".join(f"{test}({raw}, {mark})" for test in ("prefix", "suffix") for mark in _BLANKS)
            measures.append(f"count(*) filter (where ({ends}) and trim({raw}) <> '')")
        counts |= dict(
            zip(
                (c.name for c in batch),
                table.row(measures, f"(select * from {table.good_rows} limit {EXACT_ROWS})"),
                strict=True,
            )
        )
    return counts


def _shape(value: str) -> str:
    """SQL: runs of letters as ``a``, runs of digits as ``9``; long ones are cut."""
    return f"left(regexp_replace(regexp_replace({value}, '\\pL+', 'a', 'g'), '[0-9]+', '9', 'g'), 30)"


def _measure(table: Table, column: Column, padded_rows: int) -> MeasuredText:
    value = f"cast({quote(column.name)} as varchar)"
    exact = table.sampled_rows is None or column.distinct <= FEW or table.rows <= EXACT_ROWS
    missing = ", ".join(literal(text) for text in MISSING_TEXTS)
    row = table.rows_of(f"""
        with
        counts as materialized (
            select {value} as value, count(*) as n
            from {table.typed if exact else table.sample} where {quote(column.name)} is not null group by 1
        ),
        top as (select value, n from counts order by n desc, value limit {TOP}),
        spellings as (
            select sum(n) as n, max_by(value, (n, value)) as value
            from counts group by lower(value) having count(*) > 1
        ),
        picked as materialized (select value, n from counts order by hash(value), value limit {SHAPED}),
        shapes as (select {_shape("value")} as value, sum(n) as n from picked group by 1)
        -- one row from each: a subquery for every figure takes four times as long to plan
        select *
        from
            (select count(*), min(length(value)), max(length(value)) from counts),
            (select list((left(value, {CUT}), n) order by n desc, value) from top),
            (select count(*), coalesce(sum(n), 0), list(left(value, {CUT}) order by n desc, value)[:3] from spellings),
            (select list((value, n) order by n desc, value) from counts where lower(value) in ({missing})),
            (select list((value, n) order by n desc, value)[:5] from shapes),
            (select coalesce(sum(n), 0) from picked)
    """)[0]
    distinct, shortest, longest, top, groups, group_rows, examples, markers, shapes, seen = row
    if not distinct:
        return MeasuredText(None)
    # A second way to write a code, in some but not most of the values.
    is_coded = column.spaced < 0.2 and longest <= 40 and distinct > 20
    shaped = _counts(shapes) if is_coded else ()
    mixed = len(shaped) > 1 and 0.5 * seen <= shaped[0].rows < 0.999 * seen
    case = (groups, int(group_rows), tuple(shown(value, 40) for value in examples or ()))
    facts = TextFacts(shortest, longest, shaped, mixed, *case, padded_rows)
    # A column in which most values are such texts uses them as an answer.
    sentinels = tuple(
        Sentinel(v.value, v.rows, "a text for a missing value", _is_safe(v.value, column))
        for v in _counts(markers)
        if v.rows < 0.9 * column.filled and kind_of(column) == "text"
    )
    top = tuple(replace(item, value=shown(item.value, 80)) for item in _counts(top))
    return MeasuredText(distinct if exact else None, top, facts, sentinels)


def shown(value: str, longest: int) -> str:
    """The beginning of a value as people may see it: without personal data."""
    return masked(value)[:longest]


def _counts(entries: list[tuple[str, int]] | None) -> tuple[ValueCount, ...]:
    return tuple(ValueCount(value, int(rows)) for value, rows in entries or ())


def _is_safe(value: str, column: Column) -> bool:
    return value.lower() in MISSING_MARKERS and column.semantic not in ("identifier", "binary", "target_candidate")
