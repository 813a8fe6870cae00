"""How long it takes to explain 100,000 customers with each kind of model.

    python -m tests.bench.explanations --project FOLDER            a built project, such as the demo
    python -m tests.bench.explanations --project FOLDER --rows 20000 --json out.json

Every kind is fitted on the project's training rows. The customers are rows of its scoring set, drawn again and again,
with noise on every number, so that no two are alike. Contributions must add up to the log-odds for each of them.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from python_ml.input_columns import NUMBER, informative, model_input, typed_columns
from python_ml.model.calibration import fit_calibrated
from python_ml.model.card import describe_columns
from python_ml.model.ensemble import ENSEMBLE, averaged
from python_ml.model.explain import contributions, linear_background
from python_ml.model.folds import customer_folds
from python_ml.model.leakage_gate import usable
from python_ml.model.reason_choice import choose_reasons
from python_ml.project import Project
from python_ml.settings import Models
from python_ml.snapshots.training_rows import read_training_set
from python_ml.warehouse import read_table

from .commands import keep, parser

LIMIT_SECONDS = 120


def main() -> None:
    """Measure and print."""
    command = parser("explanations", __doc__)
    command.add_argument("--project", type=Path, required=True, help="folder of a built project")
    command.add_argument("--rows", type=int, default=100_000, help="customers to explain")
    chosen = command.parse_args()
    project = Project.open(chosen.project)
    made = read_training_set(project)
    frame, settings = made.frame, project.settings
    offered = typed_columns(frame, usable(made.features, settings))
    inputs, churned = model_input(frame, offered), frame["churned"].astype(int).to_numpy()
    columns = informative(inputs, offered)
    card = describe_columns(inputs, columns, made.features)
    folds = customer_folds(frame[made.entity].to_numpy(), churned, 2, 0)
    newest = model_input(read_table(project, "gold.gld_scoring_set"), columns)
    rng = np.random.default_rng(0)
    customers = newest.iloc[rng.integers(0, len(newest), chosen.rows)].reset_index(drop=True)
    for column in columns:
        if column.kind == NUMBER:
            cells = customers[column.name]
            customers[column.name] = cells * rng.uniform(0.9, 1.1, len(cells))
    models = {name: fit_calibrated(name, inputs, churned, columns, folds, 0).model for name in Models.model_fields}
    models[ENSEMBLE] = averaged(models, inputs, churned)
    print(f"{len(customers):,} customers, {len(columns)} features\n| model | seconds | greatest error |\n|---|---|---|")
    found, slow = [], False
    for name, model in models.items():
        background = linear_background(model, inputs)
        start = time.perf_counter()
        values, base = contributions(model, customers, background)
        seconds = time.perf_counter() - start
        error = float(np.abs(base + values.sum(axis=1) - model.decision_function(customers)).max())
        found.append({"model": name, "seconds": seconds, "error": error})
        slow |= seconds > LIMIT_SECONDS
        print(f"| {name} | {seconds:.1f} | {error:.1e} |")
    start = time.perf_counter()
    choose_reasons(values, customers, card, 3)
    print(f"choosing reasons: {time.perf_counter() - start:.1f} seconds")
    keep({"rows": len(customers), "features": len(columns), "models": found}, chosen.json)
    raise SystemExit(slow)


if __name__ == "__main__":
    main()
