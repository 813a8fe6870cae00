"""``retention explain``: which features drive the predictions, of all customers or of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.project import Project


@click.command("explain")
@click.argument("customer", metavar="[ID]", required=False)
@click.option(
    "--dice", is_flag=True, help="Add counterfactuals by dice-ml (pip install 'customer-retention[counterfactuals]')."
)
@project_options(*ENGINES)
def command(project: Project, console: Console, customer: str | None, dice: bool) -> None:
    """Explain the predictions: drivers and segments, or one customer.

    Without ID: the features that drive the predictions of the customers to score, overall, by risk band, by cohort and
    by category. With ID: one customer's probability, the contribution of each feature, the history, counterfactuals for
    a lower risk band, and similar customers with a known outcome.

    Reads the champion, gold.gld_scoring_set, gold.gld_customer_features and (with ID) gold.gld_training_set.
    Writes gold.gld_driver_importance and reports/explanation.html; with ID, a page in reports/customers.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, such as an unknown ID.

    \b
    Examples:
      retention explain --project-dir my_shop
      retention explain C00042 --json
    """
    if customer is not None:
        result, path = explain_one(project, console, customer, dice)
        lines = [f"{result['probability']:.1%} probability of churning, {result['band']} risk"]
        lines += [f"  {reason}" for reason in result["reasons"]]
        console.result("\n".join([*lines, f"page: {path}"]), {"report": str(path), **result})
        return
    if dice:
        raise click.UsageError("--dice needs the ID of a customer.")
    result, path = explain(project, console)
    strongest = ", ".join(row["feature"] for row in result["drivers"][:3])
    console.result(
        f"{result['customers']:,} customers explained; strongest drivers: {strongest}; page: {path}",
        {"report": str(path), **result},
    )


def explain(project: Project, console: Console) -> tuple[dict[str, Any], Path]:
    """Write the drivers and their page. Returns a summary and the path of the page.

    Raises
    ------
    UserError
        When there is no champion or nobody to explain.
    """
    settings, entity = project.settings, project.entity

    from python_ml.dbt import SCORING_SET
    from python_ml.explanation.drivers import ALL
    from python_ml.explanation.overview import explain_model
    from python_ml.explanation.reading import cohorts, store_drivers
    from python_ml.model.registry import require_champion
    from python_ml.report.explanation_page import write_explanation
    from python_ml.warehouse import read_table

    champion = require_champion(project)
    with console.step("Explaining the champion"):
        frame = read_table(project, SCORING_SET)
        explanation = explain_model(champion, frame, entity, settings, cohorts(project, frame))
        store_drivers(project, explanation)
        path = write_explanation(project, explanation)
    overall = explanation.drivers[explanation.drivers["segment_by"] == ALL]
    return {
        "model": champion.card.model,
        "version": champion.version,
        "customers": explanation.customers,
        "segments": int(explanation.drivers[["segment_by", "segment"]].drop_duplicates().shape[0]) - 1,
        "drivers": overall[["feature", "importance", "direction"]].to_dict("records"),
    }, path


def explain_one(project: Project, console: Console, key: str, dice: bool = False) -> tuple[dict[str, Any], Path]:
    """Explain one customer. Returns the content of the page and its path.

    Raises
    ------
    UserError
        When there is no such customer, no champion yet, or ``dice`` is asked for and not installed.
    """
    settings, entity = project.settings, project.entity

    from python_ml.dbt import TRAINING_SET
    from python_ml.explanation.customer import explain_customer
    from python_ml.explanation.reading import customer_rows
    from python_ml.model.registry import require_champion
    from python_ml.report.customer_page import write_customer
    from python_ml.warehouse import read_table

    rows = customer_rows(project, key)
    champion = require_champion(project)
    with console.step("Explaining the customer"):
        explanation = explain_customer(
            champion, rows, read_table(project, TRAINING_SET), entity, settings, with_dice=dice
        )
        path = write_customer(project, explanation, champion.card)
    return explanation.to_dict(), path
