"""When a change of features, scores or outcomes is reported, and when it is a breach."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from python_ml.settings.alerts import Alerts
from python_ml.settings.section import EMPTY_MAPPING, Section, reasons


@classmethod
def with_defaults(cls: type[Section], value: Any) -> Any:
    """Who sets one of two thresholds keeps our other one."""
    if not isinstance(value, dict):
        return value
    defaults = {name: f.default for name, f in cls.model_fields.items() if isinstance(f.default, Section)}
    return value | {
        name: {**defaults[name].model_dump(), **(part or {})}
        for name, part in value.items()
        if name in defaults and isinstance(part, dict | None)
    }


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

    _parts_have_defaults = model_validator(mode="before")(with_defaults)


class Worsening(Section):
    """How much worse a model may become: from ``warning`` on it is reported, from ``breach`` on it is a breach."""

    warning: float = Field(gt=0, le=1)
    breach: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _warning_first(self) -> Worsening:
        if self.breach < self.warning:
            raise ValueError("breach must not be below warning")
        return self


class Performance(Section):
    """How scores are compared with what became of the customers; see docs/guides/monitoring.md."""

    roc_auc_drop: Worsening = Worsening(warning=0.03, breach=0.05)
    calibration_error: Worsening = Worsening(warning=0.05, breach=0.1)
    periods: int = Field(24, ge=1)
    replicates: int = Field(200, ge=20, le=10_000)
    shift_rows: int = Field(5_000, ge=100)

    _parts_have_defaults = model_validator(mode="before")(with_defaults)


class Monitor(Section):
    """What ``retention monitor`` looks at, and whom it tells."""

    drift: Drift = Drift()
    performance: Performance = Performance()
    alerts: Alerts = Alerts()
