"""``retention report``: write the report of the last run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.project import Project


@click.command("report")
@project_options(*ENGINES)
def command(project: Project, console: Console) -> None:
    """Write reports/index.html from the last run.

    The page is self-contained: it needs no network and no server, and can be sent and printed. It names what the last
    run did not produce, such as scores.

    Reads reports/metrics.json and the other files of reports/, and the gold tables. Writes reports/index.html.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention report --project-dir my_shop
    """
    path = report(project, console)
    console.result(f"Report: {path}", {"report": str(path)})


def report(project: Project, console: Console) -> Path:
    """Write the report and return where it is.

    Raises
    ------
    UserError
        When there are no metrics or no warehouse yet, or a file cannot be read.
    """
    from python_ml.report import create_report

    with console.step("Writing the report"):
        return create_report(project)
