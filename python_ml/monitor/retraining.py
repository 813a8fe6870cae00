"""Whether to train again: triggers over evidence, as pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from python_ml.formatting import METRIC_TITLES, counted, date, decimal, percent

if TYPE_CHECKING:
    from python_ml.settings.retraining import Retraining

RETRAIN, NOTHING, WAIT = "retrain", "nothing to do", "wait"
MANUAL, FIRST = "manual", "first training"
PERFORMANCE, ESTIMATE, DRIFT, SCHEDULE, VOLUME = "performance", "estimated performance", "drift", "schedule", "volume"


@dataclass(frozen=True)
class Growth:
    """Labelled rows that a version was not trained with: their number and their feature times."""

    rows: int
    periods: int


@dataclass(frozen=True)
class DriftedColumn:
    """Something that drifted in the newest period: its ``kind``, its name, and for how many periods by now."""

    kind: str
    name: str
    periods: int
    since: datetime | None


@dataclass(frozen=True)
class MeasuredPerformance:
    """A metric of the champion in a period, realised or estimated, with its 95 % interval where there is one."""

    metric: str
    period: datetime
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class RetrainingEvidence:
    """What is known when it is decided.

    Attributes
    ----------
    champion : int or None
        Version; None where there is none.
    data_time : datetime or None
        The newest labelled feature time.
    trained_rows : int or None
        Labelled rows of the champion's training.
    since_champion, since_newest : Growth or None
        Since the trainings of the champion, and of the newest version; None where these did not record their rows.
    drifted : tuple of DriftedColumn
    realised, estimated : MeasuredPerformance or None
        The newest ones.
    expected, expected_low, expected_high : float or None
        The champion's metric on its test rows, with its 95 % interval.
    missing : tuple of str
        What could not be looked at, and why.
    """

    champion: int | None
    data_time: datetime | None = None
    trained_rows: int | None = None
    since_champion: Growth | None = None
    since_newest: Growth | None = None
    drifted: tuple[DriftedColumn, ...] = ()
    realised: MeasuredPerformance | None = None
    estimated: MeasuredPerformance | None = None
    expected: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class RetrainingTrigger:
    """A trigger: whether it fired, a sentence, and the figures behind it."""

    name: str
    fired: bool
    reason: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RetrainingDecision:
    """Whether to train again.

    Attributes
    ----------
    decision : str
        ``retrain``, ``nothing to do`` or ``wait``.
    trigger : str or None
        The first that fired, by weight: manual, first training, performance, estimated performance, drift, schedule,
        volume.
    reason : str
    triggers : tuple of RetrainingTrigger
        All that were looked at.
    evidence : RetrainingEvidence
    """

    decision: str
    trigger: str | None
    reason: str
    triggers: tuple[RetrainingTrigger, ...]
    evidence: RetrainingEvidence

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def decide_retraining(
    evidence: RetrainingEvidence, settings: Retraining, forced: str | None = None
) -> RetrainingDecision:
    """Decide whether a challenger is to be trained.

    Without labelled rows that are newer than those of the newest version, a training would learn nothing new: even if
    a trigger fires, the decision is to wait. A person's wish is not subject to that.

    Parameters
    ----------
    evidence : RetrainingEvidence
    settings : Retraining
    forced : str, optional
        The reason of a person who asks for it.
    """

    def decision(what: str, trigger: str | None, reason: str) -> RetrainingDecision:
        return RetrainingDecision(what, trigger, reason, triggers, evidence)

    manual = () if forced is None else (RetrainingTrigger(MANUAL, True, forced),)
    first = (RetrainingTrigger(FIRST, True, "there is no champion"),) if evidence.champion is None else ()
    triggers = (*manual, *first, *_triggers(evidence, settings))
    fired = [one for one in triggers if one.fired]
    if not fired:
        return decision(NOTHING, None, "no trigger fired")
    reason = "; ".join(one.reason for one in fired)
    growth = evidence.since_newest
    if forced is None and growth is not None and growth.periods < settings.least_new_periods:
        newer = counted(growth.periods, "labelled feature time")
        waits = f"{newer} since the newest version, retraining needs {settings.least_new_periods}"
        return decision(WAIT, fired[0].name, f"{reason}; but there is too little to learn from: {waits}")
    return decision(RETRAIN, fired[0].name, reason)


def _triggers(evidence: RetrainingEvidence, settings: Retraining) -> list[RetrainingTrigger]:
    """Those that are switched on and have something to look at, by weight."""
    found = []
    for name, measured, limit in (
        (PERFORMANCE, evidence.realised, settings.performance_drop),
        (ESTIMATE, evidence.estimated, settings.estimated_drop),
    ):
        if limit is not None and measured is not None and evidence.expected is not None:
            found.append(_dropped(name, measured, evidence, limit))
    if settings.drifted_features is not None:
        found.append(_drifted(evidence.drifted, settings))
    growth = evidence.since_champion
    if settings.age_periods is not None and growth is not None:
        said = f"{counted(growth.periods, 'labelled feature time')} since the champion was trained"
        figures = {"periods": growth.periods, "limit": settings.age_periods}
        found.append(RetrainingTrigger(SCHEDULE, growth.periods >= settings.age_periods, said, figures))
    if settings.new_rows is not None and growth is not None and evidence.trained_rows:
        share = growth.rows / evidence.trained_rows
        said = f"{growth.rows:,} labelled rows are new, {percent(share)} of those that the champion was trained with"
        figures = {"rows": growth.rows, "share": share, "limit": settings.new_rows}
        found.append(RetrainingTrigger(VOLUME, share >= settings.new_rows, said, figures))
    return found


def _dropped(name: str, measured: MeasuredPerformance, evidence: RetrainingEvidence, limit: float) -> RetrainingTrigger:
    """Worse than the test promised, by the limit at least, and by more than chance.

    Chance is the interval of the measured value, or where it has none that of the test metric.
    """
    from python_ml.model.evaluate import better

    expected = evidence.expected or 0.0
    drop = better(measured.metric, expected, measured.value)
    ends = [end for end in (measured.low, measured.high) if end is not None]
    promised = [end for end in (evidence.expected_low, evidence.expected_high) if end is not None]
    beyond = all(
        better(measured.metric, end, value) > 0
        for end, value in ([(expected, end) for end in ends] or [(end, measured.value) for end in promised])
    )
    title = METRIC_TITLES.get(measured.metric, measured.metric)
    what = "estimated " if name == ESTIMATE else ""
    said = (
        f"{what}{title} {decimal(measured.value)} at {date(measured.period)}, "
        f"{decimal(expected)} on the test rows of the champion"
    )
    figures = {"drop": drop, "limit": limit, "beyond_interval": beyond}
    # Just at the limit counts, whatever floating point makes of the difference.
    return RetrainingTrigger(name, drop >= limit - 1e-12 and beyond, said, figures)


def _drifted(columns: Sequence[DriftedColumn], settings: Retraining) -> RetrainingTrigger:
    lasting = [one for one in columns if one.periods >= settings.drifted_periods]
    features = [one for one in lasting if one.kind == "feature"]
    others = [one for one in lasting if one.kind != "feature"]
    assert settings.drifted_features is not None
    fired = bool(others) or len(features) >= settings.drifted_features
    names = ", ".join([one.name if one.kind == "feature" else f"{one.kind} {one.name}" for one in lasting][:5])
    more = f" and {len(lasting) - 5} more" if len(lasting) > 5 else ""
    said = f"drift of {names}{more}" if lasting else "no drift of what the champion uses"
    figures = {"features": len(features), "others": len(others), "limit": settings.drifted_features}
    return RetrainingTrigger(DRIFT, fired, said, figures)
