"""Several feature times of a customer: does a column know too early, too suddenly, or what another learns only later?

An honest column foresees the near outcome best, the next one a little worse, and so on. One that was overwritten when
the customer left knows it years ahead; one that was written during the label window knows nothing the time before; and
one that counts the days to come shows today what an honest window shows only at the next feature time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._statistics import Area, area, power
from python_ml.leakage._subject import FEWEST_ROWS, RECENCY, Subject
from python_ml.leakage._vocabulary import LOOKING_BACK

if TYPE_CHECKING:
    from python_ml.registry import Feature

STRONG = 0.75  # lower bound of the power now, from which on a jump counts
FADED = 0.25  # share of the power above chance that an honest column has left one outcome earlier
FADED_AT_MOST = 0.65
FORESEEN = 0.90
FORESEEN_SURELY = 0.80
MARGIN = 0.05
ECHO, UNLIKE, CHANGED = 0.90, 0.50, 200
ECHO_ROWS = 20_000


def probe(subject: Subject) -> Iterator[Finding]:
    """Compare what each column knows of the outcome at its own time with what it knows of others."""
    if not subject.is_dated:
        return
    yield from _foreknowledge(subject)
    yield from _jumps(subject)
    yield from _past(subject)
    yield from _echoes(subject)


def _codes(times: np.ndarray) -> np.ndarray:
    return np.unique(times, return_inverse=True)[1]


def _enough(outcome: np.ndarray) -> bool:
    return min(outcome.sum(), len(outcome) - outcome.sum()) >= FEWEST_ROWS


def _foreknowledge(subject: Subject) -> Iterator[Finding]:
    """Columns that tell who is going to leave after the present label window is over."""
    rows = np.flatnonzero((subject.next_outcome >= 0) & (subject.churned == 0))
    ever = (subject.last_departure[rows] >= subject.ends[rows]).astype(float)
    if not _enough(ever):
        return
    when, entities, half = _codes(subject.times[rows]), subject.entities[rows], subject.half[rows]
    for name in subject.names:
        # Among customers of the same time, for both churn and columns may drift; but few columns need that look.
        far, scores = power(subject.values_of(name)[rows], ever, entities, half=half)
        if far.value < FORESEEN_SURELY:
            continue
        far = area(scores, ever, entities, when)
        if far.value >= FORESEEN and far.bounds(len(subject.names))[0] >= FORESEEN_SURELY:
            yield Finding(
                "foreknowledge",
                CRITICAL,
                (name,),
                f"among customers who stayed through the label window, it tells those who left at any later time with "
                f"an AUC of {far.words}: it was written once that was known",
                {"far_auc": round(far.value, 4), "far_auc_low": round(far.low, 4), "far_rows": len(rows)},
                "take the value that was valid at the feature time (a history or a dbt snapshot), or leave it out",
            )


def _jumps(subject: Subject) -> Iterator[Finding]:
    """Columns that know the outcome of their own window, and next to nothing of the one that follows it.

    Only customers who stayed through the first window: where leavers may come back, they would tell it twice.
    """
    rows = np.flatnonzero((subject.next_outcome >= 0) & (subject.churned == 0))
    later = subject.churned[subject.next_outcome[rows]]
    if not _enough(later):
        return
    tests = len(subject.names)
    for name in subject.names:
        now, scores = subject.powers[name]
        if now.bounds(tests)[0] < STRONG or (
            subject.strata is not None and not subject.beyond_recency(name).value >= STRONG
        ):
            continue
        before = area(scores[rows], later, subject.entities[rows])
        if before.value < 0.5 + FADED * (now.value - 0.5) and before.high <= FADED_AT_MOST:
            yield Finding(
                "power_jump",
                CRITICAL,
                (name,),
                f"it tells who leaves in the label window with an AUC of {now.words}, but for the window after it only "
                f"{before.words}: customers fade, yet this appears overnight, as what is written down in the label "
                "window does",
                {"auc": now.value, "earlier_auc": round(before.value, 4), "earlier_auc_high": round(before.high, 4)},
                "check when its source is written (available_at); if it is a customer's notice of leaving, predict "
                "that notice instead, or accept it with this reason",
            )


def _past(subject: Subject) -> Iterator[Finding]:
    """Columns that go with the outcome that was decided before more than with the one to come."""
    following = subject.next_outcome
    rows = np.flatnonzero(following >= 0)
    # Of several earlier rows, the last one counts.
    past = np.full(len(following), np.nan)
    past[following[rows]] = subject.churned[rows]
    known = np.flatnonzero(np.isfinite(past))
    if not len(known) or not _enough(past[known]):
        return
    strata = None if subject.strata is None else subject.strata[known]
    for name in subject.names:
        if looks_back(subject, name):
            continue  # where leaving means to order nothing, what was ordered is the past outcome
        now, scores = subject.powers[name]
        then: Area = area(scores[known], past[known], subject.entities[known], strata)
        if then.low > max(now.high + MARGIN, FORESEEN_SURELY):
            yield Finding(
                "past_over_future",
                HIGH,
                (name,),
                f"it tells the outcome before its feature time with an AUC of {then.words}, the one after it with "
                f"{now.words}: it describes what is over",
                {"auc": now.value, "past_auc": round(then.value, 4), "past_auc_low": round(then.low, 4)},
                "check that its feature time is not later than what it describes",
            )


def _echoes(subject: Subject) -> Iterator[Finding]:
    """Columns that show now what another column, which looks back, shows at the next feature time."""
    before = subject.previous
    later = np.flatnonzero(before >= 0)
    if len(later) < CHANGED:
        return
    if len(later) > ECHO_ROWS:
        later = np.sort(np.random.default_rng(0).choice(later, ECHO_ROWS, replace=False))
    earlier = before[later]
    numbers = [n for n in subject.names if subject.values_of(n).dtype.kind == "f"]
    now = {name: subject.values_of(name)[earlier] for name in numbers}
    then = {name: subject.values_of(name)[later] for name in numbers}
    backwards = [name for name in numbers if looks_back(subject, name)]
    for back in backwards:
        moved = np.flatnonzero(now[back] != then[back])
        moved = moved[np.isfinite(now[back][moved]) & np.isfinite(then[back][moved])]
        steps = then[back][moved] - now[back][moved]
        # What moves by the same amount each time (an age) foretells nothing.
        if len(moved) < CHANGED or len(np.unique(then[back][moved])) < 3 or _commonest(steps) > UNLIKE:
            continue
        for name in numbers:
            if name == back:
                continue
            share = float((now[name][moved] == then[back][moved]).mean())
            if share < ECHO:
                continue
            alike = float((now[name] == now[back]).mean())
            yield Finding(
                "future_echo",
                CRITICAL,
                (name, back),
                f"in {share:.1%} of the {len(moved):,} rows in which `{back}` changes until the next feature time, it "
                f"already has the value that `{back}` has then: it reads what happens after its feature time",
                {"echo_share": round(share, 4), "echo_rows": len(moved), "alike_now": round(alike, 4)},
                "its window must end before the feature time (`window_features`)",
            )
            break


def looks_back(subject: Subject, name: str) -> bool:
    """Whether a column is registered as an aggregate of what lies before the feature time."""
    feature = subject.registry.get(name)
    return feature is not None and is_window(feature)


def is_window(feature: Feature) -> bool:
    """Whether a feature is an aggregate of what lies before the feature time."""
    return bool(feature.window or feature.aggregate == RECENCY) and feature.aggregate in LOOKING_BACK


def _commonest(values: np.ndarray) -> float:
    return float(np.unique(np.round(values, 6), return_counts=True)[1].max() / len(values))
