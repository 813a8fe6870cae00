"""When a change of features, scores or outcomes is reported, and when it is a breach."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from python_ml.settings.section import EMPTY_MAPPING, Section, reasons


class Levels(Section):
    """Sizes of an effect: from ``warning`` on it is reported, from ``drift`` on it is a breach."""

    warning: float = Field(gt=0)
    drift: float = Field(gt=0)

    @model_validator(mode="after")
    def _warning_first(self) -> Levels:
        if self.drift < self.warning:
            raise ValueError("drift must not be below warning")
        return self


class Drift(Section):
    """How later periods are compared with the rows that the champion was fitted on; see docs/guides/monitoring.md."""

    psi: Levels = Levels(warning=0.1, drift=0.2)
    churn_rate: Levels = Levels(warning=0.25, drift=0.5)
    domain_auc: Levels = Levels(warning=0.58, drift=0.62)
    false_discovery_rate: float = Field(0.01, gt=0, lt=0.5)
    periods: int = Field(12, ge=1)
    sample_rows: int = Field(5_000, ge=100)
    accept: Annotated[dict[str, str], EMPTY_MAPPING, reasons("may drift")] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _parts_have_defaults(cls, value: Any) -> Any:
        # Who sets one of `warning` and `drift` keeps our other one.
        if not isinstance(value, dict):
            return value
        defaults = {name: f.default for name, f in cls.model_fields.items() if isinstance(f.default, Levels)}
        return value | {
            name: {**defaults[name].model_dump(), **(part or {})}
            for name, part in value.items()
            if name in defaults and isinstance(part, dict | None)
        }


class Monitor(Section):
    """What ``retention monitor`` looks at."""

    drift: Drift = Drift()
