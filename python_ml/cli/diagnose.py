"""``retention diagnose``: how reliable the champion is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.project import Project


@click.command("diagnose")
@project_options(*ENGINES)
def command(project: Project, console: Console) -> None:
    """Diagnose the champion: learning curves, noise, errors, fairness.

    Fits the champion's pipelines about ten more times, on samples of customers, and evaluates them on the test rows:
    learning curve, over-fitting, sensitivity to noise, errors by segment, stability of drivers, and fairness. Columns
    whose groups are compared are named under `fairness` in retention.yml. The champion does not change.

    Reads gold.gld_training_set, the champion and retention.yml. Writes gold.gld_model_diagnostics, gold.gld_fairness,
    reports/diagnostics.html, and the model card (reports/ and MLflow).

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention diagnose --project-dir my_shop
    """
    result, path = diagnose(project, console)
    lines = [*result["remarks"], f"page: {path}"]
    console.result("\n".join(lines), {"report": str(path), **result})


def diagnose(project: Project, console: Console) -> tuple[dict[str, Any], Path]:
    """Write the diagnostics and their page. Returns a summary and the path of the page.

    Raises
    ------
    UserError
        When there is no champion or no training set, or a sensitive column cannot be judged.
    """
    settings = project.settings

    from python_ml.dbt import TRAINING_SET
    from python_ml.diagnostics.diagnosis import diagnose, store_diagnosis
    from python_ml.model.registry import require_champion
    from python_ml.report import update_model_card
    from python_ml.report.diagnostics_page import remarks, write_diagnostics
    from python_ml.warehouse import read_table

    champion = require_champion(project)
    with console.step("Diagnosing the champion"):
        diagnosis = diagnose(
            champion,
            read_table(project, TRAINING_SET),
            settings,
            project.vars.get("scenario"),
            progress=lambda message: console.note(f"  {message}"),
        )
        store_diagnosis(project, diagnosis)
        path = write_diagnostics(project, diagnosis)
    with console.step("Writing the model card"):
        if missing := update_model_card(project):
            console.note(f"  the model card stays as it is: {missing}")
    return {
        "model": diagnosis.model,
        "version": diagnosis.version,
        "remarks": [remark.text for remark in remarks(diagnosis.diagnostics, diagnosis.fairness)],
        "diagnostics": len(diagnosis.diagnostics),
        "fairness": len(diagnosis.fairness),
    }, path
