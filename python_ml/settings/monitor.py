"""When a change of features, scores or outcomes is reported, and when it is a breach."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from python_ml.settings.alerts import Alerts
from python_ml.settings.section import EMPTY_MAPPING, Section, SectionOfParts, reasons


class Levels(Section):
    """Sizes of an effect: from ``warning`` on it is reported, from ``drift`` on it is a breach."""

    warning: float = Field(gt=0)
    drift: float = Field(gt=0)

    @model_validator(mode="after")
    def _warning_first(self) -> Levels:
        if self.drift < self.warning:
            raise ValueError("drift must not be below warning")
        return self


class Drift(SectionOfParts):
    """How later periods are compared with the rows that the champion was fitted on; see docs/guides/monitoring.md."""

    psi: Levels = Levels(warning=0.1, drift=0.2)
    churn_rate: Levels = Levels(warning=0.25, drift=0.5)
    domain_auc: Levels = Levels(warning=0.58, drift=0.62)
    false_discovery_rate: float = Field(0.01, gt=0, lt=0.5)
    periods: int = Field(12, ge=1)
    sample_rows: int = Field(5_000, ge=100)
    accept: Annotated[dict[str, str], EMPTY_MAPPING, reasons("may drift")] = Field(default_factory=dict)


class Worsening(Section):
    """How much worse a model may become: from ``warning`` on it is reported, from ``breach`` on it is a breach."""

    warning: float = Field(gt=0, le=1)
    breach: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _warning_first(self) -> Worsening:
        if self.breach < self.warning:
            raise ValueError("breach must not be below warning")
        return self


class Performance(SectionOfParts):
    """How scores are compared with what became of the customers; see docs/guides/monitoring.md."""

    roc_auc_drop: Worsening = Worsening(warning=0.03, breach=0.05)
    calibration_error: Worsening = Worsening(warning=0.05, breach=0.1)
    periods: int = Field(24, ge=1)
    replicates: int = Field(200, ge=20, le=10_000)
    shift_rows: int = Field(5_000, ge=100)


class Monitor(Section):
    """What ``retention monitor`` compares, and where it sends alerts."""

    drift: Drift = Drift()
    performance: Performance = Performance()
    alerts: Alerts = Alerts()
