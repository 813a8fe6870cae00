"""The ``databricks`` backend: Feature Engineering in Unity Catalog, through its client.

Each view is a feature table with the primary key (customer, ``valid_from``), of which ``valid_from`` is the time series
column. The client joins the newest row that is not later than the time of a request. A row of gold is valid from its
feature time on, as it holds what was known before; a pushed row from the microsecond after it was created. So "not
later than" in the client is "known before" here, at the exact boundary as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from python_ml.dbt import FEATURES, SCORING_SET
from python_ml.errors import UserError
from python_ml.feature_store.definitions import define_store
from python_ml.feature_store.interface import FeatureStore
from python_ml.feature_store.online import utc_now
from python_ml.feature_store.online_table import from_microseconds
from python_ml.feature_store.row_input import PLACE, as_arrow, refuse_unknown
from python_ml.feature_store.schema import (
    ABSENT,
    FEATURE_TIME,
    PRESENT,
    STALE,
    VALID_FROM,
    Applied,
    OnlineRow,
    Published,
    Pushed,
    StoreDefinition,
    ViewDefinition,
)
from python_ml.feature_store.spark_types import (
    arrow_type,
    spark_column,
    spark_moment,
    spark_schema,
    with_zone,
)
from python_ml.feature_store.typed_rows import EVENT_TIME, asked_rows, pushed_rows, time_column
from python_ml.warehouse import quote_for_spark, relation_for_spark

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from python_ml.project import Project

_WHERE = "retention.yml, feature_store.databricks"


class DatabricksStore(FeatureStore):
    """Feature tables in Unity Catalog.

    Parameters
    ----------
    project : Project
    client : databricks.feature_engineering.FeatureEngineeringClient
    lookup : type
        ``databricks.feature_engineering.FeatureLookup``.
    spark : pyspark.sql.SparkSession
    query_endpoint : callable, optional
        ``(endpoint, records) -> list of dict``: asks the serving endpoint of the online tables.
    gold : str
        ``catalog.schema`` of the gold tables.
    clock : callable
        Gives the time in naive UTC.
    """

    def __init__(
        self,
        project: Project,
        client: Any,
        lookup: Any,
        spark: Any,
        query_endpoint: Callable[[str, list[dict[str, Any]]], list[dict[str, Any]]] | None = None,
        gold: str = "gold",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        settings = project.settings.feature_store
        self.project, self.client, self.spark = project, client, spark
        self._lookup, self._query_endpoint, self._gold, self.clock = lookup, query_endpoint, gold, clock
        self.settings, self.ttl = settings.databricks, settings.time_to_live
        if self.settings.location is None:
            raise UserError(
                "The feature tables have no place.",
                where=_WHERE,
                hint="set feature_store.databricks.location to catalog.schema",
            )

    @classmethod
    def of(cls, project: Project) -> DatabricksStore:
        """The store of the workspace that this runs in.

        Raises
        ------
        UserError
            When the client is not installed, or there is no session of Spark.
        """
        try:
            from databricks.feature_engineering import FeatureEngineeringClient, FeatureLookup
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise UserError(
                f"Databricks Feature Engineering cannot be imported: {str(error).splitlines()[0]}.",
                where="retention.yml, feature_store.backend",
                hint="run it on Databricks with the package databricks-feature-engineering, or use the backend feast",
            ) from error
        from python_ml.warehouse import schema_prefix, target_settings

        session = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
        session.conf.set("spark.sql.session.timeZone", "UTC")
        target = target_settings(project)
        catalog = target.get("catalog") or "hive_metastore"
        return cls(
            project,
            FeatureEngineeringClient(),
            FeatureLookup,
            session,
            _query_endpoint,
            f"{catalog}.{schema_prefix(project)}gold",
        )

    @property
    def place(self) -> str:
        return str(self.settings.location)

    def feature_names(self) -> list[str]:
        return list(define_store(self.project).columns)

    def apply(self) -> Applied:
        """Make the feature tables that are missing, with the primary key, the time series column, and tags."""
        definition = define_store(self.project)
        created = [view for view in definition.views if not self.spark.catalog.tableExists(self.table(view))]
        for view in created:
            self.client.create_table(
                name=self.table(view),
                primary_keys=[definition.key.name, VALID_FROM],
                timeseries_columns=[VALID_FROM],
                df=self._gold_rows(definition, view, "false"),
                description=view.description,
                tags=dict(view.tags),
            )
        return Applied(
            self.place,
            {view.name: len(view.columns) for view in definition.views},
            definition.service.name,
            len(definition.service.features),
            bool(created),
        )

    def publish(self, until: datetime | None = None) -> Published:
        """Merge the feature times whose content differs between gold and the feature tables.

        Feature times that gold no longer has are deleted. Where ``feature_store.databricks.online_store`` is set, the
        tables are published to it.
        """
        definition = define_store(self.project)
        self.apply()
        written, removed, unchanged = set[datetime](), set[datetime](), set[datetime]()
        for view in definition.views:
            table = self.table(view)
            gold = self._contents(self._gold_table(FEATURES), definition, view)
            held = self._contents(table, definition, view, f"{VALID_FROM} = {FEATURE_TIME}")
            wanted = {time for time in gold if until is None or time <= until}
            changed = sorted(time for time in wanted if held.get(time) != gold[time])
            gone = sorted(held.keys() - gold.keys())
            # A merge adds and updates rows; those that gold no longer has are deleted first.
            for time in [*gone, *(time for time in changed if time in held)]:
                self.spark.sql(
                    f"delete from {relation_for_spark(table)} where {FEATURE_TIME} = {spark_moment(time)} "
                    f"and {VALID_FROM} = {FEATURE_TIME}"
                )
            if changed:
                among = f"{FEATURE_TIME} in ({', '.join(map(spark_moment, changed))})"
                self.client.write_table(name=table, df=self._gold_rows(definition, view, among), mode="merge")
            if self.settings.online_store is not None and (changed or gone):
                self._publish_online(table)
            written |= set(changed)
            removed |= set(gone)
            unchanged |= wanted
        newest = max(written | unchanged, default=None)
        rows = self._count(written)
        return Published(
            self.place, tuple(sorted(written)), tuple(sorted(removed)), len(unchanged - written), rows, 0, newest
        )

    def historical(
        self, entity_rows: pd.DataFrame | pa.Table, features: Sequence[str] | None = None, zone: str | None = None
    ) -> pa.Table:
        """Features as of times, by ``create_training_set``; rows that share key and time are asked for once."""
        import pyarrow as pa

        definition = define_store(self.project)
        rows = as_arrow(entity_rows)
        names = list(definition.service.features if features is None else dict.fromkeys(features))
        refuse_unknown(names, list(definition.columns), "features")
        time = time_column(rows)
        with _memory() as connection:
            asked = asked_rows(connection, rows, definition, names, zone)
        asked = asked.rename_columns([VALID_FROM if name == EVENT_TIME else name for name in asked.column_names])
        pairs = list(
            zip(asked.column(definition.key.name).to_pylist(), asked.column(VALID_FROM).to_pylist(), strict=True)
        )
        places = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
        answers = self._looked_up(definition, names, list(places)) if places else {}
        found = [answers.get(places[pair], (None,) * len(names)) for pair in pairs]
        moments = asked.column(VALID_FROM).cast(pa.timestamp("us", "UTC"))
        answer = rows.set_column(rows.column_names.index(time), time, moments)
        for place, name in enumerate(names):
            answer = answer.append_column(
                name, pa.array([values[place] for values in found], arrow_type(definition, name))
            )
        return answer

    def _looked_up(
        self, definition: StoreDefinition, names: Sequence[str], pairs: Sequence[tuple[Any, datetime]]
    ) -> dict[int, tuple]:
        """The client's answers for distinct customers and times, by their place."""
        lookups = [
            self._lookup(
                table_name=self.table(view),
                lookup_key=[definition.key.name],
                timestamp_lookup_key=VALID_FROM,
                feature_names=chosen,
                **({} if self.ttl is None else {"lookback_window": self.ttl}),
            )
            for view in definition.views
            if (chosen := [name for name in view.names if name in names])
        ]
        # With a zone: Spark takes times without one for local times of this machine.
        asked = [(place, key, time.replace(tzinfo=UTC)) for place, (key, time) in enumerate(pairs)]
        columns = f"{PLACE} bigint, {spark_column(definition.key)}, {VALID_FROM} timestamp"
        training_set = self.client.create_training_set(
            df=self.spark.createDataFrame(asked, columns), feature_lookups=lookups, label=None, exclude_columns=[]
        )
        return {row[PLACE]: tuple(row[name] for name in names) for row in training_set.load_df().collect()}

    def online(self, ids: Sequence[Any], features: Sequence[str] | None = None) -> list[OnlineRow]:
        """The newest features, from the serving endpoint ``feature_store.databricks.endpoint``."""
        if self.settings.endpoint is None or self._query_endpoint is None:
            raise UserError(
                "There is no serving endpoint to ask.", where=_WHERE, hint="set feature_store.databricks.endpoint"
            )
        definition = define_store(self.project)
        names = list(definition.service.features if features is None else features)
        refuse_unknown(names, list(definition.columns), "features")
        records = self._query_endpoint(self.settings.endpoint, [{definition.key.name: key} for key in ids])
        by_key = {str(record[definition.key.name]): record for record in records}
        return [self._online_row(key, by_key.get(str(key)), names) for key in ids]

    def push(self, rows: pd.DataFrame | pa.Table, where: str = "rows", zone: str | None = None) -> Pushed:
        """Merge rows that are newer than the newest of their customer in every view that they have columns of.

        A feature table knows one time for a row: an older row would be the newest one by ``valid_from``, so it is left
        out here as on the other backend.
        """
        definition = define_store(self.project)
        with _memory() as connection:
            views, checked = pushed_rows(connection, as_arrow(rows), definition, where, zone, self.clock())
        newest = [self._newest(definition, view) for view in views]
        accepted, older = [], 0
        for row in checked.to_pylist():
            key, moment = row[definition.key.name], (row[FEATURE_TIME], row[VALID_FROM])
            if any(key in held and held[key] >= moment for held in newest):
                older += 1
                continue
            accepted.append(row)
            for held in newest:
                held[key] = moment
        for view in views if accepted else ():
            names = [definition.key.name, FEATURE_TIME, VALID_FROM, *view.names]
            values = [tuple(with_zone(row[name]) for name in names) for row in accepted]
            frame = self.spark.createDataFrame(values, spark_schema(definition, view))
            self.client.write_table(name=self.table(view), df=frame, mode="merge")
            if self.settings.online_store is not None:
                self._publish_online(self.table(view))
        return Pushed(checked.num_rows, len(accepted), older, 0, tuple(view.name for view in views))

    def push_scoring_set(self) -> Pushed:
        definition = define_store(self.project)
        names = [definition.key.name, FEATURE_TIME, *definition.columns]
        rows = self.spark.sql(
            f"select {', '.join(map(quote_for_spark, names))} from {relation_for_spark(self._gold_table(SCORING_SET))}"
        ).toArrow()
        return self.push(rows, SCORING_SET, "UTC")

    def serve(self, port: int, started: Callable[[str], None] | None = None) -> None:
        """Refuse: Databricks serves features itself."""
        raise UserError(
            "Features in Unity Catalog are served by Databricks.",
            where="retention features serve",
            hint="set feature_store.databricks.online_store, publish, and create a feature serving endpoint",
        )

    def table(self, view: ViewDefinition) -> str:
        """Full name of the feature table of a view."""
        return f"{self.settings.location}.features_{view.name}"

    def _gold_table(self, name: str) -> str:
        return f"{self._gold}.{name.partition('.')[2]}"

    def _gold_rows(self, definition: StoreDefinition, view: ViewDefinition, condition: str) -> Any:
        """A frame of gold's rows of a view; they are valid from their feature time on."""
        names = [definition.key.name, FEATURE_TIME]
        selected = [*map(quote_for_spark, names), f"{FEATURE_TIME} as {VALID_FROM}", *map(quote_for_spark, view.names)]
        gold = relation_for_spark(self._gold_table(FEATURES))
        return self.spark.sql(f"select {', '.join(selected)} from {gold} where {condition}")

    def _contents(
        self, table: str, definition: StoreDefinition, view: ViewDefinition, condition: str = "true"
    ) -> dict[datetime, tuple]:
        """Number of rows and hashes of the content by feature time."""
        row = f"xxhash64({', '.join(map(quote_for_spark, [definition.key.name, *view.names]))})"
        query = (
            f"select unix_micros({FEATURE_TIME}), count(*), sum(cast({row} as decimal(38, 0))), bit_xor({row}) "
            f"from {relation_for_spark(table)} where {condition} group by {FEATURE_TIME}"
        )
        return {from_microseconds(time): tuple(content) for time, *content in self.spark.sql(query).collect()}

    def _count(self, times: set[datetime]) -> int:
        if not times:
            return 0
        among = ", ".join(map(spark_moment, sorted(times)))
        gold = relation_for_spark(self._gold_table(FEATURES))
        return int(self.spark.sql(f"select count(*) from {gold} where {FEATURE_TIME} in ({among})").collect()[0][0])

    def _newest(self, definition: StoreDefinition, view: ViewDefinition) -> dict[Any, tuple[datetime, datetime]]:
        """Feature time and ``valid_from`` of the newest row of every customer."""
        key = quote_for_spark(definition.key.name)
        newest = f"max(struct({FEATURE_TIME}, {VALID_FROM}))"
        query = f"select customer, unix_micros(newest.{FEATURE_TIME}), unix_micros(newest.{VALID_FROM}) from ("
        query += (
            f"select {key} as customer, {newest} as newest from {relation_for_spark(self.table(view))} group by {key})"
        )
        found = self.spark.sql(query).collect()
        return {customer: (from_microseconds(feature), from_microseconds(valid)) for customer, feature, valid in found}

    def _publish_online(self, table: str) -> None:
        store = self.client.get_online_store(name=self.settings.online_store)
        self.client.publish_table(online_store=store, source_table_name=table, online_table_name=f"{table}_online")

    def _online_row(self, key: Any, record: Mapping[str, Any] | None, names: Sequence[str]) -> OnlineRow:
        """A record of the endpoint; one without any value is that of a customer who is in no table."""
        time = None if record is None else record.get(FEATURE_TIME)
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        if record is None or (moment is None and all(record.get(name) is None for name in names)):
            return OnlineRow(key, ABSENT, None, dict.fromkeys(names))
        if moment is not None and moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        if self.ttl is not None and moment is not None and moment < self.clock() - self.ttl:
            return OnlineRow(key, STALE, moment, dict.fromkeys(names))
        return OnlineRow(key, PRESENT, moment, {name: record.get(name) for name in names})


def _query_endpoint(endpoint: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask a feature serving endpoint of the workspace."""
    from databricks.sdk import WorkspaceClient

    answer = WorkspaceClient().serving_endpoints.query(name=endpoint, dataframe_records=records)
    return list(answer.outputs or ())


@contextmanager
def _memory() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection
