"""Leaks by strength: the share of churned customers (or groups, or days) that a leak reaches, and its noise.

:mod:`tests.canaries.planting` asks whether a clear leak is found at all; this module asks down to which strength. Each
function adds the columns of one kind to a clean training set. All kinds of one strength are planted together, beside
an honest twin of each, which has the same form and knows nothing. The module is frozen: probes are changed to find
more of it, never the other way around, and published figures come from :data:`HELD_OUT` seeds only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from python_ml.leakage import CRITICAL, HIGH, Finding, probe_training_set
from tests.canaries.planting import with_columns
from tests.canaries.worlds import Clean

DEVELOPMENT = (1, 2)
HELD_OUT = (41, 42, 43)
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
NOISES = (0.0, 0.005, 0.02, 0.05, 0.2)
GROUP = 25  # rows
WINDOW = 30  # days
DAY = 86_400_000_000_000  # nanoseconds

Columns = dict[str, np.ndarray]
Grade = Callable[[Clean, float, float, np.random.Generator], tuple[Columns, Columns]]
ANY: dict[str, Grade] = {}
DATED: dict[str, Grade] = {}


def anywhere(kind: Grade) -> Grade:
    """A leak of any table."""
    ANY[kind.__name__] = DATED[kind.__name__] = kind
    return kind


def in_time(kind: Grade) -> Grade:
    """A leak that needs feature times."""
    DATED[kind.__name__] = kind
    return kind


def kinds_of(clean: Clean) -> dict[str, Grade]:
    """The kinds that can be planted into a training set."""
    return DATED if clean.events is not None else ANY


def planted(clean: Clean, share: float, noise: float, seed: int) -> tuple[Clean, dict[str, str], list[str]]:
    """Plant every kind at one strength.

    Returns
    -------
    Clean
        The training set, no longer clean.
    dict of str to str
        Kind to the name of its leaking column.
    list of str
        The honest twins.
    """
    leaks, twins, values = {}, [], {}
    for number, (kind, grade) in enumerate(kinds_of(clean).items()):
        rng = np.random.default_rng([seed, number, round(1000 * share), round(1000 * noise)])
        leaking, honest = grade(clean, share, noise, rng)
        leaks[kind], *_ = leaking
        twins += list(honest)
        values |= leaking | honest
    return with_columns(clean, values), leaks, twins


def verdicts(clean: Clean, leaks: dict[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """What the probes say of each kind (``critical``, ``high`` or ``info``), and critical findings about anything else.

    A column that is only bound to another one was not found by itself, so that does not count.
    """
    said = dict.fromkeys(leaks, "info")
    others = []
    names = {column: kind for kind, column in leaks.items()}
    for finding in probe_training_set(clean.frame, clean.features, clean.entity, dated=clean.dated):
        kind = names.get(finding.name) if finding.columns else None
        if kind is None:
            if finding.severity == CRITICAL:
                others.append(finding)
        elif finding.related_to is None and finding.severity in (CRITICAL, HIGH) and said[kind] != CRITICAL:
            said[kind] = finding.severity
    return said, others


def strengths(shares: tuple[float, ...] = SHARES, noises: tuple[float, ...] = NOISES) -> Iterator[tuple[float, float]]:
    """Every share with every noise."""
    return ((share, noise) for noise in noises for share in shares)


def _churned(clean: Clean) -> np.ndarray:
    return clean.frame["churned"].to_numpy() == 1


def _marked(clean: Clean, share: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    """That share of the rows that churn, and of the others as many as the noise says."""
    return rng.random(len(clean.frame)) < np.where(_churned(clean), share, noise)


def _shuffled(marked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(marked)


def _replaced(values: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Values of which some share is that of another row."""
    wrong = rng.random(len(values)) < noise
    return np.where(wrong, rng.permutation(values), values)


@anywhere
def emptiness(clean: Clean, share: float, noise: float, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """A field that was cleared for a share of the churned customers, and is empty for some others as well."""
    marked = _marked(clean, share, noise, rng)
    value = rng.gamma(2.0, 10.0, (2, len(marked)))
    return (
        {"credit_line": np.where(marked, np.nan, value[0])},
        {"credit_used": np.where(_shuffled(marked, rng), np.nan, value[1])},
    )


@anywhere
def category(clean: Clean, share: float, noise: float, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """A category that a share of the churned customers was given, and some others as well."""
    marked = _marked(clean, share, noise, rng)
    columns = []
    for rows in (marked, _shuffled(marked, rng)):
        value = rng.choice([f"H{n}" for n in range(6)], len(rows)).astype(object)
        value[rows] = "H9"
        columns.append(value)
    return {"handling_class": columns[0]}, {"billing_class": columns[1]}


@anywhere
def small_counts(clean: Clean, share: float, noise: float, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """A count that stopped early: 0, 1 or 2 instead of about 12 for a share of the churned customers."""
    marked = _marked(clean, share, noise, rng)
    full, few = 1.0 + rng.poisson(12, (2, len(marked))), rng.integers(0, 3, (2, len(marked)))
    return (
        {"letters": np.where(marked, few[0], full[0])},
        {"parcels": np.where(_shuffled(marked, rng), few[1], full[1])},
    )


def _encoded(clean: Clean, share: float, rng: np.random.Generator, own: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean outcome of a group, with or without the own row; for groups beyond the share, that of earlier rows."""
    y = clean.frame["churned"].to_numpy(float)
    number = max(len(y) // GROUP, 40)
    weight = rng.gamma(3.0, 1.0, number)
    group = rng.choice(number, len(y), p=weight / weight.sum())
    size, total = np.bincount(group, minlength=number), np.bincount(group, y, minlength=number)
    rate = rng.beta(6 * y.mean(), 6 * (1 - y.mean()), number)
    earlier = rng.binomial(np.maximum(size, 1), rate) / np.maximum(size, 1)
    leaking = rng.random(number) < share
    if own:
        mean = total / np.maximum(size, 1)
        found = np.where(leaking, mean, earlier)[group]
    else:
        found = np.where(leaking[group], (total[group] - y) / np.maximum(size[group] - 1, 1), earlier[group])
    return found, earlier[group]


@anywhere
def leave_one_out(clean: Clean, share: float, noise: float, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """The churn rate of the other rows of a group that is no column itself; for a share of the groups."""
    found, honest = _encoded(clean, share, rng, own=False)
    return {"team_score": _replaced(found, noise, rng)}, {"team_history": honest}


@anywhere
def rounded_mean(clean: Clean, share: float, noise: float, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """The churn rate of a group, own row included, to two digits; for a share of the groups."""
    found, honest = _encoded(clean, share, rng, own=True)
    return {"desk_score": _replaced(np.round(found, 2), noise, rng)}, {"desk_history": np.round(honest, 2)}


@in_time
def overwritten(clean: Clean, share: float, noise: float, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """A field of the customer as it is today: overwritten for a share of those who churned, and for some others."""
    codes, customers = pd.factorize(clean.frame[clean.entity])
    ever = np.bincount(codes, _churned(clean)) > 0
    marked = rng.random(len(customers)) < np.where(ever, share, noise)
    columns = []
    for rows in (marked, _shuffled(marked, rng)):
        value = rng.choice(["A", "B", "C"], len(customers)).astype(object)
        value[rows] = "X"
        columns.append(value[codes])
    return {"care_level": columns[0]}, {"care_start": columns[1]}


def _orders_between(clean: Clean, first: float, last: float) -> np.ndarray:
    """Orders from so many days after each feature time to so many."""
    codes, customers = pd.factorize(clean.frame[clean.entity])
    owner = pd.Index(customers).get_indexer(clean.events["customer_id"])
    kept = owner >= 0
    at = clean.events["event_at"].to_numpy("datetime64[ns]").astype("int64")[kept]
    times = clean.frame["feature_timestamp"].to_numpy("datetime64[ns]").astype("int64")
    origin, width = min(at.min(), times.min()) - 400 * DAY, np.ptp(np.concatenate([at, times])) + 800 * DAY
    # Days as float: exact to the microsecond, and every customer has a range of their own.
    keys = np.sort(owner[kept] * (width / DAY) + (at - origin) / DAY)
    mine = codes * (width / DAY) + (times - origin) / DAY
    return (np.searchsorted(keys, mine + last) - np.searchsorted(keys, mine + first)).astype(float)


@in_time
def centred_window(clean: Clean, share: float, noise: float, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """Orders of a window of 30 days, of which a share lies after the feature time (a half: centred on it)."""
    found = _orders_between(clean, -WINDOW * (1 - share), WINDOW * share)
    honest = _orders_between(clean, -1.5 * WINDOW, 0)
    return {"visits_now": _replaced(found, noise, rng)}, {"visits_before": _replaced(honest, noise, rng)}


@in_time
def next_month(clean: Clean, share: float, noise: float, rng: np.random.Generator) -> tuple[Columns, Columns]:
    """Orders of the past 30 days, and of the next 30 days each with a chance of the share."""
    past, future = _orders_between(clean, -WINDOW, 0), _orders_between(clean, 0, WINDOW)
    found = past + rng.binomial(future.astype(int), share)
    honest = _orders_between(clean, -2 * WINDOW, -WINDOW)
    return {"contacts_month": _replaced(found, noise, rng)}, {"contacts_month_before": _replaced(honest, noise, rng)}
