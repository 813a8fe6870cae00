"""Proof that features use nothing from the future: rebuild a feature time from data cut off there, compare.

Everything that was not known before ``T`` is taken out of the raw tables, the models run on what is left in a
scratch database, and the rows that come out must equal the stored ones, value for value.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.dbt import ROW_FINGERPRINT, DatabaseCopy, run_dbt_on_copies
from python_ml.errors import UserError
from python_ml.ingest.macros import rendered
from python_ml.ingest.schema import Reading
from python_ml.ingest.typing import typed_sql
from python_ml.names import jinja_string
from python_ml.warehouse import connect, literal, quote, relation

if TYPE_CHECKING:
    import duckdb

    from python_ml.cli.options import Console
    from python_ml.project import Project

FEATURES = "gld_customer_features"


@dataclass(frozen=True)
class Replay:
    """Outcome of one replay.

    Attributes
    ----------
    as_of : datetime
        The feature time, UTC.
    rows : int
        Stored rows of that time.
    columns : int
        Compared columns, keys included.
    missing, unexpected : int
        Stored rows that the replay did not make, and rows that only the replay made.
    differing : dict of str to int
        Columns with unequal values, and in how many rows.
    hidden : dict of str to int
        Per raw table, the rows that were not known before the feature time.
    uncut : list of str
        Raw tables that are declared to be static and so were left whole.
    """

    as_of: datetime
    rows: int
    columns: int
    missing: int
    unexpected: int
    differing: dict[str, int] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)
    uncut: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        """Whether the replay gave exactly the stored rows."""
        return not (self.missing or self.unexpected or self.differing)


def feature_times(project: Project) -> list[datetime]:
    """List the stored feature times, oldest first."""
    with connect(project) as connection:
        rows = connection.execute(f"select distinct feature_timestamp from gold.{FEATURES} order by 1").fetchall()
    return [row[0] for row in rows]


def replay(
    project: Project,
    times: Sequence[datetime],
    console: Console,
    inspect: Callable[[Path, datetime], object] = lambda database, as_of: None,
) -> list[Replay]:
    """Rebuild the features of each time from what was known before it, and compare with the stored rows.

    Parameters
    ----------
    project : Project
        A built project on DuckDB.
    times : sequence of datetime
        Stored feature times, naive UTC.
    console : Console
    inspect : callable, optional
        Called with each rebuilt database and its time.

    Returns
    -------
    list of Replay
        One per time, in their order.

    Raises
    ------
    UserError
        When no features are stored for a time, or a raw table does not say what its times are.
    """
    stored = feature_times(project)
    if absent := [time for time in times if time not in stored]:
        span = f"{stored[0]} to {stored[-1]}, {len(stored)} times" if stored else "none"
        raise UserError(
            f"No features are stored for {absent[0]}.",
            where=f"gold.{FEATURES} (stored: {span})",
            hint="choose one of the stored feature times; `retention replay` without --as-of takes three",
        )
    manifest = project.manifest
    upstream = inputs_of(manifest, f"model.{project.name}.{FEATURES}")
    with tempfile.TemporaryDirectory(prefix="retention_replay_") as name:
        scratch, copies, cuts = Path(name), [], []
        for number, as_of in enumerate(times):
            # DuckDB names a database after its file, and views name theirs.
            database = scratch / str(number) / project.warehouse_path.name
            database.parent.mkdir()
            cuts.append(cut(project, upstream, as_of, database))
            copies.append(DatabaseCopy(database, {"feature_timestamps": [str(as_of)], "attach_raw_files": False}))
        run_dbt_on_copies(project, ["run", "--select", f"+{FEATURES}"], copies, console, scratch)
        for copy, as_of in zip(copies, times, strict=True):
            inspect(copy.database, as_of)
        return [
            compare(project, copy.database, as_of, *cut) for copy, as_of, cut in zip(copies, times, cuts, strict=True)
        ]


def inputs_of(manifest: dict[str, Any], unique_id: str) -> list[dict[str, Any]]:
    """Everything stored that a model reads, however far up: seeds, sources, snapshots."""
    seen: set[str] = set()
    waiting = [unique_id]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += manifest["parent_map"].get(node, [])
    nodes = {**manifest["nodes"], **manifest["sources"]}
    return [
        nodes[node]
        for node in sorted(seen)
        if node in nodes and nodes[node]["resource_type"] in ("seed", "source", "snapshot")
    ]


def cut(
    project: Project, upstream: list[dict[str, Any]], as_of: datetime, database: Path
) -> tuple[dict[str, int], list[str]]:
    """Copy the stored tables into a scratch database, without what was not known before ``as_of``.

    Returns
    -------
    dict of str to int
        Rows left out, by table.
    list of str
        Tables that are declared static and so are whole.
    """
    import duckdb

    hidden, uncut = {}, []
    with duckdb.connect(str(database)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach {literal(str(project.warehouse_path))} as stored (read_only)")
        for node in upstream:
            name = f"{node['schema']}.{node.get('identifier') or node.get('alias') or node['name']}"
            connection.execute(f"create schema if not exists {quote(node['schema'])}")
            query, is_cut = _cut_query(connection, node, name, as_of)
            connection.execute(f"create table {relation(name)} as {query}")
            if not is_cut:
                uncut.append(name)
            counts = connection.execute(
                f"select (select count(*) from stored.{relation(name)}) - (select count(*) from {relation(name)})"
            ).fetchall()
            hidden[name] = counts[0][0]
    return hidden, uncut


def _cut_query(
    connection: duckdb.DuckDBPyConnection, node: dict[str, Any], name: str, as_of: datetime
) -> tuple[str, bool]:
    stored = f"stored.{relation(name)}"
    moment = f"cast({literal(str(as_of))} as timestamp)"
    meta = {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}
    if node["resource_type"] == "snapshot":
        return _cut_snapshot(node, meta.get("time", {}), stored, name, moment), True
    if "time" not in meta:
        raise UserError(
            f"The raw table {name} declares no time, so it cannot be cut: a replay would prove nothing.",
            where=node["original_file_path"],
            hint="set config.meta.time to {event_at: ..., available_at: ...}, to {as_of: ..., visible: [...]} for "
            "labels, or to `static` for a table that never changes",
        )
    time = meta["time"]
    if time == "static":
        return f"select * from {stored}", False
    if "as_of" in time or "visible" in time:
        # Whom to look at, and when, is given from outside; what became of them is hidden altogether.
        as_of = [time["as_of"]] if "as_of" in time else []
        kept = {column.lower() for column in (*as_of, *time.get("visible", []))}
        columns = [row[0] for row in connection.execute(f"describe {stored}").fetchall()]
        hidden = [f"case when false then {quote(c)} end as {quote(c)}" for c in columns if c.lower() not in kept]
        selected = f"* replace ({', '.join(hidden)})" if hidden else "*"
        # A time that is computed or constant is no column of the table: its rows are those of all times.
        past = "".join(f" where coalesce({_timestamp(column, time)} <= {moment}, false)" for column in as_of)
        return f"select {selected} from {stored}{past}", True

    def later_than_visible(*columns: str) -> str:
        known = "greatest(" + ", ".join(_timestamp(column, time) for column in columns) + ")"
        return f"coalesce({known} >= {moment}, false)"

    columns = [column for column in (time["event_at"], time.get("available_at")) if column]
    is_late = later_than_visible(*columns)
    replaced = []
    for rule in time.get("later") or []:
        hidden_if = later_than_visible(rule["known_at"])
        if rule.get("versions_of"):
            starts, end = _timestamp(time["event_at"], time), _timestamp(rule["known_at"], time)
            hidden_if += f" or {_ended_by_a_late_version(stored, rule['versions_of'], starts, end, is_late)}"
        replaced += [f"case when not ({hidden_if}) then {quote(c)} end as {quote(c)}" for c in rule["columns"]]
    selected = f"* replace ({', '.join(replaced)})" if replaced else "*"
    return f"select {selected} from {stored} where not {is_late}", True


def _cut_snapshot(node: dict[str, Any], time: dict[str, Any], stored: str, name: str, moment: str) -> str:
    """A dbt snapshot is a record of its own: its versions are cut like events, and an end that came later is open."""
    config = node.get("config", {})
    if config.get("updated_at") and "available_at" not in time:
        raise UserError(
            f"The snapshot {name} does not declare when its versions were known: {config['updated_at']} says when "
            "something changed, not when the extract came.",
            where=node["original_file_path"],
            hint="set config.meta.time to {available_at: COLUMN}, with the time at which the extract was loaded",
        )
    known = f"greatest(dbt_valid_from, {quote(time['available_at'])})" if "available_at" in time else "dbt_valid_from"
    is_late = f"coalesce({known} >= {moment}, false)"
    key = config.get("unique_key") or []
    keys = [key] if isinstance(key, str) else key
    hidden_if = f"coalesce(dbt_valid_to >= {moment}, true)"
    if keys:
        hidden_if += f" or {_ended_by_a_late_version(stored, keys, 'dbt_valid_from', 'dbt_valid_to', is_late)}"
    return (
        f"select * replace (case when not ({hidden_if}) then dbt_valid_to end as dbt_valid_to) "
        f"from {stored} where not {is_late}"
    )


def _ended_by_a_late_version(stored: str, keys: list[str], start: str, end: str, is_late: str) -> str:
    """Whether a version that was not known starts at the end of this one: then the end was not known, either."""
    key = ", ".join(quote(key) for key in keys)
    return f"coalesce(({key}, {end}) in (select ({key}, {start}) from {stored} where {is_late}), false)"


def _timestamp(column: str, time: dict[str, Any]) -> str:
    """Read a raw column as a time the way that bronze does (macros ``to_timestamp``, ``parse_timestamp``)."""
    reading = time.get("readings", {}).get(column)
    if reading is not None:
        return typed_sql(Reading(**{**reading, "formats": tuple(reading.get("formats", ()))}), quote(column))
    text = f"cast({quote(column)} as varchar)"
    return rendered(f"{{{{ customer_retention.to_timestamp({jinja_string(text)}, {time.get('formats') or []}) }}}}")


def compare(project: Project, database: Path, as_of: datetime, hidden: dict[str, int], uncut: list[str]) -> Replay:
    """Compare the features of a time in a scratch database with the stored ones; the rest is as :func:`cut` says."""
    import duckdb

    moment = f"cast({literal(str(as_of))} as timestamp)"
    entity = quote(project.entity)
    with duckdb.connect(str(database)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach {literal(str(project.warehouse_path))} as stored (read_only)")
        connection.execute(
            f"create temp view before as select * from stored.gold.{FEATURES} where feature_timestamp = {moment}"
        )
        connection.execute(
            f"create temp view after as select * from gold.{FEATURES} where feature_timestamp = {moment}"
        )
        columns, rebuilt = (
            [row[0] for row in connection.execute(f"describe {view}").fetchall() if row[0] != ROW_FINGERPRINT]
            for view in ("before", "after")
        )
        both = [column for column in columns if column in rebuilt]
        unequal = ", ".join(
            f"count(*) filter (where paired and before.{quote(c)} is distinct from after.{quote(c)})" for c in both
        )
        joined = f"""
            select count(*) filter (where before.{entity} is not null),
                count(*) filter (where after.{entity} is null),
                count(*) filter (where before.{entity} is null), {unequal}
            from before
            full join after using ({entity}, feature_timestamp)
        """.replace("paired", f"before.{entity} is not null and after.{entity} is not null")
        rows, missing, unexpected, *differences = connection.execute(joined).fetchall()[0]
    differing = {column: count for column, count in zip(both, differences, strict=True) if count}
    differing |= dict.fromkeys(set(columns) ^ set(rebuilt), rows)
    return Replay(as_of, rows, len(columns), missing, unexpected, differing, hidden, uncut)
