"""`retention run` step by step: seconds, CPU seconds and memory.

    python -m tests.bench.steps --project FOLDER    a project that `retention init` wrote; it is copied
    python -m tests.bench.steps                     one made of a simulated business of 2,000 customers

CPU seconds and memory are those of the whole tree of processes, dbt's included; memory is the highest sum that was seen
within the step (every 50 ms). `score` at the end is `retention score` in a process of its own, as on a new day. Reads
/proc, so it runs on Linux.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from python_ml.cli.options import Console

from .commands import keep, parser

TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
EVERY = 0.05  # seconds between looks at the memory
SMALL = ("--customers", "2000")


def processes() -> list[list[str]]:
    """Fields of /proc/PID/stat, from the state on, of this process and all below it."""
    found: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = path.read_text(encoding="utf-8", errors="replace").partition(" (")
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        found[int(number)] = rest.rpartition(") ")[2].split()
    ours = {os.getpid()}
    while more := {n for n, fields in found.items() if int(fields[1]) in ours} - ours:
        ours |= more
    return [found[number] for number in ours if number in found]


def cpu_seconds() -> float:
    """What this process, those below it and those of them that have ended have used."""
    # utime, stime, and the same of children that were waited for
    return sum(int(ticks) for fields in processes() for ticks in fields[11:15]) / TICKS


def resident_mib() -> float:
    """Memory of this process and those below it."""
    return sum(int(fields[21]) for fields in processes()) * PAGE / 2**20


class Steps(Console):
    """A console that measures the steps that it announces."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce and measure."""
        row, done = {"step": title, "mib": resident_mib()}, threading.Event()

        def watch() -> None:
            while not done.wait(EVERY):
                row["mib"] = max(row["mib"], resident_mib())

        watcher = threading.Thread(target=watch, daemon=True)
        start, used = time.perf_counter(), cpu_seconds()
        watcher.start()
        try:
            with super().step(title):
                yield
        finally:
            row |= {"seconds": time.perf_counter() - start, "cpu": cpu_seconds() - used}
            done.set()
            watcher.join()
            self.rows.append(row)


def measured_run(folder: Path) -> list[dict[str, Any]]:
    """Run a project, and score it again in a new process.

    Returns
    -------
    list of dict
        step, seconds, cpu (seconds), mib; the rest of the run is a row of its own.
    """
    from python_ml.cli.run import run
    from python_ml.project import Project

    console = Steps()
    start, used = time.perf_counter(), cpu_seconds()
    run(Project.open(folder), console)
    whole = {"seconds": time.perf_counter() - start, "cpu": cpu_seconds() - used}
    highest = max(row["mib"] for row in console.rows)
    rest = {name: value - sum(row[name] for row in console.rows) for name, value in whole.items()}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "python_ml", "score", "--project-dir", str(folder)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    alone = {
        "step": "`retention score` alone",
        "seconds": time.perf_counter() - start,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "mib": 0.0,
    }
    return [
        *console.rows,
        {"step": "Imports and the rest", **rest, "mib": 0.0},
        {"step": "`retention run`", **whole, "mib": highest},
        alone,
    ]


def small_project(folder: Path) -> None:
    """Let `retention init` write a project of a simulated business of 2,000 customers."""
    retention, raw = [sys.executable, "-m", "python_ml"], folder.parent / "raw"
    subprocess.run([*retention, "simulate", "--out", str(raw), *SMALL], check=True)
    files = sorted(map(str, raw.glob("raw_app__*.csv")))
    made = [argument for file in files for argument in ("--data", file)]
    subprocess.run([*retention, "init", str(folder), "--yes", *made], check=True)


def main() -> None:
    """Measure and print."""
    command = parser("steps", __doc__)
    command.add_argument("--project", type=Path, help="folder of a project")
    chosen = command.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        if chosen.project:
            shutil.copytree(chosen.project, folder, symlinks=True)
        else:
            small_project(folder)
        rows = measured_run(folder)
    print("| step | seconds | CPU seconds | memory (MiB) |")
    print("|---|---:|---:|---:|")
    for row in rows:
        memory = f"{row['mib']:,.0f}" if row["mib"] else "–"
        print(f"| {row['step']} | {row['seconds']:.1f} | {row['cpu']:.1f} | {memory} |")
    keep({"steps": rows}, chosen.json)


if __name__ == "__main__":
    main()
