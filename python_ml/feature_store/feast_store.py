"""The ``feast`` backend: parquet files read by DuckDB, SQLite for the newest rows, a registry in a file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.dbt import SCORING_SET
from python_ml.errors import UserError
from python_ml.feature_store.definitions import define_store
from python_ml.feature_store.feast_objects import (
    REGISTRY_FILE,
    open_client,
    own_database,
    register,
    require_feast,
    write_config,
)
from python_ml.feature_store.interface import FeatureStore
from python_ml.feature_store.offline_files import Change, OfflineFiles, PublishedState
from python_ml.feature_store.online import OnlineFeatures, utc_now
from python_ml.feature_store.online_table import OnlineTable
from python_ml.feature_store.publishing import NOTHING_PUBLISHED, Publisher, read_gold
from python_ml.feature_store.row_input import (
    PLACE,
    as_arrow,
    refuse_unknown,
)
from python_ml.feature_store.schema import Applied, OnlineRow, Published, Pushed, StoreDefinition
from python_ml.feature_store.typed_rows import EVENT_TIME, asked_rows, time_column
from python_ml.files import read_json, write_json
from python_ml.warehouse import connect, quote

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa
    from feast import FeatureStore as FeastClient

    from python_ml.project import Project

_APPLIED = "definition.json"


class FeastStore(FeatureStore):
    """A feature store in a folder of the project.

    ``publish`` and ``push`` write the files and the online rows; Feast answers ``historical`` and ``serve`` from them.

    Parameters
    ----------
    project : Project
    clock : callable
        Gives the time in naive UTC: when pushed rows were created, and the age of online rows.
    """

    def __init__(self, project: Project, clock: Callable[[], datetime] = utc_now) -> None:
        settings = project.settings.feature_store
        self.project, self.ttl, self.clock = project, settings.time_to_live, clock
        self.folder = project.root / settings.folder
        self.online_path = self.folder / settings.online
        self._files, self._online = OfflineFiles(self.folder), OnlineTable(self.online_path)
        self._publisher = Publisher(self._files, self._online)
        self._features: OnlineFeatures | None = None

    @property
    def place(self) -> Path:
        return self.folder

    def feature_names(self) -> list[str]:
        return list(_required(self._files.published(), self.folder).columns)

    def apply(self) -> Applied:
        return self._apply(define_store(self.project))

    def publish(self, until: datetime | None = None) -> Published:
        """Write the feature times that are new or changed, then the newest row of every customer online.

        Definitions are applied first. A publish that is killed leaves what was there before, or is finished by the next
        command.

        Raises
        ------
        UserError
            When the project has not been built, or Feast is not installed.
        """
        definition = define_store(self.project)
        self._apply(definition)
        with connect(self.project) as connection:
            return self._publisher.publish(connection, definition, until)

    def historical(
        self, entity_rows: pd.DataFrame | pa.Table, features: Sequence[str] | None = None, zone: str | None = None
    ) -> pa.Table:
        import pyarrow as pa

        rows = as_arrow(entity_rows)
        with self._memory() as connection, self._files.held(self._finish(connection)) as state:
            definition = _required(state, self.folder)
            names = list(definition.service.features if features is None else dict.fromkeys(features))
            refuse_unknown(names, list(definition.columns), "features")
            key, time = definition.key, time_column(rows)
            connection.register("asked", asked_rows(connection, rows, definition, names, zone))
            zoned = f"{EVENT_TIME} at time zone 'UTC' as {EVENT_TIME}"
            query = f"select distinct {quote(key.name)}, {zoned} from asked"
            # Each customer and time is asked for once: rows that share them are answered alike, and none is lost.
            distinct = connection.sql(query).to_arrow_table()
            types = {name: definition.columns[name].sql_type for name in names}
            known = self._known(definition, names, distinct) if distinct.num_rows else None
            selected = ", ".join(
                f"cast({quote(name) if known is not None else 'null'} as {kind}) as {quote(name)}"
                for name, kind in types.items()
            )
            if known is None:
                joined = connection.sql(f"select {selected} from asked").to_arrow_table()
            else:
                connection.register("known", known)
                joined = connection.sql(f"""
                    select {selected} from (select {quote(key.name)}, {zoned}, {PLACE} from asked)
                    left join known using ({quote(key.name)}, {EVENT_TIME}) order by {PLACE}
                """).to_arrow_table()
            moments = connection.sql(f"select {EVENT_TIME} from asked order by {PLACE}").to_arrow_table()
        answer = rows.set_column(rows.column_names.index(time), time, moments.column(0).cast(pa.timestamp("us", "UTC")))
        for name in names:
            answer = answer.append_column(joined.schema.field(name), joined.column(name))
        return answer

    def online(self, ids: Sequence[Any], features: Sequence[str] | None = None) -> list[OnlineRow]:
        """The newest features of customers, straight from the online store; see :class:`OnlineFeatures`."""
        store = self.online_features
        return store.rows(ids, store.definition.service.features if features is None else features)

    @property
    def online_features(self) -> OnlineFeatures:
        """The online store, for many look-ups by several threads."""
        if self._features is None:
            self._features = OnlineFeatures(self.online_path, self.ttl, self.clock)
        return self._features

    def push(self, rows: pd.DataFrame | pa.Table, where: str = "rows", zone: str | None = None) -> Pushed:
        """Add rows that are fresher than the last build; see :meth:`Publisher.push`."""
        with self._memory() as connection:
            return self._publisher.push(connection, as_arrow(rows), where, zone, self.clock())

    def push_scoring_set(self) -> Pushed:
        definition = _required(self._files.published(), self.folder)
        with connect(self.project) as connection:
            rows = read_gold(connection, SCORING_SET, definition)
        return self.push(rows, SCORING_SET)

    def serve(self, port: int, started: Callable[[str], None] | None = None) -> None:
        from python_ml.feature_store.server import serve

        serve(self._client(_required(self._files.published(), self.folder)), port, started)

    def _apply(self, definition: StoreDefinition) -> Applied:
        """Register definitions where they differ from those that are registered, or the project has moved."""
        patterns = {view.name: self._files.pattern(view) for view in definition.views}
        wanted = {"ttl": str(self.ttl), "patterns": patterns, "definition": definition.to_dict()}
        path = self.folder / _APPLIED
        known = read_json(path, "applied definition", f"delete {path.name}") if path.is_file() else None
        changed = known != json.loads(json.dumps(wanted)) or not (self.folder / REGISTRY_FILE).is_file()
        if changed:
            require_feast()
            self.folder.mkdir(parents=True, exist_ok=True)
            write_config(self.folder, definition.project, self.project.settings.feature_store.online, self.ttl)
            register(open_client(self.folder), definition, patterns, self.ttl)
            write_json(path, wanted)
        return Applied(
            str(self.folder),
            {view.name: len(view.columns) for view in definition.views},
            definition.service.name,
            len(definition.service.features),
            changed,
        )

    def _client(self, definition: StoreDefinition) -> FeastClient:
        """Feast's client, which knows the definitions of what is published."""
        self._apply(definition)
        return open_client(self.folder)

    def _known(self, definition: StoreDefinition, names: Sequence[str], distinct: pa.Table) -> pa.Table:
        """Feast's answer for distinct customers and times."""
        references = [f"{definition.view_of(name).name}:{name}" for name in names]
        frame = distinct.to_pandas()
        frame[EVENT_TIME] = frame[EVENT_TIME].dt.tz_convert("UTC")
        client = self._client(definition)
        # Without the filter, a later correction would count before it was made.
        with own_database(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of DuckDB, for ibis
            return client.get_historical_features(frame, references, filter_by_created_timestamp=True).to_arrow()

    def _finish(self, connection: duckdb.DuckDBPyConnection) -> Callable[[Change], int]:
        return lambda change: self._publisher.synchronise(connection, change)

    @contextmanager
    def _memory(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to no file, for typing rows and reading parquet."""
        import duckdb

        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            yield connection


def _required(state: PublishedState, folder: Path) -> StoreDefinition:
    if state.definition is None:
        raise UserError(NOTHING_PUBLISHED, where=str(folder), hint="run `retention features publish`")
    return state.definition
