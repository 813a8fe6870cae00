"""How ``retention rehearse`` trains."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from python_ml.settings.section import Section

Kind = Literal["logistic_regression", "lightgbm", "xgboost", "random_forest"]


class Rehearsal(Section):
    """What a rehearsal may spend; see docs/guides/rehearsal.md. None takes the kinds of model of ``training``."""

    models: tuple[Kind, ...] | None = Field(None, min_length=1)
