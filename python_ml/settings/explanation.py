"""How predictions are explained, and between which groups the model is compared."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from python_ml.settings.section import EMPTY_LIST, Section


class Explain(Section):
    """How predictions are explained; ``*`` stands for anything in a name. See docs/guides/explanations.md."""

    immutable: Annotated[tuple[str, ...], EMPTY_LIST] = ()
    actionable: Annotated[tuple[str, ...], EMPTY_LIST] = ()
    segments: Annotated[tuple[str, ...], EMPTY_LIST] = ()
    similar: int = Field(5, ge=0, le=50)
    counterfactuals: int = Field(3, ge=0, le=10)


class Fairness(Section):
    """Columns between whose values the model is compared; see docs/guides/diagnostics.md."""

    sensitive: Annotated[tuple[str, ...], EMPTY_LIST] = ()
    least_customers: int = Field(50, ge=2)
