"""``retention leakage``: look for columns and rows that know the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from python_ml.cli.options import Console, project_options

if TYPE_CHECKING:
    from python_ml.model.leakage_gate import LeakageCheck
    from python_ml.project import Project


@click.command("leakage")
@click.option("--snapshot", metavar="ID", help="Look at a snapshot (`retention snapshot list`), not at the warehouse.")
@click.option("--all", "everything", is_flag=True, help="Also list what is not suspicious, with its figures.")
@project_options("duckdb")
def command(project: Project, console: Console, snapshot: str | None, everything: bool) -> None:
    """Look for columns and rows that know the outcome.

    A leak is a column that was written once the outcome was known, or a row on both sides of a split: models that
    learn from it score high and are worth nothing. Every feature is asked, also those that models leave out:

    \b
      alone       how well it ranks churned customers, with a 95 % interval by customer; near-perfect separation
      patterns    empty, zero, a tail, a value or no change, where the odds of churn are far higher
      time        times that lie ahead, labels before features, what replays have shown (`retention replay`)
      lags        knows who churns years ahead, or only at once, or part of what windows show next time
      encoding    a rate of the outcome over the very rows that it is to predict
      identity    numbers and codes of customers that rank churned customers; names that speak of churn, with evidence
      rows        customers who are there twice, customers and labels on both sides of the split

    critical findings stop `retention train` and `retention run`; high ones are warnings. To fix it, in retention.yml:

    \b
      features:
        exclude: [mails_sent]             # models do without it
      leakage:
        limit: 0.9                        # AUC from which a single column is not believed
        accept:                           # used all the same; the report repeats the reason
          notice_given: known on the day it is given, before the label window

    Findings are kept in gold.gld_leakage_findings, so that a feature that was refused can be asked about later.

    Exit code 3 when there is a critical finding that is neither left out nor accepted.

    \b
    Examples:
      retention leakage
      retention leakage --all --json
    """
    from python_ml.model.leakage_table import TABLE, store_findings
    from python_ml.model.preparation import prepare
    from python_ml.model.replay_evidence import stored_replays
    from python_ml.snapshots.training_rows import read_snapshot, read_training_set

    settings = project.settings
    with console.step("Reading the training set"):
        rows = read_snapshot(project, snapshot) if snapshot else read_training_set(project)
    scenario = rows.definitions.get("scenario")
    with console.step("Looking for leaks"):
        check = prepare(
            rows.frame,
            rows.features,
            rows.entity,
            settings,
            scenario=None if scenario is None else str(scenario),
            replays=[] if snapshot else stored_replays(project),
        ).leakage
    if project.warehouse_path.is_file():  # a snapshot may outlive it
        new = store_findings(project, check, rows.sha256)
        console.note(f"{new:,} new rows in {TABLE}")
    console.result(
        summary(check, everything),
        {
            **check.to_dict(),
            "all": [{**f.to_dict(), "decision": check.decision(f)} for f in check.findings] if everything else None,
        },
    )
    check.enforce()


def summary(check: LeakageCheck, everything: bool) -> str:
    """What was found as text, the worst first."""
    from python_ml.leakage import INFO

    looked = f"{check.rows:,} rows"
    if check.looked_at < check.rows:
        looked = f"about {check.looked_at:,} of {check.rows:,} rows (all rows of customers drawn by chance)"
    shown = [finding for finding in check.findings if everything or finding.severity != INFO]
    counts = {severity: sum(f.severity == severity for f in check.findings) for severity in ("critical", "high")}
    lines = [f"{looked}: {counts['critical']} critical, {counts['high']} high"]
    for finding in shown:
        decision = check.decision(finding)
        lines += ["", f"{finding.severity} ({decision})  {finding.probe}", f"  {finding.sentence}"]
        if finding.severity != INFO:
            lines.append(f"  hint: {finding.advice}")
        if decision == "accepted":
            lines.append(f"  accepted because: {check.accepted[finding.name]}")
    return "\n".join(lines)
