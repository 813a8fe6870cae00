"""Target encodings that were computed on the very rows that they are to predict.

The mean outcome of a group, own row included, fits these rows better than chance allows: within the rows of one value
the churn rate *is* the value, while for an encoding learnt on other rows it scatters about it as coins do. That holds
for rounded means, and where only some groups were encoded so. Leaving out only the own row gives the row away as well:
within a group, churned rows then have the lower value, always. Without the group the numbers of rows still tell: with
the value p/q, retained rows come in groups of q - p + 1 each.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice

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
CHANCE = 1e-3  # that a table without a leak has such a column, for each of the two tests below
FEWEST_VALUES, FEWEST_PER_VALUE, FEWEST_EXPECTED = 8, 10, 2.0
LEAST_SLOPE, MOST_SLOPE, RAREST = 0.2, 1.5, 0.02
MOST_FRACTIONS, MOST_ROWS_OF_GROUP = 1_000, 500
LEAST_DIVISOR, FEWEST_HITS = 5, 5

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
        probes = (
            _inclusive(subject, name, values),
            _leave_one_out(subject, name, values, keys),
            _rounded(subject, name, values),
            _counted(subject, name, values),
        )
        yield from islice(chain(*probes), 1)


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
            f"for each of its {int(repeated.sum()):,} values, the churn rate of the rows with that value is "
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
            f"the churn rates of the rows of its {int(repeated.sum()):,} values scatter about it only "
            f"{with_value / freedom:.2f} times as much as chance would have them: it was computed from the outcome of "
            "these very rows",
            {"groups": int(repeated.sum()), "scatter": round(with_value / freedom, 4), "chance": chance},
            ADVICE,
        )


def _drawn_by(value: np.ndarray, left: np.ndarray, counts: np.ndarray) -> float | None:
    """By how many rows of the base rate exact group means were drawn towards it: 0 for plain ones, None for no means.

    A mean f = (S + a p) / (n + a) of a group with S churned of n rows has S - f n = a f - a p: such points lie on one
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
    """Within the rows of one group, a churned one always lies below (or above) a retained one."""
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
        # Groups in which all churned rows have one value and all retained ones another, as leaving one out gives.
        pure, mixed, pairs = _two_valued(group, value, left)
        if pairs >= WITHIN_PAIRS and mixed >= 5 and pure / mixed >= WITHIN:
            yield Finding(
                "target_encoding",
                CRITICAL,
                (name,),
                f"within each of {pure:,} of {mixed:,} groups of `{key}`, all churned rows have one value and all "
                "retained ones another: it is the mean of the outcome over the other rows of the group, from which the "
                "own outcome can be read",
                {"groups": mixed, "telling_groups": pure, "key": key},
                ADVICE,
            )
            return


def _rounded(subject: Subject, name: str, values: np.ndarray) -> Iterator[Finding]:
    """Churn rates of a column's values lie closer to a line than chance allows.

    The residuals of each value are added up, squared, and divided by their variance, which takes the rows of a customer
    together. Their sum has about a chi-square distribution where the column was learnt on other rows, and is smaller
    where it was learnt on these.
    """
    present = np.isfinite(values)
    if present.sum() < 2 * FEWEST_ROWS or values[present].min() < 0 or values[present].max() > 1:
        return
    found, codes, counts = np.unique(values[present], return_inverse=True, return_counts=True)
    if not FEWEST_VALUES <= len(found) <= present.sum() / FEWEST_PER_VALUE:
        return
    churned = subject.churned[present]
    customers = np.arange(len(churned)) if subject.entities is None else subject.entities[present]
    left = np.bincount(codes, churned)
    means, weight = left / counts, np.sqrt(counts)
    design = np.column_stack([np.ones(len(found)), found])
    (base, slope), *_ = np.linalg.lstsq(design * weight[:, None], means * weight, rcond=None)
    if not LEAST_SLOPE <= slope <= MOST_SLOPE:
        return
    rate = base + slope * found
    likely = np.clip(rate, 0.0, 1.0) * (1 - np.clip(rate, 0.0, 1.0)) * counts
    kept = (rate >= RAREST) & (rate <= 1 - RAREST) & (likely >= FEWEST_EXPECTED)
    freedom = int(kept.sum()) - 2
    if freedom < FEWEST_VALUES - 2:
        return
    # Rows of one customer go together, or against each other, as a customer may churn only once.
    residual = churned - rate[codes]
    width = int(customers.max()) + 1
    pairs, place = np.unique(codes * width + customers, return_inverse=True)
    spread = np.bincount(pairs // width, np.bincount(place, residual) ** 2)
    inflation = float(spread[kept].sum() / likely[kept].sum())
    from scipy.special import chdtr

    total = float(((left - counts * rate)[kept] ** 2 / likely[kept]).sum() / inflation)
    chance = float(chdtr(freedom, total)) * len(subject.names)
    if chance >= CHANCE:
        return
    yield Finding(
        "target_encoding",
        CRITICAL,
        (name,),
        f"the churn rates of its {freedom + 2:,} common values scatter about it only {total / freedom:.2f} times as "
        f"much as chance would have them (chance {chance:.1g}): it was computed from the outcome of these very rows",
        {"groups": freedom + 2, "scatter": round(total / freedom, 4), "chance": chance},
        ADVICE,
    )


def _counted(subject: Subject, name: str, values: np.ndarray) -> Iterator[Finding]:
    """Numbers of retained rows that only means over the other rows of a group have.

    A group of n rows, k of them churned, gives its n - k retained rows the value k/(n - 1). So of a value p/q in lowest
    terms the number of retained rows is a multiple of q - p + 1, if no group of 2q + 1 rows has it, too. Other columns
    have such multiples as often as by chance, which is measured on the numbers of all other values.
    """
    present = np.isfinite(values)
    if present.sum() < 2 * FEWEST_ROWS or values[present].min() < 0 or values[present].max() > 1:
        return
    found, codes = np.unique(np.round(values[present], 12), return_inverse=True)
    if not EXACT_GROUPS <= len(found) <= present.sum() / 2:
        return
    stayed = np.bincount(codes, 1 - subject.churned[present]).astype(int)
    kept = np.flatnonzero((stayed > 0) & (found > 0) & (found < 1))
    if len(kept) > MOST_FRACTIONS:
        kept = np.sort(np.random.default_rng(0).choice(kept, MOST_FRACTIONS, replace=False))
    divisors, numbers = [], []
    for value, number in zip(found[kept], stayed[kept], strict=True):
        fraction = Fraction(float(value)).limit_denominator(MOST_ROWS_OF_GROUP)
        divisor = fraction.denominator - fraction.numerator + 1
        if abs(float(fraction) - value) <= 1e-10 and divisor >= LEAST_DIVISOR:
            divisors.append(divisor)
            numbers.append(number)
    if len(divisors) < EXACT_GROUPS:
        return
    divisor, number = np.array(divisors), np.array(numbers)
    fits = number % divisor == 0
    by_chance = (number[None, :] % divisor[:, None] == 0).mean(axis=1)
    # How often a divisor fits numbers of other values: its own is not one of them.
    by_chance = np.maximum((by_chance * len(number) - fits) / (len(number) - 1), 1 / (divisor + 1.0))
    from scipy.special import pdtrc

    hits, expected = int(fits.sum()), float(by_chance.sum())
    chance = float(pdtrc(hits - 1, expected)) * len(subject.names) if hits else 1.0
    if chance >= CHANCE or hits < FEWEST_HITS:
        return
    yield Finding(
        "target_encoding",
        CRITICAL,
        (name,),
        f"{hits:,} of {len(number):,} of its values p/q have just such numbers of retained rows as means over the "
        f"other rows of a group give (multiples of q - p + 1; {expected:.1f} by chance): it tells the own outcome",
        {"groups": len(number), "telling_groups": hits, "expected_groups": round(expected, 2), "chance": chance},
        ADVICE,
    )


def _spread(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    low = np.full(int(group.max()) + 1, np.inf)
    high = np.full(int(group.max()) + 1, -np.inf)
    np.minimum.at(low, group, value)
    np.maximum.at(high, group, value)
    return (high - low)[np.isfinite(low)]


def _two_valued(group: np.ndarray, value: np.ndarray, left: np.ndarray) -> tuple[int, int, int]:
    """Groups in which churned rows share one value and retained ones another; groups with both; rows of these."""
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
    # A group of one churned and one retained row has two values by chance; more rows do not.
    large = np.bincount(group, minlength=number) >= 4
    return (
        int((pure & large).sum()),
        int((mixed & large).sum()),
        int(np.isin(group, np.flatnonzero(mixed & large)).sum()),
    )
