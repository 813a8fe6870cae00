"""Parquet files by view and feature time, and the record that makes a change of them whole or nothing.

A change is prepared in a folder of its own, then recorded in a journal: from there on it counts, and whoever comes next
finishes what a killed process left. Without a journal, what was prepared is thrown away.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.feature_store.row_input import no_pattern
from python_ml.feature_store.schema import FEATURE_TIME, VALID_FROM, StoreDefinition, ViewDefinition
from python_ml.files import locked, read_json, write_json
from python_ml.warehouse import literal, quote, relation

if TYPE_CHECKING:
    import duckdb

FORMAT = 1
PUSHED = "pushed_"
_BROKEN = "delete the folder and run `retention features publish`"


@dataclass(frozen=True)
class PublishedState:
    """What the files hold.

    Attributes
    ----------
    definition : StoreDefinition or None
        None before the first publish.
    contents : mapping of str to str
        Hash of gold's rows by feature time (ISO).
    """

    definition: StoreDefinition | None = None
    contents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A prepared change: what is published after it, the files that come and go, and what it touches.

    Attributes
    ----------
    after : PublishedState
    removed : tuple of str
        Files to delete, relative to the offline folder.
    renewed_views : tuple of str
        Views whose layout is new: all their online rows are written anew.
    times : tuple of str
        Feature times (ISO) of gold that are written or removed.
    """

    after: PublishedState
    removed: tuple[str, ...] = ()
    renewed_views: tuple[str, ...] = ()
    times: tuple[str, ...] = ()


class OfflineFiles:
    """The folder of a feature store: ``offline/<view>/<feature time>.parquet``, state and journal.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.offline, self.staging = folder / "offline", folder / "staging"
        self._state, self._journal = folder / "state.json", folder / "journal.json"

    @contextmanager
    def held(self, finish: Callable[[Change], int]) -> Iterator[PublishedState]:
        """Keep other processes out, after what a killed one left is finished or thrown away.

        Parameters
        ----------
        finish : callable
            Brings the online store in line with a change of the files.

        Yields
        ------
        PublishedState
        """
        with locked(self.folder / ".lock"):
            if self._journal.is_file():
                self.complete(_change(read_json(self._journal, "journal of the feature store", _BROKEN)), finish)
            shutil.rmtree(self.staging, ignore_errors=True)
            yield self.published()

    def published(self) -> PublishedState:
        """What the files hold."""
        if not self._state.is_file():
            return PublishedState()
        return _published(read_json(self._state, "state of the feature store", _BROKEN))

    def commit(self, change: Change, finish: Callable[[Change], int]) -> int:
        """Let a prepared change count, and carry it out; the number of online rows that it changed."""
        write_json(self._journal, {"format": FORMAT, **_change_to_dict(change)})
        return self.complete(change, finish)

    def complete(self, change: Change, finish: Callable[[Change], int]) -> int:
        """Carry out a change that counts; every step can be repeated."""
        for source in sorted(self.staging.glob("*/*.parquet")):
            target = self.offline / source.relative_to(self.staging)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        for name in change.removed:
            (self.offline / name).unlink(missing_ok=True)
        names = {view.name for view in change.after.definition.views}
        for folder in self.offline.iterdir():
            if folder.is_dir() and folder.name not in names:
                shutil.rmtree(folder)
        changed = finish(change)
        write_json(self._state, {"format": FORMAT, **_published_to_dict(change.after)})
        self._journal.unlink()
        shutil.rmtree(self.staging, ignore_errors=True)
        return changed

    def pushed_files(self, view: ViewDefinition) -> list[Path]:
        """Files with pushed rows of a view, oldest first."""
        return sorted((self.offline / view.name).glob(f"{PUSHED}*.parquet"))

    def next_pushed(self, view: ViewDefinition) -> Path:
        """Where the next pushed rows of a view are prepared."""
        numbers = [int(path.stem.removeprefix(PUSHED)) for path in self.pushed_files(view)]
        return self.staging / view.name / f"{PUSHED}{max(numbers, default=0) + 1:06d}.parquet"

    def pattern(self, view: ViewDefinition) -> str:
        """The pattern of a view's files."""
        return f"{no_pattern(self.offline.resolve())}/{view.name}/*.parquet"

    def scan(self, view: ViewDefinition) -> str:
        """SQL that reads a view's files with times in naive UTC."""
        times = ", ".join(f"cast({name} as timestamp) as {name}" for name in (FEATURE_TIME, VALID_FROM))
        return f"(select * replace ({times}) from read_parquet({literal(self.pattern(view))}))"


def content_hashes(
    connection: duckdb.DuckDBPyConnection, table: str, definition: StoreDefinition
) -> dict[datetime, str]:
    """Hash of the rows of a gold table by feature time, whatever their order.

    Raises
    ------
    UserError
        When a key or time is missing or stands twice: neither store says which row of the two it would serve.
    """
    key = quote(definition.key.name)
    names = [definition.key.name, *definition.columns]
    row = f"hash({', '.join(f'cast({quote(n)} as {_type(definition, n)})' for n in names)})"
    query = f"""
        select
            {FEATURE_TIME}, count(*), cast(sum(cast({row} as hugeint)) as varchar), cast(bit_xor({row}) as varchar),
            count(distinct {key}), count({key})
        from {relation(table)} group by {FEATURE_TIME} order by {FEATURE_TIME}
    """
    found = connection.execute(query).fetchall()
    for time, rows, _, _, customers, keys in found:
        if time is None or customers != rows or keys != rows:
            raise UserError(
                f"{table} does not have one row per {definition.key.name} and {FEATURE_TIME}.",
                where=f"{FEATURE_TIME} {time}",
                hint="run `retention build`, which tests its key",
            )
    return {time: f"{rows}:{total}:{mixed}" for time, rows, total, mixed, *_ in found}


def _type(definition: StoreDefinition, name: str) -> str:
    return definition.key.sql_type if name == definition.key.name else definition.columns[name].sql_type


def write_gold_rows(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    definition: StoreDefinition,
    view: ViewDefinition,
    time: datetime,
    path: Path,
) -> None:
    """Write a view's rows of one feature time; they are valid from that time on."""
    features = ", ".join(f"cast({quote(c.name)} as {c.sql_type}) as {quote(c.name)}" for c in view.columns)
    moment = f"cast({FEATURE_TIME} as timestamp)"
    query = f"""
        select cast({quote(definition.key.name)} as {definition.key.sql_type}) as {quote(definition.key.name)},
            {moment} as {FEATURE_TIME}, {moment} as {VALID_FROM}, {features}
        from {relation(table)} where {FEATURE_TIME} = timestamp '{time.isoformat(sep=" ")}'
        order by {quote(definition.key.name)}
    """
    write_parquet(connection, query, definition, path)


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, definition: StoreDefinition, path: Path) -> None:
    """Write the rows of a query, with times in UTC: without a zone, readers would take them for local times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    zoned = ", ".join(f"{name} at time zone 'UTC' as {name}" for name in (FEATURE_TIME, VALID_FROM))
    target = literal(str(path))
    connection.execute(
        f"copy (select * replace ({zoned}) from ({query})) to {target} (format parquet, compression zstd)"
    )


def file_name(time: datetime) -> str:
    """Name of the file of a feature time."""
    return f"{time:%Y%m%dT%H%M%S%f}.parquet"


def _published_to_dict(published: PublishedState) -> dict[str, Any]:
    definition = published.definition
    return {"definition": definition and definition.to_dict(), "contents": dict(published.contents)}


def _published(value: Any) -> PublishedState:
    try:
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}")
        definition = value["definition"]
        return PublishedState(definition and StoreDefinition.from_dict(definition), dict(value["contents"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            "The record of the feature store does not hold what this version writes.", hint=_BROKEN
        ) from error


def _change_to_dict(change: Change) -> dict[str, Any]:
    return {
        **_published_to_dict(change.after),
        "removed": list(change.removed),
        "renewed_views": list(change.renewed_views),
        "times": list(change.times),
    }


def _change(value: Any) -> Change:
    after = _published(value)
    return Change(after, tuple(value["removed"]), tuple(value["renewed_views"]), tuple(value["times"]))
