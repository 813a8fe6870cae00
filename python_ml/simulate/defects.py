"""Defects of the data: late, duplicate, missing and impossible values, at known rates and with exact counts.

Each row of an event table has at most one defect, so that every count in ``world.yaml`` can be reproduced from the
files. Kinds and rates are data (:data:`DEFECTS`); :func:`plant` applies them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from python_ml.simulate.schema import EVENT_AT, TABLES
from python_ml.simulate.text_columns import timestamps
from python_ml.simulate.world import DAY

PROMPT_SECONDS = 600  # an ordinary row arrives within ten minutes
LATE_DAYS = (0.25, 5.0)
RESENT_DAYS = (0.5, 3.0)
LATE_END_SHARE, LATE_END_DAYS = 0.05, (1.0, 4.0)

Corruption = Callable[[pa.Array, np.random.Generator], pa.Array]


@dataclass(frozen=True)
class Defect:
    """One kind of defect: its name in the manifest, its share of the rows, and what it does to a column.

    A defect without a column concerns arrival: ``late``, ``exact_copy`` or ``resent_copy``.
    """

    name: str
    share: float
    column: str | None = None
    corrupt: Corruption | None = None


def one_of(*values: str | None) -> Corruption:
    """Replace by one of these values."""

    def corrupt(column: pa.Array, rng: np.random.Generator) -> pa.Array:
        return pa.array(values, pa.string()).take(pa.array(rng.integers(len(values), size=len(column))))

    return corrupt


def untidy(column: pa.Array, rng: np.random.Generator) -> pa.Array:
    """The same text in another case or with spaces around it."""
    variants = [
        pc.utf8_lower(column),
        pc.utf8_capitalize(column),
        pc.binary_join_element_wise(" ", column, ""),
        pc.binary_join_element_wise(pc.utf8_lower(column), "  ", ""),
    ]
    return pc.choose(pa.array(rng.integers(len(variants), size=len(column))), *variants)


UNREADABLE = one_of("2024-02-30 10:00:00", "31/12/2024", "unknown", "")
IMPLAUSIBLE = one_of("1900-01-01 00:00:00", "2199-12-31 23:59:59")
ARRIVAL = (Defect("late", 0.08), Defect("exact_copy", 0.006), Defect("resent_copy", 0.004))

DEFECTS: dict[str, tuple[Defect, ...]] = {
    "raw_app__customers": (
        Defect("untidy_country", 0.06, "country", untidy),
        Defect("missing_birth_year", 0.03, "birth_year", one_of(None)),
        Defect("implausible_birth_year", 0.005, "birth_year", one_of("1850", "2199", "0")),
    ),
    "raw_app__customer_changes": (*ARRIVAL, Defect("untidy_country", 0.06, "country", untidy)),
    "raw_app__price_changes": ARRIVAL,
    "raw_app__orders": (
        *ARRIVAL,
        Defect("missing_customer_id", 0.003, "customer_id", one_of(None)),
        Defect("missing_amount", 0.005, "amount", one_of(None)),
        Defect("unreadable_ordered_at", 0.003, "ordered_at", UNREADABLE),
        Defect("implausible_ordered_at", 0.001, "ordered_at", IMPLAUSIBLE),
        Defect("negative_amount", 0.001, "amount", one_of("-1.00", "-24.90", "-310.00")),
        Defect("huge_amount", 0.001, "amount", one_of("99999.99", "1000000.00")),
        Defect("implausible_items", 0.001, "items", one_of("999", "-1")),
    ),
    "raw_support__tickets": (
        *ARRIVAL,
        Defect("unreadable_opened_at", 0.003, "opened_at", UNREADABLE),
        Defect("implausible_satisfaction", 0.003, "satisfaction", one_of("0", "9", "55")),
        Defect("missing_body", 0.005, "body", one_of(None)),
    ),
    "raw_crm__offers": (),
}


@dataclass(frozen=True)
class Planted:
    """A table as the warehouse has it.

    Attributes
    ----------
    table : pyarrow.Table
        Text columns, in order of arrival.
    counts : Counter
        Rows per defect, and ``not_yet_arrived``.
    available : ndarray of shape (n,)
        For each original row, the second at which it arrived.
    arrived : ndarray of shape (n,)
        Whether it arrived before the end of the world.
    """

    table: pa.Table
    counts: Counter[str]
    available: np.ndarray
    arrived: np.ndarray


def plant(
    name: str,
    columns: dict[str, pa.Array],
    happened: np.ndarray,
    rng: np.random.Generator,
    start: int,
    end: int,
) -> Planted:
    """Apply the defects of one table, and give its rows a time of arrival.

    Parameters
    ----------
    name : str
        Name of the raw table; decides which defects there are.
    columns : dict of str to pyarrow.Array
        Text columns, without ``available_at``.
    happened : ndarray of shape (n,)
        Seconds since the start of the world at which each row's event happened.
    rng : numpy.random.Generator
    start, end : int
        Start of the world in seconds since 1970, and its length in seconds.

    Returns
    -------
    Planted
        The rows that arrived before the end, with defects and copies.
    """
    defects = DEFECTS[name]
    n = happened.size
    edges = np.cumsum([defect.share for defect in defects])
    fate = np.searchsorted(edges, rng.random(n), side="right")  # == len(defects): no defect
    position = {defect.name: index for index, defect in enumerate(defects)}

    available = happened
    if name in EVENT_AT:
        available = happened + np.floor(rng.random(n) * PROMPT_SECONDS).astype(np.int64)
        late = fate == position.get("late", -1)
        available = np.where(late, happened + _days(rng, n, LATE_DAYS), available)
    arrived = available < end

    counts: Counter[str] = Counter({"not_yet_arrived": int((~arrived).sum())} if name in EVENT_AT else {})
    columns = dict(columns)
    for index, defect in enumerate(defects):
        hit = fate == index
        counts[defect.name] = int((hit & arrived).sum())
        if defect.corrupt is not None and hit.any():
            mask, values = pa.array(hit), columns[defect.column]
            columns[defect.column] = pc.replace_with_mask(values, mask, defect.corrupt(values.filter(mask), rng))

    rows, times = [np.flatnonzero(arrived)], [available[arrived]]
    for kind in ("exact_copy", "resent_copy"):
        copied = np.flatnonzero(arrived & (fate == position.get(kind, -1)))
        again = available[copied]
        if kind == "resent_copy":
            again = again + _days(rng, copied.size, RESENT_DAYS)
        in_time = again < end
        rows.append(copied[in_time])
        times.append(again[in_time])
        if kind in position:
            counts[kind] = int(in_time.sum())
    row, time = np.concatenate(rows), np.concatenate(times)
    order = np.argsort(time, kind="stable")
    row, time = row[order], time[order]

    picked = pa.array(row)
    columns = {column: values.take(picked) for column, values in columns.items()}
    if name in EVENT_AT:
        columns["available_at"] = timestamps(start + time)
    table = pa.table({column: columns[column] for column in TABLES[name]})
    return Planted(table, counts, available, arrived)


def _days(rng: np.random.Generator, n: int, span: tuple[float, float]) -> np.ndarray:
    low, high = span
    return np.floor((low + rng.random(n) * (high - low)) * DAY).astype(np.int64)


def late_ends(ended: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """When the ends of subscriptions are recorded.

    Parameters
    ----------
    ended : ndarray of shape (n,)
        Second at which each subscription ended.
    rng : numpy.random.Generator

    Returns
    -------
    recorded, late : ndarray of shape (n,)
        Second of the record; whether it comes days later.
    """
    late = rng.random(ended.size) < LATE_END_SHARE
    prompt = ended + np.floor(rng.random(ended.size) * PROMPT_SECONDS).astype(np.int64)
    return np.where(late, ended + _days(rng, ended.size, LATE_END_DAYS), prompt), late
