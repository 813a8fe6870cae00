"""How customers are scored."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from python_ml.settings.section import Section

ABSOLUTE, RANK = "absolute", "rank"


class RiskBands(Section):
    """Where risk is high and medium.

    ``absolute``: ``high`` and ``medium`` are probabilities; None derives them from base rate and costs. ``rank``: they
    are shares of customers, measured on the champion's validation probabilities; given without a kind, they mean that.
    """

    kind: Literal["absolute", "rank"] = ABSOLUTE
    high: float | None = Field(None, gt=0, lt=1)
    medium: float | None = Field(None, ge=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _shares_mean_ranks(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = {name for name in ("high", "medium") if value.get(name) is not None}
        kind = value.get("kind") or (RANK if given else ABSOLUTE)
        shares = {"high": 0.10, "medium": 0.20} if kind == RANK else {}
        return {**shares, **{name: part for name, part in value.items() if part is not None}, "kind": kind}

    @model_validator(mode="after")
    def _leave_some_low(self) -> RiskBands:
        if self.kind == RANK and self.high + self.medium >= 1:
            raise ValueError("high and medium together must stay below 1, so that someone is at low risk")
        if self.kind == ABSOLUTE and self.high is not None and self.medium is not None and self.medium > self.high:
            raise ValueError("medium risk must begin below high risk; `kind: rank` takes shares of customers instead")
        return self

    @property
    def is_rank(self) -> bool:
        """Whether ``high`` and ``medium`` are shares of customers."""
        return self.kind == RANK


class Scoring(Section):
    """How customers are scored."""

    reasons: int = Field(3, ge=1, le=20)
    risk_bands: RiskBands = RiskBands()
