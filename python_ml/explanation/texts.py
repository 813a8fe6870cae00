"""What the components of texts mean that a model uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.text_fits import ComponentMeaning, component_meanings, component_of
from python_ml.warehouse import connect

if TYPE_CHECKING:
    from python_ml.model.card import CardColumn
    from python_ml.project import Project


@dataclass(frozen=True)
class UsedComponent:
    """A component of texts behind features of a model.

    Attributes
    ----------
    text : str
        Source and column, such as ``tickets.body``.
    component : int
        From 1.
    features : list of str
        Features of the model that are made of it.
    meaning : ComponentMeaning
    """

    text: str
    component: int
    features: list[str]
    meaning: ComponentMeaning


def used_components(project: Project, columns: Sequence[CardColumn]) -> list[UsedComponent]:
    """Look up the components behind a model's features, in the order of the features.

    Parameters
    ----------
    project : Project
    columns : sequence of CardColumn

    Returns
    -------
    list of UsedComponent
        Empty where no feature is made of texts.
    """
    features: dict[tuple[str, int], list[str]] = {}
    for column in columns:
        number = component_of(column.measure)
        if column.fitted and number:
            features.setdefault((column.fitted.partition("@")[0], number), []).append(column.name)
    if not features:
        return []
    with connect(project) as connection:
        meanings = component_meanings(connection)
    return [UsedComponent(*key, names, meanings[key]) for key, names in features.items() if key in meanings]
