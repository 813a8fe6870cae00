"""How customers are scored."""

from __future__ import annotations

from pydantic import Field, model_validator

from python_ml.settings.section import Section


class RiskBands(Section):
    """Shares of customers per risk band, measured on the champion's validation probabilities."""

    high: float = Field(0.10, gt=0, lt=1)
    medium: float = Field(0.20, ge=0, lt=1)

    @model_validator(mode="after")
    def _leave_some_low(self) -> RiskBands:
        if self.high + self.medium >= 1:
            raise ValueError("high and medium together must stay below 1, so that someone is at low risk")
        return self


class Scoring(Section):
    """How customers are scored."""

    reasons: int = Field(3, ge=1, le=20)
    risk_bands: RiskBands = RiskBands()
