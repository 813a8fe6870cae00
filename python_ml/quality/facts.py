"""What a frame showed: the figures that a later frame is compared with, kept with the model as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.input_columns import CATEGORY, FLAG, InputColumn

if TYPE_CHECKING:
    from python_ml.dbt import Feature

FORMAT = 1
MOST_CATEGORIES = 200  # a column with more is no list of categories that could be complete
LEAST_ROWS = 30  # of a feature time, for its share of empty values to be a figure
RECENT_TIMES = 3
TAIL = 0.001  # share of values that may be far out without telling anything of the others


@dataclass(frozen=True)
class ColumnFacts:
    """What a column showed.

    Attributes
    ----------
    name, kind : str
        See :class:`python_ml.input_columns.InputColumn`.
    low, high : float or None
        Between them lie all but a thousandth of the finite values of a number on either side.
    categories : list of str or None
        Values of a category, sorted; None when there were too many to list.
    missing_share : float
        Share of empty values.
    missing_most : float
        Greatest share of empty values at any one feature time.
    grows : bool
        Whether it can only grow as time goes by: a count since the beginning, the days since the first event.
    """

    name: str
    kind: str
    low: float | None = None
    high: float | None = None
    categories: list[str] | None = None
    missing_share: float = 0.0
    missing_most: float = 0.0
    grows: bool = False


@dataclass(frozen=True)
class Facts:
    """What a frame showed.

    Attributes
    ----------
    entity : str
    rows : int
    times : int
        Number of feature times.
    first, last : str or None
        First and last feature time; None in a snapshot without dates.
    usual_rows : int or None
        Median number of rows at the last feature times; None where feature times are no common grid.
    most_rows : int or None
        Greatest number of rows at a feature time.
    columns : tuple of ColumnFacts
    """

    entity: str
    rows: int
    times: int
    first: str | None
    last: str | None
    usual_rows: int | None
    most_rows: int | None
    columns: tuple[ColumnFacts, ...]

    def to_json(self) -> str:
        """The facts as a JSON document."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            When the document is of a format that this version does not know.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise ValueError(f"not the facts of a frame in format {FORMAT}")
        return cls(**data | {"columns": tuple(ColumnFacts(**column) for column in data["columns"])})


def measure(
    frame: pd.DataFrame,
    columns: Sequence[InputColumn],
    features: Sequence[Feature],
    entity: str,
    *,
    snapshot: bool = False,
) -> Facts:
    """Measure a frame whose columns exist and have the registered types.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        With ``feature_timestamp`` and ``columns``.
    columns : sequence of InputColumn
        Those to measure.
    features : sequence of Feature
        The registry.
    entity : str
        Key column.
    snapshot : bool
        Whether the feature time is a constant that stands for "no date".
    """
    times = frame["feature_timestamp"]
    sizes = times.value_counts().sort_index()
    grid = not snapshot and len(sizes) > 0 and float(sizes.median()) >= LEAST_ROWS
    codes = np.searchsorted(sizes.index.to_numpy(), times.to_numpy()) if len(sizes) else np.zeros(0, int)
    registered = {feature.name: feature for feature in features}
    return Facts(
        entity=entity,
        rows=len(frame),
        times=len(sizes),
        first=None if snapshot or not len(sizes) else sizes.index[0].isoformat(),
        last=None if snapshot or not len(sizes) else sizes.index[-1].isoformat(),
        usual_rows=int(sizes.iloc[-RECENT_TIMES:].median()) if grid else None,
        most_rows=int(sizes.max()) if grid else None,
        columns=tuple(
            _column(frame[column.name], column, codes, sizes.to_numpy(), registered.get(column.name))
            for column in columns
        ),
    )


def _column(
    values: pd.Series, column: InputColumn, codes: np.ndarray, sizes: np.ndarray, feature: Feature | None
) -> ColumnFacts:
    missing = values.isna().to_numpy()
    share = float(missing.mean()) if len(missing) else 0.0
    known = sizes >= LEAST_ROWS
    at_times = np.bincount(codes, weights=missing, minlength=len(sizes))[known] / sizes[known]
    facts: dict[str, Any] = {
        "name": column.name,
        "kind": column.kind,
        "missing_share": share,
        "missing_most": max([share, *at_times.tolist()]),
        "grows": feature is not None and _grows(feature),
    }
    if column.kind == CATEGORY:
        seen = sorted({str(value) for value in values[~missing].unique()})
        facts["categories"] = seen if len(seen) <= MOST_CATEGORIES else None
    elif column.kind != FLAG:
        numbers = values[~missing].to_numpy(float)
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers):
            low, high = np.quantile(numbers, [TAIL, 1 - TAIL])
            if low == high:  # nearly constant: the few others are all that is known of its width
                low, high = numbers.min(), numbers.max()
            facts |= {"low": float(low), "high": float(high)}
    return ColumnFacts(**facts)


def _grows(feature: Feature) -> bool:
    return feature.window == "all_time" or (feature.aggregate or "").startswith("days_since")
