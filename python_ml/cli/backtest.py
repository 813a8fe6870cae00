"""``retention backtest``: measure the champion's kind of model at several times of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.project import Project


@click.command("backtest")
@click.option(
    "--origins", type=click.IntRange(1, 200), metavar="N", help="Number of feature times.  [default: settings]"
)
@click.option("--snapshot", metavar="ID", help="Backtest on a snapshot (see `retention snapshot`), not the warehouse.")
@project_options(*ENGINES)
def command(project: Project, console: Console, origins: int | None, snapshot: str | None) -> None:
    """Measure the champion's kind of model at several feature times.

    A single test period is one sample. At each of several feature times, models are fitted on the rows whose labels
    were known by then, and predict the customers of that time. The champion is compared with recency, other baselines
    and LightGBM with its library's defaults by paired intervals. A table without dates is cross-validated five times
    instead.

    Reads gold.gld_training_set (or a snapshot), the champion and retention.yml (`backtest`). Writes gold.gld_backtests,
    reports/backtest.json, and the model card (reports/ and MLflow).

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention backtest --project-dir my_shop
      retention backtest --origins 12 --json
    """
    from python_ml.model.backtest_table import summary

    found = backtest(project, console, snapshot=snapshot, origins=origins)
    console.result(summary(found), found)


def backtest(
    project: Project, console: Console, *, snapshot: str | None = None, origins: int | None = None
) -> dict[str, Any]:
    """Backtest the champion's kinds of model and store the result.

    Returns
    -------
    dict
        What ``reports/backtest.json`` holds.

    Raises
    ------
    UserError
        When there is no champion yet, or the data allow no backtest.
    """
    settings, _ = project.settings, project.entity  # a mistake in either file shows before the heavy work

    from python_ml.model import backtest as backtests
    from python_ml.model.backtest_table import store_backtest
    from python_ml.model.ensemble import kinds_of
    from python_ml.model.registry import require_champion
    from python_ml.report import update_model_card
    from python_ml.snapshots.training_rows import read_snapshot, read_training_set

    champion = require_champion(project)
    with console.step("Reading the training set"):
        rows = read_snapshot(project, snapshot) if snapshot else read_training_set(project)
    if origins:
        settings = settings.model_copy(
            update={"backtest": settings.backtest.model_copy(update={"origins": origins, "times": ()})}
        )
    with console.step("Backtesting"):
        found = backtests.backtest(
            rows.frame,
            rows.features,
            rows.entity,
            settings,
            kinds_of(champion.model, champion.card.model),
            label=rows.label,
            scenario=rows.scenario,
            progress=lambda message: console.note(f"  {message}"),
        ).report
    found["version"] = champion.version
    store_backtest(project, found)
    if missing := update_model_card(project):
        console.note(f"the model card stays as it is: {missing}")
    for warning in found["warnings"]:
        console.warn(warning)
    return found
