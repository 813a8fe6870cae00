"""``retention leakage``: check the training set for leakage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.model.leakage_gate import LeakageCheck
    from python_ml.project import Project


@click.command("leakage")
@click.option("--snapshot", metavar="ID", help="Check a snapshot (`retention snapshot list`) instead of the warehouse.")
@click.option("--all", "everything", is_flag=True, help="Also list features without a suspicion.")
@project_options(*ENGINES)
def command(project: Project, console: Console, snapshot: str | None, everything: bool) -> None:
    """Check the training set for leakage.

    A leak is a column that was written after the outcome was known, or a row on both sides of a split. Models that
    learn from a leak score high and are worthless in production. Every feature is probed, including excluded ones:

    \b
      single column   AUC with a 95 % interval by customer; near-perfect separation
      values          missing, zero, a tail, a value or no change raises the odds of churn far too much
      time            times after the feature time, labels before features, differences in a replay
      foreknowledge   predicts churn long before, or only at once; contains part of what windows show next time
      encoding        mean outcome of a group of rows, computed on the rows that it is to predict
      identifiers     numbers and codes of customers, and columns named like churn, that predict churn
      rows            duplicate customers; customers and labels on both sides of the split

    Critical findings stop `retention train` and `retention run`; high ones are warnings. To resolve one, edit
    retention.yml:

    \b
      features:
        exclude: [mails_sent]             # models do not use it
      leakage:
        limit: 0.9                        # AUC from which a single column is critical
        accept:                           # used nevertheless; the report repeats the reason
          notice_given: known on the day it is given, before the label window

    Reads gold.gld_training_set (or a snapshot), retention.yml and gold.gld_feature_replays. Writes new findings to
    gold.gld_leakage_findings.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 a critical finding is neither excluded nor
    accepted.

    \b
    Examples:
      retention leakage
      retention leakage --all --json
    """
    from python_ml.model.leakage_table import TABLE, store_findings
    from python_ml.model.preparation import prepare
    from python_ml.model.replay_evidence import stored_replays
    from python_ml.snapshots.training_rows import read_snapshot, read_training_set
    from python_ml.warehouse import has_warehouse

    settings = project.settings
    with console.step("Reading the training set"):
        rows = read_snapshot(project, snapshot) if snapshot else read_training_set(project)
    with console.step("Checking for leakage"):
        check = prepare(
            rows.frame,
            rows.features,
            rows.entity,
            settings,
            scenario=rows.scenario,
            replays=[] if snapshot else stored_replays(project),
        ).leakage
    if has_warehouse(project):  # a snapshot may outlive it
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
    """Findings as text, the worst first."""
    from python_ml.leakage import INFO

    size = f"{check.rows:,} rows"
    if check.looked_at < check.rows:
        size = f"about {check.looked_at:,} of {check.rows:,} rows (all rows of a random sample of customers)"
    shown = [finding for finding in check.findings if everything or finding.severity != INFO]
    counts = {severity: sum(f.severity == severity for f in check.findings) for severity in ("critical", "high")}
    lines = [f"{size}: {counts['critical']} critical, {counts['high']} high"]
    for finding in shown:
        decision = check.decision(finding)
        lines += ["", f"{finding.severity} ({decision})  {finding.probe}", f"  {finding.sentence}"]
        if finding.severity != INFO:
            lines.append(f"  hint: {finding.advice}")
        if decision == "accepted":
            lines.append(f"  accepted because: {check.accepted[finding.name]}")
    return "\n".join(lines)
