"""``retention dashboard``: customers to search, sort and filter, with what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.explanation.counterfactuals import Counterfactual
    from python_ml.model.card import CardColumn
    from python_ml.project import Project

SEARCHED = 25


@click.command("dashboard")
@click.option(
    "--counterfactuals",
    "searched",
    type=click.IntRange(0, 1000),
    default=SEARCHED,
    show_default=True,
    metavar="N",
    help="Customers for whom changes that would lower the risk are searched: the first of the action list, or those "
    "most at risk. About half a second each.",
)
@project_options(*ENGINES)
def command(project: Project, console: Console, searched: int) -> None:
    """Write reports/dashboard.html: every scored customer, and the population.

    Search a customer for the probability over time, reasons, recent values, suggested action and what would lower the
    risk. Divide, filter and sort all customers, and download them as CSV. The page is self-contained: it needs no
    network and no server. Where a table is missing, the page names the command that writes it. `retention run` writes
    the page without a search for counterfactuals.

    Reads gold.gld_churn_scores, and where they exist gold.gld_churn_reasons, gold.gld_retention_actions,
    gold.gld_score_history, gold.gld_customer_features, gold.gld_scoring_set and gold.gld_driver_importance; for
    counterfactuals the champion and gold.gld_training_set. Writes reports/dashboard.html.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention dashboard --project-dir my_shop --counterfactuals 100
    """
    path, count = dashboard(project, console, searched)
    console.result(f"Dashboard: {path}", {"report": str(path), "counterfactuals": count})


def dashboard(project: Project, console: Console, searched: int = 0) -> tuple[Path, int]:
    """Write the dashboard. Returns where it is, and for how many customers counterfactuals were searched.

    Raises
    ------
    UserError
        When there is no warehouse.
    """
    from python_ml.report.dashboard import write_dashboard

    ways, columns = _counterfactuals(project, console, searched) if searched else ({}, ())
    with console.step("Writing the dashboard"):
        return write_dashboard(project, ways, columns), len(ways)


def _counterfactuals(
    project: Project, console: Console, most: int
) -> tuple[dict[Any, list[Counterfactual] | None], tuple[CardColumn, ...]]:
    """Search for customers whose scores are those of the champion, and of the features in the scoring set."""
    from python_ml.dbt import SCORING_SET, TRAINING_SET
    from python_ml.explanation.neighbours import counterfactuals_of
    from python_ml.model.registry import load_champion
    from python_ml.report.dashboard_data import first_customers
    from python_ml.warehouse import read_table

    first = first_customers(project, most)
    champion = load_champion(project) if len(first) else None
    if champion is None or set(first["model_version"]) != {champion.version}:
        console.note("No counterfactuals: there are no scores of the champion. `retention score` gives them.")
        return {}, ()
    keys = [project.entity, "feature_timestamp"]
    customers = first[keys].merge(read_table(project, SCORING_SET), on=keys)
    found = {}
    with console.step(f"Searching for what lowers the risk of {len(customers)} customers"):
        for key, ways in counterfactuals_of(
            champion, customers, read_table(project, TRAINING_SET), project.entity, project.settings
        ):
            found[key] = ways
            console.progress(f"  {len(found)} of {len(customers)} customers")
        console.progress(None)
    return found, champion.card.columns
