"""Columns that know the outcome too early, too suddenly, or too late, compared between a customer's feature times.

An honest column predicts the next outcome best, the one after it a little worse, and so on. One that was overwritten
when the customer churned knows it years ahead; one that was written during the label window knows nothing one time
earlier; and one that describes the past knows the previous outcome best.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from python_ml.leakage._context import FEWEST_ROWS, ProbeContext
from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._marked_rows import CHANCE, LEAST_SHARE
from python_ml.leakage._statistics import as_text, column_auc, is_missing
from python_ml.stats import CONFIDENCE, Auc, auc

STRONG = 0.75  # lower bound of the AUC now, from which a jump counts
FADED = 0.25  # share of the AUC above chance that an honest column keeps one outcome earlier
FADED_AT_MOST = 0.65
FORESEEN, FORESEEN_BOUND = 0.90, 0.80
MARGIN = 0.05
RISE, RISE_ERRORS = 0.05, 3.0  # of the AUC that more history may give an honest column; standard errors beyond that
CONSTANT = 0.95  # of the changes of a column that are none
MOST_VALUES = 20
FEWEST_TIMES, FEWEST_EACH = 4, 3
END_ODDS = 5.0
HISTORY = "take the value that was valid at the feature time (a history or a dbt snapshot), or exclude it"


def probe(context: ProbeContext) -> Iterator[Finding]:
    """Compare how well each column predicts the outcome of its own time with how well it predicts other outcomes."""
    if context.is_dated:
        yield from _later_churn(context)
        yield from _overwritten(context)
        yield from _jumps(context)
        yield from _past(context)


def _has_both(outcome: np.ndarray) -> bool:
    return min(outcome.sum(), len(outcome) - outcome.sum()) >= FEWEST_ROWS


def _later_churn(context: ProbeContext) -> Iterator[Finding]:
    """Columns that predict who will churn after the present label window."""
    rows = np.flatnonzero((context.next_outcome >= 0) & (context.churned == 0))
    ever = (context.last_departure[rows] >= context.ends[rows]).astype(float)
    if not _has_both(ever):
        return
    when, entities, half = (
        np.unique(context.times[rows], return_inverse=True)[1],
        context.entities[rows],
        context.half[rows],
    )
    for name in context.names:
        far, scores = column_auc(context.values_of(name)[rows], ever, entities, half)
        if far.value < FORESEEN_BOUND:
            continue
        # Among customers of the same feature time, as both churn and columns may drift.
        far = auc(scores, ever, entities, when)
        if far.value < FORESEEN or far.bounds(len(context.names))[0] < FORESEEN_BOUND:
            continue
        early, late = _by_time(context, name)
        # Customers differ permanently, and an honest column may show it: then it is equally strong at all times.
        if not late.value - early.value > RISE + RISE_ERRORS * np.hypot(late.error, early.error):
            continue
        yield Finding(
            "foreknowledge",
            CRITICAL,
            (name,),
            f"among customers who were retained through the label window, it ranks those who churned at any later time "
            f"with an AUC of {far}, and its AUC for the label window rises from {early.value:.3f} to "
            f"{late.value:.3f} towards the end of the data: it was written after that was known",
            {
                "far_auc": round(far.value, 4),
                "far_auc_low": round(far.low, 4),
                "far_rows": len(rows),
                "early_auc": round(early.value, 4),
                "late_auc": round(late.value, 4),
            },
            HISTORY,
        )


def _by_time(context: ProbeContext, name: str) -> tuple[Auc, Auc]:
    """AUC of a column in the first third and in the last third of the feature times."""
    _, scores = context.aucs[name]
    place = np.unique(context.times, return_inverse=True)[1]
    third = max((int(place.max()) + 1) // 3, 1)
    first, last = (
        auc(scores[rows], context.churned[rows], context.entities[rows], place[rows])
        for rows in (place < third, place > place.max() - third)
    )
    return first, last


def _overwritten(context: ProbeContext) -> Iterator[Finding]:
    """Attributes of the customer that were overwritten upon churn, and joined to all of the customer's past.

    A customer with the value is certain to churn before the data end: with k feature times to go, at a rate of 1/k.
    So the odds ratio of an overwritten value rises towards the end of the data, while that of an honest one stays, or
    falls as the customers who are most at risk have churned. The line is fitted to the logarithm of the odds ratio
    at each feature time against -log k (Woolf, "On estimating the relation between blood group and disease", 1955).
    """
    place = np.unique(context.times, return_inverse=True)[1]
    to_go = (place.max() + 1 - place).astype(int)
    churners = np.unique(context.entities[context.churned == 1])
    if len(churners) < FEWEST_ROWS or to_go.max() < FEWEST_TIMES:
        return
    # Where customers churn several times, their rows are not independent.
    inflation = float(context.churned.sum() / len(churners))
    later = np.flatnonzero(context.previous >= 0)
    candidates, tests = [], 0
    for name in context.names:
        if context.looks_back(name) or not len(later):
            continue
        codes, labels = _frequent_values(context.values_of(name))
        if (codes[later] == codes[context.previous[later]]).mean() < CONSTANT:
            continue
        rising = _odds_over_time(codes, to_go, context.churned, inflation)
        tests += len(rising)
        if rising:
            code, *fit = max(rising, key=lambda candidate: candidate[1] / candidate[2])
            candidates.append((name, codes == code, labels[code], *fit))
    for name, rows, label, slope, slope_error, at_end, end_error in candidates:
        least = NormalDist().inv_cdf(1 - CHANCE / tests)
        share = float(context.churned[rows].sum() / context.churned.sum())
        low = at_end - NormalDist().inv_cdf(CONFIDENCE) * end_error
        if share < LEAST_SHARE or slope <= least * slope_error or low < np.log(END_ODDS):
            continue
        where = "is missing" if label is None else f"has the value {label!r}"
        yield Finding(
            "foreknowledge",
            CRITICAL,
            (name,),
            f"it does not change, and where it {where} ({int(rows.sum()):,} rows, {share:.0%} of the churned "
            f"customers) the odds of churn rise towards the end of the data, to {np.exp(at_end):,.3g} times those of "
            "others: customers with it churn before the data end, so it was written after that was known",
            {
                "end_odds_ratio": round(float(np.exp(at_end)), 2),
                "rise": round(float(slope), 3),
                "rise_error": round(float(slope_error), 3),
            },
            HISTORY,
        )


def _frequent_values(values: np.ndarray) -> tuple[np.ndarray, list[object]]:
    """Codes of the values of a column that many rows share, -1 for the others; and the values, None for missing."""
    missing, numeric = is_missing(values), values.dtype.kind == "f"
    distinct, codes, counts = np.unique(
        (values if numeric else as_text(values))[~missing], return_inverse=True, return_counts=True
    )
    kept = np.flatnonzero(counts >= FEWEST_ROWS)
    kept = kept[np.argsort(-counts[kept], kind="stable")[: MOST_VALUES - 1]]
    place = np.full(len(distinct) + 1, -1)
    place[kept] = 1 + np.arange(len(kept))
    coded = np.zeros(len(values), dtype=int)
    coded[~missing] = place[codes]
    return coded, [None, *distinct[kept].tolist()]


def _odds_over_time(
    codes: np.ndarray, to_go: np.ndarray, churned: np.ndarray, inflation: float
) -> list[tuple[int, float, float, float, float]]:
    """For each value its code, the slope of its log odds ratio and error, and the latter at the end and error."""
    times, fits = int(to_go.max()) + 1, []

    def counted(rows: np.ndarray | slice) -> np.ndarray:
        """Retained and churned rows at each time; shape (times, 2)."""
        cells = np.bincount(2 * to_go[rows] + (churned[rows] == 1), minlength=2 * times)
        return cells.reshape(-1, 2).astype(float)

    every = counted(slice(None))
    for code in range(int(codes.max()) + 1):
        rows = codes == code
        if rows.sum() < FEWEST_ROWS:
            continue
        inside = counted(rows)
        kept = np.flatnonzero((every.min(axis=1) >= FEWEST_EACH) & (inside.sum(axis=1) >= 1))
        if len(kept) < FEWEST_TIMES:
            continue
        inside, outside = inside[kept] + 0.5, (every - inside)[kept] + 0.5
        ratio = np.log(inside[:, 1] * outside[:, 0] / (inside[:, 0] * outside[:, 1]))
        weight = 1 / (inflation * (1 / inside + 1 / outside).sum(axis=1))
        design = np.column_stack([np.ones(len(kept)), -np.log(kept)])
        covariance = np.linalg.inv(design.T @ (design * weight[:, None]))
        at_end, slope = covariance @ (design.T @ (weight * ratio))
        end_error, slope_error = np.sqrt(np.diag(covariance))
        fits.append((code, float(slope), float(slope_error), float(at_end), float(end_error)))
    return fits


def _jumps(context: ProbeContext) -> Iterator[Finding]:
    """Columns that predict the outcome of their own window, and hardly that of the next one.

    Only customers who were retained through the first window, as some churn and come back.
    """
    rows = np.flatnonzero((context.next_outcome >= 0) & (context.churned == 0))
    later = context.churned[context.next_outcome[rows]]
    if not _has_both(later):
        return
    tests = len(context.names)
    for name in context.names:
        now, scores = context.aucs[name]
        if now.bounds(tests)[0] < STRONG or (
            context.strata is not None and not context.auc_beyond_recency(name).value >= STRONG
        ):
            continue
        before = auc(scores[rows], later, context.entities[rows])
        if before.value < 0.5 + FADED * (now.value - 0.5) and before.high <= FADED_AT_MOST:
            yield Finding(
                "auc_jump",
                CRITICAL,
                (name,),
                f"it ranks those who churn in the label window with an AUC of {now}, but those of the next window "
                f"only with {before}: honest signals build up, but this one appears at once, like what is recorded in "
                "the label window",
                {"auc": now.value, "earlier_auc": round(before.value, 4), "earlier_auc_high": round(before.high, 4)},
                "check when its source is written (available_at); if it is a customer's notice of cancellation, "
                "predict that notice instead, or accept it with this reason",
            )


def _past(context: ProbeContext) -> Iterator[Finding]:
    """Columns that predict the previous outcome better than the one to come."""
    following = context.next_outcome
    rows = np.flatnonzero(following >= 0)
    # Of several earlier rows, the last one counts.
    past = np.full(len(following), np.nan)
    past[following[rows]] = context.churned[rows]
    known = np.flatnonzero(np.isfinite(past))
    if not len(known) or not _has_both(past[known]):
        return
    strata = None if context.strata is None else context.strata[known]
    for name in context.names:
        if context.looks_back(name):
            continue  # where churn means no orders, past orders are the past outcome
        now, scores = context.aucs[name]
        then = auc(scores[known], past[known], context.entities[known], strata)
        if then.low > max(now.high + MARGIN, FORESEEN_BOUND):
            yield Finding(
                "past_over_future",
                HIGH,
                (name,),
                f"it ranks the outcome before its feature time with an AUC of {then}, the one after it with {now}: it "
                "describes the past",
                {"auc": now.value, "past_auc": round(then.value, 4), "past_auc_low": round(then.low, 4)},
                "check that its feature time is not later than what it describes",
            )
