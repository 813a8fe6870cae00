"""What was fitted on texts, as the warehouse keeps it: components and labels are features with a time of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from python_ml.warehouse import has_table, query_session

if TYPE_CHECKING:
    from datetime import datetime

# What components were fitted on, what they mean, and what labels were learnt from.
REDUCTIONS, MEANINGS, LABEL_MODELS = "text.reductions", "text.meanings", "text.label_models"
SHOWN_WORDS = 4


def text_fits(session: Any) -> Iterator[tuple[str, datetime, str]]:
    """List what was fitted: its name, the time before which its texts were known, and its digest.

    Parameters
    ----------
    session
        A connection, or what dbt gives a Python model.

    Yields
    ------
    name : str
        As :attr:`python_ml.dbt.Feature.fitted` has it, such as ``tickets.body`` or ``tickets.body.topic``.
    fitted_before : datetime
        Naive UTC.
    digest : str
    """
    for table, name in ((REDUCTIONS, "text"), (LABEL_MODELS, "text_column || '.' || label")):
        if has_table(session, table):
            rows = query_session(session, f"select {name} as text, fitted_before, digest from {table}")
            yield from ((row["text"], row["fitted_before"], row["digest"]) for row in rows.to_pylist())


def component_ends(session: Any) -> dict[tuple[str, int], tuple[str, str]]:
    """What the low and the high end of each component mean: words where some stand out, else the nearest text.

    Returns
    -------
    dict
        By text column and number of the component, from 1.
    """
    if not has_table(session, MEANINGS):
        return {}
    rows = query_session(session, f"select * from {MEANINGS} order by rank").to_pylist()
    words: dict[tuple[str, int, str], list[str]] = {}
    texts: dict[tuple[str, int, str], str] = {}
    for row in rows:
        key = (row["text"], row["component"], row["end"])
        if row["kind"] == "word":
            words.setdefault(key, []).append(row["value"])
        else:
            texts.setdefault(key, row["value"])

    def said(*key: Any) -> str:
        return ", ".join(words[key][:SHOWN_WORDS]) if key in words else texts.get(key, "")

    return {(text, n): (said(text, n, "low"), said(text, n, "high")) for text, n, end in texts if end == "low"}
