"""Worlds on disk, and cases that run on them, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from . import data
from .case import Case
from .declaration import arguments

if TYPE_CHECKING:
    from tests.python.temporal.engine import MacroCompiler

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Options:
    """How to measure.

    Parameters
    ----------
    threads : int
        For every engine that has threads, L included.
    repeats : int
        Timed runs of every case.
    limit : float
        Seconds after which a case is not run once more.
    timeout : float
        Seconds after which a case is ended.
    """

    threads: int = 2
    repeats: int = 3
    limit: float = 60.0
    timeout: float = 3_600.0


@dataclass
class Measured:
    """What a case took; `failure` says in a few words why it did not end.

    `seconds` and `floor_seconds` are medians; `runs` is 0 where the first run took too long for a second one.
    """

    seconds: float | None = None
    runs: int = 0
    floor_seconds: float | None = None
    peak_mib: float | None = None
    spilled_mib: float | None = None
    failure: str | None = None

    @property
    def in_floors(self) -> float | None:
        """The median in multiples of L."""
        return self.seconds / self.floor_seconds if self.seconds and self.floor_seconds else None


class World:
    """Events and spines in a DuckDB file; nothing is in memory while nobody reads.

    Parameters
    ----------
    folder : Path
        For the files.
    events, events_per_customer : int
        Size.
    late : bool
        Whether some events arrive late.
    """

    def __init__(self, folder: Path, events: int, events_per_customer: int, late: bool = True) -> None:
        self.events = events
        self.events_per_customer = events_per_customer
        self.folder = folder
        self.database = folder / "world.duckdb"
        folder.mkdir(parents=True, exist_ok=True)
        self._spines: set[str] = set()
        self._pairs: dict[int, float] = {}
        with duckdb.connect(str(self.database)) as connection:
            data.make_events(connection, events, events_per_customer, late)

    def customers(self) -> int:
        """Number of customers."""
        return data.customers_of(self.events, self.events_per_customer)

    def spine(self, dates: list[datetime], name: str | None = None) -> str:
        """Table of every customer at these dates, made when it is missing."""
        name = name or f"spine_{len(dates)}"
        if name not in self._spines:
            with duckdb.connect(str(self.database)) as connection:
                data.make_spine(connection, name, dates, self.events, self.events_per_customer)
            self._spines.add(name)
        return name

    def pairs_per_event(self, dates: int) -> float:
        """Visible pairs of event and spine row, per event, for a calendar of so many dates."""
        if dates not in self._pairs:
            with duckdb.connect(str(self.database), read_only=True) as connection:
                self._pairs[dates] = data.pairs_per_event(connection, data.dates_of(dates))
        return self._pairs[dates]

    @cached_property
    def parquet(self) -> Path:
        """The events for those who have no decimals: amounts as doubles."""
        return self._exported("events.parquet", "select * replace (cast(amount as double) as amount) from events")

    @cached_property
    def exact_parquet(self) -> Path:
        """The events as they are."""
        return self._exported("exact.parquet", "from events")

    def _exported(self, name: str, query: str) -> Path:
        file = self.folder / name
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute(f"copy ({query}) to '{file}' (format parquet)")
        return file


class Runner:
    """Runs cases and keeps what they write in one folder."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.options = options
        self._count = 0

    @cached_property
    def compiler(self) -> MacroCompiler:
        """Compiler of the package's macros; dbt takes some seconds to start."""
        from tests.python.temporal.engine import MacroCompiler

        return MacroCompiler(self.folder / "dbt")

    def ours(self, spine: str, windows: list[str] | None = None, late: bool = True) -> str:
        """The query of `window_features`; `late=False` leaves available_at alone."""
        return self.compiler.sql("window_features", arguments(spine, windows, late))

    def daily(self, spine: str, carry_state: bool = False, add_to: str | None = None) -> str:
        """The query of a daily run: all rows of the spine, or those that the table `add_to` lacks."""
        daily = {"incremental": "new_rows", "carry_state": carry_state}
        variables = {"table_to_add_to": add_to} if add_to else None
        return self.compiler.sql("window_features", arguments(spine) | daily, variables)

    def chunked(self, spine: str, chunks: int) -> list[str]:
        """The queries that `chunked_table` makes a table of, one for each chunk."""
        query = self.compiler.sql("window_features", arguments(spine), {"window_chunks": chunks})
        mark = "= /* chunk */ 0"
        if mark not in query:
            raise RuntimeError(f"window_features has no mark `{mark}`")
        return [query.replace(mark, f"= {chunk}") for chunk in range(chunks)]

    def output(self, name: str) -> Path:
        """A new file for features."""
        self._count += 1
        return self.folder / f"{self._count}_{name}.parquet"

    def run(self, world: World, kind: str, **case: Any) -> Measured:
        """Run a case in a child process; `case` are fields of `Case`."""
        self._count += 1
        report, file = self.folder / f"{self._count}_report.json", self.folder / f"{self._count}_case.json"
        options = asdict(self.options)
        timeout = options.pop("timeout")
        # Absolute, because the child works in the repository's root.
        settings = options | {"report": str(report.resolve()), "database": str(world.database.resolve())} | case
        file.write_text(json.dumps(asdict(Case(kind=kind, **settings))), encoding="utf-8")
        environment = os.environ | {"POLARS_MAX_THREADS": str(self.options.threads), "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-m", "tests.bench.case", str(file.resolve())]
        try:
            ended = subprocess.run(
                command, cwd=REPOSITORY, env=environment, timeout=timeout, capture_output=True, text=True, check=False
            )
        except subprocess.TimeoutExpired:
            return Measured(failure=f"not finished in {timeout:,.0f} s")
        if ended.returncode < 0:
            return Measured(failure=f"ended by signal {-ended.returncode} (out of memory?)")
        if ended.returncode:
            # DuckDB appends advice of several lines.
            if "OutOfMemoryException" in ended.stderr:
                return Measured(failure="out of memory")
            raise RuntimeError(f"the case {kind} failed:\n{ended.stderr[-4000:]}")
        return Measured(**json.loads(report.read_text(encoding="utf-8")))
