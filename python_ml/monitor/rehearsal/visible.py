"""What could be seen at a feature time: a warehouse that is built from the rows that were known before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from python_ml.dbt import FEATURES, ROW_FINGERPRINT, TRAINING_SET, DatabaseCopy, run_dbt_on_copies
from python_ml.durations import fixed_hours
from python_ml.replay import Replay, compare, cut, inputs_of
from python_ml.warehouse import connect, literal, quote, relation

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from python_ml.cli.options import Console
    from python_ml.project import Project

FEATURE_COLUMNS = f"columns(lambda name: name <> '{ROW_FINGERPRINT}')"  # what models see of gold, in SQL
_MODEL = TRAINING_SET.split(".")[1]


@dataclass(frozen=True)
class Visible:
    """The warehouse of a feature time.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        ``gold.gld_customer_features`` up to that time and ``gold.gld_training_set`` as far as outcomes were known.
        Tables may be written; they are gone after the step.
    replay : Replay or None
        How the features of that time compare with those that are stored in the project.
    """

    connection: duckdb.DuckDBPyConnection
    replay: Replay | None = None


Source = Callable[[datetime], "contextmanager[Visible]"]


@dataclass(frozen=True)
class BuiltWarehouse:
    """Builds the warehouse of each time with dbt, from raw tables cut there as by ``retention replay``.

    Attributes
    ----------
    project : Project
    times : sequence of datetime
        All stored feature times.
    folder : Path
        For the database and dbt's files.
    console : Console
    """

    project: Project
    times: Sequence[datetime]
    folder: Path
    console: Console

    @contextmanager
    def __call__(self, time: datetime) -> Iterator[Visible]:
        """The warehouse of a time, while the context is open."""
        import duckdb

        # DuckDB names a database after its file, and views name theirs.
        database = self.folder / self.project.warehouse_path.name
        self._remove(database)
        database.parent.mkdir(parents=True, exist_ok=True)
        upstream = inputs_of(self.project.manifest, f"model.{self.project.name}.{_MODEL}")
        outcome = cut(self.project, upstream, time, database)
        earlier = [str(one) for one in self.times if one <= time]
        variables = {"feature_timestamps": earlier, "observation_end": str(time), "attach_raw_files": False}
        copy = DatabaseCopy(database, variables)
        run_dbt_on_copies(self.project, ["run", "--select", f"+{_MODEL}"], [copy], self.console, self.folder)
        replayed = compare(self.project, database, time, *outcome)
        with duckdb.connect(str(database)) as connection:
            connection.execute("set timezone = 'UTC'")
            if self.project.vars.get("churn_definition") == "supplied":
                self.take_supplied_labels(connection, time)
            yield Visible(connection, replayed)
        self._remove(database)

    def take_supplied_labels(self, connection: duckdb.DuckDBPyConnection, time: datetime) -> None:
        """A replay hides every supplied outcome; those whose time had come by then were known."""
        lag = timedelta(hours=fixed_hours(str(self.project.vars.get("maturity_lag") or "0d")) or 0)
        keys = f"{quote(self.project.entity)}, feature_timestamp"
        connection.execute(f"attach {literal(str(self.project.warehouse_path))} as stored (read_only)")
        connection.execute(
            f"create or replace table {relation(TRAINING_SET)} as "
            f"select {FEATURE_COLUMNS} from {relation(FEATURES)} inner join "
            f"(select {keys}, churned, label_timestamp from stored.gold.gld_churn_labels where churned is not null "
            f"and label_timestamp <= cast({literal(str(time - lag))} as timestamp)) using ({keys})"
        )
        connection.execute("detach stored")

    @staticmethod
    def _remove(database: Path) -> None:
        for path in (database, database.with_name(database.name + ".wal")):
            path.unlink(missing_ok=True)


def content_of_inputs(project: Project) -> dict[str, str]:
    """Number and hash of the rows of everything stored that the features and labels are made from."""
    found = {}
    with connect(project) as connection:
        for node in inputs_of(project.manifest, f"model.{project.name}.{_MODEL}"):
            name = f"{node['schema']}.{node.get('identifier') or node.get('alias') or node['name']}"
            rows = connection.execute(
                f"select count(*), sum(cast(hash(one) as hugeint)) from {relation(name)} as one"
            ).fetchall()
            found[name] = " ".join(map(str, rows[0]))
    return found
