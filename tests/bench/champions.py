"""The champion against LightGBM as it comes: the library's defaults with early stopping, on the same columns and rows.

    python -m tests.bench.champions                       a generated table: 72,000 rows, six columns that act together
    python -m tests.bench.champions --rows 20000          a smaller one
    python -m tests.bench.champions --project FOLDER ...  built projects as well, with their own split

On a table without dates, both are measured on held-out folds of customers; elsewhere on the test period, where the
plain model stops early on the validation rows and is fitted again on all rows before the test. The exit code is 1 when
a champion is worse beyond noise: by more than two standard errors of the difference, between customers.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from python_ml.cli.options import Console
from python_ml.dbt import Feature
from python_ml.input_columns import informative, model_input, prepared_as, typed_columns
from python_ml.model.evaluate import evaluate, standard_error_of_difference
from python_ml.model.folds import customer_folds
from python_ml.model.leakage_gate import usable
from python_ml.model.preparation import Prepared, prepare
from python_ml.model.replay_evidence import stored_replays
from python_ml.model.train import train_models
from python_ml.project import Project
from python_ml.settings import Settings, load_settings
from python_ml.snapshots.training_rows import read_training_set

from .commands import keep, parser

ROUNDS, PATIENCE = 2_000, 30
FOLDS = 5


def tangled(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Six numbers whose effects depend on each other: no column says anything by itself.

    Returns
    -------
    columns : pandas.DataFrame, shape (rows, 6)
    churned : numpy.ndarray of int, shape (rows,)
    """
    rng = np.random.default_rng(seed)
    x = rng.random((rows, 6))
    cells = np.floor(x[:, :2] * 4).sum(axis=1) + np.floor(x[:, 2] * 2)
    log_odds = np.where(cells % 2, 1.8, -1.8) + 8 * (x[:, 3] - 0.5) * (x[:, 4] - 0.5) + x[:, 5] - 1
    return pd.DataFrame(x, columns=list("abcdef")), (rng.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(int)


def compare(name: str, frame: pd.DataFrame, features: list[Feature], entity: str, **options: Any) -> dict[str, Any]:
    """Train both on one table.

    Returns
    -------
    dict
        name, champion, test (its ROC AUC with interval), plain (that of LightGBM), standard_error (of the difference),
        seconds.
    """
    settings = options.pop("settings")
    start = time.perf_counter()
    result = train_models(frame, features, entity, settings, **options)
    seconds = time.perf_counter() - start
    prepared = prepare(frame, features, entity, settings, **options)
    columns = prepared_as(typed_columns(prepared.frame, usable(features, settings)), settings)
    inputs = model_input(prepared.frame, columns)
    used = [column.name for column in informative(inputs[prepared.split.fit], columns)]
    inputs = inputs[used].astype({name: "category" for name in used if not pd.api.types.is_numeric_dtype(inputs[name])})
    customers = prepared.frame[entity].to_numpy()
    tested, plain = (_crossed if prepared.crossed else _dated)(inputs, prepared, customers)
    predicted = result.predictions
    predicted = predicted[(predicted["model"] == result.champion) & (predicted["split"] == "test")]
    keys = [entity, "feature_timestamp"]
    rows = prepared.frame.iloc[tested][keys].merge(predicted[[*keys, "probability"]], on=keys)
    outcome, judged = prepared.churned[tested], result.metrics["test"]["roc_auc"]
    assert len(rows) == len(outcome)
    plain_auc = evaluate(outcome, plain, customers[tested], metrics=["roc_auc"], replicates=0)["roc_auc"]["value"]
    error = standard_error_of_difference(
        outcome, (rows["probability"].to_numpy(), plain), customers[tested], "roc_auc", seed=settings.training.seed
    )
    return {
        "name": name,
        "champion": result.champion,
        "test": judged,
        "plain": plain_auc,
        "standard_error": error,
        "seconds": seconds,
    }


def _plain(inputs: pd.DataFrame, churned: np.ndarray, fit: np.ndarray, stop: np.ndarray, all_rows: np.ndarray) -> Any:
    """LightGBM's defaults: the number of rounds from ``stop``, then fitted on ``all_rows``."""
    from lightgbm import LGBMClassifier, early_stopping

    fixed = {"n_jobs": 2, "verbose": -1}
    trial = LGBMClassifier(n_estimators=ROUNDS, **fixed).fit(
        inputs[fit],
        churned[fit],
        eval_X=inputs[stop],
        eval_y=churned[stop],
        callbacks=[early_stopping(PATIENCE, verbose=False)],
    )
    return LGBMClassifier(n_estimators=trial.best_iteration_, **fixed).fit(inputs[all_rows], churned[all_rows])


def _dated(inputs: pd.DataFrame, prepared: Prepared, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    split = prepared.split
    model = _plain(inputs, prepared.churned, split.train, split.validation, split.fit)
    tested = np.flatnonzero(split.test)
    return tested, model.predict_proba(inputs.iloc[tested])[:, 1]


def _crossed(inputs: pd.DataFrame, prepared: Prepared, customers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, churned = np.zeros(len(inputs)), prepared.churned
    for train, held_out in customer_folds(customers, churned, FOLDS, 0):
        inner, stop = customer_folds(customers[train], churned[train], FOLDS, 1)[0]
        rows = [np.isin(np.arange(len(inputs)), part) for part in (train[inner], train[stop], train)]
        scores[held_out] = _plain(inputs, churned, *rows).predict_proba(inputs.iloc[held_out])[:, 1]
    return np.arange(len(inputs)), scores


def generated(rows: int) -> dict[str, Any]:
    """Compare on the generated table."""
    columns, churned = tangled(rows, 0)
    undated = pd.Timestamp("1970-01-01")
    frame = columns.assign(
        customer_id=[f"K{n:06d}" for n in range(rows)],
        feature_timestamp=undated,
        label_timestamp=undated,
        churned=churned,
    )
    features = [
        Feature("customer_id", "key", "string"),
        Feature("feature_timestamp", "time", "timestamp"),
        *(Feature(name, "feature") for name in columns),
    ]
    name = f"generated, {rows:,} rows x {columns.shape[1]}"
    return compare(name, frame, features, "customer_id", settings=Settings(), scenario="static")


def of_project(folder: Path) -> dict[str, Any]:
    """Compare on the training set of a built project."""
    project = Project.open(folder)
    made = read_training_set(project)
    return compare(
        project.name,
        made.frame,
        made.features,
        made.entity,
        settings=load_settings(folder / "retention.yml"),
        scenario=made.definitions.get("scenario"),
        replays=stored_replays(project),
    )


def main() -> None:
    """Measure and print."""
    command = parser("champions", __doc__)
    command.add_argument("--rows", type=int, default=72_000, help="rows of the generated table; 0 leaves it out")
    command.add_argument("--project", type=Path, nargs="*", default=[], help="folders of built projects")
    chosen = command.parse_args()
    made = [lambda: generated(chosen.rows)] if chosen.rows else []
    made += [lambda folder=folder: of_project(folder) for folder in chosen.project]
    console, found = Console(), []
    for number, make in enumerate(made, 1):
        with console.step(f"Table {number} of {len(made)}"):
            found.append(make())
    print("| table | champion | test ROC AUC | LightGBM's defaults | difference, standard error | seconds |")
    print("|---|---|---|---|---|---|")
    worse = False
    for row in found:
        auc, difference = row["test"], row["test"]["value"] - row["plain"]
        worse |= difference < -2 * row["standard_error"]
        print(
            f"| {row['name']} | {row['champion']} | {auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}] | "
            f"{row['plain']:.3f} | {difference:+.3f}, {row['standard_error']:.3f} | {row['seconds']:.0f} |"
        )
    keep({"tables": found}, chosen.json)
    raise SystemExit(worse)


if __name__ == "__main__":
    main()
