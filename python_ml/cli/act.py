"""``retention act``: the customers to contact, with an offer and reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from python_ml.project import Project

MODELS = "gld_retention_actions_raw+"
CSV, RECORD = "actions.csv", "actions.json"


@click.command("act")
@project_options(*ENGINES)
def command(project: Project, console: Console) -> None:
    """Choose which customers to contact, with which offer.

    Customers are ranked by the expected profit of a contact: uplift x value - cost, or risk x value where no uplift was
    estimated. A budget and a contact cap limit the list. A random share is held out to measure the effect. Customers
    who were contacted recently are excluded. Costs, values and the catalogue of interventions are in retention.yml
    (docs/guides/actions.md); placeholders among them are named in the output.

    Reads gold.gld_scoring_set, gold.gld_churn_scores, gold.gld_churn_reasons, where they exist
    gold.gld_survival_estimates and gold.gld_uplift_estimates, and the champion. Writes gold.gld_retention_actions and
    the models that depend on it, with dbt, reports/actions.csv and reports/actions.json; notes in
    gold.gld_score_history who is contacted and who is held out.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention act --project-dir my_shop
    """
    record = act(project, console)
    console.result(summary(record, project.reports_dir / CSV), record)


def act(project: Project, console: Console) -> dict[str, Any]:
    """Make the action list and return what ``actions.json`` holds.

    Raises
    ------
    UserError
        When there is no champion, the newest features are not scored, or a setting names a missing column.
    """
    from python_ml.cli.build import run_with_python
    from python_ml.dbt import REASONS, SCORES, SCORING_SET, dbt_process
    from python_ml.files import write_csv, write_json
    from python_ml.monitor.history import keep_arms
    from python_ml.project import is_dateless
    from python_ml.warehouse import connect, read_table

    project.settings  # noqa: B018 - a mistake there shows before the heavy work
    with dbt_process(project, parse=True):  # in the meantime, this process makes the list
        from python_ml.decisions.campaign import ACTIONS, read_campaign, read_judged
        from python_ml.decisions.evidence import campaign_record
        from python_ml.handover import handed_over
        from python_ml.model.registry import require_champion

        champion = require_champion(project)
        with console.step("Choosing customers to contact"):
            tables = [read_table(project, name) for name in (SCORING_SET, SCORES, REASONS)]
            _refuse_other_scores(tables[1], champion.version)
            with connect(project) as connection:
                campaign = read_campaign(
                    connection,
                    *tables,
                    card=champion.card,
                    settings=project.settings,
                    entity=project.entity,
                    dated=not is_dateless(project.vars),
                )
            value = campaign.value()
            actions = campaign.actions(value)
            training = project.settings.training
            record = campaign_record(
                campaign,
                value,
                actions,
                read_judged(project, project.entity, champion),
                replicates=training.bootstrap_replicates,
                seed=training.seed,
            )
        with console.step("Writing the action list"), handed_over({ACTIONS: actions.table}) as variables:
            run_with_python(project, ["gld_retention_actions_raw"], ["build", "--select", MODELS], console, variables)
    keep_arms(project)
    write_csv(project.reports_dir / CSV, actions.table)
    write_json(project.reports_dir / RECORD, record)
    for note in record["notes"]:
        console.warn(note)
    if record["placeholders"]:
        console.warn(placeholder_text(record["placeholders"]))
    return record


def _refuse_other_scores(scores: pd.DataFrame, version: int) -> None:
    from python_ml.errors import UserError

    versions = sorted(set(scores["model_version"].dropna().astype(int)))
    if versions != [version]:
        what = "There are no scores yet." if not versions else "The scores are those of another model."
        raise UserError(
            what,
            where=f"gold.gld_churn_scores ({', '.join(map(str, versions)) or 'empty'}; the champion is {version})",
            hint="run `retention score` first",
        )


def placeholder_text(placeholders: list[str]) -> str:
    """Warn that figures are placeholders."""
    names = ", ".join(name.replace("_", " ") for name in placeholders)
    return f"placeholders, not your figures: {names}; every amount follows from them (`decisions` in retention.yml)"


def summary(record: dict[str, Any], path: Path) -> str:
    """The result for the terminal."""
    from python_ml.formatting import counted, decimal, integer, percent

    campaign = record["campaign"]
    roi = campaign["roi"]
    others = ", ".join(f"{integer(count)} {reason}" for reason, count in record["not_listed"].items())
    lines = [
        f"{counted(campaign['contacts'], 'customer')} to contact, {integer(campaign['holdout'])} held out, "
        f"of {integer(record['customers'])}; ranked by {record['ranked_by']}",
        f"not on the list: {others or 'nobody'}",
        f"without action: {integer(record['without_action']['churned'])} expected to churn, "
        f"a loss of {integer(record['without_action']['loss'])}",
    ]
    if campaign["contacts"]:
        interval = f" [{decimal(roi['low'], 2)}, {decimal(roi['high'], 2)}]" if roi["low"] is not None else ""
        lines.append(
            f"expected: {decimal(campaign['kept']['value'], 1)} kept, cost {integer(campaign['cost']['value'])}, "
            f"profit {integer(campaign['profit']['value'])}, return on cost {decimal(roi['value'], 2)}{interval}"
        )
    thresholds = record["thresholds"]
    if thresholds:
        chosen, break_even = thresholds["chosen"], thresholds["break_even"]
        lines.append(
            f"threshold with most profit: {'contact nobody' if chosen is None else percent(chosen, 1)}; "
            f"break-even for a customer worth {integer(thresholds['typical_value'])}: "
            f"{'none, an offer never pays' if break_even is None else percent(break_even, 1)}"
        )
    return "\n".join([*lines, f"list: gold.gld_retention_actions, {path}"])
