"""`make bench`: measure, print, and keep the measurements in bench.json.

Every figure is a ratio to something measured in the same run: to L, which is one scan of the events and one hash
group-by per customer over all time, or to window_features ("ours"). Every case runs in a process of its own, after a
run to warm up; times are medians. Competitors compute the same features, and their results are compared row by row
in the same run: a difference ends the benchmark.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from . import report
from .bench import Bench, ResultsDifferError
from .parts import PARTS, USUAL, Sizes
from .runner import REPOSITORY, Options, Runner

EXAMPLES = """\
parts
  windows       window_features and the textbook query (a range join, one FILTER per window)
  frames        window_features, polars and pandas (loops over the dates)
  dense         the largest world again, with 1,000 events for a customer
  memory        window_features with a memory limit: time, peak memory, bytes spilled to disk
  incremental   one new date added to a table of the others, with and without carried state
  curve         cost against the number of dates (1 to 36) and of windows (1 to 7)
  large         100 M events of 1 M customers in 4 GB, a share of the customers at a time; not by default
  featuretools  Featuretools, installed into build/featuretools when it is missing; not by default
  spark         window_features on DuckDB and on Spark, and the textbook query on Spark; not by default

examples
  make bench                                              the usual parts at 1 M events, some 5 to 10 minutes
  python -m tests.bench --quick                           see in a minute that everything runs
  python -m tests.bench --events 1e6,10e6 --dates 1,12,36 --only windows,frames --limit 600
  python -m tests.bench --events 10e6 --dates 12 --only dense
  python -m tests.bench --events 1e6 --dates 12 --only featuretools
  python -m tests.bench --only large                      needs some 10 GB of disk
  python -m tests.bench --only none --plot --docs         picture and tables from bench.json, nothing measured
"""


def whole_numbers(text: str) -> tuple[int, ...]:
    """`1e6,10e6` as numbers."""
    return tuple(int(float(part)) for part in text.split(","))


def words(text: str) -> tuple[str, ...]:
    """`windows,frames` as a tuple."""
    return tuple(part.strip() for part in text.split(","))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("--events", type=whole_numbers, default=(1_000_000,), metavar="1e6,10e6", help="sizes of the worlds")
    add("--dates", type=whole_numbers, default=(1, 12, 36), metavar="1,12,36", help="feature times of a customer")
    add("--only", type=words, metavar="PART,PART", help=f"parts to measure, or none (default: {','.join(USUAL)})")
    add("--skip", type=words, default=(), metavar="WHO,WHO", help="competitors to leave out: textbook, polars, pandas")
    for part in ("large", "spark", "featuretools"):
        add(f"--{part}", action="store_true", help=f"the part {part} besides")
    add("--repeats", type=int, default=3, help="timed runs of every case after one to warm up (default: 3)")
    add("--limit", type=float, default=60, metavar="SECONDS",
        help="start no further run of a case after this time; runs are shown (default: 60)")  # fmt: skip
    add("--timeout", type=float, default=3600, metavar="SECONDS", help="end a case after this time (default: 3600)")
    add("--threads", type=int, default=int(os.environ.get("BENCH_THREADS") or 2),
        help="of every engine, L included (default: BENCH_THREADS or 2)")  # fmt: skip
    add("--large-events", type=float, default=100e6, metavar="100e6", help="events of the part large")
    add("--large-customers", type=float, default=1e6, metavar="1e6", help="customers of the part large")
    add("--chunks", type=int, default=16, help="shares of the customers in the part large (default: 16)")
    add("--memory-limit", default="4GB", help="of the part large (default: 4GB)")
    add("--folder", type=Path, default=REPOSITORY / "build", help="disk for the data, which is removed at the end")
    add("--json", type=Path, default=REPOSITORY / "bench.json", help="measurements; rows not measured again stay")
    add("--plot", action="store_true", help="draw docs/images/window_cost.svg from the measurements")
    add("--docs", action="store_true", help="write the tables of docs/benchmarks.md from the measurements")
    add("--quick", action="store_true", help="20,000 events, few dates, one repeat, into build/bench.json")
    return command


def main() -> int:
    """Measure what the command line asks for."""
    asked = parser().parse_args()
    sizes = Sizes(
        asked.events, asked.dates, frozenset(asked.skip), int(asked.large_events), int(asked.large_customers),
        asked.chunks, asked.memory_limit,
    )  # fmt: skip
    options = Options(asked.threads, asked.repeats, asked.limit, asked.timeout)
    if asked.quick:
        sizes = replace(sizes, events=(20_000,), dates=(1, 3), large_events=100_000, large_customers=1_000)
        options = replace(options, repeats=1)
        asked.json = REPOSITORY / "build" / "bench.json"
    chosen = [part for part in asked.only or USUAL if part != "none"]
    chosen += [part for part in ("large", "spark", "featuretools") if getattr(asked, part) and part not in chosen]
    for part in chosen:
        if part not in PARTS:
            sys.exit(f"--only: there is no part `{part}`. Choose from: {', '.join(PARTS)}, none.")
    environment = report.machine(options.threads)
    parts = _measured_before(asked.json, environment)
    asked.folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - start:7.0f} s  {what}", flush=True)

    with tempfile.TemporaryDirectory(dir=asked.folder, prefix="bench-") as folder:
        bench = Bench(Runner(Path(folder), options), say)
        for part in chosen:
            say(f"--- {part}")
            try:
                rows = PARTS[part](bench, sizes)
            except ResultsDifferError as difference:
                print(f"results differ in the part {part}: {difference}", file=sys.stderr)
                return 1
            parts[part] = report.merged(parts.get(part, []), rows)
            asked.json.write_text(json.dumps({"machine": environment, "parts": parts}, indent=2) + "\n", "utf-8")
            print(f"\n{part}\n{report.as_text(report.everything(rows))}\n", flush=True)
    if chosen:
        say(f"written to {asked.json.name}")
    if asked.plot:
        from .plot import draw

        say(f"drawn: {draw(parts, REPOSITORY / 'docs' / 'images' / 'window_cost.svg').name}")
    if asked.docs:
        report.write_docs(REPOSITORY / "docs" / "benchmarks.md", parts, environment)
        say("written: docs/benchmarks.md")
    return 0


def _measured_before(file: Path, environment: dict[str, object]) -> report.Parts:
    """Rows of earlier runs; those of another machine or other versions are dropped, for they do not compare."""
    if not file.exists():
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    if found.get("machine") != environment:
        print(f"{file.name} is of another machine or other versions: starting anew")
        return {}
    return found["parts"]


if __name__ == "__main__":
    sys.exit(main())
