"""Rows rather than columns: copies under other keys, and customers on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.leakage._finding import CRITICAL, HIGH, INFO, Finding
from python_ml.leakage._statistics import blank
from python_ml.leakage._subject import FEWEST_ROWS, Subject

if TYPE_CHECKING:
    import pandas as pd

TELLING_VALUES = 0.20  # distinct values per row from which on two equal values are no coincidence
COMMON = 0.05  # share of the customers from which on a value is common: nobody is recognised by it
COPIES, MANY_COPIES = 0.01, 0.10
FEWEST_COPIED = 20  # customers, as one pair that came on the same day is alike at all of their feature times
AGREEMENT = 0.95
NO_CHANCE = 0.02


@dataclass(frozen=True)
class Parts:
    """A split: which rows teach, which are judged, and what kind of split it is.

    Attributes
    ----------
    train, test : numpy.ndarray of bool, shape (n_rows,)
    by_time : bool
        Whether the test lies after the training.
    chosen : bool
        Whether somebody chose the parts, row by row.
    """

    train: np.ndarray
    test: np.ndarray
    by_time: bool
    chosen: bool = False


def duplicates(subject: Subject) -> Iterator[Finding]:
    """Rows of different customers that are equal in every feature, among values that hardly ever repeat."""
    telling = np.zeros(len(subject.churned), dtype=bool)
    digest = np.zeros(len(subject.churned), dtype=np.uint64)
    import pandas as pd

    owners = np.arange(len(telling)) if subject.entities is None else pd.factorize(subject.entities)[0]
    customers = int(owners.max(initial=0)) + 1
    for name in subject.names:
        values = subject.values_of(name)
        codes, found = pd.factorize(values)
        empty = blank(values) | (values == 0.0 if values.dtype.kind == "f" else False)
        if len(found) >= TELLING_VALUES * max(len(values), 1):
            # A ratio may differ in most rows and be 1 for everybody who came once.
            held = np.unique(np.column_stack([codes, owners]), axis=0)[:, 0]
            holders = np.bincount(held[held >= 0], minlength=len(found) + 1)
            telling |= ~empty & (holders[codes] <= max(3, COMMON * customers))
        with np.errstate(over="ignore"):
            digest = digest * np.uint64(1_000_003) + pd.util.hash_array(codes.astype(np.int64))
    rows = np.flatnonzero(telling)
    if len(rows) < 2 * FEWEST_ROWS:
        return
    codes, found = pd.factorize(digest[rows])
    entities = subject.entities[rows] if subject.entities is not None else np.arange(len(rows))
    held_by = pd.DataFrame({"copy": codes, "entity": entities, "left": subject.churned[rows]})
    by_copy = held_by.groupby("copy").agg(n=("left", "size"), who=("entity", "nunique"), rate=("left", "mean"))
    copied = by_copy[by_copy["who"] > 1]
    count = int(copied["n"].sum())
    share = count / len(subject.churned)
    if share < COPIES or count < FEWEST_ROWS:
        return
    agree = float((copied["n"] * copied["rate"].isin([0.0, 1.0])).sum() / count)
    base = float(subject.churned.mean())
    chance = base**2 + (1 - base) ** 2
    several = len(np.unique(entities[np.isin(codes, copied.index)])) >= FEWEST_COPIED
    critical = several and share >= MANY_COPIES and agree >= max(AGREEMENT, chance + NO_CHANCE)
    yield Finding(
        "duplicate_rows",
        CRITICAL if critical else HIGH if agree > chance + NO_CHANCE else INFO,
        (),
        f"{count:,} rows ({share:.0%}) have the same values in every feature as a row of another customer, and "
        f"{agree:.0%} of them the same outcome ({chance:.0%} by chance): customers who are there twice teach a model "
        "the answers to its test",
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
    train, test = frame[parts.train], frame[parts.test]
    if not len(train) or not len(test):
        return
    both = np.isin(test[entity].unique(), train[entity].unique())
    share = float(both.mean())
    reach = int((train["label_timestamp"] > test["feature_timestamp"].min()).sum()) if parts.by_time else 0
    if reach:
        yield Finding(
            "split_overlap",
            CRITICAL,
            (),
            f"the labels of {reach:,} training rows reach into the test period: what they teach is what is asked",
            {"rows": reach},
            "leave a horizon between the parts (training.split in retention.yml)",
        )
    if not both.any():
        return
    if parts.by_time:
        yield Finding(
            "entity_overlap",
            INFO,
            (),
            f"{share:.0%} of the {len(both):,} customers in the test are in the training, too, at earlier feature "
            "times, as in use",
            {"customers": int(both.sum()), "share": round(share, 4)},
            "nothing",
        )
        return
    yield Finding(
        "entity_overlap",
        HIGH if parts.chosen else CRITICAL,
        (),
        f"{int(both.sum()):,} of {len(both):,} customers of the test ({share:.0%}) have rows in the training, and the "
        "parts are not divided by time: a model that remembers customers is taken for one that foresees",
        {"customers": int(both.sum()), "share": round(share, 4)},
        "divide by time, or put all rows of a customer into one part",
    )
