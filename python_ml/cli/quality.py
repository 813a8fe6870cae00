"""``retention quality``: check the quality of the training set and the scoring set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.model.registry import Champion
    from python_ml.project import Project
    from python_ml.quality import Verdict


@click.command("quality")
@click.option("--training", "chosen", flag_value="training", help="Check only the training set.")
@click.option("--scoring", "chosen", flag_value="scoring", help="Check only the scoring set.")
@project_options(*ENGINES)
def command(project: Project, console: Console, chosen: str | None) -> None:
    """Check the quality of the training set and the scoring set.

    The training set is checked against the feature registry, the calendar of the data, and (its newest feature time)
    the earlier feature times; the scoring set against the rows that the champion was fitted on. `retention train` and
    `retention score` run the same checks. Thresholds and accepted failures are set under `quality` in retention.yml.

    Reads gold.gld_training_set, gold.gld_scoring_set, retention.yml and the champion. Writes reports/quality.html and
    reports/quality.json.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 a critical check failed.

    \b
    Examples:
      retention quality --project-dir my_shop
      retention quality --scoring --json
    """
    verdicts = {verdict.suite: verdict.to_dict() for verdict in quality(project, console, chosen)}
    lines = [
        f"{suite} set: {verdict['checks']} checks, none critical, {verdict['warnings']} warnings, "
        f"{verdict['accepted']} accepted"
        for suite, verdict in verdicts.items()
    ]
    page = project.reports_dir / "quality.html"
    console.result("\n".join([*lines, f"report: {page}"]), {"report": str(page), **verdicts})


def quality(project: Project, console: Console, chosen: str | None = None) -> list[Verdict]:
    """Judge the training set, the scoring set, or both; without a champion, nobody is scored yet.

    Raises
    ------
    GateError
        When a critical check fails.
    UserError
        When there is no warehouse yet, or ``scoring`` was chosen and there is no champion or nobody to score.
    """
    from python_ml.dbt import SCORING_SET
    from python_ml.errors import UserError
    from python_ml.model.registry import load_champion
    from python_ml.quality import SCORING, TRAINING, judge_training_set
    from python_ml.snapshots.training_rows import read_training_set
    from python_ml.warehouse import read_table

    verdicts = []
    if chosen != SCORING:
        with console.step("Checking the quality of the training set"):
            verdicts.append(gate(project, judge_training_set(project, read_training_set(project))))
        for warning in verdicts[0].warnings():
            console.warn(warning)
    if chosen != TRAINING:
        champion = load_champion(project)
        verdict = None
        if champion is not None:
            verdict = check_scoring_set(project, console, champion, read_table(project, SCORING_SET))
        if verdict is not None:
            verdicts.append(verdict)
        elif chosen == SCORING:
            why = "There is no champion to compare with." if champion is None else "There is nobody to score."
            raise UserError(why, where=project.name, hint="run `retention train` and `retention build` first")
        else:
            console.note("The scoring set was not checked: there is no champion yet, or nobody to score.")
    return verdicts


def check_scoring_set(project: Project, console: Console, champion: Champion, frame: pd.DataFrame) -> Verdict | None:
    """Judge the scoring set by what the champion was fitted on; None where there is nobody to score.

    Parameters
    ----------
    project : Project
    console : Console
    champion : Champion
    frame : pandas.DataFrame
        ``gold.gld_scoring_set``.

    Raises
    ------
    GateError
        When a critical check fails.
    """
    from python_ml.quality import judge_scoring_set

    with console.step("Checking the quality of the scoring set"):
        verdict = None if frame.empty else gate(project, judge_scoring_set(project, frame, champion))
    for warning in verdict.warnings() if verdict else ():
        console.warn(warning)
    return verdict


def gate(project: Project, verdict: Verdict) -> Verdict:
    """Write a verdict to the reports, then refuse what fails.

    Raises
    ------
    GateError
        When a critical check fails that ``quality.accept`` does not name.
    """
    from python_ml.quality.gate import enforce
    from python_ml.report.quality_page import write_quality

    write_quality(project, verdict)
    enforce(verdict)
    return verdict
