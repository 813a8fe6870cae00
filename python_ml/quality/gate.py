"""Asking a frame for its quality, and stopping where the answer is no."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.errors import GateError, UserError
from python_ml.formatting import counted, date, integer
from python_ml.input_columns import InputColumn, typed_columns
from python_ml.quality import suites
from python_ml.quality.checks import ABOUT, INDISPENSABLE, OF_FRAME, SCORING, TABLES, TRAINING, Check, Outcome, Verdict
from python_ml.quality.facts import LEAST_ROWS, Facts, measure
from python_ml.stats import some_rows

if TYPE_CHECKING:
    from python_ml.dbt import Feature
    from python_ml.quality.suites import Calendar
    from python_ml.settings import Settings

MOST_ROWS = 200_000  # of a larger frame, columns are judged by a sample of as many
LISTED = 10
EXACT = (*OF_FRAME, "freshness", "future")  # checked on every row, however many there are


def judge_training(
    frame: pd.DataFrame,
    features: Sequence[Feature],
    entity: str,
    settings: Settings,
    calendar: Calendar,
    *,
    snapshot: bool = False,
    before: Facts | None = None,
    notes: Sequence[str] = (),
) -> Verdict:
    """Check a training frame: by itself, its newest feature time against the earlier ones, and against the champion's.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The training set.
    features : sequence of Feature
        The registry without what models leave out.
    entity : str
        Key column.
    settings : Settings
    calendar : Calendar
    snapshot : bool
        Whether rows have no dates: ``feature_timestamp`` is a constant then.
    before : Facts, optional
        What the frame of the present champion showed.
    notes : sequence of str
        Further notes for the verdict.

    Returns
    -------
    Verdict
    """
    columns = registered_columns(features)
    check_accepted(settings, [*(c.name for c in columns), *(f.name for f in features if f.role != "feature")], entity)
    calendar = suites.Calendar() if snapshot else calendar
    limits = settings.quality
    outcomes, askable = _structure(frame, columns, entity, TRAINING)
    checks = suites.of_training(columns, features, len(frame), calendar, limits)
    compared = "the registry and the calendar of the data"
    newest, recent = frame, []
    if _sound(outcomes) and all(column.name in askable for column in columns):
        if not snapshot:
            newest, recent = _newest(frame, columns, features, entity, settings)
        if recent:
            compared += "; the newest feature time also with those before it"
        if before is not None:
            checks += suites.shrunk(before, limits)
            compared += "; the number of rows also with that of the champion"
        if before is not None and snapshot:
            kinds = {column.name: column.kind for column in columns}
            same = replace(before, columns=tuple(c for c in before.columns if kinds.get(c.name) == c.kind))
            checks += suites.compared(same, frame, limits, elapsed=0.0, seen="before", stops=False)
            compared += ", and values with those that it was fitted on"
    outcomes += _ask(frame, checks, askable, f"{TRAINING} set")
    outcomes += _ask(newest, recent, askable, f"{TRAINING} set, newest feature time")
    return Verdict(TRAINING, len(frame), compared, _accept(outcomes, settings), [*notes, *_sampled(frame)])


def judge_scoring(
    frame: pd.DataFrame, facts: Facts | None, entity: str, settings: Settings, calendar: Calendar, *, model: str
) -> Verdict:
    """Check a scoring frame against what the champion was fitted on.

    Parameters
    ----------
    frame : pandas.DataFrame, n_customers rows
        The scoring set.
    facts : Facts or None
        Of the frame that the champion was fitted on; None when it was trained before there were any.
    entity : str
        Key column.
    settings : Settings
    calendar : Calendar
    model : str
        Name and version of the champion.
    """
    columns = [InputColumn(c.name, c.kind) for c in facts.columns] if facts else []
    if facts:
        check_accepted(settings, [column.name for column in columns], entity)
    dated = facts is None or facts.last is not None
    calendar = calendar if dated else suites.Calendar()
    outcomes, askable = _structure(frame, columns, entity, SCORING)
    if facts is None:
        notes = [f"{model} was trained before its frame was measured: `retention train` makes one to compare with."]
        return Verdict(SCORING, len(frame), "nothing", _accept(outcomes, settings), notes)
    passed = elapsed(facts, frame["feature_timestamp"].max()) if _sound(outcomes) else 0.0
    checks = suites.of_scoring(facts, calendar, settings.quality)
    checks += suites.compared(facts, frame, settings.quality, elapsed=passed)
    outcomes += _ask(frame, checks if _sound(outcomes) else [], askable, f"{SCORING} set")
    compared = f"the {counted(facts.rows, 'row')} that {model} was fitted on"
    if facts.first and facts.last:
        compared += f" ({date(facts.first)} to {date(facts.last)})"
    return Verdict(SCORING, len(frame), compared, _accept(outcomes, settings), _sampled(frame))


def registered_columns(features: Sequence[Feature]) -> list[InputColumn]:
    """The columns of the features with their kinds, whether or not a frame has them."""
    named = pd.DataFrame(columns=[feature.name for feature in features])
    return [InputColumn(column.name, column.kind) for column in typed_columns(named, features)]


def elapsed(facts: Facts, at: pd.Timestamp) -> float:
    """Time since the last feature time of a reference, as a share of its history; infinite where it has none."""
    if facts.first is None or facts.last is None:
        return 0.0
    first, last = datetime.fromisoformat(facts.first), datetime.fromisoformat(facts.last)
    passed = max((at.to_pydatetime() - last).total_seconds(), 0.0)
    if not passed:
        return 0.0
    return passed / (last - first).total_seconds() if last > first else float("inf")


def enforce(verdict: Verdict) -> None:
    """Stop where a critical check failed that nobody accepted.

    Raises
    ------
    GateError
        Names column, check and expectation, with the figures and how to fix each.
    """
    refused = verdict.refused
    if not refused:
        return
    lines = [outcome.sentence for outcome in refused[:LISTED]]
    if len(refused) > LISTED:
        lines.append(f"and {len(refused) - LISTED} more in reports/quality.html")
    hints = dict.fromkeys(outcome.check.hint for outcome in refused[:LISTED])
    first = next((o for o in refused if o.check.name not in INDISPENSABLE), None)
    overrule = ""
    if first is not None:
        # JSON's quotes are YAML's, and hold whatever a column is called.
        overrule = (
            "\n           if it is right as it is, say why in retention.yml: "
            f"`quality: {{accept: {{{json.dumps(first.check.id, ensure_ascii=False)}: the reason}}}}`"
        )
    raise GateError(
        f"The {verdict.suite} set fails {counted(len(refused), 'critical quality check')}:\n    "
        + "\n    ".join(lines),
        where=TABLES[verdict.suite],
        hint="\n           ".join(hints) + overrule,
    )


def check_accepted(settings: Settings, columns: Sequence[str], entity: str) -> None:
    """Refuse an overrule that names no check, or one without which nothing works.

    Raises
    ------
    UserError
    """
    known = [*columns, entity, "feature_timestamp", "label_timestamp"]
    for name in settings.quality.accept:
        where = settings.where("quality", "accept", name)
        check, _, column = name.partition(" ")
        if check in INDISPENSABLE:
            raise UserError(
                f"The check `{check}` cannot be overruled: without it there is no model.", where=where, hint="delete it"
            )
        whole = name in OF_FRAME
        if whole or (check in ABOUT and check not in OF_FRAME and column in known):
            continue
        names = [*OF_FRAME[len(INDISPENSABLE) :], *(f"{c} {k}" for c in ABOUT if c not in OF_FRAME for k in known)]
        close = difflib.get_close_matches(name, names, n=1)
        raise UserError(
            f"There is no quality check `{name}`.",
            where=where,
            hint=f"did you mean `{close[0]}`?"
            if close
            else "write the check and the column: null_rate orders_count_30d",
        )


def _newest(
    frame: pd.DataFrame, columns: Sequence[InputColumn], features: Sequence[Feature], entity: str, settings: Settings
) -> tuple[pd.DataFrame, list[Check]]:
    """Rows of the newest feature time, and the checks that the earlier ones make of it: none where there is no grid.

    Deviations are reported, not refused: what is new may be right, and the scoring suite will know it.
    """
    at = frame["feature_timestamp"].max()
    is_newest = (frame["feature_timestamp"] == at).to_numpy()
    rows = frame[is_newest]
    earlier = measure(frame[~is_newest], columns, features, entity)
    if earlier.times < 2 or earlier.usual_rows is None or len(rows) < LEAST_ROWS:
        return rows, []
    seen = f"at the {earlier.times} feature times before"
    checks = suites.compared(earlier, rows, settings.quality, elapsed=elapsed(earlier, at), seen=seen, stops=False)
    return rows, [replace(check, rows=f"at the newest feature time, {date(at)}") for check in checks]


def _structure(
    frame: pd.DataFrame, columns: Sequence[InputColumn], entity: str, suite: str
) -> tuple[list[Outcome], set[str]]:
    """Outcomes of the structural checks, and the columns of which more can be checked."""
    checks = suites.structure(columns, entity, suite)
    outcomes = _ask(frame, checks, set(frame.columns), f"{suite} set, structure")
    sound = {outcome.check.column for outcome in outcomes if outcome.check.name == "type" and outcome.success}
    times = {"feature_timestamp", "label_timestamp"} & set(frame.columns)
    return outcomes, sound | times


def _ask(frame: pd.DataFrame, checks: Sequence[Check], available: set[str], suite: str) -> list[Outcome]:
    """Run what can be run; a check that lacks a column, or its right type, stays without an outcome."""
    from python_ml.quality.expectations import validate

    ready = [check for check in checks if check.needs <= available]
    exact = [check for check in ready if check.name in EXACT]
    others = [check for check in ready if check.name not in EXACT]
    answers = {}
    for part, rows in ((exact, frame), (others, _sample(frame))):
        answers |= {id(outcome.check): outcome for outcome in validate(rows, part, suite)}
    unchecked = "could not be run: the column is missing or of another type"
    return [answers.get(id(check)) or Outcome(check, None, check.severity, unchecked) for check in checks]


def _sample(frame: pd.DataFrame) -> pd.DataFrame:
    return frame if len(frame) <= MOST_ROWS else frame.iloc[some_rows(np.arange(len(frame)), MOST_ROWS)]


def _sampled(frame: pd.DataFrame) -> list[str]:
    return [f"Columns were judged by a random sample of {integer(MOST_ROWS)} rows."] if len(frame) > MOST_ROWS else []


def _sound(outcomes: Sequence[Outcome]) -> bool:
    """Whether the frame has its columns and its key."""
    return all(outcome.success for outcome in outcomes if outcome.check.name in INDISPENSABLE)


def _accept(outcomes: Sequence[Outcome], settings: Settings) -> list[Outcome]:
    reasons = settings.quality.accept
    return [
        replace(outcome, accepted=reasons[outcome.check.id])
        if outcome.success is False and outcome.check.id in reasons
        else outcome
        for outcome in outcomes
    ]
