"""Evidently's drift preset on two Parquet files, before and after: time and memory as JSON.

    python tests/bench/evidently_drift.py before.parquet after.parquet

A file of its own, without imports from this project: `tests.bench.drift --evidently` runs it in another environment.
Reading is not timed.
"""

import json
import resource
import sys
import time
from importlib.metadata import version

import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset


def main(before_file: str, after_file: str) -> None:
    """Measure and print."""
    before, after = pd.read_parquet(before_file), pd.read_parquet(after_file)
    start, used = time.perf_counter(), time.process_time()
    found = Report([DataDriftPreset()]).run(after, before).dict()
    figures = {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - used,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "columns": sum("ValueDrift" in metric["metric_name"] for metric in found["metrics"]),
        "versions": {name: version(name) for name in ("evidently", "numpy", "pandas", "scipy")},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
