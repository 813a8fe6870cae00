"""Backtests on real data: the champion above recency at every feature time, no worse than LightGBM as it comes.

    python -m tests.bench.backtests --data FOLDER          Online Retail (rolling origin) and Telco (5 x 5 folds)
    python -m tests.bench.backtests --only telco
    python -m tests.bench.backtests --project FOLDER ...   built and trained projects instead

The exit code is 1 when there are fewer than five feature times, when the champion is not above recency at one of them,
when it is worse than LightGBM's defaults beyond noise, or when the mean ROC AUC of Telco's folds is below 0.845.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from python_ml.cli.backtest import backtest
from python_ml.cli.options import Console
from python_ml.model.backtest_table import summary
from python_ml.project import Project

from .commands import keep, parser

SHARED = Path(__file__).parents[3] / "shared" / "data"
DATA = {
    "online_retail": ("online_retail/year_2009_2010.parquet", ("--horizon", "90d", "--active-window", "180d")),
    "telco": ("telco/Telco-Customer-Churn.csv", ("--outcome", "Churn")),
}
TELCO = 0.845


def made(folder: Path, file: Path, options: tuple[str, ...]) -> Path:
    """A built and trained project of one file."""
    retention = [sys.executable, "-m", "python_ml"]
    subprocess.run([*retention, "init", str(folder), "--data", str(file), *options], check=True)
    for step in ("build", "train"):
        subprocess.run([*retention, step, "--project-dir", str(folder)], check=True)
    return folder


def measure(folder: Path) -> dict[str, Any]:
    """What the backtest of a project says, with the seconds it took and what is wrong with it."""
    start = time.perf_counter()
    found = backtest(Project.open(folder), Console())
    return {"name": folder.name, "seconds": time.perf_counter() - start, **found, "failed": failures(found)}


def failures(found: dict[str, Any]) -> list[str]:
    """What the champion fails at."""
    failed = []
    origins, pooled = found["origins"], found["pooled"]["differences"]
    if found["kind"] == "rolling_origin":
        if len(origins) < 5:
            failed.append(f"{len(origins)} feature times")
        if "recency" in pooled:
            failed += [
                f"not above recency at {origin['name']}"
                for origin in origins
                if origin["differences"]["recency"]["roc_auc"]["value"] <= 0
            ]
    elif np.mean(found["fold_roc_auc"]["champion"]) < TELCO:
        failed.append(f"mean ROC AUC of the folds {np.mean(found['fold_roc_auc']['champion']):.4f}")
    if pooled["plain_lightgbm"]["roc_auc"]["high"] < 0:
        failed.append("worse than LightGBM's defaults")
    return failed


def main() -> None:
    """Measure and print."""
    command = parser("backtests", __doc__)
    command.add_argument("--data", type=Path, default=Path(os.environ.get("RETENTION_SHARED_DATA") or SHARED))
    command.add_argument("--only", choices=DATA, nargs="+", default=list(DATA))
    command.add_argument("--project", type=Path, nargs="*", default=[], help="folders of built and trained projects")
    chosen = command.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = chosen.project or [
            made(Path(scratch) / name, chosen.data / DATA[name][0], DATA[name][1]) for name in chosen.only
        ]
        found = [measure(folder) for folder in folders]
    for one in found:
        print(f"\n{one['name']}, {one['seconds']:.0f} s\n{summary(one)}")
        for name, areas in one.get("fold_roc_auc", {}).items():
            print(f"{name}: mean ROC AUC of {len(areas)} folds {np.mean(areas):.4f}, sd {np.std(areas, ddof=1):.4f}")
        print(f"failed: {'; '.join(one['failed']) or 'nothing'}")
    keep({"backtests": found}, chosen.json)
    raise SystemExit(any(one["failed"] for one in found))


if __name__ == "__main__":
    main()
