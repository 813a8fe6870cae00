"""Differences between two snapshots."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from python_ml.errors import UserError
from python_ml.snapshots.distributions import Shift, category_shift, number_shift
from python_ml.snapshots.opening import open_store
from python_ml.snapshots.record import Snapshot
from python_ml.stats import Z_95
from python_ml.warehouse import quote

if TYPE_CHECKING:
    from python_ml.project import Project


@dataclass(frozen=True)
class Rate:
    """A churn rate with a 95 % interval that takes rows of one customer as dependent."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SnapshotComparison:
    """Differences between two snapshots.

    Attributes
    ----------
    before, after : Snapshot
    definitions, code : dict of str to list
        Differing entries, with both values.
    columns_added, columns_removed : list of str
    columns_retyped : dict of str to list of str
    rows_added, rows_removed, rows_common : int
        By key.
    cells_changed : dict of str to int
        Columns whose values differ in rows of both, and in how many rows.
    rates : list of Rate
        Churn rate before and after.
    labels_changed : dict of str to int
        ``0 to 1`` and ``1 to 0``, among the rows of both.
    shifts : list of Shift
        Features in both snapshots, greatest PSI first.
    """

    before: Snapshot
    after: Snapshot
    definitions: dict[str, list[Any]]
    code: dict[str, list[Any]]
    columns_added: list[str]
    columns_removed: list[str]
    columns_retyped: dict[str, list[str]]
    rows_added: int
    rows_removed: int
    rows_common: int
    cells_changed: dict[str, int]
    rates: list[Rate]
    labels_changed: dict[str, int]
    shifts: list[Shift]

    @property
    def same_content(self) -> bool:
        return self.before.content_sha256 == self.after.content_sha256

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        plain = {name: value for name, value in vars(self).items() if name not in ("before", "after")}
        return {
            "before": self.before.id,
            "after": self.after.id,
            "same_content": self.same_content,
            **plain,
            "rates": [asdict(rate) for rate in self.rates],
            "shifts": [asdict(shift) for shift in self.shifts],
        }


def compare_snapshots(project: Project, before: str, after: str) -> SnapshotComparison:
    """Compare two verified snapshots: rows, columns, definitions, distributions, labels.

    Parameters
    ----------
    project : Project
    before, after : str
        Numbers or ids.

    Raises
    ------
    UserError
        When one does not exist, or their rows are those of different entities.
    GateError
        When one was changed after it was created.
    """
    store = open_store(project)
    (first, old), (second, new) = store.load(before), store.load(after)
    if first.key != second.key:
        raise UserError(
            f"The snapshots have different keys: {', '.join(first.key)} and {', '.join(second.key)}.",
            where=f"{first.id}, {second.id}",
            hint="compare snapshots of the same entity",
        )
    types = first.types, second.types
    both = [name for name in types[0] if name in types[1]]
    rows, cells, flips = _rows(old, new, first.key, [name for name in both if name not in first.key])
    not_compared = {*first.key, "label_timestamp", "churned"}
    return SnapshotComparison(
        before=first,
        after=second,
        definitions=_changed(first.definitions, second.definitions),
        code=_changed(first.facts["code"], second.facts["code"]),
        columns_added=[name for name in types[1] if name not in types[0]],
        columns_removed=[name for name in types[0] if name not in types[1]],
        columns_retyped={name: [types[0][name], types[1][name]] for name in both if types[0][name] != types[1][name]},
        **rows,
        cells_changed=cells,
        rates=[_rate(table, first.entity) for table in (old, new)],
        labels_changed=flips,
        shifts=_shifts(old, new, [name for name in both if name not in not_compared]),
    )


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    names = [*before, *(name for name in after if name not in before)]
    return {n: [before.get(n), after.get(n)] for n in names if before.get(n) != after.get(n)}


def _rows(
    old: pa.Table, new: pa.Table, key: Sequence[str], values: Sequence[str]
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Rows by key, changed cells of the rows in both, and changed labels."""
    on = " and ".join(f"a.{quote(name)} = b.{quote(name)}" for name in key)
    counts = [f"count(*) filter (a.{quote(name)} is distinct from b.{quote(name)})" for name in values]
    flips = [f"count(*) filter (a.churned = {x} and b.churned = {y})" for x, y in ((0, 1), (1, 0))]
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("before_rows", old)
        connection.register("after_rows", new)
        [counted] = connection.execute(
            f"select count(*), {', '.join([*flips, *counts])} from before_rows as a inner join after_rows as b on {on}"
        ).fetchall()
    common, to_churned, to_retained, *changed = counted
    rows = {
        "rows_added": new.num_rows - common,
        "rows_removed": old.num_rows - common,
        "rows_common": common,
    }
    cells = {name: count for name, count in zip(values, changed, strict=True) if count}
    return rows, cells, {"0 to 1": to_churned, "1 to 0": to_retained}


def _rate(table: pa.Table, entity: str) -> Rate:
    """Share of rows that churned, by the variance of a ratio over customers (Cochran, Sampling Techniques, 6.3)."""
    churned = np.asarray(table["churned"].cast(pa.float64()).to_numpy())
    customer = table[entity].combine_chunks().dictionary_encode().indices.to_numpy()
    rate, customers = float(churned.mean()), int(customer.max()) + 1
    residuals = np.bincount(customer, weights=churned - rate)
    spread = customers / (customers - 1) * float((residuals**2).sum()) if customers > 1 else 0.0
    reach = Z_95 * float(np.sqrt(spread)) / len(churned)
    return Rate(rate, max(rate - reach, 0.0), min(rate + reach, 1.0))


def _shifts(old: pa.Table, new: pa.Table, names: Sequence[str]) -> list[Shift]:
    def shift(name: str) -> Shift | None:
        columns = [table[name] for table in (old, new)]
        numbers = [_numbers(column) for column in columns]
        if numbers[0] is not None and numbers[1] is not None:
            return number_shift(name, numbers[0], numbers[1])
        if numbers[0] is None and numbers[1] is None:
            return category_shift(name, *(_counts(column) for column in columns))
        return None  # it changed from number to text, which columns_retyped has

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        shifts = [result for result in pool.map(shift, names) if result is not None]
    return sorted(shifts, key=lambda one: (-one.psi, one.column))


def _numbers(column: pa.ChunkedArray) -> np.ndarray | None:
    """Values as floats, with NaN for nulls; None for text."""
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return None
    if pa.types.is_temporal(kind):
        column = column.cast(pa.timestamp("us")).cast(pa.int64())
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _counts(column: pa.ChunkedArray) -> dict[str | None, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column.cast(pa.large_string())).to_pylist()}
