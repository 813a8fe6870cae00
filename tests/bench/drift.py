"""Drift: what is found where it was planted, false alarms in quiet periods, and time and memory for a wide table.

    python -m tests.bench.drift                                 everything (the worlds take minutes)
    python -m tests.bench.drift --only speed --features 500 --rows 1e6
    python -m tests.bench.drift --only worlds --periods 100

`speed` measures the reference, and a later period against it, at --rows for each, on DuckDB with --threads threads.
Where Evidently is installed, both take --evidently-features of these columns, in the same run.

The exit code is 1 when a planted drift is missed, when more than 5 % of the quiet periods raise an alarm, or when
Evidently is less than 10 times as slow.
"""

from __future__ import annotations

import importlib.util
import resource
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


def wide_table(connection: duckdb.DuckDBPyConnection, features: int, rows: int) -> list[str]:
    """A table of two periods: counts, amounts with cents, shares and real numbers, some with nulls."""
    kinds = (
        "floor(-ln(1 - random()) * 3)",
        "round(-ln(1 - random()) * 50, 2)",
        "random()",
        "case when random() < 0.3 then null else round(random() * 365, 1) end",
        "-ln(1 - random()) * sqrt(-ln(1 - random()))",
    )
    columns = ", ".join(f"cast({kinds[i % len(kinds)]} as double) as f{i}" for i in range(features))
    for part, period in enumerate((BEFORE, AFTER)):
        query = f"""select i as customer_id, timestamp '{period}' as feature_timestamp, {columns}
            from range({rows}) as r(i)"""
        connection.execute(f"create table wide as {query}" if not part else f"insert into wide {query}")
    return [f"f{i}" for i in range(features)]


def seconds_of_drift(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> dict[str, float]:
    """Seconds for the reference, and for a period against it."""
    rows = TableRows(connection, "main.wide", "customer_id")
    start = time.perf_counter()
    reference = measure_reference(rows.between(until=BEFORE), [InputColumn(name, NUMBER) for name in names])
    middle = time.perf_counter()
    current = rows.between(after=BEFORE).counted([column.bins for column in reference.columns.values()])
    found = drift_rows(FEATURE, reference, current, list(names), Drift())
    end = time.perf_counter()
    if len(found) != len(names) or any(row["status"] != "ok" for row in found):
        raise AssertionError("two draws of one distribution are no drift")
    return {"reference": middle - start, "period": end - middle, "both": end - start}


def seconds_of_evidently(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> float:
    """Seconds of Evidently's drift preset on the same columns, frames at hand."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    query = f"select {', '.join(names)} from wide where feature_timestamp = ?"
    before, after = (connection.execute(query, [period]).df() for period in (BEFORE, AFTER))
    start = time.perf_counter()
    Report([DataDriftPreset()]).run(after, before)
    return time.perf_counter() - start


def speed(features: int, rows: int, threads: int, evidently_features: int) -> dict[str, Any]:
    """Time and memory for a wide table."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "wide.duckdb")) as connection:
        connection.execute(f"set threads = {threads}; set memory_limit = '{GIGABYTES - 2}GB'")
        names = wide_table(connection, features, rows)
        used = time.process_time()
        found: dict[str, Any] = seconds_of_drift(connection, names)
        found["cpu"] = time.process_time() - used
        found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # with the making of the table
        print(
            f"\n{features} numbers x {rows:,} rows x 2 periods, {threads} threads: {found['both']:.0f} s (reference "
            f"{found['reference']:.0f} s, period {found['period']:.0f} s; {found['cpu']:.0f} s of processor), "
            f"{found['peak_gb']:.1f} GB"
        )
        if importlib.util.find_spec("evidently") is None:
            print("Evidently is not installed (pip install evidently==0.7.23): not compared")
        else:
            part = names[:evidently_features]
            found["evidently"] = seconds_of_evidently(connection, part)
            found["ours"] = seconds_of_drift(connection, part)["both"]
            found["ratio"] = found["evidently"] / found["ours"]
            print(f"{len(part)} of them: Evidently {found['evidently']:.1f} s, ours {found['ours']:.1f} s")
    return found


def main() -> None:
    """Measure and print."""
    command = parser("drift", __doc__)
    command.add_argument("--only", choices=("worlds", "speed"))
    command.add_argument("--periods", type=int, default=100, help="quiet periods of each kind")
    command.add_argument("--features", type=int, default=500)
    command.add_argument("--rows", type=float, default=1e6, help="of each period")
    command.add_argument("--threads", type=int, default=2)
    command.add_argument("--evidently-features", type=int, default=20)
    chosen = command.parse_args()
    found: dict[str, Any] = {}
    if chosen.only != "speed":
        found["worlds"] = worlds(chosen.periods)
    if chosen.only != "worlds":
        found["speed"] = speed(chosen.features, int(chosen.rows), chosen.threads, chosen.evidently_features)
    keep({"drift": found}, chosen.json)
    failed = found.get("worlds", {}).get("missed", [])
    failed += [name for name, share in found.get("worlds", {}).get("false_alarms", {}).items() if share > ALARMS]
    failed += ["Evidently"] if found.get("speed", {}).get("ratio", TIMES_AS_FAST) < TIMES_AS_FAST else []
    print(f"failed: {', '.join(failed) or 'nothing'}")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
