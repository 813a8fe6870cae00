"""What drift is measured against: the distributions of the rows that a model was fitted on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from python_ml.input_columns import CATEGORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # quantiles that are kept


@dataclass(frozen=True)
class Bins:
    """How the values of a column are divided: bins of numbers or categories, then one bin for the rest, one for nulls.

    Attributes
    ----------
    name, kind : str
        See :class:`python_ml.input_columns.InputColumn`.
    edges : tuple of float
        Upper ends, inclusive, of a number's bins: the first lies just below the least value, the last is the greatest.
    categories : tuple of str
        The commonest values of a category.
    known : tuple of str or None
        All of its values; None where they are too many to keep.
    exact : bool
        Whether each bin has one value.
    centre : float
        About which squares are summed: the mean of the reference.
    """

    name: str
    kind: str
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    known: tuple[str, ...] | None = None
    exact: bool = False
    centre: float = 0.0

    def __post_init__(self) -> None:
        for name in ("edges", "categories", "known"):  # JSON has lists
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))

    @property
    def ordered(self) -> bool:
        """Whether it is a number or a flag."""
        return self.kind != CATEGORY

    def __len__(self) -> int:
        return len(self.edges if self.ordered else self.categories) + 2


@dataclass(frozen=True)
class ColumnCounts:
    """A column in some rows.

    Attributes
    ----------
    counts : tuple of int, length n_bins
        Rows per bin, nulls last.
    total, squares : float
        Sums of the values, and of their squared distances from the centre of the bins; 0 for categories.
    values : tuple of (str, int)
        Rows of each value of a category that is not among those of the bins.
    """

    counts: tuple[int, ...]
    total: float = 0.0
    squares: float = 0.0
    values: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: ColumnCounts) -> ColumnCounts:
        merged = dict(self.values)
        for value, rows in other.values:
            merged[value] = merged.get(value, 0) + rows
        return ColumnCounts(
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            self.total + other.total,
            self.squares + other.squares,
            tuple(sorted(merged.items())),
        )

    @cached_property
    def array(self) -> NDArray[np.int64]:
        """The rows per bin."""
        return np.array(self.counts, dtype=np.int64)

    @property
    def present(self) -> int:
        """Rows with a value."""
        return sum(self.counts[:-1])

    @property
    def null_share(self) -> float:
        return self.counts[-1] / max(sum(self.counts), 1)

    def mean(self) -> float | None:
        """Mean of the values; None without any."""
        return self.total / self.present if self.present else None


@dataclass(frozen=True)
class PeriodCounts:
    """The rows of a feature time: their number, their customers, and each column by name."""

    rows: int
    customers: int
    columns: dict[str, ColumnCounts]


@dataclass(frozen=True)
class ColumnReference:
    """A column in the reference: its bins, and figures over all of its periods (None where there are no values)."""

    bins: Bins
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.quantiles is not None:
            object.__setattr__(self, "quantiles", tuple(self.quantiles))


@dataclass(frozen=True)
class ReferenceStatistics:
    """Distributions of the rows that a model was fitted on, by feature time.

    Attributes
    ----------
    customers : int
        Different customers over all periods.
    columns : dict of str to ColumnReference
        Registered features, and the outcome under ``churned``.
    periods : dict of datetime to PeriodCounts
        By feature time (naive UTC), in order.
    """

    customers: int
    columns: dict[str, ColumnReference]
    periods: dict[datetime, PeriodCounts]

    @cached_property
    def whole(self) -> PeriodCounts:
        """All periods together."""
        columns = {}
        for period in self.periods.values():
            for name, counts in period.columns.items():
                columns[name] = columns[name] + counts if name in columns else counts
        return PeriodCounts(sum(period.rows for period in self.periods.values()), self.customers, columns)

    def to_json(self) -> str:
        """The statistics as a JSON document."""
        return json.dumps(
            {
                "format": FORMAT,
                "customers": self.customers,
                "columns": {name: asdict(column) for name, column in self.columns.items()},
                "periods": {time.isoformat(): asdict(counts) for time, counts in self.periods.items()},
            },
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> ReferenceStatistics:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            When the document is of a format that this version does not know.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError(f"not reference statistics in format {FORMAT}")

        def counts(of: dict) -> ColumnCounts:
            values = tuple((value, rows) for value, rows in of["values"])
            return ColumnCounts(tuple(of["counts"]), of["total"], of["squares"], values)

        return cls(
            data["customers"],
            {name: ColumnReference(Bins(**of.pop("bins")), **of) for name, of in data["columns"].items()},
            {
                datetime.fromisoformat(time): PeriodCounts(
                    of["rows"], of["customers"], {name: counts(column) for name, column in of["columns"].items()}
                )
                for time, of in data["periods"].items()
            },
        )
