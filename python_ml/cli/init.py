"""``retention init``: turn raw files into a dbt project that is ready to run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import Console, json_option
from python_ml.errors import UserError

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.rhythm import Choices


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
@click.option(
    "--day-first/--month-first",
    default=None,
    help="How to read 03/04/2024 where no value tells.  [default: month first]",
)
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
@click.option("--yes", is_flag=True, help="Never ask; take the best guess and say so.")
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
    from python_ml.onboarding.examination import DataArgument, examine
    from python_ml.onboarding.generation import check_folder
    from python_ml.onboarding.reading import scratch_connection
    from python_ml.onboarding.rhythm import Choices, check_choices

    choices = Choices(horizon, gap, step, active_window)
    check_choices(choices)
    check_folder(folder)
    excluded = [name.strip() for names in left_out for name in names.split(",") if name.strip()]
    _refuse_alone(target, labels, positive, excluded, label_columns, val_from or test_from)
    file = None
    if labels is not None:
        from python_ml.onboarding.supplied import LabelFile, SplitDates

        file = LabelFile(Path(labels), label_columns, positive, day_first, SplitDates.parse(val_from, test_from))
    with scratch_connection() as connection:
        with console.step("Reading and measuring the files"):
            arguments = [DataArgument.parse(path) for path in paths]
            profiles = examine(connection, arguments, entity=entity, time=time, day_first=day_first)
        with console.step("Deciding what becomes of them"):
            if target is None:
                between = {"entity": entity, "relate": relate, "exclude": exclude, "labels": file}
                spec = _events(connection, profiles, folder, choices, activity, **between)
            else:
                options = {"positive": positive, "entity": entity, "horizon": horizon, "exclude": excluded}
                spec = _table(connection, profiles, folder, target, ask=not yes, console=console, **options)
    if spec.doubts and not yes and sys.stdin.isatty():
        console.note("Please check:\n" + "\n".join(f"  - {doubt}" for doubt in spec.doubts))
        click.confirm("Write the project all the same?", default=True, abort=True, err=True)
    with console.step("Writing the project"):
        written = spec.write(folder)
    data = {"project": str(folder.resolve()), "files": written, "findings": spec.findings}
    console.result(spec.summary, data)


@dataclass(frozen=True)
class _Decided:
    """A project that has been decided, whatever kind of files it is made of."""

    doubts: tuple[str, ...]
    summary: str
    findings: dict[str, Any]
    write: Callable[[Path], list[str]]


def _events(
    connection: duckdb.DuckDBPyConnection,
    profiles: list[FileProfile],
    folder: Path,
    choices: Choices,
    activity: str | None,
    **options: Any,
) -> _Decided:
    from python_ml.onboarding.assembly import assemble
    from python_ml.onboarding.findings import findings, summary
    from python_ml.onboarding.generation import generate

    spec = assemble(connection, profiles, folder, choices, activity, **options)
    return _Decided(spec.doubts, summary(spec, str(folder)), findings(spec), partial(generate, spec))


def _table(
    connection: duckdb.DuckDBPyConnection,
    profiles: list[FileProfile],
    folder: Path,
    target: str,
    *,
    ask: bool,
    console: Console,
    **options: Any,
) -> _Decided:
    from python_ml.onboarding.static import assemble_static
    from python_ml.onboarding.static_files import generate_static
    from python_ml.onboarding.static_findings import findings, summary

    static = assemble_static(connection, profiles, folder, target, **options)
    aim = static.target
    if aim.doubt and options["positive"] is None and ask and sys.stdin.isatty():
        console.note(f"Please check: {aim.doubt}")
        chosen = click.prompt(
            f"Which value of `{aim.raw_name}` means that a customer has left?",
            type=click.Choice(aim.options, case_sensitive=False),
            default=aim.leaving[0],
            err=True,
        )
        static = assemble_static(connection, profiles, folder, target, **{**options, "positive": chosen})
    return _Decided(
        static.project.doubts, summary(static, str(folder)), findings(static), partial(generate_static, static)
    )


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
            mend="name the column of a table with --target, or bring a file of labels beside events",
        )
    for flag, is_given, has, what in (
        ("--positive", positive is not None, target or labels, "--target or --labels"),
        ("--exclude-columns", bool(excluded), target, "--target"),
        ("--label-column", bool(label_columns), labels, "--labels"),
        ("--val-from, --test-from", split is not None, labels, "--labels"),
    ):
        if is_given and has is None:
            raise UserError(f"{flag} says nothing without {what}.", where=flag, mend=f"add {what}, or leave {flag} out")
