"""Drift: what is found where it was planted, false alarms in quiet periods, and time and memory for a wide table.

    python -m tests.bench.drift                                 everything (the worlds take minutes)
    python -m tests.bench.drift --only speed --features 500 --rows 1e6
    python -m tests.bench.drift --only worlds --periods 100
    python -m tests.bench.drift --only speed --evidently /tmp/evidently/bin/python

`speed` measures the reference, and a later period against it, at --rows for each, on DuckDB with --threads threads.
With --evidently, both take --evidently-features of these columns, in the same run. It is the Python of an environment
of its own, since Evidently 0.7 needs an older pandas:

    python -m venv /tmp/evidently && /tmp/evidently/bin/pip install evidently==0.7.23 "pandas<3" pyarrow

The exit code is 1 when a planted drift is missed, when more than 5 % of the quiet periods raise an alarm, when a wide
table takes more than 60 seconds or 6 GB, or when Evidently is less than 10 times as slow.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from python_ml.formatting import aligned
from python_ml.input_columns import NUMBER, InputColumn
from python_ml.monitor.counting import TableRows
from python_ml.monitor.drift import FEATURE, drift_rows
from python_ml.monitor.reference import measure_reference
from python_ml.settings.monitor import Drift
from tests.python.drift_world import PLANTED, DriftWorld, gradual, measured, moved, quiet_alarms, sudden

from .commands import keep, parser

SECONDS, GIGABYTES, TIMES_AS_FAST, ALARMS = 60, 6, 10, 0.05
BEFORE, AFTER = datetime(2024, 1, 1), datetime(2024, 2, 1)


def worlds(periods: int) -> dict[str, Any]:
    """Which planted drift is found, in its first period, and how many quiet periods raise an alarm."""
    rows: list[tuple[str, ...]] = [("planted", "in", "found in period", "also")]
    missed = []
    cases = [
        (name, DriftWorld(customers=1_200, planted=planted), column, 0, 6)
        for name, (planted, column) in PLANTED.items()
    ]
    # Two fifths of a standard deviation, a PSI of 0.16, are reached in the second month.
    cases.append(("gradual", DriftWorld(customers=2_000, later_months=3, planted=gradual), "n5", 1, 6))
    seasonal = DriftWorld(customers=1_200, season=0.75, reference_months=20, planted=sudden)
    cases.append(("sudden, in a season", seasonal, "orders_amount_sum_30d", 0, 20))
    for name, world, column, due, reference_months in cases:
        drift = measured(world)
        at = [month for month in range(world.later_months) if column in moved(drift, month, reference_months)]
        others = {one for month in range(world.later_months) for one in moved(drift, month, reference_months)} - {
            column
        }
        found = at[0] if at else None
        missed += [name] if found is None or found > due else []
        rows.append(
            (name, column, "missed" if found is None else str(found - due + 1), ", ".join(sorted(others)) or "–")
        )
    alarms = {}
    for name, of_world in {
        "600 customers": {},
        "150 customers": {"customers": 150},
        "seasonal, 14 months": {"season": 0.75, "reference_months": 14},
    }.items():
        raised = quiet_alarms(periods, **of_world)
        alarms[name] = sum(map(bool, raised)) / periods
        rows.append((f"nothing: {name}", f"{periods} periods", f"{alarms[name]:.0%} alarms", ""))
    print(aligned(rows))
    return {"missed": missed, "false_alarms": alarms}


def make_wide_table(file: Path, features: int, rows: int, threads: int) -> None:
    """A table of two periods in a new file: counts, amounts with cents, shares and real numbers, some with nulls."""
    kinds = (
        "floor(-ln(1 - random()) * 3)",
        "round(-ln(1 - random()) * 50, 2)",
        "random()",
        "case when random() < 0.3 then null else round(random() * 365, 1) end",
        "-ln(1 - random()) * sqrt(-ln(1 - random()))",
    )
    columns = ", ".join(f"cast({kinds[i % len(kinds)]} as double) as f{i}" for i in range(features))
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            f"set threads = {threads}; set memory_limit = '{GIGABYTES - 2}GB'; set enable_progress_bar = false"
        )
        for part, period in enumerate((BEFORE, AFTER)):
            query = f"""select i as customer_id, timestamp '{period}' as feature_timestamp, {columns}
                from range({rows}) as r(i)"""
            connection.execute(f"create table wide as {query}" if not part else f"insert into wide {query}")


def seconds_of_drift(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> dict[str, float]:
    """Seconds for the reference, and for a period against it."""
    rows = TableRows(connection, "main.wide", "customer_id")
    used = time.process_time()
    start = time.perf_counter()
    reference = measure_reference(rows.between(until=BEFORE), [InputColumn(name, NUMBER) for name in names])
    middle = time.perf_counter()
    current = rows.between(after=BEFORE).counted([column.bins for column in reference.columns.values()])
    found = drift_rows(FEATURE, reference, current, list(names), Drift())
    end, cpu = time.perf_counter(), time.process_time() - used
    if len(found) != len(names) or any(row["status"] != "ok" for row in found):
        raise AssertionError("two draws of one distribution are no drift")
    return {"reference": middle - start, "period": end - middle, "seconds": end - start, "cpu": cpu}


def evidently(python: str, connection: duckdb.DuckDBPyConnection, names: Sequence[str], folder: Path) -> dict[str, Any]:
    """What Evidently's drift preset takes for the same columns, frames at hand."""
    files = []
    for period in (BEFORE, AFTER):
        files.append(str(folder / f"{period:%Y-%m-%d}.parquet"))
        query = f"select {', '.join(names)} from wide where feature_timestamp = timestamp '{period}'"
        connection.execute(f"copy ({query}) to '{files[-1]}'")
    command = [python, str(Path(__file__).with_name("evidently_drift.py")), *files]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(output.splitlines()[-1])
    if found["columns"] != len(names):
        raise AssertionError(f"Evidently measured {found['columns']} of {len(names)} columns")
    return found


def speed(
    features: int, rows: int, threads: int, table: Path | None, python: str | None, compared: int
) -> dict[str, Any]:
    """Time and memory for a wide table."""
    with tempfile.TemporaryDirectory() as folder:
        file = table or Path(folder) / "wide.duckdb"
        if not file.exists():  # in a process of its own, whose memory does not count
            making = multiprocessing.get_context("spawn").Process(
                target=make_wide_table, args=(file, features, rows, threads)
            )
            making.start()
            making.join()
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute(f"set threads = {threads}; set memory_limit = '{GIGABYTES - 2}GB'")
            names = [f"f{i}" for i in range(features)]
            found: dict[str, Any] = seconds_of_drift(connection, names)
            found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            print(
                f"\n{features} numbers x {rows:,} rows x 2 periods, {threads} threads: {found['seconds']:.0f} s "
                f"(reference {found['reference']:.0f} s, period {found['period']:.0f} s; {found['cpu']:.0f} s of "
                f"processor), {found['peak_gb']:.1f} GB"
            )
            if python:
                part = names[:compared]
                ours, theirs = seconds_of_drift(connection, part), evidently(python, connection, part, Path(folder))
                found |= {"compared": len(part), "ours": ours, "evidently": theirs}
                found["ratio"] = theirs["seconds"] / ours["seconds"]
                for name, one in (("ours", ours), ("Evidently", theirs)):
                    print(f"{len(part)} of them, {name}: {one['seconds']:.1f} s, {one['cpu']:.1f} s of processor")
                print(f"times as fast: {found['ratio']:.0f}; Evidently's memory: {theirs['peak_gb']:.1f} GB")
                print(", ".join(f"{name} {version}" for name, version in theirs["versions"].items()))
    return found


def main() -> None:
    """Measure and print."""
    command = parser("drift", __doc__)
    command.add_argument("--only", choices=("worlds", "speed"))
    command.add_argument("--periods", type=int, default=100, help="quiet periods of each kind")
    command.add_argument("--features", type=int, default=500)
    command.add_argument("--rows", type=float, default=1e6, help="of each period")
    command.add_argument("--threads", type=int, default=2)
    command.add_argument("--table", type=Path, help="DuckDB file: where the table is, or is to be kept")
    command.add_argument("--evidently", metavar="PYTHON", help="Python of an environment that has Evidently")
    command.add_argument("--evidently-features", type=int, default=20)
    chosen = command.parse_args()
    found: dict[str, Any] = {}
    if chosen.only != "speed":
        found["worlds"] = worlds(chosen.periods)
    if chosen.only != "worlds":
        found["speed"] = speed(
            chosen.features,
            int(chosen.rows),
            chosen.threads,
            chosen.table,
            chosen.evidently,
            chosen.evidently_features,
        )
    keep({"drift": found}, chosen.json)
    failed = list(found.get("worlds", {}).get("missed", []))
    failed += [name for name, share in found.get("worlds", {}).get("false_alarms", {}).items() if share > ALARMS]
    measured_speed = found.get("speed", {})
    failed += ["seconds"] if measured_speed.get("seconds", 0) > SECONDS else []
    failed += ["memory"] if measured_speed.get("peak_gb", 0) > GIGABYTES else []
    failed += ["Evidently"] if measured_speed.get("ratio", TIMES_AS_FAST) < TIMES_AS_FAST else []
    print(f"failed: {', '.join(failed) or 'nothing'}")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
