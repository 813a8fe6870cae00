"""When a training or a scoring stops: the leakage and quality gates."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from python_ml.settings.section import EMPTY_MAPPING, Section, SectionOfParts, reasons


class Leakage(Section):
    """When a single column is not believed, and which are used all the same."""

    limit: float = Field(0.9, gt=0.5, le=1)
    accept: Annotated[dict[str, str], EMPTY_MAPPING, reasons("may be used")] = Field(default_factory=dict)


class Limits(Section):
    """Shares of rows: more than ``warn`` warns, more than ``stop`` stops; 1 never happens."""

    warn: float = Field(ge=0, le=1)
    stop: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _tell_first(self) -> Limits:
        if self.stop < self.warn:
            raise ValueError("stop must not be below warn")
        return self


class Quality(SectionOfParts):
    """When a frame is not fit to be learnt from or scored; see docs/guides/quality.md."""

    least_rows: int = Field(50, ge=1)
    fewer_rows: Limits = Limits(warn=0.5, stop=0.9)
    null_jump: Limits = Limits(warn=0.1, stop=0.5)
    out_of_range: Limits = Limits(warn=0.05, stop=0.5)
    range_margin: float = Field(1.0, ge=0)
    new_categories: Limits = Limits(warn=0.01, stop=0.5)
    stale_steps: float = Field(2, gt=0)
    accept: Annotated[dict[str, str], EMPTY_MAPPING, reasons("may fail")] = Field(default_factory=dict)
