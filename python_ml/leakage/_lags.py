"""Several feature times of a customer: does a column know too early, too suddenly, or what another learns only later?

An honest column foresees the near outcome best, the next one a little worse, and so on. One that was overwritten when
the customer churned knows it years ahead; one that was written during the label window knows nothing the time before;
and one that counts the days to come shows today what an honest window shows only at the next feature time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._patterns import CHANCE, LEAST_SHARE
from python_ml.leakage._statistics import blank, filled, power
from python_ml.leakage._subject import FEWEST_ROWS, TICK, Subject
from python_ml.stats import CONFIDENCE, Auc, auc

STRONG = 0.75  # lower bound of the power now, from which on a jump counts
FADED = 0.25  # share of the power above chance that an honest column has left one outcome earlier
FADED_AT_MOST = 0.65
FORESEEN = 0.90
FORESEEN_SURELY = 0.80
MARGIN = 0.05
ECHO, UNLIKE, CHANGED = 0.90, 0.50, 200
ECHO_ROWS = 20_000
UNTOLD = 0.05  # share of what the past leaves open that an honest column may still tell
STRETCH = 1.5  # windows, within which the next feature time must lie
RISE, RISEN = 0.05, 3.0  # of the AUC that more history may give an honest column; standard errors beyond that
CONSTANT = 0.95  # of the changes of a column that are none
MARKS = 20  # values of a column
FEWEST_TIMES, FEWEST_EACH = 4, 3
END_ODDS = 5.0
HISTORY = "take the value that was valid at the feature time (a history or a dbt snapshot), or leave it out"


def probe(subject: Subject) -> Iterator[Finding]:
    """Compare what each column knows of the outcome at its own time with what it knows of others."""
    if not subject.is_dated:
        return
    yield from _foreknowledge(subject)
    yield from _overwritten(subject)
    yield from _jumps(subject)
    yield from _past(subject)
    yield from _echoes(subject)
    yield from _ahead(subject)


def _codes(times: np.ndarray) -> np.ndarray:
    return np.unique(times, return_inverse=True)[1]


def _enough(outcome: np.ndarray) -> bool:
    return min(outcome.sum(), len(outcome) - outcome.sum()) >= FEWEST_ROWS


def _foreknowledge(subject: Subject) -> Iterator[Finding]:
    """Columns that tell who is going to churn after the present label window is over."""
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
        far = auc(scores, ever, entities, when)
        if far.value < FORESEEN or far.bounds(len(subject.names))[0] < FORESEEN_SURELY:
            continue
        early, late = _by_time(subject, name)
        # Customers differ for good, and an honest column may show it: then it is as strong at any time.
        if not late.value - early.value > RISE + RISEN * np.hypot(late.error, early.error):
            continue
        yield Finding(
            "foreknowledge",
            CRITICAL,
            (name,),
            f"among customers who were retained through the label window, it ranks those who churned at any later time "
            f"with an AUC of {far.text}, and its AUC for the label window rises from {early.value:.3f} to "
            f"{late.value:.3f} towards the end of the data: it was written once that was known",
            {
                "far_auc": round(far.value, 4),
                "far_auc_low": round(far.low, 4),
                "far_rows": len(rows),
                "early_auc": round(early.value, 4),
                "late_auc": round(late.value, 4),
            },
            HISTORY,
        )


def _by_time(subject: Subject, name: str) -> tuple[Auc, Auc]:
    """Power of a column in the first third and in the last third of the feature times."""
    _, scores = subject.powers[name]
    place = _codes(subject.times)
    third = max((int(place.max()) + 1) // 3, 1)
    parts = []
    for rows in (np.flatnonzero(place < third), np.flatnonzero(place > place.max() - third)):
        parts.append(auc(scores[rows], subject.churned[rows], subject.entities[rows], place[rows]))
    return parts[0], parts[1]


def _overwritten(subject: Subject) -> Iterator[Finding]:
    """Attributes of the customer that were overwritten upon churn, and joined to all of the customer's past.

    Who has the value churns for certain, at some time before the data end: with k feature times left, at a rate of 1/k.
    So the odds ratio of an overwritten value rises towards the end of the data, while that of an honest one stays, or
    falls as the customers who are most at risk have churned. The line is fitted to the logarithm of the odds ratio at
    each feature time against -log k (Woolf, "On estimating the relation between blood group and disease", 1955).
    """
    place = _codes(subject.times)
    left = (place.max() + 1 - place).astype(int)
    churners = np.unique(subject.entities[subject.churned == 1])
    if len(churners) < FEWEST_ROWS or left.max() < FEWEST_TIMES:
        return
    # Where customers churn several times, their rows are no independent witnesses.
    inflation = float(subject.churned.sum() / len(churners))
    later = np.flatnonzero(subject.previous >= 0)
    found, tests = [], 0
    for name in subject.names:
        if subject.looks_back(name) or not len(later):
            continue
        codes, labels = _values(subject.values_of(name))
        if (codes[later] == codes[subject.previous[later]]).mean() < CONSTANT:
            continue
        rising = _rising(codes, labels, left, subject.churned, inflation)
        tests += len(rising)
        if rising:
            code, *fit = max(rising, key=lambda one: one[1] / one[2])
            found.append((name, codes == code, labels[code], *fit))
    for name, rows, label, slope, slope_error, at_end, end_error in found:
        least = NormalDist().inv_cdf(1 - CHANCE / tests)
        share = float(subject.churned[rows].sum() / subject.churned.sum())
        low = at_end - NormalDist().inv_cdf(CONFIDENCE) * end_error
        if share < LEAST_SHARE or slope <= least * slope_error or low < np.log(END_ODDS):
            continue
        what = "is missing" if label is None else f"has the value {label!r}"
        yield Finding(
            "foreknowledge",
            CRITICAL,
            (name,),
            f"it does not change, and where it {what} ({int(rows.sum()):,} rows, {share:.0%} of the churned customers) "
            f"the odds of churn rise towards the end of the data, to {np.exp(at_end):,.3g} times those of others: "
            "whoever has it churns before the data end, so it was written once that was known",
            {
                "end_odds_ratio": round(float(np.exp(at_end)), 2),
                "rise": round(float(slope), 3),
                "rise_error": round(float(slope_error), 3),
            },
            HISTORY,
        )


def _values(values: np.ndarray) -> tuple[np.ndarray, list[object]]:
    """Codes of the values of a column that many rows share, -1 for the others; and the values, None for empty."""
    empty = blank(values)
    found, codes, counts = np.unique(
        values[~empty] if values.dtype.kind == "f" else values[~empty].astype(str),
        return_inverse=True,
        return_counts=True,
    )
    kept = np.flatnonzero(counts >= FEWEST_ROWS)
    kept = kept[np.argsort(-counts[kept], kind="stable")[: MARKS - 1]]
    place = np.full(len(found) + 1, -1)
    place[kept] = 1 + np.arange(len(kept))
    coded = np.zeros(len(values), dtype=int)
    coded[~empty] = place[codes]
    shown = [found[k].item() if values.dtype.kind == "f" else str(found[k]) for k in kept]
    return coded, [None, *shown]


def _rising(
    codes: np.ndarray, labels: list[object], left: np.ndarray, churned: np.ndarray, inflation: float
) -> list[tuple[int, float, float, float, float]]:
    """For each value its code, the slope of its odds ratio and error, and the logarithm at the end and error."""
    times, fits = int(left.max()) + 1, []
    every = np.bincount(2 * left + (churned == 1), minlength=2 * times).reshape(-1, 2).astype(float)
    for code in range(len(labels)):
        mine = codes == code
        if mine.sum() < FEWEST_ROWS:
            continue
        inside = np.bincount(2 * left[mine] + (churned[mine] == 1), minlength=2 * times).reshape(-1, 2).astype(float)
        outside = every - inside
        kept = np.flatnonzero((every.min(axis=1) >= FEWEST_EACH) & (inside.sum(axis=1) >= 1))
        if len(kept) < FEWEST_TIMES:
            continue
        inside, outside = inside[kept] + 0.5, outside[kept] + 0.5
        ratio = np.log(inside[:, 1] * outside[:, 0] / (inside[:, 0] * outside[:, 1]))
        weight = 1 / (inflation * (1 / inside + 1 / outside).sum(axis=1))
        design = np.column_stack([np.ones(len(kept)), -np.log(kept)])
        covariance = np.linalg.inv(design.T @ (design * weight[:, None]))
        at_end, slope = covariance @ (design.T @ (weight * ratio))
        end_error, slope_error = np.sqrt(np.diag(covariance))
        fits.append((code, float(slope), float(slope_error), float(at_end), float(end_error)))
    return fits


def _jumps(subject: Subject) -> Iterator[Finding]:
    """Columns that know the outcome of their own window, and next to nothing of the one that follows it.

    Only customers who were retained through the first window: those who churn and come back would tell it twice.
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
        before = auc(scores[rows], later, subject.entities[rows])
        if before.value < 0.5 + FADED * (now.value - 0.5) and before.high <= FADED_AT_MOST:
            yield Finding(
                "power_jump",
                CRITICAL,
                (name,),
                f"it ranks those who churn in the label window with an AUC of {now.text}, but for the window after it "
                f"only {before.text}: customers fade, but this appears at once, as what is written down in the label "
                "window does",
                {"auc": now.value, "earlier_auc": round(before.value, 4), "earlier_auc_high": round(before.high, 4)},
                "check when its source is written (available_at); if it is a customer's notice of cancellation, "
                "predict that notice instead, or accept it with this reason",
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
        if subject.looks_back(name):
            continue  # where leaving means to order nothing, what was ordered is the past outcome
        now, scores = subject.powers[name]
        then: Auc = auc(scores[known], past[known], subject.entities[known], strata)
        if then.low > max(now.high + MARGIN, FORESEEN_SURELY):
            yield Finding(
                "past_over_future",
                HIGH,
                (name,),
                f"it tells the outcome before its feature time with an AUC of {then.text}, the one after it with "
                f"{now.text}: it describes what is over",
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
    backwards = [name for name in numbers if subject.looks_back(name)]
    for back in backwards:
        moved = np.flatnonzero(now[back] != then[back])
        moved = moved[np.isfinite(now[back][moved]) & np.isfinite(then[back][moved])]
        # A window that has run empty is zero then, and a shorter one is zero now: that foretells nothing.
        moved = moved[then[back][moved] != _mode(then[back][moved])]
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


def _ahead(subject: Subject) -> Iterator[Finding]:
    """Columns that share what happens next with the windows of the next feature time, part of it or all.

    What the past tells is taken out of the column and of the windows of the two feature times to come. An honest column
    may still know how active a customer is; then it goes with both. One that reads past its feature time knows the
    chance events of the first and nothing of those of the second.
    """
    numbers = [n for n in subject.names if subject.values_of(n).dtype.kind == "f"]
    windows = [n for n in numbers if subject.looks_back(n)]
    others = [n for n in numbers if n not in set(windows)]
    days = {n: found for n in windows if (found := _length(subject.registry[n].window)) is not None}
    if not days or not others:
        return
    # The next time at which the shortest windows hold nothing of the past, and the one after that.
    width = min(days.values())
    ahead = [name for name in windows if days.get(name) == width]
    first = subject.first_from(subject.times + width - TICK)
    rows = np.flatnonzero((first >= 0) & (subject.times[first] < subject.times + STRETCH * width))
    rows = rows[(first[first[rows]] >= 0)]
    if len(rows) > ECHO_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, ECHO_ROWS, replace=False))
    if len(rows) < CHANGED:
        return
    then, after = first[rows], first[first[rows]]
    past = np.column_stack([_tame(subject.values_of(n)[rows]) for n in windows])
    when = _codes(subject.times[rows])
    past = _centred(past, when)

    def unexplained(names: list[str], at: np.ndarray) -> np.ndarray:
        columns = _centred(np.column_stack([_tame(subject.values_of(n)[at]) for n in names]), when)
        rest = columns - past @ np.linalg.lstsq(past, columns, rcond=None)[0]
        size = np.sqrt((rest**2).sum(axis=0))
        explained = size < 1e-6 * np.maximum(np.sqrt((columns**2).sum(axis=0)), 1e-12)
        return np.where(explained, 0.0, rest / np.where(explained, 1.0, size))

    mine, one, two = unexplained(others, rows), unexplained(ahead, then), unexplained(ahead, after)
    with_one, with_two, between = mine.T @ one, mine.T @ two, (one * two).sum(axis=0)
    free = np.sqrt(np.maximum(1 - between**2, 1e-9))
    beyond_two = (with_one - with_two * between) / (free * np.sqrt(np.maximum(1 - with_two**2, 1e-9)))
    beyond_one = (with_two - with_one * between) / (free * np.sqrt(np.maximum(1 - with_one**2, 1e-9)))
    least = NormalDist().inv_cdf(1 - CHANCE / beyond_two.size)
    for place, name in enumerate(others):
        best = int(np.abs(beyond_two[place]).argmax())
        near, far = abs(beyond_two[place, best]), abs(beyond_one[place, best])
        if near**2 < UNTOLD or far**2 > FADED * near**2:
            continue
        own = _without(mine[:, place], two[:, best])
        error = _correlation_error(own, _without(one[:, best], two[:, best]), subject.entities[rows])
        low = max(near - least * error, 0.0)
        if low**2 < UNTOLD:
            continue
        yield Finding(
            "future_echo",
            CRITICAL,
            (name, ahead[best]),
            f"it explains {near**2:.0%} (surely {low**2:.0%}) of what no window tells in advance about "
            f"`{ahead[best]}` at the next feature time, and {far**2:.0%} of the same one feature time later: it "
            "reads part of what happens after its feature time",
            {
                "next_share": round(float(near**2), 4),
                "next_share_low": round(float(low**2), 4),
                "later_share": round(float(far**2), 4),
            },
            "its window must end before the feature time (`window_features`)",
        )


def _length(window: str | None) -> float | None:
    """Days of a window such as ``30d``; None for one without a beginning."""
    from python_ml.durations import days

    return days(window) if window and re.fullmatch(r"\d+[hdw]", window) else None


def _without(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What is left of a column (of length 1) without another one, scaled to length 1."""
    rest = values - other * (values @ other)
    return rest / max(float(np.sqrt(rest @ rest)), 1e-12)


def _correlation_error(one: np.ndarray, other: np.ndarray, entities: np.ndarray) -> float:
    """Standard error of the correlation of two columns of mean 0 and length 1, by customer."""
    influence = one * other - float(one @ other) * (one**2 + other**2) / 2
    return float(np.sqrt((np.bincount(entities, influence) ** 2).sum()))


def _tame(values: np.ndarray) -> np.ndarray:
    """A number without gaps and without its most extreme hundredths."""
    found = filled(values)
    return np.clip(found, *np.quantile(found, [0.01, 0.99])) if len(found) else found


def _centred(columns: np.ndarray, when: np.ndarray) -> np.ndarray:
    """Columns less their mean at each feature time."""
    count = np.maximum(np.bincount(when), 1)
    means = np.column_stack([np.bincount(when, column) / count for column in columns.T])
    return columns - means[when]


def _mode(values: np.ndarray) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()]) if len(found) else 0.0


def _commonest(values: np.ndarray) -> float:
    return float(np.unique(np.round(values, 6), return_counts=True)[1].max() / len(values))
