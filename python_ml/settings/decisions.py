"""Customer value, costs and effect of offers, and the limits of the action list."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from python_ml.durations import fixed_hours
from python_ml.settings.section import EMPTY_LIST, EMPTY_MAPPING, TABLE_NAME, Section

BY_NAME = "auto"

# Figures that only the business knows. Placeholders are used while they are not set.
OWN_FIGURES = ("contact_cost", "offer_cost", "success_rate")


def _fixed(value: str) -> str:
    if not fixed_hours(value):
        raise ValueError("write a duration of fixed length, such as 30d or 52w")
    return value


Duration = Annotated[str, AfterValidator(_fixed)]
Share = Annotated[float, Field(ge=0, le=1)]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CustomerValueSettings(Section):
    """What a customer is worth: a column, or margin x expected remaining life."""

    column: str | None = Field(None, min_length=1)
    revenue_column: str | None = Field(BY_NAME, min_length=1)
    revenue_period: Duration | None = None
    margin_rate: float = Field(0.3, gt=0, le=1)
    longest_life: Duration = "365d"
    persistence: Share = 0.5
    placeholder: float = Field(200.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_origin(self) -> CustomerValueSettings:
        if self.column and self.revenue_column not in (BY_NAME, None):
            raise ValueError("the value is given by `column` or by `revenue_column`, not by both")
        return self


class Suppression(Section):
    """Customers who were contacted within `window` before the feature time are excluded."""

    source: Annotated[str, TABLE_NAME] | None = None
    event_at: str | None = Field(None, min_length=1)
    available_at: str | None = Field(None, min_length=1)
    where: str | None = Field(None, min_length=1)
    window: Duration = "30d"

    @model_validator(mode="after")
    def _needs_a_time(self) -> Suppression:
        if self.source and not self.event_at:
            raise ValueError("a source of contacts needs `event_at`, the column with the time of the contact")
        return self


class Intervention(Section):
    """An entry of the catalogue: what it costs and which reasons it addresses (none: any)."""

    cost: Money
    success_rate: Share | None = None
    features: Annotated[tuple[str, ...], EMPTY_LIST] = ()
    sources: Annotated[tuple[str, ...], EMPTY_LIST] = ()


class Decisions(Section):
    """Customer value, costs and effect of offers, and the limits of the action list."""

    value: CustomerValueSettings = CustomerValueSettings()
    contact_cost: Money | None = None
    offer_cost: Money | None = None
    success_rate: Share | None = None
    success_rate_certainty: float = Field(20.0, gt=0, allow_inf_nan=False)
    budget: Money | None = None
    max_contacts: float | None = Field(0.1, gt=0, allow_inf_nan=False)
    holdout_share: float = Field(0.1, ge=0, lt=1)
    suppression: Suppression = Suppression()
    interventions: Annotated[dict[str, Intervention], EMPTY_MAPPING] = Field(default_factory=dict)
    expiry_days: int = Field(30, ge=1, le=3_650)

    @model_validator(mode="after")
    def _whole_contacts(self) -> Decisions:
        if self.max_contacts is not None and self.max_contacts > 1 and not self.max_contacts.is_integer():
            raise ValueError("max_contacts is a share of customers (at most 1) or a whole number of them")
        return self

    @property
    def placeholders(self) -> list[str]:
        """The figures that are not set."""
        return [name for name in OWN_FIGURES if getattr(self, name) is None]

    def capacity(self, customers: int) -> int | None:
        """How many of so many customers can be contacted; None without a limit."""
        if self.max_contacts is None:
            return None
        return round(self.max_contacts * customers) if self.max_contacts <= 1 else int(self.max_contacts)
