"""``retention init``: turn raw files into a dbt project that is ready to run."""

from __future__ import annotations

import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import Console, file_options, json_option

if TYPE_CHECKING:
    from python_ml.profile.schema import OutcomeColumn


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("files", metavar="[PATH]...", nargs=-1)
@click.option(
    "--data",
    multiple=True,
    metavar="[NAME=]PATH",
    help="Raw file: CSV (any delimiter or encoding, gzip, zip), parquet, Excel (PATH#Sheet), JSON. May be repeated.",
)
@file_options
@click.option(
    "--exclude-columns",
    multiple=True,
    metavar="COL,...",
    help="Columns of the table with the outcome that models do not use.",
)
@click.option("--as-of", metavar="DATE", help="When the table with the outcome was written.  [default: inferred]")
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A file of outcomes: customer, as-of time, 1 (churned) or 0. Features are made as of those times.",
)
@click.option(
    "--label-column",
    "label_columns",
    multiple=True,
    metavar="PART=COL",
    help="Column of the labels: entity, time, label, known (when the outcome was) or split.  [default: inferred]",
)
@click.option("--val-from", "validation_from", metavar="DATE", help="As-of time from which labels are validation.")
@click.option("--test-from", metavar="DATE", help="As-of time from which labels are test.  [default: by test_share]")
@click.option("--activity", metavar="NAME", help="Source whose events define activity.  [default: the busiest]")
@click.option(
    "--churn",
    type=click.Choice(["inactivity", "end_date", "supplied"]),
    help="No activity in the horizon; coverage that ends in it; or what --labels or --outcome gives.  "
    "[default: inferred]",
)
@click.option("--horizon", metavar="DURATION", help="Length of the label window, such as 90d.  [default: inferred]")
@click.option("--gap", metavar="DURATION", help="From the feature time to the label window.  [default: 0d]")
@click.option("--step", metavar="DURATION", help="From one feature time to the next.  [default: inferred]")
@click.option(
    "--active-window", metavar="DURATION", help="Customers active within it are at risk.  [default: twice the horizon]"
)
@click.option(
    "--relate",
    multiple=True,
    metavar="CHILD.COL=PARENT.COL",
    help="A key between two files (a+b=c+d for several columns). May be repeated.  [default: inferred]",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="NAME",
    help="Source, or source.column, that is used for neither features nor keys. May be repeated.",
)
@click.option("--yes", is_flag=True, help="Ask nothing: keep all guesses, accept what cannot destroy real values.")
@json_option
def command(
    folder: Path,
    files: tuple[str, ...],
    data: tuple[str, ...],
    labels: Path | None,
    exclude_columns: tuple[str, ...],
    yes: bool,
    console: Console,
    **given: Any,
) -> None:
    """Turn raw files into a dbt project that is ready to run.

    Give it events with a customer and a time (orders, visits, usage), tables of customers, and the tables that these
    refer to. Relations between files are inferred from their keys. Churn is inactivity, the end of a subscription
    (--churn end_date), or what --labels or the column --outcome says.

    Reads the raw files in place. Writes the project to DIR, which must be new or empty: models, macros, tests,
    configuration, README.md (every decision, and why), recommendations.yaml (where decisions can be changed) and
    docs/profile.

    Exit codes: 0 done, 1 internal error or cancelled, 2 invalid input or usage.

    \b
    Examples:
      retention init my_shop --data orders.csv
      retention init my_shop --data orders.csv customers.csv tickets.jsonl --horizon 90d
      retention init my_shop --data purchases=export_2024.xlsx#Orders --entity cust_no
      retention init my_telco --data customers.csv --outcome Churn --positive Yes
      retention init my_club --data members.csv visits.csv --outcome lapsed --as-of 2024-06-30
      retention init my_saas --data subscriptions.csv usage.csv --churn end_date
      retention init my_bank --data payments.csv --labels labels.csv --horizon 30d --test-from 2024-05-01
    """
    paths = [*data, *files]
    if not paths:
        raise click.UsageError("Missing option '--data'. Name at least one raw file.")
    from python_ml.generate import check_folder, summary
    from python_ml.generate.examination import examine
    from python_ml.generate.project import create_project
    from python_ml.ingest import DataArgument
    from python_ml.leakage import find_leaks
    from python_ml.plan import Options, Recommendations, propose
    from python_ml.report.profile_page import save_profile

    entity = given.pop("entity")
    options = Options(
        entity=tuple(part.strip() for part in entity.split(",")) if entity else (),
        exclude_columns=tuple(name.strip() for names in exclude_columns for name in names.split(",") if name.strip()),
        **given,
    )
    check_folder(folder)
    asks = not yes and sys.stdin.isatty()
    with tempfile.TemporaryDirectory(prefix="retention_") as scratch:
        converted, page = Path(scratch) / "converted", Path(scratch) / "profile"

        with console.step("Profiling the files"):
            examination = examine(
                [DataArgument.parse(path) for path in paths],
                options,
                folder,
                labels=labels,
                probe=find_leaks,
                choose_positive=partial(_ask, console) if asks else lambda outcome: None,
                keep=partial(save_profile, folder=page),
                converted=converted,
                progress=console.progress,
            )
        recommendations = Recommendations(propose(examination.facts))
        reviews = examination.planned(recommendations).plan.reviews
        if reviews and asks:
            console.note("Requires review:\n" + "\n".join(f"  - {review}" for review in reviews))
            click.confirm("Write the project?", default=True, abort=True, err=True)
        if yes:
            recommendations = recommendations.accept_safe()
        with console.step("Writing the project"):
            written, planned, recommendations = create_project(folder, examination, recommendations, converted)
            shutil.copytree(page, folder / "docs" / "profile", dirs_exist_ok=True)
    counts = recommendations.counts
    console.result(
        summary(planned.plan, examination.profile, recommendations, str(folder)),
        {
            "project": str(folder.resolve()),
            "files": [*written, "docs/profile/findings.yaml", "docs/profile/index.html"],
            "entity": planned.plan.entity,
            "outcome": planned.plan.outcome.definition,
            "settings": {s.name: s.value for s in planned.plan.settings},
            "sources": {
                s.name: {"use": s.use, "rows": s.counts.rows, "kept": s.counts.kept} for s in planned.plan.sources
            },
            "features": len(planned.plan.features),
            "reviews": list(planned.plan.reviews),
            "notices": list(planned.plan.notices),
            "unused": [list(entry) for entry in planned.plan.unused],
            "recommendations": counts,
        },
    )


def _ask(console: Console, outcome: OutcomeColumn) -> str:
    """Ask which value of the outcome means churn."""
    console.progress(None)
    console.note(f"Requires review: {outcome.warning}")
    return click.prompt(
        f"Which value of `{outcome.column}` means that a customer has churned?",
        type=click.Choice([*outcome.churned, *outcome.retained], case_sensitive=False),
        default=outcome.churned[0],
        err=True,
    )
