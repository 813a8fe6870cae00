"""From gold to files and online rows: only what is new or changed; and fresh rows that are pushed between builds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from python_ml.dbt import FEATURES
from python_ml.errors import UserError
from python_ml.feature_store import online_table
from python_ml.feature_store.offline_files import (
    Change,
    OfflineFiles,
    PublishedState,
    content_hashes,
    file_name,
    write_gold_rows,
    write_parquet,
)
from python_ml.feature_store.online_table import OnlineTable, StoredRow
from python_ml.feature_store.schema import (
    FEATURE_TIME,
    VALID_FROM,
    Published,
    Pushed,
    StoreDefinition,
    ViewDefinition,
)
from python_ml.feature_store.typed_rows import pushed_rows
from python_ml.warehouse import quote, relation, table_exists

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_BATCH = 10_000  # rows that are encoded at a time
_MICROSECOND = timedelta(microseconds=1)
NOTHING_PUBLISHED = "Nothing has been published yet."


class Publisher:
    """Keeps the files of a feature store and its online rows in line with gold, and with each other.

    The online rows are, for every customer and view, the newest of the files. So they can be made again from the files,
    and a killed process leaves either the state before or the one after.

    Parameters
    ----------
    files : OfflineFiles
    online : OnlineTable
    """

    def __init__(self, files: OfflineFiles, online: OnlineTable) -> None:
        self.files, self.online = files, online

    def publish(
        self, connection: duckdb.DuckDBPyConnection, definition: StoreDefinition, until: datetime | None = None
    ) -> Published:
        """Write the feature times of gold that are new or changed.

        Parameters
        ----------
        connection : duckdb.DuckDBPyConnection
            To the project's warehouse, in UTC.
        definition : StoreDefinition
        until : datetime, optional
            Leave out later feature times (naive UTC); those that are published already stay. The next call finds what
            is missing by its content, so a time in the future leaves nothing out later.

        Raises
        ------
        UserError
            When the project has not been built, or gold has no rows.
        """
        if not table_exists(connection, FEATURES):
            raise UserError(f"The table {FEATURES} does not exist.", where=FEATURES, hint="run `retention build`")
        finish = lambda change: self.synchronise(connection, change)  # noqa: E731
        with self.files.held(finish) as before:
            gold = content_hashes(connection, FEATURES, definition)
            if not gold:
                raise UserError(
                    f"{FEATURES} has no rows.", where=FEATURES, hint="check the source data, and build again"
                )
            known = {datetime.fromisoformat(time): content for time, content in before.contents.items()}
            renewed = tuple(view.name for view in definition.views if not _has_layout(before, definition, view))
            wanted = {
                # What is published beyond `until` stays as it is, other than in files of an old layout.
                time: content if renewed or not _is_beyond(time, until) else known[time]
                for time, content in gold.items()
                if not _is_beyond(time, until) or time in known
            }
            if not wanted:
                raise UserError(
                    "There is no feature time up to then.",
                    where="--until",
                    hint=f"the first is {min(gold).isoformat()}",
                )
            written = sorted(time for time, content in wanted.items() if renewed or known.get(time) != content)
            removed = sorted(known.keys() - gold.keys())
            newest = max(wanted)
            if not written and not removed and before.definition == definition == self.online.definition():
                return Published(str(self.files.folder), (), (), len(wanted), 0, 0, newest)
            after = PublishedState(definition, {time.isoformat(): wanted[time] for time in sorted(wanted)})
            rows = 0
            for time in written:
                for view in definition.views:
                    path = self.files.staging / view.name / file_name(time)
                    write_gold_rows(connection, FEATURES, definition, view, time, path)
                rows += int(gold[time].split(":")[0])
            gone = [f"{view.name}/{file_name(time)}" for time in removed for view in definition.views]
            discarded, replaced = self._compact(connection, definition, renewed)
            times = tuple(time.isoformat() for time in [*written, *removed])
            changed = self.files.commit(Change(after, (*gone, *replaced), renewed, times), finish)
            unchanged, place = len(wanted) - len(written), str(self.files.folder)
            return Published(place, tuple(written), tuple(removed), unchanged, rows, changed, newest, discarded)

    def push(
        self, connection: duckdb.DuckDBPyConnection, rows: pa.Table, where: str, zone: str | None, now: datetime
    ) -> Pushed:
        """Add rows that are fresher than the last build.

        Parameters
        ----------
        connection : duckdb.DuckDBPyConnection
            Any, in UTC.
        rows : pyarrow.Table
            The key, ``feature_timestamp``, optionally ``created_at`` (default: now), and all columns of one or more
            views.
        where : str
            What the rows are, for messages.
        zone : str, optional
            Zone of times that do not name one.
        now : datetime
            Naive UTC.

        Raises
        ------
        UserError
            When nothing is published, a column is missing or unknown, a value has another type, a time is missing, lies
            in the future, or a row was created before its feature time.
        """
        finish = lambda change: self.synchronise(connection, change)  # noqa: E731
        with self.files.held(finish) as before:
            definition = before.definition
            if definition is None:
                raise UserError(
                    NOTHING_PUBLISHED, where=str(self.files.folder), hint="run `retention features publish`"
                )
            views, checked = pushed_rows(connection, rows, definition, where, zone, now)
            connection.register("pushed_rows", checked)
            try:
                verdicts = self._judge(connection, definition, views)
                accepted = [number for number, verdict in enumerate(verdicts) if verdict == "accepted"]
                if accepted:
                    self._stage(connection, definition, views, accepted)
                    self.files.commit(Change(before), finish)
            finally:
                connection.unregister("pushed_rows")
        counts = {verdict: verdicts.count(verdict) for verdict in ("accepted", "older", "unchanged")}
        return Pushed(len(verdicts), **counts, views=tuple(view.name for view in views))

    def _judge(
        self, connection: duckdb.DuckDBPyConnection, definition: StoreDefinition, views: list[ViewDefinition]
    ) -> list[str]:
        """What becomes of each pushed row, in order of customer and time: ``accepted``, ``older`` or ``unchanged``.

        A row counts for all of its views or for none: it is accepted when it is newer than what is served in each.
        """
        columns = [definition.key.name, FEATURE_TIME, VALID_FROM, *(name for view in views for name in view.names)]
        query = f"select {', '.join(map(quote, columns))} from pushed_rows order by place"
        served: dict[str, dict[str, tuple[int, int, str]]] = {}
        verdicts = []
        with self.online.writing() as sqlite:
            for key, feature, valid, *values in connection.execute(query).fetchall():
                customer = str(key)
                if customer not in served:
                    found = online_table.read_rows(sqlite, [customer]).get(customer, [])
                    served[customer] = {view: (f, v, encoded) for view, f, v, encoded in found}
                encoded = {}
                for view in views:
                    encoded[view.name] = online_table.encode(values[: len(view.columns)])
                    values = values[len(view.columns) :]
                moment = (online_table.to_microseconds(feature), online_table.to_microseconds(valid))
                held = [served[customer].get(view.name) for view in views]
                if any(row is not None and row[:2] >= moment for row in held):
                    same = all(row is not None and row[:2] == moment for row in held)
                    verdicts.append("unchanged" if same and _equal(held, encoded, views) else "older")
                elif all(row is not None and row[0] == moment[0] for row in held) and _equal(held, encoded, views):
                    verdicts.append("unchanged")
                else:
                    verdicts.append("accepted")
                    served[customer] |= {name: (*moment, text) for name, text in encoded.items()}
        return verdicts

    def _stage(
        self, connection: duckdb.DuckDBPyConnection, definition: StoreDefinition, views: list[ViewDefinition],
        accepted: list[int],
    ) -> None:  # fmt: skip
        """Prepare the files of the rows that were accepted."""
        import pyarrow as pa

        connection.register("accepted_rows", pa.table({"place": pa.array(accepted, pa.int64())}))
        for view in views:
            names = [definition.key.name, FEATURE_TIME, VALID_FROM, *view.names]
            query = f"select {', '.join(map(quote, names))} from pushed_rows semi join accepted_rows using (place)"
            write_parquet(connection, query, definition, self.files.next_pushed(view))
        connection.unregister("accepted_rows")

    def _compact(
        self, connection: duckdb.DuckDBPyConnection, definition: StoreDefinition, renewed: tuple[str, ...]
    ) -> tuple[int, list[str]]:
        """Join the files of pushed rows, without those of another layout; how many rows these had, and what goes."""
        discarded, replaced = 0, []
        for view in definition.views:
            pushed = self.files.pushed_files(view)
            if view.name in renewed:
                for path in pushed:
                    discarded += connection.read_parquet(str(path)).count("*").fetchall()[0][0]
            elif len(pushed) > 1:
                listed = [str(path) for path in pushed]
                connection.register("pushed_before", connection.read_parquet(listed).to_arrow_table())
                times = ", ".join(f"{name} at time zone 'UTC' as {name}" for name in (FEATURE_TIME, VALID_FROM))
                query = f"select * replace ({times}) from pushed_before"
                write_parquet(connection, query, definition, self.files.next_pushed(view))
                connection.unregister("pushed_before")
            else:
                continue
            replaced += [f"{view.name}/{path.name}" for path in pushed]
        return discarded, replaced

    def synchronise(self, connection: duckdb.DuckDBPyConnection, change: Change) -> int:
        """Make the online rows the newest of the files again; the number of customers for whom something changed."""
        definition, changed = change.after.definition, set[str]()
        times = {online_table.to_microseconds(datetime.fromisoformat(time)) for time in change.times}
        with self.online.writing() as sqlite:
            online_table.write_definition(sqlite, definition)
            online_table.delete_other_views(sqlite, [view.name for view in definition.views])
            for view in definition.views:
                held = online_table.versions(sqlite, view.name)
                newest = _newest(connection, self.files.scan(view), definition)
                renewed = view.name in change.renewed_views
                wanted = [
                    customer
                    for customer, version in newest.items()
                    # Rows of gold are valid from their feature time on; those of a changed time may have new values.
                    if renewed or held.get(customer) != version or (version[0] in times and version[0] == version[1])
                ]
                gone = held.keys() - newest.keys()
                online_table.delete_rows(sqlite, view.name, gone)
                online_table.write_rows(sqlite, self._stored(connection, definition, view, wanted))
                changed |= gone | set(wanted)
        return len(changed)

    def _stored(
        self,
        connection: duckdb.DuckDBPyConnection,
        definition: StoreDefinition,
        view: ViewDefinition,
        customers: list[str],
    ) -> Iterator[StoredRow]:
        """The newest rows of customers in a view's files."""
        import pyarrow as pa

        if not customers:
            return
        key = quote(definition.key.name)
        connection.register("wanted_customers", pa.table({"customer": pa.array(customers, pa.string())}))
        features = ", ".join(map(quote, view.names))
        order = f"{FEATURE_TIME} desc, {VALID_FROM} desc"
        cursor = connection.execute(f"""
            select cast({key} as varchar), {FEATURE_TIME}, {VALID_FROM}, {features} from {self.files.scan(view)}
            where cast({key} as varchar) in (select customer from wanted_customers)
            qualify row_number() over (partition by {key} order by {order}) = 1
        """)
        while rows := cursor.fetchmany(_BATCH):
            for customer, feature, valid, *values in rows:
                yield StoredRow(customer, view.name, feature, valid, online_table.encode(values))
        connection.unregister("wanted_customers")


def _is_beyond(time: datetime, until: datetime | None) -> bool:
    return until is not None and time > until


def _has_layout(before: PublishedState, definition: StoreDefinition, view: ViewDefinition) -> bool:
    """Whether the files of a view have the columns that it has now."""
    if before.definition is None:
        return False
    known = {old.name: before.definition.layout(old) for old in before.definition.views}
    return known.get(view.name) == definition.layout(view)


def _newest(
    connection: duckdb.DuckDBPyConnection, scan: str, definition: StoreDefinition
) -> dict[str, tuple[int, int]]:
    """Feature time and ``valid_from`` of every customer's newest row, in microseconds."""
    newest = f"max(struct_pack(f := epoch_us({FEATURE_TIME}), v := epoch_us({VALID_FROM})))"
    query = (
        f"select customer, newest.f, newest.v from (select cast({quote(definition.key.name)} as varchar) as customer, "
    )
    found = connection.execute(f"{query} {newest} as newest from {scan} group by 1)").fetchall()
    return {customer: (feature, valid) for customer, feature, valid in found}


def _equal(held: list[Any], encoded: dict[str, str], views: list[ViewDefinition]) -> bool:
    return all(row[2] == encoded[view.name] for row, view in zip(held, views, strict=True))


def read_gold(connection: duckdb.DuckDBPyConnection, table: str, definition: StoreDefinition) -> pa.Table:
    """Keys, times and features of a gold table such as ``gold.gld_scoring_set``, with times in UTC.

    Raises
    ------
    UserError
        When it does not exist.
    """
    if not table_exists(connection, table):
        raise UserError(f"The table {table} does not exist.", where=table, hint="run `retention build`")
    names = ", ".join(map(quote, [definition.key.name, *definition.columns]))
    query = f"select {FEATURE_TIME} at time zone 'UTC' as {FEATURE_TIME}, {names} from {relation(table)}"
    return connection.sql(query).to_arrow_table()
