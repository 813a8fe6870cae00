"""``retention init``: turn raw files into a dbt project that is ready to run."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import Console, day_first_option, entity_option, json_option, time_option
from python_ml.errors import UserError

if TYPE_CHECKING:
    from python_ml.onboarding.found import Found
    from python_ml.onboarding.specification import ProjectSpec
    from python_ml.onboarding.static import StaticSpec
    from python_ml.profiling import Findings


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
@entity_option
@time_option
@click.option(
    "--target",
    metavar="COL",
    help="Column that says who left: the file is then one row per customer rather than events.",
)
@click.option(
    "--positive", metavar="VALUE", help="Value of the target or label that means leaving.  [default: by its words]"
)
@click.option(
    "--exclude-columns",
    "left_out",
    multiple=True,
    metavar="COL,...",
    help="Columns of the table with the target that models leave out.",
)
@click.option(
    "--labels",
    metavar="PATH",
    help="A file that says who left: customer, as-of time, 1 or 0. Features are made as of those times.",
)
@click.option(
    "--label-column",
    "label_columns",
    multiple=True,
    metavar="PART=COL",
    help="Column of the labels: entity, time, label, known (when the outcome was) or split.  [default: by evidence]",
)
@click.option("--val-from", metavar="DATE", help="As-of time from which labels validate.  [default: by share]")
@click.option("--test-from", metavar="DATE", help="As-of time from which labels test.  [default: by share]")
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
@day_first_option
@click.option(
    "--relate",
    multiple=True,
    metavar="CHILD.COL=PARENT.COL",
    help="A key between two files. Again for each further one.  [default: found by evidence]",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="NAME",
    help="Source, or source.column, of which no feature is made and that leads nowhere. Again for each further one.",
)
@click.option("--yes", is_flag=True, help="Never ask: take the best guess, and accept every recommendation.")
@json_option
def command(
    folder: Path,
    files: tuple[str, ...],
    data: tuple[str, ...],
    entity: str | None,
    time: str | None,
    target: str | None,
    positive: str | None,
    left_out: tuple[str, ...],
    labels: str | None,
    label_columns: tuple[str, ...],
    val_from: str | None,
    test_from: str | None,
    activity: str | None,
    churn: str,
    horizon: str | None,
    gap: str | None,
    step: str | None,
    active_window: str | None,
    day_first: bool | None,
    relate: tuple[str, ...],
    exclude: tuple[str, ...],
    yes: bool,
    console: Console,
) -> None:
    """Turn raw files into a dbt project in DIR that is ready to run.

    One file must be a table of events with a customer, a time and values: orders, visits, usage. Further dated
    files become further features; undated ones are kept but not used, since they may know the future. Or name a
    --target: then a file has one row per customer, with attributes and a column that says who left. Or bring
    --labels beside the events: whose outcome, as of when. What was found, and why, is printed and stands in
    DIR/README.md and DIR/findings.yaml.

    \b
    Examples:
      retention init my_shop --data orders.csv
      retention init my_shop --data orders.csv tickets.csv --horizon 90d --active-window 180d
      retention init my_shop --data purchases=export_2024.parquet --entity cust_no
      retention init my_telco --data customers.csv --target Churn --positive Yes
      retention init my_bank --data payments.csv --labels labels.csv --horizon 30d --test-from 2024-05-01
    """
    paths = [*data, *files]
    if not paths:
        raise click.UsageError("Missing option '--data'. Name at least one raw file.")
    from python_ml.onboarding.examination import DataArgument
    from python_ml.onboarding.looking import PROFILE, Told, look
    from python_ml.onboarding.writing import check_folder
    from python_ml.profiling import save_profile
    from python_ml.recommendations import Recommendations
    from python_ml.recommendations.projects import create_project

    excluded = tuple(name.strip() for names in left_out for name in names.split(",") if name.strip())
    told = Told(
        entity=entity,
        time=time,
        target=target,
        positive=positive,
        exclude_columns=excluded,
        labels=labels,
        label_columns=label_columns,
        val_from=val_from,
        test_from=test_from,
        activity=activity,
        horizon=horizon,
        gap=gap,
        step=step,
        active_window=active_window,
        day_first=day_first,
        relate=relate,
        exclude=exclude,
    )
    _ = told.choices  # durations are refused before any file is read
    check_folder(folder)
    _refuse_alone(target, labels, positive, list(excluded), label_columns, val_from or test_from)
    asks = not yes and sys.stdin.isatty()
    arguments = [DataArgument.parse(path) for path in paths]
    with console.step("Looking at the files"):
        profile: list[Findings] = []
        found = look(
            arguments,
            told,
            folder,
            say=console.progress,
            ask=partial(_ask, console) if asks else lambda static: None,
            keep=profile.append,
        )
        console.progress(None)
    doubts = found.project.doubts
    if doubts and asks:
        console.note("Please check:\n" + "\n".join(f"  - {doubt}" for doubt in doubts))
        click.confirm("Write the project all the same?", default=True, abort=True, err=True)
    recommendations = Recommendations.from_findings(found)
    if yes:
        recommendations = recommendations.accept_all()
    with console.step("Writing the project"):
        written, obeyed = create_project(folder, found, recommendations)
        profiled = [path.relative_to(folder).as_posix() for path in save_profile(profile[0], folder / PROFILE).values()]
    text, data = _told(found, obeyed.spec, folder)
    counts = obeyed.recommendations.counts
    open_ones = (
        f"{counts['proposed']} more are proposed: `retention recommend` shows them, recommendations.yaml decides."
        if counts["proposed"]
        else "recommendations.yaml has them all; reject one there, and `retention generate` obeys."
    )
    text = text.replace("\nNext: ", f"\n{counts['applied']} recommendations are applied; {open_ones}\nNext: ")
    console.result(
        text,
        {
            "project": str(folder.resolve()),
            "files": [*written, *profiled],
            "findings": data,
            "recommendations": counts,
        },
    )


def _ask(console: Console, static: StaticSpec) -> str:
    """Ask which value of the target means leaving."""
    aim = static.target
    console.progress(None)
    console.note(f"Please check: {aim.doubt}")
    return click.prompt(
        f"Which value of `{aim.raw_name}` means that a customer has left?",
        type=click.Choice(aim.options, case_sensitive=False),
        default=aim.leaving[0],
        err=True,
    )


def _told(found: Found, generated: ProjectSpec | StaticSpec, folder: Path) -> tuple[str, dict[str, Any]]:
    """What was found, in words and as data."""
    from python_ml.onboarding import findings, static_findings

    if found.static is not None:
        return static_findings.summary(generated, str(folder)), static_findings.findings(found.static)
    return findings.summary(generated, str(folder)), findings.findings(found.spec)


def _refuse_alone(
    target: str | None,
    labels: str | None,
    positive: str | None,
    excluded: list[str],
    label_columns: tuple[str, ...],
    split: str | None,
) -> None:
    """Refuse flags that say something about a target or labels which are not there."""
    if target is not None and labels is not None:
        raise UserError(
            "A project has a target or labels, not both.",
            where="--target, --labels",
            hint="name the column of a table with --target, or bring a file of labels beside events",
        )
    for flag, is_given, has, what in (
        ("--positive", positive is not None, target or labels, "--target or --labels"),
        ("--exclude-columns", bool(excluded), target, "--target"),
        ("--label-column", bool(label_columns), labels, "--labels"),
        ("--val-from, --test-from", split is not None, labels, "--labels"),
    ):
        if is_given and has is None:
            raise UserError(f"{flag} says nothing without {what}.", where=flag, hint=f"add {what}, or leave {flag} out")
