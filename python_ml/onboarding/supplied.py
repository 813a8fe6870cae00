"""Time in a project of supplied labels: how far labels look ahead, which windows fit, whom to score, how to split."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.onboarding.label_rows import TABLE
from python_ml.onboarding.label_split import SplitDates, check_split, label_time_sql, split_settings
from python_ml.onboarding.labels import examine_labels
from python_ml.onboarding.rhythm import Activity, Choices, days_of, windows_of
from python_ml.onboarding.specification import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.labels import LabelSpec

USUAL_HORIZON = 30.0  # for the choice of windows where nothing says how far labels look ahead
LATE_DAYS = 31  # as-of times this long after the last event are outside the data
MOSTLY_ACTIVE = 0.99


@dataclass(frozen=True)
class LabelFile:
    """What the user said about labels: the file, its columns (``part=column``), what leaving means, the split."""

    path: Path
    columns: tuple[str, ...] = ()
    positive: str | None = None
    day_first: bool | None = None
    dates: SplitDates = field(default_factory=SplitDates)


@dataclass(frozen=True)
class SuppliedTimes:
    """What was decided about time.

    Attributes
    ----------
    windows : tuple of str
    decisions : tuple of Decision
        ``horizon`` and ``gap`` only where they are known; ``active_window`` and ``score_at`` only where
        everybody is scored.
    doubts : tuple of str
    scores_file : bool
        Whether the rows without a label are those to score.
    """

    windows: tuple[str, ...]
    decisions: tuple[Decision, ...]
    doubts: tuple[str, ...]
    scores_file: bool


@dataclass(frozen=True)
class Supplied:
    """Labels that the user supplied, and what follows from them.

    Attributes
    ----------
    labels : LabelSpec
    times : SuppliedTimes
    split : dict of str to str or None
        What ``training.split`` says.
    """

    labels: LabelSpec
    times: SuppliedTimes
    split: dict[str, str | None]

    @property
    def definition(self) -> Decision:
        """What leaving means."""
        target = self.labels.target
        return Decision("churn_definition", "supplied", f"{target.meaning}: {target.evidence}", "--labels")

    @property
    def horizon(self) -> str | None:
        """How far labels look ahead, where it is known."""
        return next((d.value for d in self.times.decisions if d.name == "horizon"), None)

    @property
    def evidence(self) -> dict[str, tuple[str, ...]]:
        """Raw name and reasons of the parts that every source may have."""
        name, found = self.labels.source.name, self.labels.evidence
        return {f"{name}.{part}": found[part] for part in ("entity", "time") if part in found}

    @property
    def traps(self) -> list[str]:
        """What the file hides."""
        source = self.labels.source
        told = list(source.file.notes)
        for reason, count in source.quarantined.items():
            told.append(f"{count:,} of {source.rows:,} rows are quarantined: {reason}")
        copies = source.kept - self.labels.rows
        if copies:
            told.append(f"{copies:,} rows repeat a customer and a time; they agree, and count once")
        return [f"{source.name}: {trap}" for trap in told]


def read(
    connection: duckdb.DuckDBPyConnection,
    file: LabelFile,
    relation: str,
    events: FileProfile,
    entity: str,
    activity: Activity,
    choices: Choices,
    taken: Sequence[str],
) -> Supplied:
    """Read a file of labels and decide what follows from it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    file : LabelFile
    relation : str
        Events that count as activity: ``entity`` and ``event_at``.
    events : FileProfile
        The file that they are from.
    entity : str
        Name of the customer's key in every model.
    activity : Activity
    choices : Choices
    taken : sequence of str
        Names of the other sources.

    Raises
    ------
    UserError
        For every mistake that labels can hold; see :func:`python_ml.onboarding.labels.examine_labels`.
    """
    if file.dates and any(text.strip().lower().startswith("split=") for text in file.columns):
        raise UserError(
            "The split is given twice: by a column and by dates.",
            where="--label-column, --val-from, --test-from",
            hint="keep one of them",
        )
    labels = examine_labels(
        connection,
        file.path,
        events,
        entity,
        taken,
        columns=file.columns,
        positive=file.positive,
        day_first=file.day_first,
    )
    if file.dates and labels.split is not None:
        labels = replace(labels, split=None, split_values={})
    times = decide(connection, relation, activity, labels, choices, file.dates)
    split, decision = split_settings(labels, file.dates)
    return Supplied(labels, replace(times, decisions=(*times.decisions, decision)), split)


def decide(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    activity: Activity,
    labels: LabelSpec,
    choices: Choices,
    dates: SplitDates,
) -> SuppliedTimes:
    """Decide everything about time.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds ``label_rows``.
    relation : str
        With the columns ``entity`` and ``event_at``.
    activity : Activity
    labels : LabelSpec
    choices : Choices
        What the user said; a step says nothing here.
    dates : SplitDates

    Raises
    ------
    UserError
        When no as-of time lies within the data, or a split leaves a part without both outcomes.
    """
    path = str(labels.source.file.path)
    doubts = list(labels.doubts) + _outside(connection, activity, labels, path)
    decisions, ahead, told = _reach(labels, choices)
    doubts += told
    late = connection.execute(
        f"select count(*) from {TABLE} where churned is not null and {label_time_sql(labels, choices)} > $last",
        {"last": activity.last},
    ).fetchall()[0][0]
    if late and ahead:
        doubts.append(
            f"{late:,} labels look beyond the last event ({activity.last:%Y-%m-%d}): they are taken to be known, as "
            "they were supplied"
        )
    history = max((labels.last.date() - activity.first_day).days, 1)
    windows = windows_of(activity, history, ahead or USUAL_HORIZON)
    decisions.append(
        Decision(
            "windows",
            ", ".join(windows),
            f"none is longer than the {history} days from the first event to the newest as-of time of the labels",
        )
    )
    scores_file, scoring = _scoring(connection, relation, activity, labels, choices)
    decisions += scoring
    check_split(connection, labels, choices, dates, path)
    return SuppliedTimes(windows, tuple(decisions), tuple(doubts), scores_file)


def label_time_words(supplied: Supplied) -> str:
    """When a supplied outcome was known, in words."""
    if supplied.labels.known is not None:
        return f"When the outcome was known (UTC), as `{supplied.labels.known.raw_name}` of the labels says"
    if supplied.horizon is not None:
        return "End of the time at which the label looks (UTC): feature time, gap and horizon"
    return "The feature time itself: nothing says how far the label looks ahead"


def _outside(connection: duckdb.DuckDBPyConnection, activity: Activity, labels: LabelSpec, path: str) -> list[str]:
    early, late, far = connection.execute(
        f"""
        select
            count(*) filter (where as_of <= $first),
            count(*) filter (where as_of > $last + interval 1 day),
            count(*) filter (where as_of > $last + interval {LATE_DAYS} day)
        from {TABLE}
        """,
        {"first": activity.first, "last": activity.last},
    ).fetchall()[0]
    total = connection.execute(f"select count(*) from {TABLE}").fetchall()[0][0]
    if early + far >= total:
        raise UserError(
            f"No as-of time of the labels ({labels.first:%Y-%m-%d} to {labels.last:%Y-%m-%d}) lies within the events "
            f"({activity.first:%Y-%m-%d} to {activity.last:%Y-%m-%d}).",
            where=f"{path}, column {labels.time.raw_name}",
            hint="bring labels and events of the same period, or name another column with --label-column time=COLUMN",
        )
    told = []
    if early:
        told.append(f"{early:,} of {total:,} rows of the labels lie before the first event: their features are empty")
    if late:
        told.append(
            f"{late:,} of {total:,} rows of the labels lie more than a day after the last event: their features miss "
            "what happened since"
        )
    return told


def _reach(labels: LabelSpec, choices: Choices) -> tuple[list[Decision], float, list[str]]:
    """How far labels look ahead: the decisions, days (0 where unknown), doubts."""
    decisions, doubts = [], []
    if choices.horizon is None and choices.gap is not None:
        raise UserError(
            "A gap says nothing without a horizon.", where="--gap", hint="say how far labels look ahead with --horizon"
        )
    if choices.horizon is not None:
        gap = choices.gap or "0d"
        decisions.append(Decision("horizon", choices.horizon, "as told: labels look so far ahead", "--horizon", True))
        decisions.append(
            Decision(
                "gap", gap, "as told" if choices.gap else "the label looks ahead at once", "--gap", bool(choices.gap)
            )
        )
        return decisions, days_of(choices.horizon, "horizon") + days_of(gap, "gap"), doubts
    if labels.known is not None:
        reason = f"`{labels.known.raw_name}` of the labels says when each outcome was known"
        decisions.append(Decision("label_time", labels.known.name, reason, "--label-column known=…"))
        return decisions, USUAL_HORIZON, doubts
    decisions.append(Decision("label_time", "feature_timestamp", "nothing says how far labels look ahead", "--horizon"))
    doubts.append(
        "nothing says how far the labels look ahead, so label_timestamp is the as-of time itself and no label is "
        "purged between training, validation and test: say --horizon, or bring the time at which each outcome was known"
    )
    return decisions, 0.0, doubts


def _scoring(
    connection: duckdb.DuckDBPyConnection, relation: str, activity: Activity, labels: LabelSpec, choices: Choices
) -> tuple[bool, list[Decision]]:
    """Whom to score, and when."""
    newest, times = connection.execute(
        f"select max(as_of), count(distinct as_of) from {TABLE} where churned is null and as_of >= "
        f"(select max(as_of) from {TABLE})"
    ).fetchall()[0]
    if times:
        told = (
            f"the {labels.unlabelled:,} rows without a label include the newest time: these customers are scored then"
        )
        return True, [Decision("score_at", newest.isoformat(" "), told)]
    at = datetime.combine(max(activity.anchor, labels.last.date()), datetime.min.time())
    at = at if at >= labels.last else labels.last
    decisions = [
        Decision(
            "score_at",
            at.isoformat(" "),
            "the last day of the data: whom the labels know is scored as of then, but for those known to have left",
        )
    ]
    recency = connection.execute(f"""
        select quantile_disc(days, {MOSTLY_ACTIVE}) from (
            select date_diff('hour', max(e.event_at), l.as_of) / 24.0 as days
            from (select distinct entity, as_of from {TABLE} where churned is not null) as l
            inner join {relation} as e on e.entity = l.entity and e.event_at < l.as_of
            group by l.entity, l.as_of
        )
    """).fetchall()[0][0]
    width = f"{max(1, math.ceil(float(recency or 30.0)))}d"
    decisions.append(
        Decision(
            "active_window",
            choices.active_window or width,
            "as told"
            if choices.active_window
            else "99 of 100 labelled customers had an event within it: so must have who is scored",
            "--active-window",
            choices.active_window is not None,
        )
    )
    return False, decisions
