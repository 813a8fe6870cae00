"""One measured case, in a process of its own: `python -m tests.bench.case CASE.json`, started by `runner.py`.

The case says what to run; the report, a JSON file, says how long it took, how long L took in turn with it, how much
memory the process held at its peak, and how much it spilled to disk.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from .check import sampled
from .floor import FLOOR

FLOOR_TABLE = f"create or replace temp table floor as {FLOOR}"
MIB = 2**20


@dataclass(frozen=True)
class Case:
    """What to run and how often.

    Parameters
    ----------
    kind : str
        `sql`, `pandas`, `polars`, `featuretools` or `spark`.
    report, output : str
        Files to write: the measurements (JSON) and the features of a sample of customers (parquet; may be none).
    result : str
        For SQL: the relation that holds the features after the last run.
    every : int
        The output holds one customer in this many.
    setup, before, statements : list of str
        SQL: once, untimed; before every run, untimed; the run itself.
    repeats : int
        Timed runs after one to warm up; fewer, and at least none, when `limit` seconds have gone by.
    dates : list of str
        Feature times, for those who loop over them.
    events, database, path : str
        Parquet file of the events; DuckDB file; where Featuretools lies.
    """

    kind: str
    report: str
    database: str
    repeats: int
    limit: float
    threads: int
    output: str | None = None
    result: str = "features"
    every: int = 1
    setup: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    read_only: bool = True
    memory_limit: str | None = None
    spine: str = "spine"
    dates: list[str] = field(default_factory=list)
    events: str | None = None
    path: str | None = None


class SpillWatcher:
    """Greatest size that a folder reached, in bytes; looked at 50 times a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most = 0

    def __enter__(self) -> SpillWatcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.most = max(self.most, sum(_size(file) for file in self._folder.rglob("*")))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except FileNotFoundError:  # removed while we looked
        return 0


def peak_mib() -> float:
    """Most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike ru_maxrss, this does not count what the parent held when it started us.
        lines = status.read_text(encoding="ascii").splitlines()
        [kib] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        return int(kib) * 1024 / MIB
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def timed(work: Callable[[], Any]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(
    work: Callable[[], Any],
    case: Case,
    floor: Callable[[], Any],
    before: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """Medians of the work and of L. What takes long is run less often; `runs` is 0 when the warm-up had to do.

    The peak of memory is that of the warm-up, before anything else was done here.
    """
    before()
    first = timed(work)
    peak = peak_mib()
    runs = min(case.repeats, int(max(0.0, case.limit - first) / first))
    seconds, floors = [], []
    floor()
    for _ in range(max(1, runs)):
        # In turn, so that both see the same state of the machine; three times, because it is so short.
        floors += [timed(floor) for _ in range(3)]
        if runs:
            before()
            seconds.append(timed(work))
    return {
        "seconds": statistics.median(seconds or [first]),
        "runs": runs,
        "floor_seconds": statistics.median(floors),
        "peak_mib": peak,
    }


def run_sql(case: Case, spill: Path) -> dict[str, Any]:
    """Run a case inside DuckDB."""
    with _connect(case, spill) as connection:

        def run(statements: list[str]) -> None:
            for statement in statements:
                connection.execute(statement)

        run(case.setup)
        with SpillWatcher(spill) as watcher:
            report = measure(
                lambda: run(case.statements),
                case,
                floor=lambda: connection.execute(FLOOR_TABLE),
                before=lambda: run(case.before),
            )
        _write(connection, case)
    return report | {"spilled_mib": watcher.most / MIB}


def run_frames(case: Case, scratch: Path) -> dict[str, Any]:
    """Run a case that loops over dates outside of a database."""
    from . import featuretools_loop, frames

    read, loop = {
        "pandas": (frames.read_pandas, frames.with_pandas),
        "polars": (frames.read_polars, frames.with_polars),
        "featuretools": (frames.read_pandas, featuretools_loop.with_featuretools),
    }[case.kind]
    with _connect(case, scratch) as connection:
        found = connection.execute(f"select distinct customer_id from {case.spine} order by 1").fetchall()
        customers = [row[0] for row in found]
        dates = [datetime.fromisoformat(date) for date in case.dates]
        events = read(Path(str(case.events)))
        features: list[Any] = []

        def run() -> None:
            features.clear()
            features.append(loop(events, customers, dates))

        report = measure(run, case, floor=lambda: connection.execute(FLOOR_TABLE))
        [frame] = features
        connection.register(case.result, frame.to_arrow() if case.kind == "polars" else frame)
        _write(connection, case)
    return report


def _connect(case: Case, spill: Path) -> duckdb.DuckDBPyConnection:
    settings: dict[str, Any] = {"threads": case.threads, "temp_directory": str(spill)}
    if case.memory_limit:
        settings["memory_limit"] = case.memory_limit
    return duckdb.connect(case.database, read_only=case.read_only, config=settings)


def _write(connection: duckdb.DuckDBPyConnection, case: Case) -> None:
    if case.output:
        connection.execute(f"copy ({sampled(case.result, case.every)}) to '{case.output}' (format parquet)")


def main() -> None:
    """Run the case of the file that the command line names."""
    case = Case(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    if case.path:
        sys.path.append(case.path)
    with tempfile.TemporaryDirectory(dir=Path(case.report).parent) as scratch:
        if case.kind == "sql":
            report = run_sql(case, Path(scratch))
        elif case.kind == "spark":
            from .spark import run_spark

            report = run_spark(case, Path(scratch))
        else:
            report = run_frames(case, Path(scratch))
    Path(case.report).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
