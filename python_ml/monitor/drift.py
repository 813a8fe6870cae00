"""Drift of columns: each period after a training compared with its rows, or with the same season among them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from python_ml.monitor.schema import LEVELS, ColumnCounts, ColumnReference, PeriodCounts, ReferenceStatistics
from python_ml.monitor.statistics import binned_quantiles, divergence
from python_ml.monitor.trend import LEAST_PERIODS, SATURATED, psi_between, unexpected_change, usual_change

if TYPE_CHECKING:
    from python_ml.settings.monitor import Drift, Levels

STATUSES = OK, WARNING, DRIFT = "ok", "warning", "drift"
FEATURE, SCORE, CHURN_RATE, TOGETHER = "feature", "score", "outcome", "multivariate"
TRAINING_ROWS, SEASON, TREND = "training", "season", "trend"
NAMED = 20  # new or vanished categories that a row names
SHIFTED_QUANTILES = {"quantile_10_shift": 0.1, "median_shift": 0.5, "quantile_90_shift": 0.9}


@dataclass(frozen=True)
class ReferencePeriod:
    """A part of the reference that a period is compared with.

    Attributes
    ----------
    kind : str
        ``training``: all of the reference. ``season``: its feature time a year before the period. ``trend``: its last
        feature time, since which a column may have changed as much as it usually did in as much time.
    first, last : datetime
        Feature times.
    counts : PeriodCounts
    steps : int
        Of ``trend``: feature times from the last one of the reference to the period.
    """

    kind: str
    first: datetime
    last: datetime
    counts: PeriodCounts
    steps: int = 0

    def described(self, period: datetime, counts: PeriodCounts) -> dict[str, Any]:
        """What is compared, as columns of ``gold.gld_feature_drift``."""
        return {
            "reference": self.kind,
            "reference_from": self.first,
            "reference_to": self.last,
            "current_period": period,
            "reference_rows": self.counts.rows,
            "reference_customers": self.counts.customers,
            "current_rows": counts.rows,
            "current_customers": counts.customers,
        }


def reference_periods(period: datetime, reference: ReferenceStatistics) -> list[ReferencePeriod]:
    """What a period may be like: all of the reference, the same season of it, or its end with its usual trend.

    The season is the feature time of the reference that is nearest to a year before the period, by no more than half of
    the usual distance between feature times.
    """
    times = sorted(reference.periods)
    found = [ReferencePeriod(TRAINING_ROWS, times[0], times[-1], reference.whole)]
    if len(times) < 2:
        return found
    step = _step(times)
    a_year_before = _a_year_before(period)
    nearest = min(times, key=lambda time: abs(time - a_year_before))
    if abs(nearest - a_year_before) <= step / 2:
        found.append(ReferencePeriod(SEASON, nearest, nearest, reference.periods[nearest]))
    if len(times) >= LEAST_PERIODS:
        steps = min(max(round((period - times[-1]) / step), 1), len(times) - 1)
        found.append(ReferencePeriod(TREND, times[-1], times[-1], reference.periods[times[-1]], steps))
    return found


def _step(times: Sequence[datetime]) -> timedelta:
    return timedelta(seconds=median((b - a).total_seconds() for a, b in pairwise(times)))


def _a_year_before(moment: datetime) -> datetime:
    try:
        return moment.replace(year=moment.year - 1)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year - 1, day=28)


def drift_rows(
    kind: str,
    reference: ReferenceStatistics,
    current: Mapping[datetime, PeriodCounts],
    names: Sequence[str],
    settings: Drift,
) -> list[dict[str, Any]]:
    """Measure columns in each period, and judge them.

    A column is compared with all of the reference. Where it is unlike that, it is judged by the same season of the
    reference or by its usual trend, if these explain it.

    Parameters
    ----------
    kind : str
        ``feature``, ``score`` or ``outcome``.
    reference : ReferenceStatistics
    current : mapping of datetime to PeriodCounts
        Counted with the bins of the reference.
    names : sequence of str
        Columns of the reference.
    settings : Drift

    Returns
    -------
    list of dict
        One per period and column; keys are among the columns of ``gold.gld_feature_drift``.
    """
    from scipy.stats import false_discovery_control

    judge = _ColumnJudge(kind, reference, settings.churn_rate if kind == CHURN_RATE else settings.psi)
    rows = []
    for period, counts in current.items():
        parts = reference_periods(period, reference)
        measured = [judge.measured(name, parts, period, counts) for name in names]
        adjusted = false_discovery_control([row["p_value"] for row in measured]) if measured else []
        for row, p_adjusted in zip(measured, adjusted, strict=True):
            significant = p_adjusted <= settings.false_discovery_rate
            rows.append({**row, "p_adjusted": float(p_adjusted), **judged(row["effect"], judge.levels, significant)})
    return rows


class _ColumnJudge:
    """Chooses what a column is compared with; remembers what it learns of the reference."""

    def __init__(self, kind: str, reference: ReferenceStatistics, levels: Levels) -> None:
        self.kind, self.reference, self.levels = kind, reference, levels
        self._usual: dict[tuple[str, int], float | None] = {}
        self._of_season: dict[tuple[str, datetime], float] = {}

    def measured(
        self, name: str, parts: Sequence[ReferencePeriod], period: datetime, counts: PeriodCounts
    ) -> dict[str, Any]:
        """A column against the part of the reference that explains it best, the first of equals."""
        best: dict[str, Any] = {}
        for part in self._fitting(name, parts):
            row = {"kind": self.kind, "feature": name, **part.described(period, counts)}
            before, after = part.counts.columns[name], counts.columns[name]
            customers = (part.counts.customers, counts.customers)
            row |= figures(self.reference.columns[name], before, after, customers)
            row["usual_change"] = (self._usual_change(name, part.steps) or 0.0) if part.steps else 0.0
            row["effect"] = self._effect(row, after)
            if not best or severity(row["effect"], self.levels) < severity(best["effect"], self.levels):
                best = row
            if best["effect"] < self.levels.warning:
                break
        return best

    def _effect(self, row: dict[str, Any], after: ColumnCounts) -> float:
        if self.kind == CHURN_RATE:
            return _relative_change(row)
        beyond = row["psi_excess"] - row["usual_change"]
        if row["usual_change"] < self.levels.warning:
            return beyond
        remaining = unexpected_change(self.reference, row["feature"], row["current_period"], after)
        if remaining is None:
            return beyond
        return remaining if row["usual_change"] >= SATURATED else min(beyond, remaining)

    def _fitting(self, name: str, parts: Sequence[ReferencePeriod]) -> list[ReferencePeriod]:
        """The parts that may explain a column.

        Where the season of the reference was unlike all of it, to be like all of it now says nothing. A column that was
        the same a year later has no trend, whatever it does within the year.
        """
        kinds = {part.kind: part for part in parts}
        season = kinds.get(SEASON)
        if season is not None:
            if self._season_differs(name, season):
                del kinds[TRAINING_ROWS]
            a_year = round(timedelta(days=365.25) / _step(sorted(self.reference.periods)))
            change = self._usual_change(name, a_year)
            if change is not None and change < self.levels.warning:
                kinds.pop(TREND, None)
        if self.kind == CHURN_RATE:
            kinds.pop(TREND, None)
        return list(kinds.values())

    def _season_differs(self, name: str, season: ReferencePeriod) -> bool:
        key = (name, season.first)
        if key not in self._of_season:
            self._of_season[key] = psi_between(name, self.reference.whole, season.counts)
        return self._of_season[key] >= self.levels.warning

    def _usual_change(self, name: str, steps: int) -> float | None:
        if (name, steps) not in self._usual:
            self._usual[name, steps] = usual_change(self.reference, name, steps)
        return self._usual[name, steps]


def judged(effect: float, levels: Levels, significant: bool) -> dict[str, Any]:
    """Status by the size of an effect, where it is more than noise, with the thresholds behind it."""
    status = STATUSES[severity(effect, levels)] if significant else OK
    return {"warning_from": levels.warning, "drift_from": levels.drift, "status": status}


def severity(effect: float, levels: Levels) -> int:
    """Position in :data:`STATUSES` of an effect that is more than noise."""
    return int(effect >= levels.warning) + int(effect >= levels.drift)


def _relative_change(row: Mapping[str, Any]) -> float:
    """Change of a rate as a share of what it was; from 0, any change is a whole one."""
    before, after = row["reference_mean"] or 0.0, row["current_mean"] or 0.0
    return abs(after / before - 1) if before else float(after > 0)


def figures(
    column: ColumnReference, before: ColumnCounts, after: ColumnCounts, customers: tuple[int, int]
) -> dict[str, Any]:
    """All measures of a column between two samples; None where one does not apply.

    Parameters
    ----------
    column : ColumnReference
    before, after : ColumnCounts
        Neither without rows.
    customers : tuple of int
        Customers behind either.
    """
    bins = column.bins
    apart = divergence(before.array, after.array, customers, ordered=bins.ordered)
    specific = _number_figures(column, before, after) if bins.ordered else _category_figures(column, before, after)
    return {
        "psi": apart.psi,
        "psi_expected": apart.psi_expected,
        "psi_excess": apart.psi_excess,
        "ks": apart.ks,
        "ks_is_exact": bins.exact if apart.ks is not None else None,
        "jensen_shannon": apart.jensen_shannon,
        "chi_square": apart.chi_square,
        "cramers_v": apart.cramers_v,
        "p_value": apart.p_value,
        "reference_null_share": before.null_share,
        "current_null_share": after.null_share,
        "null_shift": after.null_share - before.null_share,
        "distribution": json.dumps(
            {
                "upper_edges" if bins.ordered else "categories": list(bins.edges if bins.ordered else bins.categories),
                "reference": list(before.counts),
                "current": list(after.counts),
            },
            ensure_ascii=False,
        ),
        **specific,
    }


def _number_figures(column: ColumnReference, before: ColumnCounts, after: ColumnCounts) -> dict[str, Any]:
    means = before.mean(), after.mean()
    found: dict[str, Any] = {"reference_mean": means[0], "current_mean": means[1], "reference_std": column.std}
    if not (before.present and after.present):
        return found
    found["out_of_range_share"] = (after.counts[0] + after.counts[-2]) / sum(after.counts)
    if not column.std:
        return found
    ends = (column.low, column.high)
    quantiles = [
        binned_quantiles(column.bins.edges, counts.array[:-1], ends, LEVELS, exact=column.bins.exact)
        for counts in (before, after)
    ]
    shifts = dict(zip(LEVELS, (quantiles[1] - quantiles[0]) / column.std, strict=True))
    return {
        **found,
        "mean_shift": (means[1] - means[0]) / column.std,
        **{name: float(shifts[level]) for name, level in SHIFTED_QUANTILES.items()},
    }


def _category_figures(column: ColumnReference, before: ColumnCounts, after: ColumnCounts) -> dict[str, Any]:
    bins, found = column.bins, {}
    if bins.known is not None:
        new = {value: rows for value, rows in after.values if value not in set(bins.known)}
        found = {
            "new_category_share": sum(new.values()) / sum(after.counts),
            "new_categories": _named(sorted(new, key=lambda value: (-new[value], value))),
        }
    gone = {
        value: rows
        for value, rows, now in zip(bins.categories, before.counts, after.counts, strict=False)
        if rows and not now
    }
    return found | {
        "vanished_category_share": sum(gone.values()) / sum(before.counts),
        "vanished_categories": _named(gone),
    }


def _named(values: Iterable[str]) -> str:
    return json.dumps(list(values)[:NAMED], ensure_ascii=False)


def with_since(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with ``since``: the first period of the unbroken series in which a column has not been ok."""
    started: dict[tuple[str, str], datetime] = {}
    found = []
    for row in sorted(rows, key=lambda row: (row["current_period"], row["kind"], row["feature"])):
        key = (row["kind"], row["feature"])
        if row["status"] == OK:
            started.pop(key, None)
        else:
            started.setdefault(key, row["current_period"])
        found.append({**row, "since": started.get(key)})
    return found
