"""Columns of free text: lengths, languages, and how many of them are HTML."""

from __future__ import annotations

import re

from python_ml.ingest.free_text import LONGEST, TAG, language_shares, language_title
from python_ml.ingest.schema import Column
from python_ml.profile.schema import TextMeasures
from python_ml.profile.tables import Table
from python_ml.warehouse import quote

MOST_NAMED, RARE = 4, 0.01  # languages that are named, and the share from which one is
SAMPLED = 2_000  # different texts that are read for their language
_TAG = re.compile(TAG)


def measure_free_text(table: Table, column: Column) -> TextMeasures:
    """Measure a column of free text: lengths of all (or the sampled) rows, languages of a sample of different texts.

    The contents of a text decide whether it is in the sample, so that the order of rows does not matter.
    """
    name = quote(column.name)
    median, p95, longest = table.row(
        [f"quantile_cont(length({name}), {q})" for q in (0.5, 0.95)] + [f"max(length({name}))"], table.sample
    )
    rows = table.rows_of(f"""
        select left(value, {LONGEST}) from (
            select distinct cast({name} as varchar) as value from {table.sample} where {name} is not null
        ) order by hash(value), value limit {SAMPLED}
    """)
    texts = [text for (text,) in rows]
    return TextMeasures(
        filled=column.filled,
        distinct=column.distinct,
        blank_share=round(1 - column.fill_share, 4),
        median_length=median or 0.0,
        p95_length=p95 or 0.0,
        longest=longest or 0,
        html_share=round(sum(bool(_TAG.search(text)) for text in texts) / max(len(texts), 1), 4),
        languages=language_shares(texts),
    )


def named_languages(text: TextMeasures) -> list[str]:
    """The languages of a column for a sentence: ``["English 79%", "German 12%"]``."""
    shares = [(code, share) for code, share in text.languages.items() if share >= RARE][:MOST_NAMED]
    return [f"{language_title(code)} {share:.0%}" for code, share in shares]
