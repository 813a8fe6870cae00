"""The survival model against the truth of a simulated world, and against Kaplan-Meier.

    python -m tests.bench.survival --project FOLDER ...    built and trained projects

Fitted as `retention train` fits it: on what was known before the test period, with the features of the champion. The
exit code is 1 when the concordance is more than 0.02 below that of the true hazard.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from python_ml.cli.options import Console
from python_ml.cli.train import read_truth
from python_ml.decisions.survival.evaluation import REFERENCE, SURVIVAL, TRUTH
from python_ml.decisions.survival.training import study_survival
from python_ml.errors import UserError
from python_ml.input_columns import model_input
from python_ml.model.calibration import probabilities
from python_ml.model.registry import load_champion
from python_ml.model.results import interval
from python_ml.model.split import temporal_split
from python_ml.project import Project
from python_ml.snapshots.training_rows import read_training_set

from .commands import keep, parser

ALLOWED = 0.02


def of_project(folder: Path) -> dict[str, Any]:
    """Fit and measure on a project.

    Raises
    ------
    UserError
        When it has no champion.
    """
    project = Project.open(folder)
    champion = load_champion(project)
    if champion is None:
        raise UserError("There is no champion.", where=str(folder), hint="run `retention train` first")
    made, settings = read_training_set(project), project.settings
    frame = made.frame.sort_values(["feature_timestamp", made.entity], kind="stable", ignore_index=True)
    split = temporal_split(frame, settings.training.split)
    columns = [column.column for column in champion.card.columns]
    probability = probabilities(champion.model, model_input(frame[split.test], columns))
    start = time.perf_counter()
    study = study_survival(
        frame, split, columns, made.entity, made.definitions, settings, probability, read_truth(project, made.entity)
    )
    seconds = time.perf_counter() - start
    rows = study.evaluation.astype(object).where(study.evaluation.notna(), None).to_dict("records")
    return {"name": project.name, "customers": int(frame[made.entity].nunique()), "seconds": seconds, "rows": rows}


def main() -> None:
    """Measure and print."""
    command = parser("survival", __doc__)
    command.add_argument("--project", type=Path, nargs="+", required=True, help="folders of built and trained projects")
    chosen = command.parse_args()
    console, found, missed = Console(), [], False
    for folder in chosen.project:
        with console.step(f"Survival in {folder}"):
            found.append(of_project(folder))
    for study in found:
        print(f"\n{study['name']}: {study['customers']:,} customers, fitted and measured in {study['seconds']:.1f} s\n")
        print(f"| metric | days | {SURVIVAL} | {REFERENCE} | {TRUTH} |\n|---|---|---|---|---|")
        figures = {(row["model"], row["metric"], row["horizon"]): row for row in study["rows"]}
        for metric, horizon in dict.fromkeys((row["metric"], row["horizon"]) for row in study["rows"]):
            cells = [interval(figures.get((model, metric, horizon))) for model in (SURVIVAL, REFERENCE, TRUTH)]
            print(f"| {metric} | {'' if horizon is None else f'{horizon:.0f}'} | {' | '.join(cells)} |")
        ours, true = (figures.get((model, "concordance", None)) for model in (SURVIVAL, TRUTH))
        if ours and true:
            behind = true["value"] - ours["value"]
            print(f"\nconcordance behind the truth's: {behind:+.4f} (allowed: {ALLOWED})")
            missed |= behind > ALLOWED
    keep({"projects": found}, chosen.json)
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
