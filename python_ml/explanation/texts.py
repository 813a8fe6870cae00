"""What the components of texts mean that a model uses: words and texts at both of their ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_ml.text_fits import MEANINGS
from python_ml.warehouse import connect, relation, table_exists

if TYPE_CHECKING:
    from python_ml.model.card import CardColumn
    from python_ml.project import Project


@dataclass
class ComponentMeaning:
    """The two ends of a component.

    Attributes
    ----------
    text : str
        Source and column, such as ``tickets.body``.
    component : int
        From 1.
    features : list of str
        Features of the model that are made of it.
    words, texts : dict of str to list of str
        Of the ends ``low`` and ``high``: words that set them apart, and the nearest texts (personal data is masked).
    """

    text: str
    component: int
    features: list[str]
    words: dict[str, list[str]] = field(default_factory=lambda: {"low": [], "high": []})
    texts: dict[str, list[str]] = field(default_factory=lambda: {"low": [], "high": []})


def component_meanings(project: Project, columns: Sequence[CardColumn]) -> list[ComponentMeaning]:
    """Look up the components behind a model's features, in the order of the features.

    Parameters
    ----------
    project : Project
    columns : sequence of CardColumn

    Returns
    -------
    list of ComponentMeaning
        Empty where no feature is made of texts.
    """
    found: dict[tuple[str, int], ComponentMeaning] = {}
    for column in columns:
        number = re.search(r"_pc(\d+)$", column.measure or "")
        if column.fitted and number:
            key = (column.fitted.partition("@")[0], int(number[1]))
            found.setdefault(key, ComponentMeaning(*key, [])).features.append(column.name)
    if not found:
        return []
    with connect(project) as connection:
        rows = []
        if table_exists(connection, MEANINGS):
            rows = connection.execute(
                f'select text, component, "end", kind, value from {relation(MEANINGS)} order by rank'
            ).fetchall()
    for text, component, end, kind, value in rows:
        if meaning := found.get((text, component)):
            (meaning.words if kind == "word" else meaning.texts)[end].append(value)
    return [meaning for meaning in found.values() if meaning.texts["low"]]
