"""Target encodings that were computed on the very rows that they are to predict.

The mean outcome of a group, own row included, fits these rows better than chance allows: within the rows of one value
the share of leavers *is* the value, while for an encoding learnt on other rows it scatters about it as coins do.
Leaving out only the own row gives the row away as well: within a group, leavers then have the lower value, always.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from python_ml.leakage._finding import CRITICAL, Finding
from python_ml.leakage._statistics import blank
from python_ml.leakage._subject import FEWEST_ROWS, Subject

FEWEST_GROUPS = 30
EXACT_GROUPS = 10
EXACT = 1e-6
EXACTLY, TOLD_APART = 1e-7, 50
AGREEING = 0.95  # of the values of a column
MOST_GROUPS, TRIES = 5_000, 200
LEAST_DRAWN = 0.01
UNDER = 0.5  # of the scatter that chance gives
UNDER_CHANCE = 1e-6
EXPLAINED = 4.0  # times better with the value than without it
WITHIN_PAIRS = 200
WITHIN = 0.98
MOST_CATEGORIES = 20

ADVICE = "compute it on earlier rows only (an expanding mean by feature time, or fitted before the training cutoff)"


def probe(subject: Subject) -> Iterator[Finding]:
    """Look for numbers that are rates of the outcome of their own rows."""
    categories = [name for name in subject.names if subject.values_of(name).dtype.kind != "f"][:MOST_CATEGORIES]
    keys = {name: _codes(subject.values_of(name)) for name in categories}
    if subject.entities is not None and np.bincount(subject.entities).max() > 1:
        keys = {"the customer": subject.entities, **keys}
    for name in subject.names:
        values = subject.values_of(name)
        if values.dtype.kind != "f":
            continue
        yield from _inclusive(subject, name, values)
        yield from _leave_one_out(subject, name, values, keys)


def _codes(values: np.ndarray) -> np.ndarray:
    empty = blank(values)
    return np.unique(np.where(empty, "", values).astype(str), return_inverse=True)[1]


def _inclusive(subject: Subject, name: str, values: np.ndarray) -> Iterator[Finding]:
    present = np.isfinite(values)
    _, first, codes, counts = np.unique(
        np.round(values[present], 9), return_index=True, return_inverse=True, return_counts=True
    )
    found = values[present][first]
    if len(found) < EXACT_GROUPS or len(found) > present.sum() / 2:
        return
    left = np.bincount(codes, subject.churned[present])
    means, repeated = left / counts, counts >= 2
    mixed = repeated & (means > 0) & (means < 1)
    weight = _drawn_by(found[repeated], left[repeated], counts[repeated]) if mixed.sum() >= EXACT_GROUPS else None
    if weight is not None:
        drawn = f", drawn towards the base rate by {weight:.3g} rows" if weight > EXACT else ""
        yield Finding(
            "target_encoding",
            CRITICAL,
            (name,),
            f"for each of its {int(repeated.sum()):,} values, the share of leavers among the rows with that value is "
            f"the value itself{drawn}: it is the mean of the outcome over groups that hold the own row",
            {"groups": int(repeated.sum()), "drawn_by": round(weight, 4)},
            ADVICE,
        )
        return
    with_value, without, freedom = _scatter(found[repeated], means[repeated], counts[repeated])
    if freedom < FEWEST_GROUPS:
        return
    from scipy.special import chdtr

    chance = float(chdtr(freedom, with_value)) * len(subject.names)
    if with_value < UNDER * freedom and chance < UNDER_CHANCE and without > EXPLAINED * with_value:
        yield Finding(
            "target_encoding",
            CRITICAL,
            (name,),
            f"the shares of leavers among the rows of its {int(repeated.sum()):,} values scatter about it only "
            f"{with_value / freedom:.2f} times as much as chance would have them: it was computed from the outcome of "
            "these very rows",
            {"groups": int(repeated.sum()), "scatter": round(with_value / freedom, 4), "chance": chance},
            ADVICE,
        )


def _drawn_by(value: np.ndarray, left: np.ndarray, counts: np.ndarray) -> float | None:
    """By how many rows of the base rate exact group means were drawn towards it: 0 for plain ones, None for no means.

    A mean f = (S + a p) / (n + a) of a group with S leavers in n rows has S - f n = a f - a p: such points lie on one
    line. Groups that share a value count several times. The line is sought through pairs of values that are drawn by
    chance (Fischler and Bolles, "Random sample consensus", 1981), as nothing but such means lies on one so exactly.
    """
    if value.min() < 0 or value.max() > 1:
        return None
    if len(value) > MOST_GROUPS:
        kept = np.random.default_rng(0).choice(len(value), MOST_GROUPS, replace=False)
        value, left, counts = value[kept], left[kept], counts[kept]
    rest = left - value * counts
    if (np.abs(rest) <= EXACT * counts).mean() >= AGREEING:
        return 0.0
    rare = np.argsort(counts, kind="stable")[: max(len(value) // 2, EXACT_GROUPS)]
    pairs = np.random.default_rng(0).choice(rare, (TRIES, 2))
    for one, other in pairs[np.abs(value[pairs[:, 0]] - value[pairs[:, 1]]) > EXACT]:
        slope = (rest[one] - rest[other]) / (value[one] - value[other])
        base = value[one] - rest[one] / slope if slope > LEAST_DRAWN else -1.0
        if not 0 < base < 1:
            continue
        line = slope * (value - base)
        nearest = np.abs(rest - _whole(rest, line, allowed := EXACTLY * (counts + slope)) * line)
        near = nearest <= allowed
        if near.mean() >= AGREEING:
            return float(slope)
    return None


def _whole(rest: np.ndarray, line: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """How many groups share each value; 1 where the figures are too small to say."""
    sure = np.abs(line) > TOLD_APART * allowed
    return np.where(sure, np.maximum(np.round(rest / np.where(sure, line, 1.0)), 1.0), 1.0)


def _scatter(value: np.ndarray, means: np.ndarray, counts: np.ndarray) -> tuple[float, float, int]:
    """Chi-square of the groups' means about what their values say, about what their sizes alone say, and its freedom.

    A mean that is drawn towards the base rate p by a rows, f = (n m + a p) / (n + a), has m = f + a f / n - a p / n:
    it is linear in f, f / n and 1 / n.
    """
    if len(value) < FEWEST_GROUPS:
        return 0.0, 0.0, 0
    base = float(means @ counts / counts.sum())
    if base in (0.0, 1.0):
        return 0.0, 0.0, 0  # all of one class: nothing scatters
    sizes = np.column_stack([np.ones(len(value)), 1 / counts])
    full = np.column_stack([sizes, value, value / counts])
    weight = np.sqrt(counts / (base * (1 - base)))

    def chi(design: np.ndarray) -> float:
        fitted, *_ = np.linalg.lstsq(design * weight[:, None], means * weight, rcond=None)
        expected = np.clip(design @ fitted, 0.02, 0.98)
        return float((counts * (means - expected) ** 2 / (expected * (1 - expected))).sum())

    return chi(full), chi(sizes), len(value) - full.shape[1]


def _leave_one_out(subject: Subject, name: str, values: np.ndarray, keys: dict[str, np.ndarray]) -> Iterator[Finding]:
    """Within the rows of one group, a leaver always lies below (or above) a stayer."""
    present = np.isfinite(values)
    if present.sum() < 2 * FEWEST_ROWS or values[present].min() < 0 or values[present].max() > 1:
        return
    if len(np.unique(values[present])) < EXACT_GROUPS:
        return
    for key, codes in keys.items():
        group, value, left = codes[present], values[present], subject.churned[present]
        spread = _spread(group, value)
        if (spread == 0).all() or len(spread) < 2:
            continue
        # Groups in which all leavers have one value and all stayers another, as leaving one out gives.
        pure, mixed, pairs = _two_valued(group, value, left)
        if pairs >= WITHIN_PAIRS and mixed >= 5 and pure / mixed >= WITHIN:
            yield Finding(
                "target_encoding",
                CRITICAL,
                (name,),
                f"within each of {pure:,} of {mixed:,} groups of `{key}`, all leavers have one value and all stayers "
                "another: it is the mean of the outcome over the other rows of the group, from which the own outcome "
                "can be read",
                {"groups": mixed, "telling_groups": pure, "key": key},
                ADVICE,
            )
            return


def _spread(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    low = np.full(int(group.max()) + 1, np.inf)
    high = np.full(int(group.max()) + 1, -np.inf)
    np.minimum.at(low, group, value)
    np.maximum.at(high, group, value)
    return (high - low)[np.isfinite(low)]


def _two_valued(group: np.ndarray, value: np.ndarray, left: np.ndarray) -> tuple[int, int, int]:
    """Groups in which leavers share one value and stayers another; groups with both; rows of these."""
    number = int(group.max()) + 1
    ends = {}
    for outcome in (0, 1):
        low, high = np.full(number, np.inf), np.full(number, -np.inf)
        mine = left == outcome
        np.minimum.at(low, group[mine], value[mine])
        np.maximum.at(high, group[mine], value[mine])
        ends[outcome] = low, high
    mixed = np.isfinite(ends[0][0]) & np.isfinite(ends[1][0])
    with np.errstate(invalid="ignore"):
        constant = (ends[0][1] - ends[0][0] < EXACT) & (ends[1][1] - ends[1][0] < EXACT)
        apart = np.abs(ends[1][0] - ends[0][0]) > EXACT
    pure = mixed & constant & apart
    # A group of one leaver and one stayer has two values by chance; more rows do not.
    large = np.bincount(group, minlength=number) >= 4
    return (
        int((pure & large).sum()),
        int((mixed & large).sum()),
        int(np.isin(group, np.flatnonzero(mixed & large)).sum()),
    )
