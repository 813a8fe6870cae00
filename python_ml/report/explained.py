"""Drivers by segment and diagnostics, as sections of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python_ml.formatting import number
from python_ml.model.risk_bands import BANDS
from python_ml.report.customers import direction_kind
from python_ml.report.diagnostics_page import remarks

if TYPE_CHECKING:
    from python_ml.report.inputs import ReportInputs

MOST_SEGMENTS = 12
LEAST_SEGMENT = 20


def segment_drivers(inputs: ReportInputs) -> list[dict[str, Any]]:
    """The strongest drivers of each risk band, and of the segments of one column where there is one."""
    drivers = inputs.segment_drivers
    if drivers is None or drivers.empty:
        return []
    drivers = drivers[drivers["customers"] >= LEAST_SEGMENT]
    rows = []
    for (way, segment), own in drivers.groupby(["segment_by", "segment"], sort=False):
        rows.append(
            {
                "way": way,
                "segment": segment,
                "customers": int(own["customers"].iloc[0]),
                "drivers": [
                    {"feature": row.feature, "kind": direction_kind(number(row.direction))}
                    for row in own.sort_values("driver_rank").itertuples()
                ],
            }
        )
    place = {band: position for position, band in enumerate(BANDS)}
    rows.sort(key=lambda row: (row["way"] != "risk band", row["way"], place.get(row["segment"], 9), row["segment"]))
    return rows[:MOST_SEGMENTS]


def reliability_section(inputs: ReportInputs) -> dict[str, Any]:
    """What the diagnostics come to; says which command makes them where there are none."""
    if inputs.diagnostics is None or inputs.diagnostics.empty:
        return {"remarks": [], "older": None}
    found = remarks(inputs.diagnostics, inputs.fairness)
    version, champion = int(inputs.diagnostics["model_version"].max()), inputs.metrics["champion"].get("version")
    return {"remarks": found, "older": version if str(champion) != str(version) else None}
