"""Where the features of a customer come from while scores are served.

A source knows the inputs of one champion: another champion gets another source. What is read here is the newest row of
each customer, as ``gold.gld_scoring_set`` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from python_ml.dbt import SCORING_SET
from python_ml.errors import InUseError, UserError
from python_ml.input_columns import CATEGORY, InputColumn, model_input

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from python_ml.project import Project

    Columns = Mapping[str, Sequence[Any] | np.ndarray]

Key = int | str


class FeaturesUnavailableError(UserError):
    """The features cannot be read now; they may be readable again later."""


class FeatureSource(Protocol):
    """Features of customers, for one champion.

    Methods are called from several threads, and may take time.

    Attributes
    ----------
    integer_keys : bool
        Whether customers are known by whole numbers; otherwise by text.
    """

    integer_keys: bool

    def rows(self, ids: Sequence[Key]) -> Columns:
        """Features of customers.

        Parameters
        ----------
        ids : sequence of int or str
            Without repetitions.

        Returns
        -------
        mapping of str to sequence
            The key column, ``feature_timestamp`` (naive UTC) and the champion's inputs, one value per customer that is
            known; the others are left out.

        Raises
        ------
        FeaturesUnavailableError
        """

    def newest(self) -> datetime | None:
        """The latest ``feature_timestamp``, naive UTC; None where there are no rows.

        Raises
        ------
        FeaturesUnavailableError
        """

    def observation_end(self) -> datetime | None:
        """Up to when the data behind the features is complete, naive UTC; None where nothing says so."""

    def refresh(self) -> None:
        """Look for new features; called every few seconds.

        Raises
        ------
        FeaturesUnavailableError
        """


class WarehouseFeatures:
    """``gold.gld_scoring_set`` in memory, read again when the warehouse has changed.

    DuckDB locks its file per process, so the connection is closed as soon as the table is read. A file that is being
    written is left alone until it has not changed between two calls of :meth:`refresh`: meanwhile the rows in memory
    are served.

    Parameters
    ----------
    project : Project
    inputs : sequence of InputColumn
        Of the champion.

    Raises
    ------
    UserError
        When the table cannot be read, or lacks columns that the champion needs.
    """

    def __init__(self, project: Project, inputs: Sequence[InputColumn]) -> None:
        self._project, self._inputs = project, list(inputs)
        self._path = project.warehouse_path
        self._signature = self._pending = _signature(self._path)
        self._problem: str | None = None
        self._table = self._read()
        self.integer_keys = self._table.integer_keys

    def rows(self, ids: Sequence[Key]) -> Columns:
        """See :meth:`FeatureSource.rows`."""
        self._require()
        table = self._table
        found = [place for place in map(table.places.get, ids) if place is not None]
        numbers = table.numbers[found]
        columns: dict[str, Sequence[Any] | np.ndarray] = {
            self._project.entity: [table.keys[place] for place in found],
            "feature_timestamp": table.times[found],
        }
        columns |= {name: numbers[:, place] for place, name in enumerate(table.number_names)}
        return columns | {name: values[found] for name, values in table.categories.items()}

    def newest(self) -> datetime | None:
        """See :meth:`FeatureSource.newest`."""
        self._require()
        return self._table.newest

    def observation_end(self) -> datetime | None:
        """See :meth:`FeatureSource.observation_end`."""
        return self._table.observation_end

    def refresh(self) -> None:
        """See :meth:`FeatureSource.refresh`."""
        signature = _signature(self._path)
        if signature is None:
            self._pending = None
            self._require()
        if signature == self._signature and self._problem is None:
            return
        is_quiet, self._pending = signature == self._pending, signature
        if not is_quiet:
            return
        try:
            self._table = self._read()
        except InUseError:
            return
        except UserError as error:
            self._problem = "The features cannot be read from the warehouse."
            raise FeaturesUnavailableError(self._problem, where=error.where, hint=error.hint) from error
        self._signature, self._problem = signature, None

    def _require(self) -> None:
        if self._problem is not None:
            raise FeaturesUnavailableError(self._problem)
        if not self._path.is_file():
            raise FeaturesUnavailableError(
                "The warehouse is gone.", where=str(self._path), hint="run `retention build`"
            )

    def _read(self) -> _Table:
        from python_ml.quality.records import calendar_of
        from python_ml.warehouse import connect, quote, relation, table_exists

        entity = self._project.entity
        with connect(self._project) as connection:
            if not table_exists(connection, SCORING_SET):
                raise UserError(
                    f"The table {SCORING_SET} does not exist.", where=str(self._path), hint="run `retention build`"
                )
            there = connection.sql(f"select * from {relation(SCORING_SET)} limit 0").columns
            needed = [entity, "feature_timestamp", *(column.name for column in self._inputs)]
            selected = ", ".join(quote(name) for name in needed if name in there)
            frame = connection.sql(f"select {selected} from {relation(SCORING_SET)}").df()
        return _table(frame, entity, self._inputs, calendar_of(self._project).observation_end)


class _Table(NamedTuple):
    """Rows by the place that a key has; never changed once made, so threads need no lock."""

    integer_keys: bool
    keys: list[Key]
    places: dict[Key, int]
    times: np.ndarray
    number_names: list[str]
    numbers: np.ndarray  # a customer's values lie side by side
    categories: dict[str, np.ndarray]
    newest: datetime | None
    observation_end: datetime | None


def _table(frame: pd.DataFrame, entity: str, inputs: Sequence[InputColumn], observation_end: datetime | None) -> _Table:
    from pandas.api.types import is_integer_dtype

    missing = [name for name in (entity, "feature_timestamp") if name not in frame.columns]
    if missing:
        raise UserError(f"The scoring set has no column {missing[0]}.", where=SCORING_SET, hint="run `retention build`")
    typed = model_input(frame, inputs, where=SCORING_SET)
    integer = bool(is_integer_dtype(frame[entity].dtype))
    keys: list[Key] = frame[entity].tolist() if integer else frame[entity].astype(str).tolist()
    times = frame["feature_timestamp"].to_numpy("datetime64[us]")
    names = [column.name for column in inputs if column.kind != CATEGORY]
    categories = {column.name: typed[column.name].to_numpy(object) for column in inputs if column.kind == CATEGORY}
    numbers = np.ascontiguousarray(typed[names].to_numpy(float))
    places = {key: place for place, key in enumerate(keys)}
    newest = times.max().item() if len(times) else None
    return _Table(integer, keys, places, times, names, numbers, categories, newest, observation_end)


def _signature(path: Path) -> tuple[object, ...] | None:
    """What changes when a DuckDB file or its log does; None where there is no file."""
    try:
        main = path.stat()
    except OSError:
        return None
    try:
        log: object = path.with_name(path.name + ".wal").stat().st_mtime_ns
    except OSError:
        log = None
    return (main.st_ino, main.st_size, main.st_mtime_ns, log)
