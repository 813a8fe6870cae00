"""Target encodings that were computed on the rows that they are to predict.

The mean outcome of a group, own row included, fits these rows better than chance allows: the churn rate of the rows
with one value *is* the value, while for an encoding fitted on other rows it scatters around it. That also holds for
rounded means, and where only some groups were encoded so. Leaving out the own row gives the outcome away as well:
within a group, churned rows then have the lower value, always. Without the group, the numbers of rows still show it:
with the value p/q, retained rows come in multiples of q - p + 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from python_ml.leakage._context import FEWEST_ROWS, ProbeContext
from python_ml.leakage._finding import CRITICAL, Finding
from python_ml.leakage._statistics import as_text
from python_ml.stats import some_rows

FEWEST_GROUPS, FEWEST_EXACT_GROUPS = 30, 10
EXACT = 1e-6
ON_LINE, SEPARABLE = 1e-7, 50
AGREEING = 0.95  # of the values of a column
MOST_GROUPS, TRIES = 5_000, 200
LEAST_PRIOR = 0.01
LESS_SCATTER = 0.5  # of the scatter that chance gives
SCATTER_CHANCE = 1e-6
EXPLAINED = 4.0  # times less scatter with the value than without it
FEWEST_WITHIN, WITHIN = 200, 0.98
MOST_CATEGORIES = 20
CHANCE = 1e-3  # that a table without a leak has such a column, for each of the two tests below
FEWEST_VALUES, FEWEST_PER_VALUE, FEWEST_EXPECTED = 8, 10, 2.0
LEAST_SLOPE, MOST_SLOPE, RAREST = 0.2, 1.5, 0.02
MOST_FRACTIONS, MOST_ROWS_OF_GROUP = 1_000, 500
LEAST_DIVISOR, FEWEST_HITS = 5, 5

Evidence = tuple[str, dict[str, object]]  # the reason, and the figures behind it
ADVICE = "compute it on earlier rows only (an expanding mean by feature time, or fitted before the training cutoff)"


def probe(context: ProbeContext) -> Iterator[Finding]:
    """Look for numbers that are churn rates of their own rows."""
    categories = [name for name in context.names if context.values_of(name).dtype.kind != "f"][:MOST_CATEGORIES]
    keys = {name: np.unique(as_text(context.values_of(name)), return_inverse=True)[1] for name in categories}
    if context.entities is not None and np.bincount(context.entities).max() > 1:
        keys = {"the customer": context.entities, **keys}
    tests = len(context.names)
    for name in context.names:
        values = context.values_of(name)
        if values.dtype.kind != "f":
            continue
        present = np.isfinite(values)
        value, churned = values[present], context.churned[present]
        customers = np.flatnonzero(present) if context.entities is None else context.entities[present]
        result = _inclusive(value, churned, tests)
        if result is None and len(value) >= 2 * FEWEST_ROWS and value.min() >= 0 and value.max() <= 1:
            result = (
                _leave_one_out(value, churned, {key: codes[present] for key, codes in keys.items()})
                or _rounded(value, churned, customers, tests)
                or _multiples(value, churned, tests)
            )
        if result is not None:
            reason, evidence = result
            yield Finding("target_encoding", CRITICAL, (name,), reason, evidence, ADVICE)


def _inclusive(value: np.ndarray, churned: np.ndarray, tests: int) -> Evidence | None:
    """The churn rate of the rows of each value is the value, or scatters around it less than chance allows."""
    _, first, codes, rows = np.unique(np.round(value, 9), return_index=True, return_inverse=True, return_counts=True)
    if len(first) < FEWEST_EXACT_GROUPS or len(first) > len(value) / 2:
        return None
    repeated = rows >= 2
    groups, churners, rows = value[first][repeated], np.bincount(codes, churned)[repeated], rows[repeated]
    rates, number = churners / rows, len(groups)
    prior = _prior_rows(groups, churners, rows) if ((rates > 0) & (rates < 1)).sum() >= FEWEST_EXACT_GROUPS else None
    if prior is not None:
        shrunk = f", shrunk towards the base rate by {prior:.3g} rows" if prior > EXACT else ""
        return (
            f"for each of its {number:,} values, the churn rate of the rows with that value is "
            f"the value itself{shrunk}: it is the mean of the outcome over groups that contain the own row",
            {"groups": number, "prior_rows": round(prior, 4)},
        )
    with_value, without, freedom = _scatter(groups, rates, rows)
    if freedom < FEWEST_GROUPS:
        return None
    from scipy.special import chdtr

    chance = float(chdtr(freedom, with_value)) * tests
    if with_value < LESS_SCATTER * freedom and chance < SCATTER_CHANCE and without > EXPLAINED * with_value:
        return _scatters_less(number, "", with_value / freedom, chance)
    return None


def _scatters_less(groups: int, common: str, scatter: float, chance: float) -> Evidence:
    return (
        f"the churn rates of the rows of its {groups:,} {common}values scatter around it only {scatter:.2f} times as "
        f"much as chance would have them (chance {chance:.1g}): it was computed from the outcome of these very rows",
        {"groups": groups, "scatter": round(scatter, 4), "chance": chance},
    )


def _prior_rows(value: np.ndarray, churners: np.ndarray, rows: np.ndarray) -> float | None:
    """By how many rows of the base rate exact group means were shrunk: 0 for plain means, None for other numbers.

    A mean f = (S + a p) / (n + a) of a group with S churned of n rows has S - f n = a f - a p: such points lie on one
    line. Groups that share a value count several times. The line is searched through random pairs of values (Fischler
    and Bolles, "Random sample consensus", 1981), as only such means lie on one so exactly.
    """
    if value.min() < 0 or value.max() > 1:
        return None
    if len(value) > MOST_GROUPS:
        kept = np.random.default_rng(0).choice(len(value), MOST_GROUPS, replace=False)
        value, churners, rows = value[kept], churners[kept], rows[kept]
    rest = churners - value * rows
    if (np.abs(rest) <= EXACT * rows).mean() >= AGREEING:
        return 0.0
    smallest = np.argsort(rows, kind="stable")[: max(len(value) // 2, FEWEST_EXACT_GROUPS)]
    pairs = np.random.default_rng(0).choice(smallest, (TRIES, 2))
    for one, other in pairs[np.abs(value[pairs[:, 0]] - value[pairs[:, 1]]) > EXACT]:
        slope = (rest[one] - rest[other]) / (value[one] - value[other])
        base = value[one] - rest[one] / slope if slope > LEAST_PRIOR else -1.0
        if not 0 < base < 1:
            continue
        line, allowed = slope * (value - base), ON_LINE * (rows + slope)
        # How many groups share each value; 1 where the figures are too small to tell.
        separable = np.abs(line) > SEPARABLE * allowed
        shared = np.where(separable, np.maximum(np.round(rest / np.where(separable, line, 1.0)), 1.0), 1.0)
        if (np.abs(rest - shared * line) <= allowed).mean() >= AGREEING:
            return float(slope)
    return None


def _scatter(value: np.ndarray, rates: np.ndarray, rows: np.ndarray) -> tuple[float, float, int]:
    """Chi-square of the groups' rates around their values, around what their sizes alone predict, and its freedom.

    A mean that is shrunk towards the base rate p by a rows, f = (n m + a p) / (n + a), has m = f + a f / n - a p / n:
    it is linear in f, f / n and 1 / n.
    """
    base = float(rates @ rows / rows.sum()) if len(value) >= FEWEST_GROUPS else 0.0
    if base in (0.0, 1.0):
        return 0.0, 0.0, 0  # one class only: nothing scatters
    sizes = np.column_stack([np.ones(len(value)), 1 / rows])
    full = np.column_stack([sizes, value, value / rows])
    weight = np.sqrt(rows / (base * (1 - base)))

    def chi_square(design: np.ndarray) -> float:
        fitted, *_ = np.linalg.lstsq(design * weight[:, None], rates * weight, rcond=None)
        expected = np.clip(design @ fitted, 0.02, 0.98)
        return float((rows * (rates - expected) ** 2 / (expected * (1 - expected))).sum())

    return chi_square(full), chi_square(sizes), len(value) - full.shape[1]


def _leave_one_out(value: np.ndarray, churned: np.ndarray, keys: dict[str, np.ndarray]) -> Evidence | None:
    """Within the rows of one group, a churned one always lies below (or above) a retained one."""
    if len(np.unique(value)) < FEWEST_EXACT_GROUPS:
        return None
    for key, group in keys.items():
        pure, mixed, rows = _two_valued(group, value, churned)
        if rows >= FEWEST_WITHIN and mixed >= 5 and pure / mixed >= WITHIN:
            return (
                f"within each of {pure:,} of {mixed:,} groups of `{key}`, all churned rows have one value and all "
                "retained ones another: it is the mean of the outcome over the other rows of the group, from which the "
                "own outcome can be read",
                {"groups": mixed, "leaking_groups": pure, "key": key},
            )
    return None


def _two_valued(group: np.ndarray, value: np.ndarray, churned: np.ndarray) -> tuple[int, int, int]:
    """Groups in which churned rows share one value and retained ones another; groups with both; rows of these."""
    number = int(group.max()) + 1
    part = group + number * (churned == 1)
    low, high = np.full(2 * number, np.inf), np.full(2 * number, -np.inf)
    np.minimum.at(low, part, value)
    np.maximum.at(high, part, value)
    low, high = low.reshape(2, number), high.reshape(2, number)
    # A group of one churned and one retained row has two values by chance; more rows do not.
    mixed = np.isfinite(low).all(axis=0) & (np.bincount(group, minlength=number) >= 4)
    with np.errstate(invalid="ignore"):
        pure = mixed & (high - low < EXACT).all(axis=0) & (np.abs(low[1] - low[0]) > EXACT)
    return int(pure.sum()), int(mixed.sum()), int(mixed[group].sum())


def _rounded(value: np.ndarray, churned: np.ndarray, customers: np.ndarray, tests: int) -> Evidence | None:
    """Churn rates of the values lie closer to a line than chance allows.

    The residuals of each value are added up, squared, and divided by their variance, which takes the rows of a customer
    together. Their sum has about a chi-square distribution where the column was fitted on other rows, and is smaller
    where it was fitted on these.
    """
    groups, codes, rows = np.unique(value, return_inverse=True, return_counts=True)
    if not FEWEST_VALUES <= len(groups) <= len(value) / FEWEST_PER_VALUE:
        return None
    churners = np.bincount(codes, churned)
    weight = np.sqrt(rows)
    design = np.column_stack([np.ones(len(groups)), groups])
    (base, slope), *_ = np.linalg.lstsq(design * weight[:, None], churners / rows * weight, rcond=None)
    if not LEAST_SLOPE <= slope <= MOST_SLOPE:
        return None
    rate = base + slope * groups
    variance = np.clip(rate, 0.0, 1.0) * (1 - np.clip(rate, 0.0, 1.0)) * rows
    kept = (rate >= RAREST) & (rate <= 1 - RAREST) & (variance >= FEWEST_EXPECTED)
    freedom = int(kept.sum()) - 2
    if freedom < FEWEST_VALUES - 2:
        return None
    # Rows of one customer go together, or against each other, as a customer may churn only once.
    residual = churned - rate[codes]
    width = int(customers.max()) + 1
    pairs, place = np.unique(codes * width + customers, return_inverse=True)
    by_customer = np.bincount(pairs // width, np.bincount(place, residual) ** 2)
    inflation = float(by_customer[kept].sum() / variance[kept].sum())
    from scipy.special import chdtr

    total = float(((churners - rows * rate)[kept] ** 2 / variance[kept]).sum() / inflation)
    chance = float(chdtr(freedom, total)) * tests
    return _scatters_less(freedom + 2, "common ", total / freedom, chance) if chance < CHANCE else None


def _multiples(value: np.ndarray, churned: np.ndarray, tests: int) -> Evidence | None:
    """Numbers of retained rows that only means over the other rows of a group have.

    A group of n rows, k of them churned, gives its n - k retained rows the value k/(n - 1). So of a value p/q in lowest
    terms the number of retained rows is a multiple of q - p + 1, if no group of 2q + 1 rows has it, too. Other columns
    have such multiples as often as by chance, which is measured on the numbers of all other values.
    """
    groups, codes = np.unique(np.round(value, 12), return_inverse=True)
    if not FEWEST_EXACT_GROUPS <= len(groups) <= len(value) / 2:
        return None
    retained = np.bincount(codes, 1 - churned).astype(int)
    kept = some_rows(np.flatnonzero((retained > 0) & (groups > 0) & (groups < 1)), MOST_FRACTIONS)
    pairs = []
    for group, number in zip(groups[kept], retained[kept], strict=True):
        fraction = Fraction(float(group)).limit_denominator(MOST_ROWS_OF_GROUP)
        divisor = fraction.denominator - fraction.numerator + 1
        if abs(float(fraction) - group) <= 1e-10 and divisor >= LEAST_DIVISOR:
            pairs.append((divisor, number))
    if len(pairs) < FEWEST_EXACT_GROUPS:
        return None
    divisors, numbers = np.array(pairs).T
    fits = numbers % divisors == 0
    # How often a divisor fits the numbers of other values: its own is not one of them.
    rate = (numbers[None, :] % divisors[:, None] == 0).mean(axis=1)
    rate = np.maximum((rate * len(numbers) - fits) / (len(numbers) - 1), 1 / (divisors + 1.0))
    from scipy.special import pdtrc

    hits, expected = int(fits.sum()), float(rate.sum())
    chance = float(pdtrc(hits - 1, expected)) * tests if hits else 1.0
    if chance >= CHANCE or hits < FEWEST_HITS:
        return None
    return (
        f"{hits:,} of {len(numbers):,} of its values p/q have just such numbers of retained rows as means over the "
        f"other rows of a group give (multiples of q - p + 1; {expected:.1f} by chance): it contains the own outcome",
        {"groups": len(numbers), "leaking_groups": hits, "expected_groups": round(expected, 2), "chance": chance},
    )
