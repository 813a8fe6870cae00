"""What was fitted on texts, as the warehouse keeps it: components and labels are features with a time of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from python_ml.warehouse import has_table, query_session

if TYPE_CHECKING:
    from datetime import datetime

# What components were fitted on, what they mean, and what labels were learnt from.
REDUCTIONS, MEANINGS, LABEL_MODELS = "text.reductions", "text.meanings", "text.label_models"
ENDS = ("low", "high")
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


@dataclass(frozen=True)
class ComponentMeaning:
    """What the two ends of a component of texts mean.

    Attributes
    ----------
    words, texts : dict of str to list of str
        Of the ends ``low`` and ``high``: words that set them apart, and the nearest texts, the most telling first.
        Personal data is masked.
    """

    words: dict[str, list[str]]
    texts: dict[str, list[str]]

    @property
    def ends(self) -> tuple[str, str]:
        """The low and the high end in a few words, or by the nearest text where no word stands out."""
        low, high = (", ".join(self.words[end][:SHOWN_WORDS]) or self.texts[end][0] for end in ENDS)
        return low, high


def component_meanings(session: Any) -> dict[tuple[str, int], ComponentMeaning]:
    """What the components mean that were fitted.

    Parameters
    ----------
    session
        A connection, or what dbt gives a Python model.

    Returns
    -------
    dict
        By text column and number of the component, from 1, in this order.
    """
    if not has_table(session, MEANINGS):
        return {}
    found: dict[tuple[str, int], ComponentMeaning] = {}
    for row in query_session(session, f"select * from {MEANINGS} order by text, component, rank").to_pylist():
        empty = ComponentMeaning({end: [] for end in ENDS}, {end: [] for end in ENDS})
        meaning = found.setdefault((row["text"], row["component"]), empty)
        (meaning.words if row["kind"] == "word" else meaning.texts)[row["end"]].append(row["value"])
    return found


def component_of(measure: str | None) -> int | None:
    """Number of the component that a measure such as ``body_pc3`` is; None for other measures."""
    number = re.search(r"_pc(\d+)$", measure or "")
    return int(number[1]) if number else None
