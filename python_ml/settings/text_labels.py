"""Labels of texts: which there are, and how they are asked for."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from python_ml.settings.section import Section

# Names of other columns in the files and tables that hold labels.
TAKEN = ("id", "text", "text_hash", "characters")


def _named(value: dict[str, dict[str, TextLabel]]) -> dict[str, dict[str, TextLabel]]:
    for column, labels in value.items():
        if not re.fullmatch(r"[a-z]\w*\.[a-z]\w*", column):
            raise ValueError(f"`{column}` must name a source and its text column, such as tickets.body")
        if not labels:
            raise ValueError(f"`{column}` has no labels")
        for name in labels:
            if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
                raise ValueError(
                    f"`{name}` becomes part of column names: use lower-case letters, digits and underscores"
                )
            if name in TAKEN:
                raise ValueError(f"`{name}` is the name of another column; call the label something else")
    return value


class TextLabel(Section):
    """The values of a label, and a number for each where they have an order; a list gives only the values."""

    values: tuple[str, ...] = Field(min_length=2)
    scores: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _list_of_values(cls, value: Any) -> Any:
        return {"values": value} if isinstance(value, list | tuple) else value

    @field_validator("values")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not v or v != v.strip() for v in value):
            raise ValueError("a value is text without blanks around it")
        if len({v.casefold() for v in value}) < len(value):
            raise ValueError("a value stands twice (upper and lower case are not told apart)")
        return value

    @model_validator(mode="after")
    def _one_score_each(self) -> TextLabel:
        if self.scores is not None and len(self.scores) != len(self.values):
            raise ValueError(f"{len(self.values)} values need as many scores, not {len(self.scores)}")
        return self


TextLabels = Annotated[dict[str, dict[str, TextLabel]], AfterValidator(_named)]


class Labelling(Section):
    """How many texts are labelled, and how a labeller is asked. See docs/guides/text_labels.md."""

    texts: int = Field(300, ge=1)
    batch: int = Field(20, ge=1, le=500)
    timeout: float = Field(60.0, gt=0, le=3_600)
    attempts: int = Field(5, ge=1, le=20)
    least_per_value: int = Field(10, ge=4)
