"""What every feature store can do, whatever keeps the features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.feature_store.schema import Applied, OnlineRow, Published, Pushed

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class FeatureStore(ABC):
    """Features of a project for training (as of any time) and for serving (the newest).

    All times of results are UTC. A row of gold with feature time T holds what was known before T; it is what
    :meth:`historical` gives at T, and until the next feature time. A pushed row counts after the moment at which it was
    created, not at it.
    """

    @abstractmethod
    def apply(self) -> Applied:
        """Register entity, views and service as dbt's manifest describes them.

        Raises
        ------
        UserError
            When the project has not been built, or a column cannot be served.
        """

    @abstractmethod
    def publish(self, until: datetime | None = None) -> Published:
        """Write the feature times of ``gold.gld_customer_features`` that are new or changed; see the backends.

        Parameters
        ----------
        until : datetime, optional
            Leave out later feature times; naive UTC.
        """

    @abstractmethod
    def historical(
        self, entity_rows: pd.DataFrame | pa.Table, features: Sequence[str] | None = None, zone: str | None = None
    ) -> pa.Table:
        """Features of customers as of times.

        Parameters
        ----------
        entity_rows : pandas.DataFrame or pyarrow.Table
            The project's key and ``event_timestamp`` (or ``feature_timestamp``), and any other columns.
        features : sequence of str, optional
            By default those of the service.
        zone : str, optional
            Zone of times that do not name one; without it they are refused.

        Returns
        -------
        pyarrow.Table
            As many rows as ``entity_rows``, in their order, with the features behind their columns. The times are UTC.

        Raises
        ------
        UserError
            When nothing is published, or rows or names cannot be used.
        """

    @abstractmethod
    def online(self, ids: Sequence[Any], features: Sequence[str] | None = None) -> list[OnlineRow]:
        """The newest features of customers, one row for each id, in their order.

        Parameters
        ----------
        ids : sequence of str or int
        features : sequence of str, optional
            By default those of the service.
        """

    @abstractmethod
    def push(self, rows: pd.DataFrame | pa.Table, where: str = "rows", zone: str | None = None) -> Pushed:
        """Add rows that are fresher than the last build; see the backends.

        Parameters
        ----------
        rows : pandas.DataFrame or pyarrow.Table
            The key, ``feature_timestamp``, optionally ``created_at``, and all columns of one or more views.
        where : str
            What the rows are, for messages.
        zone : str, optional
            Zone of times that do not name one.
        """

    @abstractmethod
    def push_scoring_set(self) -> Pushed:
        """Push the rows of ``gold.gld_scoring_set``."""

    @abstractmethod
    def serve(self, port: int, started: Callable[[str], None] | None = None) -> None:
        """Answer requests for online features over HTTP on 127.0.0.1, until the process is stopped."""

    @abstractmethod
    def feature_names(self) -> list[str]:
        """All features that are published."""

    @property
    @abstractmethod
    def place(self) -> Path | str:
        """Where the features are."""
