"""Rows that a column marks and that churn far more often: missing, zero, in a tail, of one value, or unchanged.

E-mails stop once a customer has churned, a cancellation has a date, a counter that was read afterwards is unchanged.
Such a mark need not be pure: a field may be empty for half of the churned customers and for some retained ones. So it
is judged by its odds ratio of churn among customers of the same recency, and by what chance allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from python_ml.leakage._context import FEWEST_ROWS, ProbeContext
from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._statistics import as_text, binomial_tail, is_missing, odds
from python_ml.masking import masked

HONEST_ODDS = 10.0  # ratio that what is known in advance may reach; decision 0033
PURE = 0.99
LEAST_SHARE, PURE_SHARE = 0.05, 0.20  # of the churned customers that a mark must hold
EXPECTED = 0.90
CHANCE = 1e-3  # that a table without a leak has such a mark, over all that are examined together
COMPANION = 0.999
MOST_VALUES = 3  # of a column, those with the greatest odds
CUTS = 16  # places, on either side, at which the tail of a number may begin
FEWEST_MARKED = 20
PROBES = {
    "missing": "post_outcome_missing",
    "zero": "post_outcome_missing",
    "value": "pure_value",
    "tail": "tail",
    "frozen": "frozen",
}


@dataclass(frozen=True)
class MarkedRows:
    """Rows that a column marks.

    Attributes
    ----------
    kind : str
        ``missing``, ``zero``, ``value``, ``tail`` or ``frozen``.
    where : str
        The rows as a phrase.
    rows : numpy.ndarray of bool
    candidates : int
        Among how many marks of its kind it was chosen.
    """

    kind: str
    where: str
    rows: np.ndarray
    candidates: int = 1


def probe(context: ProbeContext) -> Iterator[Finding]:
    """Look at where each column is missing, zero, in a tail, of one value, or unchanged; then at its companions."""
    tests = len(context.names) * (3 + 2 * CUTS)
    leaks: dict[str, MarkedRows] = {}
    for name in context.names:
        is_critical = False
        for mark in _marks(context.values_of(name), context.churned):
            # Values and tails contain the zeros, or what stands for them: one of these marks is enough.
            if is_critical and mark.kind in ("value", "tail"):
                continue
            finding = _pattern(context, name, mark, tests)
            if finding is None:
                continue
            yield finding
            if finding.severity == CRITICAL:
                is_critical = True
                if mark.kind in ("missing", "zero"):
                    leaks.setdefault(name, mark)
        frozen = _frozen(context, name, tests)
        if frozen is not None:
            yield frozen
    yield from _companions(context, leaks)


def _marks(values: np.ndarray, churned: np.ndarray) -> Iterator[MarkedRows]:
    """What a column can mark."""
    missing = is_missing(values)
    yield MarkedRows("missing", "where it is missing", missing)
    numeric = values.dtype.kind == "f"
    if numeric:
        yield MarkedRows("zero", "where it is zero", values == 0.0)
    texts = values if numeric else as_text(values)
    usual = ~missing & (values != 0.0) if numeric else ~missing
    distinct, codes, counts = np.unique(texts[usual], return_inverse=True, return_counts=True)
    if numeric and len(distinct) <= 2:
        return
    for place in _most_odd(codes, counts, churned[usual]):
        shown = f"{distinct[place]:g}" if numeric else repr(masked(str(distinct[place])))
        yield MarkedRows("value", f"where it has the value {shown}", texts == distinct[place], len(distinct))
    if numeric:
        yield from _tails(values, churned)


def _most_odd(codes: np.ndarray, counts: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """The common values with the greatest odds of churn, where these are remarkable."""
    churners = np.bincount(codes, churned, minlength=len(counts))
    ratio = np.where(counts >= FEWEST_MARKED, _crude_odds_ratio(churners, counts, churned), 0.0)
    best = np.argsort(-ratio, kind="stable")[:MOST_VALUES]
    return best[ratio[best] >= HONEST_ODDS / 2]


def _crude_odds_ratio(churners: np.ndarray, rows: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """Odds ratios of churn of groups of ``rows`` rows of which ``churners`` churned, against all other rows."""
    retained, others = rows - churners, churned.sum() - churners
    rest = len(churned) - churned.sum() - retained
    return (churners + 0.5) * (rest + 0.5) / ((retained + 0.5) * (others + 0.5))


def _tails(values: np.ndarray, churned: np.ndarray) -> Iterator[MarkedRows]:
    """The most conspicuous lower and upper tail of a number."""
    present = np.isfinite(values)
    order = np.argsort(values[present], kind="stable")
    ranked, churners_up_to = values[present][order], np.cumsum(churned[present][order])
    total = len(ranked)
    if total < 4 * FEWEST_MARKED:
        return
    sizes = np.unique(np.geomspace(FEWEST_MARKED, total / 2, CUTS).astype(int))
    for lower in (True, False):
        # A tail ends between two values: all rows of the last value are in it.
        edges = np.unique(ranked[sizes - 1] if lower else ranked[total - sizes])
        below = np.searchsorted(ranked, edges, side="right" if lower else "left")
        churners = np.where(below, churners_up_to[below - 1], 0.0)
        rows = below if lower else total - below
        churners = churners if lower else churners_up_to[-1] - churners
        stands = (rows < total) & (rows >= FEWEST_MARKED)
        if not stands.any():
            continue
        ratio = np.where(stands, _crude_odds_ratio(churners, rows, churned), 0.0)
        error = np.sqrt(1 / (churners + 0.5) + 1 / (rows - churners + 0.5))
        best = int(np.where(stands, np.log(ratio + 1e-9) - 2 * error, -np.inf).argmax())
        if ratio[best] >= HONEST_ODDS / 2:
            edge = edges[best]
            where = f"where it is {f'at most {edge:g}' if lower else f'at least {edge:g}'}"
            yield MarkedRows("tail", where, values <= edge if lower else values >= edge)


def _pattern(
    context: ProbeContext, name: str, mark: MarkedRows, tests: int, among: np.ndarray | None = None
) -> Finding | None:
    """The finding that marked rows have mostly one outcome, ``among`` all or some."""
    among = slice(None) if among is None else among
    churned, rows = context.churned[among], mark.rows[among]
    entities = None if context.entities is None else context.entities[among]
    strata = None if context.strata is None else context.strata[among]
    count = int(rows.sum())
    if count < FEWEST_MARKED or len(rows) - count < FEWEST_ROWS:
        return None
    rate, base = float(churned[rows].mean()), float(churned.mean())
    churn, chosen = rate > base, mark.kind in ("value", "tail")
    if not churn and (chosen or rate > 1 - PURE):
        return None
    outcome = churned if churn else 1 - churned
    share = float(outcome[rows].sum() / outcome.sum())
    # Where (nearly) all such rows are expected to have that outcome, the mark is not suspicious.
    expected = float(context.expected[among][rows].mean())
    expected = expected if churn else 1 - expected
    if expected > EXPECTED or share < LEAST_SHARE:
        return None
    is_critical, chance = share >= 0.9 and abs(rate - float(churned[~rows].mean())) >= 0.9, CHANCE / tests
    evidence = {
        f"{mark.kind}_rows": count,
        f"{mark.kind}_churn_rate": round(rate, 4),
        "base_rate": round(base, 4),
    }
    reason = (
        f"{mark.where} ({count:,} rows), {rate if churn else 1 - rate:.1%} {'churned' if churn else 'were retained'}, "
        f"against {expected:.1%} expected; {share:.0%} of the {'churned' if churn else 'retained'} customers are there"
    )
    if churn:
        if float(_crude_odds_ratio(churned[rows].sum(), count, churned)) < HONEST_ODDS / 2:
            return None
        ratio = odds(rows, churned, entities, strata)
        low = ratio.low(chance / mark.candidates)
        if low < HONEST_ODDS / 2:
            return None
        # How far a window may go depends on how customers buy: there a replay decides, or a mark that is nearly pure.
        conclusive = not context.looks_back(name) or (rate >= PURE and share >= PURE_SHARE)
        is_critical |= conclusive and low >= HONEST_ODDS
        evidence |= {f"{mark.kind}_odds_ratio": round(ratio.ratio, 2), f"{mark.kind}_odds_low": round(low, 2)}
        reason += f"; this raises the odds of churn {ratio.ratio:,.3g} times (lower bound {low:,.3g})"
    else:
        customers = count if entities is None else len(np.unique(entities[rows]))
        if binomial_tail((1 - rate) * customers, customers, expected) > chance / mark.candidates:
            return None
    if chosen and not is_critical:
        return None
    return Finding(PROBES[mark.kind], CRITICAL if is_critical else HIGH, (name,), reason, evidence)


def _frozen(context: ProbeContext, name: str, tests: int) -> Finding | None:
    """A column that is unchanged for churned customers while it changes for the others."""
    if not context.is_dated:
        return None
    values, before = context.values_of(name), context.previous
    among = np.flatnonzero(before >= 0)
    if len(among) < 2 * FEWEST_ROWS:
        return None
    missing = is_missing(values)
    unchanged = np.zeros(len(values), dtype=bool)
    earlier = before[among]
    unchanged[among] = (missing[among] & missing[earlier]) | (values[among] == values[earlier])
    mark = MarkedRows("frozen", "where it is unchanged since the feature time before", unchanged)
    finding = _pattern(context, name, mark, tests, among)
    # A column that changes only for churned customers is another story than one that is frozen for them.
    return finding if finding is not None and "frozen_odds_ratio" in finding.evidence else None


def _companions(context: ProbeContext, leaks: dict[str, MarkedRows]) -> Iterator[Finding]:
    """Columns that are missing (or zero) wherever a critical one is, and less often elsewhere: they record the same."""
    for name in context.names:
        if not leaks or name in leaks:
            continue
        values = context.values_of(name)
        candidates = [is_missing(values), *([values == 0.0] if values.dtype.kind == "f" else [])]
        for leak, mark in leaks.items():
            # A column that also reads the future is zero only where honest windows are; that does not incriminate them.
            if context.looks_back(name) and not context.looks_back(leak):
                continue
            if any(_follows(rows, mark.rows, len(context.names)) for rows in candidates):
                yield Finding(
                    "companion",
                    CRITICAL,
                    (name,),
                    f"it is missing or zero in each of the {int(mark.rows.sum()):,} rows in which `{leak}` is "
                    f"{mark.kind}: it records the same thing",
                    {"related_rows": int(mark.rows.sum())},
                    f"treat it as you treat `{leak}`",
                    related_to=leak,
                )
                break


def _follows(rows: np.ndarray, leak: np.ndarray, tests: int) -> bool:
    """Whether rows are marked nearly wherever the leak is, and less often elsewhere."""
    inside, outside = rows[leak].mean(), rows[~leak].mean()
    count = int(leak.sum())
    return bool(inside >= COMPANION and outside <= 0.95) and (
        binomial_tail(inside * count, count, outside) * tests <= CHANCE
    )
