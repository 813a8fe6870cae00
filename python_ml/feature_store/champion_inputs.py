"""The inputs of a champion from the online store, in the shape that scoring takes: columns by name, without pandas."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.errors import UserError
from python_ml.feature_store.schema import FEATURE_TIME, PRESENT, TEXT
from python_ml.input_columns import CATEGORY

if TYPE_CHECKING:
    from python_ml.feature_store.online import OnlineFeatures
    from python_ml.input_columns import InputColumn


class ChampionInputs:
    """Features of customers for one champion, read from the online store at each call.

    Customers without a row, and those whose row is older than the ttl, are left out.

    Parameters
    ----------
    features : OnlineFeatures
    inputs : sequence of InputColumn
        Of the champion.
    observation_end : callable, optional
        Says up to when the data is complete (naive UTC, or None).
    unavailable : type of UserError
        What is raised while the online store cannot be read.

    Raises
    ------
    UserError
        When nothing is published, or lacks an input.
    """

    def __init__(
        self,
        features: OnlineFeatures,
        inputs: Sequence[InputColumn],
        observation_end: Callable[[], datetime | None] = lambda: None,
        unavailable: type[UserError] = UserError,
    ) -> None:
        self._features, self._unavailable, self._observation_end = features, unavailable, observation_end
        self._names = [column.name for column in inputs]
        self._categories = {column.name for column in inputs if column.kind == CATEGORY}
        definition = features.definition
        missing = [name for name in self._names if name not in definition.columns]
        if missing:
            raise UserError(
                f"The online store lacks inputs of the champion: {', '.join(missing[:5])}.",
                where=str(features.path),
                hint="run `retention features publish`",
            )
        self._key = definition.key.name
        self.integer_keys = definition.key.kind != TEXT

    def rows(self, ids: Sequence[int | str]) -> Mapping[str, Any]:
        """Key, ``feature_timestamp`` and inputs of the customers that are known, one value each.

        Parameters
        ----------
        ids : sequence of int or str
            Without repetitions.

        Returns
        -------
        mapping of str to sequence
            Numbers and flags as float64 with NaN for missing values and infinities, categories as text or NaN.
        """
        found = [row for row in self._read(lambda: self._features.rows(ids, self._names)) if row.status == PRESENT]
        columns: dict[str, Any] = {
            self._key: [row.customer for row in found],
            FEATURE_TIME: np.array([row.feature_timestamp for row in found], "datetime64[us]"),
        }
        for name in self._names:
            values = [row.values[name] for row in found]
            if name in self._categories:
                columns[name] = np.array([math.nan if value is None else str(value) for value in values], object)
            else:
                numbers = np.array([math.nan if value is None else float(value) for value in values], float)
                columns[name] = np.where(np.isfinite(numbers), numbers, np.nan)
        return columns

    def newest(self) -> datetime | None:
        """The latest ``feature_timestamp`` of any customer, naive UTC."""
        return self._read(self._features.newest)

    def observation_end(self) -> datetime | None:
        """Up to when the data behind the features is complete, naive UTC; None where nothing says so."""
        return self._observation_end()

    def refresh(self) -> None:
        """See that the online store can be read; new rows are seen without it."""
        self._read(self._features.newest)

    def _read(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (UserError, sqlite3.Error) as error:
            where = error.where if isinstance(error, UserError) else str(self._features.path)
            hint = error.hint if isinstance(error, UserError) else None
            raise self._unavailable(str(getattr(error, "what", error)), where=where, hint=hint) from error
