"""How long customers stay: the survival model that is fitted with the champion."""

from __future__ import annotations

from pydantic import Field

from python_ml.settings.section import Section


class Survival(Section):
    """The survival model; see docs/guides/survival.md."""

    enabled: bool = True
    periods: int = Field(12, ge=1, le=120)
    cap_days: float = Field(365, gt=0, le=36_525)
    segment: str | None = Field(None, min_length=1)
