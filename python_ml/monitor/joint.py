"""Drift of features together, period by period: how they depend on each other, against the end of the reference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from python_ml.input_columns import InputColumn
from python_ml.monitor.domain import DomainClassifier, domain_classifier, sampled_frame
from python_ml.monitor.drift import OK, SEASON, TOGETHER, TREND, ReferencePeriod, judged, reference_periods, severity

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.monitor.counting import TableRows
    from python_ml.monitor.schema import PeriodCounts, ReferenceStatistics
    from python_ml.settings.monitor import Drift

ALL = "all features"
MOMENT = timedelta(microseconds=1)


def joint_rows(
    rows: TableRows,
    reference: ReferenceStatistics,
    current: Mapping[datetime, PeriodCounts],
    features: Sequence[dict[str, Any]],
    settings: Drift,
) -> list[dict[str, Any]]:
    """Judge how features depend on each other; those that moved on their own, or always move, are left out.

    Parameters
    ----------
    rows : TableRows
        Of all periods, those of the reference among them.
    reference : ReferenceStatistics
    current : mapping of datetime to PeriodCounts
    features : sequence of dict
        Rows of these periods, as :func:`python_ml.monitor.drift.drift_rows` gives them.
    settings : Drift

    Returns
    -------
    list of dict
        At most one per period; none where a sample has too few customers, or fewer than two features are left.
    """
    found = []
    for period, counts in current.items():
        steady = tuple(
            InputColumn(row["feature"], reference.columns[row["feature"]].bins.kind)
            for row in features
            if row["current_period"] == period and row["status"] == OK and row["reference"] != TREND
        )
        if len(steady) > 1:
            row = _Comparison(rows, reference, steady, settings).row(period, counts)
            found += [row] if row else []
    return found


@dataclass(frozen=True)
class _Comparison:
    """Samples of some columns at different feature times."""

    rows: TableRows
    reference: ReferenceStatistics
    columns: tuple[InputColumn, ...]
    settings: Drift

    def row(self, period: datetime, counts: PeriodCounts) -> dict[str, Any] | None:
        """The closest of the end of the reference, where it may have changed as it usually did, and of the season."""
        later, levels = self._sample(period, counts.rows), self.settings.domain_auc
        closest: dict[str, Any] | None = None
        for part in self._reference_periods(period):
            measured = self._classified(part.first, later)
            if measured is None:
                return None
            usual = 0.0
            if part.kind == TREND and measured.low >= levels.warning:
                usual = self._usual_change(part.steps)
            effect = measured.low - usual
            if closest is None or severity(effect, levels) < severity(closest["effect"], levels):
                closest = {
                    "kind": TOGETHER,
                    "feature": ALL,
                    **part.described(period, counts),
                    "auc": measured.auc,
                    "auc_low": measured.low,
                    "auc_high": measured.high,
                    "drivers": json.dumps(measured.drivers, ensure_ascii=False),
                    "usual_change": usual,
                    "effect": effect,
                    # The effect is the lower end of an interval: noise has been allowed for.
                    **judged(effect, levels, significant=True),
                }
            if closest["status"] == OK:
                break
        return closest

    def _reference_periods(self, period: datetime) -> list[ReferencePeriod]:
        """The last period of the reference, then the same season of it."""
        parts = {one.kind: one for one in reference_periods(period, self.reference)}
        last = max(self.reference.periods)
        trend = parts.get(TREND, ReferencePeriod(TREND, last, last, self.reference.periods[last]))
        return [trend, *([parts[SEASON]] if SEASON in parts else [])]

    def _usual_change(self, steps: int) -> float:
        """By how much the AUC exceeds a half between the end of the reference and its period so many steps before."""
        times = sorted(self.reference.periods)
        if not steps:
            return 0.0
        last = self._sample(times[-1], self.reference.periods[times[-1]].rows)
        measured = self._classified(times[-1 - steps], last)
        return max(measured.auc - 0.5, 0.0) if measured else 0.0

    def _classified(self, time: datetime, later: pd.DataFrame) -> DomainClassifier | None:
        earlier = self._sample(time, self.reference.periods[time].rows)
        return domain_classifier(earlier, later, self.columns)

    def _sample(self, time: datetime, total: int) -> pd.DataFrame:
        rows = self.rows.between(after=time - MOMENT, until=time)
        return sampled_frame(rows, self.columns, self.settings.sample_rows, total)
