"""``retention init``: turn raw files into a dbt project that is ready to run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from python_ml.cli.options import Console, json_option


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("files", metavar="[PATH]...", nargs=-1)
@click.option(
    "--data",
    "data",
    multiple=True,
    metavar="[NAME=]PATH",
    help="A raw file: CSV (any delimiter, gzip or not) or parquet. Again for each further file.",
)
@click.option("--entity", metavar="COL", help="Column that says which customer.  [default: found by evidence]")
@click.option("--time", metavar="COL", help="Column that says when it happened.  [default: found by evidence]")
@click.option("--activity", metavar="NAME", help="Source whose events say who is active.  [default: the busiest]")
@click.option(
    "--churn",
    type=click.Choice(["inactivity"]),
    default="inactivity",
    show_default=True,
    help="Churned is who has no activity in the horizon.",
)
@click.option(
    "--horizon", metavar="DURATION", help="Length of the label window, such as 90d.  [default: from the data]"
)
@click.option("--gap", metavar="DURATION", help="From the feature time to the label window.  [default: 0d]")
@click.option("--step", metavar="DURATION", help="From one feature time to the next.  [default: from the data]")
@click.option(
    "--active-window",
    metavar="DURATION",
    help="At risk is who was active within it.  [default: twice the horizon]",
)
@click.option(
    "--day-first/--month-first",
    default=None,
    help="How to read 03/04/2024 where no value tells.  [default: month first]",
)
@click.option("--yes", is_flag=True, help="Never ask; take the best guess and say so.")
@json_option
def command(
    folder: Path,
    files: tuple[str, ...],
    data: tuple[str, ...],
    entity: str | None,
    time: str | None,
    activity: str | None,
    churn: str,
    horizon: str | None,
    gap: str | None,
    step: str | None,
    active_window: str | None,
    day_first: bool | None,
    yes: bool,
    console: Console,
) -> None:
    """Turn raw files into a dbt project in DIR that is ready to run.

    One file must be a table of events with a customer, a time and values: orders, visits, usage. Further dated
    files become further features; undated ones are kept but not used, since they may know the future. What was
    found, and why, is printed and stands in DIR/README.md and DIR/findings.yaml.

    \b
    Examples:
      retention init my_shop --data orders.csv
      retention init my_shop --data orders.csv tickets.csv --horizon 90d --active-window 180d
      retention init my_shop --data purchases=export_2024.parquet --entity cust_no
    """
    paths = [*data, *files]
    if not paths:
        raise click.UsageError("Missing option '--data'. Name at least one raw file.")
    from python_ml.onboarding.assembly import assemble
    from python_ml.onboarding.examination import DataArgument, examine
    from python_ml.onboarding.findings import findings, summary
    from python_ml.onboarding.generation import check_folder, generate
    from python_ml.onboarding.reading import scratch_connection
    from python_ml.onboarding.rhythm import Choices, check_choices

    choices = Choices(horizon, gap, step, active_window)
    check_choices(choices)
    check_folder(folder)
    with scratch_connection() as connection:
        with console.step("Reading and measuring the files"):
            arguments = [DataArgument.parse(path) for path in paths]
            profiles = examine(connection, arguments, entity=entity, time=time, day_first=day_first)
        with console.step("Deciding what becomes of them"):
            spec = assemble(connection, profiles, folder, choices, activity)
    if spec.doubts and not yes and sys.stdin.isatty():
        console.note("Please check:\n" + "\n".join(f"  - {doubt}" for doubt in spec.doubts))
        click.confirm("Write the project all the same?", default=True, abort=True, err=True)
    with console.step("Writing the project"):
        written = generate(spec, folder)
    console.result(
        summary(spec, str(folder)), {"project": str(folder.resolve()), "files": written, "findings": findings(spec)}
    )
