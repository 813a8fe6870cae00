"""Training every kind of model on large data, and scoring: seconds, CPU seconds and memory.

    python -m tests.bench.training                        200,000 rows x 150 columns; the backtest and a million scores
    python -m tests.bench.training --rows 20000 --columns 40

Rows are of customers at ten feature times; a fifth of the columns says something. The exit code is 1 above five minutes
for the training, 6 GB, or 60 seconds for a million scores; where others use the machine, half the CPU seconds count.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from python_ml.cli.options import Console
from python_ml.dbt import Feature
from python_ml.input_columns import model_input
from python_ml.model.backtest import backtest
from python_ml.model.calibration import probabilities
from python_ml.model.train import train_models
from python_ml.settings import Settings

from .commands import keep, parser

TIMES = 10
SCORED = 1_000_000
LIMITS = {"train": 300.0, "score": 60.0}
GIGABYTES = 6.0


def made(rows: int, columns: int, seed: int = 0) -> tuple[pd.DataFrame, list[Feature]]:
    """Customers at ten months, most columns of whom say nothing, with gaps and two categories."""
    rng = np.random.default_rng(seed)
    telling = max(columns // 5, 1)
    values = rng.gamma(1.5, 2.0, size=(rows, columns - 2)).astype("float64")
    odds = np.log1p(values[:, :telling]) @ rng.normal(0, 0.5, telling)
    odds = odds - np.quantile(odds, 0.85)
    values[rng.random(values.shape) < 0.1] = np.nan
    frame = pd.DataFrame(values, columns=[f"x{n}" for n in range(columns - 2)])
    frame["plan"] = rng.choice(["a", "b", "c"], rows)
    frame["region"] = rng.choice([f"r{n}" for n in range(12)], rows)
    features = [
        Feature("customer_id", "key", "string"),
        Feature("feature_timestamp", "time", "timestamp"),
        *(Feature(name, "feature", "string" if name in ("plan", "region") else "double") for name in frame),
    ]
    times = pd.date_range("2024-01-01", periods=TIMES, freq="MS")
    frame.insert(0, "customer_id", [f"c{n // TIMES:06d}" for n in range(rows)])
    frame["feature_timestamp"] = times[np.arange(rows) % TIMES]
    frame["label_timestamp"] = frame["feature_timestamp"] + pd.Timedelta(days=30)
    frame["churned"] = (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    return frame, features


def timed(name: str, work: Callable[[], Any], console: Console) -> tuple[Any, dict[str, Any]]:
    """The result of some work, and what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    with console.step(name):
        result = work()
    took = {"step": name, "seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    return result, {**took, "gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def main() -> None:
    """Measure and print."""
    command = parser("training", __doc__)
    command.add_argument("--rows", type=int, default=200_000)
    command.add_argument("--columns", type=int, default=150)
    chosen = command.parse_args()
    console, settings = Console(), Settings()
    frame, features = made(chosen.rows, chosen.columns)

    def note(message: str) -> None:
        console.note(f"  {message}")

    result, train = timed(
        "train", lambda: train_models(frame, features, "customer_id", settings, progress=note), console
    )
    columns = [column.column for column in result.card.columns]

    def scores() -> np.ndarray:
        return probabilities(result.model, model_input(frame.iloc[np.arange(SCORED) % len(frame)], columns))

    _, score = timed("score", scores, console)
    kinds = result.metrics["champion"]["members"] or [result.champion]
    _, test = timed(
        "backtest", lambda: backtest(frame, features, "customer_id", settings, kinds, progress=note), console
    )
    print(f"{len(frame):,} rows x {chosen.columns} columns; champion {result.champion} {' and '.join(kinds)}")
    print("| step | seconds | CPU seconds | highest memory so far, GB |\n|---|---|---|---|")
    for row in (train, score, test):
        print(f"| {row['step']} | {row['seconds']:.0f} | {row['cpu']:.0f} | {row['gb']:.1f} |")
    for name, parts in result.metrics["models"].items():
        print(f"{name}: test ROC AUC {parts['test']['roc_auc']['value']:.3f}")
    keep({"steps": [train, score, test]}, chosen.json)
    slow = any(min(row["seconds"], row["cpu"] / 2) > LIMITS[row["step"]] for row in (train, score))
    raise SystemExit(slow or train["gb"] > GIGABYTES)


if __name__ == "__main__":
    main()
