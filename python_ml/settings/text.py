"""What customers write, as features."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from python_ml.settings.section import EMPTY_MAPPING, Section
from python_ml.settings.text_labels import Labelling, TextLabels


class Text(Section):
    """What customers write, as features."""

    labels: Annotated[TextLabels, EMPTY_MAPPING] = Field(default_factory=dict)
    labelling: Labelling = Labelling()
