"""``retention features``: publish features, and read them as of any time or as they are now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import Console, project_options

if TYPE_CHECKING:
    import pyarrow as pa

    from python_ml.project import Project

ENGINES = ("duckdb", "databricks")


@click.group("features")
def command() -> None:
    """Publish features, and read them as of any time or as they are now.

    The feature store serves the rows of gold.gld_customer_features: for training, each customer's row as of any time;
    for serving, the newest row of every customer. Its entity, its views (one for each source) and the service of the
    champion's features come from dbt's manifest.

    A row with feature time T holds what was known before T. It is the answer at T, and until the next feature time.

    \b
    backend (feature_store in retention.yml)
      feast         parquet files and SQLite in the folder feature_store; pip install 'customer-retention[feast]'
      databricks    Feature Engineering in Unity Catalog

    Each command below has its own --help; docs/guides/feature_store.md explains more.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention features publish                               after each `retention build`
      retention features historical customers.csv --out rows.parquet
      retention features online C000017
      retention features serve
    """


def _feature_option(function: Any) -> Any:
    return click.option(
        "--feature",
        "names",
        metavar="NAME",
        multiple=True,
        help="Feature to return; may be repeated. `all` returns every feature.  [default: those of the service]",
    )(function)


def _zone_option(function: Any) -> Any:
    return click.option(
        "--time-zone", "zone", metavar="ZONE", help="Zone of times that do not name one, such as UTC or Europe/Berlin."
    )(function)


@command.command("apply")
@project_options(*ENGINES)
def apply(project: Project, console: Console) -> None:
    """Register entity, views and service as dbt's manifest describes them.

    Views are named after the sources, the service after the champion (churn_lightgbm), or churn_all_features before
    there is one. Descriptions and tags carry over. Views that no longer exist are removed. `publish` does this first,
    so the command is needed only to register a new champion or description at once.

    Reads dbt's manifest and the model registry. Writes the registry of the feature store; no rows.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention features apply --json
    """
    from python_ml.feature_store import open_feature_store

    with console.step("Registering the definitions"):
        applied = open_feature_store(project).apply()
    views = ", ".join(f"{name} ({count})" for name, count in applied.views.items())
    state = "registered" if applied.changed else "unchanged"
    console.result(
        f"Views: {views}.\nService {applied.service}: {applied.service_features} features. {state.capitalize()}.",
        applied.to_dict(),
    )


@command.command("publish")
@click.option(
    "--until",
    metavar="TIME",
    help="Leave out feature times after TIME (UTC). The next publish catches up.  [default: all]",
)
@project_options(*ENGINES)
def publish(project: Project, console: Console, until: str | None) -> None:
    """Write the feature times that are new or changed, then the newest row of every customer.

    A feature time is written again when its rows differ from those that were published: each has a hash of its content.
    Feature times that gold no longer has are removed. Rows that were pushed stay, and count where they are newer.

    A killed publish leaves what was served before, or is finished by the next command.

    Reads gold.gld_customer_features, so run `retention build` first. Writes the folder feature_store of the project
    (feast), or feature tables in Unity Catalog (databricks).

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention features publish
      retention features publish --until 2025-06-30 --json
    """
    from python_ml.cli.options import parse_time
    from python_ml.feature_store import open_feature_store
    from python_ml.feature_store.schema import moments

    moment = None if until is None else parse_time(until, "--until")
    with console.step("Publishing features"):
        published = open_feature_store(project).publish(moment)
    if published.discarded_pushes:
        console.warn(f"{published.discarded_pushes} pushed row(s) were discarded: the columns of their view changed")
    written = f"{len(published.written)} feature time(s) written" + (
        f" ({moments(published.written)}; {published.rows} rows)" if published.written else ""
    )
    removed = f", {len(published.removed)} removed ({moments(published.removed)})" if published.removed else ""
    console.result(
        f"{written}{removed}, {published.unchanged} unchanged. Online: {published.online_rows} customer(s) updated.",
        published.to_dict(),
    )


@command.command("historical")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path), help="CSV or parquet file to write.  [required]"
)
@_feature_option
@_zone_option
@project_options(*ENGINES)
def historical(
    project: Project, console: Console, path: Path, out: Path | None, names: tuple[str, ...], zone: str | None
) -> None:
    """Add to customers and times the features that were known then.

    FILE (CSV or parquet) has the key of the customer and event_timestamp (or feature_timestamp), and any other columns,
    such as a label. Every row comes back once, in its order, also rows that are equal; features are empty where nothing
    was known. At a time T the answer is the newest row whose feature time is not after T; at a feature time it is
    gold's own row, which was known before T. A pushed row counts after it was created, not at that moment.

    Reads what was published. Writes the file of --out.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention features historical labels.csv --out training.parquet
      retention features historical labels.csv --out rows.csv --feature orders_count_30d --time-zone UTC
    """
    from python_ml.errors import UserError
    from python_ml.feature_store import open_feature_store
    from python_ml.feature_store.row_input import read_rows

    if out is None or out.suffix.lower() not in (".csv", ".parquet"):
        raise UserError(
            "Say which file to write: CSV or parquet.", where="--out", hint="add --out rows.parquet, for instance"
        )
    store = open_feature_store(project)
    with console.step("Joining features"):
        rows = store.historical(read_rows(path), _names(store, names), zone)
        _write(rows, out)
    console.result(
        f"{rows.num_rows} row(s) with {rows.num_columns} columns in {out}.",
        {"rows": rows.num_rows, "columns": rows.column_names, "path": str(out)},
    )


@command.command("online")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@_feature_option
@project_options(*ENGINES)
def online(project: Project, console: Console, ids: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Show the newest features of customers.

    The status is `present`, `stale` (all rows are older than feature_store.ttl in retention.yml; their values are
    withheld) or `absent`.

    Reads what was published and pushed. Writes nothing.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention features online C000017
      retention features online C000017 C000018 --feature orders_count_30d --json
    """
    from python_ml.feature_store import open_feature_store

    store = open_feature_store(project)
    rows = store.online(ids, _names(store, names))
    lines = []
    for row in rows:
        time = "" if row.feature_timestamp is None else f", features as of {row.feature_timestamp:%Y-%m-%d %H:%M} UTC"
        lines.append(f"{row.customer}: {row.status}{time}")
        if row.stale_views:
            lines.append(f"  withheld because of their age: {', '.join(row.stale_views)}")
        lines += [f"  {name}: {value}" for name, value in row.values.items() if value is not None]
    console.result("\n".join(lines), {"rows": [row.to_dict() for row in rows]})


@command.command("push")
@click.argument("path", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option("--scoring-set", is_flag=True, help="Push the rows of gold.gld_scoring_set instead of a file.")
@_zone_option
@project_options(*ENGINES)
def push(project: Project, console: Console, path: Path | None, scoring_set: bool, zone: str | None) -> None:
    """Add rows that are fresher than the last publish.

    FILE (CSV or parquet) has the key, feature_timestamp, optionally created_at (default: now), and all columns of one
    or more views. A row counts after it was created. The newer row wins: a row that is older than the one served, or
    equal to it, is left out and counted.

    Reads the file or gold.gld_scoring_set. Writes the feature store, not gold.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention features push fresh.parquet
      retention features push fresh.csv --time-zone UTC
      retention features push --scoring-set
    """
    from python_ml.errors import UserError
    from python_ml.feature_store import open_feature_store
    from python_ml.feature_store.row_input import read_rows

    if (path is None) != scoring_set:
        raise UserError(
            "Push a file or the scoring set.", where="retention features push", hint="name a FILE, or add --scoring-set"
        )
    store = open_feature_store(project)
    with console.step("Pushing rows"):
        pushed = store.push_scoring_set() if path is None else store.push(read_rows(path), path.name, zone)
    console.result(
        f"{pushed.accepted} of {pushed.rows} row(s) accepted; {pushed.older} older than what is served, "
        f"{pushed.unchanged} unchanged. Views: {', '.join(pushed.views)}.",
        pushed.to_dict(),
    )


@command.command("serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=6566,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@project_options(*ENGINES)
def serve(project: Project, console: Console, port: int) -> None:
    """Serve online features over HTTP, on 127.0.0.1.

    POST /get-online-features answers with the newest features of customers, GET /health when it is ready. Rows are only
    read; what is published meanwhile is served at once. Ctrl+C or SIGTERM ends the server.

    Reads what was published and pushed. Writes nothing.

    Exit codes: 0 stopped, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention features serve --port 8800
      curl -X POST http://127.0.0.1:8800/get-online-features -H 'content-type: application/json' \\
        -d '{"feature_service": "churn_all_features", "entities": {"customer_id": ["C000017"]}}'
    """
    from python_ml.feature_store import open_feature_store

    def started(address: str) -> None:
        console.result(f"Serving features on {address} (Ctrl+C ends it)", {"address": address})

    open_feature_store(project).serve(port, started)


def _names(store: Any, names: tuple[str, ...]) -> list[str] | None:
    return list(store.feature_names()) if "all" in names else list(names) or None


def _write(rows: pa.Table, path: Path) -> None:
    """Write rows to a CSV or parquet file that takes its place at the end."""
    import pyarrow.csv
    import pyarrow.parquet

    from python_ml.files import replacing

    with replacing(path) as temporary:
        if path.suffix.lower() == ".parquet":
            pyarrow.parquet.write_table(rows, temporary)
        else:
            pyarrow.csv.write_csv(rows, temporary)
