"""Rows rather than columns: duplicate customers, and customers and labels on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.leakage._context import FEWEST_ROWS, ProbeContext
from python_ml.leakage._finding import CRITICAL, HIGH, INFO, Finding
from python_ml.leakage._statistics import is_missing

if TYPE_CHECKING:
    import pandas as pd

IDENTIFYING = 0.20  # distinct values per row from which two equal values are no coincidence
COMMON = 0.05  # share of the customers from which a value is common and identifies nobody
COPIES, MANY_COPIES = 0.01, 0.10
FEWEST_COPIED = 20  # customers, as two that came on the same day are equal at all of their feature times
AGREEMENT = 0.95
ABOVE_CHANCE = 0.02


@dataclass(frozen=True)
class Parts:
    """A split into training and test rows.

    Attributes
    ----------
    train, test : numpy.ndarray of bool, shape (n_rows,)
    by_time : bool
        Whether the test period lies after the training period.
    chosen : bool
        Whether the parts were supplied, row by row.
    """

    train: np.ndarray
    test: np.ndarray
    by_time: bool
    chosen: bool = False


def duplicates(context: ProbeContext) -> Iterator[Finding]:
    """Rows of different customers that are equal in every feature, with values that are rarely equal."""
    import pandas as pd

    identifying = np.zeros(len(context.churned), dtype=bool)
    digest = np.zeros(len(context.churned), dtype=np.uint64)
    owners = np.arange(len(digest)) if context.entities is None else pd.factorize(context.entities)[0]
    customers = int(owners.max(initial=0)) + 1
    for name in context.names:
        values = context.values_of(name)
        codes, distinct = pd.factorize(values)
        if len(distinct) >= IDENTIFYING * max(len(values), 1):
            empty = is_missing(values) | (values == 0.0 if values.dtype.kind == "f" else False)
            # A ratio may differ in most rows and be 1 for every customer with one order.
            pairs = np.unique((codes + 1) * customers + owners) // customers - 1
            holders = np.bincount(pairs[pairs >= 0], minlength=len(distinct) + 1)
            identifying |= ~empty & (holders[codes] <= max(3, COMMON * customers))
        with np.errstate(over="ignore"):
            digest = digest * np.uint64(1_000_003) + pd.util.hash_array(codes.astype(np.int64))
    rows = np.flatnonzero(identifying)
    if len(rows) < 2 * FEWEST_ROWS:
        return
    table = pd.DataFrame({"digest": digest[rows], "customer": owners[rows], "churned": context.churned[rows]})
    groups = table.groupby("digest")
    table = table[groups["customer"].transform("nunique") > 1]
    count, share = len(table), len(table) / len(context.churned)
    if share < COPIES or count < FEWEST_ROWS:
        return
    agree = float(groups["churned"].transform("mean").loc[table.index].isin([0.0, 1.0]).mean())
    base = float(context.churned.mean())
    chance = base**2 + (1 - base) ** 2
    several = table["customer"].nunique() >= FEWEST_COPIED
    critical = several and share >= MANY_COPIES and agree >= max(AGREEMENT, chance + ABOVE_CHANCE)
    yield Finding(
        "duplicate_rows",
        CRITICAL if critical else HIGH if agree > chance + ABOVE_CHANCE else INFO,
        (),
        f"{count:,} rows ({share:.0%}) have the same values in every feature as a row of another customer, and "
        f"{agree:.0%} of them the same outcome ({chance:.0%} by chance): with duplicate customers, a model learns the "
        "outcomes of the test rows",
        {"copied_rows": count, "copied_share": round(share, 4), "same_outcome": round(agree, 4)},
        "keep one row of each customer: correct the key (`--entity`), or drop the copies in bronze",
    )


def overlap(frame: pd.DataFrame, entity: str, parts: Parts) -> Iterator[Finding]:
    """Customers and label windows on both sides of a split.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The training set.
    entity : str
    parts : Parts
    """
    import pandas as pd

    train, test = frame[parts.train], frame[parts.test]
    if not len(train) or not len(test):
        return
    # By hashes: NumPy compares every text with every other one.
    both = pd.Series(test[entity].unique()).isin(train[entity].unique()).to_numpy()
    share = float(both.mean())
    reach = int((train["label_timestamp"] > test["feature_timestamp"].min()).sum()) if parts.by_time else 0
    if reach:
        yield Finding(
            "split_overlap",
            CRITICAL,
            (),
            f"the label windows of {reach:,} training rows reach into the test period",
            {"rows": reach},
            "leave a horizon between the parts (training.split in retention.yml)",
        )
    if not both.any():
        return
    shared = int(both.sum())
    if parts.by_time:
        severity, advice = INFO, "nothing"
        reason = (
            f"{share:.0%} of the {len(both):,} customers of the test part are also in the training part, at earlier "
            "feature times, as in production"
        )
    else:
        severity, advice = (
            HIGH if parts.chosen else CRITICAL,
            "split by time, or put all rows of a customer into one part",
        )
        reason = (
            f"{shared:,} of {len(both):,} customers of the test part ({share:.0%}) have rows in the training part, and "
            "the parts are not divided by time: a model that memorises customers looks as if it could predict them"
        )
    yield Finding("entity_overlap", severity, (), reason, {"customers": shared, "share": round(share, 4)}, advice)
