"""The findings of each column: what the measuring modules found, under one roof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.onboarding.personal import PERSONAL, personal_by_name
from python_ml.profiling.schema import Attention, Column, Numbers
from python_ml.profiling.tables import batches
from python_ml.profiling.textual import TextMeasures
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile
    from python_ml.profiling.measures import Measured
    from python_ml.profiling.schema import Sentinel, Texts, Times
    from python_ml.profiling.tables import Table


def describe(measured: Measured, distinct: dict[str, int], changes: dict[str, float]) -> list[Column]:
    """Put together what is known of each column, in the file's order; personal values are not shown."""
    return [
        _column(
            column,
            measured.numbers.get(column.name),
            measured.times.get(column.name),
            measured.texts.get(column.name),
            measured.blanks[column.name],
            distinct.get(column.name),
            changes.get(column.name),
        )
        for column in measured.table.columns
    ]


def _column(
    column: ColumnProfile,
    number: tuple[Numbers, list[Sentinel]] | None,
    time: tuple[Times, list[Sentinel]] | None,
    text: TextMeasures | None,
    blanks: tuple[int, int],
    distinct: int | None,
    changes: float | None,
) -> Column:
    semantic, because = column.meaning, column.because
    personal = column.personal or personal_by_name(column.raw_name)
    hidden = semantic in PERSONAL
    sentinels = [*(number[1] if number else []), *(time[1] if time else []), *(text.sentinels if text else [])]
    if semantic == "identifier" and column.kind == "number":
        # Numbers that name something are no measurements: 999 is as good as any.
        sentinels = []
    if text is not None and text.distinct is not None:
        distinct = text.distinct
    elif column.distinct <= 3:
        distinct = column.distinct
    missing = column.rows - column.filled
    shown = (
        text is not None
        and not hidden
        and not (semantic in ("identifier", "text") and _hardly_repeats(text, column.filled))
    )
    return Column(
        name=column.raw_name,
        physical_type=column.physical_type,
        semantic=semantic,
        because=because,
        personal=personal,
        missing=missing,
        missing_share=missing / column.rows,
        blank=blanks[1],
        distinct=column.distinct if distinct is None else distinct,
        distinct_exact=distinct is not None,
        sentinels=sentinels,
        top=text.top if shown else [],
        top_sampled=bool(text and text.sampled and shown),
        numbers=_name_only(number[0]) if number and semantic == "identifier" else number[0] if number else None,
        times=time[0] if time else None,
        texts=_without_examples(text) if text and text.texts and hidden else (text.texts if text else None),
        variants=text.variants
        if text and not hidden and (text.variants.case_groups or text.variants.blank_rows)
        else None,
        changes=changes,
    )


def count_distinct(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, int]:
    """Different values of numbers and times, exactly, by safe name; nothing for tables that are sampled."""
    if table.sampled_rows is not None:
        return {}
    found: dict[str, int] = {}
    for batch in batches([c for c in table.of_kind("number", "time") if c.distinct > 3]):
        measures = ", ".join(f"count(distinct {quote(c.name)})" for c in batch)
        row = connection.execute(f"select {measures} from {quote(table.profile.view)}").fetchall()[0]
        found |= {column.name: count for column, count in zip(batch, row, strict=True)}
    return found


def _name_only(numbers: Numbers) -> Numbers:
    """Numbers that name something have no mean."""
    return Numbers(readable=numbers.readable, unreadable=numbers.unreadable, written=numbers.written)


def _without_examples(text: TextMeasures) -> Texts:
    return text.texts.model_copy(update={"shapes": []})


def _hardly_repeats(text: TextMeasures, filled: int) -> bool:
    """Whether even the most frequent value says nothing: one row in a thousand, or two."""
    return bool(text.top) and text.top[0].rows <= max(2, filled // 1000)


def attention(table: Table, columns: list[Column]) -> list[Attention]:
    """What a person should know about the columns of a file."""
    found: list[Attention] = []

    def tell(level: str, topic: str, column: Column, what: str) -> None:
        found.append(Attention(level=level, topic=topic, file=table.name, column=column.name, what=what))

    for column in columns:
        if column.semantic == "empty":
            tell("note", "empty column", column, "no row has a value")
        if column.semantic == "constant" and not column.missing:
            tell("note", "constant column", column, "all rows have the same value: it can explain nothing")
        for sentinel in column.sentinels:
            what = f"{sentinel.value!r} in {sentinel.rows:,} rows: {sentinel.why}; read it as missing"
            tell("warning", "sentinel value", column, what)
        if column.times and column.times.undecided:
            tell("warning", "order of day and month", column, f"undecided: {column.times.order}")
        if column.times and len(column.times.formats) > 1:
            tell("warning", "mixed formats", column, "written as " + " and ".join(column.times.formats))
        if column.times and column.times.future:
            what = f"{column.times.future:,} times lie after the newest event of the data"
            tell("note", "future dates", column, what)
        if column.numbers and column.numbers.zero_inflated and column.semantic not in ("identifier", *PERSONAL):
            share = column.numbers.zeros / column.numbers.readable
            what = f"{share:.0%} of the values are zero: whether there is any, and how much, are two questions"
            tell("note", "zero inflation", column, what)
        if column.numbers and column.numbers.unreadable:
            values = ", ".join(repr(item.value) for item in column.numbers.unreadable)
            count = table.rows - column.missing - column.numbers.readable
            level = "note" if column.semantic == "identifier" else "warning"
            tell(level, "not a number", column, f"{count:,} values such as {values} are no numbers")
        if column.blank:
            tell("note", "blank values", column, f"{column.blank:,} values are blanks only: read as missing")
        if column.texts and column.texts.mixed:
            shapes = ", ".join(f"{item.value!r}" for item in column.texts.shapes[:3])
            tell("note", "mixed formats", column, f"values have several shapes: {shapes}")
        if column.variants and column.variants.case_groups:
            examples = ", ".join(repr(value) for value in column.variants.case_examples)
            what = f"{column.variants.case_groups:,} values are written in several cases, such as {examples}"
            tell("warning", "case variants", column, what)
        if column.variants and column.variants.blank_rows:
            what = f"{column.variants.blank_rows:,} values begin or end with a blank"
            tell("warning", "blanks around values", column, what)
        if column.semantic not in PERSONAL and column.personal and column.distinct > 20:
            tell("note", "personal data", column, f"perhaps: its name or values say {column.personal}")
        if column.semantic in PERSONAL:
            tell("warning", "personal data", column, f"{column.because}; not shown here, and no feature")
        if column.missing_share > 0.5 and column.semantic != "empty":
            tell("note", "mostly missing", column, f"{column.missing_share:.1%} of the rows have no value")
    return found
